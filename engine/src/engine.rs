//! The engine: shards, gates and log, started, fed, asked and stopped together.

use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use suanpan_core::{
    ChannelTerms, Command, Date, MerchantId, RawTotals, Rejection, Reply, SetDate, ShardTotals, Timestamp,
};
use suanpan_wal::{Backend, FolderLock, Hooks, Log, LogConfig, LogHandle, LogState, Lsn, Recovery, Writer};

use crate::batch::{BATCH_REQUESTS_MAX, Batch, Caller, Completed};
use crate::clock::Clock;
use crate::error::EngineError;
use crate::gate::{Gate, GateKeeper, Waiting};
use crate::group::GroupWriter;
use crate::meeting::{Invitation, Meeting};
use crate::queue::{Pushed, Queue};
use crate::replay::{Replayed, replay};
use crate::shard::{Journal, Shard, Work, answer_what_is_left};

/// The most shards: more than the cores of any one machine this is meant for.
pub const SHARDS_MAX: u16 = 64;

/// A record holds the largest command, a channel with all the steps of its time zone, several times over.
const RECORD_BYTES_MIN: usize = 60 * 1024;

/// A writer's part of a segment, header included.
const RECORD_PART_MIN: u64 = 64 * 1024;
const _: () = assert!(RECORD_BYTES_MIN + 1024 <= RECORD_PART_MIN as usize);

/// How an engine is set up.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// The data folder; made if it is not there.
    pub dir: PathBuf,
    /// Shards, each a thread: 1..=[`SHARDS_MAX`]. May change from start to start.
    pub shards: u16,
    /// Where the books of an empty data folder begin.
    pub first_date: Date,
    /// Bytes of one log segment in a new folder: a power of two, 64 KiB to 1 GiB. A folder keeps the size it was made
    /// with.
    pub segment_bytes: u64,
    /// Batches that may wait in one shard's queue.
    pub queue_batches: usize,
    /// Requests that one shard may owe an answer to; more are `overloaded`.
    pub outstanding_requests_max: usize,
    /// Free disk space below which the log takes nothing more, in bytes.
    pub reserve_bytes: u64,
    /// How records get to the log's files; may change from start to start.
    pub backend: Backend,
}

impl EngineConfig {
    /// The defaults, for a folder: a shard a core, 64 MiB segments, a quarter of a million requests in flight.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>, first_date: Date) -> Self {
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            dir: dir.into(),
            shards: u16::try_from(cores).unwrap_or(SHARDS_MAX).min(SHARDS_MAX),
            first_date,
            segment_bytes: 64 << 20,
            queue_batches: 4_096,
            outstanding_requests_max: 256 * 1_024,
            reserve_bytes: 256 << 20,
            backend: LogConfig::new("").backend,
        }
    }

    /// Whether segments of that size hold a record of every writer: each may take a quarter of its part of a segment,
    /// and there are two more writers than shards.
    fn check_segments(&self, segment_bytes: u64) -> Result<(), EngineError> {
        if segment_bytes / 4 / (u64::from(self.shards) + 2) >= RECORD_PART_MIN {
            return Ok(());
        }
        let given = format!("{segment_bytes} for {} shards", self.shards);
        let bounds = "at least 256 KiB for each shard and two more";
        Err(EngineError::Setting { what: "the size of a segment", bounds, given })
    }

    fn check(&self) -> Result<(), EngineError> {
        let refuse = |what, bounds, given: String| Err(EngineError::Setting { what, bounds, given });
        if !(1..=SHARDS_MAX).contains(&self.shards) {
            return refuse("shards", "1 to 64", self.shards.to_string());
        }
        self.check_segments(self.segment_bytes)?;
        if self.queue_batches == 0 {
            return refuse("queue_batches", "at least 1", self.queue_batches.to_string());
        }
        if self.outstanding_requests_max < BATCH_REQUESTS_MAX {
            let given = self.outstanding_requests_max.to_string();
            return refuse("outstanding_requests_max", "at least one full batch, 8190", given);
        }
        Ok(())
    }
}

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
#[derive(Debug, Clone, Copy)]
pub struct Recovered {
    /// Commands replayed.
    pub commands: u64,
    /// How long reading, checking and replaying took.
    pub took: Duration,
    /// Bytes of an unanswered, torn tail that were cut off.
    pub cut_bytes: u64,
    /// Whether the log was stopped in order.
    pub clean: bool,
}

/// A batch that did not get in; nothing was changed by it.
pub struct Refused {
    /// `Overloaded` or `Unknown`.
    pub why: Rejection,
    /// The batch, given back.
    pub batch: Batch,
}

/// The running core: see the crate's page.
pub struct Engine {
    ports: Vec<Port>,
    control: Mutex<Control>,
    clock: Arc<Clock>,
    handle: LogHandle,
    failed: Arc<OnceLock<String>>,
    /// What ends with the engine; taken by whoever stops it first.
    running: Mutex<Option<Running>>,
    outstanding_requests_max: usize,
    recovered: Recovered,
    _lock: FolderLock,
}

/// The threads of a running engine.
struct Running {
    shards: Vec<JoinHandle<()>>,
    log: Log,
}

/// The way into one shard.
struct Port {
    queue: Arc<Queue<Work>>,
    gate: Arc<Gate>,
}

/// What only one meeting at a time may touch.
struct Control {
    writer: Writer,
    gate: Arc<Gate>,
    group: GroupWriter,
    last: Lsn,
}

/// How long a meeting tries to get into a full queue.
const INVITE_FOR: Duration = Duration::from_secs(5);

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
        let begun = Instant::now();
        let lock = FolderLock::acquire(&config.dir)?;
        let recovery = Recovery::open(LogConfig {
            streams: config.shards,
            segment_size: config.segment_bytes,
            reserve_bytes: config.reserve_bytes,
            backend: config.backend,
            ..LogConfig::new(config.dir.join("log"))
        })?;
        // The size that the folder was made with, if it was.
        config.check_segments(recovery.segment_size())?;
        let Replayed { ledgers, commands } = replay(&recovery, config.shards, seed())?;
        let report = recovery.report();
        let recovered = Recovered {
            commands,
            took: begun.elapsed(),
            cut_bytes: report.cut.map_or(0, |cut| cut.bytes),
            clean: report.clean_stop,
        };
        let gates: Vec<Arc<Gate>> = (0..=config.shards).map(|_| Arc::new(Gate::new())).collect();
        let failed = Arc::new(OnceLock::new());
        let (log, mut writers) = recovery.start(hooks(&gates, failed.clone(), on_failure))?;
        let handle = log.handle();
        let last = log.durable();
        // The last of the writers is the one for all shards; so is the last gate.
        let (Some(writer), Some(gate)) = (writers.pop(), gates.last().cloned()) else {
            unreachable!("the log gives one writer more than it has streams");
        };
        assert_eq!(writers.len(), ledgers.len());
        let control = Mutex::new(Control { writer, gate, group: GroupWriter::new(1 << 16), last });
        let mut engine = Self {
            ports: Vec::new(),
            control,
            clock: Arc::new(Clock::default()),
            handle,
            failed,
            running: Mutex::new(None),
            outstanding_requests_max: config.outstanding_requests_max,
            recovered,
            _lock: lock,
        };
        let mut running = Running { shards: Vec::new(), log };
        for ((ledger, writer), gate) in ledgers.into_iter().zip(writers).zip(gates) {
            let journal = Journal::new(writer, last);
            running.shards.push(engine.start_shard(ledger, journal, gate, config.queue_batches)?);
        }
        engine.running = Mutex::new(Some(running));
        if commands == 0 {
            let begun = engine.set_date(SetDate { date: config.first_date, cut: false });
            if let Reply::Rejected(rejection, _) = begun {
                return Err(EngineError::Begin(rejection.code()));
            }
        }
        Ok(engine)
    }

    fn start_shard(
        &mut self,
        ledger: suanpan_core::Ledger,
        journal: Journal,
        gate: Arc<Gate>,
        queue_batches: usize,
    ) -> Result<JoinHandle<()>, EngineError> {
        let id = u16::try_from(self.ports.len()).unwrap_or(SHARDS_MAX);
        let queue = Arc::new(Queue::new(queue_batches));
        let shard = Shard {
            id,
            ledger,
            queue: queue.clone(),
            gate: gate.clone(),
            log: self.handle.clone(),
            clock: self.clock.clone(),
            journal,
            waiting: Vec::new(),
        };
        let thread = thread::Builder::new()
            .name(format!("shard-{id}"))
            .spawn(move || shard.run())
            .map_err(EngineError::Thread)?;
        self.ports.push(Port { queue, gate });
        Ok(thread)
    }

    /// How many shards there are.
    #[must_use]
    pub fn shards(&self) -> u16 {
        u16::try_from(self.ports.len()).unwrap_or(SHARDS_MAX)
    }

    /// The shard in which a merchant lives.
    #[must_use]
    pub fn shard_of(&self, merchant: MerchantId) -> u16 {
        merchant.shard(self.shards())
    }

    /// Hands a batch to a shard; its caller gets the replies when they are durable.
    ///
    /// # Errors
    /// When the shard owes too many answers already, or the engine ends. Never waits.
    ///
    /// # Panics
    /// When there is no such shard, or the batch is empty or too large.
    pub fn submit(&self, shard: u16, batch: Batch) -> Result<(), Refused> {
        let requests = batch.requests.len();
        assert!((1..=BATCH_REQUESTS_MAX).contains(&requests), "a batch of {requests} requests");
        let port = &self.ports[usize::from(shard)];
        if !port.gate.enter(requests, self.outstanding_requests_max) {
            return Err(Refused { why: Rejection::Overloaded, batch });
        }
        match port.queue.push(Work::Batch(batch)) {
            Ok(Pushed::InTime) => Ok(()),
            Ok(Pushed::Late) => {
                answer_what_is_left(&port.queue, &port.gate, shard);
                Ok(())
            }
            Err(Work::Batch(batch)) => {
                port.gate.leave(requests);
                let why =
                    if self.failed.get().is_some() { Rejection::Unknown } else { Rejection::Overloaded };
                Err(Refused { why, batch })
            }
            Err(Work::Meet(_)) => unreachable!("a batch was pushed"),
        }
    }

    /// Makes or changes a channel on every shard, at one point of the log. Blocks until it is durable.
    #[must_use]
    pub fn put_channel(&self, terms: Box<ChannelTerms>) -> Reply {
        self.command_all(Command::PutChannel(terms), |_| true)
    }

    /// Begins the books at a date, or cuts the day, on every shard at one point of the log. Blocks until it is
    /// durable.
    #[must_use = "the date may have been refused"]
    pub fn set_date(&self, set: SetDate) -> Reply {
        self.command_all(Command::SetDate(set), |totals| set.cut || !totals.iter().any(|t| t.orders > 0))
    }

    /// The totals of all shards at one point of the log, and that point. Blocks until it is durable; `None`
    /// when a shard does not answer.
    #[must_use]
    pub fn totals(&self) -> Option<(Vec<ShardTotals>, Lsn)> {
        let control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        let meeting = self.meet()?;
        let until = meeting.last().unwrap_or_default().max(control.last);
        // The shards go on before the sync is waited for.
        let totals = meeting.dissolve().into_iter().map(|arrival| arrival.totals.named()).collect();
        self.wait_durable(&control.gate, until).then_some((totals, until))
    }

    /// The clock that stamps what is decided.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// What was found at the start.
    #[must_use]
    pub fn recovered(&self) -> Recovered {
        self.recovered
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

    /// Requests that were taken and are not answered, over all shards.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.ports.iter().map(|port| port.gate.outstanding()).sum()
    }

    /// Whether it takes commands.
    #[must_use]
    pub fn health(&self) -> Health {
        if let Some(reason) = self.failed.get() {
            return Health::Failed(reason.clone());
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
        let Some(running) = self.running.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return Ok(());
        };
        for port in &self.ports {
            port.queue.close();
        }
        for shard in running.shards {
            // A shard that panicked has poisoned the log, and says so below.
            let _ = shard.join();
        }
        running.log.stop().map_err(|error| error.to_string())?;
        self.failed.get().map_or(Ok(()), |reason| Err(reason.clone()))
    }

    fn meet(&self) -> Option<Meeting> {
        let until = Instant::now() + INVITE_FOR;
        Meeting::call(self.shards(), |shard, invitation| self.invite(shard, invitation, until))
    }

    fn invite(&self, shard: u16, invitation: Invitation, until: Instant) -> bool {
        let port = &self.ports[usize::from(shard)];
        let mut work = Work::Meet(invitation);
        loop {
            match port.queue.push(work) {
                Ok(Pushed::InTime) => return true,
                Ok(Pushed::Late) => {
                    answer_what_is_left(&port.queue, &port.gate, shard);
                    return false;
                }
                Err(back) => work = back,
            }
            if port.queue.is_closed() || self.failed.get().is_some() || Instant::now() > until {
                return false;
            }
            thread::yield_now();
        }
    }

    /// Carries out a command on all shards, if what they know allows it.
    fn command_all(&self, command: Command, allowed: impl FnOnce(&[RawTotals]) -> bool) -> Reply {
        let refused = |rejection| Reply::Rejected(rejection, None);
        if let Err(field) = command.check() {
            return Reply::Rejected(Rejection::InvalidRequest, Some(field));
        }
        let mut control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(meeting) = self.meet() else {
            return refused(Rejection::Overloaded);
        };
        let totals: Vec<RawTotals> = meeting.arrivals.iter().map(|a| a.totals.clone()).collect();
        let Some(date) = totals.first().map(|t| t.accounting_date) else {
            return refused(Rejection::Unknown);
        };
        let later = match &command {
            Command::SetDate(set) if set.cut => set.date > date,
            _ => true,
        };
        if !later || !allowed(&totals) {
            return refused(Rejection::DateNotLater);
        }
        let permit = match control.writer.admit() {
            Ok(permit) => permit,
            Err(suanpan_wal::AdmitError::ReadOnly) => return refused(Rejection::ReadOnly),
            Err(_) => return refused(Rejection::Unknown),
        };
        let now = self.clock.now();
        let Control { writer, gate, group, last } = &mut *control;
        group.push(&command);
        let end = writer.append(permit, group.seal(now, date));
        group.clear();
        *last = end;
        let replies = meeting.decide(command, now, end);
        if replies.len() == self.ports.len() && self.wait_durable(gate, end) {
            merge(replies)
        } else {
            refused(Rejection::Unknown)
        }
    }

    /// Waits behind the control's own gate until the log is durable up to `until`; false when it failed.
    fn wait_durable(&self, gate: &Gate, until: Lsn) -> bool {
        let (done_in, done_out) = sync_channel(1);
        let completed =
            Completed { token: 0, shard: self.shards(), requests: vec![], replies: vec![], as_of: until };
        let waiting = Waiting { until, batches: vec![(Arc::new(Signal(done_in)), completed)] };
        if gate.push(waiting).is_err() {
            return false;
        }
        self.handle.wake();
        // A log that has ended opens no gate any more; what it had made durable by then holds.
        if matches!(self.handle.state(), LogState::Poisoned | LogState::Stopped) {
            gate.fail();
        }
        done_out.recv().is_ok() && self.handle.durable() >= until
    }
}

/// Wakes the one that waits for a meeting's record.
struct Signal(SyncSender<()>);

impl Caller for Signal {
    fn complete(&self, _: Completed) {
        // Nobody waits any more only if the whole engine is gone.
        let _ = self.0.send(());
    }
}

/// One reply out of those of all shards. They are alike but for what each shard counts by itself.
fn merge(replies: Vec<Reply>) -> Reply {
    use suanpan_core::Receipt;
    replies
        .into_iter()
        .reduce(|all, one| match (all, one) {
            (
                Reply::Done(Receipt::Date { closed, resubmitted: a }),
                Reply::Done(Receipt::Date { closed: same, resubmitted: b }),
            ) if closed == same => Reply::Done(Receipt::Date { closed, resubmitted: a + b }),
            (all, one) => {
                assert_eq!(all, one, "shards that part on a command for all of them");
                all
            }
        })
        .unwrap_or(Reply::Rejected(Rejection::Unknown, None))
}

impl Drop for Engine {
    /// Ends the threads; what was not answered is as after a crash.
    fn drop(&mut self) {
        for port in &self.ports {
            port.queue.close();
        }
        if let Some(running) = self.running.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            for shard in running.shards {
                let _ = shard.join();
            }
        }
    }
}

/// What the log calls from its own threads.
fn hooks(
    gates: &[Arc<Gate>],
    failed: Arc<OnceLock<String>>,
    on_failure: impl Fn(&str) + Send + Sync + 'static,
) -> Hooks {
    // Taken once a sync, by the committer; by another thread only when the log fails.
    let keeper = Arc::new(Mutex::new(GateKeeper::new(gates.to_vec())));
    let at_failure = keeper.clone();
    Hooks {
        on_durable: Box::new(move |durable| {
            keeper.lock().unwrap_or_else(PoisonError::into_inner).open(durable);
        }),
        on_poison: Box::new(move |reason: &str| {
            let first = failed.set(reason.to_owned()).is_ok();
            at_failure.lock().unwrap_or_else(PoisonError::into_inner).fail();
            if first {
                on_failure(reason);
            }
        }),
    }
}

/// The key of this process's hash tables, so that callers cannot choose numbers that collide.
fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(Timestamp::default())
}
