//! The binary protocol's port: connections are taken, greeted, counted and served.

use std::io;
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

/// What bounds the binary port. At the defaults, connections that all send as much as they may hold at most a
/// frame and eight full batches each, about 12 MiB.
#[derive(Debug, Clone, Copy)]
pub struct TcpLimits {
    /// Connections at a time; more are told so and closed.
    pub connections_max: usize,
    /// Requests of one connection that were read and not answered, at least one full batch.
    pub requests_in_flight_max: usize,
    /// How long a hello or a frame may take once it has begun, and a reply to be taken.
    pub frame_timeout: Duration,
}

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
/// # Errors
/// When the listener fails for good; the failures of single connections are theirs.
///
/// # Panics
/// When `requests_in_flight_max` is less than a full batch.
pub async fn serve(listener: TcpListener, gateway: Arc<Gateway>, limits: TcpLimits) -> io::Result<()> {
    assert!(limits.requests_in_flight_max >= BATCH_REQUESTS_MAX);
    let room = Arc::new(Semaphore::new(limits.connections_max));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) if is_passing(&error) => {
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
            Err(error) => return Err(error),
        };
        let permit = room.clone().try_acquire_owned().ok();
        tokio::spawn(greet(stream, gateway.clone(), limits, permit));
    }
}

/// Whether accepting may work again: the process is out of files, or the client was gone already.
fn is_passing(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
        || matches!(
            error.kind(),
            io::ErrorKind::ConnectionAborted
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::Interrupted
                | io::ErrorKind::OutOfMemory
        )
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
