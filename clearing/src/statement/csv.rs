//! A statement as CSV, version 1: UTF-8, RFC 4180 (comma, quotes where they must be, CRLF), a header row, and the same columns in every row.
//!
//! ```text
//! row,merchant_id,date,currency,account,time,kind,order_no,refund_no,reference,
//!     gross,voided,refunded,refund_failed,fee,fee_returned,other_in,other_out,net_in,net_out,moved,billed,credited,
//!     log_position,log_index,group_no
//! line,1001,2018-08-26,CNY,,2018-08-26T09:15:02.5+08:00,payment,A17,,,100.00,0.00,…,99.40,0.00,0.00,0.00,0.00,1088,0,0
//! total,1001,2018-08-26,CNY,,,,,,,100.00,…                    a row for each currency: the sums of the columns above
//! opening,1001,2018-08-26,CNY,pending,,,,,,,,,,,,,,20.00,0.00  a row for each account, `total` of them and `fee_receivable`:
//! movement,…                                                  what it held, what came in (net_in) and went out (net_out),
//! closing,…                                                   and what it holds: net_in over zero, net_out below it
//! ```
//!
//! Amounts are in major units with the currency's decimals, and never below zero. `net` is gross − voided − refunded + refund_failed − fee +
//! fee_returned + other_in − other_out. A number that begins as a formula does has an apostrophe before it.

use std::fmt::Write as _;
use std::io::{self, Write};

use jiff::tz::TimeZone;
use suanpan_core::Currency;

use super::{AccountLine, Column, Line, Statement, Sums, both_sides, code, text_of, time_of};
use crate::cell;
use crate::money::Decimal;

/// The columns, in their order.
const HEADER: [&str; 26] = [
    "row",
    "merchant_id",
    "date",
    "currency",
    "account",
    "time",
    "kind",
    "order_no",
    "refund_no",
    "reference",
    "gross",
    "voided",
    "refunded",
    "refund_failed",
    "fee",
    "fee_returned",
    "other_in",
    "other_out",
    "net_in",
    "net_out",
    "moved",
    "billed",
    "credited",
    "log_position",
    "log_index",
    "group_no",
];

/// Which of them are empty in the row of an account, before its two amounts and behind them.
const EMPTY_BEFORE: usize = 13;
const EMPTY_BEHIND: usize = 6;
const _: () = assert!(5 + EMPTY_BEFORE + 2 + EMPTY_BEHIND == HEADER.len());

struct Sheet<'a, 'b> {
    to: ::csv::Writer<&'a mut dyn Write>,
    zone: &'b TimeZone,
    date: String,
    merchant: String,
    cell: String,
}

pub(super) fn write(statement: &Statement, zone: &TimeZone, to: &mut dyn Write) -> io::Result<()> {
    let to = ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(to);
    let (date, merchant) = (statement.date.to_string(), statement.merchant.0.to_string());
    let mut sheet = Sheet { to, zone, date, merchant, cell: String::new() };
    sheet.to.write_record(HEADER)?;
    statement.lines.iter().try_for_each(|line| sheet.line(line))?;
    statement.totals.iter().try_for_each(|(currency, (_, sums))| sheet.total(*currency, sums))?;
    statement.accounts.iter().try_for_each(|account| sheet.account(account))?;
    sheet.to.flush()
}

impl Sheet<'_, '_> {
    fn begin(&mut self, row: &str, currency: Currency, account: &str) -> io::Result<()> {
        let merchant = std::mem::take(&mut self.merchant);
        let cells = [row, &merchant, &self.date, code(&currency), account];
        cells.iter().try_for_each(|cell| self.to.write_field(cell))?;
        self.merchant = merchant;
        Ok(())
    }

    fn put(&mut self, value: impl std::fmt::Display) -> io::Result<()> {
        self.cell.clear();
        // Writing to memory does not fail.
        let _ = write!(self.cell, "{value}");
        Ok(self.to.write_field(&self.cell)?)
    }

    fn blanks(&mut self, count: usize) -> io::Result<()> {
        (0..count).try_for_each(|_| Ok(self.to.write_field("")?))
    }

    fn end(&mut self) -> io::Result<()> {
        Ok(self.to.write_record(None::<&[u8]>)?)
    }

    fn amounts(&mut self, currency: Currency, sums: &Sums) -> io::Result<()> {
        for column in Column::ALL {
            if column == Column::Moved {
                both_sides(sums.net())
                    .into_iter()
                    .try_for_each(|net| self.put(Decimal::of(net, currency)))?;
            }
            self.put(Decimal::of(sums.amount(column), currency))?;
        }
        Ok(())
    }

    fn line(&mut self, line: &Line) -> io::Result<()> {
        self.begin("line", line.currency, "")?;
        self.put(time_of(line, self.zone))?;
        self.to.write_field(line.kind.name())?;
        for number in [&line.order_no, &line.refund_no, &line.reference] {
            self.to.write_field(cell::text(text_of(number)).as_bytes())?;
        }
        self.amounts(line.currency, &Sums::of(line))?;
        self.put(line.place.position)?;
        self.put(line.place.index)?;
        self.put(line.place.group)?;
        self.end()
    }

    fn total(&mut self, currency: Currency, sums: &Sums) -> io::Result<()> {
        self.begin("total", currency, "")?;
        self.blanks(5)?;
        self.amounts(currency, sums)?;
        self.blanks(3)?;
        self.end()
    }

    fn account(&mut self, line: &AccountLine) -> io::Result<()> {
        let balance = line.balance;
        for (row, pair) in [
            ("opening", both_sides(balance.opening)),
            ("movement", [balance.coming, balance.going]),
            ("closing", both_sides(balance.closing)),
        ] {
            self.begin(row, line.currency, line.account)?;
            self.blanks(EMPTY_BEFORE)?;
            pair.into_iter().try_for_each(|amount| self.put(Decimal::of(amount, line.currency)))?;
            self.blanks(EMPTY_BEHIND)?;
            self.end()?;
        }
        Ok(())
    }
}
