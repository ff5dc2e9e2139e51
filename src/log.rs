//! `suanpan log`: looks at the log in a data folder without starting it or changing a byte.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use suanpan_core::Timestamp;
use suanpan_engine::{GroupError, read_group};
use suanpan_wal::{
    FolderLock, LockError, LogConfig, LogReader, Lsn, OpenError, RecordRef, Recovery, STREAM_ALL,
};

use crate::output::say;

/// The exit code for a log that is damaged, or that would be refused for another reason.
const REFUSED: u8 = 2;

/// Look at the log in a data folder, which no server may be using.
///
/// Nothing is started, repaired or changed.
#[derive(Debug, Args)]
pub(crate) struct Log {
    #[command(subcommand)]
    look: Look,
}

#[derive(Debug, Subcommand)]
enum Look {
    /// Check every byte, and say what a start would say. Exits with 0 if it is sound, a torn tail included, else with 2.
    Verify {
        /// The data folder, or the folder of the log in it
        #[arg(value_name = "DIR")]
        dir: PathBuf,
    },
    /// List the records and the commands in them, up to the first damage.
    Inspect {
        /// The data folder, or the folder of the log in it
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// The first position to list [default: where the log begins]
        #[arg(long, value_name = "LSN", default_value_t = 0, hide_default_value = true)]
        from: u64,
        /// The most records to list
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: u64,
    },
}

/// Why a log is not sound, or was not looked at.
#[derive(Debug, thiserror::Error)]
enum LogError {
    #[error("{0}: there is no log in this folder")]
    Absent(PathBuf),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("the log's record at {lsn} is whole, but its commands cannot be read: {error}")]
    Group { lsn: Lsn, error: GroupError },
}

impl Log {
    /// Looks, and says what it found.
    pub(crate) fn run(&self) -> ExitCode {
        let looked = match &self.look {
            Look::Verify { dir } => verify(dir),
            Look::Inspect { dir, from, limit } => inspect(dir, Lsn::new(*from), *limit),
        };
        match looked {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("suanpan: {error}");
                ExitCode::from(REFUSED)
            }
        }
    }
}

/// The log's folder, locked if it ever was.
fn find(dir: &Path) -> Result<(PathBuf, Option<FolderLock>), LogError> {
    let inner = dir.join("log");
    let (data, log) = match inner.is_dir() {
        true => (Some(dir), inner.clone()),
        false => (dir.parent(), dir.to_owned()),
    };
    let lock = data.map(FolderLock::acquire_to_look).transpose()?.flatten();
    match log.is_dir() {
        true => Ok((log, lock)),
        false => Err(LogError::Absent(dir.to_owned())),
    }
}

fn open(log: &Path) -> Result<Recovery, LogError> {
    // From wherever it begins: which snapshot it is to go with, this does not know.
    let recovery = Recovery::open(LogConfig { replay_from: None, ..LogConfig::new(log) })?;
    match recovery.report().segments {
        0 => Err(LogError::Absent(log.to_owned())),
        _ => Ok(recovery),
    }
}

fn verify(dir: &Path) -> Result<(), LogError> {
    let (log, _lock) = find(dir)?;
    let recovery = open(&log)?;
    let report = recovery.report();
    say(format_args!("log = {}", log.display()));
    say(format_args!("id = {:032x}", recovery.log_id()));
    say(format_args!("segments = {} of {} bytes", report.segments, recovery.segment_size()));
    say(format_args!("begins at = {}", recovery.begin()));
    say(format_args!("ends at = {}", recovery.end()));
    say(format_args!("starts = {}", report.epoch));
    say(format_args!("records = {} with {} bytes", report.records, report.payload_bytes));
    if let Some(hash) = recovery.hash_at(recovery.end()) {
        say(format_args!("hash = {hash:016x}"));
    }
    say(format_args!("stopped in order = {}", if report.clean_stop { "yes" } else { "no" }));
    match &report.cut {
        Some(cut) => say(format_args!(
            "torn tail = {} bytes from {}: {}; none of it was answered, the next start cuts it off",
            cut.bytes, cut.from, cut.flaw
        )),
        None => say(format_args!("torn tail = none")),
    }
    say(format_args!("sound"));
    Ok(())
}

fn inspect(dir: &Path, from: Lsn, limit: u64) -> Result<(), LogError> {
    let (log, _lock) = find(dir)?;
    // What comes before damage can be looked at; the damage is said at the end.
    let (end, damage) = match open(&log) {
        Ok(recovery) => (recovery.end(), Ok(())),
        Err(LogError::Open(error @ OpenError::Damaged { lsn, .. })) => (lsn, Err(error)),
        Err(error) => return Err(error),
    };
    let mut reader = LogReader::open(&log)?;
    let mut listed = 0;
    while listed < limit
        && let Some(record) = reader.read(end)?
    {
        if record.lsn >= from {
            list(&record)?;
            listed += 1;
        }
    }
    Ok(damage?)
}

/// A line for the record and one for each of its commands.
fn list(record: &RecordRef<'_>) -> Result<(), LogError> {
    let unreadable = |error| LogError::Group { lsn: record.lsn, error };
    let group = read_group(record.payload).map_err(unreadable)?;
    let stream = match record.stream {
        STREAM_ALL => "all".to_owned(),
        shard => shard.to_string(),
    };
    say(format_args!(
        "lsn={} end={} stream={stream}/{} epoch={} bytes={} commands={} at={} date={}",
        record.lsn,
        record.end_lsn,
        record.streams,
        record.epoch,
        record.payload.len(),
        group.commands.len(),
        moment(group.now),
        group.date,
    ));
    for command in &group.commands {
        say(format_args!("    {command:?}"));
    }
    Ok(())
}

fn moment(at: Timestamp) -> String {
    match jiff::Timestamp::from_millisecond(at.0) {
        Ok(moment) => moment.to_string(),
        Err(_) => format!("{} ms", at.0),
    }
}
