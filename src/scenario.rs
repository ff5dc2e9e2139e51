//! `suanpan scenario`: plays files of calls and expected answers, over HTTP.
//!
//! [`script`] is the file's format, [`http`] the client, [`play`](mod@play) a step; the tests of `tests/scenarios.rs` use these
//! three as well, against servers of their own.

pub(crate) mod http;
mod play;
pub(crate) mod script;

use std::fmt::Write;
use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use suanpan_engine::{Engine, EngineConfig, EngineError};
use suanpan_net::Gateway;
use suanpan_net::http::{HttpOptions, router, serve};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

use crate::output::say;
use crate::serve::today;
use http::{Answer, Client, Url, UrlError};
use play::{Played, Stage, play};
use script::{Act, Call, Script, ScriptError, Step, StepError};

/// Play scenario files, and say where an answer differs.
///
/// Each file gets a fresh server of its own, in this process, in dev mode on a temporary folder; it is called over HTTP.
/// A restart stops it without an orderly stop and starts it again on its data.
#[derive(Debug, Args)]
pub(crate) struct Scenario {
    /// Files of steps: {"name": "…", "steps": [{"do": "POST /v1/…", "body": {…}, "status": 201, "expect": {…}, "why": "…"}]}
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Play against a server that is up; restarts are left out
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Print only the steps that differ
    #[arg(short, long)]
    quiet: bool,
}

/// Why not every scenario passed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScenarioError {
    #[error(transparent)]
    Script(#[from] ScriptError),
    #[error(transparent)]
    Step(#[from] StepError),
    #[error(transparent)]
    Url(#[from] UrlError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("cannot start a server: {0}")]
    Start(#[from] io::Error),
    #[error("the server did not let go of its data: this is a bug in Suanpan, please report it")]
    Held,
    #[error("{0} of {1} scenarios failed")]
    Failed(usize, usize),
}

impl Scenario {
    /// Plays them all.
    ///
    /// # Errors
    /// When a file cannot be read or a server not be started, at once; when steps differed, at the end.
    pub(crate) fn run(&self) -> Result<(), ScenarioError> {
        let url: Option<Url> = self.url.as_deref().map(str::parse).transpose()?;
        // All of them first: what is misspelt is found before anything is played.
        let scripts: Vec<Script> =
            self.files.iter().map(|file| Script::read(file)).collect::<Result<_, _>>()?;
        let mut failed = 0;
        for (file, script) in self.files.iter().zip(&scripts) {
            let tally = match &url {
                Some(url) => self.play(script, &mut Elsewhere(Client::new(url.clone())))?,
                None => self.play(script, &mut InProcess::start()?)?,
            };
            let word = if tally.wrong == 0 { "ok  " } else { "FAIL" };
            let wrong = if tally.wrong == 0 { String::new() } else { format!(", {} wrong", tally.wrong) };
            let left_out = match tally.skipped {
                0 => String::new(),
                n => format!(", {n} restart{} left out", if n == 1 { "" } else { "s" }),
            };
            let (steps, calls) = (script.steps.len(), tally.calls);
            say(format_args!("{word} {} ({steps} steps, {calls} calls{wrong}{left_out})", file.display()));
            failed += usize::from(tally.wrong > 0);
        }
        say(format_args!("{} passed, {failed} failed", scripts.len() - failed));
        if failed == 0 { Ok(()) } else { Err(ScenarioError::Failed(failed, scripts.len())) }
    }

    fn play<S>(&self, script: &Script, stage: &mut S) -> Result<Tally, ScenarioError>
    where
        S: Stage<Error = ScenarioError>,
    {
        if !self.quiet {
            say(format_args!("\n{}", script.name));
        }
        let mut tally = Tally::default();
        for step in &script.steps {
            let played = play(stage, step)?;
            tally.calls += u64::from(played.calls);
            tally.skipped += usize::from(played.skipped);
            tally.wrong += usize::from(played.wrong.is_some());
            if played.wrong.is_some() || !self.quiet {
                say(format_args!("{}", told(step, &played)));
            }
        }
        Ok(tally)
    }
}

/// How a file went.
#[derive(Default)]
struct Tally {
    calls: u64,
    wrong: usize,
    skipped: usize,
}

/// A step in words: what was asked and answered, why it must be so, and what was not so.
fn told(step: &Step, played: &Played) -> String {
    let word = match played {
        Played { wrong: Some(_), .. } => "FAIL",
        Played { skipped: true, .. } => "left",
        _ => "ok  ",
    };
    let status = played.status.map_or("   ".to_owned(), |status| status.to_string());
    let mut line = format!("{:>4}  {word}  {status}  ", step.number);
    let (times, call) = match (&step.act, &played.last) {
        (Act::Call(repeated), Some(call)) => (repeated.times, call),
        _ => return line + "the server is stopped and starts again on its data",
    };
    // Writing to a string cannot fail.
    let _ = write!(line, "{} {}", call.method, call.path);
    if let Some(body) = &call.body {
        let _ = write!(line, " {}", in_one_line(body));
    }
    if times > 1 {
        let _ = write!(line, "  (time {} of {times})", played.calls);
    }
    if !call.why.is_empty() {
        let _ = write!(line, "\n                 {}", call.why);
    }
    if let Some(wrong) = &played.wrong {
        let _ = write!(line, "\n            ***  {wrong}");
    }
    line
}

/// A body as a person reads it beside its call.
fn in_one_line(body: &str) -> String {
    const CHARS_MAX: usize = 200;
    let text = body.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// A server that somebody else runs.
struct Elsewhere(Client);

impl Stage for Elsewhere {
    type Error = ScenarioError;

    fn call(&mut self, call: &Call) -> Result<Answer, io::Error> {
        self.0.call(call)
    }

    fn restart(&mut self) -> Result<bool, ScenarioError> {
        Ok(false)
    }
}

/// A server in this process: engine, gateway and router on a port of their own and a temporary folder.
struct InProcess {
    folder: tempfile::TempDir,
    /// What runs; taken while it is started anew.
    running: Option<Running>,
}

struct Running {
    client: Client,
    runtime: Runtime,
    engine: Arc<Engine>,
}

/// Small, so that a start takes no time; enough for tens of thousands of commands.
const SEGMENT_BYTES: u64 = 1 << 20;
const SHARDS: u16 = 2;

impl InProcess {
    fn start() -> Result<Self, ScenarioError> {
        let folder = tempfile::Builder::new().prefix("suanpan-scenario-").tempdir()?;
        let running = Running::start(&folder)?;
        Ok(Self { folder, running: Some(running) })
    }
}

impl Stage for InProcess {
    type Error = ScenarioError;

    fn call(&mut self, call: &Call) -> Result<Answer, io::Error> {
        match &mut self.running {
            Some(running) => running.client.call(call),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn restart(&mut self) -> Result<bool, ScenarioError> {
        if let Some(running) = self.running.take() {
            running.crash()?;
        }
        self.running = Some(Running::start(&self.folder)?);
        Ok(true)
    }
}

impl Running {
    fn start(folder: &tempfile::TempDir) -> Result<Self, ScenarioError> {
        let config = EngineConfig {
            shards: SHARDS,
            segment_bytes: SEGMENT_BYTES,
            reserve_bytes: 0,
            dev_clock: true,
            ..EngineConfig::new(folder.path(), today())
        };
        let engine = Engine::start(&config, |reason| eprintln!("suanpan: the log failed: {reason}"))?;
        let engine = Arc::new(engine);
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let address = runtime.block_on(async {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            let address = listener.local_addr()?;
            let gateway = Arc::new(Gateway::new(engine.clone()).await);
            let routes = router(gateway, HttpOptions { dev: true });
            tokio::spawn(serve(listener, routes, std::future::pending()));
            Ok::<_, io::Error>(address)
        })?;
        let url = format!("http://{address}").parse()?;
        Ok(Self { client: Client::new(url), runtime, engine })
    }

    /// Ends it without an orderly stop: the log is left as it is.
    fn crash(self) -> Result<(), ScenarioError> {
        const TASKS_END_WITHIN: Duration = Duration::from_secs(5);
        drop(self.client);
        self.runtime.shutdown_timeout(TASKS_END_WITHIN);
        // The tasks that shared it have ended; its folder is free once it is dropped.
        Arc::into_inner(self.engine).map(drop).ok_or(ScenarioError::Held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_answered_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.json");
        let text = r#"{"name": "a", "steps": [
            {"do": "PUT /v1/dev/clock", "body": {"now": "2018-08-26T12:00:00+08:00"}, "status": 200},
            {"do": "PUT /v1/channels/wechat", "body": {}, "status": 200},
            {"do": "PUT /v1/merchants/{i}", "body": {"currency": "CNY"}, "status": 200, "repeat": 3},
            {"restart": true},
            {"do": "GET /v1/merchants/3/balances", "status": 200, "expect": {"pending": 0}},
            {"do": "GET /v1/merchants/4/balances", "status": 200, "why": "Nobody put it."}
        ]}"#;
        std::fs::write(&file, text).unwrap();
        let script = Script::read(&file).unwrap();
        let mut stage = InProcess::start().unwrap();
        let played: Vec<Played> = script.steps.iter().map(|step| play(&mut stage, step).unwrap()).collect();
        let wrong: Vec<usize> =
            (1..).zip(&played).filter(|(_, p)| p.wrong.is_some()).map(|(n, _)| n).collect();
        assert_eq!(wrong, [6], "{played:?}");
        assert_eq!(played[2].calls, 3);
        let told = told(&script.steps[5], &played[5]);
        assert!(told.starts_with("   6  FAIL  404  GET /v1/merchants/4/balances\n"), "{told}");
        assert!(told.contains("Nobody put it.") && told.contains("wanted 200, got 404"), "{told}");
        let options = Scenario { files: vec![file], url: None, quiet: true };
        assert!(matches!(options.run(), Err(ScenarioError::Failed(1, 1))));
    }
}
