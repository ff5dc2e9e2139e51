//! What a simulation must be: the same again, without an end only where there is none, and over when it is over.

use super::*;
use crate::host;
use crate::waker::Waker;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{channel, sync_channel};

fn rules(seed: u64) -> Rules {
    Rules {
        seed,
        steps_max: 100_000,
        time_max: Duration::from_secs(10_000),
        wall_clock: Duration::from_secs(1_000),
    }
}

/// Threads that send, receive, lock, sleep and look at the clock; what came of it.
fn busy() -> u64 {
    let (sender, receiver) = sync_channel::<u64>(100);
    let sum = Arc::new(Mutex::new(0));
    let threads: Vec<_> = (0..4)
        .map(|one| {
            let (sender, sum) = (sender.clone(), sum.clone());
            let body = move || {
                for round in 0..10 {
                    host::point("working");
                    sender.send(one).unwrap();
                    let mut sum = host::lock(&sum);
                    // Held where others run.
                    host::point("holding a lock");
                    *sum = *sum * 3 + one;
                    drop(sum);
                    sleep(Duration::from_millis(round * one));
                }
            };
            host::spawn(&format!("one-{one}"), body).unwrap()
        })
        .collect();
    drop(sender);
    let mut received = 0u64;
    while let Ok(one) = host::receive(&receiver) {
        received = received.wrapping_mul(5).wrapping_add(one);
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    tell("all have ended");
    let sum: u64 = *host::lock(&sum);
    received ^ sum ^ u64::try_from(elapsed().as_nanos()).unwrap()
}

#[test]
fn a_seed_is_the_same_again_and_another_is_not() {
    let of = |seed| {
        let run = run(rules(seed), busy);
        (run.outcome.unwrap(), run.steps, run.took, run.trace, run.story)
    };
    for seed in 0..20 {
        let first = of(seed);
        assert_eq!(first, of(seed));
        assert_ne!(first.3, of(seed + 1).3);
        assert!(first.2 >= Duration::from_millis(3 * 45), "{first:?}");
    }
}

#[test]
fn threads_that_wait_for_each_other_are_named() {
    let run = run(rules(1), || {
        let (never, waits) = channel::<()>();
        let parked = host::spawn("sleeper", || {
            loop {
                host::park();
            }
        });
        let _ = host::receive(&waits);
        drop(never);
        parked.unwrap().join().unwrap();
    });
    let Err(Broken::Deadlock(places)) = run.outcome else { panic!("{:?}", run.outcome) };
    assert!(places.contains("sleeper (machine 0): sleeping"), "{places}");
    assert!(places.contains("world (machine 0): receiving"), "{places}");
    assert_eq!(run.panics, []);
}

#[test]
fn going_in_circles_has_an_end() {
    let run = run(rules(1), || {
        loop {
            point("going round");
        }
    });
    assert!(matches!(run.outcome, Err(Broken::Endless(_))));
}

/// A wake-up that is not lost, and one that is because its sleeper does not look once more.
#[test]
fn a_lost_wake_up_is_found() {
    let sleeps = |looks: bool| {
        move || {
            let (waker, made) = (Arc::new(Waker::default()), Arc::new(AtomicBool::new(false)));
            let (wakes, makes) = (waker.clone(), made.clone());
            let maker = host::spawn("maker", move || {
                makes.store(true, Ordering::SeqCst);
                wakes.wake();
            });
            waker.register();
            while !made.load(Ordering::SeqCst) {
                waker.sleep(None, || looks && made.load(Ordering::SeqCst));
            }
            maker.unwrap().join().unwrap();
        }
    };
    let found = |looks| (0..40).filter(|&seed| run(rules(seed), sleeps(looks)).outcome.is_err()).count();
    assert_eq!(found(true), 0);
    assert!(found(false) > 0);
}

/// Counts those of its kind that are dropped.
struct Counted(Arc<AtomicU64>);

impl Drop for Counted {
    fn drop(&mut self) {
        // A destructor may ask for anything; it comes to nothing.
        host::park();
        host::yield_now();
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_machine_is_switched_off_as_a_whole_and_others_go_on() {
    for seed in 0..20 {
        let run = run(rules(seed), || {
            let dropped = Arc::new(AtomicU64::new(0));
            let held = dropped.clone();
            let machine = machine("server", move || {
                for _ in 0..3 {
                    let held = Counted(held.clone());
                    let body = move || {
                        let _held = held;
                        // What a panic would be told to is not told anything.
                        let _ = catch_unwind(AssertUnwindSafe(|| {
                            loop {
                                host::park();
                            }
                        }));
                        point("after");
                        panic!("a thread that is off runs on");
                    };
                    host::spawn("part", body).unwrap();
                }
                sleep(Duration::from_millis(5));
                switch_off();
                panic!("a thread that is off runs on");
            });
            let machine = machine.unwrap();
            machine.wait();
            assert!(machine.is_off());
            dropped.load(Ordering::SeqCst)
        });
        assert_eq!((run.outcome, run.panics), (Ok(3), vec![]));
    }
}

#[test]
fn a_panic_is_told_and_stops_nobody_else() {
    let run = run(rules(3), || {
        let panics = host::spawn("panics", || panic!("in vain")).unwrap();
        let left_behind = host::spawn("left behind", || {
            loop {
                sleep(Duration::from_secs(1));
            }
        });
        drop(left_behind);
        panics.join().is_err()
    });
    assert_eq!(run.outcome, Ok(true));
    assert_eq!(run.panics, [("panics".to_owned(), "in vain".to_owned())]);
    let first = super::run(rules(3), || -> u8 { panic!("at once") });
    assert_eq!(first.outcome, Err(Broken::Panicked("at once".to_owned())));
}

#[test]
fn clocks_go_on_while_all_sleep() {
    let run = run(rules(1), || {
        let (wall, now) = (host::wall_clock(), host::now());
        sleep(Duration::from_secs(3_600));
        let slept = host::now() - now;
        assert!((3_600..3_601).contains(&slept.as_secs()));
        assert!(host::wall_clock().duration_since(wall).unwrap() >= slept);
        wall.duration_since(UNIX_EPOCH).unwrap().as_secs()
    });
    assert_eq!(run.outcome, Ok(1_000));
}
