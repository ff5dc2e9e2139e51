//! The binary protocol's port: connections are taken, greeted, counted and served.

use std::sync::Arc;
use std::time::Duration;

use suanpan_engine::BATCH_REQUESTS_MAX;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::gateway::Gateway;
use crate::session;
use crate::wire::{
    FRAME_BYTES_MAX, FRAME_REQUESTS_MAX, HELLO_BYTES, HelloStatus, ServerHello, VERSION, WireError,
    read_client_hello,
};

/// What bounds the binary port. At the defaults a connection that sends as much as it may holds at most a frame, the
/// weight of eight full batches in flight (about 35 MiB if every byte of it is text, 7 MiB of payments), and their
/// replies; after a burst it keeps room for some batches.
#[derive(Debug, Clone, Copy)]
pub struct TcpLimits {
    /// Connections at a time; more are told so and closed.
    pub connections_max: usize,
    /// Weight of the requests of one connection that were read and not answered. A request weighs one, or by its
    /// frame's bytes if that is more, 512 to one; a list weighs a hundred. At least what the heaviest bundle weighs,
    /// some 26,000.
    pub requests_in_flight_max: usize,
    /// How long a hello or a frame may take once it has begun, and a reply to be taken.
    pub frame_timeout: Duration,
}

/// Connections over the limit that are told so at a time.
const REFUSALS_MAX: usize = 64;

/// How long to wait when the system has no more connections to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

impl Default for TcpLimits {
    fn default() -> Self {
        Self {
            connections_max: 256,
            requests_in_flight_max: 8 * BATCH_REQUESTS_MAX,
            frame_timeout: Duration::from_secs(30),
        }
    }
}

/// Serves the port until the future is dropped.
///
/// # Panics
/// When `requests_in_flight_max` is less than the heaviest bundle weighs.
pub async fn serve(listener: TcpListener, gateway: Arc<Gateway>, limits: TcpLimits) {
    assert!(limits.requests_in_flight_max >= session::BUNDLE_WEIGHT_MAX);
    let room = Arc::new(Semaphore::new(limits.connections_max));
    let refusals = Arc::new(Semaphore::new(REFUSALS_MAX));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Of this connection, or for want of something that others will give back; the port stays open.
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if let Ok(permit) = room.clone().try_acquire_owned() {
            tokio::spawn(greet(stream, gateway.clone(), limits, Some(permit)));
        } else if let Ok(refusal) = refusals.clone().try_acquire_owned() {
            let gateway = gateway.clone();
            tokio::spawn(async move {
                greet(stream, gateway, limits, None).await;
                drop(refusal);
            });
        }
        // Beyond that a connection is closed without a word.
    }
}

async fn greet(
    mut stream: TcpStream,
    gateway: Arc<Gateway>,
    limits: TcpLimits,
    permit: Option<OwnedSemaphorePermit>,
) {
    // Without it small frames wait for the acknowledgement of the ones before.
    let _ = stream.set_nodelay(true);
    let mut hello = [0; HELLO_BYTES];
    match timeout(limits.frame_timeout, stream.read_exact(&mut hello)).await {
        Ok(Ok(_)) => {}
        _ => return,
    }
    let status = match read_client_hello(&hello) {
        _ if permit.is_none() => HelloStatus::Full,
        Ok(_) => HelloStatus::Welcome,
        Err(WireError::Version { .. }) => HelloStatus::Version,
        // Another protocol: nothing we could say would be understood.
        Err(_) => return,
    };
    let answer = ServerHello {
        status,
        version: VERSION,
        frame_bytes_max: FRAME_BYTES_MAX as u32,
        requests_in_flight_max: u32::try_from(limits.requests_in_flight_max).unwrap_or(u32::MAX),
        requests_max: FRAME_REQUESTS_MAX as u16,
    };
    if stream.write_all(&answer.to_bytes()).await.is_ok() && status == HelloStatus::Welcome {
        let (incoming, outgoing) = stream.into_split();
        session::serve(incoming, outgoing, gateway, limits).await;
    }
    drop(permit);
}
