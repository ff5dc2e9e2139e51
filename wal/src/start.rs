//! Starting a verified log: the torn tail is cut, an epoch begun, the threads set off.
//!
//! A crash at any point here leaves a log that recovery judges as before: unused segments go first, and nothing
//! proved what they held; then the tail is zeroed from its first bad byte, which keeps that byte bad however
//! much of the zeroing survives; then the start record is written, and only when it is durable do others follow.

use crate::committer::Committer;
use crate::config::{Hooks, Planted};
use crate::host::{self, JoinHandle};
use crate::log::Log;
use crate::preparer::{PrepareError, Preparer};
use crate::record::{Kind, STREAM_ALL, STREAM_LOG, crc_seed, start_payload};
use crate::segment::{self, Prepared, Segment};
use crate::shared::{Run, Shared};
use crate::steps::LogSteps;
use crate::storage::Access;
use crate::writer::{Appender, Writer};
use crate::{Recovery, StartError};
use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
    time::Duration,
};

const ZEROS_CHUNK: usize = 1 << 20;

impl Recovery {
    /// Starts the log after replay. Returns it with its writers: one per stream, in order, and as the last one
    /// the broadcaster's, for [`STREAM_ALL`].
    ///
    /// Waits until enough segments are ready: some tenths of a second with segments of the default size.
    ///
    /// # Errors
    /// [`StartError::NoSpace`] says how much is needed. After any error the log can be opened and started again.
    pub fn start(self, hooks: Hooks) -> Result<(Log, Vec<Writer>), StartError> {
        let dir = self.config.dir.clone();
        let (ready, writers) = self.make_ready(hooks)?;
        Ok((set_off(&dir, ready)?, writers))
    }

    /// Starts the log without threads: the caller makes its steps, one after the other, so that the same calls give
    /// the same log, call by call. For simulations.
    ///
    /// # Errors
    /// As for [`Recovery::start`].
    pub fn start_stepped(self, hooks: Hooks) -> Result<(LogSteps, Vec<Writer>), StartError> {
        let (ready, writers) = self.make_ready(hooks)?;
        Ok((LogSteps::new(ready), writers))
    }

    /// Makes the log ready: cut, prepared, its new epoch begun.
    fn make_ready(mut self, hooks: Hooks) -> Result<(Ready, Vec<Writer>), StartError> {
        self.maps.clear();
        let dir = self.config.dir.clone();
        self.config.storage.make_dir(&dir).map_err(io_error("making folder", &dir))?;
        self.remove_unused()?;
        if self.end_active {
            self.zero_tail()?;
        }
        let Hooks { on_durable, on_poison } = hooks;
        let run = Run {
            geometry: self.geometry,
            log_id: self.log_id,
            seed: crc_seed(self.log_id),
            epoch: self.epoch + 1,
            streams: self.config.streams,
            backend: self.config.backend,
            planted: self.config.planted,
        };
        let shared = Arc::new(Shared::new(run, self.end, self.config.reserve_bytes, on_poison));
        if self.end_active {
            shared.add(self.open_last()?);
        }
        let ready_segments = u64::from(self.config.ready_segments);
        let mut preparer = Preparer {
            shared: Arc::clone(&shared),
            storage: Arc::clone(&self.config.storage),
            dir: dir.clone(),
            ready_segments,
            first: self.first,
            spares: Vec::new(),
        };
        while preparer.is_wanting() {
            preparer.prepare_next().map_err(|error| start_error(&dir, &preparer, error))?;
        }
        self.begin_epoch(&shared, preparer, on_durable)
    }

    /// Writes the start record and makes it durable.
    fn begin_epoch(
        &self,
        shared: &Arc<Shared>,
        preparer: Preparer,
        on_durable: Box<dyn FnMut(crate::Lsn) + Send>,
    ) -> Result<(Ready, Vec<Writer>), StartError> {
        let dir = &self.config.dir;
        let current = shared.segment(self.geometry.segment(self.end)).expect("the last segment is ready");
        let mut start = Appender::new(Arc::clone(shared), STREAM_LOG, self.hash, Arc::clone(&current));
        start.append(Kind::Start, &start_payload(self.epoch, self.hash));
        let mut committer =
            Committer::new(Arc::clone(shared), self.end, self.end_active, self.hash, self.epoch);
        let committed = committer.commit();
        committed.map_err(|error| io_error("syncing", dir)(io::Error::other(error.to_string())))?;
        let base = committer.hash();
        assert_eq!(base, start.chain(), "the start record carries the whole log's chain");

        committer.on_durable = on_durable;
        committer.mark_idle = Duration::from_millis(self.config.mark_idle_ms);
        let streams = (0..self.config.streams).chain([STREAM_ALL]);
        let appender = |stream| Appender::of_stream(Arc::clone(shared), stream, base, Arc::clone(&current));
        let writers = streams.map(|stream| Writer::new(appender(stream))).collect();
        let marks = appender(STREAM_LOG);
        Ok((Ready { shared: Arc::clone(shared), committer, marks, preparer }, writers))
    }

    /// Removes what was being prepared, and the segments after the last one in use, from the highest on.
    fn remove_unused(&self) -> Result<(), StartError> {
        let dir = &self.config.dir;
        let keep_to = self.geometry.segment(self.end);
        let mut unused = Vec::new();
        let storage = &self.config.storage;
        for path in storage.list(dir).map_err(io_error("reading folder", dir))? {
            let number = segment::number_in(&path);
            let beyond = number.is_some_and(|n| n > keep_to || (n == keep_to && !self.end_active));
            if beyond || segment::is_temporary(&path) {
                unused.push(path);
            }
        }
        unused.sort();
        for path in unused.iter().rev() {
            storage.remove(path).map_err(io_error("removing", path))?;
        }
        storage.sync_dir(dir).map_err(io_error("syncing folder", dir))
    }

    /// Zeroes the last segment from the end of the log on, so that no bytes of this epoch are left to be taken
    /// for a later one's, and makes that durable.
    fn zero_tail(&self) -> Result<(), StartError> {
        let left = matches!(self.config.planted, Some(Planted::TailNotZeroed | Planted::EpochIgnored));
        if self.report.cut.is_none() || left {
            return Ok(());
        }
        let path = segment::path(&self.config.dir, self.geometry.segment(self.end));
        let file = self.config.storage.open(&path, Access::Write).map_err(io_error("opening", &path))?;
        let zeros = vec![0; ZEROS_CHUNK];
        let mut offset = self.geometry.offset(self.end);
        while offset < self.geometry.segment_size() {
            let len = (self.geometry.segment_size() - offset).min(zeros.len() as u64);
            file.write_all_at(&zeros[..len as usize], offset).map_err(io_error("writing", &path))?;
            offset += len;
        }
        file.sync_all().map_err(io_error("syncing", &path))
    }

    fn open_last(&self) -> Result<Segment, StartError> {
        let number = self.geometry.segment(self.end);
        let path = segment::path(&self.config.dir, number);
        let file = self.config.storage.open(&path, Access::Write).map_err(io_error("opening", &path))?;
        let prepared = Prepared { log_id: self.log_id, number, segment_size: self.geometry.segment_size() };
        Segment::new(path.clone(), file, prepared, self.config.backend).map_err(io_error("mapping", &path))
    }
}

/// A log whose epoch has begun, before anything moves it.
pub(crate) struct Ready {
    pub(crate) shared: Arc<Shared>,
    pub(crate) committer: Committer,
    pub(crate) marks: Appender,
    pub(crate) preparer: Preparer,
}

/// Sets the threads off.
fn set_off(dir: &Path, ready: Ready) -> Result<Log, StartError> {
    let Ready { shared, committer, marks, preparer } = ready;
    let committing = spawn(
        &shared,
        "wal-committer",
        |shared| shared.committer.register(),
        move || committer.run(marks).map_err(|error| error.to_string()),
    );
    let preparing = spawn(
        &shared,
        "wal-preparer",
        |shared| shared.preparer.register(),
        move || preparer.run().map_err(|error| error.reason()),
    );
    // A thread that did not start leaves the other to the log's drop.
    let (committing, preparing) = match (committing, preparing) {
        (Ok(committing), Ok(preparing)) => (committing, preparing),
        (Ok(only), Err(error)) | (Err(error), Ok(only)) => {
            drop(Log::new(shared, vec![only]));
            return Err(io_error("starting a thread for", dir)(error));
        }
        (Err(error), Err(_)) => return Err(io_error("starting a thread for", dir)(error)),
    };
    Ok(Log::new(shared, vec![committing, preparing]))
}

/// Runs one of the log's threads; its failure, or its panic, poisons the log.
fn spawn(
    shared: &Arc<Shared>,
    name: &str,
    register: impl FnOnce(&Shared) + Send + 'static,
    body: impl FnOnce() -> Result<(), String> + Send + 'static,
) -> io::Result<JoinHandle> {
    let shared = Arc::clone(shared);
    let name_of_panic = name.to_owned();
    host::spawn(name, move || {
        register(&shared);
        // Unwind safety: what a panic leaves half done is not used again, the log is poisoned.
        match catch_unwind(AssertUnwindSafe(body)) {
            Ok(Ok(())) => {}
            Ok(Err(reason)) => shared.poison(&reason),
            Err(_) => shared.poison(&format!("thread {name_of_panic} panicked; restart to recover")),
        }
    })
}

fn start_error(dir: &Path, preparer: &Preparer, error: PrepareError) -> StartError {
    match error {
        PrepareError::NoSpace { needed_bytes, free_bytes } => {
            // This segment, those still to come, and the reserve.
            let segment_size = preparer.shared.run.geometry.segment_size();
            let current = preparer.shared.run.geometry.segment(preparer.shared.tail.get());
            let to_come = current + preparer.ready_segments - preparer.shared.ready_end();
            let needed_bytes = needed_bytes.saturating_add(to_come * segment_size);
            StartError::NoSpace { dir: dir.to_owned(), needed_bytes, free_bytes }
        }
        PrepareError::Io { doing, path, source } => StartError::Io { doing, path, source },
        PrepareError::Stopped => io_error("preparing", dir)(io::Error::other("stopped")),
    }
}

fn io_error<'a>(doing: &'static str, path: &'a Path) -> impl Fn(io::Error) -> StartError + 'a {
    move |source| StartError::Io { doing, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Backend;
    use crate::geometry::{Geometry, SEGMENT_SIZE_MIN};
    use crate::{AdmitError, Call, Failure, Lsn, SimDisk, Storage};
    use std::sync::Mutex;
    use std::sync::atomic::Ordering;

    /// A segment whose file cannot be synced.
    fn unsyncable(number: u64) -> Segment {
        let disk = SimDisk::new(number);
        let file = disk.open("/broken".as_ref(), Access::Create).unwrap();
        file.set_len(SEGMENT_SIZE_MIN).unwrap();
        disk.fail(Call::Sync, 1, Failure::Io);
        let prepared = Prepared { log_id: 1, number, segment_size: SEGMENT_SIZE_MIN };
        Segment::new("broken".into(), file, prepared, Backend::Map).unwrap()
    }

    #[test]
    fn the_first_failed_sync_poisons_and_nothing_becomes_durable() {
        let geometry = Geometry::new(SEGMENT_SIZE_MIN);
        let first = geometry.first(0);
        let told = Arc::new(Mutex::new(Vec::new()));
        let on_poison = {
            let told = Arc::clone(&told);
            Box::new(move |reason: &str| told.lock().unwrap().push(reason.to_owned()))
        };
        let run =
            Run { geometry, log_id: 1, seed: 0, epoch: 1, streams: 1, backend: Backend::Map, planted: None };
        let shared = Arc::new(Shared::new(run, first, 0, on_poison));
        shared.add(unsyncable(0));
        shared.add(unsyncable(1));
        let current = shared.segment(0).unwrap();
        let appender = |stream| Appender::of_stream(Arc::clone(&shared), stream, 0, Arc::clone(&current));
        let mut writer = Writer::new(appender(0));
        let permit = writer.admit().unwrap();
        let end = writer.append(permit, b"lost");
        let kept = writer.admit().unwrap();

        let mut committer = Committer::new(Arc::clone(&shared), first, false, 0, 0);
        committer.on_durable = Box::new(|lsn| panic!("{lsn} is not durable"));
        let marks = appender(STREAM_LOG);
        let thread = spawn(
            &shared,
            "wal-committer",
            |shared| shared.committer.register(),
            move || committer.run(marks).map_err(|error| error.to_string()),
        );
        thread.unwrap().join().unwrap();
        assert_eq!(writer.admit().unwrap_err(), AdmitError::Poisoned);
        // What was admitted before still finds its place, and is never said to be durable.
        assert!(writer.append(kept, b"in doubt") > end);
        assert_eq!(shared.durable.load(Ordering::Acquire), first);
        let told = told.lock().unwrap();
        assert!(told.len() == 1 && told[0].starts_with("syncing broken failed"), "{told:?}");
        assert!(Lsn::new(first) < end);
    }
}
