//! `suanpan load`: load that can be believed.

use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use suanpan_loadgen::{LoadError, LoadPlan, Loop, Skew, run};

use crate::output::say;
use crate::spawned::{SpawnError, Spawned};

/// Put a server under load, measure it, and check every answer and every balance.
///
/// Transactions are payments, refunds and voids, in frames of the binary protocol; with --http they are payments, one
/// a request, and one request in flight on each connection. With --rate it is an open loop: latency counts from the
/// moment a batch was meant to be sent. Without, a closed loop: as fast as answers come.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("server").required(true).multiple(true).args(["tcp", "http", "spawn"]))]
pub(crate) struct Load {
    /// The binary port of a running server
    #[arg(long, value_name = "ADDR", conflicts_with_all = ["http", "spawn"])]
    tcp: Option<String>,
    /// Over HTTP, to a running server's port, or with --spawn and no address
    #[arg(long, value_name = "ADDR", num_args = 0..=1, default_missing_value = "")]
    http: Option<String>,
    /// Start a server for it, on a temporary folder, and end it after
    #[arg(long)]
    spawn: bool,
    /// Transactions in all [default: 3000000, over HTTP 500000]
    #[arg(long, value_name = "N", conflicts_with = "duration")]
    count: Option<u64>,
    /// Or how long, such as 10s or 2m
    #[arg(long, value_name = "S", value_parser = duration)]
    duration: Option<Duration>,
    /// Transactions a second, open loop
    #[arg(long, value_name = "R")]
    rate: Option<f64>,
    /// Transactions in a frame, 1 to 8190 [default: 8190]
    #[arg(long, value_name = "N", conflicts_with = "http")]
    batch: Option<usize>,
    /// Connections [default: 1, over HTTP 64]
    #[arg(long, value_name = "N")]
    connections: Option<usize>,
    /// Frames in flight over all connections, closed loop [default: 4 a connection]
    #[arg(long, value_name = "N", conflicts_with = "http")]
    in_flight: Option<usize>,
    /// Merchants
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    merchants: u32,
    /// How payments fall on them: uniform, zipf:S (S such as 1.1), or hot: all on one
    #[arg(long, value_name = "SKEW", default_value = "uniform")]
    skew: Skew,
    /// Share of the transactions that are refunds [default: 0.05]
    #[arg(long, value_name = "SHARE", conflicts_with = "http")]
    refunds: Option<f64>,
    /// Share of the transactions that are voids [default: 0.01]
    #[arg(long, value_name = "SHARE", conflicts_with = "http")]
    voids: Option<f64>,
    /// Of all that is random; a run with the same seed on the same server repeats its order numbers
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Write the latencies as an .hgrm file, for HdrHistogram's plotters
    #[arg(long, value_name = "FILE")]
    hgrm: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// Where --spawn puts the server's data [default: a temporary folder]
    #[arg(long, value_name = "DIR", requires = "spawn")]
    data: Option<PathBuf>,
    /// Shards of the --spawn server [default: one a core]
    #[arg(long, value_name = "N", requires = "spawn")]
    shards: Option<u16>,
}

/// Why a load run failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadCommandError {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    #[error("--http needs the address of a running server, or --spawn and no address")]
    Address,
    #[error("cannot write {path}: {error}")]
    Write { path: PathBuf, error: std::io::Error },
    #[error("cannot write the report as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

fn duration(text: &str) -> Result<Duration, String> {
    let (number, seconds) = match text.as_bytes().last() {
        Some(b's') => (&text[..text.len() - 1], 1.0),
        Some(b'm') => (&text[..text.len() - 1], 60.0),
        _ => (text, 1.0),
    };
    match number.parse::<f64>() {
        Ok(n) if n > 0.0 && n <= 86_400.0 => Ok(Duration::from_secs_f64(n * seconds)),
        _ => Err("a time such as 10s or 2m".to_owned()),
    }
}

impl Load {
    /// Runs it, and prints the report to standard output.
    pub(crate) fn run(self) -> Result<(), LoadCommandError> {
        // Before a server is started: with --http an address or --spawn, and not both.
        if self.http.as_ref().is_some_and(|address| address.is_empty() != self.spawn) {
            return Err(LoadCommandError::Address);
        }
        let mut server = None;
        if self.spawn {
            let shards = self.shards.map(|shards| shards.to_string());
            let more: Vec<&str> = shards.iter().flat_map(|shards| ["--shards", shards]).collect();
            server = Some(Spawned::start(self.data.as_deref(), &more)?);
        }
        let report = run(&self.plan(self.address(server.as_ref())))?;
        if let Some(path) = &self.hgrm {
            let written = File::create(path).and_then(|file| report.write_hgrm(BufWriter::new(file)));
            written.map_err(|error| LoadCommandError::Write { path: path.clone(), error })?;
        }
        if self.json {
            say(format_args!("{}", serde_json::to_string_pretty(&report)?));
        } else {
            say(format_args!("{report}"));
        }
        Ok(())
    }

    /// Where the load goes.
    fn address(&self, server: Option<&Spawned>) -> String {
        match (server, &self.http, &self.tcp) {
            (Some(server), Some(_), _) => server.http.to_string(),
            (Some(server), None, _) => server.tcp.to_string(),
            (None, Some(http), _) => http.clone(),
            (None, None, Some(tcp)) => tcp.clone(),
            (None, None, None) => unreachable!("clap asks for one of them"),
        }
    }

    fn plan(&self, address: String) -> LoadPlan {
        let defaults = if self.http.is_some() { LoadPlan::http() } else { LoadPlan::default() };
        let connections = self.connections.unwrap_or(defaults.connections);
        LoadPlan {
            address,
            until: match (self.duration, self.count) {
                (Some(time), _) => Loop::Duration(time),
                (None, Some(count)) => Loop::Count(count),
                (None, None) => defaults.until,
            },
            rate: self.rate,
            batch: self.batch.unwrap_or(defaults.batch),
            connections,
            in_flight: self.in_flight.map_or(defaults.in_flight, |all| all.div_ceil(connections.max(1))),
            merchants: self.merchants,
            skew: self.skew,
            refunds: self.refunds.unwrap_or(defaults.refunds),
            voids: self.voids.unwrap_or(defaults.voids),
            seed: self.seed.unwrap_or(defaults.seed),
            progress: !self.json,
            ..defaults
        }
    }
}
