//! One connection of the binary protocol, as the server sees it.
//!
//! Two tasks: the reader takes all frames that have come in, checks them, sorts their requests by shard and hands
//! each shard one batch; together they are a *bundle*. The writer gets the shards' batches back when they are
//! durable, puts the replies into the order of the requests, and sends all frames that are ready in one write.
//!
//! What bounds a connection's memory: one frame being read ([`FRAME_BYTES_MAX`]), and the weight of the requests in
//! flight ([`TcpLimits::requests_in_flight_max`]), beyond which the reader does not read. A request weighs one; a long
//! one weighs by its bytes, one that is answered with a list by its list. A client that does not take its replies
//! stops being read for the same reason.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use crossbeam_queue::ArrayQueue;
use suanpan_core::{Command, Query, Rejection, Reply, Request};
use suanpan_engine::{BATCH_REQUESTS_MAX, Batch, Caller, Completed, Engine, Lsn, Refused};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, timeout, timeout_at};

use crate::gateway::Gateway;
use crate::tcp::TcpLimits;
use crate::wire::{
    FRAME_BYTES_MAX, FRAME_LISTS_MAX, FRAME_QUERIES_MAX, FRAME_REQUESTS_MAX, HEADER_BYTES, Header, Kind,
    WireError, first_frame, read_requests, write_error, write_replies,
};

/// What is read at once when no frame is half here.
const READ_BYTES: usize = 64 * 1024;

/// Replies are gathered up to this before they are written.
const WRITE_BYTES: usize = 1 << 20;

/// Bytes of a frame that weigh as much as a request.
const BYTES_A_WEIGHT: usize = 512;

/// What a request weighs that is answered with a list, with a channel's whole zone or with the calendar.
const LIST_WEIGHT: usize = 100;

/// A bundle ends when it weighs so much.
const BUNDLE_WEIGHT: usize = BATCH_REQUESTS_MAX;

/// What the heaviest bundle weighs: one that is not full takes one more frame.
pub(crate) const BUNDLE_WEIGHT_MAX: usize =
    BUNDLE_WEIGHT + FRAME_BYTES_MAX / BYTES_A_WEIGHT + FRAME_REQUESTS_MAX + FRAME_LISTS_MAX * LIST_WEIGHT;

/// Vectors kept for use again.
const POOLED: usize = 16;

/// Where the reply to a request comes from: a shard's number, or from here.
type Route = u8;
const HERE: Route = Route::MAX;
const _: () = assert!(suanpan_engine::SHARDS_MAX < HERE as u16);

/// Frames that came in together.
#[derive(Default)]
struct Bundle {
    /// The client's mark of each frame, and its requests.
    frames: Vec<(u64, u16)>,
    /// Where each request's reply comes from, over all frames.
    routes: Vec<Route>,
    /// Replies by shard, as they come back.
    parts: Vec<Vec<Reply>>,
    /// Replies that were made here.
    here: Vec<Reply>,
    /// Shards that have not answered.
    missing: usize,
    /// The log position at which the replies hold.
    as_of: u64,
    /// What it takes of the connection's room.
    weight: usize,
}

/// What the writer is told.
enum Event {
    /// A bundle was handed to its shards.
    Bundle(u64, Bundle),
    /// A shard's part of one is durable.
    Part(Completed),
    /// The client sent what is no frame: say so and close.
    Bad(WireError),
}

/// Where the shards put what they have decided.
struct Outbox(mpsc::UnboundedSender<Event>);

impl Caller for Outbox {
    fn complete(&self, completed: Completed) {
        // The writer has gone when the client has: what was decided stands, and the client may ask again.
        let _ = self.0.send(Event::Part(completed));
    }
}

/// Vectors that go round.
#[derive(Clone)]
struct Pool {
    requests: Arc<ArrayQueue<Vec<Request>>>,
    replies: Arc<ArrayQueue<Vec<Reply>>>,
}

impl Pool {
    fn new() -> Self {
        Self { requests: Arc::new(ArrayQueue::new(POOLED)), replies: Arc::new(ArrayQueue::new(POOLED)) }
    }

    fn give_requests(&self, mut used: Vec<Request>) {
        used.clear();
        // Full: the vector is freed instead.
        let _ = self.requests.push(used);
    }

    fn give_replies(&self, mut used: Vec<Reply>) {
        used.clear();
        let _ = self.replies.push(used);
    }
}

/// Why a reader ended.
enum End {
    /// The client closed, went away, or was too slow.
    Closed,
    /// It sent what is no frame.
    Bad(WireError),
}

impl From<WireError> for End {
    fn from(error: WireError) -> Self {
        Self::Bad(error)
    }
}

/// Serves a connection after its hello, until the client closes it, sends what is no frame, or is too slow.
pub(crate) async fn serve<R, W>(incoming: R, outgoing: W, gateway: Arc<Gateway>, limits: TcpLimits)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin + Send + 'static,
{
    // Unbounded, yet bounded: its events are one for a bundle and one for each of the bundle's shards, and the
    // requests in flight are bounded.
    let (events, events_out) = mpsc::unbounded_channel();
    let pool = Pool::new();
    let room = Arc::new(Semaphore::new(limits.requests_in_flight_max));
    let writer = Writer {
        outgoing,
        pool: pool.clone(),
        room: room.clone(),
        slowest: limits.frame_timeout,
        bundles: HashMap::new(),
        bytes: Vec::new(),
        merged: Vec::new(),
    };
    let mut writing = tokio::spawn(writer.run(events_out));
    let caller = Arc::new(Outbox(events.clone()));
    let mut reader = Reader { gateway, caller, events, pool, room, slowest: limits.frame_timeout, token: 0 };
    tokio::select! {
        end = reader.run(incoming) => {
            if let End::Bad(error) = end {
                let _ = reader.events.send(Event::Bad(error));
            }
            // The writer ends when the last of what is in flight was answered.
            drop(reader);
            let _ = writing.await;
        }
        // The client takes no replies any more.
        _ = &mut writing => {}
    }
}

struct Reader {
    gateway: Arc<Gateway>,
    caller: Arc<Outbox>,
    events: mpsc::UnboundedSender<Event>,
    pool: Pool,
    room: Arc<Semaphore>,
    slowest: Duration,
    token: u64,
}

impl Reader {
    async fn run<R: AsyncRead + Unpin>(&mut self, mut incoming: R) -> End {
        let mut buffer = BytesMut::with_capacity(READ_BYTES);
        // When the frame that has begun must be here in whole.
        let mut deadline = None;
        loop {
            loop {
                match self.take(&mut buffer).await {
                    Ok(true) => deadline = None,
                    Ok(false) => break,
                    Err(end) => return end,
                }
            }
            // Room for the rest of the frame that has begun, or for whatever comes.
            let begun = buffer.first_chunk::<HEADER_BYTES>().and_then(|head| Header::read(head).ok());
            let wanted = begun.map_or(READ_BYTES, |header| header.length - buffer.len());
            buffer.reserve(wanted.max(READ_BYTES / 2));
            // Between frames a client may be idle as long as it likes; within one it may not.
            let idle = buffer.is_empty();
            let reading = incoming.read_buf(&mut buffer);
            let read = if idle {
                Ok(reading.await)
            } else {
                let until = *deadline.get_or_insert_with(|| Instant::now() + self.slowest);
                timeout_at(until, reading).await
            };
            match read {
                Ok(Ok(bytes)) if bytes > 0 => {}
                _ => return End::Closed,
            }
        }
    }

    /// Takes the whole frames in the buffer, as many as make one bundle. False when there is none.
    async fn take(&mut self, buffer: &mut BytesMut) -> Result<bool, End> {
        let shards = usize::from(self.gateway.engine().shards());
        let mut sorter = Sorter::new(shards, &self.pool);
        loop {
            let taken = sorter.take(buffer, self.gateway.engine());
            match taken {
                Ok(true) => {}
                Ok(false) => break,
                // What came before it is served; the bad frame is first in the buffer then, and found again.
                Err(_) if sorter.count() > 0 => break,
                Err(error) => return Err(error.into()),
            }
        }
        let Sorter { bundle, batches, alone, .. } = sorter;
        if bundle.routes.is_empty() && alone.is_none() {
            batches.into_iter().for_each(|unused| self.pool.give_requests(unused));
            return Ok(false);
        }
        if !bundle.routes.is_empty() {
            self.wait_for_room(bundle.weight).await?;
            self.hand_over(bundle, batches);
        }
        if let Some((id, request, weight)) = alone {
            self.wait_for_room(weight).await?;
            self.carry_out_alone(id, request, weight);
        }
        Ok(true)
    }

    /// Waits while too much of this client's is in flight; refused when the writer has given up.
    async fn wait_for_room(&mut self, weight: usize) -> Result<(), End> {
        assert!(weight <= BUNDLE_WEIGHT_MAX, "a bundle heavier than any may be");
        let weight = u32::try_from(weight).unwrap_or(u32::MAX);
        self.room.acquire_many(weight).await.map_err(|_| End::Closed)?.forget();
        self.token += 1;
        Ok(())
    }

    /// Hands each shard its part.
    fn hand_over(&self, bundle: Bundle, batches: Vec<Vec<Request>>) {
        let token = self.token;
        // First the bundle, so that the writer knows it before its parts come back.
        let _ = self.events.send(Event::Bundle(token, bundle));
        for (shard, requests) in (0u16..).zip(batches) {
            if requests.is_empty() {
                self.pool.give_requests(requests);
                continue;
            }
            let replies = self.pool.replies.pop().unwrap_or_default();
            let batch = Batch { requests, replies, token, caller: self.caller.clone() };
            if let Err(Refused { why, batch }) = self.gateway.engine().submit(shard, batch) {
                let Batch { requests, mut replies, .. } = batch;
                replies.resize(requests.len(), Reply::Rejected(why, None));
                self.caller.complete(Completed { token, shard, requests, replies, as_of: Lsn::ZERO });
            }
        }
    }

    /// Carries out a request that concerns more than one shard, beside everything else.
    fn carry_out_alone(&self, id: u64, request: Request, weight: usize) {
        let (gateway, events, token) = (self.gateway.clone(), self.events.clone(), self.token);
        tokio::spawn(async move {
            let reply = answer_alone(&gateway, request).await;
            let bundle = Bundle {
                frames: vec![(id, 1)],
                routes: vec![HERE],
                here: vec![reply],
                weight,
                ..Bundle::default()
            };
            let _ = events.send(Event::Bundle(token, bundle));
        });
    }
}

/// Answers a request that concerns more than one shard.
async fn answer_alone(gateway: &Arc<Gateway>, request: Request) -> Reply {
    match request {
        Request::Command(Command::PutMerchant(terms)) => gateway.put_merchant(terms).await,
        Request::Command(Command::PutChannel(terms)) => gateway.put_channel(terms).await,
        Request::Command(Command::PutPromoter(promoter)) => gateway.put_promoter(promoter).await,
        Request::Command(Command::Split(split)) => gateway.split(split).await,
        Request::Command(Command::Adjust(adjustment)) => gateway.adjust(adjustment).await,
        Request::Command(command) if command.merchant().is_none() => gateway.command_all(command).await,
        Request::Query(Query::Accrued(merchant)) => {
            gateway.accrued(merchant).await.map_or_else(|reply| reply, Reply::Accrued)
        }
        Request::Query(Query::Totals) => match gateway.totals().await {
            Some((totals, _)) => Reply::Totals(Box::new(totals)),
            None => Reply::Rejected(Rejection::Overloaded, None),
        },
        Request::Query(Query::Settlement(batch_no)) => gateway.settlement(batch_no).await,
        Request::Run(run) => gateway.run_checked(run).await,
        Request::Command(_) | Request::Query(_) => Reply::Rejected(Rejection::InvalidRequest, None),
    }
}

/// Sorts requests by shard.
struct Sorter {
    bundle: Bundle,
    batches: Vec<Vec<Request>>,
    /// A request that concerns more than one shard, its frame's mark, and what it weighs; ends the bundle.
    alone: Option<(u64, Request, usize)>,
    /// Looks and lists in the bundle.
    queries: usize,
    lists: usize,
}

impl Sorter {
    fn new(shards: usize, pool: &Pool) -> Self {
        let batches = (0..shards).map(|_| pool.requests.pop().unwrap_or_default()).collect();
        Self { bundle: Bundle::default(), batches, alone: None, queries: 0, lists: 0 }
    }

    fn count(&self) -> usize {
        self.bundle.routes.len()
    }

    /// Takes the first frame of the buffer, if it is whole and still fits the bundle.
    fn take(&mut self, buffer: &mut BytesMut, engine: &Engine) -> Result<bool, WireError> {
        let full = self.bundle.weight >= BUNDLE_WEIGHT
            || self.queries >= FRAME_QUERIES_MAX
            || self.lists >= FRAME_LISTS_MAX;
        if full || self.alone.is_some() {
            return Ok(false);
        }
        let Some((header, body)) = first_frame(buffer)? else {
            return Ok(false);
        };
        if header.kind != Kind::Requests {
            return Err(WireError::Kind(header.kind as u8));
        }
        if self.count() + usize::from(header.count) > BATCH_REQUESTS_MAX {
            return Ok(false);
        }
        self.sort(&header, body, engine)?;
        buffer.advance(header.length);
        Ok(true)
    }

    fn sort(&mut self, header: &Header, body: &[u8], engine: &Engine) -> Result<(), WireError> {
        self.bundle.routes.reserve(usize::from(header.count));
        let (mut queries, mut lists) = (0, 0);
        let weight = usize::from(header.count).max(header.length / BYTES_A_WEIGHT);
        read_requests(header, body, |request| {
            if is_internal(&request) {
                return self.refuse();
            }
            if needs_all(&request) {
                if header.count == 1 {
                    self.alone = Some((header.id, request, weight + LIST_WEIGHT));
                } else {
                    self.refuse();
                }
                return;
            }
            if let Request::Query(query) = &request {
                queries += 1;
                lists += usize::from(is_list(query));
            }
            if queries > FRAME_QUERIES_MAX || lists > FRAME_LISTS_MAX {
                return self.refuse();
            }
            let merchant = match &request {
                Request::Command(command) => command.merchant(),
                Request::Query(query) => query.merchant(),
                Request::Run(_) => None,
            };
            let shard = merchant.map_or(0, |merchant| engine.shard_of(merchant));
            self.bundle.routes.push(shard as Route);
            self.batches[usize::from(shard)].push(request);
        })?;
        if self.alone.is_none() {
            self.bundle.frames.push((header.id, header.count));
            self.bundle.weight += weight + lists.min(FRAME_LISTS_MAX) * LIST_WEIGHT;
            self.queries += queries;
            self.lists += lists;
        }
        self.bundle.missing = self.batches.iter().filter(|batch| !batch.is_empty()).count();
        Ok(())
    }

    fn refuse(&mut self) {
        self.bundle.routes.push(HERE);
        self.bundle.here.push(Reply::Rejected(Rejection::InvalidRequest, None));
    }
}

/// Whether a request is the engine's own business.
fn is_internal(request: &Request) -> bool {
    match request {
        Request::Command(command) => command.is_internal(),
        Request::Query(query) => query.is_internal(),
        Request::Run(_) => false,
    }
}

/// Whether a request concerns more than its merchant's shard.
fn needs_all(request: &Request) -> bool {
    match request {
        Request::Command(Command::PutMerchant(terms)) => terms.platform.is_some(),
        Request::Command(Command::Split(_)) => true,
        Request::Command(command) => command.merchant().is_none(),
        Request::Query(query) => matches!(query, Query::Accrued(_) | Query::Totals | Query::Settlement(_)),
        Request::Run(_) => true,
    }
}

/// Whether it is answered with a list, or with something as large as one.
fn is_list(query: &Query) -> bool {
    matches!(query, Query::OrderRefunds(..) | Query::Entries(..) | Query::Channel(_) | Query::Holidays)
}

struct Writer<W> {
    outgoing: W,
    pool: Pool,
    room: Arc<Semaphore>,
    slowest: Duration,
    bundles: HashMap<u64, Bundle>,
    bytes: Vec<u8>,
    merged: Vec<Reply>,
}

impl<W: AsyncWrite + Unpin> Writer<W> {
    async fn run(mut self, mut events: mpsc::UnboundedReceiver<Event>) -> io::Result<()> {
        let mut bad = None;
        while let Some(event) = events.recv().await {
            let mut next = Some(event);
            let mut answered = 0;
            while let Some(event) = next {
                answered += match event {
                    Event::Bundle(token, bundle) => self.bundle(token, bundle),
                    Event::Part(completed) => self.part(completed),
                    Event::Bad(error) => {
                        bad = Some(error);
                        0
                    }
                };
                if self.bytes.len() >= WRITE_BYTES {
                    break;
                }
                next = events.try_recv().ok();
            }
            self.flush().await?;
            self.room.add_permits(answered);
        }
        if let Some(error) = bad {
            write_error(0, &error.to_string(), &mut self.bytes);
            self.flush().await?;
        }
        self.outgoing.shutdown().await
    }

    async fn flush(&mut self) -> io::Result<()> {
        if !self.bytes.is_empty() {
            let slow = |_| io::Error::from(io::ErrorKind::TimedOut);
            timeout(self.slowest, self.outgoing.write_all(&self.bytes)).await.map_err(slow)??;
            self.bytes.clear();
            // One large answer does not make a connection large for good.
            self.bytes.shrink_to(2 * WRITE_BYTES);
        }
        Ok(())
    }

    /// Takes note of a bundle; how much weight that answered.
    fn bundle(&mut self, token: u64, mut bundle: Bundle) -> usize {
        if bundle.missing == 0 {
            return self.answer(&mut bundle);
        }
        self.bundles.insert(token, bundle);
        0
    }

    /// Takes a shard's part; how much weight that answered.
    fn part(&mut self, completed: Completed) -> usize {
        let Completed { token, shard, requests, replies, as_of } = completed;
        self.pool.give_requests(requests);
        let Some(bundle) = self.bundles.get_mut(&token) else {
            unreachable!("parts come back once, and behind their bundle");
        };
        let at = usize::from(shard);
        if bundle.parts.len() <= at {
            bundle.parts.resize_with(at + 1, Vec::new);
        }
        bundle.parts[at] = replies;
        bundle.as_of = bundle.as_of.max(as_of.get());
        bundle.missing -= 1;
        if bundle.missing > 0 {
            return 0;
        }
        let Some(mut bundle) = self.bundles.remove(&token) else {
            unreachable!("it was there above");
        };
        self.answer(&mut bundle)
    }

    /// Writes the frames that answer a bundle.
    fn answer(&mut self, bundle: &mut Bundle) -> usize {
        let mut next = [0usize; 256];
        let mut routes = bundle.routes.iter();
        for &(id, count) in &bundle.frames {
            self.merged.clear();
            for &route in routes.by_ref().take(usize::from(count)) {
                let from =
                    if route == HERE { &mut bundle.here } else { &mut bundle.parts[usize::from(route)] };
                let at = &mut next[usize::from(route)];
                self.merged.push(std::mem::replace(&mut from[*at], TAKEN));
                *at += 1;
            }
            if let Err(error) = write_replies(id, bundle.as_of, &self.merged, &mut self.bytes) {
                // Queries are bounded so that this cannot be; say so rather than keep the client waiting.
                write_error(id, &error.to_string(), &mut self.bytes);
            }
        }
        for part in bundle.parts.drain(..) {
            self.pool.give_replies(part);
        }
        bundle.weight
    }
}

/// What stays where a reply was taken from.
const TAKEN: Reply = Reply::Rejected(Rejection::Unknown, None);

const _: () = assert!(READ_BYTES <= FRAME_BYTES_MAX);
