//! A statement as JSON, format 1: one object; amounts are whole numbers of minor units, balances below zero have a sign.

use std::io::{self, Write};

use jiff::tz::TimeZone;
use serde::Serialize;

use super::{Column, Statement, Sums, both_sides, code, text_of, time_of};

/// The version of the form.
const FORMAT: u32 = 1;

#[derive(Serialize)]
struct Whole<'a> {
    format: u32,
    merchant_id: String,
    name: &'a str,
    date: String,
    timezone: Option<&'a str>,
    totals: Vec<Total<'a>>,
    accounts: Vec<Account<'a>>,
    lines: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Total<'a> {
    currency: &'a str,
    lines: u64,
    #[serde(flatten)]
    amounts: Amounts,
}

#[derive(Serialize)]
struct Account<'a> {
    currency: &'a str,
    account: &'a str,
    opening_minor: i128,
    in_minor: i128,
    out_minor: i128,
    closing_minor: i128,
}

#[derive(Serialize)]
struct Row<'a> {
    time: String,
    kind: &'a str,
    order_no: &'a str,
    refund_no: &'a str,
    reference: &'a str,
    currency: &'a str,
    #[serde(flatten)]
    amounts: Amounts,
    log_position: i64,
    log_index: i32,
    group_no: i32,
}

#[derive(Serialize)]
struct Amounts {
    gross_minor: i128,
    voided_minor: i128,
    refunded_minor: i128,
    refund_failed_minor: i128,
    fee_minor: i128,
    fee_returned_minor: i128,
    other_in_minor: i128,
    other_out_minor: i128,
    net_in_minor: i128,
    net_out_minor: i128,
    moved_minor: i128,
    billed_minor: i128,
    credited_minor: i128,
}

impl Amounts {
    fn of(sums: &Sums) -> Self {
        let [net_in_minor, net_out_minor] = both_sides(sums.net());
        Self {
            gross_minor: sums.amount(Column::Gross),
            voided_minor: sums.amount(Column::Voided),
            refunded_minor: sums.amount(Column::Refunded),
            refund_failed_minor: sums.amount(Column::RefundFailed),
            fee_minor: sums.amount(Column::Fee),
            fee_returned_minor: sums.amount(Column::FeeReturned),
            other_in_minor: sums.amount(Column::OtherIn),
            other_out_minor: sums.amount(Column::OtherOut),
            net_in_minor,
            net_out_minor,
            moved_minor: sums.amount(Column::Moved),
            billed_minor: sums.amount(Column::Billed),
            credited_minor: sums.amount(Column::Credited),
        }
    }
}

pub(super) fn write(statement: &Statement, zone: &TimeZone, to: &mut dyn Write) -> io::Result<()> {
    let totals = statement.totals.iter().map(|(currency, (lines, sums))| Total {
        currency: code(currency),
        lines: *lines,
        amounts: Amounts::of(sums),
    });
    let accounts = statement.accounts.iter().map(|line| Account {
        currency: code(&line.currency),
        account: line.account,
        opening_minor: line.balance.opening,
        in_minor: line.balance.coming,
        out_minor: line.balance.going,
        closing_minor: line.balance.closing,
    });
    let rows = statement.lines.iter().map(|line| Row {
        time: time_of(line, zone).to_string(),
        kind: line.kind.name(),
        order_no: text_of(&line.order_no),
        refund_no: text_of(&line.refund_no),
        reference: text_of(&line.reference),
        currency: code(&line.currency),
        amounts: Amounts::of(&Sums::of(line)),
        log_position: line.place.position,
        log_index: line.place.index,
        group_no: line.place.group,
    });
    let whole = Whole {
        format: FORMAT,
        merchant_id: statement.merchant.0.to_string(),
        name: &statement.facts.name,
        date: statement.date.to_string(),
        timezone: zone.iana_name(),
        totals: totals.collect(),
        accounts: accounts.collect(),
        lines: rows.collect(),
    };
    serde_json::to_writer_pretty(&mut *to, &whole)?;
    to.write_all(b"\n")?;
    to.flush()
}
