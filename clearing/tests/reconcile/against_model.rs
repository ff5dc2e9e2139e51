//! Random small days, compared by the program and by the model.

use std::collections::BTreeSet;

use proptest::prelude::*;
use suanpan_clearing::bill::{BillKind, BillState};
use suanpan_clearing::reconcile::item::State;
use suanpan_clearing::reconcile::{Class, Item, Kind};
use suanpan_core::Currency;

use crate::model::{Outcome, outcome};
use crate::town::{CNY, HOUR, Ledger, MINUTE, Ours, Row, Town, at, date};

const MERCHANTS: [u64; 5] = [1, 2, 3, 4, 5];

fn time() -> impl Strategy<Value = i64> {
    prop_oneof![
        6 => Just(at(26, 12 * HOUR)),
        1 => Just(at(26, 10 * MINUTE - 1)),
        1 => Just(at(26, 10 * MINUTE)),
        1 => Just(at(27, -10 * MINUTE)),
        1 => Just(at(27, -10 * MINUTE - 1)),
        1 => Just(at(27, HOUR)),
    ]
}

fn number(prefix: &'static str, most: u32) -> impl Strategy<Value = String> {
    prop_oneof![4 => (1..=most).prop_map(move |n| format!("{prefix}{n}")), 1 => Just(String::new())]
}

fn ours() -> impl Strategy<Value = Ours> {
    let kind = prop_oneof![4 => Just(Kind::Payment), 2 => Just(Kind::Refund), 1 => Just(Kind::Void)];
    let state = prop_oneof![
        4 => Just(State::Succeeded), 1 => Just(State::Processing), 1 => Just(State::Held), 1 => Just(State::Failed)
    ];
    let numbers = (1..=4u32, 1..=4u32, number("T", 6), number("C", 5));
    (kind, state, any::<bool>(), 1..=3u64, numbers, 1..=2u64, time()).prop_map(
        |(kind, state, voided, merchant, (order, refund, txn, channel_refund), amount, at_ms)| {
            let is_payment = kind == Kind::Payment;
            Ours {
                kind,
                state: if is_payment { State::Succeeded } else { state },
                voided: voided || kind == Kind::Void,
                merchant,
                order_no: format!("A{order}"),
                refund_no: if is_payment { String::new() } else { format!("R{refund}") },
                channel_txn: txn,
                channel_refund_no: if is_payment || kind == Kind::Void {
                    String::new()
                } else {
                    channel_refund
                },
                amount: amount * 100,
                currency: CNY,
                at_ms,
                date: date(26),
            }
        },
    )
}

/// Lines: made up, or what a channel would say of one of our items, sometimes with something changed.
fn rows(ours: Vec<Ours>) -> impl Strategy<Value = (Vec<Ours>, Vec<Row>)> {
    let kind = prop_oneof![Just(BillKind::Payment), Just(BillKind::Refund), Just(BillKind::Void)];
    let state = prop_oneof![
        5 => Just(BillState::Succeeded), 1 => Just(BillState::Processing), 1 => Just(BillState::Failed),
        1 => Just(BillState::Abnormal)
    ];
    let merchant = prop_oneof![Just(""), Just("1"), Just("2"), Just("9"), Just("1900000109")];
    let currency = prop_oneof![9 => Just(CNY), 1 => Just(Currency(*b"USD"))];
    let numbers = (number("T", 6), number("A", 5), number("C", 5), number("R", 5));
    let made_up = (kind, state, time(), merchant, numbers, currency, 1..=2u64);
    let count = ours.len().max(1);
    let row = (made_up, 0..count * 2, any::<[bool; 6]>(), 0..4u8).prop_map({
        let ours = ours.clone();
        move |((kind, state, time, merchant, numbers, currency, amount), of, changed, changes)| {
            let (channel_txn, order_no, channel_refund_no, refund_no) = numbers;
            let sub_merchant = merchant.to_owned();
            let (amount, fee_millionths) = (amount * 100, 0);
            let other = Row {
                kind,
                state,
                time,
                sub_merchant,
                channel_txn,
                order_no,
                channel_refund_no,
                refund_no,
                currency,
                amount,
                fee_millionths,
            };
            let Some(item) = ours.get(of) else { return other };
            let mut row = item.row();
            if changes == 0 {
                let [kind, state, merchant, txn, order, refund] = changed;
                if kind {
                    row.kind = other.kind;
                }
                if state {
                    row.state = other.state;
                }
                if merchant {
                    row.sub_merchant = other.sub_merchant;
                }
                if txn {
                    (row.channel_txn, row.channel_refund_no) = (other.channel_txn, other.channel_refund_no);
                }
                if order {
                    (row.order_no, row.amount) = (other.order_no, other.amount);
                }
                if refund {
                    row.refund_no = other.refund_no;
                }
            }
            row
        }
    });
    (Just(ours), prop::collection::vec(row, 0..12))
}

fn day() -> impl Strategy<Value = (Vec<Ours>, Vec<Row>)> {
    prop::collection::vec(ours(), 0..12)
        .prop_map(|items| {
            let mut seen = BTreeSet::new();
            let number =
                |item: &Ours| (item.kind, item.merchant, item.order_no.clone(), item.refund_no.clone());
            let key = |item: &Ours| match item.kind {
                Kind::Payment => number(item),
                _ => (item.kind, item.merchant, String::new(), item.refund_no.clone()),
            };
            let mut items: Vec<Ours> = items.into_iter().filter(|item| seen.insert(key(item))).collect();
            // As the books have them: payments first.
            items.sort_by_key(|item| item.kind != Kind::Payment);
            items
        })
        .prop_flat_map(rows)
}

/// What the program told, in the model's words.
fn told(
    items: &[Item],
    ours: &[Ours],
) -> Vec<(Class, suanpan_clearing::reconcile::Reason, Option<usize>, Option<usize>)> {
    let place = |item: &Item| {
        item.ours.as_ref().map(|side| {
            let is_it = |own: &Ours| {
                own.kind == item.kind
                    && own.merchant.to_string() == side.merchant_id
                    && own.order_no == side.order_no
                    && own.refund_no == side.refund_no
            };
            ours.iter().position(is_it).unwrap()
        })
    };
    let line = |item: &Item| item.bill.as_ref().map(|bill| bill.at.line as usize - 2);
    items.iter().map(|item| (item.class, item.reason, place(item), line(item))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn small_days_come_out_as_the_model_says((ours, rows) in day()) {
        let expected = outcome(&ours, &rows, &MERCHANTS);
        let town = Town::new();
        let run = town.run(26, &Ledger::of(&ours), &rows);
        let told = told(&run.lines.items, &ours);
        let found: BTreeSet<_> = told.iter().copied().collect();
        prop_assert_eq!(told.len(), found.len(), "nothing is told twice");
        prop_assert_eq!(&found, &expected.told);
        let count: u64 = run.lines.matched.iter().map(|tally| tally.count).sum();
        prop_assert_eq!(count, expected.matched.len() as u64);
        let amount: u64 = run.lines.matched.iter().map(|tally| tally.amount_minor).sum();
        let succeeded = expected.matched.iter().filter(|at| ours[**at].state == State::Succeeded);
        prop_assert_eq!(amount, succeeded.map(|at| ours[*at].amount).sum::<u64>());
        let ids: BTreeSet<_> = run.lines.items.iter().map(|item| &item.id).collect();
        prop_assert_eq!(ids.len(), run.lines.items.len(), "ids tell items apart");
        prop_assert_eq!(&run.batch.read_lines(&town.store).unwrap(), &run.lines, "what is kept is what was told");
        prop_assert_eq!(run.batch.open(), found.iter().filter(|told| told.0.is_open()).count() as u64);
    }
}

/// The random days must show every class and reason that one date alone can have, or they prove little.
#[test]
fn random_days_show_everything() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeSet::new();
    let mut matched = 0;
    for _ in 0..1_500 {
        let (ours, rows) = day().new_tree(&mut runner).unwrap().current();
        let Outcome { told, matched: agreed } = outcome(&ours, &rows, &MERCHANTS);
        seen.extend(told.into_iter().map(|(class, reason, ..)| (class.name(), reason.name())));
        matched += agreed.len();
    }
    assert!(matched > 1_000, "{matched}");
    for expected in [
        ("amount_differs", "amount"),
        ("amount_differs", "currency"),
        ("status_differs", "state"),
        ("status_differs", "numbers_contradict"),
        ("status_differs", "revoked_not_voided"),
        ("long", "missing_in_books"),
        ("long", "duplicate_line"),
        ("long", "ambiguous"),
        ("short", "missing_in_bill"),
        ("short", "voided_not_revoked"),
        ("carried", "near_cut"),
        ("carried", "in_flight"),
    ] {
        assert!(seen.contains(&expected), "{expected:?} in {seen:?}");
    }
}
