//! What this machine could do at most, and how near the whole line comes: see the crate's page.
//!
//! ```text
//! cargo build --release && cargo bench -p suanpan-bench --bench limits
//! ```

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Parser;
use suanpan_bench::disk::{Ground, Way};
use suanpan_bench::log::{append_all, payload};
use suanpan_bench::machine::Machine;
use suanpan_bench::recovery::Recorded;
use suanpan_bench::report::{Limit, LimitsReport};
use suanpan_bench::samples::Samples;
use suanpan_bench::table::{Chain, Table};
use suanpan_bench::traffic::{self, FRAME_PAYMENTS, Spread, payment};
use suanpan_bench::{BenchError, line, loopback, memory};
use suanpan_core::{Command, Receipt, Reply, Request};
use suanpan_net::wire::{write_replies, write_requests};

/// What this machine could do at most, and how near the whole line comes.
#[derive(Debug, Parser)]
struct Options {
    /// Rounds; limits and line take turns
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: u32,
    /// Payments of each run
    #[arg(long, value_name = "N", default_value_t = 3_000_000, value_parser = clap::value_parser!(u64).range(100_000..=100_000_000))]
    payments: u64,
    /// Where files are made, on the file system to be measured [default: the system's temporary folder]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// One round of a tenth of everything: shows that it runs, and measures nothing
    #[arg(long)]
    quick: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// Given by cargo bench; means nothing
    #[arg(long, hide = true)]
    bench: bool,
}

/// Sizes of what is made durable at once, in bytes; a full frame's record joins them.
const GROUP_BYTES: [usize; 4] = [64 << 10, 256 << 10, 1 << 20, 4 << 20];

/// Bytes of the file that is written to: two segments of the log's.
const GROUND_BYTES: usize = 128 << 20;

/// What is measured, and with what.
struct Bench {
    rounds: u32,
    payments: u64,
    disk_time: Duration,
    dir: PathBuf,
    binary: Option<PathBuf>,
    ground: Ground,
    payload: Vec<u8>,
    request_frame_bytes: usize,
    reply_frame_bytes: usize,
    recorded: Recorded,
    report: LimitsReport,
}

fn main() {
    let options = Options::parse();
    let json = options.json;
    let outcome = Bench::prepare(options).and_then(Bench::run);
    match outcome.and_then(|report| Ok((serde_json::to_string_pretty(&report)?, report))) {
        Ok((text, _)) if json => println!("{text}"),
        Ok((_, report)) => println!("{report}"),
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1);
        }
    }
}

impl Bench {
    fn prepare(options: Options) -> Result<Self, BenchError> {
        // An unoptimised build is one that only asks whether everything runs.
        let quick = options.quick || cfg!(debug_assertions);
        let (rounds, payments) =
            if quick { (1, options.payments / 10) } else { (options.rounds, options.payments) };
        let dir = options.dir.unwrap_or_else(std::env::temp_dir);
        let binary = line::binary();
        if binary.is_none() {
            eprintln!(
                "there is no suanpan program, so the whole line is not run: build it with `cargo build \
                 --release`, or say where it is by SUANPAN_BIN"
            );
        }
        // First of all: nothing must have given memory back.
        let memory = memory::per_order(payments)?;
        let (request_frame_bytes, reply_frame_bytes) = frame_bytes();
        Ok(Self {
            rounds,
            payments,
            disk_time: Duration::from_millis(if quick { 50 } else { 300 }),
            binary,
            ground: Ground::prepare(&dir, GROUND_BYTES)?,
            payload: payload(FRAME_PAYMENTS),
            request_frame_bytes,
            reply_frame_bytes,
            recorded: Recorded::make(&dir, payments)?,
            report: LimitsReport {
                machine: Machine::here(&dir),
                payments,
                line_payments_per_s: Samples::default(),
                line_log_bytes_per_payment: Samples::default(),
                limits: Vec::new(),
                recovery_commands_per_s: Samples::default(),
                recovery_ready_s: Samples::default(),
                memory,
            },
            dir,
        })
    }

    fn run(mut self) -> Result<LimitsReport, BenchError> {
        for round in 1..=self.rounds {
            eprintln!("round {round} of {}", self.rounds);
            self.disk()?;
            self.log()?;
            self.line()?;
            self.core();
            self.table();
            self.loopback()?;
            self.recovery()?;
        }
        Ok(self.report)
    }

    fn disk(&mut self) -> Result<(), BenchError> {
        let mb_per_payment = self.payload.len() as f64 / FRAME_PAYMENTS as f64 / 1e6;
        let sizes = GROUP_BYTES.map(|bytes| (bytes, format!("{} KiB", bytes >> 10)));
        for (bytes, size) in sizes.into_iter().chain([(self.payload.len(), "a full frame".to_owned())]) {
            for way in [Way::Pwrite, Way::Map] {
                let bytes_per_s = self.ground.write(way, bytes, self.disk_time)?;
                let name = format!("disk: {}, fdatasync each {size}", way.name());
                let limit = self.put(name, "MB/s", bytes_per_s / 1e6);
                limit.units_per_payment = Some(mb_per_payment);
                limit.group_bytes = Some(bytes as f64);
            }
        }
        Ok(())
    }

    fn log(&mut self) -> Result<(), BenchError> {
        let dir = tempfile::tempdir_in(&self.dir).map_err(BenchError::io("making a folder for the log"))?;
        let records = (self.payments as usize).div_ceil(FRAME_PAYMENTS);
        let appended = append_all(&dir.path().join("log"), &self.payload, records)?;
        let mb_per_s = appended.bytes_per_s / 1e6;
        let payments_per_s = appended.records_per_s * FRAME_PAYMENTS as f64;
        let limit = self.put("log alone: 2 streams, durable".to_owned(), "MB/s", mb_per_s);
        limit.units_per_payment = Some(mb_per_s / payments_per_s);
        limit.note = "records of a full frame each";
        self.put("log alone: what one sync made durable".to_owned(), "KB", appended.group_bytes / 1e3);
        self.put("log alone: waits for a ready segment".to_owned(), "", appended.waits as f64);
        Ok(())
    }

    fn line(&mut self) -> Result<(), BenchError> {
        let Some(binary) = &self.binary else { return Ok(()) };
        let dir = tempfile::tempdir_in(&self.dir).map_err(BenchError::io("making a data folder"))?;
        let line = line::run(binary, dir.path(), self.payments)?;
        self.report.line_payments_per_s.push(line.accepted_per_s);
        if let Some(bytes) = line.log_bytes_per_payment {
            self.report.line_log_bytes_per_payment.push(bytes);
        }
        Ok(())
    }

    fn core(&mut self) {
        let payments_per_s = core_payments_per_s(self.payments);
        let limit = self.put("rules alone: payments on one thread".to_owned(), "M/s", payments_per_s / 1e6);
        limit.units_per_payment = Some(1e-6);
    }

    fn table(&mut self) {
        let mut table = Table::new(self.payments as usize);
        for (chain, what) in [(Chain::Independent, "independent"), (Chain::Dependent, "dependent")] {
            let accesses_per_s = table.access(chain, self.payments);
            let limit = self.put(format!("memory: random lines, {what}"), "M/s", accesses_per_s / 1e6);
            limit.units_per_payment = Some(1e-6);
            limit.note = "if a payment were one access";
        }
    }

    fn loopback(&mut self) -> Result<(), BenchError> {
        let frames = (self.payments as usize).div_ceil(FRAME_PAYMENTS);
        let frames_per_s = loopback::exchange(frames, self.request_frame_bytes, self.reply_frame_bytes)?;
        let frame_mb = (self.request_frame_bytes + self.reply_frame_bytes) as f64 / 1e6;
        let limit = self.put("loopback TCP: both ways together".to_owned(), "MB/s", frames_per_s * frame_mb);
        limit.units_per_payment = Some(frame_mb / FRAME_PAYMENTS as f64);
        limit.note = "frames and replies of the line's size, 4 in flight";
        Ok(())
    }

    fn recovery(&mut self) -> Result<(), BenchError> {
        let started = self.recorded.start()?;
        self.report.recovery_commands_per_s.push(started.commands_per_s);
        self.report.recovery_ready_s.push(started.ready_s);
        Ok(())
    }

    /// Keeps a measurement under its name.
    fn put(&mut self, name: String, unit: &'static str, value: f64) -> &mut Limit {
        let limits = &mut self.report.limits;
        let at = limits.iter().position(|limit| limit.name == name).unwrap_or_else(|| {
            limits.push(Limit {
                name,
                unit,
                values: Samples::default(),
                units_per_payment: None,
                group_bytes: None,
                note: "",
            });
            limits.len() - 1
        });
        limits[at].values.push(value);
        &mut limits[at]
    }
}

/// The bytes of a full frame of payments, and of its replies.
fn frame_bytes() -> (usize, usize) {
    let request = |place| Request::Command(Command::Payment(payment(Spread::Uniform, place)));
    let requests: Vec<Request> = (0..FRAME_PAYMENTS as u64).map(request).collect();
    let reply = Reply::Done(Receipt::Payment { repeat: false, fees: 6, net: 994 });
    let (mut request_frame, mut reply_frame) = (Vec::new(), Vec::new());
    let written = write_requests(1, &requests, &mut request_frame)
        .and_then(|()| write_replies(1, 1, &vec![reply; FRAME_PAYMENTS], &mut reply_frame));
    assert!(written.is_ok(), "a full frame fits a frame");
    (request_frame.len(), reply_frame.len())
}

/// Payments a second of one thread that has nothing to do but apply them to a ledger that fills up.
fn core_payments_per_s(payments: u64) -> f64 {
    let mut ledger = traffic::ledger();
    let mut took = Duration::ZERO;
    let mut done = 0;
    while done < payments {
        let next = (done + FRAME_PAYMENTS as u64).min(payments);
        let commands: Vec<Command> =
            (done..next).map(|place| Command::Payment(payment(Spread::Uniform, place))).collect();
        let begun = Instant::now();
        let changed = traffic::apply(&mut ledger, &commands);
        took += begun.elapsed();
        assert_eq!(changed, commands.len(), "every payment was fresh");
        done = next;
    }
    payments as f64 / took.as_secs_f64()
}
