//! The payload of a log record: commands that one shard decided at one moment.
//!
//! ```text
//!  0        1         2        4              12          16
//!  +--------+---------+--------+---------------+-----------+----------------------------+
//!  | version| kind    | count  | now_ms        | date      | commands, one behind the   |
//!  | u8 = 1 | u8 = 0  | u16    | i64           | i32       | other (core's codec)       |
//!  +--------+---------+--------+---------------+-----------+----------------------------+
//! ```
//!
//! Little-endian. `now_ms` is the time they were decided at, `date` the accounting date before the first of
//! them; a replay finds the same date in its ledger, or the log and the state have parted. Records of other kinds are
//! drawn in `mark.rs`.

use suanpan_core::{CodecError, Command, Date, Timestamp, decode, encode};

pub(crate) const VERSION: u8 = 1;

const VERSION_AT: usize = 0;
const KIND_AT: usize = VERSION_AT + 1;
const COUNT_AT: usize = KIND_AT + 1;
const NOW_AT: usize = COUNT_AT + 2;
const DATE_AT: usize = NOW_AT + 8;
const COMMANDS_AT: usize = DATE_AT + 4;
const _: () = assert!(COMMANDS_AT == 16);

/// A group being written.
pub(crate) struct GroupWriter {
    bytes: Vec<u8>,
    count: u16,
}

/// A group that cannot be read: the record was whole, so it was written by another version or a bug.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// Shorter than its own header.
    #[error("a group of {0} bytes is shorter than its header")]
    Short(usize),
    /// Of a version this one cannot read.
    #[error("groups of version {0}; this Suanpan reads version {VERSION}: use the one that wrote them")]
    Version(u8),
    /// Neither commands nor anything else this version knows.
    #[error("a record of kind {0}: use the Suanpan that wrote it")]
    Kind(u8),
    /// A command in it cannot be read.
    #[error("command {index} of the group cannot be read: {error}")]
    Command {
        /// Which one, from 0.
        index: u16,
        /// Why.
        error: CodecError,
    },
    /// There are bytes behind the last command.
    #[error("{0} bytes behind the last command of the group")]
    Rest(usize),
}

impl GroupWriter {
    pub(crate) fn new(capacity: usize) -> Self {
        let mut bytes = Vec::with_capacity(capacity);
        bytes.resize(COMMANDS_AT, 0);
        Self { bytes, count: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn len_bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.count == u16::MAX
    }

    pub(crate) fn push(&mut self, command: &Command) {
        assert!(!self.is_full());
        encode(command, &mut self.bytes);
        self.count += 1;
    }

    /// Fills in the header; the bytes are then the payload.
    pub(crate) fn seal(&mut self, now: Timestamp, date: Date) -> &[u8] {
        assert!(self.count > 0);
        self.bytes[VERSION_AT] = VERSION;
        self.bytes[KIND_AT] = 0;
        self.bytes[COUNT_AT..NOW_AT].copy_from_slice(&self.count.to_le_bytes());
        self.bytes[NOW_AT..DATE_AT].copy_from_slice(&now.0.to_le_bytes());
        self.bytes[DATE_AT..COMMANDS_AT].copy_from_slice(&date.0.to_le_bytes());
        &self.bytes
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.truncate(COMMANDS_AT);
        self.count = 0;
    }
}

/// What one record of the log says: the commands that one shard decided at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// When they were decided.
    pub now: Timestamp,
    /// The accounting date before the first of them.
    pub date: Date,
    /// The commands in their order.
    pub commands: Vec<Command>,
}

/// Reads the payload of a record, for whoever looks at a log.
///
/// # Errors
/// When it is not what an engine writes.
pub fn read_group(payload: &[u8]) -> Result<Group, GroupError> {
    let reader = GroupReader::new(payload)?;
    Ok(Group { now: reader.now, date: reader.date, commands: reader.collect::<Result<_, _>>()? })
}

/// A group being read.
pub(crate) struct GroupReader<'a> {
    pub(crate) now: Timestamp,
    pub(crate) date: Date,
    count: u16,
    next: u16,
    rest: &'a [u8],
}

impl<'a> GroupReader<'a> {
    pub(crate) fn new(payload: &'a [u8]) -> Result<Self, GroupError> {
        let Some((header, rest)) = payload.split_first_chunk::<COMMANDS_AT>() else {
            return Err(GroupError::Short(payload.len()));
        };
        if header[VERSION_AT] != VERSION {
            return Err(GroupError::Version(header[VERSION_AT]));
        }
        let [_, _, c0, c1, n0, n1, n2, n3, n4, n5, n6, n7, d0, d1, d2, d3] = *header;
        Ok(Self {
            count: u16::from_le_bytes([c0, c1]),
            now: Timestamp(i64::from_le_bytes([n0, n1, n2, n3, n4, n5, n6, n7])),
            date: Date(i32::from_le_bytes([d0, d1, d2, d3])),
            next: 0,
            rest,
        })
    }
}

impl Iterator for GroupReader<'_> {
    type Item = Result<Command, GroupError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.count {
            let left = std::mem::take(&mut self.rest).len();
            return (left > 0).then_some(Err(GroupError::Rest(left)));
        }
        let index = self.next;
        self.next += 1;
        Some(decode(&mut self.rest).map_err(|error| {
            self.next = self.count;
            self.rest = &[];
            GroupError::Command { index, error }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use suanpan_core::SetDate;

    #[test]
    fn what_is_written_is_read() {
        let mut writer = GroupWriter::new(64);
        let command = Command::SetDate(SetDate { date: Date(17_769), cut: true });
        writer.push(&command);
        writer.push(&command);
        let payload = writer.seal(Timestamp(-5), Date(17_768)).to_vec();
        let reader = GroupReader::new(&payload).unwrap();
        assert_eq!((reader.now, reader.date), (Timestamp(-5), Date(17_768)));
        let commands: Result<Vec<_>, _> = reader.collect();
        assert_eq!(commands.unwrap(), vec![command.clone(), command]);
        assert_eq!(read_group(&payload).unwrap().commands.len(), 2);
    }

    #[test]
    fn what_is_damaged_is_named() {
        assert!(matches!(GroupReader::new(&[1; 15]), Err(GroupError::Short(15))));
        assert!(matches!(GroupReader::new(&[9; 16]), Err(GroupError::Version(9))));
        let mut writer = GroupWriter::new(64);
        writer.push(&Command::SetDate(SetDate { date: Date(1), cut: true }));
        let mut payload = writer.seal(Timestamp(0), Date(0)).to_vec();
        payload.push(7);
        assert!(matches!(GroupReader::new(&payload).unwrap().last(), Some(Err(GroupError::Rest(1)))));
    }
}
