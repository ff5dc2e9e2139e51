//! The bank's statement.

use std::path::Path;

use suanpan_clearing::bill::{BankTotals, Direction, Limits, read_bank_bytes};

use crate::planted;

const SAMPLE: &str = "\
date,account,reference,amount,currency,direction
2018-08-27,6222020000000001,20180826-wechat,158.30,CNY,credit
2018-08-27,6222020000000001,\"refunds, 26 August\",83.00,CNY,debit
";

fn read(bytes: &[u8]) -> Result<(BankTotals, Vec<String>), String> {
    let mut rows = Vec::new();
    let totals = read_bank_bytes(&[(Path::new("bank.csv"), bytes)], &Limits::DEFAULT, &mut |row| {
        let (code, way) = (row.currency.as_str(), row.direction.name());
        rows.push(format!(
            "{} {} {} {} {} {code} {way}",
            row.line, row.date, row.account, row.reference, row.amount
        ));
    });
    totals.map(|totals| (totals, rows)).map_err(|error| error.to_string())
}

#[test]
fn the_sample_is_read() {
    let expected = [
        "2 2018-08-27 6222020000000001 20180826-wechat 15830 CNY credit",
        "3 2018-08-27 6222020000000001 refunds, 26 August 8300 CNY debit",
    ];
    for text in [SAMPLE.to_owned(), format!("\u{feff}{SAMPLE}"), SAMPLE.replace('\n', "\r\n")] {
        let (totals, rows) = read(text.as_bytes()).unwrap();
        assert_eq!(rows, expected);
        assert_eq!(totals, BankTotals { rows: 2, credits: 1, credited: 15_830, debits: 1, debited: 8_300 });
    }
    assert_eq!([Direction::Credit, Direction::Debit].map(Direction::name), ["credit", "debit"]);
    let other_order = "direction,amount,currency,reference,account,date\ndebit,1,CNY,r,a,2018-08-27\n";
    assert_eq!(read(other_order.as_bytes()).unwrap().1, ["2 2018-08-27 a r 100 CNY debit"]);
    assert_eq!(
        read(SAMPLE.lines().next().map(|line| format!("{line}\n")).unwrap().as_bytes()).unwrap().0.rows,
        0
    );
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let wrong = |from, to, parts: &[&str]| {
        let message = read(planted(SAMPLE, from, to).as_bytes()).unwrap_err();
        for part in parts {
            assert!(message.contains(part), "{part} in {message}");
        }
    };
    wrong("reference", "text", &["bank.csv:1:", "reference is missing"]);
    wrong("direction", "direction,balance", &["bank.csv:1:", "\"balance\" is unknown"]);
    wrong("credit", "CR", &["bank.csv:2:", "direction \"CR\"", "credit nor debit"]);
    wrong("158.30", "158,30", &["bank.csv:2:", "7 fields", "6"]);
    wrong("158.30", "+158.30", &["bank.csv:2:", "amount", "not a decimal"]);
    wrong("158.30", "-158.30", &["bank.csv:2:", "amount", "below zero"]);
    wrong("CNY,credit", "RMB.,credit", &["bank.csv:2:", "currency"]);
    wrong(
        "2018-08-27,6222020000000001,20180826",
        "27/08/2018,6222020000000001,20180826",
        &["bank.csv:2:", "date"],
    );
    wrong(
        "2018-08-27,6222020000000001,20180826",
        "2018-02-29,6222020000000001,20180826",
        &["bank.csv:2:", "date"],
    );
    wrong("debit\n", "debit", &["bank.csv:3:", "cut short"]);
    assert!(read(b"").unwrap_err().contains("cut short"));
    let gbk = encoding_rs::GB18030.encode(&SAMPLE.replace("26 August", "退款")).0.into_owned();
    let message = read(&gbk).unwrap_err();
    assert!(message.contains("bank.csv:3:") && message.contains("GB18030"), "{message}");
}
