//! Files as they come: plain, gzip or ZIP, told apart by their first bytes and not by their names.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use encoding_rs::GB18030;
use flate2::bufread::MultiGzDecoder;
use zip::ZipArchive;
use zip::result::ZipError;

use super::Limits;
use super::error::{BillError, Place};
use super::lines::{Lines, Watch, failed};

const GZIP: &[u8] = &[0x1f, 0x8b];
/// A ZIP begins with an entry, or with its directory when it has none.
const ZIP: [&[u8]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];
const MAGIC_BYTES: usize = 4;

/// One file of a bill, on the disk or in memory.
#[derive(Clone, Copy)]
pub(super) struct Given<'a> {
    /// Its name, for messages.
    pub(super) path: &'a Path,
    /// Its contents, when they are not on the disk.
    pub(super) bytes: Option<&'a [u8]>,
}

trait ReadSeek: Read + Seek {}
impl<T: Read + Seek> ReadSeek for T {}

/// Counts what is read.
struct Counted<'a> {
    file: Box<dyn ReadSeek + 'a>,
    read: &'a Cell<u64>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.read.set(self.read.get() + read as u64);
        Ok(read)
    }
}

impl Seek for Counted<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

impl<'a> Given<'a> {
    fn open(self) -> io::Result<Box<dyn ReadSeek + 'a>> {
        Ok(match self.bytes {
            Some(bytes) => Box::new(Cursor::new(bytes)),
            None => Box::new(File::open(self.path)?),
        })
    }

    fn unreadable(self, source: io::Error) -> BillError {
        BillError::Unreadable { path: self.path.to_owned(), source }
    }

    fn length(self) -> Result<u64, BillError> {
        self.open().and_then(|mut file| file.seek(SeekFrom::End(0))).map_err(|error| self.unreadable(error))
    }

    /// Whether both are one file, or files of the same bytes.
    fn is_same(self, other: Given<'_>) -> Result<bool, BillError> {
        if self.length()? != other.length()? {
            return Ok(false);
        }
        let mut ours = BufReader::new(self.open().map_err(|error| self.unreadable(error))?);
        let mut theirs = BufReader::new(other.open().map_err(|error| other.unreadable(error))?);
        loop {
            let left = ours.fill_buf().map_err(|error| self.unreadable(error))?;
            let right = theirs.fill_buf().map_err(|error| other.unreadable(error))?;
            let both = left.len().min(right.len());
            if both == 0 || left[..both] != right[..both] {
                return Ok(both == 0);
            }
            ours.consume(both);
            theirs.consume(both);
        }
    }
}

/// Refuses two files of the same contents.
pub(super) fn refuse_twice(files: &[Given<'_>]) -> Result<(), BillError> {
    for (number, file) in files.iter().enumerate() {
        for first in &files[..number] {
            if file.is_same(*first)? {
                return Err(BillError::Twice { path: file.path.to_owned(), first: first.path.to_owned() });
            }
        }
    }
    Ok(())
}

/// Opens one file, and gives its lines to `then`. `before` is what the files before it had.
pub(super) fn with_lines<T>(
    given: Given<'_>,
    before: &mut u64,
    progress: &dyn Fn(u64),
    limits: &Limits,
    then: &mut dyn FnMut(&mut Lines<'_>) -> Result<T, BillError>,
) -> Result<T, BillError> {
    let path = given.path;
    let unreadable = |error| given.unreadable(error);
    let (read, length) = (Cell::new(0), given.length()?);
    let mut file = Counted { file: given.open().map_err(unreadable)?, read: &read };
    let mut magic = Vec::with_capacity(MAGIC_BYTES);
    Read::by_ref(&mut file).take(MAGIC_BYTES as u64).read_to_end(&mut magic).map_err(unreadable)?;
    file.rewind().map_err(unreadable)?;
    read.set(0);
    // A ZIP's directory is read besides what is in it: no more than the file is ever told.
    let so_far = |read: u64| progress(*before + read.min(length));
    let then = &mut |mut lines: Lines<'_>| then(&mut lines).map_err(|fault| lines.blame(fault));
    let watch = |packed| Watch { read: &read, progress: &so_far, packed, limits };
    let done = if magic.starts_with(GZIP) {
        let mut unpacked = MultiGzDecoder::new(BufReader::new(file));
        then(Lines::new(path, &mut unpacked, watch(true)))
    } else if ZIP.iter().any(|start| magic.starts_with(start)) {
        let zipped = |error| zip_failed(path, error);
        let mut archive = ZipArchive::new(BufReader::new(file)).map_err(zipped)?;
        let entry = details(path, &mut archive)?;
        let mut unpacked = archive.by_index(entry).map_err(zipped)?;
        then(Lines::new(path, &mut unpacked, watch(true)))
    } else {
        then(Lines::new(path, &mut file, watch(false)))
    };
    *before += length;
    done
}

fn zip_failed(path: &Path, error: ZipError) -> BillError {
    match error {
        ZipError::Io(source) => failed(path, true, source),
        // Its directory is at the end, so a ZIP that was cut short has none.
        ZipError::InvalidArchive(_) => BillError::CutShort {
            place: Place { path: path.to_owned(), line: 0 },
            missing: "or is no sound ZIP: its directory cannot be read",
        },
        error => BillError::Damaged { path: path.to_owned(), reason: error.to_string().into() },
    }
}

/// Which entry is the table of details: a CSV that is not the summary (汇总), and of several the one of 业务明细.
fn details<R: Read + Seek>(path: &Path, archive: &mut ZipArchive<R>) -> Result<usize, BillError> {
    let mut tables: Vec<(usize, String)> = Vec::new();
    for entry in 0..archive.len() {
        let file = archive.by_index_raw(entry).map_err(|error| zip_failed(path, error))?;
        // Whether a name is GBK is written nowhere; such names are no UTF-8.
        let raw = file.name_raw();
        let name =
            std::str::from_utf8(raw).map_or_else(|_| GB18030.decode(raw).0.into_owned(), str::to_owned);
        if name.to_ascii_lowercase().ends_with(".csv") && !name.contains("汇总") {
            tables.push((entry, name));
        }
    }
    if tables.len() > 1 && tables.iter().any(|(_, name)| name.contains("业务明细")) {
        tables.retain(|(_, name)| name.contains("业务明细"));
    }
    if let [(entry, _)] = tables[..] {
        return Ok(entry);
    }
    let names: Vec<String> = tables.into_iter().map(|(_, name)| name).collect();
    let found = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    Err(BillError::Archive { path: path.to_owned(), found: found.into() })
}
