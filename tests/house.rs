//! The rules of the house that a program can check, see CONTRIBUTING.md.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files of the workspace, with their text.
fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = [
        "core",
        "wal",
        "engine",
        "net",
        "clearing",
        "loadgen",
        "bench",
        "simulation",
        "fuzz/src",
        "fuzz/fuzz_targets",
        "src",
        "tests",
    ]
    .map(|name| root().join(name))
    .into();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    assert!(found.len() > 60, "the sources are not where this looks");
    found
}

#[test]
fn every_file_opens_with_what_it_is() {
    for (path, text) in sources() {
        assert!(text.starts_with("//! "), "{} does not open with //!", path.display());
    }
}

#[test]
fn every_crate_says_what_it_does_not_do() {
    for name in ["core", "wal", "engine", "net", "clearing", "loadgen", "simulation"] {
        let text = std::fs::read_to_string(root().join(name).join("src/lib.rs")).unwrap();
        let head: String = text.lines().take_while(|line| line.starts_with("//!")).collect();
        assert!(head.contains("does not do") || head.contains("does **not** do"), "{name}");
    }
}

#[test]
fn nothing_is_left_for_later() {
    // Put together here, so that this file does not find itself.
    let words = [["TO", "DO"], ["FIX", "ME"], ["XX", "X"]].map(|halves| halves.concat());
    for (path, text) in sources() {
        for word in &words {
            assert!(!text.contains(word.as_str()), "{word} in {}", path.display());
        }
    }
}

#[test]
fn unsafe_stands_in_one_file() {
    let word = ["uns", "afe {"].concat();
    for (path, text) in sources() {
        let allowed = path.ends_with("wal/src/map.rs") || path.starts_with(root().join("bench"));
        assert!(allowed || !text.contains(&word), "{}", path.display());
    }
}

#[test]
fn arrows_only_go_down() {
    let uses = |name: &str| {
        let text = std::fs::read_to_string(root().join(name).join("Cargo.toml")).unwrap();
        let from = text.find("[dependencies]").unwrap();
        let to = text.find("[dev-dependencies]").unwrap_or(text.len());
        text[from..to].to_owned()
    };
    for (name, forbidden) in [
        ("core", &["suanpan-", "tokio", "crossbeam"][..]),
        ("wal", &["suanpan-", "tokio", "rkyv"][..]),
        ("engine", &["suanpan-net", "suanpan-loadgen", "tokio"][..]),
        ("simulation", &["suanpan-net", "suanpan-loadgen", "tokio"]),
        ("net", &["suanpan-loadgen", "suanpan-wal"][..]),
        ("clearing", &["suanpan-net", "suanpan-loadgen"]),
        ("loadgen", &["suanpan-engine", "suanpan-wal"][..]),
    ] {
        for word in forbidden {
            assert!(!uses(name).contains(word), "{name} depends on {word}");
        }
    }
}

#[test]
fn functions_fit_on_a_screen() {
    const LINES_MAX: usize = 70;
    // A test that is a table is as long as its table.
    let tests = |path: &Path| path.components().any(|part| part.as_os_str() == "tests");
    for (path, text) in sources().into_iter().filter(|(path, _)| !tests(path)) {
        let mut begun: Option<(usize, &str)> = None;
        for (number, line) in text.lines().enumerate() {
            let indent = &line[..line.len() - line.trim_start().len()];
            let is_fn = line.trim_start().split(' ').take(4).any(|word| word == "fn") && line.contains('(');
            if is_fn && begun.is_none() && !line.trim_end().ends_with(';') {
                begun = Some((number, indent));
            }
            if let Some((from, outer)) = begun
                && line.starts_with(outer)
                && line[outer.len()..].starts_with('}')
            {
                let lines = number - from + 1;
                assert!(lines <= LINES_MAX, "{}:{} has {lines} lines", path.display(), from + 1);
                begun = None;
            }
        }
    }
}
