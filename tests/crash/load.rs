//! The load: writers, whoever keeps the days, and whoever asks for snapshots, each until the line breaks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use suanpan_core::{Command, Date, Receipt, Rejection, Reply, Request, Run, SetDate, Settlement};
use suanpan_net::{Client, ClientError};
use tokio::sync::Notify;

use crate::book::Book;
use crate::op::{Id, Kind, Op};

/// Requests of which a frame is made, with what belongs to them; debug builds are slower.
const FRAMES: [usize; 5] = if cfg!(debug_assertions) { [1, 3, 20, 80, 300] } else { [1, 5, 100, 400, 2_000] };

/// Looks that one frame may hold, and be far from its bound.
const LOOKS_MAX: usize = 200;

/// Frames of one writer that are under way.
const FLYING: usize = 4;

/// Between the frames of a writer that has written enough.
const SLOWER: Duration = Duration::from_millis(20);

pub type Shared = Arc<Mutex<Book>>;

pub struct Writer {
    pub rng: Rng,
    pub round: u32,
    pub writer: u8,
    pub n: u32,
    /// Orders of earlier rounds.
    pub old: Arc<Vec<Op>>,
    pub book: Shared,
    pub enough: Arc<Enough>,
}

/// When so many commands were answered, somebody is told, and writers go on slowly: a kill may still have to wait for
/// snapshots, and all that is answered is looked at after it.
pub struct Enough {
    answered: u64,
    pub told: Notify,
    is_reached: AtomicBool,
}

impl Enough {
    pub fn new(answered: u64) -> Self {
        Self { answered, told: Notify::new(), is_reached: AtomicBool::new(false) }
    }

    fn note(&self, answered: u64) {
        if answered >= self.answered && !self.is_reached.swap(true, Ordering::Relaxed) {
            self.told.notify_one();
        }
    }

    fn is_reached(&self) -> bool {
        self.is_reached.load(Ordering::Relaxed)
    }
}

impl Writer {
    fn id(&mut self) -> Id {
        self.n += 1;
        Id { round: self.round, writer: self.writer, n: self.n }
    }

    fn refund(&mut self, ops: &mut Vec<Op>, order: Id, amount: u64) {
        let id = self.id();
        ops.push(Op { kind: Kind::Refund, id, order, amount });
        if self.rng.u8(..4) > 0 {
            ops.push(Op { kind: Kind::RefundResult, id, order, amount });
        }
    }

    /// Payments, refunds and voids of some, some of them asking too much, and some of orders that are old.
    fn frame(&mut self) -> Vec<Op> {
        let sizes = if self.enough.is_reached() { FRAMES.len() / 2 } else { FRAMES.len() };
        let payments = FRAMES[self.rng.usize(..sizes)];
        let (mut ops, mut looks) = (Vec::new(), 0);
        for _ in 0..payments {
            let (id, amount) = (self.id(), self.rng.u64(100..1_000));
            ops.push(Op { kind: Kind::Payment, id, order: id, amount });
            match self.rng.u8(..20) {
                0 => {
                    self.refund(&mut ops, id, amount / 2);
                    self.refund(&mut ops, id, amount - amount / 2 + 1);
                }
                1 => {
                    self.refund(&mut ops, id, amount / 3);
                    self.refund(&mut ops, id, amount - amount / 3);
                }
                2 => {
                    let void = self.id();
                    ops.push(Op { kind: Kind::Void, id: void, order: id, amount });
                    ops.push(Op { kind: Kind::VoidResult, id: void, order: id, amount });
                }
                3 | 4 if !self.old.is_empty() => {
                    let old = self.old[self.rng.usize(..self.old.len())];
                    let amount = self.rng.u64(1..=old.amount);
                    self.refund(&mut ops, old.order, amount);
                }
                5 if !self.old.is_empty() && looks < LOOKS_MAX => {
                    looks += 1;
                    let old = self.old[self.rng.usize(..self.old.len())];
                    ops.push(Op { kind: Kind::Look, ..old });
                }
                _ => {}
            }
        }
        ops
    }

    /// Whether the line holds.
    fn note(&self, replies: Result<Vec<Reply>, ClientError>, ops: &[Op]) -> bool {
        let mut book = self.book.lock().unwrap();
        let open = replies.is_ok();
        match replies {
            Ok(replies) => {
                assert_eq!(ops.len(), replies.len());
                ops.iter().zip(&replies).for_each(|(op, reply)| book.note(op, reply));
            }
            Err(_) => book.unknown.extend(ops.iter().filter(|op| op.kind != Kind::Look)),
        }
        self.enough.note(book.answered);
        open
    }

    /// Writes, some frames at a time; what was under way at the end is unknown.
    pub async fn run(mut self, client: Client) {
        let mut flying = tokio::task::JoinSet::new();
        let mut open = true;
        loop {
            while open && flying.len() < FLYING {
                let (client, ops) = (client.clone(), self.frame());
                flying.spawn(async move {
                    let requests = ops.iter().map(Op::request).collect();
                    (client.ask(requests).await, ops)
                });
            }
            let Some(done) = flying.join_next().await else { return };
            let (replies, ops) = done.unwrap();
            open &= self.note(replies, &ops);
            if open && self.enough.is_reached() {
                tokio::time::sleep(SLOWER).await;
            }
        }
    }
}

/// Cuts days and settles, so that orders come to be done with.
pub async fn keep_days(mut rng: Rng, client: Client, round: u32, book: Shared) {
    for n in 0.. {
        tokio::time::sleep(Duration::from_millis(rng.u64(10..120))).await;
        let date = {
            let mut book = book.lock().unwrap();
            book.cutting = true;
            book.date.plus_days(1)
        };
        if !cut(&client, date, &book).await {
            return;
        }
        let batch_no = format!("B{round}-{n}").parse().unwrap();
        book.lock().unwrap().settling = Some(batch_no);
        if !settle(&client, batch_no, &book).await {
            return;
        }
    }
}

/// Whether the line holds.
async fn cut(client: &Client, date: Date, book: &Shared) -> bool {
    match client.ask_one(Request::Command(Command::SetDate(SetDate { date, cut: true }))).await {
        Ok(Reply::Done(Receipt::Date { .. })) => {
            let mut book = book.lock().unwrap();
            (book.date, book.cutting) = (date, false);
            true
        }
        Ok(Reply::Rejected(Rejection::ReadOnly | Rejection::Overloaded, _)) => true,
        Ok(Reply::Rejected(Rejection::Unknown, _)) | Err(_) => false,
        other => panic!("{other:?}"),
    }
}

/// Settles, going on with a batch that could not come to its end. Whether the line holds.
pub async fn settle(client: &Client, batch_no: suanpan_core::Number, book: &Shared) -> bool {
    loop {
        let run = Run::Settlement(Settlement { batch_no, merchant: None });
        match client.ask_one(Request::Run(run)).await {
            Ok(Reply::Settlement { view, .. }) => {
                assert!(view.ended, "{view:?}");
                let mut book = book.lock().unwrap();
                book.batches.push(batch_no);
                book.settling = None;
                return true;
            }
            Ok(Reply::Rejected(Rejection::ReadOnly | Rejection::Overloaded, _)) => {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Ok(Reply::Rejected(Rejection::Unknown, _)) | Err(_) => return false,
            other => panic!("{other:?}"),
        }
    }
}

/// Asks a process for snapshots, again and again.
pub async fn ask_for_snapshots(mut rng: Rng, pid: rustix::process::Pid) {
    loop {
        tokio::time::sleep(Duration::from_millis(rng.u64(3..80))).await;
        if rustix::process::kill_process(pid, rustix::process::Signal::USR1).is_err() {
            return;
        }
    }
}
