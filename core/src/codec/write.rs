//! Commands into bytes; the format is drawn at the top of `mod.rs`.

use super::{
    CHANNEL_TXN, CONFIRM_PAID_AT, CONFIRM_TXN, DETAILS, DISCOUNTS, EXPIRES_AT, HOLD, MORE, PAID_AT, PROMOTER,
    SPLIT_RETURNS,
};
use crate::{
    Account, Adjustment, ChannelTerms, Command, Confirm, Currency, Cycle, Date, Discounts, Holidays,
    MerchantTerms, NewOrder, Number, Payment, Promoter, Refund, RefundResult, Split,
};

/// Puts values behind each other.
pub(crate) struct Writer<'a>(pub(crate) &'a mut Vec<u8>);

impl Writer<'_> {
    pub(crate) fn byte(&mut self, byte: u8) -> &mut Self {
        self.0.push(byte);
        self
    }

    #[expect(clippy::cast_possible_truncation, reason = "seven bits at a time")]
    pub(crate) fn int(&mut self, mut value: u64) -> &mut Self {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
        self
    }

    pub(crate) fn signed(&mut self, value: i64) -> &mut Self {
        self.int((value << 1 ^ value >> 63).cast_unsigned())
    }

    /// A signed integer of 128 bits.
    #[expect(clippy::cast_possible_truncation, reason = "seven bits at a time")]
    pub(crate) fn wide(&mut self, value: i128) -> &mut Self {
        let mut value = (value << 1 ^ value >> 127).cast_unsigned();
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.byte(value as u8)
    }

    pub(crate) fn option(&mut self, value: Option<u64>) -> &mut Self {
        match value {
            None => self.byte(0),
            Some(value) => self.byte(1).int(value),
        }
    }

    pub(crate) fn number(&mut self, number: &Number) -> &mut Self {
        self.text(number.as_bytes())
    }

    pub(crate) fn text(&mut self, text: &[u8]) -> &mut Self {
        self.int(text.len() as u64);
        self.0.extend_from_slice(text);
        self
    }

    pub(crate) fn payment(&mut self, payment: &Payment) {
        let details = payment.details.as_deref();
        let discounts =
            details.map(|details| details.discounts).filter(|discounts| *discounts != Discounts::default());
        let promoter = details.and_then(|details| details.promoter);
        let txn = details.and_then(|details| details.channel_txn.as_deref());
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let flags = flag(payment.hold, HOLD)
            | flag(payment.paid_at.is_some(), PAID_AT)
            | flag(details.is_some(), DETAILS)
            | flag(discounts.is_some(), DISCOUNTS)
            | flag(promoter.is_some(), PROMOTER)
            | flag(txn.is_some(), CHANNEL_TXN);
        self.byte(1).byte(flags).int(payment.merchant.0).number(&payment.order_no);
        self.int(payment.channel.0.into()).int(payment.amount);
        if let Some(at) = payment.paid_at {
            self.signed(at.0);
        }
        if let Some(discounts) = discounts {
            self.int(discounts.operator).int(discounts.merchant).int(discounts.platform);
        }
        if let Some(promoter) = promoter {
            self.int(promoter.0);
        }
        if let Some(txn) = txn {
            self.text(txn.as_bytes());
        }
    }

    pub(crate) fn refund(&mut self, refund: &Refund) {
        let returns = refund.details.as_ref().map_or(&[][..], |details| &details.split_returns);
        let flags = if refund.details.is_some() { MORE } else { 0 };
        self.byte(2).byte(if returns.is_empty() { flags } else { flags | SPLIT_RETURNS });
        self.int(refund.merchant.0).number(&refund.refund_no).number(&refund.order_no).int(refund.amount);
        if let Some(details) = &refund.details {
            self.text(details.reason.as_bytes());
        }
        if !returns.is_empty() {
            self.int(returns.len() as u64);
            for back in returns {
                self.number(&back.return_no).number(&back.split_no).int(back.receiver.0).int(back.amount);
            }
        }
    }

    pub(crate) fn refund_result(&mut self, result: &RefundResult) {
        self.byte(3).byte(if result.channel_refund_no.is_some() { MORE } else { 0 });
        self.int(result.merchant.0).number(&result.refund_no).byte(result.state as u8);
        if let Some(number) = &result.channel_refund_no {
            self.text(number.as_bytes());
        }
    }

    pub(crate) fn merchant(&mut self, terms: &MerchantTerms) {
        let (cycle, days) = match terms.cycle {
            Cycle::Business(days) => (0, days),
            Cycle::Calendar(days) => (1, days),
        };
        self.byte(6).int(terms.merchant.0).text(terms.name.as_bytes());
        self.currency(terms.currency);
        self.byte(terms.status as u8).int(terms.platform.map_or(0, |id| id.0)).int(terms.fee_rate.0.into());
        self.byte(terms.fee_rounding as u8).int(terms.fee_min).option(terms.fee_max);
        self.byte(terms.fee_refund as u8).int(terms.platform_fee_rate.0.into()).byte(cycle).byte(days);
        self.byte(terms.mode as u8).int(terms.settle_min).int(terms.advance_fee_rate.0.into());
        self.byte(terms.refund_funding as u8).byte(terms.discount_refund as u8);
        self.int(terms.max_split_rate.0.into()).option(terms.limits.order_amount);
        self.option(terms.limits.day_amount).option(terms.limits.day_count);
    }

    pub(crate) fn channel(&mut self, terms: &ChannelTerms) {
        self.byte(7).text(terms.name.as_bytes()).byte(terms.preset as u8).int(terms.cost_rate.0.into());
        self.byte(terms.cost_rounding as u8).byte(terms.cost_refund as u8);
        self.int(terms.refund_window_days.into()).option(terms.max_refunds_per_order.map(u64::from));
        self.byte(terms.same_day as u8).byte(terms.single_refund_in_flight.into());
        self.byte(terms.resubmit_failed as u8).int(terms.blackout.len() as u64);
        for window in &terms.blackout {
            self.int(window.from_minute.into()).int(window.to_minute.into());
        }
        self.text(terms.zone.name.as_bytes()).int(terms.zone.steps.len() as u64);
        for step in &terms.zone.steps {
            self.signed(step.from_s).signed(step.offset_s.into());
        }
    }

    pub(crate) fn new_order(&mut self, order: &NewOrder) {
        let flags = if order.hold { HOLD } else { 0 };
        self.byte(9).byte(if order.expires_at.is_some() { flags | EXPIRES_AT } else { flags });
        self.int(order.merchant.0).number(&order.order_no).int(order.channel.0.into()).int(order.amount);
        self.int(order.discounts.operator).int(order.discounts.merchant).int(order.discounts.platform);
        if let Some(at) = order.expires_at {
            self.signed(at.0);
        }
    }

    pub(crate) fn confirm(&mut self, confirm: &Confirm) {
        let at = if confirm.paid_at.is_some() { CONFIRM_PAID_AT } else { 0 };
        self.byte(10).byte(if confirm.channel_txn.is_some() { at | CONFIRM_TXN } else { at });
        self.int(confirm.merchant.0).number(&confirm.order_no);
        if let Some(at) = confirm.paid_at {
            self.signed(at.0);
        }
        if let Some(txn) = &confirm.channel_txn {
            self.text(txn.as_bytes());
        }
    }

    pub(crate) fn split(&mut self, split: &Split) {
        self.byte(14).int(split.merchant.0).number(&split.split_no).number(&split.order_no);
        self.byte(split.finish.into()).int(split.receivers.len() as u64);
        for (receiver, amount) in &split.receivers {
            self.int(receiver.0).int(*amount);
        }
    }

    /// What is no order's.
    ///
    /// # Panics
    /// When it is one's: those are written apart.
    pub(crate) fn movement(&mut self, command: &Command) {
        match command {
            Command::Payout(payout) => {
                self.byte(16).int(payout.merchant.0).number(&payout.payout_no).int(payout.amount);
                self.option(payout.channel.map(|id| id.0.into()));
            }
            Command::PayoutResult(result) => {
                self.byte(17).int(result.merchant.0).number(&result.payout_no).byte(result.state as u8);
            }
            Command::TopUp(topup) => {
                self.byte(18).int(topup.merchant.0).number(&topup.topup_no);
                self.int(topup.channel.0.into()).int(topup.amount);
            }
            Command::Freeze(freeze) => {
                self.byte(19).int(freeze.merchant.0).number(&freeze.freeze_no).int(freeze.amount);
            }
            Command::Unfreeze(freeze) => {
                self.byte(20).int(freeze.merchant.0).number(&freeze.freeze_no);
            }
            Command::Transfer(transfer) => {
                self.byte(21).int(transfer.merchant.0).number(&transfer.transfer_no);
                self.int(transfer.to.0).int(transfer.amount);
            }
            Command::Adjust(adjustment) => self.adjustment(adjustment),
            Command::PutPromoter(promoter) => self.promoter(promoter),
            Command::PutHolidays(holidays) => self.holidays(holidays),
            Command::BeginSettlement(settlement) => {
                self.byte(25).number(&settlement.batch_no).int(settlement.merchant.map_or(0, |id| id.0));
            }
            Command::Settle(settle) => {
                self.byte(26).int(settle.merchant.0).number(&settle.batch_no);
            }
            Command::EndSettlement(batch_no) => {
                self.byte(27).number(batch_no);
            }
            Command::Sweep(items) => {
                self.byte(28).int(items.len() as u64);
                for item in &**items {
                    self.int(item.owner.0).currency(item.currency).int(item.amount);
                }
            }
            _ => unreachable!("written apart"),
        }
    }

    pub(crate) fn promoter(&mut self, promoter: &Promoter) {
        self.byte(23).int(promoter.promoter.0).currency(promoter.currency);
        self.int(promoter.rate.0.into()).int(promoter.upline.map_or(0, |id| id.0));
        self.int(promoter.upline_rate.0.into());
    }

    pub(crate) fn holidays(&mut self, holidays: &Holidays) {
        self.byte(24).dates(&holidays.dates).dates(&holidays.workdays);
    }

    pub(crate) fn adjustment(&mut self, adjustment: &Adjustment) {
        self.byte(22).number(&adjustment.adjustment_no).text(adjustment.subject.as_bytes());
        self.account(adjustment.from).account(adjustment.to).int(adjustment.amount);
        self.currency(adjustment.currency).text(adjustment.memo.as_bytes());
        let [one, other] = &adjustment.approved_by;
        self.text(one.as_bytes()).text(other.as_bytes());
    }

    pub(crate) fn currency(&mut self, currency: Currency) -> &mut Self {
        self.0.extend_from_slice(&currency.0);
        self
    }

    pub(crate) fn dates(&mut self, dates: &[Date]) -> &mut Self {
        self.int(dates.len() as u64);
        for date in dates {
            self.signed(date.0.into());
        }
        self
    }

    pub(crate) fn account(&mut self, account: Account) -> &mut Self {
        match account {
            Account::Operator => self.byte(0),
            Account::Suspense => self.byte(1),
            Account::InTransit => self.byte(2),
            Account::Bank => self.byte(3),
            Account::Channel(id) => self.byte(4).int(id.0.into()),
            Account::Platform(id) => self.byte(5).int(id.0),
            Account::Accrued(id) => self.byte(6).int(id.0),
            Account::FeeReceivable(id) => self.byte(7).int(id.0),
            Account::Merchant(id, account) => self.byte(8).int(id.0).byte(account as u8),
        }
    }
}
