//! The binary protocol, as bytes. Version 1; all numbers little-endian.
//!
//! A connection begins with a hello of 32 bytes each way, the client's first:
//!
//! ```text
//!  client  0           8              10             12                                32
//!          +-----------+--------------+--------------+----------------------------------+
//!          | "SUANPAN\n"| version_min | version_max  | zeros                            |
//!          +-----------+--------------+--------------+----------------------------------+
//!  server  0           8        10        12             16           20         22     32
//!          +-----------+--------+---------+--------------+------------+----------+------+
//!          | "SUANPAN\n"| status| version | frame_bytes  | requests_in| requests_| zeros|
//!          |           | u16    | u16     | _max u32     | _flight u32| max u16  |      |
//!          +-----------+--------+---------+--------------+------------+----------+------+
//! ```
//!
//! `status` is a [`HelloStatus`]; after anything but *welcome* the server closes. Then come frames, both ways:
//!
//! ```text
//!  0          4      5       6       8            16           24           28          32
//!  +----------+------+-------+-------+------------+------------+------------+-----------+---------+
//!  | length   | kind | zero  | count | id         | as_of      | checksum   | zeros     | body    |
//!  | u32      | u8   | u8    | u16   | u64        | u64        | u32        | u32       |         |
//!  +----------+------+-------+-------+------------+------------+------------+-----------+---------+
//! ```
//!
//! `length` is of the whole frame, 32..=[`FRAME_BYTES_MAX`]. `checksum` is CRC32C over the bytes 0..24 and the
//! body. `id` is the client's, and comes back with the replies; frames may be answered in any order. `as_of` is
//! the log position up to which everything that replies say is durable; zero in requests. The body of
//! [`Kind::Requests`] is the rkyv archive (little-endian, unaligned, 32-bit pointers) of a `Vec` of `count`
//! [`Request`]s, of [`Kind::Replies`] of as many [`Reply`]s, and of [`Kind::Error`] a sentence in UTF-8, after
//! which the server closes. Nothing of a body is used before all of it was validated.
//!
//! Requests of one merchant in one frame are decided in order. A request that concerns more than one shard must be alone
//! in its frame: commands of [no one merchant](suanpan_core::Command::merchant),
//! [`Command::PutMerchant`](suanpan_core::Command::PutMerchant) under a platform,
//! [`Command::Split`](suanpan_core::Command::Split), every [`Run`](suanpan_core::Run),
//! [`Query::Accrued`](suanpan_core::Query::Accrued), [`Query::Totals`](suanpan_core::Query::Totals) and
//! [`Query::Settlement`](suanpan_core::Query::Settlement). What only the engine sends
//! ([`Command::is_internal`](suanpan_core::Command::is_internal),
//! [`Query::is_internal`](suanpan_core::Query::is_internal)) is refused as an invalid request.

use rkyv::Archived;
use rkyv::rancor::Failure;
use rkyv::vec::ArchivedVec;
use suanpan_core::{Reply, Request};
use suanpan_engine::BATCH_REQUESTS_MAX;

/// The protocol's version that is spoken here.
pub const VERSION: u16 = 1;

/// The first bytes of both hellos.
pub const MAGIC: [u8; 8] = *b"SUANPAN\n";

/// The bytes of a hello.
pub const HELLO_BYTES: usize = 32;

/// The largest frame, header included: 8,190 of the largest requests that payments usually are, three times over.
pub const FRAME_BYTES_MAX: usize = 4 << 20;

/// The most requests in a frame.
pub const FRAME_REQUESTS_MAX: usize = BATCH_REQUESTS_MAX;

/// The most requests in one frame that are answered with a view instead of a receipt: replies are bounded too.
pub const FRAME_QUERIES_MAX: usize = 1_024;

/// The most requests in one frame that are answered with a list.
pub const FRAME_LISTS_MAX: usize = 16;

const LENGTH_AT: usize = 0;
const KIND_AT: usize = LENGTH_AT + 4;
const ZERO_AT: usize = KIND_AT + 1;
const COUNT_AT: usize = ZERO_AT + 1;
const ID_AT: usize = COUNT_AT + 2;
const AS_OF_AT: usize = ID_AT + 8;
const CHECKSUM_AT: usize = AS_OF_AT + 8;
const ZEROS_AT: usize = CHECKSUM_AT + 4;

/// The bytes of a frame's header.
pub const HEADER_BYTES: usize = ZEROS_AT + 4;

const _: () = assert!(HEADER_BYTES == 32);
const _: () = assert!(FRAME_REQUESTS_MAX <= u16::MAX as usize);
const _: () = assert!(FRAME_BYTES_MAX <= u32::MAX as usize);
const _: () = assert!(FRAME_REQUESTS_MAX * size_of::<Archived<Request>>() * 3 < FRAME_BYTES_MAX);
const _: () = assert!(FRAME_REQUESTS_MAX * size_of::<Archived<Reply>>() * 4 < FRAME_BYTES_MAX);

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// From the client.
    Requests = 1,
    /// From the server.
    Replies = 2,
    /// From the server, which closes behind it.
    Error = 3,
}

/// What the server says to a client's hello.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum HelloStatus {
    /// Go on.
    Welcome = 0,
    /// None of the versions offered is spoken here; the server's own is in `version`.
    Version = 1,
    /// There are as many connections as there may be.
    Full = 2,
}

/// Bytes that are no frame or no hello. The connection is of no more use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The first bytes are another protocol's.
    #[error("the hello does not begin with SUANPAN: this port speaks Suanpan's binary protocol")]
    Magic,
    /// No common version.
    #[error("no common version: offered {min} to {max}, spoken {VERSION}")]
    Version {
        /// Lowest offered.
        min: u16,
        /// Highest offered.
        max: u16,
    },
    /// The server has as many connections as it may have.
    #[error("the server has no room for another connection: try again later")]
    Full,
    /// A length outside its bounds.
    #[error("a frame of {0} bytes; they have 32 to {FRAME_BYTES_MAX}")]
    Length(u32),
    /// A kind that is unknown, or not this side's to send.
    #[error("a frame of kind {0} was not expected")]
    Kind(u8),
    /// Bytes that must be zero are not.
    #[error("reserved bytes are not zero")]
    Reserved,
    /// A count outside its bounds.
    #[error("a frame of {0} requests; they have 1 to {FRAME_REQUESTS_MAX}")]
    Count(u16),
    /// The checksum does not fit.
    #[error("the frame's checksum does not fit its bytes")]
    Checksum,
    /// The body is no valid archive of what the header says.
    #[error("the frame's body is not what its header says")]
    Body,
    /// There is more to send than a frame may hold.
    #[error("a frame would have {0} bytes, more than {FRAME_BYTES_MAX}: send fewer requests at once")]
    TooLarge(usize),
}

/// The server's hello.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerHello {
    /// Go on, or why not.
    pub status: HelloStatus,
    /// The version that is spoken from here on.
    pub version: u16,
    /// The largest frame it takes, in bytes.
    pub frame_bytes_max: u32,
    /// Requests it takes before it answered any, on this connection; then it stops reading.
    pub requests_in_flight_max: u32,
    /// Requests it takes in a frame.
    pub requests_max: u16,
}

/// The client's hello.
#[must_use]
pub fn client_hello() -> [u8; HELLO_BYTES] {
    let mut bytes = [0; HELLO_BYTES];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
    bytes[10..12].copy_from_slice(&VERSION.to_le_bytes());
    bytes
}

/// Reads a client's hello: the version to speak.
///
/// # Errors
/// When it is another protocol or has no version in common.
pub fn read_client_hello(bytes: &[u8; HELLO_BYTES]) -> Result<u16, WireError> {
    if bytes[..8] != MAGIC {
        return Err(WireError::Magic);
    }
    if bytes[12..].iter().any(|&b| b != 0) {
        return Err(WireError::Reserved);
    }
    let min = u16::from_le_bytes([bytes[8], bytes[9]]);
    let max = u16::from_le_bytes([bytes[10], bytes[11]]);
    if (min..=max).contains(&VERSION) { Ok(VERSION) } else { Err(WireError::Version { min, max }) }
}

impl ServerHello {
    /// The hello as bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; HELLO_BYTES] {
        let mut bytes = [0; HELLO_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&(self.status as u16).to_le_bytes());
        bytes[10..12].copy_from_slice(&self.version.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.frame_bytes_max.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.requests_in_flight_max.to_le_bytes());
        bytes[20..22].copy_from_slice(&self.requests_max.to_le_bytes());
        bytes
    }

    /// Reads a server's hello.
    ///
    /// # Errors
    /// When it is another protocol, or the server refuses.
    pub fn from_bytes(bytes: &[u8; HELLO_BYTES]) -> Result<Self, WireError> {
        if bytes[..8] != MAGIC {
            return Err(WireError::Magic);
        }
        let u16_at = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let u32_at = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let version = u16_at(10);
        match u16_at(8) {
            0 if version == VERSION => Ok(Self {
                status: HelloStatus::Welcome,
                version,
                frame_bytes_max: u32_at(12),
                requests_in_flight_max: u32_at(16),
                requests_max: u16_at(20),
            }),
            2 => Err(WireError::Full),
            _ => Err(WireError::Version { min: version, max: version }),
        }
    }
}

/// A frame's header, checked for its bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the whole frame.
    pub length: usize,
    /// What it holds.
    pub kind: Kind,
    /// Requests or replies in it; 0 for an error.
    pub count: u16,
    /// The client's mark.
    pub id: u64,
    /// The log position at which replies hold.
    pub as_of: u64,
    checksum: u32,
}

impl Header {
    /// Reads a header.
    ///
    /// # Errors
    /// When a field is outside its bounds.
    pub fn read(bytes: &[u8; HEADER_BYTES]) -> Result<Self, WireError> {
        let u32_at = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let length = u32_at(LENGTH_AT);
        if !(HEADER_BYTES..=FRAME_BYTES_MAX).contains(&(length as usize)) {
            return Err(WireError::Length(length));
        }
        let kind = match bytes[KIND_AT] {
            1 => Kind::Requests,
            2 => Kind::Replies,
            3 => Kind::Error,
            other => return Err(WireError::Kind(other)),
        };
        if bytes[ZERO_AT] != 0 || u32_at(ZEROS_AT) != 0 {
            return Err(WireError::Reserved);
        }
        let count = u16::from_le_bytes([bytes[COUNT_AT], bytes[COUNT_AT + 1]]);
        let counted = (1..=FRAME_REQUESTS_MAX).contains(&usize::from(count));
        if counted != (kind != Kind::Error) {
            return Err(WireError::Count(count));
        }
        let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
        let (id, as_of) = (u64_at(ID_AT), u64_at(AS_OF_AT));
        Ok(Self { length: length as usize, kind, count, id, as_of, checksum: u32_at(CHECKSUM_AT) })
    }
}

/// The first whole frame of `bytes`, if there is one: its header and body, the checksum checked.
///
/// # Errors
/// When the header is outside its bounds, or the checksum does not fit.
pub fn first_frame(bytes: &[u8]) -> Result<Option<(Header, &[u8])>, WireError> {
    let Some(head) = bytes.first_chunk::<HEADER_BYTES>() else {
        return Ok(None);
    };
    let header = Header::read(head)?;
    let Some(frame) = bytes.get(..header.length) else {
        return Ok(None);
    };
    let body = &frame[HEADER_BYTES..];
    if header.checksum != checksum(frame, body) {
        return Err(WireError::Checksum);
    }
    Ok(Some((header, body)))
}

fn checksum(frame: &[u8], body: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&frame[..CHECKSUM_AT]), body)
}

/// Reads a body of requests and gives each to `take`, in order.
///
/// # Errors
/// When it does not validate; `take` was not called then.
pub fn read_requests(header: &Header, body: &[u8], mut take: impl FnMut(Request)) -> Result<(), WireError> {
    let archived =
        rkyv::access::<ArchivedVec<Archived<Request>>, Failure>(body).map_err(|_| WireError::Body)?;
    if archived.len() != usize::from(header.count) {
        return Err(WireError::Body);
    }
    for request in archived.iter() {
        take(
            rkyv::api::deserialize_using::<Request, _, Failure>(request, &mut ())
                .map_err(|_| WireError::Body)?,
        );
    }
    Ok(())
}

/// Reads a body of replies and gives each to `take`, in order.
///
/// # Errors
/// When it does not validate; `take` was not called then.
pub fn read_replies(header: &Header, body: &[u8], mut take: impl FnMut(Reply)) -> Result<(), WireError> {
    let archived =
        rkyv::access::<ArchivedVec<Archived<Reply>>, Failure>(body).map_err(|_| WireError::Body)?;
    if archived.len() != usize::from(header.count) {
        return Err(WireError::Body);
    }
    for reply in archived.iter() {
        take(rkyv::api::deserialize_using::<Reply, _, Failure>(reply, &mut ()).map_err(|_| WireError::Body)?);
    }
    Ok(())
}

/// Appends a frame of requests to `out`.
///
/// # Errors
/// When it would be too large; `out` is as before then.
///
/// # Panics
/// When there are no requests or more than [`FRAME_REQUESTS_MAX`].
pub fn write_requests(id: u64, requests: &Vec<Request>, out: &mut Vec<u8>) -> Result<(), WireError> {
    write_frame(Kind::Requests, (id, 0), requests.len(), out, |out| {
        rkyv::api::high::to_bytes_in::<_, Failure>(requests, out).map_err(|_| WireError::Body)
    })
}

/// Appends a frame of replies to `out`.
///
/// # Errors
/// When it would be too large; `out` is as before then.
///
/// # Panics
/// When there are no replies or more than [`FRAME_REQUESTS_MAX`].
pub fn write_replies(id: u64, as_of: u64, replies: &Vec<Reply>, out: &mut Vec<u8>) -> Result<(), WireError> {
    write_frame(Kind::Replies, (id, as_of), replies.len(), out, |out| {
        rkyv::api::high::to_bytes_in::<_, Failure>(replies, out).map_err(|_| WireError::Body)
    })
}

/// Appends an error frame to `out`.
pub fn write_error(id: u64, sentence: &str, out: &mut Vec<u8>) {
    let written = write_frame(Kind::Error, (id, 0), 0, out, |mut out| {
        out.extend_from_slice(sentence.as_bytes());
        Ok(out)
    });
    assert!(written.is_ok(), "a sentence fits a frame");
}

fn write_frame(
    kind: Kind,
    (id, as_of): (u64, u64),
    count: usize,
    out: &mut Vec<u8>,
    body: impl FnOnce(Vec<u8>) -> Result<Vec<u8>, WireError>,
) -> Result<(), WireError> {
    assert_eq!((1..=FRAME_REQUESTS_MAX).contains(&count), kind != Kind::Error, "{count} in one frame");
    let start = out.len();
    out.resize(start + HEADER_BYTES, 0);
    *out = body(std::mem::take(out))?;
    let length = out.len() - start;
    if length > FRAME_BYTES_MAX {
        out.truncate(start);
        return Err(WireError::TooLarge(length));
    }
    let frame = &mut out[start..];
    // Both casts are bounded above.
    frame[LENGTH_AT..KIND_AT].copy_from_slice(&(length as u32).to_le_bytes());
    frame[KIND_AT] = kind as u8;
    frame[COUNT_AT..ID_AT].copy_from_slice(&(count as u16).to_le_bytes());
    frame[ID_AT..AS_OF_AT].copy_from_slice(&id.to_le_bytes());
    frame[AS_OF_AT..CHECKSUM_AT].copy_from_slice(&as_of.to_le_bytes());
    let sum = checksum(frame, &frame[HEADER_BYTES..]);
    frame[CHECKSUM_AT..ZEROS_AT].copy_from_slice(&sum.to_le_bytes());
    Ok(())
}
