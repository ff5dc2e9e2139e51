//! What a command must hold by itself, whatever the state (api.md: 400 `invalid_request`).

use crate::{
    AMOUNT_MAX, Command, Date, Field, MerchantId, Number, Payment, PaymentDetails, Query, Refund,
    RefundResult, SetDate, Timestamp,
};

/// Longest number of a channel's own, in bytes.
pub(crate) const CHANNEL_TXN_BYTES_MAX: usize = 64;
/// Longest reason of a refund, in bytes.
pub(crate) const REASON_BYTES_MAX: usize = 256;

impl Command {
    /// Whether every field is in its range.
    ///
    /// # Errors
    /// The first field that is not.
    pub fn check(&self) -> Result<(), Field> {
        match self {
            Self::Payment(payment) => payment.check(),
            Self::Refund(refund) => refund.check(),
            Self::RefundResult(result) => result.check(),
            Self::Void(void) => {
                merchant(void.merchant)?;
                number(&void.void_no, Field::VoidNo)?;
                number(&void.order_no, Field::OrderNo)
            }
            Self::VoidResult(result) => {
                merchant(result.merchant)?;
                number(&result.void_no, Field::VoidNo)
            }
            Self::PutMerchant(terms) => terms.check(),
            Self::PutChannel(terms) => terms.check(),
            Self::SetDate(SetDate { date, .. }) => {
                if Date::RANGE.contains(&date.0) {
                    Ok(())
                } else {
                    Err(Field::AccountingDate)
                }
            }
        }
    }

    /// Whose it is; `None` for what every shard applies.
    #[must_use]
    pub fn merchant(&self) -> Option<MerchantId> {
        match self {
            Self::Payment(payment) => Some(payment.merchant),
            Self::Refund(refund) => Some(refund.merchant),
            Self::RefundResult(result) => Some(result.merchant),
            Self::Void(void) => Some(void.merchant),
            Self::VoidResult(result) => Some(result.merchant),
            Self::PutMerchant(terms) => Some(terms.merchant),
            Self::PutChannel(_) | Self::SetDate(_) => None,
        }
    }
}

impl Query {
    /// Whose shard knows; `None` for what is asked of every shard, or of any.
    #[must_use]
    pub fn merchant(&self) -> Option<MerchantId> {
        match self {
            Self::Balances(id)
            | Self::Merchant(id)
            | Self::Order(id, _)
            | Self::Refund(id, _)
            | Self::OrderRefunds(id, _, _)
            | Self::Void(id, _) => Some(*id),
            Self::Accrued(_) | Self::Totals | Self::Channel(_) | Self::ChannelNamed(_) => None,
        }
    }
}

impl Payment {
    fn check(&self) -> Result<(), Field> {
        merchant(self.merchant)?;
        number(&self.order_no, Field::OrderNo)?;
        if !(1..=AMOUNT_MAX).contains(&self.amount) {
            return Err(Field::Amount);
        }
        if self.paid_at.is_some_and(|at| !Timestamp::RANGE.contains(&at.0)) {
            return Err(Field::PaidAt);
        }
        self.details.as_ref().map_or(Ok(()), |details| details.check())
    }
}

impl PaymentDetails {
    fn check(&self) -> Result<(), Field> {
        // Together, not only each: so that what is payable is at most twice the largest amount.
        if self.discounts.total() > AMOUNT_MAX {
            return Err(Field::Discounts);
        }
        if self.promoter.is_some_and(|promoter| !promoter.is_valid()) {
            return Err(Field::Promoter);
        }
        self.channel_txn.as_ref().map_or(Ok(()), |txn| channel_number(txn, Field::ChannelTxn))
    }
}

impl Refund {
    fn check(&self) -> Result<(), Field> {
        merchant(self.merchant)?;
        number(&self.refund_no, Field::RefundNo)?;
        number(&self.order_no, Field::OrderNo)?;
        if !(1..=AMOUNT_MAX).contains(&self.amount) {
            return Err(Field::Amount);
        }
        let reason_bytes = self.details.as_ref().map_or(0, |details| details.reason.len());
        if reason_bytes <= REASON_BYTES_MAX { Ok(()) } else { Err(Field::Reason) }
    }
}

impl RefundResult {
    fn check(&self) -> Result<(), Field> {
        merchant(self.merchant)?;
        number(&self.refund_no, Field::RefundNo)?;
        self.channel_refund_no.as_ref().map_or(Ok(()), |no| channel_number(no, Field::ChannelRefundNo))
    }
}

fn merchant(id: MerchantId) -> Result<(), Field> {
    if id.is_valid() { Ok(()) } else { Err(Field::MerchantId) }
}

fn number(number: &Number, field: Field) -> Result<(), Field> {
    if number.is_valid() { Ok(()) } else { Err(field) }
}

fn channel_number(text: &str, field: Field) -> Result<(), Field> {
    let printable = text.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    if (1..=CHANNEL_TXN_BYTES_MAX).contains(&text.len()) && printable { Ok(()) } else { Err(field) }
}
