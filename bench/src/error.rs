//! Why something could not be measured.

use std::path::PathBuf;

use suanpan_engine::EngineError;
use suanpan_wal::{OpenError, StartError, StopError};

/// Why something could not be measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// A file, a socket or `/proc` could not be used.
    #[error("{what}: {error}")]
    Io {
        /// Which.
        what: &'static str,
        /// Why.
        error: std::io::Error,
    },
    /// The log could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The log could not be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The log failed.
    #[error(transparent)]
    Stop(#[from] StopError),
    /// The log refuses records for good.
    #[error("the log takes no records any more: {0}")]
    Log(String),
    /// The engine could not be started.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The engine or the core answered something else than it must.
    #[error("a wrong answer: {0}")]
    Answer(String),
    /// The whole line ended with an error.
    #[error("{binary} {arguments} failed: {said}")]
    Line {
        /// The program.
        binary: PathBuf,
        /// How it was called.
        arguments: String,
        /// What it said on standard error.
        said: String,
    },
    /// The whole line's report cannot be read.
    #[error("the report of suanpan load cannot be read: {0}")]
    Report(#[from] serde_json::Error),
}

impl BenchError {
    /// For `map_err`: names what an I/O error is about.
    pub fn io(what: &'static str) -> impl Fn(std::io::Error) -> Self {
        move |error| Self::Io { what, error }
    }
}
