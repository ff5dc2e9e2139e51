//! What the log and the engine have from their host: threads, sleep, waiting and time, all through here.
//!
//! In production each of these is the system's own, behind one look at a flag of the thread, and only where a thread
//! blocks or a record is made; nothing of it stands on a single command's way. In a thread that [`baton::run`] began,
//! or that one of those began in turn, they are simulated: one thread runs at a time, a seed says which, and time is
//! a number that goes on when nobody has anything to do. So a whole server runs the same way again for the same seed.
//!
//! Whether a thread is simulated is its own flag and is inherited by [`spawn`], so that nothing is passed through.
//!
//! Two rules for whoever is simulated: a lock that is held where its holder may block or make a disk call is taken by
//! [`lock`], and no thread waits for another but through this module. Whoever breaks them stops the simulation with
//! the baton in hand, which is reported after a minute.

pub mod baton;
mod chance;
mod table;

use std::{
    cell::Cell,
    hash::{BuildHasher, RandomState},
    io,
    sync::{
        Mutex, MutexGuard, PoisonError, TryLockError,
        mpsc::{Receiver, RecvError, TryRecvError},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

thread_local! {
    /// Apart from the seat itself, so that a look is one load without a destructor to register.
    static SIMULATED: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is simulated.
#[inline]
pub fn is_simulated() -> bool {
    SIMULATED.get()
}

/// A place where a simulated thread may be made to wait for others. Nothing in production.
#[inline]
pub fn point(place: &'static str) {
    if is_simulated() {
        baton::point(place);
    }
}

/// A thread that may sleep, for whoever wakes it.
#[derive(Clone, Debug)]
pub struct Thread(Who);

#[derive(Clone, Debug)]
enum Who {
    System(thread::Thread),
    Simulated(baton::Seat),
}

impl Thread {
    /// Ends the thread's sleep, or its next one.
    pub fn unpark(&self) {
        match &self.0 {
            Who::System(thread) => thread.unpark(),
            Who::Simulated(seat) => seat.unpark(),
        }
    }

    /// Whether it is the one that asks.
    pub fn is_current(&self) -> bool {
        match &self.0 {
            Who::System(thread) => thread.id() == thread::current().id(),
            Who::Simulated(seat) => seat.is_current(),
        }
    }
}

/// The thread that asks.
pub fn current() -> Thread {
    Thread(match is_simulated() {
        true => Who::Simulated(baton::seat()),
        false => Who::System(thread::current()),
    })
}

/// Sleeps until woken; may also return for nothing.
pub fn park() {
    match is_simulated() {
        true => baton::park(None),
        false => thread::park(),
    }
}

/// Sleeps until woken, or for so long; may also return for nothing.
pub fn park_timeout(timeout: Duration) {
    match is_simulated() {
        true => baton::park(Some(timeout)),
        false => thread::park_timeout(timeout),
    }
}

/// Lets others go on: whoever waits for something that another thread does looks again after this.
pub fn yield_now() {
    match is_simulated() {
        true => {
            baton::poll("yielding");
        }
        false => thread::yield_now(),
    }
}

/// A thread that was begun here.
#[derive(Debug)]
pub struct JoinHandle(Begun);

#[derive(Debug)]
enum Begun {
    System(thread::JoinHandle<()>),
    Simulated(baton::Seat),
}

impl JoinHandle {
    /// Waits for its end, and says whether that was a panic.
    ///
    /// # Errors
    /// What it panicked with.
    pub fn join(self) -> thread::Result<()> {
        match self.0 {
            Begun::System(thread) => thread.join(),
            Begun::Simulated(seat) => seat.join(),
        }
    }

    /// The thread, to wake it.
    pub fn thread(&self) -> Thread {
        Thread(match &self.0 {
            Begun::System(thread) => Who::System(thread.thread().clone()),
            Begun::Simulated(seat) => Who::Simulated(seat.clone()),
        })
    }
}

/// Begins a thread.
///
/// # Errors
/// When the system refuses one.
pub fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle> {
    Ok(JoinHandle(match is_simulated() {
        true => Begun::Simulated(baton::spawn(name, body)?),
        false => Begun::System(thread::Builder::new().name(name.to_owned()).spawn(body)?),
    }))
}

/// What a clock shows that never goes back.
pub fn now() -> Instant {
    match is_simulated() {
        true => baton::now(),
        false => Instant::now(),
    }
}

/// What the clock on the wall shows.
pub fn wall_clock() -> SystemTime {
    match is_simulated() {
        true => baton::wall_clock(),
        false => SystemTime::now(),
    }
}

/// A number that nobody outside can foresee, for the keys of hash tables.
pub fn secret() -> u64 {
    match is_simulated() {
        true => baton::random(),
        false => RandomState::new().hash_one(0),
    }
}

/// Waits for what comes through a channel.
///
/// # Errors
/// When nobody is there any more who could send.
pub fn receive<T>(receiver: &Receiver<T>) -> Result<T, RecvError> {
    if !is_simulated() {
        return receiver.recv();
    }
    baton::point("receiving");
    loop {
        match receiver.try_recv() {
            Ok(received) => return Ok(received),
            Err(TryRecvError::Disconnected) => return Err(RecvError),
            Err(TryRecvError::Empty) if baton::poll("receiving") => {}
            Err(TryRecvError::Empty) => return Err(RecvError),
        }
    }
}

/// Takes a lock whose holders may block. One that a panic left is taken all the same.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    if !is_simulated() {
        return mutex.lock().unwrap_or_else(PoisonError::into_inner);
    }
    baton::point("locking");
    loop {
        match mutex.try_lock() {
            Ok(guard) => return guard,
            Err(TryLockError::Poisoned(error)) => return error.into_inner(),
            Err(TryLockError::WouldBlock) => {
                baton::poll("locking");
            }
        }
    }
}
