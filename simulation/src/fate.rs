//! How a life ends, and what happens in it.

use std::time::Duration;

use fastrand::Rng;
use suanpan_wal::{Call, Failure};

/// What is in the data folder beside the log.
pub(crate) const WRITTEN_ASIDE: [&str; 2] = ["snapshots", "cold.redb"];

/// How a life ends, and what happens in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// In order.
    Stop,
    /// The power goes at this call of the disk from the life's beginning on, be it in the start or in the stop.
    CrashAtCall(u64),
    /// It goes after so long, whatever anybody is at.
    CrashAfter(Duration),
    /// So many writes go well, then one does not.
    WriteFails(u64),
    /// So many syncs go well, then one does not.
    SyncFails(u64),
    /// The power goes at this call for a snapshot or the cold store.
    CrashAtSnapshot(u64),
    /// In the midst of the life such a call for what is there in the data folder does not go well, once: the life goes on.
    SnapshotFails(Call, &'static str, u64, Failure),
    /// The disk is full after so long, for so long; then the life ends in order.
    Full(Duration, Duration),
}

impl Fate {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        match rng.u32(0..40) {
            0..=2 => Self::Stop,
            3..=6 => Self::CrashAtCall(rng.u64(1..90)),
            7..=14 => Self::CrashAtCall(rng.u64(90..700)),
            15..=20 => Self::CrashAfter(Duration::from_micros(rng.u64(1..120_000))),
            21..=23 => Self::SyncFails(rng.u64(1..80)),
            24..=27 => Self::WriteFails(rng.u64(1..160)),
            28..=35 => Self::CrashAtSnapshot(rng.u64(1..200)),
            36..=38 => {
                let call = [Call::Write, Call::Sync, Call::SetLen, Call::Read, Call::Rename, Call::SyncDir];
                let (call, what) = (call[rng.usize(..call.len())], WRITTEN_ASIDE[rng.usize(..2)]);
                let failure = if rng.bool() { Failure::Io } else { Failure::NoSpace };
                Self::SnapshotFails(call, what, rng.u64(1..12), failure)
            }
            _ => Self::Full(Duration::from_millis(rng.u64(0..40)), Duration::from_millis(rng.u64(100..900))),
        }
    }

    /// Whether the machine goes down and not the process alone.
    pub(crate) fn loses_power(self, rng: &mut Rng) -> bool {
        match self {
            Self::Stop | Self::Full(..) | Self::SnapshotFails(..) => rng.u32(0..4) == 0,
            Self::CrashAtCall(_) | Self::CrashAtSnapshot(_) | Self::CrashAfter(_) => rng.u32(0..8) != 0,
            Self::WriteFails(_) | Self::SyncFails(_) => rng.bool(),
        }
    }

    /// Whether a snapshot may fail.
    pub(crate) fn may_fail_snapshot(self) -> bool {
        self.may_fail() || matches!(self, Self::SnapshotFails(..) | Self::Full(..))
    }

    /// Whether the server may fail of itself.
    pub(crate) fn may_fail(self) -> bool {
        matches!(self, Self::WriteFails(_) | Self::SyncFails(_))
    }
}
