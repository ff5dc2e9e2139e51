//! Who sits at the table: all simulated threads, what each waits for, and who is next.
//!
//! A thread is always in one of the states of [`Status`]. The one that holds the baton calls [`Table::next`] when it comes
//! to a point, and that is all there is to scheduling: who can run is a list, and chance picks from it.
//!
//! Whoever *polls* (waits for a message, a lock, the end of a thread) is looked after when somebody else has come to
//! any other point since it looked last. When nobody can run and nobody has looked in vain since the last such point,
//! all of them look once more; only then the clock goes on to whoever sleeps the shortest; and if nobody does, they
//! wait for each other for ever, and each one's place is named.

use super::chance::{Chance, mix};
use std::{
    collections::VecDeque,
    fmt::Write,
    sync::{Arc, Condvar},
    time::Duration,
};

/// What a thread is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// It can go on.
    Ready,
    /// It sleeps until woken, or until then.
    Parked(Option<Duration>),
    /// It sleeps until then.
    Asleep(Duration),
    /// It waits for something that others do, and last looked when so much had been done.
    Polling(u64),
    /// It is over.
    Ended,
}

pub(super) struct Seated {
    pub(super) name: String,
    pub(super) machine: usize,
    pub(super) status: Status,
    /// A wake-up that came while it was awake.
    pub(super) token: bool,
    pub(super) place: &'static str,
    /// Where it waits for the baton.
    pub(super) turn: Arc<Condvar>,
    /// What it panicked with.
    pub(super) panic: Option<String>,
}

/// Why a run was broken off.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Broken {
    /// All threads wait for each other; where each is.
    Deadlock(String),
    /// More steps, or more time, than the run was to have; where each thread is.
    Endless(String),
    /// The first thread panicked, with these words.
    Panicked(String),
}

pub(super) struct Table {
    pub(super) chance: Chance,
    /// Who holds the baton.
    pub(super) holder: usize,
    pub(super) seated: Vec<Seated>,
    /// Which machines are off: their threads end where they are.
    pub(super) off: Vec<bool>,
    pub(super) now: Duration,
    pub(super) steps: u64,
    steps_max: u64,
    time_max: Duration,
    /// A hash over all that was scheduled.
    pub(super) trace: u64,
    pub(super) broken: Option<Broken>,
    /// What was told, with its moment.
    pub(super) story: VecDeque<String>,
    /// Points that were not polls.
    done: u64,
    /// Whether all who poll were given one more look since.
    looked_again: bool,
    /// Of sixteen points, at how many whoever runs goes on running.
    stay: u64,
    /// Nanoseconds that a step takes at most.
    step_ns: u64,
    /// Who is passed over, and until which step.
    passed_over: (usize, u64),
}

/// Lines of a story that are kept: the last.
const STORY_LINES_MAX: usize = 20_000;
/// At one step in so many another thread is passed over for a while.
const PASS_OVER_ONE_IN: u64 = 96;
const PASS_OVER_STEPS_MAX: u64 = 400;
/// A step takes up to so long, by seed.
const STEP_NS_MAX: u64 = 64_000;

impl Table {
    pub(super) fn new(seed: u64, steps_max: u64, time_max: Duration) -> Table {
        let mut chance = Chance::new(mix(seed));
        let (stay, step_ns) = (4 + chance.below(12), 1 + chance.below(STEP_NS_MAX));
        Table {
            chance,
            holder: 0,
            seated: Vec::new(),
            off: vec![false],
            now: Duration::ZERO,
            steps: 0,
            steps_max,
            time_max,
            trace: 0,
            broken: None,
            story: VecDeque::new(),
            done: 1,
            looked_again: false,
            stay,
            step_ns,
            passed_over: (0, 0),
        }
    }

    /// Seats a thread; it can run.
    pub(super) fn seat(&mut self, name: String, machine: usize) {
        let (place, turn) = ("beginning", Arc::new(Condvar::new()));
        self.seated.push(Seated {
            name,
            machine,
            status: Status::Ready,
            token: false,
            place,
            turn,
            panic: None,
        });
    }

    pub(super) fn is_off(&self, who: usize) -> bool {
        self.off[self.seated[who].machine]
    }

    /// Counts a point that is not a look in vain.
    pub(super) fn do_something(&mut self) {
        self.done += 1;
        self.looked_again = false;
    }

    /// What somebody who polls now is to have as its status.
    pub(super) fn polling(&self) -> Status {
        Status::Polling(self.done)
    }

    /// Takes a step and says who has the baton now. `None` when all are over.
    pub(super) fn next(&mut self, who: usize) -> Option<usize> {
        self.steps += 1;
        self.now += Duration::from_nanos(self.chance.below(self.step_ns) + 1);
        let beyond = self.steps > self.steps_max || self.now > self.time_max;
        if beyond && self.broken.is_none() {
            self.break_off(Broken::Endless(self.places()));
        }
        let next = loop {
            let ready = self.ready();
            if let Some(next) = self.pick(who, &ready) {
                break next;
            }
            if self.seated.iter().all(|one| one.status == Status::Ended) {
                return None;
            }
            self.pass_time();
        };
        self.seated[next].status = Status::Ready;
        self.holder = next;
        let place = self.seated[next].place.bytes().fold(0, |hash, byte| mix(hash ^ u64::from(byte)));
        self.trace = mix(self.trace ^ mix(next as u64 ^ place) ^ self.now.as_nanos() as u64);
        Some(next)
    }

    /// Who can run.
    fn ready(&self) -> Vec<usize> {
        let can_run = |(who, one): &(usize, &Seated)| match one.status {
            Status::Ended => false,
            _ if self.is_off(*who) => true,
            Status::Ready => true,
            Status::Parked(until) => one.token || until.is_some_and(|until| until <= self.now),
            Status::Asleep(until) => until <= self.now,
            Status::Polling(seen) => seen < self.done,
        };
        self.seated.iter().enumerate().filter(can_run).map(|(who, _)| who).collect()
    }

    fn pick(&mut self, who: usize, ready: &[usize]) -> Option<usize> {
        if ready.is_empty() {
            return None;
        }
        if self.chance.below(PASS_OVER_ONE_IN) == 0 {
            let one = self.chance.below(self.seated.len() as u64) as usize;
            self.passed_over = (one, self.steps + self.chance.below(PASS_OVER_STEPS_MAX));
        }
        let (over, until) = self.passed_over;
        let others: Vec<usize> =
            ready.iter().copied().filter(|one| *one != over || self.steps >= until).collect();
        let among = if others.is_empty() { ready } else { &others };
        if among.contains(&who) && self.chance.below(16) < self.stay {
            return Some(who);
        }
        Some(among[self.chance.below(among.len() as u64) as usize])
    }

    /// Nobody can run: whoever polls looks once more, or the clock goes on, or nothing ever happens again.
    fn pass_time(&mut self) {
        if !self.looked_again {
            self.looked_again = true;
            for one in &mut self.seated {
                if let Status::Polling(seen) = &mut one.status {
                    *seen = 0;
                }
            }
            return;
        }
        let sleeps = self.seated.iter().filter_map(|one| match one.status {
            Status::Parked(until) => until,
            Status::Asleep(until) => Some(until),
            _ => None,
        });
        match sleeps.min() {
            Some(until) => {
                self.now = self.now.max(until);
                self.looked_again = false;
            }
            None => self.break_off(Broken::Deadlock(self.places())),
        }
    }

    /// Ends all threads where they are.
    pub(super) fn break_off(&mut self, why: Broken) {
        self.broken.get_or_insert(why);
        self.off.fill(true);
    }

    /// Where everybody is.
    pub(super) fn places(&self) -> String {
        let mut text = String::new();
        for one in self.seated.iter().filter(|one| one.status != Status::Ended) {
            let _ =
                write!(text, "\n  {} (machine {}): {}, {:?}", one.name, one.machine, one.place, one.status);
        }
        text
    }

    pub(super) fn tell(&mut self, who: usize, what: &str) {
        if self.story.len() == STORY_LINES_MAX {
            self.story.pop_front();
        }
        let (at, name) = (self.now.as_secs_f64() * 1e3, &self.seated[who].name);
        self.story.push_back(format!("{:>9} {at:>12.3} ms  {name:<16} {what}", self.steps));
    }
}
