//! `suanpan export`: the days of a server's log into the cold store, and whether one that is there is sound.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use suanpan_clearing::export::{ExportError, Exporter, ExporterConfig, Progress, verify};
use suanpan_clearing::manifest::{DayError, Manifest, date_of};
use suanpan_clearing::store::{Store, StoreError};
use suanpan_core::Date;
use thread_priority::ThreadPriority;
use thread_priority::unix::{
    NormalThreadSchedulePolicy, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
};

use crate::output::say;

/// Put the days of a server's log into the cold store, or check one that is there.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Export {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    run: Run,
}

#[derive(Debug, Args)]
struct Run {
    /// The data folder of the server, which may run or not
    #[arg(long, value_name = "DIR", env = "SUANPAN_DATA", default_value = "suanpan-data")]
    data: PathBuf,
    #[command(flatten)]
    store: StoreArg,
    /// Go on: follow the log, and put each day when it is cut
    #[arg(long)]
    follow: bool,
    /// Parts of each table of a day, by merchant
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=1024))]
    shards: u16,
}

/// Where the cold store is: an option that every command of finance has.
#[derive(Debug, Args)]
pub(crate) struct StoreArg {
    /// The cold store: a folder, or s3://bucket/prefix where it was built with the feature `s3`
    #[arg(long, value_name = "DIR", env = "SUANPAN_STORE", default_value = "suanpan-store")]
    pub(crate) store: String,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Read a day whole: sizes, hashes, rows, and whether everything in it adds up; changes nothing
    Verify {
        /// The accounting date, YYYY-MM-DD
        #[arg(value_name = "DATE", value_parser = date)]
        date: Date,
        #[command(flatten)]
        store: StoreArg,
    },
}

/// Reads a date as commands have it.
pub(crate) fn date(text: &str) -> Result<Date, String> {
    date_of(text).ok_or_else(|| "give a date as 2018-08-26".to_owned())
}

/// Why the export stopped, or the day is not sound.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportCommandError {
    #[error(transparent)]
    Export(#[from] ExportError),
    #[error(transparent)]
    Day(#[from] DayError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the signal to stop cannot be waited for: {0}")]
    Signal(std::io::Error),
}

/// How long to wait when there is nothing new in the log.
const WAIT: Duration = Duration::from_millis(20);

/// How long there must be nothing new before it is the end: what was answered is proved durable by what the log writes next, or by the mark
/// that it writes when it falls idle.
const PATIENCE: Duration = Duration::from_millis(600);

impl Export {
    pub(crate) fn run(self) -> Result<(), ExportCommandError> {
        match self.what {
            Some(What::Verify { date, store }) => check(&store.store, date),
            None => run(&self.run),
        }
    }
}

fn check(url: &str, date: Date) -> Result<(), ExportCommandError> {
    let store = Store::open(url)?;
    let rows: u64 = Manifest::load(&store, date)?.files.iter().map(|file| file.rows).sum();
    let bar = bar(rows);
    let manifest = verify(&store, date, &mut |read| bar.inc(read))?;
    bar.finish_and_clear();
    say(format_args!("{manifest}: sound"));
    Ok(())
}

/// A bar over so many rows, on standard error if that is a terminal.
pub(crate) fn bar(rows: u64) -> ProgressBar {
    let bar = ProgressBar::new(rows);
    let style =
        ProgressStyle::with_template("{bar:40} {human_pos} of {human_len} rows, {per_sec}, {eta} left");
    style.into_iter().for_each(|style| bar.set_style(style));
    bar
}

fn run(run: &Run) -> Result<(), ExportCommandError> {
    stay_behind();
    let stopping = stop_by_signal()?;
    let store = Store::create(&run.store.store)?;
    let config = ExporterConfig { data: run.data.clone(), shards: run.shards };
    let mut exporter = Exporter::open(store, &config)?;
    let is_stopped = !run.follow && exporter.to_the_end()?;
    if run.follow {
        say(format_args!("following {} into {}", run.data.display(), exporter.store().url()));
    }
    let (mut days, mut since, mut moved) = (0, Instant::now(), Instant::now());
    while !stopping.load(Ordering::Relaxed) {
        match exporter.step()? {
            Progress::Followed => moved = Instant::now(),
            Progress::Day { manifest, is_new } => {
                let (seconds, was) =
                    (since.elapsed().as_secs_f64(), if is_new { "" } else { " (was there)" });
                say(format_args!("{manifest} ({seconds:.1} s){was}"));
                days += 1;
                (since, moved) = (Instant::now(), Instant::now());
            }
            Progress::Waiting if run.follow => std::thread::sleep(WAIT),
            Progress::Waiting if !is_stopped && moved.elapsed() < PATIENCE => std::thread::sleep(WAIT),
            _ => break,
        }
    }
    let state = if exporter.is_writing() {
        "open"
    } else {
        "open, and not written: its beginning was not seen, or it is in the store"
    };
    say(format_args!("{days} days put; {} is {state}", exporter.date()));
    Ok(())
}

/// Lets everything else on the machine come first, with all threads that this one starts. Idle and not only nice: a payment's thread that
/// wakes up takes the core at once. Measured beside 500,000 payments a second on two cores, their p99 was 6.7 to 9.5 ms at niceness 19, and 3.9 to
/// 4.8 ms so. Where the system does not allow it, it is a process like others.
fn stay_behind() {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    let _ = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle);
}

/// Becomes true when the process is asked to stop. A day that is open is begun again next time.
fn stop_by_signal() -> Result<Arc<AtomicBool>, ExportCommandError> {
    let stopping = Arc::new(AtomicBool::new(false));
    let asked = stopping.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(ExportCommandError::Signal)?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            let mut terminate =
                tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).ok();
            let terminated = async {
                match &mut terminate {
                    Some(terminate) => terminate.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! { _ = tokio::signal::ctrl_c() => {}, _ = terminated => {} }
        });
        asked.store(true, Ordering::Relaxed);
    });
    Ok(stopping)
}
