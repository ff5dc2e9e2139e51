//! `suanpan export` beside a server, with both killed at any moment: no day is half there, and every day is the same in the end.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
#[allow(dead_code, reason = "an answer's reader has parts that no server of ours needs")]
#[path = "../src/scenario/http.rs"]
mod http;
#[allow(dead_code, reason = "only its calls are used")]
#[path = "../src/scenario/script.rs"]
mod script;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{SUANPAN, Server, suanpan};
use http::Client;
use script::Call;
use serde_json::{Value, json};

/// Exports that are killed before one is left alone.
const KILLS: u64 = 12;

fn call(server: &Server, method: &str, path: &str, body: Option<Value>) -> Value {
    let mut client = Client::new(format!("http://{}", server.http).parse().unwrap());
    let call = Call::new(method, path, body.map(|body| body.to_string()));
    let answer = client.call(&call).unwrap();
    assert!(matches!(answer.status, 200 | 201), "{path}: {} {}", answer.status, answer.body);
    answer.body
}

/// Some thousand payments, refunds and voids.
fn trade(server: &Server, seed: u32) {
    let (tcp, seed) = (server.tcp.to_string(), seed.to_string());
    let load = ["load", "--tcp", &tcp, "--count", "20000", "--batch", "500", "--merchants", "100", "--seed"];
    let output = suanpan(&[&load[..], &[&seed]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn cut(server: &Server, date: &str) {
    call(server, "POST", "/v1/day-cut", Some(json!({ "accounting_date": date })));
}

/// Every manifest of a store, by name.
fn manifests(store: &Path) -> BTreeMap<String, Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(store.join("manifests")) else { return BTreeMap::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), std::fs::read(path).unwrap()))
        .collect()
}

/// That every day that is there is whole.
fn check(store: &Path) {
    for date in manifests(store).keys() {
        let output = suanpan(&["export", "verify", date, "--store", store.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{date}: {said}");
    }
}

fn export(data: &Path, store: &Path) -> String {
    let output = suanpan(&["export", "--data", data.to_str().unwrap(), "--store", store.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Follows, and is killed after a time.
fn export_and_kill(data: &Path, store: &Path, after: Duration) {
    let mut child = Command::new(SUANPAN)
        .args(["export", "--follow", "--data", data.to_str().unwrap()])
        .args(["--store", store.to_str().unwrap()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Nothing is waited for: it is the moment that is to be any.
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The log alone, as a backup has it.
fn copy_log(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.join("log")).unwrap();
    for entry in std::fs::read_dir(from.join("log")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join("log").join(path.file_name().unwrap())).unwrap();
    }
}

#[test]
fn every_day_is_whole_or_not_there_and_the_same_in_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let (data, store) = (folder.path().join("data"), folder.path().join("store"));
    let mut server = Server::start_with(&data, &["--segment-mib", "1", "--reserve-mib", "0"]);
    call(&server, "PUT", "/v1/dev/clock", Some(json!({ "now": "2018-08-26T12:00:00+08:00" })));
    let dates = ["2018-08-26", "2018-08-27", "2018-08-28", "2018-08-30"];
    for (day, next) in (0..).zip(&dates[1..]) {
        trade(&server, day);
        export_and_kill(&data, &store, Duration::from_millis(100));
        if day == 1 {
            server.kill();
            server = Server::start_with(&data, &["--segment-mib", "1", "--reserve-mib", "0"]);
        }
        cut(&server, next);
        call(&server, "POST", "/v1/settlements", Some(json!({ "batch_no": format!("S{day}") })));
        check(&store);
    }
    for n in 0..KILLS {
        export_and_kill(&data, &store, Duration::from_millis(20 + 40 * n));
        check(&store);
    }
    export(&data, &store);
    check(&store);
    let all = manifests(&store);
    assert_eq!(
        all.keys().map(String::as_str).collect::<Vec<_>>(),
        dates[..3],
        "a day that is open is not there"
    );
    assert!(export(&data, &store).starts_with("0 days put"), "again changes nothing");
    assert_eq!(manifests(&store), all);
    let spool: Vec<_> = std::fs::read_dir(store.join(".spool")).unwrap().collect();
    assert!(spool.is_empty(), "what killed exports left: {spool:?}");

    // With the server stopped, from the log alone, and without a break: the same objects.
    server.kill();
    let (copied, again) = (folder.path().join("copied"), folder.path().join("again"));
    copy_log(&data, &copied);
    export(&copied, &again);
    assert_eq!(manifests(&again), all);

    // A store belongs to one log.
    let other = folder.path().join("other");
    let server = Server::start_with(&other, &["--segment-mib", "1", "--reserve-mib", "0"]);
    call(&server, "PUT", "/v1/dev/clock", Some(json!({ "now": "2018-08-26T12:00:00+08:00" })));
    cut(&server, "2018-08-27");
    let output = suanpan(&["export", "--data", other.to_str().unwrap(), "--store", store.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("belongs to other books"), "{said}");
    assert_eq!(manifests(&store), all);
}

#[test]
fn what_is_no_store_and_no_folder_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for (arguments, expected) in [
        (vec!["export", "--data", &path("none"), "--store", &path("store")], "is no data folder"),
        (vec!["export", "verify", "2018-08-26", "--store", &path("nowhere")], "no such folder"),
        (vec!["export", "verify", "26.8.2018", "--store", &path("store")], "2018-08-26"),
        (vec!["export", "verify", "2018-08-26", "--store", &path("")], "has no day yet"),
        (vec!["export", "verify", "2018-08-26", "--store", "ftp://x"], "only a folder"),
    ] {
        let output = suanpan(&arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(expected), "{arguments:?}: {said}");
    }
}
