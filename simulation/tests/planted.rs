//! What the simulation is for: each of these mistakes makes some seed fail. Without it that seed passes.
//!
//! Five more are too rare for a test here: the log's own proof finds two of them, the tests of snapshots and the harness of
//! crashes guard the others.

use suanpan_simulation::{PLANTED, Plan, simulate};

/// Those that any dozen of seeds shows.
const FREQUENT: usize = 6;

/// How many seeds a mistake has to show itself in.
const SEEDS: u64 = 12;
const STEPS: u64 = 6_000;

#[test]
fn every_planted_mistake_is_found() {
    // The server's panics are part of what is told.
    std::panic::set_hook(Box::new(|_| ()));
    let mut innocent = Vec::new();
    for (name, planted) in PLANTED.into_iter().take(FREQUENT) {
        let fails = |seed: &u64| {
            let outcome = simulate(&Plan { seed: *seed, steps: STEPS, planted: Some(planted) });
            outcome.failure.map(|failure| (*seed, failure))
        };
        match (1..=SEEDS).find_map(|seed| fails(&seed)) {
            Some((seed, failure)) => {
                println!("{name}: seed {seed}: {}", failure.lines().next().unwrap_or_default());
                let clean = simulate(&Plan { seed, steps: STEPS, planted: None });
                assert_eq!(clean.failure, None, "seed {seed} fails without {name}");
            }
            None => innocent.push(name),
        }
    }
    assert!(innocent.is_empty(), "{innocent:?} would go unseen");
}
