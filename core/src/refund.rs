//! Giving money back: what a refund is made of, and whether it may be (domain.md, "Voids and refunds").

use crate::arena::{NOWHERE, Record};
use crate::digest::Digest;
use crate::entry::{Group, Parties};
use crate::ledger::{Done, Outcome, Refusal};
use crate::merchant::{Merchant, OrderTerms};
use crate::order::{Giveback, Order, Parts};
use crate::split::ReturnPlan;
use crate::{
    Account, ChannelTerms, Currency, Date, DiscountRefund, Discounts, Entry, EntrySink, Event, EventKind,
    FeeRefund, Key, Ledger, MerchantAccount, Number, OrderStatus, Receipt, Refund, RefundFunding,
    RefundState, Rejection, Rounding, SameDay, SentAs, Subject, Timestamp, Voucher,
};

/// A refund as a ledger keeps it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct StoredRefund {
    pub(crate) refund_no: Number,
    /// Place of the order.
    pub(crate) order: u32,
    /// Place of the order's next refund, or nowhere.
    pub(crate) next: u32,
    pub(crate) parts: Parts,
    pub(crate) funds: Funds,
    /// The date it was booked on.
    pub(crate) date: Date,
    pub(crate) attempts: u32,
    /// The date on which it became held, if it did: the day cut after it sends it again.
    pub(crate) held_on: Date,
    pub(crate) state: RefundState,
    pub(crate) sent_as: SentAs,
    /// A result contradicted its final one.
    pub(crate) contradicted: bool,
    pub(crate) channel_refund_no: Option<Box<str>>,
}

impl Record for StoredRefund {
    fn is_vacant(&self) -> bool {
        self.order == NOWHERE
    }

    fn vacant() -> Self {
        Self {
            refund_no: Number::FILLER,
            order: NOWHERE,
            next: NOWHERE,
            parts: Parts::default(),
            funds: Funds { pending: 0, held: 0, available: 0, bucket: Date::default() },
            date: Date::default(),
            attempts: 0,
            held_on: Date::default(),
            state: RefundState::Failed,
            sent_as: SentAs::Refund,
            contradicted: false,
            channel_refund_no: None,
        }
    }
}

/// Where a refund's money comes from, in minor units.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Funds {
    pub(crate) pending: u64,
    pub(crate) held: u64,
    pub(crate) available: u64,
    /// The date whose pending it reduces.
    pub(crate) bucket: Date,
}

impl Funds {
    /// What the merchant gives up.
    pub(crate) fn debit(&self) -> u64 {
        self.pending + self.held + self.available
    }
}

/// What was decided of a refund, before anything is changed.
struct Plan {
    order_at: u32,
    parts: Parts,
    funds: Funds,
    sent_as: SentAs,
    /// Split returns that run with it.
    returns: Vec<ReturnPlan>,
}

/// Where a refund stands, which a day cut changes without touching it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Standing {
    pub(crate) state: RefundState,
    pub(crate) sent_as: SentAs,
    pub(crate) attempts: u32,
}

impl StoredRefund {
    /// Where it stands on a date: what was held before it went out again, as an ordinary refund.
    pub(crate) fn on(&self, today: Date) -> Standing {
        let &Self { state, sent_as, attempts, .. } = self;
        if state == RefundState::Held && self.held_on < today {
            let (state, sent_as) = (RefundState::Processing, SentAs::Refund);
            return Standing { state, sent_as, attempts: attempts + 1 };
        }
        Standing { state, sent_as, attempts }
    }

    /// Notes where it stands, before it is changed.
    pub(crate) fn catch_up(&mut self, today: Date) {
        let Standing { state, sent_as, attempts } = self.on(today);
        (self.state, self.sent_as, self.attempts) = (state, sent_as, attempts);
    }
}

/// What a refund of `amount` takes of what is left of an order. One that empties the order takes all of it.
pub(crate) fn compose(
    paid: &Parts,
    left: &Parts,
    amount: u64,
    terms: &OrderTerms,
    channel: &ChannelTerms,
) -> Parts {
    assert!(0 < amount && amount <= left.payable(), "checked against what is left");
    let last = amount == left.payable();
    let (cash, discount) = if last {
        (left.cash, left.discounts.total())
    } else {
        match terms.discount_refund {
            DiscountRefund::Proportional => {
                let cash = Rounding::HalfUp.share(amount, paid.cash, paid.payable()).min(left.cash);
                let discount = (amount - cash).min(left.discounts.total());
                (amount - discount, discount)
            }
            DiscountRefund::DiscountFirst => {
                let discount = amount.min(left.discounts.total());
                (amount - discount, discount)
            }
        }
    };
    let returned = |rule: FeeRefund, paid_fee: u64, left_fee: u64, rounding: Rounding| match rule {
        FeeRefund::None => 0,
        FeeRefund::Proportional if last => left_fee,
        FeeRefund::Proportional => rounding.share(paid_fee, cash, paid.cash).min(left_fee),
    };
    let rounding = terms.fee_rounding;
    let parts = Parts {
        cash,
        discounts: shares(discount, &left.discounts),
        fee: returned(terms.fee_refund, paid.fee, left.fee, rounding),
        platform_fee: returned(terms.fee_refund, paid.platform_fee, left.platform_fee, rounding),
        cost: returned(channel.cost_refund, paid.cost, left.cost, channel.cost_rounding),
    };
    assert!(parts.payable() == amount && cash <= left.cash, "no more cash back than came in");
    parts
}

/// Each funder's share of a discount given back, by what is left of theirs; the last takes the rest, so the
/// shares add up and none is above what is left.
fn shares(discount: u64, left: &Discounts) -> Discounts {
    let (mut discount, mut total) = (discount, left.total());
    let mut share = |left: u64| {
        let share = if total == 0 { 0 } else { Rounding::HalfUp.share(left, discount, total) };
        discount -= share;
        total -= left;
        share
    };
    Discounts {
        operator: share(left.operator),
        platform: share(left.platform),
        merchant: share(left.merchant),
    }
}

/// The entries of a refund, 70 to 77. `available` is what 77 first moves over to pending.
pub(crate) fn entries(parties: &Parties, currency: Currency, parts: &Parts, available: u64) -> Group {
    let (channel, operator) = (Account::Channel(parties.channel), Account::Operator);
    let (above, purse, fees_to) = (parties.above(), parties.purse(), parties.fees_from());
    let mut group = Group::new(currency);
    let cover = Account::Merchant(parties.merchant, MerchantAccount::Available);
    group.add(Subject::COVER, cover, purse, available);
    group.add(Subject::REFUND, purse, above, parts.cash);
    if let Some(platform) = parties.platform.map(Account::Platform) {
        group.add(Subject::REFUND_BY_PLATFORM, platform, operator, parts.cash);
        group.add(Subject::OPERATOR_FEE_BACK, operator, platform, parts.fee);
    }
    group.add(Subject::FEES_BACK, above, fees_to, parts.fee + parts.platform_fee);
    group.add(Subject::REFUND_PAYABLE, operator, channel, parts.cash);
    group.add(Subject::CHANNEL_COST_BACK, channel, operator, parts.cost);
    group.add(Subject::DISCOUNT_BACK, purse, operator, parts.discounts.operator);
    if let Some(platform) = parties.platform.map(Account::Platform) {
        group.add(Subject::DISCOUNT_BACK, purse, platform, parts.discounts.platform);
    }
    group
}

impl Ledger {
    /// The entries of a refund of an order, without split returns.
    pub(crate) fn refund_entries(&self, order: &Order, parts: &Parts, funds: &Funds) -> Group {
        let currency = self.merchants[order.merchant].currency();
        if order.flags.is_late() {
            // What is in suspense goes back from there.
            let mut group = Group::new(currency);
            let channel = Account::Channel(order.channel);
            group.add(Subject::REFUND_PAYABLE, Account::Suspense, channel, parts.cash);
            return group;
        }
        entries(&self.refund_parties(order), currency, parts, funds.available)
    }

    /// Accepts a refund and books it, or sends a failed one again under its number.
    pub(crate) fn refund<S: EntrySink>(
        &mut self,
        refund: &Refund,
        key: Key,
        now: Timestamp,
        sink: &mut S,
    ) -> Outcome {
        let merchant_at = self.merchant_at(refund.merchant, key)?;
        let known = self.refund_at(merchant_at, &refund.refund_no, key.number);
        if let Some(at) = known {
            let stored = &self.refunds[at];
            let same = self.orders[stored.order].order_no == refund.order_no
                && stored.parts.payable() == refund.amount;
            if !same {
                return Err(Rejection::IdempotencyConflict.into());
            }
            if stored.state != RefundState::Failed {
                return Ok(Done::unchanged(Receipt::Refund {
                    repeat: true,
                    state: stored.on(self.date).state,
                    merchant_debit: stored.funds.debit(),
                }));
            }
        }
        let plan = self.plan_refund(merchant_at, refund, key, now)?;
        if !self.refunds.has_room() {
            return Err(Rejection::Overflow.into());
        }
        let order = &self.orders[plan.order_at];
        let group = self.refund_entries(order, &plan.parts, &plan.funds);
        let voucher = self.refund_voucher(order, refund.refund_no);
        if plan.returns.is_empty() {
            self.book_and_post(merchant_at, group.entries(), plan.funds.bucket, &voucher, sink)?;
        } else {
            let returned = plan.returns.iter().map(|back| self.return_entry(plan.order_at, back));
            let all: Vec<Entry> = returned.chain(group.entries().iter().copied()).collect();
            self.book_and_post(merchant_at, &all, plan.funds.bucket, &voucher, sink)?;
        }
        let (at, done) = self.accept_refund(plan, refund.refund_no, known, key);
        let succeeded = self.refunds[at].state == RefundState::Succeeded;
        let kind = if succeeded { EventKind::RefundSucceeded } else { EventKind::RefundSubmit };
        self.tell(sink, |ledger| ledger.refund_event(kind, at));
        Ok(done)
    }

    /// What happened to a refund.
    pub(crate) fn refund_event(&self, kind: EventKind, at: u32) -> Event {
        let refund = &self.refunds[at];
        let event = self.order_event(kind, refund.order);
        Event { reference: Some(refund.refund_no), amount: refund.parts.payable(), ..event }
    }

    /// The checks of domain.md, in its order; the first that fails is the answer. Nothing is changed.
    fn plan_refund(
        &self,
        merchant_at: u32,
        refund: &Refund,
        key: Key,
        now: Timestamp,
    ) -> Result<Plan, Refusal> {
        let order_at =
            self.order_at(merchant_at, &refund.order_no, key.order).ok_or(Rejection::OrderNotFound)?;
        let order = &self.orders[order_at];
        let open = match order.status {
            OrderStatus::Created | OrderStatus::Closed | OrderStatus::Voided | OrderStatus::Refunded => false,
            OrderStatus::Paid | OrderStatus::PaidLate | OrderStatus::PartiallyRefunded => true,
        };
        if !open {
            return Err(Rejection::OrderState.into());
        }
        // The merchant's status comes next, and none refuses refunds.
        let merchant = &self.merchants[merchant_at];
        let terms = merchant.version(order.terms);
        let channel = self.channels.of_order(order.channel);
        if channel.is_blacked_out(now) {
            return Err(Rejection::ChannelBlackout.into());
        }
        if !channel.takes_refund(order.paid_at, now) {
            return Err(Rejection::RefundWindow.into());
        }
        let advanced = order.purse == MerchantAccount::Available;
        if advanced && terms.refund_funding == RefundFunding::Pending {
            return Err(Rejection::D0NotRefundable.into());
        }
        let giveback = self.giveback_of(order);
        let (count, in_flight) = giveback.map_or((0, 0), |giveback| (giveback.count, giveback.in_flight));
        if channel.max_refunds_per_order.is_some_and(|max| count >= max) {
            return Err(Rejection::TooManyRefunds.into());
        }
        if channel.single_refund_in_flight && in_flight > 0 {
            return Err(Rejection::RefundInFlight.into());
        }
        let paid = order.paid(self.discounts_of(order));
        let left = giveback.map_or(paid, |giveback| paid.minus(&giveback.given));
        if refund.amount > left.payable() {
            return Err(Rejection::ExceedsRefundable.into());
        }
        let sent_as = if order.date == self.date {
            same_day(channel.same_day, refund.amount == paid.payable())?
        } else {
            SentAs::Refund
        };
        let parts = compose(&paid, &left, refund.amount, terms, channel);
        let returns = self.plan_returns(merchant_at, refund)?;
        let returned = returns.iter().map(ReturnPlan::amount).sum();
        let funds = self.fund(order, merchant, terms, &parts, returned)?;
        Ok(Plan { order_at, parts, funds, sent_as, returns })
    }

    /// The split returns that run with a refund, without those that were done before.
    fn plan_returns(&self, merchant_at: u32, refund: &Refund) -> Result<Vec<ReturnPlan>, Refusal> {
        let mut plans = Vec::new();
        for back in refund.details.iter().flat_map(|details| &details.split_returns) {
            let hash = self.hash.number(back.merchant, &back.return_no);
            plans.extend(self.plan_return(merchant_at, back, hash, &plans)?);
        }
        Ok(plans)
    }

    /// Where the money comes from, all or nothing.
    fn fund(
        &self,
        order: &Order,
        merchant: &Merchant,
        terms: &OrderTerms,
        parts: &Parts,
        returned: u64,
    ) -> Result<Funds, Rejection> {
        // Below zero, the last refund returns more fees than it gives back: the merchant gives up nothing.
        let debit = u64::try_from(parts.merchants(terms.gross)).unwrap_or(0);
        let entered = self.entered(order);
        let settled = self.is_settled(order);
        let mut funds =
            Funds { pending: 0, held: 0, available: 0, bucket: if settled { self.date } else { entered } };
        if order.flags.is_late() {
            // What is in suspense was never the merchant's.
            return Ok(Funds { bucket: self.date, ..funds });
        }
        if order.purse == MerchantAccount::Held {
            // The order's own, not what other orders hold: or their release would find it gone.
            if debit > self.held_of(order) + returned {
                return Err(Rejection::InsufficientFunds);
            }
            funds.held = debit;
            return Ok(funds);
        }
        let pending = merchant.balances.of(MerchantAccount::Pending) + returned;
        let available = merchant.balances.of(MerchantAccount::Available);
        funds.pending = match terms.refund_funding {
            _ if !settled => debit,
            RefundFunding::Pending => debit,
            RefundFunding::PendingThenAvailable => debit.min(pending),
            RefundFunding::Available => 0,
        };
        funds.available = debit - funds.pending;
        if funds.pending > pending || funds.available > available {
            return Err(Rejection::InsufficientFunds);
        }
        Ok(funds)
    }

    /// Keeps what was booked. Cannot fail.
    fn accept_refund(&mut self, plan: Plan, refund_no: Number, known: Option<u32>, key: Key) -> (u32, Done) {
        let merchant_at = self.orders[plan.order_at].merchant;
        for back in plan.returns {
            self.keep_return(merchant_at, back);
        }
        let giveback_at = self.giveback_at(plan.order_at);
        let payable = self.payable_of(plan.order_at);
        let order = &mut self.orders[plan.order_at];
        let giveback = &mut self.givebacks[giveback_at];
        giveback.given = giveback.given.plus(&plan.parts);
        giveback.count += 1;
        // Without cash there is nothing for the channel to do.
        let state = if plan.parts.cash == 0 { RefundState::Succeeded } else { RefundState::Processing };
        if state == RefundState::Succeeded {
            giveback.succeed(order, plan.parts.payable(), payable);
        } else {
            giveback.in_flight += 1;
        }
        let merchant_debit = plan.funds.debit();
        let at = if let Some(at) = known {
            let refund = &mut self.refunds[at];
            assert!(refund.state == RefundState::Failed, "only a failed refund is tried again");
            refund.parts = plan.parts;
            refund.funds = plan.funds;
            refund.date = self.date;
            refund.attempts += 1;
            refund.state = state;
            refund.sent_as = plan.sent_as;
            at
        } else {
            let at = self.refunds.push(StoredRefund {
                refund_no,
                order: plan.order_at,
                next: NOWHERE,
                parts: plan.parts,
                funds: plan.funds,
                date: self.date,
                attempts: 1,
                held_on: Date::default(),
                state,
                sent_as: plan.sent_as,
                contradicted: false,
                channel_refund_no: None,
            });
            self.refund_index.insert(key.number, at);
            let last = std::mem::replace(&mut giveback.last, at);
            if last == NOWHERE {
                giveback.first = at;
            } else {
                self.refunds[last].next = at;
            }
            at
        };
        (at, Done::changed(Receipt::Refund { repeat: false, state, merchant_debit }))
    }

    pub(crate) fn refund_at(&self, merchant_at: u32, refund_no: &Number, hash: u64) -> Option<u32> {
        self.refund_index.find(hash, |at| {
            let refund = &self.refunds[at];
            refund.refund_no == *refund_no && self.orders[refund.order].merchant == merchant_at
        })
    }

    /// Between whom an order's refund moves money: what was available is moved to pending first.
    pub(crate) fn refund_parties(&self, order: &Order) -> Parties {
        Parties { purse: self.refund_purse(order), ..self.parties(order) }
    }

    /// The merchant's account that an order's refunds and split returns run on.
    pub(crate) fn refund_purse(&self, order: &Order) -> MerchantAccount {
        match order.purse {
            MerchantAccount::Held => MerchantAccount::Held,
            _ => MerchantAccount::Pending,
        }
    }

    pub(crate) fn parties(&self, order: &Order) -> Parties {
        let merchant = &self.merchants[order.merchant];
        let terms = merchant.version(order.terms);
        Parties {
            merchant: merchant.id,
            channel: order.channel,
            platform: terms.platform,
            purse: order.purse,
            gross: terms.gross,
        }
    }

    pub(crate) fn refund_voucher(&self, order: &Order, refund_no: Number) -> Voucher {
        Voucher {
            merchant: Some(self.merchants[order.merchant].id),
            order_no: Some(order.order_no),
            refund_no: Some(refund_no),
            reference: None,
            accounting_date: self.date,
        }
    }

    /// What of an order may be given back: cash and discounts, of a late success its cash.
    pub(crate) fn payable_of(&self, order_at: u32) -> u64 {
        let order = &self.orders[order_at];
        order.paid(self.discounts_of(order)).payable()
    }

    /// When the order's money entered pending.
    pub(crate) fn entered(&self, order: &Order) -> Date {
        self.giveback_of(order).and_then(|giveback| giveback.entered).unwrap_or(order.date)
    }

    /// Whether the order's money was settled: at once under D+0, never while it is held.
    pub(crate) fn is_settled(&self, order: &Order) -> bool {
        if !order.is_booked() {
            return false;
        }
        match order.purse {
            MerchantAccount::Available => true,
            MerchantAccount::Held => false,
            _ => self.merchants[order.merchant].has_settled(self.entered(order)),
        }
    }

    /// What is held of an order.
    pub(crate) fn held_of(&self, order: &Order) -> u64 {
        let voided = order.status == OrderStatus::Voided;
        if order.purse != MerchantAccount::Held || voided || !order.is_booked() {
            return 0;
        }
        let gross = self.merchants[order.merchant].version(order.terms).gross;
        let given = self
            .giveback_of(order)
            .map_or(0, |giveback| giveback.given.merchants(gross) + giveback.split.cast_signed());
        let held = self.net_of(order).cast_signed() - given;
        assert!(held >= 0, "a held order gives back what it holds at most");
        held.cast_unsigned()
    }

    /// The place of what was given back of an order, made if nothing was.
    pub(crate) fn giveback_at(&mut self, order_at: u32) -> u32 {
        let order = &mut self.orders[order_at];
        if order.giveback == NOWHERE {
            order.giveback = self.givebacks.push(Giveback::new());
        }
        order.giveback
    }

    pub(crate) fn digest_refunds(&self, digest: &mut Digest) {
        for refund in self.refunds.iter() {
            self.digest_refund(digest, refund);
        }
    }

    pub(crate) fn digest_refund(&self, digest: &mut Digest, refund: &StoredRefund) {
        let order = &self.orders[refund.order];
        digest.record(b"refund", |record| {
            record.u64(self.merchants[order.merchant].id.0).bytes(refund.refund_no.as_bytes());
            record.bytes(order.order_no.as_bytes());
            refund.parts.digest(record);
            record.u64(refund.funds.pending).u64(refund.funds.held).u64(refund.funds.available);
            record.i64(refund.funds.bucket.0.into()).i64(refund.date.0.into());
            let Standing { state, sent_as, attempts } = refund.on(self.date);
            record.u64(attempts.into()).u64(state as u64).u64(sent_as as u64);
            record.u64(refund.contradicted.into());
            record.bytes(refund.channel_refund_no.as_deref().unwrap_or_default().as_bytes());
        });
    }
}

/// How a refund of an order paid on this date is sent, if the channel takes it.
fn same_day(rule: SameDay, full: bool) -> Result<SentAs, Rejection> {
    match rule {
        SameDay::Allow => Ok(SentAs::Refund),
        // Full and within what is left: so nothing was refunded before.
        SameDay::VoidOnly if full => Ok(SentAs::Void),
        SameDay::VoidOnly => Err(Rejection::SameDayPartial),
        SameDay::NextDay => Err(Rejection::SameDayRefund),
    }
}

impl Giveback {
    pub(crate) fn new() -> Self {
        Self {
            given: Parts::default(),
            succeeded: 0,
            count: 0,
            in_flight: 0,
            first: NOWHERE,
            last: NOWHERE,
            entered: None,
            split: 0,
            commissions: Vec::new(),
        }
    }

    /// Notes that so much went back for good, out of all that is `payable`.
    pub(crate) fn succeed(&mut self, order: &mut Order, amount: u64, payable: u64) {
        self.succeeded += amount;
        assert!(self.succeeded <= payable, "more given back than was paid");
        order.status = match self.succeeded == payable {
            true => OrderStatus::Refunded,
            false if order.flags.is_late() => OrderStatus::PaidLate,
            false => OrderStatus::PartiallyRefunded,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ChannelId, Command, MerchantId, MerchantTerms, Payment, Preset, Query, Rate, RefundResult,
        RefundResultState, RefundView, Reply, SetDate, Void, VoidResult, Zone,
    };

    const NOW: Timestamp = Timestamp(1_535_256_000_000);
    const FIRST: Date = Date(17_769);
    const ID: MerchantId = MerchantId(1);

    fn number(text: &str) -> Number {
        text.parse().unwrap()
    }

    fn apply(ledger: &mut Ledger, command: &Command) -> Reply {
        ledger.apply(command, NOW, &mut ()).reply
    }

    fn pay(ledger: &mut Ledger, order_no: &str, amount: u64) {
        let order_no = number(order_no);
        let (channel, hold, paid_at, details) = (ChannelId(0), false, None, None);
        let payment = Payment { merchant: ID, order_no, channel, amount, hold, paid_at, details };
        let reply = apply(ledger, &Command::Payment(payment));
        assert!(matches!(reply, Reply::Done(_)), "{reply:?}");
    }

    fn refund(ledger: &mut Ledger, refund_no: &str, order_no: &str, amount: u64) -> Reply {
        let (refund_no, order_no) = (number(refund_no), number(order_no));
        let refund = Refund { merchant: ID, refund_no, order_no, amount, details: None };
        match apply(ledger, &Command::Refund(refund)) {
            Reply::Done(_) => ledger.answer(&Query::Refund(ID, refund_no), NOW),
            other => other,
        }
    }

    fn fail(ledger: &mut Ledger, refund_no: &str) {
        let (refund_no, state) = (number(refund_no), RefundResultState::Failed);
        let result = RefundResult { merchant: ID, refund_no, state, channel_refund_no: None };
        let reply = apply(ledger, &Command::RefundResult(result));
        assert!(matches!(reply, Reply::Done(_)), "{reply:?}");
    }

    fn cut(ledger: &mut Ledger) {
        let date = ledger.date().plus_days(1);
        assert!(matches!(apply(ledger, &Command::SetDate(SetDate { date, cut: true })), Reply::Done(_)));
    }

    /// What a settlement does: pending of the date to available, the date settled.
    fn settle(ledger: &mut Ledger, date: Date) {
        let merchant = &ledger.merchants[0];
        let amount = merchant.dates().iter().find(|(on, _)| *on == date).map_or(0, |(_, amount)| *amount);
        let account = |account| Account::Merchant(ID, account);
        let (from, to) = (account(MerchantAccount::Pending), account(MerchantAccount::Available));
        let mut group = Group::new(merchant.currency());
        group.add(Subject(85), from, to, u64::try_from(amount).unwrap());
        ledger.merchants[0].book(group.entries(), date).unwrap();
        ledger.merchants[0].settled_through = Some(date);
    }

    fn balances(ledger: &Ledger) -> (u64, u64) {
        let balances = &ledger.merchants[0].balances;
        (balances.of(MerchantAccount::Pending), balances.of(MerchantAccount::Available))
    }

    fn from(reply: &Reply) -> (u64, u64, u64) {
        let Reply::Refund(view) = reply else { panic!("{reply:?}") };
        let RefundView { merchant_debit, from_pending, from_available, .. } = **view;
        (merchant_debit, from_pending, from_available)
    }

    /// One order of 10,000 that was settled, under a fee of 60, on the day after.
    fn settled(refund_funding: RefundFunding) -> Ledger {
        let mut ledger = Ledger::new(0, FIRST);
        let channel = ChannelTerms::preset("wechat", Preset::Wechat, Zone::fixed("UTC", 0));
        apply(&mut ledger, &Command::PutChannel(Box::new(channel)));
        let terms = MerchantTerms {
            fee_rate: Rate(6000),
            refund_funding,
            ..MerchantTerms::new(ID, Currency(*b"CNY"))
        };
        apply(&mut ledger, &Command::PutMerchant(Box::new(terms)));
        pay(&mut ledger, "A1", 10_000);
        cut(&mut ledger);
        settle(&mut ledger, FIRST);
        assert_eq!(balances(&ledger), (0, 9940));
        let Reply::Order(view) = ledger.answer(&Query::Order(ID, number("A1")), NOW) else { panic!() };
        assert!(view.settled);
        ledger
    }

    #[test]
    fn a_settled_order_is_refunded_from_unsettled_money_of_the_current_date() {
        let mut ledger = settled(RefundFunding::Pending);
        let refused = Reply::Rejected(Rejection::InsufficientFunds, None);
        assert_eq!(refund(&mut ledger, "R1", "A1", 5000), refused);
        pay(&mut ledger, "A2", 8000);
        assert_eq!(from(&refund(&mut ledger, "R1", "A1", 5000)), (4970, 4970, 0));
        assert_eq!(balances(&ledger), (2982, 9940));
        let second = FIRST.plus_days(1);
        assert_eq!(ledger.merchants[0].dates(), [(second, 2982)]);
        // Failed on a later date, it goes back to the date it left; once that is settled, to the current.
        cut(&mut ledger);
        fail(&mut ledger, "R1");
        assert_eq!(ledger.merchants[0].dates(), [(second, 7952)]);
        assert_eq!(from(&refund(&mut ledger, "R1", "A1", 5000)), (4970, 4970, 0));
        let third = FIRST.plus_days(2);
        assert_eq!(ledger.merchants[0].dates(), [(second, 7952), (third, -4970)]);
        cut(&mut ledger);
        ledger.merchants[0].settled_through = Some(third);
        fail(&mut ledger, "R1");
        assert_eq!(ledger.merchants[0].dates(), [(second, 7952), (third, -4970), (FIRST.plus_days(3), 4970)]);
    }

    #[test]
    fn an_unsettled_order_reduces_its_own_date() {
        let mut ledger = settled(RefundFunding::Available);
        pay(&mut ledger, "A2", 8000);
        cut(&mut ledger);
        pay(&mut ledger, "A3", 1000);
        assert_eq!(from(&refund(&mut ledger, "R1", "A2", 4000)), (3976, 3976, 0));
        let dates = [(FIRST.plus_days(1), 3976), (FIRST.plus_days(2), 994)];
        assert_eq!(ledger.merchants[0].dates(), dates);
    }

    #[test]
    fn available_covers_what_pending_lacks_and_gets_it_back() {
        let mut ledger = settled(RefundFunding::PendingThenAvailable);
        pay(&mut ledger, "A2", 1000);
        assert_eq!(from(&refund(&mut ledger, "R1", "A1", 10_000)), (9940, 994, 8946));
        assert_eq!(balances(&ledger), (0, 994));
        fail(&mut ledger, "R1");
        assert_eq!(balances(&ledger), (994, 9940));
        let mut ledger = settled(RefundFunding::Available);
        pay(&mut ledger, "A2", 1000);
        assert_eq!(from(&refund(&mut ledger, "R1", "A1", 10_000)), (9940, 0, 9940));
        assert_eq!(balances(&ledger), (994, 0));
        assert_eq!(ledger.merchants[0].dates(), [(FIRST.plus_days(1), 994)]);
    }

    #[test]
    fn a_failed_void_of_a_date_settled_since_enters_the_current_one() {
        let mut ledger = settled(RefundFunding::Pending);
        pay(&mut ledger, "A2", 1000);
        let void = |void_no| Void { merchant: ID, void_no: number(void_no), order_no: number("A2") };
        assert!(matches!(apply(&mut ledger, &Command::Void(void("V1"))), Reply::Done(_)));
        let second = FIRST.plus_days(1);
        settle(&mut ledger, second);
        cut(&mut ledger);
        let result = VoidResult { merchant: ID, void_no: number("V1"), succeeded: false };
        assert!(matches!(apply(&mut ledger, &Command::VoidResult(result)), Reply::Done(_)));
        assert_eq!(ledger.merchants[0].dates(), [(FIRST.plus_days(2), 994)]);
        // Its money is unsettled again, though its date was settled.
        let Reply::Order(view) = ledger.answer(&Query::Order(ID, number("A2")), NOW) else { panic!() };
        assert!(!view.settled);
        assert_eq!(from(&refund(&mut ledger, "R1", "A2", 500)), (497, 497, 0));
        let refused = Reply::Rejected(Rejection::NotSameDay, None);
        assert_eq!(apply(&mut ledger, &Command::Void(void("V2"))), refused);
    }
}
