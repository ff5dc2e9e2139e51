//! `suanpan log`: a log that is sound, one that is torn and one that is damaged, looked at as a user does.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;

use common::{Server, suanpan};

fn look(arguments: &[&str], dir: &Path) -> Output {
    suanpan(&[&["log"], arguments, &[dir.to_str().unwrap()]].concat())
}

fn words(output: &Output) -> (String, String) {
    (String::from_utf8(output.stdout.clone()).unwrap(), String::from_utf8(output.stderr.clone()).unwrap())
}

/// All files below a folder.
fn bytes(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all.extend(bytes(&path)),
            false => drop(all.insert(path.clone(), std::fs::read(&path).unwrap())),
        }
    }
    all
}

/// The value behind `key = `.
fn value<'a>(words: &'a str, key: &str) -> &'a str {
    let line = words.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "));
    line.unwrap_or_else(|| panic!("{key} in {words}"))
}

#[test]
fn a_log_is_verified_and_inspected() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start_small(&data, 1);
    let in_use = look(&["verify"], &data);
    assert_eq!(in_use.status.code(), Some(2));
    assert!(words(&in_use).1.contains("in use by process"), "{}", words(&in_use).1);
    server.kill();

    let before = bytes(&data);
    for dir in [data.clone(), data.join("log")] {
        let output = look(&["verify"], &dir);
        let (said, error) = words(&output);
        assert_eq!(output.status.code(), Some(0), "{error}");
        assert!(said.ends_with("sound\n") && value(&said, "torn tail") == "none", "{said}");
        assert_eq!((value(&said, "starts"), value(&said, "stopped in order")), ("1", "no"));
    }
    let output = look(&["inspect"], &data);
    let (said, error) = words(&output);
    assert_eq!(output.status.code(), Some(0), "{error}");
    // A new folder's books begin with their date, in a record for all shards.
    assert!(
        said.starts_with("lsn=") && said.contains("stream=all/1 epoch=1") && said.contains("SetDate"),
        "{said}"
    );
    let lsn: usize = said["lsn=".len()..].split(' ').next().unwrap().parse().unwrap();
    assert!(bytes(&data) == before, "looking changes nothing");
    let beyond = words(&look(&["inspect", "--from", "999999"], &data)).0;
    assert_eq!(beyond, "");
    assert_eq!(words(&look(&["inspect", "--limit", "0"], &data)).0, "");

    // Started and stopped in order: its last answer has a witness now.
    Server::start_small(&data, 1).stop();
    let said = words(&look(&["verify"], &data)).0;
    assert_eq!((value(&said, "starts"), value(&said, "stopped in order")), ("2", "yes"));

    // Half a record behind the end: a torn tail, and a sound log.
    let path = data.join("log/000000000000000000.log");
    let end: usize = value(&words(&look(&["verify"], &data)).0, "ends at").parse().unwrap();
    let whole = std::fs::read(&path).unwrap();
    let mut torn = whole.clone();
    torn[end..end + 5].copy_from_slice(b"\x40\0\0\0x");
    std::fs::write(&path, &torn).unwrap();
    let output = look(&["verify"], &data);
    let said = words(&output).0;
    assert_eq!(output.status.code(), Some(0));
    assert!(value(&said, "torn tail").starts_with(&format!("5 bytes from {end}: ")), "{said}");

    // A byte of what was answered: damage, with its place and what to do.
    let mut damaged = whole;
    damaged[lsn + 50] ^= 1;
    std::fs::write(&path, &damaged).unwrap();
    for arguments in [&["verify"][..], &["inspect"]] {
        let output = look(arguments, &data);
        let error = words(&output).1;
        assert_eq!(output.status.code(), Some(2), "{error}");
        for told in [&format!("offset {lsn}"), &format!("LSN {lsn}"), "000000000000000000.log", "restore"] {
            assert!(error.contains(told), "{told} in {error}");
        }
    }
    let absent = look(&["verify"], folder.path());
    assert_eq!(absent.status.code(), Some(2));
    assert!(words(&absent).1.contains("is not a segment"), "{}", words(&absent).1);
}
