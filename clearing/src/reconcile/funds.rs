//! The flow of funds: what the channel owes us for a date, by its bill and by our entries, against what the bank says came.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use suanpan_core::Currency;

use super::ReconcileError;
use super::books::Books;
use super::item::Class;
use crate::bill::{BankRow, Direction};
use crate::bill::{BillKind, BillRow, BillState};
use crate::money::exponent;

/// Millionths of a major unit.
const MILLIONTHS: i128 = 1_000_000;

/// What a bill comes to in one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BillSum {
    /// Lines.
    pub rows: u64,
    /// Payments.
    pub payments: u64,
    /// Their cash.
    pub paid_minor: i64,
    /// Refunds and voids that did not fail.
    pub refunds: u64,
    /// Their cash.
    pub refunded_minor: i64,
    /// What the channel charges, less what it gives back.
    pub fee_millionths: i64,
}

impl BillSum {
    /// What the channel owes for it: payments less refunds less charges, the charges rounded half up to the minor unit.
    #[must_use]
    pub fn owed_minor(&self, currency: Currency) -> i128 {
        // A unit in millionths: 10,000 where the minor unit has two decimals.
        let unit = MILLIONTHS / 10i128.pow(exponent(currency).min(6));
        let fee = i128::from(self.fee_millionths);
        let fee = fee.signum() * ((fee.abs() * 2 + unit) / (unit * 2));
        i128::from(self.paid_minor) - i128::from(self.refunded_minor) - fee
    }
}

/// What a bill comes to.
#[derive(Debug, Clone, Default)]
pub(crate) struct BillSums {
    sums: BTreeMap<Currency, BillSum>,
    overflowed: bool,
}

impl BillSums {
    pub(crate) fn add(&mut self, row: &BillRow<'_>) {
        let sum = self.sums.entry(row.currency).or_default();
        sum.rows += 1;
        match sum.fee_millionths.checked_add(row.fee_millionths) {
            Some(fee) => sum.fee_millionths = fee,
            None => self.overflowed = true,
        }
        if row.state == BillState::Failed {
            return;
        }
        let (count, total) = match row.kind {
            BillKind::Payment => (&mut sum.payments, &mut sum.paid_minor),
            BillKind::Refund | BillKind::Void => (&mut sum.refunds, &mut sum.refunded_minor),
        };
        *count += 1;
        match i64::try_from(row.amount).ok().and_then(|amount| total.checked_add(amount)) {
            Some(sum) => *total = sum,
            None => self.overflowed = true,
        }
    }

    pub(crate) fn checked(self) -> Result<BTreeMap<String, BillSum>, ReconcileError> {
        if self.overflowed {
            return Err(ReconcileError::TooLarge { what: "the bill's amounts" });
        }
        Ok(self.sums.into_iter().map(|(currency, sum)| (currency.as_str().to_owned(), sum)).collect())
    }
}

/// The flow of funds of a date in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Funds {
    /// Which.
    pub currency: String,
    /// What the channel owes by its bill.
    pub bill_minor: i64,
    /// What it owes by our entries.
    pub entries_minor: i64,
    /// What came by the bank statement, credits less debits.
    pub bank_minor: i64,
    /// Lines of the statement that count.
    pub bank_rows: u64,
    /// The bank against the bill.
    pub class: Class,
}

/// Which lines of a statement count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BankFilter {
    /// Only this account.
    pub account: Option<String>,
    /// Only references with this text in them.
    pub reference: Option<String>,
}

/// What a statement comes to, by currency: rows, and credits less debits.
#[derive(Debug, Clone, Default)]
pub struct BankSums {
    filter: BankFilter,
    sums: BTreeMap<Currency, (u64, i128)>,
}

impl BankSums {
    /// Nothing yet.
    #[must_use]
    pub fn new(filter: BankFilter) -> Self {
        Self { filter, sums: BTreeMap::new() }
    }

    /// Adds a line, if it counts.
    pub fn add(&mut self, line: &BankRow<'_>) {
        let filter = &self.filter;
        let account = filter.account.as_ref().is_none_or(|account| account == line.account);
        let reference = filter.reference.as_ref().is_none_or(|text| line.reference.contains(text.as_str()));
        if account && reference {
            let sum = self.sums.entry(line.currency).or_default();
            let amount = i128::from(line.amount);
            *sum = (sum.0 + 1, sum.1 + if line.direction == Direction::Credit { amount } else { -amount });
        }
    }
}

/// What a channel owes us by the entries of a date: what came from its account less what went to it, for payments and refunds. Top-ups, payouts
/// and adjustments are settled otherwise.
fn owed_by_entries(books: &dyn Books, channel: &str) -> Result<BTreeMap<Currency, i128>, ReconcileError> {
    let account = format!("channel:{channel}");
    let mut owed: BTreeMap<Currency, i128> = BTreeMap::new();
    books.entries(&mut |entry| {
        if (60..80).contains(&entry.subject) && (entry.from == account) != (entry.to == account) {
            let amount = i128::from(entry.amount);
            *owed.entry(entry.currency).or_default() += if entry.from == account { amount } else { -amount };
        }
    })?;
    Ok(owed)
}

fn minor(amount: i128, what: &'static str) -> Result<i64, ReconcileError> {
    i64::try_from(amount).map_err(|_| ReconcileError::TooLarge { what })
}

/// Compares, in each currency that any of the three has.
pub(crate) fn funds(
    bill: &BTreeMap<String, BillSum>,
    books: &dyn Books,
    channel: &str,
    bank: &BankSums,
) -> Result<Vec<Funds>, ReconcileError> {
    let entries = owed_by_entries(books, channel)?;
    let mut found = Vec::new();
    let mut currencies: Vec<Currency> = bill.keys().map(|text| super::item::currency(text)).collect();
    currencies.extend(entries.keys().chain(bank.sums.keys()));
    currencies.sort_unstable();
    currencies.dedup();
    for currency in currencies {
        let owed = bill.get(currency.as_str()).map_or(0, |sum| sum.owed_minor(currency));
        let (bank_rows, came) = bank.sums.get(&currency).copied().unwrap_or_default();
        let class = match (bank_rows, owed) {
            (_, owed) if owed == came => Class::Matched,
            (0, _) => Class::Short,
            (_, 0) => Class::Long,
            _ => Class::AmountDiffers,
        };
        found.push(Funds {
            currency: currency.as_str().to_owned(),
            bill_minor: minor(owed, "what the bill comes to")?,
            entries_minor: minor(entries.get(&currency).copied().unwrap_or(0), "what the entries come to")?,
            bank_minor: minor(came, "what the statement comes to")?,
            bank_rows,
            class,
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charges_are_rounded_once() {
        let (yuan, yen) = (Currency(*b"CNY"), Currency(*b"JPY"));
        let sum = |fee_millionths| BillSum {
            paid_minor: 1_000,
            refunded_minor: 300,
            fee_millionths,
            ..BillSum::default()
        };
        assert_eq!(sum(10_000).owed_minor(yuan), 699);
        assert_eq!(sum(4_999).owed_minor(yuan), 700);
        assert_eq!(sum(5_000).owed_minor(yuan), 699);
        assert_eq!(sum(-5_000).owed_minor(yuan), 701);
        assert_eq!(sum(460_000).owed_minor(yuan), 654);
        assert_eq!(sum(1_500_000).owed_minor(yen), 698);
    }
}
