//! What the log's tests share: small logs, and images of their files as a crash would leave them.
#![allow(unreachable_pub, dead_code, reason = "each test file takes what it needs of this module")]

use std::path::{Path, PathBuf};
use suanpan_wal::{AdmitError, Hooks, Log, LogConfig, LogHandle, Lsn, Recovery, Writer};
use tempfile::TempDir;

pub const SEGMENT_SIZE: u64 = 64 << 10;

/// A folder in memory, where there is one: these tests open thousands of logs, and each opening syncs.
pub fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

pub fn config(dir: &Path, streams: u16) -> LogConfig {
    LogConfig {
        segment_size: SEGMENT_SIZE,
        ready_segments: 1,
        streams,
        backend: crate::BACKEND,
        ..LogConfig::new(dir)
    }
}

pub fn start(config: &LogConfig) -> (Log, Vec<Writer>) {
    Recovery::open(config.clone()).unwrap().start(Hooks::none()).unwrap()
}

/// Appends, waiting for room if there is none yet.
pub fn append(writer: &mut Writer, payload: &[u8]) -> Lsn {
    loop {
        match writer.admit() {
            Ok(permit) => return writer.append(permit, payload),
            Err(AdmitError::ReadOnly) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
}

pub fn wait(what: impl Fn() -> bool) {
    while !what() {
        std::thread::yield_now();
    }
}

pub fn wait_durable(log: &LogHandle, lsn: Lsn) {
    wait(|| {
        assert_eq!(log.poisoned(), None);
        log.durable() >= lsn
    });
}

/// All the data records: where they end, their stream, their payload.
pub type Contents = Vec<(Lsn, u16, Vec<u8>)>;

pub fn contents(recovery: &Recovery) -> Contents {
    recovery.records(recovery.begin()).map(|r| (r.end_lsn, r.stream, r.payload.to_vec())).collect()
}

/// The segment files of a log that nobody writes to at the moment: their names and bytes, in order.
#[derive(Clone, PartialEq, Eq)]
pub struct Image(pub Vec<(PathBuf, Vec<u8>)>);

impl Image {
    pub fn take(dir: &Path) -> Image {
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let read = |path: &PathBuf| (PathBuf::from(path.file_name().unwrap()), std::fs::read(path).unwrap());
        Image(files.iter().filter(|path| path.extension().unwrap() == "log").map(read).collect())
    }

    /// Puts the files into a folder of their own.
    pub fn put(&self, dir: &Path) {
        if dir.exists() {
            std::fs::remove_dir_all(dir).unwrap();
        }
        std::fs::create_dir(dir).unwrap();
        for (name, bytes) in &self.0 {
            std::fs::write(dir.join(name), bytes).unwrap();
        }
    }
}
