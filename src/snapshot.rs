//! `suanpan snapshot`: take one now, or check those that are there.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use suanpan_engine::{Engine, EngineConfig, EngineError, SnapshotError, SnapshotReport, TakeError};

use crate::output::say;
use crate::serve::today;

/// Take a snapshot now, or check those that are there.
#[derive(Debug, Args)]
pub(crate) struct Snapshot {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Take a snapshot: by the server that runs on the folder, or here if none does
    Now {
        /// The data folder
        #[arg(value_name = "DIR")]
        data: PathBuf,
    },
    /// Read every snapshot whole, restore it, compare digests, and find its place in the log; changes nothing
    Verify {
        /// The data folder
        #[arg(value_name = "DIR")]
        data: PathBuf,
    },
}

/// Why there is no snapshot, or it is not sound.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SnapshotCommandError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Take(#[from] TakeError),
    #[error(transparent)]
    File(#[from] SnapshotError),
    #[error("{0}")]
    Stop(String),
    #[error("{0} is no data folder: there is no log in it")]
    NoFolder(PathBuf),
    #[error("{bad} of {all} snapshots cannot be used: a start would pass them over")]
    Unsound { bad: usize, all: usize },
    #[error(
        "the server (process {pid}) was asked for a snapshot and took none within {} minutes: look at what it says on \
         standard error",
        WAIT.as_secs() / 60
    )]
    NoAnswer { pid: i32 },
    #[error("process {pid}, which has the folder, could not be asked: {error}")]
    Ask { pid: i32, error: std::io::Error },
}

/// How long a running server has for a snapshot.
const WAIT: Duration = Duration::from_secs(15 * 60);

/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(50);

impl Snapshot {
    pub(crate) fn run(self) -> Result<(), SnapshotCommandError> {
        match self.what {
            What::Now { data } => now(data),
            What::Verify { data } => verify(&data),
        }
    }
}

fn now(data: PathBuf) -> Result<(), SnapshotCommandError> {
    if !data.join("log").is_dir() {
        return Err(SnapshotCommandError::NoFolder(data));
    }
    let mut config = EngineConfig::new(data.clone(), today());
    (config.snapshot_log_bytes, config.snapshot_every) = (None, None);
    match Engine::start(&config, |_| ()) {
        Ok(engine) => {
            let taken = engine.snapshot()?;
            say(format_args!(
                "snapshot at {}: {} orders, {} bytes, {:.2} s",
                taken.lsn,
                taken.orders,
                taken.bytes,
                taken.took.as_secs_f64()
            ));
            engine.stop().map_err(SnapshotCommandError::Stop)
        }
        Err(EngineError::Lock(suanpan_engine::LockError::InUse { holder, dir })) => match holder.parse() {
            Ok(pid) => ask(pid, &data),
            Err(_) => Err(EngineError::Lock(suanpan_engine::LockError::InUse { holder, dir }).into()),
        },
        Err(error) => Err(error.into()),
    }
}

/// Asks the running server, and waits until there is a newer snapshot.
fn ask(pid: i32, data: &std::path::Path) -> Result<(), SnapshotCommandError> {
    let newest = || -> Result<Option<SnapshotReport>, SnapshotError> {
        Ok(suanpan_engine::snapshots(data)?.into_iter().next())
    };
    let before = newest()?.map(|report| report.lsn);
    let process = rustix::process::Pid::from_raw(pid);
    let asked = process.ok_or(std::io::ErrorKind::InvalidInput.into()).and_then(|process| {
        rustix::process::kill_process(process, rustix::process::Signal::USR1).map_err(std::io::Error::from)
    });
    asked.map_err(|error| SnapshotCommandError::Ask { pid, error })?;
    let since = Instant::now();
    while since.elapsed() < WAIT {
        if let Some(report) = newest()?.filter(|report| Some(report.lsn) > before) {
            say(format_args!("snapshot at {}: {} orders, {} bytes", report.lsn, report.orders, report.bytes));
            return Ok(());
        }
        std::thread::sleep(LOOK);
    }
    Err(SnapshotCommandError::NoAnswer { pid })
}

fn verify(data: &std::path::Path) -> Result<(), SnapshotCommandError> {
    let reports = suanpan_engine::verify_snapshots(data)?;
    if reports.is_empty() {
        say(format_args!("{}: no snapshots; a start replays the whole log", data.display()));
    }
    let mut bad = 0;
    for report in &reports {
        let state = match &report.unsound {
            None => "sound".to_owned(),
            Some(why) => {
                bad += 1;
                format!("UNSOUND: {why}")
            }
        };
        say(format_args!(
            "{}: {} orders, {} shards, accounting day {}, {} bytes, {state}",
            report.path.display(),
            report.orders,
            report.shards,
            report.date.0,
            report.bytes,
        ));
    }
    if bad > 0 { Err(SnapshotCommandError::Unsound { bad, all: reports.len() }) } else { Ok(()) }
}
