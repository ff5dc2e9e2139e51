//! The whole line: `suanpan load --spawn`, a server and its client as two processes.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::BenchError;

/// What is used of the report of `suanpan load --json`.
#[derive(Debug, Clone, Deserialize)]
pub struct LineReport {
    /// Payments accepted a second.
    pub accepted_per_s: f64,
    /// Payments accepted.
    pub accepted: u64,
    /// Bytes of log for each.
    pub log_bytes_per_payment: Option<f64>,
}

/// Where the program is: `SUANPAN_BIN`, or beside the folder that this bench was built into. `None` when there is
/// none.
#[must_use]
pub fn binary() -> Option<PathBuf> {
    let path = match std::env::var_os("SUANPAN_BIN") {
        Some(path) => PathBuf::from(path),
        // target/release/deps/limits-… and target/release/suanpan.
        None => std::env::current_exe().ok()?.parent()?.parent()?.join("suanpan"),
    };
    path.is_file().then_some(path)
}

/// Plays so many payments against a fresh server with its data in `dir`.
///
/// # Errors
/// With what it said, when it failed or not every payment was accepted.
pub fn run(binary: &Path, dir: &Path, payments: u64) -> Result<LineReport, BenchError> {
    let count = payments.to_string();
    let arguments = ["load", "--spawn", "--json", "--refunds", "0", "--voids", "0", "--count", &count];
    let output = Command::new(binary)
        .args(arguments)
        .arg("--data")
        .arg(dir)
        .output()
        .map_err(BenchError::io("starting suanpan load"))?;
    let failed =
        |said: String| BenchError::Line { binary: binary.to_owned(), arguments: arguments.join(" "), said };
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    let report: LineReport = serde_json::from_slice(&output.stdout)?;
    if report.accepted != payments {
        return Err(failed(format!("{} of {payments} payments were accepted", report.accepted)));
    }
    Ok(report)
}
