//! The times of one day in a channel's zone: what stands in a bill, as a moment, if it is on the bill's day.

use jiff::Timestamp as Moment;
use jiff::civil;
use jiff::tz::TimeZone;
use suanpan_core::{Date, Timestamp};

use super::error::{BillError, quoted};
use super::lines::Lines;

const SECOND_MS: i64 = 1_000;
const DAY_S: i64 = 86_400;

/// The day that a bill is of.
pub(super) struct Day<'a> {
    date: Date,
    /// As it is written.
    text: String,
    timezone: &'a TimeZone,
    /// When it begins, if it has 24 hours: then the time of day says the rest.
    midnight_ms: Option<i64>,
}

/// `-`, `:` and digits as a date and a time of day have them.
const DATE_BYTES: usize = 10;
const TIME_BYTES: usize = 8;

impl<'a> Day<'a> {
    pub(super) fn new(date: Date, timezone: &'a TimeZone) -> Self {
        let begins = |date: Date| {
            let moment = timezone.to_timestamp(civil(date, 0)?).ok()?;
            Some((moment.as_second(), timezone.to_offset(moment)))
        };
        let midnight_ms = begins(date).zip(begins(date.plus_days(1))).and_then(|(first, second)| {
            let is_plain = second.0 - first.0 == DAY_S && second.1 == first.1;
            is_plain.then_some(first.0 * SECOND_MS)
        });
        Self { date, text: date.to_string(), timezone, midnight_ms }
    }

    pub(super) fn date(&self) -> Date {
        self.date
    }

    /// `2018-08-26 09:00:01`, with one space or two, in the channel's zone.
    pub(super) fn local(
        &self,
        lines: &Lines<'_>,
        column: &'static str,
        text: &str,
    ) -> Result<Timestamp, BillError> {
        let bytes = text.as_bytes();
        let of_day = bytes.len().checked_sub(TIME_BYTES).and_then(|at| second_of_day(&bytes[at..]));
        let written = bytes.get(..DATE_BYTES).filter(|_| {
            let between = bytes.get(DATE_BYTES..bytes.len() - TIME_BYTES);
            matches!(between, Some(b" " | b"  "))
        });
        let (Some(second), Some(written)) = (of_day, written) else {
            return Err(lines.value(column, text, "is no time like 2018-08-26 09:00:01"));
        };
        if written != self.text.as_bytes() {
            return Err(match parse_date(written) {
                Some(_) => self.other(lines, text),
                None => lines.value(column, text, "has a date that does not exist"),
            });
        }
        let moment = match self.midnight_ms {
            Some(midnight_ms) => Some(midnight_ms + i64::from(second) * SECOND_MS),
            None => civil(self.date, second)
                .and_then(|time| self.timezone.to_timestamp(time).ok())
                .map(Moment::as_millisecond),
        };
        moment.map(Timestamp).ok_or_else(|| lines.value(column, text, "is out of range"))
    }

    /// The same, or RFC 3339 with its own offset.
    pub(super) fn any(
        &self,
        lines: &Lines<'_>,
        column: &'static str,
        text: &str,
    ) -> Result<Timestamp, BillError> {
        if text.as_bytes().get(DATE_BYTES) != Some(&b'T') {
            return self.local(lines, column, text);
        }
        let moment: Moment = text
            .parse()
            .map_err(|_| lines.value(column, text, "is no time like 2018-08-26T09:00:01+08:00"))?;
        let local = self.timezone.to_datetime(moment).date();
        if Date::from_ymd(
            local.year().into(),
            local.month().unsigned_abs().into(),
            local.day().unsigned_abs().into(),
        ) != Some(self.date)
        {
            return Err(self.other(lines, text));
        }
        Ok(Timestamp(moment.as_millisecond()))
    }

    /// That something is of another day.
    pub(super) fn other(&self, lines: &Lines<'_>, time: &str) -> BillError {
        BillError::OtherDay { place: lines.place(), time: quoted(time), date: self.date }
    }
}

/// A wall clock on a date, if the calendar has it.
fn civil(date: Date, second: u32) -> Option<civil::DateTime> {
    let (year, month, day) = date.ymd();
    let date = civil::Date::new(year.try_into().ok()?, month.try_into().ok()?, day.try_into().ok()?).ok()?;
    let part = |seconds: u32| i8::try_from(seconds).ok();
    Some(date.at(part(second / 3600)?, part(second / 60 % 60)?, part(second % 60)?, 0))
}

/// `2018-08-26`.
pub(super) fn parse_date(bytes: &[u8]) -> Option<Date> {
    let (&[_, _, _, _, b'-', _, _, b'-', _, _], Some(year), Some(month), Some(day)) =
        (bytes, number(bytes.get(..4)?), number(bytes.get(5..7)?), number(bytes.get(8..10)?))
    else {
        return None;
    };
    Date::from_ymd(year.try_into().ok()?, month, day)
}

/// `09:00:01`.
fn second_of_day(bytes: &[u8]) -> Option<u32> {
    let &[_, _, b':', _, _, b':', _, _] = bytes else { return None };
    let (hour, minute, second) = (number(&bytes[..2])?, number(&bytes[3..5])?, number(&bytes[6..])?);
    (hour < 24 && minute < 60 && second < 60).then_some(hour * 3600 + minute * 60 + second)
}

/// Digits, few enough to fit.
pub(super) fn number(digits: &[u8]) -> Option<u32> {
    digits
        .iter()
        .try_fold(0u32, |value, digit| digit.is_ascii_digit().then(|| value * 10 + u32::from(digit - b'0')))
}
