//! Followers that are other processes hold the log: a file in the data folder says from where on each still needs it.
//!
//! ```text
//! <data>/follower-NAME.lsn     suanpan follower 1
//!                              log 0123456789abcdef0123456789abcdef      the log's id, 32 hex digits; 0: there was none yet
//!                              lsn 4096                                  from here on
//!                              crc 89abcdef                              CRC32C of the lines before
//! ```
//!
//! Text, lines ended by a newline, version 1. The follower writes it when it begins and with each checkpoint, under another
//! name first, synced; the server reads it before it releases segments, and never removes it: a follower that is given up is
//! given up by removing its file. One that cannot be read, or is another log's, holds the whole log, since nobody can say
//! that less would do.

use std::io;
use std::path::{Path, PathBuf};

use suanpan_wal::{Access, Lsn, Storage};

const FIRST_LINE: &str = "suanpan follower 1";
const PREFIX: &str = "follower-";
const EXTENSION: &str = "lsn";
const EXTENSION_TEMPORARY: &str = "lsn-tmp";
/// The longest name, and more than any such file has.
const NAME_LEN_MAX: usize = 64;
const FILE_BYTES_MAX: u64 = 4096;

/// Why the log is not held, or it is not known by whom.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HoldError {
    /// A file or folder cannot be read or written.
    #[error("{doing} {path} failed: {source}")]
    Io {
        /// What was done.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No name for a file.
    #[error("{0:?} is no name for a follower: 1 to 64 of a-z, 0-9 and - are")]
    Name(String),
    /// Only a follower with checkpoints knows from where on it needs the log.
    #[error(
        "this follower keeps no checkpoints: begin it with `Follower::resume` and a folder, then hold the log"
    )]
    NoFolder,
    /// Segments went while the file was written.
    #[error(
        "the log no longer reaches back to {0}, where this follower begins: it was released before it could be held. Begin \
         the follower again"
    )]
    Released(Lsn),
}

/// A follower that holds the log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogHolder {
    /// Its name.
    pub name: String,
    /// Its file: to remove that is to give the follower up.
    pub path: PathBuf,
    /// From where on it needs the log; from the beginning, if that cannot be read.
    pub lsn: Lsn,
    /// Bytes from there on up to what is durable.
    pub bytes: u64,
    /// Why its file cannot be read.
    pub unreadable: Option<String>,
}

fn error<'a>(doing: &'static str, path: &'a Path) -> impl Fn(io::Error) -> HoldError + 'a {
    move |source| HoldError::Io { doing, path: path.to_owned(), source }
}

fn is_name(name: &str) -> bool {
    let fits = (1..=NAME_LEN_MAX).contains(&name.len());
    fits && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// The follower's name in a file's, if it is one's.
fn name_in(path: &Path) -> Option<&str> {
    let stem = path.file_stem()?.to_str()?;
    let is_one = path.extension()? == EXTENSION;
    stem.strip_prefix(PREFIX).filter(|_| is_one)
}

fn encode(log_id: u128, lsn: Lsn) -> String {
    let lines = format!("{FIRST_LINE}\nlog {log_id:032x}\nlsn {lsn}\n");
    let crc = crc32c::crc32c(lines.as_bytes());
    format!("{lines}crc {crc:08x}\n")
}

fn decode(text: &str, log_id: u128) -> Result<Lsn, String> {
    let mut lines = text.lines();
    if lines.next() != Some(FIRST_LINE) {
        return Err("it does not begin as one of a version this Suanpan knows".to_owned());
    }
    let mut field = |name: &str| lines.next().and_then(|line| line.strip_prefix(name));
    let log = field("log ").and_then(|id| u128::from_str_radix(id, 16).ok());
    let lsn = field("lsn ").and_then(|lsn| lsn.parse().ok()).map(Lsn::new);
    let (Some(log), Some(lsn)) = (log, lsn) else { return Err("it is damaged".to_owned()) };
    // Encoding what was read compares everything at once.
    if encode(log, lsn) != text {
        return Err("its checksum is wrong".to_owned());
    }
    // 0 where the follower began before there was a log: it needs all of it.
    if log != 0 && log != log_id {
        return Err(format!("it is of log {log:032x}, this one is {log_id:032x}"));
    }
    Ok(lsn)
}

/// Has the log held from `lsn` on for the follower of that name.
pub(crate) fn hold(
    storage: &dyn Storage,
    data: &Path,
    name: &str,
    log_id: u128,
    lsn: Lsn,
) -> Result<(), HoldError> {
    if !is_name(name) {
        return Err(HoldError::Name(name.to_owned()));
    }
    let path = data.join(format!("{PREFIX}{name}.{EXTENSION}"));
    let temporary = data.join(format!("{PREFIX}{name}.{EXTENSION_TEMPORARY}"));
    let file = storage.open(&temporary, Access::Create).map_err(error("making", &temporary))?;
    let written = file.write_all_at(encode(log_id, lsn).as_bytes(), 0).and_then(|()| file.sync_all());
    written.map_err(error("writing", &temporary))?;
    storage.rename(&temporary, &path).map_err(error("naming", &path))?;
    storage.sync_dir(data).map_err(error("syncing folder", data))
}

/// Who holds the log in a data folder, which is durable up to `durable`; who holds most of it first.
pub(crate) fn holders(
    storage: &dyn Storage,
    data: &Path,
    log_id: u128,
    durable: Lsn,
) -> Result<Vec<LogHolder>, HoldError> {
    let paths = storage.list(data).map_err(error("reading folder", data))?;
    let mut holders = Vec::new();
    for path in paths {
        let Some(name) = name_in(&path).map(str::to_owned) else { continue };
        let read = match read(storage, &path) {
            Ok(text) => decode(&text, log_id),
            // It was removed meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => Err(error.to_string()),
        };
        let lsn = *read.as_ref().unwrap_or(&Lsn::ZERO);
        let bytes = durable.get().saturating_sub(lsn.get());
        holders.push(LogHolder { name, path, lsn, bytes, unreadable: read.err() });
    }
    holders.sort_by_key(|holder| holder.lsn);
    Ok(holders)
}

fn read(storage: &dyn Storage, path: &Path) -> io::Result<String> {
    let file = storage.open(path, Access::Read)?;
    let len = file.len()?.min(FILE_BYTES_MAX);
    let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, 0)?;
    String::from_utf8(bytes).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use suanpan_wal::SimDisk;

    fn lsns(disk: &SimDisk, data: &Path) -> Vec<(String, u64, bool)> {
        let holders = holders(disk, data, 7, Lsn::new(90)).unwrap();
        let of = |holder: LogHolder| (holder.name, holder.bytes, holder.unreadable.is_some());
        holders.into_iter().map(of).collect()
    }

    #[test]
    fn what_cannot_be_read_holds_everything() {
        let (disk, data) = (SimDisk::new(1), Path::new("/data"));
        disk.make_dir(data).unwrap();
        assert!(lsns(&disk, data).is_empty());
        hold(&disk, data, "export", 7, Lsn::new(50)).unwrap();
        hold(&disk, data, "second-1", 7, Lsn::new(40)).unwrap();
        hold(&disk, data, "export", 7, Lsn::new(60)).unwrap();
        assert_eq!(lsns(&disk, data), [("second-1".to_owned(), 50, false), ("export".to_owned(), 30, false)]);
        // As it was, whenever the power goes.
        assert_eq!(lsns(&disk.crash(3), data), lsns(&disk, data));
        hold(&disk, data, "early", 0, Lsn::new(10)).unwrap();
        assert_eq!(lsns(&disk, data)[0], ("early".to_owned(), 80, false));
        hold(&disk, data, "other", 8, Lsn::new(60)).unwrap();
        assert_eq!(lsns(&disk, data)[0], ("other".to_owned(), 90, true));
        for name in ["", "Export", "a/b", "a.b", &"a".repeat(65)] {
            assert!(matches!(hold(&disk, data, name, 7, Lsn::ZERO), Err(HoldError::Name(_))), "{name}");
        }
        let path = data.join("follower-export.lsn");
        for bit in 0..encode(7, Lsn::new(60)).len() as u64 * 8 {
            let disk = disk.fork();
            disk.flip(&path, bit);
            let found = lsns(&disk, data);
            assert!(found.contains(&("export".to_owned(), 90, true)), "bit {bit}: {found:?}");
        }
    }
}
