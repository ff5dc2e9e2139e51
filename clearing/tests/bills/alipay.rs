//! Alipay's table of business details.

use encoding_rs::GB18030;
use suanpan_clearing::bill::{BillKind, BillState, BillTotals, Format};

use crate::{at, beijing, day, planted, read, read_of, refused};
use suanpan_clearing::bill::write::{Alipay, CNY, Row, gzip, zip_of};

const SAMPLE: &[u8] = include_bytes!("alipay-detail-2018-08-26.csv");
const ACCOUNT: &str = "20880000000000000156";

fn sample() -> String {
    GB18030.decode(SAMPLE).0.into_owned()
}

fn encoded(text: &str) -> Vec<u8> {
    GB18030.encode(text).0.into_owned()
}

/// What is in the sample.
fn rows() -> Vec<Row> {
    let row = |kind, order: u32, time, refund_no: &str, amount, fee_millionths| Row {
        kind,
        state: BillState::Succeeded,
        time,
        sub_merchant: String::new(),
        channel_txn: format!("20180826210010047200000000{order:02}"),
        order_no: format!("B{order}"),
        channel_refund_no: String::new(),
        refund_no: refund_no.to_owned(),
        currency: CNY,
        amount,
        fee_millionths,
    };
    vec![
        row(BillKind::Payment, 1, at(9, 10, 0), "", 2_000, 120_000),
        row(BillKind::Refund, 1, at(11, 10, 0), "RB1", 500, 0),
        row(BillKind::Payment, 2, at(9, 12, 0), "", 1, 0),
    ]
}

#[test]
fn the_sample_is_read() {
    let (totals, read) = read(Format::Alipay, SAMPLE).unwrap();
    assert_eq!(read, rows());
    let expected = BillTotals {
        account: ACCOUNT.to_owned(),
        date: day(),
        rows: 3,
        payments: 2,
        paid: 2_001,
        refunds: 1,
        refunded: 500,
        fee_millionths: 120_000,
    };
    assert_eq!(totals, expected);
}

#[test]
fn zips_with_names_in_either_encoding() {
    let writer = Alipay::new(ACCOUNT, day(), &beijing());
    for gbk_names in [false, true] {
        let zip = writer.zip(SAMPLE, gbk_names);
        assert_eq!(read(Format::Alipay, &zip).unwrap().1, rows(), "GBK: {gbk_names}");
    }
    let zip = zip_of(&[("a_业务明细.csv", SAMPLE), ("a_财务明细.csv", b"x"), ("a.txt", b"x")], true);
    assert_eq!(read(Format::Alipay, &zip).unwrap().1, rows(), "other tables and files beside it");
    assert_eq!(read(Format::Alipay, &zip_of(&[("detail.csv", SAMPLE)], false)).unwrap().1, rows());
    for (files, found) in [
        (&[("a_业务明细(汇总).csv", SAMPLE)][..], "has none"),
        (&[("a_业务明细.csv", SAMPLE), ("b_业务明细.csv", SAMPLE)], "a_业务明细.csv, b_业务明细.csv"),
        (&[("readme.txt", SAMPLE)], "has none"),
        (&[], "has none"),
    ] {
        let message = refused(Format::Alipay, &zip_of(files, true));
        assert!(message.contains("exactly one") && message.contains(found), "{message}");
    }
}

#[test]
fn no_beginning_of_it_is_taken_for_it() {
    for length in 0..SAMPLE.len() {
        assert!(read(Format::Alipay, &SAMPLE[..length]).is_err(), "{length} bytes of {}", SAMPLE.len());
    }
    let zip = Alipay::new(ACCOUNT, day(), &beijing()).zip(SAMPLE, true);
    for packed in [gzip(SAMPLE), zip] {
        for length in 0..packed.len() {
            let result = read(Format::Alipay, &packed[..length]);
            assert!(result.is_err(), "{length} bytes of {}: {result:?}", packed.len());
        }
    }
}

#[test]
fn no_digit_of_an_amount_can_change() {
    let sample = sample();
    let header = sample.lines().nth(4).unwrap();
    // Of what was received and of the merchant's discount there are totals.
    let summed = ["商家实收（元）", "商家优惠（元）"];
    let columns: Vec<usize> =
        header.split(',').enumerate().filter_map(|(at, name)| summed.contains(&name).then_some(at)).collect();
    assert_eq!(columns.len(), summed.len());
    let mut changed = 0;
    let mut offset = 0;
    for line in sample.split_inclusive('\n') {
        let fields: Vec<&str> = line.split(',').collect();
        let is_row = !line.starts_with('#') && fields.len() == header.split(',').count() && line != header;
        let is_total = line.starts_with("#交易合计") || line.starts_with("#退款合计");
        let mut from = offset;
        for (column, field) in fields.iter().enumerate() {
            if (is_row && columns.contains(&column)) || is_total {
                for (digit_at, byte) in field.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_digit()) {
                    let mut text = sample.clone();
                    let digit = if byte == b'9' { "0".to_owned() } else { char::from(byte + 1).to_string() };
                    text.replace_range(from + digit_at..=from + digit_at, &digit);
                    let message = refused(Format::Alipay, &encoded(&text));
                    assert!(message.contains(" says "), "{message}");
                    assert!(message.contains("csv:10:") || message.contains("csv:11:"), "{message}");
                    changed += 1;
                }
            }
            from += field.len() + 1;
        }
        offset += line.len();
    }
    assert!(changed > 3 * 2 * 3 + 2 * 7, "{changed}");
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let sample = sample();
    let wrong = |from, to, parts: &[&str]| {
        let message = refused(Format::Alipay, &encoded(&planted(&sample, from, to)));
        for part in parts {
            assert!(message.contains(part), "{part} in {message}");
        }
    };
    wrong("#账号：[20880000000000000156]", "#", &["csv:5:", "#账号 is missing"]);
    wrong("#起始日期", "#起日", &["csv:5:", "#起始日期 is missing"]);
    wrong(
        "[2018年08月26日 00",
        "[2018年08月25日 00",
        &["csv:3:", "2018年08月25日 00:00:00 is not on 2018-08-26"],
    );
    wrong("[2018年08月26日 00", "[2018/08/26 00", &["csv:3:", "起始日期", "is no date"]);
    wrong(",备注", ",加收", &["csv:5:", "\"加收\" is unknown"]);
    wrong(",业务类型", ",业务", &["csv:5:", "业务类型 is missing"]);
    wrong("商品名称", "备注", &["csv:5:", "\"备注\" is there twice"]);
    wrong("\t,B2", "\t,B2\t,", &["csv:8:", "26 fields", "25"]);
    wrong(",退款,", ",转账,", &["csv:7:", "业务类型 \"转账\"", "neither 交易 nor 退款"]);
    wrong(
        "2018-08-26 09:12:00,2018-08-26 09:12:00",
        "2018-08-26 09:12:00,2018-08-27 09:12:00",
        &["csv:8:", "2018-08-27 09:12:00 is not on 2018-08-26"],
    );
    wrong(
        "2018-08-26 09:12:00,2018-08-26 09:12:00",
        "2018-08-27 09:12:00,",
        &["csv:8:", "is not on 2018-08-26"],
    );
    wrong("2018-08-26 09:12:00,2018-08-26 09:12:00", "x,y", &["csv:8:", "完成时间 \"y\""]);
    wrong("2018-08-26 09:12:00,2018-08-26 09:12:00", "x,", &["csv:8:", "创建时间 \"x\""]);
    wrong("0.01,0.01", "0.01,0.0l", &["csv:8:", "商家实收(元) \"0.0l\"", "is not a decimal"]);
    wrong("0.01,0.01", "0.01,0.015", &["csv:8:", "商家实收(元)", "more decimals"]);
    wrong("0.01,0.01", "0.01,-0.01", &["csv:8:", "商家实收(元)", "below zero"]);
    wrong("-5.00,-5.00", "-5.00,5.00", &["csv:7:", "商家实收(元)", "above zero"]);
    wrong("-0.12", "-0.l2", &["csv:6:", "服务费(元)", "is not a decimal"]);
    wrong("2笔", "3笔", &["csv:10:", "交易合计 says 3, the rows are 2"]);
    wrong("20.01元", "20.02元", &["csv:10:", "商家实收共 says 20.02, the rows are 20.01"]);
    wrong("商家优惠共0.00元", "商家优惠共0.01元", &["csv:10:", "商家优惠共 says 0.01, the rows are 0.00"]);
    wrong("-5.00元", "-5.01元", &["csv:11:", "商家实收退款共 says -5.01, the rows are -5.00"]);
    wrong("-5.00元", "-5.00", &["csv:11:", "商家实收退款共", "is not a decimal"]);
    wrong("商家实收退款共", "实收退款共", &["csv:11:", "退款合计", "does not say"]);
    wrong("#退款合计", "#退合计", &["csv:11:", "behind the end"]);
    wrong("#退款合计", "#交易合计", &["csv:11:", "behind the end"]);
    let end = sample.lines().nth(8).unwrap();
    wrong(end, "#--", &["csv:9:", "comment"]);
    let total = sample.lines().nth(10).unwrap();
    wrong(&format!("{total}\r\n"), "", &["csv:11:", "cut short", "totals"]);
}

#[test]
fn the_end_is_the_end() {
    let sample = sample();
    let refused = |text: &str| refused(Format::Alipay, &encoded(text));
    let message = refused(&format!("{sample}#交易合计：2笔\r\n"));
    assert!(message.contains("csv:13:") && message.contains("behind the end"), "{message}");
    let message = refused(&sample[..sample.find("#导出时间").unwrap()]);
    assert!(message.contains("csv:11:") && message.contains("cut short"), "{message}");
    let message = refused(&sample[..sample.find("#交易合计").unwrap()]);
    assert!(message.contains("csv:9:") && message.contains("cut short"), "{message}");
    let rows_only = sample.lines().take(8).map(|line| format!("{line}\r\n")).collect::<String>();
    let message = refused(&rows_only);
    assert!(message.contains("csv:8:") && message.contains("业务明细列表结束"), "{message}");
    let message = refused(&rows_only[..rows_only.find("支付宝交易号").unwrap()]);
    assert!(message.contains("csv:4:") && message.contains("no header"), "{message}");
    assert!(read(Format::Alipay, &encoded(&format!("{sample}\r\n"))).is_ok(), "an empty line is nothing");
    // A checksum says that the end is the end.
    let shorter = &sample[..sample.find("\r\n#导出时间").unwrap()];
    assert!(read(Format::Alipay, &gzip(&encoded(shorter))).is_ok());
}

#[test]
fn other_files_are_told() {
    let told = |bytes: &[u8], parts: &[&str]| {
        let message = refused(Format::Alipay, bytes);
        for part in parts {
            assert!(message.contains(part), "{part} in {message}");
        }
    };
    let sample = sample();
    told(sample.as_bytes(), &["csv:1:", "not GB18030", "UTF-8"]);
    told(format!("\u{feff}{sample}").as_bytes(), &["csv:1:", "not GB18030", "UTF-8"]);
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    told(&utf16(&format!("\u{feff}{sample}")), &["csv:1:", "not GB18030", "UTF-16"]);
    told(&utf16(&sample), &["csv:1:", "not GB18030", "UTF-16"]);
    told(include_bytes!("wechat-trade-2018-08-26.csv"), &["csv:1:", "UTF-8"]);
    told(b"hello\n", &["csv:1:", "\"hello\""]);
    let mut broken = SAMPLE.to_vec();
    let before: usize = SAMPLE.split_inclusive(|byte| *byte == b'\n').take(7).map(<[u8]>::len).sum();
    let at = before + SAMPLE[before..].iter().position(|byte| *byte >= 0x80).unwrap();
    broken[at] = 0xff;
    told(&broken, &["csv:8:", "not GB18030"]);
}

#[test]
fn the_account_is_the_expected_one() {
    assert!(read_of(Format::Alipay, &[SAMPLE], Some(ACCOUNT)).is_ok());
    assert!(read_of(Format::Alipay, &[SAMPLE], Some("2088000000000000")).is_ok(), "the partner's number");
    for other in ["2088000000000001", "", "208800000000000", "0156"] {
        let error = read_of(Format::Alipay, &[SAMPLE], Some(other)).unwrap_err().to_string();
        assert!(error.contains("csv:2:") && error.contains(ACCOUNT), "{error}");
    }
}

#[test]
fn half_width_brackets_and_days_without_trade() {
    let timezone = beijing();
    let writer = Alipay { full_width: false, ..Alipay::new(ACCOUNT, day(), &timezone) };
    assert_eq!(read(Format::Alipay, &writer.bytes(&rows())).unwrap().1, rows());
    let (totals, rows) = read(Format::Alipay, &writer.bytes(&[])).unwrap();
    assert_eq!((totals.rows, totals.account.as_str(), rows.len()), (0, ACCOUNT, 0));
}
