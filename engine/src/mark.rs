//! Records that are no commands: the mark at which a snapshot was taken, and the digests of the books there.
//!
//! ```text
//!  0        1         2          4            12
//!  +--------+---------+----------+------------+---------------------------+
//!  | version| kind    | shards   | lsn        | one digest a shard        |
//!  | u8 = 1 | u8 1, 2 | u16      | u64        | u128 each, kind 2 only    |
//!  +--------+---------+----------+------------+---------------------------+
//! ```
//!
//! Little-endian. Kind 1 is a mark: what is before it is in the snapshot, what is behind it is not; its `lsn` is 0. Kind 2
//! says what the digests were at the mark that *ends* at `lsn`, which is known only later. A group of commands (`group.rs`)
//! has the same version and kind 0.

use suanpan_wal::Lsn;

use crate::config::SHARDS_MAX;
use crate::group::{GroupError, GroupReader, VERSION};

const VERSION_AT: usize = 0;
pub(crate) const KIND_AT: usize = VERSION_AT + 1;
const SHARDS_AT: usize = KIND_AT + 1;
const LSN_AT: usize = SHARDS_AT + 2;
const DIGESTS_AT: usize = LSN_AT + 8;
const DIGEST_LEN: usize = 16;
const _: () = assert!(DIGESTS_AT == 12);

const KIND_COMMANDS: u8 = 0;
const KIND_MARK: u8 = 1;
const KIND_DIGESTS: u8 = 2;

/// The payload of a record.
pub(crate) enum Payload<'a> {
    Commands(GroupReader<'a>),
    Mark { shards: u16 },
    Digests { mark_end: Lsn, digests: Vec<u128> },
}

pub(crate) fn write_mark(shards: u16) -> Vec<u8> {
    write(KIND_MARK, Lsn::ZERO, shards, &[])
}

pub(crate) fn write_digests(mark_end: Lsn, digests: &[u128]) -> Vec<u8> {
    let shards = u16::try_from(digests.len()).unwrap_or(u16::MAX);
    assert!(shards <= SHARDS_MAX);
    write(KIND_DIGESTS, mark_end, shards, digests)
}

fn write(kind: u8, lsn: Lsn, shards: u16, digests: &[u128]) -> Vec<u8> {
    let mut bytes = vec![VERSION, kind];
    bytes.extend_from_slice(&shards.to_le_bytes());
    bytes.extend_from_slice(&lsn.get().to_le_bytes());
    assert!(bytes.len() == DIGESTS_AT);
    for digest in digests {
        bytes.extend_from_slice(&digest.to_le_bytes());
    }
    bytes
}

impl<'a> Payload<'a> {
    pub(crate) fn read(payload: &'a [u8]) -> Result<Self, GroupError> {
        match payload.get(KIND_AT) {
            None | Some(&KIND_COMMANDS) => return GroupReader::new(payload).map(Self::Commands),
            Some(_) => {}
        }
        let Some((header, rest)) = payload.split_first_chunk::<DIGESTS_AT>() else {
            return Err(GroupError::Short(payload.len()));
        };
        if header[VERSION_AT] != VERSION {
            return Err(GroupError::Version(header[VERSION_AT]));
        }
        let [_, kind, s0, s1, l0, l1, l2, l3, l4, l5, l6, l7] = *header;
        let shards = u16::from_le_bytes([s0, s1]);
        let mark_end = Lsn::new(u64::from_le_bytes([l0, l1, l2, l3, l4, l5, l6, l7]));
        let (digests, left) = rest.as_chunks::<DIGEST_LEN>();
        let count = if kind == KIND_DIGESTS { usize::from(shards) } else { 0 };
        if !left.is_empty() || digests.len() != count {
            return Err(GroupError::Rest(rest.len()));
        }
        match kind {
            KIND_MARK => Ok(Self::Mark { shards }),
            KIND_DIGESTS => {
                let digests = digests.iter().map(|bytes| u128::from_le_bytes(*bytes)).collect();
                Ok(Self::Digests { mark_end, digests })
            }
            kind => Err(GroupError::Kind(kind)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let mark = write_mark(3);
        assert!(matches!(Payload::read(&mark), Ok(Payload::Mark { shards: 3 })));
        let bytes = write_digests(Lsn::new(77), &[5, u128::MAX]);
        let Ok(Payload::Digests { mark_end, digests }) = Payload::read(&bytes) else { panic!("digests") };
        assert_eq!((mark_end, digests), (Lsn::new(77), vec![5, u128::MAX]));
        for len in 2..bytes.len() {
            assert!(Payload::read(&bytes[..len]).is_err(), "{len}");
        }
        let mut other = mark.clone();
        other[KIND_AT] = 9;
        assert!(matches!(Payload::read(&other), Err(GroupError::Kind(9))));
        other[VERSION_AT] = 2;
        assert!(matches!(Payload::read(&other), Err(GroupError::Version(2))));
    }
}
