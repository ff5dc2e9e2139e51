//! What keeps the log's bytes, as a trait: real files, or a disk in memory that fails as disks do.
//!
//! Everything that the log does with files goes through [`Storage`] and [`StorageFile`], by path and without a
//! position of its own, so that one virtual call is one system call, and nothing of it lies on a record's way: a
//! record goes into a [`WriteMap`], and one call for each sync takes it to the disk.
//!
//! | promise | after a crash of the machine |
//! |---|---|
//! | `write_all_at`, `set_len`, `allocate`, a store into a map | any 512 bytes of it are there or not, in any order |
//! | `sync_data`, `sync_all` came back without an error | all that was written to this file before is there |
//! | `sync_data`, `sync_all` failed | of what was not synced, anything; **never sync that file again** |
//! | `open` that creates, `rename`, `remove` | those of one folder happened up to some moment |
//! | `sync_dir` came back without an error | those of that folder all happened |
//! | `make_dir` came back without an error | the folder is there, and those above it |
//!
//! [`Files`] is the operating system's files, written with `pwrite` or through maps. [`SimDisk`] keeps the same
//! promises and no more than these, by seed.

mod content;
mod files;
mod sim;

pub use files::Files;
pub(crate) use files::lock_to_look;
pub use sim::{Call, Failure, SimDisk};

use crate::map::{ReadMap, WriteMap};
use crate::{FolderLock, LockError};
use std::{
    fmt::Debug,
    io,
    path::{Path, PathBuf},
};

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A file that is there, to read and to sync.
    Read,
    /// A file that is there, to read and write.
    Write,
    /// A new file to read and write; one of that name that is there becomes empty.
    Create,
}

/// Files in folders; see the module's page for what lasts.
#[allow(clippy::missing_errors_doc, reason = "all of them: what the system said")]
pub trait Storage: Debug + Send + Sync + 'static {
    /// Opens a file.
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn StorageFile>>;

    /// The paths of what lies in a folder, sorted. A folder that is not there is [`io::ErrorKind::NotFound`].
    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>>;

    /// Makes a folder and those above it, durably. One that is there stays as it is.
    fn make_dir(&self, dir: &Path) -> io::Result<()>;

    /// Gives a file another name in the same folder. A file that has that name is replaced, in one step.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file. Who has it open may go on.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes durable which files are in a folder.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Bytes that can still be allocated where `dir` is.
    fn free_bytes(&self, dir: &Path) -> io::Result<u64>;

    /// Whether there is a file or a folder of that name.
    fn exists(&self, path: &Path) -> io::Result<bool>;

    /// Locks a data folder for this process, see [`FolderLock`].
    fn lock(&self, dir: &Path) -> Result<FolderLock, LockError>;

    /// A number that no other log has, for a new one's id.
    fn fresh_id(&self) -> io::Result<u128>;
}

/// An open file. Shared by threads, each call with its own position.
#[allow(clippy::missing_errors_doc, reason = "all of them: what the system said")]
#[allow(clippy::len_without_is_empty, reason = "nobody asks whether a file is empty")]
pub trait StorageFile: Debug + Send + Sync {
    /// Its length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Cuts it, or fills it up with zeros. Not while it is mapped.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Reads all of `buffer`, or it is an error.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Writes all of `bytes`, or it is an error.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes it at least `len` long, with room on the disk for all of that.
    fn allocate(&self, len: u64) -> io::Result<()>;

    /// Makes its bytes and its length durable.
    fn sync_data(&self) -> io::Result<()>;

    /// Makes its bytes and all that is known of it durable.
    fn sync_all(&self) -> io::Result<()>;

    /// Advice: what is read from now on is to come from the disk.
    fn forget_cached(&self) {}

    /// The first `len` bytes as memory that writers store into; the next sync takes up what they stored. The file
    /// must be that long, and stay so.
    fn map(&self, len: u64) -> io::Result<WriteMap>;

    /// All its bytes, while nobody writes.
    fn view(&self) -> io::Result<ReadMap> {
        let mut bytes = vec![0; usize::try_from(self.len()?).map_err(io::Error::other)?];
        self.read_exact_at(&mut bytes, 0)?;
        Ok(ReadMap::owned(bytes))
    }
}
