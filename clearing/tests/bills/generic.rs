//! The generic bill.

use suanpan_clearing::bill::{BillKind, BillState, Format};
use suanpan_core::Currency;

use crate::{at, planted, read, read_of, refused};
use suanpan_clearing::bill::write::gzip;

const SAMPLE: &str = "\
time,kind,state,merchant_id,order_no,channel_txn,refund_no,channel_refund_no,amount,fee,currency
2018-08-26 09:00:01,payment,succeeded,1001,A1,420001,,,100.00,0.60,CNY
2018-08-26T02:00:00Z,refund,processing,1001,A1,420001,R1,503001,33.00,-0.20,CNY
2018-08-26 10:00:05,void,succeeded,1002,\"A,\"\"2\"\"\",420002,V2,503002,50.00,-0.3,CNY
2018-08-26 23:59:59,payment,succeeded,1003,J1,420003,,,777,5,JPY
total,CNY,3,1,100.00,2,83.00,0.10
total,JPY,1,1,777,0,0,5
";

#[test]
fn the_sample_is_read() {
    let (totals, rows) = read(Format::Generic, SAMPLE.as_bytes()).unwrap();
    assert_eq!((totals.rows, totals.payments, totals.refunds), (4, 2, 2));
    assert_eq!((totals.paid, totals.refunded, totals.fee_millionths), (10_777, 8_300, 5_100_000));
    let kinds: Vec<_> = rows.iter().map(|row| (row.kind, row.state, row.time, row.amount)).collect();
    assert_eq!(
        kinds,
        [
            (BillKind::Payment, BillState::Succeeded, at(9, 0, 1), 10_000),
            (BillKind::Refund, BillState::Processing, at(10, 0, 0), 3_300),
            (BillKind::Void, BillState::Succeeded, at(10, 0, 5), 5_000),
            (BillKind::Payment, BillState::Succeeded, at(23, 59, 59), 777),
        ]
    );
    assert_eq!(rows[2].order_no, "A,\"2\"");
    assert_eq!((rows[1].refund_no.as_str(), rows[1].channel_refund_no.as_str()), ("R1", "503001"));
    assert_eq!((rows[3].currency, rows[3].sub_merchant.as_str()), (Currency(*b"JPY"), "1003"));
    assert_eq!(read(Format::Generic, &gzip(SAMPLE.as_bytes())).unwrap().1, rows);
    assert_eq!(read(Format::Generic, format!("\u{feff}{SAMPLE}").as_bytes()).unwrap().1, rows);
    assert_eq!(read(Format::Generic, SAMPLE.replace('\n', "\r\n").as_bytes()).unwrap().1, rows);
    // It has no account, so any is right.
    assert!(read_of(Format::Generic, &[SAMPLE.as_bytes()], Some("1001")).is_ok());
}

#[test]
fn columns_in_any_order_and_no_more_than_needed() {
    let text = "amount,currency,order_no,kind,time\n1.5,CNY,A1,payment,2018-08-26  00:00:00\ntotal,CNY,1,1,1.50,0,0,0\n";
    let (totals, rows) = read(Format::Generic, text.as_bytes()).unwrap();
    assert_eq!((totals.paid, rows[0].state, rows[0].fee_millionths), (150, BillState::Succeeded, 0));
    let text = "amount,currency,order_no,kind,time\ntotal,CNY,0,0,0,0,0,0\n";
    assert_eq!(read(Format::Generic, text.as_bytes()).unwrap().0.rows, 0, "a day without trade");
}

#[test]
fn no_beginning_of_it_is_taken_for_it() {
    let packed = gzip(SAMPLE.as_bytes());
    for bytes in [SAMPLE.as_bytes(), &packed] {
        for length in 0..bytes.len() {
            assert!(read(Format::Generic, &bytes[..length]).is_err(), "{length} bytes of {}", bytes.len());
        }
    }
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let wrong = |from, to, parts: &[&str]| {
        let message = refused(Format::Generic, planted(SAMPLE, from, to).as_bytes());
        for part in parts {
            assert!(message.contains(part), "{part} in {message}");
        }
    };
    wrong(",fee,", ",fees,", &["csv:1:", "\"fees\" is unknown"]);
    wrong(",kind,", ",sort,", &["csv:1:", "kind is missing"]);
    wrong(",fee,", ",amount,", &["csv:1:", "\"amount\" is there twice"]);
    wrong("777,5,JPY", "777,5,JPY,", &["csv:5:", "12 fields", "11"]);
    wrong("void", "revoked", &["csv:4:", "kind \"revoked\""]);
    wrong("processing", "sent", &["csv:3:", "state \"sent\""]);
    wrong("777,5,JPY", "777,5,Yen", &["csv:5:", "currency \"Yen\""]);
    wrong("777,5,JPY", "777.5,5,JPY", &["csv:5:", "amount", "more decimals"]);
    wrong("777,5,JPY", "-777,5,JPY", &["csv:5:", "amount", "below zero"]);
    wrong("777,5,JPY", "777,1e3,JPY", &["csv:5:", "fee", "not a decimal"]);
    wrong("2018-08-26T02:00:00Z", "2018-08-26T16:00:00Z", &["csv:3:", "is not on 2018-08-26"]);
    wrong("2018-08-26T02:00:00Z", "2018-08-26T02:00:00", &["csv:3:", "time", "is no time"]);
    wrong("2018-08-26 10:00:05", "26.08.2018 10:00", &["csv:4:", "time", "is no time"]);
    wrong("\"A,\"\"2\"\"\"", "\"A\"2", &["csv:4:", "behind its closing quote"]);
    wrong("\"A,\"\"2\"\"\"", "A\"2", &["csv:4:", "quote in its middle"]);
    wrong("\"A,\"\"2\"\"\"", "\"A2", &["csv:7:", "in quotes has no end"]);
    wrong("total,CNY,3", "total,CNY,4", &["csv:6:", "total of rows says 4, the rows are 3"]);
    wrong("total,CNY,3,1", "total,CNY,3,2", &["csv:6:", "total of payments says 2, the rows are 1"]);
    wrong("3,1,100.00", "3,1,100.01", &["csv:6:", "total of paid says 100.01, the rows are 100.00"]);
    wrong(",2,83.00", ",1,83.00", &["csv:6:", "total of refunds says 1, the rows are 2"]);
    wrong("83.00", "83.01", &["csv:6:", "total of refunded says 83.01, the rows are 83.00"]);
    wrong("0.10", "0.101", &["csv:6:", "total of fee says 0.101, the rows are 0.10"]);
    wrong("total,CNY,3,", "total,CNY,", &["csv:6:", "7 fields", "8"]);
    wrong("total,JPY,1,1,777,0,0,5", "total,CNY,3,1,100.00,2,83.00,0.10", &["csv:7:", "behind the end"]);
    wrong("total,JPY,1,1,777,0,0,5\n", "", &["csv:6:", "cut short", "currency"]);
    wrong("0,0,5\n", "0,0,5\nx\n", &["csv:8:", "behind the end"]);
}

#[test]
fn quotes_over_several_lines() {
    let text = planted(SAMPLE, "\"A,\"\"2\"\"\"", "\"A\n\n2\"");
    let (totals, rows) = read(Format::Generic, text.as_bytes()).unwrap();
    assert_eq!((totals.rows, rows[2].order_no.as_str()), (4, "A\n\n2"));
    // The next row is two lines further down.
    let message = refused(Format::Generic, planted(&text, "777,5,JPY", "x,5,JPY").as_bytes());
    assert!(message.contains("csv:7:"), "{message}");
}
