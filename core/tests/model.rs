//! Random sequences, to the ledger and to a naive model of the same rules: the same answers, entries,
//! balances and views; and what must hold of any sequence at all.

mod common;
mod naive;
mod strategy;

use std::collections::BTreeMap;

use common::*;
use naive::Naive;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use strategy::Step;
use suanpan_core::*;

struct Pair {
    ledger: Ledger,
    /// The same under another hash seed.
    twin: Ledger,
    naive: Naive,
    now: i64,
    log: Vec<(i64, Vec<u8>)>,
    /// From entries alone.
    balances: BTreeMap<(Currency, Account), i128>,
    done: Vec<Command>,
    /// How often each answer was given.
    reached: BTreeMap<String, u32>,
}

impl Pair {
    fn new() -> Self {
        Self {
            ledger: Ledger::new(1, SUNDAY),
            twin: Ledger::new(2, SUNDAY),
            naive: Naive::new(SUNDAY),
            now: NOON,
            log: Vec::new(),
            balances: BTreeMap::new(),
            done: Vec::new(),
            reached: BTreeMap::new(),
        }
    }

    fn name(&self, account: Account) -> String {
        let channel = match account {
            Account::Channel(id) => match self.ledger.answer(&Query::Channel(id)) {
                Reply::Channel(terms) => terms.name,
                other => panic!("{other:?}"),
            },
            _ => String::new(),
        };
        account.name(&channel)
    }

    fn apply(&mut self, command: &Command) {
        let now = Timestamp(self.now);
        let digest = self.ledger.digest();
        let mut entries = Vec::new();
        let applied = self.ledger.apply(command, now, &mut entries);
        let (reply, changed) = self.naive.apply(command, now);
        assert_eq!(applied, Applied { reply, changed }, "{command:?}");
        assert_eq!(self.twin.apply(command, now, &mut ()), applied);
        *self.reached.entry(kind(&applied.reply)).or_default() += 1;
        let booked: Vec<_> = entries
            .iter()
            .map(|e| (e.subject.0, self.name(e.from), self.name(e.to), e.amount, e.reversal))
            .collect();
        assert_eq!(booked, self.naive.booked, "{command:?}");
        if applied.changed {
            assert_ne!(self.ledger.digest(), digest, "changed, but not the digest: {command:?}");
            let mut bytes = Vec::new();
            encode(command, &mut bytes);
            self.log.push((self.now, bytes));
        } else {
            assert_eq!(self.ledger.digest(), digest, "unchanged, but for the digest: {command:?}");
            assert!(entries.is_empty());
        }
        for entry in entries {
            *self.balances.entry((entry.currency, entry.from)).or_default() -= i128::from(entry.amount);
            *self.balances.entry((entry.currency, entry.to)).or_default() += i128::from(entry.amount);
        }
        self.conserved();
        self.done.push(command.clone());
    }

    /// The books add up from the entries and from the totals, and no merchant's account is below zero.
    fn conserved(&self) {
        let mut sums = BTreeMap::<Currency, i128>::new();
        let mut named = BTreeMap::<(Currency, String), i128>::new();
        for (&(currency, account), &balance) in &self.balances {
            *sums.entry(currency).or_default() += balance;
            let name = match account {
                Account::Merchant(_, account) => {
                    assert!(balance >= 0, "{account:?} below zero");
                    format!("merchants:{}", account.name())
                }
                Account::FeeReceivable(_) => "merchants:fee_receivable".to_owned(),
                other => self.name(other),
            };
            *named.entry((currency, name)).or_default() += balance;
        }
        assert!(sums.values().all(|&sum| sum == 0), "{sums:?}");
        named.retain(|_, balance| *balance != 0);
        let Reply::Totals(totals) = self.ledger.answer(&Query::Totals) else { panic!() };
        let shown = totals.accounts.into_iter().filter(|(.., balance)| *balance != 0);
        let shown: BTreeMap<_, _> = shown.map(|(currency, name, sum)| ((currency, name), sum)).collect();
        assert_eq!(shown, named);
    }

    /// Every view, as the model has it; and no order gives back more than was paid.
    fn viewed(&self) {
        for view in self.naive.balances() {
            let query = Query::Balances(view.merchant);
            assert_eq!(self.ledger.answer(&query), Reply::Balances(Box::new(view)));
        }
        for order in self.naive.orders() {
            let query = Query::Order(order.merchant, order.order_no);
            assert_eq!(self.ledger.answer(&query), Reply::Order(Box::new(order.clone())));
            let query = Query::OrderRefunds(order.merchant, order.order_no, None);
            let refunds = self.naive.refunds(&order);
            assert!(refunds.len() <= PAGE_REFUNDS_MAX, "the sequences are too short for a second page");
            let reply = Reply::Refunds { page: refunds.clone(), has_more: false };
            assert_eq!(self.ledger.answer(&query), reply);
            let given: Vec<_> = refunds.iter().filter(|r| r.state != RefundState::Failed).collect();
            let sum = |of: fn(&RefundView) -> u64| -> u64 { given.iter().map(|r| of(r)).sum() };
            assert!(sum(|r| r.cash_amount) <= order.amount, "more cash back than came in");
            assert!(sum(|r| r.amount) <= order.payable);
            assert!(sum(|r| r.fee_returned) <= order.fee);
            assert!(sum(|r| r.platform_fee_returned) <= order.platform_fee);
            assert!(sum(|r| r.cost_returned) <= order.channel_cost);
        }
    }

    fn step(&mut self, step: &Step) {
        let [orders, refunds, voids] = self.naive.names();
        match step {
            Step::Do(command) => self.apply(command),
            Step::Refund(at, refund_no, amount) => {
                let Some((merchant, order_no)) = pick(&orders, *at) else { return };
                let Reply::Order(order) = self.ledger.answer(&Query::Order(merchant, order_no)) else {
                    panic!("an order of the model is not there")
                };
                let (refund_no, amount) = (*refund_no, amount.unwrap_or(order.refundable.max(1)));
                let details = None;
                self.apply(&Command::Refund(Refund { merchant, refund_no, order_no, amount, details }));
            }
            Step::Void(at, void_no) => {
                let Some((merchant, order_no)) = pick(&orders, *at) else { return };
                self.apply(&Command::Void(Void { merchant, void_no: *void_no, order_no }));
            }
            Step::Result(at, state) => {
                let Some((merchant, refund_no)) = pick(&refunds, *at) else { return };
                let (state, channel_refund_no) = (*state, None);
                let result = RefundResult { merchant, refund_no, state, channel_refund_no };
                self.apply(&Command::RefundResult(result));
            }
            Step::VoidResult(at, succeeded) => {
                let Some((merchant, void_no)) = pick(&voids, *at) else { return };
                let succeeded = *succeeded;
                self.apply(&Command::VoidResult(VoidResult { merchant, void_no, succeeded }));
            }
            Step::Again(back) => {
                if let Some(command) = self.done.iter().rev().nth(*back).cloned() {
                    self.apply(&command);
                }
            }
            Step::Wait(minutes) => self.now += minutes * 60_000,
            Step::Cut(days) => {
                let date = self.ledger.date().plus_days(*days);
                self.apply(&Command::SetDate(SetDate { date, cut: true }));
                self.now += i64::from(*days) * DAY;
            }
        }
    }

    /// What was logged gives the same state again, under yet another seed.
    fn replayed(&self) {
        let mut again = Ledger::new(3, SUNDAY);
        for (now, bytes) in &self.log {
            let Ok(command) = decode(&mut bytes.as_slice()) else { panic!("what was encoded is decoded") };
            assert!(again.apply(&command, Timestamp(*now), &mut ()).changed);
        }
        assert_eq!(again.digest(), self.ledger.digest());
        assert_eq!(self.twin.digest(), self.ledger.digest());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 384, ..ProptestConfig::default() })]

    #[test]
    fn the_ledger_and_the_model_agree(set_up in strategy::set_up(), steps in strategy::steps()) {
        let mut pair = Pair::new();
        for command in &set_up {
            pair.apply(command);
        }
        for step in &steps {
            pair.step(step);
            pair.viewed();
        }
        pair.replayed();
    }
}

fn pick(names: &[(MerchantId, Number)], at: usize) -> Option<(MerchantId, Number)> {
    (!names.is_empty()).then(|| names[at % names.len()])
}

fn kind(reply: &Reply) -> String {
    match reply {
        Reply::Done(Receipt::Payment { repeat, .. }) => format!("payment {repeat}"),
        Reply::Done(Receipt::Refund { repeat, state, .. }) => format!("refund {repeat} {state:?}"),
        Reply::Done(Receipt::RefundResult { repeat, state }) => format!("result {repeat} {state:?}"),
        Reply::Done(Receipt::Void { repeat, state }) => format!("void {repeat} {state:?}"),
        Reply::Done(Receipt::VoidResult { repeat, state }) => format!("void result {repeat} {state:?}"),
        Reply::Done(Receipt::Merchant { existed }) => format!("merchant {existed}"),
        Reply::Done(Receipt::Channel { existed, .. }) => format!("channel {existed}"),
        Reply::Done(Receipt::Date { resubmitted }) => format!("date {}", *resubmitted > 0),
        Reply::Rejected(rejection, _) => rejection.code().to_owned(),
        other => format!("{other:?}"),
    }
}

/// The sequences reach what they are meant to, or their agreement would say little.
#[test]
fn the_sequences_reach_every_answer() {
    let mut runner = TestRunner::deterministic();
    let mut reached = BTreeMap::<String, u32>::new();
    for _ in 0..400 {
        let mut pair = Pair::new();
        for command in &strategy::set_up().new_tree(&mut runner).unwrap().current() {
            pair.apply(command);
        }
        for step in &strategy::steps().new_tree(&mut runner).unwrap().current() {
            pair.step(step);
        }
        for (what, count) in pair.reached {
            *reached.entry(what).or_default() += count;
        }
    }
    for what in [
        "channel_blackout",
        "channel_not_found",
        "contradicts_final",
        "currency_mismatch",
        "d0_not_refundable",
        "date true",
        "date_not_later",
        "exceeds_refundable",
        "has_refunds",
        "idempotency_conflict",
        "insufficient_funds",
        "invalid_request",
        "limit_day_amount",
        "limit_day_count",
        "limit_order_amount",
        "merchant true",
        "merchant_closed",
        "merchant_not_found",
        "merchant_suspended",
        "not_same_day",
        "order_not_found",
        "order_settled",
        "order_state",
        "payment true",
        "refund false Processing",
        "refund false Succeeded",
        "refund true Failed",
        "refund true Held",
        "refund true Processing",
        "refund_in_flight",
        "refund_not_found",
        "refund_window",
        "result false Failed",
        "result false Held",
        "result false Succeeded",
        "result true Held",
        "same_day_partial",
        "same_day_refund",
        "too_many_refunds",
        "void false Processing",
        "void result false Failed",
        "void result false Succeeded",
        "void_not_found",
    ] {
        // A failed refund that is sent again is no repeat: that answer must not be there.
        assert_eq!(reached.contains_key(what), what != "refund true Failed", "{what}: {reached:#?}");
    }
}
