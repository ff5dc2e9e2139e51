//! A statement as TXT, version 1: UTF-8, fields separated by `|`, CRLF; the sums first, then a line for each transaction.
//!
//! ```text
//! H|1|1001|小店|2018-08-26|Asia/Shanghai|2        version, merchant, its name, date, zone of the times, transactions
//! S|CNY|2|100.00|0.00|…                           for each currency: transactions, then the sums of the thirteen amounts
//! A|CNY|pending|20.00|0.00|99.40|0.00|119.40|0.00 for each account: opening over zero, opening below it, in, out, closing over, closing below
//! T|2018-08-26T09:15:02.5+08:00|payment|A17|||CNY|100.00|0.00|…|1088|0|0
//!                                                 time, kind, order, refund, reference, currency, the thirteen amounts, place in the log
//! ```
//!
//! The thirteen amounts are gross, voided, refunded, refund_failed, fee, fee_returned, other_in, other_out, net_in, net_out, moved, billed, credited.
//! In a text `|` is written `%7C`, CR `%0D`, LF `%0A` and `%` itself `%25`, so that a line is a line and a field a field.

use std::borrow::Cow;
use std::io::{self, Write};

use jiff::tz::TimeZone;
use suanpan_core::Currency;

use super::{Column, Statement, Sums, both_sides, code, text_of, time_of};
use crate::money::Decimal;

/// The version of the form.
const VERSION: u32 = 1;

/// A text that stays in its field.
fn field(text: &str) -> Cow<'_, str> {
    if !text.contains(['|', '%', '\r', '\n']) {
        return Cow::Borrowed(text);
    }
    let text = text.replace('%', "%25").replace('|', "%7C").replace('\r', "%0D").replace('\n', "%0A");
    Cow::Owned(text)
}

pub(super) fn write(statement: &Statement, zone: &TimeZone, to: &mut dyn Write) -> io::Result<()> {
    let zone_name = zone.iana_name().unwrap_or("");
    let (merchant, name) = (statement.merchant.0, field(&statement.facts.name));
    let (date, count) = (statement.date, statement.lines.len());
    write!(to, "H|{VERSION}|{merchant}|{name}|{date}|{zone_name}|{count}\r\n")?;
    for (currency, (count, sums)) in &statement.totals {
        write!(to, "S|{}|{count}", code(currency))?;
        amounts(*currency, sums, to)?;
        to.write_all(b"\r\n")?;
    }
    for line in &statement.accounts {
        write!(to, "A|{}|{}", code(&line.currency), line.account)?;
        let balance = line.balance;
        let moved = [balance.coming, balance.going];
        for amount in [both_sides(balance.opening), moved, both_sides(balance.closing)].into_iter().flatten()
        {
            write!(to, "|{}", Decimal::of(amount, line.currency))?;
        }
        to.write_all(b"\r\n")?;
    }
    for line in &statement.lines {
        write!(to, "T|{}|{}", time_of(line, zone), line.kind.name())?;
        for number in [&line.order_no, &line.refund_no, &line.reference] {
            write!(to, "|{}", field(text_of(number)))?;
        }
        write!(to, "|{}", code(&line.currency))?;
        amounts(line.currency, &Sums::of(line), to)?;
        write!(to, "|{}|{}|{}\r\n", line.place.position, line.place.index, line.place.group)?;
    }
    to.flush()
}

fn amounts(currency: Currency, sums: &Sums, to: &mut dyn Write) -> io::Result<()> {
    for column in Column::ALL {
        if column == Column::Moved {
            both_sides(sums.net())
                .into_iter()
                .try_for_each(|net| write!(to, "|{}", Decimal::of(net, currency)))?;
        }
        write!(to, "|{}", Decimal::of(sums.amount(column), currency))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_stays_one() {
        assert_eq!(field("A1"), "A1");
        assert_eq!(field("A|1\r\n%"), "A%7C1%0D%0A%25");
    }
}
