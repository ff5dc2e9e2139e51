//! Moments and calendar dates, as plain numbers: the core has no clock and no time-zone database.

use rkyv::{Archive, Deserialize, Serialize};

/// A moment: milliseconds since 1970-01-01T00:00:00Z.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Archive, Serialize, Deserialize,
)]
pub struct Timestamp(pub i64);

/// A calendar date: days since 1970-01-01, in whatever zone the context says. An accounting date is one.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Archive, Serialize, Deserialize,
)]
pub struct Date(pub i32);

/// Milliseconds in a day without leap seconds, as civil time counts them.
pub const DAY_MS: i64 = 86_400_000;

impl Timestamp {
    /// 0000-01-01 and 9999-12-31: what RFC 3339 can write. Everything outside is refused.
    pub const RANGE: std::ops::RangeInclusive<i64> = -62_167_219_200_000..=253_402_300_799_999;

    /// The date and the minute of the day on a wall clock that is `offset_s` seconds ahead of UTC.
    #[must_use]
    pub fn wall(self, offset_s: i32) -> (Date, u16) {
        let local_ms = self.0 + i64::from(offset_s) * 1000;
        let day = local_ms.div_euclid(DAY_MS);
        let minute = local_ms.rem_euclid(DAY_MS) / 60_000;
        // Within RANGE a day count fits i32 many times over, and a minute is below 1,440.
        (Date(i32::try_from(day).unwrap_or(i32::MAX)), u16::try_from(minute).unwrap_or(0))
    }
}

impl Date {
    /// The date `days` later.
    #[must_use]
    pub fn plus_days(self, days: u32) -> Self {
        Self(self.0.saturating_add_unsigned(days))
    }
}
