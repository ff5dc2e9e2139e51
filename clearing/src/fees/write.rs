//! A month's fees as CSV and as JSON, version 1.
//!
//! The CSV is UTF-8, RFC 4180, with a header row and the same columns in every row; amounts in major units and never below zero: what may be on
//! either side has two columns, the second with `_below` for what is below zero.
//!
//! ```text
//! row,month,days,id,name,currency,count,fees,fees_returned,passed_on,passed_back,cost,cost_returned,discounts,discounts_returned,
//!     commissions,commissions_returned,other_in,other_out,result,result_below,opening,opening_below,closing,closing_below
//! gross_merchant,2018-08,31,1002,小店,CNY,840,…    fees charged to its bill, how many; opening_below and closing_below: what it owes
//! promoter,…                                       commissions, how many; other_in and other_out: splits, sweeps
//! platform,…                                       fees less what is passed on is its own; discounts that it funded
//! channel,2018-08,31,wechat,,CNY,…                 the operator's result by it: fees, cost, discounts
//! operator,…                                       the same over all channels, and the operator's balance
//! total,2018-08,31,gross_merchant,,CNY,…           the sums of each kind of row
//! ```
//!
//! The JSON has the same fields, amounts as whole numbers of minor units with a sign where they are below zero, and the missing days.

use std::io::{self, Write};

use serde_json::{Map, Value, json};
use suanpan_core::Currency;

use super::{Item, MonthFees, Row, Tally};
use crate::cell;
use crate::money::Decimal;
use crate::statement::{both_sides, code};

/// The version of the forms.
const FORMAT: u32 = 1;

/// How many entries a row is about: fees, or commissions.
fn count(tally: &Tally) -> u64 {
    tally.count(Item::Fees) + tally.count(Item::Commissions)
}

/// Writes a month as CSV.
///
/// # Errors
/// When `to` does not take it.
pub fn write_csv(fees: &MonthFees, to: &mut dyn Write) -> io::Result<()> {
    let mut sheet = ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(to);
    let front = ["row", "month", "days", "id", "name", "currency", "count"];
    let behind = ["result", "result_below", "opening", "opening_below", "closing", "closing_below"];
    sheet.write_record(front.into_iter().chain(Item::ALL.map(Item::name)).chain(behind))?;
    for Row { whose, name, currency, tally, balance } in &fees.rows {
        let cells = cells(fees, [whose.kind(), &whose.id(), name], *currency, tally, *balance);
        sheet.write_record(cells)?;
    }
    for ((kind, currency), (_, tally)) in fees.totals() {
        sheet.write_record(cells(fees, ["total", kind, ""], currency, &tally, None))?;
    }
    sheet.flush()
}

fn cells(
    fees: &MonthFees,
    [row, id, name]: [&str; 3],
    currency: Currency,
    tally: &Tally,
    balance: Option<(i128, i128)>,
) -> Vec<String> {
    let amount = |minor: i128| Decimal::of(minor, currency).to_string();
    let mut cells = vec![row.to_owned(), fees.month.to_string(), fees.days.len().to_string()];
    cells.extend([cell::text(id), cell::text(name)].map(std::borrow::Cow::into_owned));
    cells.extend([code(&currency).to_owned(), count(tally).to_string()]);
    cells.extend(Item::ALL.map(|item| amount(tally.amount(item))));
    cells.extend(both_sides(tally.result()).map(amount));
    match balance {
        Some((opening, closing)) => {
            cells.extend([both_sides(opening), both_sides(closing)].into_iter().flatten().map(amount));
        }
        None => cells.extend([const { String::new() }; 4]),
    }
    cells
}

/// Writes a month as JSON.
///
/// # Errors
/// When `to` does not take it.
pub fn write_json(fees: &MonthFees, to: &mut dyn Write) -> io::Result<()> {
    let dates = |dates: &[_]| dates.iter().map(ToString::to_string).collect::<Vec<String>>();
    let rows: Result<Vec<Value>, io::Error> = fees.rows.iter().map(object).collect();
    let whole = json!({
        "format": FORMAT,
        "month": fees.month.to_string(),
        "days": dates(&fees.days),
        "missing": dates(&fees.missing),
        "rows": rows?,
    });
    serde_json::to_writer_pretty(&mut *to, &whole)?;
    to.write_all(b"\n")?;
    to.flush()
}

fn object(row: &Row) -> io::Result<Value> {
    let minor = |minor: i128| {
        let fits = i64::try_from(minor).map_err(|_| io::Error::other("a sum is more than 64 bits hold"));
        fits.map(Value::from)
    };
    let mut object = Map::new();
    object.insert("row".to_owned(), row.whose.kind().into());
    object.insert("id".to_owned(), row.whose.id().into());
    object.insert("name".to_owned(), row.name.clone().into());
    object.insert("currency".to_owned(), code(&row.currency).into());
    object.insert("count".to_owned(), count(&row.tally).into());
    for item in Item::ALL {
        object.insert(format!("{}_minor", item.name()), minor(row.tally.amount(item))?);
    }
    object.insert("result_minor".to_owned(), minor(row.tally.result())?);
    if let Some((opening, closing)) = row.balance {
        object.insert("opening_minor".to_owned(), minor(opening)?);
        object.insert("closing_minor".to_owned(), minor(closing)?);
    }
    Ok(Value::Object(object))
}
