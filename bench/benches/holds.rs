//! How long a call holds a shard: with a million merchants, while payments run.
//!
//! ```text
//! cargo bench -p suanpan-bench --bench holds
//! ```
//!
//! Looks are timed on a ledger by themselves (a shard does nothing else meanwhile). What concerns all shards is asked of a
//! running engine under payments, and each shard says how long it stood still for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Parser;
use suanpan_bench::BenchError;
use suanpan_bench::traffic::{self, DATE, NOW};
use suanpan_core::{
    ChannelId, Command, Currency, Ledger, MerchantId, MerchantTerms, Number, Payment, Query, Rate, Reply,
    Request, Run, SetDate, Settlement, Split, TopUp, Transfer,
};
use suanpan_engine::{Batch, Caller, Completed, Engine, EngineConfig, HoldTimes};

/// How long a call holds a shard.
#[derive(Debug, Parser)]
struct Options {
    /// Merchants
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1_000..=10_000_000))]
    merchants: u64,
    /// Rest behind every 20,000 payments, in milliseconds: 0 keeps both cores busy
    #[arg(long, value_name = "MS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=10_000))]
    rest_ms: u64,
    /// Given by cargo bench; means nothing
    #[arg(long, hide = true)]
    bench: bool,
}

const CNY: Currency = Currency(*b"CNY");
/// Payments of the one merchant whose entries are listed.
const HOT_PAYMENTS: u64 = 300_000;
/// Orders split to receivers, a receiver each.
const SPLITS: u64 = 20_000;

fn main() {
    let Options { merchants, rest_ms, .. } = Options::parse();
    looks(merchants);
    if let Err(error) = engine(merchants, Duration::from_millis(rest_ms)) {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

fn number(letter: char, place: u64) -> Number {
    let text = format!("{letter}{place:019}");
    text.parse().unwrap_or_else(|_| unreachable!("a letter and 19 digits"))
}

fn terms(id: u64) -> MerchantTerms {
    MerchantTerms { fee_rate: Rate(6_000), ..MerchantTerms::new(MerchantId(id), CNY) }
}

fn payment(merchant: u64, place: u64, hold: bool) -> Command {
    let (channel, paid_at, details) = (ChannelId(0), None, None);
    let (merchant, order_no) = (MerchantId(merchant), number('P', place));
    Command::Payment(Payment { merchant, order_no, channel, amount: 10_000, hold, paid_at, details })
}

fn split(merchant: u64, place: u64, receiver: u64) -> Command {
    Command::Split(Box::new(Split {
        merchant: MerchantId(merchant),
        split_no: number('S', place),
        order_no: number('P', place),
        receivers: vec![(MerchantId(receiver), 100)],
        finish: true,
    }))
}

/// Times of one kind of call, and their line.
struct Times(Vec<Duration>);

impl Times {
    fn of(count: usize, mut call: impl FnMut(usize)) -> Self {
        let time = |at| {
            let begun = Instant::now();
            call(at);
            begun.elapsed()
        };
        let mut times: Vec<_> = (0..count).map(time).collect();
        times.sort_unstable();
        Self(times)
    }

    fn print(&self, what: &str) {
        let (last, count) = (self.0.len() - 1, self.0.len());
        let us = |at: usize| self.0[at].as_secs_f64() * 1e6;
        println!(
            "{what:<44} {count:>6} {:>10.1} {:>10.1} {:>10.1}",
            us(last / 2),
            us(last * 99 / 100),
            us(last)
        );
    }
}

/// What a look costs its shard.
fn looks(merchants: u64) {
    let mut ledger = traffic::ledger();
    let mut apply = |command: &Command| {
        let applied = ledger.apply(command, NOW, &mut ());
        assert!(applied.changed, "{command:?}: {:?}", applied.reply);
    };
    for id in 1..=merchants {
        apply(&Command::PutMerchant(Box::new(terms(id))));
        apply(&payment(id, id, id <= SPLITS));
    }
    for place in 0..HOT_PAYMENTS {
        apply(&payment(merchants, merchants + 1 + place, false));
    }
    for id in 1..=SPLITS {
        apply(&split(id, id, id % merchants + 1));
    }
    println!("{:<44} {:>6} {:>10} {:>10} {:>10}", "held by, µs", "calls", "median", "p99", "longest");
    look(&ledger, "trial balance, this shard's part", 1_000, |_| None);
    let entries = |at: usize| Some(Query::Entries(MerchantId(merchants), at as u64 * 1_499));
    look(&ledger, "a page of 1.5 million entries", 1_000, entries);
    look(&ledger, "a merchant's balances", 1_000, |at| Some(Query::Balances(MerchantId(1 + at as u64))));
    let batch_no = number('B', 0);
    let begin = Command::BeginSettlement(Settlement { batch_no, merchant: None });
    let cut = Command::SetDate(SetDate { date: DATE.plus_days(7), cut: true });
    for command in [cut, begin] {
        assert!(ledger.apply(&command, NOW, &mut ()).changed, "{command:?}");
    }
    let pages = usize::try_from(merchants / 1_024).unwrap_or(1);
    look(&ledger, "a page of merchants to settle", pages, |at| {
        Some(Query::Due(batch_no, u32::try_from(at * 1_024).unwrap_or(0)))
    });
    look(&ledger, "a page of accruals to sweep", 100, |at| {
        Some(Query::Accruals(u32::try_from(at * 1_024 % SPLITS as usize).unwrap_or(0)))
    });
}

fn look(ledger: &Ledger, what: &str, count: usize, query: impl Fn(usize) -> Option<Query>) {
    let times = Times::of(count, |at| match query(at) {
        None => drop(ledger.totals()),
        Some(query) => {
            let reply = ledger.answer(&query, NOW);
            assert!(!matches!(reply, Reply::Rejected(..)), "{query:?}: {reply:?}");
        }
    });
    times.print(what);
}

/// Takes batches back.
struct Back(Mutex<Sender<Completed>>);

impl Caller for Back {
    fn complete(&self, completed: Completed) {
        // Whoever waits may have ended.
        let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).send(completed);
    }
}

/// Requests to their shards in batches; every one must be done.
fn send(engine: &Engine, commands: impl Iterator<Item = Command>) -> u64 {
    let (back_in, back) = channel();
    let caller = Arc::new(Back(Mutex::new(back_in)));
    let mut batches: Vec<Vec<Request>> = (0..engine.shards()).map(|_| Vec::new()).collect();
    let (mut out, mut done) = (0u64, 0u64);
    let mut submit = |shard: u16, requests: Vec<Request>, out: &mut u64| {
        while *out >= 16 {
            done += finish(back.recv().ok());
            *out -= 1;
        }
        let batch = Batch { requests, replies: Vec::new(), token: 0, caller: caller.clone() };
        assert!(engine.submit(shard, batch).is_ok(), "sixteen batches fit");
        *out += 1;
    };
    for command in commands {
        let shard = command.merchant().map_or(0, |id| engine.shard_of(id));
        let batch = &mut batches[usize::from(shard)];
        batch.push(Request::Command(command));
        if batch.len() == 512 {
            submit(shard, std::mem::take(batch), &mut out);
        }
    }
    for (shard, batch) in (0..).zip(batches) {
        if !batch.is_empty() {
            submit(shard, batch, &mut out);
        }
    }
    for _ in 0..out {
        done += finish(back.recv().ok());
    }
    done
}

fn finish(completed: Option<Completed>) -> u64 {
    let Some(completed) = completed else { unreachable!("every batch is answered") };
    for (request, reply) in completed.requests.iter().zip(&completed.replies) {
        assert!(matches!(reply, Reply::Done(_)), "{request:?}: {reply:?}");
    }
    completed.replies.len() as u64
}

/// What a call that concerns all shards costs them, under payments.
fn engine(merchants: u64, rest: Duration) -> Result<(), BenchError> {
    let folder = tempfile::tempdir().map_err(|error| BenchError::Io { what: "a folder", error })?;
    let config = EngineConfig { shards: 2, reserve_bytes: 0, ..EngineConfig::new(folder.path(), DATE) };
    let engine = Engine::start(&config, |reason| panic!("the log failed: {reason}"))?;
    engine.clock().stop_at(Some(NOW));
    let _ = engine.command_all(Command::PutChannel(Box::new(traffic::channel())));
    send(&engine, (1..=merchants).map(|id| Command::PutMerchant(Box::new(terms(id)))));
    send(&engine, (1..=merchants).map(|id| payment(id, id, id <= SPLITS)));
    send(&engine, (1..=SPLITS).map(|id| split(id, id, id % merchants + 1)));
    send(
        &engine,
        (1..=merchants).filter(|id| id % 100 == 0).map(|id| {
            let (merchant, topup_no) = (MerchantId(id), number('U', id));
            Command::TopUp(TopUp { merchant, topup_no, channel: ChannelId(0), amount: 1_000 })
        }),
    );
    println!(
        "\n{:<44} {:>6} {:>10} {:>10} {:>10}",
        "asked and answered durable, ms", "calls", "median", "p99", "longest"
    );
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let payments = scope.spawn(|| {
            let (begun, mut next) = (Instant::now(), merchants + 1);
            while !stop.load(Ordering::Relaxed) {
                send(
                    &engine,
                    (next..next + 20_000).map(|place| payment(1 + place % merchants, place, false)),
                );
                next += 20_000;
                std::thread::sleep(rest);
            }
            (next - merchants - 1) as f64 / begun.elapsed().as_secs_f64()
        });
        meetings(&engine, merchants);
        stop.store(true, Ordering::Relaxed);
        if let Ok(rate) = payments.join() {
            println!("\npayments meanwhile: {rate:.0}/s");
        }
    });
    let (totals, _) = engine.totals().ok_or(BenchError::Answer("no trial balance".to_owned()))?;
    let sum: i128 = totals.iter().flat_map(|shard| &shard.accounts).map(|(.., balance)| balance).sum();
    assert_eq!(sum, 0, "the books are square");
    engine.stop().map_err(BenchError::Log)
}

fn meetings(engine: &Engine, merchants: u64) {
    let done = |reply: Reply| assert!(!matches!(reply, Reply::Rejected(..)), "{reply:?}");
    measure(engine, "trial balance", 300, |_| assert!(engine.totals().is_some()));
    measure(engine, "transfer, one at a time", 500, |at| {
        let (from, to) = (100 * (1 + at as u64 % (merchants / 100)), 1 + at as u64);
        let (merchant, to) = (MerchantId(from), MerchantId(if from == to { to + 1 } else { to }));
        let transfer_no = number('T', at as u64);
        done(engine.command_all(Command::Transfer(Transfer { merchant, transfer_no, to, amount: 1 })));
    });
    measure(engine, "channel put", 50, |at| {
        let cost_rate = Rate(u32::try_from(at).unwrap_or(0));
        done(engine.command_all(Command::PutChannel(Box::new(suanpan_core::ChannelTerms {
            cost_rate,
            ..traffic::channel()
        }))));
    });
    measure(engine, "day cut", 20, |at| {
        let date = DATE.plus_days(1 + u32::try_from(at).unwrap_or(0));
        done(engine.command_all(Command::SetDate(SetDate { date, cut: true })));
    });
    measure(engine, "sweep of all accruals", 1, |_| done(engine.run(Run::Sweep)));
    measure(engine, "settlement of all merchants", 1, |at| {
        let settlement = Settlement { batch_no: number('B', at as u64), merchant: None };
        done(engine.run(Run::Settlement(settlement)));
    });
}

/// How long the answer took, and how long each shard stood still for it.
fn measure(engine: &Engine, what: &str, count: usize, call: impl FnMut(usize)) {
    let before = engine.holds();
    let times = Times::of(count, call);
    let (last, ms) = (times.0.len() - 1, |at: usize| times.0[at].as_secs_f64() * 1e3);
    println!("{what:<44} {count:>6} {:>10.2} {:>10.2} {:>10.2}", ms(last / 2), ms(last * 99 / 100), ms(last));
    let held = since(&before, &engine.holds());
    println!(
        "  a shard stood still {:>6} times: half at most {:?}, 99 in 100 {:?}, 999 in 1000 {:?}",
        held.count,
        held.all_but_one_in(2),
        held.all_but_one_in(100),
        held.all_but_one_in(1_000)
    );
}

fn since(before: &HoldTimes, now: &HoldTimes) -> HoldTimes {
    let buckets = std::array::from_fn(|at| now.buckets[at] - before.buckets[at]);
    HoldTimes { count: now.count - before.count, longest: now.longest, buckets }
}
