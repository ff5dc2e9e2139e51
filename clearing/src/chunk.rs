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
        let page = Page::DataPage {
            buf: compress(&mut self.zstd, &self.page, &mut self.compressed)?,
            num_values: rows,
            encoding: encoded.encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        chunk.add(page, self.page.len())?;
        let (compressed, uncompressed) = (chunk.compressed, chunk.uncompressed);
        let mut metadata = ColumnChunkMetaData::builder(column)
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
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
