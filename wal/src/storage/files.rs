//! The operating system's files.

use super::{Access, Storage, StorageFile};
use crate::map::{ReadMap, WriteMap};
use crate::{FolderLock, LockError};
use rustix::fs::{Advice, FallocateFlags};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// The operating system's files. Which way records go, by `pwrite` or through a map, is [`crate::Backend`]'s to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Files;

const LOCK_NAME: &str = "LOCK";
const RANDOM_SOURCE: &str = "/dev/urandom";

impl Storage for Files {
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn StorageFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(access != Access::Read);
        if access == Access::Create {
            options.create(true).truncate(true);
        }
        Ok(Box::new(options.open(path)?))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        let mut paths: Vec<PathBuf> =
            fs::read_dir(dir)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>()?;
        paths.sort();
        Ok(paths)
    }

    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        if dir.is_dir() {
            return Ok(());
        }
        let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
        if let Some(parent) = parent {
            self.make_dir(parent)?;
        }
        match fs::create_dir(dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        self.sync_dir(parent.unwrap_or(Path::new(".")))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(dir)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    fn lock(&self, dir: &Path) -> Result<FolderLock, LockError> {
        let path = dir.join(LOCK_NAME);
        let io = |source| LockError::Io { path: path.clone(), source };
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(io)?;
        hold(dir, &path, &mut file)?;
        write_holder(&mut file).map_err(io)?;
        Ok(FolderLock::new(file))
    }

    fn fresh_id(&self) -> io::Result<u128> {
        let mut bytes = [0; 16];
        File::open(RANDOM_SOURCE)?.read_exact(&mut bytes)?;
        Ok(u128::from_le_bytes(bytes))
    }
}

/// Locks `dir` without writing to it, for whoever only looks. `None`: nobody ever locked it.
pub(crate) fn lock_to_look(dir: &Path) -> Result<Option<FolderLock>, LockError> {
    let path = dir.join(LOCK_NAME);
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(LockError::Io { path, source }),
    };
    hold(dir, &path, &mut file)?;
    Ok(Some(FolderLock::new(file)))
}

fn hold(dir: &Path, path: &Path, file: &mut File) -> Result<(), LockError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::Error(source)) => Err(LockError::Io { path: path.to_owned(), source }),
        Err(TryLockError::WouldBlock) => Err(LockError::InUse { dir: dir.to_owned(), holder: holder(file) }),
    }
}

fn write_holder(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn holder(file: &mut File) -> String {
    // A process id is short; whatever else stands there is not worth reading.
    let mut text = String::new();
    match file.take(32).read_to_string(&mut text) {
        Ok(_) if !text.trim().is_empty() => text.trim().to_owned(),
        _ => "unknown".to_owned(),
    }
}

impl StorageFile for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        File::set_len(self, len)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        FileExt::read_exact_at(self, buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        FileExt::write_all_at(self, bytes, offset)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        Ok(rustix::fs::fallocate(self, FallocateFlags::empty(), 0, len)?)
    }

    fn sync_data(&self) -> io::Result<()> {
        File::sync_data(self)
    }

    fn sync_all(&self) -> io::Result<()> {
        File::sync_all(self)
    }

    fn forget_cached(&self) {
        // Advice, hence best effort.
        let _ = rustix::fs::fadvise(self, 0, None, Advice::DontNeed);
    }

    fn map(&self, len: u64) -> io::Result<WriteMap> {
        WriteMap::of_file(self, len)
    }

    fn view(&self) -> io::Result<ReadMap> {
        ReadMap::of_file(self)
    }
}
