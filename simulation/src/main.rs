//! `suanpan-simulation`: one seed after the other for as long as it is let, and the story of the first that fails.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use suanpan_simulation::{Counts, Plan, simulate};

/// Simulates whole servers, one seed after the other.
#[derive(Parser)]
struct Arguments {
    /// For how long.
    #[arg(long, default_value_t = 0.05)]
    hours: f64,
    /// The first seed; the others follow it. Without it they begin where the clock stands.
    #[arg(long)]
    seed: Option<u64>,
    /// Scheduling steps of one run.
    #[arg(long, default_value_t = 60_000)]
    steps: u64,
    /// A mistake to make on purpose; the run is to fail then.
    #[arg(long, hide = true)]
    planted: Option<String>,
    /// At most so many seeds.
    #[arg(long, default_value_t = u64::MAX)]
    seeds: u64,
}

/// A line of figures every so often.
const SAYS_EVERY: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (begun, mut said) = (Instant::now(), Instant::now());
    let first = arguments.seed.unwrap_or_else(|| {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |since| since.as_secs() << 20)
    });
    let (mut counts, mut seeds, mut steps) = (Counts::default(), 0u64, 0u64);
    let planted = arguments.planted.as_deref().map(|name| {
        let found = suanpan_simulation::PLANTED.iter().find(|(known, _)| *known == name);
        found.map_or_else(|| panic!("no mistake is called {name}"), |(_, planted)| *planted)
    });
    // What panics in a simulated thread stands in the story.
    std::panic::set_hook(Box::new(|_| ()));
    while seeds < arguments.seeds && begun.elapsed().as_secs_f64() < arguments.hours * 3_600.0 {
        let outcome = simulate(&Plan { seed: first + seeds, steps: arguments.steps, planted });
        seeds += 1;
        steps += outcome.steps;
        counts.add(&outcome.counts);
        if let Some(failure) = outcome.failure {
            outcome.story.iter().for_each(|line| println!("{line}"));
            println!("seed {} with {} steps FAILED: {failure}", outcome.seed, arguments.steps);
            println!(
                "commit {}; suanpan simulate --seed {} --steps {}",
                commit(),
                outcome.seed,
                arguments.steps
            );
            return ExitCode::FAILURE;
        }
        if said.elapsed() > SAYS_EVERY {
            said = Instant::now();
            println!("{seeds} seeds, {steps} steps, {counts}");
        }
    }
    println!("seeds {first} to {}, {steps} steps in {:.0?}: {counts}", first + seeds, begun.elapsed());
    ExitCode::SUCCESS
}

/// The commit that this stands at, where there is a repository to ask.
fn commit() -> String {
    let asked = std::process::Command::new("git").args(["rev-parse", "HEAD"]).output();
    let said = asked.ok().filter(|output| output.status.success());
    said.map_or_else(
        || "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}
