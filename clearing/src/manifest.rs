//! The manifest of a day: what makes it exist, and what everything of it is checked against.
//!
//! `manifests/2018-08-26.json`, JSON in UTF-8, version 1; money in minor units, times in RFC 3339 and UTC. It is put last and if absent, so a
//! day is there whole or not at all, and once. Whoever reads a day opens the files that its manifest names and no others.

use std::fmt;

use jiff::Timestamp as Moment;
use serde::{Deserialize, Serialize};
use suanpan_core::{Date, Timestamp};

use crate::parquet_file::{self, ParquetFileError, ReadRows, hash_of};
use crate::store::{Store, StoreError};
use crate::table::Table;

/// The version of manifest and tables.
pub const FORMAT: u32 = 1;

/// Why a day could not be read. Nothing of it is to be believed then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DayError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file could not be read.
    #[error(transparent)]
    File(#[from] ParquetFileError),
    /// The day is not in the store.
    #[error("{date} is not in the cold store {url}{}", exported(.first, .last))]
    NotExported {
        /// The day.
        date: Date,
        /// The store.
        url: String,
        /// The first day that is.
        first: Option<Date>,
        /// The last.
        last: Option<Date>,
    },
    /// The manifest is none, or of a version that this program does not read.
    #[error("{path} in the cold store {url} is no manifest that this version reads: {reason}")]
    Malformed {
        /// The object.
        path: String,
        /// The store.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// A file is not what its manifest says.
    #[error(
        "{path} is not what its manifest says: {what} is {found}, and should be {said}. Restore it from a backup, or remove the manifest and export the day again"
    )]
    Disagrees {
        /// The object.
        path: String,
        /// Its size, hash or rows.
        what: &'static str,
        /// What it has.
        found: String,
        /// What the manifest says.
        said: String,
    },
    /// The day's tables do not add up: a bug of ours, or someone wrote into them.
    #[error("{date} does not add up: {what}")]
    Unproved {
        /// The day.
        date: Date,
        /// Where.
        what: String,
    },
}

fn exported(first: &Option<Date>, last: &Option<Date>) -> String {
    match (first, last) {
        (Some(first), Some(last)) => format!(": it has {first} to {last}"),
        _ => ": it has no day yet. Export one with `suanpan export`".to_owned(),
    }
}

/// What a day is made of; see the file's page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// The accounting date.
    #[serde(with = "as_text")]
    pub date: Date,
    /// The one that the cut began.
    #[serde(with = "as_text")]
    pub next_date: Date,
    /// The one before it that is in the store, if any.
    #[serde(with = "as_text_or_null")]
    pub previous: Option<Date>,
    /// Which part of which log.
    pub log: LogRange,
    /// When the day before was cut; null for the first day of all.
    pub opened_at: Option<Moment>,
    /// When the day was cut.
    pub cut_at: Moment,
    /// Parts that each table is in.
    pub shards: u16,
    /// The channels that there were.
    pub channels: Vec<ChannelFacts>,
    /// Its files.
    pub files: Vec<FileFacts>,
    /// Totals by currency.
    pub currencies: Vec<CurrencyTotals>,
}

/// A part of a log: from where to where, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogRange {
    /// Whose log: 128 bits in hexadecimal.
    pub id: String,
    /// Where the day begins.
    pub from: u64,
    /// Where the record begins that cut it.
    pub to: u64,
}

/// What reconciliation needs to know of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelFacts {
    /// Its name.
    pub name: String,
    /// Its zone, by the name that it was given.
    pub timezone: String,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileFacts {
    /// Which table.
    pub table: String,
    /// Which part of it.
    pub shard: u16,
    /// Its place in the store.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
    /// Its rows.
    pub rows: u64,
}

/// What a day comes to in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CurrencyTotals {
    /// ISO 4217.
    pub currency: String,
    /// Orders that were paid on the date.
    pub orders: u64,
    /// Their cash.
    pub amount_minor: i64,
    /// Refunds that were booked on the date and did not fail.
    pub refunds: u64,
    /// The cash in them.
    pub refunded_cash_minor: i64,
    /// Entries.
    pub entries: u64,
    /// The sum of their amounts.
    pub entries_minor: i64,
    /// The trial balance at both ends of the day; merchants by kind of account.
    pub accounts: Vec<AccountTotals>,
}

/// A line of the trial balance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountTotals {
    /// Its name in api.md.
    pub account: String,
    /// When the day began.
    pub opening_minor: i64,
    /// When it was cut.
    pub closing_minor: i64,
}

/// A date from its text, `YYYY-MM-DD`.
#[must_use]
pub fn date_of(text: &str) -> Option<Date> {
    let mut parts = text.splitn(3, '-');
    let mut part = |len: usize| {
        let text = parts.next().filter(|text| text.len() == len)?;
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u32>().ok())?
    };
    let (year, month, day) = (part(4)?, part(2)?, part(2)?);
    Date::from_ymd(i32::try_from(year).ok()?, month, day)
}

/// A moment of the core as one of the calendar's.
#[must_use]
pub fn moment(at: Timestamp) -> Moment {
    // Both have the years 0 to 9999.
    Moment::from_millisecond(at.0).unwrap_or(Moment::MAX)
}

mod as_text {
    use super::*;

    pub(super) fn serialize<S: serde::Serializer>(date: &Date, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(date)
    }

    pub(super) fn deserialize<'a, D: serde::Deserializer<'a>>(from: D) -> Result<Date, D::Error> {
        let text = String::deserialize(from)?;
        date_of(&text).ok_or_else(|| serde::de::Error::custom(format!("{text} is no date")))
    }
}

mod as_text_or_null {
    use super::*;

    pub(super) fn serialize<S: serde::Serializer>(date: &Option<Date>, to: S) -> Result<S::Ok, S::Error> {
        date.map(|date| date.to_string()).serialize(to)
    }

    pub(super) fn deserialize<'a, D: serde::Deserializer<'a>>(from: D) -> Result<Option<Date>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| date_of(&text).ok_or_else(|| serde::de::Error::custom(format!("{text} is no date"))))
            .transpose()
    }
}

impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: u64 = self.files.iter().map(|file| file.bytes).sum();
        write!(f, "{}: {} files, {bytes} bytes", self.date, self.files.len())?;
        for table in Table::OF_A_DAY {
            write!(f, ", {} {table}", self.rows(table))?;
        }
        Ok(())
    }
}

impl Manifest {
    /// Where a day's manifest is.
    #[must_use]
    pub fn path(date: Date) -> String {
        format!("manifests/{date}.json")
    }

    /// The days in a store, rising.
    ///
    /// # Errors
    /// When the store fails.
    pub fn dates(store: &Store) -> Result<Vec<Date>, StoreError> {
        let names = store.list("manifests")?;
        let date = |path: &str| date_of(path.strip_prefix("manifests/")?.strip_suffix(".json")?);
        Ok(names.iter().filter_map(|(path, _)| date(path)).collect())
    }

    /// A day's manifest, if the day is in the store.
    ///
    /// # Errors
    /// When the store fails, or it is no manifest.
    pub fn find(store: &Store, date: Date) -> Result<Option<Self>, DayError> {
        let path = Self::path(date);
        let Some(bytes) = store.find(&path)? else { return Ok(None) };
        let malformed =
            |reason: String| DayError::Malformed { path: path.clone(), url: store.url().to_owned(), reason };
        let manifest: Self = serde_json::from_slice(&bytes).map_err(|error| malformed(error.to_string()))?;
        if manifest.format != FORMAT {
            return Err(malformed(format!("format {}, and this reads {FORMAT}", manifest.format)));
        }
        if manifest.date != date {
            return Err(malformed(format!("it is of {}", manifest.date)));
        }
        if let Some(file) = manifest.files.iter().find(|file| !is_inside(&file.path)) {
            return Err(malformed(format!("{:?} is no place in a store", file.path)));
        }
        Ok(Some(manifest))
    }

    /// A day's manifest.
    ///
    /// # Errors
    /// [`DayError::NotExported`] when the day is not in the store, and as [`Manifest::find`].
    pub fn load(store: &Store, date: Date) -> Result<Self, DayError> {
        let missing = || -> Result<DayError, StoreError> {
            let dates = Self::dates(store)?;
            let (first, last) = (dates.first().copied(), dates.last().copied());
            Ok(DayError::NotExported { date, url: store.url().to_owned(), first, last })
        };
        match Self::find(store, date)? {
            Some(manifest) => Ok(manifest),
            None => Err(missing()?),
        }
    }

    /// The last day before one that is in the store.
    ///
    /// # Errors
    /// As [`Manifest::find`].
    pub fn before(store: &Store, date: Date) -> Result<Option<Self>, DayError> {
        let dates = Self::dates(store)?;
        match dates.into_iter().rev().find(|earlier| *earlier < date) {
            Some(earlier) => Self::find(store, earlier),
            None => Ok(None),
        }
    }

    /// Its bytes.
    ///
    /// # Errors
    /// Never: it has no key that is no text.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// The files of a table.
    pub fn files_of(&self, table: Table) -> impl Iterator<Item = &FileFacts> {
        self.files.iter().filter(move |file| file.table == table.name())
    }

    /// The rows of a table.
    #[must_use]
    pub fn rows(&self, table: Table) -> u64 {
        self.files_of(table).map(|file| file.rows).sum()
    }

    /// A channel's facts, if there was such a channel.
    #[must_use]
    pub fn channel(&self, name: &str) -> Option<&ChannelFacts> {
        self.channels.iter().find(|channel| channel.name == name)
    }

    /// Reads some columns of a table of this day, each file after its size and hash were found to be those that it should have.
    ///
    /// # Errors
    /// When a file is not what it should be, and whatever `each` says.
    pub fn read<E: From<DayError>>(
        &self,
        store: &Store,
        table: Table,
        columns: &[usize],
        each: &mut dyn FnMut(&ReadRows) -> Result<(), E>,
    ) -> Result<(), E> {
        for file in self.files_of(table) {
            read_file(store, file, table, columns, each)?;
        }
        Ok(())
    }
}

/// Whether a path stays inside a store.
fn is_inside(path: &str) -> bool {
    !path.is_empty() && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// Reads some columns of a file, after its size and hash were found to be those that it should have.
///
/// # Errors
/// When the file is not what it should be, and whatever `each` says.
pub fn read_file<E: From<DayError>>(
    store: &Store,
    file: &FileFacts,
    table: Table,
    columns: &[usize],
    each: &mut dyn FnMut(&ReadRows) -> Result<(), E>,
) -> Result<(), E> {
    let local = store.local(&file.path).map_err(DayError::from)?;
    let disagrees = |what, found: String, said: String| DayError::Disagrees {
        path: file.path.clone(),
        what,
        found,
        said,
    };
    let io = |source| DayError::Store(StoreError::Local { path: local.path().to_owned(), source });
    let bytes = local.path().metadata().map_err(io)?.len();
    if bytes != file.bytes {
        return Err(disagrees("its size", bytes.to_string(), file.bytes.to_string()).into());
    }
    let (sha256, _) = hash_of(local.path()).map_err(io)?;
    if sha256 != file.sha256 {
        return Err(disagrees("its SHA-256", sha256, file.sha256.clone()).into());
    }
    let mut rows = 0;
    let mut failed = None;
    let read: Result<(), DayError> = parquet_file::read(table, local.path(), columns, &mut |read| {
        rows += read.len() as u64;
        each(read).map_err(|error| {
            failed = Some(error);
            // Only to stop; what is handed on is `failed`.
            DayError::Store(StoreError::Missing { path: file.path.clone(), url: store.url().to_owned() })
        })
    });
    if let Some(error) = failed {
        return Err(error);
    }
    read?;
    if rows != file.rows {
        return Err(disagrees("its number of rows", rows.to_string(), file.rows.to_string()).into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_strictly() {
        assert_eq!(date_of("2018-08-26"), Some(Date(17_769)));
        for text in ["2018-8-26", "2018-08-32", "2018-08-26 ", "+018-08-26", "20180826", ""] {
            assert_eq!(date_of(text), None, "{text}");
        }
    }

    #[test]
    fn a_manifest_does_not_lead_out_of_its_store() {
        assert!(is_inside("orders/date=2018-08-26/shard=0/a.parquet"));
        for path in ["", "/etc/passwd", "a/../../b", "./a", "a//b"] {
            assert!(!is_inside(path), "{path}");
        }
    }
}
