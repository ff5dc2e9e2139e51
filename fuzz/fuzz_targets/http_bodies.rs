//! The HTTP API: whatever is asked of whatever route, the answer is none of the server's own failures, JSON that is
//! whole, and a refusal has its code; and whatever was taken, the books balance.
//!
//! An input is a request as it can be read: the first line is method and path, the rest the body. It goes through the
//! routes as they are served, into an engine with a log; so what a body's reader lets through is carried out. The engine
//! is made anew from time to time. `PUT /v1/dev/clock` is there too.
#![no_main]

use std::cell::RefCell;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt;
use libfuzzer_sys::{Corpus, fuzz_target};
use suanpan_core::Date;
use suanpan_engine::{Engine, EngineConfig};
use suanpan_net::Gateway;
use suanpan_net::http::{HttpOptions, router};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tower_service::Service;

/// So many requests go to one engine: its memory and its log stay small.
const REQUESTS_MAX: u32 = 20_000;

/// What others can refer to.
const SETUP: [(&str, &str); 7] = [
    ("PUT /v1/dev/clock", r#"{"now": "2018-08-26T12:00:00+08:00"}"#),
    ("PUT /v1/channels/wechat", r#"{"preset": "wechat"}"#),
    ("PUT /v1/merchants/1001", r#"{"currency": "CNY", "fee_rate": "0.006", "max_split_rate": "0.3"}"#),
    ("PUT /v1/merchants/5001", r#"{"currency": "CNY"}"#),
    ("POST /v1/merchants/1001/payments", r#"{"order_no": "A1", "channel": "wechat", "amount": 9500}"#),
    (
        "POST /v1/merchants/1001/payments",
        r#"{"order_no": "H1", "channel": "wechat", "amount": 9500, "hold": true}"#,
    ),
    ("POST /v1/merchants/1001/orders", r#"{"order_no": "P1", "channel": "wechat", "amount": 9500}"#),
];

struct Server {
    runtime: Runtime,
    router: Router,
    engine: Arc<Engine>,
    _folder: TempDir,
    requests: u32,
}

impl Server {
    fn start() -> Server {
        let folder = tempfile::tempdir().expect("a folder for the log");
        let first = Date::from_ymd(2018, 8, 26).expect("a date that exists");
        let config = EngineConfig {
            shards: 2,
            segment_bytes: 1 << 20,
            reserve_bytes: 0,
            ..EngineConfig::new(folder.path(), first)
        };
        let engine = Engine::start(&config, |reason| {
            eprintln!("the engine failed: {reason}");
            std::process::abort();
        });
        let engine = Arc::new(engine.expect("a new folder starts"));
        let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
        let gateway = runtime.block_on(Gateway::new(engine.clone()));
        let router = router(Arc::new(gateway), HttpOptions { dev: true });
        let mut server = Server { runtime, router, engine, _folder: folder, requests: 0 };
        for (line, body) in SETUP {
            let (status, text) = server.ask(line, body.as_bytes()).expect("a request");
            assert!(status.is_success(), "{line}: {status} {}", String::from_utf8_lossy(&text));
        }
        server
    }

    /// Asks, and gives the answer; `None` when the line is no request's.
    fn ask(&mut self, line: &str, body: &[u8]) -> Option<(StatusCode, Vec<u8>)> {
        let (method, path) = line.split_once(' ')?;
        let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        let request = request.body(Body::from(body.to_vec())).ok()?;
        self.requests += 1;
        let asked = self.router.call(request);
        let (parts, body) = self.runtime.block_on(async {
            let answer = asked.await.expect("routes do not fail");
            let (parts, body) = answer.into_parts();
            (parts, body.collect().await.expect("an answer is whole").to_bytes())
        });
        Some((parts.status, body.to_vec()))
    }

    /// All that was taken together left the books balanced.
    fn finish(mut self) {
        let (status, text) = self.ask("GET /v1/trial-balance", b"").expect("a request");
        assert_eq!(status, StatusCode::OK);
        let books: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
        for currency in books["currencies"].as_array().expect("a list") {
            assert_eq!(currency["sum"], 0, "{currency}");
        }
        drop(self.router);
        self.engine.stop().expect("an engine without a failure stops");
    }
}

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
            assert!(text.len() < 4096, "a refusal is short");
        }
        Corpus::Keep
    })
});
