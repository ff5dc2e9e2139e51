//! How an engine is set up.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use suanpan_core::Date;
use suanpan_wal::{Backend, Files, LogConfig, Storage};

use crate::batch::BATCH_REQUESTS_MAX;
use crate::error::EngineError;

/// The most shards: more than the cores of any one machine this is meant for.
pub const SHARDS_MAX: u16 = 64;

/// A record holds the largest command, a channel with all the steps of its time zone, several times over.
pub(crate) const RECORD_BYTES_MIN: usize = 60 * 1024;

/// A writer's part of a segment, header included.
const RECORD_PART_MIN: u64 = 64 * 1024;
const _: () = assert!(RECORD_BYTES_MIN + 1024 <= RECORD_PART_MIN as usize);

/// How an engine is set up.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// The data folder.
    pub dir: PathBuf,
    /// Where that folder is: real files, or a simulated disk.
    pub storage: Arc<dyn Storage>,
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
    /// A snapshot is taken when the log has grown by so many bytes since the last; `None`: never for that.
    pub snapshot_log_bytes: Option<u64>,
    /// A snapshot is taken after so long, if anything happened; `None`: never for that.
    pub snapshot_every: Option<Duration>,
    /// Days after which orders that are done with leave memory for the cold store, with the next snapshot.
    pub hot_days: u16,
    /// Orders that all shards together keep in memory; at that many, new ones are `overloaded`.
    pub orders_in_memory_max: u64,
    /// When followers of other processes hold more of the log than that, in bytes, it is told with
    /// [`Engine::held_log`](crate::Engine::held_log).
    pub held_log_bytes: u64,
    /// For development: the folder remembers where the clock was stopped. Never where real money is.
    pub dev_clock: bool,
    /// A mistake that is made on purpose, so that tests can see that it would be found. Never set but by them.
    #[doc(hidden)]
    pub planted: Option<Planted>,
}

/// Mistakes that a simulation has to find, each where a guard would be missing. None is looked at for a single command.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    /// One of the log's own.
    Log(suanpan_wal::Planted),
    /// Replies leave when the log is durable up to somewhat before what they say.
    GateOpensEarly,
    /// Whoever finds its queue empty sleeps without looking once more.
    WakeUpLost,
    /// A replay passes a record over.
    RecordSkipped,
    /// A start leaves the cold store as it finds it.
    SavepointIgnored,
    /// Orders leave memory whatever became of them since the snapshot.
    DepartUnseen,
    /// Segments go up to a snapshot that nobody read back, and the one before it is left without them.
    ReleasedEarly,
    /// A snapshot gets its name before it is on the disk.
    NamedUnsynced,
}

impl EngineConfig {
    /// The defaults, for a folder: a shard a core, 64 MiB segments, a quarter of a million requests in flight.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>, first_date: Date) -> Self {
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            dir: dir.into(),
            storage: Arc::new(Files),
            shards: u16::try_from(cores).unwrap_or(SHARDS_MAX).min(SHARDS_MAX),
            first_date,
            segment_bytes: 64 << 20,
            queue_batches: 4_096,
            outstanding_requests_max: 256 * 1_024,
            reserve_bytes: 256 << 20,
            backend: LogConfig::new("").backend,
            snapshot_log_bytes: Some(1 << 30),
            snapshot_every: Some(Duration::from_secs(15 * 60)),
            hot_days: 7,
            orders_in_memory_max: u64::MAX,
            held_log_bytes: 16 << 30,
            dev_clock: false,
            planted: None,
        }
    }

    /// Whether segments of that size hold a record of every writer: each may take a quarter of its part of a segment,
    /// and there are two more writers than shards.
    pub(crate) fn check_segments(&self, segment_bytes: u64) -> Result<(), EngineError> {
        if segment_bytes / 4 / (u64::from(self.shards) + 2) >= RECORD_PART_MIN {
            return Ok(());
        }
        let given = format!("{segment_bytes} for {} shards", self.shards);
        let bounds = "at least 256 KiB for each shard and two more";
        Err(EngineError::Setting { what: "the size of a segment", bounds, given })
    }

    /// The log's part of it.
    pub(crate) fn log(&self) -> LogConfig {
        LogConfig {
            streams: self.shards,
            segment_size: self.segment_bytes,
            reserve_bytes: self.reserve_bytes,
            backend: self.backend,
            storage: self.storage.clone(),
            planted: match self.planted {
                Some(Planted::Log(planted)) => Some(planted),
                _ => None,
            },
            ..LogConfig::new(self.dir.join("log"))
        }
    }

    pub(crate) fn check(&self) -> Result<(), EngineError> {
        let refuse = |what, bounds, given: String| Err(EngineError::Setting { what, bounds, given });
        if !(1..=SHARDS_MAX).contains(&self.shards) {
            return refuse("shards", "1 to 64", self.shards.to_string());
        }
        self.check_segments(self.segment_bytes)?;
        if self.hot_days == 0 {
            return refuse("hot_days", "at least 1", "0".to_owned());
        }
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
