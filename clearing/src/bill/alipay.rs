//! Alipay's business details (业务明细).
//!
//! ```text
//! #支付宝业务明细查询
//! #账号：[20880000000000000156]
//! #起始日期：[2018年08月26日 00:00:00]   终止日期：[2018年08月27日 00:00:00]
//! #----…业务明细列表…----
//! 支付宝交易号,商户订单号,业务类型,…                 a header, with full-width brackets or half-width ones
//! 2018082621001004720000000001<TAB>,B1<TAB>,交易,…  a row: a TAB behind some values, no quoting
//! …                                                none on a day without trade
//! #----…业务明细列表结束…----
//! #交易合计：2笔，商家实收共20.01元，商家优惠共0.00元
//! #退款合计：1笔，商家实收退款共-5.00元，商家优惠退款共0.00元
//! #导出时间：[2018年08月27日 09:00:00]
//! ```
//!
//! GB18030, lines end in CR LF, in a ZIP with a second table of sums by shop, or bare. Times are Beijing's, money is yuan. What
//! was received (商家实收) is the cash; it is below zero on refunds, as the service fee (服务费) is on payments. The account is the
//! partner's number with four digits behind it.

use memchr::memchr_iter;
use suanpan_core::Currency;

use super::day::{Day, parse_date};
use super::error::{BillError, quoted};
use super::fields::{Fields, MILLIONTH, Spans, check_total, decimal};
use super::header::Header;
use super::lines::Lines;
use super::{Bill, BillKind, BillRow, BillState, text};

const FORMAT: &str = "Alipay table of business details";
const YUAN: Currency = Currency(*b"CNY");
const FEN: u32 = 2;
/// What Alipay writes behind a partner's number.
const ACCOUNT_SUFFIX: &str = "0156";

const LIST_END: &str = "业务明细列表结束";
const EXPORTED: &str = "导出时间";

/// Columns that are of no use here.
const IGNORED: [&str; 18] = [
    "商品名称",
    "门店编号",
    "门店名称",
    "操作员",
    "终端号",
    "对方账户",
    "订单金额(元)",
    "支付宝红包(元)",
    "集分宝(元)",
    "支付宝优惠(元)",
    "券核销金额(元)",
    "券名称",
    "商家红包消费金额(元)",
    "卡消费金额(元)",
    "分润(元)",
    "实收净额(元)",
    "交易方式",
    "备注",
];

/// Where the columns of a file are.
struct Layout {
    width: usize,
    channel_txn: usize,
    order_no: usize,
    kind: usize,
    created: usize,
    completed: usize,
    received: usize,
    discount: Option<usize>,
    refund_no: usize,
    fee: usize,
}

/// The rows of one kind, in fen, signed as they are written.
#[derive(Default, Clone, Copy)]
struct Sums {
    count: i128,
    received: i128,
    discount: i128,
}

/// Payments, then refunds.
type BothSums = [Sums; 2];

/// What the line of totals of a kind is called, and the figures in it.
const TOTALS: [[&str; 3]; 2] =
    [["交易合计", "商家实收共", "商家优惠共"], ["退款合计", "商家实收退款共", "商家优惠退款共"]];

/// One file, to its end.
pub(super) fn read(lines: &mut Lines<'_>, day: &Day<'_>, bill: &mut Bill<'_>) -> Result<(), BillError> {
    let (mut line, mut spans) = (String::new(), Spans::default());
    let layout = preamble(lines, day, bill, &mut line)?;
    let mut sums = BothSums::default();
    loop {
        if !lines.advance()? {
            return Err(lines.cut_short("its list has no end (业务明细列表结束)"));
        }
        text::gb18030(lines, &mut line)?;
        if line.starts_with('#') {
            if line.contains(LIST_END) {
                break;
            }
            return Err(lines.value("支付宝交易号", &line, "is a comment within the list"));
        }
        split(&line, &mut spans);
        let fields = spans.of(&line, layout.width, lines)?;
        read_row(lines, day, bill, &layout, fields, &mut sums)?;
    }
    check_totals(lines, &sums, &mut line)
}

/// Reads what stands before the rows: whose bill it is and of which day, and the header.
fn preamble(
    lines: &mut Lines<'_>,
    day: &Day<'_>,
    bill: &mut Bill<'_>,
    line: &mut String,
) -> Result<Layout, BillError> {
    let (mut account, mut date) = (false, false);
    loop {
        if !lines.advance()? {
            return Err(lines.cut_short("it has no header"));
        }
        text::gb18030(lines, line)?;
        let Some(comment) = line.strip_prefix('#') else { break };
        if let Some(value) = bracketed(comment, "账号") {
            bill.account(lines, value, ACCOUNT_SUFFIX)?;
            account = true;
        }
        if let Some(value) = bracketed(comment, "起始日期") {
            let first = date_of(value);
            if first != Some(day.date()) {
                let unreadable = || lines.value("起始日期", value, "is no date like 2018年08月26日");
                return Err(first.map_or_else(unreadable, |_| day.other(lines, value)));
            }
            date = true;
        }
    }
    if !line.contains(',') {
        return Err(BillError::NotABill { place: lines.place(), format: FORMAT, found: quoted(line) });
    }
    // Lines without which a bill of another day or account could not be told.
    for (there, name) in [(account, "#账号"), (date, "#起始日期")] {
        if !there {
            return Err(BillError::MissingColumn { place: lines.place(), column: name, format: FORMAT });
        }
    }
    layout(lines, line)
}

fn layout(lines: &Lines<'_>, line: &str) -> Result<Layout, BillError> {
    let plain = |name: &str| name.trim().replace('（', "(").replace('）', ")");
    let mut header = Header::new(lines.place(), FORMAT, line.split(',').map(plain).collect())?;
    let layout = Layout {
        width: header.len(),
        channel_txn: header.required(&["支付宝交易号"])?,
        order_no: header.required(&["商户订单号"])?,
        kind: header.required(&["业务类型"])?,
        created: header.required(&["创建时间"])?,
        completed: header.required(&["完成时间"])?,
        received: header.required(&["商家实收(元)"])?,
        discount: header.optional(&["商家优惠(元)"]),
        refund_no: header.required(&["退款批次号/请求号"])?,
        fee: header.required(&["服务费(元)"])?,
    };
    header.ignore(&IGNORED);
    header.finish().map(|()| layout)
}

/// What stands in brackets behind a name.
fn bracketed<'t>(comment: &'t str, name: &str) -> Option<&'t str> {
    let behind = &comment[comment.find(name)? + name.len()..];
    let (before, value) = behind.split_once('[')?;
    matches!(before, "：" | ":").then(|| value.split_once(']').map(|(value, _)| value))?
}

/// `2018年08月26日`, whatever stands behind it.
fn date_of(text: &str) -> Option<suanpan_core::Date> {
    let (year, rest) = text.split_once('年')?;
    let (month, rest) = rest.split_once('月')?;
    let (day, _) = rest.split_once('日')?;
    parse_date(format!("{year}-{month}-{day}").as_bytes())
}

fn split(line: &str, spans: &mut Spans) {
    spans.clear();
    let mut from = 0;
    for at in memchr_iter(b',', line.as_bytes()) {
        spans.push(from, at);
        from = at + 1;
    }
    spans.push(from, line.len());
}

fn read_row(
    lines: &Lines<'_>,
    day: &Day<'_>,
    bill: &mut Bill<'_>,
    layout: &Layout,
    fields: Fields<'_>,
    sums: &mut BothSums,
) -> Result<(), BillError> {
    let field = |column: usize| fields.get(column).trim();
    let (kind, sum) = match field(layout.kind) {
        "交易" => (BillKind::Payment, &mut sums[0]),
        "退款" => (BillKind::Refund, &mut sums[1]),
        other => return Err(lines.value("业务类型", other, "is neither 交易 nor 退款")),
    };
    let yuan = |column: usize, name| decimal(lines, name, field(column), FEN);
    let received = yuan(layout.received, "商家实收(元)")?;
    sum.count += 1;
    sum.received += i128::from(received);
    if let Some(column) = layout.discount {
        sum.discount += i128::from(yuan(column, "商家优惠(元)")?);
    }
    let is_payment = kind == BillKind::Payment;
    if received != 0 && (received > 0) != is_payment {
        let reason = if is_payment { "is below zero" } else { "is above zero, on a refund" };
        return Err(lines.value("商家实收(元)", field(layout.received), reason));
    }
    let (column, time) = match field(layout.completed) {
        "" => ("创建时间", field(layout.created)),
        completed => ("完成时间", completed),
    };
    let fee = decimal(lines, "服务费(元)", field(layout.fee), MILLIONTH)?;
    bill.row(&BillRow {
        file: bill.file,
        line: lines.line(),
        kind,
        state: BillState::Succeeded,
        time: day.local(lines, column, time)?,
        sub_merchant: "",
        channel_txn: field(layout.channel_txn),
        order_no: field(layout.order_no),
        channel_refund_no: "",
        refund_no: if is_payment { "" } else { field(layout.refund_no) },
        currency: YUAN,
        amount: received.unsigned_abs(),
        fee_millionths: -fee,
    });
    Ok(())
}

/// Checks the lines behind the list.
fn check_totals(lines: &mut Lines<'_>, sums: &BothSums, line: &mut String) -> Result<(), BillError> {
    let mut checked = [false; TOTALS.len()];
    let mut exported = false;
    while !exported && lines.advance()? {
        text::gb18030(lines, line)?;
        let which = TOTALS.iter().position(|[name, ..]| line.starts_with('#') && line.contains(name));
        match which {
            Some(which) if !checked[which] => {
                check_total_line(lines, line, &TOTALS[which], sums[which])?;
                checked[which] = true;
            }
            None if line.starts_with('#') && line.contains(EXPORTED) => exported = true,
            None if line.is_empty() => {}
            _ => return Err(lines.behind()),
        }
    }
    if checked != [true; TOTALS.len()] {
        return Err(lines.cut_short("its totals are missing (交易合计, 退款合计)"));
    }
    if !exported && !lines.is_packed() {
        return Err(lines.cut_short("its last line is missing (导出时间)"));
    }
    lines.finish()
}

fn check_total_line(
    lines: &Lines<'_>,
    line: &str,
    [name, received, discount]: &[&'static str; 3],
    sums: Sums,
) -> Result<(), BillError> {
    let between = |before: &str, after: &str| {
        let from = line.find(before)? + before.len();
        line[from..].split_once(after).map(|(value, _)| value.trim_start_matches(['：', ':']))
    };
    let missing = || lines.value(name, line, "does not say how many they are, and how much was received");
    let count = between(name, "笔").ok_or_else(missing)?;
    check_total(lines, name, count, sums.count, 0)?;
    check_total(lines, received, between(received, "元").ok_or_else(missing)?, sums.received, FEN)?;
    if let Some(said) = between(discount, "元") {
        check_total(lines, discount, said, sums.discount, FEN)?;
    }
    Ok(())
}
