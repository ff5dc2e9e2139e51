//! Orders that are done with leave for a store on disk, and come back when they are asked for.
//!
//! An order is *done with* when it is settled, nothing of it is in flight, and it is older than some days; a block of a
//! merchant's list of entries when all of it is that old. Leaving and coming back change no answer and not the digest:
//! what is in the store is summed up in [`Cold::digest`], and its numbers are known by their [`Tags`]. So neither is logged.
//!
//! The core does no I/O. Who has the store asks [`Ledger::wanted`] before each request, looks up what it names, and gives
//! it to the ledger with [`Ledger::bring_back`], or says that it is not there ([`Ledger::not_there`]), until nothing is
//! wanted; [`Ledger::end_request`] forgets what was only for that request. What is to leave is found in a snapshot
//! ([`Snapshot::departures`]), written to the store, and then taken out of the ledger ([`Ledger::depart`]) as far as it is
//! still what was written.
//!
//! ```text
//! order  = digest 16 (the sum of its records' digests), the order's image (image/order.rs)
//! block  = first group, first entry, count, count times {length, posting (journal.rs)}      (the codec's integers)
//! ```

use std::ops::Range;

use crate::arena::NOWHERE;
use crate::codec::{CodecError, Reader, Writer};
use crate::digest::Digest;
use crate::image::{ImageError, Kin, read_order, write_order};
use crate::index::Index;
use crate::journal::{Booked, Journal, Mark, Posting, try_read_posting, write_posting};
use crate::merchant::Merchant;
use crate::order::Order;
use crate::tags::Tags;
use crate::{
    Command, Currency, Date, Key, Ledger, MerchantId, Number, OrderStatus, PAGE_ENTRIES_MAX, Query, Snapshot,
    Timestamp, VoidState, Voucher,
};

/// What leaves a snapshot between two rests.
const DEPART_TOGETHER: usize = 4_096;

/// What a number in the cold store is the number of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum ColdKind {
    /// An order.
    Order,
    /// A refund.
    Refund,
    /// A void.
    Void,
    /// A split.
    Split,
    /// A split return.
    SplitReturn,
}

/// What is looked for in the cold store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ColdKey {
    /// The order of that number, or that the number belongs to.
    Number(ColdKind, MerchantId, Number),
    /// The block of a merchant's entries that has the first one behind `seq`.
    Entries(MerchantId, u64),
}

/// What of a ledger is in the store.
#[derive(Clone, Debug)]
pub(crate) struct Cold {
    pub(crate) tags: Tags,
    pub(crate) orders: u64,
    pub(crate) refunds: u64,
    /// Whether any merchant's entries are there. The digest does not say: with another number of shards it may be elsewhere.
    pub(crate) entries: bool,
    /// The sum of the digests of all that is there.
    pub(crate) digest: u128,
    /// Of the request in hand: what was looked for and is not there, and blocks of entries that were.
    absent: Vec<ColdKey>,
    blocks: Vec<Block>,
}

/// A block of entries, read.
#[derive(Clone, Debug)]
struct Block {
    merchant: MerchantId,
    first_group: u64,
    first_seq: u64,
    /// Of its last entry.
    last_seq: u64,
    postings: Vec<Posting>,
}

/// What may leave; see [`Snapshot::departures`].
#[derive(Debug, Default)]
pub struct Departures {
    kin: Kin,
    orders: Vec<u32>,
    /// Merchants with that many blocks of entries, from the oldest on.
    blocks: Vec<(u32, usize)>,
}

/// An order for the store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ColdOrder {
    /// Whose.
    pub merchant: MerchantId,
    /// Its number.
    pub order_no: Number,
    /// Other numbers that it is found by.
    pub numbers: Vec<(ColdKind, Number)>,
    /// What [`Ledger::bring_back`] takes.
    pub bytes: Vec<u8>,
}

/// A block of entries for the store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ColdBlock {
    /// Whose.
    pub merchant: MerchantId,
    /// The number of its last entry: blocks are looked up by the first one that is not below what is wanted.
    pub last_seq: u64,
    /// What [`Ledger::bring_back`] takes.
    pub bytes: Vec<u8>,
}

impl Cold {
    pub(crate) fn new() -> Self {
        Self {
            tags: Tags::new(),
            orders: 0,
            refunds: 0,
            entries: false,
            digest: 0,
            absent: Vec::new(),
            blocks: Vec::new(),
        }
    }

    /// The blocks at hand that go on from the entry `seq`, and the last entry of the last of them.
    fn from(&self, merchant: MerchantId, mut seq: u64) -> (Vec<&Block>, u64) {
        let mut blocks = Vec::new();
        while let Some(block) = self.blocks.iter().find(|block| {
            block.merchant == merchant && (block.first_seq..=block.last_seq).contains(&(seq + 1))
        }) {
            blocks.push(block);
            seq = block.last_seq;
        }
        (blocks, seq)
    }
}

/// The hash that a number is tagged with: those of different kinds may be the same number.
#[inline]
fn salted(kind: ColdKind, hash: u64) -> u64 {
    hash ^ (kind as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Ledger {
    /// Orders there are, here and in the store.
    #[must_use]
    pub fn order_count(&self) -> u64 {
        u64::from(self.orders.len()) + self.cold.orders
    }

    /// Orders in memory.
    #[must_use]
    pub fn orders_in_memory(&self) -> u64 {
        self.orders.len().into()
    }

    /// Whether a command would make an order that there is not, in memory, yet.
    #[must_use]
    pub fn is_new_order(&self, command: &Command, key: Key) -> bool {
        let (merchant, order_no) = match command {
            Command::Payment(payment) => (payment.merchant, payment.order_no),
            Command::CreateOrder(order) => (order.merchant, order.order_no),
            _ => return false,
        };
        let known = self.find_merchant(merchant).and_then(|at| self.order_at(at, &order_no, key.number));
        known.is_none()
    }

    /// Whether anything is in the store: if not, nothing is ever wanted.
    #[inline]
    #[must_use]
    pub fn has_cold(&self) -> bool {
        !self.cold.tags.is_empty() || self.cold.entries
    }

    /// What has to be looked up before a command is carried out, whose key [`Ledger::touch`] gave; `None` when it can be.
    #[must_use]
    pub fn wanted(&self, command: &Command, key: Key) -> Option<ColdKey> {
        if !self.has_cold() {
            return None;
        }
        let number = |kind, merchant, number| self.want(kind, merchant, number, key.number);
        let order = |merchant, order_no: &Number| {
            self.want(ColdKind::Order, merchant, order_no, self.hash.number(merchant, order_no))
        };
        match command {
            Command::Payment(payment) => number(ColdKind::Order, payment.merchant, &payment.order_no),
            Command::CreateOrder(asked) => number(ColdKind::Order, asked.merchant, &asked.order_no),
            Command::Confirm(asked) => number(ColdKind::Order, asked.merchant, &asked.order_no),
            Command::Close(asked) => number(ColdKind::Order, asked.merchant, &asked.order_no),
            Command::Reinstate(of) | Command::Release(of) => {
                number(ColdKind::Order, of.merchant, &of.order_no)
            }
            Command::Refund(refund) => number(ColdKind::Refund, refund.merchant, &refund.refund_no)
                .or_else(|| order(refund.merchant, &refund.order_no))
                .or_else(|| {
                    let returns = refund.details.iter().flat_map(|details| &details.split_returns);
                    returns.into_iter().find_map(|back| {
                        let hash = self.hash.number(back.merchant, &back.return_no);
                        let known = self.want(ColdKind::SplitReturn, back.merchant, &back.return_no, hash);
                        known.or_else(|| order(back.merchant, &back.order_no))
                    })
                }),
            Command::RefundResult(result) => number(ColdKind::Refund, result.merchant, &result.refund_no),
            Command::Void(void) => number(ColdKind::Void, void.merchant, &void.void_no)
                .or_else(|| order(void.merchant, &void.order_no)),
            Command::VoidResult(result) => number(ColdKind::Void, result.merchant, &result.void_no),
            Command::Split(split) => number(ColdKind::Split, split.merchant, &split.split_no)
                .or_else(|| order(split.merchant, &split.order_no)),
            Command::SplitReturn(back) => number(ColdKind::SplitReturn, back.merchant, &back.return_no)
                .or_else(|| order(back.merchant, &back.order_no)),
            // Whatever else there is concerns no order.
            _ => None,
        }
    }

    /// As [`Ledger::wanted`], for a look.
    #[must_use]
    pub fn wanted_to_look(&self, query: &Query) -> Option<ColdKey> {
        if !self.has_cold() {
            return None;
        }
        let number = |kind, merchant, number: &Number| {
            self.want(kind, merchant, number, self.hash.number(merchant, number))
        };
        match query {
            Query::Order(id, order_no) => number(ColdKind::Order, *id, order_no),
            Query::OrderRefunds(id, order_no, after) => {
                let refund = after.as_ref().and_then(|refund_no| number(ColdKind::Refund, *id, refund_no));
                refund.or_else(|| number(ColdKind::Order, *id, order_no))
            }
            Query::Refund(id, refund_no) => number(ColdKind::Refund, *id, refund_no),
            Query::Void(id, void_no) => number(ColdKind::Void, *id, void_no),
            Query::Split(id, split_no) => number(ColdKind::Split, *id, split_no),
            Query::SplitReturn(id, return_no) => number(ColdKind::SplitReturn, *id, return_no),
            Query::Entries(id, after) => self.want_entries(*id, *after),
            _ => None,
        }
    }

    /// A number's key, when its tag is known, it is not here, and was not looked for in vain.
    #[inline]
    fn want(&self, kind: ColdKind, merchant: MerchantId, number: &Number, hash: u64) -> Option<ColdKey> {
        if !self.cold.tags.contains(salted(kind, hash)) {
            return None;
        }
        self.want_tagged(kind, merchant, number, hash)
    }

    #[cold]
    fn want_tagged(
        &self,
        kind: ColdKind,
        merchant: MerchantId,
        number: &Number,
        hash: u64,
    ) -> Option<ColdKey> {
        let at = self.find_merchant(merchant)?;
        let here = match kind {
            ColdKind::Order => self.order_at(at, number, hash),
            ColdKind::Refund => self.refund_at(at, number, hash),
            ColdKind::Void => self.void_at(at, number, hash),
            ColdKind::Split => self.split_at(at, number, hash),
            ColdKind::SplitReturn => self.return_at(at, number, hash),
        };
        let key = ColdKey::Number(kind, merchant, *number);
        (here.is_none() && !self.cold.absent.contains(&key)).then_some(key)
    }

    /// The next block that a page of entries behind `after` needs.
    fn want_entries(&self, id: MerchantId, after: u64) -> Option<ColdKey> {
        let journal = &self.merchants[self.find_merchant(id)?].journal;
        let (_, last_seq) = self.cold.from(id, after);
        // One more than a page, to know whether there is more.
        let enough = last_seq - after > PAGE_ENTRIES_MAX as u64;
        let key = ColdKey::Entries(id, last_seq);
        let wanted = last_seq < journal.cold_entries() && !enough && !self.cold.absent.contains(&key);
        wanted.then_some(key)
    }

    /// The groups of a page behind `after` that came from the store, and the entry from which on they are here.
    pub(crate) fn cold_groups(
        &self,
        merchant: &Merchant,
        after: u64,
    ) -> (impl Iterator<Item = (u64, u64, &Posting)>, u64) {
        let (blocks, last_seq) = self.cold.from(merchant.id, after);
        let groups = blocks.into_iter().flat_map(|block| {
            (block.first_group..).zip(&block.postings).scan(block.first_seq, |seq, (group, posting)| {
                let first = *seq;
                *seq += posting.entries.len() as u64;
                Some((group, first, posting))
            })
        });
        (groups, last_seq)
    }

    /// What was looked for in the store is not there.
    pub fn not_there(&mut self, key: ColdKey) {
        self.cold.absent.push(key);
    }

    /// Forgets what was looked up only for the request that is answered now.
    #[inline]
    pub fn end_request(&mut self) {
        self.cold.absent.clear();
        self.cold.blocks.clear();
    }

    /// Takes what was found in the store under a key: an order is here again, a block of entries is at hand until
    /// [`Ledger::end_request`].
    ///
    /// # Errors
    /// When the bytes are not what [`ColdOrder`] or [`ColdBlock`] had, or not of that key. Nothing was changed then.
    pub fn bring_back(&mut self, key: ColdKey, bytes: &[u8]) -> Result<(), ImageError> {
        match key {
            ColdKey::Entries(id, seq) => {
                let at = self.find_merchant(id).ok_or(ImageError::UnknownMerchant(id))?;
                let block = read_block(id, self.merchants[at].currency(), bytes)?;
                if !(block.first_seq..=block.last_seq).contains(&(seq + 1)) {
                    return Err(ImageError::Malformed("a block of other entries"));
                }
                self.cold.blocks.push(block);
                Ok(())
            }
            ColdKey::Number(kind, id, number) => {
                let Some((digest, mut rest)) = bytes.split_first_chunk::<16>() else {
                    return Err(ImageError::Short);
                };
                let image = read_order(&mut rest)?;
                if !rest.is_empty() || image.merchant() != id || !image.has(kind, &number) {
                    return Err(ImageError::Malformed("an order of other numbers"));
                }
                let refunds = image.refund_count();
                let at = self.find_merchant(id).ok_or(ImageError::UnknownMerchant(id))?;
                let merchant = &self.merchants[at];
                if merchant.cold_orders == 0 || merchant.cold_refunds < refunds {
                    return Err(ImageError::Sums("the orders in the cold store and their count"));
                }
                self.install(image)?;
                self.merchants[at].cold_orders -= 1;
                self.merchants[at].cold_refunds -= refunds;
                self.cold.digest = self.cold.digest.wrapping_sub(u128::from_le_bytes(*digest));
                self.cold.orders -= 1;
                self.cold.refunds -= refunds;
                Ok(())
            }
        }
    }

    /// Takes out of the snapshot's departures those of `range` that are here as they were then. Gives how many are out.
    ///
    /// Blocks of entries come first, then orders, so the ranges must be called in their order.
    pub fn depart(&mut self, was: &Snapshot, departures: &Departures, range: Range<usize>) -> usize {
        let blocks = departures.blocks.len();
        let mut out = 0;
        for &(merchant, count) in &departures.blocks[range.start.min(blocks)..range.end.min(blocks)] {
            self.depart_blocks(merchant, count, was.ledger());
            out += 1;
        }
        for &at in &departures.orders[range.start.saturating_sub(blocks)..range.end.saturating_sub(blocks)] {
            if self.is_as_in(was.ledger(), at, &departures.kin) {
                self.depart_order(at, &departures.kin);
                out += 1;
            }
        }
        out
    }

    /// Takes the first `count` blocks of a merchant's entries out. Blocks that are closed never change.
    fn depart_blocks(&mut self, merchant_at: u32, count: usize, was: &Self) {
        let then = &was.merchants[merchant_at].journal;
        let journal = &mut self.merchants[merchant_at].journal;
        if then.marks.len() < count {
            // It was being filled, and belongs to a date that is over.
            journal.close();
        }
        assert!(
            journal.cold.map(|mark| mark.groups) == then.cold.map(|mark| mark.groups),
            "one departure at a time"
        );
        self.cold.entries |= count > 0;
        for _ in 0..count {
            let journal = &self.merchants[merchant_at].journal;
            let Some((groups, first, _)) = self.block_of(journal, 0) else { unreachable!("it was there") };
            let mut digest = Digest::default();
            for (number, &booked) in (first..).zip(&groups) {
                self.digest_group(&mut digest, &self.merchants[merchant_at], number, booked);
            }
            for booked in groups {
                if let Booked::Posting(at) = booked {
                    self.postings.take(at);
                }
            }
            self.cold.digest = self.cold.digest.wrapping_add(digest.value());
            let journal = &mut self.merchants[merchant_at].journal;
            journal.cold = journal.marks.pop_front();
        }
    }

    /// Whether an order and all that belongs to it are as they were.
    fn is_as_in(&self, was: &Self, at: u32, kin: &Kin) -> bool {
        let (now, then) = (&self.orders[at], &was.orders[at]);
        if now != then {
            return false;
        }
        let rest = |ledger: &Self, order: &Order| {
            let refunds: Vec<_> = ledger.refunds_of(order).cloned().collect();
            (ledger.details_of(order).cloned(), ledger.giveback_of(order).cloned(), refunds)
        };
        let plain = now.details == NOWHERE && now.giveback == NOWHERE;
        let journal = &self.merchants[now.merchant].journal;
        let listed = now.is_booked() && journal.cold.is_none_or(|mark| mark.date < now.date);
        !listed
            && (plain || rest(self, now) == rest(was, then))
            && kin.voids(at).all(|at| self.voids[at] == was.voids[at])
            && kin.splits(at).all(|split| {
                let mut returns = kin.returns(split);
                self.splits[split] == was.splits[split]
                    && returns.all(|at| self.split_returns[at] == was.split_returns[at])
            })
    }

    /// The sum of the digests of an order and all that belongs to it.
    fn digest_whole(&self, at: u32, kin: &Kin) -> u128 {
        let mut digest = Digest::default();
        let order = &self.orders[at];
        self.digest_order(&mut digest, order);
        self.refunds_of(order).for_each(|refund| self.digest_refund(&mut digest, refund));
        kin.voids(at).for_each(|at| self.digest_void(&mut digest, &self.voids[at]));
        for split in kin.splits(at) {
            self.digest_split(&mut digest, &self.splits[split]);
            kin.returns(split).for_each(|at| self.split_returns[at].digest(&mut digest));
        }
        digest.value()
    }

    fn depart_order(&mut self, at: u32, kin: &Kin) {
        self.cold.digest = self.cold.digest.wrapping_add(self.digest_whole(at, kin));
        self.cold.orders += 1;
        let merchant_at = self.orders[at].merchant;
        let merchant = self.merchants[merchant_at].id;
        for split_at in kin.splits(at) {
            for place in kin.returns(split_at) {
                let back = self.split_returns.take(place);
                self.forget(ColdKind::SplitReturn, merchant, &back.asked.return_no, place);
            }
            let split = self.splits.take(split_at);
            self.forget(ColdKind::Split, merchant, &split.split_no, split_at);
        }
        for place in kin.voids(at) {
            let void = self.voids.take(place);
            self.forget(ColdKind::Void, merchant, &void.void_no, place);
        }
        let order = self.orders.take(at);
        let mut refunds = 0;
        if order.giveback != NOWHERE {
            let mut place = self.givebacks.take(order.giveback).first;
            while place != NOWHERE {
                let refund = self.refunds.take(place);
                self.forget(ColdKind::Refund, merchant, &refund.refund_no, place);
                refunds += 1;
                place = refund.next;
            }
        }
        self.cold.refunds += refunds;
        self.merchants[merchant_at].cold_orders += 1;
        self.merchants[merchant_at].cold_refunds += refunds;
        if order.details != NOWHERE {
            self.details.take(order.details);
        }
        self.forget(ColdKind::Order, merchant, &order.order_no, at);
    }

    /// Takes a number out of its index and keeps its tag.
    fn forget(&mut self, kind: ColdKind, merchant: MerchantId, number: &Number, at: u32) {
        let hash = self.hash.number(merchant, number);
        self.cold.tags.insert(salted(kind, hash));
        let index: &mut Index = match kind {
            ColdKind::Order => &mut self.order_index,
            ColdKind::Refund => &mut self.refund_index,
            ColdKind::Void => &mut self.void_index,
            ColdKind::Split => &mut self.split_index,
            ColdKind::SplitReturn => &mut self.split_return_index,
        };
        // A snapshot has no indexes.
        if !index.is_none() {
            index.remove(hash, at);
        }
    }

    /// Whether an order may leave: of a date up to `through`, settled, and nothing in flight.
    fn may_leave(&self, at: u32, kin: &Kin, through: Date, before: Timestamp) -> bool {
        let order = &self.orders[at];
        match order.status {
            OrderStatus::Created | OrderStatus::PaidLate => return false,
            OrderStatus::Closed => return self.expires_at(order).is_some_and(|at| at < before),
            OrderStatus::Paid
            | OrderStatus::Voided
            | OrderStatus::PartiallyRefunded
            | OrderStatus::Refunded => {}
        }
        let in_flight = self.giveback_of(order).is_some_and(|giveback| giveback.in_flight > 0);
        let voiding = kin.voids(at).any(|void| self.voids[void].state == VoidState::Processing);
        order.date <= through && !order.flags.is_late() && !in_flight && !voiding && self.is_settled(order)
    }
}

impl Snapshot {
    /// What may leave: orders that are done with, of accounting dates up to `through`, or that were never paid and whose time
    /// was over before `before`; and blocks of entries of these dates.
    ///
    /// # Panics
    /// When `through` is not before the accounting date.
    #[must_use]
    pub fn departures(&self, through: Date, before: Timestamp) -> Departures {
        let ledger = self.ledger();
        assert!(through < ledger.date(), "what is of today may not leave");
        if ledger.order_count() == 0 {
            // The date may still be set back.
            return Departures::default();
        }
        let kin = Kin::of(ledger);
        let mut blocks = Vec::new();
        // By merchant, up to which date its entries will be in the store.
        let mut entries_to = Vec::new();
        for (at, merchant) in ledger.merchants.entries() {
            let (count, to) = old_blocks(&merchant.journal, through);
            entries_to.push(to);
            if count > 0 {
                blocks.push((at, count));
            }
        }
        let leaves = |at: &u32| {
            let order = &ledger.orders[*at];
            // Its payment's entries are worked out from it as long as their block is here.
            let listed = order.is_booked() && entries_to[order.merchant as usize] < Some(order.date);
            !listed && ledger.may_leave(*at, &kin, through, before)
        };
        let orders = ledger.orders.entries().map(|(at, _)| at).filter(leaves).collect();
        Departures { kin, orders, blocks }
    }

    /// The departures of `range`, as the store keeps them.
    pub fn write_departures(
        &self,
        departures: &Departures,
        range: Range<usize>,
        mut block: impl FnMut(ColdBlock),
        mut order: impl FnMut(ColdOrder),
    ) {
        let blocks = departures.blocks.len();
        for &(merchant, count) in &departures.blocks[range.start.min(blocks)..range.end.min(blocks)] {
            (0..count).for_each(|number| block(self.write_block(merchant, number)));
        }
        for &at in &departures.orders[range.start.saturating_sub(blocks)..range.end.saturating_sub(blocks)] {
            order(self.write_cold(at, &departures.kin));
        }
    }

    fn write_cold(&self, at: u32, kin: &Kin) -> ColdOrder {
        let ledger = self.ledger();
        let order = &ledger.orders[at];
        let mut bytes = ledger.digest_whole(at, kin).to_le_bytes().to_vec();
        write_order(ledger, at, kin, &mut bytes);
        let mut numbers: Vec<(ColdKind, Number)> =
            ledger.refunds_of(order).map(|refund| (ColdKind::Refund, refund.refund_no)).collect();
        numbers.extend(kin.voids(at).map(|at| (ColdKind::Void, ledger.voids[at].void_no)));
        for split in kin.splits(at) {
            numbers.push((ColdKind::Split, ledger.splits[split].split_no));
            let returns = kin.returns(split).map(|at| ledger.split_returns[at].asked.return_no);
            numbers.extend(returns.map(|return_no| (ColdKind::SplitReturn, return_no)));
        }
        let merchant = ledger.merchants[order.merchant].id;
        ColdOrder { merchant, order_no: order.order_no, numbers, bytes }
    }

    /// A block of a merchant's entries, all worked out, so that it stands without the orders.
    fn write_block(&self, merchant_at: u32, number: usize) -> ColdBlock {
        let ledger = self.ledger();
        let merchant = &ledger.merchants[merchant_at];
        let Some((groups, first_group, first_seq)) = ledger.block_of(&merchant.journal, number) else {
            unreachable!("it was counted before")
        };
        let mut bytes = Vec::new();
        Writer(&mut bytes).int(first_group).int(first_seq).int(groups.len() as u64);
        let mut next = first_seq;
        for booked in groups {
            let whole = match booked {
                Booked::Posting(at) => ledger.postings[at].bytes.clone(),
                Booked::Payment(at) => {
                    let order = &ledger.orders[at];
                    let voucher = Voucher {
                        merchant: Some(merchant.id),
                        order_no: Some(order.order_no),
                        refund_no: None,
                        reference: None,
                        accounting_date: order.date,
                    };
                    write_posting(&voucher, ledger.first_entries(order).entries())
                }
            };
            next += match try_read_posting(&whole, merchant.currency()) {
                Ok(posting) => posting.entries.len() as u64,
                Err(error) => panic!("a posting cannot be read: {error}"),
            };
            Writer(&mut bytes).int(whole.len() as u64);
            bytes.extend_from_slice(&whole);
        }
        ColdBlock { merchant: merchant.id, last_seq: next - 1, bytes }
    }

    /// The snapshot without the departures: what is to be kept beside the store once they are in it. It shares the records.
    ///
    /// It calls `rest` after every some thousand of them.
    #[must_use]
    pub fn without(&mut self, departures: &Departures, rest: &mut dyn FnMut()) -> Self {
        let mut left = self.again();
        let all = departures.len();
        let mut out = 0;
        for from in (0..all).step_by(DEPART_TOGETHER) {
            out += left.ledger_mut().depart(self, departures, from..all.min(from + DEPART_TOGETHER));
            rest();
        }
        assert!(out == all, "nothing changes in a snapshot");
        left
    }
}

impl Departures {
    /// How many orders and merchants' blocks there are: the end of ranges.
    #[must_use]
    pub fn len(&self) -> usize {
        self.blocks.len() + self.orders.len()
    }

    /// Whether nothing may leave.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How many blocks from the oldest on are of dates up to `through`, and the date of the last that is, or is already, in
/// the store.
fn old_blocks(journal: &Journal, through: Date) -> (usize, Option<Date>) {
    let closed = journal.marks.iter().take_while(|mark| mark.date <= through).count();
    if closed == journal.marks.len() && journal.groups > journal.closed && journal.date <= through {
        return (closed + 1, Some(journal.date));
    }
    let last: Option<&Mark> = closed.checked_sub(1).map(|last| &journal.marks[last]);
    (closed, last.or(journal.cold.as_ref()).map(|mark| mark.date))
}

fn read_block(merchant: MerchantId, currency: Currency, mut bytes: &[u8]) -> Result<Block, CodecError> {
    let mut reader = Reader(&mut bytes);
    let (first_group, first_seq, count) = (reader.int()?, reader.int()?, reader.int()?);
    let mut postings = Vec::new();
    let mut next = first_seq;
    for _ in 0..count {
        let len = usize::try_from(reader.int()?).map_err(|_| CodecError::Short)?;
        let whole = reader.take(len)?;
        let posting = try_read_posting(whole, currency)?;
        next = next.checked_add(posting.entries.len() as u64).ok_or(CodecError::Malformed)?;
        postings.push(posting);
    }
    let nothing = postings.iter().any(|posting| posting.entries.is_empty());
    if !bytes.is_empty() || first_seq == 0 || count == 0 || nothing {
        return Err(CodecError::Malformed);
    }
    Ok(Block { merchant, first_group, first_seq, last_seq: next - 1, postings })
}
