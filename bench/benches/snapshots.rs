//! What snapshots and the cold store cost and give, in one process: payments at full rate with and without a snapshot being
//! taken, how long it holds a shard, a restart from it, and memory when most orders have left for the disk.
//!
//! ```text
//! cargo bench -p suanpan-bench --bench snapshots -- --orders 10000000            a snapshot at full rate, a restart
//! cargo bench -p suanpan-bench --bench snapshots -- --cold --orders 20000000     memory, and refunds of cold orders
//! ```

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Parser;
use suanpan_bench::BenchError;
use suanpan_bench::traffic::{self, DATE, FRAME_PAYMENTS, Spread};
use suanpan_core::{Command, Number, Receipt, Reply, Request, Run, SetDate, Settlement};
use suanpan_engine::{Batch, Caller, Completed, Engine, EngineConfig};

/// What snapshots and the cold store cost and give.
#[derive(Debug, Parser)]
struct Options {
    /// Orders in all
    #[arg(long, value_name = "N", default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(1_000_000..=100_000_000))]
    orders: u64,
    /// Let orders leave memory day by day, and refund some that have
    #[arg(long)]
    cold: bool,
    /// Orders of one day, with --cold
    #[arg(long, value_name = "N", default_value_t = 500_000, value_parser = clap::value_parser!(u64).range(10_000..=10_000_000))]
    day: u64,
    /// Given by cargo bench; means nothing
    #[arg(long, hide = true)]
    bench: bool,
}

/// Frames under way at once.
const IN_FLIGHT: usize = 8;

/// Orders before a round, and how many rounds there are.
const BEGIN_ORDERS: u64 = 5_000_000;
const ROUNDS: usize = 3;

/// Cold orders that are refunded one by one.
const REFUNDS: u64 = 5_000;

fn main() {
    let options = Options::parse();
    let outcome = if options.cold { cold(&options) } else { full_rate(&options) };
    if let Err(error) = outcome {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

struct Inbox(Mutex<Sender<Completed>>);

impl Caller for Inbox {
    fn complete(&self, completed: Completed) {
        // Nobody listens any more only at the end.
        let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).send(completed);
    }
}

/// A line of payments, the next always the one behind the last.
struct Line<'a> {
    engine: &'a Engine,
    inbox: Arc<Inbox>,
    answers: Receiver<Completed>,
    next: u64,
}

impl<'a> Line<'a> {
    fn new(engine: &'a Engine, next: u64) -> Self {
        let (sender, answers) = channel();
        Self { engine, inbox: Arc::new(Inbox(Mutex::new(sender))), answers, next }
    }

    /// Sends payments up to a place, or until it is time; gives how many.
    fn pay(&mut self, to: u64, until: Option<Instant>) -> u64 {
        let (first, mut under_way) = (self.next, 0);
        let more = |next: u64| next < to && until.is_none_or(|until| Instant::now() < until);
        while more(self.next) || under_way > 0 {
            while more(self.next) && under_way < IN_FLIGHT {
                under_way += self.frame(to);
            }
            if let Ok(completed) = self.answers.recv() {
                under_way -= 1;
                let fresh =
                    |reply: &Reply| matches!(reply, Reply::Done(Receipt::Payment { repeat: false, .. }));
                assert!(completed.replies.iter().all(fresh), "every payment is fresh and taken");
            }
        }
        self.next - first
    }

    /// Sends a frame's payments to the shards they belong to; gives how many batches that were.
    fn frame(&mut self, to: u64) -> usize {
        let shards = usize::from(self.engine.shards());
        let mut batches: Vec<Vec<Request>> = vec![Vec::with_capacity(FRAME_PAYMENTS); shards];
        for place in self.next..to.min(self.next + FRAME_PAYMENTS as u64) {
            let payment = traffic::payment(Spread::Uniform, place);
            let shard = self.engine.shard_of(payment.merchant);
            batches[usize::from(shard)].push(Request::Command(Command::Payment(payment)));
            self.next = place + 1;
        }
        let mut sent = 0;
        for (shard, requests) in (0..).zip(batches) {
            if !requests.is_empty() {
                self.send(shard, requests);
                sent += 1;
            }
        }
        sent
    }

    fn send(&self, shard: u16, requests: Vec<Request>) {
        let mut batch = Batch { requests, replies: Vec::new(), token: 0, caller: self.inbox.clone() };
        while let Err(refused) = self.engine.submit(shard, batch) {
            batch = refused.batch;
            std::thread::yield_now();
        }
    }

    /// One request, and how long its answer took.
    fn ask(&self, request: Request) -> (Reply, Duration) {
        let shard = match &request {
            Request::Command(command) => {
                command.merchant().map_or(0, |merchant| self.engine.shard_of(merchant))
            }
            _ => 0,
        };
        let begun = Instant::now();
        self.send(shard, vec![request]);
        match self.answers.recv().map(|completed| completed.replies.into_iter().next()) {
            Ok(Some(reply)) => (reply, begun.elapsed()),
            _ => (Reply::Rejected(suanpan_core::Rejection::Unknown, None), begun.elapsed()),
        }
    }
}

fn start(dir: &Path, hot_days: u16) -> Result<Engine, BenchError> {
    let config = EngineConfig {
        snapshot_log_bytes: None,
        snapshot_every: None,
        hot_days,
        ..EngineConfig::new(dir, DATE)
    };
    Engine::start(&config, |reason| eprintln!("{reason}")).map_err(BenchError::from)
}

fn set_up(engine: &Engine) {
    let put = engine.command_all(Command::PutChannel(Box::new(traffic::channel())));
    assert!(matches!(put, Reply::Done(_)), "{put:?}");
    let line = Line::new(engine, 0);
    for terms in traffic::merchants() {
        let (reply, _) = line.ask(Request::Command(Command::PutMerchant(Box::new(terms))));
        assert!(matches!(reply, Reply::Done(_)), "{reply:?}");
    }
}

fn full_rate(options: &Options) -> Result<(), BenchError> {
    println!(
        "payments at full rate behind {BEGIN_ORDERS} orders, as many with a snapshot being taken as without:"
    );
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        ratios.push(round()?);
    }
    ratios.sort_by(f64::total_cmp);
    println!("  median {:+.1} %", (ratios[ratios.len() / 2] - 1.0) * 100.0);
    restarts(options.orders)
}

/// How much of the throughput is left while a snapshot is taken: the same payments, on a fresh engine each, since more
/// orders are slower by themselves.
fn round() -> Result<f64, BenchError> {
    let (home, other) = (folder()?, folder()?);
    let engine = begun(home.path())?;
    let mut line = Line::new(&engine, BEGIN_ORDERS);
    let begin = Instant::now();
    let (taken, paid) = std::thread::scope(|scope| {
        let snapshot = scope.spawn(|| engine.snapshot());
        let mut paid = 0;
        while !snapshot.is_finished() {
            paid += line.pay(u64::MAX, Some(Instant::now() + Duration::from_millis(100)));
        }
        (snapshot.join(), paid)
    });
    let with = begin.elapsed();
    let Ok(Ok(taken)) = taken else { return Err(BenchError::Answer("no snapshot".to_owned())) };
    let held = engine.holds().longest;
    drop(engine);
    let engine = begun(other.path())?;
    let mut line = Line::new(&engine, BEGIN_ORDERS);
    let begin = Instant::now();
    line.pay(BEGIN_ORDERS + paid, None);
    let without = begin.elapsed();
    let ratio = without.as_secs_f64() / with.as_secs_f64();
    println!(
        "  {paid} payments: {:.2} M/s with, {:.2} M/s without ({:+.1} %); {} orders, {} MiB in {:.1} s; a shard stood still \
         for {:.2} ms at most",
        paid as f64 / with.as_secs_f64() / 1e6,
        paid as f64 / without.as_secs_f64() / 1e6,
        (ratio - 1.0) * 100.0,
        taken.orders,
        taken.bytes >> 20,
        taken.took.as_secs_f64(),
        held.as_secs_f64() * 1e3,
    );
    Ok(ratio)
}

fn folder() -> Result<tempfile::TempDir, BenchError> {
    tempfile::tempdir().map_err(BenchError::io("a temporary folder"))
}

/// An engine with the orders that a round begins behind.
fn begun(dir: &Path) -> Result<Engine, BenchError> {
    let engine = start(dir, 7)?;
    set_up(&engine);
    Line::new(&engine, 0).pay(BEGIN_ORDERS, None);
    Ok(engine)
}

fn restarts(orders: u64) -> Result<(), BenchError> {
    let home = folder()?;
    let engine = start(home.path(), 7)?;
    set_up(&engine);
    Line::new(&engine, 0).pay(orders, None);
    let taken = engine.snapshot().map_err(|error| BenchError::Answer(error.to_string()))?;
    println!("{} orders, nothing else to do: a snapshot in {:.1} s", taken.orders, taken.took.as_secs_f64());
    engine.stop().map_err(BenchError::Answer)?;
    drop(engine);
    for _ in 0..3 {
        let engine = start(home.path(), 7)?;
        let recovered = engine.recovered();
        println!(
            "restart: {} orders from the snapshot and {} commands in {:.2} s",
            recovered.orders,
            recovered.commands,
            recovered.took.as_secs_f64()
        );
    }
    Ok(())
}

/// What is resident, in MiB.
fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) >> 10
}

fn cold(options: &Options) -> Result<(), BenchError> {
    let home = folder()?;
    let engine = start(home.path(), 1)?;
    set_up(&engine);
    let mut line = Line::new(&engine, 0);
    println!("orders      in memory   resident");
    for day in 0..options.orders.div_ceil(options.day) {
        line.pay(options.orders.min((day + 1) * options.day), None);
        let date = DATE.plus_days(u32::try_from(day).unwrap_or(0) + 1);
        let cut = engine.command_all(Command::SetDate(SetDate { date, cut: true }));
        assert!(matches!(cut, Reply::Done(_)), "{cut:?}");
        let batch_no: Number =
            format!("S{day}").parse().map_err(|_| BenchError::Answer("a number".to_owned()))?;
        let _ = engine.run(Run::Settlement(Settlement { batch_no, merchant: None }));
        engine.snapshot().map_err(|error| BenchError::Answer(error.to_string()))?;
        if day % 4 == 3 {
            println!("{:>10}  {:>10}  {:>5} MiB", line.next, engine.orders_in_memory(), resident_mib());
        }
    }
    println!("{:>10}  {:>10}  {:>5} MiB", line.next, engine.orders_in_memory(), resident_mib());
    // Of the first half, which left long ago, scattered; in the evening of a day with takings to pay them from.
    line.pay(options.orders + 200_000, None);
    let mut times: Vec<Duration> = (0..REFUNDS)
        .map(|n| {
            let place = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) % (options.orders / 2);
            let (reply, took) =
                line.ask(Request::Command(Command::Refund(traffic::refund(Spread::Uniform, place))));
            assert!(matches!(reply, Reply::Done(_)), "{reply:?}");
            took
        })
        .collect();
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "{REFUNDS} refunds of cold orders, one at a time, durable: p50 {:.2} ms, p99 {:.2} ms, longest {:.2} ms",
        at(0.5),
        at(0.99),
        at(1.0)
    );
    Ok(())
}
