//! What surrounds every request: its id, the writing of problems, and the net under a panic.

use std::hash::{BuildHasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use tower_service::Service;

use super::problem::Problem;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest id of a caller that is taken over, in bytes.
const REQUEST_ID_BYTES_MAX: usize = 64;

/// Names requests: sixteen digits drawn when the server started, a dash, and a count.
pub(super) struct RequestIds {
    prefix: [u8; PREFIX_BYTES],
    next: AtomicU64,
}

const PREFIX_BYTES: usize = 17;
/// With the most digits that a count has.
const ID_BYTES_MAX: usize = PREFIX_BYTES + HEX_DIGITS_MAX;
const HEX_DIGITS_MAX: usize = u64::BITS as usize / 4;
const _: () = assert!(ID_BYTES_MAX <= REQUEST_ID_BYTES_MAX);

impl RequestIds {
    pub(super) fn new() -> Self {
        // The standard library seeds its hashers from the system's randomness.
        let drawn = RandomState::new().hash_one(std::process::id());
        let mut prefix = [b'-'; PREFIX_BYTES];
        prefix[..HEX_DIGITS_MAX].copy_from_slice(format!("{drawn:016x}").as_bytes());
        Self { prefix, next: AtomicU64::new(1) }
    }

    /// A new id.
    fn draw(&self) -> HeaderValue {
        // Relaxed: only the count matters.
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        let mut id = [0; ID_BYTES_MAX];
        id[..PREFIX_BYTES].copy_from_slice(&self.prefix);
        let digits = count.checked_ilog2().map_or(1, |bits| bits as usize / 4 + 1);
        for (place, byte) in id[PREFIX_BYTES..PREFIX_BYTES + digits].iter_mut().enumerate() {
            let digit = count >> (4 * (digits - 1 - place)) & 0xF;
            *byte = b"0123456789abcdef"[digit as usize];
        }
        HeaderValue::from_bytes(&id[..PREFIX_BYTES + digits]).unwrap_or(HeaderValue::from_static("none"))
    }

    /// The caller's own id if it is a sane one, or a new one.
    fn of(&self, headers: &HeaderMap) -> HeaderValue {
        let sane = |value: &&HeaderValue| {
            let allowed = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
            (1..=REQUEST_ID_BYTES_MAX).contains(&value.len()) && value.as_bytes().iter().all(allowed)
        };
        headers.get(X_REQUEST_ID).filter(sane).cloned().unwrap_or_else(|| self.draw())
    }
}

/// Runs a request and finishes its response.
///
/// It stands around the routes and not in them as a layer: there each layer costs a request some allocations.
pub(super) async fn enveloped(ids: Arc<RequestIds>, request: Request, mut routes: Router) -> Response {
    let id = ids.of(request.headers());
    let routed = async { routes.call(request).await };
    let mut response = match Caught(pin!(routed)).await {
        Some(Ok(response)) => response,
        Some(Err(never)) => match never {},
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

    #[test]
    fn new_ids_are_a_prefix_and_a_count() {
        for (count, written) in
            [(0, "0"), (1, "1"), (15, "f"), (16, "10"), (0xABC, "abc"), (u64::MAX, "ffffffffffffffff")]
        {
            let ids = RequestIds { next: AtomicU64::new(count), ..RequestIds::new() };
            let id = ids.draw();
            let (prefix, digits) = id.to_str().unwrap().split_once('-').unwrap();
            assert_eq!((prefix.len(), digits), (16, written));
            assert!(prefix.bytes().all(|b| b.is_ascii_hexdigit()), "{prefix}");
        }
    }
}
