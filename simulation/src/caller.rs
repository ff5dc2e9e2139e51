//! A caller: asks for business of all kinds, in batches or one by one, waits for the answers or does not.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use suanpan_core::{Command, Query, Reply, Request, Run, Settlement};
use suanpan_engine::{Batch, Engine, Health};
use suanpan_wal::host::baton;

use crate::business;
use crate::life::Life;
use crate::post::Post;

/// Whoever has no answer after so long will have none.
const NEVER: Duration = Duration::from_secs(3);

/// Large commands that are asked for so that the log is full: more than the segments that are ready can take.
const FILLERS: u32 = 700;

/// Of them, so many when it is.
const FILLERS_MORE: u32 = 6;

/// One that asks.
pub(crate) struct Asking {
    life: Arc<Life>,
    engine: Arc<Engine>,
    rng: Rng,
    post: Arc<Post>,
    /// What was asked before, to be asked again.
    before: Vec<Command>,
}

impl Asking {
    pub(crate) fn new(life: Arc<Life>, engine: Arc<Engine>, seed: u64) -> Self {
        let post = Post::new(life.books.clone(), life.disk.clone());
        Self { life, engine, rng: Rng::with_seed(seed), post, before: Vec::new() }
    }

    /// Asks for one command after the other and waits for each.
    pub(crate) fn ask_each(&mut self, commands: Vec<Command>) {
        for command in commands {
            if self.life.is_lost() {
                return;
            }
            let token = self.ask(vec![command]);
            self.wait_for(token);
        }
    }

    /// Asks so often.
    pub(crate) fn run(&mut self, asks: u32) {
        for _ in 0..asks {
            if self.life.is_lost() {
                return;
            }
            match self.rng.u32(0..40) {
                0 => self.settle(),
                1 => {
                    let _ = self.engine.run(Run::Sweep);
                }
                2 => self.add_up(),
                3..=6 => baton::sleep(Duration::from_micros(self.rng.u64(0..60_000))),
                7 => baton::sleep(Duration::from_millis(self.rng.u64(0..3_000))),
                _ => self.ask_some(),
            }
        }
        self.wait_for_all();
    }

    /// A batch for one shard, or a command for all.
    fn ask_some(&mut self) {
        let count = if self.rng.u32(0..3) == 0 { self.rng.usize(1..40) } else { self.rng.usize(1..4) };
        let mut commands = Vec::with_capacity(count);
        for _ in 0..count {
            let again = !self.before.is_empty() && self.rng.u32(0..6) == 0;
            commands.push(match again {
                true => self.before[self.rng.usize(..self.before.len())].clone(),
                false => business::command(&mut self.rng, self.life.setting.number),
            });
        }
        self.before.extend(commands.iter().cloned());
        let token = self.ask(commands);
        if self.rng.u32(0..4) != 0 {
            self.wait_for(token);
        }
    }

    /// Hands commands over, each to where it belongs; the token of the last.
    fn ask(&mut self, commands: Vec<Command>) -> Option<u64> {
        let mut token = None;
        let mut shards: Vec<Vec<Request>> = vec![Vec::new(); usize::from(self.engine.shards())];
        for command in commands {
            match command.merchant() {
                None => token = self.ask_all(command).or(token),
                Some(merchant) => {
                    let shard = &mut shards[usize::from(self.engine.shard_of(merchant))];
                    shard.push(Request::Command(command));
                    if self.rng.u32(0..8) == 0 {
                        shard.push(Request::Query(Query::Balances(merchant)));
                    }
                }
            }
        }
        for (shard, requests) in (0..).zip(shards).filter(|(_, requests)| !requests.is_empty()) {
            self.life.books.asks(&requests);
            let token_of_batch = self.post.expect();
            let (replies, caller) = (Vec::new(), self.post.clone());
            match self.engine.submit(shard, Batch { requests, replies, token: token_of_batch, caller }) {
                Ok(()) => token = Some(token_of_batch),
                Err(refused) => {
                    self.post.take(token_of_batch);
                    self.life.books.got_not_in(&refused.batch.requests);
                }
            }
        }
        token
    }

    fn ask_all(&mut self, command: Command) -> Option<u64> {
        let requests = [Request::Command(command.clone())];
        self.life.books.asks(&requests);
        let token = self.post.expect();
        match self.engine.submit_all(command, token, self.post.clone()) {
            Ok(()) => Some(token),
            Err(_) => {
                self.post.take(token);
                self.life.books.got_not_in(&requests);
                None
            }
        }
    }

    fn wait_for(&self, token: Option<u64>) {
        if let Some(token) = token {
            self.wait_while(|post| post.is_waiting_for(token));
        }
    }

    fn wait_for_all(&self) {
        self.wait_while(Post::is_waiting);
    }

    fn wait_while(&self, is_waiting: impl Fn(&Post) -> bool) {
        let until = baton::elapsed() + NEVER;
        baton::point("waiting for an answer");
        while is_waiting(&self.post) && baton::poll("waiting for an answer") {
            if baton::elapsed() > until {
                return self.life.books.fail(format!("no answer within {NEVER:?}"));
            }
        }
    }

    fn settle(&mut self) {
        let batch_no = business::number('B', self.rng.u32(0..12));
        let one = self.rng.bool().then(|| business::merchant(&mut self.rng));
        let reply = self.engine.run(Run::Settlement(Settlement { batch_no, merchant: one }));
        if let Reply::Settlement { view, .. } = reply
            && !view.ended
        {
            self.life.books.fail(format!("a settlement was answered before its end: {view:?}"));
        }
    }

    fn add_up(&self) {
        if let Some((totals, _)) = self.engine.totals() {
            self.life.books.adds_up(&totals);
        }
    }

    /// Fills the log until it is full, and asks on for a while.
    pub(crate) fn fill(&mut self) {
        let mut more = FILLERS_MORE;
        for round in 0..FILLERS {
            if self.life.is_lost() || more == 0 {
                return;
            }
            more -= u32::from(self.engine.health() == Health::ReadOnly);
            let token = self.ask(vec![business::filler(round)]);
            self.wait_for(token);
        }
    }
}
