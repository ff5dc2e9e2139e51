//! A ledger into the blocks of its image.

use super::kin::Kin;
use super::merchant::{write_link, write_merchant, write_movement};
use super::order::{write_body, write_order};
use super::shared::{write_batch, write_owner, write_stripe};
use super::{
    ADJUST, BATCH, BLOCK_BYTES, CHANNEL, Counts, END, HEAD, HOLIDAYS, JOURNAL, MARK, MERCHANT, MOVEMENT,
    ORDER, OWNER, POSTING, PROMOTER, STRIPE, VERSION, count_of,
};
use crate::arena::{Arena, NOWHERE, Record};
use crate::codec::Writer;
use crate::index::TABLES;
use crate::journal::{self, Link};
use crate::{Holidays, Ledger, Snapshot};

/// An item ends soon after the block is full: the longest that are many are orders, of some hundred bytes.
const ITEM_BYTES: usize = 4 << 10;

/// Tags of one item.
const TAGS_TOGETHER: usize = 1 << 10;

/// Writes the image of what the snapshot is of, block by block.
pub fn write_image(snapshot: &Snapshot, emit: &mut dyn FnMut(Vec<u8>)) {
    write_ledger(snapshot.ledger(), emit);
}

impl Snapshot {
    /// Gives the image of each order by itself. `kin` is of this snapshot.
    pub fn each_order(&self, kin: &Kin, emit: &mut dyn FnMut(&[u8])) {
        let mut image = Vec::new();
        for (slot, _) in self.ledger().orders.entries() {
            image.clear();
            write_order(self.ledger(), slot, kin, &mut image);
            emit(&image);
        }
    }
}

fn write_ledger(ledger: &Ledger, emit: &mut dyn FnMut(Vec<u8>)) {
    let mut blocks = Blocks { bytes: Vec::new(), kind: HEAD, counts: Counts::default(), emit };
    let head = blocks.item(HEAD);
    Writer(head).byte(VERSION).signed(ledger.date.0.into()).int(ledger.contradictions);
    head.extend_from_slice(&ledger.cold.digest.to_le_bytes());
    write_shared(ledger, &mut blocks);
    for (_, merchant) in ledger.merchants.entries() {
        write_merchant(merchant, &mut Writer(blocks.item(MERCHANT)));
    }
    for (_, movement) in ledger.movements.entries() {
        write_movement(movement, &mut Writer(blocks.item(MOVEMENT)));
    }
    let places = Places { orders: Numbered::new(&ledger.orders), postings: Numbered::new(&ledger.postings) };
    write_orders(ledger, &places, &mut blocks);
    for (_, kept) in ledger.postings.entries() {
        let mut writer = Writer(blocks.item(POSTING));
        write_link(places.of(kept.before), 0, &mut writer);
        writer.text(&kept.bytes);
    }
    write_journals(ledger, &places, &mut blocks);
    write_tags(ledger, &mut blocks);
    let counts = blocks.counts;
    let mut end = Writer(blocks.item(END));
    for count in counts {
        end.int(count);
    }
    blocks.end();
}

fn write_shared(ledger: &Ledger, blocks: &mut Blocks<'_>) {
    for terms in &ledger.channels.terms {
        Writer(blocks.item(CHANNEL)).channel(terms);
    }
    for promoter in ledger.promoters.known.values() {
        Writer(blocks.item(PROMOTER)).promoter(promoter);
    }
    if ledger.holidays != Holidays::default() {
        Writer(blocks.item(HOLIDAYS)).holidays(&ledger.holidays);
    }
    for view in ledger.adjustments.values() {
        let mut writer = Writer(blocks.item(ADJUST));
        writer.adjustment(&view.asked);
        writer.signed(view.accounting_date.0.into());
    }
    for (batch_no, batch) in ledger.batches.iter() {
        write_batch(batch_no, batch, &mut Writer(blocks.item(BATCH)));
    }
    for stripe in &ledger.books.stripes {
        write_stripe(stripe, &mut Writer(blocks.item(STRIPE)));
    }
    for stripe in &ledger.books.stripes {
        for (owners, accrued) in [(&stripe.platforms, false), (&stripe.accrued, true)] {
            for &of in owners.balances.iter() {
                write_owner(stripe.currency, accrued, of, &mut Writer(blocks.item(OWNER)));
            }
        }
    }
}

fn write_orders(ledger: &Ledger, places: &Places, blocks: &mut Blocks<'_>) {
    let kin = Kin::of(ledger);
    for (place, (slot, order)) in (0..).zip(ledger.orders.entries()) {
        let mut writer = Writer(blocks.item(ORDER));
        write_link(places.of(ledger.before_order[slot]), place, &mut writer);
        writer.int(order.merchant.into());
        write_body(ledger, slot, order, &kin, &mut writer);
    }
}

fn write_journals(ledger: &Ledger, places: &Places, blocks: &mut Blocks<'_>) {
    let with_any = || ledger.merchants.entries().filter(|(_, merchant)| merchant.journal.groups > 0);
    for (at, merchant) in with_any() {
        let journal = &merchant.journal;
        let mut writer = Writer(blocks.item(JOURNAL));
        writer.int(at.into());
        write_link(places.of(journal.last), 0, &mut writer);
        writer.int(journal.groups).int(journal.entries).signed(journal.date.0.into());
        match journal.cold {
            None => writer.byte(0),
            Some(mark) => writer.byte(1).signed(mark.date.0.into()).int(mark.groups).int(mark.entries),
        };
    }
    for (at, merchant) in with_any() {
        let (mut groups, mut entries) =
            merchant.journal.cold.map_or((0, 0), |mark| (mark.groups, mark.entries));
        for mark in &merchant.journal.marks {
            let mut writer = Writer(blocks.item(MARK));
            writer.int(at.into());
            write_link(places.of(mark.last), 0, &mut writer);
            writer.signed(mark.date.0.into()).int(mark.groups - groups).int(mark.entries - entries);
            (groups, entries) = (mark.groups, mark.entries);
        }
    }
}

fn write_tags(ledger: &Ledger, blocks: &mut Blocks<'_>) {
    for table in 0..TABLES {
        let tags: Vec<u32> = ledger.cold.tags.table(table).collect();
        for some in tags.chunks(TAGS_TOGETHER) {
            let item = blocks.item(super::TAGS);
            Writer(item).int(table as u64).int(some.len() as u64);
            some.iter().for_each(|tag| item.extend_from_slice(&tag.to_le_bytes()));
        }
    }
}

/// From the ledger's places to those of the image.
struct Places {
    orders: Numbered,
    postings: Numbered,
}

/// The places of records that are written one after the other.
enum Numbered {
    /// They lie as they are written.
    AsTheyLie(u32),
    /// By their place in the ledger; nowhere for what is not written.
    Of(Vec<u32>),
}

impl Numbered {
    fn new<T: Record, const BITS: u32>(records: &Arena<T, BITS>) -> Self {
        let written = || records.entries().map(|(slot, _)| slot);
        if (0..).zip(written()).all(|(place, slot)| place == slot) {
            return Self::AsTheyLie(records.len());
        }
        let mut places = Vec::new();
        for (place, slot) in (0..).zip(written()) {
            places.resize(slot as usize, NOWHERE);
            places.push(place);
        }
        Self::Of(places)
    }

    fn of(&self, slot: u32) -> Option<u32> {
        match self {
            Self::AsTheyLie(count) => (slot < *count).then_some(slot),
            Self::Of(places) => places.get(slot as usize).copied().filter(|&place| place != NOWHERE),
        }
    }
}

impl Places {
    /// A link that leads to what is not written leads nowhere: nobody follows it.
    fn of(&self, Link(at): Link) -> Link {
        let posting = at & journal::POSTING;
        let place = match posting {
            0 => self.orders.of(at),
            _ => self.postings.of(at & !journal::POSTING),
        };
        place.map_or(Link::END, |place| Link(place | posting))
    }
}

/// Puts items into blocks.
struct Blocks<'a> {
    bytes: Vec<u8>,
    kind: u8,
    counts: Counts,
    emit: &'a mut dyn FnMut(Vec<u8>),
}

impl Blocks<'_> {
    /// Where an item of a kind is to be written.
    #[inline]
    fn item(&mut self, kind: u8) -> &mut Vec<u8> {
        if kind != self.kind || self.bytes.len() >= BLOCK_BYTES || self.bytes.is_empty() {
            self.turn(kind);
        }
        if let Some(count) = count_of(&mut self.counts, kind) {
            *count += 1;
        }
        &mut self.bytes
    }

    #[cold]
    fn turn(&mut self, kind: u8) {
        self.end();
        self.kind = kind;
        let mut bytes = Vec::with_capacity(BLOCK_BYTES + ITEM_BYTES);
        bytes.push(kind);
        self.bytes = bytes;
    }

    fn end(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        if !bytes.is_empty() {
            (self.emit)(bytes);
        }
    }
}
