//! A snapshot file.
//!
//! ```text
//! header    0 magic 8 | version 4 | crc 4 | log id 16 | lsn 8 | hash 8 | taken_ms 8 | savepoint 8 | seed 8 | date 4 |
//!           shards 2 | zeros to 128
//! blocks    length 4 | crc 4 | bytes (suanpan_core's image)            one shard's after the other's
//! table     for each shard: offset 8 | length 8 | last crc 4 | zeros 4 | orders 8 | digest 16
//!           for each currency: code 3 | zeros 5 | turnover 16
//! trailer   magic 8 | table's offset 8 | currencies 4 | crc of table and what stands here before it 4
//! ```
//!
//! Little-endian. `lsn` is where the log goes on from here, `hash` the log's running hash there, `savepoint` that of the cold
//! store, 0 without one, `seed` the key of the tags of what is in it. Checksums are CRC32C. The header's is taken with its
//! own field zero; a block's goes on from that of the block before it, the first of a shard's from the header's and the
//! shard's number: so no block is taken for another's. The trailer is written last, and the file gets its name only when
//! all of it is on the disk.

use std::io;
use std::path::{Path, PathBuf};

use suanpan_core::{Currency, Date, ImageError, Snapshot, Timestamp, write_image};
use suanpan_wal::{Access, Lsn, Storage, StorageFile};

use crate::config::SHARDS_MAX;

const MAGIC: usize = 0;
const VERSION: usize = MAGIC + 8;
const CRC: usize = VERSION + 4;
const LOG_ID: usize = CRC + 4;
const LSN: usize = LOG_ID + 16;
const HASH: usize = LSN + 8;
const TAKEN_MS: usize = HASH + 8;
const SAVEPOINT: usize = TAKEN_MS + 8;
const SEED: usize = SAVEPOINT + 8;
const DATE: usize = SEED + 8;
const SHARDS: usize = DATE + 4;
const HEADER_ZEROS: usize = SHARDS + 2;
const HEADER_LEN: usize = 128;
const _: () = assert!(LOG_ID == 16 && HEADER_ZEROS == 78 && HEADER_ZEROS < HEADER_LEN);

const BLOCK_CRC: usize = 4;
const BLOCK_HEADER_LEN: usize = 8;

const PART_LENGTH: usize = 8;
const PART_CRC: usize = PART_LENGTH + 8;
const PART_ORDERS: usize = PART_CRC + 8;
const PART_DIGEST: usize = PART_ORDERS + 8;
const PART_LEN: usize = PART_DIGEST + 16;
const _: () = assert!(PART_LEN == 48);

const TURNOVER: usize = 8;
const CURRENCY_LEN: usize = TURNOVER + 16;

const TABLE_OFFSET: usize = 8;
const CURRENCIES: usize = TABLE_OFFSET + 8;
const TABLE_CRC: usize = CURRENCIES + 4;
const TRAILER_LEN: usize = TABLE_CRC + 4;
const _: () = assert!(TRAILER_LEN == 24);

const MAGIC_BYTES: [u8; 8] = *b"SUANPSNP";
const TRAILER_BYTES: [u8; 8] = *b"SNPENDED";
/// The format that this code writes, and the only one so far.
const FORMAT_VERSION: u32 = 1;

/// The longest block: what the core emits is far below.
const BLOCK_BYTES_MAX: usize = 64 << 20;
/// The most currencies: three letters make no more.
const CURRENCIES_MAX: usize = 26 * 26 * 26;
/// Bytes written at once, and after how many a sync: the log's own syncs wait behind a larger one.
const WRITE_BYTES: usize = 1 << 20;
const SYNC_BYTES: u64 = 1 << 20;

/// What a snapshot file says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) log_id: u128,
    pub(crate) lsn: Lsn,
    pub(crate) hash: u64,
    pub(crate) taken: Timestamp,
    pub(crate) savepoint: u64,
    pub(crate) seed: u64,
    pub(crate) date: Date,
    pub(crate) shards: u16,
}

/// Where a shard's image is, and what it comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) offset: u64,
    pub(crate) length: u64,
    crc: u32,
    pub(crate) orders: u64,
    pub(crate) digest: u128,
}

/// Why a snapshot cannot be used. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The file cannot be read or written.
    #[error("{doing} {path} failed: {source}")]
    Io {
        /// What was done.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Bytes in it are not what was written.
    #[error(
        "{path} is damaged at byte {offset}: {what}. The snapshot before it, or the log's segments, are used instead if they are there"
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// Written in a format that this version does not know.
    #[error(
        "{path} has format {found}, this Suanpan knows format {FORMAT_VERSION}: start it with the version that wrote it"
    )]
    Version {
        /// Which file.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// Whole, but no image of books.
    #[error("{path} cannot be restored: {error}")]
    Image {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: ImageError,
    },
    /// What was restored is not what was written: a difference between versions, or a bug.
    #[error(
        "what {path} restores to differs from what it was taken of: {what}. Start it with the version that wrote it, and report this"
    )]
    Differs {
        /// Which file.
        path: PathBuf,
        /// In what.
        what: String,
    },
}

/// A file that was looked at: its header, table and trailer are whole.
#[derive(Debug)]
pub(crate) struct SnapshotFile {
    pub(crate) path: PathBuf,
    pub(crate) header: Header,
    pub(crate) parts: Vec<Part>,
    pub(crate) turnovers: Vec<(Currency, u128)>,
    file: Box<dyn StorageFile>,
    crc: u32,
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

impl Header {
    fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[MAGIC..VERSION].copy_from_slice(&MAGIC_BYTES);
        bytes[VERSION..CRC].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[LOG_ID..LSN].copy_from_slice(&self.log_id.to_le_bytes());
        bytes[LSN..HASH].copy_from_slice(&self.lsn.get().to_le_bytes());
        bytes[HASH..TAKEN_MS].copy_from_slice(&self.hash.to_le_bytes());
        bytes[TAKEN_MS..SAVEPOINT].copy_from_slice(&self.taken.0.to_le_bytes());
        bytes[SAVEPOINT..SEED].copy_from_slice(&self.savepoint.to_le_bytes());
        bytes[SEED..DATE].copy_from_slice(&self.seed.to_le_bytes());
        bytes[DATE..SHARDS].copy_from_slice(&self.date.0.to_le_bytes());
        bytes[SHARDS..HEADER_ZEROS].copy_from_slice(&self.shards.to_le_bytes());
        let crc = crc32c::crc32c(&bytes);
        bytes[CRC..LOG_ID].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8; HEADER_LEN], path: &Path) -> Result<Self, SnapshotError> {
        let damaged = |what| SnapshotError::Damaged { path: path.to_owned(), offset: 0, what };
        if bytes[MAGIC..VERSION] != MAGIC_BYTES {
            return Err(damaged("it does not begin as a snapshot"));
        }
        let version = u32::from_le_bytes(array(bytes, VERSION));
        if version != FORMAT_VERSION {
            return Err(SnapshotError::Version { path: path.to_owned(), found: version });
        }
        let header = Self {
            log_id: u128::from_le_bytes(array(bytes, LOG_ID)),
            lsn: Lsn::new(u64::from_le_bytes(array(bytes, LSN))),
            hash: u64::from_le_bytes(array(bytes, HASH)),
            taken: Timestamp(i64::from_le_bytes(array(bytes, TAKEN_MS))),
            savepoint: u64::from_le_bytes(array(bytes, SAVEPOINT)),
            seed: u64::from_le_bytes(array(bytes, SEED)),
            date: Date(i32::from_le_bytes(array(bytes, DATE))),
            shards: u16::from_le_bytes(array(bytes, SHARDS)),
        };
        // Encoding what was read compares everything at once: checksum and zeros.
        if header.encode() != *bytes || !(1..=SHARDS_MAX).contains(&header.shards) {
            return Err(damaged("its header's checksum is wrong"));
        }
        Ok(header)
    }

    fn crc(&self) -> u32 {
        u32::from_le_bytes(array(&self.encode(), CRC))
    }
}

/// The checksum that a shard's first block goes on from.
fn part_seed(header_crc: u32, shard: usize) -> u32 {
    crc32c::crc32c_append(header_crc, &(shard as u64).to_le_bytes())
}

/// Writes a snapshot into a new file and syncs it; calls `rest` between two pieces of the work. The file is whole when this
/// comes back, under the name given. It is not `synced` only where a mistake is planted.
pub(crate) fn write(
    storage: &dyn Storage,
    path: &Path,
    header: &Header,
    images: &[Snapshot],
    synced: bool,
    rest: &mut dyn FnMut(),
) -> Result<Vec<Part>, SnapshotError> {
    assert!(usize::from(header.shards) == images.len());
    let file = storage.open(path, Access::Create).map_err(io_error("making", path))?;
    let mut out =
        Out { file: &*file, buffer: Vec::with_capacity(WRITE_BYTES), at: 0, synced: 0, failed: None };
    out.put(&header.encode());
    let mut parts = Vec::with_capacity(images.len());
    for (shard, image) in images.iter().enumerate() {
        let (offset, mut crc) = (out.at, part_seed(header.crc(), shard));
        write_image(image, &mut |block| {
            crc = crc32c::crc32c_append(crc, &block);
            let length = u32::try_from(block.len()).unwrap_or(u32::MAX);
            assert!(block.len() <= BLOCK_BYTES_MAX, "the core's blocks are bounded");
            out.put(&length.to_le_bytes());
            out.put(&crc.to_le_bytes());
            out.put(&block);
            rest();
        });
        let (length, orders, digest) = (out.at - offset, image.order_count(), image.digest(rest));
        parts.push(Part { offset, length, crc, orders, digest });
    }
    out.table(&parts, &turnovers(images));
    out.flush();
    match out.failed {
        None if synced => file.sync_all().map_err(io_error("syncing", path))?,
        None => {}
        Some(error) => return Err(io_error("writing", path)(error)),
    }
    Ok(parts)
}

/// By currency what accounts that are not below zero hold together: all shards' accounts come to zero.
pub(crate) fn turnovers(images: &[Snapshot]) -> Vec<(Currency, u128)> {
    let mut by_currency = std::collections::BTreeMap::<Currency, u128>::new();
    for image in images {
        for (currency, _, balance) in image.totals().accounts {
            *by_currency.entry(currency).or_default() += u128::try_from(balance).unwrap_or(0);
        }
    }
    by_currency.into_iter().collect()
}

/// What is being written; after the first error it writes nothing more.
struct Out<'a> {
    file: &'a dyn StorageFile,
    buffer: Vec<u8>,
    at: u64,
    synced: u64,
    failed: Option<io::Error>,
}

impl Out<'_> {
    fn put(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        self.at += bytes.len() as u64;
        if self.buffer.len() >= WRITE_BYTES {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let from = self.at - self.buffer.len() as u64;
        if self.failed.is_none() {
            let mut done = self.file.write_all_at(&self.buffer, from);
            if done.is_ok() && self.at - self.synced >= SYNC_BYTES {
                self.synced = self.at;
                done = self.file.sync_data();
            }
            self.failed = done.err();
        }
        self.buffer.clear();
    }

    fn table(&mut self, parts: &[Part], turnovers: &[(Currency, u128)]) {
        let at = self.at;
        let mut table = Vec::new();
        for part in parts {
            let mut bytes = [0; PART_LEN];
            bytes[..PART_LENGTH].copy_from_slice(&part.offset.to_le_bytes());
            bytes[PART_LENGTH..PART_CRC].copy_from_slice(&part.length.to_le_bytes());
            bytes[PART_CRC..PART_CRC + 4].copy_from_slice(&part.crc.to_le_bytes());
            bytes[PART_ORDERS..PART_DIGEST].copy_from_slice(&part.orders.to_le_bytes());
            bytes[PART_DIGEST..].copy_from_slice(&part.digest.to_le_bytes());
            table.extend_from_slice(&bytes);
        }
        for (currency, turnover) in turnovers {
            let mut bytes = [0; CURRENCY_LEN];
            bytes[..currency.0.len()].copy_from_slice(&currency.0);
            bytes[TURNOVER..].copy_from_slice(&turnover.to_le_bytes());
            table.extend_from_slice(&bytes);
        }
        table.extend_from_slice(&TRAILER_BYTES);
        table.extend_from_slice(&at.to_le_bytes());
        table.extend_from_slice(&u32::try_from(turnovers.len()).unwrap_or(u32::MAX).to_le_bytes());
        let crc = crc32c::crc32c(&table);
        table.extend_from_slice(&crc.to_le_bytes());
        self.put(&table);
    }
}

pub(crate) fn io_error<'a>(doing: &'static str, path: &'a Path) -> impl Fn(io::Error) -> SnapshotError + 'a {
    move |source| SnapshotError::Io { doing, path: path.to_owned(), source }
}

impl SnapshotFile {
    /// Opens a file and reads all but its blocks.
    pub(crate) fn open(storage: &dyn Storage, path: &Path) -> Result<Self, SnapshotError> {
        let file = storage.open(path, Access::Read).map_err(io_error("opening", path))?;
        let len = file.len().map_err(io_error("reading", path))?;
        let damaged = |offset, what| SnapshotError::Damaged { path: path.to_owned(), offset, what };
        let read =
            |at: u64, bytes: &mut [u8]| file.read_exact_at(bytes, at).map_err(io_error("reading", path));
        let trailer_at = len.checked_sub(TRAILER_LEN as u64).filter(|at| *at >= HEADER_LEN as u64);
        let trailer_at = trailer_at.ok_or_else(|| damaged(len, "it is cut off"))?;
        let mut bytes = [0; HEADER_LEN];
        read(0, &mut bytes)?;
        let header = Header::decode(&bytes, path)?;
        let mut trailer = [0; TRAILER_LEN];
        read(trailer_at, &mut trailer)?;
        let currencies = u32::from_le_bytes(array(&trailer, CURRENCIES)) as usize;
        let table_at = u64::from_le_bytes(array(&trailer, TABLE_OFFSET));
        let parts_len = usize::from(header.shards) * PART_LEN;
        let table_len = parts_len + currencies.min(CURRENCIES_MAX) * CURRENCY_LEN;
        let fits = currencies <= CURRENCIES_MAX && table_at.checked_add(table_len as u64) == Some(trailer_at);
        if trailer[..TABLE_OFFSET] != TRAILER_BYTES || !fits {
            return Err(damaged(trailer_at, "it does not end as a snapshot"));
        }
        let mut table = vec![0; table_len];
        read(table_at, &mut table)?;
        let crc = crc32c::crc32c_append(crc32c::crc32c(&table), &trailer[..TABLE_CRC]);
        if crc != u32::from_le_bytes(array(&trailer, TABLE_CRC)) {
            return Err(damaged(table_at, "its table's checksum is wrong"));
        }
        let (parts, rest) = table.split_at(parts_len);
        let parts: Vec<Part> = parts.chunks_exact(PART_LEN).map(part).collect();
        let turnovers = rest.chunks_exact(CURRENCY_LEN).map(turnover).collect();
        let mut next = HEADER_LEN as u64;
        for part in &parts {
            next = if part.offset == next { next.saturating_add(part.length) } else { u64::MAX };
        }
        if next != table_at {
            return Err(damaged(table_at, "its parts do not lie one behind the other"));
        }
        let crc = header.crc();
        Ok(Self { path: path.to_owned(), header, parts, turnovers, file, crc })
    }

    /// Reads the blocks of a shard's image, each checked.
    pub(crate) fn read_part(
        &self,
        shard: u16,
        mut take: impl FnMut(&[u8]) -> Result<(), ImageError>,
    ) -> Result<(), SnapshotError> {
        let part = &self.parts[usize::from(shard)];
        let (mut at, end) = (part.offset, part.offset + part.length);
        let damaged = |offset, what| SnapshotError::Damaged { path: self.path.clone(), offset, what };
        let mut crc = part_seed(self.crc, shard.into());
        let mut block = Vec::new();
        while at < end {
            let mut head = [0; BLOCK_HEADER_LEN];
            if end - at < BLOCK_HEADER_LEN as u64 {
                return Err(damaged(at, "a block is cut off"));
            }
            self.read(at, &mut head)?;
            let length = u32::from_le_bytes(array(&head, 0)) as usize;
            let from = at + BLOCK_HEADER_LEN as u64;
            if length > BLOCK_BYTES_MAX || end - from < length as u64 {
                return Err(damaged(at, "a block has no such length"));
            }
            block.resize(length, 0);
            self.read(from, &mut block)?;
            crc = crc32c::crc32c_append(crc, &block);
            if crc != u32::from_le_bytes(array(&head, BLOCK_CRC)) {
                return Err(damaged(at, "a block's checksum is wrong"));
            }
            take(&block).map_err(|error| SnapshotError::Image { path: self.path.clone(), error })?;
            at = from + length as u64;
        }
        if crc == part.crc { Ok(()) } else { Err(damaged(end, "blocks are missing")) }
    }

    fn read(&self, at: u64, bytes: &mut [u8]) -> Result<(), SnapshotError> {
        self.file.read_exact_at(bytes, at).map_err(io_error("reading", &self.path))
    }

    /// Reads all of it, block by block with a `rest` between, from the disk as far as advice goes, and checks every byte.
    pub(crate) fn verify(&self, rest: &mut dyn FnMut()) -> Result<(), SnapshotError> {
        self.file.forget_cached();
        (0..self.header.shards).try_for_each(|shard| {
            self.read_part(shard, |_| {
                rest();
                Ok(())
            })
        })
    }

    /// Its length in bytes.
    pub(crate) fn len_bytes(&self) -> u64 {
        let parts = self.parts.len() * PART_LEN + self.turnovers.len() * CURRENCY_LEN;
        let blocks: u64 = self.parts.iter().map(|part| part.length).sum();
        blocks + (HEADER_LEN + parts + TRAILER_LEN) as u64
    }
}

fn part(bytes: &[u8]) -> Part {
    Part {
        offset: u64::from_le_bytes(array(bytes, 0)),
        length: u64::from_le_bytes(array(bytes, PART_LENGTH)),
        crc: u32::from_le_bytes(array(bytes, PART_CRC)),
        orders: u64::from_le_bytes(array(bytes, PART_ORDERS)),
        digest: u128::from_le_bytes(array(bytes, PART_DIGEST)),
    }
}

fn turnover(bytes: &[u8]) -> (Currency, u128) {
    (Currency(array(bytes, 0)), u128::from_le_bytes(array(bytes, TURNOVER)))
}
