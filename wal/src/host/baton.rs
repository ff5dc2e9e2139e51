//! The baton: simulated threads, of which only the one that holds it runs.
//!
//! Each is a thread of the system's, so that the code that runs is the code that runs in production, whatever it keeps on
//! its stack. At each point (`table.rs`) the baton goes to whom the seed says. Threads belong to *machines*; a machine that
//! is switched off takes its threads along: each ends at the point where it is, by unwinding with a payload of our own.
//! What its destructors then ask for comes to nothing: sleeps end at once, and whoever waited hears that nobody is there.

use super::SIMULATED;
use super::table::{Status, Table};
use std::{
    any::Any,
    cell::RefCell,
    io,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

pub use super::table::Broken;

/// After so long without a step somebody blocks with the baton in hand, which no seed is to blame for.
const STUCK: Duration = Duration::from_secs(60);

thread_local! {
    static SEAT: RefCell<Option<Seat>> = const { RefCell::new(None) };
}

/// How a simulation runs.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// What all chance comes from.
    pub seed: u64,
    /// A run with more steps is broken off: somebody goes in circles.
    pub steps_max: u64,
    /// So is one that takes longer by its own clock.
    pub time_max: Duration,
    /// Where the clock on the wall begins.
    pub wall_clock: Duration,
}

/// What came of a run.
#[derive(Debug)]
pub struct Run<T> {
    /// What the first thread returned.
    pub outcome: Result<T, Broken>,
    /// The points that were passed.
    pub steps: u64,
    /// How long it took, by its own clock.
    pub took: Duration,
    /// A hash over who ran when: the same seed has the same.
    pub trace: u64,
    /// What was told with [`tell`], the last of it.
    pub story: Vec<String>,
    /// The threads that panicked, each with its words; those of a machine that was switched off did not.
    pub panics: Vec<(String, String)>,
}

/// What all simulated threads share.
struct Room {
    table: Mutex<Table>,
    /// The system's threads, to be joined at the end.
    threads: Mutex<Vec<thread::JoinHandle<()>>>,
    over: Condvar,
    begun: Instant,
    wall_clock: Duration,
}

/// A simulated thread's place.
#[derive(Clone)]
pub struct Seat {
    room: Arc<Room>,
    who: usize,
}

/// Threads that are switched off together: a server, say.
#[derive(Clone)]
pub struct Machine {
    room: Arc<Room>,
    number: usize,
}

/// What a thread unwinds with whose machine was switched off.
struct SwitchedOff;

/// A lock that is held for a few lines which do not panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `first` and all that it begins, and waits until all of them are over. When `first` has ended the others are
/// switched off.
///
/// # Panics
/// When a thread blocks with the baton in hand, or the system refuses one.
pub fn run<T: Send + 'static>(rules: Rules, first: impl FnOnce() -> T + Send + 'static) -> Run<T> {
    let room = Arc::new(Room {
        table: Mutex::new(Table::new(rules.seed, rules.steps_max, rules.time_max)),
        threads: Mutex::default(),
        over: Condvar::new(),
        begun: Instant::now(),
        wall_clock: rules.wall_clock,
    });
    let returned = Arc::new(Mutex::new(None));
    let returns = returned.clone();
    let begun = begin(&room, "world", 0, move || {
        let value = first();
        *lock(&returns) = Some(value);
        // The table is not asked for a turn any more: whoever is left ends.
        lock(&seat().room.table).off.fill(true);
    });
    begun.expect("the system has a thread for the simulation");
    wait_until_over(&room);
    for thread in std::mem::take(&mut *lock(&room.threads)) {
        // What it panicked with stands in the table.
        let _ = thread.join();
    }
    let mut table = lock(&room.table);
    let panics: Vec<(String, String)> =
        table.seated.iter().filter_map(|one| Some((one.name.clone(), one.panic.clone()?))).collect();
    let value = lock(&returned).take();
    let outcome = match (table.broken.take(), value) {
        (Some(broken), _) => Err(broken),
        (None, Some(value)) => Ok(value),
        (None, None) => Err(Broken::Panicked(panics.first().map_or_else(String::new, |one| one.1.clone()))),
    };
    let story = std::mem::take(&mut table.story).into();
    Run { outcome, steps: table.steps, took: table.now, trace: table.trace, story, panics }
}

fn wait_until_over(room: &Room) {
    let mut table = lock(&room.table);
    let mut steps = 0;
    while table.seated.iter().any(|one| one.status != Status::Ended) {
        let (again, waited) = room.over.wait_timeout(table, STUCK).unwrap_or_else(PoisonError::into_inner);
        table = again;
        if waited.timed_out() {
            let holder = &table.seated[table.holder].name;
            assert!(table.steps > steps, "{holder} blocks with the baton in hand:{}", table.places());
            steps = table.steps;
        }
    }
}

/// Seats a thread and has the system begin it; it runs when it is given the baton.
fn begin(
    room: &Arc<Room>,
    name: &str,
    machine: usize,
    body: impl FnOnce() + Send + 'static,
) -> io::Result<Seat> {
    // Held, so that the thread finds its seat.
    let mut table = lock(&room.table);
    let seat = Seat { room: room.clone(), who: table.seated.len() };
    let own = seat.clone();
    let thread = thread::Builder::new().name(name.to_owned()).spawn(move || own.sit(body))?;
    table.seat(name.to_owned(), machine);
    drop(table);
    lock(&room.threads).push(thread);
    Ok(seat)
}

impl Seat {
    /// The life of a simulated thread.
    fn sit(self, body: impl FnOnce()) {
        let seat = self.clone();
        SIMULATED.set(true);
        SEAT.set(Some(seat));
        let ended = catch_unwind(AssertUnwindSafe(|| {
            drop(self.wait_for_turn(lock(&self.room.table)));
            self.end_if_off();
            body();
        }));
        let words = ended.err().filter(|what| !what.is::<SwitchedOff>()).map(|what| words_of(&*what));
        // From here on this thread does nothing that another would see.
        SIMULATED.set(false);
        let mut table = lock(&self.room.table);
        table.seated[self.who].panic = words;
        table.seated[self.who].status = Status::Ended;
        table.do_something();
        match table.next(self.who) {
            Some(next) => table.seated[next].turn.notify_one(),
            None => self.room.over.notify_all(),
        }
    }

    /// Waits for this thread's turn.
    fn wait_for_turn<'a>(&'a self, mut table: MutexGuard<'a, Table>) -> MutexGuard<'a, Table> {
        let turn = table.seated[self.who].turn.clone();
        while table.holder != self.who {
            table = turn.wait(table).unwrap_or_else(PoisonError::into_inner);
        }
        table
    }

    /// Passes the baton on, with `status` until it comes back.
    fn pass(&self, place: &'static str, status: impl FnOnce(&mut Table) -> Status) {
        let mut table = lock(&self.room.table);
        let status = status(&mut table);
        let own = &mut table.seated[self.who];
        (own.status, own.place) = (status, place);
        let next = table.next(self.who).expect("whoever passes the baton on is there");
        if next != self.who {
            table.seated[next].turn.notify_one();
            table = self.wait_for_turn(table);
        }
        if let Status::Parked(_) = status {
            table.seated[self.who].token = false;
        }
    }

    fn is_off(&self) -> bool {
        lock(&self.room.table).is_off(self.who)
    }

    /// Ends this thread if its machine is off; whether it is and the thread is at its end already.
    fn end_if_off(&self) -> bool {
        if !self.is_off() {
            return false;
        }
        if !thread::panicking() {
            resume_unwind(Box::new(SwitchedOff));
        }
        true
    }

    /// A point: others may run. Nothing in a thread that is at its end.
    fn point(&self, place: &'static str, status: Status) {
        if self.end_if_off() {
            return;
        }
        self.pass(place, |table| {
            table.do_something();
            status
        });
        self.end_if_off();
    }

    pub(super) fn is_current(&self) -> bool {
        SEAT.with_borrow(|own| own.as_ref().is_some_and(|own| own.who == self.who))
    }

    pub(super) fn unpark(&self) {
        lock(&self.room.table).seated[self.who].token = true;
        // From outside there is nothing to hand on.
        super::point("waking");
    }

    pub(super) fn join(self) -> thread::Result<()> {
        point("joining");
        loop {
            let table = lock(&self.room.table);
            let one = &table.seated[self.who];
            if one.status == Status::Ended {
                return one.panic.clone().map_or(Ok(()), |words| Err(Box::new(words)));
            }
            drop(table);
            // Nobody waits in a thread that is at its end: the other ends as well.
            if !poll("joining") {
                return Ok(());
            }
        }
    }
}

impl std::fmt::Debug for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Seat").field(&self.who).finish()
    }
}

fn words_of(panic: &(dyn Any + Send)) -> String {
    let words = panic.downcast_ref::<String>().cloned();
    let words = words.or_else(|| panic.downcast_ref::<&str>().map(|words| (*words).to_owned()));
    words.unwrap_or_else(|| "a panic without words".to_owned())
}

/// The seat of the thread that asks.
pub(super) fn seat() -> Seat {
    SEAT.with_borrow(|seat| seat.clone()).expect("only asked in a simulated thread")
}

pub(super) fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<Seat> {
    let own = seat();
    let machine = lock(&own.room.table).seated[own.who].machine;
    let begun = begin(&own.room, name, machine, body)?;
    own.point("beginning a thread", Status::Ready);
    Ok(begun)
}

/// Lets others run, if the seed will have it.
pub fn point(place: &'static str) {
    seat().point(place, Status::Ready);
}

/// Waits until others have done something; false in a thread that is at its end, for which nobody will.
pub fn poll(place: &'static str) -> bool {
    let own = seat();
    if own.end_if_off() {
        // What it waits for may be a lock of another that is at its end: that one runs meanwhile.
        own.pass(place, |_| Status::Ready);
        return false;
    }
    own.pass(place, |table| table.polling());
    !own.end_if_off()
}

/// Waits until something is so.
pub fn wait_until(place: &'static str, is_so: impl Fn() -> bool) {
    point(place);
    while !is_so() {
        if !poll(place) {
            return;
        }
    }
}

pub(super) fn park(timeout: Option<Duration>) {
    let own = seat();
    let until = timeout.map(|timeout| lock(&own.room.table).now.saturating_add(timeout));
    own.point("sleeping", Status::Parked(until));
}

/// Sleeps for so long, whoever wakes this thread meanwhile.
pub fn sleep(time: Duration) {
    let own = seat();
    let until = lock(&own.room.table).now.saturating_add(time);
    own.point("sleeping", Status::Asleep(until));
}

/// How long the simulation has run, by its own clock.
pub fn elapsed() -> Duration {
    lock(&seat().room.table).now
}

pub(super) fn now() -> Instant {
    let own = seat();
    let now = lock(&own.room.table).now;
    own.room.begun + now
}

pub(super) fn wall_clock() -> SystemTime {
    let own = seat();
    own.point("looking at the clock", Status::Ready);
    let now = lock(&own.room.table).now;
    UNIX_EPOCH + own.room.wall_clock + now
}

/// A number by the seed.
pub fn random() -> u64 {
    lock(&seat().room.table).chance.next()
}

/// The points passed so far.
pub fn steps() -> u64 {
    lock(&seat().room.table).steps
}

/// Adds a line to the story.
pub fn tell(what: &str) {
    let own = seat();
    lock(&own.room.table).tell(own.who, what);
}

/// Begins a machine of its own with its first thread. Whatever that begins belongs to it.
///
/// # Errors
/// When the system refuses a thread.
pub fn machine(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<Machine> {
    let own = seat();
    let number = {
        let mut table = lock(&own.room.table);
        table.off.push(false);
        table.off.len() - 1
    };
    begin(&own.room, name, number, body)?;
    own.point("beginning a machine", Status::Ready);
    Ok(Machine { room: own.room, number })
}

/// Switches the machine off that the asking thread belongs to, and ends this thread.
pub fn switch_off() {
    let own = seat();
    let machine = lock(&own.room.table).seated[own.who].machine;
    Machine { room: own.room, number: machine }.switch_off();
}

impl Machine {
    /// Ends all its threads where they are.
    pub fn switch_off(&self) {
        lock(&self.room.table).off[self.number] = true;
        point("switching off");
    }

    /// Whether it was switched off.
    pub fn is_off(&self) -> bool {
        lock(&self.room.table).off[self.number]
    }

    /// Waits until all its threads have ended.
    pub fn wait(&self) {
        let lives = |one: &super::table::Seated| one.machine == self.number && one.status != Status::Ended;
        wait_until("waiting for a machine", || !lock(&self.room.table).seated.iter().any(lives));
    }
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Machine").field(&self.number).finish()
    }
}

#[cfg(test)]
mod tests;
