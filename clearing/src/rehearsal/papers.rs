//! The town's papers: each channel's bill as that channel sends it, and what the bank says.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::tz::TimeZone;
use suanpan_core::Currency;

use super::bills::{Bill, Line};
use crate::bill::write::{Alipay, Row, Wechat, write_bank, write_generic};
use crate::bill::{BankRow, BillKind, BillState, Direction, Format};

/// The operator's account at every channel.
pub const ACCOUNT: &str = "1900000109";

const CNY: Currency = Currency(*b"CNY");
/// A minor unit in millionths of the yuan.
const FEN: i64 = 10_000;

/// How a channel of the town writes.
#[must_use]
pub fn format_of(channel: &str) -> Format {
    channel.parse().unwrap_or(Format::Generic)
}

/// Shanghai, where all of the town is.
#[must_use]
pub fn zone() -> TimeZone {
    TimeZone::get("Asia/Shanghai").unwrap_or(TimeZone::UTC)
}

/// A name for the bill's file.
#[must_use]
pub fn name_of(bill: &Bill) -> String {
    let packed = match format_of(bill.channel) {
        Format::Wechat => ".gz",
        Format::Alipay => ".zip",
        Format::Generic => "",
    };
    format!("{}-{}.csv{packed}", bill.channel, bill.date)
}

/// Alipay knows no voids, only refunds, has no states, and does not say below which account it was.
fn row(line: &Line, format: Format) -> Row {
    let happened = &line.happened;
    let is_alipay = format == Format::Alipay;
    let kind = if is_alipay && happened.kind == BillKind::Void { BillKind::Refund } else { happened.kind };
    Row {
        kind,
        state: if is_alipay { BillState::Succeeded } else { line.state },
        time: happened.time,
        sub_merchant: if is_alipay { String::new() } else { happened.merchant.0.to_string() },
        channel_txn: happened.channel_txn.clone(),
        order_no: happened.order_no.clone(),
        channel_refund_no: happened.channel_refund_no.clone(),
        refund_no: happened.refund_no.clone(),
        currency: CNY,
        amount: happened.amount,
        fee_millionths: happened.cost * FEN,
    }
}

/// Writes a bill as its channel does: WeChat's in gzip, Alipay's in a ZIP.
///
/// # Errors
/// When `out` takes no more.
pub fn write_bill(bill: &Bill, out: &mut impl Write) -> io::Result<()> {
    let format = format_of(bill.channel);
    let rows: Vec<Row> = bill.lines.iter().map(|line| row(line, format)).collect();
    match format {
        Format::Wechat => {
            let mut packed = GzEncoder::new(out, Compression::fast());
            Wechat::new(ACCOUNT, &zone()).write(&rows, &mut packed)?;
            packed.finish()?;
            Ok(())
        }
        Format::Alipay => {
            let alipay = Alipay::new(ACCOUNT, bill.date, &zone());
            out.write_all(&alipay.zip(&alipay.bytes(&rows), true))
        }
        Format::Generic => write_generic(&rows, &zone(), true, out),
    }
}

/// Writes what the bank says that the channel paid for a bill, on the day after it.
///
/// # Errors
/// When `out` takes no more.
pub fn write_statement(bill: &Bill, out: &mut impl Write) -> io::Result<()> {
    let owed = |line: &Line| {
        let Line { happened, state } = line;
        let amount = happened.amount.cast_signed();
        let counts = format_of(bill.channel) == Format::Alipay || *state != BillState::Failed;
        let amount = if counts { amount } else { 0 };
        let amount = if happened.kind == BillKind::Payment { amount } else { -amount };
        amount - happened.cost
    };
    let owed: i64 = bill.lines.iter().map(owed).sum();
    let reference = format!("{} {}", bill.channel, bill.date);
    let row = BankRow {
        file: 0,
        line: 2,
        date: bill.date.plus_days(1),
        account: "6222",
        reference: &reference,
        amount: owed.unsigned_abs(),
        currency: CNY,
        direction: if owed < 0 { Direction::Debit } else { Direction::Credit },
    };
    write_bank([row].into_iter().filter(|row| row.amount > 0), out)
}
