//! The cold store: orders that are done with, and merchants' old entries, in one file of redb.
//!
//! redb and not fjall: a redb file goes through [`Storage`] as all else does, so it is crashed in simulation with the rest; it
//! has no threads of its own; and its *savepoints* are what a snapshot needs: each snapshot names the savepoint that has
//! what it left out, a restart goes back to it, and whatever was written after is as if it never was. So an order is in the
//! snapshot or in its savepoint, wherever a crash came between out and in.
//!
//! ```text
//! orders   merchant 8, number 32                  -> crc 4, what the core wrote
//! numbers  kind 1, merchant 8, number 32          -> crc 4, order's number 32
//! entries  merchant 8, last entry's number 8      -> crc 4, what the core wrote
//! ```
//!
//! Integers in keys are big-endian, so that keys sort as they do. The CRC32C goes over the key and the value: redb checks its
//! pages only when it repairs. That a key is *not* there is believed when the two beside it are sound and in their order:
//! a bit that flipped in a key or in a page above would show in one of them.
//!
//! After an I/O error redb does nothing more. Then it is opened again before the next use, as after a crash: what was not
//! committed is gone, what was is there. The file is first forgotten by the page cache, for what could not be synced is
//! still seen in it and may never get to the disk.
//!
//! It is written by whoever takes snapshots, and read by the shards; both while the other does. Each call is undivided in a
//! simulation: redb is at the disk with locks of its own in hand.

use std::cmp::Ordering;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::{fmt, io};

use redb::{
    Builder, Database, ReadOnlyTable, ReadableDatabase, StorageBackend, TableDefinition, WriteTransaction,
};
use suanpan_core::{ColdBlock, ColdKey, ColdKind, ColdOrder, Ledger, MerchantId, NUMBER_BYTES, Number};
use suanpan_wal::{Access, Storage, StorageFile, host};

use crate::shard::words_of;

const ORDERS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("orders");
const NUMBERS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("numbers");
const ENTRIES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("entries");

const FILE_NAME: &str = "cold.redb";

/// Memory that redb keeps pages in.
const CACHE_BYTES: usize = 64 << 20;

const CRC_LEN: usize = 4;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ColdError {
    /// The store's file cannot be read or written.
    #[error("the cold store {path}: {source}")]
    Store {
        /// Its file.
        path: PathBuf,
        /// What redb said.
        source: Box<redb::Error>,
    },
    /// A snapshot's savepoint is not in it: it is not the store that the snapshot was taken with.
    #[error(
        "the cold store {path} has no savepoint {savepoint}: it does not belong to this snapshot. Restore both from one backup"
    )]
    Savepoint {
        /// Its file.
        path: PathBuf,
        /// What was looked for.
        savepoint: u64,
    },
    /// A value's checksum is wrong, or something that was put in is gone.
    #[error("the cold store {path} is damaged: {what}. Restore the folder from a backup")]
    Damaged {
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

/// See the file's page.
pub(crate) struct ColdStore {
    storage: Arc<dyn Storage>,
    path: PathBuf,
    /// Held for a moment, or while the file is opened.
    state: Mutex<State>,
    /// Orders and blocks of entries that were found in it. Relaxed: a figure by itself.
    found: AtomicU64,
}

/// What there is of the file.
enum State {
    /// None that anything is in.
    Nothing,
    Open(Arc<Database>),
    /// It did not do what it was asked: it is to be opened again.
    Failed,
}

impl fmt::Debug for ColdStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ColdStore").field("path", &self.path).finish_non_exhaustive()
    }
}

/// A file of [`Storage`] as redb wants it.
#[derive(Debug)]
struct Backend(Box<dyn StorageFile>);

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_all_at(data, offset)
    }
}

/// What is being put into the store; nothing of it is there before [`ColdWrite::commit`].
pub(crate) struct ColdWrite<'a> {
    store: &'a ColdStore,
    database: Arc<Database>,
    transaction: WriteTransaction,
}

impl Drop for ColdStore {
    fn drop(&mut self) {
        let state = std::mem::replace(&mut *host::lock(&self.state), State::Nothing);
        // redb notes in the file that it was closed.
        let closed = host::undivided(|| catch_unwind(AssertUnwindSafe(|| drop(state))));
        // A file that is damaged where redb keeps its own accounts is found so again.
        drop(closed);
    }
}

impl ColdStore {
    /// The store in a data folder; its file is made when something is put in.
    pub(crate) fn new(storage: Arc<dyn Storage>, data: &Path) -> Self {
        Self {
            storage,
            path: data.join(FILE_NAME),
            state: Mutex::new(State::Nothing),
            found: AtomicU64::new(0),
        }
    }

    /// Orders and blocks of entries that were brought back so far.
    pub(crate) fn found(&self) -> u64 {
        self.found.load(Relaxed)
    }

    fn error(&self, error: impl Into<redb::Error>) -> ColdError {
        ColdError::Store { path: self.path.clone(), source: Box::new(error.into()) }
    }

    /// As [`ColdStore::error`]; the database is opened again before the next use if it needs to be.
    fn failed(&self, database: &Arc<Database>, error: impl Into<redb::Error>) -> ColdError {
        let error = error.into();
        if needs_reopening(&error) {
            self.close(database);
        }
        self.error(error)
    }

    /// Gives up a database after an I/O error, unless somebody did before.
    fn close(&self, failed: &Arc<Database>) {
        let mut state = host::lock(&self.state);
        if matches!(&*state, State::Open(database) if Arc::ptr_eq(database, failed)) {
            *state = State::Failed;
        }
    }

    fn open(&self, access: Access) -> Result<Arc<Database>, ColdError> {
        let file =
            self.storage.open(&self.path, access).map_err(|error| self.error(redb::Error::Io(error)))?;
        file.forget_cached();
        let make = || Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(Backend(file));
        let made = catch_unwind(AssertUnwindSafe(make)).map_err(|panic| self.damaged(words_of(&*panic)))?;
        let database = made.map_err(|error| self.error(error))?;
        if access == Access::Create {
            // The file's name must last as long as the snapshot that needs it.
            let parent = self.path.parent().unwrap_or(Path::new("."));
            self.storage.sync_dir(parent).map_err(|error| self.error(redb::Error::Io(error)))?;
        }
        Ok(Arc::new(database))
    }

    /// The database, if anything was ever put in; or one that is made for it.
    fn database(&self, make: bool) -> Result<Option<Arc<Database>>, ColdError> {
        let mut state = host::lock(&self.state);
        let access = match &*state {
            State::Open(database) => return Ok(Some(database.clone())),
            State::Failed => Access::Write,
            State::Nothing if make => Access::Create,
            State::Nothing => return Ok(None),
        };
        let database = self.open(access)?;
        *state = State::Open(database.clone());
        Ok(Some(database))
    }

    /// Goes back to a snapshot's savepoint, 0 being an empty store.
    ///
    /// # Errors
    /// When the file or the savepoint is not there.
    pub(crate) fn restore(&self, savepoint: u64) -> Result<(), ColdError> {
        if savepoint == 0 {
            return Ok(());
        }
        host::undivided(|| {
            let database = self.open(Access::Write)?;
            let mut transaction = database.begin_write().map_err(|error| self.error(error))?;
            let missing = |error| match redb::Error::from(error) {
                error if needs_reopening(&error) => self.error(error),
                _ => ColdError::Savepoint { path: self.path.clone(), savepoint },
            };
            let point = transaction.get_persistent_savepoint(savepoint).map_err(missing)?;
            transaction.restore_savepoint(&point).map_err(|error| self.error(error))?;
            drop(point);
            transaction.commit().map_err(|error| self.error(error))?;
            *host::lock(&self.state) = State::Open(database);
            Ok(())
        })
    }

    /// Takes it as it is; see [`Planted::SavepointIgnored`].
    ///
    /// [`Planted::SavepointIgnored`]: crate::config::Planted::SavepointIgnored
    pub(crate) fn take_as_it_is(&self) {
        *host::lock(&self.state) = State::Failed;
    }

    /// Begins to put something in.
    pub(crate) fn write(&self) -> Result<ColdWrite<'_>, ColdError> {
        host::undivided(|| {
            let Some(database) = self.database(true)? else { unreachable!("one is made") };
            let transaction = database.begin_write().map_err(|error| self.failed(&database, error))?;
            Ok(ColdWrite { store: self, database, transaction })
        })
    }

    /// Makes a savepoint of what is in it now, and forgets all others but those to be kept. 0 when nothing was ever put in.
    pub(crate) fn savepoint(&self, keep: &[u64]) -> Result<u64, ColdError> {
        host::undivided(|| {
            let Some(database) = self.database(false)? else { return Ok(0) };
            savepoint_in(&database, keep).map_err(|error| self.failed(&database, error))
        })
    }

    /// What is under a key.
    ///
    /// # Errors
    /// When the store cannot be read or is damaged.
    pub(crate) fn get(&self, key: &ColdKey) -> Result<Option<Vec<u8>>, ColdError> {
        host::undivided(|| {
            let Some(database) = self.database(false)? else { return Ok(None) };
            let mut found = self.look_in(&database, key);
            if matches!(&found, Err(Missing::Store(error)) if needs_reopening(error)) {
                // Perhaps it was a write that failed; what was committed can be read all the same.
                self.close(&database);
                drop(database);
                let Some(database) = self.database(false)? else { return Ok(None) };
                found = self.look_in(&database, key);
            }
            found.map_err(|error| match error {
                Missing::Damaged(what) => self.damaged(what),
                Missing::Store(error) => self.error(*error),
            })
        })
    }

    /// As [`ColdStore::get_in`]; on some damaged pages redb panics.
    fn look_in(&self, database: &Database, key: &ColdKey) -> Result<Option<Vec<u8>>, Missing> {
        let looked = catch_unwind(AssertUnwindSafe(|| self.get_in(database, key)));
        looked.unwrap_or_else(|panic| Err(Missing::Damaged(words_of(&*panic).to_owned())))
    }

    fn get_in(&self, database: &Database, key: &ColdKey) -> Result<Option<Vec<u8>>, Missing> {
        let transaction = database.begin_read()?;
        match *key {
            ColdKey::Number(ColdKind::Order, merchant, number) => {
                let key = order_key(merchant, &number);
                find(&transaction.open_table(ORDERS)?, &key)
            }
            ColdKey::Number(kind, merchant, number) => {
                let numbers = transaction.open_table(NUMBERS)?;
                let Some(order_no) = find(&numbers, &number_key(kind, merchant, &number))? else {
                    return Ok(None);
                };
                let order_no = number_in(&order_no)?;
                let order = self.get_in(database, &ColdKey::Number(ColdKind::Order, merchant, order_no))?;
                order.map(Some).ok_or_else(|| Missing::Damaged(format!("order {order_no:?} is gone")))
            }
            ColdKey::Entries(merchant, after) => {
                let entries = transaction.open_table(ENTRIES)?;
                let (from, to) = (entries_key(merchant, after + 1), entries_key(merchant, u64::MAX));
                let Some(found) = entries.range::<&[u8]>(&from[..]..=&to[..])?.next() else {
                    return Ok(None);
                };
                let (key, value) = found?;
                unsealed(key.value(), value.value()).map(Some)
            }
        }
    }

    pub(crate) fn damaged(&self, what: impl Into<String>) -> ColdError {
        ColdError::Damaged { path: self.path.clone(), what: what.into() }
    }
}

/// Brings back from the store what a request needs, until it wants nothing more.
pub(crate) fn bring_back(
    ledger: &mut Ledger,
    store: &ColdStore,
    wanted: impl Fn(&Ledger) -> Option<ColdKey>,
) -> Result<(), ColdError> {
    while let Some(key) = wanted(ledger) {
        match (store.get(&key)?, key) {
            (Some(bytes), _) => {
                store.found.fetch_add(1, Relaxed);
                ledger.bring_back(key, &bytes).map_err(|error| store.damaged(format!("{key:?}: {error}")))?;
            }
            (None, ColdKey::Entries(merchant, after)) => {
                return Err(
                    store.damaged(format!("merchant {}'s entries behind {after} are gone", merchant.0))
                );
            }
            // Another number has the same tag.
            (None, ColdKey::Number(..)) => ledger.not_there(key),
        }
    }
    Ok(())
}

/// Whether redb does nothing more after this.
fn needs_reopening(error: &redb::Error) -> bool {
    matches!(error, redb::Error::Io(_) | redb::Error::PreviousIo)
}

fn savepoint_in(database: &Database, keep: &[u64]) -> Result<u64, redb::Error> {
    let transaction = database.begin_write()?;
    let known: Vec<u64> = transaction.list_persistent_savepoints()?.collect();
    let savepoint = transaction.persistent_savepoint()?;
    for old in known.into_iter().filter(|known| !keep.contains(known)) {
        transaction.delete_persistent_savepoint(old)?;
    }
    transaction.commit()?;
    assert!(savepoint != 0, "savepoints are counted from 1");
    Ok(savepoint)
}

/// The value under a key. That there is none is seen by its neighbours, too.
fn find(table: &ReadOnlyTable<&[u8], &[u8]>, key: &[u8]) -> Result<Option<Vec<u8>>, Missing> {
    if let Some(value) = table.get(key)? {
        return unsealed(key, value.value()).map(Some);
    }
    let (before, behind) = (table.range::<&[u8]>(..key)?.next_back(), table.range::<&[u8]>(key..)?.next());
    for (neighbour, order) in [(before, Ordering::Less), (behind, Ordering::Greater)] {
        let Some((other, value)) = neighbour.transpose()? else { continue };
        unsealed(other.value(), value.value())?;
        if other.value().cmp(key) != order {
            return Err(Missing::Damaged("keys are not in their order".to_owned()));
        }
    }
    Ok(None)
}

/// Why nothing was found that should be there.
enum Missing {
    Damaged(String),
    Store(Box<redb::Error>),
}

impl<E: Into<redb::Error>> From<E> for Missing {
    fn from(error: E) -> Self {
        Self::Store(Box::new(error.into()))
    }
}

impl ColdWrite<'_> {
    /// Puts orders and blocks of entries in; what was under their keys before is replaced.
    pub(crate) fn put(&self, orders: &mut [ColdOrder], blocks: &[ColdBlock]) -> Result<(), ColdError> {
        // In the order of the keys: neighbours share pages.
        orders.sort_unstable_by_key(|order| (order.merchant, order.order_no));
        let put = host::undivided(|| self.put_all(orders, blocks));
        put.map_err(|error| self.store.failed(&self.database, error))
    }

    fn put_all(&self, orders: &[ColdOrder], blocks: &[ColdBlock]) -> Result<(), redb::Error> {
        let mut table = self.transaction.open_table(ORDERS)?;
        let mut numbers = self.transaction.open_table(NUMBERS)?;
        for order in orders {
            let key = order_key(order.merchant, &order.order_no);
            table.insert(&key[..], &sealed(&key, &order.bytes)[..])?;
            for (kind, number) in &order.numbers {
                let key = number_key(*kind, order.merchant, number);
                numbers.insert(&key[..], &sealed(&key, order.order_no.padded())[..])?;
            }
        }
        let mut entries = self.transaction.open_table(ENTRIES)?;
        for block in blocks {
            let key = entries_key(block.merchant, block.last_seq);
            entries.insert(&key[..], &sealed(&key, &block.bytes)[..])?;
        }
        Ok(())
    }

    /// Makes it last.
    pub(crate) fn commit(self) -> Result<(), ColdError> {
        let Self { store, database, transaction } = self;
        host::undivided(|| transaction.commit().map_err(|error| store.failed(&database, error)))
    }
}

const ORDER_KEY_LEN: usize = 8 + NUMBER_BYTES;

fn order_key(merchant: MerchantId, number: &Number) -> [u8; ORDER_KEY_LEN] {
    let mut key = [0; ORDER_KEY_LEN];
    key[..8].copy_from_slice(&merchant.0.to_be_bytes());
    key[8..].copy_from_slice(number.padded());
    key
}

fn number_key(kind: ColdKind, merchant: MerchantId, number: &Number) -> [u8; 1 + ORDER_KEY_LEN] {
    let mut key = [kind as u8; 1 + ORDER_KEY_LEN];
    key[1..].copy_from_slice(&order_key(merchant, number));
    key
}

fn entries_key(merchant: MerchantId, seq: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&merchant.0.to_be_bytes());
    key[8..].copy_from_slice(&seq.to_be_bytes());
    key
}

fn crc_of(key: &[u8], value: &[u8]) -> [u8; CRC_LEN] {
    crc32c::crc32c_append(crc32c::crc32c(key), value).to_le_bytes()
}

fn sealed(key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(CRC_LEN + value.len());
    bytes.extend_from_slice(&crc_of(key, value));
    bytes.extend_from_slice(value);
    bytes
}

fn unsealed(key: &[u8], bytes: &[u8]) -> Result<Vec<u8>, Missing> {
    match bytes.split_first_chunk::<CRC_LEN>() {
        Some((crc, value)) if *crc == crc_of(key, value) => Ok(value.to_vec()),
        _ => Err(Missing::Damaged("a value's checksum is wrong".to_owned())),
    }
}

fn number_in(padded: &[u8]) -> Result<Number, Missing> {
    let len = padded.iter().position(|byte| *byte == 0).unwrap_or(padded.len());
    Number::new(&padded[..len]).map_err(|_| Missing::Damaged("a number is none".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use suanpan_wal::{Call, Failure, SimDisk};

    fn order(merchant: u64, number: &str, refund: &str, bytes: &[u8]) -> ColdOrder {
        ColdOrder {
            merchant: MerchantId(merchant),
            order_no: number.parse().unwrap(),
            numbers: vec![(ColdKind::Refund, refund.parse().unwrap())],
            bytes: bytes.to_vec(),
        }
    }

    fn key(kind: ColdKind, number: &str) -> ColdKey {
        ColdKey::Number(kind, MerchantId(7), number.parse().unwrap())
    }

    /// What is under a savepoint is there again after a restart, whatever was written later; also after power was lost.
    #[test]
    fn a_savepoint_is_what_a_restart_finds() {
        let disk = SimDisk::new(3);
        let data = Path::new("/data");
        disk.make_dir(data).unwrap();
        let store = ColdStore::new(Arc::new(disk.clone()), data);
        assert_eq!(store.savepoint(&[]).unwrap(), 0);
        assert_eq!(store.get(&key(ColdKind::Order, "A1")).unwrap(), None);
        let write = store.write().unwrap();
        let block = ColdBlock { merchant: MerchantId(7), last_seq: 30, bytes: b"1-30".to_vec() };
        write.put(&mut [order(7, "A1", "R1", b"one")], &[block]).unwrap();
        write.commit().unwrap();
        let first = store.savepoint(&[]).unwrap();
        let write = store.write().unwrap();
        write.put(&mut [order(7, "A1", "R2", b"two"), order(7, "A2", "R3", b"x")], &[]).unwrap();
        write.commit().unwrap();
        let second = store.savepoint(&[first]).unwrap();
        assert_eq!(store.get(&key(ColdKind::Refund, "R3")).unwrap().as_deref(), Some(&b"x"[..]));
        drop(store);
        for seed in 0..20 {
            let disk = disk.crash(seed);
            let store = ColdStore::new(Arc::new(disk), data);
            store.restore(if seed % 2 == 0 { first } else { second }).unwrap();
            let get = |kind, number| store.get(&key(kind, number)).unwrap();
            let then: &[u8] = if seed % 2 == 0 { b"one" } else { b"two" };
            assert_eq!(get(ColdKind::Order, "A1").as_deref(), Some(then));
            assert_eq!(get(ColdKind::Order, "A2").is_some(), seed % 2 == 1);
            assert!(get(ColdKind::Refund, "R1").is_some());
            let entries = |after| store.get(&ColdKey::Entries(MerchantId(7), after)).unwrap();
            assert_eq!((entries(29).as_deref(), entries(30)), (Some(&b"1-30"[..]), None));
            assert!(matches!(store.restore(99), Err(ColdError::Savepoint { savepoint: 99, .. })));
        }
    }

    fn put(store: &ColdStore, number: &str, bytes: &[u8], keep: &[u64]) -> Result<u64, ColdError> {
        let write = store.write()?;
        write.put(&mut [order(7, number, &format!("R{number}"), bytes)], &[])?;
        write.commit()?;
        store.savepoint(keep)
    }

    /// Whatever call fails while something is put in: what was there is read, it can be put in later, and both are found
    /// after power was lost.
    #[test]
    fn a_failed_call_closes_nothing_for_good() {
        let data = Path::new("/data");
        let mut failed = 0;
        for call in [Call::Write, Call::Sync, Call::SetLen, Call::Len, Call::Read] {
            for (nth, failure) in (1..14).flat_map(|nth| [(nth, Failure::Io), (nth, Failure::NoSpace)]) {
                let disk = SimDisk::new(nth);
                disk.make_dir(data).unwrap();
                let store = ColdStore::new(Arc::new(disk.clone()), data);
                let first = put(&store, "A1", b"one", &[]).unwrap();
                disk.fail_within(&data.join(FILE_NAME), call, nth, failure);
                let large = vec![7; 3 << 20];
                failed += u32::from(put(&store, "A2", &large, &[first]).is_err());
                let get = |store: &ColdStore, number| store.get(&key(ColdKind::Order, number)).unwrap();
                // Should the fault still wait, the read meets it, and is made again.
                assert_eq!(get(&store, "A1").as_deref(), Some(&b"one"[..]), "{call:?} {nth} {failure:?}");
                let second =
                    put(&store, "A3", b"three", &[first]).or_else(|_| put(&store, "A3", b"three", &[first]));
                let second = second.unwrap();
                assert_eq!(get(&store, "A3").as_deref(), Some(&b"three"[..]));
                for seed in 0..3 {
                    let store = ColdStore::new(Arc::new(disk.crash(seed)), data);
                    store.restore(second).unwrap();
                    assert_eq!(get(&store, "A1").as_deref(), Some(&b"one"[..]));
                    assert_eq!(get(&store, "A3").as_deref(), Some(&b"three"[..]));
                }
                assert_eq!(disk.syncs_after_failure(), 0, "{call:?} {nth} {failure:?}");
            }
        }
        assert!(failed > 20, "{failed} failed");
    }

    /// A flipped bit is found wherever it is, or it changes nothing: an order that is there is never said not to be.
    #[test]
    fn no_flipped_bit_hides_an_order() {
        let (disk, data) = (SimDisk::new(5), Path::new("/data"));
        disk.make_dir(data).unwrap();
        let store = ColdStore::new(Arc::new(disk.clone()), data);
        let write = store.write().unwrap();
        let mut orders: Vec<_> =
            (100..400).map(|n| order(7, &format!("A{n}"), &format!("R{n}"), &[n as u8; 40])).collect();
        write.put(&mut orders, &[]).unwrap();
        write.commit().unwrap();
        drop(store);
        let bytes = disk.image()[&data.join(FILE_NAME)].clone();
        let places: Vec<usize> = (4096..bytes.len()).filter(|at| bytes[*at] != 0).collect();
        let mut refused = 0;
        let mut random = 1u64;
        for _ in 0..600 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = places[(random >> 33) as usize % places.len()];
            let disk = disk.fork();
            disk.flip(&data.join(FILE_NAME), at as u64 * 8 + (random >> 20) % 8);
            let store = ColdStore::new(Arc::new(disk), data);
            store.take_as_it_is();
            let looked = (100..400).try_for_each(|n| {
                let numbers = [(ColdKind::Order, format!("A{n}")), (ColdKind::Refund, format!("R{n}"))];
                for (kind, number) in numbers {
                    let found = store.get(&key(kind, &number))?;
                    assert_eq!(found.as_deref(), Some(&[n as u8; 40][..]), "{number}, byte {at}");
                }
                Ok::<_, ColdError>(())
            });
            refused += u32::from(looked.is_err());
        }
        assert!(refused > 100, "{refused} refused");
    }

    #[test]
    fn a_flipped_bit_in_a_value_is_found() {
        assert_eq!(unsealed(b"key", &sealed(b"key", b"value")).ok().as_deref(), Some(&b"value"[..]));
        let bytes = sealed(b"key", b"value");
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(unsealed(b"key", &flipped).is_err(), "bit {bit}");
        }
        assert!(unsealed(b"kez", &bytes).is_err() && unsealed(b"key", &bytes[..3]).is_err());
    }
}
