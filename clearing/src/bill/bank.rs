//! The bank's statement: what came in and what went out, for the reconciliation of the money itself (资金流).
//!
//! ```text
//! date,account,reference,amount,currency,direction
//! 2018-08-27,6222020000000001,20180826-wechat,158.30,CNY,credit
//! ```
//!
//! RFC 4180, UTF-8 with a mark before it or without, columns by name, amounts in decimals of the major unit, direction `credit`
//! (money came in) or `debit`. The format has no totals: a statement that lost whole lines at its end looks sound, and only the
//! comparison shows it.

use std::path::{Path, PathBuf};

use suanpan_core::{Currency, Date};

use super::Limits;
use super::day::parse_date;
use super::error::BillError;
use super::fields::{amount, currency};
use super::header::Header;
use super::lines::Lines;
use super::packed::Given;
use super::record::Record;

const FORMAT: &str = "bank statement";

/// Which way money went, as the account's holder sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// It came in.
    Credit,
    /// It went out.
    Debit,
}

impl Direction {
    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Credit => "credit",
            Self::Debit => "debit",
        }
    }
}

/// One line of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BankRow<'a> {
    /// Which of the files, from 0, and its line there, from 1.
    pub file: usize,
    /// See `file`.
    pub line: u64,
    /// When the bank booked it.
    pub date: Date,
    /// Our account.
    pub account: &'a str,
    /// What the bank says it is for.
    pub reference: &'a str,
    /// In minor units.
    pub amount: u64,
    /// Of the amount.
    pub currency: Currency,
    /// Which way.
    pub direction: Direction,
}

/// What a sound statement holds. Units of several currencies are added up as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BankTotals {
    /// Its lines.
    pub rows: u64,
    /// What came in: how often, and how much in minor units.
    pub credits: u64,
    /// See `credits`.
    pub credited: u128,
    /// What went out: how often, and how much in minor units.
    pub debits: u64,
    /// See `debits`.
    pub debited: u128,
}

/// Reads a statement, which may be in several files, and gives its rows to `each` in their order. `progress` is told how many
/// bytes of the files were read so far.
///
/// # Errors
/// When anything at all is wrong with it: then what `each` was given must be forgotten.
pub fn read_bank(
    files: &[PathBuf],
    progress: &dyn Fn(u64),
    each: &mut dyn FnMut(&BankRow<'_>),
) -> Result<BankTotals, BillError> {
    let files: Vec<Given<'_>> = files.iter().map(|path| Given { path, bytes: None }).collect();
    read_given(&files, progress, &Limits::DEFAULT, each)
}

/// The same of files in memory, which messages call by the names given here.
///
/// # Errors
/// As [`read_bank`].
pub fn read_bank_bytes(
    files: &[(&Path, &[u8])],
    limits: &Limits,
    each: &mut dyn FnMut(&BankRow<'_>),
) -> Result<BankTotals, BillError> {
    let files: Vec<Given<'_>> =
        files.iter().map(|(path, bytes)| Given { path, bytes: Some(bytes) }).collect();
    read_given(&files, &|_| {}, limits, each)
}

fn read_given(
    files: &[Given<'_>],
    progress: &dyn Fn(u64),
    limits: &Limits,
    each: &mut dyn FnMut(&BankRow<'_>),
) -> Result<BankTotals, BillError> {
    let mut totals = BankTotals::default();
    super::read_files(files, progress, limits, &mut |file, lines| {
        read_file(lines, file, &mut |row| {
            totals.rows += 1;
            let (count, sum) = match row.direction {
                Direction::Credit => (&mut totals.credits, &mut totals.credited),
                Direction::Debit => (&mut totals.debits, &mut totals.debited),
            };
            *count += 1;
            *sum += u128::from(row.amount);
            each(row);
        })
    })?;
    Ok(totals)
}

fn read_file(
    lines: &mut Lines<'_>,
    file: usize,
    each: &mut dyn FnMut(&BankRow<'_>),
) -> Result<(), BillError> {
    let mut record = Record::default();
    if !record.next(lines)? {
        return Err(lines.cut_short("it is empty"));
    }
    let mut header = Header::new(lines.place(), FORMAT, record.names())?;
    let width = header.len();
    let mut column = |name| header.required(&[name]);
    let (date_at, account_at, reference_at) = (column("date")?, column("account")?, column("reference")?);
    let (amount_at, currency_at, direction_at) =
        (column("amount")?, column("currency")?, column("direction")?);
    header.finish()?;
    while record.next(lines)? {
        let fields = record.fields(width, lines)?;
        let date = fields.get(date_at);
        let currency = currency(lines, "currency", fields.get(currency_at))?;
        let direction = match fields.get(direction_at) {
            "credit" => Direction::Credit,
            "debit" => Direction::Debit,
            other => return Err(lines.value("direction", other, "is neither credit nor debit")),
        };
        each(&BankRow {
            file,
            line: record.line(),
            date: parse_date(date.as_bytes())
                .ok_or_else(|| lines.value("date", date, "is no date like 2018-08-26"))?,
            account: fields.get(account_at),
            reference: fields.get(reference_at),
            amount: amount(lines, "amount", fields.get(amount_at), currency)?,
            currency,
            direction,
        });
    }
    Ok(())
}
