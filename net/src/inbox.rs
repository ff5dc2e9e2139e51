//! What many callers ask of one shard at about the same time, handed over as one batch.
//!
//! Each batch costs wake-ups: of the shard, of the committer, of whoever waits. A caller that finds the inbox empty
//! *leads*: it lets the other tasks of its thread run once, so that they put in what they have, and then hands over
//! all of it. So those costs are shared by what came together, and a caller that is alone waits for nobody.
//!
//! Nothing stays behind: whoever leads hands over when it goes on, or when it is dropped.

use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use suanpan_core::{Rejection, Reply, Request};
use suanpan_engine::{BATCH_REQUESTS_MAX, Batch, Completed, Engine, Lsn, Refused};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::gateway::{Answer, Once};

/// What one shard is asked.
pub(crate) struct Inbox {
    shard: u16,
    /// What was not handed over yet.
    letters: Mutex<Letters>,
}

/// Requests of several callers, one after the other.
#[derive(Default)]
struct Letters {
    requests: Vec<Request>,
    /// Who waits, in the same order, and for how many replies.
    senders: Vec<(oneshot::Sender<Answer>, usize)>,
}

/// The promise to hand over.
struct Lead<'a> {
    inbox: &'a Inbox,
    engine: &'a Engine,
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        let letters = mem::take(&mut *self.inbox.letters());
        self.inbox.hand_over(self.engine, letters);
    }
}

impl Inbox {
    pub(crate) fn new(shard: u16) -> Self {
        Self { shard, letters: Mutex::default() }
    }

    /// Asks; answered when durable. `None` when the answer was lost with the engine.
    pub(crate) async fn ask(&self, engine: &Engine, requests: Vec<Request>) -> Option<Answer> {
        let (done_in, done_out) = oneshot::channel();
        if self.put(engine, requests, done_in) {
            let lead = Lead { inbox: self, engine };
            tokio::task::yield_now().await;
            drop(lead);
        }
        done_out.await.ok()
    }

    /// Puts requests in; whether they are the first.
    fn put(&self, engine: &Engine, mut requests: Vec<Request>, sender: oneshot::Sender<Answer>) -> bool {
        assert!((1..=BATCH_REQUESTS_MAX).contains(&requests.len()));
        let mut letters = self.letters();
        let full =
            (letters.requests.len() + requests.len() > BATCH_REQUESTS_MAX).then(|| mem::take(&mut *letters));
        let first = letters.senders.is_empty();
        letters.senders.push((sender, requests.len()));
        letters.requests.append(&mut requests);
        drop(letters);
        match full {
            // Its leader will find what came after, and hand that over.
            Some(full) => {
                self.hand_over(engine, full);
                false
            }
            None => first,
        }
    }

    fn letters(&self) -> MutexGuard<'_, Letters> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hand_over(&self, engine: &Engine, letters: Letters) {
        let Letters { requests, senders } = letters;
        if senders.is_empty() {
            return;
        }
        // The thread that syncs the log wakes one task; that one gives the callers their parts and wakes them, on
        // their own threads.
        let (caller, done_out) = Once::new();
        let batch = Batch { requests, replies: Vec::new(), token: 0, caller };
        match engine.submit(self.shard, batch) {
            // Without a runtime those who wait have gone with it.
            Ok(()) => drop(Handle::try_current().map(|runtime| {
                runtime.spawn(async move {
                    if let Ok(Completed { replies, as_of, .. }) = done_out.await {
                        deliver(senders, replies, as_of);
                    }
                })
            })),
            Err(Refused { why, batch }) => {
                let replies = vec![Reply::Rejected(why, None); batch.requests.len()];
                deliver(senders, replies, Lsn::ZERO);
            }
        }
    }
}

/// Gives each caller its own replies.
fn deliver(senders: Vec<(oneshot::Sender<Answer>, usize)>, replies: Vec<Reply>, as_of: Lsn) {
    let mut replies = replies.into_iter();
    for (sender, count) in senders {
        let replies: Vec<Reply> = replies.by_ref().take(count).collect();
        assert_eq!(replies.len(), count, "a reply to each request");
        // Whoever asked may have gone away.
        let _ = sender.send(Answer { replies, as_of });
    }
}

/// Replies for a caller whose answer was lost.
pub(crate) fn unknown(count: usize) -> Answer {
    Answer { replies: vec![Reply::Rejected(Rejection::Unknown, None); count], as_of: Lsn::ZERO }
}
