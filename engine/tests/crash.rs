//! Real crashes: a process of this very test, killed in the middle of what takes several shards or several commands, and
//! its folder opened again, also with another number of shards.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use common::{
    ask_all, ask_one, balances, line, number, open_shop, payment, split_order, start, sums, top_up, transfer,
};
use suanpan_core::{
    Command, Currency, Date, EntryView, MerchantId, MovementKind, Query, Receipt, Reply, Request, Run,
    SetDate, Settlement, Subject,
};
use suanpan_engine::Engine;

const FOLDER: &str = "SUANPAN_CRASH_FOLDER";
const FLOAT: u64 = 1_000_000;

/// Starts a test of this file as a process of its own, with the folder it is to work in.
fn spawn(test: &str, folder: &Path) -> (Child, Receiver<String>) {
    let mut child = std::process::Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (said, heard) = channel();
    // Everything that was said before the kill is in the pipe and is read.
    thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| said.send(line)));
    (child, heard)
}

/// Waits until the child says `word`, lets it work for a while, and kills it; what it said after.
fn kill_after(mut child: Child, heard: &Receiver<String>, word: &str, work: Duration) -> Vec<String> {
    loop {
        let line = heard.recv().expect("the child ended before it began");
        if line.ends_with(word) {
            break;
        }
    }
    // At any time: the later the further it came.
    thread::sleep(work);
    child.kill().unwrap();
    child.wait().unwrap();
    heard.iter().collect()
}

/// The folder, in the child; the test is nothing by itself.
fn folder() -> Option<std::path::PathBuf> {
    env::var_os(FOLDER).map(Into::into)
}

fn say(line: &str) {
    // One write a line, so that a kill leaves no half.
    std::io::stdout().write_all(format!("{line}\n").as_bytes()).unwrap();
    std::io::stdout().flush().unwrap();
}

/// All entries of a merchant.
fn entries(engine: &Engine, id: u64) -> Vec<EntryView> {
    let mut all: Vec<EntryView> = Vec::new();
    loop {
        let after = all.last().map_or(0, |entry| entry.seq);
        match ask_one(engine, Request::Query(Query::Entries(MerchantId(id), after))) {
            Reply::Entries { page, has_more } => {
                all.extend(page);
                if !has_more {
                    return all;
                }
            }
            other => panic!("{other:?}"),
        }
    }
}

const TRANSFERRERS: u64 = 12;

#[test]
#[ignore = "the process that is killed"]
fn child_transfers() {
    let Some(folder) = folder() else { return };
    let engine = start(&folder, 3);
    open_shop(&engine, TRANSFERRERS);
    ask_all(&engine, (1..=TRANSFERRERS).map(|id| top_up(id, 1, FLOAT)));
    say("working");
    thread::scope(|scope| {
        for thread in 0..6u64 {
            let engine = &engine;
            scope.spawn(move || {
                for n in 0.. {
                    let from = 1 + (n + thread) % TRANSFERRERS;
                    let to = 1 + (from + n % (TRANSFERRERS - 1)) % TRANSFERRERS;
                    let transfer_no = (thread << 32) | n;
                    let reply = engine.command_all(transfer(from, transfer_no, to, 1 + n % 7));
                    if let Reply::Done(Receipt::Booked { repeat: false }) = reply {
                        say(&format!("{from} {transfer_no} {to} {}", 1 + n % 7));
                    }
                }
            });
        }
        for n in 0.. {
            ask_all(&engine, (0..300).map(|order| payment(1 + order % TRANSFERRERS, n * 300 + order)));
        }
    });
}

/// What was answered is there at both ends, and nothing is there at one end only.
#[test]
fn no_transfer_is_half_there_after_a_crash() {
    for (round, shards) in [(1, 2u16), (2, 3), (3, 5), (4, 1)] {
        let folder = tempfile::tempdir().unwrap();
        let (child, heard) = spawn("child_transfers", folder.path());
        let said = kill_after(child, &heard, "working", Duration::from_millis(60 * round));
        let engine = start(folder.path(), shards);
        let (totals, _) = engine.totals().unwrap();
        assert_eq!(sums(&totals).0, 0);
        assert_eq!(line(&totals, "merchants:available"), i128::from(TRANSFERRERS * FLOAT));
        let mut given: BTreeMap<(String, u64), u64> = BTreeMap::new();
        let mut got = given.clone();
        for id in 1..=TRANSFERRERS {
            for entry in entries(&engine, id).iter().filter(|entry| entry.subject == Subject::TRANSFER) {
                let own =
                    suanpan_core::Account::Merchant(MerchantId(id), suanpan_core::MerchantAccount::Available);
                let side = if entry.from == own { &mut given } else { &mut got };
                let giver =
                    if let suanpan_core::Account::Merchant(giver, _) = entry.from { giver.0 } else { 0 };
                let known = side.insert((entry.reference.unwrap().to_string(), giver), entry.amount);
                assert_eq!(known, None, "booked twice");
            }
        }
        assert_eq!(given, got, "each has two ends");
        assert!(!said.is_empty(), "the child came to nothing in round {round}");
        for line in &said {
            let words: Vec<u64> = line.split(' ').map_while(|word| word.parse().ok()).collect();
            let [from, transfer_no, _, amount] = words[..] else { continue };
            assert_eq!(given.get(&(transfer_no.to_string(), from)), Some(&amount), "answered: {line}");
            let look = Query::Movement(MovementKind::Transfer, MerchantId(from), number(transfer_no));
            assert!(matches!(ask_one(&engine, Request::Query(look)), Reply::Movement(_)));
        }
        println!(
            "round {round}: {} answered, {} found, {} cut",
            said.len(),
            given.len(),
            engine.recovered().cut_bytes
        );
    }
}

/// More than a page of merchants in each shard.
const SHOPS: u64 = 5_000;
const RECEIVERS: u64 = 300;

fn batch() -> Settlement {
    Settlement { batch_no: number("S1"), merchant: None }
}

#[test]
#[ignore = "the process that is killed"]
fn child_settles() {
    let Some(folder) = folder() else { return };
    let engine = start(&folder, 2);
    open_shop(&engine, SHOPS);
    ask_all(&engine, (1..=SHOPS).flat_map(|id| [payment(id, 1), payment(id, 2)]));
    ask_all(&engine, (1..=SHOPS).flat_map(|id| split_order(id, 3, 1 + (id + 1) % RECEIVERS, 100)));
    let cut = SetDate { date: Date(common::TODAY.0 + 7), cut: true };
    assert!(matches!(engine.command_all(Command::SetDate(cut)), Reply::Done(_)));
    say("working");
    let reply = engine.run(Run::Settlement(batch()));
    assert!(matches!(reply, Reply::Settlement { repeat: false, .. }));
    say("settled");
    loop {
        thread::park();
    }
}

/// A run that was cut off goes on when it is asked for again, and pays no date and sweeps no accrual twice.
#[test]
fn a_run_that_was_cut_off_goes_on() {
    let mut interrupted = 0;
    for (round, shards) in [(0, 2u16), (1, 3), (2, 2), (4, 4), (8, 2), (16, 1), (32, 2), (1_000, 2)] {
        let folder = tempfile::tempdir().unwrap();
        let (child, heard) = spawn("child_settles", folder.path());
        let said = kill_after(child, &heard, "working", Duration::from_millis(round));
        let answered = said.iter().any(|line| line == "settled");
        let engine = start(folder.path(), shards);
        let begun = matches!(engine.settlement(batch().batch_no), Reply::Settlement { .. });
        let Reply::Settlement { repeat, view } = engine.run(Run::Settlement(batch())) else { panic!() };
        assert!(repeat || !answered, "what was answered is a repeat");
        interrupted += u64::from(begun && !repeat);
        let each = 994 * 2 + 894;
        assert_eq!((view.ended, view.merchants), (true, SHOPS));
        assert_eq!(view.amounts, [(Currency(*b"CNY"), u128::from(SHOPS * each))]);
        for id in 1..=SHOPS {
            let swept = (1..=SHOPS).filter(|from| id == 1 + (from + 1) % RECEIVERS).count() as u64;
            let found = balances(&engine, id);
            assert_eq!((found.pending, found.available), (0, each + swept * 100), "merchant {id}");
        }
        for id in [1, 2, 77, 2_000, SHOPS] {
            let settled =
                entries(&engine, id).iter().filter(|entry| entry.subject == Subject::SETTLEMENT).count();
            assert_eq!(settled, 1, "merchant {id}");
        }
        let again = engine.run(Run::Settlement(batch()));
        assert_eq!(again, Reply::Settlement { repeat: true, view });
        let (totals, _) = engine.totals().unwrap();
        assert_eq!(
            (sums(&totals).0, line(&totals, "in_transit"), line(&totals, "merchants:accrued")),
            (0, 0, 0)
        );
        println!("killed after {round} ms: begun {begun}, ended {repeat}, answered {answered}");
    }
    assert!(interrupted > 0, "no kill hit the run");
}
