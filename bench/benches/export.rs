//! A day's way into the cold store: following payments into an open day, and closing it.
//!
//! `cargo bench -p suanpan-bench --bench export [-- PAYMENTS]`. It is one run of some millions of payments and not criterion's
//! many short ones: what is written to the disk behind it is part of what it costs.
#![allow(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::time::Instant;

use suanpan_bench::traffic::{self, Spread, payment};
use suanpan_clearing::export::day::{Cut, OpenDay, Opening, Place};
use suanpan_clearing::store::Store;
use suanpan_core::{Command, Date, Key, Timestamp};

/// Commands of a record, warmed together as a shard does.
const TOGETHER: u64 = 16;
const RECORD: u64 = 4_096;

fn main() {
    let count = std::env::args().filter_map(|arg| arg.parse::<u64>().ok()).next().unwrap_or(4_000_000);
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().to_str().unwrap()).unwrap();
    let mut ledger = traffic::ledger();
    let opening = Opening { log_id: String::new(), position: 0, cut_at: None, previous: None };
    let mut day = OpenDay::open(&store, 2, opening, &ledger).unwrap();
    let begun = Instant::now();
    let mut applying = std::time::Duration::ZERO;
    let mut commands = Vec::with_capacity(16);
    for from in (0..count).step_by(16) {
        commands.clear();
        let some = from..count.min(from + TOGETHER);
        commands.extend(some.map(|place| Command::Payment(payment(Spread::Uniform, place))));
        let since = Instant::now();
        let keys: Vec<Key> = commands.iter().map(|command| ledger.touch(command)).collect();
        ledger.warm(&keys);
        for ((command, &key), n) in commands.iter().zip(&keys).zip(from..) {
            let (position, index) = (n / RECORD * 131_072, u16::try_from(n % RECORD).unwrap());
            day.begin(Place { position, index, decided_at: Timestamp((n / RECORD).cast_signed()) });
            assert!(ledger.apply_keyed(command, key, Timestamp(0), &mut day).changed);
            day.applied(command, key, &ledger);
        }
        applying += since.elapsed();
    }
    let followed = begun.elapsed();
    let cut = Cut { position: count * 32, at: Timestamp(1), next: Date(ledger.date().0 + 1) };
    let (manifest, _) = day.close(&store, cut, &ledger).unwrap();
    let closed = begun.elapsed() - followed;
    let bytes: u64 = manifest.files.iter().map(|file| file.bytes).sum();
    for (what, took) in [
        ("following", followed),
        ("of that in the ledger and the rows", applying),
        ("closing", closed),
        ("both", followed + closed),
    ] {
        let seconds = took.as_secs_f64();
        println!("{what:<36} {seconds:>7.2} s {:>12.0} payments/s", count as f64 / seconds);
    }
    println!("{} bytes a payment in the store: {manifest}", bytes / count);
}
