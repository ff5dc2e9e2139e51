//! The binary protocol's bytes: finding a frame (its checksum is over all of it), validating and reading its body,
//! and writing frames; of 8,190 payments and of one.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use suanpan_bench::traffic::{FRAME_PAYMENTS, Spread, payment};
use suanpan_core::{Command, Receipt, Reply, Request};
use suanpan_net::wire::{first_frame, read_replies, read_requests, write_replies, write_requests};

fn frame_decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("frame");
    group.sample_size(20).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    for count in [FRAME_PAYMENTS, 1] {
        group.throughput(Throughput::Elements(count as u64));
        let payments: Vec<_> = (0..count as u64).map(|place| payment(Spread::Uniform, place)).collect();
        let replies: Vec<Reply> = payments
            .iter()
            .map(|payment| Receipt::Payment { repeat: false, fees: 6, net: payment.amount - 6 })
            .map(Reply::Done)
            .collect();
        let requests: Vec<Request> =
            payments.into_iter().map(|payment| Request::Command(Command::Payment(payment))).collect();
        let (mut request_frame, mut reply_frame) = (Vec::new(), Vec::new());
        write_requests(1, &requests, &mut request_frame).expect("it fits a frame");
        write_replies(1, 99, &replies, &mut reply_frame).expect("it fits a frame");

        group.bench_function(BenchmarkId::new("find", count), |b| {
            b.iter(|| first_frame(black_box(&request_frame)).map(|found| found.is_some()));
        });
        let mut taken_requests = Vec::with_capacity(count);
        group.bench_function(BenchmarkId::new("read_requests", count), |b| {
            b.iter(|| {
                taken_requests.clear();
                let (header, body) = first_frame(black_box(&request_frame)).ok().flatten().expect("a frame");
                read_requests(&header, body, |request| taken_requests.push(request))
            });
        });
        assert_eq!(taken_requests, requests);
        let mut taken_replies = Vec::with_capacity(count);
        group.bench_function(BenchmarkId::new("read_replies", count), |b| {
            b.iter(|| {
                taken_replies.clear();
                let (header, body) = first_frame(black_box(&reply_frame)).ok().flatten().expect("a frame");
                read_replies(&header, body, |reply| taken_replies.push(reply))
            });
        });
        assert_eq!(taken_replies, replies);
        let mut out = Vec::with_capacity(request_frame.len());
        group.bench_function(BenchmarkId::new("write_requests", count), |b| {
            b.iter(|| {
                out.clear();
                write_requests(1, black_box(&requests), &mut out)
            });
        });
        group.bench_function(BenchmarkId::new("write_replies", count), |b| {
            b.iter(|| {
                out.clear();
                write_replies(1, 99, black_box(&replies), &mut out)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, frame_decode);
criterion_main!(benches);
