//! The write-ahead log of Suanpan: one log per server, shared by several single-writer shards ("streams").
//!
//! # What it promises
//!
//! * What [`LogHandle::durable`] has passed is there after any crash of the process or the machine.
//! * What it has not passed is there whole or not at all, and never after a hole.
//! * Damage is found and named, never served; a torn tail is told apart from damage by proof, not by guess.
//! * [`Writer::append`] never blocks, never fails, takes no lock (but when it moves to another segment),
//!   allocates nothing; [`Writer::admit`] says beforehand, before any state is touched, that it may be called.
//! * The first failed sync poisons the log for good; running out of disk makes it read-only and passes by itself.
//!
//! # What it deliberately does not do
//!
//! * It knows no payments: a payload is bytes.
//! * It retries no sync: the kernel may have dropped the pages together with the error.
//! * It leaves no old bytes in a segment that is used again: it is written over with zeros first, which is what makes
//!   "nothing here" one word to read.
//! * It holds replies back for nobody: it calls a hook when more has become durable, the gate is the caller's.
//! * It does not bound how far appends run ahead of syncs: the caller's reply gate does, which is bounded.
//! * It repairs nothing but a torn tail, and never while only looking: [`Recovery::open`] changes no byte.
//! * No async, no runtime: two named threads of its own, which [`host`] begins.
//!
//! # The way of a record
//!
//! [`Writer`] reserves a place (`tail.rs`), copies the record into the segment's memory (`map.rs`, laid out in
//! `record.rs`), publishes it by its first word, and wakes the committer (`waker.rs`). The committer
//! (`committer.rs`) walks what is published without a gap, syncs, raises `durable` and calls the hook. The
//! preparer (`preparer.rs`) keeps zeroed segments (`segment.rs`) ready. After a crash [`Recovery`] verifies
//! everything (`verify.rs`), decides about the end (`verdict.rs`), lets each shard replay (`replay.rs`), and
//! starts the log again (`start.rs`). All files are a [`Storage`]'s (`storage.rs`): real ones, or a simulated disk's, on
//! which [`LogSteps`] plays the same work without threads. [`LogReader`] follows what is durable through the files, also while the
//! log runs, and beside another process that writes it (`scout.rs`).
//!
//! ```
//! use suanpan_wal::{Hooks, LogConfig, Lsn, Recovery};
//!
//! let folder = tempfile::tempdir()?;
//! let config = LogConfig { segment_size: 64 << 10, streams: 1, ..LogConfig::new(folder.path().join("log")) };
//! let (log, mut writers) = Recovery::open(config.clone())?.start(Hooks::none())?;
//! let permit = writers[0].admit()?;
//! let end = writers[0].append(permit, b"capture");
//! assert!(log.stop()? >= end);
//!
//! let recovery = Recovery::open(config)?;
//! let payloads: Vec<&[u8]> = recovery.records(Lsn::ZERO).map(|record| record.payload).collect();
//! assert_eq!(payloads, [b"capture"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod chain;
mod committer;
mod config;
mod error;
mod geometry;
pub mod host;
mod lock;
mod log;
mod lsn;
mod map;
#[cfg(loom)]
#[doc(hidden)]
pub mod modelled;
mod preparer;
mod reader;
mod record;
mod recovery;
mod replay;
mod scout;
mod segment;
mod shared;
mod start;
mod steps;
mod storage;
mod sync;
mod tail;
mod verdict;
mod verify;
mod waker;
mod writer;

#[doc(hidden)]
pub use config::Planted;
pub use config::{Backend, Hooks, LogConfig};
pub use error::{AdmitError, LockError, OpenError, StartError, StopError};
pub use lock::FolderLock;
pub use log::{Log, LogHandle, LogState};
pub use lsn::Lsn;
pub use map::{ReadMap, WriteMap};
pub use reader::LogReader;
pub use record::{Flaw, STREAM_ALL};
pub use recovery::{CutTail, Recovery, Report};
pub use replay::{RecordRef, Records};
pub use steps::LogSteps;
pub use storage::{Access, Call, Failure, Files, SimDisk, Storage, StorageFile};
pub use verdict::Proof;
pub use writer::{Permit, Writer};
