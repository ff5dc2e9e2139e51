//! The log alone: records as the line writes them, made durable, with nobody deciding anything.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Thread};
use std::time::Instant;

use suanpan_core::{Command, encode};
use suanpan_wal::{AdmitError, Hooks, Log, LogConfig, LogHandle, Lsn, Permit, Recovery, Writer};

use crate::BenchError;
use crate::traffic::{Spread, payment};

/// Records of one writer that may wait for a sync.
const UNSYNCED_RECORDS_MAX: usize = 4;

/// A running log, and a way to wait for it without burning a core.
pub struct RunningLog {
    /// The log.
    pub log: Log,
    /// One writer for each stream.
    pub writers: Vec<Writer>,
    waiters: Arc<Mutex<Vec<Thread>>>,
    syncs: Arc<AtomicU64>,
}

/// What wrote records found.
#[derive(Debug, Clone, Copy)]
pub struct Appended {
    /// Bytes of log made durable a second, headers of records included.
    pub bytes_per_s: f64,
    /// Records made durable a second.
    pub records_per_s: f64,
    /// Bytes that one sync made durable, on average.
    pub group_bytes: f64,
    /// How often a writer found no segment ready and had to try again.
    pub waits: u64,
}

/// Waits for one thread until records are durable.
pub struct Waiter {
    handle: LogHandle,
}

impl RunningLog {
    /// A fresh log for so many streams in an empty folder.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub fn start(dir: &Path, streams: u16) -> Result<Self, BenchError> {
        let waiters = Arc::new(Mutex::new(Vec::<Thread>::new()));
        let syncs = Arc::new(AtomicU64::new(0));
        let on_durable = {
            let (waiters, syncs, mut last) = (waiters.clone(), syncs.clone(), Lsn::ZERO);
            move |durable: Lsn| {
                if durable > last {
                    last = durable;
                    // Relaxed: a count by itself.
                    syncs.fetch_add(1, Ordering::Relaxed);
                }
                for waiter in waiters.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                    waiter.unpark();
                }
            }
        };
        let hooks = Hooks { on_durable: Box::new(on_durable), ..Hooks::none() };
        let config = LogConfig { streams, ..LogConfig::new(dir) };
        let (log, mut writers) = Recovery::open(config)?.start(hooks)?;
        // The last one is for all streams together.
        writers.truncate(usize::from(streams));
        Ok(Self { log, writers, waiters, syncs })
    }

    /// Lets the calling thread wait.
    #[must_use]
    pub fn waiter(&self) -> Waiter {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner).push(thread::current());
        Waiter { handle: self.log.handle() }
    }
}

impl Waiter {
    /// Sleeps until everything before `until` is durable.
    ///
    /// # Errors
    /// When the log failed.
    pub fn wait(&self, until: Lsn) -> Result<(), BenchError> {
        while self.handle.durable() < until {
            if let Some(reason) = self.handle.poisoned() {
                return Err(BenchError::Log(reason));
            }
            thread::park();
        }
        Ok(())
    }
}

/// Waits until the log has room, and says whether it had to.
///
/// # Errors
/// When the log failed.
pub fn admit(writer: &mut Writer) -> Result<(Permit, bool), BenchError> {
    let mut waited = false;
    loop {
        match writer.admit() {
            Ok(permit) => return Ok((permit, waited)),
            Err(AdmitError::ReadOnly) => waited = true,
            Err(error) => return Err(BenchError::Log(error.to_string())),
        }
        thread::yield_now();
    }
}

/// The bytes of so many payments, encoded one behind the other as in a record of the line's.
#[must_use]
pub fn payload(payments: usize) -> Vec<u8> {
    let mut bytes = vec![0; 16];
    for place in 0..payments as u64 {
        encode(&Command::Payment(payment(Spread::Uniform, place)), &mut bytes);
    }
    bytes
}

/// Writes `records` of `payload` on two streams of a fresh log in `dir`, until they are durable.
///
/// # Errors
/// When the log fails.
pub fn append_all(dir: &Path, payload: &[u8], records: usize) -> Result<Appended, BenchError> {
    let mut running = RunningLog::start(dir, 2)?;
    let writers = std::mem::take(&mut running.writers);
    let records_each = records.div_ceil(writers.len());
    let records = records_each * writers.len();
    let (first, syncs_before) = (running.log.durable(), running.syncs.load(Ordering::Relaxed));
    let begun = Instant::now();
    let waits: Result<Vec<u64>, BenchError> = thread::scope(|scope| {
        let running = &running;
        let threads: Vec<_> = writers
            .into_iter()
            .map(|writer| scope.spawn(move || append_some(running, writer, payload, records_each)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    let seconds = begun.elapsed().as_secs_f64();
    let bytes = (running.log.durable().get() - first.get()) as f64;
    let syncs = (running.syncs.load(Ordering::Relaxed) - syncs_before).max(1);
    running.log.stop()?;
    Ok(Appended {
        bytes_per_s: bytes / seconds,
        records_per_s: records as f64 / seconds,
        group_bytes: bytes / syncs as f64,
        waits: waits?.iter().sum(),
    })
}

fn append_some(
    running: &RunningLog,
    mut writer: Writer,
    payload: &[u8],
    records: usize,
) -> Result<u64, BenchError> {
    let waiter = running.waiter();
    let mut ends = [Lsn::ZERO; UNSYNCED_RECORDS_MAX];
    let mut waits = 0;
    for record in 0..records {
        let place = record % UNSYNCED_RECORDS_MAX;
        waiter.wait(ends[place])?;
        let (permit, waited) = admit(&mut writer)?;
        waits += u64::from(waited);
        ends[place] = writer.append(permit, payload);
    }
    ends.iter().try_for_each(|&end| waiter.wait(end))?;
    Ok(waits)
}
