//! The engine: shards, chair, gates and log, started, fed, asked and stopped together.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use suanpan_core::{
    Command, Currency, Date, Ledger, MerchantId, RawTotals, Rejection, Reply, Request, SetDate, ShardTotals,
    SweepItem, Timestamp,
};
use suanpan_wal::host::{self, JoinHandle};
use suanpan_wal::{FolderLock, Hooks, Log, LogConfig, LogHandle, LogState, Lsn, Recovery, Storage, Writer};

use crate::batch::{Batch, Caller, Refused};
use crate::chair::{Chair, MOTIONS_MAX};
use crate::clock::Clock;
use crate::cold::ColdStore;
use crate::config::{EngineConfig, Planted, RECORD_BYTES_MIN, SHARDS_MAX};
use crate::error::EngineError;
use crate::expiry::Expiry;
use crate::follow::{Follower, HoldError, LogHolder};
use crate::gate::{Gate, GateKeeper};
use crate::group::GroupWriter;
use crate::holds::{HoldTimes, Holds};
use crate::motion::{Motion, What, unknown};
use crate::ports::{Port, Ports};
use crate::proposals::Proposals;
use crate::queue::Queue;
use crate::replay::{Base, Replayed, replay};
use crate::shard::{Journal, Shard};
use crate::snapshot::file::SnapshotError;
use crate::snapshot::folder::{self, Found};
use crate::snapshot::keeper::{Keeper, Kept, Plan, TakeError, TakenSnapshot, Watch};
use crate::snapshot::restore::restore;

/// Whether an engine takes commands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Health {
    /// It does.
    Ready,
    /// The log has no room: commands are refused, queries are answered, and it recovers by itself.
    ReadOnly,
    /// The log failed, and nothing more is promised: the process must end.
    Failed(String),
}

/// What was found in the data folder at the start.
#[derive(Debug, Clone)]
pub struct Recovered {
    /// Commands replayed, those behind the snapshot.
    pub commands: u64,
    /// The position of the snapshot that it began with, if with one.
    pub snapshot: Option<Lsn>,
    /// Orders there are.
    pub orders: u64,
    /// What is wrong with newer snapshots that were passed over.
    pub passed_over: Vec<String>,
    /// How long reading, checking and replaying took.
    pub took: Duration,
    /// Bytes of an unanswered, torn tail that were cut off.
    pub cut_bytes: u64,
    /// Whether the log was stopped in order.
    pub clean: bool,
}

/// The running core: see the crate's page.
pub struct Engine {
    pub(crate) ports: Arc<Ports>,
    proposals: Proposals,
    keeper: Arc<Keeper>,
    clock: Arc<Clock>,
    handle: LogHandle,
    holds: Arc<Holds>,
    /// What ends with the engine; taken by whoever stops it first.
    running: Mutex<Option<Running>>,
    /// Held by the one run that is under way.
    pub(crate) runs: Mutex<()>,
    recovered: Recovered,
    dir: PathBuf,
    storage: Arc<dyn Storage>,
    _lock: FolderLock,
}

/// The threads of a running engine, in the order in which they end.
struct Running {
    expiry: Expiry,
    watch: Watch,
    chair: JoinHandle,
    shards: Vec<JoinHandle>,
    log: Log,
}

/// What all threads are started with.
struct Parts {
    config: EngineConfig,
    handle: LogHandle,
    clock: Arc<Clock>,
    holds: Arc<Holds>,
    cold: Arc<ColdStore>,
    log_id: u128,
    kept: Vec<Kept>,
    /// One for each shard, and the chair's.
    gates: Vec<Arc<Gate>>,
    last: Lsn,
}

impl Engine {
    /// Opens the data folder, replays its log and starts the shards. `on_failure` is called once, from any
    /// thread, when the log failed or a shard panicked: nothing more is promised then.
    ///
    /// # Errors
    /// See [`EngineError`]; nothing of the folder's content was changed, unless a torn tail was cut as the
    /// log's rules say.
    pub fn start(
        config: &EngineConfig,
        on_failure: impl Fn(&str) + Send + Sync + 'static,
    ) -> Result<Self, EngineError> {
        config.check()?;
        let begun = host::now();
        let lock = config.storage.lock(&config.dir)?;
        let Opened { recovery, cold, base, kept, passed_over } = open(config)?;
        // The size that the folder was made with, if it was.
        config.check_segments(recovery.segment_size())?;
        let snapshot = Some(base.from).filter(|from| *from > Lsn::ZERO);
        let Replayed { ledgers, commands } = replay(&recovery, base, &cold, config.planted)?;
        let report = recovery.report();
        let recovered = Recovered {
            commands,
            snapshot,
            orders: ledgers.iter().map(Ledger::order_count).sum(),
            passed_over,
            took: host::now() - begun,
            cut_bytes: report.cut.map_or(0, |cut| cut.bytes),
            clean: report.clean_stop,
        };
        let gates: Vec<Arc<Gate>> = (0..=config.shards).map(|_| Arc::new(Gate::new())).collect();
        let failed = Arc::new(OnceLock::new());
        let log_id = recovery.log_id();
        let (log, writers) = recovery.start(hooks(
            GateKeeper::new(gates.clone()).planted(config.planted),
            failed.clone(),
            on_failure,
        ))?;
        let parts = Parts {
            config: config.clone(),
            handle: log.handle(),
            clock: Arc::new(if config.dev_clock { Clock::kept_in(&config.dir) } else { Clock::default() }),
            holds: Arc::new(Holds::new()),
            cold: Arc::new(cold),
            log_id,
            kept,
            gates,
            last: log.durable(),
        };
        let is_new = commands == 0 && snapshot.is_none();
        let engine = parts.start(ledgers, writers, failed, log, recovered, lock)?;
        if is_new {
            let begun = engine.begin_at(config.first_date);
            if let Reply::Rejected(rejection, _) = begun {
                return Err(EngineError::Begin(rejection.code()));
            }
        }
        Ok(engine)
    }

    /// How many shards there are.
    #[must_use]
    pub fn shards(&self) -> u16 {
        self.ports.shards()
    }

    /// The shard in which a merchant lives.
    #[must_use]
    pub fn shard_of(&self, merchant: MerchantId) -> u16 {
        self.ports.shard_of(merchant)
    }

    /// Hands a batch to a shard; its caller gets the replies when they are durable.
    ///
    /// # Errors
    /// When the shard owes too many answers already, or the engine ends. Never waits.
    ///
    /// # Panics
    /// When there is no such shard, or the batch is empty or too large.
    pub fn submit(&self, shard: u16, batch: Batch) -> Result<(), Refused> {
        self.ports.submit(shard, batch)
    }

    /// Hands over a command that concerns all shards ([`Command::merchant`] is `None`): it is decided and applied by all of
    /// them at one point of the log. The caller gets the command back with one reply, the number of shards for the shard
    /// that decided. Never waits.
    ///
    /// # Errors
    /// When it is no such command, too many of them wait already, or the engine ends. Nothing was changed then.
    pub fn submit_all(&self, command: Command, token: u64, caller: Arc<dyn Caller>) -> Result<(), Rejection> {
        if command.merchant().is_some() || command.is_internal() {
            return Err(Rejection::InvalidRequest);
        }
        // No shard stops to hear what is malformed.
        if command.check().is_err() {
            return Err(Rejection::InvalidRequest);
        }
        self.proposals.propose(Motion { what: What::Command(command), token, caller })
    }

    /// Carries out a command that concerns all shards, as [`Engine::submit_all`], and waits until what came of it is
    /// durable.
    #[must_use = "the command may have been refused"]
    pub fn command_all(&self, command: Command) -> Reply {
        if command.merchant().is_some() || command.is_internal() {
            return Reply::Rejected(Rejection::InvalidRequest, None);
        }
        self.decide_all(command)
    }

    /// Sets where the books begin, while no order was taken: for a new folder, and for development.
    #[must_use = "the date may have been refused"]
    pub fn begin_at(&self, date: Date) -> Reply {
        self.decide_all(Command::SetDate(SetDate { date, cut: false }))
    }

    /// As [`Engine::command_all`], for what the engine itself sends too.
    pub(crate) fn decide_all(&self, command: Command) -> Reply {
        if let Err(field) = command.check() {
            return Reply::Rejected(Rejection::InvalidRequest, Some(field));
        }
        match self.proposals.bring(What::Command(command)) {
            Ok(completed) => completed.replies.into_iter().next().unwrap_or(unknown()),
            Err(why) => Reply::Rejected(why, None),
        }
    }

    /// Sweeps what these owners accrued in all shards, and says what each got.
    ///
    /// # Errors
    /// Why nothing was swept, or whether anything was is not known.
    pub(crate) fn sweep_owners(
        &self,
        owners: Vec<(MerchantId, Currency)>,
    ) -> Result<Vec<SweepItem>, Rejection> {
        let completed = self.proposals.bring(What::Sweep(owners))?;
        if let Some(Reply::Rejected(why, _)) = completed.replies.first() {
            return Err(*why);
        }
        match completed.requests.into_iter().next() {
            Some(Request::Command(Command::Sweep(items))) => Ok(*items),
            _ => Err(Rejection::Unknown),
        }
    }

    /// The totals of all shards at one point of the log, and that point. Blocks until it is durable; `None`
    /// when a shard does not answer.
    #[must_use]
    pub fn totals(&self) -> Option<(Vec<ShardTotals>, Lsn)> {
        let place = Arc::new(OnceLock::new());
        let completed = self.proposals.bring(What::Totals(place.clone())).ok()?;
        if let Some(Reply::Rejected(..)) = completed.replies.first() {
            return None;
        }
        // Accounts get their names here, where nobody waits for it but whoever asked.
        let parts: &Vec<RawTotals> = place.get()?;
        Some((parts.iter().cloned().map(RawTotals::named).collect(), completed.as_of))
    }

    /// Takes a snapshot now and waits until it is on the disk and was read back.
    ///
    /// # Errors
    /// Why there is none. Nothing was changed then.
    pub fn snapshot(&self) -> Result<TakenSnapshot, TakeError> {
        self.keeper.take()
    }

    /// Why the last snapshot that was due could not be taken, unless one could since.
    #[must_use]
    pub fn snapshot_failure(&self) -> Option<String> {
        host::lock(&self.keeper.failure).clone()
    }

    /// Which followers of other processes hold the log, and how much of it; who holds most is first.
    ///
    /// # Errors
    /// When the data folder cannot be read.
    pub fn log_holders(&self) -> Result<Vec<LogHolder>, HoldError> {
        self.keeper.holders()
    }

    /// What was wrong with how followers held the log when the last snapshot was taken: more than
    /// [`EngineConfig::held_log_bytes`], or in a file that cannot be read. `None` when all was well.
    #[must_use]
    pub fn held_log(&self) -> Option<String> {
        host::lock(&self.keeper.held).clone()
    }

    /// Follows what happens: from the beginning of the log on, or from the oldest snapshot that is kept.
    ///
    /// # Errors
    /// When the log's files cannot be read.
    pub fn follow(&self) -> Result<Follower, EngineError> {
        Follower::of_running(&self.storage, &self.dir, &self.handle)
    }

    /// The clock that stamps what is decided.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// What was found at the start.
    #[must_use]
    pub fn recovered(&self) -> &Recovered {
        &self.recovered
    }

    /// Up to where the log is durable.
    #[must_use]
    pub fn durable(&self) -> Lsn {
        self.handle.durable()
    }

    /// How often the log was synced since the start.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.handle.syncs()
    }

    /// How long shards stood still for what concerns all of them.
    #[must_use]
    pub fn holds(&self) -> HoldTimes {
        self.holds.read()
    }

    /// Requests that were taken and are not answered, over all shards.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.ports.outstanding() + self.proposals.gate.outstanding()
    }

    /// Orders that are in memory, over all shards, when each was last told.
    #[must_use]
    pub fn orders_in_memory(&self) -> u64 {
        self.ports.orders_in_memory()
    }

    /// Orders and blocks of entries that were brought back from the cold store since the start.
    #[must_use]
    pub fn brought_back(&self) -> u64 {
        self.keeper.cold.found()
    }

    /// Whether it takes commands.
    #[must_use]
    pub fn health(&self) -> Health {
        if let Some(reason) = self.ports.failure() {
            return Health::Failed(reason.to_owned());
        }
        match self.handle.state() {
            LogState::Running => Health::Ready,
            LogState::ReadOnly => Health::ReadOnly,
            _ => Health::Failed("the log has stopped".to_owned()),
        }
    }

    /// Takes nothing more, finishes and answers what was taken, syncs, and ends all threads. A second call does
    /// nothing.
    ///
    /// # Errors
    /// When the log failed: then what was not answered is unknown.
    pub fn stop(&self) -> Result<(), String> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(running) = running else { return Ok(()) };
        let log = self.end(running);
        log.stop().map_err(|error| error.to_string())?;
        self.ports.failure().map_or(Ok(()), |reason| Err(reason.to_owned()))
    }

    /// Ends all threads but the log's: each when nobody asks it anything any more.
    fn end(&self, running: Running) -> Log {
        let Running { expiry, watch, chair, shards, log } = running;
        expiry.end();
        watch.end();
        self.proposals.motions.close();
        // A thread that panicked has poisoned the log, and that is said elsewhere.
        let _ = chair.join();
        self.ports.close();
        for shard in shards {
            let _ = shard.join();
        }
        log
    }
}

impl Drop for Engine {
    /// Ends the threads; what was not answered is as after a crash.
    fn drop(&mut self) {
        let running = self.running.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(running) = running {
            drop(self.end(running));
        }
    }
}

impl Parts {
    /// Starts all threads.
    fn start(
        self,
        ledgers: Vec<Ledger>,
        mut writers: Vec<Writer>,
        failed: Arc<OnceLock<String>>,
        log: Log,
        recovered: Recovered,
        lock: FolderLock,
    ) -> Result<Engine, EngineError> {
        // The last of the writers is the one for all shards; so is the last gate.
        let (Some(writer), Some(motions_gate)) = (writers.pop(), self.gates.last().cloned()) else {
            unreachable!("the log gives one writer more than it has streams");
        };
        assert_eq!(writers.len(), ledgers.len());
        let mut ports = Vec::with_capacity(ledgers.len());
        let mut shards = Vec::with_capacity(ledgers.len());
        for ((ledger, writer), gate) in ledgers.into_iter().zip(writers).zip(&self.gates) {
            let (port, thread) = self.shard(ledger, writer, gate.clone(), ports.len())?;
            ports.push(port);
            shards.push(thread);
        }
        let ports = Arc::new(Ports::new(ports, self.config.outstanding_requests_max, failed));
        let motions = Arc::new(Queue::new(MOTIONS_MAX).planted(self.config.planted));
        let chair = self.chair(motions.clone(), ports.clone(), motions_gate.clone(), writer)?;
        let expiry = Expiry::start(ports.clone(), &self.clock)?;
        let proposals = Proposals { motions, gate: motions_gate, ports: ports.clone() };
        let Self { config, handle, clock, holds, cold, log_id, kept, .. } = self;
        let plan = Plan {
            log_bytes: config.snapshot_log_bytes,
            every: config.snapshot_every,
            hot_days: config.hot_days,
            reserve_bytes: config.reserve_bytes,
            held_log_bytes: config.held_log_bytes,
            planted: config.planted,
        };
        let keeper = Arc::new(Keeper {
            proposals: proposals.clone(),
            log: handle.clone(),
            log_id,
            storage: config.storage.clone(),
            data: config.dir.clone(),
            cold,
            plan,
            kept: Mutex::new(kept),
            failure: Mutex::default(),
            held: Mutex::default(),
        });
        let watch = Watch::start(keeper.clone())?;
        let running = Mutex::new(Some(Running { expiry, watch, chair, shards, log }));
        let runs = Mutex::new(());
        Ok(Engine {
            ports,
            proposals,
            keeper,
            clock,
            handle,
            holds,
            running,
            runs,
            recovered,
            dir: config.dir,
            storage: config.storage,
            _lock: lock,
        })
    }

    fn shard(
        &self,
        ledger: Ledger,
        writer: Writer,
        gate: Arc<Gate>,
        id: usize,
    ) -> Result<(Port, JoinHandle), EngineError> {
        let id = u16::try_from(id).unwrap_or(SHARDS_MAX);
        let queue = Arc::new(Queue::new(self.config.queue_batches).planted(self.config.planted));
        let in_memory = Arc::new(AtomicU64::new(ledger.orders_in_memory()));
        let shard = Shard {
            id,
            shards: self.config.shards,
            ledger,
            queue: queue.clone(),
            gate: gate.clone(),
            log: self.handle.clone(),
            clock: self.clock.clone(),
            now: Timestamp::default(),
            journal: Journal::new(writer, self.last),
            holds: self.holds.clone(),
            cold: self.cold.clone(),
            in_memory: in_memory.clone(),
            orders_max: self.config.orders_in_memory_max.div_ceil(self.config.shards.into()),
            waiting: Vec::new(),
            planted: self.config.planted,
        };
        let thread = spawn(&format!("shard-{id}"), move || shard.run())?;
        Ok((Port { queue, gate, in_memory }, thread))
    }

    fn chair(
        &self,
        queue: Arc<Queue<Motion>>,
        ports: Arc<Ports>,
        gate: Arc<Gate>,
        writer: Writer,
    ) -> Result<JoinHandle, EngineError> {
        assert!(writer.record_max() >= RECORD_BYTES_MIN);
        let chair = Chair {
            queue,
            ports,
            gate,
            log: self.handle.clone(),
            clock: self.clock.clone(),
            writer,
            group: GroupWriter::new(RECORD_BYTES_MIN),
            last: self.last,
            table: VecDeque::new(),
        };
        spawn("chair", move || chair.run())
    }
}

/// A data folder that was opened and looked through; nothing of it is changed.
struct Opened {
    recovery: Recovery,
    cold: ColdStore,
    base: Base,
    kept: Vec<Kept>,
    passed_over: Vec<String>,
}

/// Opens log and snapshots, and restores the newest snapshot that can be.
fn open(config: &EngineConfig) -> Result<Opened, EngineError> {
    let storage = &config.storage;
    let snapshots = folder::folder(&config.dir);
    let Found { files, damaged } = folder::find(&**storage, &snapshots)?;
    let newest = files.first().map(|file| file.header);
    let log = LogConfig {
        proven: newest.map_or(Lsn::ZERO, |header| header.lsn),
        // Which snapshot it is, and whether the log reaches back to it, is seen below.
        replay_from: None,
        expected_log_id: newest.map(|header| header.log_id),
        ..config.log()
    };
    let recovery = Recovery::open(log)?;
    let cold = ColdStore::new(storage.clone(), &config.dir);
    let kept: Vec<Kept> =
        files.iter().map(|file| Kept { lsn: file.header.lsn, savepoint: file.header.savepoint }).collect();
    // Segments go only when no snapshot that is kept needs them.
    if let Some(file) = files.iter().find(|file| file.header.lsn < recovery.begin()) {
        return Err(EngineError::SegmentsMissing { begin: recovery.begin(), snapshot: file.path.clone() });
    }
    let mut passed_over = damaged;
    for (place, file) in files.iter().enumerate() {
        let header = file.header;
        if header.log_id != recovery.log_id() || recovery.hash_at(header.lsn) != Some(header.hash) {
            return Err(EngineError::OtherHistory { path: file.path.clone() });
        }
        match restore(file, config.shards) {
            Ok(ledgers) => {
                // Only now: to go back to an older savepoint is to forget the newer ones, and a snapshot that is passed over
                // may have none any more.
                match config.planted {
                    Some(Planted::SavepointIgnored) if header.savepoint != 0 => cold.take_as_it_is(),
                    _ => cold.restore(header.savepoint)?,
                }
                let passed_over = passed_over.iter().map(ToString::to_string).collect();
                let base = Base { ledgers, from: header.lsn };
                return Ok(Opened { recovery, cold, base, kept: kept[place..].to_vec(), passed_over });
            }
            // The one before it, and more of the log.
            Err(EngineError::Snapshot(
                error @ (SnapshotError::Damaged { .. } | SnapshotError::Image { .. }),
            )) => {
                passed_over.push(error);
            }
            Err(error) => return Err(error),
        }
    }
    if recovery.begin() > Lsn::ZERO {
        return Err(EngineError::NoSnapshot { begin: recovery.begin(), folder: snapshots, passed_over });
    }
    let passed_over = passed_over.iter().map(ToString::to_string).collect();
    Ok(Opened {
        recovery,
        cold,
        base: Base::empty(config.shards, host::secret()),
        kept: Vec::new(),
        passed_over,
    })
}

/// Starts a thread of the engine's.
pub(crate) fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle, EngineError> {
    host::spawn(name, body).map_err(EngineError::Thread)
}

/// What the log calls from its own threads.
fn hooks(
    keeper: GateKeeper,
    failed: Arc<OnceLock<String>>,
    on_failure: impl Fn(&str) + Send + Sync + 'static,
) -> Hooks {
    // Taken once a sync, by the committer; by another thread only when the log fails.
    let keeper = Arc::new(Mutex::new(keeper));
    let at_failure = keeper.clone();
    Hooks {
        on_durable: Box::new(move |durable| {
            host::lock(&keeper).open(durable);
        }),
        on_poison: Box::new(move |reason: &str| {
            let first = failed.set(reason.to_owned()).is_ok();
            host::lock(&at_failure).fail();
            if first {
                on_failure(reason);
            }
        }),
    }
}
