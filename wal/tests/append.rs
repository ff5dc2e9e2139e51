//! Appending, syncing and opening again, with records in memory that the committer writes out.
#![allow(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

mod append_cases;
mod support;

/// How the logs of this file's tests get their records to disk.
const BACKEND: suanpan_wal::Backend = suanpan_wal::Backend::Write;
