//! Days with planted differences, days after each other, and days that are run again.

use suanpan_clearing::bill::{BillKind, BillState};
use suanpan_clearing::reconcile::batch::{Batch, BatchRef};
use suanpan_clearing::reconcile::item::State;
use suanpan_clearing::reconcile::open::open_list;
use suanpan_clearing::reconcile::{Class, Kind, Options, Reason, ReconcileError, Run};

use crate::town::{HOUR, Ledger, MINUTE, Ours, Row, Town, at, date};

/// What a run told, in short: class, reason, order or refund number.
pub(crate) fn told(run: &Run) -> Vec<(&'static str, &'static str, String)> {
    let mut told: Vec<_> = run
        .lines
        .items
        .iter()
        .map(|item| {
            let number = match (&item.ours, &item.bill) {
                (Some(ours), _) if item.kind == Kind::Payment => &ours.order_no,
                (Some(ours), _) => &ours.refund_no,
                (None, Some(bill)) if bill.kind == BillKind::Payment.into() => &bill.order_no,
                (None, Some(bill)) => &bill.refund_no,
                (None, None) => panic!("an item without sides"),
            };
            (item.class.name(), item.reason.name(), number.clone())
        })
        .collect();
    told.sort();
    told
}

fn told_as(list: &[(&'static str, &'static str, &str)]) -> Vec<(&'static str, &'static str, String)> {
    list.iter().map(|&(class, reason, number)| (class, reason, number.to_owned())).collect()
}

/// A day with everything in it, and its bill.
fn busy_day() -> (Vec<Ours>, Vec<Row>) {
    let mut ours: Vec<Ours> =
        (1..=40u64).map(|n| Ours::payment(26, 1 + n % 3, &format!("A{n}"), 100 * n)).collect();
    ours.extend((1..=10u64).map(|n| Ours::refund(26, 1 + n % 3, &format!("A{n}"), &format!("R{n}"), 10 * n)));
    ours.push(Ours { voided: true, ..Ours::payment(26, 1, "V1", 500) });
    ours.push(Ours::void(26, 1, "V1", "VV1", 500));
    let rows = ours.iter().map(Ours::row).collect();
    (ours, rows)
}

#[test]
fn what_agrees_is_balanced() {
    let (ours, rows) = busy_day();
    let town = Town::new();
    let run = town.run(26, &Ledger::of(&ours), &rows);
    assert_eq!(told(&run), []);
    assert!(run.batch.is_balanced() && run.is_new);
    assert_eq!(run.batch.batch_no, "wechat-2018-08-26-1");
    assert_eq!(run.lines.matched.iter().map(|tally| tally.count).sum::<u64>(), 52);
    let empty = town.run(27, &Ledger::default(), &[]);
    assert!(empty.batch.is_balanced(), "a day without trade");
}

#[test]
fn every_planted_difference_is_found_and_named_and_nothing_else() {
    let (mut ours, mut rows) = busy_day();
    let place = |rows: &[Row], number: &str| {
        rows.iter()
            .position(|row| row.refund_no == number || row.refund_no.is_empty() && row.order_no == number)
            .unwrap()
    };
    rows.remove(place(&rows, "A1"));
    rows.remove(place(&rows, "R2"));
    rows.push(Ours::payment(26, 2, "X1", 777).row());
    rows.push(Ours::refund(26, 2, "A8", "X2", 77).row());
    let at_row = place(&rows, "A3");
    rows[at_row].amount += 1;
    let at_row = place(&rows, "R4");
    rows[at_row].amount -= 1;
    let at_row = place(&rows, "R5");
    rows[at_row].state = BillState::Abnormal;
    let at_row = place(&rows, "A6");
    rows.push(rows[at_row].clone());
    let at_row = place(&rows, "A7");
    rows[at_row].channel_txn = "T-other".to_owned();
    let refund = ours.iter_mut().find(|item| item.refund_no == "R6").unwrap();
    refund.state = State::Processing;
    let refund = ours.iter_mut().find(|item| item.refund_no == "R7").unwrap();
    refund.state = State::Processing;
    let at_row = place(&rows, "R7");
    rows[at_row].state = BillState::Processing;
    rows.remove(place(&rows, "VV1"));
    ours.push(Ours { at_ms: at(27, -MINUTE), ..Ours::payment(26, 1, "N1", 5) });
    rows.push(Row { time: at(26, MINUTE), ..Ours::payment(26, 1, "N2", 6).row() });

    let town = Town::new();
    let run = town.run(26, &Ledger::of(&ours), &rows);
    let expected = [
        ("amount_differs", "amount", "A3"),
        ("amount_differs", "amount", "R4"),
        ("carried", "in_flight", "R7"),
        ("carried", "near_cut", "N1"),
        ("carried", "near_cut", "N2"),
        ("long", "duplicate_line", "A6"),
        ("long", "missing_in_books", "X1"),
        ("long", "missing_in_books", "X2"),
        ("short", "missing_in_bill", "A1"),
        ("short", "missing_in_bill", "R2"),
        ("short", "voided_not_revoked", "VV1"),
        ("status_differs", "numbers_contradict", "A7"),
        ("status_differs", "state", "R5"),
        ("status_differs", "state", "R6"),
    ];
    assert_eq!(told(&run), told_as(&expected));
    assert!(!run.batch.is_balanced());
    assert_eq!((run.batch.open(), run.batch.carried_out), (11, 3));
    let duplicate = run.lines.items.iter().find(|item| item.reason == Reason::DuplicateLine).unwrap();
    let first = duplicate.first.as_ref().unwrap();
    assert_eq!((first.line, first.file.as_str()), (2 + place(&rows, "A6") as u64, "bill-2018-08-26.csv"));
    assert_eq!(
        duplicate.bill.as_ref().unwrap().at.line,
        2 + rows.iter().rposition(|row| row.order_no == "A6" && row.refund_no.is_empty()).unwrap() as u64
    );
}

#[test]
fn a_revoked_line_stands_for_a_voided_payment_too() {
    let ours =
        [Ours { voided: true, ..Ours::payment(26, 1, "V1", 500) }, Ours::void(26, 1, "V1", "VV1", 500)];
    let rows = [Row { refund_no: String::new(), ..ours[1].row() }];
    assert_eq!(told(&Town::new().run(26, &Ledger::of(&ours), &rows)), []);
    let both = [ours[0].row(), ours[1].row()];
    assert_eq!(told(&Town::new().run(26, &Ledger::of(&ours), &both)), []);
    // A void that we did not ask for.
    let alone = [Ours { voided: false, ..ours[0].clone() }];
    let run = Town::new().run(26, &Ledger::of(&alone), &both[1..]);
    assert_eq!(told(&run), told_as(&[("status_differs", "revoked_not_voided", "V1")]));
    let run = Town::new().run(26, &Ledger::of(&alone), &both);
    assert_eq!(told(&run), told_as(&[("long", "missing_in_books", "VV1")]));
}

#[test]
fn numbers_shared_by_merchants_are_told_apart_by_the_amount() {
    let without = |mut item: Ours| {
        item.channel_txn.clear();
        item
    };
    let ours: Vec<Ours> = [(1, 100), (2, 200), (3, 300), (4, 300)]
        .map(|(merchant, amount)| without(Ours::payment(26, merchant, "1", amount)))
        .into();
    let row =
        |amount| Row { sub_merchant: String::new(), channel_txn: "T".to_owned(), amount, ..ours[0].row() };
    let run = Town::new().run(26, &Ledger::of(&ours), &[row(200), row(100), row(300)]);
    let expected =
        [("long", "ambiguous", "1"), ("short", "missing_in_bill", "1"), ("short", "missing_in_bill", "1")];
    assert_eq!(told(&run), told_as(&expected));
}

/// A bill without merchants (Alipay's) has the order's number at the channel beside each refund.
#[test]
fn refunds_that_share_a_number_are_told_apart_by_their_orders() {
    let ours: Vec<Ours> = (1..=100)
        .map(|merchant| Ours {
            channel_refund_no: String::new(),
            ..Ours::refund(26, merchant, "A1", "R1", 100)
        })
        .collect();
    let rows: Vec<Row> =
        ours.iter().rev().map(|item| Row { sub_merchant: String::new(), ..item.row() }).collect();
    let run = Town::new().run(26, &Ledger::of(&ours), &rows[1..]);
    assert_eq!(told(&run), told_as(&[("short", "missing_in_bill", "R1")]));
    assert_eq!(run.lines.items[0].ours.as_ref().unwrap().merchant_id, "100");
}

#[test]
fn what_is_carried_resolves_in_the_next_days_file_or_is_long_or_short() {
    let town = Town::new();
    let late = |order_no: &str| Ours { at_ms: at(27, -MINUTE), ..Ours::payment(26, 1, order_no, 100) };
    let early = |order_no: &str, amount| Ours {
        at_ms: at(27, -2 * MINUTE),
        ..Ours::payment(27, 2, order_no, amount)
    };
    // The cut came a little early: the bill of the 26th has what we have on the 27th.
    let first = [late("found"), late("never"), late("other")];
    let rows = [early("E1", 5).row(), early("E2", 6).row(), early("E3", 7).row()];
    let run = town.run(26, &Ledger::of(&first), &rows);
    assert_eq!(
        run.batch.totals.iter().map(|total| (total.class, total.count)).collect::<Vec<_>>(),
        [(Class::Carried, 6)]
    );
    assert!(run.batch.is_balanced(), "carried only is balanced");

    let second = [early("E1", 5), early("E2", 60), Ours::payment(27, 1, "D", 1)];
    let mut rows = vec![late("found").row(), Ours::payment(27, 1, "D", 1).row()];
    rows.push(Row { amount: 101, ..late("other").row() });
    let run = town.run(27, &Ledger::of(&second), &rows);
    let expected = [
        ("amount_differs", "amount", "E2"),
        ("amount_differs", "amount", "other"),
        ("long", "missing_in_books", "E3"),
        ("short", "missing_in_bill", "never"),
    ];
    assert_eq!(told(&run), told_as(&expected));
    assert_eq!((run.batch.carried_in, run.batch.carried_out), (6, 0));
    assert_eq!(run.batch.carry_from, Some(BatchRef { date: date(26), number: 1 }));
    let closed: Vec<_> = run.lines.closed.iter().map(|item| (item.class, item.origin)).collect();
    assert_eq!(
        closed.iter().filter(|closed| **closed == (Class::Matched, date(26))).count(),
        2,
        "found, E1: {closed:?}"
    );
    for item in run.lines.items.iter().filter(|item| item.class != Class::AmountDiffers) {
        assert_eq!(item.origin, date(26), "dated by where it came from");
    }
    let matched: u64 = run.lines.matched.iter().map(|tally| tally.count).sum();
    assert_eq!(matched, 3, "found, E1 and D");

    // On the third day the channel sends what it forgot, and a late notice brings what we missed.
    let third = [Ours { date: date(28), ..early("E3", 7) }];
    let run = town.run(28, &Ledger::of(&third), &[late("never").row()]);
    assert_eq!(told(&run), []);
    assert_eq!(run.batch.closed, 2);
    let open: Vec<_> =
        open_list(&town.store, None).unwrap().items.into_iter().map(|open| open.item.class).collect();
    assert_eq!(open, [Class::AmountDiffers, Class::AmountDiffers]);
}

#[test]
fn refunds_in_flight_are_carried_for_as_long_as_they_are() {
    let town = Town::new();
    let refund = |state, day| {
        let refund = Ours::refund(26, 1, "A", "R", 50);
        Ours { state, at_ms: at(day, 12 * HOUR), channel_refund_no: String::new(), ..refund }
    };
    let silent = |state, day| Ours { refund_no: "S".to_owned(), ..refund(state, day) };
    let told_early = |state, day| Ours { refund_no: "E".to_owned(), ..refund(state, day) };
    let waiting = [refund(State::Processing, 26), silent(State::Held, 26), told_early(State::Processing, 26)];
    let success = Row { state: BillState::Succeeded, ..told_early(State::Processing, 26).row() };
    let run = town.run(26, &Ledger::of(&waiting), &[waiting[0].row(), success]);
    let expected =
        [("carried", "in_flight", "R"), ("carried", "in_flight", "S"), ("status_differs", "state", "E")];
    assert_eq!(told(&run), told_as(&expected));
    // Nothing is heard of it.
    let run = town.run(27, &Ledger::default(), &[]);
    assert_eq!(told(&run), told_as(&expected[..2]));
    assert_eq!(run.batch.watched, 1);
    // The results come: rows of the date with an earlier accounting date.
    let results =
        [refund(State::Succeeded, 28), silent(State::Succeeded, 28), told_early(State::Succeeded, 28)];
    let run = town.run(28, &Ledger::of(&results), &[]);
    assert_eq!(told(&run), told_as(&[("short", "missing_in_bill", "S")]));
    let closed: Vec<_> = run.lines.closed.iter().map(|item| (item.reason, item.class)).collect();
    assert_eq!(closed, [(Reason::ResultCame, Class::Matched); 2]);
    let run = town.run(29, &Ledger::default(), &[silent(State::Succeeded, 28).row()]);
    assert_eq!((told(&run), run.batch.closed), (vec![], 1));
    assert_eq!(open_list(&town.store, Some("wechat")).unwrap().items, []);
}

#[test]
fn a_date_that_was_left_out_decides_nothing() {
    let town = Town::new();
    let late = Ours { at_ms: at(27, -MINUTE), ..Ours::payment(26, 1, "A", 100) };
    town.run(26, &Ledger::of(std::slice::from_ref(&late)), &[]);
    let run = town.run(28, &Ledger::default(), &[]);
    assert!(!run.batch.is_due);
    assert_eq!(told(&run), told_as(&[("carried", "near_cut", "A")]));
    let run = town.run(27, &Ledger::default(), &[late.row()]);
    assert_eq!((told(&run), run.batch.closed), (vec![], 1));
    let stale = open_list(&town.store, None).unwrap().stale;
    assert_eq!(stale.iter().map(|stale| stale.date).collect::<Vec<_>>(), [date(28)]);
    let run = town.run(28, &Ledger::default(), &[]);
    assert_eq!((told(&run), run.batch.number), (vec![], 2));
    assert_eq!(open_list(&town.store, None).unwrap().stale, []);
}

#[test]
fn the_same_again_is_the_batch_that_is_there_and_a_corrected_file_the_next() {
    let (ours, rows) = busy_day();
    let town = Town::new();
    let books = Ledger::of(&ours);
    let first = town.run(26, &books, &rows[1..]);
    let listed = town.store.list("reconciliation").unwrap();
    let again = town.run(26, &books, &rows[1..]);
    assert!(!again.is_new);
    assert_eq!((&again.batch, &again.lines), (&first.batch, &first.lines));
    assert_eq!(town.store.list("reconciliation").unwrap(), listed, "nothing was written");
    assert_eq!(open_list(&town.store, None).unwrap().items.len(), 1);

    let corrected = town.run(26, &books, &rows);
    assert_eq!((corrected.batch.number, corrected.is_new), (2, true));
    assert_eq!(open_list(&town.store, None).unwrap().items, [], "the last decides");
    assert_eq!(
        Batch::load(&town.store, "wechat", date(26), 1).unwrap(),
        first.batch,
        "and the first is kept"
    );

    // The next date took over from the second; a third makes it stale.
    town.run(27, &Ledger::default(), &[]);
    assert_eq!(open_list(&town.store, None).unwrap().stale, []);
    town.run(26, &books, &rows[2..]);
    let list = open_list(&town.store, None).unwrap();
    assert_eq!(list.stale[0].batch_no, "wechat-2018-08-27-1");
    assert_eq!(list.items.len(), 2);
    assert_eq!(list.counts().into_iter().collect::<Vec<_>>(), [(Class::Short, 2)]);
}

#[test]
fn an_order_reinstated_later_was_compared_when_it_was_paid() {
    use crate::town::Entry;
    let ours = Ours { at_ms: at(20, HOUR), ..Ours::payment(26, 1, "late", 100) };
    let mut books = Ledger::of(&[ours]);
    let run = Town::new().run(26, &books, &[]);
    assert_eq!(told(&run), told_as(&[("carried", "near_cut", "late")]), "paid on another day");
    books.entries.push(Entry {
        subject: 60,
        from: "suspense".to_owned(),
        to: "channel:wechat".to_owned(),
        amount: 100,
        reversal: true,
        merchant: 1,
        order_no: "late".to_owned(),
        refund_no: String::new(),
    });
    assert_eq!(told(&Town::new().run(26, &books, &[])), []);
}

#[test]
fn a_file_of_something_else_stops_the_run_and_leaves_nothing() {
    let (ours, rows) = busy_day();
    let mut town = Town::new();
    town.options = Options { differences_max: 10, ..town.options };
    let failed = town.try_run(&Town::manifest(26), &Ledger::of(&ours), &[], None).unwrap_err();
    assert!(matches!(failed, ReconcileError::TooManyDifferences { max: 10, .. }), "{failed}");
    let failed = town.try_run(&Town::manifest(26), &Ledger::default(), &rows, None).unwrap_err();
    assert!(matches!(failed, ReconcileError::TooManyDifferences { .. }), "{failed}");
    let mut manifest = Town::manifest(26);
    manifest.channels[0].name = "alipay".to_owned();
    let failed = town.try_run(&manifest, &Ledger::of(&ours), &rows, None).unwrap_err();
    assert!(failed.to_string().contains("wechat is no channel of 2018-08-26: it has alipay"), "{failed}");
    assert_eq!(town.store.list("reconciliation").unwrap(), []);
}
