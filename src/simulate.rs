//! `suanpan simulate`: a whole server from one seed, and its story.

use clap::Args;
use suanpan_simulation::{Plan, simulate};

use crate::output::say;

/// Run a whole server on a simulated disk, clock and scheduler, and tell its story.
///
/// Everything that happens, who runs when, what is asked, when the power goes and what of the disk survives it, comes
/// from the seed: the same seed and steps give the same run. Fails when an answer was lost, or anything else is wrong.
#[derive(Debug, Args)]
pub(crate) struct Simulate {
    /// What everything comes from
    #[arg(long, value_name = "S")]
    seed: u64,
    /// After so many scheduling steps the life of the server that runs is its last
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    steps: u64,
}

impl Simulate {
    pub(crate) fn run(&self) -> Result<(), String> {
        let outcome = simulate(&Plan { seed: self.seed, steps: self.steps, planted: None });
        for line in &outcome.story {
            say(format_args!("{line}"));
        }
        say(format_args!("{}", outcome.counts));
        say(format_args!(
            "{} steps, {:.3?} simulated, trace {:016x}",
            outcome.steps, outcome.took, outcome.trace
        ));
        outcome.failure.map_or(Ok(()), |failure| Err(format!("seed {} is wrong: {failure}", self.seed)))
    }
}
