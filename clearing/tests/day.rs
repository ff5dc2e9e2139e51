//! Days of a town in the cold store: whole, proved, and again the same.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use suanpan_clearing::export;
use suanpan_clearing::manifest::{CurrencyTotals, DayError, Manifest};
use suanpan_clearing::rehearsal::{self, Plan};
use suanpan_clearing::store::Store;
use suanpan_clearing::table::{Table, balances, entries, orders};
use tempfile::TempDir;

fn small() -> Plan {
    Plan { merchants: 40, payments: 800, ..Plan::default() }
}

fn store() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().to_str().unwrap()).unwrap();
    (folder, store)
}

#[test]
fn a_town_has_every_kind_of_trade() {
    let (_folder, store) = store();
    let played = rehearsal::play(&store, &small()).unwrap();
    assert_eq!(Manifest::dates(&store).unwrap(), played.days.iter().map(|day| day.date).collect::<Vec<_>>());
    let mut subjects: BTreeMap<i32, u64> = BTreeMap::new();
    let mut statuses: BTreeMap<String, u64> = BTreeMap::new();
    for day in &played.days {
        assert_eq!(Manifest::load(&store, day.date).unwrap(), *day);
        day.read::<DayError>(&store, Table::Entries, &[entries::SUBJECT], &mut |rows| {
            (0..rows.len())
                .for_each(|row| *subjects.entry(rows.int(entries::SUBJECT, row)).or_default() += 1);
            Ok(())
        })
        .unwrap();
        day.read::<DayError>(&store, Table::Orders, &[orders::STATUS], &mut |rows| {
            (0..rows.len()).for_each(|row| {
                *statuses.entry(rows.text(orders::STATUS, row).to_owned()).or_default() += 1;
            });
            Ok(())
        })
        .unwrap();
    }
    let expected: Vec<i32> = (60..=67).chain(70..=77).chain(80..=83).chain([85]).chain(90..=97).collect();
    assert_eq!(subjects.keys().copied().collect::<Vec<_>>(), expected, "{subjects:?}");
    let all = ["closed", "created", "paid", "paid_late", "partially_refunded", "refunded", "voided"];
    assert_eq!(statuses.keys().map(String::as_str).collect::<Vec<_>>(), all);
}

#[test]
fn the_same_town_makes_the_same_objects_and_days_follow_one_another() {
    let ((_one, first), (_two, second)) = (store(), store());
    let played = rehearsal::play(&first, &small()).unwrap();
    assert_eq!(rehearsal::play(&second, &small()).unwrap().days, played.days);
    for (day, next) in played.days.iter().zip(&played.days[1..]) {
        assert_eq!((next.previous, day.next_date), (Some(day.date), next.date));
        assert_eq!(next.opened_at, Some(day.cut_at));
        let closing: BTreeMap<_, _> = accounts(&first, day, balances::CLOSING);
        assert_eq!(accounts(&first, next, balances::OPENING), closing);
    }
}

/// What each account held at one end of a day, but for those that held nothing.
fn accounts(store: &Store, day: &Manifest, column: usize) -> BTreeMap<(String, String), i64> {
    let mut all = BTreeMap::new();
    let columns = [balances::ACCOUNT, balances::CURRENCY, column];
    day.read::<DayError>(store, Table::Balances, &columns, &mut |rows| {
        for row in 0..rows.len() {
            let key = (rows.text(balances::ACCOUNT, row), rows.text(balances::CURRENCY, row));
            let amount = rows.long(column, row);
            let known = (amount != 0).then(|| all.insert((key.0.to_owned(), key.1.to_owned()), amount));
            assert!(known.flatten().is_none(), "{key:?} twice");
        }
        Ok(())
    })
    .unwrap();
    all
}

#[test]
fn days_are_proved_from_the_store_alone() {
    let (folder, store) = store();
    let played = rehearsal::play(&store, &small()).unwrap();
    for day in &played.days {
        let mut rows = 0;
        assert_eq!(export::verify(&store, day.date, &mut |read| rows += read).unwrap(), *day);
        assert_eq!(rows, day.files.iter().map(|file| file.rows).sum::<u64>());
    }
    // Whatever is bent, it is said where.
    let day = &played.days[1];
    let path = folder.path().join(Manifest::path(day.date));
    let whole = std::fs::read_to_string(&path).unwrap();
    let refused = |manifest: &Manifest| {
        std::fs::write(&path, manifest.to_json().unwrap()).unwrap();
        let refused = export::verify(&store, day.date, &mut |_| ()).unwrap_err();
        std::fs::write(&path, &whole).unwrap();
        refused
    };
    let mut bent = day.clone();
    bent.files[0].rows += 1;
    assert!(matches!(refused(&bent), DayError::Disagrees { what: "its number of rows", .. }));
    let mut bent = day.clone();
    bent.files.retain(|file| file.table != "refunds");
    assert!(matches!(refused(&bent), DayError::Unproved { .. }));
    let bends: [fn(&mut CurrencyTotals); 5] = [
        |totals| totals.amount_minor += 1,
        |totals| totals.refunds -= 1,
        |totals| totals.entries_minor -= 1,
        |totals| totals.accounts[0].closing_minor += 1,
        |totals| totals.accounts[0].opening_minor -= 1,
    ];
    for bend in bends {
        let mut bent = day.clone();
        bend(&mut bent.currencies[0]);
        assert!(matches!(refused(&bent), DayError::Unproved { .. }));
    }
    for file in &day.files {
        let path = folder.path().join(&file.path);
        let whole = std::fs::read(&path).unwrap();
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 1;
        for (bytes, what) in [(&flipped[..], "its SHA-256"), (&whole[1..], "its size")] {
            std::fs::write(&path, bytes).unwrap();
            let refused = export::verify(&store, day.date, &mut |_| ());
            assert!(
                matches!(&refused, Err(DayError::Disagrees { path, what: found, .. }) if *found == what && *path == file.path),
                "{refused:?}"
            );
        }
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(export::verify(&store, day.date, &mut |_| ()), Err(DayError::Store(_))));
        std::fs::write(&path, whole).unwrap();
    }
    export::verify(&store, day.date, &mut |_| ()).unwrap();
}

/// A day that was put stays as it was.
#[test]
fn a_day_is_put_once() {
    let (_folder, store) = store();
    let plan = small();
    let played = rehearsal::play(&store, &plan).unwrap();
    let other = rehearsal::play(&store, &Plan { seed: 2, ..plan });
    assert!(matches!(other, Err(DayError::Unproved { date, .. }) if date == plan.first));
    assert_eq!(Manifest::load(&store, plan.first).unwrap(), played.days[0]);
}

#[test]
fn the_lines_of_a_command_are_counted_from_nought() {
    let (_folder, store) = store();
    let played = rehearsal::play(&store, &small()).unwrap();
    for day in &played.days {
        let mut commands: BTreeMap<(i64, i32), Vec<(i32, i32)>> = BTreeMap::new();
        let columns = [entries::LOG_POSITION, entries::LOG_INDEX, entries::GROUP_NO, entries::LINE];
        day.read::<DayError>(&store, Table::Entries, &columns, &mut |rows| {
            for row in 0..rows.len() {
                let command = (rows.long(entries::LOG_POSITION, row), rows.int(entries::LOG_INDEX, row));
                let line = (rows.int(entries::LINE, row), rows.int(entries::GROUP_NO, row));
                commands.entry(command).or_default().push(line);
            }
            Ok(())
        })
        .unwrap();
        assert!(!commands.is_empty());
        for (command, mut lines) in commands {
            lines.sort_unstable();
            let expected: Vec<i32> = (0..i32::try_from(lines.len()).unwrap()).collect();
            assert_eq!(lines.iter().map(|line| line.0).collect::<Vec<_>>(), expected, "{command:?}");
            assert!(lines.is_sorted_by_key(|line| line.1), "{command:?}: groups are in their order");
        }
    }
}
