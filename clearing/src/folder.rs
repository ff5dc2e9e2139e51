//! A folder of files that is there whole or not at all.
//!
//! The files are written into a folder beside it, which is then renamed. A folder that is there already is never written into: with the same
//! files in it all is well, with others it is refused.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempDir};

/// Why files were not written. Nothing is there then that was not there before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is something else already.
    #[error("{path} is there already, and {what}. Give another --out, or move it away first")]
    Other {
        /// The folder.
        path: PathBuf,
        /// How it differs.
        what: String,
    },
}

fn failed(path: &Path) -> impl Fn(io::Error) -> WriteError {
    let path = path.to_owned();
    move |source| WriteError::Io { path: path.clone(), source }
}

/// A folder on its way.
#[derive(Debug)]
pub struct NewFolder {
    /// Where it is going to be.
    to: PathBuf,
    /// Where it is until then; goes with it.
    beside: TempDir,
    names: BTreeSet<String>,
}

/// The folder that something is in.
fn parent(path: &Path) -> PathBuf {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}

impl NewFolder {
    /// Begins a folder.
    ///
    /// # Errors
    /// When there is no room beside it.
    pub fn begin(to: &Path) -> Result<Self, WriteError> {
        let parent = parent(to);
        fs::create_dir_all(&parent).map_err(failed(&parent))?;
        let beside = tempfile::Builder::new().prefix(".suanpan-").tempdir_in(&parent);
        let beside = beside.map_err(failed(&parent))?;
        Ok(Self { to: to.to_owned(), beside, names: BTreeSet::new() })
    }

    /// Adds a file, written by `write`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add(
        &mut self,
        name: &str,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), WriteError> {
        assert!(!name.contains(['/', '\\']) && !name.starts_with('.'), "{name:?} is a name of a file");
        assert!(self.names.insert(name.to_owned()), "each file is added once");
        let path = self.beside.path().join(name);
        let written = File::create_new(&path).and_then(|file| {
            let mut to = BufWriter::with_capacity(1 << 16, file);
            write(&mut to)?;
            to.flush()
        });
        written.map_err(failed(&self.to.join(name)))
    }

    /// Puts the folder in its place, and says whether it is new there.
    ///
    /// # Errors
    /// [`WriteError::Other`] when there is another already, or when the system refuses.
    pub fn finish(self) -> Result<bool, WriteError> {
        match fs::symlink_metadata(&self.to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(&self.to)(error)),
            Ok(there) if there.is_dir() => {
                let is_empty = fs::read_dir(&self.to).map_err(failed(&self.to))?.next().is_none();
                if !is_empty {
                    return self.compare().map(|()| false);
                }
            }
            Ok(_) => return Err(self.other("is no folder".to_owned())),
        }
        // Together: the first sync takes most of the others' data with it.
        for name in &self.names {
            let synced = File::open(self.beside.path().join(name)).and_then(|file| file.sync_all());
            synced.map_err(failed(&self.to.join(name)))?;
        }
        let parent = parent(&self.to);
        // Over an empty folder, too.
        fs::rename(self.beside.path(), &self.to).map_err(failed(&self.to))?;
        File::open(&parent).and_then(|folder| folder.sync_all()).map_err(failed(&parent))?;
        Ok(true)
    }

    fn other(&self, what: String) -> WriteError {
        WriteError::Other { path: self.to.clone(), what }
    }

    /// Whether the folder that is there is the same.
    fn compare(&self) -> Result<(), WriteError> {
        let mut there = BTreeSet::new();
        for entry in fs::read_dir(&self.to).map_err(failed(&self.to))? {
            let entry = entry.map_err(failed(&self.to))?;
            there.insert(entry.file_name().to_string_lossy().into_owned());
        }
        if let Some(name) = there.iter().find(|name| !self.names.contains(*name)) {
            return Err(self.other(format!("has {name} in it, which does not belong to this")));
        }
        if let Some(name) = self.names.iter().find(|name| !there.contains(*name)) {
            return Err(self.other(format!("has no {name} in it")));
        }
        for name in &self.names {
            let (old, new) = (self.to.join(name), self.beside.path().join(name));
            if !are_same(&old, &new).map_err(failed(&old))? {
                return Err(self.other(format!("has another {name} in it")));
            }
        }
        Ok(())
    }
}

/// Whether two files have the same bytes.
fn are_same(one: &Path, other: &Path) -> io::Result<bool> {
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut first, mut second) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let read = one.read(&mut first)?;
        if read == 0 {
            return Ok(true);
        }
        other.read_exact(&mut second[..read])?;
        if first[..read] != second[..read] {
            return Ok(false);
        }
    }
}

/// Writes one file whole, in the place of one that was there.
///
/// # Errors
/// When the system refuses; what was there is there still.
pub fn write_file(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), WriteError> {
    let parent = parent(path);
    let mut file = NamedTempFile::new_in(&parent).map_err(failed(&parent))?;
    let written = {
        let mut to = BufWriter::with_capacity(1 << 16, file.as_file_mut());
        write(&mut to).and_then(|()| to.flush())
    };
    written.and_then(|()| file.as_file().sync_data()).map_err(failed(path))?;
    file.persist(path).map_err(|error| failed(path)(error.error))?;
    File::open(&parent).and_then(|folder| folder.sync_all()).map_err(failed(&parent))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(to: &Path, files: &[(&str, &str)]) -> Result<bool, WriteError> {
        let mut folder = NewFolder::begin(to)?;
        for (name, text) in files {
            folder.add(name, |file| file.write_all(text.as_bytes()))?;
        }
        folder.finish()
    }

    #[test]
    fn a_folder_is_put_once_and_never_changed() {
        let place = tempfile::tempdir().unwrap();
        let to = place.path().join("new/S1");
        let files = [("bank.csv", "1"), ("merchant-1.csv", "2")];
        assert!(put(&to, &files).unwrap());
        assert!(!put(&to, &files).unwrap(), "the same again is well");
        for other in [&files[..1], &[files[0], ("merchant-1.csv", "3")], &[files[0], files[1], ("x", "")]] {
            let refused = put(&to, other);
            assert!(matches!(refused, Err(WriteError::Other { .. })), "{refused:?}");
        }
        assert_eq!(fs::read_to_string(to.join("merchant-1.csv")).unwrap(), "2");
        assert_eq!(fs::read_dir(to.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn what_fails_half_way_leaves_nothing() {
        let place = tempfile::tempdir().unwrap();
        let to = place.path().join("S1");
        let mut folder = NewFolder::begin(&to).unwrap();
        folder.add("bank.csv", |file| file.write_all(b"1")).unwrap();
        let full = |_: &mut dyn Write| Err(io::Error::from(io::ErrorKind::StorageFull));
        assert!(matches!(folder.add("merchant-1.csv", full), Err(WriteError::Io { .. })));
        drop(folder);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
        let file = place.path().join("one.csv");
        fs::write(&file, "old").unwrap();
        assert!(write_file(&file, full).is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), "old");
        write_file(&file, |to| to.write_all(b"new")).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }
}
