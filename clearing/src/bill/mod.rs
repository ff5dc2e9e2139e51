//! Bills: what a channel says it did on a day, in each channel's own format, read into one kind of row.
//!
//! A bill is believed whole or not at all: its own totals are checked first. Whoever takes its rows must keep nothing of
//! them before the reader has come to the end and said that it is sound.
//!
//! `packed` opens a file, whatever it is packed in; `lines` cuts it into lines; `text` knows the encodings; `header` finds
//! columns; `day` reads times, `record` plain CSV. A format is a file: `wechat`, `alipay`, `generic`, and `bank` for what the bank says.

mod alipay;
mod bank;
mod day;
mod error;
mod fields;
mod generic;
mod header;
mod lines;
mod packed;
mod record;
mod text;
mod wechat;
pub mod write;

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use suanpan_core::{Currency, Date, Timestamp};

pub use bank::{BankRow, BankTotals, Direction, read_bank, read_bank_bytes};
pub use error::{BillError, Place};

use day::Day;
use lines::Lines;
use packed::Given;

/// How a channel writes its bills.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// WeChat Pay's trade bill (交易账单), of type ALL.
    Wechat,
    /// Alipay's business details (业务明细).
    Alipay,
    /// Our own plain CSV, for every other channel: see `generic.rs`.
    Generic,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Wechat, Self::Alipay, Self::Generic];

    /// As it is named on a command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Wechat => "wechat",
            Self::Alipay => "alipay",
            Self::Generic => "generic",
        }
    }
}

/// Not the name of a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no format of a bill: it must be wechat, alipay or generic")]
pub struct UnknownFormat;

impl std::str::FromStr for Format {
    type Err = UnknownFormat;
    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        Self::ALL.into_iter().find(|format| format.name() == name).ok_or(UnknownFormat)
    }
}

/// What a bill must be.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// Its day.
    pub date: Date,
    /// Whose it is, if that is known: the account at the channel. Alipay's number of a partner may stand without the four
    /// digits that Alipay writes behind it.
    pub account: Option<&'a str>,
    /// Where the channel's days begin and end.
    pub timezone: &'a TimeZone,
}

/// The most a file may be before it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a line.
    pub line_bytes_max: usize,
    /// Bytes that come out of a packed file.
    pub unpacked_bytes_max: u64,
    /// The same, for each byte of the packed file, once more than [`Limits::UNPACKED_BYTES_FREE`] came out.
    pub unpacked_ratio_max: u64,
}

impl Limits {
    /// What may come out of even the smallest file.
    pub const UNPACKED_BYTES_FREE: u64 = 1 << 20;
    /// Rows are some 350 bytes, and shrink to a twentieth: this is a hundred million of them, and ten times as well packed.
    pub const DEFAULT: Self =
        Self { line_bytes_max: 1 << 16, unpacked_bytes_max: 32 << 30, unpacked_ratio_max: 200 };

    fn unpacked_max(&self, packed_bytes: u64) -> u64 {
        let by_ratio = packed_bytes.saturating_mul(self.unpacked_ratio_max);
        by_ratio.saturating_add(Self::UNPACKED_BYTES_FREE).min(self.unpacked_bytes_max)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What a line of a bill is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BillKind {
    /// Money came in.
    Payment,
    /// Money went back.
    Refund,
    /// A payment was cancelled whole, on its day.
    Void,
}

impl BillKind {
    /// Its name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Payment => "payment",
            Self::Refund => "refund",
            Self::Void => "void",
        }
    }
}

/// How far the channel is with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BillState {
    /// Done.
    Succeeded,
    /// On its way.
    Processing,
    /// It will not be done.
    Failed,
    /// The channel could not do it and asks for another way (退款异常, `CHANGE`).
    Abnormal,
}

impl BillState {
    /// Its name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Processing => "processing",
            Self::Failed => "failed",
            Self::Abnormal => "abnormal",
        }
    }
}

/// One line of a bill. What the format or the line does not have is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BillRow<'a> {
    /// Which of the files, from 0, and its line there, from 1.
    pub file: usize,
    /// See `file`.
    pub line: u64,
    /// What it is about.
    pub kind: BillKind,
    /// How far it is.
    pub state: BillState,
    /// The channel's own time of it.
    pub time: Timestamp,
    /// The merchant's number at the channel, below the account that the bill is of (特约商户号).
    pub sub_merchant: &'a str,
    /// The order at the channel.
    pub channel_txn: &'a str,
    /// The order with us.
    pub order_no: &'a str,
    /// The refund or void at the channel.
    pub channel_refund_no: &'a str,
    /// The refund or void with us.
    pub refund_no: &'a str,
    /// Of the amount.
    pub currency: Currency,
    /// The cash in it, in minor units; what is given back is positive too.
    pub amount: u64,
    /// What the channel charges for it, in millionths of the major unit; below zero when it gives a charge back.
    pub fee_millionths: i64,
}

/// What a sound bill says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BillTotals {
    /// Whose bill it is: the account at the channel; empty where the format has none.
    pub account: String,
    /// The day it is of.
    pub date: Date,
    /// Its lines.
    pub rows: u64,
    /// Payments in it, and their cash in minor units. Of a bill in several currencies the units are added up as they are.
    pub payments: u64,
    /// See `payments`.
    pub paid: u128,
    /// Refunds and voids in it, and their cash in minor units.
    pub refunds: u64,
    /// See `refunds`.
    pub refunded: u128,
    /// The sum of its charges, in millionths of the major unit.
    pub fee_millionths: i128,
}

/// Reads a bill, which may be in several files, each with its own totals, and gives its rows to `each` in their order.
/// `progress` is told how many bytes of the files were read so far.
///
/// # Errors
/// When anything at all is wrong with it: then what `each` was given must be forgotten.
pub fn read(
    format: Format,
    files: &[PathBuf],
    expected: &Expected<'_>,
    progress: &dyn Fn(u64),
    each: &mut dyn FnMut(&BillRow<'_>),
) -> Result<BillTotals, BillError> {
    let files: Vec<Given<'_>> = files.iter().map(|path| Given { path, bytes: None }).collect();
    read_given(format, &files, expected, progress, &Limits::DEFAULT, each)
}

/// The same of files in memory, which messages call by the names given here.
///
/// # Errors
/// As [`read`].
pub fn read_bytes(
    format: Format,
    files: &[(&Path, &[u8])],
    expected: &Expected<'_>,
    limits: &Limits,
    each: &mut dyn FnMut(&BillRow<'_>),
) -> Result<BillTotals, BillError> {
    let files: Vec<Given<'_>> =
        files.iter().map(|(path, bytes)| Given { path, bytes: Some(bytes) }).collect();
    read_given(format, &files, expected, &|_| {}, limits, each)
}

fn read_given(
    format: Format,
    files: &[Given<'_>],
    expected: &Expected<'_>,
    progress: &dyn Fn(u64),
    limits: &Limits,
    each: &mut dyn FnMut(&BillRow<'_>),
) -> Result<BillTotals, BillError> {
    let day = Day::new(expected.date, expected.timezone);
    let mut bill = Bill::new(expected, each);
    read_files(files, progress, limits, &mut |file, lines| {
        bill.file = file;
        match format {
            Format::Wechat => wechat::read(lines, &day, &mut bill),
            Format::Alipay => alipay::read(lines, &day, &mut bill),
            Format::Generic => generic::read(lines, &day, &mut bill),
        }
    })?;
    Ok(bill.totals)
}

/// Gives the lines of each file to `then`, one file after the other.
fn read_files(
    files: &[Given<'_>],
    progress: &dyn Fn(u64),
    limits: &Limits,
    then: &mut dyn FnMut(usize, &mut Lines<'_>) -> Result<(), BillError>,
) -> Result<(), BillError> {
    if files.is_empty() {
        return Err(BillError::NoFile);
    }
    packed::refuse_twice(files)?;
    let mut before = 0;
    for (number, file) in files.iter().enumerate() {
        packed::with_lines(*file, &mut before, progress, limits, &mut |lines| then(number, lines))?;
    }
    progress(before);
    Ok(())
}

/// A bill while it is read.
struct Bill<'a> {
    /// Which of its files.
    file: usize,
    expected: Option<&'a str>,
    totals: BillTotals,
    each: &'a mut dyn FnMut(&BillRow<'_>),
}

impl<'a> Bill<'a> {
    fn new(expected: &Expected<'a>, each: &'a mut dyn FnMut(&BillRow<'_>)) -> Self {
        let totals = BillTotals {
            account: String::new(),
            date: expected.date,
            rows: 0,
            payments: 0,
            paid: 0,
            refunds: 0,
            refunded: 0,
            fee_millionths: 0,
        };
        Self { file: 0, expected: expected.account, totals, each }
    }

    /// Whose the bill is, as a line says: always the same, and the expected one, which may be written without `suffix`.
    fn account(&mut self, lines: &Lines<'_>, found: &str, suffix: &str) -> Result<(), BillError> {
        if self.totals.account == found && !found.is_empty() {
            return Ok(());
        }
        let (place, found) = (lines.place(), found.to_owned());
        if let Some(expected) = self.expected
            && found != expected
            && found.strip_suffix(suffix) != Some(expected)
        {
            return Err(BillError::OtherAccount { place, found: found.into(), expected: expected.into() });
        }
        if !self.totals.account.is_empty() {
            let first = self.totals.account.as_str().into();
            return Err(BillError::TwoAccounts { place, found: found.into(), first });
        }
        self.totals.account = found;
        Ok(())
    }

    fn row(&mut self, row: &BillRow<'_>) {
        let totals = &mut self.totals;
        totals.rows += 1;
        totals.fee_millionths += i128::from(row.fee_millionths);
        let (count, sum) = match row.kind {
            BillKind::Payment => (&mut totals.payments, &mut totals.paid),
            BillKind::Refund | BillKind::Void => (&mut totals.refunds, &mut totals.refunded),
        };
        *count += 1;
        *sum += u128::from(row.amount);
        (self.each)(row);
    }
}
