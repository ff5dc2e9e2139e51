//! One column of a group of rows as Parquet has it: a dictionary page, if it has one, and one data page, each compressed.
//!
//! Which encoding is seen from the values:
//!
//! ```text
//! names, and numbers that change seldom      dictionary, PLAIN; RLE_DICTIONARY
//! other numbers                              DELTA_BINARY_PACKED
//! texts                                      DELTA_BYTE_ARRAY
//! flags                                      PLAIN
//! ```
//! The levels that say what is null are RLE. One page for a group of 131,072 rows: nobody reads half a group.

use bytes::Bytes;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use parquet::basic::{Compression, Encoding, PageType, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, PageEncodingStats};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

use crate::encoding::{self, TextScratch, Width};
use crate::runs::{Runs, Texts};
use crate::table::{Kind, Values};

/// How hard it is compressed: what is written beside payments must cost little.
const ZSTD_LEVEL: i32 = 1;

/// Bytes that are compressed to see whether the rest of a page of differences is worth it, and of a page that is asked so.
///
/// Amounts are like noise once they are packed: to compress them whole takes time and leaves them as long as they were (zstd: 1,590 instructions a payment became 1,300).
const SAMPLE: usize = 4 << 10;
const SAMPLED_MIN: usize = 8 * SAMPLE;

/// Values to a run, at least, for numbers to be worth a dictionary.
const RUN: usize = 8;

/// What no value has as its code.
const NO_CODE: u32 = u32::MAX;

/// What encoding needs besides the values, to be used again from column to column.
pub(crate) struct Scratch {
    zstd: zstd::bulk::Compressor<'static>,
    page: Vec<u8>,
    compressed: Vec<u8>,
    dictionary: Vec<u8>,
    /// The code of each run.
    codes: Vec<u32>,
    dense: Vec<i64>,
    texts: TextScratch,
    /// The code of each name; [`NO_CODE`] between two columns.
    of_names: Vec<u32>,
    of_numbers: HashMap<i64, u32, FixedState>,
}

/// How the values of a page were encoded: the encoding, and how many entries its dictionary has, if it has one.
struct Encoded {
    encoding: Encoding,
    dictionary: Option<u32>,
}

impl Scratch {
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self {
            zstd: zstd::bulk::Compressor::new(ZSTD_LEVEL)?,
            page: Vec::new(),
            compressed: Vec::new(),
            dictionary: Vec::new(),
            codes: Vec::new(),
            dense: Vec::new(),
            texts: TextScratch::default(),
            of_names: Vec::new(),
            of_numbers: HashMap::default(),
        })
    }

    /// Encodes a column of `rows` rows. `names` are what its numbers stand for if it is one of names.
    pub(crate) fn encode(
        &mut self,
        column: ColumnDescPtr,
        kind: Kind,
        values: &Values,
        present: &Runs<bool>,
        rows: u32,
        names: &Texts,
    ) -> Result<(Bytes, ColumnCloseResult), ParquetError> {
        let (values_due, levels_due) = match kind.is_nullable() {
            true => (present.count(true), rows),
            false => (rows, 0),
        };
        assert!(
            (values.len(), present.len()) == (values_due, levels_due),
            "{} of {rows} rows",
            column.name()
        );
        self.page.clear();
        self.dictionary.clear();
        if kind.is_nullable() {
            self.levels(present);
        }
        let encoded = match values {
            Values::Names(runs) => self.names(runs, names),
            Values::Texts(texts) => {
                encoding::texts(texts, &mut self.texts, &mut self.page);
                Encoded { encoding: Encoding::DELTA_BYTE_ARRAY, dictionary: None }
            }
            Values::Numbers(runs) if kind == Kind::Flag => {
                encoding::booleans(runs.dense(&mut self.dense), &mut self.page);
                Encoded { encoding: Encoding::PLAIN, dictionary: None }
            }
            Values::Numbers(runs) => self.numbers(runs, width_of(kind)),
        };
        self.pages(column, &encoded, rows, statistics(kind, values, rows - values.len()))
    }

    /// Writes which rows have a value.
    fn levels(&mut self, present: &Runs<bool>) {
        self.codes.clear();
        self.codes.extend(present.values().iter().map(|&is_there| u32::from(is_there)));
        self.page.extend_from_slice(&[0; 4]);
        encoding::hybrid(&self.codes, present.starts(), present.len(), 1, &mut self.page);
        let bytes = self.page.len() - 4;
        self.page[..4].copy_from_slice(&little(bytes));
    }

    fn names(&mut self, runs: &Runs<u32>, names: &Texts) -> Encoded {
        self.of_names.resize(names.len(), NO_CODE);
        self.codes.clear();
        let mut entries = 0;
        for &name in runs.values() {
            let code = &mut self.of_names[name as usize];
            if *code == NO_CODE {
                *code = entries;
                entries += 1;
                let text = names.get(name as usize);
                self.dictionary.extend_from_slice(&little(text.len()));
                self.dictionary.extend_from_slice(text);
            }
            self.codes.push(*code);
        }
        runs.values().iter().for_each(|&name| self.of_names[name as usize] = NO_CODE);
        self.coded(runs.starts(), runs.len(), entries)
    }

    fn numbers(&mut self, runs: &Runs<i64>, width: Width) -> Encoded {
        if runs.values().len() * RUN > runs.len() as usize {
            encoding::deltas(runs.dense(&mut self.dense), width, &mut self.page);
            return Encoded { encoding: Encoding::DELTA_BINARY_PACKED, dictionary: None };
        }
        self.of_numbers.clear();
        self.codes.clear();
        let mut entries = 0;
        for &number in runs.values() {
            let code = *self.of_numbers.entry(number).or_insert_with(|| {
                match width {
                    Width::Bits64 => self.dictionary.extend_from_slice(&number.to_le_bytes()),
                    Width::Bits32 => self.dictionary.extend_from_slice(&number.to_le_bytes()[..4]),
                }
                entries += 1;
                entries - 1
            });
            self.codes.push(code);
        }
        self.coded(runs.starts(), runs.len(), entries)
    }

    /// Writes the codes of runs.
    fn coded(&mut self, starts: &[u32], len: u32, entries: u32) -> Encoded {
        let width = encoding::bits(u64::from(entries.saturating_sub(1)));
        self.page.push(width.to_le_bytes()[0]);
        encoding::hybrid(&self.codes, starts, len, width, &mut self.page);
        Encoded { encoding: Encoding::RLE_DICTIONARY, dictionary: Some(entries) }
    }

    /// The pages, and what the file's footer says of them.
    fn pages(
        &mut self,
        column: ColumnDescPtr,
        encoded: &Encoded,
        rows: u32,
        statistics: Option<Statistics>,
    ) -> Result<(Bytes, ColumnCloseResult), ParquetError> {
        let mut sink = TrackedWrite::new(Vec::with_capacity(self.page.len() / 2 + 1_024));
        let mut chunk = Chunk { pages: SerializedPageWriter::new(&mut sink), uncompressed: 0, compressed: 0 };
        let mut encodings = vec![encoded.encoding, Encoding::RLE];
        let mut counts = vec![page_count(PageType::DATA_PAGE, encoded.encoding)];
        if let Some(num_values) = encoded.dictionary {
            let buf = compress(&mut self.zstd, &self.dictionary, &mut self.compressed)?;
            let page = Page::DictionaryPage { buf, num_values, encoding: Encoding::PLAIN, is_sorted: false };
            chunk.add(page, self.dictionary.len())?;
            encodings.push(Encoding::PLAIN);
            counts.push(page_count(PageType::DICTIONARY_PAGE, Encoding::PLAIN));
        }
        let data_at = chunk.compressed;
        let is_noise =
            encoded.encoding == Encoding::DELTA_BINARY_PACKED && is_noise(&mut self.zstd, &self.page)?;
        let (buf, compression) = match is_noise {
            true => (Bytes::copy_from_slice(&self.page), Compression::UNCOMPRESSED),
            false => {
                let level = ZstdLevel::try_new(ZSTD_LEVEL)?;
                (compress(&mut self.zstd, &self.page, &mut self.compressed)?, Compression::ZSTD(level))
            }
        };
        let page = Page::DataPage {
            buf,
            num_values: rows,
            encoding: encoded.encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        chunk.add(page, self.page.len())?;
        let (compressed, uncompressed) = (chunk.compressed, chunk.uncompressed);
        let mut metadata = ColumnChunkMetaData::builder(column)
            .set_compression(compression)
            .set_encodings(encodings)
            .set_page_encoding_stats(counts)
            .set_total_compressed_size(signed(compressed))
            .set_total_uncompressed_size(signed(uncompressed))
            .set_num_values(rows.into())
            .set_data_page_offset(signed(data_at))
            .set_dictionary_page_offset(encoded.dictionary.map(|_| 0));
        if let Some(statistics) = statistics {
            metadata = metadata.set_statistics(statistics);
        }
        let close = ColumnCloseResult {
            bytes_written: compressed as u64,
            rows_written: rows.into(),
            metadata: metadata.build()?,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        Ok((Bytes::from(sink.into_inner()?), close))
    }
}

/// The pages of a column that is being written.
struct Chunk<'a> {
    pages: SerializedPageWriter<'a, Vec<u8>>,
    uncompressed: usize,
    compressed: usize,
}

impl Chunk<'_> {
    fn add(&mut self, page: Page, uncompressed: usize) -> Result<(), ParquetError> {
        let spec = self.pages.write_page(CompressedPage::new(page, uncompressed))?;
        self.uncompressed += spec.uncompressed_size;
        self.compressed += spec.compressed_size;
        Ok(())
    }
}

fn compress(
    zstd: &mut zstd::bulk::Compressor<'static>,
    bytes: &[u8],
    to: &mut Vec<u8>,
) -> Result<Bytes, ParquetError> {
    to.clear();
    to.reserve(zstd::zstd_safe::compress_bound(bytes.len()));
    zstd.compress_to_buffer(bytes, to)?;
    Ok(Bytes::copy_from_slice(to))
}

/// Whether compressing a page is in vain, as the middle of it says.
fn is_noise(zstd: &mut zstd::bulk::Compressor<'static>, page: &[u8]) -> Result<bool, ParquetError> {
    if page.len() < SAMPLED_MIN {
        return Ok(false);
    }
    let sample = &page[page.len() / 2..][..SAMPLE];
    Ok(zstd.compress(sample)?.len() > SAMPLE - SAMPLE / 16)
}

fn page_count(page_type: PageType, encoding: Encoding) -> PageEncodingStats {
    PageEncodingStats { page_type, encoding, count: 1 }
}

/// A column of a group has far less than 2^63 bytes.
fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// A length as Parquet writes it.
fn little(len: usize) -> [u8; 4] {
    u32::try_from(len).unwrap_or_else(|_| unreachable!("a text or a page of 4 GiB")).to_le_bytes()
}

fn width_of(kind: Kind) -> Width {
    match kind {
        Kind::Int | Kind::Date | Kind::DateOrNull => Width::Bits32,
        _ => Width::Bits64,
    }
}

/// The least and the greatest of a column of numbers. Nobody looks for a text by those.
fn statistics(kind: Kind, values: &Values, nulls: u32) -> Option<Statistics> {
    let Values::Numbers(runs) = values else { return None };
    let ends = runs.values().first().map(|&first| {
        runs.values().iter().fold((first, first), |(least, most), &it| (least.min(it), most.max(it)))
    });
    let (least, greatest) = ends.unzip();
    let nulls = Some(u64::from(nulls));
    Some(match (kind, width_of(kind)) {
        (Kind::Flag, _) => {
            Statistics::boolean(least.map(|it| it != 0), greatest.map(|it| it != 0), None, nulls, false)
        }
        (_, Width::Bits32) => {
            // They went in as 32 bits.
            let narrow = |it: i64| it as i32;
            Statistics::int32(least.map(narrow), greatest.map(narrow), None, nulls, false)
        }
        (_, Width::Bits64) => Statistics::int64(least, greatest, None, nulls, false),
    })
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::path::Path;

    use parquet::file::reader::{FileReader, SerializedFileReader};
    use proptest::prelude::*;

    use super::*;
    use crate::parquet_file::{ParquetFile, ParquetFileError, read};
    use crate::table::{Rows, Table, bill, merchants};

    /// A name that is one of few, and for each place another.
    fn name_of(which: u32) -> Vec<u8> {
        if which == 0 { Vec::new() } else { format!("name {which}").into_bytes() }
    }

    fn names(count: u32) -> Texts {
        let mut names = Texts::default();
        (0..count).for_each(|which| names.add(&name_of(which)));
        names
    }

    /// A column of names that may be null, and one that may not, as the library reads them.
    fn names_come_back(rows: &[Option<u32>], count: u32, is_plain: bool) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("merchants.parquet");
        let mut all = Rows::with_names(Table::Merchants);
        let some = |row: &Option<u32>| row.unwrap_or(0);
        for rows in rows.chunks(1_000) {
            let push = all.push_group(u32::try_from(rows.len()).unwrap()).long(7);
            let push = if is_plain {
                push.names_plain(rows.iter().map(some))
            } else {
                push.names_each(rows.iter().map(some))
            };
            let push = push.texts_each(rows.iter().map(|_| &b""[..])).name(0).name(0);
            push.names_or_null_each(rows.iter().copied()).name(0).name(0).end();
        }
        let mut file = ParquetFile::create(Table::Merchants, &path).unwrap();
        file.write_with_names(&all, &names(count), &mut Scratch::new().unwrap()).unwrap();
        file.finish().unwrap();
        let columns = [merchants::MERCHANT_ID, merchants::NAME, merchants::CURRENCY, merchants::PLATFORM_ID];
        read::<ParquetFileError>(Table::Merchants, &path, &columns, &mut |read| {
            assert_eq!(read.len(), rows.len());
            for (at, row) in rows.iter().enumerate() {
                assert_eq!(read.text(merchants::MERCHANT_ID, at).as_bytes(), name_of(some(row)), "{at}");
                let or_null =
                    read.text_or_null(merchants::PLATFORM_ID, at).map(|text| text.as_bytes().to_vec());
                assert_eq!(or_null, row.map(name_of), "{at}");
                assert_eq!((read.text(merchants::NAME, at), read.text(merchants::CURRENCY, at)), ("", ""));
            }
            Ok(())
        })
        .unwrap();
        says_how_it_is_encoded(&path);
    }

    /// Whether the footer says of each column what its pages say.
    fn says_how_it_is_encoded(path: &Path) {
        let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
        for group in 0..reader.num_row_groups() {
            let group = reader.get_row_group(group).unwrap();
            for (at, column) in group.metadata().columns().iter().enumerate() {
                let (mut values, mut bytes) = (0, 0);
                for page in group.get_column_page_reader(at).unwrap() {
                    let page = page.unwrap();
                    assert!(column.encodings().any(|encoding| encoding == page.encoding()));
                    assert_eq!(
                        page.is_dictionary_page(),
                        page.encoding() == Encoding::PLAIN
                            && values == 0
                            && column.dictionary_page_offset().is_some()
                    );
                    values += if page.is_data_page() { i64::from(page.num_values()) } else { 0 };
                    bytes += page.buffer().len();
                }
                assert_eq!(values, group.metadata().num_rows());
                assert!(bytes as i64 <= column.uncompressed_size());
            }
        }
    }

    #[test]
    fn names_of_every_width_come_back() {
        names_come_back(&[None], 1, false);
        names_come_back(&[Some(0)], 1, false);
        names_come_back(&[Some(0); 9], 1, true);
        for bits in 0..=17_u32 {
            let power = 1_u32 << bits;
            for count in [power.saturating_sub(1).max(1), power, power + 1] {
                let rows: Vec<_> = (0..count + 5).map(|row| Some(row * 7 % count)).collect();
                names_come_back(&rows, count, bits % 2 == 0);
            }
        }
    }

    #[test]
    fn runs_and_nulls_of_every_length_come_back() {
        for run in [1, 2, 7, 8, 9, 31, 32, 33, 63, 64, 200, 9_000] {
            for count in [1, 2, 3, 300] {
                let rows: Vec<_> = (0..run * 3 + 1).map(|row| Some(row / run % count)).collect();
                names_come_back(&rows, count, false);
                let with_nulls: Vec<_> =
                    (0..run * 3 + 1).map(|row| (row / run % 2 == 0).then_some(row % count)).collect();
                names_come_back(&with_nulls, count, false);
            }
        }
    }

    /// Numbers of 64 and of 32 bits, and texts.
    fn values_come_back(rows: &[(i64, i32, String)], is_plain: bool) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bill.parquet");
        let mut all = Rows::new(Table::Bill);
        let push = all.push_group(u32::try_from(rows.len()).unwrap());
        let (ints, longs) = (rows.iter().map(|row| i64::from(row.1)), rows.iter().map(|row| row.0));
        let push = if is_plain {
            push.numbers_plain(ints).numbers_plain(longs)
        } else {
            push.numbers_each(ints).numbers_each(longs)
        };
        push.text("")
            .text("paid")
            .long(-1)
            .text("")
            .texts_each(rows.iter().map(|row| row.2.as_bytes()))
            .text("one")
            .text("")
            .text("")
            .text("CNY")
            .long(i64::MIN)
            .long(i64::MAX)
            .end();
        let mut file = ParquetFile::create(Table::Bill, &path).unwrap();
        file.write(&all).unwrap();
        file.finish().unwrap();
        let columns: Vec<usize> = (0..bill::COLUMNS.len()).collect();
        read::<ParquetFileError>(Table::Bill, &path, &columns, &mut |read| {
            assert_eq!(read.len(), rows.len());
            for (at, (long, int, text)) in rows.iter().enumerate() {
                assert_eq!((read.long(bill::LINE, at), read.int(bill::FILE, at)), (*long, *int), "{at}");
                assert_eq!(read.text(bill::CHANNEL_TXN, at), text, "{at}");
                assert_eq!((read.text(bill::STATE, at), read.text(bill::ORDER_NO, at)), ("paid", "one"));
                assert_eq!((read.long(bill::AMOUNT, at), read.long(bill::FEE, at)), (i64::MIN, i64::MAX));
            }
            Ok(())
        })
        .unwrap();
        let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
        let Some(Statistics::Int64(ends)) = reader.metadata().row_group(0).column(bill::LINE).statistics()
        else {
            panic!("the least and the greatest line")
        };
        assert_eq!(ends.min_opt(), rows.iter().map(|row| &row.0).min());
        assert_eq!(ends.max_opt(), rows.iter().map(|row| &row.0).max());
        says_how_it_is_encoded(&path);
    }

    #[test]
    fn numbers_of_every_width_come_back() {
        for bits in 0..=63 {
            let row = |at: i64| {
                let long =
                    (at.wrapping_mul(0x9E37_79B9_7F4A_7C15_u64.cast_signed()) >> (63 - bits)).wrapping_neg();
                (long, (long >> 32) as i32, format!("{}{at}", "x".repeat(bits)))
            };
            for rows in [1, 2, 33, 129, 130] {
                values_come_back(&(0..rows).map(row).collect::<Vec<_>>(), bits % 2 == 0);
            }
        }
        let ends = [i64::MIN, i64::MAX, 0, -1, i64::MAX, i64::MIN];
        let row = |at: usize| (ends[at % 6], (ends[at % 6] >> 32) as i32, String::new());
        values_come_back(&(0..300).map(row).collect::<Vec<_>>(), true);
    }

    #[test]
    fn noise_is_not_compressed_and_comes_back() {
        let mut random = fastrand::Rng::with_seed(7);
        for (noise, compression) in
            [(true, Compression::UNCOMPRESSED), (false, Compression::ZSTD(ZstdLevel::default()))]
        {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("bill.parquet");
            let numbers: Vec<i64> =
                (0..20_000).map(|at| if noise { random.i64(0..50_000) } else { at % 3 }).collect();
            let mut all = Rows::new(Table::Bill);
            all.push_group(20_000)
                .int(0)
                .numbers_plain(numbers.iter().copied())
                .text("")
                .text("")
                .long(0)
                .text("")
                .text("")
                .text("")
                .text("")
                .text("")
                .text("")
                .long(0)
                .long(0)
                .end();
            let mut file = ParquetFile::create(Table::Bill, &path).unwrap();
            file.write(&all).unwrap();
            file.finish().unwrap();
            read::<ParquetFileError>(Table::Bill, &path, &[bill::LINE], &mut |read| {
                assert!((0..read.len()).all(|at| read.long(bill::LINE, at) == numbers[at]));
                Ok(())
            })
            .unwrap();
            let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
            assert_eq!(reader.metadata().row_group(0).column(bill::LINE).compression(), compression);
            says_how_it_is_encoded(&path);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn whatever_comes_comes_back(
            runs in prop::collection::vec((any::<i64>(), any::<i32>(), "[a-c]{0,20}", 1..40_usize), 1..40),
            nulls in prop::collection::vec((any::<bool>(), 0..5_u32, 1..40_usize), 1..40),
        ) {
            let rows: Vec<_> = runs.iter()
                .flat_map(|(long, int, text, times)| std::iter::repeat_n((*long, *int, text.clone()), *times))
                .collect();
            values_come_back(&rows, false);
            values_come_back(&rows, true);
            let rows: Vec<_> = nulls.iter()
                .flat_map(|&(is_there, name, times)| std::iter::repeat_n(is_there.then_some(name), times))
                .collect();
            names_come_back(&rows, 5, false);
        }
    }
}
