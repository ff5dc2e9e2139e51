//! One life of the server: it starts on what is there, is looked at, is asked, and comes to its end.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use suanpan_core::Date;
use suanpan_engine::{Backend, Engine, EngineConfig, Health, Lsn, Planted};
use suanpan_wal::host::{self, baton};
use suanpan_wal::{Call, Failure, SimDisk};

use crate::audit;
use crate::books::Books;
use crate::business;
use crate::caller::Asking;
use crate::fate::{Fate, WRITTEN_ASIDE};
use crate::log;

/// The data folder.
pub(crate) const DATA: &str = "/data";

const FIRST_DATE: Date = Date(17_769);

/// What a disk holds when nobody fills it.
const CAPACITY: u64 = 1 << 34;

/// How long callers have to fill the log, once nothing more can be prepared.
const FILLED_WITHIN: Duration = Duration::from_secs(4);

/// How long after there is space again the log must have found it.
const RECOVERS_WITHIN: Duration = Duration::from_millis(1_500);

/// What a life is given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) number: u32,
    pub(crate) shards: u16,
    pub(crate) segment_bytes: u64,
    pub(crate) fate: Fate,
    pub(crate) planted: Option<Planted>,
    pub(crate) seed: u64,
    /// Only looked at.
    pub(crate) last: bool,
    pub(crate) snapshots: Snapshots,
    /// The snapshot that it is to begin with.
    pub(crate) base: Option<Lsn>,
    /// Another is there in which a bit flipped.
    pub(crate) rotten: bool,
}

/// When snapshots are taken, and how much is kept in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Snapshots {
    /// By callers, in the midst of their business.
    pub(crate) asked_for: bool,
    /// As the first thing in the life.
    first: bool,
    log_bytes: Option<u64>,
    every: Option<Duration>,
    orders_max: u64,
}

impl Snapshots {
    pub(crate) fn draw(rng: &mut Rng, fate: Fate) -> Self {
        let needed = matches!(fate, Fate::CrashAtSnapshot(_) | Fate::SnapshotFails(..));
        Self {
            asked_for: needed || rng.u32(0..3) != 0,
            first: rng.u32(0..4) == 0,
            log_bytes: (rng.u32(0..6) == 0).then(|| rng.u64(10_000..200_000)),
            every: (rng.u32(0..6) == 0).then(|| Duration::from_millis(rng.u64(500..4_000))),
            orders_max: if rng.u32(0..8) == 0 { rng.u64(20..300) } else { u64::MAX },
        }
    }
}

impl Setting {
    pub(crate) fn config(&self, disk: &SimDisk) -> EngineConfig {
        let backend = if self.seed.is_multiple_of(3) { Backend::Map } else { Backend::Write };
        EngineConfig {
            shards: self.shards,
            segment_bytes: self.segment_bytes,
            storage: Arc::new(disk.clone()),
            reserve_bytes: 1 << 20,
            backend,
            snapshot_log_bytes: self.snapshots.log_bytes,
            snapshot_every: self.snapshots.every,
            hot_days: 1,
            orders_in_memory_max: self.snapshots.orders_max,
            planted: self.planted,
            ..EngineConfig::new(Path::new(DATA), FIRST_DATE)
        }
    }
}

/// A life under way, as all see it who have to do with it.
pub(crate) struct Life {
    pub(crate) setting: Setting,
    pub(crate) disk: SimDisk,
    pub(crate) books: Arc<Books>,
    /// The running engine.
    engine: Mutex<Option<Arc<Engine>>>,
    /// The engine said that it failed.
    failed: AtomicBool,
    /// What fate had to do is done.
    fulfilled: AtomicBool,
    over: AtomicBool,
}

impl Life {
    /// Lives it to its end.
    pub(crate) fn live(setting: Setting, disk: SimDisk, books: Arc<Books>) {
        disk.set_capacity(CAPACITY);
        let life = Arc::new(Self {
            setting,
            disk,
            books,
            engine: Mutex::default(),
            failed: AtomicBool::new(false),
            fulfilled: AtomicBool::new(false),
            over: AtomicBool::new(false),
        });
        life.plan();
        let lives = life.clone();
        let machine = baton::machine("server", move || lives.serve());
        let machine = machine.expect("the system has threads");
        let fate = host::spawn("fate", {
            let (life, machine) = (life.clone(), machine.clone());
            move || life.fulfil(&machine)
        });
        machine.wait();
        life.disk.unwatch();
        life.over.store(true, Ordering::SeqCst);
        let _ = fate.expect("the system has threads").join();
        // What is left of an engine that lost its power says nothing any more.
        drop(life.engine.lock().unwrap_or_else(PoisonError::into_inner).take());
        life.count(&machine);
    }

    fn count(&self, machine: &baton::Machine) {
        let mut known = self.books.lock();
        let counts = &mut known.counts;
        match self.setting.fate {
            Fate::CrashAtSnapshot(_) if machine.is_off() => counts.crashes_at_snapshot += 1,
            Fate::CrashAtCall(_) if machine.is_off() => counts.crashes_at_disk += 1,
            Fate::CrashAfter(_) if machine.is_off() => counts.crashes_elsewhere += 1,
            Fate::SyncFails(_) | Fate::WriteFails(_) if self.has_failed() => counts.failed_disks += 1,
            Fate::Full(..) => counts.full_disks += 1,
            _ => counts.stops += 1,
        }
    }

    /// What the disk is to do of itself.
    fn plan(&self) {
        match self.setting.fate {
            Fate::SyncFails(nth) => self.disk.fail(Call::Sync, nth, Failure::Io),
            Fate::WriteFails(nth) => self.disk.fail(Call::Write, nth, Failure::Io),
            _ => {}
        }
        let (at_call, at_snapshot) = match self.setting.fate {
            Fate::CrashAtCall(nth) => (Some(self.disk.steps() + nth), None),
            Fate::CrashAtSnapshot(nth) => (None, Some(nth)),
            _ => (None, None),
        };
        let (books, aside, gone) = (self.books.clone(), AtomicU64::new(0), AtomicBool::new(false));
        self.disk.watch(move |disk, step, call, path| {
            if matches!(call, Call::Rename | Call::Remove) && log::is_segment(path) {
                books.read_before_release(&disk.fork());
                books.lock().counts.released += 1;
            }
            let is_aside = WRITTEN_ASIDE.iter().any(|one| path.starts_with(Path::new(DATA).join(one)));
            let nth = is_aside.then(|| aside.fetch_add(1, Ordering::SeqCst) + 1);
            let now = at_call == Some(step) || (nth.is_some() && nth == at_snapshot);
            // What is dropped later finds the disk off.
            if now && !gone.swap(true, Ordering::SeqCst) {
                baton::tell(&format!("the power goes at a call of the disk: {call:?} {}", path.display()));
                disk.crash_at(step);
                baton::switch_off();
            }
        });
    }

    /// What happens whatever the server does.
    fn fulfil(&self, machine: &baton::Machine) {
        match self.setting.fate {
            Fate::CrashAfter(time) => {
                baton::sleep(time);
                if !self.is_over() {
                    baton::tell("the power goes");
                    self.disk.crash_at(self.disk.steps());
                    machine.switch_off();
                }
            }
            Fate::Full(after, long) => self.fill_disk(after, long),
            Fate::SnapshotFails(call, what, nth, failure) => {
                while self.engine().is_none() && !self.is_over() {
                    baton::sleep(Duration::from_millis(1));
                }
                self.disk.fail_within(&Path::new(DATA).join(what), call, nth, failure);
            }
            _ => {}
        }
        self.fulfilled.store(true, Ordering::SeqCst);
    }

    fn fill_disk(&self, after: Duration, long: Duration) {
        while self.engine().is_none() && !self.is_over() {
            baton::sleep(Duration::from_millis(1));
        }
        baton::sleep(after);
        self.disk.set_capacity(self.disk.used_bytes());
        baton::tell("the disk is full");
        let until = baton::elapsed() + FILLED_WITHIN;
        let is_full = || self.engine().is_none_or(|engine| engine.health() == Health::ReadOnly);
        while !is_full() && baton::elapsed() < until {
            baton::sleep(Duration::from_millis(5));
        }
        baton::sleep(long);
        self.disk.set_capacity(CAPACITY);
        baton::tell("the disk has room again");
        baton::sleep(RECOVERS_WITHIN);
        if let Some(engine) = self.engine()
            && engine.health() != Health::Ready
        {
            self.books.fail(format!("there is room again, and the engine is {:?}", engine.health()));
        }
    }

    pub(crate) fn engine(&self) -> Option<Arc<Engine>> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }

    /// Whether there is no sense in asking on.
    pub(crate) fn is_lost(&self) -> bool {
        self.has_failed() || self.books.failure().is_some()
    }

    /// The server's first thread.
    fn serve(self: Arc<Self>) {
        let was_stopped = std::mem::take(&mut self.books.lock().stopped);
        let told = self.clone();
        let started = Engine::start(&self.setting.config(&self.disk), move |reason| {
            baton::tell(&format!("the engine failed: {reason}"));
            told.failed.store(true, Ordering::SeqCst);
            if !told.setting.fate.may_fail() {
                told.books.fail(format!("the engine failed: {reason}"));
            }
        });
        let engine = match started {
            Ok(engine) => Arc::new(engine),
            Err(error) => {
                baton::tell(&format!("does not start: {error}"));
                self.failed.store(true, Ordering::SeqCst);
                if !self.setting.fate.may_fail() {
                    self.books.fail(format!("the engine does not start: {error}"));
                }
                return;
            }
        };
        baton::tell(&format!("started, {:?}", engine.recovered()));
        self.look_at_start(&engine, was_stopped);
        *self.engine.lock().unwrap_or_else(PoisonError::into_inner) = Some(engine.clone());
        if self.setting.snapshots.first {
            self.snapshot(&engine);
        }
        audit::of(&self, &engine, true);
        if !self.setting.last {
            self.work(&engine);
        }
        baton::wait_until("waiting for its fate", || self.fulfilled.load(Ordering::SeqCst));
        if matches!(self.setting.fate, Fate::Full(..) | Fate::SnapshotFails(..)) || self.setting.last {
            // What failed once does not fail for ever.
            let _ = self.snapshot(&engine) || self.snapshot_at_last(&engine);
        }
        if !self.is_lost() {
            audit::of(&self, &engine, false);
        }
        self.books.lock().counts.brought_back += engine.brought_back();
        self.over.store(true, Ordering::SeqCst);
        let stopped = engine.stop();
        // The cold store is closed with it.
        drop(self.engine.lock().unwrap_or_else(PoisonError::into_inner).take());
        drop(engine);
        baton::tell(&format!("stopped: {stopped:?}"));
        self.books.lock().stopped = stopped.is_ok();
        if stopped.is_err() != self.has_failed() {
            self.books.fail(format!("stopped with {stopped:?}"));
        }
    }

    fn look_at_start(&self, engine: &Engine, was_stopped: bool) {
        let recovered = engine.recovered();
        let mut known = self.books.lock();
        known.counts.lives += 1;
        known.counts.restored += u64::from(recovered.snapshot.is_some());
        known.counts.passed_over += recovered.passed_over.len() as u64;
        drop(known);
        if was_stopped && !recovered.clean {
            self.books.fail("it had stopped in order, and does not know".to_owned());
        }
        if recovered.passed_over.is_empty() == self.setting.rotten || recovered.snapshot != self.setting.base
        {
            self.books.fail(format!("begins not at {:?}: {recovered:?}", self.setting.base));
        }
    }

    /// Takes a snapshot; whether it could be taken.
    pub(crate) fn snapshot(&self, engine: &Engine) -> bool {
        match engine.snapshot() {
            Ok(taken) => {
                self.books.took(&taken);
                return true;
            }
            Err(error) => {
                baton::tell(&format!("no snapshot: {error}"));
                self.books.lock().counts.failed_snapshots += 1;
                if !self.is_lost() && !self.setting.fate.may_fail_snapshot() {
                    self.books.fail(format!("no snapshot: {error}"));
                }
            }
        }
        false
    }

    fn snapshot_at_last(&self, engine: &Engine) -> bool {
        let taken = self.snapshot(engine);
        if !taken && !self.is_lost() {
            self.books.fail("no snapshot can be taken any more".to_owned());
        }
        taken
    }

    /// Lets callers ask until they are done.
    fn work(self: &Arc<Self>, engine: &Arc<Engine>) {
        let mut rng = Rng::with_seed(self.setting.seed);
        let mut first = Asking::new(self.clone(), engine.clone(), rng.u64(..));
        first.ask_each(business::set_up());
        let callers: Vec<_> = (0..rng.u32(2..6))
            .map(|one| {
                let mut asking = Asking::new(self.clone(), engine.clone(), rng.u64(..));
                let asks = rng.u32(8..48);
                let fills = one == 0 && matches!(self.setting.fate, Fate::Full(..));
                let body = move || {
                    if fills {
                        asking.fill();
                    }
                    asking.run(asks);
                };
                host::spawn(&format!("caller-{one}"), body)
            })
            .collect();
        for caller in callers {
            let _ = caller.expect("the system has threads").join();
        }
    }
}
