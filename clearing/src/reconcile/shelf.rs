//! Our items as the bill's lines are looked up in them: an array of fixed size for each, and tables of their places.
//!
//! Numbers are kept as keyed 128-bit hashes (two SipHash with keys of this process), so an item takes 72 bytes and ten million of them some
//! 800 MB with their table. That two numbers share a hash is as good as impossible, and nobody outside can look for such a pair. The tables of
//! our own numbers are made when first asked for: a bill that has all the channel's numbers never needs them.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};

use hashbrown::HashTable;
use suanpan_core::Currency;

use super::ReconcileError;
use super::books::OurItem;
use super::item::{Kind, State};

/// No place.
pub(crate) const NOWHERE: u32 = u32::MAX;

/// How many items of one number are looked at, where only the number tells them apart. With more, the bill must name the merchant.
const CANDIDATES_MAX: usize = 64;

/// A number, hashed; all zero is none.
pub(crate) type Key = [u64; 2];

/// No number.
pub(crate) const NONE: Key = [0; 2];

/// Where an item stands among the dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Origin {
    /// Booked on the date.
    Own,
    /// Carried from a day before.
    Carried,
    /// Open since a day before.
    Watched,
    /// Booked before, and something happened to it on the date.
    Known,
}

/// One item; see the file's page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot {
    pub(crate) channel_key: Key,
    pub(crate) number_key: Key,
    pub(crate) merchant: u64,
    pub(crate) amount: u64,
    pub(crate) at_ms: i64,
    /// The next of the same channel's number.
    next_channel: u32,
    /// The line of the bill that is its own; 0 is none.
    pub(crate) line: u32,
    pub(crate) file: u16,
    pub(crate) kind: Kind,
    pub(crate) state: State,
    pub(crate) origin: Origin,
    pub(crate) currency: u8,
    pub(crate) noted: Noted,
}

/// What is noted of an item and its line, a bit each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Noted(u8);

impl Noted {
    /// Its line is a REVOKED one.
    pub(crate) const REVOKED: Self = Self(1);
    /// Its line says something else.
    pub(crate) const DIFFERS: Self = Self(2);

    pub(crate) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

const _: () = assert!(size_of::<Slot>() <= 72, "ten million of them must fit");

impl Slot {
    pub(crate) fn is_seen(&self) -> bool {
        self.line != 0
    }
}

/// Hashes numbers.
#[derive(Debug, Default)]
pub(crate) struct Keys([RandomState; 2]);

impl Keys {
    /// Of a number of a kind; an empty one is [`NONE`].
    pub(crate) fn of(&self, kind: u8, number: &str) -> Key {
        if number.is_empty() {
            return NONE;
        }
        [0, 1].map(|half: usize| {
            let mut hasher = self.0[half].build_hasher();
            hasher.write_u8(kind);
            hasher.write(number.as_bytes());
            // Never NONE.
            hasher.finish().max(1)
        })
    }

    /// Of a merchant's number.
    pub(crate) fn owned(number: Key, merchant: u64) -> u64 {
        // The number's half is keyed and even already; the merchant's is spread over all bits.
        number[0] ^ merchant.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(17) ^ number[1].rotate_left(32)
    }
}

/// The namespace of the channel's numbers: of orders, and of refunds.
pub(crate) fn channel_space(kind: Kind) -> u8 {
    if kind == Kind::Payment { 10 } else { 11 }
}

/// The namespace of our numbers: a merchant's refunds and voids may have the same.
pub(crate) fn number_space(kind: Kind) -> u8 {
    kind as u8
}

/// Our items; see the file's page.
#[derive(Debug)]
pub(crate) struct Shelf {
    pub(crate) keys: Keys,
    pub(crate) slots: Vec<Slot>,
    pub(crate) currencies: Vec<Currency>,
    by_channel: HashTable<u32>,
    by_owner: Option<HashTable<u32>>,
    by_number: Option<HashTable<u32>>,
    /// For each item the next of the same number of ours, once that was asked for.
    next_alone: Vec<u32>,
    /// Of a payment its void, of a void its payment; few have one.
    links: HashMap<u32, u32>,
    /// Refunds and voids with the number that their order has at the channel, where we know it.
    of_orders: Vec<(u32, Key)>,
    /// Places in `of_orders`, by that number and their own, once that was asked for.
    by_order: Option<HashTable<u32>>,
}

impl Shelf {
    pub(crate) fn with_room(items: usize) -> Self {
        Self {
            keys: Keys::default(),
            slots: Vec::with_capacity(items),
            currencies: Vec::new(),
            by_channel: HashTable::new(),
            by_owner: None,
            by_number: None,
            next_alone: Vec::new(),
            links: HashMap::new(),
            of_orders: Vec::new(),
            by_order: None,
        }
    }

    /// The place of a currency among those that there are.
    pub(crate) fn currency(&mut self, currency: Currency) -> Result<u8, ReconcileError> {
        let at = self.currencies.iter().position(|known| *known == currency).unwrap_or_else(|| {
            self.currencies.push(currency);
            self.currencies.len() - 1
        });
        u8::try_from(at).map_err(|_| ReconcileError::TooMany { what: "currencies", max: 256 })
    }

    /// Adds an item and gives its place.
    pub(crate) fn push(&mut self, item: &OurItem<'_>, origin: Origin) -> Result<u32, ReconcileError> {
        let place = u32::try_from(self.slots.len()).ok().filter(|place| *place < NOWHERE);
        let place = place.ok_or(ReconcileError::TooMany { what: "items of ours", max: NOWHERE as usize })?;
        let (channel_no, number) = match item.kind {
            Kind::Payment => (item.channel_txn, item.order_no),
            Kind::Refund | Kind::Void => (item.channel_refund_no, item.refund_no),
        };
        let currency = self.currency(item.currency)?;
        if item.kind != Kind::Payment && !item.channel_txn.is_empty() {
            self.of_orders.push((place, self.keys.of(channel_space(Kind::Payment), item.channel_txn)));
        }
        self.slots.push(Slot {
            channel_key: self.keys.of(channel_space(item.kind), channel_no),
            number_key: self.keys.of(number_space(item.kind), number),
            merchant: item.merchant,
            amount: item.amount,
            at_ms: item.at_ms,
            next_channel: NOWHERE,
            line: 0,
            file: 0,
            kind: item.kind,
            state: item.state,
            origin,
            currency,
            noted: Noted::default(),
        });
        Ok(place)
    }

    /// A payment's void, or a void's payment.
    pub(crate) fn link(&self, place: u32) -> Option<u32> {
        self.links.get(&place).copied()
    }

    /// A payment and its void.
    pub(crate) fn join(&mut self, payment: u32, void: u32) {
        self.links.extend([(payment, void), (void, payment)]);
    }

    pub(crate) fn slot(&self, place: u32) -> &Slot {
        &self.slots[place as usize]
    }

    pub(crate) fn slot_mut(&mut self, place: u32) -> &mut Slot {
        &mut self.slots[place as usize]
    }

    /// All items are here: the channel's numbers can be looked up from now on.
    pub(crate) fn index(&mut self) {
        let known = self.slots.iter().filter(|slot| slot.channel_key != NONE).count();
        self.by_channel = HashTable::with_capacity(known);
        for place in 0..u32::try_from(self.slots.len()).unwrap_or(NOWHERE) {
            let key = self.slot(place).channel_key;
            if key == NONE {
                continue;
            }
            let slots = &self.slots;
            let found = self.by_channel.find_mut(key[0], |&at| slots[at as usize].channel_key == key);
            if let Some(head) = found {
                let next = std::mem::replace(head, place);
                self.slots[place as usize].next_channel = next;
            } else {
                self.by_channel.insert_unique(key[0], place, |&at| slots[at as usize].channel_key[0]);
            }
        }
    }

    /// The items with a channel's number, in the order that they came in.
    pub(crate) fn by_channel(&self, key: Key) -> Vec<u32> {
        if key == NONE {
            return Vec::new();
        }
        let head = self.by_channel.find(key[0], |&at| self.slot(at).channel_key == key).copied();
        self.chain(head, |at| self.slot(at).next_channel)
    }

    /// The one item with a channel's number, if it is one.
    pub(crate) fn one_by_channel(&self, key: Key) -> Option<u32> {
        if key == NONE {
            return None;
        }
        let head = *self.by_channel.find(key[0], |&at| self.slot(at).channel_key == key)?;
        Some(head).filter(|&head| self.slot(head).next_channel == NOWHERE)
    }

    fn chain(&self, head: Option<u32>, next: impl Fn(u32) -> u32) -> Vec<u32> {
        let mut found = Vec::new();
        let mut at = head.unwrap_or(NOWHERE);
        while at != NOWHERE && found.len() <= CANDIDATES_MAX {
            found.push(at);
            at = next(at);
        }
        found.reverse();
        found
    }

    /// The item with a merchant's number of ours.
    pub(crate) fn by_owner(&mut self, key: Key, merchant: u64) -> Option<u32> {
        if key == NONE {
            return None;
        }
        let slots = &self.slots;
        let table = self.by_owner.get_or_insert_with(|| {
            let hash = |at: u32| {
                let slot = &slots[at as usize];
                Keys::owned(slot.number_key, slot.merchant)
            };
            let mut table = HashTable::with_capacity(slots.len());
            for place in 0..u32::try_from(slots.len()).unwrap_or(NOWHERE) {
                table.insert_unique(hash(place), place, |&at| hash(at));
            }
            table
        });
        let is_it = |&at: &u32| {
            let slot = &slots[at as usize];
            slot.number_key == key && slot.merchant == merchant
        };
        table.find(Keys::owned(key, merchant), is_it).copied()
    }

    /// The refund or void with a number of ours, of the order with a number of the channel's.
    pub(crate) fn by_order(&mut self, order: Key, key: Key) -> Option<u32> {
        if order == NONE || key == NONE {
            return None;
        }
        let (slots, of_orders) = (&self.slots, &self.of_orders);
        let hash = |order: Key, key: Key| key[0] ^ order[0].rotate_left(32);
        let hash_at = |at: u32| {
            let (place, order) = of_orders[at as usize];
            hash(order, slots[place as usize].number_key)
        };
        let is_it = |at: u32, order: Key, key: Key| {
            let (place, of) = of_orders[at as usize];
            of == order && slots[place as usize].number_key == key
        };
        let table = self.by_order.get_or_insert_with(|| {
            let mut table = HashTable::with_capacity(of_orders.len());
            for at in 0..u32::try_from(of_orders.len()).unwrap_or(NOWHERE) {
                let (place, order) = of_orders[at as usize];
                let key = slots[place as usize].number_key;
                // Of two that no number tells apart the first is found.
                if table.find(hash_at(at), |&known| is_it(known, order, key)).is_none() {
                    table.insert_unique(hash_at(at), at, |&at| hash_at(at));
                }
            }
            table
        });
        let found = table.find(hash(order, key), |&at| is_it(at, order, key))?;
        Some(of_orders[*found as usize].0)
    }

    /// The items with a number of ours, whoever's; `None` when they are too many to tell them apart.
    pub(crate) fn by_number(&mut self, key: Key) -> Option<Vec<u32>> {
        if key == NONE {
            return Some(Vec::new());
        }
        if self.by_number.is_none() {
            self.index_numbers();
        }
        let table = self.by_number.as_ref()?;
        let head = table.find(key[0], |&at| self.slot(at).number_key == key).copied();
        Some(self.chain(head, |at| self.next_alone[at as usize]))
            .filter(|found| found.len() <= CANDIDATES_MAX)
    }

    fn index_numbers(&mut self) {
        self.next_alone = vec![NOWHERE; self.slots.len()];
        let mut table = HashTable::with_capacity(self.slots.len());
        for place in 0..u32::try_from(self.slots.len()).unwrap_or(NOWHERE) {
            let key = self.slot(place).number_key;
            let slots = &self.slots;
            if let Some(head) = table.find_mut(key[0], |&at: &u32| slots[at as usize].number_key == key) {
                let next = std::mem::replace(head, place);
                self.next_alone[place as usize] = next;
            } else {
                table.insert_unique(key[0], place, |&at| slots[at as usize].number_key[0]);
            }
        }
        self.by_number = Some(table);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use suanpan_core::Date;

    fn item(merchant: u64, order_no: &'static str, channel_txn: &'static str) -> OurItem<'static> {
        OurItem {
            kind: Kind::Payment,
            state: State::Succeeded,
            voided: false,
            merchant,
            order_no,
            refund_no: "",
            channel_txn,
            channel_refund_no: "",
            amount: 100,
            currency: Currency(*b"CNY"),
            at_ms: 0,
            accounting_date: Date(0),
        }
    }

    #[test]
    fn items_are_found_by_each_of_their_numbers() {
        let mut shelf = Shelf::with_room(4);
        for (merchant, order_no, txn) in [(1, "A1", "T1"), (2, "A1", "T2"), (2, "A2", "T1"), (3, "A3", "")] {
            shelf.push(&item(merchant, order_no, txn), Origin::Own).unwrap();
        }
        shelf.index();
        let txn = |shelf: &Shelf, txn| shelf.by_channel(shelf.keys.of(channel_space(Kind::Payment), txn));
        assert_eq!(txn(&shelf, "T1"), [0, 2]);
        assert_eq!(txn(&shelf, "T2"), [1]);
        assert_eq!(txn(&shelf, "T3"), [0; 0]);
        assert_eq!(txn(&shelf, ""), [0; 0], "no number is nobody's");
        let number = |shelf: &Shelf, no| shelf.keys.of(number_space(Kind::Payment), no);
        let (a1, a3, t1) = (number(&shelf, "A1"), number(&shelf, "A3"), number(&shelf, "T1"));
        assert_eq!(shelf.by_number(a1), Some(vec![0, 1]));
        assert_eq!(shelf.by_number(t1), Some(vec![]), "another namespace");
        assert_eq!(shelf.by_owner(a1, 2), Some(1));
        assert_eq!(shelf.by_owner(a1, 3), None);
        assert_eq!(shelf.by_owner(a3, 3), Some(3));
    }

    #[test]
    fn a_number_of_too_many_merchants_is_nobodys() {
        let mut shelf = Shelf::with_room(100);
        for merchant in 1..=65 {
            shelf.push(&item(merchant, "1", ""), Origin::Own).unwrap();
        }
        shelf.push(&item(66, "2", ""), Origin::Own).unwrap();
        shelf.index();
        let (one, two) = (shelf.keys.of(0, "1"), shelf.keys.of(0, "2"));
        assert_eq!(shelf.by_number(one), None);
        assert_eq!(shelf.by_number(two), Some(vec![65]));
        assert_eq!(shelf.by_owner(one, 65), Some(64));
    }
}
