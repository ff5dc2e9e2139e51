//! Plays every file of `tests/scenarios` over HTTP against the real binary: once as it stands, and once with `kill -9`
//! and a restart on the same data after every step.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
#[allow(dead_code, reason = "an answer's reader has parts that no server of ours needs")]
#[path = "../src/scenario/http.rs"]
mod http;
#[path = "../src/scenario/play.rs"]
mod play;
#[allow(dead_code, reason = "the command prints what this only counts")]
#[path = "../src/scenario/script.rs"]
mod script;

use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use common::Server;
use http::{Answer, Client};
use play::{Stage, play};
use script::{Call, Script, StepError};

/// Servers that run at a time: each is mostly waiting for its disk.
const SERVERS: usize = 3;

/// Why a scenario cannot go on: a server that does not come back is a panic.
#[derive(Debug)]
struct Broken(StepError);

impl From<StepError> for Broken {
    fn from(error: StepError) -> Self {
        Self(error)
    }
}

/// A process of its own on a folder of its own.
struct Process {
    folder: tempfile::TempDir,
    server: Option<Server>,
    client: Client,
    /// The last call that stopped the clock, which no log keeps.
    clock: Option<Call>,
}

impl Process {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (server, client) = Self::start_on(folder.path());
        Self { folder, server: Some(server), client, clock: None }
    }

    fn start_on(folder: &Path) -> (Server, Client) {
        let server = Server::start_small(folder, 2);
        let client = Client::new(format!("http://{}", server.http).parse().unwrap());
        (server, client)
    }

    /// Kills it, starts it again, and stops its clock where it stood.
    fn crash(&mut self) {
        self.restart().unwrap();
        if let Some(clock) = self.clock.take() {
            let answer = self.call(&clock).unwrap();
            assert_eq!(answer.status, 200, "{clock:?}");
        }
    }
}

impl Stage for Process {
    type Error = Broken;

    fn call(&mut self, call: &Call) -> Result<Answer, io::Error> {
        let answer = self.client.call(call)?;
        if call.path == "/v1/dev/clock" && answer.status == 200 {
            self.clock = Some(Call { body: call.body.clone(), ..blank(call) });
        }
        Ok(answer)
    }

    fn restart(&mut self) -> Result<bool, Broken> {
        self.server.take().unwrap().kill();
        let (server, client) = Self::start_on(self.folder.path());
        (self.server, self.client) = (Some(server), client);
        Ok(true)
    }
}

/// The same call, with nothing that must come back.
fn blank(call: &Call) -> Call {
    let (method, path) = (call.method.clone(), call.path.clone());
    Call { method, path, body: None, status: None, expect: None, why: String::new() }
}

/// Plays one file and says what differed.
fn play_file(file: &Path, crash_after_each_step: bool) -> Result<(), String> {
    let script = Script::read(file).map_err(|error| error.to_string())?;
    let mut process = Process::start();
    let mut failures = String::new();
    for step in &script.steps {
        let played = play(&mut process, step).map_err(|Broken(error)| format!("{}: {error}", script.name))?;
        if let (Some(wrong), Some(call)) = (&played.wrong, &played.last) {
            let (name, number) = (&script.name, step.number);
            writeln!(failures, "{name}, step {number}, {} {}: {wrong}", call.method, call.path).unwrap();
        }
        if crash_after_each_step {
            process.crash();
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(failures) }
}

/// Plays all of them, some at a time.
fn play_all(crash_after_each_step: bool) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    // The longest first, so that none is left over at the end.
    files.sort_by_key(|file| (std::fs::metadata(file).unwrap().len(), file.clone()));
    assert!(files.len() > 12, "the scenarios are not where this looks");
    let files = Mutex::new(files);
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..SERVERS {
            scope.spawn(|| {
                while let Some(file) = { files.lock().unwrap().pop() } {
                    if let Err(words) = play_file(&file, crash_after_each_step) {
                        failures.lock().unwrap().push(words);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} scenarios failed\n{}", failures.len(), failures.join(""));
}

#[test]
fn every_scenario_plays() {
    play_all(false);
}

#[test]
fn every_scenario_plays_with_a_crash_after_every_step() {
    play_all(true);
}
