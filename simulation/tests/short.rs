//! The short form: some seeds, and that a seed is the same again.

use suanpan_simulation::{Counts, Plan, simulate};

const STEPS: u64 = 6_000;

fn plan(seed: u64) -> Plan {
    Plan { seed, steps: STEPS, planted: None }
}

#[test]
fn nothing_that_was_answered_is_lost() {
    let mut counts = Counts::default();
    for seed in 100..140 {
        // Some more, should it be that no disk was full yet.
        if seed >= 110 && counts.read_only > 0 {
            break;
        }
        let outcome = simulate(&plan(seed));
        let story = || outcome.story.join("\n");
        assert_eq!(outcome.failure, None, "seed {seed}, {STEPS} steps\n{}", story());
        counts.add(&outcome.counts);
    }
    println!("{counts}");
    // What the seeds are to reach, or their success would say little.
    assert!(counts.crashes_at_disk > 5 && counts.crashes_elsewhere > 5, "{counts}");
    assert!(counts.failed_disks > 0 && counts.full_disks > 0 && counts.read_only > 0, "{counts}");
    assert!(counts.done > 2_000 && counts.unknown > 0 && counts.looked_behind > 20, "{counts}");
}

#[test]
fn a_seed_is_the_same_again() {
    for seed in [3, 77] {
        let run = || {
            let outcome = simulate(&plan(seed));
            (outcome.trace, outcome.steps, outcome.counts, outcome.story)
        };
        // How long a recovery took is told by the simulated clock, so that the stories are the same, too.
        assert_eq!(run(), run(), "seed {seed}");
    }
}
