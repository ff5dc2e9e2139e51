//! The HTTP API: whatever is asked of whatever route, the answer is none of the server's own failures, JSON that is
//! whole, and a refusal has its code; and whatever was taken, the books balance.
//!
//! An input is a request as it can be read: the first line is method and path, the rest the body. It goes through the
//! routes as they are served, into an engine with a log; so what a body's reader lets through is carried out. The engine
//! is made anew from time to time. `PUT /v1/dev/clock` is there too.
#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::{Corpus, fuzz_target};
use suanpan_fuzz::Server;

/// So many requests go to one engine: its memory and its log stay small.
const REQUESTS_MAX: u32 = 20_000;

thread_local! {
    static SERVER: RefCell<Option<Server>> = const { RefCell::new(None) };
}

fuzz_target!(|data: &[u8]| -> Corpus {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let Ok(line) = str::from_utf8(&data[..end]) else { return Corpus::Reject };
    let body = data.get(end + 1..).unwrap_or_default();
    SERVER.with_borrow_mut(|server| {
        if let Some(old) = server.take_if(|server| server.requests >= REQUESTS_MAX) {
            old.finish();
        }
        let server = server.get_or_insert_with(Server::start);
        let Some((status, text)) = server.ask(line, body) else { return Corpus::Reject };
        assert!(!status.is_server_error(), "{line}: {status} {}", String::from_utf8_lossy(&text));
        if text.is_empty() {
            return Corpus::Keep;
        }
        let answer = serde_json::from_slice::<serde_json::Value>(&text);
        let plain = line.starts_with("GET /livez") || line.starts_with("GET /readyz");
        assert!(answer.is_ok() || plain, "{line}: {}", String::from_utf8_lossy(&text));
        if status.is_client_error() {
            let problem = answer.expect("a refusal is JSON");
            assert!(problem["code"].is_string() && problem["status"] == status.as_u16(), "{line}: {problem}");
            assert!(text.len() < 4096, "a refusal is short");
        }
        Corpus::Keep
    })
});
