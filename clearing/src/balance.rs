//! Balances of a day, and the proof that its entries moved what they say.

use std::collections::BTreeMap;

use suanpan_core::{Account, Currency, Entry};

use crate::group::Names;
use crate::manifest::{DayError, Manifest};
use crate::store::Store;
use crate::table::{Table, balances};

/// What an account held at both ends of a day, and what moved: opening + in − out = closing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Balance {
    /// When the day began; below zero only on shared accounts and on the fee bill.
    pub opening: i128,
    /// What came in.
    pub coming: i128,
    /// What went out.
    pub going: i128,
    /// When it was cut.
    pub closing: i128,
}

/// Balances by currency and account.
pub type Balances = BTreeMap<(Currency, Account), Balance>;

/// The balances of those accounts that are wanted.
///
/// # Errors
/// When the day's files are not what they should be, or a balance does not add up.
pub fn read_balances(
    store: &Store,
    day: &Manifest,
    is_wanted: &dyn Fn(Account) -> bool,
) -> Result<Balances, DayError> {
    let names = Names::of(day);
    let mut found = Balances::new();
    let columns = [
        balances::ACCOUNT,
        balances::CURRENCY,
        balances::OPENING,
        balances::IN,
        balances::OUT,
        balances::CLOSING,
    ];
    day.read(store, Table::Balances, &columns, &mut |rows| {
        for row in 0..rows.len() {
            let account = names.account(rows.text(balances::ACCOUNT, row))?;
            if !is_wanted(account) {
                continue;
            }
            let currency = names.currency(rows.text(balances::CURRENCY, row))?;
            let figure = |column| i128::from(rows.long(column, row));
            let balance = Balance {
                opening: figure(balances::OPENING),
                coming: figure(balances::IN),
                going: figure(balances::OUT),
                closing: figure(balances::CLOSING),
            };
            let wrong = |what| DayError::Unproved { date: day.date, what };
            if balance.opening + balance.coming - balance.going != balance.closing {
                return Err(wrong(format!("{} ends with another balance than moved", names.name(account))));
            }
            if found.insert((currency, account), balance).is_some() {
                return Err(wrong(format!("{} has two balances", names.name(account))));
            }
        }
        Ok(())
    })?;
    Ok(found)
}

/// What moved on accounts, by their entries.
#[derive(Debug, Clone, Default)]
pub struct Moved(BTreeMap<(Currency, Account), (i128, i128)>);

impl Moved {
    /// Counts an entry on those of its sides that are wanted.
    pub fn book(&mut self, entry: &Entry, is_wanted: &dyn Fn(Account) -> bool) {
        let amount = i128::from(entry.amount);
        if is_wanted(entry.from) {
            self.0.entry((entry.currency, entry.from)).or_default().1 += amount;
        }
        if is_wanted(entry.to) {
            self.0.entry((entry.currency, entry.to)).or_default().0 += amount;
        }
    }

    /// Adds other movements.
    pub fn add(&mut self, other: &Self) {
        for (key, (coming, going)) in &other.0 {
            let sum = self.0.entry(*key).or_default();
            (sum.0, sum.1) = (sum.0 + coming, sum.1 + going);
        }
    }

    /// What came in and what went out.
    #[must_use]
    pub fn of(&self, currency: Currency, account: Account) -> (i128, i128) {
        self.0.get(&(currency, account)).copied().unwrap_or_default()
    }

    /// Proves that what moved is what the balances of the same accounts say.
    ///
    /// # Errors
    /// When it is not, with the account.
    pub fn prove(&self, day: &Manifest, balances: &Balances) -> Result<(), DayError> {
        let both = balances.keys().chain(self.0.keys());
        for &(currency, account) in both {
            let (coming, going) = self.of(currency, account);
            let said = balances.get(&(currency, account)).copied().unwrap_or_default();
            if (said.coming, said.going) != (coming, going) {
                let name = Names::of(day).name(account);
                let what = format!(
                    "{name}: by its entries {coming} came in and {going} went out, by its balance {} and {}",
                    said.coming, said.going
                );
                return Err(DayError::Unproved { date: day.date, what });
            }
        }
        Ok(())
    }
}
