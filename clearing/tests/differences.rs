//! Days of a town against its channels' bills: each planted difference is found, named, and nothing else is; what is carried finds
//! its end in the next day's bill.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;

use suanpan_clearing::bill::{self, Expected, Format, Limits};
use suanpan_clearing::manifest::Manifest;
use suanpan_clearing::reconcile::{Class, Day, Input, Item, Options, Reason, Run, reconcile};
use suanpan_clearing::rehearsal::papers::{ACCOUNT, format_of, write_bill, zone};
use suanpan_clearing::rehearsal::{self, Bill, Difference, Plan, Planted};
use suanpan_clearing::store::Store;

/// The bill as its channel writes it.
fn file(bill: &Bill) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_bill(bill, &mut bytes).unwrap();
    bytes
}

fn run(store: &Store, bill: &Bill, bytes: &[u8]) -> Run {
    let manifest = Manifest::load(store, bill.date).unwrap();
    let (zone, path) = (zone(), Path::new("bill"));
    let expected = Expected { date: bill.date, account: Some(ACCOUNT), timezone: &zone };
    let format = format_of(bill.channel);
    let mut read = |each: &mut dyn FnMut(&bill::BillRow<'_>)| {
        let expected =
            Expected { account: expected.account.filter(|_| format != Format::Generic), ..expected };
        bill::read_bytes(format, &[(path, bytes)], &expected, &Limits::DEFAULT, each)
    };
    let input = Input { channel: bill.channel, files: Vec::new(), bill: &mut read, bank: None };
    let day = Day::new(store, &manifest);
    reconcile(store, &manifest, &day, input, &Options::default(), &mut |_, _| ()).unwrap()
}

fn numbers(item: &Item) -> (String, String) {
    match (&item.ours, &item.bill) {
        (Some(ours), _) => (ours.order_no.clone(), ours.refund_no.clone()),
        (None, Some(bill)) => (bill.order_no.clone(), bill.refund_no.clone()),
        (None, None) => unreachable!("an item is something"),
    }
}

/// How a planted difference must be found.
fn expected(planted: &Planted) -> (Class, Reason) {
    match planted.difference {
        Difference::MissingInBill => (Class::Short, Reason::MissingInBill),
        Difference::MissingInBooks => (Class::Long, Reason::MissingInBooks),
        Difference::Amount => (Class::AmountDiffers, Reason::Amount),
        Difference::State => (Class::StatusDiffers, Reason::State),
        Difference::DuplicatedLine => (Class::Long, Reason::DuplicateLine),
    }
}

/// Plays a town, bends its bills, and compares what is found with what was planted, date by date.
fn rehearse(plan: &Plan) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().to_str().unwrap()).unwrap();
    let played = rehearsal::play(&store, plan).unwrap();
    let mut rng = fastrand::Rng::with_seed(plan.seed);
    let mut near_cuts = 0;
    for channel in ["wechat", "alipay", "unionpay"] {
        let mut carried: BTreeMap<(String, String), Item> = BTreeMap::new();
        for day in &played.days {
            let mut bill = rehearsal::bill(&played.happened, channel, day.date);
            let mut planted = rehearsal::plant(&mut bill, &mut rng);
            assert_eq!(planted.len(), Difference::ALL.len(), "{channel} {}", day.date);
            if channel == "alipay" {
                // Its bill has no states: what is not done is not in it.
                let state =
                    planted.iter().position(|planted| planted.difference == Difference::State).unwrap();
                planted.remove(state);
            }
            let run = run(&store, &bill, &file(&bill));
            let found: BTreeMap<_, _> = run
                .lines
                .items
                .iter()
                .filter(|item| item.class != Class::Carried)
                .map(|item| (numbers(item), (item.class, item.reason)))
                .collect();
            let wanted: BTreeMap<_, _> = planted
                .iter()
                .map(|planted| ((planted.order_no.clone(), planted.refund_no.clone()), expected(planted)))
                .collect();
            assert_eq!(found, wanted, "{channel} {}", day.date);
            let three_way = run.batch.three_way.as_ref().unwrap();
            assert_eq!(three_way.named, [], "{channel} {}", day.date);
            // What the day before carried near its cut has found its end.
            let near: Vec<_> = carried.iter().filter(|(_, item)| item.reason == Reason::NearCut).collect();
            near_cuts += near.len();
            for (numbers, item) in near {
                let closed = run.lines.closed.iter().find(|closed| closed.id == item.id);
                assert!(closed.is_some_and(|closed| closed.class == Class::Matched), "{numbers:?}: {item:?}");
            }
            let still = run.lines.items.iter().filter(|item| item.class == Class::Carried);
            carried = still.map(|item| (numbers(item), item.clone())).collect();
        }
    }
    assert!(near_cuts > 2, "some trade was so near a cut that its line is in the other day's bill");
}

#[test]
fn each_planted_difference_is_found_and_named_and_nothing_else() {
    for seed in 1..=6 {
        rehearse(&Plan { seed, merchants: 30, payments: 1_200, ..Plan::default() });
    }
}

#[test]
fn so_it_is_with_a_thousand_merchants() {
    rehearse(&Plan { seed: 7, merchants: 1_000, payments: 6_000, ..Plan::default() });
}
