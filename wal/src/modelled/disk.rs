//! A disk for models: it keeps what was synced, for a checker to read, and fails when it is told to.

use crate::chain::{fold, stream_base};
use crate::geometry::Geometry;
use crate::record::{Header, Kind, crc_seed, digest_of};
use crate::storage::StorageFile;
use crate::verify::next_after;
use crate::{Lsn, WriteMap};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fmt, io};

/// What was written to the segments, and what of it was synced. A clone is the same disk.
#[derive(Clone)]
pub struct Disk(Arc<Mutex<State>>);

struct State {
    /// Bytes by segment and offset, written and synced.
    written: Vec<(u64, u64, Vec<u8>)>,
    synced: BTreeMap<u64, Vec<u8>>,
    /// How many syncs go well before one fails.
    syncs: Option<u32>,
}

impl Disk {
    /// A disk whose syncs all go well, or only so many.
    #[must_use]
    pub fn new(syncs: Option<u32>) -> Disk {
        Disk(Arc::new(Mutex::new(State { written: Vec::new(), synced: BTreeMap::new(), syncs })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn segment(&self, number: u64) -> Box<dyn StorageFile> {
        Box::new(DiskFile { disk: self.clone(), number })
    }

    /// The payloads of the data records that are on the disk from `from` to `to`, with their streams: each record has to
    /// be whole and to continue its stream, and the next to begin where it ends.
    ///
    /// # Panics
    /// When that is not so.
    pub(super) fn records(&self, geometry: Geometry, base: u64, from: u64, to: Lsn) -> Vec<(u16, Vec<u8>)> {
        let state = self.state();
        let (mut next, mut data) = (from, Vec::new());
        let mut chains = BTreeMap::new();
        while next < to.get() {
            let segment = state.synced.get(&geometry.segment(next)).expect("what is durable was synced");
            let bytes = segment.get(geometry.offset(next) as usize..).expect("what is durable was synced");
            let header = Header::decode(bytes, crc_seed(super::log::LOG_ID)).expect("a whole header");
            let payload = header.payload(bytes);
            assert_eq!(crc32c::crc32c(payload), header.payload_crc, "a payload that is not whole at {next}");
            assert_eq!(header.lsn, next);
            assert!(header.durable_lsn <= next);
            let chain = chains.entry(header.stream).or_insert(stream_base(base, header.stream));
            assert_eq!(header.chain, *chain, "stream {} in its order", header.stream);
            *chain = fold(*chain, digest_of(bytes));
            if header.kind == Kind::Data {
                data.push((header.stream, payload.to_vec()));
            }
            next = next_after(geometry, &header);
        }
        assert_eq!(next, to.get(), "what is durable ends with a record");
        data
    }
}

struct DiskFile {
    disk: Disk,
    number: u64,
}

impl fmt::Debug for DiskFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskFile").field("number", &self.number).finish_non_exhaustive()
    }
}

impl StorageFile for DiskFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.disk.state().written.push((self.number, offset, bytes.to_vec()));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        if let Some(left) = &mut state.syncs {
            *left = left.checked_sub(1).ok_or_else(|| io::Error::other("the disk failed"))?;
        }
        for (number, offset, bytes) in std::mem::take(&mut state.written) {
            assert_eq!(number, self.number, "one segment at a time");
            let file = state.synced.entry(number).or_default();
            let end = offset as usize + bytes.len();
            file.resize(file.len().max(end), 0);
            file[offset as usize..end].copy_from_slice(&bytes);
        }
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        no_such_call()
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        no_such_call()
    }

    fn read_exact_at(&self, _: &mut [u8], _: u64) -> io::Result<()> {
        no_such_call()
    }

    fn allocate(&self, _: u64) -> io::Result<()> {
        no_such_call()
    }

    fn map(&self, _: u64) -> io::Result<WriteMap> {
        no_such_call()
    }
}

fn no_such_call<T>() -> io::Result<T> {
    Err(io::Error::other("a running log does not ask that of a segment"))
}
