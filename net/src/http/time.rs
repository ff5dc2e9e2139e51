//! Moments by RFC 3339 and dates, read strictly and written as the channel's clock shows them.

use suanpan_core::{Date, Timestamp};

const DAY_MS: i64 = 86_400_000;

const MOMENT_BYTES_MAX: usize = "2018-08-26T12:00:00.123+08:00".len();

/// A moment, and the date of the clock that its offset speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) at: Timestamp,
    pub(super) local_date: Date,
}

/// `2018-08-26T12:00:00.123+08:00`, or with `Z`. Digits after the milliseconds are cut off.
pub(super) fn parse_moment(text: &str) -> Option<Moment> {
    let bytes = text.as_bytes();
    let local_date = parse_date(text.get(..10)?)?;
    let clock = bytes.get(10..19)?;
    let (b'T' | b't', b':', b':') = (clock[0], clock[3], clock[6]) else { return None };
    let (hour, minute, second) = (digits(&clock[1..3])?, digits(&clock[4..6])?, digits(&clock[7..9])?);
    // A leap second is the first of the next minute, as POSIX counts.
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (fraction_ms, zone) = parse_fraction(&bytes[19..])?;
    let offset_minutes = parse_offset(zone)?;
    let minutes = i64::from(hour * 60 + minute) - offset_minutes;
    let ms = i64::from(local_date.0) * DAY_MS + minutes * 60_000 + i64::from(second) * 1000 + fraction_ms;
    Timestamp::RANGE.contains(&ms).then_some(Moment { at: Timestamp(ms), local_date })
}

/// `2018-08-26`, if there is such a date.
pub(super) fn parse_date(text: &str) -> Option<Date> {
    let bytes: &[u8; 10] = text.as_bytes().try_into().ok()?;
    if bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let year = i32::try_from(digits(&bytes[..4])?).ok()?;
    Date::from_ymd(year, digits(&bytes[5..7])?, digits(&bytes[8..])?)
}

/// `22:00` in minutes of the day; 24:00 is its end.
pub(super) fn parse_minute(text: &str) -> Option<u16> {
    let bytes: &[u8; 5] = text.as_bytes().try_into().ok()?;
    let (hour, minute) = (digits(&bytes[..2])?, digits(&bytes[3..])?);
    let minutes = hour * 60 + minute;
    if bytes[2] != b':' || minute > 59 || minutes > 24 * 60 {
        return None;
    }
    u16::try_from(minutes).ok()
}

/// The moment on a wall clock that is `offset_s` seconds ahead of UTC, whole minutes of it.
pub(super) fn write_moment(moment: Timestamp, offset_s: i32) -> String {
    let offset_s = offset_s - offset_s % 60;
    let (date, minute) = moment.wall(offset_s);
    if !Date::RANGE.contains(&date.0) && offset_s != 0 {
        // At the ends of what four digits can write, UTC still can.
        return write_moment(moment, 0);
    }
    let ms = moment.0.rem_euclid(60_000) as u32;
    let mut text = String::with_capacity(MOMENT_BYTES_MAX);
    let (year, month, day) = date.ymd();
    write_digits(&mut text, year.unsigned_abs(), 4);
    for (before, number) in [
        ('-', month),
        ('-', day),
        ('T', u32::from(minute) / 60),
        (':', u32::from(minute) % 60),
        (':', ms / 1000),
    ] {
        text.push(before);
        write_digits(&mut text, number, 2);
    }
    if !ms.is_multiple_of(1000) {
        text.push('.');
        write_digits(&mut text, ms % 1000, 3);
    }
    let offset_minutes = offset_s.unsigned_abs() / 60;
    text.push(if offset_s < 0 { '-' } else { '+' });
    write_digits(&mut text, offset_minutes / 60, 2);
    text.push(':');
    write_digits(&mut text, offset_minutes % 60, 2);
    text
}

/// Appends the last so many digits of a number: every order's moment is written, and `format!` took a twelfth of a
/// payment's work at the edge.
fn write_digits(text: &mut String, number: u32, count: u32) {
    for place in (0..count).rev() {
        text.push(char::from(b'0' + (number / 10u32.pow(place) % 10) as u8));
    }
}

/// `22:00`.
pub(super) fn write_minute(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

/// What stands behind the seconds: milliseconds, and the rest.
fn parse_fraction(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let Some(fraction) = bytes.strip_prefix(b".") else { return Some((0, bytes)) };
    let count = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
    let (fraction, rest) = fraction.split_at(count);
    let place = |at: usize| fraction.get(at).map_or(0, |&b| i64::from(b - b'0'));
    (count > 0).then_some((place(0) * 100 + place(1) * 10 + place(2), rest))
}

/// Minutes ahead of UTC.
fn parse_offset(bytes: &[u8]) -> Option<i64> {
    match bytes {
        b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (digits(&[*h1, *h2])?, digits(&[*m1, *m2])?);
            let ahead = i64::from(hours * 60 + minutes);
            (hours <= 23 && minutes <= 59).then_some(if *sign == b'-' { -ahead } else { ahead })
        }
        _ => None,
    }
}

fn digits(bytes: &[u8]) -> Option<u32> {
    bytes.iter().try_fold(0, |sum, b| b.is_ascii_digit().then(|| sum * 10 + u32::from(b - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_by_the_letter() {
        let noon = 1_535_256_000_000;
        for (text, ms) in [
            ("2018-08-26T12:00:00+08:00", noon),
            ("2018-08-26T04:00:00Z", noon),
            ("2018-08-26t04:00:00.5z", noon + 500),
            ("2018-08-25T22:30:00.123999-05:30", noon + 123),
            ("2018-08-26T03:59:60Z", noon),
            ("0000-01-01T00:00:00Z", *Timestamp::RANGE.start()),
            ("9999-12-31T23:59:59.999Z", *Timestamp::RANGE.end()),
        ] {
            assert_eq!(parse_moment(text).map(|m| m.at), Some(Timestamp(ms)), "{text}");
        }
        for text in [
            "",
            "2018-08-26",
            "2018-08-26T12:00:00",
            "2018-08-26 12:00:00Z",
            "2018-08-26T12:00Z",
            "2018-08-26T12:00:00+0800",
            "2018-08-26T12:00:00+08",
            "2018-08-26T12:00:00.Z",
            "2018-08-26T24:00:00Z",
            "2018-08-26T12:60:00Z",
            "2018-08-26T12:00:61Z",
            "2018-02-29T12:00:00Z",
            "2018-08-26T12:00:00+24:00",
            "2018-08-26T12:00:00Z[UTC]",
            "2018-08-26T12:00:00Z ",
            "0000-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "２018-08-26T12:00:00Z",
        ] {
            assert_eq!(parse_moment(text), None, "{text}");
        }
    }

    #[test]
    fn moments_are_written_as_they_are_read() {
        for (text, offset_s) in [
            ("2018-08-26T12:00:00+08:00", 28_800),
            ("2018-08-26T12:00:00.007-03:30", -12_600),
            ("1969-12-31T23:59:59.999+00:00", 0),
            ("9999-12-31T23:59:59.999+00:00", 28_800),
            ("0000-01-01T00:00:00+00:00", -3_600),
        ] {
            let moment = parse_moment(text).unwrap();
            assert_eq!(write_moment(moment.at, offset_s), text);
        }
        assert_eq!(write_moment(Timestamp(0), -2_670), "1969-12-31T23:16:00-00:44");
    }

    #[test]
    fn minutes_of_the_day() {
        for (text, minute) in [("00:00", 0), ("22:00", 1320), ("23:59", 1439), ("24:00", 1440)] {
            assert_eq!(parse_minute(text), Some(minute));
            assert_eq!(write_minute(minute), text);
        }
        for text in ["", "2:00", "24:01", "23:60", "22-00", "22:00:00", "+1:00"] {
            assert_eq!(parse_minute(text), None, "{text}");
        }
    }
}
