//! A run: one life of the server after the other, on what the one before left of the disk.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use suanpan_engine::Planted;
use suanpan_wal::host::baton::{self, Broken, Rules};
use suanpan_wal::{LogConfig, Recovery, SimDisk, Storage};

use crate::books::Books;
use crate::fate::Fate;
use crate::life::{DATA, Life, Setting, Snapshots};
use crate::rot::Rot;

/// 2018-08-26T12:00:00+08:00, a Sunday: when the first life begins.
const BEGINS: Duration = Duration::from_secs(1_535_256_000);

/// So many steps more than were asked for, and somebody goes in circles.
const STEPS_BEYOND: u64 = 250_000;

/// And so much more time: whoever waits in vain lets the clock run on.
const TIME_BEYOND: Duration = Duration::from_secs(300);

/// The most shards.
pub(crate) const SHARDS_MAX: u16 = 4;

/// More than a step takes on average, sleeps and all.
const STEP_TAKES_MAX: Duration = Duration::from_millis(10);

/// What to run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// What everything comes from.
    pub seed: u64,
    /// After so many steps the life that runs is the last.
    pub steps: u64,
    /// A mistake that is to be found.
    pub planted: Option<Planted>,
}

/// What happened in a run, or in many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Starts that came up.
    pub lives: u64,
    /// Lives that ended with a loss of power at a call of the disk.
    pub crashes_at_disk: u64,
    /// Those that did so anywhere else.
    pub crashes_elsewhere: u64,
    /// Those that ended in order.
    pub stops: u64,
    /// Failed writes and syncs that the server ended with.
    pub failed_disks: u64,
    /// Disks that were full for a while.
    pub full_disks: u64,
    /// Refusals because of that.
    pub read_only: u64,
    /// Commands and looks that were answered.
    pub answered: u64,
    /// Commands answered as newly done.
    pub done: u64,
    /// Answers that were *unknown*, or never came.
    pub unknown: u64,
    /// Commands found in the log and told once more by the model.
    pub logged: u64,
    /// Answers for which the disk was crashed beside, to see whether it would give them back.
    pub looked_behind: u64,
    /// Views compared with the model's.
    pub views: u64,
    /// Lives that ended with a loss of power at a call for a snapshot or the cold store.
    pub crashes_at_snapshot: u64,
    /// Snapshots that were taken and compared when somebody asked for them.
    pub snapshots: u64,
    /// Those that failed because the disk did.
    pub failed_snapshots: u64,
    /// Logged digests compared.
    pub digests: u64,
    /// Starts from a snapshot.
    pub restored: u64,
    /// Snapshots in which a bit flipped, and that a start passed over.
    pub passed_over: u64,
    /// Starts on a cold store in which a bit flipped, and those of them that said so.
    pub rotten: u64,
    /// See there.
    pub rot_found: u64,
    /// Orders and blocks of entries that left for the cold store with a snapshot that somebody asked for.
    pub departed: u64,
    /// Those that came back because somebody asked for them.
    pub brought_back: u64,
    /// Segments of the log that were released.
    pub released: u64,
}

impl Counts {
    /// Adds another run's.
    pub fn add(&mut self, other: &Counts) {
        self.lives += other.lives;
        self.crashes_at_disk += other.crashes_at_disk;
        self.crashes_elsewhere += other.crashes_elsewhere;
        self.stops += other.stops;
        self.failed_disks += other.failed_disks;
        self.full_disks += other.full_disks;
        self.read_only += other.read_only;
        self.answered += other.answered;
        self.done += other.done;
        self.unknown += other.unknown;
        self.logged += other.logged;
        self.looked_behind += other.looked_behind;
        self.views += other.views;
        self.crashes_at_snapshot += other.crashes_at_snapshot;
        self.snapshots += other.snapshots;
        self.failed_snapshots += other.failed_snapshots;
        self.digests += other.digests;
        self.restored += other.restored;
        self.passed_over += other.passed_over;
        self.rotten += other.rotten;
        self.rot_found += other.rot_found;
        self.departed += other.departed;
        self.brought_back += other.brought_back;
        self.released += other.released;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} lives: {} crashes at the disk, {} at snapshots, {} elsewhere, {} stops, {} failed disks, {} full disks ({} refusals); \
             {} answered ({} newly done, {} unknown), {} logged, {} looked behind, {} views; \
             {} snapshots asked for ({} failed), {} digests compared, {} restored, {} passed over, {} rotten stores ({} found), \
             {} left, {} brought back, {} segments released",
            self.lives,
            self.crashes_at_disk,
            self.crashes_at_snapshot,
            self.crashes_elsewhere,
            self.stops,
            self.failed_disks,
            self.full_disks,
            self.read_only,
            self.answered,
            self.done,
            self.unknown,
            self.logged,
            self.looked_behind,
            self.views,
            self.snapshots,
            self.failed_snapshots,
            self.digests,
            self.restored,
            self.passed_over,
            self.rotten,
            self.rot_found,
            self.departed,
            self.brought_back,
            self.released
        )
    }
}

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// A hash over who ran when.
    pub trace: u64,
    /// Points that were passed.
    pub steps: u64,
    /// By its own clock.
    pub took: Duration,
    /// What happened.
    pub counts: Counts,
    /// What is wrong, if anything is.
    pub failure: Option<String>,
    /// What was told on the way.
    pub story: Vec<String>,
}

/// Runs a plan.
#[must_use]
pub fn simulate(plan: &Plan) -> Outcome {
    let plan = *plan;
    let steps_max = plan.steps + STEPS_BEYOND;
    let time_max = STEP_TAKES_MAX * u32::try_from(plan.steps).unwrap_or(u32::MAX) + TIME_BEYOND;
    let rules = Rules { seed: plan.seed, steps_max, time_max, wall_clock: BEGINS };
    let books = Arc::new(Books::default());
    let told = books.clone();
    let run = baton::run(rules, move || live_on(plan, &told));
    let broken = run.outcome.err().map(|broken| match broken {
        Broken::Deadlock(places) => format!("all wait for each other:{places}"),
        Broken::Endless(places) => format!("somebody goes in circles:{places}"),
        other => format!("{other:?}"),
    });
    // What a panic in the server's threads leads to is told before; by itself it is wrong, too.
    let panic = run.panics.first().map(|(name, words)| format!("{name} panicked: {words}"));
    Outcome {
        seed: plan.seed,
        trace: run.trace,
        steps: run.steps,
        took: run.took,
        counts: books.counts(),
        failure: books.failure().or(broken).or(panic),
        story: run.story,
    }
}

fn live_on(plan: Plan, books: &Arc<Books>) {
    let mut rng = Rng::with_seed(plan.seed);
    let mut disk = SimDisk::new(rng.u64(..));
    let made = disk.make_dir(Path::new(DATA));
    made.expect("nothing is planned to go wrong yet");
    // A folder keeps the size of its segments, which bounds the number of shards.
    let (segment_bytes, shards_max) = if rng.bool() { (1 << 20, 2) } else { (2 << 20, SHARDS_MAX) };
    // Digests can be compared as long as the shards are as many.
    let (same, shards_max) = if rng.bool() { (true, rng.u16(1..=shards_max)) } else { (false, shards_max) };
    let mut rot = Rot::default();
    let mut number = 0;
    while books.failure().is_none() {
        number += 1;
        let last = baton::steps() >= plan.steps && number > 1;
        let fate = if last { Fate::Stop } else { Fate::draw(&mut rng) };
        let shards = if same { shards_max } else { rng.u16(1..=shards_max) };
        let snapshots = Snapshots::draw(&mut rng, fate);
        baton::tell(&format!("life {number} with {shards} shards, {snapshots:?}, which ends by {fate:?}"));
        let (planted, seed) = (plan.planted, rng.u64(..));
        let (rotten, base) = (rot.is_there(&disk), rot.newest_sound(&disk));
        books.begins(shards, base);
        let setting =
            Setting { number, shards, segment_bytes, fate, planted, seed, last, snapshots, base, rotten };
        Life::live(setting, disk.clone(), books.clone());
        let seed = rng.u64(..);
        let loses_power = fate.loses_power(&mut rng);
        disk = if loses_power { disk.crash(seed) } else { disk.fork() };
        baton::tell(if loses_power { "the power is back" } else { "the process is gone" });
        books.check_kept(&disk);
        if last {
            break;
        }
        if fate == Fate::Stop && books.lock().stopped {
            Rot::look(&setting, &disk, books, &mut rng);
        }
        rot.set_in(&disk, &mut rng);
    }
}

/// Up to where a disk would give a log back, if it would at all.
pub(crate) fn end_of_log(disk: &SimDisk) -> Result<u64, String> {
    let config = LogConfig {
        storage: Arc::new(disk.fork()),
        // Its beginning may be released.
        replay_from: None,
        ..LogConfig::new(Path::new(DATA).join("log"))
    };
    Recovery::open(config).map(|recovery| recovery.end().get()).map_err(|error| error.to_string())
}
