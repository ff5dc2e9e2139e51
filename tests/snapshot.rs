//! `suanpan snapshot`: taken by a server that runs, or here when none does; checked, and damage named.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Server, suanpan};

fn ask(what: &str, data: &std::path::Path) -> (Option<i32>, String, String) {
    let output = suanpan(&["snapshot", what, data.to_str().unwrap()]);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_snapshot_is_taken_checked_and_begun_with() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (code, _, error) = ask("now", &data);
    assert!(code == Some(1) && error.contains("no data folder"), "{error}");
    let server = Server::start_small(&data, 2);
    let (code, said, error) = ask("now", &data);
    assert!(code == Some(0) && said.contains("snapshot at"), "by the server that runs: {said} {error}");
    let (code, said, error) = ask("verify", &data);
    assert!(code == Some(0) && said.contains("sound"), "while it runs: {said} {error}");
    server.kill();
    let (code, said, error) = ask("now", &data);
    assert!(code == Some(0) && said.contains("snapshot at"), "here: {said} {error}");
    let server = Server::start_small(&data, 2);
    assert!(server.said.iter().any(|line| line.contains("from a snapshot")), "{:?}", server.said);
    server.kill();

    let mut files: Vec<_> =
        std::fs::read_dir(data.join("snapshots")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.len(), 2);
    let mut bytes = std::fs::read(&files[1]).unwrap();
    bytes[200] ^= 1;
    std::fs::write(&files[1], &bytes).unwrap();
    let (code, said, error) = ask("verify", &data);
    assert!(code == Some(1) && said.contains("UNSOUND"), "{said} {error}");
    assert!(said.contains("damaged at byte") && error.contains("1 of 2"), "{said} {error}");
    // The one before it serves.
    let server = Server::start_small(&data, 2);
    assert!(server.said.iter().any(|line| line.contains("from a snapshot")), "{:?}", server.said);
}
