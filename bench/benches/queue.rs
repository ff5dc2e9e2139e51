//! The way into a shard and back: `Engine::submit` of batches of one query, to their completion.
//!
//! The engine's queue is its own business and cannot be had bare. What is timed here is the hand-over through it,
//! the waking of the shard's thread, one look, and the hand-back by a standard channel. Nothing is written, so no
//! disk is in it: a look at what is durable leaves at once.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use suanpan_bench::recovery::{Feed, Mailbox, start};
use suanpan_bench::traffic::merchants;
use suanpan_core::{Query, Request};
use suanpan_engine::{Batch, Completed, Engine};

fn submit(
    engine: &Engine,
    mailbox: &Arc<Mailbox>,
    (requests, mut replies): (Vec<Request>, Vec<suanpan_core::Reply>),
) {
    replies.clear();
    let batch = Batch { requests, replies, token: 0, caller: mailbox.clone() };
    if let Err(refused) = engine.submit(0, batch) {
        panic!("a queue with room refused: {:?}", refused.why);
    }
}

fn take(completed: &Receiver<Completed>) -> (Vec<Request>, Vec<suanpan_core::Reply>) {
    let Completed { requests, replies, .. } = completed.recv().expect("the engine answers");
    (requests, replies)
}

fn queue(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let engine = start(folder.path()).expect("an engine starts on an empty folder");
    Feed::new(&engine).set_up().expect("the traffic is set up on an empty engine");
    let here = merchants().map(|terms| terms.merchant).find(|&merchant| engine.shard_of(merchant) == 0);
    let query = Request::Query(Query::Balances(here.expect("some merchant lives in the first shard")));
    let (sender, completed) = channel();
    let mailbox = Arc::new(Mailbox(sender));

    let mut group = c.benchmark_group("queue");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    for in_flight in [1, 64, 1_024] {
        group.throughput(Throughput::Elements(in_flight));
        group.bench_function(BenchmarkId::new("batches_in_flight", in_flight), |b| {
            let mut spare: Vec<_> = (0..in_flight).map(|_| (vec![query.clone()], Vec::new())).collect();
            b.iter(|| {
                for vectors in spare.drain(..) {
                    submit(&engine, &mailbox, vectors);
                }
                spare.extend((0..in_flight).map(|_| take(&completed)));
            });
        });
    }
    group.finish();
    engine.stop().expect("the engine stops in order");
}

criterion_group!(benches, queue);
criterion_main!(benches);
