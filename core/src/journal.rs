//! What was booked for a merchant, in order, so that its entries can be listed (api.md, "Looking").
//!
//! A merchant's journal is a list of small numbers, one for each group of entries. For a payment, which is nearly
//! every group, it is the place of the order: its entries are worked out from the order again, and cost no memory.
//! Any other group is a *posting*, its entries kept in a compact form:
//!
//! ```text
//! posting = flags u8 (1 order, 2 refund, 4 reference), [number], [number], [number], signed date, count,
//!           {subject u8 (128 more: a reversal), account, account, amount}          (written as the codec's values)
//! ```

use crate::arena::NOWHERE;
use crate::codec::{CodecError, Reader, Writer};
use crate::{Account, Currency, Date, Entry, EntryView, Number, Subject, Voucher};

/// A place that is a posting's, not an order's.
const POSTING: u32 = 1 << 31;
/// The last place that an order or a posting may have.
pub(crate) const PLACE_MAX: u32 = POSTING - 1;
const _: () = assert!(NOWHERE > PLACE_MAX);

/// Groups of a chunk that is full; the first chunks grow up to it, so that a small merchant's journal is small.
const CHUNK_GROUPS_MAX: usize = 1_024;
const CHUNK_GROUPS_MIN: usize = 4;

/// One group of a merchant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Booked {
    /// The payment of the order at that place.
    Payment(u32),
    /// The posting at that place.
    Posting(u32),
}

impl Booked {
    fn pack(self) -> u32 {
        match self {
            Self::Payment(at) => {
                assert!(at <= PLACE_MAX, "room was checked before");
                at
            }
            Self::Posting(at) => {
                assert!(at <= PLACE_MAX, "room was checked before");
                at | POSTING
            }
        }
    }

    fn unpack(packed: u32) -> Self {
        if packed & POSTING == 0 { Self::Payment(packed) } else { Self::Posting(packed & !POSTING) }
    }
}

/// Groups that are full in number, and where they begin.
#[derive(Debug)]
struct Chunk {
    first_seq: u64,
    first_group: u64,
    groups: Box<[u32]>,
}

/// A merchant's groups, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    full: Vec<Chunk>,
    /// The newest groups.
    tail: Vec<u32>,
    /// Entries and groups before the tail.
    before_entries: u64,
    before_groups: u64,
    /// Entries in all.
    entries: u64,
}

impl Journal {
    /// Notes a group of so many entries.
    #[inline]
    pub(crate) fn push(&mut self, booked: Booked, entries: usize) {
        if self.tail.len() == self.tail.capacity() {
            self.make_room();
        }
        self.tail.push(booked.pack());
        self.entries += entries as u64;
    }

    #[cold]
    fn make_room(&mut self) {
        if self.tail.len() < CHUNK_GROUPS_MAX {
            self.tail.reserve_exact(self.tail.len().max(CHUNK_GROUPS_MIN));
            return;
        }
        let groups = std::mem::replace(&mut self.tail, Vec::with_capacity(CHUNK_GROUPS_MAX));
        let (first_seq, first_group) = (self.before_entries + 1, self.before_groups + 1);
        self.before_groups += groups.len() as u64;
        self.before_entries = self.entries;
        self.full.push(Chunk { first_seq, first_group, groups: groups.into_boxed_slice() });
    }

    /// Every group, oldest first.
    pub(crate) fn all(&self) -> impl Iterator<Item = Booked> {
        let full = self.full.iter().flat_map(|chunk| chunk.groups.iter());
        full.chain(&self.tail).map(|&packed| Booked::unpack(packed))
    }

    /// Groups from one on that has the first entry behind `seq` in it or behind it: with the group's number and that
    /// of its first entry. At most a chunk comes before the one that is wanted.
    pub(crate) fn from(&self, seq: u64) -> (u64, u64, impl Iterator<Item = Booked>) {
        let chunks = self.full.partition_point(|chunk| chunk.first_seq <= seq + 1);
        let in_tail = self.before_entries <= seq;
        let from = if in_tail { self.full.len() } else { chunks.saturating_sub(1) };
        let (group, first) = match self.full.get(from) {
            Some(chunk) => (chunk.first_group, chunk.first_seq),
            None => (self.before_groups + 1, self.before_entries + 1),
        };
        let full = self.full[from..].iter().flat_map(|chunk| chunk.groups.iter());
        (group, first, full.chain(&self.tail).map(|&packed| Booked::unpack(packed)))
    }

    pub(crate) fn entries(&self) -> u64 {
        self.entries
    }

    pub(crate) fn memory_bytes(&self) -> u64 {
        let full: usize = self.full.iter().map(|chunk| size_of_val(&*chunk.groups)).sum();
        (full + self.full.capacity() * size_of::<Chunk>() + self.tail.capacity() * size_of::<u32>()) as u64
    }
}

/// A group's entries in their compact form.
pub(crate) fn write_posting(voucher: &Voucher, entries: &[Entry]) -> Box<[u8]> {
    let mut bytes = Vec::with_capacity(32 + entries.len() * 24);
    let mut writer = Writer(&mut bytes);
    let numbers = [voucher.order_no, voucher.refund_no, voucher.reference];
    let flags = (0..).zip(&numbers).map(|(bit, number)| u8::from(number.is_some()) << bit).sum();
    writer.byte(flags);
    for number in numbers.iter().flatten() {
        writer.number(number);
    }
    writer.signed(voucher.accounting_date.0.into()).int(entries.len() as u64);
    for entry in entries {
        assert!(entry.subject.0 < REVERSAL, "subjects are below 128");
        writer.byte(entry.subject.0 | if entry.reversal { REVERSAL } else { 0 });
        writer.account(entry.from).account(entry.to).int(entry.amount);
    }
    bytes.into_boxed_slice()
}

const REVERSAL: u8 = 1 << 7;

/// A posting, read again.
pub(crate) struct Posting {
    pub(crate) order_no: Option<Number>,
    pub(crate) refund_no: Option<Number>,
    pub(crate) reference: Option<Number>,
    pub(crate) date: Date,
    pub(crate) entries: Vec<Entry>,
}

/// Reads what [`write_posting`] wrote.
///
/// # Panics
/// When the bytes are not that.
pub(crate) fn read_posting(bytes: &[u8], currency: Currency) -> Posting {
    match try_read_posting(bytes, currency) {
        Ok(posting) => posting,
        Err(error) => panic!("a posting cannot be read: {error}"),
    }
}

fn try_read_posting(mut bytes: &[u8], currency: Currency) -> Result<Posting, CodecError> {
    let mut reader = Reader(&mut bytes);
    let flags = reader.byte()?;
    let mut numbers = [None; 3];
    for (bit, number) in numbers.iter_mut().enumerate() {
        if flags & 1 << bit != 0 {
            *number = Some(reader.number()?);
        }
    }
    let [order_no, refund_no, reference] = numbers;
    let date = reader.date()?;
    let count = reader.int()?;
    let mut entries = Vec::new();
    for _ in 0..count {
        let subject = reader.byte()?;
        let (from, to): (Account, Account) = (reader.account()?, reader.account()?);
        entries.push(Entry {
            subject: Subject(subject & !REVERSAL),
            from,
            to,
            amount: reader.int()?,
            currency,
            reversal: subject & REVERSAL != 0,
        });
    }
    Ok(Posting { order_no, refund_no, reference, date, entries })
}

/// A group as a merchant sees it.
pub(crate) struct Listed<'a> {
    pub(crate) group: u64,
    pub(crate) first_seq: u64,
    pub(crate) order_no: Option<Number>,
    pub(crate) refund_no: Option<Number>,
    pub(crate) reference: Option<Number>,
    pub(crate) date: Date,
    pub(crate) entries: &'a [Entry],
}

impl Listed<'_> {
    /// Its entries behind `after`.
    pub(crate) fn views(&self, after: u64) -> impl Iterator<Item = EntryView> {
        (self.first_seq..).zip(self.entries).filter(move |(seq, _)| *seq > after).map(|(seq, entry)| {
            EntryView {
                seq,
                group: self.group,
                subject: entry.subject,
                from: entry.from,
                to: entry.to,
                amount: entry.amount,
                order_no: self.order_no,
                refund_no: self.refund_no,
                reference: self.reference,
                accounting_date: self.date,
                reversal: entry.reversal,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MerchantAccount, MerchantId};

    #[test]
    fn groups_are_found_again_from_any_entry() {
        let mut journal = Journal::default();
        let mut firsts = Vec::new();
        let mut seq = 1;
        for at in 0..3_000u32 {
            firsts.push(seq);
            let entries = 1 + at as usize % 4;
            seq += entries as u64;
            journal.push(if at % 3 == 0 { Booked::Posting(at) } else { Booked::Payment(at) }, entries);
        }
        assert_eq!(journal.entries(), seq - 1);
        assert_eq!(journal.all().count(), 3_000);
        for after in (0..seq).step_by(7) {
            let (mut group, mut first, groups) = journal.from(after);
            let mut looked = 0;
            for booked in groups {
                let (Booked::Payment(at) | Booked::Posting(at)) = booked;
                assert_eq!((u64::from(at) + 1, firsts[at as usize]), (group, first));
                looked += 1;
                let entries = 1 + u64::from(at) % 4;
                if first + entries > after + 1 {
                    break;
                }
                (group, first) = (group + 1, first + entries);
            }
            assert!(looked <= CHUNK_GROUPS_MAX + 1, "{looked} groups looked at behind {after}");
        }
    }

    #[test]
    fn postings_are_read_as_they_were_written() {
        let currency = Currency(*b"CNY");
        let merchant = Account::Merchant(MerchantId(7), MerchantAccount::Held);
        let entry =
            |subject, from, to, reversal| Entry { subject, from, to, amount: 300, currency, reversal };
        let entries = [
            entry(Subject::SPLIT, merchant, Account::Accrued(MerchantId(8)), false),
            entry(Subject::CASH_IN, Account::Suspense, Account::Channel(crate::ChannelId(3)), true),
        ];
        let voucher = Voucher {
            merchant: Some(MerchantId(7)),
            order_no: Some("A1".parse().unwrap()),
            refund_no: None,
            reference: Some("P1".parse().unwrap()),
            accounting_date: Date(17_769),
        };
        let posting = read_posting(&write_posting(&voucher, &entries), currency);
        assert_eq!(posting.entries, entries);
        assert_eq!((posting.order_no, posting.refund_no), (voucher.order_no, None));
        assert_eq!((posting.reference, posting.date), (voucher.reference, voucher.accounting_date));
    }
}
