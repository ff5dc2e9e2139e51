//! The `suanpan` command: a payment core.
//!
//! One file a command. What they share: the settings ([`settings`]), a server started as a process of its own
//! ([`spawned`]), and lines of output ([`output`]).

mod demo;
mod export;
mod fees;
mod load;
mod log;
mod output;
mod reconcile;
mod rehearse;
mod scenario;
mod serve;
mod settings;
mod settle;
mod simulate;
mod snapshot;
mod spawned;
mod statement;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A payment core: merchants' balances and every order's refundable amount, right and durable, at millions of
/// payments a second.
#[derive(Debug, Parser)]
#[command(name = "suanpan", version, about, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Play a small town's day, crash in the middle of it, recover, and show the books.
    Demo(demo::Demo),
    /// Run a server.
    Serve(serve::Serve),
    /// Put a server under load, measure it, and check every answer and every balance.
    Load(load::Load),
    /// Put the days of a server's log into the cold store, or check one that is there.
    Export(export::Export),
    /// Look at the log in a data folder without starting it.
    Log(log::Log),
    /// Take a snapshot now, or check those that are there.
    Snapshot(snapshot::Snapshot),
    /// Play scenario files, and say where an answer differs.
    Scenario(scenario::Scenario),
    /// Run a whole server on a simulated disk, clock and scheduler, and tell its story.
    Simulate(simulate::Simulate),
    /// Compare a channel's bill with the books of a day, out of the cold store; list and decide what is open.
    Reconcile(Box<reconcile::Reconcile>),
    /// Play made-up days into a cold store, with their channels' bills, to try all of this on.
    Rehearse(rehearse::Rehearse),
    /// Write a month's commissions and fees, out of the cold store.
    Fees(fees::Fees),
    /// Write the files of a settlement batch, out of the cold store: the bank's, and one for each merchant.
    Settle(settle::Settle),
    /// Write a merchant's statement of an accounting date, out of the cold store.
    Statement(statement::Statement),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        Command::Demo(demo) => demo.run().map_err(|error| error.to_string()),
        Command::Serve(serve) => serve.run().map_err(|error| error.to_string()),
        Command::Load(load) => load.run().map_err(|error| error.to_string()),
        Command::Export(export) => export.run().map_err(|error| error.to_string()),
        // What it finds is told by its exit code, too.
        Command::Log(log) => return log.run(),
        Command::Snapshot(snapshot) => snapshot.run().map_err(|error| error.to_string()),
        Command::Scenario(scenario) => scenario.run().map_err(|error| error.to_string()),
        Command::Simulate(simulate) => simulate.run(),
        Command::Reconcile(reconcile) => return reconcile.run(),
        Command::Rehearse(rehearse) => rehearse.run().map_err(|error| error.to_string()),
        Command::Fees(fees) => return fees.run(),
        Command::Settle(settle) => return settle.run(),
        Command::Statement(statement) => return statement.run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("suanpan: {error}");
            ExitCode::FAILURE
        }
    }
}
