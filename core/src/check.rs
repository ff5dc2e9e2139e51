//! What a command must hold by itself, whatever the state (api.md: 400 `invalid_request`).

use crate::{
    AMOUNT_MAX, Account, Adjustment, Command, Confirm, Date, Discounts, Field, MerchantAccount, MerchantId,
    NewOrder, Number, Payment, PaymentDetails, Query, Refund, RefundResult, SetDate, Settlement, Split,
    SplitReturn, SweepItem, Timestamp,
};

/// Longest number of a channel's own, in bytes.
pub(crate) const CHANNEL_TXN_BYTES_MAX: usize = 64;
/// Longest reason of a refund, in bytes.
pub(crate) const REASON_BYTES_MAX: usize = 256;
/// Most receivers of a split, and split returns of a refund.
pub const SPLIT_PARTS_MAX: usize = 50;
/// Longest subject of an adjustment, and id of an approver, in bytes.
const SUBJECT_BYTES_MAX: usize = 64;
/// Longest memo of an adjustment, in bytes.
const MEMO_BYTES_MAX: usize = 256;
/// Most owners of one [`Command::Sweep`].
pub const SWEEP_ITEMS_MAX: usize = 128;

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
            Self::CreateOrder(order) => order.check(),
            Self::Confirm(confirm) => confirm.check(),
            Self::Close(close) => order(close.merchant, &close.order_no),
            Self::Reinstate(of) | Self::Release(of) => order(of.merchant, &of.order_no),
            Self::Split(split) => split.check(),
            Self::SplitReturn(back) => back.check(),
            Self::PutPromoter(promoter) => promoter.check(),
            Self::PutHolidays(holidays) => holidays.check(),
            Self::Adjust(adjustment) => adjustment.check(),
            _ => self.check_movement(),
        }
    }

    /// The movements that are no order's, and what the engine sends.
    fn check_movement(&self) -> Result<(), Field> {
        match self {
            Self::Payout(payout) => moved(payout.merchant, &payout.payout_no, Field::PayoutNo, payout.amount),
            Self::PayoutResult(result) => numbered(result.merchant, &result.payout_no, Field::PayoutNo),
            Self::TopUp(topup) => moved(topup.merchant, &topup.topup_no, Field::TopupNo, topup.amount),
            Self::Freeze(freeze) => moved(freeze.merchant, &freeze.freeze_no, Field::FreezeNo, freeze.amount),
            Self::Unfreeze(freeze) => numbered(freeze.merchant, &freeze.freeze_no, Field::FreezeNo),
            Self::Transfer(transfer) => {
                moved(transfer.merchant, &transfer.transfer_no, Field::TransferNo, transfer.amount)?;
                if transfer.to.is_valid() { Ok(()) } else { Err(Field::To) }
            }
            Self::BeginSettlement(settlement) => settlement.check(),
            Self::Settle(settle) => numbered(settle.merchant, &settle.batch_no, Field::BatchNo),
            Self::EndSettlement(batch_no) => number(batch_no, Field::BatchNo),
            Self::Sweep(items) => check_sweep(items),
            // Named one by one, so that no new command goes unchecked.
            Self::Payment(_)
            | Self::Refund(_)
            | Self::RefundResult(_)
            | Self::Void(_)
            | Self::VoidResult(_)
            | Self::PutMerchant(_)
            | Self::PutChannel(_)
            | Self::SetDate(_)
            | Self::CreateOrder(_)
            | Self::Confirm(_)
            | Self::Close(_)
            | Self::Reinstate(_)
            | Self::Release(_)
            | Self::Split(_)
            | Self::SplitReturn(_)
            | Self::PutPromoter(_)
            | Self::PutHolidays(_)
            | Self::Adjust(_) => unreachable!("checked above"),
        }
    }

    /// Whether only the engine may send it.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        match self {
            Self::BeginSettlement(_) | Self::Settle(_) | Self::EndSettlement(_) | Self::Sweep(_) => true,
            Self::Close(close) => close.expired,
            Self::SetDate(set) => !set.cut,
            _ => false,
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
            Self::CreateOrder(order) => Some(order.merchant),
            Self::Confirm(confirm) => Some(confirm.merchant),
            Self::Close(close) => Some(close.merchant),
            Self::Reinstate(order) | Self::Release(order) => Some(order.merchant),
            Self::Split(split) => Some(split.merchant),
            Self::SplitReturn(back) => Some(back.merchant),
            Self::Payout(payout) => Some(payout.merchant),
            Self::PayoutResult(result) => Some(result.merchant),
            Self::TopUp(topup) => Some(topup.merchant),
            Self::Freeze(freeze) => Some(freeze.merchant),
            Self::Unfreeze(freeze) => Some(freeze.merchant),
            Self::Settle(settle) => Some(settle.merchant),
            Self::PutChannel(_)
            | Self::SetDate(_)
            | Self::Transfer(_)
            | Self::Adjust(_)
            | Self::PutPromoter(_)
            | Self::PutHolidays(_)
            | Self::BeginSettlement(_)
            | Self::EndSettlement(_)
            | Self::Sweep(_) => None,
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
            | Self::Void(id, _)
            | Self::Split(id, _)
            | Self::SplitReturn(id, _)
            | Self::Movement(_, id, _)
            | Self::Entries(id, _) => Some(*id),
            Self::Accrued(_)
            | Self::Totals
            | Self::Channel(_)
            | Self::ChannelNamed(_)
            | Self::Date
            | Self::Adjustment(_)
            | Self::Promoter(_)
            | Self::Holidays
            | Self::Settlement(_)
            | Self::Due(..)
            | Self::Accruals(_)
            | Self::Expired(_) => None,
        }
    }

    /// Whether only the engine may send it.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        matches!(self, Self::Due(..) | Self::Accruals(_) | Self::Expired(_))
    }
}

impl NewOrder {
    fn check(&self) -> Result<(), Field> {
        order(self.merchant, &self.order_no)?;
        amount(self.amount)?;
        self.discounts.check()?;
        moment(self.expires_at, Field::ExpiresAt)
    }
}

impl Confirm {
    fn check(&self) -> Result<(), Field> {
        order(self.merchant, &self.order_no)?;
        moment(self.paid_at, Field::PaidAt)?;
        self.channel_txn.as_ref().map_or(Ok(()), |txn| channel_number(txn, Field::ChannelTxn))
    }
}

impl Discounts {
    /// Together, not only each: so that what is payable is at most twice the largest amount.
    pub(crate) fn check(&self) -> Result<(), Field> {
        if self.total() <= AMOUNT_MAX { Ok(()) } else { Err(Field::Discounts) }
    }
}

impl Split {
    fn check(&self) -> Result<(), Field> {
        numbered(self.merchant, &self.split_no, Field::SplitNo)?;
        number(&self.order_no, Field::OrderNo)?;
        let valid = |&(id, amount): &(MerchantId, u64)| id.is_valid() && (1..=AMOUNT_MAX).contains(&amount);
        let counted = (1..=SPLIT_PARTS_MAX).contains(&self.receivers.len());
        let once = |(at, &(id, _)): (usize, &(MerchantId, u64))| {
            self.receivers[..at].iter().all(|&(other, _)| other != id)
        };
        let well = counted && self.receivers.iter().all(valid) && self.receivers.iter().enumerate().all(once);
        if well { Ok(()) } else { Err(Field::Receivers) }
    }
}

impl SplitReturn {
    pub(crate) fn check(&self) -> Result<(), Field> {
        moved(self.merchant, &self.return_no, Field::ReturnNo, self.amount)?;
        number(&self.order_no, Field::OrderNo)?;
        number(&self.split_no, Field::SplitNo)?;
        merchant(self.receiver)
    }
}

impl Adjustment {
    pub(crate) fn check(&self) -> Result<(), Field> {
        number(&self.adjustment_no, Field::AdjustmentNo)?;
        let text = |text: &str, max: usize| (1..=max).contains(&text.len());
        if !text(&self.subject, SUBJECT_BYTES_MAX) {
            return Err(Field::Subject);
        }
        // Held, frozen and in transit belong to orders, freezes, payouts and sweeps, which would not find it again.
        let adjustable = |account: Account| match account {
            Account::Merchant(id, MerchantAccount::Pending | MerchantAccount::Available) => id.is_valid(),
            Account::Merchant(..) | Account::InTransit => false,
            Account::Platform(id) | Account::Accrued(id) | Account::FeeReceivable(id) => id.is_valid(),
            Account::Operator | Account::Suspense | Account::Bank | Account::Channel(_) => true,
        };
        if !adjustable(self.from) {
            return Err(Field::From);
        }
        if !adjustable(self.to) || self.to == self.from {
            return Err(Field::To);
        }
        amount(self.amount)?;
        if !self.currency.is_valid() {
            return Err(Field::Currency);
        }
        if self.memo.len() > MEMO_BYTES_MAX {
            return Err(Field::Memo);
        }
        let [one, other] = &self.approved_by;
        let two = text(one, SUBJECT_BYTES_MAX) && text(other, SUBJECT_BYTES_MAX) && one != other;
        if two { Ok(()) } else { Err(Field::ApprovedBy) }
    }
}

impl Settlement {
    fn check(&self) -> Result<(), Field> {
        number(&self.batch_no, Field::BatchNo)?;
        self.merchant.map_or(Ok(()), merchant)
    }
}

fn check_sweep(items: &[SweepItem]) -> Result<(), Field> {
    if !(1..=SWEEP_ITEMS_MAX).contains(&items.len()) {
        return Err(Field::Receivers);
    }
    for item in items {
        merchant(item.owner)?;
        if !item.currency.is_valid() {
            return Err(Field::Currency);
        }
        if !(1..=crate::BALANCE_MAX).contains(&item.amount) {
            return Err(Field::Amount);
        }
    }
    Ok(())
}

impl Payment {
    fn check(&self) -> Result<(), Field> {
        merchant(self.merchant)?;
        number(&self.order_no, Field::OrderNo)?;
        amount(self.amount)?;
        moment(self.paid_at, Field::PaidAt)?;
        if self.details.as_ref().is_some_and(|details| details.promoter.is_some()) && !self.hold {
            // A commission is paid when the order is released, which only a held one is.
            return Err(Field::Promoter);
        }
        self.details.as_ref().map_or(Ok(()), |details| details.check())
    }
}

impl PaymentDetails {
    fn check(&self) -> Result<(), Field> {
        self.discounts.check()?;
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
        amount(self.amount)?;
        let Some(details) = &self.details else { return Ok(()) };
        if details.reason.len() > REASON_BYTES_MAX {
            return Err(Field::Reason);
        }
        let returns = &details.split_returns;
        let of_order = |back: &SplitReturn| back.merchant == self.merchant && back.order_no == self.order_no;
        if returns.len() > SPLIT_PARTS_MAX || !returns.iter().all(of_order) {
            return Err(Field::SplitReturns);
        }
        returns.iter().try_for_each(SplitReturn::check)
    }
}

impl RefundResult {
    fn check(&self) -> Result<(), Field> {
        merchant(self.merchant)?;
        number(&self.refund_no, Field::RefundNo)?;
        self.channel_refund_no.as_ref().map_or(Ok(()), |no| channel_number(no, Field::ChannelRefundNo))
    }
}

fn order(id: MerchantId, order_no: &Number) -> Result<(), Field> {
    numbered(id, order_no, Field::OrderNo)
}

fn numbered(id: MerchantId, no: &Number, field: Field) -> Result<(), Field> {
    merchant(id)?;
    number(no, field)
}

fn moved(id: MerchantId, no: &Number, field: Field, minor_units: u64) -> Result<(), Field> {
    numbered(id, no, field)?;
    amount(minor_units)
}

fn amount(minor_units: u64) -> Result<(), Field> {
    if (1..=AMOUNT_MAX).contains(&minor_units) { Ok(()) } else { Err(Field::Amount) }
}

fn moment(at: Option<Timestamp>, field: Field) -> Result<(), Field> {
    if at.is_none_or(|at| Timestamp::RANGE.contains(&at.0)) { Ok(()) } else { Err(field) }
}

fn merchant(id: MerchantId) -> Result<(), Field> {
    if id.is_valid() { Ok(()) } else { Err(Field::MerchantId) }
}

fn number(number: &Number, field: Field) -> Result<(), Field> {
    if number.is_valid() { Ok(()) } else { Err(field) }
}

pub(crate) fn channel_number(text: &str, field: Field) -> Result<(), Field> {
    let printable = text.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    if (1..=CHANNEL_TXN_BYTES_MAX).contains(&text.len()) && printable { Ok(()) } else { Err(field) }
}
