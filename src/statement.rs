//! `suanpan statement`: a merchant's statement of an accounting date, out of the cold store; no server is needed.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;
use suanpan_clearing::folder::{NewFolder, WriteError, write_file};
use suanpan_clearing::group::merchant_id;
use suanpan_clearing::statement::{Format, StatementError, statement, statements};
use suanpan_clearing::store::{Store, StoreError};
use suanpan_core::{Date, MerchantId};

use crate::export::{StoreArg, date};
use crate::output::say;

/// The exit code for what was asked and cannot be answered.
pub(crate) const REFUSED: u8 = 2;

/// Write a merchant's statement of an accounting date, out of the cold store.
///
/// A line for each voucher, the sums, and opening and closing of each account, proved before anything is written.
/// Exits with 0, or with 2 and nothing written.
#[derive(Debug, Args)]
pub(crate) struct Statement {
    #[command(flatten)]
    store: StoreArg,
    /// The merchant
    #[arg(long, value_name = "ID", value_parser = as_merchant, required_unless_present = "all", conflicts_with = "all")]
    merchant: Option<MerchantId>,
    /// Every merchant with anything on that date, a file each, in the folder --out
    #[arg(long, requires = "out")]
    all: bool,
    /// The accounting date
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date)]
    date: Date,
    /// How it is written
    #[arg(long, value_enum, default_value_t = Form::Csv)]
    format: Form,
    /// The zone of the times in it
    #[arg(long, value_name = "ZONE", default_value = "Asia/Shanghai", value_parser = as_zone)]
    timezone: TimeZone,
    /// The file to write, or with --all the folder, which must be new [default: standard output]
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Form {
    Csv,
    Txt,
    Json,
}

/// Why there is no statement.
#[derive(Debug, thiserror::Error)]
enum StatementCommandError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Statement(#[from] StatementError),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("standard output: {0}")]
    Output(io::Error),
}

pub(crate) fn as_merchant(text: &str) -> Result<MerchantId, String> {
    merchant_id(text).ok_or_else(|| "a merchant's id is 1 to 19 digits, the first of them not 0".to_owned())
}

fn as_zone(text: &str) -> Result<TimeZone, String> {
    TimeZone::get(text).map_err(|_| "no such zone; give one like Asia/Shanghai or UTC".to_owned())
}

/// Tells why not, with the exit code that says so.
pub(crate) fn exit(outcome: Result<(), impl std::fmt::Display>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("suanpan: {error}");
            ExitCode::from(REFUSED)
        }
    }
}

/// Writes to standard output; whoever reads may have had enough.
pub(crate) fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

impl Statement {
    pub(crate) fn run(&self) -> ExitCode {
        exit(self.write())
    }

    fn write(&self) -> Result<(), StatementCommandError> {
        let store = Store::open(&self.store.store)?;
        let format = match self.format {
            Form::Csv => Format::Csv,
            Form::Txt => Format::Txt,
            Form::Json => Format::Json,
        };
        match (self.merchant, &self.out) {
            (Some(merchant), out) => {
                let one = statement(&store, merchant, self.date)?;
                match out {
                    Some(path) => Ok(write_file(path, |to| one.write(format, &self.timezone, to))?),
                    None => print(|to| one.write(format, &self.timezone, to))
                        .map_err(StatementCommandError::Output),
                }
            }
            (None, Some(out)) => self.write_all(&store, format, out),
            (None, None) => unreachable!("one merchant, or all into a folder"),
        }
    }

    fn write_all(
        &self,
        store: &Store,
        format: Format,
        out: &std::path::Path,
    ) -> Result<(), StatementCommandError> {
        let mut folder = NewFolder::begin(out)?;
        let count = statements(store, self.date, &mut |statement| {
            let (merchant, date) = (statement.merchant.0, statement.date);
            let name = format!("statement-{merchant}-{date}.{}", format.extension());
            folder.add(&name, |to| statement.write(format, &self.timezone, to))?;
            Ok::<_, StatementCommandError>(())
        })?;
        let there = if folder.finish()? { "" } else { ", which were there already" };
        say(format_args!("{}: {count} statements of {}{there}", out.display(), self.date));
        Ok(())
    }
}
