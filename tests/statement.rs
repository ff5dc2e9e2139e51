//! Statements, settlement files and fees as a user asks for them: from a store alone, with an exit code that says whether there is an answer.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;

use common::suanpan;
use suanpan_clearing::rehearsal::{self, Plan};
use suanpan_clearing::store::Store;

/// The exit code, standard output, standard error.
fn ask(arguments: &[&str]) -> (i32, String, String) {
    let output = suanpan(arguments);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn what_finance_asks_for_is_answered_from_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (store, all, batch) = (path("store"), path("all"), path("S20180826"));
    let plan = Plan { merchants: 20, payments: 150, ..Plan::default() };
    rehearsal::play(&Store::create(&store).unwrap(), &plan).unwrap();

    let date = ["--store", &store, "--date", "2018-08-27"];
    let (code, csv, _) = ask(&[&["statement"][..], &date, &["--merchant", "1004"]].concat());
    assert_eq!(code, 0);
    assert!(csv.starts_with("row,merchant_id,date,currency,account,time,kind,"));
    let (code, said, _) = ask(&[&["statement"][..], &date, &["--all", "--out", &all]].concat());
    assert_eq!((code, said.contains("statements of 2018-08-27")), (0, true), "{said}");
    assert_eq!(fs::read_to_string(format!("{all}/statement-1004-2018-08-27.csv")).unwrap(), csv);

    let settle = ["settle", "--store", &store, "--batch", "S20180826", "--out", &batch];
    let (code, said, _) = ask(&settle);
    assert!(code == 0 && said.contains("batch S20180826 of 2018-08-27"), "{said}");
    assert!(fs::read_to_string(format!("{batch}/bank.csv")).unwrap().contains("\r\ntotal,,S20180826,,,CNY,"));
    let (code, said, _) = ask(&settle);
    assert!(code == 0 && said.contains("(there already)"), "{said}");

    let month = ["fees", "--store", &store, "--month", "2018-08"];
    let (code, _, said) = ask(&month);
    assert!(code == 2 && said.contains("2018-08-29, 2018-08-30, 2018-08-31 are missing"), "{said}");
    let (code, csv, _) = ask(&[&month[..], &["--partial"]].concat());
    assert!(code == 0 && csv.contains("\r\nchannel,2018-08,3,wechat,,CNY,"), "{csv}");
}

#[test]
fn what_there_is_not_is_refused_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (store, out) = (path("store"), path("out"));
    let plan = Plan { merchants: 20, payments: 50, days: 1, ..Plan::default() };
    rehearsal::play(&Store::create(&store).unwrap(), &plan).unwrap();
    let out = ["--out", &out];
    for (asked, told) in [
        (&["statement", "--date", "2018-08-26", "--merchant", "7"][..], "it has 26, from 1001 to 9002"),
        (&["statement", "--date", "2018-09-01", "--merchant", "1001"], "it has 2018-08-26 to 2018-08-26"),
        (&["statement", "--date", "2018-9-1", "--merchant", "1001"], "YYYY-MM-DD"),
        (&["statement", "--date", "2018-08-26", "--merchant", "../1"], "1 to 19 digits"),
        (&["statement", "--date", "2018-08-26", "--all", "--timezone", "Mars/Olympus"], "no such zone"),
        (&["settle", "--batch", "S1"], "which has 2018-08-26 to 2018-08-26 and no batch in them"),
        (&["fees", "--month", "2018-07"], "it has 2018-08-26 to 2018-08-26"),
        (&["fees", "--month", "08/2018"], "YYYY-MM"),
    ] {
        let (code, _, said) = ask(&[asked, &["--store", &store], &out].concat());
        assert!(code == 2 && said.contains(told), "{asked:?}: {code} {said}");
    }
    let (code, _, said) = ask(&["fees", "--month", "2018-08", "--store", &path("nowhere")]);
    assert!(code == 2 && said.contains("there is no such folder"), "{said}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the store alone");
}
