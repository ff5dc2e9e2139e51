//! The line to a server that may go down and come up again, as all threads of a race see it.

use std::net::SocketAddr;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

/// How long nothing may happen: far more than the slowest machine needs for one answer or one start.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where the server is, and how far the race has come.
pub(crate) struct Line {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// Where it listens, while it is up.
    address: Option<SocketAddr>,
    /// How often it came up.
    life: u64,
    /// Answers that were read.
    answers: u64,
    /// Nothing new is begun.
    over: bool,
}

/// A server in one of its lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Open {
    pub address: SocketAddr,
    pub life: u64,
}

impl Line {
    pub(crate) fn new() -> Self {
        let state = State { address: None, life: 0, answers: 0, over: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Says that the server is up.
    pub(crate) fn open(&self, address: SocketAddr) {
        let mut state = self.state.lock().unwrap();
        assert!(state.address.is_none());
        (state.address, state.life) = (Some(address), state.life + 1);
        self.changed.notify_all();
    }

    /// Says that the server is down.
    pub(crate) fn close(&self) {
        self.state.lock().unwrap().address = None;
    }

    /// Says that no more is to be begun.
    pub(crate) fn end(&self) {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner).over = true;
        self.changed.notify_all();
    }

    /// Waits until the server is up in a life after `life`; `None` when nothing is to be begun any more.
    pub(crate) fn wait_after(&self, life: u64) -> Option<Open> {
        self.wait(|state| {
            if state.over {
                return Some(None);
            }
            let address = state.address.filter(|_| state.life > life)?;
            Some(Some(Open { address, life: state.life }))
        })
    }

    pub(crate) fn answered(&self) {
        self.state.lock().unwrap().answers += 1;
        self.changed.notify_all();
    }

    pub(crate) fn is_over(&self) -> bool {
        self.state.lock().unwrap().over
    }

    pub(crate) fn answers(&self) -> u64 {
        self.state.lock().unwrap().answers
    }

    /// Waits until so many answers were read; false when the race ended before.
    pub(crate) fn wait_for_answers(&self, answers: u64) -> bool {
        self.wait(|state| {
            let enough = state.answers >= answers;
            (enough || state.over).then_some(enough)
        })
    }

    fn wait<T>(&self, mut done: impl FnMut(&State) -> Option<T>) -> T {
        let mut state = self.state.lock().unwrap();
        loop {
            if let Some(value) = done(&state) {
                return value;
            }
            let answers = state.answers;
            let (again, waited) = self.changed.wait_timeout(state, PATIENCE).unwrap();
            assert!(!waited.timed_out() || again.answers > answers, "nothing happens any more");
            state = again;
        }
    }
}

/// Ends the race when its thread does, also by a panic: nobody waits for it in vain.
pub(crate) struct EndsWithMe<'a>(pub &'a Line);

impl Drop for EndsWithMe<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.end();
        }
    }
}
