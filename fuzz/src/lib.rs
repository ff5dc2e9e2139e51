//! What several targets have in common: a server without a socket, over an engine with a log in a temporary folder.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt;
use suanpan_core::Date;
use suanpan_engine::{Engine, EngineConfig};
use suanpan_net::Gateway;
use suanpan_net::http::{HttpOptions, answer, router};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

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

/// A server that is asked without a socket.
pub struct Server {
    runtime: Runtime,
    router: Router,
    engine: Arc<Engine>,
    folder: TempDir,
    /// So many were asked.
    pub requests: u32,
}

impl Server {
    /// One with a clock at noon, a channel, two merchants and some orders.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start() -> Server {
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
        let mut server = Server { runtime, router, engine, folder, requests: 0 };
        for (line, body) in SETUP {
            let (status, text) = server.ask(line, body.as_bytes()).expect("a request");
            assert!(status.is_success(), "{line}: {status} {}", String::from_utf8_lossy(&text));
        }
        server
    }

    /// Asks, and gives the answer; `None` when the line is no request's.
    ///
    /// # Panics
    /// When there is no whole answer.
    pub fn ask(&mut self, line: &str, body: &[u8]) -> Option<(StatusCode, Vec<u8>)> {
        let (method, path) = line.split_once(' ')?;
        let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        let request = request.body(Body::from(body.to_vec())).ok()?;
        self.requests += 1;
        let asked = answer(self.router.clone(), request);
        let (parts, body) = self.runtime.block_on(async {
            let (parts, body) = asked.await.into_parts();
            (parts, body.collect().await.expect("an answer is whole").to_bytes())
        });
        Some((parts.status, body.to_vec()))
    }

    /// All that was taken together left the books balanced.
    ///
    /// # Panics
    /// When it did not.
    pub fn finish(mut self) {
        let (status, text) = self.ask("GET /v1/trial-balance", b"").expect("a request");
        assert_eq!(status, StatusCode::OK);
        let books: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
        for currency in books["currencies"].as_array().expect("a list") {
            assert_eq!(currency["sum"], 0, "{currency}");
        }
        drop(self.router);
        self.engine.stop().expect("an engine without a failure stops");
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Its data folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}
