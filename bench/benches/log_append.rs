//! The log: admission and append of a record, without waiting for the disk, and with.
//!
//! The disk's speed is not in the first: between runs of a few MiB the bench waits, untimed, until all is durable
//! and there is room. What is behind is released, so that the disk does not fill.

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use suanpan_bench::log::{RunningLog, Waiter, admit, payload};
use suanpan_bench::traffic::FRAME_PAYMENTS;
use suanpan_wal::Lsn;

/// Bytes of a small record.
const SMALL_BYTES: usize = 40;

/// Bytes and records that are appended in one go.
const RUN_BYTES: usize = 8 << 20;
const RUN_RECORDS: usize = 1_024;

/// Bytes of log behind the durable position that may stay.
const BEHIND_BYTES: u64 = 256 << 20;

/// A log that is written by one stream.
struct Desk {
    running: RunningLog,
    waiter: Waiter,
    last: Lsn,
    released: Lsn,
    _folder: tempfile::TempDir,
}

impl Desk {
    fn open() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let running = RunningLog::start(&folder.path().join("log"), 1).expect("an empty log starts");
        let waiter = running.waiter();
        Self { running, waiter, last: Lsn::ZERO, released: Lsn::ZERO, _folder: folder }
    }

    fn settle(&mut self) {
        self.waiter.wait(self.last).expect("the disk takes it");
        if self.last.get() - self.released.get() > BEHIND_BYTES {
            self.running.log.handle().release(self.last);
            self.released = self.last;
        }
        // Room for the next run; dropped unused.
        let _ = admit(&mut self.running.writers[0]).expect("the disk has room");
    }

    /// Appends up to so many records, as long as the log takes them at once; how many.
    fn run(&mut self, payload: &[u8], records: usize) -> usize {
        let writer = &mut self.running.writers[0];
        for done in 0..records {
            match writer.admit() {
                Ok(permit) => self.last = writer.append(permit, payload),
                Err(_) => return done,
            }
        }
        records
    }
}

fn log_append(c: &mut Criterion) {
    let mut group = c.benchmark_group("log_append");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    let full = payload(FRAME_PAYMENTS);
    let mut desk = Desk::open();
    for payload in [&full[..], &full[..SMALL_BYTES]] {
        group.throughput(Throughput::Bytes(payload.len() as u64));
        let run_records = (RUN_BYTES / payload.len()).min(RUN_RECORDS);
        group.bench_function(BenchmarkId::new("append", payload.len()), |b| {
            b.iter_custom(|records| {
                let (mut took, mut left) = (Duration::ZERO, records as usize);
                while left > 0 {
                    desk.settle();
                    let begun = Instant::now();
                    left -= desk.run(payload, left.min(run_records));
                    took += begun.elapsed();
                }
                took
            });
        });
        group.bench_function(BenchmarkId::new("append_durable", payload.len()), |b| {
            b.iter_custom(|records| {
                let mut took = Duration::ZERO;
                for _ in 0..records {
                    desk.settle();
                    let begun = Instant::now();
                    assert_eq!(desk.run(payload, 1), 1, "there was room");
                    desk.waiter.wait(desk.last).expect("the disk takes it");
                    took += begun.elapsed();
                }
                took
            });
        });
    }
    group.finish();
}

criterion_group!(benches, log_append);
criterion_main!(benches);
