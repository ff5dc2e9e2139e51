//! The same rules once more: maps, names and decimals, no care for speed. It shares only the words with the
//! crate (commands, views, replies) and no rule.
#![allow(dead_code, unreachable_pub, reason = "each test binary takes its part of it")]
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, reason = "tests")]

use std::collections::BTreeMap;

use rust_decimal::{Decimal, RoundingStrategy};
use suanpan_core::*;

type Name = (u64, Number);
pub type Booked = (u8, String, String, u64, bool);

#[derive(Clone)]
struct Paid {
    asked: Payment,
    terms: MerchantTerms,
    paid_at: Timestamp,
    date: Date,
    fee: u64,
    platform_fee: u64,
    cost: u64,
    advance_fee: u64,
    purse: &'static str,
    voided: bool,
}

#[derive(Clone)]
struct Back {
    order: Name,
    amount: u64,
    cash: u64,
    operator: u64,
    platform: u64,
    merchant: u64,
    fee: u64,
    platform_fee: u64,
    cost: u64,
    from: (u64, u64, u64),
    state: RefundState,
    sent_as: SentAs,
    attempts: u32,
    date: Date,
    place: usize,
    contradicted: bool,
}

#[derive(Clone)]
struct Cancel {
    order: Name,
    state: VoidState,
    contradicted: bool,
}

#[derive(Clone, Default)]
pub struct Naive {
    pub date: Date,
    merchants: BTreeMap<u64, MerchantTerms>,
    channels: Vec<ChannelTerms>,
    orders: BTreeMap<Name, Paid>,
    refunds: BTreeMap<Name, Back>,
    voids: BTreeMap<Name, Cancel>,
    pub accounts: BTreeMap<(Currency, String), i128>,
    pub booked: Vec<Booked>,
}

fn round(value: Decimal, rounding: Rounding) -> u64 {
    let strategy = match rounding {
        Rounding::HalfUp => RoundingStrategy::MidpointAwayFromZero,
        Rounding::HalfEven => RoundingStrategy::MidpointNearestEven,
        Rounding::Down => RoundingStrategy::ToZero,
    };
    value.round_dp_with_strategy(0, strategy).try_into().unwrap()
}

fn share(amount: u64, part: u64, whole: u64, rounding: Rounding) -> u64 {
    round(Decimal::from(amount) * Decimal::from(part) / Decimal::from(whole), rounding)
}

fn charge(amount: u64, rate: Rate, rounding: Rounding) -> u64 {
    round(Decimal::from(amount) * Decimal::new(rate.0.into(), 6), rounding)
}

fn discounts(payment: &Payment) -> Discounts {
    payment.details.as_ref().map(|details| details.discounts).unwrap_or_default()
}

fn payable(payment: &Payment) -> u64 {
    let discounts = discounts(payment);
    payment.amount + discounts.operator + discounts.merchant + discounts.platform
}

fn blacked_out(channel: &ChannelTerms, at: Timestamp) -> bool {
    let seconds = at.0.div_euclid(1000) + i64::from(channel.zone.at(at));
    let minute = seconds.rem_euclid(86_400) / 60;
    channel.blackout.iter().any(|w| {
        let (from, to) = (i64::from(w.from_minute), i64::from(w.to_minute));
        if from < to { from <= minute && minute < to } else { minute >= from || minute < to }
    })
}

fn day(channel: &ChannelTerms, at: Timestamp) -> i64 {
    (at.0.div_euclid(1000) + i64::from(channel.zone.at(at))).div_euclid(86_400)
}

impl Paid {
    fn gross(&self) -> bool {
        self.terms.mode == SettlementMode::Gross
    }

    fn net(&self) -> u64 {
        let given = discounts(&self.asked);
        let fees = if self.gross() { 0 } else { self.fee + self.platform_fee + self.advance_fee };
        self.asked.amount + given.operator + given.platform - fees
    }
}

impl Back {
    /// What the merchant gives up; below zero when more fees come back than are given.
    fn gives(&self, gross: bool) -> i128 {
        let fees = if gross { 0 } else { self.fee + self.platform_fee };
        i128::from(self.cash + self.operator + self.platform) - i128::from(fees)
    }

    fn counts(&self) -> bool {
        self.state != RefundState::Failed
    }

    fn in_flight(&self) -> bool {
        matches!(self.state, RefundState::Processing | RefundState::Held)
    }
}

impl Naive {
    pub fn new(date: Date) -> Self {
        Self { date, ..Self::default() }
    }

    pub fn apply(&mut self, command: &Command, now: Timestamp) -> (Reply, bool) {
        let before = self.clone();
        self.booked.clear();
        let outcome = match command {
            Command::Payment(payment) => self.pay(payment, now),
            Command::Refund(refund) => self.refund(refund, now),
            Command::RefundResult(result) => self.refund_result(result),
            Command::Void(void) => self.void(void),
            Command::VoidResult(result) => self.void_result(result),
            Command::PutMerchant(terms) => self.put_merchant(terms),
            Command::PutChannel(terms) => self.put_channel(terms),
            Command::SetDate(set) => self.cut(set.date),
        };
        match outcome {
            Ok((receipt, changed)) => (Reply::Done(receipt), changed),
            Err((rejection, field, kept)) => {
                let booked = Vec::new();
                *self = if kept { Self { booked, ..self.clone() } } else { Self { booked, ..before } };
                (Reply::Rejected(rejection, field), kept)
            }
        }
    }

    fn put_merchant(&mut self, terms: &MerchantTerms) -> Outcome {
        let known = self.merchants.get(&terms.merchant.0);
        if known.is_some_and(|known| known.currency != terms.currency) {
            return no(Rejection::CurrencyMismatch);
        }
        let (existed, changed) = (known.is_some(), known != Some(terms));
        self.merchants.insert(terms.merchant.0, terms.clone());
        Ok((Receipt::Merchant { existed }, changed))
    }

    fn put_channel(&mut self, terms: &ChannelTerms) -> Outcome {
        let known = self.channels.iter().position(|known| known.name == terms.name);
        let at = known.unwrap_or(self.channels.len());
        let id = ChannelId(u16::try_from(at).unwrap());
        let changed = self.channels.get(at) != Some(terms);
        if known.is_some() {
            self.channels[at] = terms.clone();
        } else {
            self.channels.push(terms.clone());
        }
        Ok((Receipt::Channel { id, existed: known.is_some() }, changed))
    }

    fn cut(&mut self, date: Date) -> Outcome {
        if date <= self.date {
            return no(Rejection::DateNotLater);
        }
        self.date = date;
        let mut resubmitted = 0;
        for refund in self.refunds.values_mut().filter(|refund| refund.state == RefundState::Held) {
            refund.state = RefundState::Processing;
            refund.sent_as = SentAs::Refund;
            refund.attempts += 1;
            resubmitted += 1;
        }
        Ok((Receipt::Date { resubmitted }, true))
    }

    fn move_money(&mut self, currency: Currency, entry: (u8, &str, &str, u64), reversal: bool) {
        let (subject, from, to, amount) = entry;
        if amount == 0 {
            return;
        }
        let (from, to) = if reversal { (to, from) } else { (from, to) };
        *self.accounts.entry((currency, from.to_owned())).or_default() -= i128::from(amount);
        *self.accounts.entry((currency, to.to_owned())).or_default() += i128::from(amount);
        self.booked.push((subject, from.to_owned(), to.to_owned(), amount, reversal));
    }

    fn balance(&self, merchant: u64, account: &str) -> i128 {
        let name = format!("merchant:{merchant}:{account}");
        self.merchants
            .get(&merchant)
            .map_or(0, |terms| self.accounts.get(&(terms.currency, name)).copied().unwrap_or(0))
    }

    /// After the fact: whether any account of the merchant went below zero.
    fn overdrawn(&self, merchant: u64) -> bool {
        ["pending", "held", "available"].iter().any(|account| self.balance(merchant, account) < 0)
    }

    fn book_payment(&mut self, paid: &Paid, reversal: bool) {
        let (m, given, a) = (paid.asked.merchant.0, discounts(&paid.asked), paid.asked.amount);
        let channel = format!("channel:{}", self.channels[usize::from(paid.asked.channel.0)].name);
        let purse = format!("merchant:{m}:{}", paid.purse);
        let payer = if paid.gross() { format!("fee_receivable:{m}") } else { purse.clone() };
        let mut entries = vec![(60, channel.clone(), "operator".to_owned(), a)];
        if let Some(platform) = paid.terms.platform {
            let platform = format!("platform:{}", platform.0);
            entries.push((61, "operator".to_owned(), platform.clone(), a));
            entries.push((62, platform.clone(), purse.clone(), a));
            entries.push((63, payer.clone(), platform.clone(), paid.fee + paid.platform_fee));
            entries.push((64, platform.clone(), "operator".to_owned(), paid.fee));
            entries.push((65, "operator".to_owned(), channel, paid.cost));
            entries.push((66, "operator".to_owned(), purse.clone(), given.operator));
            entries.push((66, platform, purse, given.platform));
        } else {
            entries.push((62, "operator".to_owned(), purse.clone(), a));
            entries.push((63, payer.clone(), "operator".to_owned(), paid.fee));
            entries.push((65, "operator".to_owned(), channel, paid.cost));
            entries.push((66, "operator".to_owned(), purse, given.operator));
        }
        entries.push((67, payer, "operator".to_owned(), paid.advance_fee));
        for (subject, from, to, amount) in entries {
            self.move_money(paid.terms.currency, (subject, &from, &to, amount), reversal);
        }
    }

    fn book_refund(&mut self, paid: &Paid, back: &Back, reversal: bool) {
        let m = paid.asked.merchant.0;
        let channel = format!("channel:{}", self.channels[usize::from(paid.asked.channel.0)].name);
        let purse = if paid.purse == "held" { "held" } else { "pending" };
        let purse = format!("merchant:{m}:{purse}");
        let payer = if paid.gross() { format!("fee_receivable:{m}") } else { purse.clone() };
        let above = match paid.terms.platform {
            Some(platform) => format!("platform:{}", platform.0),
            None => "operator".to_owned(),
        };
        let mut entries = vec![(77, format!("merchant:{m}:available"), purse.clone(), back.from.2)];
        entries.push((70, purse.clone(), above.clone(), back.cash));
        if paid.terms.platform.is_some() {
            entries.push((71, above.clone(), "operator".to_owned(), back.cash));
            entries.push((72, "operator".to_owned(), above.clone(), back.fee));
        }
        entries.push((73, above.clone(), payer, back.fee + back.platform_fee));
        entries.push((74, "operator".to_owned(), channel.clone(), back.cash));
        entries.push((75, channel, "operator".to_owned(), back.cost));
        entries.push((76, purse.clone(), "operator".to_owned(), back.operator));
        entries.push((76, purse, above, back.platform));
        for (subject, from, to, amount) in entries {
            self.move_money(paid.terms.currency, (subject, &from, &to, amount), reversal);
        }
    }

    fn pay(&mut self, payment: &Payment, now: Timestamp) -> Outcome {
        let Some(terms) = self.merchants.get(&payment.merchant.0).cloned() else {
            return no(Rejection::MerchantNotFound);
        };
        let Some(channel) = self.channels.get(usize::from(payment.channel.0)) else {
            return no(Rejection::ChannelNotFound);
        };
        let name = (payment.merchant.0, payment.order_no);
        if let Some(known) = self.orders.get(&name) {
            let details = |payment: &Payment| payment.details.clone().unwrap_or_default();
            let plain = |payment: &Payment| Payment { details: None, ..payment.clone() };
            let same = plain(&known.asked) == plain(payment) && details(&known.asked) == details(payment);
            let fees = known.fee + known.platform_fee;
            return if same {
                Ok((Receipt::Payment { repeat: true, fees, net: known.net() }, false))
            } else {
                no(Rejection::IdempotencyConflict)
            };
        }
        let given = discounts(payment);
        if given.platform > 0 && terms.platform.is_none() {
            return Err((Rejection::InvalidRequest, Some(Field::Discounts), false));
        }
        match terms.status {
            MerchantStatus::Active => {}
            MerchantStatus::Suspended => return no(Rejection::MerchantSuspended),
            MerchantStatus::Closed => return no(Rejection::MerchantClosed),
        }
        let paid_at = payment.paid_at.unwrap_or(now);
        if blacked_out(channel, paid_at) {
            return no(Rejection::ChannelBlackout);
        }
        let today = self.orders.iter().filter(|((m, _), o)| *m == name.0 && o.date == self.date);
        let (count, sum) = today.fold((0, 0), |(count, sum), (_, o)| (count + 1, sum + o.asked.amount));
        let over = |value: u64, limit: Option<u64>| limit.is_some_and(|limit| value > limit);
        if over(payment.amount, terms.limits.order_amount) {
            return no(Rejection::LimitOrderAmount);
        }
        if over(sum + payment.amount, terms.limits.day_amount) {
            return no(Rejection::LimitDayAmount);
        }
        if over(count + 1, terms.limits.day_count) {
            return no(Rejection::LimitDayCount);
        }
        let a = payment.amount;
        let mut fee = charge(a, terms.fee_rate, terms.fee_rounding).max(terms.fee_min);
        if let Some(most) = terms.fee_max {
            fee = fee.min(most);
        }
        let fee = fee.min(a);
        let platform_fee = match terms.platform {
            Some(_) => charge(a, terms.platform_fee_rate, terms.fee_rounding).min(a - fee),
            None => 0,
        };
        let advanced = terms.cycle == Cycle::Calendar(0) && !payment.hold;
        let advance_fee = if advanced {
            charge(a, terms.advance_fee_rate, terms.fee_rounding).min(a - fee - platform_fee)
        } else {
            0
        };
        let purse = if payment.hold {
            "held"
        } else if advanced {
            "available"
        } else {
            "pending"
        };
        let cost = charge(a, channel.cost_rate, channel.cost_rounding);
        let (asked, date) = (payment.clone(), self.date);
        let paid =
            Paid { asked, terms, paid_at, date, fee, platform_fee, cost, advance_fee, purse, voided: false };
        self.book_payment(&paid, false);
        let receipt = Receipt::Payment { repeat: false, fees: fee + platform_fee, net: paid.net() };
        self.orders.insert(name, paid);
        Ok((receipt, true))
    }

    fn backs<'a>(&'a self, order: &'a Name) -> impl Iterator<Item = &'a Back> {
        self.refunds.values().filter(move |back| back.order == *order && back.counts())
    }

    fn refunded(&self, order: &Name) -> u64 {
        self.backs(order).filter(|back| back.state == RefundState::Succeeded).map(|back| back.amount).sum()
    }

    fn refund(&mut self, refund: &Refund, now: Timestamp) -> Outcome {
        if !self.merchants.contains_key(&refund.merchant.0) {
            return no(Rejection::MerchantNotFound);
        }
        let (name, order) = ((refund.merchant.0, refund.refund_no), (refund.merchant.0, refund.order_no));
        let known = self.refunds.get(&name).cloned();
        if let Some(known) = &known {
            if known.order != order || known.amount != refund.amount {
                return no(Rejection::IdempotencyConflict);
            }
            if known.counts() {
                let gross = self.orders[&order].gross();
                let merchant_debit = known.gives(gross).max(0).try_into().unwrap();
                return Ok((Receipt::Refund { repeat: true, state: known.state, merchant_debit }, false));
            }
        }
        let Some(paid) = self.orders.get(&order).cloned() else {
            return no(Rejection::OrderNotFound);
        };
        let all = payable(&paid.asked);
        if paid.voided || self.refunded(&order) == all {
            return no(Rejection::OrderState);
        }
        let channel = self.channels[usize::from(paid.asked.channel.0)].clone();
        if blacked_out(&channel, now) {
            return no(Rejection::ChannelBlackout);
        }
        if day(&channel, now) > day(&channel, paid.paid_at) + i64::from(channel.refund_window_days) {
            return no(Rejection::RefundWindow);
        }
        let settled = paid.purse == "available";
        if settled && paid.terms.refund_funding == RefundFunding::Pending {
            return no(Rejection::D0NotRefundable);
        }
        let count = self.backs(&order).count();
        if channel.max_refunds_per_order.is_some_and(|max| count >= max as usize) {
            return no(Rejection::TooManyRefunds);
        }
        if channel.single_refund_in_flight && self.backs(&order).any(Back::in_flight) {
            return no(Rejection::RefundInFlight);
        }
        let out: u64 = self.backs(&order).map(|back| back.amount).sum();
        if refund.amount > all - out {
            return no(Rejection::ExceedsRefundable);
        }
        let mut sent_as = SentAs::Refund;
        if paid.date == self.date {
            match channel.same_day {
                SameDay::Allow => {}
                SameDay::NextDay => return no(Rejection::SameDayRefund),
                SameDay::VoidOnly if refund.amount < all => return no(Rejection::SameDayPartial),
                SameDay::VoidOnly => sent_as = SentAs::Void,
            }
        }
        let mut back = self.compose(&paid, &order, refund.amount, &channel);
        back.sent_as = sent_as;
        if let Some(known) = known {
            back.attempts = known.attempts + 1;
            back.place = known.place;
            back.contradicted = known.contradicted;
        }
        let gives = u64::try_from(back.gives(paid.gross()).max(0)).unwrap();
        let pending = u64::try_from(self.balance(order.0, "pending")).unwrap();
        back.from = match paid.terms.refund_funding {
            _ if paid.purse == "held" => (0, gives, 0),
            RefundFunding::PendingThenAvailable if settled => {
                (gives.min(pending), 0, gives - gives.min(pending))
            }
            RefundFunding::Available if settled => (0, 0, gives),
            _ => (gives, 0, 0),
        };
        if paid.purse == "held" {
            let before: i128 = self.backs(&order).map(|back| back.gives(paid.gross())).sum();
            if i128::from(gives) > i128::from(paid.net()) - before {
                return no(Rejection::InsufficientFunds);
            }
        }
        self.book_refund(&paid, &back, false);
        if self.overdrawn(order.0) {
            return no(Rejection::InsufficientFunds);
        }
        let receipt = Receipt::Refund { repeat: false, state: back.state, merchant_debit: gives };
        self.refunds.insert(name, back);
        Ok((receipt, true))
    }

    fn compose(&self, paid: &Paid, order: &Name, amount: u64, channel: &ChannelTerms) -> Back {
        let sum = |of: fn(&Back) -> u64| -> u64 { self.backs(order).map(of).sum() };
        let given = discounts(&paid.asked);
        let cash_left = paid.asked.amount - sum(|back| back.cash);
        let operator_left = given.operator - sum(|back| back.operator);
        let platform_left = given.platform - sum(|back| back.platform);
        let merchant_left = given.merchant - sum(|back| back.merchant);
        let discount_left = operator_left + platform_left + merchant_left;
        let last = amount == cash_left + discount_left;
        let cash = if last {
            cash_left
        } else if paid.terms.discount_refund == DiscountRefund::DiscountFirst {
            amount - amount.min(discount_left)
        } else {
            let cash = share(amount, paid.asked.amount, payable(&paid.asked), Rounding::HalfUp);
            // Neither more cash nor more discount than there is.
            cash.min(cash_left).max(amount.saturating_sub(discount_left))
        };
        let discount = amount - cash;
        // Funders share by what is left of each: the operator, then the platform, the merchant the rest.
        let part = |discount: u64, left: u64, of: u64| {
            if of == 0 { 0 } else { share(left, discount, of, Rounding::HalfUp) }
        };
        let operator = part(discount, operator_left, discount_left);
        let platform = part(discount - operator, platform_left, platform_left + merchant_left);
        let returned = |rule, paid_fee: u64, before: u64, rounding| match rule {
            FeeRefund::None => 0,
            FeeRefund::Proportional if last => paid_fee - before,
            FeeRefund::Proportional => {
                share(paid_fee, cash, paid.asked.amount, rounding).min(paid_fee - before)
            }
        };
        let (rule, rounding) = (paid.terms.fee_refund, paid.terms.fee_rounding);
        Back {
            order: *order,
            amount,
            cash,
            operator,
            platform,
            merchant: discount - operator - platform,
            fee: returned(rule, paid.fee, sum(|back| back.fee), rounding),
            platform_fee: returned(rule, paid.platform_fee, sum(|back| back.platform_fee), rounding),
            cost: returned(channel.cost_refund, paid.cost, sum(|back| back.cost), channel.cost_rounding),
            from: (0, 0, 0),
            state: if cash == 0 { RefundState::Succeeded } else { RefundState::Processing },
            sent_as: SentAs::Refund,
            attempts: 1,
            date: self.date,
            place: self.refunds.len(),
            contradicted: false,
        }
    }

    fn refund_result(&mut self, result: &RefundResult) -> Outcome {
        if !self.merchants.contains_key(&result.merchant.0) {
            return no(Rejection::MerchantNotFound);
        }
        let name = (result.merchant.0, result.refund_no);
        let Some(mut back) = self.refunds.get(&name).cloned() else {
            return no(Rejection::RefundNotFound);
        };
        let paid = self.orders[&back.order].clone();
        let channel = &self.channels[usize::from(paid.asked.channel.0)];
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
            if back.sent_as == SentAs::Void || channel.resubmit_failed == FailedRefund::NextDay {
                back.state = RefundState::Held;
            } else {
                self.book_refund(&paid, &back, true);
                if self.overdrawn(name.0) {
                    return no(Rejection::InsufficientFunds);
                }
            }
        }
        let state = back.state;
        self.refunds.insert(name, back);
        Ok((Receipt::RefundResult { repeat: false, state }, true))
    }

    fn void(&mut self, void: &Void) -> Outcome {
        let Some(terms) = self.merchants.get(&void.merchant.0).cloned() else {
            return no(Rejection::MerchantNotFound);
        };
        let (name, order) = ((void.merchant.0, void.void_no), (void.merchant.0, void.order_no));
        if let Some(known) = self.voids.get(&name) {
            return if known.order == order {
                Ok((Receipt::Void { repeat: true, state: known.state }, false))
            } else {
                no(Rejection::IdempotencyConflict)
            };
        }
        let Some(paid) = self.orders.get(&order).cloned() else {
            return no(Rejection::OrderNotFound);
        };
        if paid.voided {
            return no(Rejection::OrderState);
        }
        if terms.status == MerchantStatus::Closed {
            return no(Rejection::MerchantClosed);
        }
        if paid.date != self.date {
            return no(Rejection::NotSameDay);
        }
        if paid.purse == "available" {
            return no(Rejection::OrderSettled);
        }
        if self.backs(&order).next().is_some() {
            return no(Rejection::HasRefunds);
        }
        self.book_payment(&paid, true);
        if self.overdrawn(order.0) {
            return no(Rejection::InsufficientFunds);
        }
        self.orders.insert(order, Paid { voided: true, ..paid });
        let state = VoidState::Processing;
        self.voids.insert(name, Cancel { order, state, contradicted: false });
        Ok((Receipt::Void { repeat: false, state }, true))
    }

    fn void_result(&mut self, result: &VoidResult) -> Outcome {
        if !self.merchants.contains_key(&result.merchant.0) {
            return no(Rejection::MerchantNotFound);
        }
        let name = (result.merchant.0, result.void_no);
        let Some(mut cancel) = self.voids.get(&name).cloned() else {
            return no(Rejection::VoidNotFound);
        };
        let said = if result.succeeded { VoidState::Succeeded } else { VoidState::Failed };
        if cancel.state == said {
            return Ok((Receipt::VoidResult { repeat: true, state: said }, false));
        }
        if cancel.state != VoidState::Processing {
            let first = !cancel.contradicted;
            cancel.contradicted = true;
            self.voids.insert(name, cancel);
            return Err((Rejection::ContradictsFinal, None, first));
        }
        if said == VoidState::Failed {
            let paid = Paid { voided: false, ..self.orders[&cancel.order].clone() };
            self.book_payment(&paid, false);
            self.orders.insert(cancel.order, paid);
        }
        cancel.state = said;
        self.voids.insert(name, cancel);
        Ok((Receipt::VoidResult { repeat: false, state: said }, true))
    }

    /// Names of orders, refunds and voids, in their order.
    pub fn names(&self) -> [Vec<(MerchantId, Number)>; 3] {
        let names = |name: &Name| (MerchantId(name.0), name.1);
        [
            self.orders.keys().map(names).collect(),
            self.refunds.keys().map(names).collect(),
            self.voids.keys().map(names).collect(),
        ]
    }

    pub fn balances(&self) -> Vec<BalancesView> {
        let of = |id: u64, account| u64::try_from(self.balance(id, account)).unwrap();
        let view = |(&id, terms): (&u64, &MerchantTerms)| BalancesView {
            merchant: MerchantId(id),
            currency: terms.currency,
            pending: of(id, "pending"),
            held: of(id, "held"),
            available: of(id, "available"),
            frozen: 0,
            payout_transit: 0,
            accounting_date: self.date,
        };
        self.merchants.iter().map(view).collect()
    }

    pub fn orders(&self) -> Vec<OrderView> {
        let view = |(name, paid): (&Name, &Paid)| {
            let all = payable(&paid.asked);
            let out: u64 = self.backs(name).map(|back| back.amount).sum();
            let refunded = self.refunded(name);
            let given: i128 = self.backs(name).map(|back| back.gives(paid.gross())).sum();
            let held = paid.purse == "held" && !paid.voided;
            OrderView {
                order_no: name.1,
                merchant: MerchantId(name.0),
                channel: paid.asked.channel,
                status: match refunded {
                    _ if paid.voided => OrderStatus::Voided,
                    0 => OrderStatus::Paid,
                    some if some == all => OrderStatus::Refunded,
                    _ => OrderStatus::PartiallyRefunded,
                },
                amount: paid.asked.amount,
                payable: all,
                fee: paid.fee,
                platform_fee: paid.platform_fee,
                channel_cost: paid.cost,
                net: paid.net(),
                refundable: if paid.voided { 0 } else { all - out },
                refunded,
                in_flight: out - refunded,
                held: if held { u64::try_from(i128::from(paid.net()) - given).unwrap() } else { 0 },
                settled: paid.purse == "available",
                accounting_date: paid.date,
                paid_at: paid.paid_at,
                channel_txn: paid.asked.details.as_ref().and_then(|details| details.channel_txn.clone()),
            }
        };
        self.orders.iter().map(view).collect()
    }

    /// An order's refunds, oldest first.
    pub fn refunds(&self, order: &OrderView) -> Vec<RefundView> {
        let order_name = (order.merchant.0, order.order_no);
        let mut backs: Vec<_> = self.refunds.iter().filter(|(_, back)| back.order == order_name).collect();
        backs.sort_by_key(|(_, back)| back.place);
        let view = |(name, back): (&Name, &Back)| RefundView {
            refund_no: name.1,
            order_no: order.order_no,
            merchant: order.merchant,
            amount: back.amount,
            cash_amount: back.cash,
            discount_amount: back.operator + back.platform + back.merchant,
            fee_returned: back.fee,
            platform_fee_returned: back.platform_fee,
            cost_returned: back.cost,
            merchant_debit: back.from.0 + back.from.1 + back.from.2,
            from_pending: back.from.0,
            from_held: back.from.1,
            from_available: back.from.2,
            state: back.state,
            sent_as: back.sent_as,
            attempts: back.attempts,
            accounting_date: back.date,
        };
        backs.into_iter().map(view).collect()
    }
}

type Outcome = Result<(Receipt, bool), (Rejection, Option<Field>, bool)>;

fn no(rejection: Rejection) -> Outcome {
    Err((rejection, None, false))
}
