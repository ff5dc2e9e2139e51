//! Snapshots whose orders are in the cold store: in other numbers of shards, and when the newest is passed over.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::path::Path;

use common::{ask, ask_all, ask_one, number, open_shop, payment, set_date};
use suanpan_core::{
    Command, Date, MerchantId, Query, Receipt, Refund, RefundResult, RefundResultState, Reply, Request, Run,
    SetDate, Settlement,
};
use suanpan_engine::{Engine, EngineConfig, TakenSnapshot};

/// Orders of a day.
const ORDERS: u64 = 200;

/// Snapshots are taken when the test asks for one.
fn open(folder: &Path, shards: u16) -> Engine {
    let config = EngineConfig {
        shards,
        segment_bytes: 2 << 20,
        reserve_bytes: 0,
        hot_days: 1,
        snapshot_log_bytes: None,
        snapshot_every: None,
        ..EngineConfig::new(folder, Date(20_000))
    };
    Engine::start(&config, |_| ()).unwrap()
}

fn refund(n: u64) -> [Request; 2] {
    let (merchant, refund_no, order_no) = (MerchantId(1 + n % 4), number(n), number(n));
    let result =
        RefundResult { merchant, refund_no, state: RefundResultState::Succeeded, channel_refund_no: None };
    let refund = Refund { merchant, refund_no, order_no, amount: 100, details: None };
    [Request::Command(Command::Refund(refund)), Request::Command(Command::RefundResult(result))]
}

/// A day's orders and refunds of some, settled some days after; they leave with the snapshot.
fn day(engine: &Engine, day: u64) -> TakenSnapshot {
    let orders = day * ORDERS..(day + 1) * ORDERS;
    let paid = ask_all(engine, orders.clone().map(|n| payment(1 + n % 4, n)));
    let refunded = ask_all(engine, orders.step_by(5).flat_map(refund));
    assert!(paid.iter().chain(&refunded).all(|reply| matches!(reply, Reply::Done(_))));
    let Reply::Date(today) = ask(engine, 0, vec![Request::Query(Query::Date)]).remove(0) else { panic!() };
    // As many days as make a working day due, whatever day it is.
    for days in 1..=4 {
        let set = SetDate { date: Date(today.0 + days), cut: true };
        assert!(matches!(set_date(engine, set), Reply::Done(Receipt::Date { .. })));
    }
    let settlement = Settlement { batch_no: number(day), merchant: None };
    assert!(matches!(engine.run(Run::Settlement(settlement)), Reply::Settlement { .. }));
    let taken = engine.snapshot().unwrap();
    assert!(taken.departed >= ORDERS, "{taken:?}");
    taken
}

fn counts(engine: &Engine) -> (u64, u64) {
    let (shards, _) = engine.totals().unwrap();
    shards.iter().fold((0, 0), |(orders, refunds), shard| (orders + shard.orders, refunds + shard.refunds))
}

/// All come back in another number of shards, where they are counted as they were, and what is taken there can be used.
#[test]
fn cold_orders_are_counted_in_any_number_of_shards() {
    for other in [1, 3] {
        let home = tempfile::tempdir().unwrap();
        let engine = open(home.path(), 2);
        open_shop(&engine, 4);
        day(&engine, 0);
        drop(engine);
        let engine = open(home.path(), other);
        let there = (ORDERS, ORDERS / 5);
        assert_eq!(counts(&engine), there);
        for n in 0..ORDERS {
            let query = Query::Order(MerchantId(1 + n % 4), number(n));
            let found = ask_one(&engine, Request::Query(query));
            assert!(matches!(found, Reply::Order(_)), "{n}: {found:?}");
        }
        assert_eq!(engine.orders_in_memory(), ORDERS);
        assert_eq!(counts(&engine), there);
        let taken = engine.snapshot().unwrap();
        drop(engine);
        for shards in [other, 2] {
            let engine = open(home.path(), shards);
            assert_eq!(engine.recovered().snapshot, Some(taken.lsn), "{:?}", engine.recovered());
            assert_eq!(counts(&engine), there);
        }
    }
}

/// A damaged snapshot is passed over by every start until it is gone, whatever became of its savepoint.
#[test]
fn a_damaged_snapshot_is_passed_over_again() {
    let home = tempfile::tempdir().unwrap();
    let engine = open(home.path(), 2);
    open_shop(&engine, 4);
    let (older, newer) = (day(&engine, 0), day(&engine, 1));
    drop(engine);
    let path = home.path().join(format!("snapshots/{:020}.snapshot", newer.lsn.get()));
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    for _ in 0..3 {
        let engine = open(home.path(), 2);
        assert_eq!(engine.recovered().snapshot, Some(older.lsn));
        assert_eq!(counts(&engine), (2 * ORDERS, 2 * ORDERS / 5));
    }
    let engine = open(home.path(), 2);
    let newest = day(&engine, 2);
    drop(engine);
    let engine = open(home.path(), 2);
    assert_eq!((engine.recovered().snapshot, path.exists()), (Some(newest.lsn), false));
}
