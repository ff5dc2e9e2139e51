//! What was booked for a merchant, in order, so that its entries can be listed (api.md, "Looking").
//!
//! A merchant's journal is a chain of groups of entries, each knowing the one before it. For a payment, which is nearly
//! every group, the group is the order itself: its entries are worked out from it again, and what is kept is one small
//! number in an arena beside the orders, which is written where the last one was: no memory is waited for. Any other
//! group is a *posting*, its entries kept in a compact form:
//!
//! ```text
//! posting = flags u8 (1 order, 2 refund, 4 reference), [number], [number], [number], signed date, count,
//!           {subject u8 (128 more: a reversal), account, account, amount}          (written as the codec's values)
//! ```
//!
//! So that any place of the chain is near, it is cut into blocks of at most 256 groups of an accounting date, and the
//! last group of each is marked: a page is found by walking back through one block at most. (A list of places for each merchant, which this replaced, cost a payment another
//! cache miss: 120 ns of 360.)

use std::collections::VecDeque;
use std::hint::black_box;

use crate::arena::{NOWHERE, Record};
use crate::codec::{CodecError, Reader, Writer};
use crate::merchant::Merchant;
use crate::{Account, Currency, Date, Entry, EntryView, Ledger, Number, Subject, Voucher};

/// A place that is a posting's, not an order's.
pub(crate) const POSTING: u32 = 1 << 31;
/// The last place that an order or a posting may have.
pub(crate) const PLACE_MAX: u32 = POSTING - 2;
const _: () = assert!(NOWHERE == (PLACE_MAX + 1) | POSTING, "no posting looks like nowhere");

/// The most groups of a block.
pub(crate) const BLOCK_GROUPS: u64 = 256;

/// One group of a merchant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Booked {
    /// The payment of the order at that place.
    Payment(u32),
    /// The posting at that place.
    Posting(u32),
}

impl Booked {
    fn pack(self) -> Link {
        let (Self::Payment(at) | Self::Posting(at)) = self;
        assert!(at <= PLACE_MAX, "room was checked before");
        match self {
            Self::Payment(at) => Link(at),
            Self::Posting(at) => Link(at | POSTING),
        }
    }
}

/// A group in a chain, or its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Link(pub(crate) u32);

impl Link {
    /// Before the first group.
    pub(crate) const END: Self = Self(NOWHERE);

    fn group(self) -> Option<Booked> {
        match self {
            Self::END => None,
            Self(at) if at & POSTING == 0 => Some(Booked::Payment(at)),
            Self(at) => Some(Booked::Posting(at & !POSTING)),
        }
    }
}

/// The end of a block that takes no more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    pub(crate) last: Link,
    /// The date of its groups, or the one that was set back to while no order was taken, if that is before.
    pub(crate) date: Date,
    /// Groups and entries up to its end.
    pub(crate) groups: u64,
    pub(crate) entries: u64,
}

/// A merchant's groups, the newest of the chain first.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    pub(crate) entries: u64,
    pub(crate) groups: u64,
    pub(crate) last: Link,
    /// The last group's date.
    pub(crate) date: Date,
    /// Groups of closed blocks.
    pub(crate) closed: u64,
    /// The closed blocks that are here.
    pub(crate) marks: VecDeque<Mark>,
    /// Where the blocks end that are in the cold store: all up to that date.
    pub(crate) cold: Option<Mark>,
}

/// A posting and the group before it.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) before: Link,
    pub(crate) bytes: Box<[u8]>,
}

impl Record for Link {}

impl Record for Kept {
    fn is_vacant(&self) -> bool {
        self.bytes.is_empty()
    }

    fn vacant() -> Self {
        Self { before: Link::END, bytes: Box::default() }
    }
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            entries: 0,
            groups: 0,
            last: Link::END,
            date: Date::default(),
            closed: 0,
            marks: VecDeque::new(),
            cold: None,
        }
    }
}

impl Journal {
    /// Notes a group of so many entries, booked on `date`. Gives the group before it, which is to be kept with it.
    #[inline]
    #[must_use]
    pub(crate) fn push(&mut self, booked: Booked, date: Date, entries: usize) -> Link {
        if date != self.date || self.groups - self.closed == BLOCK_GROUPS {
            self.close();
            self.date = date;
        }
        let before = std::mem::replace(&mut self.last, booked.pack());
        self.entries += entries as u64;
        self.groups += 1;
        before
    }

    /// No block is of a date behind this one: so blocks' dates never fall, and an order's block is of the order's date.
    pub(crate) fn set_back(&mut self, date: Date) {
        self.date = self.date.min(date);
        self.marks.iter_mut().for_each(|mark| mark.date = mark.date.min(date));
    }

    /// Entries that are in the cold store.
    pub(crate) fn cold_entries(&self) -> u64 {
        self.cold.map_or(0, |mark| mark.entries)
    }

    /// Ends the block that is being filled, if there is anything in it.
    pub(crate) fn close(&mut self) {
        if self.groups > self.closed {
            let (last, date, groups, entries) = (self.last, self.date, self.groups, self.entries);
            self.marks.push_back(Mark { last, date, groups, entries });
            self.closed = groups;
        }
    }

    pub(crate) fn entries(&self) -> u64 {
        self.entries
    }

    /// The block in which the first entry behind `seq` is.
    fn block_behind(&self, seq: u64) -> usize {
        self.marks.partition_point(|mark| mark.entries <= seq)
    }

    /// A block's last group, how many it has, and the number of its first group and entry; `None` behind the last.
    fn block(&self, block: usize) -> Option<(Link, u64, u64, u64)> {
        let (before, entries) = match block.checked_sub(1) {
            None => self.cold.map_or((0, 0), |mark| (mark.groups, mark.entries)),
            Some(previous) => self.marks.get(previous).map(|mark| (mark.groups, mark.entries))?,
        };
        let (last, groups) = match self.marks.get(block) {
            Some(mark) => (mark.last, mark.groups - before),
            None => (self.last, self.groups - before),
        };
        assert!(groups <= BLOCK_GROUPS, "a block is bounded");
        (groups > 0).then_some((last, groups, before + 1, entries + 1))
    }

    pub(crate) fn memory_bytes(&self) -> u64 {
        (self.marks.capacity() * size_of::<Mark>()) as u64
    }
}

/// Blocks that are followed side by side.
const BLOCKS_BESIDE: usize = 16;

/// A block that is being followed, from its end.
struct Run<'a> {
    merchant: &'a Merchant,
    first: u64,
    link: Link,
    left: u64,
    groups: Vec<Booked>,
}

impl Run<'_> {
    #[inline]
    fn step(&mut self, ledger: &Ledger) {
        let Some(booked) = self.link.group() else { unreachable!("a chain ends before its first group") };
        self.groups.push(booked);
        self.left -= 1;
        self.link = ledger.before(booked);
    }
}

impl Ledger {
    /// The group before one.
    #[inline]
    fn before(&self, booked: Booked) -> Link {
        match booked {
            Booked::Payment(at) => self.before_order[at],
            Booked::Posting(at) => self.postings[at].before,
        }
    }

    /// A block of a merchant's groups, oldest first, and the number of its first group and entry.
    pub(crate) fn block_of(&self, journal: &Journal, block: usize) -> Option<(Vec<Booked>, u64, u64)> {
        let (mut link, count, group, seq) = journal.block(block)?;
        let mut groups = Vec::new();
        for _ in 0..count {
            let Some(booked) = link.group() else { unreachable!("a chain ends before its first group") };
            groups.push(booked);
            link = self.before(booked);
        }
        groups.reverse();
        Some((groups, group, seq))
    }

    /// Gives every block that is here: whose, the number of its first group, and its groups, oldest first. Blocks are
    /// followed side by side, so that their misses overlap; going through ten million orders waits for little else.
    pub(crate) fn each_block<'a>(&'a self, mut then: impl FnMut(&Merchant, u64, &[Booked])) {
        let blocks = |merchant: &'a Merchant| {
            let of = move |block| Journal::block(&merchant.journal, block).map(|found| (merchant, found));
            (0..).map_while(of)
        };
        let mut blocks = self.merchants.iter().flat_map(blocks);
        let mut runs: Vec<Run<'_>> = Vec::with_capacity(BLOCKS_BESIDE);
        loop {
            let some = blocks.by_ref().take(BLOCKS_BESIDE);
            runs.extend(some.map(|(merchant, (link, left, first, _))| {
                let groups = Vec::with_capacity(BLOCK_GROUPS as usize);
                Run { merchant, first, link, left, groups }
            }));
            if runs.is_empty() {
                return;
            }
            for _ in 0..BLOCK_GROUPS {
                runs.iter_mut().filter(|run| run.left > 0).for_each(|run| run.step(self));
            }
            for Run { merchant, first, mut groups, .. } in runs.drain(..) {
                groups.reverse();
                self.warm_groups(&groups);
                then(merchant, first, &groups);
            }
        }
    }

    /// Brings the orders of groups into the cache, all at once.
    fn warm_groups(&self, groups: &[Booked]) {
        for &booked in groups {
            if let Booked::Payment(at) = booked {
                black_box(self.orders[at].cash);
            }
        }
    }

    /// A merchant's groups from a block on that has the first entry behind `seq`, each with its number and that of its
    /// first entry, as `then` says how many entries it has; ends when `then` has enough.
    pub(crate) fn booked_behind(
        &self,
        journal: &Journal,
        seq: u64,
        mut then: impl FnMut(Booked, u64, u64) -> Option<u64>,
    ) {
        let first = journal.block_behind(seq);
        for (groups, mut group, mut first_seq) in (first..).map_while(|block| self.block_of(journal, block)) {
            for booked in groups {
                let Some(entries) = then(booked, group, first_seq) else { return };
                (group, first_seq) = (group + 1, first_seq + entries);
            }
        }
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
#[derive(Clone, Debug)]
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

pub(crate) fn try_read_posting(mut bytes: &[u8], currency: Currency) -> Result<Posting, CodecError> {
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

impl<'a> Listed<'a> {
    pub(crate) fn of(posting: &'a Posting, group: u64, first_seq: u64) -> Self {
        Self {
            group,
            first_seq,
            order_no: posting.order_no,
            refund_no: posting.refund_no,
            reference: posting.reference,
            date: posting.date,
            entries: &posting.entries,
        }
    }

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
    use crate::{Date, MerchantAccount, MerchantId};

    #[test]
    fn groups_are_found_again_from_any_entry() {
        let mut ledger = Ledger::new(0, Date(0));
        let mut journal = Journal::default();
        let mut firsts = Vec::new();
        let mut seq = 1;
        for n in 0..3_000u32 {
            firsts.push(seq);
            let entries = 1 + n as usize % 4;
            seq += entries as u64;
            if n % 3 == 0 {
                let at = ledger.postings.len();
                let before = journal.push(Booked::Posting(at), Date(n as i32 / 100), entries);
                ledger.postings.push(Kept { before, bytes: Box::new(n.to_le_bytes()) });
            } else {
                let at = ledger.before_order.len();
                let before = journal.push(Booked::Payment(at), Date(n as i32 / 100), entries);
                ledger.before_order.push(before);
            }
        }
        assert_eq!(journal.entries(), seq - 1);
        let all = (0..).map_while(|block| ledger.block_of(&journal, block));
        assert_eq!(all.map(|(groups, ..)| groups.len()).sum::<usize>(), 3_000);
        for after in (0..seq).step_by(7) {
            let mut looked = 0;
            ledger.booked_behind(&journal, after, |booked, group, first| {
                let n = (group - 1) as u32;
                assert_eq!(first, firsts[n as usize]);
                assert_eq!(matches!(booked, Booked::Posting(_)), n.is_multiple_of(3));
                looked += 1;
                let entries = 1 + u64::from(n) % 4;
                (first + entries <= after + 1).then_some(entries)
            });
            assert!((1..=BLOCK_GROUPS).contains(&looked) || after + 1 == seq, "{looked} behind {after}");
        }
        let mut looked = 0;
        ledger.booked_behind(&journal, u64::MAX, |_, _, _| {
            looked += 1;
            Some(1)
        });
        assert!(looked < BLOCK_GROUPS, "nothing is behind the last entry of all, and that is found soon");
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
