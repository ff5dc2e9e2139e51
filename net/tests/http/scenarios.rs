//! Plays the scenarios of `tests/scenarios`, each against a fresh server.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::server::Server;

/// Those with a step that is not offered yet, and the step.
const WAITING: [(&str, &str); 1] = [("platform-full-refund", "GET /v1/merchants/1001/entries")];

#[test]
fn every_scenario_plays() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/scenarios");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    let failures: Vec<String> = files.iter().flat_map(|file| play(file)).collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// Plays one file and says what differed.
fn play(file: &Path) -> Vec<String> {
    let scenario: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let name = scenario["name"].as_str().unwrap();
    let waiting = WAITING.iter().find(|waiting| waiting.0 == name).map(|waiting| waiting.1);
    let mut server = Server::start();
    let mut failures = Vec::new();
    for (number, step) in (1..).zip(scenario["steps"].as_array().unwrap()) {
        if waiting.is_some_and(|what| step["do"].as_str().unwrap().starts_with(what)) {
            continue;
        }
        for i in 1..=step.get("repeat").map_or(1, |count| count.as_u64().unwrap()) {
            let step: Value = serde_json::from_str(&step.to_string().replace("{i}", &i.to_string())).unwrap();
            if let Err(why) = play_step(&mut server, &step) {
                failures.push(format!("{name}, step {number}, {}: {why}", step["do"]));
                break;
            }
        }
    }
    failures
}

fn play_step(server: &mut Server, step: &Value) -> Result<(), String> {
    let what = step["do"].as_str().unwrap();
    let answer = match step.get("body") {
        Some(body) => server.call(what, body),
        None => server.get(what),
    };
    match step.get("status").map(|status| status.as_u64().unwrap()) {
        Some(status) if status != u64::from(answer.status) => {
            return Err(format!("wanted {status}, got {} {}", answer.status, answer.body));
        }
        _ => {}
    }
    step.get("expect").map_or(Ok(()), |expect| differ(expect, &answer.body, "$"))
}

/// What is expected is a subset: of an object's keys, not of a list's items.
fn differ(want: &Value, got: &Value, at: &str) -> Result<(), String> {
    match (want, got) {
        (Value::Object(want), Value::Object(got)) => want.iter().try_for_each(|(key, want)| {
            let got = got.get(key).ok_or_else(|| format!("{at}.{key} is missing"))?;
            differ(want, got, &format!("{at}.{key}"))
        }),
        (Value::Array(want), Value::Array(list)) if want.len() == list.len() => {
            let mut pairs = (0..).zip(want.iter().zip(list));
            pairs.try_for_each(|(index, (want, got))| differ(want, got, &format!("{at}[{index}]")))
        }
        _ if want == got => Ok(()),
        _ => Err(format!("{at}: wanted {want}, got {got}")),
    }
}
