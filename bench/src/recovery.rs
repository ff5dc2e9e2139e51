//! Recovery: how fast a start reads, checks and replays a log that holds so many payments.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use suanpan_core::{Command, Rejection, Reply, Request};
use suanpan_engine::{Batch, Caller, Completed, Engine, EngineConfig, Health};
use tempfile::TempDir;

use crate::BenchError;
use crate::traffic::{self, DATE, FRAME_PAYMENTS, Spread, must_be_paid, payment};

/// Shards, each a thread.
const SHARDS: u16 = 2;

/// Batches in flight while the log is made.
const IN_FLIGHT: usize = 8;

/// A data folder with a log in it.
#[derive(Debug)]
pub struct Recorded {
    dir: TempDir,
}

/// One start.
#[derive(Debug, Clone, Copy)]
pub struct Started {
    /// Commands replayed a second of reading, checking and replaying.
    pub commands_per_s: f64,
    /// Seconds from nothing to an engine that takes payments: that, and making room in the log.
    pub ready_s: f64,
}

/// Where completed batches go.
pub struct Mailbox(pub Sender<Completed>);

impl Caller for Mailbox {
    fn complete(&self, completed: Completed) {
        // Nobody waits any more only if the bench has failed already.
        let _ = self.0.send(completed);
    }
}

impl Recorded {
    /// Has an engine with its data in `dir` take so many payments, and stops it.
    ///
    /// # Errors
    /// When it cannot be started, fails, or does not take a payment.
    pub fn make(dir: &Path, payments: u64) -> Result<Self, BenchError> {
        let dir = tempfile::tempdir_in(dir).map_err(BenchError::io("making a data folder"))?;
        let engine = start(dir.path())?;
        let mut feed = Feed::new(&engine);
        feed.set_up()?;
        feed.pay(payments)?;
        engine.stop().map_err(BenchError::Log)?;
        Ok(Self { dir })
    }

    /// Starts an engine on it, once.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(&self) -> Result<Started, BenchError> {
        let begun = Instant::now();
        let engine = start(self.dir.path())?;
        let ready_s = begun.elapsed().as_secs_f64();
        let recovered = engine.recovered();
        engine.stop().map_err(BenchError::Log)?;
        Ok(Started { commands_per_s: recovered.commands as f64 / recovered.took.as_secs_f64(), ready_s })
    }
}

/// An engine as a server has it, with its data in `dir`.
///
/// # Errors
/// When it does not start.
pub fn start(dir: &Path) -> Result<Engine, BenchError> {
    let config = EngineConfig { shards: SHARDS, ..EngineConfig::new(dir, DATE) };
    Ok(Engine::start(&config, |_| ())?)
}

/// Sends the traffic to an engine of this process.
pub struct Feed<'a> {
    engine: &'a Engine,
    mailbox: Arc<Mailbox>,
    completed: Receiver<Completed>,
    in_flight: usize,
}

impl<'a> Feed<'a> {
    /// A way in.
    #[must_use]
    pub fn new(engine: &'a Engine) -> Self {
        let (sender, completed) = channel();
        Self { engine, mailbox: Arc::new(Mailbox(sender)), completed, in_flight: 0 }
    }

    /// Puts the channel and the merchants.
    ///
    /// # Errors
    /// When one is refused.
    pub fn set_up(&mut self) -> Result<(), BenchError> {
        let put = self.engine.command_all(Command::PutChannel(Box::new(traffic::channel())));
        if !matches!(put, Reply::Done(_)) {
            return Err(BenchError::Answer(format!("{put:?} to the channel")));
        }
        let accepted = |reply: &Reply| match reply {
            Reply::Done(_) => Ok(()),
            other => Err(BenchError::Answer(format!("{other:?} to a merchant"))),
        };
        self.send_all(traffic::merchants().map(|terms| Command::PutMerchant(Box::new(terms))), accepted)
    }

    /// Makes so many payments and waits for the last answer.
    ///
    /// # Errors
    /// When one is refused.
    pub fn pay(&mut self, payments: u64) -> Result<(), BenchError> {
        let row = (0..payments).map(|place| Command::Payment(payment(Spread::Uniform, place)));
        self.send_all(row, must_be_paid)
    }

    fn send_all(
        &mut self,
        commands: impl Iterator<Item = Command>,
        check: impl Fn(&Reply) -> Result<(), BenchError>,
    ) -> Result<(), BenchError> {
        let mut frames: Vec<Vec<Request>> = (0..self.engine.shards()).map(|_| Vec::new()).collect();
        for command in commands {
            let Some(merchant) = command.merchant() else {
                return Err(BenchError::Answer("a command that concerns every shard".to_owned()));
            };
            let shard = self.engine.shard_of(merchant);
            let frame = &mut frames[usize::from(shard)];
            frame.push(Request::Command(command));
            if frame.len() == FRAME_PAYMENTS {
                self.submit(shard, std::mem::take(frame))?;
                while self.in_flight == IN_FLIGHT {
                    self.answer(&check)?;
                }
            }
        }
        for (shard, frame) in (0..).zip(frames) {
            if !frame.is_empty() {
                self.submit(shard, frame)?;
            }
        }
        while self.in_flight > 0 {
            self.answer(&check)?;
        }
        Ok(())
    }

    fn submit(&mut self, shard: u16, requests: Vec<Request>) -> Result<(), BenchError> {
        let batch = Batch { requests, replies: Vec::new(), token: 0, caller: self.mailbox.clone() };
        self.in_flight += 1;
        let refused = |refused: suanpan_engine::Refused| BenchError::Answer(format!("{:?}", refused.why));
        self.engine.submit(shard, batch).map_err(refused)
    }

    /// Takes one completed batch; what the log had no room for is sent again when it has.
    fn answer(&mut self, check: impl Fn(&Reply) -> Result<(), BenchError>) -> Result<(), BenchError> {
        let Ok(Completed { shard, requests, replies, .. }) = self.completed.recv() else {
            unreachable!("this value has a sender of its own");
        };
        self.in_flight -= 1;
        let mut again = Vec::new();
        for (request, reply) in requests.into_iter().zip(&replies) {
            match reply {
                Reply::Rejected(Rejection::ReadOnly, _) => again.push(request),
                reply => check(reply)?,
            }
        }
        if again.is_empty() {
            return Ok(());
        }
        while self.engine.health() == Health::ReadOnly {
            std::thread::yield_now();
        }
        self.submit(shard, again)
    }
}
