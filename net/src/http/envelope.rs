//! What surrounds every request: its id, the writing of problems, and the net under a panic.

use std::hash::{BuildHasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest id of a caller that is taken over, in bytes.
const REQUEST_ID_BYTES_MAX: usize = 64;

/// Names requests: a prefix drawn when the server started, and a count.
pub(super) struct RequestIds {
    prefix: u64,
    next: AtomicU64,
}

impl RequestIds {
    pub(super) fn new() -> Self {
        // The standard library seeds its hashers from the system's randomness.
        Self { prefix: RandomState::new().hash_one(std::process::id()), next: AtomicU64::new(1) }
    }

    /// The caller's own id if it is a sane one, or a new one.
    fn of(&self, headers: &HeaderMap) -> HeaderValue {
        let sane = |value: &&HeaderValue| {
            let allowed = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
            (1..=REQUEST_ID_BYTES_MAX).contains(&value.len()) && value.as_bytes().iter().all(allowed)
        };
        headers.get(X_REQUEST_ID).filter(sane).cloned().unwrap_or_else(|| {
            // Relaxed: only the count matters.
            let count = self.next.fetch_add(1, Ordering::Relaxed);
            HeaderValue::try_from(format!("{:016x}-{count:x}", self.prefix))
                .unwrap_or(HeaderValue::from_static("none"))
        })
    }
}

/// Runs a request and finishes its response.
pub(super) async fn envelope(State(ids): State<Arc<RequestIds>>, request: Request, next: Next) -> Response {
    let id = ids.of(request.headers());
    let mut response = match Caught(pin!(next.run(request))).await {
        Some(response) => response,
        None => {
            tracing::error!(request_id = ?id, "a request's handler panicked");
            Problem::unknown().into_response()
        }
    };
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        let written = problem.write(id.to_str().unwrap_or_default());
        // Headers that came with it stay, such as `allow`; the rest is the problem's own.
        let (mut parts, body) = written.into_parts();
        for (name, value) in response.headers() {
            if !parts.headers.contains_key(name) && name != axum::http::header::CONTENT_LENGTH {
                parts.headers.insert(name.clone(), value.clone());
            }
        }
        response = Response::from_parts(parts, body);
    }
    response.headers_mut().insert(X_REQUEST_ID, id);
    response
}

/// A future that gives `None` when it panics.
struct Caught<'a, F>(Pin<&'a mut F>);

impl<F: Future> Future for Caught<'_, F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Nothing of the future is looked at after a panic: it is only dropped.
        match catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(cx))) {
            Ok(polled) => polled.map(Some),
            Err(_) => Poll::Ready(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_caught() {
        async fn faulty(fault: bool) -> u8 {
            assert!(!fault, "a fault");
            7
        }
        assert_eq!(Caught(pin!(faulty(false))).await, Some(7));
        assert_eq!(Caught(pin!(faulty(true))).await, None);
    }

    #[test]
    fn ids_of_callers_are_kept_only_when_sane() {
        let ids = RequestIds::new();
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(X_REQUEST_ID, HeaderValue::from_str(text).unwrap());
            ids.of(&headers)
        };
        assert_eq!(of("abc-1.2:3_4"), "abc-1.2:3_4");
        assert_eq!(of(&"x".repeat(64)), "x".repeat(64));
        for strange in ["", "a b", "a\"b", &"x".repeat(65)] {
            assert_ne!(of(strange), strange);
        }
        assert_ne!(ids.of(&HeaderMap::new()), ids.of(&HeaderMap::new()));
    }
}
