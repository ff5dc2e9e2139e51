//! The Rust client of the binary protocol.
//!
//! [`Connection`] is the bare line: send frames, receive frames, in any number of each before the other; what a
//! load generator wants. [`Client`] lets many tasks share one connection and gives each its own replies.
//!
//! A connection that breaks leaves what was sent and not answered *unknown*: ask again with the same numbers.
//!
//! ```no_run
//! # async fn example() -> Result<(), suanpan_net::ClientError> {
//! use suanpan_net::Client;
//! use suanpan_core::{MerchantId, Query, Request};
//!
//! let client = Client::connect("127.0.0.1:7700").await?;
//! let replies = client.ask(vec![Request::Query(Query::Balances(MerchantId(1001)))]).await?;
//! println!("{replies:?}");
//! # Ok(())
//! # }
//! ```

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf, BytesMut};
use suanpan_core::{Reply, Request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpStream, ToSocketAddrs};
use tokio::sync::{mpsc, oneshot};

use crate::wire::{
    FRAME_REQUESTS_MAX, HEADER_BYTES, HELLO_BYTES, Header, Kind, ServerHello, WireError, client_hello,
    first_frame, read_replies, write_requests,
};

/// Why a client got no reply.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The line broke: what was not answered is unknown. Connect and ask again with the same numbers.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    /// The server closed: what was not answered is unknown. Connect and ask again with the same numbers.
    #[error("the server closed the connection")]
    Closed,
    /// What came is not this protocol.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The server refused what was sent, in its words, and closes.
    #[error("the server refused: {0}")]
    Refused(String),
    /// More requests at once than a frame holds, or none.
    #[error("{0} requests at once; a frame holds 1 to {FRAME_REQUESTS_MAX}")]
    Count(usize),
}

/// Sends frames.
#[derive(Debug)]
pub struct Sender {
    stream: OwnedWriteHalf,
    bytes: Vec<u8>,
}

/// Receives frames.
#[derive(Debug)]
pub struct Receiver {
    stream: OwnedReadHalf,
    buffer: BytesMut,
}

/// A line to a server, after the hello.
#[derive(Debug)]
pub struct Connection {
    /// What the server said of its limits.
    pub hello: ServerHello,
    /// One direction.
    pub sender: Sender,
    /// The other.
    pub receiver: Receiver,
}

impl Connection {
    /// Connects and greets.
    ///
    /// # Errors
    /// When the address does not answer, or not in this protocol and version.
    pub async fn open(address: impl ToSocketAddrs) -> Result<Self, ClientError> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        stream.write_all(&client_hello()).await?;
        let mut hello = [0; HELLO_BYTES];
        stream.read_exact(&mut hello).await?;
        let hello = ServerHello::from_bytes(&hello)?;
        let (reading, writing) = stream.into_split();
        let receiver = Receiver { stream: reading, buffer: BytesMut::with_capacity(1 << 16) };
        Ok(Self { hello, sender: Sender { stream: writing, bytes: Vec::new() }, receiver })
    }
}

impl Sender {
    /// Puts a frame into the buffer that the next [`Sender::flush`] sends.
    ///
    /// # Errors
    /// When there are no or too many requests, or too many bytes; nothing was put in then.
    pub fn put(&mut self, id: u64, requests: &Vec<Request>) -> Result<(), ClientError> {
        if !(1..=FRAME_REQUESTS_MAX).contains(&requests.len()) {
            return Err(ClientError::Count(requests.len()));
        }
        Ok(write_requests(id, requests, &mut self.bytes)?)
    }

    /// Sends what was put in.
    ///
    /// # Errors
    /// When the line is broken.
    pub async fn flush(&mut self) -> Result<(), ClientError> {
        self.stream.write_all(&self.bytes).await?;
        self.bytes.clear();
        Ok(())
    }
}

impl Receiver {
    /// Waits for the next frame of replies: its header, and the replies put into `replies`, which is cleared.
    ///
    /// # Errors
    /// When the line is broken or closed, or what comes is no frame of replies.
    pub async fn receive(&mut self, replies: &mut Vec<Reply>) -> Result<Header, ClientError> {
        loop {
            if let Some(header) = self.take(replies)? {
                return Ok(header);
            }
            let begun = self.buffer.first_chunk::<HEADER_BYTES>().map(Header::read).transpose()?;
            let wanted = begun.map_or(1 << 16, |header| header.length - self.buffer.len());
            self.buffer.reserve(wanted.max(1 << 15));
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(ClientError::Closed);
            }
        }
    }

    /// Takes a frame that has come in already, if there is one.
    ///
    /// # Errors
    /// When what came is no frame of replies.
    pub fn take(&mut self, replies: &mut Vec<Reply>) -> Result<Option<Header>, ClientError> {
        let Some((header, body)) = first_frame(&self.buffer)? else {
            return Ok(None);
        };
        match header.kind {
            Kind::Replies => {}
            Kind::Error => return Err(ClientError::Refused(String::from_utf8_lossy(body).into_owned())),
            Kind::Requests => return Err(WireError::Kind(Kind::Requests as u8).into()),
        }
        replies.clear();
        read_replies(&header, body, |reply| replies.push(reply))?;
        self.buffer.advance(header.length);
        Ok(Some(header))
    }
}

/// Those who wait for replies, by the mark of their frame; `None` once the line is broken.
type Waiting = Arc<Mutex<Option<HashMap<u64, oneshot::Sender<Vec<Reply>>>>>>;

/// A connection that many tasks share. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    hello: ServerHello,
    outgoing: mpsc::Sender<(Vec<Request>, oneshot::Sender<Vec<Reply>>)>,
}

/// Frames that wait to be sent.
const OUTGOING_MAX: usize = 256;

impl Client {
    /// Connects and greets.
    ///
    /// # Errors
    /// When the address does not answer, or not in this protocol and version.
    pub async fn connect(address: impl ToSocketAddrs) -> Result<Self, ClientError> {
        let Connection { hello, sender, receiver } = Connection::open(address).await?;
        let (outgoing, queue) = mpsc::channel(OUTGOING_MAX);
        let waiting: Waiting = Arc::new(Mutex::new(Some(HashMap::new())));
        tokio::spawn(send_all(sender, queue, waiting.clone()));
        tokio::spawn(receive_all(receiver, waiting));
        Ok(Self { hello, outgoing })
    }

    /// What the server said of its limits.
    #[must_use]
    pub fn hello(&self) -> ServerHello {
        self.hello
    }

    /// Sends requests as one frame and waits for a reply to each, in order.
    ///
    /// # Errors
    /// When the line is broken: what was asked is unknown then. When there are too many requests: nothing was
    /// sent.
    pub async fn ask(&self, requests: Vec<Request>) -> Result<Vec<Reply>, ClientError> {
        if !(1..=FRAME_REQUESTS_MAX).contains(&requests.len()) {
            return Err(ClientError::Count(requests.len()));
        }
        let (done_in, done_out) = oneshot::channel();
        self.outgoing.send((requests, done_in)).await.map_err(|_| ClientError::Closed)?;
        done_out.await.map_err(|_| ClientError::Closed)
    }

    /// Sends one request and waits for its reply.
    ///
    /// # Errors
    /// As [`Client::ask`].
    pub async fn ask_one(&self, request: Request) -> Result<Reply, ClientError> {
        self.ask(vec![request]).await?.pop().ok_or(ClientError::Closed)
    }
}

async fn send_all(
    mut sender: Sender,
    mut queue: mpsc::Receiver<(Vec<Request>, oneshot::Sender<Vec<Reply>>)>,
    waiting: Waiting,
) {
    let mut id = 0;
    while let Some(first) = queue.recv().await {
        let mut next = Some(first);
        while let Some((requests, done)) = next {
            id += 1;
            match waiting.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
                Some(waiting) => waiting.insert(id, done),
                None => return,
            };
            if sender.put(id, &requests).is_err() {
                // Too many bytes for a frame: dropping the waiting side tells whoever asked.
                let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
                waiting.as_mut().and_then(|waiting| waiting.remove(&id));
            }
            next = queue.try_recv().ok();
        }
        if sender.flush().await.is_err() {
            return;
        }
    }
}

async fn receive_all(mut receiver: Receiver, waiting: Waiting) {
    let mut replies = Vec::new();
    while let Ok(header) = receiver.receive(&mut replies).await {
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(done) = waiting.as_mut().and_then(|waiting| waiting.remove(&header.id)) else {
            break;
        };
        // Whoever asked may have stopped waiting.
        let _ = done.send(std::mem::take(&mut replies));
    }
    // Everybody who waits, and everybody who comes, is told.
    waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
}
