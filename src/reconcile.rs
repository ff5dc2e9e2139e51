//! `suanpan reconcile`: a channel's bill against the books of a day, out of the cold store; what is open, and what is decided about it.
//!
//! [`decide`] has what comes after a run: the list, decisions of two people, and sending them to the core.

mod decide;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp as Moment;
use jiff::tz::TimeZone;
use suanpan_clearing::bill::{self, BankRow, BillError, BillRow, Expected, Format};
use suanpan_clearing::folder::{WriteError, write_file};
use suanpan_clearing::manifest::{DayError, Manifest};
use suanpan_clearing::parquet_file::{GROUP_ROWS, ParquetFile, ParquetFileError, hash_of};
use suanpan_clearing::reconcile::batch::InputFile;
use suanpan_clearing::reconcile::funds::{BankFilter, BankSums};
use suanpan_clearing::reconcile::report::Report;
use suanpan_clearing::reconcile::resolution::ResolutionError;
use suanpan_clearing::reconcile::run::{Bank, Stage};
use suanpan_clearing::reconcile::{Batch, Day, Input, Options, ReconcileError, Run, reconcile};
use suanpan_clearing::store::{Store, StoreError};
use suanpan_clearing::table::{Rows, Table};
use suanpan_core::Date;
use tempfile::{NamedTempFile, TempPath};

use crate::export::{StoreArg, date};
use crate::output::say;

/// The exit code of a run that is balanced, of one with differences, and of a file that is not what it should be.
const DIFFERS: u8 = 1;
const BAD: u8 = 2;

/// A bank books what a channel pays on the day itself or some days after it.
const BANK_DAYS_MAX: u32 = 31;

/// Compare a channel's bill with the books of a day, out of the cold store.
///
/// Exits with 0 when everything is balanced, 1 when there are differences, 2 when a file is not what it should be: then nothing was kept.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Reconcile {
    #[command(subcommand)]
    what: Option<decide::What>,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Debug, Args)]
struct RunArgs {
    /// The channel, by its name in the books
    #[arg(long, required = true, value_name = "NAME")]
    channel: Option<String>,
    /// The accounting date, which is the bill's day
    #[arg(long, required = true, value_name = "YYYY-MM-DD", value_parser = date)]
    date: Option<Date>,
    /// The bill as the channel sent it: CSV, gzip or ZIP; several files are one bill
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    store: StoreArg,
    /// The bill's format: wechat, alipay or generic [default: the channel's name, if it is one of them, else generic]
    #[arg(long)]
    format: Option<Format>,
    /// Our account at the channel, whose bill it must be [default: that of the last bill of the channel]
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// A bank statement: the flow of funds is compared too
    #[arg(long, value_name = "FILE")]
    bank: Vec<PathBuf>,
    /// Of the bank statement, only the lines of this account
    #[arg(long, value_name = "ACCOUNT", requires = "bank")]
    bank_account: Option<String>,
    /// Of the bank statement, only the lines with this text in their reference
    #[arg(long, value_name = "TEXT", requires = "bank")]
    bank_reference: Option<String>,
    /// How near to midnight an item may stand in the other day's bill
    #[arg(long, value_name = "MINUTES", default_value_t = 10, value_parser = clap::value_parser!(i64).range(0..=720))]
    window_minutes: i64,
    /// The batch's number [default: channel, date and a number that counts up]
    #[arg(long, value_name = "NUMBER")]
    batch: Option<String>,
    #[command(flatten)]
    reports: Reports,
    /// Write the bill as it was read as Parquet, for the SQL in clearing/spark
    #[arg(long, value_name = "FILE")]
    bill_parquet: Option<PathBuf>,
}

/// Where reports go besides the table on standard output.
#[derive(Debug, Args)]
struct Reports {
    /// Write the report as CSV
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write the report as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the report as one page of HTML
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// No table on standard output
    #[arg(short, long)]
    quiet: bool,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
enum ReconcileCommandError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Day(#[from] DayError),
    #[error(transparent)]
    Reconcile(#[from] ReconcileError),
    #[error(transparent)]
    Resolution(#[from] ResolutionError),
    #[error(transparent)]
    Bill(#[from] BillError),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error(transparent)]
    Parquet(#[from] ParquetFileError),
    #[error("{path}: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error(
        "{}:{line}: the bank booked this on {found}, and what the channel owes for {date} comes from {date} to {last}. Is it another day's statement?",
        .path.display()
    )]
    BankDay { path: PathBuf, line: u64, found: Date, date: Date, last: Date },
    #[error("{timezone} is no time zone that this program knows: put the channel again with one that is")]
    TimeZone { timezone: String },
    #[error(transparent)]
    Send(#[from] decide::SendError),
}

impl Reconcile {
    /// Runs it; the exit code says how it came out.
    pub(crate) fn run(self) -> ExitCode {
        let outcome = match self.what {
            Some(what) => what.run().map(|()| 0),
            None => run(&self.run),
        };
        match outcome {
            Ok(code) => ExitCode::from(code),
            Err(error) => {
                eprintln!("suanpan: {error}");
                ExitCode::from(BAD)
            }
        }
    }
}

fn run(args: &RunArgs) -> Result<u8, ReconcileCommandError> {
    let (Some(channel), Some(date)) = (&args.channel, args.date) else { unreachable!("both are required") };
    let store = Store::open(&args.store.store)?;
    let manifest = Manifest::load(&store, date)?;
    let channel = channel_of(&manifest, channel);
    let zone = zone_of(&manifest, channel)?;
    let format = args.format.or_else(|| channel.parse().ok()).unwrap_or(Format::Generic);
    let account = match &args.account {
        Some(account) => Some(account.clone()),
        None => last_account(&store, channel)?,
    };
    let files = args.files.iter().map(|path| input_file(path)).collect::<Result<Vec<_>, _>>()?;
    let bank = if args.bank.is_empty() { None } else { Some(read_bank(args, date)?) };
    let bar = Bar::new(manifest.rows(Table::Orders) + manifest.rows(Table::Refunds), &files);
    let mut parquet = args.bill_parquet.as_deref().map(BillFile::create).transpose()?;
    let run = {
        let expected = Expected { date, account: account.as_deref(), timezone: &zone };
        let mut read = |each: &mut dyn FnMut(&BillRow<'_>)| {
            let mut taken = |row: &BillRow<'_>| {
                parquet.iter_mut().for_each(|file| file.add(row));
                each(row);
            };
            let progress = |bytes| bar.bill(bytes);
            bill::read(format, &args.files, &expected, &progress, &mut taken)
        };
        let input = Input { channel, files, bill: &mut read, bank };
        let options = Options {
            window_ms: args.window_minutes * 60_000,
            batch_no: args.batch.clone(),
            made_at: Moment::now(),
            ..Options::default()
        };
        reconcile(&store, &manifest, &Day::new(&store, &manifest), input, &options, &mut |stage, done| {
            bar.tell(stage, done);
        })?
    };
    bar.0.finish_and_clear();
    match parquet {
        Some(file) if run.is_new => file.finish()?,
        Some(file) => drop(file),
        None => {}
    }
    if !run.is_new {
        say(format_args!("the same as {}, which is there; nothing was compared anew", run.batch.batch_no));
    }
    args.reports.write(&run)?;
    Ok(if run.batch.is_balanced() { 0 } else { DIFFERS })
}

/// The channel that is meant: `generic` names a format more than a channel, so where no channel has that name, and one only has no format of its
/// own, it is that.
fn channel_of<'a>(manifest: &'a Manifest, named: &'a str) -> &'a str {
    let is_there = manifest.channel(named).is_some();
    if is_there || named.parse() != Ok(Format::Generic) {
        return named;
    }
    let mut others = manifest.channels.iter().filter(|channel| channel.name.parse::<Format>().is_err());
    match (others.next(), others.next()) {
        (Some(only), None) => &only.name,
        _ => named,
    }
}

fn zone_of(manifest: &Manifest, channel: &str) -> Result<TimeZone, ReconcileCommandError> {
    // A channel that is not there is named by the run.
    let timezone = manifest.channel(channel).map_or("UTC", |facts| facts.timezone.as_str());
    TimeZone::get(timezone).map_err(|_| ReconcileCommandError::TimeZone { timezone: timezone.to_owned() })
}

/// The account of the last bill that was reconciled: one of another is another merchant's.
fn last_account(store: &Store, channel: &str) -> Result<Option<String>, ReconcileCommandError> {
    let Some((&date, &number)) = Batch::last(store, channel)?.last_key_value() else {
        return Ok(None);
    };
    let account = Batch::load(store, channel, date, number)?.account;
    Ok(Some(account).filter(|account| !account.is_empty()))
}

fn input_file(path: &Path) -> Result<InputFile, ReconcileCommandError> {
    let (sha256, bytes) =
        hash_of(path).map_err(|source| ReconcileCommandError::File { path: path.to_owned(), source })?;
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    Ok(InputFile { name, bytes, sha256 })
}

fn read_bank(args: &RunArgs, date: Date) -> Result<Bank, ReconcileCommandError> {
    let files = args.bank.iter().map(|path| input_file(path)).collect::<Result<Vec<_>, _>>()?;
    let filter = BankFilter { account: args.bank_account.clone(), reference: args.bank_reference.clone() };
    let (mut sums, mut other_day) = (BankSums::new(filter.clone()), None);
    let last = date.plus_days(BANK_DAYS_MAX);
    let mut each = |row: &BankRow<'_>| {
        if !(date..=last).contains(&row.date) && other_day.is_none() {
            other_day = Some((row.file, row.line, row.date));
        }
        sums.add(row);
    };
    bill::read_bank(&args.bank, &|_| (), &mut each)?;
    match other_day {
        Some((file, line, found)) => {
            let path = args.bank.get(file).cloned().unwrap_or_default();
            Err(ReconcileCommandError::BankDay { path, line, found, date, last })
        }
        None => Ok(Bank { files, filter, sums }),
    }
}

/// A bar over our rows, then over the bill's bytes, on standard error if that is a terminal.
struct Bar(ProgressBar, u64);

impl Bar {
    fn new(ours: u64, files: &[InputFile]) -> Self {
        let bar = ProgressBar::new(ours.max(1));
        let style =
            ProgressStyle::with_template("{msg:<8} {bar:40} {percent:>3} %, {elapsed} gone, {eta} left");
        style.into_iter().for_each(|style| bar.set_style(style));
        bar.set_message("books");
        Self(bar, files.iter().map(|file| file.bytes).sum())
    }

    fn bill(&self, bytes: u64) {
        if self.0.length() != Some(self.1) {
            self.0.set_length(self.1);
            self.0.set_message("bill");
        }
        self.0.set_position(bytes);
    }

    fn tell(&self, stage: Stage, done: u64) {
        match stage {
            Stage::Books => self.0.set_position(done),
            Stage::Entries => self.0.set_message("entries"),
            _ => {}
        }
    }
}

impl Reports {
    fn write(&self, run: &Run) -> Result<(), ReconcileCommandError> {
        let report = Report::of(run);
        if !self.quiet {
            let mut table = Vec::new();
            report
                .write_table(&mut table)
                .map_err(|source| ReconcileCommandError::File { path: PathBuf::new(), source })?;
            let _ = io::stdout().write_all(&table);
        }
        if let Some(path) = &self.csv {
            write_report(path, |to| report.write_csv(to).map_err(failed(path)))?;
        }
        if let Some(path) = &self.json {
            write_report(path, |to| Ok(report.write_json(to)?))?;
        }
        if let Some(path) = &self.html {
            write_report(path, |to| report.write_html(to).map_err(failed(path)))?;
        }
        Ok(())
    }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> ReconcileCommandError {
    let path = path.to_owned();
    move |source| ReconcileCommandError::File { path: path.clone(), source }
}

fn write_report(
    path: &Path,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), ReconcileCommandError>,
) -> Result<(), ReconcileCommandError> {
    let mut bytes = Vec::new();
    write(&mut bytes)?;
    Ok(write_file(path, |to| to.write_all(&bytes))?)
}

/// The bill as it was read, as a table. It is written beside its name, which it has only when the run came to its end.
struct BillFile {
    path: PathBuf,
    temporary: TempPath,
    file: ParquetFile,
    rows: Rows,
    failed: Option<ParquetFileError>,
}

impl BillFile {
    fn create(path: &Path) -> Result<Self, ReconcileCommandError> {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let temporary = NamedTempFile::new_in(parent).map_err(failed(path))?.into_temp_path();
        let (file, rows) = (ParquetFile::create(Table::Bill, &temporary)?, Rows::new(Table::Bill));
        Ok(Self { path: path.to_owned(), temporary, file, rows, failed: None })
    }

    fn add(&mut self, row: &BillRow<'_>) {
        self.rows
            .push()
            .int(i32::try_from(row.file).unwrap_or(i32::MAX))
            .long(row.line.cast_signed())
            .text(row.kind.name())
            .text(row.state.name())
            .long(row.time.0)
            .text(row.sub_merchant)
            .text(row.channel_txn)
            .text(row.order_no)
            .text(row.channel_refund_no)
            .text(row.refund_no)
            .text(row.currency.0)
            .long(i64::try_from(row.amount).unwrap_or(i64::MAX))
            .long(row.fee_millionths)
            .end();
        if self.rows.len() >= GROUP_ROWS {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let rows = std::mem::replace(&mut self.rows, Rows::new(Table::Bill));
        if let (None, Err(error)) = (&self.failed, self.file.write(&rows)) {
            self.failed = Some(error);
        }
    }

    fn finish(mut self) -> Result<(), ReconcileCommandError> {
        self.flush();
        if let Some(error) = self.failed {
            return Err(error.into());
        }
        self.file.finish()?;
        self.temporary.persist(&self.path).map_err(|error| failed(&self.path)(error.error))
    }
}
