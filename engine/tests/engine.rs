//! The engine on a real folder: fed, overfed, stopped, started again, with more shards or fewer.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc::channel;

use common::{TODAY, ask, config, inbox, open_shop, payment, pending, set_date, start, sums};
use suanpan_core::{
    ChannelId, ChannelTerms, Command, Date, MerchantId, Preset, Query, Receipt, Rejection, Reply, Request,
    SetDate, Zone,
};
use suanpan_engine::{Batch, Engine, EngineConfig, Health, Refused};

const MERCHANTS: u64 = 12;

#[test]
fn what_was_answered_is_there_whatever_the_shards() {
    let folder = tempfile::tempdir().unwrap();
    let mut paid = 0;
    for (round, shards) in [(0u64, 2u16), (1, 3), (2, 1), (3, 2)] {
        let engine = start(folder.path(), shards);
        if round == 0 {
            open_shop(&engine, MERCHANTS);
        }
        for id in 1..=MERCHANTS {
            assert_eq!(pending(&engine, id), paid * 994, "round {round}");
            let shard = engine.shard_of(MerchantId(id));
            let one = ask(&engine, shard, vec![payment(id, round), payment(id, round)]);
            assert_eq!(one[0], Reply::Done(Receipt::Payment { repeat: false, fees: 6, net: 994 }));
            assert_eq!(one[1], Reply::Done(Receipt::Payment { repeat: true, fees: 6, net: 994 }));
        }
        paid += 1;
        let (totals, _) = engine.totals().unwrap();
        assert_eq!(sums(&totals), (0, paid * MERCHANTS));
        // In order one time, as in a crash the other.
        if round % 2 == 0 {
            engine.stop().unwrap();
        }
        drop(engine);
    }
    let engine = start(folder.path(), 2);
    assert!(!engine.recovered().clean);
    assert_eq!(engine.recovered().commands, 2 + MERCHANTS + paid * MERCHANTS);
}

#[test]
fn a_full_shard_says_so_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let tight =
        EngineConfig { outstanding_requests_max: 8_190, queue_batches: 4, ..config(folder.path(), 1) };
    let engine = Engine::start(&tight, |reason| panic!("{reason}")).unwrap();
    open_shop(&engine, MERCHANTS);
    let (caller, completed) = inbox();
    let (mut accepted, mut refused) = (0u64, 0u64);
    for batch in 0..400u64 {
        let requests = (0..50).map(|n| payment(1, batch * 50 + n)).collect();
        let batch = Batch { requests, replies: Vec::new(), token: batch, caller: caller.clone() };
        match engine.submit(0, batch) {
            Ok(()) => accepted += 1,
            Err(Refused { why, batch }) => {
                assert_eq!((why, batch.requests.len()), (Rejection::Overloaded, 50));
                refused += 1;
            }
        }
    }
    assert!(refused > 0, "400 batches at once fit a queue of 4");
    for _ in 0..accepted {
        let completed = completed.recv().unwrap();
        assert!(completed.replies.iter().all(|reply| matches!(reply, Reply::Done(_))));
    }
    assert_eq!(pending(&engine, 1), accepted * 50 * 994);
    // The engine itself asks a little, now and then.
    while engine.outstanding() > 0 {
        std::thread::yield_now();
    }
    engine.stop().unwrap();
}

#[test]
fn the_day_is_cut_on_all_shards_at_one_point() {
    let folder = tempfile::tempdir().unwrap();
    let engine = start(folder.path(), 3);
    let begin = |date| SetDate { date: Date(date), cut: false };
    let cut = |date| SetDate { date: Date(date), cut: true };
    let set = |closed| Reply::Done(Receipt::Date { closed: Date(closed), resubmitted: 0 });
    let refused = Reply::Rejected(Rejection::DateNotLater, None);
    assert_eq!(set_date(&engine, begin(19_000)), set(20_000), "no order was taken");
    open_shop(&engine, MERCHANTS);
    let shard = engine.shard_of(MerchantId(3));
    ask(&engine, shard, vec![payment(3, 1)]);
    assert_eq!(set_date(&engine, begin(18_000)), refused, "an order was taken");
    assert_eq!(set_date(&engine, cut(19_000)), refused);
    assert_eq!(set_date(&engine, cut(19_001)), set(19_000));
    let dates: Vec<Date> = engine.totals().unwrap().0.iter().map(|t| t.accounting_date).collect();
    assert_eq!(dates, [Date(19_001); 3]);
    drop(engine);
    let again = start(folder.path(), 3);
    assert_eq!(again.totals().unwrap().0[2].accounting_date, Date(19_001));
}

/// What was in the log before it was decided may have changed nothing; a start must live with that.
#[test]
fn what_changes_nothing_on_any_shard_is_replayed_too() {
    let folder = tempfile::tempdir().unwrap();
    let channel = ChannelTerms::preset("wechat", Preset::Wechat, Zone::fixed("Asia/Shanghai", 28_800));
    let engine = start(folder.path(), 2);
    for existed in [false, true, true] {
        let put = engine.command_all(Command::PutChannel(Box::new(channel.clone())));
        assert_eq!(put, Reply::Done(Receipt::Channel { id: ChannelId(0), existed }));
    }
    for _ in 0..2 {
        assert!(matches!(set_date(&engine, SetDate { date: TODAY, cut: false }), Reply::Done(_)));
    }
    engine.stop().unwrap();
    drop(engine);
    let again = start(folder.path(), 2);
    let look = Request::Query(Query::Channel(ChannelId(0)));
    assert_eq!(ask(&again, 1, vec![look]), [Reply::Channel(Box::new(channel))]);
}

#[test]
fn a_batch_cannot_change_all_shards() {
    let folder = tempfile::tempdir().unwrap();
    let engine = start(folder.path(), 2);
    let cut = Request::Command(Command::SetDate(SetDate { date: Date(30_000), cut: true }));
    assert_eq!(ask(&engine, 0, vec![cut]), [Reply::Rejected(Rejection::InvalidRequest, None)]);
}

#[test]
fn a_second_engine_on_the_folder_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let first = start(folder.path(), 1);
    let second = Engine::start(&config(folder.path(), 1), |_| ()).err().unwrap().to_string();
    assert!(second.contains("in use"), "{second}");
    assert!(second.contains(&std::process::id().to_string()), "{second}");
    drop(first);
}

/// A shard that panics takes nobody with it into a wait without end: all is answered unknown, and the engine stops.
#[test]
fn a_panic_ends_in_answers_and_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let (failed_in, failed) = channel();
    let failed_in = Mutex::new(failed_in);
    let engine = Engine::start(&config(folder.path(), 2), move |reason| {
        failed_in.lock().unwrap().send(reason.to_owned()).unwrap();
    })
    .unwrap();
    open_shop(&engine, MERCHANTS);
    // A time that no calendar has is a bug of the caller's, which the core asserts against.
    engine.clock().stop_at(Some(suanpan_core::Timestamp(i64::MAX)));
    let shard = engine.shard_of(MerchantId(1));
    let (caller, completed) = inbox();
    for token in 0..3 {
        let batch =
            Batch { requests: vec![payment(1, token)], replies: Vec::new(), token, caller: caller.clone() };
        if let Err(refused) = engine.submit(shard, batch) {
            assert_eq!(refused.why, Rejection::Unknown);
        }
    }
    assert!(failed.recv().unwrap().contains("calendar"));
    assert!(engine.totals().is_none(), "a shard is gone");
    assert!(matches!(engine.health(), Health::Failed(_)));
    drop(caller);
    for answered in completed.try_iter() {
        assert_eq!(answered.replies, [Reply::Rejected(Rejection::Unknown, None)]);
    }
    assert!(engine.stop().is_err());
}

/// Without room on the disk, commands are refused before they touch anything, looks are answered, and it passes by
/// itself. On a file system in memory, whose free space is nobody else's to change.
#[test]
fn a_full_disk_makes_it_read_only_until_there_is_room() {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    let statvfs = rustix::fs::statvfs(folder.path()).unwrap();
    let free = statvfs.f_bavail * statvfs.f_frsize;
    let reserve_bytes = free.saturating_sub(24 << 20);
    let tight = EngineConfig { reserve_bytes, ..config(folder.path(), 1) };
    let engine = Engine::start(&tight, |reason| panic!("{reason}")).unwrap();
    open_shop(&engine, MERCHANTS);
    let ballast = folder.path().join("ballast");
    std::fs::write(&ballast, vec![1; 32 << 20]).unwrap();
    let (mut number, mut paid) = (0u64, 0u64);
    let refusal = loop {
        let requests: Vec<Request> = (0..8_000).map(|n| payment(1, number + n)).collect();
        number += 8_000;
        let replies = ask(&engine, 0, requests);
        paid += replies.iter().filter(|reply| matches!(reply, Reply::Done(_))).count() as u64;
        if let Some(refusal) = replies.into_iter().find(|reply| !matches!(reply, Reply::Done(_))) {
            break refusal;
        }
        assert!(number < 4_000_000, "three segments of 2 MiB take four million payments");
    };
    assert_eq!(refusal, Reply::Rejected(Rejection::ReadOnly, None));
    assert_eq!(engine.health(), Health::ReadOnly);
    assert_eq!(pending(&engine, 1), paid * 994, "what was refused changed nothing");
    std::fs::remove_file(&ballast).unwrap();
    // It looks for room by itself, some times a second; each try asks it again.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let reply = ask(&engine, 0, vec![payment(1, number)]).remove(0);
        if matches!(reply, Reply::Done(_)) {
            break;
        }
        assert!(std::time::Instant::now() < until, "still {reply:?}");
        std::thread::yield_now();
    }
    assert_eq!(pending(&engine, 1), (paid + 1) * 994);
    engine.stop().unwrap();
}
