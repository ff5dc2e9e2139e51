//! Files of settlement batches: all or none, traceable, and refused when something is missing or was touched.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;

use suanpan_clearing::folder::WriteError;
use suanpan_clearing::manifest::{DayError, Manifest};
use suanpan_clearing::rehearsal::{self, Plan};
use suanpan_clearing::settle::{SettleError, settled};
use suanpan_clearing::store::Store;
use suanpan_core::Number;
use tempfile::TempDir;

/// Four days; a batch is named after the day that was cut before it, and is of the day after.
fn town() -> (TempDir, Store, Vec<Manifest>) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path().join("store").to_str().unwrap()).unwrap();
    let plan = Plan { merchants: 30, payments: 400, days: 4, ..Plan::default() };
    let days = rehearsal::play(&store, &plan).unwrap().days;
    (folder, store, days)
}

fn number(text: &str) -> Number {
    text.parse().unwrap()
}

#[test]
fn a_batch_says_what_each_sum_is_made_of() {
    let (_folder, store, days) = town();
    let batch = settled(&store, number("S20180827")).unwrap();
    assert_eq!(batch.dates, [days[2].date]);
    assert!(batch.merchants.len() > 20);
    for one in &batch.merchants {
        assert!(one.amount > 0 && one.name.starts_with("Shop "), "{one:?}");
        let net: i128 = one.days.iter().map(|day| day.flows.net()).sum();
        assert_eq!(one.opening + net - one.amount, one.closing, "{one:?}");
        let log: Vec<_> = one.days.iter().map(|day| day.log.unwrap()).collect();
        assert!(log.windows(2).all(|two| two[0].to < two[1].from), "days do not overlap: {log:?}");
        match one.before {
            Some(before) => assert!(one.days[0].date >= before),
            None => assert_eq!(one.opening, 0, "the store has the first day"),
        }
    }
    // Some were settled the day before, some (D+2) never yet.
    assert!(batch.merchants.iter().any(|one| one.before == Some(days[1].date)));
    assert!(batch.merchants.iter().any(|one| one.before.is_none()));
}

#[test]
fn files_are_written_once_and_whole() {
    let (folder, store, _) = town();
    let out = folder.path().join("S20180827");
    let batch = settled(&store, number("S20180827")).unwrap();
    assert!(batch.write(&out).unwrap());
    let bank = fs::read_to_string(out.join("bank.csv")).unwrap();
    assert_eq!(bank.lines().count(), batch.merchants.len() + 2);
    assert_eq!(fs::read_dir(&out).unwrap().count(), batch.merchants.len() + 1);
    assert!(!settled(&store, number("S20180827")).unwrap().write(&out).unwrap(), "the same again");
    let other = settled(&store, number("S20180828")).unwrap();
    assert!(matches!(other.write(&out), Err(WriteError::Other { .. })));
    assert_eq!(fs::read_to_string(out.join("bank.csv")).unwrap(), bank);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "the store and the folder");
}

#[test]
fn what_is_not_there_is_named() {
    let (folder, store, days) = town();
    let unknown = settled(&store, number("S9")).unwrap_err();
    assert!(matches!(unknown, SettleError::UnknownBatch { .. }));
    let said = unknown.to_string();
    assert!(said.contains("which has 2018-08-26 to 2018-08-29") && said.contains("S20180826"), "{said}");
    let gap = folder.path().join("store").join(Manifest::path(days[2].date));
    let manifest = fs::read(&gap).unwrap();
    fs::remove_file(&gap).unwrap();
    let missing = settled(&store, number("S20180828")).unwrap_err();
    assert!(
        matches!(missing, SettleError::MissingDay { missing, .. } if missing == days[2].date),
        "{missing}"
    );
    fs::write(gap, manifest).unwrap();
    assert!(settled(&store, number("S20180828")).is_ok());
    let file = days[3].files.iter().find(|file| file.table == "settlements" && file.rows > 0).unwrap();
    let path = folder.path().join("store").join(&file.path);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    let refused = settled(&store, number("S20180828"));
    assert!(matches!(refused, Err(SettleError::Day(DayError::Disagrees { .. }))), "{refused:?}");
}
