//! The business calendar: which days count for `T+n` (domain.md, "Settlement").

use rkyv::{Archive, Deserialize, Serialize};

use crate::digest::Digest;
use crate::{Date, Field};

/// Most dates of either list.
pub const HOLIDAYS_MAX: usize = 1_000;

/// What differs from Monday to Friday. Putting it again replaces it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Archive, Serialize, Deserialize)]
pub struct Holidays {
    /// No business days, rising; at most [`HOLIDAYS_MAX`].
    pub dates: Vec<Date>,
    /// Business days though they fall on a weekend (调休), rising; at most [`HOLIDAYS_MAX`]. None is also in `dates`.
    pub workdays: Vec<Date>,
}

/// 1970-01-01, day 0, was a Thursday: three days behind Monday.
const EPOCH_WEEKDAY: i32 = 3;
const SATURDAY: i32 = 5;

impl Holidays {
    pub(crate) fn check(&self) -> Result<(), Field> {
        let fits = |dates: &[Date]| {
            dates.len() <= HOLIDAYS_MAX
                && dates.is_sorted_by(|a, b| a < b)
                && dates.iter().all(|date| Date::RANGE.contains(&date.0))
        };
        if !fits(&self.dates) {
            return Err(Field::Dates);
        }
        if !fits(&self.workdays) || self.workdays.iter().any(|day| self.dates.binary_search(day).is_ok()) {
            return Err(Field::Workdays);
        }
        Ok(())
    }

    /// Whether money moves on that date.
    #[must_use]
    pub fn is_business_day(&self, date: Date) -> bool {
        if self.workdays.binary_search(&date).is_ok() {
            return true;
        }
        let weekday = (date.0 + EPOCH_WEEKDAY).rem_euclid(7);
        weekday < SATURDAY && self.dates.binary_search(&date).is_err()
    }

    /// The last date whose money is due on `today` when it waits for `days` business days: the latest with so many
    /// business days behind it, today included.
    #[must_use]
    pub fn due_through(&self, today: Date, days: u8) -> Date {
        let (mut date, mut left) = (today, days);
        // Ends: at most HOLIDAYS_MAX dates are holidays, every other week has five business days.
        while left > 0 {
            left -= u8::from(self.is_business_day(date));
            date = Date(date.0 - 1);
        }
        date
    }

    pub(crate) fn digest(&self, digest: &mut Digest) {
        if *self == Self::default() {
            return;
        }
        digest.record(b"holidays", |record| {
            record.u64(self.dates.len() as u64);
            for date in self.dates.iter().chain(&self.workdays) {
                record.i64(date.0.into());
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2018-08-26, a Sunday.
    const SUNDAY: Date = Date(17_769);

    fn day(after_sunday: i32) -> Date {
        Date(SUNDAY.0 + after_sunday)
    }

    #[test]
    fn weekends_rest_and_holidays_and_workdays_are_exceptions() {
        let week = Holidays::default();
        let open: Vec<bool> = (0..7).map(|n| week.is_business_day(day(n))).collect();
        assert_eq!(open, [false, true, true, true, true, true, false]);
        let odd = Holidays { dates: vec![day(1)], workdays: vec![day(0)] };
        assert_eq!(odd.check(), Ok(()));
        assert!(odd.is_business_day(day(0)) && !odd.is_business_day(day(1)));
        let both = Holidays { dates: vec![day(1)], workdays: vec![day(1)] };
        assert_eq!(both.check(), Err(Field::Workdays));
        let falling = Holidays { dates: vec![day(1), day(0)], workdays: vec![] };
        assert_eq!(falling.check(), Err(Field::Dates));
    }

    #[test]
    fn what_is_due_today_has_so_many_business_days_behind_it() {
        let week = Holidays::default();
        // Friday's money is due on Monday, not on Saturday or Sunday; the weekend's on Monday too.
        assert_eq!(week.due_through(day(-1), 1), day(-3));
        assert_eq!(week.due_through(day(0), 1), day(-3));
        assert_eq!(week.due_through(day(1), 1), day(0));
        assert_eq!(week.due_through(day(2), 1), day(1));
        assert_eq!(week.due_through(day(2), 2), day(0));
        let closed = Holidays { dates: vec![day(1)], workdays: vec![] };
        assert_eq!(closed.due_through(day(1), 1), day(-3));
        assert_eq!(closed.due_through(day(2), 1), day(1));
    }
}
