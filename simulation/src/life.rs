//! One life of the server: it starts on what is there, is looked at, is asked, and comes to its end.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use suanpan_core::Date;
use suanpan_engine::{Backend, Engine, EngineConfig, Health, Planted};
use suanpan_wal::host::{self, baton};
use suanpan_wal::{Call, Failure, SimDisk};

use crate::audit;
use crate::books::Books;
use crate::business;
use crate::caller::Asking;
use crate::fate::Fate;

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
            Fate::CrashAtCall(nth) => {
                let at = self.disk.steps() + nth;
                self.disk.watch(move |disk, step| {
                    if step == at {
                        baton::tell("the power goes at a call of the disk");
                        disk.crash_at(step);
                        baton::switch_off();
                    }
                });
            }
            Fate::Stop | Fate::CrashAfter(_) | Fate::Full(..) => {}
        }
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

    fn config(&self) -> EngineConfig {
        let backend = if self.setting.seed.is_multiple_of(3) { Backend::Map } else { Backend::Write };
        EngineConfig {
            shards: self.setting.shards,
            segment_bytes: self.setting.segment_bytes,
            storage: Arc::new(self.disk.clone()),
            reserve_bytes: 1 << 20,
            backend,
            planted: self.setting.planted,
            ..EngineConfig::new(Path::new(DATA), FIRST_DATE)
        }
    }

    /// The server's first thread.
    fn serve(self: Arc<Self>) {
        let was_stopped = std::mem::take(&mut self.books.lock().stopped);
        let told = self.clone();
        let started = Engine::start(&self.config(), move |reason| {
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
        self.books.lock().counts.lives += 1;
        if was_stopped && !engine.recovered().clean {
            self.books.fail("it had stopped in order, and does not know".to_owned());
        }
        *self.engine.lock().unwrap_or_else(PoisonError::into_inner) = Some(engine.clone());
        audit::of(&self, &engine, true);
        if !self.setting.last {
            self.work(&engine);
        }
        baton::wait_until("waiting for its fate", || self.fulfilled.load(Ordering::SeqCst));
        if !self.is_lost() {
            audit::of(&self, &engine, false);
        }
        self.over.store(true, Ordering::SeqCst);
        let stopped = engine.stop();
        baton::tell(&format!("stopped: {stopped:?}"));
        self.books.lock().stopped = stopped.is_ok();
        if stopped.is_err() != self.has_failed() {
            self.books.fail(format!("stopped with {stopped:?}"));
        }
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
