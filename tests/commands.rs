//! The commands as a user meets them: what they print, and what they say when something is wrong.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use common::{Server, suanpan};

/// The one line on standard error, and that the exit code is not 0.
fn refused(arguments: &[&str]) -> String {
    let output = suanpan(arguments);
    assert!(!output.status.success(), "{arguments:?} succeeded");
    let words = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<&str> = words.lines().filter(|line| line.starts_with("suanpan: ")).collect();
    assert_eq!(lines.len(), 1, "{words}");
    lines[0].to_owned()
}

const ANY: [&str; 6] = ["serve", "--dev", "--http", "127.0.0.1:0", "--tcp", "127.0.0.1:0"];

#[test]
fn the_demo_comes_to_its_end() {
    let output = suanpan(&["demo", "--payments", "20000"]);
    let words = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{words}{}", String::from_utf8_lossy(&output.stderr));
    for told in ["kill -9", "after a crash", "to the fen", "exceeds_refundable", "idempotency_conflict"] {
        assert!(words.contains(told), "{told} in {words}");
    }
    let sum = words.lines().find(|line| line.trim_start().starts_with("sum ")).unwrap();
    assert!(sum.ends_with(" 0.00"), "{sum}");
}

#[test]
fn a_load_ends_with_its_figures() {
    let output = suanpan(&[
        "load",
        "--spawn",
        "--count",
        "30000",
        "--batch",
        "500",
        "--connections",
        "2",
        "--in-flight",
        "6",
        "--merchants",
        "50",
        "--skew",
        "zipf:1.1",
    ]);
    let words = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{words}{}", String::from_utf8_lossy(&output.stderr));
    let ends: Vec<&str> = words.lines().rev().take(6).collect();
    for (line, begins) in ends.iter().rev().zip([
        "load accepted = ",
        "batch latency p1 = ",
        "batch latency p50 = ",
        "batch latency p99 = ",
        "batch latency p100 = ",
        "log bytes per payment = ",
    ]) {
        assert!(line.starts_with(begins), "{line:?} for {begins:?}");
    }
    let bytes: f64 = ends[0].rsplit(' ').next().unwrap().parse().unwrap();
    assert!((20.0..80.0).contains(&bytes), "a payment takes {bytes} bytes of log");
}

#[test]
fn a_load_in_an_open_loop_as_json() {
    let folder = tempfile::tempdir().unwrap();
    let hgrm = folder.path().join("latency.hgrm");
    let output = suanpan(&[
        "load",
        "--spawn",
        "--duration",
        "1s",
        "--rate",
        "20000",
        "--batch",
        "100",
        "--skew",
        "hot",
        "--json",
        "--hgrm",
        hgrm.to_str().unwrap(),
    ]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["wrong"], 0);
    assert_eq!(report["accepted"], 20_000, "a second at 20,000 a second");
    assert!(report["batch_latency_ms"]["p9999"].as_f64().unwrap() > 0.0);
    let histogram = std::fs::read_to_string(hgrm).unwrap();
    assert!(histogram.contains("Percentile") && histogram.contains("#[Max"), "{histogram}");
}

#[test]
fn a_load_over_http_ends_with_its_figures() {
    let output =
        suanpan(&["load", "--spawn", "--http", "--count", "3000", "--merchants", "50", "--skew", "zipf:1.1"]);
    let words = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{words}{}", String::from_utf8_lossy(&output.stderr));
    for told in [
        "3000 transactions",
        "one payment a request over HTTP on 64 connection(s), closed loop, 1 in flight; 50 merchants",
        "load accepted = ",
        "request latency p99 = ",
        "log bytes per payment = ",
    ] {
        assert!(words.contains(told), "{told} in {words}");
    }
}

#[test]
fn a_load_over_http_in_an_open_loop_against_a_server_that_is_up() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    let address = server.http.to_string();
    let load = |more: &[&str]| {
        let output = suanpan(&[&["load", "--http", &address, "--merchants", "20", "--json"], more].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let open = load(&["--duration", "1s", "--rate", "1000", "--connections", "8", "--seed", "7"]);
    assert_eq!((&open["protocol"], &open["wrong"]), (&"http".into(), &0.into()), "{open}");
    assert_eq!(open["payments"], 1_000, "a second at 1,000 a second");
    let closed = load(&["--count", "500", "--connections", "3"]);
    assert_eq!((&closed["payments"], &closed["connections"]), (&500.into(), &3.into()), "{closed}");
    // The same numbers again are repeats, which no load may count as new.
    let line = refused(&["load", "--http", &address, "--merchants", "20", "--count", "9", "--seed", "7"]);
    assert!(line.contains("answers are wrong"), "{line}");
}

#[test]
fn a_load_over_http_says_what_it_wants() {
    let line = refused(&["load", "--http", "127.0.0.1:1", "--count", "1"]);
    assert!(line.contains("Is the server up") && line.contains("--http"), "{line}");
    assert!(refused(&["load", "--http", "--count", "1"]).contains("--spawn and no address"));
    assert!(refused(&["load", "--spawn", "--http", "127.0.0.1:8080"]).contains("--spawn and no address"));
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    let line = refused(&["load", "--http", &server.tcp.to_string(), "--count", "1"]);
    assert!(line.contains("is this its --http port?"), "{line}");
    let output = suanpan(&["load", "--spawn", "--http", "--refunds", "0.1"]);
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(words.contains("--refunds") && words.contains("cannot be used with"), "{words}");
}

/// Whoever reads the output may have had enough; whoever started a load may go away: no panic, no server left behind.
#[test]
fn a_load_that_is_killed_takes_its_server_with_it() {
    use std::process::{Command, Stdio};
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut load = Command::new(common::SUANPAN)
        .args(["load", "--spawn", "--duration", "60s", "--rate", "1000", "--batch", "10", "--data"])
        .arg(&data)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
    let in_use = || {
        let lock = std::fs::File::open(data.join("LOCK")).ok();
        lock.is_some_and(|lock| matches!(lock.try_lock(), Err(std::fs::TryLockError::WouldBlock)))
    };
    // The server writes its process id into the lock it holds; to try the lock now could take it from it.
    while std::fs::read_to_string(data.join("LOCK")).unwrap_or_default().trim().is_empty() {
        assert!(std::time::Instant::now() < until, "its server did not start");
        std::thread::yield_now();
    }
    load.kill().unwrap();
    load.wait().unwrap();
    while in_use() {
        assert!(std::time::Instant::now() < until, "its server lives on");
        std::thread::yield_now();
    }
}

#[test]
fn a_load_without_a_server_says_where_it_looked() {
    let line = refused(&["load", "--tcp", "127.0.0.1:1", "--count", "1"]);
    assert!(line.contains("Is the server up"), "{line}");
}

#[test]
fn a_second_server_on_the_folder_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    let line = refused(&[&ANY[..], &["--data", folder.path().to_str().unwrap()]].concat());
    assert!(line.contains("in use") && line.contains(&server.child.id().to_string()), "{line}");
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let line = refused(&["serve", "--dev", "--http", "127.0.0.1:0", "--tcp", &address]);
    assert!(line.contains(&address) && line.contains("--tcp") && line.contains("stop it"), "{line}");
}

#[test]
fn an_address_that_others_reach_is_refused() {
    let line = refused(&["serve", "--dev", "--http", "0.0.0.0:0", "--tcp", "127.0.0.1:0"]);
    assert!(line.contains("--http 0.0.0.0:0") && line.contains("loopback"), "{line}");
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let line = refused(&[&ANY[..], &["--data", "/proc/suanpan"]].concat());
    assert!(line.contains("/proc/suanpan") && line.contains("--data"), "{line}");
}

#[test]
fn a_full_disk_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    // As good as full: more than any disk has is to be left free.
    let line = refused(&[&ANY[..], &["--data", path, "--reserve-mib", "1000000000"]].concat());
    assert!(line.contains(path) && line.contains("free"), "{line}");
}

#[test]
fn a_log_that_was_changed_is_refused_and_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    Server::start(folder.path(), &[]).stop();
    let segment =
        std::fs::read_dir(folder.path().join("log")).unwrap().map(|e| e.unwrap().path()).min().unwrap();
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[4_096 + 60] ^= 1;
    std::fs::write(&segment, &bytes).unwrap();
    let arguments = [&ANY[..], &["--data", folder.path().to_str().unwrap(), "--segment-mib", "4"]].concat();
    let line = refused(&arguments);
    assert!(line.contains(segment.file_name().unwrap().to_str().unwrap()), "{line}");
    assert_eq!(std::fs::read(&segment).unwrap(), bytes);
}

#[test]
fn a_server_stops_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    assert_eq!(server.stop(), Some(0));
    let again = Server::start(folder.path(), &[]);
    assert!(again.said.iter().any(|line| line.starts_with("recovered ")), "{:?}", again.said);
    assert!(!again.said.iter().any(|line| line.contains("crash")), "{:?}", again.said);
}

/// A scenario, in a file of its own.
fn scenario(folder: &std::path::Path, name: &str, steps: &str) -> String {
    let file = folder.join(name);
    std::fs::write(&file, format!("{{\"name\": \"{name}\", \"steps\": [\n{steps}\n]}}")).unwrap();
    file.to_str().unwrap().to_owned()
}

const OPEN: &str = r#"{"do": "PUT /v1/merchants/1001", "body": {"currency": "CNY"}, "status": 200},
    {"restart": true},
    {"do": "GET /v1/merchants/1001/balances", "status": 200, "expect": {"pending": 0}, "why": "It sold nothing."}"#;

#[test]
fn scenarios_are_played_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let right = scenario(folder.path(), "right.json", OPEN);
    let wrong = scenario(folder.path(), "wrong.json", &OPEN.replace("\"pending\": 0", "\"pending\": 1"));
    let output = suanpan(&["scenario", &right, &wrong]);
    let words = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{words}");
    for told in ["ok   ", "FAIL ", "It sold nothing.", "$.pending: wanted 1, got 0", "1 passed, 1 failed"] {
        assert!(words.contains(told), "{told} in {words}");
    }
    let output = suanpan(&["scenario", "--quiet", &right]);
    let words = String::from_utf8(output.stdout).unwrap();
    assert_eq!((output.status.code(), words.lines().count()), (Some(0), 2), "{words}");
}

#[test]
fn scenarios_are_played_against_a_server_that_is_up() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), &[]);
    let file = scenario(folder.path(), "right.json", OPEN);
    let output = suanpan(&["scenario", "--url", &format!("http://{}", server.http), &file]);
    let words = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{words}");
    assert!(words.contains("1 restart left out") && words.contains("1 passed, 0 failed"), "{words}");
}

#[test]
fn a_scenario_that_is_misspelt_is_named_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = scenario(folder.path(), "a.json", &OPEN.replace("\"why\"", "\"wye\""));
    let line = refused(&["scenario", &file]);
    assert!(line.contains(&file) && line.contains("step 3") && line.contains("`wye`"), "{line}");
    let file = scenario(folder.path(), "b.json", &OPEN.replace("{\"restart\"", "\"restart\""));
    let line = refused(&["scenario", &file]);
    assert!(line.contains(&file) && line.contains("line 3"), "{line}");
    let line = refused(&["scenario", folder.path().join("none.json").to_str().unwrap()]);
    assert!(line.contains("none.json"), "{line}");
    let line = refused(&["scenario", "--url", "https://127.0.0.1", &file]);
    assert!(line.contains("--url must be"), "{line}");
}

/// Deterministic bytes without a pattern.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(seed);
    (0..len).map(|_| rng.u8(..)).collect()
}

/// Any bytes on either port: answered or closed, and the server lives, its memory within its limits.
#[test]
fn any_bytes_on_either_port_are_survived() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path(), &[]);
    let before_kib = server.resident_kib();
    for seed in 0..200 {
        for port in [server.http, server.tcp] {
            let mut socket = TcpStream::connect(port).unwrap();
            if port == server.tcp && seed % 2 == 0 {
                socket.write_all(&suanpan_net::wire::client_hello()).unwrap();
            }
            // The server may close while we still write: that is an answer too.
            let _ = socket.write_all(&noise(seed, 1 + (seed as usize * 37) % 5_000));
        }
    }
    // A hundred clients that each promise the largest frame and then say nothing more.
    let mut held = Vec::new();
    for _ in 0..100 {
        let mut socket = TcpStream::connect(server.tcp).unwrap();
        socket.write_all(&suanpan_net::wire::client_hello()).unwrap();
        let mut header = vec![0; 32];
        header[..4].copy_from_slice(&(suanpan_net::wire::FRAME_BYTES_MAX as u32).to_le_bytes());
        (header[4], header[6]) = (1, 1);
        socket.write_all(&header).unwrap();
        held.push(socket);
    }
    let mut live = TcpStream::connect(server.http).unwrap();
    live.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    live.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(server.child.try_wait().unwrap().is_none());
    let grown_kib = server.resident_kib().saturating_sub(before_kib);
    assert!(grown_kib < 256 * 1_024, "{grown_kib} KiB for clients that sent nothing");
}
