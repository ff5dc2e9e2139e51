//! The image of a ledger of many plain orders: how long writing it and making the ledger again take, on one core.
//!
//! ```text
//! cargo bench -p suanpan-bench --bench image
//! ```

use std::time::{Duration, Instant};

use clap::Parser;
use suanpan_bench::traffic::{self, FRAME_PAYMENTS, Spread, payment};
use suanpan_core::{Command, Ledger, Restore, write_image};

/// The image of a ledger of many plain orders.
#[derive(Debug, Parser)]
struct Options {
    /// Orders
    #[arg(long, value_name = "N", default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(10_000..=100_000_000))]
    orders: u64,
    /// All of them one merchant's
    #[arg(long)]
    hot: bool,
    /// Times that each is done
    #[arg(long, value_name = "N", default_value_t = 3)]
    times: u32,
    /// Given by cargo bench; means nothing
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let Options { orders, hot, times, .. } = Options::parse();
    let spread = if hot { Spread::Hot } else { Spread::Uniform };
    let mut ledger = filled(orders, spread);
    println!("{orders} orders, {spread:?}: {:?}", ledger.memory());
    let mut blocks = Vec::new();
    for _ in 0..times {
        blocks.clear();
        let (begun, standing) = (on_the_core(), Instant::now());
        let snapshot = ledger.snapshot();
        let stood = standing.elapsed();
        write_image(&snapshot, &mut |block| blocks.push(block));
        let took = on_the_core() - begun;
        let bytes: usize = blocks.iter().map(Vec::len).sum();
        let longest = blocks.iter().map(Vec::len).max().unwrap_or(0);
        println!(
            "written in {took:?}, snapshot {stood:?}: {:.2} M orders/s, {:.1} bytes an order, {} blocks, the longest {longest}",
            orders as f64 / took.as_secs_f64() / 1e6,
            bytes as f64 / orders as f64,
            blocks.len(),
        );
    }
    let digest = ledger.digest();
    drop(ledger);
    let mut last = None;
    for _ in 0..times {
        drop(last.take());
        let begun = on_the_core();
        let mut restore = Restore::alone(9);
        let restored = restore
            .begin(0, 1)
            .and_then(|()| blocks.iter().try_for_each(|block| restore.take(block)))
            .and_then(|()| restore.end());
        let taken = on_the_core() - begun;
        let ledger = match restored.and_then(|()| restore.finish()) {
            Ok(ledger) => ledger,
            Err(error) => panic!("an image just written cannot be read: {error}"),
        };
        let took = on_the_core() - begun;
        println!(
            "restored in {took:?}, blocks and links {taken:?}: {:.2} M orders/s",
            orders as f64 / took.as_secs_f64() / 1e6
        );
        last = Some(ledger);
    }
    assert_eq!(last.map(|ledger| ledger.digest()), Some(digest), "the ledger that was made again is another");
}

/// How long this thread ran: others may be running too.
fn on_the_core() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = stat.split(' ').next().and_then(|first| first.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or_else(|| panic!("Linux says how long a thread ran: {stat:?}")))
}

fn filled(orders: u64, spread: Spread) -> Ledger {
    let mut ledger = traffic::ledger();
    for from in (0..orders).step_by(FRAME_PAYMENTS) {
        let places = from..orders.min(from + FRAME_PAYMENTS as u64);
        let commands: Vec<Command> = places.map(|place| Command::Payment(payment(spread, place))).collect();
        assert_eq!(traffic::apply(&mut ledger, &commands), commands.len(), "every payment is fresh");
    }
    ledger
}
