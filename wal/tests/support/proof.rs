//! Runs a log on the simulated disk by seed, crashes it at every call, and says what was lost.
//!
//! A run does what a server does over a long time: several streams append, the committer and the preparer take
//! turns, segments fill up, are released and used again, the log is stopped, killed and started. Beside it stands
//! what was appended, and up to where it was said to be durable. Before each call of the storage the disk is copied
//! and its power lost, in several ways; what is found then must be a prefix of what was appended, byte for byte, that
//! holds all that was said to be durable. On what was found the log is started, and crashed again on its way.
//!
//! Everything follows from the seed. `SUANPAN_PROOF_SEEDS=n` plays so many seeds instead of the few of a short run,
//! `SUANPAN_PROOF_SEED=s` begins at that one, `SUANPAN_PROOF_HOURS=h` plays seeds until the time is over.
#![allow(unreachable_pub, dead_code, reason = "each test file takes what it needs of this module")]

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};
use std::time::{Duration, Instant};
use suanpan_wal::{
    AdmitError, Backend, Call, Failure, Hooks, LogConfig, LogReader, LogState, LogSteps, Lsn, Planted,
    Recovery, SimDisk, Storage, Writer,
};

pub const SEGMENT_SIZE: u64 = 64 << 10;
const DIR: &str = "/data/log";
const HEADER_SIZE: usize = 48;

/// What a run is made of.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub seed: u64,
    pub backend: Backend,
    pub streams: u16,
    /// Things that are done: appends, turns, releases, starts.
    pub actions: u64,
    /// Ways in which power is lost at each call.
    pub ways: u64,
    /// Many small records of like sizes, so that one lies where one of another epoch lay.
    pub small: bool,
    pub planted: Option<Planted>,
}

impl Plan {
    /// What a seed stands for.
    pub fn of(seed: u64, actions: u64, ways: u64) -> Plan {
        let backend = if seed.is_multiple_of(2) { Backend::Write } else { Backend::Map };
        let (streams, small) = (1 + (seed / 2 % 3) as u16, seed / 2 % 4 == 3);
        Plan { seed, backend, streams, actions, ways, small, planted: None }
    }

    fn config(&self, disk: &SimDisk, released: Lsn) -> LogConfig {
        LogConfig {
            storage: Arc::new(disk.clone()),
            segment_size: SEGMENT_SIZE,
            ready_segments: 1,
            streams: self.streams,
            backend: self.backend,
            reserve_bytes: 0,
            replay_from: Some(released),
            planted: self.planted,
            ..LogConfig::new(DIR)
        }
    }
}

/// What was survived.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub runs: u64,
    /// Calls of the storage at which power was lost.
    pub points: u64,
    /// Losses of power, several a point, and those that came on the way up again.
    pub crashes: u64,
    /// Recoveries that were checked against what was appended.
    pub recoveries: u64,
    /// Those that cut a torn tail.
    pub cuts: u64,
    /// Faults other than a loss of power.
    pub faults: u64,
    /// Segments that runs reached, and how many of them had been others before.
    pub segments: u64,
    pub recycled: u64,
}

impl Tally {
    pub fn add(&mut self, other: &Tally) {
        self.runs += other.runs;
        self.points += other.points;
        self.crashes += other.crashes;
        self.recoveries += other.recoveries;
        self.cuts += other.cuts;
        self.faults += other.faults;
        self.segments += other.segments;
        self.recycled += other.recycled;
    }
}

/// Numbers that follow from a seed.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// A record that was appended.
#[derive(Clone, PartialEq, Eq)]
struct Appended {
    end: Lsn,
    stream: u16,
    payload: Arc<[u8]>,
}

/// All that was appended, in the order of the log.
type History = Vec<Appended>;

/// What stands beside the log.
#[derive(Default)]
struct Beside {
    history: Mutex<History>,
    /// What was said to be durable.
    told: AtomicU64,
    released: AtomicU64,
}

impl Beside {
    fn hooks(self: &Arc<Self>) -> Hooks {
        let beside = Arc::clone(self);
        Hooks {
            on_durable: Box::new(move |lsn| {
                beside.told.fetch_max(lsn.get(), Ordering::AcqRel);
            }),
            ..Hooks::none()
        }
    }

    fn released(&self) -> Lsn {
        Lsn::new(self.released.load(Ordering::Acquire))
    }
}

/// What opening found.
struct Found {
    recovery: Recovery,
    /// How many of the history.
    count: usize,
}

/// Whether a recovery is an exact prefix of `history` that holds all before `told`.
fn check(recovery: Recovery, history: &[Appended], told: Lsn) -> Result<Found, String> {
    let end = recovery.end();
    if end < told {
        return Err(format!("the log ends at {end}, but {told} was said to be durable"));
    }
    let first = recovery.begin().get() + 4096;
    let skipped = history.iter().take_while(|record| record.end.get() <= first).count();
    let mut expected = history[skipped..].iter();
    let mut count = skipped;
    for found in recovery.records(recovery.begin()) {
        let Some(record) = expected.next() else {
            return Err(format!("a record at {} that was never appended", found.lsn));
        };
        if (record.end, record.stream, &*record.payload) != (found.end_lsn, found.stream, found.payload) {
            return Err(format!("the record at {} is not what was appended there", found.lsn));
        }
        count += 1;
    }
    match expected.next() {
        Some(lost) if lost.end <= told => Err(format!("the record before {} is lost", lost.end)),
        _ => Ok(Found { recovery, count }),
    }
}

/// The running hash is the same from a recovery and through the files.
fn check_hash(plan: &Plan, disk: &SimDisk, found: &Found, history: &[Appended]) -> Result<(), String> {
    let within = history[..found.count].iter().rev().map(|record| record.end);
    for lsn in within.take_while(|lsn| *lsn > found.recovery.begin()).step_by(5).take(3) {
        let hash = found.recovery.hash_at(lsn).ok_or(format!("no hash at {lsn}"))?;
        let storage: Arc<dyn Storage> = Arc::new(disk.clone());
        let reader = LogReader::open_at(storage, DIR.as_ref(), lsn).map_err(|error| error.to_string())?;
        if (reader.hash(), reader.position()) != (hash, lsn) {
            return Err(format!("another hash at {lsn} under {plan:?}"));
        }
        if found.recovery.hash_at(Lsn::new(lsn.get() + 8)).is_some_and(|_| lsn < found.recovery.end()) {
            return Err(format!("a hash where no record begins, after {lsn}"));
        }
    }
    Ok(())
}

/// A payload for a record, often of a size that a record of another epoch had at the same place.
fn payload(random: &mut Random, record_max: usize, small: bool) -> Arc<[u8]> {
    let len = match random.below(8) {
        _ if small => 16 + 64 * random.below(4) as usize,
        0 => 1 + random.below(40) as usize,
        1 => record_max - random.below(8) as usize,
        2..5 => 16,
        _ => (64 * (1 + random.below(record_max as u64 / 64)) as usize) - HEADER_SIZE,
    };
    let seed = random.next();
    (0..len).map(|at| (seed >> (at % 7 * 8)) as u8 ^ at as u8).collect()
}

/// Appends one record if there is room.
fn append(
    plan: &Plan,
    writers: &mut [Writer],
    random: &mut Random,
    history: &mut History,
) -> Result<(), AdmitError> {
    let which = random.below(writers.len() as u64) as usize;
    let writer = &mut writers[which];
    let permit = writer.admit()?;
    let payload = payload(random, writer.record_max(), plan.small);
    let end = writer.append(permit, &payload);
    history.push(Appended { end, stream: writer.stream(), payload });
    Ok(())
}

/// Whether a log that was stopped in order looks so.
fn in_order(plan: &Plan, recovery: &Recovery) -> Result<(), String> {
    let report = recovery.report();
    // An epoch that is ignored has to be noticed by what is served.
    let torn = report.cut.is_some() && plan.planted != Some(Planted::EpochIgnored);
    match torn || !report.clean_stop {
        true => Err(format!("a log that was stopped in order has a torn tail: {report:?}")),
        false => Ok(()),
    }
}

/// Starts the log on a disk that lost power, crashing it on the way, twice; then sees it through to an orderly stop.
fn survive(
    plan: &Plan,
    mut disk: SimDisk,
    history: &[Appended],
    told: Lsn,
    released: Lsn,
    random: &mut Random,
    tally: &mut Tally,
) -> Result<(), String> {
    let mut history = history.to_vec();
    let mut told = told;
    for last in [false, false, true] {
        if !last {
            disk.crash_at(disk.steps() + 1 + random.below(70));
        }
        let survived = attempt(plan, &disk, &mut history, &mut told, released, random, tally);
        match survived {
            Ok(()) => {}
            // A machine that is off owes nothing but what it said before.
            Err(_) if disk.is_off() => {}
            Err(error) => return Err(format!("{error}\n{}", disk.trace().join("\n"))),
        }
        tally.crashes += 1;
        disk = disk.crash(random.next());
    }
    let recovery = Recovery::open(plan.config(&disk, released)).map_err(|error| error.to_string())?;
    in_order(plan, &recovery)?;
    let found = check(recovery, &history, told)?;
    match found.count == history.len() {
        true => Ok(()),
        false => Err("a record is missing after an orderly stop".to_owned()),
    }
}

/// Opens, checks, starts, appends, stops.
fn attempt(
    plan: &Plan,
    disk: &SimDisk,
    history: &mut History,
    told: &mut Lsn,
    released: Lsn,
    random: &mut Random,
    tally: &mut Tally,
) -> Result<(), String> {
    let recovery =
        Recovery::open(plan.config(disk, released)).map_err(|error| format!("refused: {error}"))?;
    let found = check(recovery, history, *told)?;
    tally.recoveries += 1;
    tally.cuts += u64::from(found.recovery.report().cut.is_some());
    if random.below(8) == 0 {
        check_hash(plan, disk, &found, history)?;
    }
    // What recovery has shown is a fact from now on.
    *told = found.recovery.end();
    history.truncate(found.count);
    let beside = Arc::new(Beside::default());
    let started = found.recovery.start_stepped(beside.hooks());
    let (mut log, mut writers) = started.map_err(|error| format!("not started: {error}"))?;
    for _ in 0..random.below(5) {
        // A full log is no failure: the preparer has its turn below.
        let _ = append(plan, &mut writers, random, history);
        if random.below(3) == 0 {
            log.commit();
            log.prepare();
        }
    }
    if random.below(3) == 0 {
        log.commit();
        log.mark();
    }
    // A log without room has none for its stop record either.
    while log.prepare() {}
    let stopped = if random.below(4) == 0 || !disk.is_off() { Some(log.stop()) } else { None };
    *told = (*told).max(Lsn::new(beside.told.load(Ordering::Acquire)));
    match stopped {
        Some(Err(error)) => Err(error.to_string()),
        _ => Ok(()),
    }
}

/// A run under way.
struct Run {
    plan: Plan,
    disk: SimDisk,
    beside: Arc<Beside>,
    random: Random,
    running: Option<(LogSteps, Vec<Writer>)>,
    /// Whether it was stopped in order last.
    stopped: bool,
}

impl Run {
    fn new(plan: Plan) -> Run {
        let disk = SimDisk::new(plan.seed);
        Run {
            plan,
            disk,
            beside: Arc::default(),
            random: Random::new(plan.seed),
            running: None,
            stopped: true,
        }
    }

    /// Plays the plan to its end, or to the first failure.
    fn play(&mut self) -> Result<(), String> {
        for _ in 0..self.plan.actions {
            self.act()?;
        }
        if self.running.is_some() {
            self.stop()?;
            self.start()?;
        }
        Ok(())
    }

    fn stop(&mut self) -> Result<(), String> {
        let Some((mut log, _)) = self.running.take() else { return Ok(()) };
        while log.prepare() {}
        self.stopped = true;
        log.stop().map(|_| ()).map_err(|error| error.to_string())
    }

    fn act(&mut self) -> Result<(), String> {
        let Some((log, writers)) = &mut self.running else { return self.start() };
        match self.random.below(32) {
            0..16 => {
                for _ in 0..=self.random.below(if self.plan.small { 12 } else { 3 }) {
                    match append(
                        &self.plan,
                        writers,
                        &mut self.random,
                        &mut self.beside.history.lock().unwrap(),
                    ) {
                        Ok(()) | Err(AdmitError::ReadOnly) => {}
                        Err(error) => return Err(error.to_string()),
                    }
                }
            }
            16..22 => drop(log.commit()),
            22..26 => drop(log.prepare()),
            26 => log.mark(),
            27..30 => {
                let durable = log.handle().durable().get();
                let released = Lsn::new(durable - durable.min(self.random.below(SEGMENT_SIZE)));
                self.beside.released.fetch_max(released.get(), Ordering::AcqRel);
                log.handle().release(released);
            }
            30 if self.random.below(4) == 0 => self.stop()?,
            // The process is killed.
            31 if self.random.below(3) == 0 => self.running = None,
            _ => {}
        }
        match self.running.as_ref().and_then(|(log, _)| log.handle().poisoned()) {
            Some(reason) => Err(reason),
            None => Ok(()),
        }
    }

    fn start(&mut self) -> Result<(), String> {
        let config = self.plan.config(&self.disk, self.beside.released());
        let recovery = Recovery::open(config).map_err(|error| error.to_string())?;
        if std::mem::take(&mut self.stopped) {
            in_order(&self.plan, &recovery)?;
        }
        let told = Lsn::new(self.beside.told.load(Ordering::Acquire));
        let mut history = self.beside.history.lock().unwrap();
        let found = check(recovery, &history, told)?;
        history.truncate(found.count);
        drop(history);
        self.beside.told.fetch_max(found.recovery.end().get(), Ordering::AcqRel);
        let started = found.recovery.start_stepped(self.beside.hooks());
        self.running = Some(started.map_err(|error| error.to_string())?);
        Ok(())
    }
}

/// Loses power at a call in every way planned, and sees that nothing is lost. Returns at the first loss.
fn lose_power(
    plan: &Plan,
    disk: &SimDisk,
    step: u64,
    beside: &Beside,
    tally: &mut Tally,
) -> Result<(), String> {
    // First what was said, then the disk: whatever was said by then is to be on it.
    let told = Lsn::new(beside.told.load(Ordering::Acquire));
    let copy = disk.fork();
    let (history, released) = (beside.history.lock().unwrap(), beside.released());
    tally.points += 1;
    for way in 0..plan.ways {
        let seed = plan.seed.wrapping_mul(1_000_003) ^ (step << 8) ^ way;
        tally.crashes += 1;
        survive(plan, copy.crash(seed), &history, told, released, &mut Random::new(seed), tally)
            .map_err(|error| format!("power lost at call {step}, way {way}, {plan:?}: {error}"))?;
    }
    Ok(())
}

/// Crashes a run at every one of its calls.
pub fn crash_everywhere(plan: Plan) -> Result<Tally, String> {
    let mut run = Run::new(plan);
    let outcome = Arc::new(Mutex::new((Tally::default(), None::<String>)));
    run.disk.watch({
        let (outcome, beside) = (Arc::clone(&outcome), Arc::clone(&run.beside));
        move |disk, step| {
            let (tally, lost) = &mut *outcome.lock().unwrap();
            if lost.is_none() {
                *lost = lose_power(&plan, disk, step, &beside, tally).err();
            }
        }
    });
    let played = run.play();
    run.disk.unwatch();
    let (mut tally, lost) = std::mem::take(&mut *outcome.lock().unwrap());
    if let Some(lost) = lost {
        return Err(lost);
    }
    played.map_err(|error| format!("{plan:?}: {error}"))?;
    tally.runs += 1;
    tally.segments +=
        run.beside.history.lock().unwrap().last().map_or(0, |last| last.end.get() / SEGMENT_SIZE);
    tally.recycled += run.disk.count(Call::Rename).saturating_sub(run.disk.count(Call::Allocate));
    Ok(tally)
}

/// Fails each call of a kind in a run in turn, one in a run: the log must end at once and say nothing more.
pub fn fail_every(plan: Plan, call: Call) -> Result<Tally, String> {
    let mut tally = Tally::default();
    for nth in 1.. {
        let mut run = Run::new(plan);
        run.disk.fail(call, nth, Failure::Io);
        let failed = run.play();
        if run.disk.count(call) < nth {
            failed?;
            tally.runs += 1;
            return Ok(tally);
        }
        let told = run.beside.told.load(Ordering::Acquire);
        let context = |error: String| format!("{call:?} {nth} failed under {plan:?}: {error}");
        if failed.is_ok() {
            return Err(context("and nobody said so".to_owned()));
        }
        if let Some((log, writers)) = &mut run.running {
            for _ in 0..3 {
                log.commit();
                log.mark();
                log.prepare();
            }
            if !matches!(writers[0].admit(), Err(AdmitError::Poisoned)) {
                return Err(context("the log goes on".to_owned()));
            }
        }
        if run.disk.syncs_after_failure() > 0 || run.beside.told.load(Ordering::Acquire) > told {
            return Err(context("it was synced again, or more was said to be durable".to_owned()));
        }
        run.running = None;
        tally.faults += 1;
        let history = run.beside.history.lock().unwrap().clone();
        let (told, released) = (Lsn::new(told), run.beside.released());
        let mut random = Random::new(nth);
        // The process is started again on the running machine, or on one that lost power as well.
        for disk in [run.disk.fork(), run.disk.crash(nth)] {
            survive(&plan, disk, &history, told, released, &mut random, &mut tally).map_err(context)?;
        }
    }
    unreachable!("a run has an end")
}

/// Fails each read of an opening in turn: it is an error, and no reason to serve less.
pub fn fail_every_read(plan: Plan) -> Result<Tally, String> {
    let mut run = Run::new(plan);
    for _ in 0..plan.actions {
        run.act()?;
    }
    run.running = None;
    let (history, told) =
        (run.beside.history.lock().unwrap(), Lsn::new(run.beside.told.load(Ordering::Acquire)));
    let mut tally = Tally::default();
    for nth in 1.. {
        let disk = run.disk.fork();
        let before = disk.count(Call::Read);
        disk.fail(Call::Read, nth, Failure::Io);
        let opened = Recovery::open(plan.config(&disk, run.beside.released()));
        if disk.count(Call::Read) - before < nth {
            check(opened.map_err(|error| error.to_string())?, &history, told)?;
            break;
        }
        if opened.is_ok() {
            return Err(format!("read {nth} failed, and nobody said so"));
        }
        let again = Recovery::open(plan.config(&disk, run.beside.released()));
        check(again.map_err(|error| error.to_string())?, &history, told)?;
        tally.faults += 1;
    }
    tally.runs += 1;
    Ok(tally)
}

/// How a disk is full.
#[derive(Clone, Copy, Debug)]
enum Full {
    /// It says so beforehand.
    Told,
    /// It says so when space is asked for.
    Allocating,
    /// It says so in the middle of writing, though it had promised the space.
    Writing,
}

/// Fills the disk at each of many preparations: the log is read-only before anything is touched, loses nothing, and
/// goes on by itself when there is space again.
pub fn fill_disk_at_every_preparation(plan: Plan, preparations: usize) -> Result<Tally, String> {
    let mut tally = Tally::default();
    let mut run = Run::new(plan);
    for full in [Full::Told, Full::Allocating, Full::Writing] {
        fill(&run.disk, full);
        if run.start().is_ok() {
            return Err(format!("started on a full disk: {full:?}"));
        }
        run.disk.set_capacity(u64::MAX);
        tally.faults += 1;
    }
    run.start()?;
    for full in [Full::Told, Full::Allocating, Full::Writing].into_iter().cycle().take(preparations) {
        let (log, writers) = run.running.as_mut().unwrap();
        let mut history = run.beside.history.lock().unwrap();
        while append(&plan, writers, &mut run.random, &mut history).is_ok() {
            if run.random.below(4) == 0 {
                log.commit();
            }
        }
        fill(&run.disk, full);
        let tail = log.handle().tail();
        if log.prepare() || log.handle().state() != LogState::ReadOnly {
            return Err(format!("goes on with a full disk: {full:?}, {:?}", log.handle().poisoned()));
        }
        if !matches!(writers[0].admit(), Err(AdmitError::ReadOnly)) || log.handle().tail() != tail {
            return Err("something was taken, or touched".to_owned());
        }
        // What had been taken becomes durable all the same.
        log.commit();
        if log.handle().durable() != tail {
            return Err(format!("{tail} did not become durable: {:?}", log.handle().poisoned()));
        }
        let (told, released) = (log.handle().durable(), run.beside.released());
        let copy = run.disk.crash(tally.faults);
        copy.set_capacity(u64::MAX);
        survive(&plan, copy, &history, told, released, &mut Random::new(tally.faults), &mut tally)
            .map_err(|error| format!("the disk was full, {full:?}, {plan:?}: {error}"))?;
        tally.faults += 1;
        run.disk.set_capacity(u64::MAX);
        if !log.prepare() || log.handle().state() != LogState::Running {
            return Err(format!("stays read-only: {full:?}, {:?}", log.handle().poisoned()));
        }
    }
    let (log, _) = run.running.take().unwrap();
    let told = log.stop().map_err(|error| error.to_string())?;
    let recovery = Recovery::open(plan.config(&run.disk, Lsn::ZERO)).map_err(|error| error.to_string())?;
    check(recovery, &run.beside.history.lock().unwrap(), told)?;
    tally.runs += 1;
    Ok(tally)
}

fn fill(disk: &SimDisk, full: Full) {
    match full {
        Full::Told => disk.set_capacity(disk.used_bytes()),
        Full::Allocating => disk.fail(Call::Allocate, 1, Failure::NoSpace),
        Full::Writing => disk.fail(Call::Write, 1, Failure::NoSpace),
    }
}

/// Flips bits of what a run left, one at a time, at `places` of them: refused, or an exact prefix with all that is
/// proven. Says how many were refused.
pub fn rot(plan: Plan, places: u64) -> Result<(u64, u64), String> {
    let mut run = Run::new(plan);
    for _ in 0..plan.actions {
        run.act()?;
    }
    if run.running.is_none() {
        run.start()?;
    }
    let (mut log, _) = run.running.take().unwrap();
    // An idle log: its last record has a witness.
    log.commit();
    log.mark();
    log.commit();
    let proven = log.handle().proven();
    drop(log);
    let history = run.beside.history.lock().unwrap();
    let files: Vec<_> =
        run.disk.image().into_iter().filter(|(path, _)| path.extension().unwrap() == "log").collect();
    let (mut refused, mut harmless) = (0, 0);
    for _ in 0..places {
        let (path, bytes) = &files[run.random.below(files.len() as u64) as usize];
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        // Headers are small and matter most.
        let within = if run.random.below(4) == 0 { 1024 } else { used };
        let bit = run.random.below(8 * within as u64);
        let disk = run.disk.fork();
        disk.flip(path, bit);
        match Recovery::open(plan.config(&disk, run.beside.released())) {
            Err(_) => refused += 1,
            Ok(recovery) => {
                check(recovery, &history, proven)
                    .map_err(|error| format!("bit {bit} of {} flipped: {error}", path.display()))?;
                harmless += 1;
            }
        }
    }
    Ok((refused, harmless))
}

/// Crashes a log that runs with its own threads at every call they make.
pub fn crash_threads(plan: Plan, records: usize) -> Result<Tally, String> {
    let disk = SimDisk::new(plan.seed);
    let beside = Arc::new(Beside::default());
    let outcome = Arc::new(Mutex::new((Tally::default(), None::<String>)));
    let recovery = Recovery::open(plan.config(&disk, Lsn::ZERO)).map_err(|error| error.to_string())?;
    let (log, mut writers) = recovery.start(beside.hooks()).map_err(|error| error.to_string())?;
    disk.watch({
        let (outcome, beside) = (Arc::clone(&outcome), Arc::clone(&beside));
        move |disk, step| {
            let (tally, lost) = &mut *outcome.lock().unwrap();
            if lost.is_none() {
                *lost = lose_power(&plan, disk, step, &beside, tally).err();
            }
        }
    });
    let mut random = Random::new(plan.seed);
    let mut appended = 0;
    while appended < records {
        let mut history = beside.history.lock().unwrap();
        appended += usize::from(append(&plan, &mut writers, &mut random, &mut history).is_ok());
        drop(history);
        std::thread::yield_now();
    }
    let stopped = log.stop();
    disk.unwatch();
    let (mut tally, lost) = std::mem::take(&mut *outcome.lock().unwrap());
    if let Some(lost) = lost {
        return Err(lost);
    }
    let told = stopped.map_err(|error| error.to_string())?;
    let recovery = Recovery::open(plan.config(&disk, Lsn::ZERO)).map_err(|error| error.to_string())?;
    check(recovery, &beside.history.lock().unwrap(), told)?;
    tally.runs += 1;
    Ok(tally)
}

fn environment<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is {text}, which is not a number")))
}

/// Plays seeds, `few` of them unless the environment says otherwise, and adds up what was survived.
pub fn seeds(few: u64, play: impl Fn(u64) -> Result<Tally, String>) -> Tally {
    let begun = Instant::now();
    let first: u64 = environment("SUANPAN_PROOF_SEED").unwrap_or(0);
    let hours: Option<f64> = environment("SUANPAN_PROOF_HOURS");
    let until = hours.map(|hours| begun + Duration::from_secs_f64(hours * 3600.0));
    let count = environment("SUANPAN_PROOF_SEEDS").unwrap_or(if until.is_some() { u64::MAX } else { few });
    let mut all = Tally::default();
    for seed in first..first.saturating_add(count) {
        if until.is_some_and(|until| Instant::now() >= until) {
            break;
        }
        match play(seed) {
            Ok(tally) => all.add(&tally),
            Err(error) => panic!("SUANPAN_PROOF_SEED={seed} SUANPAN_PROOF_SEEDS=1 plays it again: {error}"),
        }
    }
    println!("{all:?} in {:?}", begun.elapsed());
    all
}
