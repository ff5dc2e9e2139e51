//! Refunds and their results.

use super::book::reversed;
use super::*;

#[derive(Clone)]
pub(super) struct Back {
    pub(super) order: Name,
    pub(super) amount: u64,
    pub(super) cash: u64,
    pub(super) operator: u64,
    pub(super) platform: u64,
    pub(super) merchant: u64,
    pub(super) fee: u64,
    pub(super) platform_fee: u64,
    pub(super) cost: u64,
    pub(super) from_pending: u64,
    pub(super) from_held: u64,
    pub(super) from_available: u64,
    /// The date of pending that it was taken out of; none if it was held.
    pub(super) taken: Option<Date>,
    pub(super) state: RefundState,
    pub(super) sent_as: SentAs,
    pub(super) attempts: u32,
    pub(super) date: Date,
    pub(super) place: usize,
    pub(super) contradicted: bool,
}

impl Back {
    /// What the merchant gives up; below zero when more fees come back than are given. Of a late success it gives
    /// nothing: it never had it.
    pub(super) fn gives(&self, order: &Order) -> i128 {
        if order.stage == Stage::Late {
            return 0;
        }
        let fees = if order.gross() { 0 } else { self.fee + self.platform_fee };
        i128::from(self.cash + self.operator + self.platform) - i128::from(fees)
    }

    pub(super) fn counts(&self) -> bool {
        self.state != RefundState::Failed
    }

    pub(super) fn in_flight(&self) -> bool {
        matches!(self.state, RefundState::Processing | RefundState::Held)
    }
}

impl Naive {
    /// The refunds of an order that count.
    pub(super) fn backs<'a>(&'a self, order: &'a Name) -> impl Iterator<Item = &'a Back> {
        self.refunds.values().filter(move |back| back.order == *order && back.counts())
    }

    /// What went back for good.
    pub(super) fn refunded(&self, order: &Name) -> u64 {
        self.backs(order).filter(|back| back.state == RefundState::Succeeded).map(|back| back.amount).sum()
    }

    pub(super) fn refund(&mut self, asked: &Refund, now: Timestamp) -> Outcome {
        self.terms(asked.merchant)?;
        let (name, of) = ((asked.merchant.0, asked.refund_no), (asked.merchant.0, asked.order_no));
        let known = self.refunds.get(&name).cloned();
        if let Some(known) = &known {
            if known.order != of || known.amount != asked.amount {
                return no(Rejection::IdempotencyConflict);
            }
            if known.counts() {
                let merchant_debit = known.from_pending + known.from_held + known.from_available;
                return Ok((Receipt::Refund { repeat: true, state: known.state, merchant_debit }, false));
            }
        }
        let order = self.order(&of)?;
        let channel = self.channel(order.channel)?;
        let sent_as = self.check_refund(asked.amount, &of, &order, &channel, now)?;
        let mut back = self.compose(&order, &of, asked.amount, &channel);
        back.sent_as = sent_as;
        if let Some(known) = known {
            back.attempts = known.attempts + 1;
            back.place = known.place;
            back.contradicted = known.contradicted;
        }
        let returns = asked.details.as_ref().map(|details| details.split_returns.clone()).unwrap_or_default();
        let mut lines = self.refund_returns(&returns, &order)?;
        let returned: u64 = lines.iter().map(|line| line.amount).sum();
        self.fund(&mut back, &of, &order, returned)?;
        lines.extend(self.refund_lines(&order, &back));
        let about = About { refund_no: Some(name.1), ..About::order(&order.terms, of.1) };
        self.book(&about, back.taken.unwrap_or(self.date), lines)?;
        let merchant_debit = back.from_pending + back.from_held + back.from_available;
        let receipt = Receipt::Refund { repeat: false, state: back.state, merchant_debit };
        self.refunds.insert(name, back);
        Ok((receipt, true))
    }

    /// All that may forbid it, up to the same-day rule; how it is sent, if nothing does.
    fn check_refund(
        &self,
        amount: u64,
        of: &Name,
        order: &Order,
        channel: &ChannelTerms,
        now: Timestamp,
    ) -> Result<SentAs, No> {
        let all = order.returnable();
        if !matches!(order.stage, Stage::Paid | Stage::Late) || self.refunded(of) == all {
            return no(Rejection::OrderState);
        }
        if blacked_out(channel, now) {
            return no(Rejection::ChannelBlackout);
        }
        let paid_on = day(channel, order.paid_at.unwrap());
        if day(channel, now) > paid_on + i64::from(channel.refund_window_days) {
            return no(Rejection::RefundWindow);
        }
        if order.purse == "available" && order.terms.refund_funding == RefundFunding::Pending {
            return no(Rejection::D0NotRefundable);
        }
        let count = self.backs(of).count();
        if channel.max_refunds_per_order.is_some_and(|max| count >= max as usize) {
            return no(Rejection::TooManyRefunds);
        }
        if channel.single_refund_in_flight && self.backs(of).any(Back::in_flight) {
            return no(Rejection::RefundInFlight);
        }
        let out: u64 = self.backs(of).map(|back| back.amount).sum();
        if amount > all - out {
            return no(Rejection::ExceedsRefundable);
        }
        if order.date != Some(self.date) {
            return Ok(SentAs::Refund);
        }
        match channel.same_day {
            SameDay::Allow => Ok(SentAs::Refund),
            SameDay::NextDay => no(Rejection::SameDayRefund),
            SameDay::VoidOnly if amount < all => no(Rejection::SameDayPartial),
            SameDay::VoidOnly => Ok(SentAs::Void),
        }
    }

    fn compose(&self, order: &Order, of: &Name, amount: u64, channel: &ChannelTerms) -> Back {
        let mut back = Back {
            order: *of,
            amount,
            cash: amount,
            operator: 0,
            platform: 0,
            merchant: 0,
            fee: 0,
            platform_fee: 0,
            cost: 0,
            from_pending: 0,
            from_held: 0,
            from_available: 0,
            taken: None,
            state: RefundState::Processing,
            sent_as: SentAs::Refund,
            attempts: 1,
            date: self.date,
            place: self.refunds.len(),
            contradicted: false,
        };
        // A late success is given back as it came.
        if order.stage == Stage::Late {
            return back;
        }
        let sum = |of_back: fn(&Back) -> u64| -> u64 { self.backs(of).map(of_back).sum() };
        let cash_left = order.amount - sum(|back| back.cash);
        let operator_left = order.given.operator - sum(|back| back.operator);
        let platform_left = order.given.platform - sum(|back| back.platform);
        let merchant_left = order.given.merchant - sum(|back| back.merchant);
        let discount_left = operator_left + platform_left + merchant_left;
        let last = amount == cash_left + discount_left;
        let cash = if last {
            cash_left
        } else if order.terms.discount_refund == DiscountRefund::DiscountFirst {
            amount - amount.min(discount_left)
        } else {
            let cash = share(amount, order.amount, order.payable(), Rounding::HalfUp);
            // Neither more cash nor more discount than there is.
            cash.min(cash_left).max(amount.saturating_sub(discount_left))
        };
        let discount = amount - cash;
        // Funders share by what is left of each: the operator, then the platform, the merchant the rest.
        let part = |discount: u64, left: u64, of: u64| {
            if of == 0 { 0 } else { share(left, discount, of, Rounding::HalfUp) }
        };
        back.cash = cash;
        back.operator = part(discount, operator_left, discount_left);
        back.platform = part(discount - back.operator, platform_left, platform_left + merchant_left);
        back.merchant = discount - back.operator - back.platform;
        let squared = last && self.flaw != Flaw::NoSquaring;
        let returned = |rule, paid: u64, before: u64, rounding| match rule {
            FeeRefund::None => 0,
            FeeRefund::Proportional if squared => paid - before,
            FeeRefund::Proportional => share(paid, cash, order.amount, rounding).min(paid - before),
        };
        let (rule, rounding) = (order.terms.fee_refund, order.terms.fee_rounding);
        back.fee = returned(rule, order.fee, sum(|back| back.fee), rounding);
        back.platform_fee = returned(rule, order.platform_fee, sum(|back| back.platform_fee), rounding);
        back.cost = returned(channel.cost_refund, order.cost, sum(|back| back.cost), channel.cost_rounding);
        if cash == 0 {
            back.state = RefundState::Succeeded;
        }
        back
    }

    /// What the merchant gives up, and which of its accounts it comes from; `returned` comes in with it.
    fn fund(&self, back: &mut Back, of: &Name, order: &Order, returned: u64) -> Result<(), No> {
        let gives = u64::try_from(back.gives(order).max(0)).unwrap();
        if order.stage == Stage::Late {
            return Ok(());
        }
        if order.is_held() {
            back.from_held = gives;
            let there = match self.flaw {
                Flaw::HoldsShared => self.balance(of.0, "held"),
                _ => self.hold_of(of),
            };
            if i128::from(gives) > there + i128::from(returned) {
                return no(Rejection::InsufficientFunds);
            }
            return Ok(());
        }
        let settled = self.is_settled(of);
        let pending = u64::try_from(self.balance(of.0, "pending")).unwrap() + returned;
        let all_settled = settled && order.terms.refund_funding == RefundFunding::Available;
        let some_settled = settled && order.terms.refund_funding == RefundFunding::PendingThenAvailable;
        back.from_available = match gives {
            _ if all_settled => gives,
            _ if some_settled => gives.saturating_sub(pending),
            _ => 0,
        };
        back.from_pending = gives - back.from_available;
        let own = settled || self.flaw == Flaw::RefundOfCurrentDate;
        back.taken = Some(if own { self.date } else { self.date_of(of) });
        Ok(())
    }

    /// Entries 77 and 70 to 76.
    fn refund_lines(&self, order: &Order, back: &Back) -> Vec<Line> {
        let m = order.terms.merchant.0;
        let channel = self.channel_account(order.channel);
        if order.stage == Stage::Late {
            return vec![line(74, "suspense", &channel, back.cash)];
        }
        let purse = if order.is_held() { "held" } else { "pending" };
        let purse = format!("merchant:{m}:{purse}");
        let payer = if order.gross() { format!("fee_receivable:{m}") } else { purse.clone() };
        let above = match order.terms.platform {
            Some(platform) => format!("platform:{}", platform.0),
            None => "operator".to_owned(),
        };
        let mut lines = vec![line(77, &format!("merchant:{m}:available"), &purse, back.from_available)];
        lines.push(line(70, &purse, &above, back.cash));
        if order.terms.platform.is_some() {
            lines.push(line(71, &above, "operator", back.cash));
            lines.push(line(72, "operator", &above, back.fee));
        }
        lines.push(line(73, &above, &payer, back.fee + back.platform_fee));
        lines.push(line(74, "operator", &channel, back.cash));
        lines.push(line(75, &channel, "operator", back.cost));
        lines.push(line(76, &purse, "operator", back.operator));
        lines.push(line(76, &purse, &above, back.platform));
        lines
    }

    pub(super) fn refund_result(&mut self, result: &RefundResult) -> Outcome {
        self.terms(result.merchant)?;
        let name = (result.merchant.0, result.refund_no);
        let Some(mut back) = self.refunds.get(&name).cloned() else {
            return no(Rejection::RefundNotFound);
        };
        let said = match result.state {
            RefundResultState::Unknown => {
                return Ok((Receipt::RefundResult { repeat: true, state: back.state }, false));
            }
            RefundResultState::Succeeded => RefundState::Succeeded,
            RefundResultState::Failed => RefundState::Failed,
        };
        if back.state == said || (back.state == RefundState::Held && said == RefundState::Failed) {
            return Ok((Receipt::RefundResult { repeat: true, state: back.state }, false));
        }
        if !back.in_flight() {
            let first = !back.contradicted;
            back.contradicted = true;
            self.refunds.insert(name, back);
            return Err((Rejection::ContradictsFinal, None, first));
        }
        back.state = said;
        if said == RefundState::Failed {
            let order = self.orders[&back.order].clone();
            let channel = &self.channels[usize::from(order.channel.0)];
            if back.sent_as == SentAs::Void || channel.resubmit_failed == FailedRefund::NextDay {
                back.state = RefundState::Held;
            } else {
                let date = self.back_to(&back);
                let about = About { refund_no: Some(name.1), ..About::order(&order.terms, back.order.1) };
                self.book(&about, date, reversed(self.refund_lines(&order, &back)))?;
            }
        }
        let state = back.state;
        self.refunds.insert(name, back);
        Ok((Receipt::RefundResult { repeat: false, state }, true))
    }

    /// The date of pending that what failed gives back to: the one it was taken out of, or the current one's once that
    /// is settled. What was taken of a hold left no date.
    fn back_to(&self, back: &Back) -> Date {
        let open =
            |date: &Date| self.flaw == Flaw::BackToSettledDate || !self.has_settled(back.order.0, *date);
        back.taken.filter(open).unwrap_or(self.date)
    }
}
