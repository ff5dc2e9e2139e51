//! The image of a ledger: everything that influences a later answer, from which ledgers are made again.
//!
//! It does not depend on the number of shards or on where a record lies in memory, and on the key of the hash tables only with
//! the tags of what is in the cold store, so that a ledger with any must be restored under the key it had. It
//! names nothing by a place of the ledger's own: what it refers to is counted within the image, from 0. It is the body of
//! a snapshot; whoever keeps it adds what says that the bytes are whole. This is version 1.
//!
//! ```text
//! image     = blocks, by rising kind; several of a kind where one would be too long, none where there is nothing
//! block     = kind u8, items                                               no item stands in two blocks
//!
//!  1 head     = version u8, date, contradictions, digest of the cold store 16 bytes                 exactly one
//!  2 channel  = the codec's channel, in the order of their ids
//!  3 promoter = the codec's promoter
//!  4 holidays = the codec's holidays                                       none, or exactly one
//!  5 adjust   = the codec's adjust, date
//!  6 batch    = number, merchant (0 is all), date, ended u8, merchants, count, {currency, wide}
//!  7 stripe   = currency, wide operator, suspense, in transit, bank, {wide} of merchants by account, wide fee
//!               receivable, count, {wide} of channels
//!  8 owner    = currency, kind u8 (0 platform, 1 accrued), merchant, wide
//!  9 merchant = the codec's merchant, {balance} by account, wide fee receivable, day: date, count, amount;
//!               [date settled through], count, {terms} of former versions, count, {date, wide} pending,
//!               of what is in the cold store: orders, refunds
//! 10 movement = merchant, state u8 (kind, 4 × state, 32 contradicted, 64 channel, 128 to), number, amount, date,
//!               [channel], [to]
//! 11 order    = link before, merchant, order                               (order: see `order.rs`)
//! 12 posting  = link before, text                                          (its bytes: see `journal.rs`)
//! 13 journal  = merchant, link last, groups, entries, date, [date, groups, entries of what is in the cold store]
//! 14 mark     = merchant, link last, date, groups and entries since the mark before; after all journals
//! 15 tags     = table, count, {tag 4 bytes}: see `tags.rs`; a table may come in several items
//! 16 end      = {count} of items, of the kinds 2 to 15
//!
//! merchant    = in 10, 11, 13 and 14 the how manieth of the image
//! link        = 0 none; 1 + 2 × zigzag(this order's place - an order's), 2 + 2 × a posting's; places are those in
//!               the image, and other items than orders count as the first order
//! [date]      = 0, or 1 and a date; all other values as the codec has them
//! ```
//!
//! Reading is strict: a value is read only in the form in which it is written, and what a ledger could not hold is
//! refused, so that no bytes whatsoever make a ledger that trips over itself while it is read.

mod chains;
mod kin;
mod merchant;
mod order;
mod read;
mod shared;
mod write;

use crate::codec::{CodecError, Reader};
use crate::{AMOUNT_MAX, Date, MerchantId, Number};
pub use kin::Kin;
pub(crate) use order::write_order;
pub use order::{OrderImage, read_order};
pub use read::Restore;
pub use write::write_image;

/// The version of the format above.
const VERSION: u8 = 1;

/// After so many bytes a block takes no more items.
const BLOCK_BYTES: usize = 256 << 10;

const HEAD: u8 = 1;
const CHANNEL: u8 = 2;
const PROMOTER: u8 = 3;
const HOLIDAYS: u8 = 4;
const ADJUST: u8 = 5;
const BATCH: u8 = 6;
const STRIPE: u8 = 7;
const OWNER: u8 = 8;
const MERCHANT: u8 = 9;
const MOVEMENT: u8 = 10;
const ORDER: u8 = 11;
const POSTING: u8 = 12;
const JOURNAL: u8 = 13;
const MARK: u8 = 14;
const TAGS: u8 = 15;
const END: u8 = 16;

/// How many items there are of each kind but the first and the last.
type Counts = [u64; (END - CHANNEL) as usize];

fn count_of(counts: &mut Counts, kind: u8) -> Option<&mut u64> {
    counts.get_mut(usize::from(kind).checked_sub(usize::from(CHANNEL))?)
}

/// Why bytes are no image of a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// Another version than this program's.
    #[error("an image of version {0}, where this is version 1: read it with the program that wrote it")]
    Version(u8),
    /// The bytes end too soon.
    #[error("the image ends too soon: take an older snapshot and more of the log")]
    Short,
    /// A value that is never written so, or that no ledger holds.
    #[error("{0} that is never written so: the image is damaged, take an older snapshot and more of the log")]
    Malformed(&'static str),
    /// A block of another place or kind than may come now.
    #[error("a block of kind {0} that may not stand there: blocks are missing or out of order")]
    Misplaced(u8),
    /// A merchant that is not there.
    #[error("merchant {} is not there: install what belongs to it where it lives", .0.0)]
    UnknownMerchant(MerchantId),
    /// Something of that number is there already.
    #[error("{0} {1} is there already: it belongs in once")]
    Duplicate(&'static str, Number),
    /// A merchant is there already.
    #[error("merchant {} is there already: the images are not of one server, or one was taken twice", .0.0)]
    DuplicateMerchant(MerchantId),
    /// Two sums that must be the same are not.
    #[error("{0} do not agree: the image is damaged, take an older snapshot and more of the log")]
    Sums(&'static str),
    /// What is the same in the images of all shards is not.
    #[error("{0} of two shards differ: their images are not of one moment")]
    Differ(&'static str),
    /// An image that is not this shard's, or was taken before, or is not there.
    #[error(
        "the image of shard {0} is missing, not asked for, or given twice: give each that is needed once"
    )]
    Source(u16),
    /// More records than a ledger has places for.
    #[error("no room for another record: spread the image over more shards")]
    Full,
}

impl From<CodecError> for ImageError {
    fn from(error: CodecError) -> Self {
        match error {
            CodecError::Short => Self::Short,
            CodecError::Invalid(field) => Self::Malformed(field.name()),
            CodecError::Unknown | CodecError::Malformed => Self::Malformed("a value"),
        }
    }
}

type Read<T> = Result<T, ImageError>;

/// `what` stands in the image, though no ledger holds it, unless `holds`.
fn must(holds: bool, what: &'static str) -> Read<()> {
    if holds { Ok(()) } else { Err(ImageError::Malformed(what)) }
}

fn date(reader: &mut Reader<'_, '_>) -> Read<Date> {
    let date = reader.date()?;
    must(Date::RANGE.contains(&date.0), "a date")?;
    Ok(date)
}

fn optional_date(reader: &mut Reader<'_, '_>) -> Read<Option<Date>> {
    if reader.bool()? { date(reader).map(Some) } else { Ok(None) }
}

/// An amount or nothing.
fn amount(reader: &mut Reader<'_, '_>) -> Read<u64> {
    let amount = reader.int()?;
    must(amount <= AMOUNT_MAX, "an amount")?;
    Ok(amount)
}

fn merchant_id(reader: &mut Reader<'_, '_>) -> Read<MerchantId> {
    let id = reader.merchant_id()?;
    must(id.is_valid(), "a merchant's id")?;
    Ok(id)
}

/// No sum of as many amounts as a ledger has places for is above it, and so many of these fit an `i128`.
const SUM_MAX: i128 = 1 << 96;

fn sum(reader: &mut Reader<'_, '_>) -> Read<i128> {
    let sum = reader.wide()?;
    must((-SUM_MAX..=SUM_MAX).contains(&sum), "a sum")?;
    Ok(sum)
}
