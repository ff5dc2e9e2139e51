//! WeChat's trade bill.

use suanpan_clearing::bill::{BillKind, BillState, BillTotals, Format};

use crate::{at, beijing, day, planted, read, read_of, refused};
use suanpan_clearing::bill::write::{CNY, Columns, Row, Wechat, gzip};

const SAMPLE: &[u8] = include_bytes!("wechat-trade-2018-08-26.csv");

fn sample() -> String {
    String::from_utf8(SAMPLE.to_vec()).unwrap()
}

/// What is in the sample.
fn rows() -> Vec<Row> {
    let payment = |order: u32, order_no: &str, time, amount, fee_millionths| Row {
        kind: BillKind::Payment,
        state: BillState::Succeeded,
        time,
        sub_merchant: "1001".to_owned(),
        channel_txn: format!("42000000002018082600000000{order:02}"),
        order_no: order_no.to_owned(),
        channel_refund_no: String::new(),
        refund_no: String::new(),
        currency: CNY,
        amount,
        fee_millionths,
    };
    let back = |kind, number: u32, refund_no: &str, row: Row| Row {
        kind,
        channel_refund_no: format!("50302600000000{number:02}"),
        refund_no: refund_no.to_owned(),
        ..row
    };
    vec![
        payment(1, "A1", at(9, 0, 1), 10_000, 600_000),
        payment(2, "A2", at(9, 0, 2), 5_000, 300_000),
        back(BillKind::Refund, 1, "R1", payment(1, "A1", at(10, 0, 0), 3_300, -200_000)),
        back(BillKind::Void, 2, "V2", payment(2, "A2", at(10, 0, 5), 5_000, -300_000)),
        payment(3, "A3", at(23, 59, 59), 99, 10_000),
        payment(9, "LONG1", at(12, 0, 0), 777, 50_000),
    ]
}

#[test]
fn the_sample_is_read() {
    let (totals, read) = read(Format::Wechat, SAMPLE).unwrap();
    assert_eq!(read, rows());
    let expected = BillTotals {
        account: "1900000109".to_owned(),
        date: day(),
        rows: 6,
        payments: 4,
        paid: 15_876,
        refunds: 2,
        refunded: 8_300,
        fee_millionths: 460_000,
    };
    assert_eq!(totals, expected);
}

#[test]
fn no_beginning_of_it_is_taken_for_it() {
    for length in 0..SAMPLE.len() {
        assert!(read(Format::Wechat, &SAMPLE[..length]).is_err(), "{length} bytes of {}", SAMPLE.len());
    }
    let packed = gzip(SAMPLE);
    for length in 0..packed.len() {
        assert!(read(Format::Wechat, &packed[..length]).is_err(), "{length} bytes of {}", packed.len());
    }
}

#[test]
fn no_digit_of_an_amount_can_change() {
    let sample = sample();
    let width = sample.lines().next().unwrap().split(',').count();
    // What the summary has totals of: the same columns as in the header.
    let summed = ["应结订单金额", "退款金额", "充值券退款金额", "手续费", "订单金额", "申请退款金额"];
    let columns: Vec<usize> = sample
        .lines()
        .next()
        .unwrap()
        .split(',')
        .enumerate()
        .filter_map(|(at, name)| summed.contains(&name).then_some(at))
        .collect();
    assert_eq!(columns.len(), summed.len());
    let mut changed = 0;
    let mut offset = 0;
    for line in sample.split_inclusive('\n') {
        let fields: Vec<&str> = line.split(",`").collect();
        let is_row = fields.len() == width;
        let is_summary = line.starts_with("`6,");
        let mut from = offset;
        for (column, field) in fields.iter().enumerate() {
            if (is_row && columns.contains(&column)) || is_summary {
                for (digit_at, _) in field.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_digit()) {
                    let mut bytes = SAMPLE.to_vec();
                    let digit = &mut bytes[from + digit_at];
                    *digit = if *digit == b'9' { b'0' } else { *digit + 1 };
                    let message = refused(Format::Wechat, &bytes);
                    assert!(message.contains(" says ") && message.contains("csv:9:"), "{message}");
                    changed += 1;
                }
            }
            from += field.len() + ",`".len();
        }
        offset += line.len();
    }
    assert!(changed > 6 * 6 * 3, "{changed}");
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let sample = sample();
    let wrong = |from, to, parts: &[&str]| {
        let message = refused(Format::Wechat, planted(&sample, from, to).as_bytes());
        for part in parts {
            assert!(message.contains(part), "{part} in {message}");
        }
    };
    wrong(",费率备注", ",加收", &["csv:1:", "\"加收\" is unknown"]);
    wrong(",退款状态,", ",退款,", &["csv:1:", "退款状态 is missing"]);
    wrong("商户订单号,用户标识", "商户订单号,商户订单号", &["csv:1:", "\"商户订单号\" is there twice"]);
    wrong(",商户数据包,", ",退款申请时间,", &["csv:1:", "type"]);
    wrong("`A3,", "`A3,`x,", &["csv:6:", "28 fields", "27"]);
    wrong("`A3,", "A3,", &["csv:6:", "26 fields", "27"]);
    wrong(
        "2018-08-26 23:59:59",
        "2018-08-27 00:00:00",
        &["csv:6:", "2018-08-27 00:00:00 is not on 2018-08-26"],
    );
    wrong("2018-08-26 23:59:59", "2018-08-25 23:59:59", &["csv:6:", "is not on 2018-08-26"]);
    wrong("2018-08-26 23:59:59", "2018-08-26 24:59:59", &["csv:6:", "交易时间", "is no time"]);
    wrong("2018-08-26 23:59:59", "2018-08-32 23:59:59", &["csv:6:", "交易时间", "does not exist"]);
    wrong("2018-08-26 23:59:59", "", &["csv:6:", "交易时间", "is no time"]);
    wrong("`0.99,`0.00,`0,", "`0.9x,`0.00,`0,", &["csv:6:", "应结订单金额", "is not a decimal"]);
    wrong("`0.99,`0.00,`0,", "`-0.99,`0.00,`0,", &["csv:6:", "应结订单金额", "is below zero"]);
    wrong("`0.99,`0.00,`0,", "`0.999,`0.00,`0,", &["csv:6:", "应结订单金额", "more decimals"]);
    wrong("`0.99,`0.00,`0,", "`99999999999999999.00,`0.00,`0,", &["csv:6:", "too large"]);
    wrong("`CNY,`0.99", "`cny,`0.99", &["csv:6:", "货币种类", "no currency"]);
    wrong("`REVOKED", "`CLOSED", &["csv:5:", "交易状态 \"CLOSED\""]);
    wrong(
        "`R1,`33.00,`0.00,`ORIGINAL,`SUCCESS",
        "`R1,`33.00,`0.00,`ORIGINAL,`SENT",
        &["csv:4:", "退款状态 \"SENT\""],
    );
    wrong(
        "`1900000109,`1001,`,`4200000000201808260000000003",
        "`1900000110,`1001,`,`4200000000201808260000000003",
        &["csv:6:", "1900000110", "1900000109"],
    );
    wrong("总交易单数,", "总交易单数,手数,", &["csv:8:", "\"手数\" is unknown"]);
    wrong(",退款总金额,", ",", &["csv:8:", "退款总金额 is missing"]);
    wrong("`83.00,`0.00,`0.46000", "`83.00,`0.46000", &["csv:9:", "6 fields", "7"]);
    wrong("`6,`158.76", "`7,`158.76", &["csv:9:", "总交易单数 says 7, the rows are 6"]);
    wrong("`6,`158.76", "`6,`158.77", &["csv:9:", "应结订单总金额 says 158.77, the rows are 158.76"]);
    wrong("`83.00,`0.00,", "`83.01,`0.00,", &["csv:9:", "退款总金额 says 83.01, the rows are 83.00"]);
    wrong("`0.46000", "`0.46001", &["csv:9:", "手续费总金额 says 0.46001, the rows are 0.46"]);
    wrong("`6,`158.76", "6,`158.76", &["csv:9:", "back-quote"]);
}

#[test]
fn the_end_is_the_end() {
    let sample = sample();
    let message = refused(Format::Wechat, format!("{sample}`2018-08-26 09:00:01,`x\r\n").as_bytes());
    assert!(message.contains("csv:10:") && message.contains("behind the end"), "{message}");
    let twice = format!("{sample}{}", sample.trim_start_matches('\u{feff}'));
    assert!(refused(Format::Wechat, twice.as_bytes()).contains("csv:10:"));
    assert!(read(Format::Wechat, format!("{sample}\r\n").as_bytes()).is_ok(), "an empty line is nothing");
    let without_summary = &sample[..sample.find("总交易单数").unwrap()];
    let message = refused(Format::Wechat, without_summary.as_bytes());
    assert!(message.contains("csv:7:") && message.contains("cut short"), "{message}");
    assert!(refused(Format::Wechat, b"").contains("cut short"));
    // A checksum says that the end is the end, so its line end may be missing.
    assert!(read(Format::Wechat, &gzip(sample.trim_end().as_bytes())).is_ok());
}

#[test]
fn other_files_are_told() {
    let sample = sample();
    let told = |bytes: &[u8], parts: &[&str]| {
        let message = refused(Format::Wechat, bytes);
        for part in parts {
            assert!(message.contains(part), "{part} in {message}");
        }
    };
    let gbk = encoding_rs::GB18030.encode(sample.trim_start_matches('\u{feff}')).0.into_owned();
    told(&gbk, &["csv:1:", "UTF-8", "GB18030"]);
    let utf16: Vec<u8> = sample.encode_utf16().flat_map(u16::to_le_bytes).collect();
    told(&utf16, &["csv:1:", "UTF-16"]);
    told(&utf16[2..], &["csv:1:", "UTF-16"]);
    // One row of another encoding.
    let mut mixed = SAMPLE.to_vec();
    let name = mixed.windows(6).rposition(|bytes| bytes == "商品".as_bytes()).unwrap();
    mixed[name + 1] = b'x';
    told(&mixed, &["csv:7:", "UTF-8"]);
    told(b"<xml><return_code><![CDATA[FAIL]]></return_code>\n", &["csv:1:", "<xml>", "error"]);
    told(include_bytes!("alipay-detail-2018-08-26.csv"), &["csv:1:", "GB18030"]);
    told(b"time,kind,amount\n", &["csv:1:", "is missing"]);
}

#[test]
fn the_account_is_the_expected_one() {
    assert!(read_of(Format::Wechat, &[SAMPLE], Some("1900000109")).is_ok());
    let error = read_of(Format::Wechat, &[SAMPLE], Some("1900000110")).unwrap_err().to_string();
    assert!(
        error.contains("csv:2:") && error.contains("1900000109") && error.contains("1900000110"),
        "{error}"
    );
}

#[test]
fn older_columns_and_other_ways_to_write_it() {
    let timezone = beijing();
    let rows = rows();
    for columns in [Columns::Now, Columns::Until2018] {
        for (mark, line_end, spaces) in [(true, "\r\n", " "), (false, "\n", "  "), (true, "\n", "  ")] {
            let writer = Wechat { columns, mark, line_end, spaces, ..Wechat::new("1900000109", &timezone) };
            let bytes = writer.bytes(&rows);
            for bytes in [gzip(&bytes), bytes] {
                let (totals, read) = read(Format::Wechat, &bytes).unwrap();
                assert_eq!((totals.rows, totals.paid, &read), (6, 15_876, &rows));
            }
        }
        let writer = Wechat { columns, ..Wechat::new("1900000109", &timezone) };
        let (totals, read) = read(Format::Wechat, &writer.bytes(&[])).unwrap();
        assert_eq!((totals.rows, totals.account.as_str(), read.len()), (0, "", 0), "a day without trade");
    }
}

#[test]
fn states_of_refunds_and_voids_without_a_refund() {
    for (written, state) in
        [("PROCESSING", BillState::Processing), ("FAIL", BillState::Failed), ("CHANGE", BillState::Abnormal)]
    {
        let text = planted(
            &sample(),
            "`R1,`33.00,`0.00,`ORIGINAL,`SUCCESS",
            &format!("`R1,`33.00,`0.00,`ORIGINAL,`{written}"),
        );
        assert_eq!(read(Format::Wechat, text.as_bytes()).unwrap().1[2].state, state);
    }
    // A void whose cash stands with the order.
    let text = planted(
        &sample(),
        "`CNY,`0.00,`0.00,`5030260000000002,`V2,`50.00,`0.00,`ORIGINAL,`SUCCESS",
        "`CNY,`50.00,`0.00,`0,`0,`0.00,`0.00,`,`",
    );
    let text = planted(&text, "`6,`158.76,`83.00", "`6,`208.76,`33.00");
    let void = read(Format::Wechat, text.as_bytes()).unwrap().1.swap_remove(3);
    assert_eq!((void.kind, void.amount, void.state), (BillKind::Void, 5_000, BillState::Succeeded));
    assert_eq!((void.refund_no.as_str(), void.channel_refund_no.as_str()), ("", ""));
}
