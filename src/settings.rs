//! The server's settings: flags over environment over file over defaults.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use suanpan_engine::Backend;

/// What can be said on the command line or in the environment; clap puts flags over environment.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Flags {
    /// For developing: no keys, data in a temporary folder unless told otherwise, a clock that can be stopped
    #[arg(long, env = "SUANPAN_DEV", num_args = 0..=1, default_missing_value = "true",
        value_parser = clap::builder::BoolishValueParser::new())]
    pub dev: Option<bool>,
    /// Address of the HTTP API [default: 127.0.0.1:8080]
    #[arg(long, env = "SUANPAN_HTTP", value_name = "ADDR")]
    pub http: Option<SocketAddr>,
    /// Address of the binary protocol [default: 127.0.0.1:7700]
    #[arg(long, env = "SUANPAN_TCP", value_name = "ADDR")]
    pub tcp: Option<SocketAddr>,
    /// The data folder; made if it is not there [default: suanpan-data]
    #[arg(long, env = "SUANPAN_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Shards, each a thread, 1 to 64; may change from start to start [default: one a core]
    #[arg(long, env = "SUANPAN_SHARDS", value_name = "N")]
    pub shards: Option<u16>,
    /// Size of a log segment in MiB, a power of two, for a new data folder; one that is there keeps its own [default: 64]
    #[arg(long, env = "SUANPAN_SEGMENT_MIB", value_name = "N")]
    pub segment_mib: Option<u64>,
    /// Free disk space in MiB below which nothing more is taken [default: 256]
    #[arg(long, env = "SUANPAN_RESERVE_MIB", value_name = "N")]
    pub reserve_mib: Option<u64>,
    /// How records get to the log's files: write (pwrite by the committer) or map (a memory map) [default: write]
    #[arg(long, env = "SUANPAN_LOG_BACKEND", value_name = "write|map")]
    pub log_backend: Option<LogBackend>,
    /// Take a snapshot when the log has grown by so many MiB; 0: never for that [default: 1024]
    #[arg(long, env = "SUANPAN_SNAPSHOT_LOG_MIB", value_name = "N")]
    pub snapshot_log_mib: Option<u64>,
    /// Take a snapshot after so many minutes, if anything happened; 0: never for that [default: 15]
    #[arg(long, env = "SUANPAN_SNAPSHOT_MINUTES", value_name = "N")]
    pub snapshot_minutes: Option<u64>,
    /// Days after which orders that are settled and done with leave memory for the disk [default: 7]
    #[arg(long, env = "SUANPAN_HOT_DAYS", value_name = "N")]
    pub hot_days: Option<u16>,
    /// Orders that are kept in memory at most; at that many, new ones are refused as `overloaded` [default: what six tenths
    /// of this machine's memory hold]
    #[arg(long, env = "SUANPAN_ORDERS_IN_MEMORY", value_name = "N")]
    pub orders_in_memory: Option<u64>,
    /// Stop when standard input ends: for whoever starts this as a process of its own
    #[arg(long, hide = true)]
    pub stop_with_stdin: bool,
    /// A TOML file with these settings under the same names (`segment_mib = 64`)
    #[arg(long, env = "SUANPAN_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// What can be said in the file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    dev: Option<bool>,
    http: Option<SocketAddr>,
    tcp: Option<SocketAddr>,
    data: Option<PathBuf>,
    shards: Option<u16>,
    segment_mib: Option<u64>,
    reserve_mib: Option<u64>,
    log_backend: Option<LogBackend>,
    snapshot_log_mib: Option<u64>,
    snapshot_minutes: Option<u64>,
    hot_days: Option<u16>,
    orders_in_memory: Option<u64>,
}

/// How records get to the log's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogBackend {
    /// The committer writes them.
    Write,
    /// Through a memory map.
    Map,
}

impl From<LogBackend> for Backend {
    fn from(backend: LogBackend) -> Self {
        match backend {
            LogBackend::Write => Self::Write,
            LogBackend::Map => Self::Map,
        }
    }
}

/// An exbibyte: more than there is.
const RESERVE_MIB_MAX: u64 = 1 << 40;

/// A year: more would let the log grow without bound.
const SNAPSHOT_MINUTES_MAX: u64 = 366 * 24 * 60;

/// More than any refund window.
const HOT_DAYS_MAX: u64 = 3_660;

/// What an order takes in memory with its share of everything, in bytes, twice over: a snapshot copies what is changed
/// while it is written.
const ORDER_BYTES: u64 = 2 * 150;

fn at_most(name: &'static str, given: u64, max: u64) -> Result<(), SettingsError> {
    if given > max { Err(SettingsError::TooMuch { name, max, given }) } else { Ok(()) }
}

/// Orders that six tenths of this machine's memory hold.
fn orders_that_fit() -> u64 {
    let system = rustix::system::sysinfo();
    let bytes = system.totalram.saturating_mul(u64::from(system.mem_unit).max(1));
    (bytes / 10 * 6 / ORDER_BYTES).max(1)
}

/// What holds in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    pub dev: bool,
    pub http: SocketAddr,
    pub tcp: SocketAddr,
    /// `None`: a temporary folder.
    pub data: Option<PathBuf>,
    /// `None`: one a core.
    pub shards: Option<u16>,
    pub segment_bytes: u64,
    pub reserve_bytes: u64,
    pub backend: Backend,
    /// `None`: never for the log's size.
    pub snapshot_log_bytes: Option<u64>,
    /// `None`: never for the time.
    pub snapshot_every: Option<Duration>,
    pub hot_days: u16,
    pub orders_in_memory: u64,
}

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("cannot read the config file {path}: {error}")]
    Read { path: PathBuf, error: std::io::Error },
    #[error("the config file {path} is not right, line {line}: {what}")]
    Parse { path: PathBuf, line: usize, what: String },
    #[error(
        "{flag} {address} would be reachable from outside, and there are no keys and no TLS yet: use a loopback \
         address such as 127.0.0.1:{}",
        address.port()
    )]
    Outside { flag: &'static str, address: SocketAddr },
    #[error("segment_mib must be a power of two from 1 to 1024, not {0}")]
    Segment(u64),
    #[error("reserve_mib must be at most {RESERVE_MIB_MAX}, not {0}")]
    Reserve(u64),
    #[error("{name} must be at most {max}, not {given}")]
    TooMuch { name: &'static str, max: u64, given: u64 },
    #[error("orders_in_memory must be at least 1")]
    NoOrders,
}

impl Settings {
    /// Puts flags over the file over the defaults, and checks.
    pub(crate) fn resolve(flags: &Flags) -> Result<Self, SettingsError> {
        let file = flags.config.as_deref().map(File::read).transpose()?.unwrap_or_default();
        let dev = flags.dev.or(file.dev).unwrap_or(false);
        let data = flags.data.clone().or(file.data);
        let segment_mib = flags.segment_mib.or(file.segment_mib).unwrap_or(64);
        if !segment_mib.is_power_of_two() || segment_mib > 1_024 {
            return Err(SettingsError::Segment(segment_mib));
        }
        let reserve_mib = flags.reserve_mib.or(file.reserve_mib).unwrap_or(256);
        if reserve_mib > RESERVE_MIB_MAX {
            return Err(SettingsError::Reserve(reserve_mib));
        }
        let snapshot_log_mib = flags.snapshot_log_mib.or(file.snapshot_log_mib).unwrap_or(1_024);
        let minutes = flags.snapshot_minutes.or(file.snapshot_minutes).unwrap_or(15);
        at_most("snapshot_log_mib", snapshot_log_mib, RESERVE_MIB_MAX)?;
        at_most("snapshot_minutes", minutes, SNAPSHOT_MINUTES_MAX)?;
        let hot_days = flags.hot_days.or(file.hot_days).unwrap_or(7);
        at_most("hot_days", hot_days.into(), HOT_DAYS_MAX)?;
        let orders = flags.orders_in_memory.or(file.orders_in_memory);
        if orders == Some(0) {
            return Err(SettingsError::NoOrders);
        }
        let loopback = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let settings = Self {
            dev,
            http: flags.http.or(file.http).unwrap_or_else(|| loopback(8_080)),
            tcp: flags.tcp.or(file.tcp).unwrap_or_else(|| loopback(7_700)),
            data: data.or_else(|| (!dev).then(|| PathBuf::from("suanpan-data"))),
            shards: flags.shards.or(file.shards),
            segment_bytes: segment_mib << 20,
            reserve_bytes: reserve_mib << 20,
            backend: flags.log_backend.or(file.log_backend).unwrap_or(LogBackend::Write).into(),
            snapshot_log_bytes: (snapshot_log_mib > 0).then_some(snapshot_log_mib << 20),
            snapshot_every: (minutes > 0).then(|| Duration::from_secs(minutes * 60)),
            hot_days,
            orders_in_memory: orders.unwrap_or_else(orders_that_fit),
        };
        for (flag, address) in [("--http", settings.http), ("--tcp", settings.tcp)] {
            if !address.ip().is_loopback() {
                return Err(SettingsError::Outside { flag, address });
            }
        }
        Ok(settings)
    }
}

impl File {
    fn read(path: &Path) -> Result<Self, SettingsError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| SettingsError::Read { path: path.to_owned(), error })?;
        toml::from_str(&text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
            let what = error.message().replace('\n', "; ");
            SettingsError::Parse { path: path.to_owned(), line, what }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, Flags) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("suanpan.toml");
        std::fs::write(&path, text).unwrap();
        (folder, Flags { config: Some(path), ..Flags::default() })
    }

    #[test]
    fn flags_over_file_over_defaults() {
        let (_folder, flags) = file("tcp = \"127.0.0.1:1\"\nshards = 3\n");
        let flags = Flags { shards: Some(2), ..flags };
        let settings = Settings::resolve(&flags).unwrap();
        assert_eq!(settings.tcp.port(), 1);
        assert_eq!(settings.http.port(), 8_080);
        assert_eq!(settings.shards, Some(2));
        assert_eq!(settings.data, Some(PathBuf::from("suanpan-data")));
    }

    #[test]
    fn dev_has_no_folder_of_its_own() {
        let settings = Settings::resolve(&Flags { dev: Some(true), ..Flags::default() }).unwrap();
        assert_eq!(settings.data, None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let (_folder, flags) = file("ports = 3\n");
        let words = Settings::resolve(&flags).unwrap_err().to_string();
        assert!(words.contains("line 1") && words.contains("ports") && !words.contains('\n'), "{words}");
        let (_folder, flags) = file("shards = 1\ntcp = \"nowhere\"\n");
        let words = Settings::resolve(&flags).unwrap_err().to_string();
        assert!(words.contains("line 2") && !words.contains('\n'), "{words}");
        let outside = Flags { http: Some("0.0.0.0:80".parse().unwrap()), ..Flags::default() };
        assert!(Settings::resolve(&outside).unwrap_err().to_string().contains("--http 0.0.0.0:80"));
        assert!(Settings::resolve(&Flags { segment_mib: Some(3), ..Flags::default() }).is_err());
        assert!(Settings::resolve(&Flags { reserve_mib: Some(1 << 44), ..Flags::default() }).is_err());
        assert!(Settings::resolve(&Flags { config: Some("/no/such".into()), ..Flags::default() }).is_err());
    }
}
