//! A merchant's statement (对账单) of one accounting date: a line for each voucher, opening and closing of each account.
//!
//! It is made of the day's entries, and proved against its balances before anything is written: what the entries moved on each account is
//! what its balance says, and opening + in − out = closing, of each account and of all together by the lines.
//!
//! In it stands whatever moved an account of the merchant or is on a voucher of its: a transfer is in both sides' statements, a split in the
//! payer's, and in the receiver's once it is swept to it.
//!
//! **Memory.** A line takes some 230 bytes. Statements of all merchants are made in one pass over the entries of a day of up to
//! [`ENTRIES_AT_ONCE`], which holds all lines of the day at once (a million payments: some 250 MB); of a larger day in several passes, each for a part
//! of the merchants, so that memory is bounded but for the lines of the largest merchant.

mod csv;
mod json;
mod line;
mod txt;

use std::collections::BTreeMap;
use std::io::{self, Write};

use jiff::tz::TimeZone;
use suanpan_core::{Account, Currency, Date, MerchantAccount, MerchantId};

pub use self::line::{COLUMNS, Column, Kind, Line, Sums};
use crate::balance::{Balance, Balances, Moved, read_balances};
use crate::group::{Group, read_groups};
use crate::manifest::{DayError, Manifest};
use crate::merchant::{MerchantFacts, Merchants, in_short, read_merchants};
use crate::store::Store;
use crate::table::Table;

/// Entries of a day whose statements are made in one pass.
pub const ENTRIES_AT_ONCE: u64 = 16_000_000;

/// Why there is no statement.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StatementError {
    /// The day could not be read.
    #[error(transparent)]
    Day(#[from] DayError),
    /// There was no such merchant.
    #[error("merchant {} is not known on {date}: {known}", .merchant.0)]
    UnknownMerchant {
        /// The merchant.
        merchant: MerchantId,
        /// The day.
        date: Date,
        /// What merchants there are.
        known: String,
    },
    /// The lines do not lead from opening to closing: a bug of ours, or someone wrote into the store.
    #[error(
        "the statement of merchant {} for {date} does not add up: {account} should end with {expected}, and ends with {closing}. Nothing was written. Check the day with `suanpan export verify {date}`",
        .merchant.0
    )]
    Unbalanced {
        /// The merchant.
        merchant: MerchantId,
        /// The day.
        date: Date,
        /// The account, or `total`.
        account: String,
        /// Opening and lines, minor units.
        expected: i128,
        /// Closing, minor units.
        closing: i128,
    },
}

/// How a statement is written; each form is drawn in the file of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated, RFC 4180.
    Csv,
    /// Separated by `|`, as Chinese merchants are used to.
    Txt,
    /// JSON.
    Json,
}

impl Format {
    /// What its files end in.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Txt => "txt",
            Self::Json => "json",
        }
    }
}

/// An account of the merchant over the day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountLine {
    /// Of the amounts.
    pub currency: Currency,
    /// `pending`, `held`, `available`, `frozen`, `payout_transit`, `total` of these, `fee_receivable`.
    pub account: &'static str,
    /// Opening, in, out and closing. In and out of `total` are those of the lines: what moved between the accounts is in neither.
    pub balance: Balance,
}

/// A merchant's statement; see the file's page.
#[derive(Debug, Clone)]
pub struct Statement {
    /// Whose.
    pub merchant: MerchantId,
    /// What is known of it.
    pub facts: MerchantFacts,
    /// The accounting date.
    pub date: Date,
    /// In the order of the log.
    pub lines: Vec<Line>,
    /// How many lines there are in each currency, and their sums.
    pub totals: BTreeMap<Currency, (u64, Sums)>,
    /// Each account.
    pub accounts: Vec<AccountLine>,
}

/// Lines and movements of some merchants.
#[derive(Default)]
struct Gathered {
    lines: BTreeMap<MerchantId, Vec<Line>>,
    moved: Moved,
}

impl Gathered {
    fn take(&mut self, group: &Group, is_wanted: &dyn Fn(MerchantId) -> bool) -> Result<(), DayError> {
        let sides = group.entries.iter().flat_map(|entry| [entry.from, entry.to]).filter_map(line::owner);
        let mut whose: Vec<MerchantId> = group.voucher.merchant.into_iter().chain(sides).collect();
        whose.retain(|merchant| is_wanted(*merchant));
        whose.sort_unstable();
        whose.dedup();
        if whose.is_empty() {
            return Ok(());
        }
        let kind = Kind::of(group);
        for merchant in whose {
            let line = Line::of(group, merchant, kind).ok_or_else(|| DayError::Unproved {
                date: group.voucher.accounting_date,
                what: format!("what is booked at {} is more than 64 bits hold", group.place),
            })?;
            self.lines.entry(merchant).or_default().push(line);
        }
        let is_counted = |account| line::owner(account).is_some_and(is_wanted);
        group.entries.iter().for_each(|entry| self.moved.book(entry, &is_counted));
        Ok(())
    }
}

/// Reads what some merchants' statements are made of, and proves the movements.
fn gather(
    store: &Store,
    day: &Manifest,
    is_wanted: &dyn Fn(MerchantId) -> bool,
) -> Result<(Gathered, Balances), DayError> {
    let mut gathered = Gathered::default();
    read_groups(store, day, &mut |group| gathered.take(group, is_wanted))?;
    let is_counted = |account| line::owner(account).is_some_and(is_wanted);
    let balances = read_balances(store, day, &is_counted)?;
    gathered.moved.prove(day, &balances)?;
    Ok((gathered, balances))
}

/// One merchant's statement.
///
/// # Errors
/// When there is no such merchant or day, or something does not add up.
pub fn statement(store: &Store, merchant: MerchantId, date: Date) -> Result<Statement, StatementError> {
    let day = Manifest::load(store, date)?;
    let mut merchants = read_merchants(store, &day)?;
    let Some(facts) = merchants.remove(&merchant) else {
        return Err(StatementError::UnknownMerchant { merchant, date, known: in_short(&merchants) });
    };
    let (mut gathered, balances) = gather(store, &day, &|id| id == merchant)?;
    let lines = gathered.lines.remove(&merchant).unwrap_or_default();
    Statement::new(merchant, facts, date, lines, &balances)
}

/// The statements of all merchants with anything on that date, one after another; gives how many.
///
/// # Errors
/// As [`statement`], and whatever `each` says.
pub fn statements<E: From<StatementError>>(
    store: &Store,
    date: Date,
    each: &mut dyn FnMut(&Statement) -> Result<(), E>,
) -> Result<u64, E> {
    let day = Manifest::load(store, date).map_err(StatementError::from)?;
    let passes = u16::try_from(day.rows(Table::Entries) / ENTRIES_AT_ONCE + 1).unwrap_or(u16::MAX);
    in_passes(store, &day, passes, each)
}

fn in_passes<E: From<StatementError>>(
    store: &Store,
    day: &Manifest,
    passes: u16,
    each: &mut dyn FnMut(&Statement) -> Result<(), E>,
) -> Result<u64, E> {
    let mut merchants: Merchants = read_merchants(store, day).map_err(StatementError::from)?;
    let mut count = 0;
    for pass in 0..passes {
        let is_wanted = |merchant: MerchantId| merchant.shard(passes) == pass;
        let (gathered, balances) = gather(store, day, &is_wanted).map_err(StatementError::from)?;
        for (merchant, lines) in gathered.lines {
            let facts = merchants.remove(&merchant).ok_or_else(|| StatementError::UnknownMerchant {
                merchant,
                date: day.date,
                known: in_short(&merchants),
            })?;
            each(&Statement::new(merchant, facts, day.date, lines, &balances)?)?;
            count += 1;
        }
    }
    Ok(count)
}

impl Statement {
    fn new(
        merchant: MerchantId,
        facts: MerchantFacts,
        date: Date,
        mut lines: Vec<Line>,
        balances: &Balances,
    ) -> Result<Self, StatementError> {
        lines.sort_unstable_by_key(|line| line.place);
        let mut totals: BTreeMap<Currency, (u64, Sums)> =
            BTreeMap::from([(facts.currency, Default::default())]);
        for line in &lines {
            let total = totals.entry(line.currency).or_default();
            total.0 += 1;
            total.1.add(&Sums::of(line));
        }
        let mut statement = Self { merchant, facts, date, lines, totals, accounts: Vec::new() };
        let currencies: Vec<(Currency, Sums)> =
            statement.totals.iter().map(|(currency, (_, sums))| (*currency, *sums)).collect();
        for (currency, sums) in currencies {
            statement.add_accounts(currency, &sums, balances)?;
        }
        Ok(statement)
    }

    /// Adds the accounts of a currency, and proves that the lines lead from their openings to their closings.
    fn add_accounts(
        &mut self,
        currency: Currency,
        sums: &Sums,
        balances: &Balances,
    ) -> Result<(), StatementError> {
        let find = |account| balances.get(&(currency, account)).copied();
        let (mut opening, mut closing) = (0, 0);
        for own in MerchantAccount::ALL {
            let balance = find(Account::Merchant(self.merchant, own)).unwrap_or_default();
            (opening, closing) = (opening + balance.opening, closing + balance.closing);
            self.accounts.push(AccountLine { currency, account: own.name(), balance });
        }
        let sum = |columns: [Column; 4]| columns.map(|column| sums.amount(column)).iter().sum::<i128>();
        let (coming, going) = (sum(Column::IN), sum(Column::OUT));
        let total = Balance { opening, coming, going, closing };
        self.prove("total", total)?;
        self.accounts.push(AccountLine { currency, account: "total", balance: total });
        let bill = find(Account::FeeReceivable(self.merchant));
        if bill.is_some() || self.facts.is_gross {
            let Balance { opening, closing, .. } = bill.unwrap_or_default();
            let (coming, going) = (sums.amount(Column::Credited), sums.amount(Column::Billed));
            let balance = Balance { opening, coming, going, closing };
            self.prove("fee_receivable", balance)?;
            self.accounts.push(AccountLine { currency, account: "fee_receivable", balance });
        }
        Ok(())
    }

    fn prove(&self, account: &str, balance: Balance) -> Result<(), StatementError> {
        let (merchant, date, account) = (self.merchant, self.date, account.to_owned());
        let Balance { opening, coming, going, closing } = balance;
        let expected = opening + coming - going;
        if expected == closing {
            return Ok(());
        }
        Err(StatementError::Unbalanced { merchant, date, account, expected, closing })
    }

    /// Writes it; times are of that zone.
    ///
    /// # Errors
    /// When `to` does not take it.
    pub fn write(&self, format: Format, zone: &TimeZone, to: &mut dyn Write) -> io::Result<()> {
        match format {
            Format::Csv => csv::write(self, zone, to),
            Format::Txt => txt::write(self, zone, to),
            Format::Json => json::write(self, zone, to),
        }
    }
}

/// A moment in a zone, by RFC 3339.
fn time_of(line: &Line, zone: &TimeZone) -> impl std::fmt::Display {
    let at = crate::manifest::moment(line.decided_at);
    at.display_with_offset(zone.to_offset(at))
}

/// A number, or nothing.
fn text_of(number: &Option<suanpan_core::Number>) -> &str {
    number.as_ref().map_or("", |number| number.as_str())
}

/// A currency's code.
pub(crate) fn code(currency: &Currency) -> &str {
    std::str::from_utf8(&currency.0).unwrap_or("?")
}

/// What is over zero, and what is below it: two columns for one balance, so that none has a sign.
pub(crate) fn both_sides(balance: i128) -> [i128; 2] {
    [balance.max(0), (-balance).max(0)]
}

#[cfg(test)]
mod tests {
    use suanpan_core::{Entry, Subject, Timestamp, Voucher};

    use super::*;
    use crate::group::GroupPlace;
    use crate::rehearsal::{self, Plan};

    #[test]
    fn a_number_is_neither_run_nor_two_fields() {
        let (merchant, currency) = (MerchantId(1_001), Currency(*b"JPY"));
        let name = "a|b\r\n100%".to_owned();
        let facts = MerchantFacts { name, currency, is_gross: false };
        let available = Account::Merchant(merchant, MerchantAccount::Available);
        let (subject, amount) = (Subject::TOP_UP, 500);
        let entry = Entry { subject, from: Account::Bank, to: available, amount, currency, reversal: false };
        let voucher = Voucher {
            merchant: Some(merchant),
            order_no: None,
            refund_no: None,
            reference: "-1|2".parse().ok(),
            accounting_date: Date(17_769),
        };
        let place = GroupPlace { position: 64, index: 1, group: 0 };
        let group = Group { place, decided_at: Timestamp(0), voucher, entries: vec![entry] };
        let line = Line::of(&group, merchant, Kind::of(&group)).unwrap();
        let balance = Balance { opening: 0, coming: 500, going: 0, closing: 500 };
        let balances = Balances::from([((currency, available), balance)]);
        let one = Statement::new(merchant, facts, Date(17_769), vec![line], &balances).unwrap();
        let text = |format| {
            let mut bytes = Vec::new();
            one.write(format, &TimeZone::UTC, &mut bytes).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        let csv = text(Format::Csv);
        let line = "line,1001,2018-08-26,JPY,,1970-01-01T00:00:00+00:00,top_up,,,'-1|2,0,0,0,0,0,0,500,0,500,0,0,0,0,64,1,0";
        assert_eq!(csv.lines().nth(1), Some(line));
        let txt = text(Format::Txt);
        let mut lines = txt.split("\r\n");
        assert_eq!(lines.next(), Some("H|1|1001|a%7Cb%0D%0A100%25|2018-08-26|UTC|1"));
        let line = "T|1970-01-01T00:00:00+00:00|top_up|||-1%7C2|JPY|0|0|0|0|0|0|500|0|500|0|0|0|0|64|1|0";
        assert!(lines.any(|found| found == line), "{txt}");
    }

    #[test]
    fn a_large_days_passes_give_what_one_gives() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().to_str().unwrap()).unwrap();
        let plan = Plan { merchants: 30, payments: 200, days: 2, ..Plan::default() };
        let days = rehearsal::play(&store, &plan).unwrap().days;
        let all = |passes| {
            let mut found = BTreeMap::new();
            in_passes::<StatementError>(&store, &days[1], passes, &mut |statement| {
                let mut bytes = Vec::new();
                statement.write(Format::Csv, &TimeZone::UTC, &mut bytes).unwrap();
                assert!(found.insert(statement.merchant, bytes).is_none());
                Ok(())
            })
            .unwrap();
            found
        };
        assert!(all(1).len() > 20);
        assert_eq!(all(3), all(1));
    }

    #[test]
    fn what_does_not_lead_to_its_closing_is_refused() {
        let (merchant, currency) = (MerchantId(1_001), Currency(*b"CNY"));
        let facts = MerchantFacts { name: String::new(), currency, is_gross: true };
        let with = |account, opening, closing| {
            let balance = Balance { opening, coming: 0, going: 0, closing };
            let balances = Balances::from([((currency, account), balance)]);
            Statement::new(merchant, facts.clone(), Date(17_769), Vec::new(), &balances)
        };
        let own = Account::Merchant(merchant, MerchantAccount::Held);
        assert!(with(own, 5, 5).is_ok());
        let wrong = with(own, 5, 6).unwrap_err().to_string();
        assert!(wrong.contains("total should end with 5, and ends with 6"), "{wrong}");
        let wrong = with(Account::FeeReceivable(merchant), -5, -6).unwrap_err().to_string();
        assert!(wrong.contains("fee_receivable should end with -5, and ends with -6"), "{wrong}");
    }
}
