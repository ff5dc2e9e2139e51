//! Writes the first corpus of targets whose inputs cannot be typed: `cargo run --bin seeds -- FOLDER` puts one command of
//! each kind into `FOLDER/commands` and `FOLDER/frames`, with some queries and replies, and edits of a log.

#[path = "../core/tests/strategy/any.rs"]
mod any;

use std::path::{Path, PathBuf};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use suanpan_core::{ChannelId, Date, Field, MerchantId, Query, Rejection, Reply, Request, encode};
use suanpan_net::wire::{client_hello, write_error, write_replies, write_requests};

/// Commands that are drawn; every kind is among them.
const DRAWN: usize = 400;

fn main() {
    let folder = PathBuf::from(std::env::args().nth(1).expect("a folder"));
    let mut runner = TestRunner::deterministic();
    let mut kinds = std::collections::BTreeMap::new();
    for _ in 0..DRAWN {
        let command = any::any_command().new_tree(&mut runner).expect("a command").current();
        let mut bytes = Vec::new();
        encode(&command, &mut bytes);
        let shortest = kinds.entry(bytes[0]).or_insert_with(|| (bytes.clone(), command.clone()));
        if bytes.len() < shortest.0.len() {
            *shortest = (bytes, command);
        }
    }
    for (kind, (bytes, command)) in kinds {
        put(&folder, "commands", &format!("kind-{kind}"), &bytes);
        let mut frame = Vec::new();
        let look = Request::Query(Query::Balances(MerchantId(1001)));
        write_requests(u64::from(kind), &vec![Request::Command(command), look], &mut frame).expect("small");
        put(&folder, "frames", &format!("kind-{kind}"), &frame);
    }
    let replies = vec![
        Reply::Accrued(7),
        Reply::Date(Date(6)),
        Reply::Rejected(Rejection::InvalidRequest, Some(Field::Amount)),
    ];
    let mut frame = Vec::new();
    write_replies(1, 4096, &replies, &mut frame).expect("small");
    put(&folder, "frames", "replies", &frame);
    frame.clear();
    write_requests(1, &vec![Request::Query(Query::Channel(ChannelId(1)))], &mut frame).expect("small");
    put(&folder, "frames", "query", &frame);
    frame.clear();
    write_error(0, "no such frame", &mut frame);
    put(&folder, "frames", "error", &frame);
    put(&folder, "frames", "hello", &client_hello());
    for kind in 0..=255_u8 {
        put(
            &folder,
            "log_recovery",
            &format!("edit-{kind}"),
            &[0, kind, kind % 28, kind / 4, 9, kind / 8, 64, 0],
        );
    }
}

fn put(folder: &Path, target: &str, name: &str, bytes: &[u8]) {
    let folder = folder.join(target);
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join(name), bytes).expect("a file");
}
