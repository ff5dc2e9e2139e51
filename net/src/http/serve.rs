//! Connections: how many, how long, and how they end.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, Request};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::envelope::{RequestIds, enveloped};
use super::problem::Problem;
use super::stall::Stalling;

/// What the server allows its peers.
#[derive(Debug, Clone, Copy)]
pub struct ServeLimits {
    /// Connections that are served at a time; a few more are told that it is overloaded, the rest are closed.
    pub connections_max: usize,
    /// How long a request's head may take, and a connection be idle between two requests.
    pub head_timeout: Duration,
    /// How long a peer may leave what was sent to it unread.
    pub write_timeout: Duration,
    /// How long requests that have begun may take to end when the server is told to stop.
    pub drain_timeout: Duration,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            head_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(20),
            drain_timeout: Duration::from_secs(10),
        }
    }
}

/// Connections over the limit that are told so at a time.
const REFUSALS_MAX: usize = 64;
/// The largest head of a request, in bytes; hyper takes no less.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Streams of one HTTP/2 connection.
const STREAMS_MAX: u32 = 256;
/// How often a quiet HTTP/2 connection is asked whether it lives, and how long it may take to say so.
const PING_EVERY: Duration = Duration::from_secs(20);
/// How long to wait when the system has no more sockets to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves a router on a listener with the default limits until `shutdown` ends.
///
/// # Errors
/// As [`serve_within`].
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    serve_within(ServeLimits::default(), listener, router, shutdown).await
}

/// Serves a router on a listener until `shutdown` ends; then takes no more connections and lets the requests
/// that have begun end.
///
/// # Errors
/// `TimedOut` when some did not end in time and were cut off.
pub async fn serve_within(
    limits: ServeLimits,
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let refusing = Router::new().fallback(refuse);
    let ids = Arc::new(RequestIds::new());
    let (stop_in, stop_out) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let stream = tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        let router = match connections.len() {
            open if open < limits.connections_max => router.clone(),
            open if open < limits.connections_max.saturating_add(REFUSALS_MAX) => refusing.clone(),
            _ => continue,
        };
        connections.spawn(connection(stream, router, ids.clone(), limits, stop_out.clone()));
    }
    drop((listener, stop_out));
    // Closing the channel is the sign.
    drop(stop_in);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.drain_timeout, ended).await.is_ok() {
        return Ok(());
    }
    connections.shutdown().await;
    Err(io::Error::new(io::ErrorKind::TimedOut, "requests were cut off after the time they had to end"))
}

/// Answers one request as a connection would, without one: for fuzzing.
#[doc(hidden)]
pub async fn answer(router: Router, request: Request<Body>) -> Response {
    enveloped(Arc::new(RequestIds::new()), request, router).await
}

async fn refuse() -> impl IntoResponse {
    let mut response = Problem::overloaded().into_response();
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Serves one connection to its end.
async fn connection(
    stream: TcpStream,
    router: Router,
    ids: Arc<RequestIds>,
    limits: ServeLimits,
    mut stop: watch::Receiver<()>,
) {
    // Without it a small answer may wait for the acknowledgement of the one before; a socket that cannot do it
    // is closed already.
    let _ = stream.set_nodelay(true);
    let stream = TokioIo::new(Stalling::new(stream, limits.head_timeout, limits.write_timeout));
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(HEAD_BYTES_MAX)
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEAD_BYTES_MAX as u32)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_EVERY);
    let service = service_fn(|request: Request<Incoming>| {
        let answering = enveloped(ids.clone(), request.map(Body::new), router.clone());
        async { Ok::<_, Infallible>(answering.await) }
    });
    let mut serving = pin!(builder.serve_connection(stream, service));
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        _ = stop.changed() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
