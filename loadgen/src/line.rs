//! One connection under load: a task that sends, a task that receives, and the pacer that says when.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use suanpan_net::{ClientError, Connection, Receiver, Sender};
use tokio::sync::{Notify, Semaphore, mpsc};

use crate::plan::{LoadPlan, Loop};
use crate::trader::{Sent, Trader};

/// Latencies are kept in microseconds, to three digits, up to two minutes.
pub(crate) const LATENCY_MAX_US: u64 = 120_000_000;

/// No latencies yet.
pub(crate) fn latencies() -> Histogram<u64> {
    Histogram::new_with_max(LATENCY_MAX_US, 3)
        .unwrap_or_else(|error| unreachable!("its bounds are constants: {error}"))
}

/// Frames that are put together before they are sent.
const TOGETHER_MAX: usize = 64;

/// What ends the run, for all connections together.
pub(crate) struct Quota {
    left: Cell<u64>,
    deadline: Option<Instant>,
}

impl Quota {
    pub(crate) fn new(plan: &LoadPlan, begin: Instant) -> Self {
        match plan.until {
            Loop::Count(count) => Self { left: Cell::new(count), deadline: None },
            // In an open loop the pacer ends it: what it meant to be sent is sent, however late, or a server that
            // stalls would not be seen to.
            Loop::Duration(time) => {
                Self { left: Cell::new(u64::MAX), deadline: plan.rate.is_none().then(|| begin + time) }
            }
        }
    }

    /// Transactions that were not sent yet.
    pub(crate) fn left(&self) -> u64 {
        self.left.get()
    }

    /// How many of `batch` transactions may still be sent; 0 at the end.
    pub(crate) fn take(&self, batch: usize) -> usize {
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            self.left.set(0);
        }
        let taken = self.left.get().min(batch as u64);
        self.left.set(self.left.get() - taken);
        taken as usize
    }
}

/// A connection's books.
pub(crate) struct Line {
    pub(crate) trader: Trader,
    pub(crate) latency_us: Histogram<u64>,
    /// The first and last log position that was answered.
    pub(crate) log: Option<(u64, u64)>,
    pub(crate) last_reply: Option<Instant>,
    flying: HashMap<u64, (Instant, Sent)>,
    spare: Vec<Sent>,
    next_id: u64,
    done: bool,
}

impl Line {
    pub(crate) fn new(trader: Trader, latency_us: Histogram<u64>) -> Self {
        Self {
            trader,
            latency_us,
            log: None,
            last_reply: None,
            flying: HashMap::new(),
            spare: Vec::new(),
            next_id: 0,
            done: false,
        }
    }

    fn put(
        &mut self,
        sender: &mut Sender,
        requests: &mut Vec<suanpan_core::Request>,
        count: usize,
        begun: Instant,
    ) -> Result<(), ClientError> {
        let mut sent = self.spare.pop().unwrap_or(Sent { items: Vec::new() });
        self.trader.fill(count, requests, &mut sent);
        self.next_id += 1;
        sender.put(self.next_id, requests)?;
        self.flying.insert(self.next_id, (begun, sent));
        Ok(())
    }

    fn answer(&mut self, id: u64, as_of: u64, replies: &[suanpan_core::Reply]) -> Result<(), ClientError> {
        let Some((begun, sent)) = self.flying.remove(&id) else {
            return Err(ClientError::Refused(format!("an answer to frame {id}, which was not sent")));
        };
        let now = Instant::now();
        let took_us = u64::try_from((now - begun).as_micros()).unwrap_or(u64::MAX);
        self.latency_us.saturating_record(took_us.clamp(1, LATENCY_MAX_US));
        self.trader.check(&sent, replies);
        self.spare.push(sent);
        self.last_reply = Some(now);
        let (first, last) = self.log.unwrap_or((as_of, as_of));
        self.log = Some((first.min(as_of), last.max(as_of)));
        Ok(())
    }
}

/// What the two tasks of a connection share; they are on one thread.
pub(crate) struct Wire {
    pub(crate) line: RefCell<Line>,
    room: Semaphore,
    over: Notify,
}

/// Plays one connection until the quota is used and everything is answered.
pub(crate) async fn play(
    connection: Connection,
    line: Line,
    plan: Rc<LoadPlan>,
    quota: Rc<Quota>,
    pace: Option<mpsc::UnboundedReceiver<Instant>>,
) -> Result<Line, ClientError> {
    let wire = Wire { line: RefCell::new(line), room: Semaphore::new(plan.in_flight), over: Notify::new() };
    let Connection { sender, receiver, .. } = connection;
    let sending = async {
        match pace {
            Some(pace) => send_paced(&wire, sender, &plan, &quota, pace).await?,
            None => send_closed(&wire, sender, &plan, &quota).await?,
        }
        wire.line.borrow_mut().done = true;
        wire.over.notify_one();
        Ok(())
    };
    tokio::try_join!(sending, receive(&wire, receiver))?;
    Ok(wire.line.into_inner())
}

async fn send_closed(
    wire: &Wire,
    mut sender: Sender,
    plan: &LoadPlan,
    quota: &Quota,
) -> Result<(), ClientError> {
    let mut requests = Vec::new();
    loop {
        let Ok(permit) = wire.room.acquire().await else { return Ok(()) };
        permit.forget();
        let mut over = false;
        for _ in 0..TOGETHER_MAX {
            let count = quota.take(plan.batch);
            if count == 0 {
                over = true;
                break;
            }
            wire.line.borrow_mut().put(&mut sender, &mut requests, count, Instant::now())?;
            match wire.room.try_acquire() {
                Ok(permit) => permit.forget(),
                Err(_) => break,
            }
        }
        sender.flush().await?;
        if over {
            return Ok(());
        }
    }
}

async fn send_paced(
    wire: &Wire,
    mut sender: Sender,
    plan: &LoadPlan,
    quota: &Quota,
    mut pace: mpsc::UnboundedReceiver<Instant>,
) -> Result<(), ClientError> {
    let mut requests = Vec::new();
    while let Some(mut intended) = pace.recv().await {
        for together in 1.. {
            let count = quota.take(plan.batch);
            if count == 0 {
                return sender.flush().await;
            }
            wire.line.borrow_mut().put(&mut sender, &mut requests, count, intended)?;
            if together == TOGETHER_MAX {
                break;
            }
            match pace.try_recv() {
                Ok(next) => intended = next,
                Err(_) => break,
            }
        }
        sender.flush().await?;
    }
    Ok(())
}

async fn receive(wire: &Wire, mut receiver: Receiver) -> Result<(), ClientError> {
    let mut replies = Vec::new();
    loop {
        {
            let line = wire.line.borrow();
            if line.done && line.flying.is_empty() {
                return Ok(());
            }
        }
        tokio::select! {
            header = receiver.receive(&mut replies) => {
                let header = header?;
                wire.line.borrow_mut().answer(header.id, header.as_of, &replies)?;
                wire.room.add_permits(1);
            }
            () = wire.over.notified() => {}
        }
    }
}

/// What an open loop means to do: so many batches, so far apart.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    batches: u64,
    between_s: f64,
}

impl Pace {
    pub(crate) fn new(plan: &LoadPlan, rate: f64) -> Self {
        let between_s = plan.batch as f64 / rate;
        let batches = match plan.until {
            Loop::Count(count) => count.div_ceil(plan.batch as u64),
            Loop::Duration(time) => ((time.as_secs_f64() / between_s) as u64).max(1),
        };
        Self { batches, between_s }
    }

    /// How long it is meant to take.
    pub(crate) fn lasts(&self) -> Duration {
        Duration::from_secs_f64(self.batches as f64 * self.between_s)
    }

    /// When a batch is meant to be sent, counted from 0; `None` after the last.
    pub(crate) fn intended(&self, number: u64, begin: Instant) -> Option<Instant> {
        (number < self.batches).then(|| begin + Duration::from_secs_f64(number as f64 * self.between_s))
    }

    /// Says on a thread of its own when each batch is meant to be sent: tokio's timers are a millisecond coarse. Ends
    /// early when nobody listens any more.
    pub(crate) fn run(self, lines: &[mpsc::UnboundedSender<Instant>], begin: Instant) {
        for number in 0.. {
            let Some(intended) = self.intended(number, begin) else { return };
            let early = intended.saturating_duration_since(Instant::now());
            if !early.is_zero() {
                std::thread::sleep(early);
            }
            let line = &lines[(number % lines.len() as u64) as usize];
            if line.send(intended).is_err() {
                return;
            }
        }
    }
}
