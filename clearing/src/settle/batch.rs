//! Which merchants a batch settled, and when each was settled before: read out of the settlements of all days.

use std::collections::{BTreeMap, BTreeSet};

use suanpan_core::{Currency, Date, MerchantId, Number};

use super::SettleError;
use crate::group::Names;
use crate::manifest::{DayError, Manifest};
use crate::store::Store;
use crate::table::{Table, settlements};

/// A point of the log, within a day: position, and which command of that record.
pub(super) type Point = (Date, i64, i32);

/// A merchant of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Paid {
    /// What the batch settled, minor units.
    pub(super) amount: i128,
    /// The first settlement of it in the batch; there is seldom a second.
    pub(super) first: Point,
    /// The last.
    pub(super) last: Point,
    /// The settlement before the batch, if there was one.
    pub(super) before: Option<Point>,
}

/// Who was settled, by merchant and currency.
pub(super) type Payees = BTreeMap<(MerchantId, Currency), Paid>;

#[derive(Debug)]
struct Row {
    at: Point,
    whose: (MerchantId, Currency),
    amount: u64,
    is_asked: bool,
}

/// The settlements of a day, the last first. Notes other batches in `others`.
fn rows(
    store: &Store,
    day: &Manifest,
    batch_no: &Number,
    others: &mut BTreeSet<String>,
) -> Result<Vec<Row>, DayError> {
    let names = Names::of(day);
    let columns = [
        settlements::LOG_POSITION,
        settlements::LOG_INDEX,
        settlements::BATCH_NO,
        settlements::MERCHANT_ID,
        settlements::CURRENCY,
        settlements::AMOUNT,
    ];
    let mut found = Vec::new();
    day.read(store, Table::Settlements, &columns, &mut |rows| {
        for row in 0..rows.len() {
            let batch = rows.text(settlements::BATCH_NO, row);
            if batch != batch_no.as_str() && !others.contains(batch) {
                others.insert(batch.to_owned());
            }
            found.push(Row {
                at: (
                    day.date,
                    rows.long(settlements::LOG_POSITION, row),
                    rows.int(settlements::LOG_INDEX, row),
                ),
                whose: (
                    names.merchant(rows.text(settlements::MERCHANT_ID, row))?,
                    names.currency(rows.text(settlements::CURRENCY, row))?,
                ),
                amount: names.amount(rows.long(settlements::AMOUNT, row))?,
                is_asked: batch == batch_no.as_str(),
            });
        }
        Ok::<_, DayError>(())
    })?;
    found.sort_unstable_by_key(|row| std::cmp::Reverse(row.at));
    Ok(found)
}

/// The merchants of a batch. All days are looked through, the last first: a batch may have gone on over several.
pub(super) fn find(store: &Store, dates: &[Date], batch_no: &Number) -> Result<Payees, SettleError> {
    let (mut payees, mut others) = (Payees::new(), BTreeSet::new());
    for &date in dates.iter().rev() {
        let day = Manifest::load(store, date)?;
        for Row { at, whose, amount, is_asked } in rows(store, &day, batch_no, &mut others)? {
            let paid = payees.get_mut(&whose);
            match (paid, is_asked) {
                (Some(paid), true) => {
                    // What was settled between two parts of a batch is not before it.
                    (paid.amount, paid.first, paid.before) = (paid.amount + i128::from(amount), at, None);
                }
                (None, true) => {
                    let paid = Paid { amount: amount.into(), first: at, last: at, before: None };
                    payees.insert(whose, paid);
                }
                (Some(paid), false) => paid.before = paid.before.or(Some(at)),
                (None, false) => {}
            }
        }
    }
    if payees.is_empty() {
        return Err(SettleError::UnknownBatch {
            batch_no: *batch_no,
            url: store.url().to_owned(),
            first: dates.first().copied(),
            last: dates.last().copied(),
            batches: super::some_of(&others),
        });
    }
    Ok(payees)
}
