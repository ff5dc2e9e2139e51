//! Random sequences, to the ledger and to a naive model of the same rules: the same answers, entries,
//! balances and views; and what must hold of any sequence at all.
//!
//! `mutants` plants one bug after the other into the model, by [`Flaw`]: for each of them some of a fixed set of
//! sequences must make the two differ. What is caught there would be caught in the ledger just as well: the
//! comparison does not know which of the two is wrong.

mod common;
mod naive;
mod pair;
mod strategy;

use std::collections::BTreeMap;

use naive::Flaw;
use pair::{Differ, Pair};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use strategy::Step;
use suanpan_core::*;

/// Runs a sequence; looks at every view after every so many steps.
fn run(pair: &mut Pair, set_up: &[Command], steps: &[Step], view_every: usize) -> Differ {
    for command in set_up {
        pair.apply(command)?;
    }
    for (at, step) in steps.iter().enumerate() {
        pair.step(step)?;
        if at % view_every == 0 {
            pair.viewed()?;
        }
    }
    pair.viewed()?;
    pair.replayed()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 384, ..ProptestConfig::default() })]

    #[test]
    fn the_ledger_and_the_model_agree(set_up in strategy::set_up(), steps in strategy::steps()) {
        if let Err(differ) = run(&mut Pair::new(Flaw::None), &set_up, &steps, 1) {
            prop_assert!(false, "{}", differ);
        }
    }
}

/// The same sequences every time.
fn sequences() -> impl Iterator<Item = (Vec<Command>, Vec<Step>)> {
    let mut runner = TestRunner::deterministic();
    std::iter::from_fn(move || {
        let set_up = strategy::set_up().new_tree(&mut runner).unwrap().current();
        let steps = strategy::steps().new_tree(&mut runner).unwrap().current();
        Some((set_up, steps))
    })
}

/// The sequences reach what they are meant to, or their agreement would say little.
#[test]
fn the_sequences_reach_every_answer() {
    let mut reached = BTreeMap::<String, u32>::new();
    for (set_up, steps) in sequences().take(400) {
        let mut pair = Pair::new(Flaw::None);
        run(&mut pair, &set_up, &steps, usize::MAX).unwrap();
        for (what, count) in pair.reached {
            *reached.entry(what).or_default() += count;
        }
    }
    let missing: Vec<_> = ANSWERS.iter().filter(|what| !reached.contains_key(**what)).collect();
    assert!(missing.is_empty(), "{missing:?} of {reached:#?}");
    // A failed refund that is sent again is no repeat.
    assert!(!reached.contains_key("refund true Failed"));
}

/// What the sequences must be answered with: receipts, and every code that the core has for a command.
const ANSWERS: &[&str] = &[
    "batch false",
    "batch true",
    "booked false",
    "booked true",
    "channel true",
    "channel_blackout",
    "channel_not_found",
    "contradicts_final",
    "currency_mismatch",
    "d0_not_refundable",
    "date false",
    "date true",
    "date_not_later",
    "exceeds_held",
    "exceeds_refundable",
    "exceeds_split_rate",
    "freeze_not_found",
    "has_refunds",
    "holidays",
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
    "order false Closed",
    "order false Created",
    "order false Paid",
    "order false PaidLate",
    "order false PartiallyRefunded",
    "order true Closed",
    "order true Created",
    "order true Paid",
    "order true PaidLate",
    "order true Refunded",
    "order_not_found",
    "order_settled",
    "order_state",
    "overflow",
    "payment false",
    "payment true",
    "payout false Failed",
    "payout false Processing",
    "payout false Succeeded",
    "payout true Failed",
    "payout true Processing",
    "payout_not_found",
    "promoter false",
    "promoter true",
    "receiver_invalid",
    "refund false Processing",
    "refund false Succeeded",
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
    "settled false",
    "settled true",
    "settlement_not_found",
    "split_not_found",
    "swept",
    "too_many_refunds",
    "void false Processing",
    "void result false Failed",
    "void result false Succeeded",
    "void_not_found",
];

mod mutants {
    //! Every planted bug is caught by some sequence.

    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    /// How many sequences a bug has to show itself in.
    const SEQUENCES: usize = 400;

    fn is_caught(flaw: Flaw) -> bool {
        sequences().take(SEQUENCES).any(|(set_up, steps)| {
            let compared = || run(&mut Pair::new(flaw), &set_up, &steps, 4);
            // A wrong rule may also make the model run into an impossible state.
            !catch_unwind(AssertUnwindSafe(compared)).is_ok_and(|compared| compared.is_ok())
        })
    }

    #[test]
    fn every_flaw_is_seen() {
        let missed: Vec<_> = Flaw::ALL.into_iter().filter(|&flaw| !is_caught(flaw)).collect();
        assert!(missed.is_empty(), "{missed:?} would go unseen");
    }
}
