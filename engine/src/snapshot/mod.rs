//! Snapshots: the books at one point of the log, in a file, so that a restart need not replay all of it and old segments
//! can go.
//!
//! The way of one: a meeting of all shards writes a *mark* into the log and takes an image of each shard's ledger there,
//! which costs pointers ([`suanpan_core::Snapshot`]); the shards go on. Beside them, at low priority, the images are
//! written to a file (`file.rs`) under a temporary name, synced, named, and read back whole; then all but the newest two go,
//! and the log's segments that only those needed (`folder.rs`, `keeper.rs`). Orders that are done with go to the cold
//! store first (`cold.rs`), and out of the shards after.
//!
//! A digest of each shard at the mark is logged behind it: a replay that passes both compares them.

pub(crate) mod file;
pub(crate) mod folder;
pub(crate) mod keeper;
pub(crate) mod look;
pub(crate) mod restore;
