//! How a life ends, and what happens in it.

use std::time::Duration;

use fastrand::Rng;

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
    /// The disk is full after so long, for so long; then the life ends in order.
    Full(Duration, Duration),
}

impl Fate {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        match rng.u32(0..32) {
            0..=2 => Self::Stop,
            3..=6 => Self::CrashAtCall(rng.u64(1..90)),
            7..=15 => Self::CrashAtCall(rng.u64(90..500)),
            16..=23 => Self::CrashAfter(Duration::from_micros(rng.u64(1..120_000))),
            24..=26 => Self::SyncFails(rng.u64(1..80)),
            27..=30 => Self::WriteFails(rng.u64(1..160)),
            _ => Self::Full(Duration::from_millis(rng.u64(0..40)), Duration::from_millis(rng.u64(100..900))),
        }
    }

    /// Whether the machine goes down and not the process alone.
    pub(crate) fn loses_power(self, rng: &mut Rng) -> bool {
        match self {
            Self::Stop | Self::Full(..) => rng.u32(0..4) == 0,
            Self::CrashAtCall(_) | Self::CrashAfter(_) => rng.u32(0..8) != 0,
            Self::WriteFails(_) | Self::SyncFails(_) => rng.bool(),
        }
    }

    /// Whether the server may fail of itself.
    pub(crate) fn may_fail(self) -> bool {
        matches!(self, Self::WriteFails(_) | Self::SyncFails(_))
    }
}
