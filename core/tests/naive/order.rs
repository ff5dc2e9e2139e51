//! Orders: how they come about, close, come late, are reinstated and released.

use super::book::reversed;
use super::*;

/// Where an order stands, before its refunds are looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    Created,
    Closed,
    /// Paid after it was closed; the money is in suspense.
    Late,
    Paid,
    Voided,
}

#[derive(Clone)]
pub(super) struct Order {
    /// What it came about by: one of the two.
    pub(super) payment: Option<Payment>,
    pub(super) prepaid: Option<NewOrder>,
    pub(super) confirmed: Option<Confirm>,
    pub(super) channel: ChannelId,
    pub(super) amount: u64,
    pub(super) given: Discounts,
    pub(super) hold: bool,
    pub(super) promoter: Option<MerchantId>,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) channel_txn: Option<String>,
    /// As they were when it came about.
    pub(super) terms: MerchantTerms,
    pub(super) stage: Stage,
    pub(super) reinstated: bool,
    pub(super) released: bool,
    pub(super) paid_at: Option<Timestamp>,
    /// The date it was booked on.
    pub(super) date: Option<Date>,
    /// The date of pending that its money is in.
    pub(super) entered: Option<Date>,
    pub(super) fee: u64,
    pub(super) platform_fee: u64,
    pub(super) cost: u64,
    pub(super) advance_fee: u64,
    /// The merchant's account with its money: held, pending or, when it was advanced, available.
    pub(super) purse: &'static str,
    pub(super) commissions: Vec<Commission>,
}

impl Order {
    pub(super) fn new(terms: MerchantTerms, channel: ChannelId, amount: u64, given: Discounts) -> Self {
        Self {
            payment: None,
            prepaid: None,
            confirmed: None,
            channel,
            amount,
            given,
            hold: false,
            promoter: None,
            expires_at: None,
            channel_txn: None,
            terms,
            stage: Stage::Created,
            reinstated: false,
            released: false,
            paid_at: None,
            date: None,
            entered: None,
            fee: 0,
            platform_fee: 0,
            cost: 0,
            advance_fee: 0,
            purse: "",
            commissions: Vec::new(),
        }
    }

    pub(super) fn payable(&self) -> u64 {
        self.amount + self.given.operator + self.given.merchant + self.given.platform
    }

    /// What may be asked back in all: of a late one only the cash, for no discount was given.
    pub(super) fn returnable(&self) -> u64 {
        match self.stage {
            Stage::Created | Stage::Closed | Stage::Voided => 0,
            Stage::Late => self.amount,
            Stage::Paid => self.payable(),
        }
    }

    pub(super) fn gross(&self) -> bool {
        self.terms.mode == SettlementMode::Gross
    }

    pub(super) fn net(&self) -> u64 {
        let fees = if self.gross() { 0 } else { self.fee + self.platform_fee + self.advance_fee };
        match self.stage {
            Stage::Paid | Stage::Voided => self.amount + self.given.operator + self.given.platform - fees,
            Stage::Created | Stage::Closed | Stage::Late => 0,
        }
    }

    pub(super) fn is_held(&self) -> bool {
        self.purse == "held" && self.stage == Stage::Paid
    }

    /// Nobody may pay it any more.
    pub(super) fn is_over(&self, now: Timestamp, flaw: Flaw) -> bool {
        let expired = self.expires_at.is_some_and(|at| at <= now) && flaw != Flaw::NeverExpires;
        self.stage == Stage::Closed || (self.stage == Stage::Created && expired)
    }
}

impl Naive {
    pub(super) fn status(&self, name: &Name, now: Timestamp) -> OrderStatus {
        let order = &self.orders[name];
        let refunded = self.refunded(name);
        match order.stage {
            Stage::Created if !order.is_over(now, self.flaw) => OrderStatus::Created,
            Stage::Created | Stage::Closed => OrderStatus::Closed,
            Stage::Voided => OrderStatus::Voided,
            Stage::Late | Stage::Paid if refunded == order.returnable() => OrderStatus::Refunded,
            Stage::Late => OrderStatus::PaidLate,
            Stage::Paid if refunded > 0 => OrderStatus::PartiallyRefunded,
            Stage::Paid => OrderStatus::Paid,
        }
    }

    fn order_receipt(&self, name: &Name, now: Timestamp, repeat: bool) -> Receipt {
        Receipt::Order { repeat, status: self.status(name, now) }
    }

    pub(super) fn has_settled(&self, merchant: u64, date: Date) -> bool {
        self.settled_through.get(&merchant).is_some_and(|&through| date <= through)
    }

    /// Whether its money is settled: advanced, or the date at which it entered pending is.
    pub(super) fn is_settled(&self, name: &Name) -> bool {
        let order = &self.orders[name];
        let entered = if self.flaw == Flaw::SettledByPayment { order.date } else { order.entered };
        match order.purse {
            "available" => true,
            "pending" => entered.is_some_and(|date| self.has_settled(name.0, date)),
            _ => false,
        }
    }

    /// The date of pending at which an order's money is to be had: its own, or the current one's once that is settled.
    pub(super) fn date_of(&self, name: &Name) -> Date {
        let own = self.orders[name].entered.filter(|&date| !self.has_settled(name.0, date));
        own.unwrap_or(self.date)
    }

    /// The limits of one order and of the accounting date.
    pub(super) fn check_limits(&self, terms: &MerchantTerms, amount: u64) -> Result<(), No> {
        let of_day = |(name, order): &(&Name, &Order)| {
            let counted = !(self.flaw == Flaw::ReinstatedUncounted && order.reinstated);
            let paid = matches!(order.stage, Stage::Paid | Stage::Voided);
            name.0 == terms.merchant.0 && paid && counted && order.date == Some(self.date)
        };
        let today = self.orders.iter().filter(of_day);
        let (count, sum) = today.fold((0, 0), |(count, sum), (_, order)| (count + 1, sum + order.amount));
        let over = |value: u64, limit: Option<u64>| limit.is_some_and(|limit| value > limit);
        if over(amount, terms.limits.order_amount) {
            return no(Rejection::LimitOrderAmount);
        }
        if over(sum + amount, terms.limits.day_amount) {
            return no(Rejection::LimitDayAmount);
        }
        if over(count + 1, terms.limits.day_count) {
            return no(Rejection::LimitDayCount);
        }
        Ok(())
    }

    pub(super) fn create_order(&mut self, asked: &NewOrder, now: Timestamp) -> Outcome {
        let terms = self.terms(asked.merchant)?;
        let channel = self.channel(asked.channel)?;
        let name = (asked.merchant.0, asked.order_no);
        if let Some(known) = self.orders.get(&name) {
            return again(known.prepaid.as_ref() == Some(asked), self.order_receipt(&name, now, true));
        }
        if asked.expires_at.is_some_and(|at| at <= now) {
            return no_field(Rejection::InvalidRequest, Field::ExpiresAt);
        }
        if asked.discounts.platform > 0 && terms.platform.is_none() {
            return no_field(Rejection::InvalidRequest, Field::Discounts);
        }
        match terms.status {
            MerchantStatus::Active => {}
            MerchantStatus::Suspended => return no(Rejection::MerchantSuspended),
            MerchantStatus::Closed => return no(Rejection::MerchantClosed),
        }
        if blacked_out(&channel, now) {
            return no(Rejection::ChannelBlackout);
        }
        self.check_limits(&terms, asked.amount)?;
        let order = Order {
            prepaid: Some(asked.clone()),
            hold: asked.hold,
            expires_at: asked.expires_at,
            ..Order::new(terms, asked.channel, asked.amount, asked.discounts)
        };
        self.orders.insert(name, order);
        Ok((self.order_receipt(&name, now, false), true))
    }

    pub(super) fn confirm(&mut self, asked: &Confirm, now: Timestamp) -> Outcome {
        self.terms(asked.merchant)?;
        let name = (asked.merchant.0, asked.order_no);
        let mut order = self.order(&name)?;
        if order.prepaid.is_none() {
            return no(Rejection::OrderState);
        }
        if let Some(known) = &order.confirmed {
            return again(known == asked, self.order_receipt(&name, now, true));
        }
        let late = order.is_over(now, self.flaw) && self.flaw != Flaw::LateIsPaid;
        order.confirmed = Some(asked.clone());
        order.paid_at = Some(asked.paid_at.unwrap_or(now));
        order.channel_txn = asked.channel_txn.as_deref().map(str::to_owned);
        let lines = if late {
            order.stage = Stage::Late;
            order.date = Some(self.date);
            self.late_lines(&order)
        } else {
            self.capture(&mut order)
        };
        self.book(&About::order(&order.terms, name.1), self.date, lines)?;
        self.orders.insert(name, order);
        Ok((self.order_receipt(&name, now, false), true))
    }

    /// A success that came late waits in suspense.
    fn late_lines(&self, order: &Order) -> Vec<Line> {
        vec![line(60, &self.channel_account(order.channel), "suspense", order.amount)]
    }

    pub(super) fn close(&mut self, asked: Close, now: Timestamp) -> Outcome {
        self.terms(asked.merchant)?;
        let name = (asked.merchant.0, asked.order_no);
        let order = self.order(&name)?;
        let over = order.is_over(now, self.flaw);
        match order.stage {
            Stage::Closed => return Ok((self.order_receipt(&name, now, true), false)),
            Stage::Created if over || !asked.expired => {}
            _ => return no(Rejection::OrderState),
        }
        self.orders.insert(name, Order { stage: Stage::Closed, ..order });
        Ok((self.order_receipt(&name, now, false), true))
    }

    pub(super) fn reinstate(&mut self, asked: OrderRef, now: Timestamp) -> Outcome {
        let closed = self.terms(asked.merchant)?.status == MerchantStatus::Closed;
        let name = (asked.merchant.0, asked.order_no);
        let mut order = self.order(&name)?;
        if order.reinstated {
            return Ok((self.order_receipt(&name, now, true), false));
        }
        if self.status(&name, now) != OrderStatus::PaidLate {
            return no(Rejection::OrderState);
        }
        if self.backs(&name).next().is_some() {
            return no(Rejection::HasRefunds);
        }
        if closed {
            return no(Rejection::MerchantClosed);
        }
        let mut lines = reversed(self.late_lines(&order));
        order.reinstated = true;
        lines.extend(self.capture(&mut order));
        self.book(&About::order(&order.terms, name.1), self.date, lines)?;
        self.orders.insert(name, order);
        Ok((self.order_receipt(&name, now, false), true))
    }

    pub(super) fn release(&mut self, asked: OrderRef, now: Timestamp) -> Outcome {
        let closed = self.terms(asked.merchant)?.status == MerchantStatus::Closed;
        let name = (asked.merchant.0, asked.order_no);
        let mut order = self.order(&name)?;
        if order.released && order.stage != Stage::Voided {
            return Ok((self.order_receipt(&name, now, true), false));
        }
        if !order.is_held() {
            return no(Rejection::OrderState);
        }
        if closed {
            return no(Rejection::MerchantClosed);
        }
        let lines = self.release_lines(&name, &mut order, 0);
        self.book(&About::order(&order.terms, name.1), self.date, lines)?;
        self.orders.insert(name, order);
        Ok((self.order_receipt(&name, now, false), true))
    }

    /// Releases what is left after `split` of it was split: commissions first, then the rest to pending.
    pub(super) fn release_lines(&self, name: &Name, order: &mut Order, split: u64) -> Vec<Line> {
        let rest = u64::try_from(self.hold_of(name)).unwrap() - split;
        let held = format!("merchant:{}:held", name.0);
        order.commissions = self.commissions(name, order, rest, split);
        let mut lines: Vec<Line> = order
            .commissions
            .iter()
            .map(|one| line(83, &held, &format!("accrued:{}", one.promoter.0), one.amount))
            .collect();
        let paid: u64 = order.commissions.iter().map(|one| one.amount).sum();
        lines.push(line(80, &held, &format!("merchant:{}:pending", name.0), rest - paid));
        order.purse = "pending";
        order.released = true;
        order.entered = Some(self.date);
        lines
    }
}
