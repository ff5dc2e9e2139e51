//! One shard's state, and the one way to change it.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::sync::Arc;

use crate::account::Books;
use crate::arena::{Arena, NOWHERE};
use crate::channel::Channels;
use crate::cold::Cold;
use crate::digest::Digest;
use crate::index::{Index, KeyedHash};
use crate::journal::{Booked, Kept, Link, PLACE_MAX, write_posting};
use crate::merchant::Merchant;
use crate::movement::Movement;
use crate::order::{Giveback, Order, OrderDetails};
use crate::promoter::Promoters;
use crate::refund::StoredRefund;
use crate::settlement::Batch;
use crate::split::{StoredSplit, StoredSplitReturn};
use crate::void::StoredVoid;
use crate::{
    Account, AdjustmentView, ChannelTerms, Command, Date, Discounts, Entry, EntrySink, Event, EventKind,
    Field, Holidays, MerchantId, MerchantTerms, Number, Receipt, Rejection, Reply, SetDate, Timestamp, Vote,
    Voucher,
};

/// One shard's merchants, channels, orders, refunds, voids and accounts.
///
/// Two ledgers that applied the same commands at the same times answer alike and have the same
/// [`Ledger::digest`], whatever their seeds.
#[derive(Debug)]
pub struct Ledger {
    pub(crate) date: Date,
    pub(crate) hash: KeyedHash,
    pub(crate) channels: Channels,
    pub(crate) books: Books,
    pub(crate) merchants: Arena<Merchant, 6>,
    pub(crate) merchant_index: Index,
    pub(crate) orders: Arena<Order, 10>,
    pub(crate) order_index: Index,
    pub(crate) details: Arena<OrderDetails, 10>,
    pub(crate) givebacks: Arena<Giveback, 9>,
    pub(crate) refunds: Arena<StoredRefund, 9>,
    pub(crate) refund_index: Index,
    pub(crate) voids: Arena<StoredVoid, 10>,
    pub(crate) void_index: Index,
    /// Refunds that became held on the current date; some may have succeeded since.
    pub(crate) held: Vec<u32>,
    /// Those that are held still: they go out again at the day cut.
    pub(crate) held_today: u64,
    pub(crate) splits: Arena<StoredSplit, 10>,
    pub(crate) split_index: Index,
    pub(crate) split_returns: Arena<StoredSplitReturn, 8>,
    pub(crate) split_return_index: Index,
    pub(crate) movements: Arena<Movement, 10>,
    pub(crate) movement_index: Index,
    /// Groups of entries that are no plain payment's; see `journal.rs`.
    pub(crate) postings: Arena<Kept, 9>,
    /// Beside each order, the group before its payment in its merchant's journal.
    pub(crate) before_order: Arena<Link, 12>,
    /// Shared with whoever writes an image of them.
    pub(crate) adjustments: Arc<BTreeMap<Number, AdjustmentView>>,
    /// Shared likewise.
    pub(crate) batches: Arc<BTreeMap<Number, Batch>>,
    pub(crate) promoters: Promoters,
    pub(crate) holidays: Holidays,
    /// Orders that wait to be paid, by when their time is over.
    pub(crate) expiring: BTreeSet<(Timestamp, u32)>,
    /// What of it is in the cold store.
    pub(crate) cold: Cold,
    pub(crate) role: Role,
    /// Results that contradicted a final one, each refund and void counted once.
    pub(crate) contradictions: u64,
}

/// Which part of the whole a ledger is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    /// All of it: who is not here is nowhere.
    Alone,
    /// One shard of several, the one that books what is no merchant's.
    Lead,
    /// One shard of several.
    Member,
}

/// What came of a command.
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use]
pub struct Applied {
    /// The answer.
    pub reply: Reply,
    /// Whether the state is another now: then the command must be logged. A repeat changes nothing, and
    /// neither does a rejection, except that the first result to contradict a final one is kept.
    pub changed: bool,
}

/// A command's hashes and the place of its merchant, so that they are worked out once.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Of the number the command is known by: its order's, refund's or void's.
    pub(crate) number: u64,
    /// Of the order, where that is another.
    pub(crate) order: u64,
    /// Place of the merchant, or nowhere.
    pub(crate) merchant: u32,
}

impl Default for Key {
    /// The key of nothing: a place to put one.
    fn default() -> Self {
        Self { number: 0, order: 0, merchant: NOWHERE }
    }
}

/// What a ledger takes, in bytes, by what it is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Memory {
    /// Orders there are.
    pub orders: u64,
    /// The fixed part of every order.
    pub orders_bytes: u64,
    /// From order numbers to orders.
    pub order_index_bytes: u64,
    /// The tags of numbers in the cold store.
    pub cold_bytes: u64,
    /// What only some orders have, without the texts of channels' numbers.
    pub details_bytes: u64,
    /// Refunds, voids and their indexes, and the entries of all that is no payment.
    pub refunds_bytes: u64,
    /// Merchants and their index.
    pub merchants_bytes: u64,
}

/// Records of a digest between two rests.
const REST_RECORDS: usize = 4_096;

/// What a command did, inside.
#[derive(Debug)]
pub(crate) struct Done {
    receipt: Receipt,
    changed: bool,
}

impl Done {
    pub(crate) fn changed(receipt: Receipt) -> Self {
        Self { receipt, changed: true }
    }

    pub(crate) fn unchanged(receipt: Receipt) -> Self {
        Self { receipt, changed: false }
    }
}

/// Why a command was refused, inside.
#[derive(Debug)]
pub(crate) struct Refusal {
    rejection: Rejection,
    field: Option<Field>,
    /// The refusal itself was kept.
    kept: bool,
}

impl Refusal {
    /// A refusal that changes what is known, if `first`.
    pub(crate) fn kept(rejection: Rejection, first: bool) -> Self {
        Self { rejection, field: None, kept: first }
    }

    /// The same as a word of this ledger's.
    pub(crate) fn vote(self) -> Vote {
        Vote::No(self.rejection, self.field)
    }
}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        Self { rejection, field: None, kept: false }
    }
}

impl From<(Rejection, Option<Field>)> for Refusal {
    fn from((rejection, field): (Rejection, Option<Field>)) -> Self {
        Self { rejection, field, kept: false }
    }
}

pub(crate) type Outcome = Result<Done, Refusal>;

impl Ledger {
    /// An empty ledger that is alone and whose books begin at `date`. The seed keys the hash of numbers that callers
    /// choose; it never influences an answer or the digest.
    #[must_use]
    pub fn new(seed: u64, date: Date) -> Self {
        Self::with_role(seed, date, Role::Alone)
    }

    /// An empty ledger that is one shard of several. Exactly one of them leads: it books what is no merchant's.
    #[must_use]
    pub fn shard(seed: u64, date: Date, lead: bool) -> Self {
        Self::with_role(seed, date, if lead { Role::Lead } else { Role::Member })
    }

    fn with_role(seed: u64, date: Date, role: Role) -> Self {
        Self {
            date,
            role,
            hash: KeyedHash::new(seed),
            channels: Channels::default(),
            books: Books::default(),
            merchants: Arena::new(),
            merchant_index: Index::new(),
            orders: Arena::new(),
            order_index: Index::new(),
            details: Arena::new(),
            givebacks: Arena::new(),
            refunds: Arena::new(),
            refund_index: Index::new(),
            voids: Arena::new(),
            void_index: Index::new(),
            held: Vec::new(),
            held_today: 0,
            splits: Arena::new(),
            split_index: Index::new(),
            split_returns: Arena::new(),
            split_return_index: Index::new(),
            movements: Arena::new(),
            movement_index: Index::new(),
            postings: Arena::new(),
            before_order: Arena::new(),
            adjustments: Arc::default(),
            batches: Arc::default(),
            promoters: Promoters::default(),
            holidays: Holidays::default(),
            expiring: BTreeSet::new(),
            cold: Cold::new(),
            contradictions: 0,
        }
    }

    /// Whether who is not here is nowhere.
    pub(crate) fn is_alone(&self) -> bool {
        self.role == Role::Alone
    }

    /// Whether what is no merchant's is booked here.
    pub(crate) fn is_lead(&self) -> bool {
        self.role != Role::Member
    }

    /// The accounting date.
    #[must_use]
    pub fn date(&self) -> Date {
        self.date
    }

    /// How many refunds and voids had a result that contradicted their final one.
    #[must_use]
    pub fn contradictions(&self) -> u64 {
        self.contradictions
    }

    /// Carries a command out, or refuses it; see [`Applied`]. `now` is the time it was decided, and the
    /// entries it books go to the sink.
    ///
    /// # Panics
    /// When `now` is outside [`Timestamp::RANGE`], or when an invariant of the books does not hold.
    pub fn apply<S: EntrySink>(&mut self, command: &Command, now: Timestamp, sink: &mut S) -> Applied {
        let key = self.touch(command);
        self.apply_keyed(command, key, now, sink)
    }

    /// Works out a command's hashes and finds its merchant: done once, for [`Ledger::warm`] and
    /// [`Ledger::apply_keyed`].
    #[must_use]
    pub fn touch(&self, command: &Command) -> Key {
        let (merchant, number, order) = match command {
            Command::Payment(payment) => (payment.merchant, Some(&payment.order_no), None),
            Command::Refund(refund) => (refund.merchant, Some(&refund.refund_no), Some(&refund.order_no)),
            Command::RefundResult(result) => (result.merchant, Some(&result.refund_no), None),
            Command::Void(void) => (void.merchant, Some(&void.void_no), Some(&void.order_no)),
            Command::VoidResult(result) => (result.merchant, Some(&result.void_no), None),
            Command::PutMerchant(terms) => (terms.merchant, None, None),
            Command::CreateOrder(order) => (order.merchant, Some(&order.order_no), None),
            Command::Confirm(confirm) => (confirm.merchant, Some(&confirm.order_no), None),
            Command::Close(close) => (close.merchant, Some(&close.order_no), None),
            Command::Reinstate(of) | Command::Release(of) => (of.merchant, Some(&of.order_no), None),
            Command::Split(split) => (split.merchant, Some(&split.split_no), Some(&split.order_no)),
            Command::SplitReturn(back) => (back.merchant, Some(&back.return_no), Some(&back.order_no)),
            Command::Payout(payout) => (payout.merchant, Some(&payout.payout_no), None),
            Command::PayoutResult(result) => (result.merchant, Some(&result.payout_no), None),
            Command::TopUp(topup) => (topup.merchant, Some(&topup.topup_no), None),
            Command::Freeze(freeze) => (freeze.merchant, Some(&freeze.freeze_no), None),
            Command::Unfreeze(freeze) => (freeze.merchant, Some(&freeze.freeze_no), None),
            Command::Settle(settle) => (settle.merchant, None, None),
            Command::PutChannel(_)
            | Command::SetDate(_)
            | Command::Transfer(_)
            | Command::Adjust(_)
            | Command::PutPromoter(_)
            | Command::PutHolidays(_)
            | Command::BeginSettlement(_)
            | Command::EndSettlement(_)
            | Command::Sweep(_) => return Key::default(),
        };
        let hash = |number: Option<&Number>| number.map_or(0, |number| self.hash.number(merchant, number));
        let merchant_at = self.find_merchant(merchant).unwrap_or(NOWHERE);
        Key { number: hash(number), order: hash(order), merchant: merchant_at }
    }

    /// Brings what commands with these keys will need into the cache. Done for some commands before the first of
    /// them is applied, their misses overlap; a miss apiece is what a payment costs most. Changes nothing.
    pub fn warm(&self, keys: &[Key]) {
        for key in keys {
            let order = if key.order == 0 { key.number } else { key.order };
            black_box(self.order_index.line(order));
            if self.has_cold() {
                black_box(self.cold.tags.line(order));
            }
            if key.merchant != NOWHERE {
                black_box(self.merchants[key.merchant].warm());
            }
        }
        for key in keys.iter().filter(|key| key.order != 0) {
            black_box(self.order_index.find(key.order, |at| {
                black_box(self.orders[at].cash);
                true
            }));
        }
    }

    /// [`Ledger::apply`] with the key that [`Ledger::touch`] of this ledger gave for this command.
    ///
    /// # Panics
    /// As [`Ledger::apply`].
    pub fn apply_keyed<S: EntrySink>(
        &mut self,
        command: &Command,
        key: Key,
        now: Timestamp,
        sink: &mut S,
    ) -> Applied {
        assert!(Timestamp::RANGE.contains(&now.0), "a decided time that no calendar has");
        if let Err(field) = command.check() {
            let reply = Reply::Rejected(Rejection::InvalidRequest, Some(field));
            return Applied { reply, changed: false };
        }
        let outcome = match command {
            Command::Payment(payment) => self.pay(payment, key, now, sink),
            Command::Refund(refund) => self.refund(refund, key, now, sink),
            Command::RefundResult(result) => self.refund_result(result, key, sink),
            Command::Void(void) => self.void(void, key, sink),
            Command::VoidResult(result) => self.void_result(result, key, sink),
            Command::PutMerchant(terms) => self.put_merchant(terms, key),
            Command::CreateOrder(order) => self.create_order(order, key, now),
            Command::Confirm(confirm) => self.confirm(confirm, key, now, sink),
            Command::Close(close) => self.close(close, key, now, sink),
            Command::Reinstate(of) => self.reinstate(of, key, sink),
            Command::Release(of) => self.release(of, key, sink),
            Command::Split(split) => self.split(split, key, sink),
            Command::SplitReturn(back) => self.split_return(back, key, sink),
            Command::Payout(payout) => self.payout(payout, key, sink),
            Command::PayoutResult(result) => self.payout_result(result, key, sink),
            Command::TopUp(topup) => self.top_up(topup, key, sink),
            Command::Freeze(freeze) => self.freeze(freeze, key, sink),
            Command::Unfreeze(freeze) => self.unfreeze(freeze, key, sink),
            Command::Settle(settle) => self.settle(settle, key, sink),
            all => match self.vote(all, now) {
                Vote::No(rejection, field) => Err((rejection, field).into()),
                Vote::Done(receipt) => Ok(Done::unchanged(receipt)),
                // What is no part of this ledger's leaves it as it is.
                Vote::Yes(_) | Vote::Abstain => self.apply_all(all, sink),
            },
        };
        match outcome {
            Ok(Done { receipt, changed }) => Applied { reply: Reply::Done(receipt), changed },
            Err(Refusal { rejection, field, kept }) => {
                Applied { reply: Reply::Rejected(rejection, field), changed: kept }
            }
        }
    }

    /// This ledger's part of a command that concerns several, to which no ledger said no.
    fn apply_all<S: EntrySink>(&mut self, command: &Command, sink: &mut S) -> Outcome {
        match command {
            Command::PutChannel(terms) => self.put_channel(terms),
            Command::SetDate(set) => self.set_date(*set, sink),
            Command::Transfer(transfer) => self.transfer(transfer, sink),
            Command::Adjust(adjustment) => self.adjust(adjustment, sink),
            Command::PutPromoter(promoter) => {
                let existed = self.promoters.put(promoter);
                Ok(Done::changed(Receipt::Promoter { existed }))
            }
            Command::PutHolidays(holidays) => {
                self.holidays = (**holidays).clone();
                Ok(Done::changed(Receipt::Holidays))
            }
            Command::BeginSettlement(settlement) => self.begin_settlement(settlement),
            Command::EndSettlement(batch_no) => self.end_settlement(batch_no),
            Command::Sweep(items) => self.sweep(items, sink),
            _ => unreachable!("a merchant's command is applied by itself"),
        }
    }

    fn put_merchant(&mut self, terms: &MerchantTerms, key: Key) -> Outcome {
        let known =
            if key.merchant == NOWHERE { self.find_merchant(terms.merchant) } else { Some(key.merchant) };
        if let Some(at) = known {
            let receipt = Receipt::Merchant { existed: true };
            if self.merchants[at].terms() == terms {
                return Ok(Done::unchanged(receipt));
            }
            self.merchants[at].put(terms)?;
            return Ok(Done::changed(receipt));
        }
        if !self.merchants.has_room() {
            return Err(Rejection::Overflow.into());
        }
        let stripe = self.books.stripe(terms.currency);
        let at = self.merchants.push(Merchant::new(Box::new(terms.clone()), stripe));
        self.merchant_index.insert(self.hash.merchant(terms.merchant), at);
        Ok(Done::changed(Receipt::Merchant { existed: false }))
    }

    fn put_channel(&mut self, terms: &ChannelTerms) -> Outcome {
        let (id, put) = self.channels.put(terms)?;
        let receipt = Receipt::Channel { id, existed: put.existed() };
        Ok(if put.changed() { Done::changed(receipt) } else { Done::unchanged(receipt) })
    }

    /// A cut moves forward and sends held refunds again; a beginning is set while no order was taken.
    fn set_date<S: EntrySink>(&mut self, set: SetDate, sink: &mut S) -> Outcome {
        let closed = std::mem::replace(&mut self.date, set.date);
        if !set.cut {
            // What was booked before the first order may be of later dates now: it counts as of this one.
            for at in 0..self.merchants.len() {
                self.merchants[at].journal.set_back(set.date);
            }
            return Ok(Done::changed(Receipt::Date { closed, resubmitted: 0 }));
        }
        if self.is_lead() {
            self.tell(sink, |ledger| Event {
                kind: EventKind::DayCut,
                merchant: None,
                order_no: None,
                reference: None,
                amount: 0,
                currency: None,
                accounting_date: ledger.date,
            });
        }
        let resubmitted = self.resubmit_held(sink);
        Ok(Done::changed(Receipt::Date { closed, resubmitted }))
    }

    pub(crate) fn vote_date(&self, set: SetDate) -> Vote {
        let same = Vote::Done(Receipt::Date { closed: self.date, resubmitted: 0 });
        match (set.cut, set.date.cmp(&self.date)) {
            (true, Ordering::Greater) => Vote::Yes(None),
            (true, _) => Vote::No(Rejection::DateNotLater, None),
            // All shards have one date, though not all have orders: they must say the same.
            (false, Ordering::Equal) => same,
            (false, _) if self.order_count() > 0 => Vote::No(Rejection::DateNotLater, None),
            (false, _) => Vote::Yes(None),
        }
    }

    /// Books a group, all or nothing; what the merchant's pending gains or loses belongs to `date`.
    /// The last thing of a command that can fail.
    pub(crate) fn book<S: EntrySink>(
        &mut self,
        merchant_at: u32,
        entries: &[Entry],
        date: Date,
        voucher: &Voucher,
        sink: &mut S,
    ) -> Result<(), Rejection> {
        let merchant = &mut self.merchants[merchant_at];
        merchant.book(entries, date)?;
        sink.open(voucher);
        for entry in entries {
            self.books.book(merchant.stripe, entry);
            sink.book(entry);
        }
        Ok(())
    }

    /// Books a group that is no plain payment's, and keeps it for the merchant's list of entries.
    pub(crate) fn book_and_post<S: EntrySink>(
        &mut self,
        merchant_at: u32,
        entries: &[Entry],
        date: Date,
        voucher: &Voucher,
        sink: &mut S,
    ) -> Result<(), Rejection> {
        if !self.postings.has_room_to(PLACE_MAX) {
            return Err(Rejection::Overflow);
        }
        if entries.is_empty() {
            return Ok(());
        }
        self.book(merchant_at, entries, date, voucher, sink)?;
        self.post(merchant_at, voucher, entries);
        Ok(())
    }

    /// Says what happened, if anybody listens.
    #[inline]
    pub(crate) fn tell<S: EntrySink>(&self, sink: &mut S, what: impl FnOnce(&Self) -> Event) {
        if S::WANTS_EVENTS {
            sink.event(&what(self));
        }
    }

    /// Keeps a group for the merchant's list of entries.
    pub(crate) fn post(&mut self, merchant_at: u32, voucher: &Voucher, entries: &[Entry]) {
        let bytes = write_posting(voucher, entries);
        let at = self.postings.push(Kept { before: Link::END, bytes });
        let journal = &mut self.merchants[merchant_at].journal;
        self.postings[at].before = journal.push(Booked::Posting(at), self.date, entries.len());
    }

    /// Books those sides of an entry that are this merchant's own: the other may be another ledger's.
    pub(crate) fn book_side(
        &mut self,
        merchant_at: u32,
        entry: &Entry,
        voucher: &Voucher,
    ) -> Result<(), Rejection> {
        let date = self.date;
        let merchant = &mut self.merchants[merchant_at];
        merchant.book(std::slice::from_ref(entry), date)?;
        let own = |account: Account| account.is_own() && account.owner() == Some(merchant.id);
        if own(entry.from) {
            self.books.debit(merchant.stripe, entry);
        }
        if own(entry.to) {
            self.books.credit(merchant.stripe, entry);
        }
        self.post(merchant_at, voucher, std::slice::from_ref(entry));
        Ok(())
    }

    pub(crate) fn find_merchant(&self, id: MerchantId) -> Option<u32> {
        self.merchant_index.find(self.hash.merchant(id), |at| self.merchants[at].id == id)
    }

    /// The merchant's place, by the key or, if it was put after the key was made, by its id.
    pub(crate) fn merchant_at(&self, id: MerchantId, key: Key) -> Result<u32, Rejection> {
        let at = if key.merchant == NOWHERE { self.find_merchant(id) } else { Some(key.merchant) };
        let at = at.ok_or(Rejection::MerchantNotFound)?;
        assert!(self.merchants[at].id == id, "a key of another command");
        Ok(at)
    }

    pub(crate) fn order_at(&self, merchant_at: u32, order_no: &Number, hash: u64) -> Option<u32> {
        self.order_index.find(hash, |at| {
            let order = &self.orders[at];
            order.order_no == *order_no && order.merchant == merchant_at
        })
    }

    pub(crate) fn details_of(&self, order: &Order) -> Option<&OrderDetails> {
        (order.details != NOWHERE).then(|| &self.details[order.details])
    }

    pub(crate) fn discounts_of(&self, order: &Order) -> Discounts {
        self.details_of(order).map_or_else(Discounts::default, |details| details.discounts)
    }

    pub(crate) fn giveback_of(&self, order: &Order) -> Option<&Giveback> {
        (order.giveback != NOWHERE).then(|| &self.givebacks[order.giveback])
    }

    /// What the merchant got of an order.
    pub(crate) fn net_of(&self, order: &Order) -> u64 {
        if !order.is_booked() {
            return 0;
        }
        let gross = self.merchants[order.merchant].version(order.terms).gross;
        let advance_fee = self.details_of(order).map_or(0, |details| details.advance_fee);
        crate::payment::net(&order.paid(self.discounts_of(order)), gross, advance_fee)
    }

    /// What the state takes, in bytes.
    #[must_use]
    pub fn memory(&self) -> Memory {
        let refunds = self.refunds.memory_bytes() + self.refund_index.memory_bytes();
        let voids = self.voids.memory_bytes() + self.void_index.memory_bytes();
        let postings: u64 = self.postings.iter().map(|posting| posting.bytes.len() as u64).sum();
        let refunds = refunds + self.postings.memory_bytes() + postings;
        let merchants: u64 = self.merchants.iter().map(Merchant::memory_bytes).sum();
        Memory {
            orders: self.orders.len().into(),
            orders_bytes: self.orders.memory_bytes() + self.before_order.memory_bytes(),
            order_index_bytes: self.order_index.memory_bytes(),
            cold_bytes: self.cold.tags.memory_bytes(),
            details_bytes: self.details.memory_bytes() + self.givebacks.memory_bytes(),
            refunds_bytes: refunds + voids,
            merchants_bytes: merchants + self.merchants.memory_bytes() + self.merchant_index.memory_bytes(),
        }
    }

    /// A digest of all that influences a later answer: the same on any machine, for any seed, in any
    /// version. It walks the whole state.
    #[must_use]
    pub fn digest(&self) -> u128 {
        self.digest_resting(&mut || ())
    }

    /// As [`Ledger::digest`]; calls `rest` after every some thousand records, for whoever must not take a core for long.
    pub(crate) fn digest_resting(&self, rest: &mut dyn FnMut()) -> u128 {
        let mut digest = Digest::default();
        digest.record(b"ledger", |record| {
            record.i64(self.date.0.into()).u64(self.contradictions).u64(self.order_count());
        });
        self.channels.digest(&mut digest);
        self.books.digest(&mut digest);
        for merchant in self.merchants.iter() {
            merchant.digest(&mut digest, self.date);
        }
        for (nth, order) in self.orders.iter().enumerate() {
            self.digest_order(&mut digest, order);
            if nth % REST_RECORDS == 0 {
                rest();
            }
        }
        self.digest_refunds(&mut digest);
        self.digest_voids(&mut digest);
        self.digest_splits(&mut digest);
        self.digest_movements(&mut digest);
        self.digest_adjustments(&mut digest);
        self.digest_batches(&mut digest);
        self.promoters.digest(&mut digest);
        self.holidays.digest(&mut digest);
        self.digest_journals(&mut digest, rest);
        digest.add(self.cold.digest);
        digest.value()
    }

    /// What each merchant's list of entries is made of: a record for each group, by its number.
    fn digest_journals(&self, digest: &mut Digest, rest: &mut dyn FnMut()) {
        for merchant in self.merchants.iter() {
            digest.record(b"journal", |record| {
                record.u64(merchant.id.0).u64(merchant.journal.entries());
            });
        }
        let mut since = 0;
        self.each_block(|merchant, first, groups| {
            since += groups.len();
            if since >= REST_RECORDS {
                since = 0;
                rest();
            }
            for (number, &booked) in (first..).zip(groups) {
                self.digest_group(digest, merchant, number, booked);
            }
        });
    }

    pub(crate) fn digest_group(&self, digest: &mut Digest, merchant: &Merchant, number: u64, booked: Booked) {
        digest.record(b"group", |record| {
            record.u64(merchant.id.0).u64(number);
            match booked {
                Booked::Payment(at) => record.bytes(self.orders[at].order_no.as_bytes()),
                Booked::Posting(at) => record.bytes(&self.postings[at].bytes),
            };
        });
    }

    pub(crate) fn digest_order(&self, digest: &mut Digest, order: &Order) {
        let merchant = self.merchants[order.merchant].id;
        digest.record(b"order", |record| {
            record.u64(merchant.0).bytes(order.order_no.as_bytes());
            order.paid(self.discounts_of(order)).digest(record);
            record.i64(order.paid_at.0).i64(order.date.0.into());
            record.u64(order.channel.0.into()).u64(order.terms.into());
            record.u64(order.status as u64).u64(order.purse as u64).u64(order.flags.bits().into());
            if let Some(details) = self.details_of(order) {
                record.u64(details.advance_fee).option(details.promoter.map(|id| id.0));
                record.bytes(details.channel_txn.as_deref().unwrap_or_default().as_bytes());
            }
            if let Some(expires_at) = self.expires_at(order) {
                record.bytes(b"expires").i64(expires_at.0);
            }
            if let Some(entered) = self.giveback_of(order).and_then(|giveback| giveback.entered) {
                record.bytes(b"entered").i64(entered.0.into());
            }
            for commission in self.giveback_of(order).iter().flat_map(|giveback| &giveback.commissions) {
                record.u64(commission.promoter.0).u64(commission.level.into()).u64(commission.amount);
            }
            for refund in self.refunds_of(order) {
                record.bytes(refund.refund_no.as_bytes());
            }
        });
    }
}
