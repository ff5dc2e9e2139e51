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
pub(crate) const DAY_MS: i64 = 86_400_000;

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

/// Days of the Gregorian calendar's cycle of 400 years.
const ERA_DAYS: i32 = 146_097;
/// Days from 0000-03-01, where the cycle is counted from, to 1970-01-01.
const EPOCH_FROM_MARCH_0000_DAYS: i32 = 719_468;

impl Date {
    /// 0000-01-01 and 9999-12-31, as [`Timestamp::RANGE`] has them.
    pub const RANGE: std::ops::RangeInclusive<i32> = -719_528..=2_932_896;

    /// The date of that year (0 to 9999), month (1 to 12) and day of the month, if there is one.
    #[must_use]
    pub fn from_ymd(year: i32, month: u32, day: u32) -> Option<Self> {
        if !(0..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return None;
        }
        let (month, day) = (i32::try_from(month).ok()?, i32::try_from(day).ok()?);
        // Years begin in March here, so that the leap day is the last of its year.
        let march_year = if month <= 2 { year - 1 } else { year };
        let (era, of_era) = (march_year.div_euclid(400), march_year.rem_euclid(400));
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let day_of_era = of_era * 365 + of_era / 4 - of_era / 100 + day_of_year;
        let date = Self(era * ERA_DAYS + day_of_era - EPOCH_FROM_MARCH_0000_DAYS);
        (date.ymd() == (year, u32::try_from(month).ok()?, u32::try_from(day).ok()?)).then_some(date)
    }

    /// Year, month (1 to 12) and day of the month.
    #[must_use]
    pub fn ymd(self) -> (i32, u32, u32) {
        let days = self.0.saturating_add(EPOCH_FROM_MARCH_0000_DAYS);
        let (era, of_era) = (days.div_euclid(ERA_DAYS), days.rem_euclid(ERA_DAYS));
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * march_month + 2) / 5 + 1;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        let year = year_of_era + era * 400 + i32::from(month <= 2);
        (year, month.unsigned_abs(), day.unsigned_abs())
    }
}

impl std::fmt::Display for Date {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (year, month, day) = self.ymd();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calendar_dates() {
        for (text, date) in [
            ("1970-01-01", 0),
            ("2018-08-26", 17_769),
            ("2000-02-29", 11_016),
            ("0000-01-01", *Date::RANGE.start()),
            ("9999-12-31", *Date::RANGE.end()),
        ] {
            assert_eq!(Date(date).to_string(), text);
            let (year, month, day) = Date(date).ymd();
            assert_eq!(Date::from_ymd(year, month, day), Some(Date(date)));
        }
        for (year, month, day) in [(2018, 2, 29), (1900, 2, 29), (2018, 4, 31), (2018, 13, 1), (2018, 1, 0)] {
            assert_eq!(Date::from_ymd(year, month, day), None, "{year}-{month}-{day}");
        }
        assert_eq!(Timestamp(*Timestamp::RANGE.start()).wall(0), (Date(*Date::RANGE.start()), 0));
        assert_eq!(Timestamp(*Timestamp::RANGE.end()).wall(0), (Date(*Date::RANGE.end()), 1439));
    }
}
