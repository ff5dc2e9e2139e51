//! The files of a settlement batch: what the bank is to pay, and for each merchant what the sum is made of.
//!
//! A merchant's sum is made of what its pending held after the settlement before (or when the store begins), and of what came in and went
//! out since, by accounting date; what is not due yet stays in pending. All of it is read back through the days, and proved: the bank's file, the
//! settlements and the entries of subject 85 are the same, merchant by merchant; opening + in − out − settled = closing; and every day
//! on the way begins where the one before ended.
//!
//! A batch is known by its settlements. Whether more of it is to come on a day that is not exported yet, the store does not know: a batch's files are
//! made when it has ended and its last day is cut.

mod batch;
mod csv;
mod flow;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use suanpan_core::{Account, Currency, Date, MerchantAccount, MerchantId, Number, Subject};

use self::batch::{Paid, Payees, Point};
pub use self::flow::{FLOWS, Flow, Flows};
use crate::balance::{Balances, read_balances};
use crate::folder::{NewFolder, WriteError};
use crate::group::{Group, Names, read_groups};
use crate::manifest::{DayError, Manifest};
use crate::merchant::read_merchants;
use crate::store::{Store, StoreError};

/// Why a batch has no files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettleError {
    /// A day could not be read.
    #[error(transparent)]
    Day(#[from] DayError),
    /// The files could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// No day has the batch.
    #[error("batch {batch_no} is in no day of the cold store {url}, which has {}{batches}", days(.first, .last))]
    UnknownBatch {
        /// The batch.
        batch_no: Number,
        /// The store.
        url: String,
        /// The first day that it has.
        first: Option<Date>,
        /// The last.
        last: Option<Date>,
        /// Some batches that there are.
        batches: String,
    },
    /// A day between two that are needed is not in the store.
    #[error(
        "{missing} is not in the cold store, and what batch {batch_no} is made of goes back to {since}. Export it with `suanpan export`"
    )]
    MissingDay {
        /// The batch.
        batch_no: Number,
        /// The day.
        missing: Date,
        /// Where it begins.
        since: Date,
    },
    /// Figures that must be the same are not: a bug of ours, or someone wrote into the store.
    #[error(
        "batch {batch_no}, merchant {}: {what} is {found}, and should be {expected} (minor units). Nothing was written", .merchant.0
    )]
    Disagrees {
        /// The batch.
        batch_no: Number,
        /// The merchant.
        merchant: MerchantId,
        /// Which figure.
        what: String,
        /// What it is.
        found: i128,
        /// What it should be.
        expected: i128,
    },
}

impl From<StoreError> for SettleError {
    fn from(error: StoreError) -> Self {
        Self::Day(error.into())
    }
}

fn days(first: &Option<Date>, last: &Option<Date>) -> String {
    match (first, last) {
        (Some(first), Some(last)) => format!("{first} to {last}"),
        _ => "no day yet: export one with `suanpan export`".to_owned(),
    }
}

/// The last of the batches that there are, in words.
fn some_of(batches: &BTreeSet<String>) -> String {
    const SOME: usize = 5;
    let last: Vec<&str> = batches.iter().rev().take(SOME).map(String::as_str).collect();
    match last.as_slice() {
        [] => " and no batch in them".to_owned(),
        last => format!(" and {} batches in them, among which {}", batches.len(), last.join(", ")),
    }
}

/// Where a part of the log begins and ends: position, and which command of that record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogPart {
    /// The first entry.
    pub from: (i64, i32),
    /// The last.
    pub to: (i64, i32),
}

/// What an accounting date added to a settled sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayPart {
    /// The date.
    pub date: Date,
    /// Its entries are between these; all that touch the merchant's pending.
    pub log: Option<LogPart>,
    /// By what for; without the batch's own settlement.
    pub flows: Flows,
    /// What the batch settled on the date.
    pub settled: i128,
    /// What pending held behind it.
    pub pending: i128,
}

/// A merchant of a batch, and what its sum is made of. Minor units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// Who.
    pub merchant: MerchantId,
    /// Its name when it was settled.
    pub name: String,
    /// Of the amounts.
    pub currency: Currency,
    /// What is settled.
    pub amount: i128,
    /// When it was settled before, if it was.
    pub before: Option<Date>,
    /// What pending held then; or when the store begins.
    pub opening: i128,
    /// By accounting date.
    pub days: Vec<DayPart>,
    /// What stays in pending.
    pub closing: i128,
}

/// A batch, by merchant; see the file's page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettledBatch {
    /// Its number.
    pub batch_no: Number,
    /// The accounting dates that it settled on.
    pub dates: Vec<Date>,
    /// Its merchants, by id.
    pub merchants: Vec<Settled>,
}

/// What is being added up for a merchant.
struct Window {
    paid: Paid,
    opening: Option<i128>,
    days: Vec<DayPart>,
    closing: i128,
}

/// A merchant's movements on one day, before its window, in it and behind it.
#[derive(Default)]
struct Parts {
    before: i128,
    flows: Flows,
    settled: i128,
    log: Option<LogPart>,
    behind: i128,
}

impl Window {
    fn covers(&self, date: Date) -> bool {
        self.paid.before.is_none_or(|before| before.0 <= date) && date <= self.paid.last.0
    }

    /// Adds a day's movements, which lead from its opening to its closing.
    fn add(
        &mut self,
        date: Date,
        parts: &Parts,
        opening: i128,
        closing: i128,
    ) -> Result<(), (String, i128, i128)> {
        let start = match self.days.last() {
            Some(day) if day.pending != opening => {
                return Err((format!("pending's opening on {date}"), opening, day.pending));
            }
            _ => opening + parts.before,
        };
        self.opening.get_or_insert(start);
        self.closing = closing - parts.behind;
        let pending = start + parts.flows.net() - parts.settled;
        if pending != self.closing {
            return Err((format!("pending after the entries of {date}"), pending, self.closing));
        }
        let &Parts { flows, settled, log, .. } = parts;
        self.days.push(DayPart { date, log, flows, settled, pending });
        Ok(())
    }
}

struct Reading<'a> {
    store: &'a Store,
    batch_no: Number,
    windows: BTreeMap<(MerchantId, Currency), Window>,
    /// The batch's entries of subject 85.
    entries: BTreeMap<(MerchantId, Currency), i128>,
}

/// What a batch settled, and what that is made of.
///
/// # Errors
/// When there is no such batch, a day is missing, or anything does not add up.
pub fn settled(store: &Store, batch_no: Number) -> Result<SettledBatch, SettleError> {
    let dates = Manifest::dates(store)?;
    let payees = batch::find(store, &dates, &batch_no)?;
    let begin = |paid: &Paid| paid.before.map(|before| before.0).or(dates.first().copied());
    let since = payees.values().filter_map(begin).min().unwrap_or_default();
    let until = payees.values().map(|paid| paid.last.0).max().unwrap_or_default();
    let on: BTreeSet<Date> = payees.values().flat_map(|paid| [paid.first.0, paid.last.0]).collect();
    let window = |(whose, paid): (&_, &Paid)| {
        let window = Window { paid: *paid, opening: None, days: Vec::new(), closing: 0 };
        (*whose, window)
    };
    let windows = payees.iter().map(window).collect();
    let mut reading = Reading { store, batch_no, windows, entries: BTreeMap::new() };
    let mut names = BTreeMap::new();
    let mut next = since;
    for &date in dates.iter().filter(|date| (since..=until).contains(date)) {
        if date != next {
            return Err(SettleError::MissingDay { batch_no, missing: next, since });
        }
        let day = Manifest::load(store, date)?;
        next = day.next_date;
        reading.read(&day, on.contains(&date))?;
        if on.contains(&date) {
            names.extend(read_merchants(store, &day)?.into_iter().map(|(id, facts)| (id, facts.name)));
        }
    }
    reading.prove(&payees)?;
    Ok(reading.into_batch(on.into_iter().collect(), &names))
}

impl Reading<'_> {
    /// Reads a day. Its entries are only read when something moved that matters.
    fn read(&mut self, day: &Manifest, is_settling: bool) -> Result<(), SettleError> {
        let windows = &self.windows;
        let is_asked = |currency: Currency, account: Account| match account {
            Account::Merchant(id, MerchantAccount::Pending) => {
                windows.get(&(id, currency)).is_some_and(|window| window.covers(day.date))
            }
            _ => false,
        };
        let is_pending = |account| matches!(account, Account::Merchant(_, MerchantAccount::Pending));
        let mut balances: Balances = read_balances(self.store, day, &is_pending)?;
        balances.retain(|(currency, account), _| is_asked(*currency, *account));
        let has_moved = balances.values().any(|balance| (balance.coming, balance.going) != (0, 0));
        let mut parts = BTreeMap::new();
        if has_moved || is_settling {
            let (windows, batch_no, entries) = (&self.windows, self.batch_no, &mut self.entries);
            read_groups(self.store, day, &mut |group| {
                sort(group, windows, &batch_no, &mut parts, entries);
                Ok::<_, DayError>(())
            })?;
        }
        for (&(merchant, currency), window) in &mut self.windows {
            if !window.covers(day.date) {
                continue;
            }
            let account = Account::Merchant(merchant, MerchantAccount::Pending);
            let balance = balances.get(&(currency, account)).copied().unwrap_or_default();
            let parts = parts.remove(&(merchant, currency)).unwrap_or_default();
            let added = window.add(day.date, &parts, balance.opening, balance.closing);
            added.map_err(|(what, found, expected)| SettleError::Disagrees {
                batch_no: self.batch_no,
                merchant,
                what: format!("{what} ({})", Names::of(day).name(account)),
                found,
                expected,
            })?;
        }
        Ok(())
    }

    /// The settlements, the entries and the settled sums are the same, and lead from opening to closing.
    fn prove(&self, payees: &Payees) -> Result<(), SettleError> {
        let whose: BTreeSet<_> = payees.keys().chain(self.entries.keys()).collect();
        for key in whose {
            let expected = payees.get(key).map_or(0, |paid| paid.amount);
            let window = self.windows.get(key);
            let in_window = window.map_or(0, |window| window.days.iter().map(|day| day.settled).sum());
            let entries = self.entries.get(key).copied().unwrap_or_default();
            let flows = window.map_or(0, |window| {
                let net: i128 = window.days.iter().map(|day| day.flows.net()).sum();
                window.opening.unwrap_or_default() + net - window.closing
            });
            for (what, found) in [
                ("the sum of its entries of subject 85", entries),
                ("what left its pending", in_window),
                ("opening and what came since, less closing,", flows),
            ] {
                if found != expected {
                    let (batch_no, merchant, what) = (self.batch_no, key.0, what.to_owned());
                    return Err(SettleError::Disagrees { batch_no, merchant, what, found, expected });
                }
            }
        }
        Ok(())
    }

    fn into_batch(self, dates: Vec<Date>, names: &BTreeMap<MerchantId, String>) -> SettledBatch {
        let settled = |((merchant, currency), window): ((MerchantId, Currency), Window)| Settled {
            merchant,
            name: names.get(&merchant).cloned().unwrap_or_default(),
            currency,
            amount: window.paid.amount,
            before: window.paid.before.map(|before| before.0),
            opening: window.opening.unwrap_or_default(),
            // Of days on which nothing happened there is nothing to say.
            days: window.days.into_iter().filter(|day| day.log.is_some()).collect(),
            closing: window.closing,
        };
        let merchants = self.windows.into_iter().map(settled).collect();
        SettledBatch { batch_no: self.batch_no, dates, merchants }
    }
}

/// Sorts a group's entries into the windows that they touch.
fn sort(
    group: &Group,
    windows: &BTreeMap<(MerchantId, Currency), Window>,
    batch_no: &Number,
    parts: &mut BTreeMap<(MerchantId, Currency), Parts>,
    entries: &mut BTreeMap<(MerchantId, Currency), i128>,
) {
    let is_batch = group.voucher.reference.as_ref() == Some(batch_no);
    let here: Point = (group.voucher.accounting_date, group.place.position, group.place.index);
    for entry in &group.entries {
        let amount = i128::from(entry.amount);
        for account in [entry.from, entry.to] {
            let Account::Merchant(merchant, MerchantAccount::Pending) = account else { continue };
            let is_settled = is_batch && entry.subject == Subject::SETTLEMENT && entry.from == account;
            if is_settled {
                *entries.entry((merchant, entry.currency)).or_default() += amount;
            }
            let Some(flow) = Flow::of(entry, merchant) else { continue };
            let Some(window) = windows.get(&(merchant, entry.currency)) else { continue };
            let part = parts.entry((merchant, entry.currency)).or_default();
            let signed = if flow.is_in() { amount } else { -amount };
            if window.paid.before.is_some_and(|before| here <= before) {
                part.before += signed;
                continue;
            }
            if here > window.paid.last {
                part.behind += signed;
                continue;
            }
            if is_settled {
                part.settled += amount;
            } else {
                part.flows.add(flow, amount);
            }
            let at = (here.1, here.2);
            let log = part.log.get_or_insert(LogPart { from: at, to: at });
            (log.from, log.to) = (log.from.min(at), log.to.max(at));
        }
    }
}

impl SettledBatch {
    /// Writes `bank.csv` and a `merchant-ID.csv` for each merchant into a new folder; says whether it is new.
    ///
    /// # Errors
    /// When there is such a folder with something else in it, or the system refuses. Nothing was written then.
    pub fn write(&self, folder: &Path) -> Result<bool, WriteError> {
        let mut folder = NewFolder::begin(folder)?;
        folder.add("bank.csv", |to| csv::write_bank(self, to))?;
        let mut ids: Vec<MerchantId> = self.merchants.iter().map(|settled| settled.merchant).collect();
        ids.dedup();
        for id in ids {
            folder.add(&format!("merchant-{}.csv", id.0), |to| csv::write_merchant(self, id, to))?;
        }
        folder.finish()
    }

    /// How many were settled in each currency, and the sum in minor units.
    #[must_use]
    pub fn totals(&self) -> BTreeMap<Currency, (u64, i128)> {
        let mut totals: BTreeMap<Currency, (u64, i128)> = BTreeMap::new();
        for settled in &self.merchants {
            let total = totals.entry(settled.currency).or_default();
            (total.0, total.1) = (total.0 + 1, total.1 + settled.amount);
        }
        totals
    }
}
