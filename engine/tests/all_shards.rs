//! What concerns several shards, from many threads at once, under the load of payments.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use common::{
    ask_all, ask_one, balances, line, number, open_shop, payment, split_order, start, sums, top_up, transfer,
};
use suanpan_core::{
    Account, Adjustment, Close, Command, Currency, Date, Field, MerchantAccount, MerchantId, NewOrder,
    OrderStatus, Query, Receipt, Rejection, Reply, Request, Run, SetDate, Timestamp,
};
use suanpan_engine::{Caller, Completed, Engine};

const MERCHANTS: u64 = 24;
const FLOAT: u64 = 1_000_000;

fn booked(repeat: bool) -> Reply {
    Reply::Done(Receipt::Booked { repeat })
}

/// A shop whose merchants have something available.
fn funded(engine: &Engine) {
    open_shop(engine, MERCHANTS);
    let replies = ask_all(engine, (1..=MERCHANTS).map(|id| top_up(id, 1, FLOAT)));
    assert!(replies.iter().all(|reply| *reply == booked(false)), "{replies:?}");
}

/// Takes payments for all merchants until told to stop; how many.
fn take_payments(engine: &Engine, from: u64, stop: &AtomicBool) -> u64 {
    let mut taken = 0;
    while !stop.load(Ordering::Relaxed) {
        let some = (0..600).map(|n| payment(1 + n % MERCHANTS, from + taken + n));
        let replies = ask_all(engine, some);
        assert!(replies.iter().all(|reply| matches!(reply, Reply::Done(_))), "{:?}", replies[0]);
        taken += 600;
    }
    taken
}

#[test]
fn transfers_from_many_threads_keep_the_money_at_every_trial_balance() {
    const EACH: u64 = 150;
    let folder = tempfile::tempdir().unwrap();
    let engine = start(folder.path(), 3);
    funded(&engine);
    let (stop, moved) = (AtomicBool::new(false), AtomicU64::new(0));
    let taken = thread::scope(|scope| {
        let payers = [1 << 40, 2 << 40].map(|from| {
            let (engine, stop) = (&engine, &stop);
            scope.spawn(move || take_payments(engine, from, stop))
        });
        let auditor = scope.spawn(|| {
            let mut taken = 0;
            while !stop.load(Ordering::Relaxed) {
                let (totals, _) = engine.totals().unwrap();
                assert_eq!(sums(&totals).0, 0);
                assert_eq!(line(&totals, "merchants:available"), i128::from(MERCHANTS * FLOAT));
                taken += 1;
            }
            taken
        });
        let givers: Vec<_> = (0..8u64)
            .map(|thread| {
                let (engine, moved) = (&engine, &moved);
                scope.spawn(move || {
                    for n in 0..EACH {
                        // Every pair of merchants, also within a shard and against each other.
                        let (from, to) =
                            (1 + (n * 7 + thread) % MERCHANTS, 1 + (n * 5 + thread * 3 + 1) % MERCHANTS);
                        let command = transfer(from, thread << 32 | n, to, 1 + n);
                        match engine.command_all(command.clone()) {
                            Reply::Done(Receipt::Booked { repeat: false }) => {
                                moved.fetch_add(1, Ordering::Relaxed);
                                assert_eq!(engine.command_all(command), booked(true));
                            }
                            Reply::Rejected(Rejection::ReceiverInvalid, _) => assert_eq!(from, to),
                            other => panic!("{other:?}"),
                        }
                    }
                })
            })
            .collect();
        // Whatever came of them, the others are told to stop first.
        let given: Vec<_> = givers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        stop.store(true, Ordering::Relaxed);
        given.into_iter().for_each(|giver| giver.unwrap());
        assert!(auditor.join().unwrap() > 0);
        payers.into_iter().map(|payer| payer.join().unwrap()).sum::<u64>()
    });
    assert!(taken > 0 && moved.load(Ordering::Relaxed) > 4 * EACH);
    let holds = engine.holds();
    assert!(holds.count >= 3 && holds.longest > Duration::ZERO);
    println!("{taken} payments beside {moved:?} transfers, {} syncs; {holds:?}", engine.syncs());
    let before: Vec<_> = (1..=MERCHANTS).map(|id| balances(&engine, id)).collect();
    drop(engine);
    for shards in [2, 3, 1] {
        let again = start(folder.path(), shards);
        let after: Vec<_> = (1..=MERCHANTS).map(|id| balances(&again, id)).collect();
        assert_eq!(before, after, "with {shards} shards");
        assert_eq!(sums(&again.totals().unwrap().0).0, 0);
    }
}

#[test]
fn who_is_not_there_is_named_wherever_it_would_live() {
    let folder = tempfile::tempdir().unwrap();
    for shards in [1, 3] {
        let folder = folder.path().join(shards.to_string());
        std::fs::create_dir(&folder).unwrap();
        let engine = start(&folder, shards);
        funded(&engine);
        let refused = |rejection, field| Reply::Rejected(rejection, field);
        for nobody in [900, 901, 902, 903, 904] {
            let to = engine.command_all(transfer(1, 5, nobody, 10));
            assert_eq!(to, refused(Rejection::ReceiverInvalid, Some(Field::To)));
            let from = engine.command_all(transfer(nobody, 5, 1, 10));
            assert_eq!(from, refused(Rejection::MerchantNotFound, None));
            let own = |id| Account::Merchant(MerchantId(id), MerchantAccount::Available);
            let adjust = |from, to| {
                Command::Adjust(Box::new(Adjustment {
                    adjustment_no: number(nobody),
                    subject: "correction".into(),
                    from,
                    to,
                    amount: 5,
                    currency: Currency(*b"CNY"),
                    memo: String::new(),
                    approved_by: ["ann".into(), "bob".into()],
                }))
            };
            let from = engine.command_all(adjust(own(nobody), Account::Operator));
            assert_eq!(from, refused(Rejection::MerchantNotFound, Some(Field::From)));
            let to = engine.command_all(adjust(own(1), own(nobody)));
            assert_eq!(to, refused(Rejection::MerchantNotFound, Some(Field::To)));
            assert_eq!(engine.command_all(adjust(own(2), own(3))), booked(false));
            assert_eq!(engine.command_all(adjust(own(2), own(3))), booked(true));
        }
        let poor = engine.command_all(transfer(1, 6, 2, FLOAT + 1));
        assert_eq!(poor, refused(Rejection::InsufficientFunds, None));
        assert_eq!(engine.command_all(transfer(1, 6, 2, FLOAT)), booked(false), "a refusal leaves no trace");
        let conflict = engine.command_all(transfer(1, 6, 900, FLOAT));
        assert_eq!(conflict, refused(Rejection::IdempotencyConflict, None));
        let (totals, _) = engine.totals().unwrap();
        assert_eq!(sums(&totals).0, 0);
        assert_eq!(line(&totals, "merchants:available"), i128::from(MERCHANTS * FLOAT));
        assert_eq!(balances(&engine, 3).available, FLOAT + 25);
    }
}

/// What the engine alone may send is refused from others, and what is not for all shards too.
#[test]
fn not_every_command_is_for_all_shards() {
    let folder = tempfile::tempdir().unwrap();
    let engine = start(folder.path(), 2);
    funded(&engine);
    let Request::Command(one_shard) = payment(1, 1) else { unreachable!() };
    for command in [one_shard, Command::EndSettlement(number(1)), Command::Sweep(Box::default())] {
        let refused = engine.command_all(command);
        assert_eq!(refused, Reply::Rejected(Rejection::InvalidRequest, None));
    }
}

struct Counted(AtomicU64, AtomicU64);

impl Caller for Counted {
    fn complete(&self, completed: Completed) {
        assert_eq!(completed.shard, 2);
        assert_eq!(completed.replies, [booked(false)]);
        assert!(matches!(completed.requests[..], [Request::Command(Command::Transfer(_))]));
        self.0.fetch_add(1, Ordering::Relaxed);
        self.1.fetch_max(completed.as_of.get(), Ordering::Relaxed);
    }
}

/// A thousand transfers handed in at once share meetings and syncs.
#[test]
fn transfers_share_their_syncs() {
    let folder = tempfile::tempdir().unwrap();
    let engine = start(folder.path(), 2);
    funded(&engine);
    let counted = Arc::new(Counted(AtomicU64::new(0), AtomicU64::new(0)));
    let (syncs, meetings) = (engine.syncs(), engine.holds().count / 2);
    for n in 0..1_200u64 {
        let (from, to) = (1 + n % 12, 13 + n % 12);
        assert_eq!(engine.submit_all(transfer(from, n, to, 1), n, counted.clone()), Ok(()));
    }
    engine.stop().unwrap();
    assert_eq!(counted.0.load(Ordering::Relaxed), 1_200);
    assert!(engine.durable().get() >= counted.1.load(Ordering::Relaxed));
    let (syncs, meetings) = (engine.syncs() - syncs, engine.holds().count / 2 - meetings);
    println!("{syncs} syncs, {meetings} meetings");
    assert!(syncs < 1_200 && meetings <= 1_200);
    assert_eq!(engine.submit_all(transfer(1, 1, 2, 1), 0, counted), Err(Rejection::Overloaded));
    drop(engine);
    let again = start(folder.path(), 3);
    assert_eq!(balances(&again, 1).available, FLOAT - 100);
    assert_eq!(balances(&again, 13).available, FLOAT + 100);
}

struct Replies(std::sync::Mutex<Vec<Reply>>);

impl Caller for Replies {
    fn complete(&self, completed: Completed) {
        self.0.lock().unwrap().extend(completed.replies);
    }
}

/// What is handed in at once is decided as if one came after the other: the last money is given once, a number stands for
/// one transfer.
#[test]
fn what_depends_on_each_other_is_not_decided_together() {
    let folder = tempfile::tempdir().unwrap();
    let engine = start(folder.path(), 3);
    open_shop(&engine, MERCHANTS);
    let givers = 1..=8;
    assert!(ask_all(&engine, givers.clone().map(|id| top_up(id, 1, 10))).iter().all(|r| *r == booked(false)));
    let replies = Arc::new(Replies(Vec::new().into()));
    for n in 0..16 {
        for id in givers.clone() {
            let different = transfer(id, n, 9 + n, 10);
            let same = transfer(9, 1, 10 + n % 2, 1);
            assert_eq!(engine.submit_all(different, 0, replies.clone()), Ok(()));
            assert_eq!(engine.submit_all(same, 0, replies.clone()), Ok(()));
        }
    }
    engine.stop().unwrap();
    let replies = replies.0.lock().unwrap();
    let count = |wanted: &Reply| replies.iter().filter(|reply| *reply == wanted).count();
    let poor = Reply::Rejected(Rejection::InsufficientFunds, None);
    let conflict = Reply::Rejected(Rejection::IdempotencyConflict, None);
    assert_eq!(replies.len(), 16 * 8 * 2);
    assert_eq!(count(&booked(false)), 8 + 1, "each giver's money and one of a number");
    assert_eq!(count(&conflict), 64);
    assert_eq!(count(&booked(true)) + count(&poor) + count(&conflict) + 9, replies.len());
    drop(engine);
    let again = start(folder.path(), 2);
    assert_eq!(line(&again.totals().unwrap().0, "merchants:available"), 80);
    givers.for_each(|id| assert_eq!(balances(&again, id).available, 0));
}

/// A batch of up to sixteen is decided with nothing in between, whatever meetings there are.
#[test]
fn a_short_batch_is_not_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let engine = start(folder.path(), 2);
    funded(&engine);
    thread::scope(|scope| {
        let giver = scope.spawn(|| {
            for n in 0..300 {
                assert_eq!(engine.command_all(transfer(1, n, 2, 1)), booked(false));
            }
        });
        let mut seen = 0;
        while !giver.is_finished() {
            let look = Request::Query(Query::Balances(MerchantId(1)));
            let batch = (0..16).map(|_| look.clone());
            let replies = ask_all(&engine, batch);
            assert!(replies.iter().all(|reply| *reply == replies[0]), "{replies:?}");
            seen += 1;
        }
        assert!(seen > 0);
    });
}

#[test]
fn accruals_are_swept_exactly_once_while_they_grow() {
    const RECEIVERS: [u64; 3] = [1, 2, 3];
    let folder = tempfile::tempdir().unwrap();
    let engine = start(folder.path(), 3);
    open_shop(&engine, MERCHANTS);
    let mut rounds = 0u64;
    let (stop, swept) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let sweeper = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let Reply::Swept { amounts, .. } = engine.run(Run::Sweep) else { panic!() };
                let amount: u128 = amounts.iter().map(|(_, amount)| amount).sum();
                swept.fetch_add(u64::try_from(amount).unwrap(), Ordering::Relaxed);
                let (totals, _) = engine.totals().unwrap();
                assert_eq!((sums(&totals).0, line(&totals, "in_transit")), (0, 0));
            }
        });
        while swept.load(Ordering::Relaxed) < 200_000 && !sweeper.is_finished() {
            let orders = (4..=MERCHANTS)
                .flat_map(|id| split_order(id, rounds, RECEIVERS[(id % 3) as usize], 100 + id));
            let replies = ask_all(&engine, orders);
            assert!(replies.iter().all(|reply| matches!(reply, Reply::Done(_))), "{replies:?}");
            rounds += 1;
        }
        stop.store(true, Ordering::Relaxed);
    });
    let Reply::Swept { .. } = engine.run(Run::Sweep) else { panic!() };
    assert_eq!(engine.run(Run::Sweep), Reply::Swept { owners: 0, amounts: Vec::new() });
    let given: u64 = (4..=MERCHANTS).map(|id| (100 + id) * rounds).sum();
    let got = |engine: &Engine| RECEIVERS.iter().map(|id| balances(engine, *id).available).sum::<u64>();
    assert_eq!(got(&engine), given);
    drop(engine);
    let again = start(folder.path(), 2);
    assert_eq!(got(&again), given);
    let (totals, _) = again.totals().unwrap();
    assert_eq!((sums(&totals).0, line(&totals, "in_transit"), line(&totals, "merchants:accrued")), (0, 0, 0));
}

/// Orders are closed when their time is over, also when the clock is set, and nothing else is.
#[test]
fn orders_expire_by_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let engine = start(folder.path(), 2);
    funded(&engine);
    let begun = Timestamp(1_800_000_000_000);
    engine.clock().stop_at(Some(begun));
    let order = |id: u64, order_no: u64, after_ms: Option<i64>| {
        Request::Command(Command::CreateOrder(Box::new(NewOrder {
            merchant: MerchantId(id),
            order_no: number(order_no),
            channel: suanpan_core::ChannelId(0),
            amount: 5,
            discounts: suanpan_core::Discounts::default(),
            hold: false,
            expires_at: after_ms.map(|ms| Timestamp(begun.0 + ms)),
        })))
    };
    let orders = (1..=MERCHANTS).flat_map(|id| {
        [order(id, 1, Some(1_000)), order(id, 2, Some(600_000)), order(id, 3, None)]
            .into_iter()
            .chain((10..40).map(move |no| order(id, no, Some(1_000))))
    });
    let replies = ask_all(&engine, orders);
    assert!(replies.iter().all(|reply| matches!(reply, Reply::Done(_))), "{replies:?}");
    let status =
        |id, no: u64| match ask_one(&engine, Request::Query(Query::Order(MerchantId(id), number(no)))) {
            Reply::Order(view) => view.status,
            other => panic!("{other:?}"),
        };
    let early = Command::Close(Close { merchant: MerchantId(1), order_no: number(1), expired: true });
    assert!(matches!(ask_one(&engine, Request::Command(early)), Reply::Rejected(..)));
    assert_eq!(status(1, 1), OrderStatus::Created);
    let set = std::time::Instant::now();
    engine.clock().stop_at(Some(Timestamp(begun.0 + 1_000)));
    while !(1..=MERCHANTS)
        .all(|id| status(id, 1) == OrderStatus::Closed && status(id, 39) == OrderStatus::Closed)
    {
        assert!(set.elapsed() < Duration::from_secs(20));
        thread::yield_now();
    }
    for id in 1..=MERCHANTS {
        assert_eq!((status(id, 2), status(id, 3)), (OrderStatus::Created, OrderStatus::Created));
    }
    engine.stop().unwrap();
}

#[test]
fn a_settlement_run_pays_what_is_due_once() {
    let folder = tempfile::tempdir().unwrap();
    let engine = start(folder.path(), 3);
    open_shop(&engine, MERCHANTS);
    let replies = ask_all(&engine, (1..=MERCHANTS).map(|id| payment(id, 1)));
    assert!(replies.iter().all(|reply| matches!(reply, Reply::Done(_))));
    let cut = |days| Command::SetDate(SetDate { date: Date(common::TODAY.0 + days), cut: true });
    assert!(matches!(engine.command_all(cut(7)), Reply::Done(_)));
    let split = split_order(4, 9, 5, 70);
    assert!(ask_all(&engine, split.into_iter()).iter().all(|reply| matches!(reply, Reply::Done(_))));
    let run = |batch_no, merchant: Option<u64>| {
        let (batch_no, merchant) = (number(batch_no), merchant.map(MerchantId));
        engine.run(Run::Settlement(suanpan_core::Settlement { batch_no, merchant }))
    };
    let settled = |reply| match reply {
        Reply::Settlement { repeat, view } => {
            assert!(view.ended);
            (repeat, view.merchants, view.amounts)
        }
        other => panic!("{other:?}"),
    };
    let cny = |amount| vec![(Currency(*b"CNY"), amount)];
    assert_eq!(settled(run(1, Some(2))), (false, 1, cny(994)));
    assert_eq!(balances(&engine, 2).available, 994);
    assert_eq!(balances(&engine, 3).available, 0);
    assert_eq!(run(1, None), Reply::Rejected(Rejection::IdempotencyConflict, None));
    assert_eq!(run(2, Some(900)), Reply::Rejected(Rejection::MerchantNotFound, None));
    let all = (false, MERCHANTS - 1, cny(u128::from(MERCHANTS - 1) * 994));
    assert_eq!(settled(run(3, None)), all);
    assert_eq!(balances(&engine, 5).available, 994 + 70, "a run for all also sweeps");
    assert_eq!(settled(run(3, None)), (true, all.1, all.2));
    assert_eq!(settled(run(4, None)), (false, 0, Vec::new()));
    let known = engine.settlement(number(1));
    assert_eq!(settled(known), (false, 1, cny(994)));
    let unknown = engine.settlement(number(9));
    assert_eq!(unknown, Reply::Rejected(Rejection::SettlementNotFound, None));
    drop(engine);
    let again = start(folder.path(), 1);
    assert_eq!(balances(&again, 5).available, 994 + 70);
    assert_eq!(sums(&again.totals().unwrap().0).0, 0);
}
