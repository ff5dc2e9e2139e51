//! The rules alone, on one thread: batches of 8,190 commands applied to a ledger that fills up, as a shard does it
//! (the cache lines of sixteen commands asked for together). Making the commands is not timed.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use suanpan_bench::traffic::{self, FRAME_PAYMENTS, Spread, apply, payment, refund};
use suanpan_core::{Command, Ledger};

/// Orders after which payments begin again with an empty ledger: what one shard of a busy day has.
const ORDERS_MAX: u64 = 3_000_000;

/// Orders that refunds and repeats find; a power of two, so that they are taken in a scattered order.
const ORDERS: u64 = 1 << 20;

const FRAME: u64 = FRAME_PAYMENTS as u64;

fn take(ledger: &mut Ledger, commands: &[Command]) -> Duration {
    let begun = Instant::now();
    let changed = apply(ledger, commands);
    let took = begun.elapsed();
    assert_eq!(changed, commands.len(), "every command was fresh");
    took
}

fn payments(spread: Spread, from: u64) -> Vec<Command> {
    (from..from + FRAME).map(|place| Command::Payment(payment(spread, place))).collect()
}

/// A ledger with [`ORDERS`] orders and some more.
fn filled() -> Ledger {
    let mut ledger = traffic::ledger();
    for from in (0..ORDERS).step_by(FRAME_PAYMENTS) {
        take(&mut ledger, &payments(Spread::Uniform, from));
    }
    ledger
}

/// The next frame's places, each of [`ORDERS`] once before any comes again.
fn scattered(from: u64) -> impl Iterator<Item = u64> {
    (from..from + FRAME).map(|place| place.wrapping_mul(0x9E37_79B9_7F4A_7C15) % ORDERS)
}

fn core_apply(c: &mut Criterion) {
    let mut group = c.benchmark_group("core_apply");
    group.sample_size(10).sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(FRAME));
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    for (name, spread) in [("payments/uniform", Spread::Uniform), ("payments/hot", Spread::Hot)] {
        let (mut ledger, mut next) = (traffic::ledger(), 0);
        group.bench_function(name, |b| {
            b.iter_custom(|frames| {
                let mut took = Duration::ZERO;
                for _ in 0..frames {
                    if next + FRAME > ORDERS_MAX {
                        (ledger, next) = (traffic::ledger(), 0);
                    }
                    took += take(&mut ledger, &payments(spread, next));
                    next += FRAME;
                }
                took
            });
        });
    }
    let (mut ledger, mut next) = (filled(), 0);
    group.bench_function("repeats", |b| {
        b.iter_custom(|frames| {
            let mut took = Duration::ZERO;
            for _ in 0..frames {
                let commands: Vec<Command> =
                    scattered(next).map(|place| Command::Payment(payment(Spread::Uniform, place))).collect();
                let begun = Instant::now();
                assert_eq!(black_box(apply(&mut ledger, &commands)), 0, "nothing changes twice");
                took += begun.elapsed();
                next += FRAME;
            }
            took
        });
    });
    next = 0;
    group.bench_function("refunds", |b| {
        b.iter_custom(|frames| {
            let mut took = Duration::ZERO;
            for _ in 0..frames {
                if next + FRAME > ORDERS {
                    (ledger, next) = (filled(), 0);
                }
                let commands: Vec<Command> =
                    scattered(next).map(|place| Command::Refund(refund(Spread::Uniform, place))).collect();
                took += take(&mut ledger, &commands);
                next += FRAME;
            }
            took
        });
    });
    group.finish();
}

criterion_group!(benches, core_apply);
criterion_main!(benches);
