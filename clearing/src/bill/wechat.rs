//! WeChat Pay's trade bill (交易账单), of type ALL.
//!
//! ```text
//! 交易时间,公众账号ID,商户号,特约商户号,…        a header; the names are plain
//! `2018-08-26 09:00:01,`wx00…,`1900000109,…     a row: every field begins with a back-quote, and a comma in it is a comma
//! …                                             none on a day without trade
//! 总交易单数,应结订单总金额,…                     the header of the summary
//! `6,`158.76,…                                  the summary
//! ```
//!
//! UTF-8, often with a mark before it, lines end in CR LF or LF, often gzip. Times are the channel's own. Two sets of columns are
//! about: until 2018 there were 子商户号, 总金额 and coupons by older names, and neither 订单金额 nor what stands behind it.
//! The totals are those of their columns, over rows of every kind.

use memchr::memchr_iter;
use suanpan_core::Currency;

use super::day::Day;
use super::error::{BillError, quoted};
use super::fields::{Fields, MILLIONTH, Spans, check_total, currency, decimal, in_millionths};
use super::header::Header;
use super::lines::Lines;
use super::{Bill, BillKind, BillRow, BillState, text};
use crate::money::exponent;

const FORMAT: &str = "WeChat trade bill of type ALL";
const SUMMARY: &str = "总交易单数";

/// Columns that are of no use here.
const IGNORED: [&str; 13] = [
    "公众账号ID",
    "设备号",
    "用户标识",
    "交易类型",
    "付款银行",
    "代金券金额",
    "企业红包金额",
    "代金券或立减优惠金额",
    "退款类型",
    "商品名称",
    "商户数据包",
    "费率",
    "费率备注",
];

/// A column of amounts that the summary has a total of: their names now and before.
struct Summed {
    columns: &'static [&'static str],
    totals: &'static [&'static str],
    /// Whether every bill has it.
    required: bool,
}

const SETTLED: usize = 0;
const REFUNDED: usize = 1;
const FEE: usize = 2;
const SUMMED: [Summed; 6] = [
    Summed {
        columns: &["应结订单金额", "总金额"], totals: &["应结订单总金额", "总交易额"], required: true
    },
    Summed { columns: &["退款金额"], totals: &["退款总金额", "总退款金额"], required: true },
    Summed { columns: &["手续费"], totals: &["手续费总金额"], required: true },
    Summed {
        columns: &["充值券退款金额", "企业红包退款金额", "代金券或立减优惠退款金额"],
        totals: &["充值券退款总金额", "总企业红包退款金额", "总代金券或立减优惠退款金额"],
        required: false,
    },
    Summed { columns: &["订单金额"], totals: &["订单总金额"], required: false },
    Summed { columns: &["申请退款金额"], totals: &["申请退款总金额"], required: false },
];

/// Where the columns of a file are.
struct Layout {
    width: usize,
    time: usize,
    account: usize,
    sub_merchant: Option<usize>,
    channel_txn: usize,
    order_no: usize,
    state: usize,
    currency: usize,
    channel_refund_no: usize,
    refund_no: usize,
    refund_state: usize,
    summed: [Option<usize>; SUMMED.len()],
}

impl Layout {
    fn new(mut header: Header) -> Result<Self, BillError> {
        let mut summed = [None; SUMMED.len()];
        for (at, sum) in summed.iter_mut().zip(&SUMMED) {
            *at = header.optional(sum.columns);
            if at.is_none() && sum.required {
                return Err(header.missing(sum.columns[0]));
            }
        }
        let layout = Self {
            width: header.len(),
            time: header.required(&["交易时间"])?,
            account: header.required(&["商户号"])?,
            sub_merchant: header.optional(&["特约商户号", "子商户号"]),
            channel_txn: header.required(&["微信订单号"])?,
            order_no: header.required(&["商户订单号"])?,
            state: header.required(&["交易状态"])?,
            currency: header.required(&["货币种类"])?,
            channel_refund_no: header.required(&["微信退款单号"])?,
            refund_no: header.required(&["商户退款单号"])?,
            refund_state: header.required(&["退款状态"])?,
            summed,
        };
        header.ignore(&IGNORED);
        header.finish().map(|()| layout)
    }
}

/// One file, to its end.
pub(super) fn read(lines: &mut Lines<'_>, day: &Day<'_>, bill: &mut Bill<'_>) -> Result<(), BillError> {
    if !lines.advance()? {
        return Err(lines.cut_short("it is empty"));
    }
    let mut spans = Spans::default();
    let layout = Layout::new(header(lines)?)?;
    let (mut rows, mut sums) = (0i128, [0i128; SUMMED.len()]);
    loop {
        if !lines.advance()? {
            return Err(lines.cut_short("it has no summary (总交易单数)"));
        }
        let line = text::utf8(lines)?;
        let Some(row) = line.strip_prefix('`') else {
            if line.starts_with(SUMMARY) {
                break;
            }
            return Err(lines.value("交易时间", line, "does not begin with a back-quote, as rows do"));
        };
        split(row, &mut spans);
        let fields = spans.of(row, layout.width, lines)?;
        read_row(lines, day, bill, &layout, fields, &mut sums)?;
        rows += 1;
    }
    check_summary(lines, &layout, rows, &sums)?;
    lines.finish()
}

fn header(lines: &Lines<'_>) -> Result<Header, BillError> {
    let line = text::utf8(lines)?;
    let names: Vec<String> = names(line).map(str::to_owned).collect();
    if names.len() < 2 || line.starts_with(['<', '{']) {
        return Err(BillError::NotABill { place: lines.place(), format: FORMAT, found: quoted(line) });
    }
    Header::new(lines.place(), FORMAT, names)
}

/// The names in a header. Some write back-quotes there too.
fn names(line: &str) -> impl Iterator<Item = &str> {
    line.split(',').map(|name| name.trim().trim_start_matches('`'))
}

/// Cuts what stands behind a row's first back-quote at each comma that has a back-quote behind it.
fn split(row: &str, spans: &mut Spans) {
    spans.clear();
    let (bytes, mut from) = (row.as_bytes(), 0);
    for at in memchr_iter(b'`', bytes) {
        if at > from && bytes[at - 1] == b',' {
            spans.push(from, at - 1);
            from = at + 1;
        }
    }
    spans.push(from, bytes.len());
}

fn read_row(
    lines: &Lines<'_>,
    day: &Day<'_>,
    bill: &mut Bill<'_>,
    layout: &Layout,
    fields: Fields<'_>,
    sums: &mut [i128; SUMMED.len()],
) -> Result<(), BillError> {
    bill.account(lines, fields.get(layout.account), "")?;
    let currency = currency(lines, "货币种类", fields.get(layout.currency))?;
    let (kind, state) = kind_and_state(lines, fields.get(layout.state), fields.get(layout.refund_state))?;
    let values = add(lines, layout, fields, currency, sums)?;
    let cash = |which: usize| {
        let text = fields.get_or_empty(layout.summed[which]);
        u64::try_from(values[which]).map_err(|_| lines.value(SUMMED[which].columns[0], text, "is below zero"))
    };
    let amount = match kind {
        BillKind::Payment => cash(SETTLED)?,
        BillKind::Refund => cash(REFUNDED)?,
        BillKind::Void => match cash(REFUNDED)? {
            0 => cash(SETTLED)?,
            refunded => refunded,
        },
    };
    let number = |column: usize| Some(fields.get(column)).filter(|number| *number != "0").unwrap_or("");
    bill.row(&BillRow {
        file: bill.file,
        line: lines.line(),
        kind,
        state,
        time: day.local(lines, "交易时间", fields.get(layout.time))?,
        sub_merchant: layout.sub_merchant.map_or("", number),
        channel_txn: fields.get(layout.channel_txn),
        order_no: fields.get(layout.order_no),
        channel_refund_no: number(layout.channel_refund_no),
        refund_no: number(layout.refund_no),
        currency,
        amount,
        fee_millionths: values[FEE],
    });
    Ok(())
}

/// Adds a row to the sums of its columns. Gives what it has there: minor units, the fee in millionths.
fn add(
    lines: &Lines<'_>,
    layout: &Layout,
    fields: Fields<'_>,
    currency: Currency,
    sums: &mut [i128; SUMMED.len()],
) -> Result<[i64; SUMMED.len()], BillError> {
    let mut values = [0; SUMMED.len()];
    for (which, sum) in sums.iter_mut().enumerate() {
        let Some(column) = layout.summed[which] else { continue };
        let decimals = if which == FEE { MILLIONTH } else { exponent(currency) };
        let value = decimal(lines, SUMMED[which].columns[0], fields.get(column), decimals)?;
        *sum += if which == FEE { value.into() } else { in_millionths(value, currency) };
        values[which] = value;
    }
    Ok(values)
}

fn kind_and_state(
    lines: &Lines<'_>,
    state: &str,
    refund_state: &str,
) -> Result<(BillKind, BillState), BillError> {
    let kind = match state {
        "SUCCESS" => return Ok((BillKind::Payment, BillState::Succeeded)),
        "REFUND" => BillKind::Refund,
        "REVOKED" if refund_state.is_empty() => return Ok((BillKind::Void, BillState::Succeeded)),
        "REVOKED" => BillKind::Void,
        _ => return Err(lines.value("交易状态", state, "is neither SUCCESS nor REFUND nor REVOKED")),
    };
    let state = match refund_state {
        "SUCCESS" => BillState::Succeeded,
        "PROCESSING" => BillState::Processing,
        "FAIL" => BillState::Failed,
        "CHANGE" => BillState::Abnormal,
        _ => {
            let reason = "is neither SUCCESS nor PROCESSING nor FAIL nor CHANGE";
            return Err(lines.value("退款状态", refund_state, reason));
        }
    };
    Ok((kind, state))
}

/// Checks every figure of the summary, whose header is the current line.
fn check_summary(
    lines: &mut Lines<'_>,
    layout: &Layout,
    rows: i128,
    sums: &[i128; SUMMED.len()],
) -> Result<(), BillError> {
    let mut header = Header::new(
        lines.place(),
        "summary of a WeChat trade bill",
        names(text::utf8(lines)?).map(str::to_owned).collect(),
    )?;
    let count = header.required(&[SUMMARY])?;
    let mut figures = [None; SUMMED.len()];
    for (which, figure) in figures.iter_mut().enumerate() {
        let Summed { columns, totals, required } = &SUMMED[which];
        *figure = header.optional(totals);
        match (*figure, layout.summed[which]) {
            (None, _) if *required => return Err(header.missing(totals[0])),
            (Some(_), None) => return Err(header.missing(columns[0])),
            _ => {}
        }
    }
    let width = header.len();
    header.finish()?;
    if !lines.advance()? {
        return Err(lines.cut_short("its summary has no figures"));
    }
    let row = text::utf8(lines)?;
    let row =
        row.strip_prefix('`').ok_or_else(|| lines.value(SUMMARY, row, "does not begin with a back-quote"))?;
    let mut spans = Spans::default();
    split(row, &mut spans);
    let fields = spans.of(row, width, lines)?;
    check_total(lines, SUMMARY, fields.get(count), rows, 0)?;
    for (which, figure) in figures.into_iter().enumerate() {
        if let Some(at) = figure {
            check_total(lines, SUMMED[which].totals[0], fields.get(at), sums[which], MILLIONTH)?;
        }
    }
    Ok(())
}
