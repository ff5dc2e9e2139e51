//! A month's commissions and fees: what gross merchants are billed, what promoters and platforms earned, the operator's result by channel.
//!
//! It is made of the month's entries, day by day, and proved against the balances: on every account that is in it, what the entries moved is
//! what its balance says, and over a month without gaps opening + in − out = closing.

mod tally;
mod write;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use suanpan_core::{Account, ChannelId, Currency, Date, MerchantId, Number, Subject};

pub use self::tally::{ITEMS, Item, Tally};
pub use self::write::{write_csv, write_json};
use crate::balance::{Balances, Moved, read_balances};
use crate::group::{Group, Names, read_groups};
use crate::manifest::{DayError, Manifest};
use crate::merchant::read_merchants;
use crate::store::{Store, StoreError};
use crate::table::{Table, orders};

/// Why there is nothing of a month.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FeesError {
    /// A day could not be read.
    #[error(transparent)]
    Day(#[from] DayError),
    /// No day of the month is in the store.
    #[error("no day of {month} is in the cold store {url}{}", has(.first, .last))]
    UnknownMonth {
        /// The month.
        month: Month,
        /// The store.
        url: String,
        /// The first day that it has.
        first: Option<Date>,
        /// The last.
        last: Option<Date>,
    },
    /// Some days of the month are not in the store.
    #[error(
        "{month} is not whole in the cold store: {} missing. Export what is missing, or ask for what there is with --partial",
        list(.missing)
    )]
    Missing {
        /// The month.
        month: Month,
        /// Its days that are not there.
        missing: Vec<Date>,
    },
    /// The month's days do not lead from its opening to its closing: a bug of ours, or someone wrote into the store.
    #[error(
        "{month} does not add up: {account} should end with {expected}, and ends with {closing} (minor units). Check its days with `suanpan export verify`"
    )]
    Unbalanced {
        /// The month.
        month: Month,
        /// The account.
        account: String,
        /// Opening and entries.
        expected: i128,
        /// Closing.
        closing: i128,
    },
}

impl From<StoreError> for FeesError {
    fn from(error: StoreError) -> Self {
        Self::Day(error.into())
    }
}

fn has(first: &Option<Date>, last: &Option<Date>) -> String {
    match (first, last) {
        (Some(first), Some(last)) => format!(": it has {first} to {last}"),
        _ => ": it has no day yet. Export one with `suanpan export`".to_owned(),
    }
}

fn list(dates: &[Date]) -> String {
    let names: Vec<String> = dates.iter().map(ToString::to_string).collect();
    format!("{} {}", names.join(", "), if dates.len() == 1 { "is" } else { "are" })
}

/// A month of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month {
    first: Date,
}

impl Month {
    /// The dates of it, rising.
    pub fn dates(self) -> impl Iterator<Item = Date> {
        let (year, month, _) = self.first.ymd();
        (1..=31).filter_map(move |day| Date::from_ymd(year, month, day))
    }

    /// Whether a date is in it.
    #[must_use]
    pub fn has(self, date: Date) -> bool {
        let ((year, month, _), (other_year, other_month, _)) = (self.first.ymd(), date.ymd());
        (year, month) == (other_year, other_month)
    }
}

impl FromStr for Month {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let first = crate::manifest::date_of(&format!("{text}-01"));
        first.map(|first| Self { first }).ok_or("a month is written YYYY-MM, like 2018-08")
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, _) = self.first.ymd();
        write!(f, "{year:04}-{month:02}")
    }
}

/// Whose a row is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whose {
    /// A merchant whose fees are billed: fees were charged to it, and opening and closing are its bill's, below zero by what it owes.
    GrossMerchant(MerchantId),
    /// A promoter, by its accruals.
    Promoter(MerchantId),
    /// A platform.
    Platform(MerchantId),
    /// The operator's part of what came by a channel; it has no balance of its own.
    Channel(String),
    /// The operator, over all channels.
    Operator,
}

impl Whose {
    /// What kind of row it is.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::GrossMerchant(_) => "gross_merchant",
            Self::Promoter(_) => "promoter",
            Self::Platform(_) => "platform",
            Self::Channel(_) => "channel",
            Self::Operator => "operator",
        }
    }

    /// The merchant's id or the channel's name.
    #[must_use]
    pub fn id(&self) -> String {
        match self {
            Self::GrossMerchant(id) | Self::Promoter(id) | Self::Platform(id) => id.0.to_string(),
            Self::Channel(name) => name.clone(),
            Self::Operator => String::new(),
        }
    }

    fn account(&self) -> Option<Account> {
        match self {
            Self::GrossMerchant(id) => Some(Account::FeeReceivable(*id)),
            Self::Promoter(id) => Some(Account::Accrued(*id)),
            Self::Platform(id) => Some(Account::Platform(*id)),
            Self::Channel(_) => None,
            Self::Operator => Some(Account::Operator),
        }
    }

    fn of(account: Account) -> Option<Self> {
        match account {
            Account::FeeReceivable(id) => Some(Self::GrossMerchant(id)),
            Account::Accrued(id) => Some(Self::Promoter(id)),
            Account::Platform(id) => Some(Self::Platform(id)),
            Account::Operator => Some(Self::Operator),
            _ => None,
        }
    }
}

/// A row of the month, minor units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Whose.
    pub whose: Whose,
    /// The merchant's name.
    pub name: String,
    /// Of the amounts.
    pub currency: Currency,
    /// What moved, by what for.
    pub tally: Tally,
    /// What the account held when the first day began, and when the last was cut; a channel's row has none.
    pub balance: Option<(i128, i128)>,
}

/// A month; see the file's page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonthFees {
    /// Which.
    pub month: Month,
    /// The days that are in it.
    pub days: Vec<Date>,
    /// The days that are missing, if that was allowed.
    pub missing: Vec<Date>,
    /// Gross merchants, promoters, platforms, channels, the operator.
    pub rows: Vec<Row>,
}

/// What of a month is added up.
#[derive(Default)]
struct Sums {
    tallies: BTreeMap<(Whose, Currency), Tally>,
    opening: Balances,
    closing: Balances,
    moved: Moved,
    names: BTreeMap<MerchantId, String>,
}

/// Amounts of the operator whose channel is not in their own group: of a refund that gave back no cash.
type Unnamed = Vec<((MerchantId, Number), Currency, Item, i128)>;

fn is_counted(account: Account) -> bool {
    Whose::of(account).is_some()
}

/// A month's fees. Days that are missing are an error unless `is_partial`.
///
/// # Errors
/// When the month or a day of it is not there, or something does not add up.
pub fn month_fees(store: &Store, month: Month, is_partial: bool) -> Result<MonthFees, FeesError> {
    let dates = Manifest::dates(store)?;
    let days: Vec<Date> = dates.iter().copied().filter(|date| month.has(*date)).collect();
    if days.is_empty() {
        let (first, last) = (dates.first().copied(), dates.last().copied());
        return Err(FeesError::UnknownMonth { month, url: store.url().to_owned(), first, last });
    }
    let missing = missing(store, month, &dates)?;
    if !missing.is_empty() && !is_partial {
        return Err(FeesError::Missing { month, missing });
    }
    let mut sums = Sums::default();
    let mut next = None;
    let mut is_whole = true;
    for &date in &days {
        let day = Manifest::load(store, date)?;
        is_whole &= next.is_none_or(|next| next == date);
        next = Some(day.next_date);
        sums.read(store, &day)?;
    }
    if is_whole {
        sums.prove(month)?;
    }
    Ok(MonthFees { month, days, missing, rows: sums.into_rows() })
}

/// The dates of a month that are not in the store, without those that the books never had: before they began, or passed over by a cut.
fn missing(store: &Store, month: Month, dates: &[Date]) -> Result<Vec<Date>, FeesError> {
    let mut missing = Vec::new();
    for date in month.dates().filter(|date| !dates.contains(date)) {
        let never = match dates.iter().rev().find(|before| **before < date) {
            Some(before) => Manifest::load(store, *before)?.next_date > date,
            None => match dates.first() {
                Some(first) => Manifest::load(store, *first)?.opened_at.is_none(),
                None => false,
            },
        };
        if !never {
            missing.push(date);
        }
    }
    Ok(missing)
}

impl Sums {
    fn read(&mut self, store: &Store, day: &Manifest) -> Result<(), FeesError> {
        let names = Names::of(day);
        let (mut moved, mut unnamed) = (Moved::default(), Unnamed::new());
        read_groups(store, day, &mut |group| {
            group.entries.iter().for_each(|entry| moved.book(entry, &is_counted));
            self.count(group, &names, &mut unnamed);
            Ok::<_, DayError>(())
        })?;
        self.count_unnamed(store, day, unnamed)?;
        let balances = read_balances(store, day, &is_counted)?;
        moved.prove(day, &balances)?;
        if self.closing.is_empty() && self.opening.is_empty() {
            self.opening = balances.clone();
        }
        self.closing = balances;
        self.moved.add(&moved);
        let merchants = read_merchants(store, day)?;
        self.names.extend(merchants.into_iter().map(|(id, facts)| (id, facts.name)));
        Ok(())
    }

    fn count(&mut self, group: &Group, names: &Names<'_>, unnamed: &mut Unnamed) {
        let channel = channel_of(group).map(|id| names.channel(id));
        for entry in &group.entries {
            let amount = i128::from(entry.amount);
            for (account, is_in) in [(entry.from, false), (entry.to, true)] {
                let Some(whose) = Whose::of(account) else { continue };
                let item = Item::of(account, entry.subject, is_in);
                let is_operators = whose == Whose::Operator;
                self.tallies.entry((whose, entry.currency)).or_default().add(item, amount);
                if !is_operators || matches!(item, Item::OtherIn | Item::OtherOut) {
                    continue;
                }
                let voucher = &group.voucher;
                match (channel, voucher.merchant.zip(voucher.order_no)) {
                    (None, Some(order)) => unnamed.push((order, entry.currency, item, amount)),
                    (channel, _) => self.count_channel(channel.unwrap_or(""), entry.currency, item, amount),
                }
            }
        }
    }

    fn count_channel(&mut self, channel: &str, currency: Currency, item: Item, amount: i128) {
        let whose = Whose::Channel(channel.to_owned());
        self.tallies.entry((whose, currency)).or_default().add(item, amount);
    }

    /// Finds the channels in the orders: whatever was booked for one that day, it is among the day's.
    fn count_unnamed(&mut self, store: &Store, day: &Manifest, unnamed: Unnamed) -> Result<(), DayError> {
        if unnamed.is_empty() {
            return Ok(());
        }
        let names = Names::of(day);
        let mut channels: BTreeMap<(MerchantId, String), String> =
            unnamed.iter().map(|((id, number), ..)| ((*id, number.to_string()), String::new())).collect();
        let columns = [orders::MERCHANT_ID, orders::ORDER_NO, orders::CHANNEL];
        day.read(store, Table::Orders, &columns, &mut |rows| {
            for row in 0..rows.len() {
                let merchant = names.merchant(rows.text(orders::MERCHANT_ID, row))?;
                let order = (merchant, rows.text(orders::ORDER_NO, row).to_owned());
                if let Some(channel) = channels.get_mut(&order) {
                    rows.text(orders::CHANNEL, row).clone_into(channel);
                }
            }
            Ok::<_, DayError>(())
        })?;
        for ((merchant, number), currency, item, amount) in unnamed {
            let channel = channels.get(&(merchant, number.to_string())).map_or("", String::as_str);
            self.count_channel(channel, currency, item, amount);
        }
        Ok(())
    }

    /// Opening and entries lead to closing.
    fn prove(&self, month: Month) -> Result<(), FeesError> {
        for (whose, currency) in self.tallies.keys() {
            let Some(account) = whose.account() else { continue };
            let (opening, closing) = self.ends(*currency, account);
            let (coming, going) = self.moved.of(*currency, account);
            let expected = opening + coming - going;
            if expected != closing {
                return Err(FeesError::Unbalanced { month, account: account.name(""), expected, closing });
            }
        }
        Ok(())
    }

    fn ends(&self, currency: Currency, account: Account) -> (i128, i128) {
        let opening = self.opening.get(&(currency, account)).map_or(0, |balance| balance.opening);
        let closing = self.closing.get(&(currency, account)).map_or(0, |balance| balance.closing);
        (opening, closing)
    }

    fn into_rows(mut self) -> Vec<Row> {
        // Who owes or is owed from before is there, too, if it is a bill's.
        for (currency, account) in self.opening.keys().chain(self.closing.keys()) {
            if let (Account::FeeReceivable(_), Some(whose)) = (account, Whose::of(*account)) {
                self.tallies.entry((whose, *currency)).or_default();
            }
        }
        let tallies = std::mem::take(&mut self.tallies);
        let is_wanted = |whose: &Whose, tally: &Tally| match whose {
            // Receivers of splits have accruals as well.
            Whose::Promoter(_) => tally.has_any(),
            _ => true,
        };
        let row = |((whose, currency), tally): ((Whose, Currency), Tally)| {
            let balance = whose.account().map(|account| self.ends(currency, account));
            let name = match &whose {
                Whose::GrossMerchant(id) | Whose::Promoter(id) | Whose::Platform(id) => {
                    self.names.get(id).cloned().unwrap_or_default()
                }
                Whose::Channel(_) | Whose::Operator => String::new(),
            };
            Row { whose, name, currency, tally, balance }
        };
        tallies.into_iter().filter(|((whose, _), tally)| is_wanted(whose, tally)).map(row).collect()
    }
}

/// The channel that a group's cash came by or goes back by.
fn channel_of(group: &Group) -> Option<ChannelId> {
    let with_channel =
        [Subject::CASH_IN, Subject::REFUND_PAYABLE, Subject::CHANNEL_COST, Subject::CHANNEL_COST_BACK];
    let own = group.entries.iter().filter(|entry| with_channel.contains(&entry.subject));
    own.flat_map(|entry| [entry.from, entry.to]).find_map(|account| match account {
        Account::Channel(id) => Some(id),
        _ => None,
    })
}

impl MonthFees {
    /// The sums of each kind of row, by currency.
    #[must_use]
    pub fn totals(&self) -> BTreeMap<(&'static str, Currency), (u64, Tally)> {
        let mut totals: BTreeMap<(&'static str, Currency), (u64, Tally)> = BTreeMap::new();
        for row in &self.rows {
            let total = totals.entry((row.whose.kind(), row.currency)).or_default();
            total.0 += 1;
            total.1.add_all(&row.tally);
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_read_strictly() {
        let month: Month = "2018-02".parse().unwrap();
        assert_eq!((month.to_string(), month.dates().count()), ("2018-02".to_owned(), 28));
        assert!(month.dates().all(|date| month.has(date)));
        for text in ["2018", "2018-2", "2018-13", "2018-02-01", "", "18-02"] {
            assert!(text.parse::<Month>().is_err(), "{text}");
        }
    }
}
