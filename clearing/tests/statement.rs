//! Statements of a played town: their forms, what they refuse, and that they come from the store alone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use suanpan_clearing::manifest::{DayError, Manifest};
use suanpan_clearing::rehearsal::{self, Plan};
use suanpan_clearing::statement::{Format, Kind, Statement, StatementError, statement, statements};
use suanpan_clearing::store::Store;
use suanpan_core::{Date, MerchantId};
use tempfile::TempDir;

fn town() -> (TempDir, Store, Vec<Manifest>) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().to_str().unwrap()).unwrap();
    let plan = Plan { merchants: 40, payments: 800, ..Plan::default() };
    let days = rehearsal::play(&store, &plan).unwrap().days;
    (folder, store, days)
}

fn zone() -> TimeZone {
    TimeZone::get("Asia/Shanghai").unwrap()
}

fn text(statement: &Statement, format: Format) -> String {
    let mut bytes = Vec::new();
    statement.write(format, &zone(), &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// All of a date's.
fn all(store: &Store, date: Date) -> Vec<Statement> {
    let mut found = Vec::new();
    let count = statements::<StatementError>(store, date, &mut |statement| {
        found.push(statement.clone());
        Ok(())
    });
    assert_eq!(count.unwrap(), found.len() as u64);
    found
}

#[test]
fn every_kind_of_voucher_has_its_word() {
    let (_folder, store, days) = town();
    let mut kinds: BTreeMap<Kind, u64> = BTreeMap::new();
    for day in &days {
        for statement in all(&store, day.date) {
            statement.lines.iter().for_each(|line| *kinds.entry(line.kind).or_default() += 1);
        }
    }
    for kind in [
        Kind::Payment,
        Kind::LatePayment,
        Kind::Reinstated,
        Kind::Void,
        Kind::VoidFailed,
        Kind::Refund,
        Kind::RefundFailed,
        Kind::Release,
        Kind::Split,
        Kind::SplitReturn,
        Kind::Settlement,
        Kind::Sweep,
        Kind::Payout,
        Kind::PayoutSucceeded,
        Kind::PayoutFailed,
        Kind::Freeze,
        Kind::Unfreeze,
        Kind::TopUp,
        Kind::Transfer,
        Kind::Adjustment,
    ] {
        assert!(kinds.contains_key(&kind), "no {} in {kinds:?}", kind.name());
    }
    assert!(!kinds.contains_key(&Kind::Other), "{kinds:?}");
}

#[test]
fn one_merchants_statement_is_the_one_among_all() {
    let (_folder, store, days) = town();
    for one in all(&store, days[1].date) {
        let alone = statement(&store, one.merchant, days[1].date).unwrap();
        for format in [Format::Csv, Format::Txt, Format::Json] {
            assert_eq!(text(&alone, format), text(&one, format));
        }
    }
}

#[test]
fn both_sides_of_a_transfer_have_it() {
    let (_folder, store, days) = town();
    let mut sides: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for statement in all(&store, days[0].date) {
        for line in statement.lines.iter().filter(|line| line.kind == Kind::Transfer) {
            let side = sides.entry(line.reference.unwrap().to_string()).or_default();
            side.0 += line.amount(suanpan_clearing::statement::Column::OtherIn);
            side.1 += line.amount(suanpan_clearing::statement::Column::OtherOut);
        }
    }
    assert!(!sides.is_empty() && sides.values().all(|(coming, going)| coming == going), "{sides:?}");
}

#[test]
fn each_form_is_as_it_is_drawn() {
    let (_folder, store, days) = town();
    let one = all(&store, days[1].date).into_iter().max_by_key(|one| one.lines.len()).unwrap();
    let (csv, txt) = (text(&one, Format::Csv), text(&one, Format::Txt));
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    assert_eq!(reader.headers().unwrap().len(), 26);
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let lines = rows.iter().filter(|row| &row[0] == "line").count();
    assert_eq!(lines, one.lines.len());
    assert!(csv.lines().count() == rows.len() + 1 && csv.ends_with("\r\n"));
    assert!(rows[0][5].ends_with("+08:00"), "{}", &rows[0][5]);
    let mut head = txt.split("\r\n");
    let name = &one.facts.name;
    let expected = format!("H|1|{}|{name}|{}|Asia/Shanghai|{lines}", one.merchant.0, days[1].date);
    assert_eq!(head.next().unwrap(), expected);
    assert!(head.next().unwrap().starts_with(&format!("S|CNY|{lines}|")));
    let transactions: Vec<_> = txt.split("\r\n").filter(|line| line.starts_with("T|")).collect();
    assert_eq!(transactions.len(), lines);
    for line in transactions {
        assert_eq!(line.split('|').count(), 23, "{line}");
    }
    let json: serde_json::Value = serde_json::from_str(&text(&one, Format::Json)).unwrap();
    assert_eq!(json["lines"].as_array().unwrap().len(), lines);
    assert_eq!(json["merchant_id"], one.merchant.0.to_string());
    assert!(json["totals"][0]["net_in_minor"].is_i64());
}

#[test]
fn what_there_is_not_is_refused_with_what_there_is() {
    let (_folder, store, days) = town();
    let unknown = statement(&store, MerchantId(5), days[0].date).unwrap_err();
    assert!(matches!(unknown, StatementError::UnknownMerchant { .. }));
    assert!(unknown.to_string().contains("it has 46, from 1001 to 9002"), "{unknown}");
    let late = statement(&store, MerchantId(1_001), Date(20_000)).unwrap_err();
    assert!(late.to_string().contains("it has 2018-08-26 to 2018-08-28"), "{late}");
    // One without trade has a statement that says so.
    let promoter = statement(&store, MerchantId(8_004), days[0].date).unwrap();
    assert!(promoter.lines.is_empty());
    assert!(text(&promoter, Format::Csv).contains("closing,8004,2018-08-26,CNY,total,"));
}

#[test]
fn a_file_that_is_not_its_manifests_is_refused() {
    let (folder, store, days) = town();
    let file = days[0].files.iter().find(|file| file.table == "entries" && file.rows > 0).unwrap();
    let path = folder.path().join(&file.path);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let refused =
        statements::<StatementError>(&store, days[0].date, &mut |_| panic!("nothing of it is given"));
    assert!(
        matches!(refused, Err(StatementError::Day(DayError::Disagrees { ref path, .. })) if *path == file.path),
        "{refused:?}"
    );
}
