//! The clock that stamps each group of commands. The core has none: what it needs to know of time comes in
//! with the commands and is written to the log.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::UNIX_EPOCH;

use suanpan_core::Timestamp;
use suanpan_wal::host::{self, Thread};

/// The system's clock, or one that was stopped for a test.
///
/// A clock for development keeps where it was stopped in a file, so that a server started again on the same folder goes
/// on at the moment its orders were made for, and does not find all of them expired.
#[derive(Debug)]
pub struct Clock {
    /// Where a stopped clock's moment is kept, in milliseconds.
    kept_in: Option<PathBuf>,
    /// Where it stands, or [`RUNNING`].
    stopped_ms: AtomicI64,
    /// Who looks at once when it was set.
    watcher: OnceLock<Thread>,
}

const RUNNING: i64 = i64::MIN;

/// The file's name in the data folder.
const FILE: &str = "dev-clock";

impl Default for Clock {
    fn default() -> Self {
        Self { kept_in: None, stopped_ms: AtomicI64::new(RUNNING), watcher: OnceLock::new() }
    }
}

impl Clock {
    /// A clock for development, stopped where the one before it in this folder was.
    pub(crate) fn kept_in(folder: &Path) -> Self {
        let file = folder.join(FILE);
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let stopped_ms = text.trim().parse().ok().filter(|ms| Timestamp::RANGE.contains(ms));
        let stopped_ms = AtomicI64::new(stopped_ms.unwrap_or(RUNNING));
        Self { kept_in: Some(file), stopped_ms, ..Self::default() }
    }

    /// Now, in milliseconds.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        // Relaxed: the moment is a value by itself and orders nothing.
        match self.stopped_ms.load(Ordering::Relaxed) {
            RUNNING => system_now(),
            stopped_ms => Timestamp(stopped_ms),
        }
    }

    /// Stops the clock at a moment, or sets it running again.
    pub fn stop_at(&self, moment: Option<Timestamp>) {
        self.stopped_ms.store(moment.map_or(RUNNING, |t| t.0), Ordering::Relaxed);
        if let Some(file) = &self.kept_in {
            // For development: where it cannot be kept, the next start runs with the system's clock.
            let _ = match moment {
                Some(at) => std::fs::write(file, at.0.to_string()),
                None => std::fs::remove_file(file),
            };
        }
        // Waking orders the store before whatever the watcher reads then.
        if let Some(watcher) = self.watcher.get() {
            watcher.unpark();
        }
    }

    /// Names the one thread that is unparked whenever the clock is set.
    pub(crate) fn wake_when_set(&self, watcher: Thread) {
        let first = self.watcher.set(watcher).is_ok();
        assert!(first, "a clock has one watcher");
    }
}

fn system_now() -> Timestamp {
    // A clock set before 1970 reads as 1970: money still moves, and the date is the day cut's business.
    let since = host::wall_clock().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stops_and_runs() {
        let clock = Clock::default();
        assert!(clock.now().0 > 1_600_000_000_000);
        clock.stop_at(Some(Timestamp(7)));
        assert_eq!(clock.now(), Timestamp(7));
        clock.stop_at(None);
        assert!(clock.now().0 > 1_600_000_000_000);
    }

    #[test]
    fn a_kept_clock_stands_where_the_last_one_stood() {
        let folder = tempfile::tempdir().unwrap();
        Clock::kept_in(folder.path()).stop_at(Some(Timestamp(7)));
        assert_eq!(Clock::kept_in(folder.path()).now(), Timestamp(7));
        Clock::kept_in(folder.path()).stop_at(None);
        assert!(Clock::kept_in(folder.path()).now().0 > 1_600_000_000_000);
        std::fs::write(folder.path().join(FILE), "soon").unwrap();
        assert!(Clock::kept_in(folder.path()).now().0 > 1_600_000_000_000);
    }
}
