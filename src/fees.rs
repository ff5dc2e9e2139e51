//! `suanpan fees`: a month's commissions and fees, out of the cold store; no server is needed.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use suanpan_clearing::fees::{FeesError, Month, month_fees, write_csv, write_json};
use suanpan_clearing::folder::{WriteError, write_file};
use suanpan_clearing::store::{Store, StoreError};

use crate::export::StoreArg;
use crate::statement::{exit, print};

/// Write a month's commissions and fees, out of the cold store.
///
/// What gross merchants are billed, what promoters and platforms earned, and the operator's result by channel, proved against the
/// balances. Exits with 0, or with 2 and nothing written.
#[derive(Debug, Args)]
pub(crate) struct Fees {
    #[command(flatten)]
    store: StoreArg,
    /// The month
    #[arg(long, value_name = "YYYY-MM")]
    month: Month,
    /// Take the days that there are, if some are missing
    #[arg(long)]
    partial: bool,
    /// How it is written
    #[arg(long, value_enum, default_value_t = Form::Csv)]
    format: Form,
    /// The file to write [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Form {
    Csv,
    Json,
}

/// Why there is nothing of a month.
#[derive(Debug, thiserror::Error)]
enum FeesCommandError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Fees(#[from] FeesError),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("standard output: {0}")]
    Output(io::Error),
}

impl Fees {
    pub(crate) fn run(&self) -> ExitCode {
        exit(self.write())
    }

    fn write(&self) -> Result<(), FeesCommandError> {
        let store = Store::open(&self.store.store)?;
        let fees = month_fees(&store, self.month, self.partial)?;
        if !fees.missing.is_empty() {
            let missing: Vec<String> = fees.missing.iter().map(ToString::to_string).collect();
            eprintln!("suanpan: {} without {}", fees.month, missing.join(", "));
        }
        let write = |to: &mut dyn Write| match self.format {
            Form::Csv => write_csv(&fees, to),
            Form::Json => write_json(&fees, to),
        };
        match &self.out {
            Some(path) => Ok(write_file(path, write)?),
            None => print(write).map_err(FeesCommandError::Output),
        }
    }
}
