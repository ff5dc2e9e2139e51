//! The reply gate under loom, with the log's real writers, committer and waker behind it: no reply before it is durable,
//! none left behind, and *unknown* for all when the log fails. What stands in for memory and disk: `suanpan_wal::modelled`.

use super::*;
use std::sync::Mutex;
use suanpan_core::{MerchantId, Query, Request};
use suanpan_wal::modelled::loom::{self, thread};
use suanpan_wal::modelled::{Disk, Mistake, Start, Thread, check, current, log, park, stop, wake_by_store};
use suanpan_wal::{Hooks, Writer};

/// Whoever asked: counts replies, and looks whether each may be there.
struct Asking {
    log: Mutex<Option<LogHandle>>,
    asker: Thread,
    replies: Mutex<Vec<Reply>>,
}

impl Caller for Asking {
    fn complete(&self, completed: Completed) {
        let log = self.log.lock().unwrap().clone().unwrap();
        let known = completed.replies[0] == Reply::Accrued(7);
        assert!(!known || log.durable() >= completed.as_of, "a reply before it is durable");
        self.replies.lock().unwrap().push(completed.replies[0].clone());
        self.asker.unpark();
    }
}

impl Asking {
    /// Sleeps until so many were answered. If one is left behind, nobody goes on, which loom finds.
    fn wait(&self, replies: usize) {
        while self.replies.lock().unwrap().len() < replies {
            park();
        }
    }
}

/// As the engine's own hooks.
fn hooks(gates: &[Arc<Gate>]) -> Hooks {
    let keeper = Arc::new(loom::sync::Mutex::new(GateKeeper::new(gates.to_vec())));
    let at_failure = keeper.clone();
    Hooks {
        on_durable: Box::new(move |durable| keeper.lock().unwrap().open(durable)),
        on_poison: Box::new(move |_| at_failure.lock().unwrap().fail()),
    }
}

type HandOver = fn(&Gate, Waiting, &LogHandle) -> Result<(), Waiting>;

/// A shard's turn: a record, and the reply that waits for it.
fn serve(writer: &mut Writer, gate: &Gate, log: &LogHandle, asking: &Arc<Asking>, hand_over: HandOver) {
    let Ok(permit) = writer.admit() else {
        asking.replies.lock().unwrap().push(Reply::Rejected(Rejection::Unknown, None));
        asking.asker.unpark();
        return;
    };
    let until = writer.append(permit, &[1; 8]);
    assert!(gate.enter(1, 10));
    let completed = Completed {
        token: 0,
        shard: 0,
        requests: vec![Request::Query(Query::Balances(MerchantId(1)))],
        replies: vec![Reply::Accrued(7)],
        as_of: until,
    };
    let waiting = Waiting { until, batches: vec![(asking.clone(), completed)] };
    assert!(hand_over(gate, waiting, log).is_ok(), "there is room");
}

/// A shard serves a group while the committer runs and somebody else wakes the log; the asker waits for the reply.
fn serving(syncs: Option<u32>, hand_over: HandOver, other: Option<fn(&LogHandle)>) -> Vec<Reply> {
    let start = Start { streams: 1, ..Start::default() };
    let gate = Arc::new(Gate::new());
    let (handle, mut writers, committing) = log(start, &Disk::new(syncs), hooks(std::slice::from_ref(&gate)));
    let asking = Arc::new(Asking {
        log: Mutex::new(Some(handle.clone())),
        asker: current(),
        replies: Mutex::default(),
    });
    let mut threads = vec![thread::spawn(move || committing.run())];
    threads.push(thread::spawn({
        let (gate, asking, log) = (gate.clone(), asking.clone(), handle.clone());
        move || serve(&mut writers[0], &gate, &log, &asking, hand_over)
    }));
    if let Some(other) = other {
        let log = handle.clone();
        threads.push(thread::spawn(move || other(&log)));
    }
    asking.wait(1);
    stop(&handle);
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(gate.outstanding(), 0);
    // The handle and the hooks hold each other otherwise.
    asking.log.lock().unwrap().take();
    asking.replies.lock().unwrap().clone()
}

/// Wakes the log before the group is there to be found.
fn hand_over_waking_first(gate: &Gate, waiting: Waiting, log: &LogHandle) -> Result<(), Waiting> {
    if log.durable() >= waiting.until {
        gate.release(waiting);
        return Ok(());
    }
    log.wake();
    gate.push(waiting)
}

/// Looks whether the log failed before the group is there to be found.
fn hand_over_looking_first(gate: &Gate, waiting: Waiting, log: &LogHandle) -> Result<(), Waiting> {
    let poisoned = log.state() == LogState::Poisoned;
    let pushed = gate.push(waiting);
    log.wake();
    if poisoned {
        gate.fail();
    }
    pushed
}

/// Asks for the hook by a store.
fn hand_over_by_store(gate: &Gate, waiting: Waiting, log: &LogHandle) -> Result<(), Waiting> {
    if log.durable() >= waiting.until {
        gate.release(waiting);
        return Ok(());
    }
    let pushed = gate.push(waiting);
    wake_by_store(log);
    pushed
}

const UNKNOWN: Reply = Reply::Rejected(Rejection::Unknown, None);

#[test]
fn a_reply_comes_when_it_is_durable() {
    check("gate: a shard, the committer, an asker", 2, Mistake::None, || {
        assert_eq!(serving(None, Gate::hand_over, None), [Reply::Accrued(7)]);
    });
}

#[test]
fn a_reply_is_not_overlooked_when_another_asks() {
    check("gate: a shard, another that wakes the log, the committer, an asker", 1, Mistake::None, || {
        assert_eq!(serving(None, Gate::hand_over, Some(LogHandle::wake)), [Reply::Accrued(7)]);
    });
}

#[test]
fn after_a_failed_sync_the_reply_is_unknown() {
    check("gate: a shard, a committer that fails, an asker", 3, Mistake::None, || {
        assert_eq!(serving(Some(0), Gate::hand_over, None), [UNKNOWN]);
    });
}

#[test]
#[should_panic(expected = "a reply before it is durable")]
fn found_a_gate_that_opens_early() {
    check("planted", 2, Mistake::None, || {
        let early = |gate: &Gate, waiting: Waiting, _: &LogHandle| {
            gate.release(waiting);
            Ok(())
        };
        serving(None, early, None);
    });
}

#[test]
#[should_panic(expected = "deadlock")]
fn found_a_wake_up_before_the_push() {
    check("planted", 2, Mistake::None, || {
        serving(None, hand_over_waking_first, None);
    });
}

#[test]
#[should_panic(expected = "deadlock")]
fn found_a_look_before_the_push() {
    check("planted", 2, Mistake::None, || {
        serving(Some(0), hand_over_looking_first, None);
    });
}

#[test]
#[should_panic(expected = "deadlock")]
fn found_an_asking_that_hides_another() {
    check("planted", 2, Mistake::None, || {
        serving(None, hand_over_by_store, Some(wake_by_store));
    });
}
