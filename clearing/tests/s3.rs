//! The cold store in a real S3: what a folder promises must hold there too, above all that of several that put the same new
//! object exactly one wins.
//!
//! `.ci/s3` starts a server and runs this; without `SUANPAN_S3_STORE` (such as `s3://bucket/prefix`) it only says that it did
//! nothing.
#![cfg(feature = "s3")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Barrier;
use std::thread;

use suanpan_clearing::store::{Store, StoreError};

/// Puts that run against each other.
const RIVALS: usize = 6;

/// More objects than S3 lists in one answer.
const MANY: usize = 1_005;

/// Where a test may write, if there is an S3.
fn place(test: &str) -> Option<String> {
    let url = std::env::var("SUANPAN_S3_STORE").ok();
    if url.is_none() {
        println!("{test}: did nothing; SUANPAN_S3_STORE names no store, `.ci/s3` starts one");
    }
    url.map(|url| format!("{url}/{test}-{}", std::process::id()))
}

#[test]
fn of_rivals_that_put_the_same_object_one_wins() {
    let Some(url) = place("rivals") else { return };
    let ready = Barrier::new(RIVALS);
    let days: Vec<String> = (1..=28).map(|day| format!("manifests/2018-08-{day:02}.json")).collect();
    let run = |rival: usize| {
        let store = Store::open(&url).unwrap();
        let put = |day: &String| {
            ready.wait();
            store.put_new(day, format!("{rival} of {day}")).unwrap()
        };
        days.iter().map(put).collect::<Vec<bool>>()
    };
    let won: Vec<Vec<bool>> = thread::scope(|scope| {
        let run = &run;
        let rivals: Vec<_> = (0..RIVALS).map(|rival| scope.spawn(move || run(rival))).collect();
        rivals.into_iter().map(|rival| rival.join().unwrap()).collect()
    });
    let store = Store::open(&url).unwrap();
    for (at, day) in days.iter().enumerate() {
        let winners: Vec<usize> = (0..RIVALS).filter(|&rival| won[rival][at]).collect();
        assert_eq!(winners.len(), 1, "{day} was put by {winners:?}");
        assert_eq!(store.get(day).unwrap(), format!("{} of {day}", winners[0]));
    }
    assert_eq!(store.list("manifests").unwrap().len(), days.len());
}

#[test]
fn what_is_there_stays_until_it_is_replaced() {
    let Some(url) = place("once") else { return };
    let store = Store::open(&url).unwrap();
    let path = "manifests/2018-08-26.json";
    assert!(matches!(store.get(path), Err(StoreError::Missing { .. })));
    assert_eq!(store.find(path).unwrap(), None);
    assert!(store.put_new(path, "one").unwrap());
    assert!(!store.put_new(path, "another").unwrap());
    assert_eq!(Store::open(&url).unwrap().get(path).unwrap(), "one");
    store.put(path, "two").unwrap();
    assert_eq!(store.find(path).unwrap().unwrap(), "two");
    assert!(!store.put_new(path, "three").unwrap());
    assert_eq!(store.get(path).unwrap(), "two");
}

#[test]
fn a_file_of_many_parts_arrives_whole() {
    let Some(url) = place("parts") else { return };
    let store = Store::open(&url).unwrap();
    let bytes: Vec<u8> = (0..20_000_003u32).map(|n| n.to_le_bytes()[n as usize % 3]).collect();
    let spool = tempfile::tempdir().unwrap();
    let path = "orders/date=2018-08-26/shard=0/orders-0-0123456789ab.parquet";
    for (path, bytes) in [(path, &bytes[..]), ("orders/empty", &[])] {
        let file = spool.path().join("part");
        std::fs::write(&file, bytes).unwrap();
        store.put_file(path, &file).unwrap();
        let local = store.local(path).unwrap();
        assert!(std::fs::read(local.path()).unwrap() == bytes, "{path} is not what was put");
    }
    assert_eq!(
        store.list("orders").unwrap(),
        [(path.to_owned(), 20_000_003), ("orders/empty".to_owned(), 0)]
    );
    assert!(matches!(store.local("orders/another"), Err(StoreError::Missing { .. })));
}

#[test]
fn a_list_names_every_object_below_a_folder_and_no_other() {
    let Some(url) = place("list") else { return };
    let store = Store::open(&url).unwrap();
    let name = |at: usize| format!("entries/date=2018-08-26/shard=0/{at:04}");
    for at in 0..MANY {
        store.put(&name(at), "x".repeat(at % 3)).unwrap();
    }
    for other in
        ["entries/date=2018-08-26/shard=1/0000", "entries/date=2018-08-27/shard=0/0000", "entries2/0000"]
    {
        store.put(other, "other").unwrap();
    }
    let expected: Vec<_> = (0..MANY).map(|at| (name(at), (at % 3) as u64)).collect();
    assert!(store.list("entries/date=2018-08-26/shard=0").unwrap() == expected);
    assert_eq!(store.list("entries").unwrap().len(), MANY + 2);
    assert_eq!(store.list("nothing").unwrap(), []);
}
