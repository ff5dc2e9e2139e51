//! Taking snapshots: when the log has grown, when time has passed, or when asked.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use suanpan_core::{Date, Departures, Rejection, Reply, Snapshot, Timestamp};
use suanpan_wal::host::{self, JoinHandle};
use suanpan_wal::{LogHandle, LogReader, Lsn, OpenError, Storage};

use crate::cold::{ColdError, ColdStore};
use crate::config::Planted;
use crate::engine::spawn;
use crate::error::EngineError;
use crate::follow::hold::{self, HoldError, LogHolder};
use crate::mark;
use crate::motion::{Taken, What};
use crate::proposals::Proposals;
use crate::snapshot::file::{self, Header, SnapshotError, SnapshotFile, io_error};
use crate::snapshot::folder::{self, KEPT};

/// How often it is looked whether a snapshot is due.
const EVERY: Duration = Duration::from_secs(1);

/// Orders that a shard takes out between two pieces of its work.
const DEPART_ORDERS: usize = 256;

/// Orders that are worked out for the cold store together.
pub(crate) const COLD_ORDERS: usize = 16_384;

/// How much later than shards a snapshot is written and read: shards come first.
const NICENESS: i32 = 5;

/// How much longer than it works the writing of a snapshot rests while there is anything else to do, and at most at a time.
const REST: u32 = 2;
const REST_MAX: Duration = Duration::from_millis(50);

/// After a snapshot that could not be taken, none is tried for so long, unless it is asked for.
const PAUSE: Duration = Duration::from_secs(30);

/// Why a snapshot was not taken. The books and the snapshots before are untouched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TakeError {
    /// The shards could not be brought to one point: the log takes nothing, or they end.
    #[error("no snapshot now: {0}. Try again when the server is ready")]
    Refused(&'static str),
    /// The file could not be written, or not read back.
    #[error(transparent)]
    File(#[from] SnapshotError),
    /// The cold store could not be written.
    #[error(transparent)]
    Cold(#[from] ColdError),
    /// The log could not be read at the snapshot's point.
    #[error(transparent)]
    Log(#[from] OpenError),
}

/// A snapshot that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TakenSnapshot {
    /// Where in the log it is.
    pub lsn: Lsn,
    /// Orders in it, those in the cold store too.
    pub orders: u64,
    /// Orders and blocks of entries that left for the cold store with it.
    pub departed: u64,
    /// The sum of its shards' digests.
    pub digest: u128,
    /// Bytes of its file.
    pub bytes: u64,
    /// How long it took, from the meeting on until it was checked.
    pub took: Duration,
}

/// When snapshots are taken, and what leaves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) log_bytes: Option<u64>,
    pub(crate) every: Option<Duration>,
    pub(crate) hot_days: u16,
    pub(crate) reserve_bytes: u64,
    pub(crate) held_log_bytes: u64,
    pub(crate) planted: Option<Planted>,
}

/// A snapshot that is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept {
    pub(crate) lsn: Lsn,
    pub(crate) savepoint: u64,
}

/// Takes snapshots, one at a time.
pub(crate) struct Keeper {
    pub(crate) proposals: Proposals,
    pub(crate) log: LogHandle,
    pub(crate) log_id: u128,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) data: PathBuf,
    pub(crate) cold: Arc<ColdStore>,
    pub(crate) plan: Plan,
    /// The snapshots that are kept, the newest first. Held while one is taken.
    pub(crate) kept: Mutex<Vec<Kept>>,
    /// Why the last one that was due could not be taken.
    pub(crate) failure: Mutex<Option<String>>,
    /// What was wrong with how followers held the log then.
    pub(crate) held: Mutex<Option<String>>,
}

/// The thread that takes them by itself.
pub(crate) struct Watch {
    stopping: Arc<AtomicBool>,
    thread: JoinHandle,
}

impl Keeper {
    /// Takes a snapshot now, on a thread of low priority, and waits for it.
    pub(crate) fn take(self: &Arc<Self>) -> Result<TakenSnapshot, TakeError> {
        let (keeper, place) = (self.clone(), Arc::new(Mutex::new(None)));
        let result = place.clone();
        let thread = spawn("snapshot", move || {
            yield_to_shards();
            let taken = keeper.take_here();
            *host::lock(&result) = Some(taken);
        });
        let joined = thread.is_ok_and(|thread| thread.join().is_ok());
        let result = host::lock(&place).take();
        result.filter(|_| joined).unwrap_or(Err(TakeError::Refused("its thread did not come to an end")))
    }

    fn take_here(&self) -> Result<TakenSnapshot, TakeError> {
        let mut kept = host::lock(&self.kept);
        let begun = host::now();
        // What a failed one left must be gone for good before its savepoint is.
        self.prune(&kept)?;
        let Taken { images, end, now } = self.meet()?;
        let date = images.first().map(Snapshot::date).unwrap_or_default();
        let mut images = images;
        let departures = self.departures(&images, date, now)?;
        let departed: usize = departures.iter().map(Departures::len).sum();
        let rest = if departed == 0 {
            images.iter_mut().map(Snapshot::again).collect()
        } else {
            let mut rest = self.rest();
            images
                .iter_mut()
                .zip(&departures)
                .map(|(image, gone)| image.without(gone, &mut rest))
                .collect::<Vec<_>>()
        };
        let keep: Vec<u64> = kept.iter().map(|kept| kept.savepoint).collect();
        let savepoint = self.cold.savepoint(&keep)?;
        let digests: Vec<u128> = self.write(&rest, end, now, date, savepoint)?;
        drop(rest);
        if self.plan.planted == Some(Planted::ReleasedEarly) {
            self.log.release(end);
        }
        let file = self.verify(end)?;
        *host::lock(&self.failure) = None;
        kept.insert(0, Kept { lsn: end, savepoint });
        kept.truncate(KEPT);
        self.prune(&kept)?;
        let took = host::now() - begun;
        // What the older needs, the newer has too.
        if let (true, Some(older)) = (kept.len() == KEPT, kept.last()) {
            self.log.release(older.lsn.min(self.free_up_to()));
        }
        // That it is not logged costs a comparison, no more.
        let _ = self.proposals.bring(What::Note(mark::write_digests(end, &digests)));
        self.depart(images, departures);
        let orders = file.parts.iter().map(|part| part.orders).sum();
        let digest = digests.iter().fold(0, |sum: u128, digest| sum.wrapping_add(*digest));
        let (departed, bytes) = (departed as u64, file.len_bytes());
        Ok(TakenSnapshot { lsn: end, orders, departed, digest, bytes, took })
    }

    /// Removes all snapshots but these.
    fn prune(&self, kept: &[Kept]) -> Result<(), SnapshotError> {
        let dir = folder::folder(&self.data);
        self.storage.make_dir(&dir).map_err(io_error("making folder", &dir))?;
        let positions: Vec<Lsn> = kept.iter().map(|kept| kept.lsn).collect();
        folder::prune(&*self.storage, &dir, &positions)
    }

    /// The shards' images at one point of the log, which is durable.
    fn meet(&self) -> Result<Taken, TakeError> {
        let place = Arc::new(Mutex::new(None));
        let refused = |why: Rejection| TakeError::Refused(why.code());
        let completed = self.proposals.bring(What::Snapshot(place.clone())).map_err(refused)?;
        if let Some(Reply::Rejected(why, _)) = completed.replies.first() {
            return Err(refused(*why));
        }
        let taken = host::lock(&place).take();
        taken.ok_or(TakeError::Refused("unknown"))
    }

    /// What may leave, written to the cold store; nothing where there is little room for it.
    fn departures(
        &self,
        images: &[Snapshot],
        date: Date,
        now: Timestamp,
    ) -> Result<Vec<Departures>, TakeError> {
        let days = self.plan.hot_days;
        let through = Date(date.0.saturating_sub(days.into()));
        let before = Timestamp(now.0.saturating_sub(i64::from(days) * 24 * 60 * 60 * 1_000));
        let departures: Vec<_> = images.iter().map(|image| image.departures(through, before)).collect();
        let any = departures.iter().any(|gone| !gone.is_empty());
        let free = self.storage.free_bytes(&self.data).map_err(io_error("asking for room in", &self.data))?;
        if !any || free < self.plan.reserve_bytes.saturating_mul(2) {
            return Ok(images.iter().map(|_| Departures::default()).collect());
        }
        let (write, mut rest) = (self.cold.write()?, self.rest());
        for (image, gone) in images.iter().zip(&departures) {
            for from in (0..gone.len()).step_by(COLD_ORDERS) {
                let (mut blocks, mut orders) = (Vec::new(), Vec::new());
                let range = from..gone.len().min(from + COLD_ORDERS);
                image.write_departures(gone, range, |block| blocks.push(block), |order| orders.push(order));
                write.put(&mut orders, &blocks)?;
                rest();
            }
        }
        write.commit()?;
        Ok(departures)
    }

    /// Writes the file and gives it its name.
    fn write(
        &self,
        images: &[Snapshot],
        end: Lsn,
        now: Timestamp,
        date: Date,
        savepoint: u64,
    ) -> Result<Vec<u128>, TakeError> {
        let dir = folder::folder(&self.data);
        let hash = LogReader::open_at(self.storage.clone(), &self.data.join("log"), end)?.hash();
        let header = Header {
            log_id: self.log_id,
            lsn: end,
            hash,
            taken: now,
            savepoint,
            seed: images.first().map_or(0, Snapshot::seed),
            date,
            shards: u16::try_from(images.len()).unwrap_or(u16::MAX),
        };
        let temporary = folder::path_temporary(&dir, end);
        let synced = self.plan.planted != Some(Planted::NamedUnsynced);
        let written = file::write(&*self.storage, &temporary, &header, images, synced, &mut self.rest());
        let parts = written.inspect_err(|_| {
            // Best effort: it is removed with the next snapshot.
            let _ = self.storage.remove(&temporary);
        })?;
        let path = folder::path(&dir, end);
        self.storage.rename(&temporary, &path).map_err(io_error("naming", &path))?;
        self.storage.sync_dir(&dir).map_err(io_error("syncing folder", &dir))?;
        Ok(parts.iter().map(|part| part.digest).collect())
    }

    /// Reads a snapshot back whole; one that cannot be is removed.
    fn verify(&self, end: Lsn) -> Result<SnapshotFile, TakeError> {
        let path = folder::path(&folder::folder(&self.data), end);
        let read = SnapshotFile::open(&*self.storage, &path)
            .and_then(|file| file.verify(&mut self.rest()).map(|()| file));
        Ok(read.inspect_err(|_| {
            let _ = self.storage.remove(&path);
        })?)
    }

    /// To be called between two pieces of work: while shards have requests to answer it sleeps for [`REST`] times as long as
    /// the piece took. Low priority alone is not enough: caches, memory and the disk know none.
    fn rest(&self) -> impl FnMut() {
        let ports = self.proposals.ports.clone();
        let mut since = worked();
        move || {
            let piece = worked().saturating_sub(since);
            if ports.outstanding() > 0 {
                host::park_timeout((piece * REST).min(REST_MAX));
            }
            since = worked();
        }
    }

    /// Has the shards take out what is in the cold store now, piece by piece.
    fn depart(&self, images: Vec<Snapshot>, departures: Vec<Departures>) {
        for (shard, (image, gone)) in (0..).zip(images.into_iter().zip(departures)) {
            let (image, gone) = (Arc::new(image), Arc::new(gone));
            for from in (0..gone.len()).step_by(DEPART_ORDERS) {
                let range = from..gone.len().min(from + DEPART_ORDERS);
                if !self.proposals.ports.depart(shard, image.clone(), gone.clone(), range) {
                    return;
                }
            }
        }
    }

    /// Who holds the log.
    pub(crate) fn holders(&self) -> Result<Vec<LogHolder>, HoldError> {
        hold::holders(&*self.storage, &self.data, self.log_id, self.log.durable())
    }

    /// Up to where no follower needs the log any more; and keeps what whoever looks after the server should know of them.
    /// Where that cannot be read, all of the log is kept.
    fn free_up_to(&self) -> Lsn {
        let (free, told) = match self.holders() {
            Ok(holders) => {
                let most = self.plan.held_log_bytes;
                let bad = holders.iter().filter(|holder| holder.unreadable.is_some() || holder.bytes > most);
                let told: Vec<String> = bad.map(words).collect();
                let free = holders.first().map_or(Lsn::new(u64::MAX), |holder| holder.lsn);
                (free, (!told.is_empty()).then(|| told.join("; ")))
            }
            Err(error) => (Lsn::ZERO, Some(format!("the log is kept whole: {error}"))),
        };
        *host::lock(&self.held) = told;
        free
    }

    /// Keeps why the last snapshot could not be taken, for whoever looks after the server.
    fn note_failure(&self, error: &TakeError) {
        *host::lock(&self.failure) = Some(error.to_string());
    }

    /// Whether one is due, the last having been taken or tried at `last`.
    fn is_due(&self, last: Instant) -> bool {
        let newest = {
            let kept = host::lock(&self.kept);
            kept.first().map_or(0, |kept| kept.lsn.get())
        };
        let grown = self.log.durable().get().saturating_sub(newest);
        // The digests of the last one are no reason for the next.
        let anything = grown > 64 * 1024;
        let by_size = self.plan.log_bytes.is_some_and(|bytes| grown >= bytes);
        by_size || (anything && self.plan.every.is_some_and(|every| host::now() - last >= every))
    }
}

/// What is wrong with how a follower holds the log, and what to do.
fn words(holder: &LogHolder) -> String {
    let (path, mib) = (holder.path.display(), holder.bytes >> 20);
    match &holder.unreadable {
        Some(why) => format!(
            "{path} cannot be read, so the log is kept whole ({mib} MiB): {why}. Start the follower again, or remove the file \
             if there is none any more"
        ),
        None => format!(
            "the follower {} holds {mib} MiB of the log: see that it runs, or remove {path} if there is none any more",
            holder.name
        ),
    }
}

/// How long this thread has worked: what it waited for a core is no work. A simulation has no such time.
fn worked() -> Duration {
    if host::is_simulated() {
        return Duration::ZERO;
    }
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let (s, ns) = (u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0));
    Duration::new(s, ns)
}

/// Lets the shards come first; where the system does not allow it, it is a thread like others.
fn yield_to_shards() {
    if host::is_simulated() {
        return;
    }
    let thread = rustix::thread::gettid();
    let _ = rustix::process::setpriority_process(Some(thread), NICENESS);
}

impl Watch {
    /// Starts the thread.
    pub(crate) fn start(keeper: Arc<Keeper>) -> Result<Self, EngineError> {
        let stopping = Arc::new(AtomicBool::new(false));
        let seen = stopping.clone();
        let thread = spawn("snapshots", move || {
            let mut last = host::now();
            let mut not_before = last;
            // Acquire, with the Release in `end`; the token that `unpark` leaves makes sure that it is looked at.
            while !seen.load(Ordering::Acquire) {
                if host::now() >= not_before && keeper.is_due(last) {
                    match keeper.take() {
                        Ok(_) => not_before = host::now(),
                        Err(error) => {
                            keeper.note_failure(&error);
                            not_before = host::now() + PAUSE;
                        }
                    }
                    last = host::now();
                }
                host::park_timeout(EVERY);
            }
        })?;
        Ok(Self { stopping, thread })
    }

    /// Ends the thread, when the snapshot that is being taken is. The shards must still answer.
    pub(crate) fn end(self) {
        self.stopping.store(true, Ordering::Release);
        self.thread.thread().unpark();
        let _ = self.thread.join();
    }
}
