//! The readers of bills: the channels' samples give exactly their rows, what is written is read back, and everything that
//! is wrong with a file is refused with its line.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "bills/alipay.rs"]
mod alipay;
#[path = "bills/bank.rs"]
mod bank;
#[path = "bills/files.rs"]
mod files;
#[path = "bills/generic.rs"]
mod generic;
#[path = "bills/rows.rs"]
mod rows;
#[path = "bills/wechat.rs"]
mod wechat;

use std::path::Path;

use jiff::tz::TimeZone;
use suanpan_clearing::bill::write::Row;
use suanpan_clearing::bill::{BillError, BillTotals, Expected, Format, Limits, read_bytes};
use suanpan_core::{Date, Timestamp};

/// The day of the samples.
fn day() -> Date {
    Date::from_ymd(2018, 8, 26).unwrap()
}

fn beijing() -> TimeZone {
    TimeZone::get("Asia/Shanghai").unwrap()
}

/// A time of that day, in Beijing.
fn at(hour: i64, minute: i64, second: i64) -> Timestamp {
    let midnight_ms = suanpan_clearing::bill::write::midnight(day(), &beijing()).as_millisecond();
    Timestamp(midnight_ms + ((hour * 60 + minute) * 60 + second) * 1000)
}

/// Reads files as a bill of that day, of an account if one is named.
fn read_of(
    format: Format,
    files: &[&[u8]],
    account: Option<&str>,
) -> Result<(BillTotals, Vec<Row>), BillError> {
    let timezone = beijing();
    let expected = Expected { date: day(), account, timezone: &timezone };
    let names: Vec<String> = (0..files.len()).map(|number| format!("bill-{number}.csv")).collect();
    let files: Vec<(&Path, &[u8])> =
        names.iter().zip(files).map(|(name, bytes)| (Path::new(name.as_str()), *bytes)).collect();
    let mut rows = Vec::new();
    let totals =
        read_bytes(format, &files, &expected, &Limits::DEFAULT, &mut |row| rows.push(Row::from(row)))?;
    Ok((totals, rows))
}

/// Reads one file.
fn read(format: Format, bytes: &[u8]) -> Result<(BillTotals, Vec<Row>), BillError> {
    read_of(format, &[bytes], None)
}

/// What is said of a file that is refused.
fn refused(format: Format, bytes: &[u8]) -> String {
    let message = read(format, bytes).unwrap_err().to_string();
    assert!(message.contains("bill-0.csv"), "{message}");
    message
}

/// Plants a change, which must be one.
#[track_caller]
fn planted(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "{from:?} stands there once");
    text.replace(from, to)
}
