//! A follower beside a server that is another process: no handle is shared and nothing is locked, the server is killed and
//! comes up again meanwhile, and what was followed is always the beginning of what the log says in the end.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use common::{
    TODAY, ask_all, config, line, number, open_shop, payment, split_order, start, top_up, transfer,
};
use suanpan_core::{
    ChannelTerms, Command, Date, Entry, EntrySink, Ledger, MerchantId, Preset, Refund, RefundResult,
    RefundResultState, Rejection, Reply, Request, Run, SetDate, Settlement, Voucher, Zone, ZoneStep,
};
use suanpan_engine::{
    CheckpointError, Engine, EngineConfig, EngineError, Followed, Follower, HoldError, Lsn, Place, Step,
    TakeError, Visitor,
};
use suanpan_wal::{LogConfig, LogReader, OpenError, Recovery};

const FOLDER: &str = "SUANPAN_BESIDE_FOLDER";
const ROUND: &str = "SUANPAN_BESIDE_ROUND";
const MERCHANTS: u64 = 8;

fn refund(id: u64, order: u64) -> [Request; 2] {
    let (merchant, refund_no, order_no) = (MerchantId(id), number(order), number(order));
    let refund = Refund { merchant, refund_no, order_no, amount: 400, details: None };
    let state = RefundResultState::Succeeded;
    let result = RefundResult { merchant, refund_no, state, channel_refund_no: None };
    [Request::Command(Command::Refund(refund)), Request::Command(Command::RefundResult(result))]
}

/// Some of everything, with order numbers from `from` on.
fn trade(engine: &Engine, from: u64) {
    let all = 1..=MERCHANTS;
    let done =
        |replies: Vec<Reply>| assert!(replies.iter().all(|r| matches!(r, Reply::Done(_))), "{replies:?}");
    done(ask_all(engine, all.clone().flat_map(|id| (from..from + 20).map(move |n| payment(id, n)))));
    done(ask_all(engine, all.clone().flat_map(|id| refund(id, from + id))));
    done(ask_all(engine, all.clone().map(|id| top_up(id, from, 1_000))));
    done(ask_all(engine, all.flat_map(|id| split_order(id, from + 50, 1 + id % MERCHANTS, 50))));
    assert!(matches!(engine.command_all(transfer(1, from, 2, 77)), Reply::Done(_)));
}

fn cut(engine: &Engine, date: Date) {
    let set = Command::SetDate(SetDate { date, cut: true });
    assert!(matches!(engine.command_all(set), Reply::Done(_)));
}

fn read_all(follower: &mut Follower) -> Vec<Followed> {
    std::iter::from_fn(|| follower.read().unwrap()).collect()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let into = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &into) } else { _ = std::fs::copy(&path, &into).unwrap() }
    }
}

/// What a stopped log says in the end.
fn whole(data: &Path) -> Vec<Followed> {
    let copied = tempfile::tempdir().unwrap();
    copy(data, copied.path());
    read_all(&mut Follower::open(copied.path()).unwrap())
}

/// Follows until so many commands were read, and sees that there are no more.
fn read_on(follower: &mut Follower, commands: usize) -> Vec<Followed> {
    let (begun, mut read) = (Instant::now(), Vec::new());
    while read.len() < commands {
        match follower.read().unwrap() {
            Some(followed) => read.push(followed),
            None => thread::yield_now(),
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{} of {commands}", read.len());
    }
    read.extend(read_all(follower));
    read
}

/// What a visitor was shown, as [`Followed`] says it, but for events.
#[derive(Default)]
struct Shown {
    places: Vec<(Lsn, u16)>,
    entries: u64,
    cuts: u64,
    before: Option<(Lsn, u16)>,
}

impl EntrySink for Shown {
    fn open(&mut self, _: &Voucher) {}
    fn book(&mut self, _: &Entry) {
        self.entries += 1;
    }
}

impl Visitor for Shown {
    fn before(&mut self, place: &Place, _: &Command, _: &Ledger) {
        assert_eq!(self.before.replace((place.lsn, place.index)), None);
    }

    fn after(&mut self, place: &Place, command: &Command, _: &Ledger) {
        assert_eq!(self.before.take(), Some((place.lsn, place.index)));
        self.places.push((place.lsn, place.index));
        self.cuts += u64::from(matches!(command, Command::SetDate(set) if set.cut));
    }
}

/// Beside an engine that works: nothing is missed, nothing is said that is not durable, and the folder is not locked.
#[test]
fn a_running_server_is_followed_from_beside() {
    let folder = tempfile::tempdir().unwrap();
    let mut early = Follower::beside(folder.path()).unwrap();
    assert!(early.read().unwrap().is_none(), "there is no server yet");
    let engine = start(folder.path(), 2);
    open_shop(&engine, MERCHANTS);
    let mut read = Vec::new();
    thread::scope(|scope| {
        let work = scope.spawn(|| (0..40).for_each(|n| trade(&engine, n * 1_000)));
        while !work.is_finished() {
            while let Some(followed) = early.read().unwrap() {
                assert!(followed.lsn < engine.durable());
                read.push(followed);
            }
        }
    });
    // The idle log says with a mark how far it is durable.
    let all = read_all(&mut engine.follow().unwrap());
    read.extend(read_on(&mut early, all.len() - read.len()));
    assert_eq!(read, all);
    let mut late = Follower::beside(folder.path()).unwrap();
    assert_eq!(read_on(&mut late, all.len()), all);
    assert_eq!(late.ledger().digest(), early.ledger().digest());
    engine.stop().unwrap();
    drop(engine);
    assert_eq!(whole(folder.path()), read);
}

fn spawn(test: &str, folder: &Path, round: u64) -> (Child, Receiver<String>) {
    let mut child = std::process::Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (said, heard) = channel();
    thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| said.send(line)));
    (child, heard)
}

#[test]
#[ignore = "the process that is killed"]
fn child_trades() {
    let Some(folder) = env::var_os(FOLDER).map(PathBuf::from) else { return };
    let round: u64 = env::var(ROUND).unwrap().parse().unwrap();
    let engine = start(&folder, 1 + (round % 3) as u16);
    if round == 0 {
        open_shop(&engine, MERCHANTS);
    }
    std::io::stdout().write_all(b"working\n").unwrap();
    let from = (round + 1) * 10_000_000;
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0.. {
                trade(&engine, from + n * 100);
            }
        });
        for day in 0.. {
            cut(&engine, Date(TODAY.0 + (round as i32) * 1_000 + day + 1));
            thread::yield_now();
        }
    });
}

/// Cuts the end of a log off or spoils it, as a crash of the machine may, behind what is proven.
fn tear(data: &Path, round: u64) {
    let log = data.join("log");
    let mut reader = LogReader::open(&log).unwrap();
    let proven = loop {
        let bound = reader.witnessed().unwrap();
        if reader.read(bound).unwrap().is_none() {
            break bound;
        }
    };
    let end = Recovery::open(LogConfig { replay_from: None, ..LogConfig::new(&log) }).unwrap().end();
    assert!(proven <= end);
    let size = config(data, 1).segment_bytes;
    // Into what is there and unproven, or behind the end.
    let at = if round.is_multiple_of(2) { proven.get() } else { end.get() };
    let path = log.join(format!("{:018}.log", at / size));
    let mut bytes = std::fs::read(&path).unwrap();
    let from = (at % size) as usize;
    for (place, byte) in bytes[from..].iter_mut().take(700).enumerate() {
        *byte = (place as u64 * 37 + round) as u8;
    }
    std::fs::write(&path, bytes).unwrap();
}

/// Killed at any time, its tail torn, started again in another epoch with other shards: one follower beside goes on through
/// it all, and what it says is never anything but the beginning of what the log says.
#[test]
fn a_server_is_followed_through_crashes() {
    let folder = tempfile::tempdir().unwrap();
    let mut follower = Follower::beside(folder.path()).unwrap();
    let mut read: Vec<Followed> = Vec::new();
    let mut torn = 0;
    for round in 0..8 {
        let (mut child, heard) = spawn("child_trades", folder.path(), round);
        while !heard.recv().expect("the child ended before it began").ends_with("working") {}
        let begun = Instant::now();
        // The kill comes at any time.
        while begun.elapsed() < Duration::from_millis(40 + 30 * round) {
            read.extend(follower.read().unwrap());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        if round % 4 > 1 {
            read.extend(read_all(&mut follower));
        }
        tear(folder.path(), round);
        read.extend(read_all(&mut follower));
        let all = whole(folder.path());
        assert!(all.starts_with(&read), "round {round}: {} of {}", read.len(), all.len());
        torn += u64::from(all.len() > read.len());
        println!("round {round}: {} of {} followed", read.len(), all.len());
    }
    let engine = start(folder.path(), 2);
    engine.stop().unwrap();
    drop(engine);
    read.extend(read_all(&mut follower));
    let all = whole(folder.path());
    assert_eq!(read.len(), all.len());
    assert!(read == all && torn > 0);
    let digest = follower.ledger().digest();
    let mut open = Follower::open(folder.path()).unwrap();
    read_all(&mut open);
    assert_eq!(open.ledger().digest(), digest);
}

/// A day's end is seen from both sides, and nothing comes between.
#[test]
fn a_day_ends_before_its_cut() {
    let folder = tempfile::tempdir().unwrap();
    let engine = start(folder.path(), 2);
    open_shop(&engine, MERCHANTS);
    let mut closing = Vec::new();
    for day in 0..4 {
        trade(&engine, u64::try_from(day).unwrap() * 1_000);
        let (totals, _) = engine.totals().unwrap();
        closing.push((Date(TODAY.0 + day), line(&totals, "merchants:pending"), line(&totals, "operator")));
        cut(&engine, Date(TODAY.0 + day + 1));
    }
    engine.stop().unwrap();
    drop(engine);
    let all = whole(folder.path());
    for records_max in [1, 3, usize::MAX] {
        let mut follower = Follower::beside(folder.path()).unwrap();
        let mut shown = Shown::default();
        let mut found = Vec::new();
        loop {
            let seen = shown.places.len();
            match follower.follow(&mut shown, records_max).unwrap() {
                Step::Applied(records) => assert!((1..=records_max).contains(&records)),
                Step::DayCut { at, date, next, .. } => {
                    assert_eq!((shown.places.len(), shown.cuts), (seen, found.len() as u64));
                    assert_eq!((follower.position(), follower.ledger().date()), (at, date));
                    let totals = [follower.ledger().totals().named()];
                    found.push((date, line(&totals, "merchants:pending"), line(&totals, "operator")));
                    assert_eq!(follower.follow(&mut shown, records_max).unwrap(), Step::Applied(1));
                    assert_eq!((shown.places.len(), shown.cuts), (seen + 1, found.len() as u64));
                    assert_eq!((shown.places[seen].0, follower.ledger().date()), (at, next));
                }
                Step::Nothing => break,
            }
        }
        assert_eq!(found, closing);
        let places: Vec<_> = all.iter().map(|followed| (followed.lsn, followed.index)).collect();
        assert_eq!(shown.places, places);
        let entries = all.iter().flat_map(|followed| &followed.groups).map(|(_, entries)| entries.len());
        assert_eq!(shown.entries, entries.sum::<usize>() as u64);
    }
}

/// A history with days, settled and not, that several tests follow.
fn history(data: &Path, shards: u16) {
    let engine = start(data, shards);
    open_shop(&engine, MERCHANTS);
    for day in 0..3 {
        trade(&engine, u64::try_from(day).unwrap() * 1_000);
        cut(&engine, Date(TODAY.0 + 3 * day + 3));
        let settlement = Settlement { batch_no: number(format!("S{day}")), merchant: None };
        assert!(matches!(engine.run(Run::Settlement(settlement)), Reply::Settlement { .. }));
    }
    engine.stop().unwrap();
}

/// Another follower, begun from a copy of a folder of checkpoints, as after a crash; the folder itself is in use.
fn resume_copy(data: &Path, folder: &Path) -> (Follower, tempfile::TempDir) {
    let copied = tempfile::tempdir().unwrap();
    copy(folder, copied.path());
    (Follower::resume(data, copied.path()).unwrap(), copied)
}

/// How the cut in the record at `at` is told.
fn resumed_cut(all: &[Followed], at: Lsn) -> Step {
    let place = all.iter().position(|followed| followed.lsn == at).unwrap();
    let Command::SetDate(set) = all[place].command else { panic!("{:?}", all[place]) };
    Step::DayCut { at, now: all[place].now, date: Date(set.date.0 - 3), next: set.date }
}

/// Wherever a checkpoint is taken, what is followed from there on is what would have been followed.
#[test]
fn a_checkpoint_and_the_tail_are_the_whole() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    std::fs::create_dir(&data).unwrap();
    history(&data, 2);
    let all = whole(&data);
    let mut open = Follower::beside(&data).unwrap();
    assert!(matches!(open.checkpoint(), Err(CheckpointError::NoFolder)));
    assert_eq!(read_all(&mut open), all);
    let digest = open.ledger().digest();
    let folder = home.path().join("checkpoints");
    let mut follower = Follower::resume(&data, &folder).unwrap();
    let (mut shown, mut taken) = (Shown::default(), 0);
    loop {
        let lsn = follower.checkpoint().unwrap();
        assert_eq!(lsn, follower.position());
        let (mut resumed, _copied) = resume_copy(&data, &folder);
        assert_eq!((resumed.position(), resumed.passed_over()), (lsn, &[][..]));
        let tail = read_all(&mut resumed);
        assert_eq!(tail[..], all[shown.places.len()..], "from {lsn}");
        assert_eq!(resumed.ledger().digest(), digest, "from {lsn}");
        taken += 1;
        assert!(checkpoint_files(&folder).len() <= 2);
        if follower.follow(&mut shown, 1).unwrap() == Step::Nothing {
            break;
        }
    }
    assert!(taken > 40, "{taken} checkpoints");
    // Where a day's end was told, the cut itself is behind it.
    let folder = home.path().join("before-cuts");
    let mut follower = Follower::resume(&data, &folder).unwrap();
    let mut cuts = 0;
    loop {
        match follower.follow(&mut (), usize::MAX).unwrap() {
            Step::DayCut { at, .. } => {
                assert_eq!(follower.checkpoint().unwrap(), at);
                let (mut resumed, _copied) = resume_copy(&data, &folder);
                assert_eq!((resumed.position(), resumed.passed_over()), (at, &[][..]));
                assert_eq!(resumed.follow(&mut (), 9).unwrap(), resumed_cut(&all, at));
                cuts += 1;
            }
            Step::Applied(_) => {}
            Step::Nothing => break,
        }
    }
    assert_eq!(cuts, 3);
    assert!(follower.checkpoint().is_ok());
    // What was applied for `read` and not handed out would be lost.
    let mut reading = Follower::resume(&data, &home.path().join("others")).unwrap();
    let records = |followed: &Followed, other: &Followed| followed.lsn == other.lsn;
    let together = all.windows(2).position(|two| records(&two[0], &two[1])).unwrap();
    (0..=together).for_each(|_| _ = reading.read().unwrap().unwrap());
    assert!(matches!(reading.checkpoint(), Err(CheckpointError::Unread(_))));
}

fn checkpoint_files(folder: &Path) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|kind| kind == "snapshot")).collect();
    files.sort();
    files
}

/// Orders leave the follower's memory with its checkpoints, come back when they are refunded long after, and nothing that is
/// said is another by it; also where a checkpoint is lost after what went out with it had come back and gone again.
#[test]
fn orders_that_left_come_back_when_they_are_wanted() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let engine = start(&data, 2);
    open_shop(&engine, MERCHANTS);
    for day in 0..8 {
        trade(&engine, u64::try_from(day).unwrap() * 1_000);
        if day >= 3 {
            // Of three days before, long settled: some that were refunded then, and some that were not.
            let from = u64::try_from(day - 3).unwrap() * 1_000;
            let late = (1..=MERCHANTS).flat_map(|id| refund(id, from + (id + 3) % 20));
            assert!(ask_all(&engine, late).iter().all(|reply| matches!(reply, Reply::Done(_))));
            let again = Refund {
                merchant: MerchantId(2),
                refund_no: number(900_000 + day),
                order_no: number(from + 2),
                amount: 7,
                details: None,
            };
            assert!(matches!(
                ask_all(&engine, [Request::Command(Command::Refund(again))].into_iter())[..],
                [Reply::Done(_)]
            ));
        }
        cut(&engine, Date(TODAY.0 + 4 * day + 4));
        let settlement = Settlement { batch_no: number(format!("S{day}")), merchant: None };
        assert!(matches!(engine.run(Run::Settlement(settlement)), Reply::Settlement { .. }));
    }
    engine.stop().unwrap();
    drop(engine);
    let all = whole(&data);
    let mut plain = Follower::beside(&data).unwrap();
    assert_eq!(read_all(&mut plain), all);
    let digest = plain.ledger().digest();

    let folder = home.path().join("checkpoints");
    let mut follower = Follower::resume(&data, &folder).unwrap();
    follower.set_hot_days(2);
    let (mut shown, mut step, mut cuts) = (Shown::default(), Step::Applied(0), 0);
    while step != Step::Nothing {
        let cut = matches!(step, Step::DayCut { .. });
        step = follower.follow(&mut shown, 5).unwrap();
        if !cut {
            continue;
        }
        cuts += 1;
        follower.checkpoint().unwrap();
        let lost = home.path().join(format!("lost-{cuts}"));
        for without_newest in [false, true] {
            let _ = std::fs::remove_dir_all(&lost);
            copy(&folder, &lost);
            if without_newest {
                std::fs::remove_file(checkpoint_files(&lost).pop().unwrap()).unwrap();
            }
            let mut resumed = Follower::resume(&data, &lost).unwrap();
            let tail = read_all(&mut resumed);
            assert!(all.ends_with(&tail), "after {cuts} cuts");
            assert_eq!(tail.len() > all.len() - shown.places.len(), without_newest);
            assert_eq!(resumed.ledger().digest(), digest);
        }
        let ledger = follower.ledger();
        let (there, here) = (ledger.order_count(), ledger.orders_in_memory());
        assert!(cuts < 3 || here * 2 < there, "{here} of {there} orders are in memory");
    }
    assert_eq!((cuts, shown.places.len()), (8, all.len()));
    assert_eq!(follower.ledger().digest(), digest);
    assert!(follower.ledger().orders_in_memory() < plain.ledger().orders_in_memory() / 2);
}

fn lowest_segment(data: &Path) -> u64 {
    let names = std::fs::read_dir(data.join("log")).unwrap().map(|entry| entry.unwrap().path());
    let number = |path: PathBuf| path.file_name()?.to_str()?.strip_suffix(".log")?.parse().ok();
    names.filter_map(number).min().unwrap()
}

/// Waits until segments below that number are gone.
fn wait_for_segment(data: &Path, number: u64) {
    let begun = Instant::now();
    while lowest_segment(data) < number {
        assert!(begun.elapsed() < Duration::from_secs(60), "{} of {number}", lowest_segment(data));
        thread::yield_now();
    }
}

/// A command that takes some ten thousand bytes of the log.
fn wide_channel(number: i32) -> Command {
    let step = |step: i32| ZoneStep { from_s: i64::from(step) << 40, offset_s: number };
    let zone = Zone { name: "X".to_owned(), steps: (0..1_000).map(step).collect() };
    Command::PutChannel(Box::new(ChannelTerms::preset("alipay", Preset::Alipay, zone)))
}

/// Asks until segments are prepared as fast as they are filled.
fn patiently(ask: impl Fn() -> Reply) {
    let begun = Instant::now();
    loop {
        match ask() {
            Reply::Done(_) => return,
            Reply::Rejected(Rejection::ReadOnly, _) => thread::yield_now(),
            other => panic!("{other:?}"),
        }
        assert!(begun.elapsed() < Duration::from_secs(60));
    }
}

/// The log is kept for a follower that holds it, and goes when that has moved on; one that cannot be read keeps all of it.
#[test]
fn a_held_log_is_kept_until_the_follower_moved() {
    let home = tempfile::tempdir().unwrap();
    let (data, folder) = (home.path().join("data"), home.path().join("checkpoints"));
    std::fs::create_dir(&data).unwrap();
    let config = EngineConfig {
        segment_bytes: 1 << 20,
        reserve_bytes: 0,
        snapshot_log_bytes: None,
        snapshot_every: None,
        held_log_bytes: 2 << 20,
        ..config(&data, 1)
    };
    let engine = Engine::start(&config, |reason| panic!("{reason}")).unwrap();
    open_shop(&engine, MERCHANTS);
    let mut round = 0;
    // Some segments of the log, and a snapshot behind them.
    let mut work = || {
        let begun = engine.durable().get();
        while engine.durable().get() < begun + (3 << 20) {
            patiently(|| engine.command_all(wide_channel(round)));
            round += 1;
        }
        loop {
            match engine.snapshot() {
                Ok(taken) => return taken.lsn.get() >> 20,
                Err(TakeError::Refused(_)) => thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
        }
    };
    let mut follower = Follower::resume(&data, &folder).unwrap();
    follower.hold("export").unwrap();
    (0..3).for_each(|_| _ = work());
    let holders = engine.log_holders().unwrap();
    assert_eq!((holders.len(), holders[0].name.as_str()), (1, "export"));
    assert!(holders[0].bytes > 9 << 20 && engine.held_log().unwrap().contains("export"), "{holders:?}");
    // To the log's end, with two checkpoints there: the older is from where on the log is held.
    let moved = |follower: &mut Follower| {
        let to_the_end = |follower: &mut Follower| {
            let all = engine.durable().get() - 64;
            while follower.follow(&mut (), usize::MAX).unwrap() != Step::Nothing
                || follower.position().get() < all
            {}
            follower.checkpoint().unwrap()
        };
        let older = to_the_end(follower);
        patiently(|| ask_all(&engine, [top_up(1, older.get(), 5)].into_iter()).remove(0));
        assert!(to_the_end(follower) > older);
        older.get() >> 20
    };
    let at = moved(&mut follower);
    assert_eq!(lowest_segment(&data), 0);
    let older = work();
    work();
    assert!(at < older);
    wait_for_segment(&data, at - 1);
    assert!(lowest_segment(&data) <= at, "it is still held from there on");
    // A second one begins where the log begins now, which is a snapshot's place.
    let second = data.join("follower-second.lsn");
    std::fs::write(&second, "spoilt").unwrap();
    let at = moved(&mut follower);
    let lowest = lowest_segment(&data);
    (0..3).for_each(|_| _ = work());
    let holders = engine.log_holders().unwrap();
    assert!(holders[0].unreadable.is_some() && engine.held_log().unwrap().contains("second"));
    assert_eq!(lowest_segment(&data), lowest);
    std::fs::remove_file(second).unwrap();
    work();
    wait_for_segment(&data, at - 1);
    // Whoever does not hold it is told when it is gone.
    let (mut slow, _copied) = resume_copy(&data, &folder);
    std::fs::remove_file(data.join("follower-export.lsn")).unwrap();
    let gone = work();
    work();
    wait_for_segment(&data, gone - 1);
    assert_eq!((engine.held_log(), engine.log_holders().unwrap()), (None, vec![]));
    let released = slow.follow(&mut (), usize::MAX);
    assert!(matches!(released, Err(EngineError::Open(OpenError::Released { .. }))), "{released:?}");
    assert!(matches!(slow.hold("export"), Err(HoldError::Released(_))));
    let mut beside = Follower::beside(&data).unwrap();
    assert!(matches!(beside.hold("export"), Err(HoldError::NoFolder)));
    while beside.follow(&mut (), usize::MAX).unwrap() != Step::Nothing {}
}

/// Another log's checkpoint, one of another history of this log, and a damaged one are passed over.
#[test]
fn what_does_not_belong_is_passed_over() {
    let home = tempfile::tempdir().unwrap();
    let (data, other) = (home.path().join("data"), home.path().join("other"));
    for data in [&data, &other] {
        std::fs::create_dir(data).unwrap();
        history(data, 2);
    }
    let folder = home.path().join("checkpoints");
    let mut follower = Follower::resume(&data, &folder).unwrap();
    let mut positions = vec![follower.position()];
    for _ in 0..2 {
        for _ in 0..10 {
            follower.follow(&mut (), 1).unwrap();
        }
        positions.push(follower.checkpoint().unwrap());
    }
    let at = |data: &Path| {
        let (follower, _copied) = resume_copy(data, &folder);
        (follower.position(), follower.passed_over().len())
    };
    assert_eq!(at(&data), (positions[2], 0));
    assert_eq!(at(&other), (positions[0], 2));
    // Behind the first record both logs are at the same place, and nothing but the log's id tells them apart.
    let first = home.path().join("first");
    let mut begun = Follower::resume(&data, &first).unwrap();
    begun.follow(&mut (), 1).unwrap();
    let behind = begun.checkpoint().unwrap();
    let mut other_begun = Follower::beside(&other).unwrap();
    other_begun.follow(&mut (), 1).unwrap();
    assert_eq!(other_begun.position(), behind);
    let (resumed, _copied) = resume_copy(&other, &first);
    assert_eq!((resumed.position(), resumed.passed_over().len()), (positions[0], 1));
    let newest = checkpoint_files(&folder).pop().unwrap();
    let sound = std::fs::read(&newest).unwrap();
    for at_byte in [0, 20, sound.len() / 2, sound.len() - 1] {
        let mut bytes = sound.clone();
        bytes[at_byte] ^= 1;
        std::fs::write(&newest, bytes).unwrap();
        assert_eq!(at(&data), (positions[1], 1), "byte {at_byte}");
    }
    std::fs::write(&newest, &sound[..sound.len() / 3]).unwrap();
    assert_eq!(at(&data), (positions[1], 1));
    assert!(matches!(Follower::resume(&data, &folder), Err(EngineError::Lock(_))), "it is in use");
    drop(follower);
    // It goes on from the older one, and the damaged one goes with the next.
    let mut follower = Follower::resume(&data, &folder).unwrap();
    while follower.follow(&mut (), 7).unwrap() != Step::Nothing {}
    let end = follower.checkpoint().unwrap();
    assert!(!newest.exists());
    assert_eq!(at(&data), (end, 0));
}

/// Not run with the others: how fast a log is followed, in release.
#[test]
#[ignore = "measures"]
fn measure_following() {
    const PAYMENTS: u64 = 4_000_000;
    let folder = tempfile::tempdir().unwrap();
    let config = EngineConfig {
        segment_bytes: 64 << 20,
        reserve_bytes: 0,
        snapshot_log_bytes: None,
        snapshot_every: None,
        ..config(folder.path(), 2)
    };
    let engine = Engine::start(&config, |reason| panic!("{reason}")).unwrap();
    open_shop(&engine, 1_000);
    for n in 0..PAYMENTS / 10_000 {
        let orders = (0..10_000).map(|order| payment(1 + order % 1_000, n * 10_000 + order));
        assert!(ask_all(&engine, orders).iter().all(|reply| matches!(reply, Reply::Done(_))));
    }
    engine.stop().unwrap();
    drop(engine);
    for round in 0..3 {
        let mut follower = Follower::beside(folder.path()).unwrap();
        let begun = Instant::now();
        let mut shown = Count::default();
        while follower.follow(&mut shown, 64).unwrap() != Step::Nothing {}
        let took = begun.elapsed().as_secs_f64();
        println!(
            "visit {round}: {} commands, {} entries in {took:.2} s, {:.0}/s",
            shown.0,
            shown.1,
            shown.0 as f64 / took
        );
        assert!(shown.0 > PAYMENTS);
    }
    let mut follower = Follower::beside(folder.path()).unwrap();
    let (begun, mut read) = (Instant::now(), 0u64);
    while follower.read().unwrap().is_some() {
        read += 1;
    }
    let took = begun.elapsed().as_secs_f64();
    println!("read: {read} commands in {took:.2} s, {:.0}/s", read as f64 / took);
    let begun = Instant::now();
    for _ in 0..10_000 {
        assert!(follower.read().unwrap().is_none());
    }
    println!("a look when there is nothing: {:.1} µs", begun.elapsed().as_secs_f64() * 100.0);
}

#[derive(Default)]
struct Count(u64, u64);

impl EntrySink for Count {
    fn book(&mut self, _: &Entry) {
        self.1 += 1;
    }
}

impl Visitor for Count {
    fn after(&mut self, _: &Place, _: &Command, _: &Ledger) {
        self.0 += 1;
    }
}
