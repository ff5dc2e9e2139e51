//! A run: a bill against a date, from the files to the batch in the store.

use jiff::Timestamp as Moment;
use sha2::{Digest, Sha256};
use suanpan_core::{Date, Timestamp};

use super::ReconcileError;
use super::batch::{self, Batch, BatchRef, FORMAT, InputFile};
use super::books::Books;
use super::carry::Carry;
use super::funds::{BankFilter, BankSums, funds};
use super::matching::Matcher;
use super::settle::{Settled, load, settle};
use super::three_way::three_way;
use super::window::{BillDay, WINDOW_MS};
use crate::bill::{BillError, BillRow, BillTotals};
use crate::manifest::Manifest;
use crate::parquet_file::hex;
use crate::store::Store;

/// What differs at most, before a file is taken for another's.
pub const DIFFERENCES_MAX: usize = 1_000_000;

/// Reads a bill: gives each line to the function, and at the end what the bill says of itself.
pub type ReadBill<'a> = dyn FnMut(&mut dyn FnMut(&BillRow<'_>)) -> Result<BillTotals, BillError> + 'a;

/// A bank statement, read.
#[derive(Debug, Clone, Default)]
pub struct Bank {
    /// Its files.
    pub files: Vec<InputFile>,
    /// Which lines counted.
    pub filter: BankFilter,
    /// What they come to.
    pub sums: BankSums,
}

/// What a run is given.
pub struct Input<'a> {
    /// Whose bill.
    pub channel: &'a str,
    /// The bill's files.
    pub files: Vec<InputFile>,
    /// Reads them.
    pub bill: &'a mut ReadBill<'a>,
    /// The bank statement, if the flow of funds is to be compared too.
    pub bank: Option<Bank>,
}

/// How a run is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How near to midnight an item is carried, in milliseconds.
    pub window_ms: i64,
    /// What differs at most.
    pub differences_max: usize,
    /// Whether orders are compared with entries too.
    pub three_way: bool,
    /// The batch's name, if it is not to be made of channel, date and number.
    pub batch_no: Option<String>,
    /// When it is made.
    pub made_at: Moment,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            window_ms: WINDOW_MS,
            differences_max: DIFFERENCES_MAX,
            three_way: true,
            batch_no: None,
            made_at: Moment::UNIX_EPOCH,
        }
    }
}

/// What a run is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Reading our items.
    Books,
    /// Comparing the bill's lines.
    Bill,
    /// Adding up entries.
    Entries,
}

/// How a run came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The batch.
    pub batch: Batch,
    /// What it tells.
    pub lines: Settled,
    /// Whether it was made now; if not, the same had been run before, and it is the one from then.
    pub is_new: bool,
}

/// Lines between two calls of the progress.
const PROGRESS_ROWS: u64 = 1 << 16;

/// Compares a channel's bill with a date's books, and keeps what came out as a batch. The same input again gives the batch that is there.
///
/// # Errors
/// When something cannot be read, the bill is not sound, or too much differs. No batch is made then.
pub fn reconcile(
    store: &Store,
    manifest: &Manifest,
    books: &dyn Books,
    mut input: Input<'_>,
    options: &Options,
    progress: &mut dyn FnMut(Stage, u64),
) -> Result<Run, ReconcileError> {
    let (channel, date) = (input.channel, manifest.date);
    let day = bill_day(manifest, channel, options)?;
    let last = Batch::last(store, channel)?;
    let (carry, carry_from) = carry_into(store, manifest, channel, &last)?;
    let manifest_sha256 = hex(&Sha256::digest(manifest.to_json()?));
    let mut made_of = Vec::new();
    let bank = input.bank.as_ref();
    for part in [
        serde_json::to_vec(&(FORMAT, channel, date.to_string(), &manifest_sha256))?,
        serde_json::to_vec(&(&input.files, bank.map(|bank| (&bank.files, &bank.filter))))?,
        serde_json::to_vec(&(options.window_ms, options.three_way, &carry_from, carry.is_due))?,
    ] {
        made_of.extend(part);
    }
    let made_of = hex(&Sha256::digest(made_of));
    if let Some(&number) = last.get(&date) {
        let batch = Batch::load(store, channel, date, number)?;
        if batch.input == made_of {
            let lines = batch.read_lines(store)?;
            return Ok(Run { batch, lines, is_new: false });
        }
    }
    let mut batch = Batch {
        format: FORMAT,
        batch_no: String::new(),
        channel: channel.to_owned(),
        date,
        number: last.get(&date).copied().unwrap_or(0) + 1,
        made_at: options.made_at,
        input: made_of,
        manifest_sha256,
        files: input.files.clone(),
        account: String::new(),
        bank_files: bank.map_or_else(Vec::new, |bank| bank.files.clone()),
        bank_filter: bank.map_or_else(BankFilter::default, |bank| bank.filter.clone()),
        window_ms: options.window_ms,
        carry_from,
        is_due: carry.is_due,
        carried_in: carry.items.iter().filter(|item| !item.class.is_open()).count() as u64,
        carried_out: 0,
        watched: 0,
        closed: 0,
        bill: std::collections::BTreeMap::new(),
        totals: Vec::new(),
        funds: None,
        three_way: None,
        lines: batch::LinesFile { path: String::new(), bytes: 0, sha256: String::new() },
    };
    let lines = compare(books, day, &carry, &mut input, options, &mut batch, progress)?;
    put(store, batch, lines, options)
}

/// Does the comparing, and writes what is to be said of it into the batch. Orders against entries is a reading by itself, of about as much work as
/// all the rest: it has a thread beside.
fn compare(
    books: &dyn Books,
    day: BillDay,
    carry: &Carry,
    input: &mut Input<'_>,
    options: &Options,
    batch: &mut Batch,
    progress: &mut dyn FnMut(Stage, u64),
) -> Result<Settled, ReconcileError> {
    let date = batch.date;
    std::thread::scope(|scope| {
        let beside = options.three_way.then(|| scope.spawn(move || three_way(books, date, &mut |_| ())));
        let lines = compare_bill(books, day, carry, input, options, batch, progress);
        progress(Stage::Entries, 0);
        let three_way = beside.map(|beside| match beside.join() {
            Ok(found) => found,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        let lines = lines?;
        batch.three_way = three_way.transpose()?;
        Ok(lines)
    })
}

/// The bill against the books.
fn compare_bill(
    books: &dyn Books,
    day: BillDay,
    carry: &Carry,
    input: &mut Input<'_>,
    options: &Options,
    batch: &mut Batch,
    progress: &mut dyn FnMut(Stage, u64),
) -> Result<Settled, ReconcileError> {
    let (channel, date) = (input.channel, batch.date);
    let (shelf, loaded) = load(books, channel, date, carry, &mut |done| progress(Stage::Books, done))?;
    let mut matcher = Matcher::new(shelf, books.merchants()?, (date, day), carry, options.differences_max);
    let totals = (input.bill)(&mut |row| {
        matcher.row(row);
        if matcher.rows.is_multiple_of(PROGRESS_ROWS) {
            progress(Stage::Bill, matcher.rows);
        }
    });
    // Nothing of it is looked at before it is known to be sound.
    batch.account = totals?.account;
    progress(Stage::Bill, matcher.rows);
    batch.bill = std::mem::take(&mut matcher.sums).checked()?;
    let files: Vec<String> = input.files.iter().map(|file| file.name.clone()).collect();
    let lines = settle(matcher, &loaded, books, channel, &files)?;
    if let Some(bank) = &input.bank {
        batch.funds = Some(funds(&batch.bill, books, channel, &bank.sums)?);
    }
    batch.totals = batch::totals(&lines)?;
    let carried = |item: &&super::Item| item.class == super::Class::Carried;
    batch.carried_out = lines.items.iter().filter(carried).count() as u64;
    (batch.watched, batch.closed) = (lines.watched.len() as u64, lines.closed.len() as u64);
    Ok(lines)
}

fn bill_day(manifest: &Manifest, channel: &str, options: &Options) -> Result<BillDay, ReconcileError> {
    let facts = manifest.channels.iter().find(|facts| facts.name == channel);
    let facts = facts.ok_or_else(|| {
        let known: Vec<&str> = manifest.channels.iter().map(|facts| facts.name.as_str()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        ReconcileError::Channel { channel: channel.to_owned(), date: manifest.date, known }
    })?;
    let at = |moment: Moment| Timestamp(moment.as_millisecond());
    let opened_at = manifest.opened_at.map(at);
    BillDay::new(manifest.date, &facts.timezone, options.window_ms, opened_at, at(manifest.cut_at))
}

/// What the last batch before a date carried.
fn carry_into(
    store: &Store,
    manifest: &Manifest,
    channel: &str,
    last: &std::collections::BTreeMap<Date, u32>,
) -> Result<(Carry, Option<BatchRef>), ReconcileError> {
    let Some((&date, &number)) = last.range(..manifest.date).next_back() else {
        return Ok((Carry { items: Vec::new(), is_due: true }, None));
    };
    let before = Batch::load(store, channel, date, number)?;
    let is_due = manifest.previous == Some(date);
    let carry = batch::carry_of(before.read_lines(store)?, manifest.date, is_due);
    Ok((carry, Some(BatchRef { date, number })))
}

/// Puts the batch into the store, under the next number if somebody else took this one meanwhile.
fn put(store: &Store, mut batch: Batch, lines: Settled, options: &Options) -> Result<Run, ReconcileError> {
    batch.lines = batch::put_lines(store, &batch.channel, batch.date, &lines)?;
    loop {
        let Batch { channel, date, number, .. } = &batch;
        batch.batch_no = options.batch_no.clone().unwrap_or_else(|| format!("{channel}-{date}-{number}"));
        if batch.put(store)? {
            return Ok(Run { batch, lines, is_new: true });
        }
        let other = Batch::load(store, &batch.channel, batch.date, batch.number)?;
        if other.input == batch.input {
            return Ok(Run { batch: other, lines, is_new: false });
        }
        batch.number += 1;
    }
}
