//! The day of a bill, and what is so near its ends that the other day's bill may have it.

use jiff::civil;
use jiff::tz::TimeZone;
use suanpan_core::{Date, Timestamp};

use super::ReconcileError;

/// How near to midnight an item is carried, unless told otherwise.
pub const WINDOW_MS: i64 = 10 * 60_000;

/// A day cut further from midnight than this says nothing of the bill's day.
const CUT_REACH_MS: i64 = 3 * 3_600_000;

/// A bill's day by the channel's clock, in milliseconds since 1970.
///
/// ```text
///        opened                                            cut
///   ------|----[=====|==================================|=====|-----> time
///            start  +window                        -window   end
///   carried ---------)                                  (---------- carried
/// ```
/// Where the cut lies before the window begins, or the opening behind it, what lies between is carried too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BillDay {
    /// From here everything is inside, for certain,
    inside_from_ms: i64,
    /// up to here.
    inside_to_ms: i64,
    /// What is before this is of another day, for certain.
    before_ms: i64,
}

impl BillDay {
    /// The day `date` in `timezone`, with the moments at which the accounting date began and was cut.
    ///
    /// # Errors
    /// [`ReconcileError::TimeZone`] when there is no such zone.
    pub fn new(
        date: Date,
        timezone: &str,
        window_ms: i64,
        opened_at: Option<Timestamp>,
        cut_at: Timestamp,
    ) -> Result<Self, ReconcileError> {
        let unknown = || ReconcileError::TimeZone { timezone: timezone.to_owned(), date };
        let zone = TimeZone::get(timezone).map_err(|_| unknown())?;
        let midnight = |date: Date| {
            let (year, month, day) = date.ymd();
            let year = i16::try_from(year).ok()?;
            let day = civil::Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
            Some(day.to_zoned(zone.clone()).ok()?.timestamp().as_millisecond())
        };
        let start_ms = midnight(date).ok_or_else(unknown)?;
        let end_ms = midnight(date.plus_days(1)).ok_or_else(unknown)?;
        let near = |at: Timestamp, midnight_ms: i64| {
            Some(at.0).filter(|at| (at - midnight_ms).abs() <= CUT_REACH_MS)
        };
        let opened_ms = opened_at.and_then(|at| near(at, start_ms)).unwrap_or(start_ms);
        let cut_ms = near(cut_at, end_ms).unwrap_or(end_ms);
        Ok(Self {
            inside_from_ms: opened_ms.max(start_ms.saturating_add(window_ms)),
            inside_to_ms: cut_ms.min(end_ms.saturating_sub(window_ms)),
            before_ms: start_ms - CUT_REACH_MS,
        })
    }

    /// Whether what happened at that time may stand in another day's bill.
    #[must_use]
    pub fn is_near_cut(&self, at_ms: i64) -> bool {
        at_ms < self.inside_from_ms || self.is_late(at_ms)
    }

    /// Whether it is of a day before, wherever the cut lay.
    #[must_use]
    pub fn is_before(&self, at_ms: i64) -> bool {
        at_ms < self.before_ms
    }

    /// Whether it may stand in the next day's.
    #[must_use]
    pub fn is_late(&self, at_ms: i64) -> bool {
        at_ms >= self.inside_to_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;
    const MINUTE: i64 = 60_000;

    fn day(opened: i64, cut: i64) -> (BillDay, i64) {
        let date = Date::from_ymd(2018, 8, 26).unwrap();
        // Midnight in Shanghai is 16:00 UTC of the day before.
        let start = i64::from(date.0) * 24 * HOUR - 8 * HOUR;
        let end = start + 24 * HOUR;
        let (opened, cut) = (Timestamp(start + opened), Timestamp(end + cut));
        (BillDay::new(date, "Asia/Shanghai", WINDOW_MS, Some(opened), cut).unwrap(), start)
    }

    #[test]
    fn midnight_counts_and_a_cut_near_it() {
        let (at_midnight, start) = day(0, 0);
        for (at, near) in [
            (-1, true),
            (0, true),
            (10 * MINUTE - 1, true),
            (10 * MINUTE, false),
            (24 * HOUR - 10 * MINUTE - 1, false),
            (24 * HOUR - 10 * MINUTE, true),
            (25 * HOUR, true),
        ] {
            assert_eq!(at_midnight.is_near_cut(start + at), near, "{at}");
        }
        let (early, start) = day(-30 * MINUTE, -30 * MINUTE);
        assert!(early.is_near_cut(start + 23 * HOUR + 30 * MINUTE), "behind the cut");
        assert!(!early.is_near_cut(start + 23 * HOUR + 30 * MINUTE - 1));
        assert!(!early.is_near_cut(start + 10 * MINUTE), "what the day began before is all of this date");
        let (late, start) = day(30 * MINUTE, 30 * MINUTE);
        assert!(late.is_near_cut(start + 30 * MINUTE - 1), "before the opening");
        assert!(!late.is_near_cut(start + 30 * MINUTE));
        assert!(!late.is_near_cut(start + 23 * HOUR + 49 * MINUTE));
        assert!(late.is_near_cut(start + 24 * HOUR), "the next bill has it");
    }

    #[test]
    fn a_cut_far_from_midnight_is_none_of_the_bills() {
        let (far, start) = day(-4 * HOUR, -4 * HOUR);
        assert!(!far.is_near_cut(start + 21 * HOUR));
        assert!(far.is_near_cut(start + 24 * HOUR - 1));
        let (far, start) = day(4 * HOUR, 4 * HOUR);
        assert!(!far.is_near_cut(start + HOUR));
    }

    #[test]
    fn a_zone_that_is_none_is_named() {
        let failed = BillDay::new(Date(0), "Asia/Nowhere", WINDOW_MS, None, Timestamp(0));
        assert!(failed.unwrap_err().to_string().contains("Asia/Nowhere"));
    }
}
