//! Snapshots: with the tail of the log they are what the whole log comes to, at any cut; damaged ones are passed over or
//! named; and orders that left memory are there all the same.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use common::*;
use suanpan_core::*;
use suanpan_engine::{Engine, EngineConfig, EngineError, verify_snapshots};

/// No snapshots but those that are asked for.
fn quiet(folder: &Path, shards: u16) -> EngineConfig {
    EngineConfig { snapshot_log_bytes: None, snapshot_every: None, ..config(folder, shards) }
}

fn open(folder: &Path, shards: u16) -> Result<Engine, EngineError> {
    Engine::start(&quiet(folder, shards), |reason| panic!("{reason}"))
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let into = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &into) } else { _ = std::fs::copy(&path, &into).unwrap() }
    }
}

/// All files of a folder, but for the lock.
fn image(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(image(&path));
        } else if path.file_name().unwrap() != "LOCK" {
            files.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    files
}

fn snapshot_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        std::fs::read_dir(folder.join("snapshots")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn segment_files(folder: &Path) -> Vec<PathBuf> {
    let names = std::fs::read_dir(folder.join("log")).unwrap().map(|entry| entry.unwrap().path());
    let mut names: Vec<_> = names.filter(|path| path.extension().unwrap() == "log").collect();
    names.sort();
    names
}

/// The digest of the books of all shards, and where.
fn digest(engine: &Engine) -> u128 {
    engine.snapshot().unwrap().digest
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    std::fs::write(path, bytes).unwrap();
}

fn refund(id: u64, refund_no: u64, order_no: u64, amount: u64) -> Request {
    let merchant = MerchantId(id);
    let (refund_no, order_no) = (number(refund_no), number(order_no));
    Request::Command(Command::Refund(Refund { merchant, refund_no, order_no, amount, details: None }))
}

fn cut(engine: &Engine) {
    let Reply::Date(today) = ask_one_date(engine) else { panic!("no date") };
    let set = SetDate { date: Date(today.0 + 1), cut: true };
    assert!(matches!(set_date(engine, set), Reply::Done(Receipt::Date { .. })));
}

fn ask_one_date(engine: &Engine) -> Reply {
    ask(engine, 0, vec![Request::Query(Query::Date)]).remove(0)
}

fn settle_all(engine: &Engine, batch_no: &str) {
    let settlement = Settlement { batch_no: number(batch_no), merchant: None };
    let reply = engine.run(Run::Settlement(settlement));
    assert!(matches!(reply, Reply::Settlement { .. }), "{reply:?}");
}

/// Some of everything that leaves a trace.
fn trade(engine: &Engine, from: u64) {
    let orders = (from..from + 200).map(|n| payment(1 + n % 4, n));
    assert!(ask_all(engine, orders).iter().all(|reply| matches!(reply, Reply::Done(_))));
    let refunds = (from..from + 200).step_by(7).map(|n| refund(1 + n % 4, n, n, 100 + n % 5));
    assert!(ask_all(engine, refunds).iter().all(|reply| matches!(reply, Reply::Done(_))));
    for reply in ask_all(engine, split_order(2, 10_000 + from, 3, 600).into_iter()) {
        assert!(matches!(reply, Reply::Done(_)), "{reply:?}");
    }
    ask_one(engine, top_up(1, from, 5_000));
    assert!(matches!(engine.command_all(transfer(1, from, 2, 40)), Reply::Done(_)));
}

#[test]
fn snapshot_and_tail_are_the_whole_log_at_any_cut() {
    let home = tempfile::tempdir().unwrap();
    for (round, shards) in [(0, 1), (1, 2), (2, 3)] {
        let folder = home.path().join(format!("{round}"));
        std::fs::create_dir_all(&folder).unwrap();
        let engine = open(&folder, shards).unwrap();
        open_shop(&engine, 4);
        for step in 0..6 {
            trade(&engine, step * 1_000);
            if step % 2 == 1 {
                cut(&engine);
            }
            if step == 2 {
                settle_all(&engine, "S1");
            }
            let at = engine.snapshot().unwrap();
            trade(&engine, step * 1_000 + 500);
            let now = digest(&engine);
            // What a crash leaves, twice: once it starts from the newest snapshot, once without any.
            let (with, without) =
                (folder.join(format!("../w{round}{step}")), folder.join(format!("../o{round}{step}")));
            copy(&folder, &with);
            // The last snapshot goes, so that there is a tail behind the one that is used.
            std::fs::remove_file(snapshot_files(&with).last().unwrap()).unwrap();
            copy(&folder, &without);
            std::fs::remove_dir_all(without.join("snapshots")).unwrap();
            let restored = open(&with, shards).unwrap();
            assert_eq!(restored.recovered().snapshot, Some(at.lsn));
            assert!(restored.recovered().commands > 0, "a tail");
            assert_eq!(digest(&restored), now);
            // The replay compares the digests that were logged, too.
            let replayed = open(&without, shards).unwrap();
            assert_eq!(replayed.recovered().snapshot, None);
            assert_eq!(digest(&replayed), now);
            // Another number of shards is nothing that anybody sees.
            drop(restored);
            let other = open(&with, 4 - shards).unwrap();
            for id in 1..=4 {
                assert_eq!(balances(&other, id), balances(&engine, id));
            }
            trade(&other, 100_000);
        }
    }
}

#[test]
fn segments_before_the_older_snapshot_go() {
    let home = tempfile::tempdir().unwrap();
    let engine = open(home.path(), 2).unwrap();
    open_shop(&engine, 4);
    let segments = || std::fs::read_dir(home.path().join("log")).unwrap().count();
    let lowest = || {
        let names = std::fs::read_dir(home.path().join("log")).unwrap();
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).min().unwrap()
    };
    let first = lowest();
    let mut most = 0;
    for round in 0..8 {
        for some in 0..8 {
            let from = (round * 8 + some) * 10_000;
            ask_all(&engine, (from..from + 5_000).map(|n| payment(1 + n % 4, n)));
        }
        engine.snapshot().unwrap();
        most = most.max(segments());
        assert_eq!(snapshot_files(home.path()).len(), 2.min(round as usize + 1));
    }
    // The preparer takes them away in the background.
    while lowest() == first {
        std::thread::yield_now();
    }
    let digest = digest(&engine);
    drop(engine);
    let engine = open(home.path(), 2).unwrap();
    assert_eq!(digest, self::digest(&engine));
    assert_eq!(engine.recovered().orders, 8 * 8 * 5_000);
    // Who follows begins at a snapshot, and comes to the same.
    let mut follower = engine.follow().unwrap();
    ask_all(&engine, (900_000..900_100).map(|n| payment(1 + n % 4, n)));
    let mut followed = 0;
    while follower.read().unwrap().is_some() {
        followed += 1;
    }
    assert!((100..8 * 8 * 5_000).contains(&followed), "{followed}");
    assert_eq!(follower.ledger().order_count(), 8 * 8 * 5_000 + 100);
}

/// The newest is damaged: the one before it. Both are: the log, if it reaches back; if not, it is said, and nothing is
/// written.
#[test]
fn damaged_snapshots_are_passed_over_or_named() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("a");
    std::fs::create_dir_all(&folder).unwrap();
    let engine = open(&folder, 2).unwrap();
    open_shop(&engine, 4);
    trade(&engine, 0);
    let older = engine.snapshot().unwrap();
    trade(&engine, 1_000);
    engine.snapshot().unwrap();
    trade(&engine, 2_000);
    let now = digest_without_taking(&engine);
    engine.stop().unwrap();
    drop(engine);
    let files = snapshot_files(&folder);
    let length = std::fs::read(&files[1]).unwrap().len();
    for at in [0, 9, 20, 60, 130, 140, length / 2, length - 1, length - 20] {
        let other = home.path().join(format!("b{at}"));
        copy(&folder, &other);
        let files = snapshot_files(&other);
        flip(&files[1], at);
        let reports = verify_snapshots(&other).unwrap();
        assert_eq!(reports.iter().filter(|report| report.unsound.is_some()).count(), 1, "byte {at}");
        if at == 9 {
            // A later version's: it may know more than this one.
            let error = reports.iter().find_map(|report| report.unsound.clone()).unwrap();
            assert!(error.contains("format"), "{error}");
        }
        let engine = open(&other, 2).unwrap();
        assert_eq!(engine.recovered().snapshot, Some(older.lsn), "byte {at}");
        assert_eq!(engine.recovered().passed_over.len(), 1);
        assert_eq!(digest_without_taking(&engine), now);
        drop(engine);
        flip(&files[0], at.min(130));
        let engine = open(&other, 2).unwrap();
        assert_eq!(engine.recovered().snapshot, None, "the log reaches back to its beginning");
        assert_eq!(digest_without_taking(&engine), now);
    }
}

fn digest_without_taking(engine: &Engine) -> Vec<BalancesView> {
    (1..=4).map(|id| balances(engine, id)).collect()
}

#[test]
fn what_does_not_belong_together_is_refused_and_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let make = |name: &str, rounds: u64| {
        let folder = home.path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let engine = open(&folder, 2).unwrap();
        open_shop(&engine, 4);
        for round in 0..rounds {
            for some in 0..8 {
                let from = (round * 8 + some) * 10_000;
                ask_all(&engine, (from..from + 5_000).map(|n| payment(1 + n % 4, n)));
            }
            engine.snapshot().unwrap();
        }
        while rounds > 1 && folder.join("log/000000000000000000.log").exists() {
            std::thread::yield_now();
        }
        engine.stop().unwrap();
        folder
    };
    let (one, two) = (make("one", 9), make("two", 1));
    let refused = |name: &str, change: &dyn Fn(&Path), says: &str| {
        let folder = home.path().join(name);
        copy(&one, &folder);
        change(&folder);
        let before = image(&folder);
        let error = open(&folder, 2).err().unwrap_or_else(|| panic!("{name}: it started")).to_string();
        assert!(error.contains(says), "{name}: {error}");
        assert!(before == image(&folder), "{name}: something was written");
    };
    refused("no-snapshots", &|at| std::fs::remove_dir_all(at.join("snapshots")).unwrap(), "none can be used");
    refused(
        "snapshots-of-another",
        &|at| {
            std::fs::remove_dir_all(at.join("snapshots")).unwrap();
            copy(&two.join("snapshots"), &at.join("snapshots"));
        },
        "another",
    );
    refused("no-log", &|at| std::fs::remove_dir_all(at.join("log")).unwrap(), "");
    refused(
        "a-segment-removed",
        &|at| std::fs::remove_file(&segment_files(at)[0]).unwrap(),
        "segments were removed",
    );
    refused(
        "both-damaged",
        &|at| snapshot_files(at).iter().for_each(|file| flip(file, 150)),
        "none can be used",
    );
}

/// Orders that are done with leave memory, are refunded, looked at and listed all the same, also after a crash at any
/// point and by another number of shards.
#[test]
fn orders_that_left_are_there_when_they_are_asked_for() {
    let home = tempfile::tempdir().unwrap();
    let engine = Engine::start(&EngineConfig { hot_days: 2, ..quiet(home.path(), 2) }, |_| ()).unwrap();
    open_shop(&engine, 4);
    for day in 0..6 {
        trade(&engine, day * 1_000);
        cut(&engine);
    }
    settle_all(&engine, "S1");
    // Refunds of what is settled are paid out of what comes in.
    trade(&engine, 6_000);
    let views = |engine: &Engine| -> Vec<Reply> {
        let orders = (0..6_000).step_by(13).filter(|n| n % 1_000 < 200);
        let look = |n: u64| Request::Query(Query::Order(MerchantId(1 + n % 4), number(n)));
        let refunds = (0..6_000).step_by(7).filter(|n| n % 1_000 < 200);
        let refund = |n: u64| Request::Query(Query::Refund(MerchantId(1 + n % 4), number(n)));
        let pages = (1..=4).flat_map(|id| (0..4_000).step_by(333).map(move |after| (id, after)));
        let page = |(id, after)| Request::Query(Query::Entries(MerchantId(id), after));
        let mut views = ask_all(engine, orders.map(look));
        views.extend(ask_all(engine, refunds.map(refund)));
        views.extend(ask_all(engine, pages.map(page)));
        views
    };
    let before = views(&engine);
    assert!(before.iter().any(|reply| matches!(reply, Reply::Order(view) if view.settled)));
    let taken = engine.snapshot().unwrap();
    assert!(taken.departed > 600, "{taken:?}");
    assert_eq!(engine.snapshot().unwrap().digest, taken.digest, "leaving is nothing that a digest sees");
    assert!(
        engine.orders_in_memory() < taken.orders / 2,
        "{} of {}",
        engine.orders_in_memory(),
        taken.orders
    );
    assert_eq!(views(&engine), before);
    // A repeat is known, and another order of the same number is not taken for one.
    let again = ask_one(&engine, payment(1, 0));
    assert!(matches!(again, Reply::Done(Receipt::Payment { repeat: true, .. })), "{again:?}");
    // What came back is refunded, leaves again, and is refunded again after a crash.
    let engine = {
        let reply = ask_one(&engine, refund(1, 90_000, 0, 300));
        assert!(matches!(reply, Reply::Done(_)), "{reply:?}");
        drop(engine);
        Engine::start(&EngineConfig { hot_days: 2, ..quiet(home.path(), 2) }, |_| ()).unwrap()
    };
    assert!(engine.recovered().snapshot.is_some());
    let reply = ask_one(&engine, refund(1, 90_000, 0, 300));
    assert!(matches!(reply, Reply::Done(Receipt::Refund { repeat: true, .. })), "{reply:?}");
    let digest = digest(&engine);
    drop(engine);
    let engine = Engine::start(&EngineConfig { hot_days: 2, ..quiet(home.path(), 3) }, |_| ()).unwrap();
    let reply = ask_one(&engine, refund(1, 90_000, 0, 300));
    assert!(matches!(reply, Reply::Done(Receipt::Refund { repeat: true, .. })), "{reply:?}");
    drop(engine);
    let engine = Engine::start(&EngineConfig { hot_days: 2, ..quiet(home.path(), 2) }, |_| ()).unwrap();
    assert_eq!(engine.snapshot().unwrap().digest, digest);
}

#[test]
fn memory_for_orders_has_a_bound_that_is_an_answer() {
    let home = tempfile::tempdir().unwrap();
    let engine =
        Engine::start(&EngineConfig { orders_in_memory_max: 100, ..quiet(home.path(), 1) }, |_| ()).unwrap();
    open_shop(&engine, 1);
    let replies = ask_all(&engine, (0..150).map(|n| payment(1, n)));
    let taken = replies.iter().filter(|reply| matches!(reply, Reply::Done(_))).count();
    assert_eq!(taken, 100);
    assert_eq!(replies[149], Reply::Rejected(Rejection::Overloaded, None));
    // What is there is answered and given back all the same.
    assert!(matches!(ask_one(&engine, payment(1, 0)), Reply::Done(Receipt::Payment { repeat: true, .. })));
    assert!(matches!(ask_one(&engine, refund(1, 1, 0, 10)), Reply::Done(_)));
}
