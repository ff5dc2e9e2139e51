//! Days of the rehearsal's town, with every kind of trade, decided by the real rules and kept in a real cold store, against what its
//! channels saw: what agrees does, what is planted is found, and nothing else.

use std::collections::BTreeSet;

use suanpan_clearing::bill::{BankRow, Direction};
use suanpan_clearing::bill::{BillKind, BillRow, BillTotals};
use suanpan_clearing::manifest::Manifest;
use suanpan_clearing::reconcile::batch::InputFile;
use suanpan_clearing::reconcile::funds::{BankFilter, BankSums};
use suanpan_clearing::reconcile::open::open_list;
use suanpan_clearing::reconcile::run::Bank;
use suanpan_clearing::reconcile::{Day, Input, Item, Options, Run, reconcile};
use suanpan_clearing::rehearsal::{Bill, Difference, Plan, Planted, Played, bill, plant, play};
use suanpan_clearing::store::Store;
use suanpan_core::Currency;

const CHANNELS: [&str; 3] = ["wechat", "alipay", "unionpay"];
const CNY: Currency = Currency(*b"CNY");

fn run(store: &Store, manifest: &Manifest, bill: &Bill, bank_minor: Option<u64>) -> Run {
    let name = format!("{}-{}.csv", bill.channel, bill.date);
    let file = InputFile { name, bytes: bill.lines.len() as u64, sha256: format!("{:?}", bill.lines) };
    let mut read = |each: &mut dyn FnMut(&BillRow<'_>)| {
        for (line, of) in (2..).zip(&bill.lines) {
            let (happened, merchant) = (&of.happened, of.happened.merchant.0.to_string());
            each(&BillRow {
                file: 0,
                line,
                kind: happened.kind,
                state: of.state,
                time: happened.time,
                sub_merchant: &merchant,
                channel_txn: &happened.channel_txn,
                order_no: &happened.order_no,
                channel_refund_no: &happened.channel_refund_no,
                refund_no: &happened.refund_no,
                currency: CNY,
                amount: happened.amount,
                fee_millionths: happened.cost * 10_000,
            });
        }
        let (rows, account, date) = (bill.lines.len() as u64, String::new(), bill.date);
        let (payments, paid, refunds, refunded, fee_millionths) = Default::default();
        Ok(BillTotals { account, date, rows, payments, paid, refunds, refunded, fee_millionths })
    };
    let bank = bank_minor.map(|amount| {
        let mut sums = BankSums::default();
        let (file, line, date, direction) = (0, 2, manifest.date, Direction::Credit);
        let (account, reference, currency) = ("62", "", CNY);
        sums.add(&BankRow { file, line, date, account, reference, amount, currency, direction });
        let file = InputFile { name: "bank.csv".to_owned(), bytes: 1, sha256: amount.to_string() };
        Bank { files: vec![file], filter: BankFilter::default(), sums }
    });
    let input = Input { channel: bill.channel, files: vec![file], bill: &mut read, bank };
    reconcile(store, manifest, &Day::new(store, manifest), input, &Options::default(), &mut |_, _| {})
        .unwrap()
}

fn rehearse(seed: u64, merchants: u64) -> (tempfile::TempDir, Store, Played) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().to_str().unwrap()).unwrap();
    let plan = Plan { seed, merchants, payments: 1_500, ..Plan::default() };
    let played = play(&store, &plan).unwrap();
    (folder, store, played)
}

/// What an item says, in the words of what is planted.
fn is_of(item: &Item, planted: &Planted) -> bool {
    let (class, reason) = match planted.difference {
        Difference::MissingInBill => ("short", "missing_in_bill"),
        Difference::MissingInBooks => ("long", "missing_in_books"),
        Difference::Amount => ("amount_differs", "amount"),
        Difference::State => ("status_differs", "state"),
        Difference::DuplicatedLine => ("long", "duplicate_line"),
    };
    let (order_no, refund_no) = match (&item.ours, &item.bill) {
        (Some(ours), _) => (&ours.order_no, &ours.refund_no),
        (None, Some(bill)) => (&bill.order_no, &bill.refund_no),
        (None, None) => return false,
    };
    let same = *order_no == planted.order_no && *refund_no == planted.refund_no;
    (item.class.name(), item.reason.name()) == (class, reason) && same
}

#[test]
fn what_the_channels_saw_agrees_with_what_was_decided() {
    for seed in [1, 2] {
        let (_folder, store, played) = rehearse(seed, 40);
        let mut matched = 0;
        for channel in CHANNELS {
            for manifest in &played.days {
                let seen = bill(&played.happened, channel, manifest.date);
                let run = run(&store, manifest, &seen, None);
                let open: Vec<_> = run.lines.items.iter().filter(|item| item.class.is_open()).collect();
                assert_eq!(open, [] as [&Item; 0], "seed {seed}, {channel}, {}", manifest.date);
                let three_way = run.batch.three_way.as_ref().unwrap();
                assert_eq!(three_way.differ, 0, "seed {seed}, {}: {:?}", manifest.date, three_way.named);
                assert!(three_way.compared > 1_000 && three_way.entries > 3_000, "{three_way:?}");
                assert!(run.batch.is_balanced());
                matched += run.lines.matched.iter().map(|tally| tally.count).sum::<u64>();
            }
        }
        assert!(matched > 3_000, "{matched}");
        assert_eq!(open_list(&store, None).unwrap().items, []);
    }
}

#[test]
fn what_was_planted_is_found_and_nothing_else() {
    let (_folder, store, played) = rehearse(3, 1_000);
    let mut rng = fastrand::Rng::with_seed(7);
    let mut kinds = BTreeSet::new();
    for channel in CHANNELS {
        for manifest in &played.days {
            let mut seen = bill(&played.happened, channel, manifest.date);
            let planted = plant(&mut seen, &mut rng);
            let run = run(&store, manifest, &seen, None);
            let open: Vec<_> = run.lines.items.iter().filter(|item| item.class.is_open()).collect();
            for planted in &planted {
                let found = open.iter().filter(|item| is_of(item, planted)).count();
                assert_eq!(found, 1, "{channel} {}: {planted:?} in {open:#?}", manifest.date);
                kinds.insert(planted.difference);
            }
            assert_eq!(open.len(), planted.len(), "{channel} {}: {open:#?}", manifest.date);
        }
    }
    assert_eq!(kinds.len(), Difference::ALL.len());
}

#[test]
fn the_bill_comes_to_what_a_bank_would_pay() {
    let (_folder, store, played) = rehearse(4, 40);
    let manifest = &played.days[0];
    let seen = bill(&played.happened, "wechat", manifest.date);
    let owed = seen.lines.iter().fold(0i64, |sum, line| {
        let amount = line.happened.amount.cast_signed();
        sum + if line.happened.kind == BillKind::Payment { amount } else { -amount } - line.happened.cost
    });
    let balanced = run(&store, manifest, &seen, Some(owed.unsigned_abs()));
    let funds = &balanced.batch.funds.as_ref().unwrap()[0];
    assert!(balanced.batch.is_balanced(), "{funds:?}");
    assert_eq!(funds.bill_minor, owed);
    let short = run(&store, manifest, &seen, Some(owed.unsigned_abs() - 1));
    assert!(!short.batch.is_balanced());
}
