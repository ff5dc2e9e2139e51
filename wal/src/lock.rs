//! One process per data folder.

use crate::LockError;
use crate::storage::{Files, Storage, lock_to_look};
use std::{fmt::Debug, path::Path};

/// Holds a data folder for this process, until dropped or until the process ends, however it ends.
///
/// In real files the lock is on the open file `LOCK` (`flock`), so a file left over means nothing, and it is never
/// removed: removing it would let two processes lock two files of the same name.
#[derive(Debug)]
pub struct FolderLock {
    _held: Box<dyn Debug + Send + Sync>,
}

impl FolderLock {
    /// A lock that ends when `held` is dropped: for whoever implements [`Storage`].
    pub fn new(held: impl Debug + Send + Sync + 'static) -> FolderLock {
        FolderLock { _held: Box::new(held) }
    }

    /// Locks `dir`, a folder of real files, which must be there.
    ///
    /// # Errors
    /// [`LockError::InUse`] names the process that has it; [`LockError::Io`] when the file cannot be written.
    pub fn acquire(dir: &Path) -> Result<FolderLock, LockError> {
        Files.lock(dir)
    }

    /// Locks `dir` as [`FolderLock::acquire`] does, but changes nothing in it. `None`: it was never locked, and there
    /// is nothing that could be held.
    ///
    /// # Errors
    /// As for [`FolderLock::acquire`].
    pub fn acquire_to_look(dir: &Path) -> Result<Option<FolderLock>, LockError> {
        lock_to_look(dir)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        assert!(FolderLock::acquire_to_look(dir.path()).unwrap().is_none());
        let lock = FolderLock::acquire(dir.path()).unwrap();
        for error in [
            FolderLock::acquire(dir.path()).unwrap_err(),
            FolderLock::acquire_to_look(dir.path()).unwrap_err(),
        ] {
            let text = error.to_string();
            assert!(matches!(error, LockError::InUse { .. }));
            assert!(text.contains(&format!("in use by process {}", std::process::id())), "{text}");
            assert!(text.contains(&dir.path().display().to_string()), "{text}");
        }
        drop(lock);
        drop(FolderLock::acquire_to_look(dir.path()).unwrap().unwrap());
        FolderLock::acquire(dir.path()).unwrap();
        assert!(FolderLock::acquire(&dir.path().join("missing")).is_err());
    }
}
