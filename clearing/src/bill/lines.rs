//! The lines of a file, however it is packed: one buffer, a bound on a line, and no end taken for sound that may be a cut.

use std::cell::Cell;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;

use memchr::memchr;

use super::Limits;
use super::error::{BillError, Place, quoted};

/// What is read at once.
const CHUNK_BYTES: usize = 1 << 18;

/// How much of a file was read, seen from both ends of its unpacking.
pub(super) struct Watch<'a> {
    /// Bytes of the file itself.
    pub(super) read: &'a Cell<u64>,
    /// Told that number.
    pub(super) progress: &'a dyn Fn(u64),
    /// Whether it is packed: then its checksum says whether its end is the end.
    pub(super) packed: bool,
    /// What an unpacked file may be.
    pub(super) limits: &'a Limits,
}

/// See [`Lines::advance`].
pub(super) struct Lines<'a> {
    path: &'a Path,
    input: &'a mut dyn Read,
    watch: Watch<'a>,
    buffer: Vec<u8>,
    /// The current line in the buffer, without its end.
    current: Range<usize>,
    /// What comes behind it: from here, known to hold no line end before `scanned`, to `end`.
    next: usize,
    scanned: usize,
    end: usize,
    line: u64,
    unpacked: u64,
    over: bool,
}

impl<'a> Lines<'a> {
    pub(super) fn new(path: &'a Path, input: &'a mut dyn Read, watch: Watch<'a>) -> Self {
        let buffer = vec![0; CHUNK_BYTES + watch.limits.line_bytes_max];
        let (current, over) = (0..0, false);
        Self { path, input, watch, buffer, current, next: 0, scanned: 0, end: 0, line: 0, unpacked: 0, over }
    }

    /// Goes to the next line, if there is one.
    ///
    /// The last line of a file that is not packed must have its end: nothing else shows that it is whole.
    pub(super) fn advance(&mut self) -> Result<bool, BillError> {
        loop {
            if let Some(length) = memchr(b'\n', &self.buffer[self.scanned..self.end]) {
                let end = self.scanned + length;
                return self.found(end, end + 1).map(|()| true);
            }
            self.scanned = self.end;
            if self.over && self.next == self.end {
                return Ok(false);
            }
            if self.end - self.next > self.watch.limits.line_bytes_max {
                self.line += 1;
                return Err(self.too_long());
            }
            if self.over {
                self.found(self.end, self.end)?;
                return if self.watch.packed {
                    Ok(true)
                } else {
                    Err(self.cut_short("its last line has no end"))
                };
            }
            self.fill()?;
        }
    }

    fn found(&mut self, end: usize, next: usize) -> Result<(), BillError> {
        self.line += 1;
        let without_return = end > self.next && self.buffer[end - 1] == b'\r';
        self.current = self.next..end - usize::from(without_return);
        (self.next, self.scanned) = (next, next);
        self.check_length(self.current.len())
    }

    fn fill(&mut self) -> Result<(), BillError> {
        self.buffer.copy_within(self.next..self.end, 0);
        (self.end, self.scanned) = (self.end - self.next, self.scanned - self.next);
        (self.next, self.current) = (0, 0..0);
        let read = match self.input.read(&mut self.buffer[self.end..]) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(failed(self.path, self.watch.packed, error)),
        };
        (self.end, self.over, self.unpacked) = (self.end + read, read == 0, self.unpacked + read as u64);
        (self.watch.progress)(self.watch.read.get());
        let max = self.watch.limits.unpacked_max(self.watch.read.get());
        if self.watch.packed && self.unpacked > max {
            return Err(BillError::TooLarge { path: self.path.to_owned(), max });
        }
        Ok(())
    }

    /// The line, without its end.
    pub(super) fn current(&self) -> &[u8] {
        &self.buffer[self.current.clone()]
    }

    /// Its number, from 1.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Where it is.
    pub(super) fn place(&self) -> Place {
        Place { path: self.path.to_owned(), line: self.line }
    }

    /// Whether a checksum vouches for the end.
    pub(super) fn is_packed(&self) -> bool {
        self.watch.packed
    }

    /// The file ends here and should not.
    pub(super) fn cut_short(&self, missing: &'static str) -> BillError {
        BillError::CutShort { place: self.place(), missing }
    }

    /// Something behind the end.
    pub(super) fn behind(&self) -> BillError {
        BillError::Behind { place: self.place(), found: quoted(&String::from_utf8_lossy(self.current())) }
    }

    /// A field that cannot be understood.
    pub(super) fn value(&self, column: &'static str, value: &str, reason: &'static str) -> BillError {
        BillError::Value { place: self.place(), column, value: quoted(value), reason }
    }

    /// Nothing but empty lines may follow.
    pub(super) fn finish(&mut self) -> Result<(), BillError> {
        while self.advance()? {
            if !self.current().is_empty() {
                return Err(self.behind());
            }
        }
        Ok(())
    }

    /// What is wrong with a packed file is looked at again: damage anywhere in it is the likelier cause.
    pub(super) fn blame(&mut self, fault: BillError) -> BillError {
        while self.watch.packed && !self.over {
            self.next = self.end;
            self.scanned = self.end;
            if let Err(damage) = self.fill() {
                return damage;
            }
        }
        fault
    }

    /// What is put together from several lines is no longer than one may be.
    pub(super) fn check_length(&self, bytes: usize) -> Result<(), BillError> {
        if bytes > self.watch.limits.line_bytes_max { Err(self.too_long()) } else { Ok(()) }
    }

    fn too_long(&self) -> BillError {
        BillError::RowTooLong { place: self.place(), max: self.watch.limits.line_bytes_max }
    }
}

/// What an error of reading means: the system's own has a number, what the unpacking found has none.
pub(super) fn failed(path: &Path, packed: bool, source: io::Error) -> BillError {
    let path = path.to_owned();
    if !packed || source.raw_os_error().is_some() {
        return BillError::Unreadable { path, source };
    }
    if source.kind() == io::ErrorKind::UnexpectedEof {
        return BillError::CutShort {
            place: Place { path, line: 0 },
            missing: "what is packed in it has no end",
        };
    }
    BillError::Damaged { path, reason: source.to_string().into() }
}
