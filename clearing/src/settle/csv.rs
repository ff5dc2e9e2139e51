//! The files of a settlement batch, version 1: UTF-8, RFC 4180, a header row, the same columns in every row; amounts in major units, never
//! below zero.
//!
//! ```text
//! bank.csv
//! row,seq,batch_no,merchant_id,name,currency,amount,count
//! pay,1,S1,1001,小店,CNY,1024.50,1
//! total,,S1,,,CNY,20480.00,36                 for each currency: how many, and the sum
//!
//! merchant-1001.csv
//! row,batch_no,merchant_id,date,currency,gross,gross_back,refunds,refunds_failed,fees,fees_returned,discounts,discounts_back,
//!     releases,adjustments_in,adjustments_out,other_in,other_out,net_in,net_out,settled,pending,
//!     from_position,from_index,to_position,to_index
//! opening,S1,1001,2018-08-25,CNY,,…,200.00,…  what pending held after the settlement before, on that date; no date: when the store begins
//! day,S1,1001,2018-08-26,CNY,1000.00,0.00,…   for each accounting date: what came and went, what the batch settled, what pending held
//!                                             behind it, and between which places of the log its entries are
//! total,S1,1001,,CNY,…                        the sums
//! closing,S1,1001,2018-08-26,CNY,,…,175.50,…  what stays in pending, for later
//! ```
//!
//! A name that begins as a formula does has an apostrophe before it.

use std::io::{self, Write};

use suanpan_core::{Currency, Date, MerchantId};

use super::{DayPart, FLOWS, Flow, Flows, LogPart, Settled, SettledBatch};
use crate::cell;
use crate::money::Decimal;
use crate::statement::{both_sides, code};

type Sheet<'a> = ::csv::Writer<&'a mut dyn Write>;

fn sheet<'a>(to: &'a mut dyn Write) -> Sheet<'a> {
    ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(to)
}

pub(super) fn write_bank(batch: &SettledBatch, to: &mut dyn Write) -> io::Result<()> {
    let mut sheet = sheet(to);
    sheet.write_record(["row", "seq", "batch_no", "merchant_id", "name", "currency", "amount", "count"])?;
    let batch_no = cell::text(batch.batch_no.as_str());
    for (seq, settled) in (1..).zip(&batch.merchants) {
        let (seq, merchant): (u64, _) = (seq, settled.merchant.0);
        let amount = Decimal::of(settled.amount, settled.currency).to_string();
        let (name, currency) = (cell::text(&settled.name), code(&settled.currency));
        let row = ["pay", &seq.to_string(), &batch_no, &merchant.to_string(), &name, currency, &amount, "1"];
        sheet.write_record(row)?;
    }
    for (currency, (count, sum)) in batch.totals() {
        let amount = Decimal::of(sum, currency).to_string();
        let row = ["total", "", &batch_no, "", "", code(&currency), &amount, &count.to_string()];
        sheet.write_record(row)?;
    }
    sheet.flush()
}

/// What stands in a row of a merchant's file.
#[derive(Default)]
struct Row<'a> {
    row: &'a str,
    date: Option<Date>,
    flows: Option<Flows>,
    settled: Option<i128>,
    pending: Option<i128>,
    log: Option<LogPart>,
}

pub(super) fn write_merchant(
    batch: &SettledBatch,
    merchant: MerchantId,
    to: &mut dyn Write,
) -> io::Result<()> {
    let mut sheet = sheet(to);
    let front = ["row", "batch_no", "merchant_id", "date", "currency"];
    let behind =
        ["net_in", "net_out", "settled", "pending", "from_position", "from_index", "to_position", "to_index"];
    sheet.write_record(front.into_iter().chain(Flow::ALL.map(Flow::name)).chain(behind))?;
    for settled in batch.merchants.iter().filter(|settled| settled.merchant == merchant) {
        for row in rows(settled) {
            write_row(batch, settled, &row, &mut sheet)?;
        }
    }
    sheet.flush()
}

fn rows(settled: &Settled) -> Vec<Row<'static>> {
    let mut sum = Flows::default();
    settled.days.iter().for_each(|day| sum.add_all(&day.flows));
    let day = |day: &DayPart| Row {
        row: "day",
        date: Some(day.date),
        flows: Some(day.flows),
        settled: Some(day.settled),
        pending: Some(day.pending),
        log: day.log,
    };
    let mut rows =
        vec![Row { row: "opening", date: settled.before, pending: Some(settled.opening), ..Row::default() }];
    rows.extend(settled.days.iter().map(day));
    rows.push(Row { row: "total", flows: Some(sum), settled: Some(settled.amount), ..Row::default() });
    let last = settled.days.last().map(|day| day.date);
    rows.push(Row { row: "closing", date: last, pending: Some(settled.closing), ..Row::default() });
    rows
}

fn write_row(
    batch: &SettledBatch,
    settled: &Settled,
    row: &Row<'_>,
    sheet: &mut Sheet<'_>,
) -> io::Result<()> {
    let currency: Currency = settled.currency;
    let amount = |minor: i128| Decimal::of(minor, currency).to_string();
    let text = |minor: Option<i128>| minor.map(amount).unwrap_or_default();
    let flows = match &row.flows {
        Some(flows) => {
            let mut texts = Flow::ALL.map(|flow| amount(flows.amount(flow))).to_vec();
            texts.extend(both_sides(flows.net()).map(amount));
            texts
        }
        None => vec![String::new(); FLOWS + 2],
    };
    let log = match row.log {
        Some(LogPart { from, to }) => {
            [from.0.to_string(), from.1.to_string(), to.0.to_string(), to.1.to_string()]
        }
        None => Default::default(),
    };
    let date = row.date.map_or(String::new(), |date| date.to_string());
    let (batch_no, merchant) = (cell::text(batch.batch_no.as_str()), settled.merchant.0.to_string());
    let front = [row.row, &batch_no, &merchant, &date, code(&currency)];
    front.iter().try_for_each(|cell| sheet.write_field(cell))?;
    let behind = flows.into_iter().chain([text(row.settled), text(row.pending)]).chain(log);
    Ok(sheet.write_record(behind)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_the_banks_file_is_run() {
        let settled = Settled {
            merchant: MerchantId(1_001),
            name: "=HYPERLINK(\"http://x\",\"pay, here\")".to_owned(),
            currency: Currency(*b"CNY"),
            amount: 102_450,
            before: None,
            opening: 0,
            days: Vec::new(),
            closing: 0,
        };
        let batch_no = "-S1".parse().unwrap();
        let batch = SettledBatch { batch_no, dates: Vec::new(), merchants: vec![settled] };
        let mut bytes = Vec::new();
        write_bank(&batch, &mut bytes).unwrap();
        let expected = "row,seq,batch_no,merchant_id,name,currency,amount,count\r\n\
                        pay,1,'-S1,1001,\"'=HYPERLINK(\"\"http://x\"\",\"\"pay, here\"\")\",CNY,1024.50,1\r\n\
                        total,,'-S1,,,CNY,1024.50,1\r\n";
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }
}
