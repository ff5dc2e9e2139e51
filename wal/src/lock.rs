//! One process per data folder.

use crate::LockError;
use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    path::Path,
};

const FILE_NAME: &str = "LOCK";

/// Holds a data folder for this process, until dropped or until the process ends, however it ends.
///
/// The lock is on the open file (`flock`), so a file left over means nothing, and it is never removed: removing
/// it would let two processes lock two files of the same name.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Locks `dir`, which must be there.
    ///
    /// # Errors
    /// [`LockError::InUse`] names the process that has it; [`LockError::Io`] when the file cannot be written.
    pub fn acquire(dir: &Path) -> Result<FolderLock, LockError> {
        let path = dir.join(FILE_NAME);
        let io = |source| LockError::Io { path: path.clone(), source };
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(source)) => return Err(io(source)),
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::InUse { dir: dir.to_owned(), holder: holder(&mut file) });
            }
        }
        write_holder(&mut file).map_err(io)?;
        Ok(FolderLock { _file: file })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let lock = FolderLock::acquire(dir.path()).unwrap();
        let error = FolderLock::acquire(dir.path()).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, LockError::InUse { .. }));
        assert!(text.contains(&format!("in use by process {}", std::process::id())), "{text}");
        assert!(text.contains(&dir.path().display().to_string()), "{text}");
        drop(lock);
        FolderLock::acquire(dir.path()).unwrap();
        assert!(FolderLock::acquire(&dir.path().join("missing")).is_err());
    }
}
