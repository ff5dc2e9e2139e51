//! One Parquet file of a table: rows into it, and rows out of it.
//!
//! Written group by group, hashed on its way to the disk, and read back the same way, only the columns that are asked for. What is read
//! is not trusted: a file of other columns or kinds is refused, and whoever has a manifest compares its size and hash first.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use sha2::{Digest, Sha256};

use crate::chunk::Scratch;
use crate::runs::Texts;
use crate::table::{Rows, Table};

/// Rows that are written and read together.
pub const GROUP_ROWS: usize = 1 << 17;

/// Why a file could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParquetFileError {
    /// The system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is no sound Parquet file.
    #[error(
        "{path} is not a sound Parquet file: {source}. Export its day again, or restore it from a backup"
    )]
    Unsound {
        /// The file.
        path: PathBuf,
        /// What the library said.
        source: Box<ParquetError>,
    },
    /// It has other columns than its table.
    #[error("{path} is no file of {table}: its column {at} should be {expected}. Is it of another version?")]
    Columns {
        /// The file.
        path: PathBuf,
        /// The table.
        table: Table,
        /// Which column, from 0.
        at: usize,
        /// Its name.
        expected: &'static str,
    },
}

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Where it is.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
    /// Its rows.
    pub rows: u64,
}

/// Hashes what goes through it.
struct Hashing<W> {
    inner: W,
    hash: Sha256,
    bytes: u64,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Writes a file.
pub struct ParquetFile {
    table: Table,
    path: PathBuf,
    writer: SerializedFileWriter<Hashing<BufWriter<File>>>,
    rows: u64,
    scratch: Option<Scratch>,
}

fn properties() -> Arc<WriterProperties> {
    // A group has one page of a column: there is nothing to look up in an index of them.
    let properties = WriterProperties::builder().set_offset_index_disabled(true);
    Arc::new(properties.set_created_by("suanpan".to_owned()).build())
}

impl ParquetFile {
    /// Makes a file.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn create(table: Table, path: &Path) -> Result<Self, ParquetFileError> {
        let file =
            File::create(path).map_err(|source| ParquetFileError::Io { path: path.to_owned(), source })?;
        let sink = Hashing { inner: BufWriter::new(file), hash: Sha256::new(), bytes: 0 };
        let unsound = unsound(path);
        let schema = table.schema().map_err(&unsound)?;
        let writer = SerializedFileWriter::new(sink, schema, properties()).map_err(&unsound)?;
        Ok(Self { table, path: path.to_owned(), writer, rows: 0, scratch: None })
    }

    /// Adds some rows as one group; none is no group.
    ///
    /// # Errors
    /// When the system refuses: the file is good for nothing then.
    pub fn write(&mut self, rows: &Rows) -> Result<(), ParquetFileError> {
        let scratch = self.scratch.take().map_or_else(Scratch::new, Ok);
        let mut scratch =
            scratch.map_err(|source| ParquetFileError::Io { path: self.path.clone(), source })?;
        self.write_with_names(rows, &Texts::default(), &mut scratch)?;
        self.scratch = Some(scratch);
        Ok(())
    }

    /// Adds some rows as one group, with the names that theirs are the numbers of.
    pub(crate) fn write_with_names(
        &mut self,
        rows: &Rows,
        names: &Texts,
        scratch: &mut Scratch,
    ) -> Result<(), ParquetFileError> {
        assert!(rows.table() == self.table, "rows of another table");
        if rows.is_empty() {
            return Ok(());
        }
        let unsound = unsound(&self.path);
        let kinds = self.table.columns().iter().map(|column| column.kind);
        let columns: Vec<_> = kinds.zip(self.writer.schema_descr().columns().to_vec()).collect();
        let mut group = self.writer.next_row_group().map_err(&unsound)?;
        let len = u32::try_from(rows.len()).unwrap_or_else(|_| unreachable!("a group of so many rows"));
        for ((kind, column), (values, present)) in
            columns.into_iter().zip(rows.columns.iter().zip(&rows.present))
        {
            let chunk = scratch.encode(column, kind, values, present, len, names);
            let (bytes, close) = chunk.map_err(&unsound)?;
            group.append_column(&bytes, close).map_err(&unsound)?;
        }
        group.close().map_err(&unsound)?;
        self.rows += u64::from(len);
        Ok(())
    }

    /// Ends the file and says what it is. It is synced when it is put into the store, not here.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn finish(self) -> Result<Written, ParquetFileError> {
        let path = self.path;
        let mut sink = self.writer.into_inner().map_err(unsound(&path))?;
        if let Err(source) = sink.flush() {
            return Err(ParquetFileError::Io { path, source });
        }
        Ok(Written { path, bytes: sink.bytes, sha256: hex(&sink.hash.finalize()), rows: self.rows })
    }
}

/// The SHA-256 of a file, in hexadecimal, and its size.
///
/// # Errors
/// When it cannot be read.
pub fn hash_of(path: &Path) -> io::Result<(String, u64)> {
    let mut sink = Hashing { inner: io::sink(), hash: Sha256::new(), bytes: 0 };
    io::copy(&mut File::open(path)?, &mut sink)?;
    Ok((hex(&sink.hash.finalize()), sink.bytes))
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble & 15)]);
    bytes.iter().flat_map(|&byte| [digit(byte >> 4), digit(byte)]).collect()
}

fn unsound(path: &Path) -> impl Fn(ParquetError) -> ParquetFileError {
    let path = path.to_owned();
    move |source| ParquetFileError::Unsound { path: path.clone(), source: Box::new(source) }
}

/// Some rows of a file, the columns that were asked for.
#[derive(Debug)]
pub struct ReadRows {
    len: usize,
    columns: Vec<ReadColumn>,
}

#[derive(Debug)]
enum ReadColumn {
    Skipped,
    Text(Vec<ByteArray>, Vec<u32>),
    Long(Vec<i64>, Vec<u32>),
    Int(Vec<i32>, Vec<u32>),
    Flag(Vec<bool>),
}

/// What stands for the place of a null.
const NULL: u32 = u32::MAX;

impl ReadRows {
    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Text; null is `None`.
    ///
    /// # Panics
    /// As all of these: when the column was not asked for, or is of another kind.
    #[must_use]
    pub fn text_or_null(&self, column: usize, row: usize) -> Option<&str> {
        let ReadColumn::Text(values, places) = &self.columns[column] else { self.wrong(column) };
        // That it is UTF-8 was seen when it was read.
        place(places, row).and_then(|at| std::str::from_utf8(values[at].data()).ok())
    }

    /// Text; empty where it is null.
    #[must_use]
    pub fn text(&self, column: usize, row: usize) -> &str {
        self.text_or_null(column, row).unwrap_or("")
    }

    /// 64 bits or a time; null is `None`.
    #[must_use]
    pub fn long_or_null(&self, column: usize, row: usize) -> Option<i64> {
        let ReadColumn::Long(values, places) = &self.columns[column] else { self.wrong(column) };
        place(places, row).map(|at| values[at])
    }

    /// 64 bits or a time.
    #[must_use]
    pub fn long(&self, column: usize, row: usize) -> i64 {
        self.long_or_null(column, row).unwrap_or(0)
    }

    /// 32 bits or a date; null is `None`.
    #[must_use]
    pub fn int_or_null(&self, column: usize, row: usize) -> Option<i32> {
        let ReadColumn::Int(values, places) = &self.columns[column] else { self.wrong(column) };
        place(places, row).map(|at| values[at])
    }

    /// 32 bits or a date.
    #[must_use]
    pub fn int(&self, column: usize, row: usize) -> i32 {
        self.int_or_null(column, row).unwrap_or(0)
    }

    /// True or false.
    #[must_use]
    pub fn flag(&self, column: usize, row: usize) -> bool {
        let ReadColumn::Flag(values) = &self.columns[column] else { self.wrong(column) };
        values[row]
    }

    fn wrong(&self, column: usize) -> ! {
        unreachable!("column {column} was not asked for, or is of another kind")
    }
}

/// Where a row's value is: no places are no nulls.
fn place(places: &[u32], row: usize) -> Option<usize> {
    if places.is_empty() {
        return Some(row);
    }
    Some(places[row]).filter(|&at| at != NULL).map(|at| at as usize)
}

/// Reads a file of a table, `columns` of it, group by group.
///
/// # Errors
/// When it is unsound or not of that table, and whatever `each` says.
pub fn read<E: From<ParquetFileError>>(
    table: Table,
    path: &Path,
    columns: &[usize],
    each: &mut dyn FnMut(&ReadRows) -> Result<(), E>,
) -> Result<(), E> {
    let file = File::open(path).map_err(|source| ParquetFileError::Io { path: path.to_owned(), source })?;
    let reader = SerializedFileReader::new(file).map_err(unsound(path))?;
    check_columns(table, path, &reader)?;
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group).map_err(unsound(path))?;
        each(&read_group(table, &*group, columns).map_err(unsound(path))?)?;
    }
    Ok(())
}

fn check_columns(
    table: Table,
    path: &Path,
    reader: &SerializedFileReader<File>,
) -> Result<(), ParquetFileError> {
    let expected = table.schema().map_err(unsound(path))?;
    let found = reader.metadata().file_metadata().schema().get_fields();
    for (at, column) in table.columns().iter().enumerate() {
        if found.get(at).is_none_or(|found| **found != *expected.get_fields()[at]) {
            return Err(ParquetFileError::Columns {
                path: path.to_owned(),
                table,
                at,
                expected: column.name,
            });
        }
    }
    Ok(())
}

fn read_group(table: Table, group: &dyn RowGroupReader, columns: &[usize]) -> Result<ReadRows, ParquetError> {
    let len =
        usize::try_from(group.metadata().num_rows()).map_err(|_| general("a negative number of rows"))?;
    let mut read: Vec<_> = table.columns().iter().map(|_| ReadColumn::Skipped).collect();
    for &at in columns {
        let nullable = table.columns()[at].kind.is_nullable();
        read[at] = match group.get_column_reader(at)? {
            ColumnReader::ByteArrayColumnReader(reader) => {
                let (values, places) = read_values(reader, len, nullable)?;
                for value in &values {
                    std::str::from_utf8(value.data()).map_err(|_| general("text that is not UTF-8"))?;
                }
                ReadColumn::Text(values, places)
            }
            ColumnReader::Int64ColumnReader(reader) => {
                let (values, places) = read_values(reader, len, nullable)?;
                ReadColumn::Long(values, places)
            }
            ColumnReader::Int32ColumnReader(reader) => {
                let (values, places) = read_values(reader, len, nullable)?;
                ReadColumn::Int(values, places)
            }
            ColumnReader::BoolColumnReader(reader) => ReadColumn::Flag(read_values(reader, len, nullable)?.0),
            _ => return Err(general("a column of a kind that no table has")),
        };
    }
    Ok(ReadRows { len, columns: read })
}

fn general(what: &str) -> ParquetError {
    ParquetError::General(what.to_owned())
}

/// A column's values without its nulls, and for each row where its value is, if there may be nulls.
fn read_values<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    len: usize,
    nullable: bool,
) -> Result<(Vec<T::T>, Vec<u32>), ParquetError> {
    let (mut values, mut levels) = (Vec::with_capacity(len), Vec::new());
    let mut rows = 0;
    while rows < len {
        let (read, ..) =
            reader.read_records(len - rows, nullable.then_some(&mut levels), None, &mut values)?;
        if read == 0 {
            return Err(general("a column with fewer values than there are rows"));
        }
        rows += read;
    }
    let mut next = 0;
    let places = levels.iter().map(|&level| {
        let at = if level == 0 { NULL } else { next };
        next += u32::from(level != 0);
        at
    });
    let places: Vec<u32> = places.collect();
    let expected = if nullable { next as usize } else { len };
    if values.len() != expected || (nullable && places.len() != len) {
        return Err(general("a column with another number of values than there are rows"));
    }
    Ok((values, places))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::settlements;

    fn some_rows(from: i64, len: usize) -> Rows {
        let mut rows = Rows::new(Table::Orders);
        for n in (from..).take(len) {
            let odd = n % 2 == 1;
            rows.push()
                .long(n)
                .int(7)
                .long(1_000 + n)
                .text("1001")
                .text_with(|text| text.extend_from_slice(format!("A{n}").as_bytes()))
                .text("wechat")
                .text("CNY")
                .text("paid")
                .long(100 * n)
                .long(100 * n)
                .long(n)
                .long(0)
                .long(0)
                .long(99 * n)
                .long(0)
                .long(0)
                .long(0)
                .long(0)
                .long(0)
                .long(0)
                .long(0)
                .long(0)
                .flag(odd)
                .flag(false)
                .text_or_null(odd.then_some("9001"))
                .text_or_null(None::<&str>)
                .date_or_null((!odd).then_some(17_769))
                .time_or_null(odd.then_some(n))
                .text_or_null(Some("4200"))
                .end();
        }
        rows
    }

    #[test]
    fn rows_come_back_as_they_went_in() {
        use crate::table::orders;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orders.parquet");
        let mut file = ParquetFile::create(Table::Orders, &path).unwrap();
        file.write(&some_rows(0, 1_000)).unwrap();
        file.write(&some_rows(1_000, 0)).unwrap();
        file.write(&some_rows(1_000, 501)).unwrap();
        let written = file.finish().unwrap();
        assert_eq!(written.rows, 1_501);
        assert_eq!(hash_of(&path).unwrap(), (written.sha256.clone(), written.bytes));
        let mut n = 0;
        let columns = [
            orders::LOG_POSITION,
            orders::ORDER_NO,
            orders::SETTLED,
            orders::PLATFORM_ID,
            orders::PROMOTER_ID,
            orders::ACCOUNTING_DATE,
            orders::PAID_AT,
        ];
        read::<ParquetFileError>(Table::Orders, &path, &columns, &mut |rows| {
            for row in 0..rows.len() {
                let odd = n % 2 == 1;
                assert_eq!(rows.long(orders::LOG_POSITION, row), n);
                assert_eq!(rows.text(orders::ORDER_NO, row), format!("A{n}"));
                assert_eq!(rows.flag(orders::SETTLED, row), odd);
                assert_eq!(rows.text_or_null(orders::PLATFORM_ID, row), odd.then_some("9001"));
                assert_eq!(rows.text_or_null(orders::PROMOTER_ID, row), None);
                assert_eq!(rows.int_or_null(orders::ACCOUNTING_DATE, row), (!odd).then_some(17_769));
                assert_eq!(rows.long_or_null(orders::PAID_AT, row), odd.then_some(n));
                n += 1;
            }
            Ok(())
        })
        .unwrap();
        assert_eq!(n, 1_501);
        let other =
            read::<ParquetFileError>(Table::Settlements, &path, &[settlements::AMOUNT], &mut |_| Ok(()));
        assert!(matches!(other, Err(ParquetFileError::Columns { at: 3, .. })), "{other:?}");
    }

    #[test]
    fn a_cut_short_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orders.parquet");
        let mut file = ParquetFile::create(Table::Orders, &path).unwrap();
        file.write(&some_rows(0, 10)).unwrap();
        file.finish().unwrap();
        let whole = std::fs::read(&path).unwrap();
        for len in [0, 3, whole.len() / 2, whole.len() - 1] {
            std::fs::write(&path, &whole[..len]).unwrap();
            let read = read::<ParquetFileError>(Table::Orders, &path, &[0], &mut |_| Ok(()));
            assert!(matches!(read, Err(ParquetFileError::Unsound { .. })), "{len}: {read:?}");
        }
    }
}
