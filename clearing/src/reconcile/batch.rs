//! A batch: one run of a channel's reconciliation of a date, as it is kept in the store.
//!
//! ```text
//! reconciliation/channel=wechat/date=2018-08-26/lines-<sha256, 12 digits>.jsonl   what the batch tells, a line each
//! reconciliation/channel=wechat/date=2018-08-26/batch-1.json                      put last and if absent: the batch is there when this is
//! ```
//! JSON in UTF-8, version 1; money in minor units, times in RFC 3339 and UTC. A line is `{"matched": …}` (a merchant's sum), `{"item": …}` (no match),
//! `{"watched": …}` (open since a date before and still looked for) or `{"closed": …}` (from a batch before, and found its end here). The batch
//! with the highest number decides.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use jiff::Timestamp as Moment;
use serde::{Deserialize, Serialize};
use suanpan_core::Date;
use tempfile::NamedTempFile;

use super::ReconcileError;
use super::carry::{Carry, goes_on};
use super::funds::{BankFilter, BillSum, Funds};
use super::item::{Class, Item, Kind, date_text};
use super::settle::{Settled, Tally};
use super::three_way::ThreeWay;
use crate::manifest::date_of;
use crate::parquet_file::hash_of;
use crate::store::{Store, StoreError};

/// The version of batches.
pub const FORMAT: u32 = 1;

/// A file that a run was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputFile {
    /// Its name.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

impl InputFile {
    /// A file, by its name without its folder.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of(path: &Path) -> std::io::Result<Self> {
        let (sha256, bytes) = hash_of(path)?;
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Ok(Self { name, bytes, sha256 })
    }
}

/// Which batch of which date.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchRef {
    /// The date.
    #[serde(with = "date_text")]
    pub date: Date,
    /// The batch's number among those of the date, from 1.
    pub number: u32,
}

/// How many items of one kind ended in one way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Total {
    /// How.
    pub class: Class,
    /// What.
    pub kind: Kind,
    /// Of the amounts.
    pub currency: String,
    /// How many.
    pub count: u64,
    /// What they come to with us.
    pub ours_minor: i64,
    /// What they come to with the channel.
    pub bill_minor: i64,
}

/// The lines of a batch, and how to know them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinesFile {
    /// Its place in the store.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

/// A run as it is kept; see the file's page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// [`FORMAT`].
    pub format: u32,
    /// Its name.
    pub batch_no: String,
    /// Whose bill.
    pub channel: String,
    /// Which accounting date, and which day's bill.
    #[serde(with = "date_text")]
    pub date: Date,
    /// Its number among those of the date, from 1.
    pub number: u32,
    /// When it was made.
    pub made_at: Moment,
    /// A hash over all that it was made of: the same again makes no other.
    pub input: String,
    /// The SHA-256 of the date's manifest.
    pub manifest_sha256: String,
    /// The bill's files.
    pub files: Vec<InputFile>,
    /// The account at the channel that the bill is of.
    pub account: String,
    /// The bank statement's files; none if there was no statement.
    pub bank_files: Vec<InputFile>,
    /// Which lines of it counted.
    pub bank_filter: BankFilter,
    /// How near to midnight an item is carried, in milliseconds.
    pub window_ms: i64,
    /// The batch before, whose carried items were looked for here.
    pub carry_from: Option<BatchRef>,
    /// Whether that is of the date right before: if not, what it carried is carried on.
    pub is_due: bool,
    /// How many items it carried.
    pub carried_in: u64,
    /// How many go on from here.
    pub carried_out: u64,
    /// How many are open since a date before and still looked for.
    pub watched: u64,
    /// How many from before found their end here.
    pub closed: u64,
    /// What the bill comes to, by currency.
    pub bill: BTreeMap<String, BillSum>,
    /// How all items ended.
    pub totals: Vec<Total>,
    /// The flow of funds, if there was a statement.
    pub funds: Option<Vec<Funds>>,
    /// Orders and refunds against entries, if that was asked for.
    pub three_way: Option<ThreeWay>,
    /// What it tells.
    pub lines: LinesFile,
}

impl Batch {
    /// How many items are open.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.totals.iter().filter(|total| total.class.is_open()).map(|total| total.count).sum()
    }

    /// Whether nothing is to be done: no item is open, the money came, our own books add up.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        let funds = self.funds.iter().flatten().all(|funds| funds.class == Class::Matched);
        self.open() == 0 && funds && self.three_way.as_ref().is_none_or(|three_way| three_way.differ == 0)
    }

    /// Where it is.
    #[must_use]
    pub fn path(channel: &str, date: Date, number: u32) -> String {
        format!("{}batch-{number}.json", folder(channel, date))
    }

    /// The numbers of the batches of a channel, by date.
    ///
    /// # Errors
    /// When the store fails.
    pub fn numbers(store: &Store, channel: &str) -> Result<BTreeMap<Date, Vec<u32>>, StoreError> {
        let root = format!("reconciliation/channel={channel}");
        let mut found: BTreeMap<Date, Vec<u32>> = BTreeMap::new();
        for (path, _) in store.list(&root)? {
            if let Some((date, number)) = path.strip_prefix(&root).and_then(parse_path) {
                found.entry(date).or_default().push(number);
            }
        }
        found.values_mut().for_each(|numbers| numbers.sort_unstable());
        Ok(found)
    }

    /// The channels that were ever reconciled.
    ///
    /// # Errors
    /// When the store fails.
    pub fn channels(store: &Store) -> Result<Vec<String>, StoreError> {
        let listed = store.list("reconciliation")?;
        let channel = |path: &str| {
            let rest = path.strip_prefix("reconciliation/channel=")?;
            Some(rest.split_once('/')?.0.to_owned())
        };
        let mut channels: Vec<String> = listed.iter().filter_map(|(path, _)| channel(path)).collect();
        channels.dedup();
        Ok(channels)
    }

    /// The batch that decides for each date of a channel.
    ///
    /// # Errors
    /// When the store fails.
    pub fn last(store: &Store, channel: &str) -> Result<BTreeMap<Date, u32>, StoreError> {
        let numbers = Self::numbers(store, channel)?;
        Ok(numbers.into_iter().filter_map(|(date, numbers)| Some((date, *numbers.last()?))).collect())
    }

    /// Reads one.
    ///
    /// # Errors
    /// When it is not there, or is none.
    pub fn load(store: &Store, channel: &str, date: Date, number: u32) -> Result<Self, ReconcileError> {
        let path = Self::path(channel, date, number);
        let batch: Self = serde_json::from_slice(&store.get(&path)?)
            .map_err(|error| malformed(store, &path, error.to_string()))?;
        let is_it =
            batch.format == FORMAT && (&*batch.channel, batch.date, batch.number) == (channel, date, number);
        if !is_it {
            return Err(malformed(store, &path, "it is of another batch or version".to_owned()));
        }
        Ok(batch)
    }

    /// Reads what it tells.
    ///
    /// # Errors
    /// When that is not there, or not what the batch says.
    pub fn read_lines(&self, store: &Store) -> Result<Settled, ReconcileError> {
        let LinesFile { path, bytes, sha256 } = &self.lines;
        if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(malformed(store, path, "it is no place in a store".to_owned()));
        }
        let file = store.local(path)?;
        if hash_of(file.path())? != (sha256.clone(), *bytes) {
            let reason = format!("it is not what batch {} says: other bytes", self.batch_no);
            return Err(malformed(store, path, reason));
        }
        let mut lines = Settled::default();
        for (at, line) in BufReader::new(File::open(file.path())?).lines().enumerate() {
            let line = serde_json::from_str(&line?);
            match line.map_err(|error| malformed(store, path, format!("line {}: {error}", at + 1)))? {
                Line::Matched(tally) => lines.matched.push(tally),
                Line::Item(item) => lines.items.push(item),
                Line::Watched(item) => lines.watched.push(item),
                Line::Closed(item) => lines.closed.push(item),
            }
        }
        Ok(lines)
    }

    /// Puts it into the store, unless a batch of that number is there: then `false`.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) fn put(&self, store: &Store) -> Result<bool, ReconcileError> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(store.put_new(&Self::path(&self.channel, self.date, self.number), bytes)?)
    }
}

fn folder(channel: &str, date: Date) -> String {
    format!("reconciliation/channel={channel}/date={date}/")
}

pub(crate) fn malformed(store: &Store, path: &str, reason: String) -> ReconcileError {
    ReconcileError::Malformed { path: path.to_owned(), url: store.url().to_owned(), reason }
}

/// `/date=2018-08-26/batch-1.json`.
fn parse_path(path: &str) -> Option<(Date, u32)> {
    let (date, name) = path.strip_prefix("/date=")?.split_once('/')?;
    let number = name.strip_prefix("batch-")?.strip_suffix(".json")?;
    Some((date_of(date)?, number.parse().ok()?))
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line<T = Tally, I = Item> {
    Matched(T),
    Item(I),
    Watched(I),
    Closed(I),
}

/// Writes what a batch tells into the store, under the name of its hash.
pub(crate) fn put_lines(
    store: &Store,
    channel: &str,
    date: Date,
    lines: &Settled,
) -> Result<LinesFile, ReconcileError> {
    let file = NamedTempFile::new_in(store.spool()?)?;
    let mut writer = BufWriter::new(file.as_file());
    let mut write = |line: Line<&Tally, &Item>| -> Result<(), ReconcileError> {
        serde_json::to_writer(&mut writer, &line)?;
        Ok(writer.write_all(b"\n")?)
    };
    lines.matched.iter().try_for_each(|tally| write(Line::Matched(tally)))?;
    lines.items.iter().try_for_each(|item| write(Line::Item(item)))?;
    lines.watched.iter().try_for_each(|item| write(Line::Watched(item)))?;
    lines.closed.iter().try_for_each(|item| write(Line::Closed(item)))?;
    writer.flush()?;
    drop(writer);
    let (sha256, bytes) = hash_of(file.path())?;
    let path = format!("{}lines-{}.jsonl", folder(channel, date), &sha256[..12]);
    store.put_file(&path, file.path())?;
    Ok(LinesFile { path, bytes, sha256 })
}

/// What goes on from a batch to the one of the next date.
pub(crate) fn carry_of(lines: Settled, date: Date, is_due: bool) -> Carry {
    let items = lines.items.into_iter().filter(|item| goes_on(item, date));
    Carry { items: items.chain(lines.watched).collect(), is_due }
}

/// How all items ended, added up.
pub(crate) fn totals(lines: &Settled) -> Result<Vec<Total>, ReconcileError> {
    let mut sums: BTreeMap<(Class, Kind, String), (u64, i128, i128)> = BTreeMap::new();
    for tally in &lines.matched {
        let sum = sums.entry((Class::Matched, tally.kind, tally.currency.clone())).or_default();
        let amount = i128::from(tally.amount_minor);
        *sum = (sum.0 + tally.count, sum.1 + amount, sum.2 + amount);
    }
    for item in &lines.items {
        let sides = (item.ours.as_ref(), item.bill.as_ref());
        let currency = item.currency().as_str().to_owned();
        let sum = sums.entry((item.class, item.kind, currency)).or_default();
        let ours = sides.0.map_or(0, |side| i128::from(side.amount_minor));
        let bill = sides.1.map_or(0, |side| i128::from(side.amount_minor));
        *sum = (sum.0 + 1, sum.1 + ours, sum.2 + bill);
    }
    let minor = |sum| i64::try_from(sum).map_err(|_| ReconcileError::TooLarge { what: "a class's amounts" });
    sums.into_iter()
        .map(|((class, kind, currency), (count, ours, bill))| {
            Ok(Total { class, kind, currency, count, ours_minor: minor(ours)?, bill_minor: minor(bill)? })
        })
        .collect()
}
