//! The flow of funds, and our own books against themselves.

use proptest::prelude::*;
use suanpan_clearing::bill::{BankRow, Direction};
use suanpan_clearing::reconcile::Class;
use suanpan_clearing::reconcile::batch::InputFile;
use suanpan_clearing::reconcile::books::Priced;
use suanpan_clearing::reconcile::funds::{BankFilter, BankSums};
use suanpan_clearing::reconcile::run::Bank;
use suanpan_clearing::reconcile::three_way::{ThreeWay, three_way};
use suanpan_core::Currency;

use crate::town::{CNY, Entry, Ledger, Ours, Price, Row, Town, date};

fn entry(subject: u8, from: &str, to: &str, amount: u64, order_no: &str, refund_no: &str) -> Entry {
    let (from, to, order_no, refund_no) =
        (from.to_owned(), to.to_owned(), order_no.to_owned(), refund_no.to_owned());
    Entry { subject, from, to, amount, reversal: false, merchant: 1, order_no, refund_no }
}

fn back(entry: &Entry) -> Entry {
    Entry { from: entry.to.clone(), to: entry.from.clone(), reversal: true, ..entry.clone() }
}

/// A payment of 1000 with a fee of 6 and 2 for the platform, a cost of 3, and 50 from the operator.
fn payment(order_no: &str) -> Vec<Entry> {
    let (channel, merchant) = ("channel:wechat", "merchant:1:pending");
    vec![
        entry(60, channel, "operator", 1_000, order_no, ""),
        entry(61, "operator", "platform:9", 1_000, order_no, ""),
        entry(62, "platform:9", merchant, 1_000, order_no, ""),
        entry(63, merchant, "platform:9", 8, order_no, ""),
        entry(64, "platform:9", "operator", 6, order_no, ""),
        entry(65, "operator", channel, 3, order_no, ""),
        entry(66, "operator", merchant, 50, order_no, ""),
    ]
}

fn order(order_no: &str) -> Price {
    let row = Priced {
        merchant: 1,
        order_no: "",
        refund_no: "",
        accounting_date: date(26),
        reversed: false,
        platform: Some(true),
        late: Some(false),
        attempts: 1,
        cash: 1_000,
        fee: 6,
        platform_fee: 2,
        cost: 3,
        discounts: 50,
        advance_fee: 0,
    };
    Price { row, order_no: order_no.to_owned(), refund_no: String::new() }
}

fn refund(order_no: &str, refund_no: &str) -> Vec<Entry> {
    let (channel, merchant) = ("channel:wechat", "merchant:1:pending");
    vec![
        entry(77, "merchant:1:available", merchant, 40, order_no, refund_no),
        entry(70, merchant, "platform:9", 300, order_no, refund_no),
        entry(71, "platform:9", "operator", 300, order_no, refund_no),
        entry(72, "operator", "platform:9", 2, order_no, refund_no),
        entry(73, "platform:9", merchant, 3, order_no, refund_no),
        entry(74, "operator", channel, 300, order_no, refund_no),
        entry(75, channel, "operator", 1, order_no, refund_no),
        entry(76, merchant, "operator", 15, order_no, refund_no),
    ]
}

fn returned(order_no: &str, refund_no: &str) -> Price {
    let row = Priced {
        cash: 300,
        fee: 2,
        platform_fee: 1,
        cost: 1,
        discounts: 0,
        platform: None,
        late: None,
        ..order("").row
    };
    Price { row, order_no: order_no.to_owned(), refund_no: refund_no.to_owned() }
}

fn compare(entries: &[Vec<Entry>], priced: &[Price]) -> ThreeWay {
    let books = Ledger { items: Vec::new(), entries: entries.concat(), priced: priced.to_vec() };
    three_way(&books, date(26), &mut |_| {}).unwrap()
}

#[test]
fn books_that_add_up_do() {
    let (paid, given) = (payment("A"), refund("A", "R"));
    let taken_back = |entries: &[Entry]| entries.iter().map(back).collect::<Vec<_>>();
    let voided = Price { row: Priced { reversed: true, ..order("V").row }, ..order("V") };
    let failed = Price { row: Priced { reversed: true, ..returned("A", "F").row }, ..returned("A", "F") };
    let late_row =
        Priced { late: Some(true), fee: 0, platform_fee: 0, cost: 0, discounts: 0, ..order("L").row };
    let late = vec![entry(60, "channel:wechat", "suspense", 1_000, "L", "")];
    let found = compare(
        &[
            paid,
            given,
            payment("V"),
            taken_back(&payment("V")),
            refund("A", "F"),
            taken_back(&refund("A", "F")),
            late,
            vec![entry(80, "merchant:1:held", "merchant:1:pending", 7, "A", "")],
        ],
        &[order("A"), returned("A", "R"), voided, failed, Price { row: late_row, ..order("L") }],
    );
    assert_eq!((found.differ, found.compared), (0, 5), "{:?}", found.named);

    // What was booked on an earlier date: a refund fails, a void fails, a late one is reinstated.
    let before = |price: Price| Price { row: Priced { accounting_date: date(25), ..price.row }, ..price };
    let failed = Price { row: Priced { reversed: true, ..returned("B", "F").row }, ..returned("B", "F") };
    let out = back(&entry(60, "channel:wechat", "suspense", 1_000, "C", ""));
    let found = compare(
        &[taken_back(&refund("B", "F")), payment("B"), vec![out], payment("C")],
        &[before(failed), before(order("B")), before(order("D")), order("C"), before(returned("D", "S"))],
    );
    assert_eq!(found.differ, 0, "{:?}", found.named);
}

#[test]
fn an_entry_that_is_missing_or_wrong_is_a_bug_with_a_name() {
    for at in 0..7 {
        let mut entries = payment("A");
        entries[at].amount += 1;
        let found = compare(&[entries, payment("B")], &[order("A"), order("B")]);
        let subject = 60 + u8::try_from(at).unwrap();
        assert_eq!(found.differ, 1);
        assert_eq!(found.named[0].order_no, "A");
        assert_eq!(found.named[0].booked[&subject], found.named[0].expected[&subject] + 1);
        let mut entries = payment("A");
        entries.remove(at);
        let found = compare(&[entries], &[order("A")]);
        assert_eq!((found.differ, found.named[0].booked.get(&subject)), (1, None));
    }
    for at in 1..7 {
        let mut entries = refund("A", "R");
        entries[at].amount -= 1;
        assert_eq!(compare(&[entries], &[returned("A", "R")]).differ, 1, "{at}");
    }
    let found = compare(&[payment("A"), payment("A")], &[order("A")]);
    assert_eq!(found.differ, 1, "booked twice");
    let found = compare(&[payment("A")], &[]);
    assert_eq!((found.differ, found.named[0].expected.len()), (1, 0), "entries without an order");
    let found = compare(&[], &[order("A")]);
    assert_eq!((found.differ, found.named[0].booked.len()), (1, 0), "an order without entries");
    let mut other = payment("A");
    other.iter_mut().for_each(|entry| entry.merchant = 2);
    assert_eq!(compare(&[other], &[order("A")]).differ, 2, "another merchant's");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Differences that cancel out over subjects or orders are differences all the same.
    #[test]
    fn no_two_mistakes_make_it_right(
        first in 0..7usize, second in 0..7usize, by in 1..900u64, orders in (0..3usize, 0..3usize)
    ) {
        prop_assume!((first, orders.0) != (second, orders.1));
        let mut entries = [payment("A"), payment("B"), payment("C")];
        entries[orders.0][first].amount += by * 2;
        let amount = &mut entries[orders.1][second].amount;
        *amount = amount.wrapping_add_signed(-(by as i64)).min(1 << 40);
        let found = compare(&entries, &[order("A"), order("B"), order("C")]);
        prop_assert_eq!(found.differ, if orders.0 == orders.1 { 1 } else { 2 });
    }
}

fn bank(lines: &[(&str, &str, u64, Currency, bool)], filter: BankFilter) -> Bank {
    let mut sums = BankSums::new(filter.clone());
    for &(account, reference, amount, currency, credit) in lines {
        let direction = if credit { Direction::Credit } else { Direction::Debit };
        sums.add(&BankRow {
            file: 0,
            line: 2,
            date: date(27),
            account,
            reference,
            amount,
            currency,
            direction,
        });
    }
    let (name, sha256) = ("bank.csv".to_owned(), format!("{lines:?}"));
    Bank { files: vec![InputFile { name, bytes: 1, sha256 }], filter, sums }
}

#[test]
fn the_bank_is_held_against_the_bill_and_our_entries_stand_beside() {
    let paid = Ours::payment(26, 1, "A", 1_000);
    let given = Ours::refund(26, 1, "A", "R", 300);
    let rows = [Row { fee_millionths: 30_000, ..paid.row() }, Row { fee_millionths: -10_000, ..given.row() }];
    let books = Ledger {
        items: vec![paid, given],
        entries: [payment("A"), refund("A", "R")].concat(),
        priced: Vec::new(),
    };
    let funds = |lines: &[(&str, &str, u64, Currency, bool)], filter| {
        let run = Town::new().try_run(&Town::manifest(26), &books, &rows, Some(bank(lines, filter))).unwrap();
        let funds = run.batch.funds.clone().unwrap().remove(0);
        assert_eq!(run.batch.is_balanced(), funds.class == Class::Matched);
        assert_eq!((funds.bill_minor, funds.entries_minor), (698, 698));
        (funds.class, funds.bank_minor, funds.bank_rows)
    };
    let all = BankFilter::default;
    assert_eq!(funds(&[("62", "WECHAT 0826", 698, CNY, true)], all()), (Class::Matched, 698, 1));
    let parts = [("62", "WECHAT 1", 800, CNY, true), ("62", "WECHAT 2", 102, CNY, false)];
    assert_eq!(funds(&parts, all()), (Class::Matched, 698, 2));
    assert_eq!(funds(&parts[..1], all()), (Class::AmountDiffers, 800, 1));
    assert_eq!(funds(&[], all()), (Class::Short, 0, 0));
    let mixed =
        [("62", "WECHAT 1", 698, CNY, true), ("62", "rent", 9, CNY, false), ("63", "WECHAT", 5, CNY, true)];
    let filter = BankFilter { account: Some("62".to_owned()), reference: Some("WECHAT".to_owned()) };
    assert_eq!(funds(&mixed, filter), (Class::Matched, 698, 1));
    let run = Town::new()
        .try_run(
            &Town::manifest(26),
            &Ledger::default(),
            &[],
            Some(bank(&[("62", "?", 5, CNY, true)], all())),
        )
        .unwrap();
    assert_eq!(run.batch.funds.unwrap()[0].class, Class::Long);
}
