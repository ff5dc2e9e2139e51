//! Three-way: our orders and refunds against our own entries. A difference is a bug of ours, or somebody wrote into the tables.
//!
//! What the entries of an order come to is kept as one number: the sum of each amount times a secret factor of its subject, modulo
//! 2^128. What an order should come to gives the same number, and other sums give another. So ten million orders with forty million
//! entries take 40 bytes an order, in whatever order they come; the few that differ are read again, subject by subject.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

use std::collections::{HashMap, HashSet};

use hashbrown::HashTable;
use serde::{Deserialize, Serialize};
use suanpan_core::Date;

use super::ReconcileError;
use super::books::{Books, OurEntry, Priced};
use super::shelf::{Key, Keys};

/// Subjects that an order's or a refund's row says something of. What discount funders get back (76) and what is moved to cover a refund
/// (77) it does not say.
const SUBJECTS: [std::ops::RangeInclusive<u8>; 2] = [60..=67, 70..=75];

/// Added to the subject of an entry of suspense: money that came late is not the order's yet.
const SUSPENSE: u8 = 100;

/// As many are named; all are counted.
const NAMED_MAX: usize = 1_000;

/// What an order's entries come to, against what they should.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BooksDiffer {
    /// Whose.
    pub merchant_id: String,
    /// The order.
    pub order_no: String,
    /// The refund, or empty.
    pub refund_no: String,
    /// By subject, what it should be; without an order or refund there should be nothing.
    pub expected: BTreeMap<u8, i64>,
    /// By subject, what was booked.
    pub booked: BTreeMap<u8, i64>,
}

/// How the orders and refunds of a date stand against its entries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThreeWay {
    /// Orders and refunds that were looked at.
    pub compared: u64,
    /// Entries that were added up.
    pub entries: u64,
    /// Those whose entries do not add up, or have none to belong to.
    pub differ: u64,
    /// The first of them.
    pub named: Vec<BooksDiffer>,
}

/// What one order or refund should come to, or did, by subject.
type Sums = BTreeMap<u8, i128>;

/// One order or refund in memory.
struct Account {
    key: Key,
    merchant: u64,
    sum: u128,
}

const _: () = assert!(size_of::<Account>() <= 48);

struct Comparison {
    keys: Keys,
    factors: [u128; 256],
    accounts: Vec<Account>,
    places: HashTable<u32>,
}

/// The number spaces of orders and refunds.
const ORDERS: u8 = 0;
const REFUNDS: u8 = 1;

fn space_and_number<'a>(order_no: &'a str, refund_no: &'a str) -> (u8, &'a str) {
    if refund_no.is_empty() { (ORDERS, order_no) } else { (REFUNDS, refund_no) }
}

/// The subject that an entry counts under, if it counts.
fn subject_of(entry: &OurEntry<'_>) -> Option<u8> {
    let counts = SUBJECTS.iter().any(|range| range.contains(&entry.subject)) && !entry.order_no.is_empty();
    let suspense = entry.from == "suspense" || entry.to == "suspense";
    counts.then(|| entry.subject + if suspense { SUSPENSE } else { 0 })
}

fn signed(entry: &OurEntry<'_>) -> i128 {
    let amount = i128::from(entry.amount);
    if entry.reversal { -amount } else { amount }
}

impl Comparison {
    fn new(room: usize) -> Self {
        let secrets = [RandomState::new(), RandomState::new()];
        let factor = |subject: usize| {
            let [high, low] = [0, 1].map(|half: usize| u128::from(secrets[half].hash_one(subject)));
            // Odd, so that no amount is lost in it.
            (high << 64 | low) | 1
        };
        Self {
            keys: Keys::default(),
            factors: std::array::from_fn(factor),
            accounts: Vec::with_capacity(room),
            places: HashTable::with_capacity(room),
        }
    }

    fn key(&self, order_no: &str, refund_no: &str) -> Key {
        let (space, number) = space_and_number(order_no, refund_no);
        self.keys.of(space, number)
    }

    fn add(&mut self, entry: &OurEntry<'_>) -> Result<bool, ReconcileError> {
        let Some(subject) = subject_of(entry) else { return Ok(false) };
        let (key, merchant) = (self.key(entry.order_no, entry.refund_no), entry.merchant);
        let product = self.factors[usize::from(subject)].wrapping_mul(signed(entry).cast_unsigned());
        let (accounts, hash) = (&mut self.accounts, Keys::owned(key, merchant));
        let is_it = |at: &u32| {
            let account = &accounts[*at as usize];
            account.key == key && account.merchant == merchant
        };
        if let Some(&at) = self.places.find(hash, is_it) {
            let account = &mut accounts[at as usize];
            account.sum = account.sum.wrapping_add(product);
        } else {
            let max = u32::MAX as usize;
            let at = u32::try_from(accounts.len());
            let at = at.map_err(|_| ReconcileError::TooMany { what: "orders with entries", max })?;
            accounts.push(Account { key, merchant, sum: product });
            self.places.insert_unique(hash, at, |&at| {
                let account = &accounts[at as usize];
                Keys::owned(account.key, account.merchant)
            });
        }
        Ok(true)
    }

    fn sum(&self, sums: &Sums) -> u128 {
        let product = |(&subject, &sum): (&u8, &i128)| {
            self.factors[usize::from(subject)].wrapping_mul(sum.cast_unsigned())
        };
        sums.iter().map(product).fold(0, u128::wrapping_add)
    }

    /// Takes out what was booked for a key.
    fn take(&mut self, key: Key, merchant: u64) -> u128 {
        let accounts = &self.accounts;
        let is_it = |at: &u32| {
            let account = &accounts[*at as usize];
            account.key == key && account.merchant == merchant
        };
        let found = self.places.find(Keys::owned(key, merchant), is_it).copied();
        found.map_or(0, |at| std::mem::take(&mut self.accounts[at as usize].sum))
    }
}

/// What a payment books, 60 to 67.
fn payment(order: &Priced<'_>, advance_fee: u64) -> Sums {
    let platform = order.platform == Some(true);
    let only = |amount: u64| if platform { amount } else { 0 };
    let fees = i128::from(order.fee) + i128::from(order.platform_fee);
    let sums = [
        (60, order.cash.into()),
        (61, only(order.cash).into()),
        (62, order.cash.into()),
        (63, fees),
        (64, only(order.fee).into()),
        (65, order.cost.into()),
        (66, order.discounts.into()),
        (67, advance_fee.into()),
    ];
    sums.into_iter().filter(|(_, sum)| *sum != 0).collect()
}

/// What a refund books, 70 to 75.
fn refund(refund: &Priced<'_>, platform: bool) -> Sums {
    let only = |amount: u64| if platform { amount } else { 0 };
    let fees = i128::from(refund.fee) + i128::from(refund.platform_fee);
    let sums = [
        (70, refund.cash.into()),
        (71, only(refund.cash).into()),
        (72, only(refund.fee).into()),
        (73, fees),
        (74, refund.cash.into()),
        (75, refund.cost.into()),
    ];
    sums.into_iter().filter(|(_, sum)| *sum != 0).collect()
}

fn one(subject: u8, amount: i128) -> Sums {
    BTreeMap::from([(subject, amount)])
}

/// All that the entries of an order or refund may come to on a date, the likeliest first. Nothing is [`None`]: it cannot be said.
fn allowed(row: &Priced<'_>, date: Date) -> Option<Vec<Sums>> {
    let (own, nothing, cash) = (row.accounting_date == date, Sums::new(), i128::from(row.cash));
    if row.refund_no.is_empty() {
        if row.reversed {
            return Some(vec![nothing]);
        }
        if !own {
            // A void that failed on a later date books the payment again.
            return Some(vec![nothing, payment(row, 0)]);
        }
        let paid = payment(row, row.advance_fee);
        let mut reinstated = paid.clone();
        reinstated.insert(60 + SUSPENSE, -cash);
        let late = one(60 + SUSPENSE, cash);
        return Some(match row.late {
            Some(true) => vec![late],
            Some(false) => vec![paid, reinstated],
            None => vec![paid, reinstated, late],
        });
    }
    let mut booked = vec![refund(row, false), refund(row, true)];
    booked.push(one(74 + SUSPENSE, cash));
    match (own, row.reversed) {
        // The attempt before may have been taken back on this date too, and need not have been of the same parts.
        (true, _) if row.attempts > 1 => None,
        (true, true) => Some(vec![nothing]),
        (true, false) => Some(booked),
        (false, false) => Some(vec![nothing]),
        (false, true) => {
            let back = |sums: Sums| sums.into_iter().map(|(subject, sum)| (subject, -sum)).collect();
            Some(std::iter::once(nothing).chain(booked.into_iter().map(back)).collect())
        }
    }
}

/// Compares the orders and refunds of a date with its entries.
///
/// # Errors
/// When the books cannot be read.
pub fn three_way(
    books: &dyn Books,
    date: Date,
    progress: &mut dyn FnMut(u64),
) -> Result<ThreeWay, ReconcileError> {
    let mut found = ThreeWay::default();
    let room = usize::try_from(books.about()).unwrap_or(0);
    let mut comparison = Comparison::new(room);
    let mut failed = None;
    books.entries(&mut |entry| match comparison.add(entry) {
        Ok(counted) => {
            found.entries += u64::from(counted);
            if found.entries % 65_536 == 0 {
                progress(found.entries);
            }
        }
        Err(error) => failed = Some(error),
    })?;
    failed.map_or(Ok(()), Err)?;
    let mut wrong: HashMap<(Key, u64), BooksDiffer> = HashMap::new();
    books.priced(&mut |row| {
        found.compared += 1;
        let key = comparison.key(row.order_no, row.refund_no);
        let booked = comparison.take(key, row.merchant);
        let Some(allowed) = allowed(row, date) else { return };
        if allowed.iter().all(|sums| comparison.sum(sums) != booked) {
            found.differ += 1;
            if wrong.len() < NAMED_MAX {
                let expected = in_64_bits(allowed.into_iter().next().unwrap_or_default());
                let booked = BTreeMap::new();
                wrong.insert(
                    (key, row.merchant),
                    named(row.merchant, row.order_no, row.refund_no, expected, booked),
                );
            }
        }
    })?;
    let without: HashSet<(Key, u64)> = comparison
        .accounts
        .iter()
        .filter(|account| account.sum != 0)
        .map(|account| (account.key, account.merchant))
        .collect();
    found.differ += without.len() as u64;
    if found.differ > 0 {
        name(books, &comparison, wrong, &without, &mut found)?;
    }
    Ok(found)
}

fn named(
    merchant: u64,
    order_no: &str,
    refund_no: &str,
    expected: BTreeMap<u8, i64>,
    booked: BTreeMap<u8, i64>,
) -> BooksDiffer {
    BooksDiffer {
        merchant_id: merchant.to_string(),
        order_no: order_no.to_owned(),
        refund_no: refund_no.to_owned(),
        expected,
        booked,
    }
}

/// Sums as they are told: one that fits no 64 bits is told as the largest.
fn in_64_bits(sums: Sums) -> BTreeMap<u8, i64> {
    sums.into_iter().map(|(subject, sum)| (subject, i64::try_from(sum).unwrap_or(i64::MAX))).collect()
}

/// Reads the entries of those that differ once more.
fn name(
    books: &dyn Books,
    comparison: &Comparison,
    mut wrong: HashMap<(Key, u64), BooksDiffer>,
    without: &HashSet<(Key, u64)>,
    found: &mut ThreeWay,
) -> Result<(), ReconcileError> {
    books.entries(&mut |entry| {
        let Some(subject) = subject_of(entry) else { return };
        let key = (comparison.key(entry.order_no, entry.refund_no), entry.merchant);
        if !wrong.contains_key(&key) && without.contains(&key) && wrong.len() < NAMED_MAX {
            let (expected, booked) = Default::default();
            wrong.insert(key, named(entry.merchant, entry.order_no, entry.refund_no, expected, booked));
        }
        if let Some(differ) = wrong.get_mut(&key) {
            let booked = differ.booked.entry(subject).or_insert(0);
            *booked = booked.saturating_add(i64::try_from(signed(entry)).unwrap_or(i64::MAX));
        }
    })?;
    found.named = wrong.into_values().collect();
    found.named.sort_unstable_by(|a, b| {
        (&a.merchant_id, &a.order_no, &a.refund_no).cmp(&(&b.merchant_id, &b.order_no, &b.refund_no))
    });
    Ok(())
}
