//! Writes bills as channels do, for rehearsals and tests: rows in, the bytes of a file out. What is written is read back as it was.

use std::collections::BTreeMap;
use std::io::{self, Write};

use crate::bill::{BankRow, BillKind, BillRow, BillState};
use crate::money::Decimal;
use encoding_rs::GB18030;
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::tz::TimeZone;
use suanpan_core::{Currency, Date, Timestamp};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// Yuan.
pub const CNY: Currency = Currency(*b"CNY");

/// A row of a bill that owns what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the field of BillRow that it is named after")]
pub struct Row {
    pub kind: BillKind,
    pub state: BillState,
    pub time: Timestamp,
    pub sub_merchant: String,
    pub channel_txn: String,
    pub order_no: String,
    pub channel_refund_no: String,
    pub refund_no: String,
    pub currency: Currency,
    pub amount: u64,
    pub fee_millionths: i64,
}

impl From<&BillRow<'_>> for Row {
    fn from(row: &BillRow<'_>) -> Self {
        Self {
            kind: row.kind,
            state: row.state,
            time: row.time,
            sub_merchant: row.sub_merchant.to_owned(),
            channel_txn: row.channel_txn.to_owned(),
            order_no: row.order_no.to_owned(),
            channel_refund_no: row.channel_refund_no.to_owned(),
            refund_no: row.refund_no.to_owned(),
            currency: row.currency,
            amount: row.amount,
            fee_millionths: row.fee_millionths,
        }
    }
}

impl Row {
    fn money(&self) -> String {
        Decimal::of(self.amount.into(), self.currency).to_string()
    }

    fn local(&self, timezone: &TimeZone, pattern: &str) -> String {
        let moment = jiff::Timestamp::from_millisecond(self.time.0).unwrap_or_default();
        moment.to_zoned(timezone.clone()).strftime(pattern).to_string()
    }
}

/// The start of a date in a zone.
#[must_use]
pub fn midnight(date: Date, timezone: &TimeZone) -> jiff::Timestamp {
    let (year, month, day) = date.ymd();
    let date = jiff::civil::Date::new(year as i16, month as i8, day as i8).unwrap_or_default();
    timezone.to_timestamp(date.at(0, 0, 0, 0)).unwrap_or_default()
}

/// Which set of columns a WeChat bill has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns {
    /// 特约商户号, 应结订单金额, and 订单金额 behind.
    Now,
    /// 子商户号, 总金额, 企业红包金额.
    Until2018,
}

/// How a WeChat bill is written.
#[derive(Debug, Clone)]
pub struct Wechat {
    /// Whose bill it is: 商户号.
    pub account: String,
    /// By whose clock.
    pub timezone: TimeZone,
    /// Which set of columns.
    pub columns: Columns,
    /// Whether it begins with a byte-order mark.
    pub mark: bool,
    /// What a line ends with.
    pub line_end: &'static str,
    /// Between date and time.
    pub spaces: &'static str,
}

impl Wechat {
    /// As the channel does it mostly.
    #[must_use]
    pub fn new(account: &str, timezone: &TimeZone) -> Self {
        Self {
            account: account.to_owned(),
            timezone: timezone.clone(),
            columns: Columns::Now,
            mark: true,
            line_end: "\r\n",
            spaces: " ",
        }
    }

    fn headers(&self) -> [&'static str; 2] {
        match self.columns {
            Columns::Now => [
                "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注",
                "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额",
            ],
            Columns::Until2018 => [
                "交易时间,公众账号ID,商户号,子商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,总金额,企业红包金额,微信退款单号,商户退款单号,退款金额,企业红包退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率",
                "总交易单数,总交易额,总退款金额,总企业红包退款金额,手续费总金额",
            ],
        }
    }

    /// Writes the rows, whose summary is in yuan.
    ///
    /// # Errors
    /// When `out` takes no more.
    pub fn write<'r>(&self, rows: impl IntoIterator<Item = &'r Row>, out: &mut impl Write) -> io::Result<()> {
        let [header, summary] = self.headers();
        write!(out, "{}{header}{}", if self.mark { "\u{feff}" } else { "" }, self.line_end)?;
        let (mut count, mut paid, mut refunded, mut fee) = (0u64, 0i128, 0i128, 0i128);
        for row in rows {
            count += 1;
            fee += i128::from(row.fee_millionths);
            *if row.kind == BillKind::Payment { &mut paid } else { &mut refunded } += i128::from(row.amount);
            self.write_row(row, out)?;
        }
        let (paid, refunded) = (Decimal::of(paid, CNY), Decimal::of(refunded, CNY));
        write!(out, "{summary}{}`{count},`{paid},`{refunded},`0.00,`{}", self.line_end, Decimal(fee, 6))?;
        if self.columns == Columns::Now {
            write!(out, ",`{paid},`{refunded}")?;
        }
        write!(out, "{}", self.line_end)
    }

    fn write_row(&self, row: &Row, out: &mut impl Write) -> io::Result<()> {
        let time = row.local(&self.timezone, &format!("%Y-%m-%d{}%H:%M:%S", self.spaces));
        let (state, paid, refunded, kind) = match row.kind {
            BillKind::Payment => ("SUCCESS", row.money(), "0.00".to_owned(), ""),
            BillKind::Refund => ("REFUND", "0.00".to_owned(), row.money(), "ORIGINAL"),
            BillKind::Void => ("REVOKED", "0.00".to_owned(), row.money(), "ORIGINAL"),
        };
        let refund_state = match row.state {
            _ if row.kind == BillKind::Payment => "",
            BillState::Succeeded => "SUCCESS",
            BillState::Processing => "PROCESSING",
            BillState::Failed => "FAIL",
            BillState::Abnormal => "CHANGE",
        };
        let or_0 = |number: &'_ str| if number.is_empty() { "0".to_owned() } else { number.to_owned() };
        write!(
            out,
            "`{time},`wx0000000000000000,`{},`{},`,`{},`{},`oUpF8uMuAJO,`NATIVE,`{state},`OTHERS,`{},`{paid},`0.00,`{},`{},`{refunded},`0.00,`{kind},`{refund_state},`商品, 含逗号,`,`{},`0.60%",
            self.account,
            or_0(&row.sub_merchant),
            row.channel_txn,
            row.order_no,
            row.currency.as_str(),
            or_0(&row.channel_refund_no),
            or_0(&row.refund_no),
            Decimal(row.fee_millionths.into(), 6),
        )?;
        if self.columns == Columns::Now {
            write!(out, ",`{paid},`{refunded},`")?;
        }
        write!(out, "{}", self.line_end)
    }

    /// The same into memory.
    #[must_use]
    pub fn bytes(&self, rows: &[Row]) -> Vec<u8> {
        let mut out = Vec::new();
        in_memory(self.write(rows, &mut out));
        out
    }
}

/// How an Alipay table of details is written. It has payments and refunds, no voids, and only in yuan.
#[derive(Debug, Clone)]
pub struct Alipay {
    /// Whose it is: 账号.
    pub account: String,
    /// Of which day.
    pub date: Date,
    /// By whose clock.
    pub timezone: TimeZone,
    /// Whether the brackets in the header are full-width ones.
    pub full_width: bool,
}

impl Alipay {
    /// As the channel does it mostly.
    #[must_use]
    pub fn new(account: &str, date: Date, timezone: &TimeZone) -> Self {
        Self { account: account.to_owned(), date, timezone: timezone.clone(), full_width: true }
    }

    /// Writes the rows, in GB18030.
    ///
    /// # Errors
    /// When `out` takes no more.
    pub fn write<'r>(&self, rows: impl IntoIterator<Item = &'r Row>, out: &mut impl Write) -> io::Result<()> {
        let mut put = |text: &str| out.write_all(&GB18030.encode(text).0);
        let day = |date: Date| {
            let (year, month, day) = date.ymd();
            format!("{year:04}年{month:02}月{day:02}日")
        };
        let (first, next) = (day(self.date), day(self.date.plus_days(1)));
        put("#支付宝业务明细查询\r\n")?;
        put(&format!("#账号：[{}]\r\n", self.account))?;
        put(&format!("#起始日期：[{first} 00:00:00]   终止日期：[{next} 00:00:00]\r\n"))?;
        put(
            "#-----------------------------------------业务明细列表----------------------------------------\r\n",
        )?;
        let header = "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,退款批次号/请求号,服务费（元）,分润（元）,备注\r\n";
        let half_width = header.replace('（', "(").replace('）', ")");
        put(if self.full_width { header } else { &half_width })?;
        let mut sums = [(0u64, 0i128); 2];
        for row in rows {
            let is_payment = row.kind == BillKind::Payment;
            let (count, sum) = &mut sums[usize::from(!is_payment)];
            *count += 1;
            *sum += if is_payment { i128::from(row.amount) } else { -i128::from(row.amount) };
            put(&self.row(row))?;
        }
        put(
            "#-----------------------------------------业务明细列表结束------------------------------------\r\n",
        )?;
        let [(payments, paid), (refunds, refunded)] = sums.map(|(count, sum)| (count, Decimal::of(sum, CNY)));
        put(&format!("#交易合计：{payments}笔，商家实收共{paid}元，商家优惠共0.00元\r\n"))?;
        put(&format!("#退款合计：{refunds}笔，商家实收退款共{refunded}元，商家优惠退款共0.00元\r\n"))?;
        put(&format!("#导出时间：[{next} 09:00:00]\r\n"))
    }

    fn row(&self, row: &Row) -> String {
        let (kind, sign) = if row.kind == BillKind::Payment { ("交易", 1) } else { ("退款", -1) };
        let cash = Decimal::of(sign * i128::from(row.amount), CNY);
        let time = row.local(&self.timezone, "%Y-%m-%d %H:%M:%S");
        format!(
            "{}\t,{}\t,{kind},商品,{time},{time},\t,\t,\t,\t,*杨(137****2600)\t,{cash},{cash},0.00,0.00,0.00,0.00,0.00,,0.00\t,0.00,{}\t,{},0.00,\r\n",
            row.channel_txn,
            row.order_no,
            row.refund_no,
            Decimal(-i128::from(row.fee_millionths), 6),
        )
    }

    /// The same into memory.
    #[must_use]
    pub fn bytes(&self, rows: &[Row]) -> Vec<u8> {
        let mut out = Vec::new();
        in_memory(self.write(rows, &mut out));
        out
    }

    /// A ZIP of the table and of one of sums. Names in GBK carry no mark of it.
    #[must_use]
    pub fn zip(&self, table: &[u8], gbk_names: bool) -> Vec<u8> {
        let stem = format!("{}_{}", self.account, self.date.to_string().replace('-', ""));
        let sums = GB18030.encode("#支付宝业务汇总查询\r\n").0.into_owned();
        zip_of(
            &[(&format!("{stem}_业务明细(汇总).csv"), &sums), (&format!("{stem}_业务明细.csv"), table)],
            gbk_names,
        )
    }
}

/// What was written to memory, which takes all that there is room for.
fn in_memory<T, E: std::fmt::Debug>(written: Result<T, E>) -> T {
    match written {
        Ok(written) => written,
        Err(error) => unreachable!("memory took no more: {error:?}"),
    }
}

/// A ZIP of these files.
#[must_use]
pub fn zip_of(files: &[(&str, &[u8])], gbk_names: bool) -> Vec<u8> {
    let mut archive = ZipWriter::new(io::Cursor::new(Vec::new()));
    let mut renamed = Vec::new();
    for (number, (name, bytes)) in files.iter().enumerate() {
        let gbk = GB18030.encode(name).0.into_owned();
        // As long as the name that takes its place, and found nowhere else.
        let stand_in = format!("{number}{}", "\u{1}".repeat(gbk.len() - 1));
        let written = if gbk_names { stand_in.as_str() } else { name };
        in_memory(archive.start_file(written, SimpleFileOptions::default()));
        in_memory(archive.write_all(bytes));
        renamed.push((stand_in.clone().into_bytes(), gbk));
    }
    let mut bytes = in_memory(archive.finish()).into_inner();
    for (stand_in, gbk) in renamed.into_iter().filter(|_| gbk_names) {
        for at in 0..bytes.len() - stand_in.len() {
            if bytes[at..].starts_with(&stand_in) {
                bytes[at..at + gbk.len()].copy_from_slice(&gbk);
            }
        }
    }
    bytes
}

/// The bytes as gzip.
#[must_use]
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    in_memory(out.write_all(bytes));
    in_memory(out.finish())
}

/// A field of RFC 4180, in quotes when it must be.
#[must_use]
pub fn field(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// Writes a generic bill, with times in the channel's zone or as RFC 3339.
///
/// # Errors
/// When `out` takes no more.
pub fn write_generic<'r>(
    rows: impl IntoIterator<Item = &'r Row>,
    timezone: &TimeZone,
    rfc3339: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    writeln!(
        out,
        "time,kind,state,merchant_id,order_no,channel_txn,refund_no,channel_refund_no,amount,fee,currency"
    )?;
    let pattern = if rfc3339 { "%Y-%m-%dT%H:%M:%S%:z" } else { "%Y-%m-%d %H:%M:%S" };
    let mut sums: BTreeMap<Currency, ([(u64, i128); 2], i128)> = BTreeMap::new();
    for row in rows {
        let (kind, at) = (row.kind.name(), usize::from(row.kind != BillKind::Payment));
        let state = row.state.name();
        let (kinds, fee) = sums.entry(row.currency).or_default();
        kinds[at].0 += 1;
        kinds[at].1 += i128::from(row.amount);
        *fee += i128::from(row.fee_millionths);
        let names =
            [&row.sub_merchant, &row.order_no, &row.channel_txn, &row.refund_no, &row.channel_refund_no];
        let [sub_merchant, order_no, channel_txn, refund_no, channel_refund_no] =
            names.map(|name| field(name));
        let (time, money) = (row.local(timezone, pattern), row.money());
        let fee = Decimal(row.fee_millionths.into(), 6);
        writeln!(
            out,
            "{time},{kind},{state},{sub_merchant},{order_no},{channel_txn},{refund_no},{channel_refund_no},{money},{fee},{}",
            row.currency.as_str(),
        )?;
    }
    if sums.is_empty() {
        sums.insert(CNY, Default::default());
    }
    for (currency, ([(payments, paid), (refunds, refunded)], fee)) in sums {
        let (paid, refunded) = (Decimal::of(paid, currency), Decimal::of(refunded, currency));
        let (code, rows, fee) = (currency.as_str(), payments + refunds, Decimal(fee, 6));
        writeln!(out, "total,{code},{rows},{payments},{paid},{refunds},{refunded},{fee}")?;
    }
    Ok(())
}

/// Writes a bank statement.
///
/// # Errors
/// When `out` takes no more.
pub fn write_bank<'r>(rows: impl IntoIterator<Item = BankRow<'r>>, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "date,account,reference,amount,currency,direction")?;
    for row in rows {
        writeln!(
            out,
            "{},{},{},{},{},{}",
            row.date,
            field(row.account),
            field(row.reference),
            Decimal::of(row.amount.into(), row.currency),
            row.currency.as_str(),
            row.direction.name(),
        )?;
    }
    Ok(())
}
