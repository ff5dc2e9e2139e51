//! The bill of any other channel: plain CSV, made from whatever that channel sends.
//!
//! ```text
//! version 1
//!
//! time,kind,state,merchant_id,order_no,channel_txn,refund_no,channel_refund_no,amount,fee,currency
//! 2018-08-26 09:00:01,payment,succeeded,1001,A1,420001,,,100.00,0.60,CNY
//! 2018-08-26T10:00:00+08:00,refund,succeeded,1001,A1,420001,R1,503001,33.00,-0.20,CNY
//! total,CNY,2,1,100.00,1,33.00,0.40
//!
//! time               in the channel's zone, or RFC 3339
//! kind               payment | refund | void
//! state              succeeded | processing | failed | abnormal     (may be missing: then succeeded)
//! merchant_id        the merchant's number at the channel           (may be missing, like the next four)
//! channel_txn, refund_no, channel_refund_no, fee
//! amount, fee        decimals of the major unit; an amount is not below zero, a fee that is given back is
//!
//! total,<currency>,<rows>,<payments>,<paid>,<refunds and voids>,<refunded>,<fee>
//!                    behind the rows, one for each currency in them, and at least one
//! ```
//!
//! UTF-8 with a mark before it or without, RFC 4180, columns in any order, perhaps gzip.

use suanpan_core::Currency;

use super::day::Day;
use super::error::BillError;
use super::fields::{Fields, MILLIONTH, amount, check_total, currency, decimal};
use super::header::Header;
use super::lines::Lines;
use super::record::Record;
use super::{Bill, BillKind, BillRow, BillState};
use crate::money::exponent;

const FORMAT: &str = "generic bill";
const TOTAL: &str = "total";
/// The fields of a total.
const TOTAL_WIDTH: usize = 8;

/// Where the columns of a file are.
struct Layout {
    width: usize,
    time: usize,
    kind: usize,
    order_no: usize,
    amount: usize,
    currency: usize,
    state: Option<usize>,
    merchant_id: Option<usize>,
    channel_txn: Option<usize>,
    refund_no: Option<usize>,
    channel_refund_no: Option<usize>,
    fee: Option<usize>,
}

impl Layout {
    fn new(mut header: Header) -> Result<Self, BillError> {
        let layout = Self {
            width: header.len(),
            time: header.required(&["time"])?,
            kind: header.required(&["kind"])?,
            order_no: header.required(&["order_no"])?,
            amount: header.required(&["amount"])?,
            currency: header.required(&["currency"])?,
            state: header.optional(&["state"]),
            merchant_id: header.optional(&["merchant_id"]),
            channel_txn: header.optional(&["channel_txn"]),
            refund_no: header.optional(&["refund_no"]),
            channel_refund_no: header.optional(&["channel_refund_no"]),
            fee: header.optional(&["fee"]),
        };
        header.finish().map(|()| layout)
    }
}

/// The rows of one currency.
struct Sums {
    currency: Currency,
    /// Payments, then refunds and voids: how many, and their minor units.
    kinds: [(i128, i128); 2],
    fee_millionths: i128,
    checked: bool,
}

/// The sums of a currency. There are few, and most often one.
fn of(sums: &mut Vec<Sums>, currency: Currency) -> &mut Sums {
    let at = sums.iter().position(|sum| sum.currency == currency).unwrap_or_else(|| {
        sums.push(Sums { currency, kinds: [(0, 0); 2], fee_millionths: 0, checked: false });
        sums.len() - 1
    });
    &mut sums[at]
}

/// One file, to its end.
pub(super) fn read(lines: &mut Lines<'_>, day: &Day<'_>, bill: &mut Bill<'_>) -> Result<(), BillError> {
    let mut record = Record::default();
    if !record.next(lines)? {
        return Err(lines.cut_short("it is empty"));
    }
    let layout = Layout::new(Header::new(lines.place(), FORMAT, record.names())?)?;
    let mut sums = Vec::new();
    loop {
        if !record.next(lines)? {
            return Err(lines.cut_short("it has no total"));
        }
        if record.first() == TOTAL {
            break;
        }
        let fields = record.fields(layout.width, lines)?;
        read_row(lines, day, bill, &layout, fields, record.line(), &mut sums)?;
    }
    loop {
        if record.first() != TOTAL {
            return Err(lines.behind());
        }
        check_totals(lines, record.fields(TOTAL_WIDTH, lines)?, &mut sums)?;
        if !record.next(lines)? {
            break;
        }
    }
    if sums.iter().any(|sum| !sum.checked) {
        return Err(lines.cut_short("the total of a currency in its rows is missing"));
    }
    Ok(())
}

fn read_row(
    lines: &Lines<'_>,
    day: &Day<'_>,
    bill: &mut Bill<'_>,
    layout: &Layout,
    fields: Fields<'_>,
    line: u64,
    sums: &mut Vec<Sums>,
) -> Result<(), BillError> {
    let kind = match fields.get(layout.kind) {
        "payment" => BillKind::Payment,
        "refund" => BillKind::Refund,
        "void" => BillKind::Void,
        other => return Err(lines.value("kind", other, "is neither payment nor refund nor void")),
    };
    let state = match layout.state.map(|column| fields.get(column)) {
        None | Some("succeeded") => BillState::Succeeded,
        Some("processing") => BillState::Processing,
        Some("failed") => BillState::Failed,
        Some("abnormal") => BillState::Abnormal,
        Some(other) => {
            return Err(lines.value(
                "state",
                other,
                "is neither succeeded nor processing nor failed nor abnormal",
            ));
        }
    };
    let currency = currency(lines, "currency", fields.get(layout.currency))?;
    let amount = amount(lines, "amount", fields.get(layout.amount), currency)?;
    let fee_millionths =
        layout.fee.map_or(Ok(0), |column| decimal(lines, "fee", fields.get(column), MILLIONTH))?;
    let sum = of(sums, currency);
    let (count, minor) = &mut sum.kinds[usize::from(kind != BillKind::Payment)];
    *count += 1;
    *minor += i128::from(amount);
    sum.fee_millionths += i128::from(fee_millionths);
    bill.row(&BillRow {
        file: bill.file,
        line,
        kind,
        state,
        time: day.any(lines, "time", fields.get(layout.time))?,
        sub_merchant: fields.get_or_empty(layout.merchant_id),
        channel_txn: fields.get_or_empty(layout.channel_txn),
        order_no: fields.get(layout.order_no),
        channel_refund_no: fields.get_or_empty(layout.channel_refund_no),
        refund_no: fields.get_or_empty(layout.refund_no),
        currency,
        amount,
        fee_millionths,
    });
    Ok(())
}

/// Checks a total, of which there is one for a currency.
fn check_totals(lines: &Lines<'_>, fields: Fields<'_>, sums: &mut Vec<Sums>) -> Result<(), BillError> {
    let currency = currency(lines, "currency of the total", fields.get(1))?;
    let sum = of(sums, currency);
    if sum.checked {
        return Err(lines.behind());
    }
    sum.checked = true;
    let [(payments, paid), (refunds, refunded)] = sum.kinds;
    let minor = exponent(currency);
    let figures = [
        ("total of rows", payments + refunds, 0),
        ("total of payments", payments, 0),
        ("total of paid", paid, minor),
        ("total of refunds", refunds, 0),
        ("total of refunded", refunded, minor),
        ("total of fee", sum.fee_millionths, MILLIONTH),
    ];
    for (at, (name, counted, decimals)) in figures.into_iter().enumerate() {
        check_total(lines, name, fields.get(2 + at), counted, decimals)?;
    }
    Ok(())
}
