//! Whether a day in the store is what its manifest says, and adds up: read whole, from the store alone.
//!
//! Every file's size, hash and number of rows; every account's opening + in − out = closing, with in and out added up from the entries once more;
//! every currency's balances sum to zero; the totals in the manifest; and that it opens as the day before closed.

use std::collections::BTreeMap;

use hashbrown::HashMap;
use suanpan_core::Date;

use crate::manifest::{DayError, Manifest};
use crate::parquet_file::ReadRows;
use crate::store::Store;
use crate::table::{Table, balances, entries, orders, refunds, settlements};

/// What an account is said to have done, and what its entries come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Account {
    opening: i128,
    coming: i128,
    going: i128,
    closing: i128,
    /// From the entries.
    came: i128,
    went: i128,
}

/// What is read of a day in one currency.
#[derive(Debug, Default)]
struct Reading {
    accounts: HashMap<String, Account, foldhash::fast::RandomState>,
    entries: Sum,
    orders: Sum,
    refunds: Sum,
    /// By the settlements, and by the entries.
    settled: [i128; 2],
}

/// How many, and how much together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum(u64, i128);

impl Sum {
    fn add(&mut self, amount: i64) {
        (self.0, self.1) = (self.0 + 1, self.1 + i128::from(amount));
    }
}

type Readings = BTreeMap<String, Reading>;

/// Reads a day whole and says what is wrong with it, if anything is.
///
/// # Errors
/// [`DayError::Disagrees`] when a file is not what the manifest says, [`DayError::Unproved`] when the day does not add up, and when it cannot
/// be read. Progress is told in rows.
pub fn verify(store: &Store, date: Date, progress: &mut dyn FnMut(u64)) -> Result<Manifest, DayError> {
    let manifest = Manifest::load(store, date)?;
    let mut readings = Readings::new();
    for &table in &Table::OF_A_DAY {
        manifest.read::<DayError>(store, table, &columns_of(table), &mut |rows| {
            (0..rows.len()).for_each(|row| take(&mut readings, table, rows, row, date));
            progress(rows.len() as u64);
            Ok(())
        })?;
    }
    let checked = readings.iter().try_for_each(|(currency, reading)| reading.check(currency, &manifest));
    checked.map_err(|what| DayError::Unproved { date, what })?;
    if let Some(previous) = manifest.previous {
        check_opening(store, &manifest, previous)?;
    }
    Ok(manifest)
}

/// The columns that a proof needs of a table; of the others one is enough for their number of rows.
fn columns_of(table: Table) -> Vec<usize> {
    match table {
        Table::Orders => vec![orders::AMOUNT, orders::CURRENCY, orders::ACCOUNTING_DATE],
        Table::Refunds => {
            vec![refunds::CASH, refunds::CURRENCY, refunds::ACCOUNTING_DATE, refunds::KIND, refunds::STATE]
        }
        Table::Entries => vec![
            entries::FROM_ACCOUNT,
            entries::TO_ACCOUNT,
            entries::AMOUNT,
            entries::CURRENCY,
            entries::SUBJECT,
        ],
        Table::Balances => vec![
            balances::ACCOUNT,
            balances::CURRENCY,
            balances::OPENING,
            balances::IN,
            balances::OUT,
            balances::CLOSING,
        ],
        Table::Settlements => vec![settlements::AMOUNT, settlements::CURRENCY],
        Table::Merchants | Table::Bill => vec![0],
    }
}

fn of<'a>(readings: &'a mut Readings, currency: &str) -> &'a mut Reading {
    if !readings.contains_key(currency) {
        readings.insert(currency.to_owned(), Reading::default());
    }
    let Some(reading) = readings.get_mut(currency) else { unreachable!("it was put in") };
    reading
}

fn take(readings: &mut Readings, table: Table, rows: &ReadRows, row: usize, date: Date) {
    match table {
        Table::Orders => {
            if rows.int_or_null(orders::ACCOUNTING_DATE, row) == Some(date.0) {
                of(readings, rows.text(orders::CURRENCY, row)).orders.add(rows.long(orders::AMOUNT, row));
            }
        }
        Table::Refunds => {
            let is_refund = rows.text(refunds::KIND, row) == "refund";
            let counts = is_refund && rows.text(refunds::STATE, row) != "failed";
            if counts && rows.int(refunds::ACCOUNTING_DATE, row) == date.0 {
                of(readings, rows.text(refunds::CURRENCY, row)).refunds.add(rows.long(refunds::CASH, row));
            }
        }
        Table::Entries => {
            let (reading, amount) =
                (of(readings, rows.text(entries::CURRENCY, row)), rows.long(entries::AMOUNT, row));
            reading.entries.add(amount);
            let (from, to) = (rows.text(entries::FROM_ACCOUNT, row), rows.text(entries::TO_ACCOUNT, row));
            reading.accounts.entry_ref(from).or_default().went += i128::from(amount);
            reading.accounts.entry_ref(to).or_default().came += i128::from(amount);
            if rows.int(entries::SUBJECT, row) == SETTLEMENT {
                reading.settled[1] += i128::from(amount);
            }
        }
        Table::Balances => {
            let reading = of(readings, rows.text(balances::CURRENCY, row));
            let account = reading.accounts.entry_ref(rows.text(balances::ACCOUNT, row)).or_default();
            account.opening += i128::from(rows.long(balances::OPENING, row));
            account.coming += i128::from(rows.long(balances::IN, row));
            account.going += i128::from(rows.long(balances::OUT, row));
            account.closing += i128::from(rows.long(balances::CLOSING, row));
        }
        Table::Settlements => {
            let reading = of(readings, rows.text(settlements::CURRENCY, row));
            reading.settled[0] += i128::from(rows.long(settlements::AMOUNT, row));
        }
        Table::Merchants | Table::Bill => {}
    }
}

const SETTLEMENT: i32 = 85;

impl Reading {
    /// What is wrong, if anything is.
    fn check(&self, currency: &str, manifest: &Manifest) -> Result<(), String> {
        let (mut opening, mut closing) = (0, 0);
        for (name, account) in &self.accounts {
            let Account { opening: from, coming, going, closing: to, came, went } = *account;
            if (coming, going) != (came, went) {
                return Err(format!(
                    "{name} had {coming} in and {going} out by its balance, {came} and {went} by its entries"
                ));
            }
            if from + coming - going != to {
                return Err(format!("{name} held {from}, had {coming} in and {going} out, and holds {to}"));
            }
            (opening, closing) = (opening + from, closing + to);
        }
        if (opening, closing) != (0, 0) {
            return Err(format!("{currency} sums to {opening} at its beginning and {closing} at its end"));
        }
        let [by_settlements, by_entries] = self.settled;
        if by_settlements != by_entries {
            return Err(format!(
                "{currency} settled {by_settlements} by its settlements, {by_entries} by its entries"
            ));
        }
        self.check_totals(currency, manifest)
    }

    fn check_totals(&self, currency: &str, manifest: &Manifest) -> Result<(), String> {
        let totals = manifest.currencies.iter().find(|totals| totals.currency == currency);
        let totals = totals.ok_or_else(|| format!("{currency} is not in the manifest"))?;
        let said = [
            ("orders", Sum(totals.orders, totals.amount_minor.into()), self.orders),
            ("refunds", Sum(totals.refunds, totals.refunded_cash_minor.into()), self.refunds),
            ("entries", Sum(totals.entries, totals.entries_minor.into()), self.entries),
        ];
        for (what, said, found) in said {
            if said != found {
                return Err(format!(
                    "{currency} has {} {what} of {} by the manifest, {} of {} by the table",
                    said.0, said.1, found.0, found.1
                ));
            }
        }
        let mut lines: BTreeMap<String, (i128, i128)> = BTreeMap::new();
        for (name, account) in &self.accounts {
            let line = lines.entry(line_of(name)).or_default();
            (line.0, line.1) = (line.0 + account.opening, line.1 + account.closing);
        }
        let said = totals.accounts.iter().map(|line| {
            (line.account.clone(), (i128::from(line.opening_minor), i128::from(line.closing_minor)))
        });
        let said: BTreeMap<String, (i128, i128)> = said.collect();
        match lines == said {
            true => Ok(()),
            false => Err(format!("{currency}'s trial balance in the manifest is not that of the balances")),
        }
    }
}

/// The line of the trial balance that an account belongs to, by its name.
fn line_of(account: &str) -> String {
    match account.split_once(':') {
        Some(("merchant", rest)) => {
            format!("merchants:{}", rest.split_once(':').map_or(rest, |(_, account)| account))
        }
        Some((kind @ ("accrued" | "fee_receivable"), _)) => format!("merchants:{kind}"),
        _ => account.to_owned(),
    }
}

/// The day before closed as this one opens, and its log ends where this one's begins.
fn check_opening(store: &Store, manifest: &Manifest, previous: Date) -> Result<(), DayError> {
    let before = Manifest::load(store, previous)?;
    let unproved = |what| DayError::Unproved { date: manifest.date, what };
    if before.next_date != manifest.date {
        // A day that was never exported lies between: nothing is known of it here.
        return Ok(());
    }
    if before.log.id != manifest.log.id || before.log.to > manifest.log.from {
        return Err(unproved(format!("it does not follow {previous} in the log")));
    }
    let closed = |day: &Manifest, closing: bool| {
        let lines = day.currencies.iter().flat_map(|totals| {
            totals.accounts.iter().map(move |line| {
                let amount = if closing { line.closing_minor } else { line.opening_minor };
                ((totals.currency.clone(), line.account.clone()), amount)
            })
        });
        lines.filter(|(_, amount)| *amount != 0).collect::<BTreeMap<_, _>>()
    };
    match closed(&before, true) == closed(manifest, false) {
        true => Ok(()),
        false => Err(unproved(format!("it does not open as {previous} closed"))),
    }
}
