//! What both protocols stand on: the engine, asked from async code, and what the edge knows by name.
//!
//! The directory (channels by name and id, and the currencies of merchants that others named) is a
//! copy of facts that never change once they are there, taken from the shards. It is the edge's control plane:
//! no payment over the binary protocol waits for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use suanpan_core::{
    ChannelId, ChannelTerms, Command, Currency, Date, MerchantId, Number, Query, Receipt, Rejection, Reply,
    Request, Run, SettlementView, ShardTotals,
};
use suanpan_engine::{Caller, Completed, Engine, Lsn};
use tokio::sync::oneshot;

use crate::inbox::{self, Inbox};

/// The engine as the edge sees it.
pub struct Gateway {
    engine: Arc<Engine>,
    /// One for each shard.
    inboxes: Vec<Inbox>,
    channels: RwLock<Channels>,
    pub(crate) currencies: Mutex<HashMap<MerchantId, Currency>>,
    /// Held by the run that is under way.
    running: Arc<tokio::sync::Mutex<()>>,
    /// Held while a channel is put and learned, so that the directory sees puts in the log's order.
    putting_channel: Mutex<()>,
}

#[derive(Default)]
struct Channels {
    by_id: Vec<Arc<ChannelTerms>>,
    by_name: HashMap<String, ChannelId>,
}

/// What came of a request, and the log position at which it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// One reply to each request.
    pub replies: Vec<Reply>,
    /// Where in the log they hold.
    pub as_of: Lsn,
}

/// Waits for one batch, on behalf of one task.
pub(crate) struct Once(Mutex<Option<oneshot::Sender<Completed>>>);

impl Once {
    pub(crate) fn new() -> (Arc<Self>, oneshot::Receiver<Completed>) {
        let (done_in, done_out) = oneshot::channel();
        (Arc::new(Self(Mutex::new(Some(done_in)))), done_out)
    }
}

impl Caller for Once {
    fn complete(&self, completed: Completed) {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waiting) = waiting {
            // Whoever asked may have gone away: what was decided stands all the same.
            let _ = waiting.send(completed);
        }
    }
}

impl Gateway {
    /// Takes an engine and learns its channels.
    pub async fn new(engine: Arc<Engine>) -> Self {
        let gateway = Self {
            inboxes: (0..engine.shards()).map(Inbox::new).collect(),
            engine,
            channels: RwLock::default(),
            currencies: Mutex::new(HashMap::new()),
            running: Arc::default(),
            putting_channel: Mutex::new(()),
        };
        for id in 0..=u16::MAX {
            match gateway.ask_one(0, Request::Query(Query::Channel(ChannelId(id)))).await {
                Reply::Channel(terms) => gateway.learn_channel(ChannelId(id), *terms),
                _ => break,
            }
        }
        gateway
    }

    /// The engine itself.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Asks one shard, decided in order; answered when durable. A command and a look right behind it are decided with
    /// nothing in between; between other requests what concerns all shards may come. A refusal by the engine (a full
    /// queue, a failed log) is a reply like any other.
    pub async fn ask(&self, shard: u16, requests: Vec<Request>) -> Answer {
        let count = requests.len();
        let inbox = &self.inboxes[usize::from(shard)];
        inbox.ask(&self.engine, requests).await.unwrap_or_else(|| inbox::unknown(count))
    }

    /// Asks one shard one thing.
    pub async fn ask_one(&self, shard: u16, request: Request) -> Reply {
        let answer = self.ask(shard, vec![request]).await;
        answer.replies.into_iter().next().unwrap_or(Reply::Rejected(Rejection::Unknown, None))
    }

    /// Asks a merchant's shard.
    pub async fn ask_merchant(&self, merchant: MerchantId, requests: Vec<Request>) -> Answer {
        self.ask(self.engine.shard_of(merchant), requests).await
    }

    /// Makes or changes a channel on all shards.
    pub async fn put_channel(self: &Arc<Self>, terms: Box<ChannelTerms>) -> Reply {
        let this = self.clone();
        let kept = terms.clone();
        let put = tokio::task::spawn_blocking(move || {
            let _one = this.putting_channel.lock().unwrap_or_else(PoisonError::into_inner);
            let reply = this.engine.command_all(Command::PutChannel(terms));
            if let Reply::Done(Receipt::Channel { id, .. }) = reply {
                this.learn_channel(id, *kept);
            }
            reply
        });
        put.await.unwrap_or(Reply::Rejected(Rejection::Unknown, None))
    }

    /// Carries out a command that concerns all shards, at one point of the log.
    pub async fn command_all(&self, command: Command) -> Reply {
        if let Err(field) = command.check() {
            return Reply::Rejected(Rejection::InvalidRequest, Some(field));
        }
        let (caller, done_out) = Once::new();
        if let Err(why) = self.engine.submit_all(command, 0, caller) {
            return Reply::Rejected(why, None);
        }
        let reply = done_out.await.ok().and_then(|completed| completed.replies.into_iter().next());
        reply.unwrap_or(Reply::Rejected(Rejection::Unknown, None))
    }

    /// Sets where the books begin, while no order was taken.
    pub async fn begin_at(&self, date: Date) -> Reply {
        let engine = self.engine.clone();
        let begun = tokio::task::spawn_blocking(move || engine.begin_at(date)).await;
        begun.unwrap_or(Reply::Rejected(Rejection::Unknown, None))
    }

    /// Carries out what takes many commands: it may be asked for again until it was answered.
    pub async fn run(self: &Arc<Self>, run: Run) -> Reply {
        // One at a time, and whoever waits for its turn takes none of the threads that block.
        let turn = self.running.clone().lock_owned().await;
        let engine = self.engine.clone();
        let worked = tokio::task::spawn_blocking(move || {
            // Kept with the run: whoever asked for it may go away while it is under way.
            let _turn = turn;
            engine.run(run)
        })
        .await;
        worked.unwrap_or(Reply::Rejected(Rejection::Unknown, None))
    }

    /// The totals of all shards together, at one point of the log, and that point; `None` when a shard does not
    /// answer.
    pub async fn totals(self: &Arc<Self>) -> Option<(ShardTotals, Lsn)> {
        let this = self.clone();
        let totals = tokio::task::spawn_blocking(move || this.engine.totals()).await.ok().flatten();
        totals.map(|(shards, as_of)| (ShardTotals::sum(shards), as_of))
    }

    /// What a merchant accrued, summed over the shards; signed.
    ///
    /// # Errors
    /// The reply of the first shard that did not answer.
    pub async fn accrued(&self, merchant: MerchantId) -> Result<i128, Reply> {
        let part = |reply| match reply {
            Reply::Accrued(part) => Ok(part),
            other => Err(other),
        };
        Ok(self.ask_every_shard(&Query::Accrued(merchant), part).await?.into_iter().sum())
    }

    /// Asks every shard the same, one after the other; the first reply that is no part ends it.
    async fn ask_every_shard<T>(
        &self,
        query: &Query,
        part: impl Fn(Reply) -> Result<T, Reply>,
    ) -> Result<Vec<T>, Reply> {
        let mut parts = Vec::new();
        for shard in 0..self.engine.shards() {
            parts.push(part(self.ask_one(shard, Request::Query(query.clone())).await)?);
        }
        Ok(parts)
    }

    /// A settlement batch, summed over the shards.
    pub async fn settlement(&self, batch_no: Number) -> Reply {
        let part = |reply| match reply {
            Reply::Settlement { view, .. } => Ok(*view),
            other => Err(other),
        };
        match self.ask_every_shard(&Query::Settlement(batch_no), part).await.map(SettlementView::sum) {
            Ok(Some(view)) => Reply::Settlement { repeat: true, view: Box::new(view) },
            Ok(None) => Reply::Rejected(Rejection::Unknown, None),
            Err(other) => other,
        }
    }

    /// A channel's id by its name.
    #[must_use]
    pub fn channel_id(&self, name: &str) -> Option<ChannelId> {
        self.channels.read().unwrap_or_else(PoisonError::into_inner).by_name.get(name).copied()
    }

    /// A channel's rules by its id.
    #[must_use]
    pub fn channel(&self, id: ChannelId) -> Option<Arc<ChannelTerms>> {
        self.channels.read().unwrap_or_else(PoisonError::into_inner).by_id.get(usize::from(id.0)).cloned()
    }

    fn learn_channel(&self, id: ChannelId, terms: ChannelTerms) {
        let mut channels = self.channels.write().unwrap_or_else(PoisonError::into_inner);
        let at = usize::from(id.0);
        channels.by_name.insert(terms.name.clone(), id);
        let terms = Arc::new(terms);
        match channels.by_id.get_mut(at) {
            Some(known) => *known = terms,
            None => {
                assert_eq!(at, channels.by_id.len(), "channels are learned in the order of their ids");
                channels.by_id.push(terms);
            }
        }
    }
}
