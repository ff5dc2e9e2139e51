//! Images into a ledger, which may be one shard of another number than those they are of.
//!
//! An image is taken block by block. Its orders go into the arenas as they come; links are resolved when all of it is
//! there, since an order may lead to a later one. What finds records by their numbers is gathered and made at the end, table
//! by table, which costs no miss for each (`index.rs`).

use super::chains::{Chains, Linked, Posting};
use super::merchant::{
    COLD_COUNTS, COUNT_MAX, read_journal, read_link, read_mark, read_merchant, read_movement,
};
use super::order::read_body;
use super::shared::{Shared, Totals, read_owner, read_stripe, totals_of};
use super::{
    ADJUST, BATCH, CHANNEL, Counts, END, HEAD, HOLIDAYS, ImageError, JOURNAL, MARK, MERCHANT, MOVEMENT,
    ORDER, OWNER, POSTING, PROMOTER, Read, STRIPE, TAGS, VERSION, count_of, date, must,
};
use crate::account::Books;
use crate::arena::NOWHERE;
use crate::channel::{Channels, Put};
use crate::codec::Reader;
use crate::index::{Gathered, Index, TABLES};
use crate::journal::{PLACE_MAX, try_read_posting, write_posting};
use crate::ledger::Role;
use crate::settlement::Batch;
use crate::{Currency, Date, Ledger, MerchantId, Number, Voucher};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A ledger in the making. What it makes of bytes of one server's images that are whole is that server's ledger; after an
/// error it is good for nothing.
#[derive(Debug)]
pub struct Restore {
    ledger: Ledger,
    shard: u16,
    shards: u16,
    /// How many images there are, once that is known.
    sources: Option<u16>,
    /// Those that were taken whole.
    taken: Vec<u16>,
    /// What the first said that all must say.
    shared: Option<Shared>,
    batches: BTreeMap<Number, Batch>,
    orders: Gathered,
    source: Option<Source>,
    /// By currency, over all balances.
    balance: BTreeMap<Currency, i128>,
}

/// The image that is being taken.
#[derive(Debug)]
struct Source {
    number: u16,
    /// The last block's kind.
    kind: u8,
    /// Whether its books are this ledger's.
    is_ours: bool,
    shared: Shared,
    /// What its books say that its merchants have, less those that came.
    merchants_have: Totals,
    /// Books that are another ledger's.
    others: Books,
    /// The place of each merchant here, or nowhere.
    merchants: Vec<u32>,
    orders: Vec<Linked>,
    postings: Vec<Posting>,
    counts: Counts,
    ended: bool,
}

impl Restore {
    /// One shard of several, of which the first leads; `seed` keys its hashes.
    ///
    /// # Panics
    /// When there is no such shard.
    #[must_use]
    pub fn new(shard: u16, shards: u16, seed: u64) -> Self {
        assert!(shard < shards, "a shard of that many");
        Self::with_role(shard, shards, seed, if shard == 0 { Role::Lead } else { Role::Member })
    }

    /// A ledger that has all there is, as [`Ledger::new`] makes it.
    #[must_use]
    pub fn alone(seed: u64) -> Self {
        Self::with_role(0, 1, seed, Role::Alone)
    }

    fn with_role(shard: u16, shards: u16, seed: u64, role: Role) -> Self {
        Self {
            ledger: Ledger { role, ..Ledger::new(seed, Date::default()) },
            shard,
            shards,
            sources: None,
            taken: Vec::new(),
            shared: None,
            batches: BTreeMap::new(),
            orders: Gathered::new(),
            source: None,
            balance: BTreeMap::new(),
        }
    }

    /// The image of shard `source` of `sources` comes next. With as many images as there are to be shards, each shard takes
    /// its own and no other; else it takes all of them and keeps what is its own.
    ///
    /// # Errors
    /// When it must not come.
    pub fn begin(&mut self, source: u16, sources: u16) -> Result<(), ImageError> {
        let own = sources != self.shards || source == self.shard;
        let same = self.sources.is_none_or(|known| known == sources);
        if source >= sources || !own || !same || self.taken.contains(&source) || self.source.is_some() {
            return Err(ImageError::Source(source));
        }
        self.sources = Some(sources);
        self.source = Some(Source {
            number: source,
            kind: 0,
            is_ours: source % self.shards == self.shard,
            shared: Shared::default(),
            merchants_have: Totals::new(),
            others: Books::default(),
            merchants: Vec::new(),
            orders: Vec::new(),
            postings: Vec::new(),
            counts: Counts::default(),
            ended: false,
        });
        Ok(())
    }

    /// Takes the next block of the image.
    ///
    /// # Errors
    /// When it is none, or not the next.
    pub fn take(&mut self, mut block: &[u8]) -> Result<(), ImageError> {
        let mut reader = Reader(&mut block);
        let kind = reader.byte()?;
        let Some(mut source) = self.source.take() else { return Err(ImageError::Misplaced(kind)) };
        let follows = match source.kind {
            0 => kind == HEAD,
            last => last < kind || (last == kind && !matches!(kind, HEAD | END)),
        };
        if !follows || kind > END || reader.0.is_empty() {
            return Err(ImageError::Misplaced(kind));
        }
        source.kind = kind;
        if kind == ORDER {
            self.take_orders(&mut source, &mut reader)?;
        }
        while !reader.0.is_empty() {
            self.take_item(kind, &mut source, &mut reader)?;
            source.count(kind);
        }
        self.source = Some(source);
        Ok(())
    }

    fn take_item(&mut self, kind: u8, source: &mut Source, reader: &mut Reader<'_, '_>) -> Read<()> {
        match kind {
            HEAD => self.take_head(source, reader),
            CHANNEL => source.shared.read_channel(reader),
            PROMOTER => source.shared.read_promoter(reader),
            HOLIDAYS => source.shared.read_holidays(reader),
            ADJUST => source.shared.read_adjustment(reader),
            BATCH => {
                let (number, part) = source.shared.read_batch(reader)?;
                if source.is_ours {
                    match self.batches.get_mut(&number) {
                        None => _ = self.batches.insert(number, part),
                        Some(known) => known.add(&part),
                    }
                }
                Ok(())
            }
            STRIPE | OWNER => {
                let (has, channels) = (&mut source.merchants_have, source.shared.channels.len());
                let books = if source.is_ours { &mut self.ledger.books } else { &mut source.others };
                let (currency, sum) = match kind {
                    STRIPE => read_stripe(books, has, channels, reader)?,
                    _ => read_owner(books, reader)?,
                };
                *self.balance.entry(currency).or_default() += sum;
                Ok(())
            }
            MERCHANT => self.take_merchant(source, reader),
            MOVEMENT => self.take_movement(source, reader),
            POSTING => take_posting(source, reader),
            JOURNAL | MARK => self.take_journal(kind, source, reader),
            TAGS => self.take_tags(reader),
            END => take_end(source, reader),
            other => Err(ImageError::Misplaced(other)),
        }
    }

    fn take_head(&mut self, source: &mut Source, reader: &mut Reader<'_, '_>) -> Read<()> {
        let version = reader.byte()?;
        if version != VERSION {
            return Err(ImageError::Version(version));
        }
        source.shared.date = date(reader)?;
        let contradictions = reader.int()?;
        let Some((&digest, rest)) = reader.0.split_first_chunk::<16>() else { return Err(ImageError::Short) };
        *reader.0 = rest;
        // Each is a record's, of which there are fewer.
        must(contradictions < 1 << 40 && reader.0.is_empty(), "a head")?;
        match &self.shared {
            None => self.ledger.date = source.shared.date,
            Some(first) if first.date != source.shared.date => {
                return Err(ImageError::Differ("the accounting dates"));
            }
            Some(_) => {}
        }
        if source.is_ours {
            self.ledger.contradictions += contradictions;
            let cold = &mut self.ledger.cold;
            cold.digest = cold.digest.wrapping_add(u128::from_le_bytes(digest));
        }
        Ok(())
    }

    /// Tags of numbers in the cold store: what is another shard's is asked for in vain, as any number with such a tag.
    fn take_tags(&mut self, reader: &mut Reader<'_, '_>) -> Read<()> {
        let (table, count) = (reader.small::<u32>()? as usize, reader.small::<u32>()? as usize);
        must(table < TABLES && count > 0, "tags")?;
        let len = count.checked_mul(size_of::<u32>()).ok_or(ImageError::Short)?;
        let (tags, _) = reader.take(len)?.as_chunks::<4>();
        for &tag in tags {
            self.ledger.cold.tags.insert_tag(table, u32::from_le_bytes(tag));
        }
        Ok(())
    }

    fn is_own(&self, id: MerchantId) -> bool {
        id.shard(self.shards) == self.shard
    }

    fn take_merchant(&mut self, source: &mut Source, reader: &mut Reader<'_, '_>) -> Read<()> {
        let mut merchant = read_merchant(reader)?;
        let (id, currency) = (merchant.id, merchant.currency());
        // A shard's own image has nobody else's.
        must(self.is_own(id) || self.sources != Some(self.shards), "a merchant of another shard")?;
        let totals = totals_of(&merchant.balances);
        let have = source.merchants_have.entry(currency).or_default();
        have.iter_mut().zip(totals).for_each(|(have, amount)| *have -= amount);
        if !self.is_own(id) {
            source.merchants.push(NOWHERE);
            return Ok(());
        }
        let ledger = &mut self.ledger;
        if ledger.find_merchant(id).is_some() {
            return Err(ImageError::DuplicateMerchant(id));
        }
        if !ledger.merchants.has_room() {
            return Err(ImageError::Full);
        }
        ledger.cold.orders += merchant.cold_orders;
        ledger.cold.refunds += merchant.cold_refunds;
        must(ledger.cold.orders < COUNT_MAX && ledger.cold.refunds < COUNT_MAX, COLD_COUNTS)?;
        merchant.stripe = ledger.books.stripe(currency);
        let stripe = &mut ledger.books.stripes[merchant.stripe as usize];
        stripe.merchants.iter_mut().zip(totals).for_each(|(sum, amount)| *sum += amount);
        stripe.fee_receivable += merchant.balances.fee_receivable;
        let at = ledger.merchants.push(merchant);
        ledger.merchant_index.insert(ledger.hash.merchant(id), at);
        source.merchants.push(at);
        Ok(())
    }

    fn take_movement(&mut self, source: &mut Source, reader: &mut Reader<'_, '_>) -> Read<()> {
        let merchant_at = source.merchant(reader)?;
        let movement = read_movement(merchant_at, source.shared.channels.len(), reader)?;
        if merchant_at == NOWHERE {
            return Ok(());
        }
        let ledger = &mut self.ledger;
        if !ledger.movements.has_room() {
            return Err(ImageError::Full);
        }
        let (id, number) = (ledger.merchants[merchant_at].id, movement.number);
        let hash = ledger.hash.number(id, &number);
        if ledger.movement_at(movement.kind, merchant_at, &number, hash).is_some() {
            return Err(ImageError::Duplicate("a movement", number));
        }
        let at = ledger.movements.push(movement);
        ledger.movement_index.insert(hash, at);
        Ok(())
    }

    /// All orders of a block: most of an image is these.
    fn take_orders(&mut self, source: &mut Source, reader: &mut Reader<'_, '_>) -> Read<()> {
        let channels = source.shared.channels.len();
        while !reader.0.is_empty() {
            let place = u32::try_from(source.orders.len()).ok().filter(|&place| place <= PLACE_MAX);
            let before = read_link(place.ok_or(ImageError::Full)?, reader)?;
            let merchant_at = source.merchant(reader)?;
            let id = match merchant_at {
                // Whoever it is, it is not kept.
                NOWHERE => MerchantId(0),
                at => self.ledger.merchants[at].id,
            };
            let image = read_body(id, reader)?;
            source.count(ORDER);
            let mut at = NOWHERE;
            if merchant_at != NOWHERE {
                let ledger = &mut self.ledger;
                image.fits(&ledger.merchants[merchant_at], ledger.date, channels)?;
                ledger.expect_room(&image)?;
                let hash = ledger.hash.number(id, &image.order.order_no);
                at = ledger.place(merchant_at, image, |_, _| {})?;
                self.orders.push(hash, at);
            }
            source.orders.push(Linked { before, at });
        }
        Ok(())
    }

    fn take_journal(&mut self, kind: u8, source: &Source, reader: &mut Reader<'_, '_>) -> Read<()> {
        let merchant_at = source.merchant(reader)?;
        let last = read_link(0, reader)?;
        if kind == JOURNAL {
            let journal = read_journal(last, reader)?;
            if merchant_at != NOWHERE {
                self.ledger.cold.entries |= journal.cold.is_some();
                let known = &mut self.ledger.merchants[merchant_at].journal;
                must(known.groups == 0, "a second journal")?;
                *known = journal;
            }
            return Ok(());
        }
        if merchant_at == NOWHERE {
            return read_mark(last, None, reader).map(drop);
        }
        let journal = &mut self.ledger.merchants[merchant_at].journal;
        let mark = read_mark(last, Some(journal), reader)?;
        journal.closed = mark.groups;
        journal.marks.push_back(mark);
        Ok(())
    }

    /// The image that was begun is whole.
    ///
    /// # Errors
    /// When it is not, or what it says does not agree.
    pub fn end(&mut self) -> Result<(), ImageError> {
        let source = self.source.take().ok_or(ImageError::Short)?;
        if !source.ended {
            return Err(ImageError::Short);
        }
        if source.merchants_have.values().flatten().any(|&rest| rest != 0) {
            return Err(ImageError::Sums("the books and the balances of merchants"));
        }
        let merchants: Vec<u32> = source.merchants.into_iter().filter(|&at| at != NOWHERE).collect();
        let mut chains = Chains { orders: source.orders, postings: source.postings };
        chains.follow(&self.ledger, &merchants)?;
        if self.sources == Some(self.shards) && !chains.postings.iter().all(|posting| posting.is_ours) {
            return Err(ImageError::Sums("the postings and the journals"));
        }
        chains.resolve(&mut self.ledger, &merchants)?;
        match &self.shared {
            Some(first) => first.must_be(&source.shared)?,
            None => self.shared = Some(source.shared),
        }
        self.taken.push(source.number);
        Ok(())
    }

    /// The ledger, when all images that it needs were taken.
    ///
    /// # Errors
    /// When one is missing, a number is there twice, or the books do not balance.
    pub fn finish(mut self) -> Result<Ledger, ImageError> {
        let sources = self.sources.ok_or(ImageError::Source(0))?;
        let own = |&source: &u16| sources != self.shards || source == self.shard;
        let missing = (0..sources).filter(own).find(|source| !self.taken.contains(source));
        if let Some(source) = missing.or(self.source.as_ref().map(|source| source.number)) {
            return Err(ImageError::Source(source));
        }
        // Of several shards, what one has less another has more.
        let all = usize::from(sources) == self.taken.len();
        if all && self.balance.values().any(|&sum| sum != 0) {
            return Err(ImageError::Sums("what is given and what is taken in a currency"));
        }
        self.share()?;
        let orders = std::mem::replace(&mut self.orders, Gathered::new());
        let ledger = &mut self.ledger;
        let same = |one: u32, other: u32| {
            let (one, other) = (&ledger.orders[one], &ledger.orders[other]);
            (one.merchant, one.order_no) == (other.merchant, other.order_no)
        };
        let twice = |at: u32| ImageError::Duplicate("an order", ledger.orders[at].order_no);
        ledger.order_index = Index::of(orders, same).map_err(|(at, _)| twice(at))?;
        index_kin(ledger)?;
        Ok(self.ledger)
    }

    /// What all shards have alike, and the part of each batch.
    fn share(&mut self) -> Read<()> {
        let Some(shared) = self.shared.take() else { return Err(ImageError::Short) };
        let ledger = &mut self.ledger;
        let mut channels = Channels::default();
        for terms in &shared.channels {
            must(matches!(channels.put(terms), Ok((_, Put::Made))), "a channel")?;
        }
        ledger.channels = channels;
        ledger.promoters.known = Arc::new(shared.promoters);
        ledger.holidays = shared.holidays.unwrap_or_default();
        ledger.adjustments = Arc::new(shared.adjustments);
        let mut batches = shared.batches;
        batches.append(&mut self.batches);
        ledger.batches = Arc::new(batches);
        Ok(())
    }
}

impl Source {
    /// One more item of a kind.
    #[inline]
    fn count(&mut self, kind: u8) {
        if let Some(count) = count_of(&mut self.counts, kind) {
            *count += 1;
        }
    }

    /// The place here of the merchant that an item names, or nowhere.
    #[inline]
    fn merchant(&self, reader: &mut Reader<'_, '_>) -> Read<u32> {
        let place = usize::try_from(reader.int()?).ok();
        let at = place.and_then(|place| self.merchants.get(place).copied());
        at.ok_or(ImageError::Malformed("a merchant's place"))
    }
}

fn take_posting(source: &mut Source, reader: &mut Reader<'_, '_>) -> Read<()> {
    must(source.postings.len() <= PLACE_MAX as usize, "a posting's place")?;
    let before = read_link(0, reader)?;
    let len = reader.small::<u32>()? as usize;
    let bytes = reader.take(len)?;
    // A look at it must not fail, and it must be written as it was.
    let posting = try_read_posting(bytes, Currency::default())?;
    let voucher = Voucher {
        merchant: None,
        order_no: posting.order_no,
        refund_no: posting.refund_no,
        reference: posting.reference,
        accounting_date: posting.date,
    };
    let entries = posting.entries.iter().all(|entry| entry.amount > 0) && !posting.entries.is_empty();
    let same = *write_posting(&voucher, &posting.entries) == *bytes;
    must(entries && same && Date::RANGE.contains(&posting.date.0), "a posting")?;
    source.postings.push(Posting { before, bytes: bytes.into(), is_ours: false });
    Ok(())
}

fn take_end(source: &mut Source, reader: &mut Reader<'_, '_>) -> Read<()> {
    for count in source.counts {
        if reader.int()? != count {
            return Err(ImageError::Sums("the records and their counts"));
        }
    }
    must(reader.0.is_empty(), "an end")?;
    source.ended = true;
    Ok(())
}

/// Makes refunds, voids, splits and split returns be found.
fn index_kin(ledger: &mut Ledger) -> Read<()> {
    let hash = |merchant: u32, number: &Number| ledger.hash.number(ledger.merchants[merchant].id, number);
    let of = |order: u32| ledger.orders[order].merchant;
    let refund = |at: u32| (of(ledger.refunds[at].order), ledger.refunds[at].refund_no);
    let void = |at: u32| (of(ledger.voids[at].order), ledger.voids[at].void_no);
    let split = |at: u32| (of(ledger.splits[at].order), ledger.splits[at].split_no);
    let back = |at: u32| (ledger.split_returns[at].merchant, ledger.split_returns[at].asked.return_no);
    let index = |count: u32, name: &dyn Fn(u32) -> (u32, Number), what: &'static str| {
        let mut gathered = Gathered::new();
        for at in 0..count {
            let (merchant, number) = name(at);
            gathered.push(hash(merchant, &number), at);
        }
        Index::of(gathered, |one, other| name(one) == name(other))
            .map_err(|(at, _)| ImageError::Duplicate(what, name(at).1))
    };
    let refunds = index(ledger.refunds.len(), &refund, "a refund")?;
    let voids = index(ledger.voids.len(), &void, "a void")?;
    let splits = index(ledger.splits.len(), &split, "a split")?;
    let split_returns = index(ledger.split_returns.len(), &back, "a split return")?;
    (ledger.refund_index, ledger.void_index) = (refunds, voids);
    (ledger.split_index, ledger.split_return_index) = (splits, split_returns);
    Ok(())
}
