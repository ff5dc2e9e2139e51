//! Images of ledgers in the midst of random sequences: what is made again from them is the same in all that it says, and in
//! all that comes after; and bytes that are no image are refused.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;
mod naive;
mod pair;
mod strategy;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use common::*;
use pair::images::{image, image_beside_store, restored};
use pair::{Differ, Pair};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use strategy::Step;
use suanpan_core::*;

/// Where a sequence is cut, into how many shards, and whether out of one.
type Cut = (usize, u16, bool);

fn cuts() -> impl Strategy<Value = Vec<Cut>> {
    prop::collection::vec((0..300usize, 1..=4u16, any::<bool>()), 1..4)
}

fn run(pair: &mut Pair, set_up: &[Command], steps: &[Step], cuts: &[Cut]) -> Differ {
    for command in set_up {
        pair.apply(command)?;
    }
    for (at, step) in steps.iter().enumerate() {
        for &(_, shards, from_one) in cuts.iter().filter(|cut| cut.0 % steps.len() == at) {
            pair.restore(shards, from_one)?;
        }
        pair.step(step)?;
    }
    pair.viewed()?;
    pair.viewed_on_shards()?;
    pair.replayed()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn what_is_made_again_goes_on_as_before(
        set_up in strategy::set_up(),
        steps in strategy::steps(),
        cuts in cuts(),
    ) {
        if let Err(differ) = run(&mut Pair::new(), &set_up, &steps, &cuts) {
            prop_assert!(false, "{}", differ);
        }
    }
}

/// The same sequences every time, without their last steps.
fn pairs(count: usize) -> impl Iterator<Item = Pair> {
    let mut runner = TestRunner::deterministic();
    let pair = move || {
        let set_up = strategy::set_up().new_tree(&mut runner).unwrap().current();
        let steps = strategy::steps().new_tree(&mut runner).unwrap().current();
        let mut pair = Pair::with(naive::Flaw::None);
        run(&mut pair, &set_up, &steps, &[]).unwrap();
        pair
    };
    std::iter::repeat_with(pair).take(count)
}

/// Sequences like these leave something of every command to be kept.
#[test]
fn every_kind_of_command_is_before_an_image() {
    let mut kinds = BTreeSet::new();
    for pair in pairs(60) {
        for command in &pair.done {
            let mut bytes = Vec::new();
            encode(command, &mut bytes);
            kinds.insert(bytes[0]);
        }
    }
    assert_eq!(kinds, (1..=28).collect());
}

/// The orders by themselves, into a ledger that knows their merchants only.
#[test]
fn orders_are_installed_one_by_one() {
    let mut orders = 0;
    for mut pair in pairs(60) {
        let mut images = BTreeMap::new();
        let snapshot = pair.ledger.snapshot();
        snapshot.each_order(&Kin::new(&snapshot), &mut |bytes| {
            let mut rest = bytes;
            let image = read_order(&mut rest).unwrap();
            assert!(rest.is_empty());
            images.insert((image.merchant(), image.order_no()), bytes.to_vec());
        });
        drop(snapshot);
        let date = pair.ledger.date();
        let mut ledger = Ledger::new(5, date);
        let known = |command: &&Command| matches!(command, Command::PutMerchant(_) | Command::PutChannel(_));
        for bytes in images.values() {
            let unknown = ledger.install(read_order(&mut bytes.as_slice()).unwrap()).unwrap_err();
            assert!(matches!(unknown, ImageError::UnknownMerchant(_)), "{unknown}");
        }
        for command in pair.done.iter().filter(known) {
            let _ = ledger.apply(command, Timestamp(NOON), &mut ());
        }
        for bytes in images.values() {
            ledger.install(read_order(&mut bytes.as_slice()).unwrap()).unwrap();
            let digest = ledger.digest();
            let twice = ledger.install(read_order(&mut bytes.as_slice()).unwrap()).unwrap_err();
            assert!(matches!(twice, ImageError::Duplicate("an order", _)), "{twice}");
            assert_eq!(ledger.digest(), digest);
            orders += 1;
        }
        let snapshot = ledger.snapshot();
        snapshot.each_order(&Kin::new(&snapshot), &mut |bytes| {
            let image = read_order(&mut &*bytes).unwrap();
            assert_eq!(images[&(image.merchant(), image.order_no())], bytes);
        });
        drop(snapshot);
        same_orders(&pair, &ledger, images.keys());
        let cut = Command::SetDate(SetDate { date: date.plus_days(1), cut: true });
        let cut = |ledger: &mut Ledger| ledger.apply(&cut, Timestamp(NOON + DAY), &mut ()).reply;
        assert_eq!(cut(&mut ledger), cut(&mut pair.ledger), "as many refunds go out again");
    }
    assert!(orders > 500, "{orders}");
}

fn same_orders<'a>(pair: &Pair, ledger: &Ledger, names: impl Iterator<Item = &'a (MerchantId, Number)>) {
    let now = Timestamp(NOON);
    for &(merchant, order_no) in names {
        let view = |of: &Ledger| match of.answer(&Query::Order(merchant, order_no), now) {
            // Settled is what its merchant is, whose balances stayed.
            Reply::Order(view) => OrderView { settled: false, ..*view },
            other => panic!("{other:?}"),
        };
        assert_eq!(view(ledger), view(&pair.ledger));
        let refunds = Query::OrderRefunds(merchant, order_no, None);
        assert_eq!(ledger.answer(&refunds, now), pair.ledger.answer(&refunds, now));
        let Reply::Refunds { page, .. } = ledger.answer(&refunds, now) else { panic!() };
        for refund in page {
            let refund = Query::Refund(merchant, refund.refund_no);
            assert_eq!(ledger.answer(&refund, now), pair.ledger.answer(&refund, now));
        }
    }
    for (merchant, view) in pair.naive.voids() {
        let query = Query::Void(merchant, view.void_no);
        assert_eq!(ledger.answer(&query, now), Reply::Void(Box::new(view)));
    }
    for view in pair.naive.splits() {
        let query = Query::Split(view.merchant, view.split_no);
        assert_eq!(ledger.answer(&query, now), Reply::Split(Box::new(view)));
    }
    for view in pair.naive.split_returns() {
        let query = Query::SplitReturn(view.asked.merchant, view.asked.return_no);
        assert_eq!(ledger.answer(&query, now), Reply::SplitReturn(Box::new(view)));
    }
}

/// The smallest ledger of many that has something of every kind, after what may leave for the cold store left: the
/// commands, and the image.
fn small() -> (Vec<Command>, Vec<Vec<u8>>) {
    let kinds = |blocks: &[Vec<u8>]| blocks.iter().map(|block| block[0]).collect::<BTreeSet<u8>>();
    let size = |blocks: &[Vec<u8>]| blocks.iter().map(Vec::len).sum::<usize>();
    // Some orders are in the cold store, so that there are tags.
    let all = pairs(90).map(|mut pair| (image_beside_store(&mut pair.ledger), pair.done));
    let whole = all.filter(|(blocks, _)| kinds(blocks) == (1..=16).collect());
    let (blocks, done) = whole.min_by_key(|(blocks, _)| size(blocks)).unwrap();
    (done, blocks)
}

fn alone(blocks: &[Vec<u8>]) -> Result<Ledger, ImageError> {
    restored(Restore::alone(1), &[(0, blocks)], 1)
}

#[test]
fn an_image_that_ends_anywhere_is_refused() {
    let (_, blocks) = small();
    assert!(alone(&blocks).is_ok());
    for at in 0..blocks.len() {
        for len in 0..blocks[at].len() {
            let mut cut = blocks.clone();
            cut[at].truncate(len);
            assert!(alone(&cut).is_err(), "block {at} after {len} bytes");
            cut.truncate(at + 1);
            assert!(alone(&cut).is_err(), "all after {len} bytes of block {at}");
        }
        let mut without = blocks.clone();
        without.remove(at);
        assert!(alone(&without).is_err(), "without block {at}");
        let mut twice = blocks.clone();
        twice.insert(at, blocks[at].clone());
        assert!(alone(&twice).is_err(), "with block {at} twice");
        let mut longer = blocks.clone();
        longer[at].push(0);
        assert!(alone(&longer).is_err(), "block {at} goes on");
    }
}

/// One in so many of the ledgers that a flip makes goes on.
const GOES_ON: u32 = 8;

/// There is no checksum here, so some flips make another ledger; it must be one that can be looked at and goes on.
#[test]
fn no_flipped_bit_makes_it_panic() {
    let (mut refused, mut taken) = (0, 0);
    let (done, blocks) = small();
    for at in 0..blocks.len() {
        for bit in 0..blocks[at].len() * 8 {
            let mut flipped = blocks.clone();
            flipped[at][bit / 8] ^= 1 << (bit % 8);
            let looked = catch_unwind(AssertUnwindSafe(|| {
                let mut ledger = alone(&flipped)?;
                look(&mut ledger);
                if taken % GOES_ON == 0 {
                    go_on(&mut ledger, &done);
                }
                Ok::<_, ImageError>(())
            }));
            match looked.unwrap_or_else(|_| panic!("bit {bit} of block {at}")) {
                Ok(()) => taken += 1,
                Err(_) => refused += 1,
            }
        }
    }
    assert!(refused > taken / 2 && taken > 0, "{refused} refused, {taken} taken");
}

/// What was done before, which now is done again or not, and every result the other way.
fn go_on(ledger: &mut Ledger, done: &[Command]) {
    let now = Timestamp(NOON + 30 * DAY);
    for command in done {
        let other = match command.clone() {
            Command::RefundResult(of) => {
                Command::RefundResult(RefundResult { state: RefundResultState::Failed, ..of })
            }
            Command::VoidResult(of) => Command::VoidResult(VoidResult { succeeded: !of.succeeded, ..of }),
            Command::PayoutResult(of) => {
                Command::PayoutResult(PayoutResult { state: RefundResultState::Failed, ..of })
            }
            other => other,
        };
        let _ = ledger.apply(command, now, &mut ());
        let _ = ledger.apply(&other, now, &mut ());
    }
    let _ = ledger.digest();
}

/// At whatever can be looked at without a name.
fn look(ledger: &mut Ledger) {
    let _ = ledger.digest();
    let now = Timestamp(NOON);
    for query in [Query::Totals, Query::Holidays, Query::Accruals(0), Query::Expired(100)] {
        let _ = ledger.answer(&query, now);
    }
    let cut = Command::SetDate(SetDate { date: ledger.date().plus_days(1), cut: true });
    for merchant in 1..=9 {
        let _ = ledger.answer(&Query::Entries(MerchantId(merchant), 0), now);
        for n in 0..20 {
            let order_no = number(&format!("A{n}"));
            let _ = ledger.answer(&Query::Order(MerchantId(merchant), order_no), now);
            let _ = ledger.answer(&Query::OrderRefunds(MerchantId(merchant), order_no, None), now);
        }
    }
    let _ = ledger.apply(&cut, now, &mut ());
    assert!(image(ledger).len() > 2);
}

#[test]
fn images_are_taken_once_each_and_only_those_that_are_needed() {
    let mut pair = pairs(1).next().unwrap();
    let blocks = image(&mut pair.ledger);
    let mut restore = Restore::new(1, 2, 0);
    assert_eq!(restore.begin(0, 2), Err(ImageError::Source(0)), "another shard's");
    assert_eq!(restore.begin(3, 3), Err(ImageError::Source(3)), "there is none");
    assert_eq!(restore.begin(0, 3), Ok(()));
    assert_eq!(restore.begin(1, 3), Err(ImageError::Source(1)), "before the first ended");
    assert_eq!(
        restored(Restore::alone(0), &[(0, &blocks), (0, &blocks)], 2).unwrap_err(),
        ImageError::Source(0)
    );
    assert_eq!(restored(Restore::alone(0), &[(0, &blocks)], 2).unwrap_err(), ImageError::Source(1));
    let twice = restored(Restore::alone(0), &[(0, &blocks), (1, &blocks)], 2).unwrap_err();
    assert!(matches!(twice, ImageError::DuplicateMerchant(_)), "{twice}");
    assert!(Restore::alone(0).finish().is_err());
    let mut other = Ledger::new(0, SUNDAY.plus_days(9));
    let differ = restored(Restore::alone(0), &[(0, &blocks), (1, &image(&mut other))], 2).unwrap_err();
    assert!(matches!(differ, ImageError::Differ(_)), "{differ}");
    let mut newer = blocks.clone();
    newer[0][1] = 2;
    assert_eq!(alone(&newer).unwrap_err(), ImageError::Version(2));
}

/// What the sequences do not say: a channel's number of a refund, names, and the longest and largest of everything.
#[test]
fn what_is_longest_and_largest_is_kept() {
    let mut shop = Shop::new();
    let zone = Zone { name: "z".repeat(64), steps: shanghai().steps };
    let channel =
        ChannelTerms { cost_rate: Rate(1_000_000), ..ChannelTerms::preset("x", Preset::Alipay, zone) };
    let channel = shop.put_channel(ChannelTerms { name: "x".repeat(32), ..channel });
    shop.merchant(9, |_| {});
    shop.merchant(MerchantId::MAX, |terms| {
        (terms.name, terms.platform) = ("名".repeat(42), Some(MerchantId(9)));
        (terms.fee_rate, terms.mode) = (rate("0.5"), SettlementMode::Gross);
    });
    let (most, id) = (1_000_000_000_000_000, MerchantId::MAX);
    let (order_no, refund_no) = ("A".repeat(32), "R".repeat(32));
    let mut payment = discounted(payment(id, &order_no, channel, most), 1, 2, most - 3);
    payment.details.as_mut().unwrap().channel_txn = Some("7".repeat(64));
    payment.paid_at = Some(Timestamp(*Timestamp::RANGE.end()));
    shop.pay(payment);
    shop.refund(id, &refund_no, &order_no, most);
    shop.done(&Command::RefundResult(RefundResult {
        merchant: MerchantId(id),
        refund_no: number(&refund_no),
        state: RefundResultState::Succeeded,
        channel_refund_no: Some("8".repeat(64).into()),
    }));
    let again = alone(&image(&mut shop.ledger)).unwrap();
    assert_eq!(again.digest(), shop.ledger.digest());
    assert_eq!(again.totals(), shop.ledger.totals());
    let merchant = Query::Merchant(MerchantId(id));
    assert_eq!(again.answer(&merchant, Timestamp(NOON)), shop.ledger.answer(&merchant, Timestamp(NOON)));
}
