//! A server of one test: its own folder, engine, runtime and port.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use serde_json::{Value, json};
use suanpan_core::Date;
use suanpan_engine::{Engine, EngineConfig};
use suanpan_net::Gateway;
use suanpan_net::http::{HttpOptions, ServeLimits, router, serve_within};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::client::{Answer, Client};
use crate::described::Document;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) engine: Arc<Engine>,
    client: Client,
    stop: Option<oneshot::Sender<()>>,
    served: Option<JoinHandle<std::io::Result<()>>>,
    runtime: Runtime,
    folder: Arc<TempDir>,
}

impl Server {
    /// A server in dev mode.
    pub(crate) fn start() -> Self {
        Self::start_with(HttpOptions { dev: true }, ServeLimits::default())
    }

    pub(crate) fn start_with(options: HttpOptions, limits: ServeLimits) -> Self {
        Self::start_in(Arc::new(tempfile::tempdir().unwrap()), options, limits)
    }

    fn start_in(folder: Arc<TempDir>, options: HttpOptions, limits: ServeLimits) -> Self {
        let config = EngineConfig {
            shards: 2,
            segment_bytes: 1 << 20,
            reserve_bytes: 0,
            ..EngineConfig::new(folder.path(), Date::from_ymd(2018, 8, 26).unwrap())
        };
        let engine = Engine::start(&config, |reason| panic!("the log failed: {reason}")).unwrap();
        let engine = Arc::new(engine);
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (stop, stopped) = oneshot::channel();
        let (address, served) = runtime.block_on(async {
            let gateway = Arc::new(Gateway::new(engine.clone()).await);
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let address = listener.local_addr().unwrap();
            let shutdown = async { stopped.await.unwrap_or_default() };
            let served = tokio::spawn(serve_within(limits, listener, router(gateway, options), shutdown));
            (address, served)
        });
        let client = Client::connect(address);
        Self { address, engine, client, stop: Some(stop), served: Some(served), runtime, folder }
    }

    /// Stops it in order and starts another one in the same folder.
    pub(crate) fn restart(mut self) -> Self {
        self.begin_stop();
        self.stopped().unwrap();
        self.engine.stop().unwrap();
        let folder = self.folder.clone();
        drop(self);
        Self::start_in(folder, HttpOptions { dev: true }, ServeLimits::default())
    }

    /// A server with a clock at noon, channel `wechat` and merchant 1001, whose fee is 0.6 %.
    pub(crate) fn start_ready() -> Self {
        let mut server = Self::start();
        server.must("PUT /v1/dev/clock", &json!({"now": "2018-08-26T12:00:00+08:00"}), 200);
        server.must("PUT /v1/channels/wechat", &json!({"preset": "wechat"}), 200);
        server.must("PUT /v1/merchants/1001", &json!({"currency": "CNY", "fee_rate": "0.006"}), 200);
        server
    }

    /// Calls `"METHOD /path"` with a body of JSON.
    pub(crate) fn call(&mut self, what: &str, body: &Value) -> Answer {
        self.text(what, &body.to_string())
    }

    /// Calls `"METHOD /path"` with that text as its JSON.
    pub(crate) fn text(&mut self, what: &str, body: &str) -> Answer {
        self.checked(what, Some(body))
    }

    /// Calls `"METHOD /path"` without a body.
    pub(crate) fn get(&mut self, what: &str) -> Answer {
        self.checked(what, None)
    }

    /// Calls; the answer is one that the API's description has.
    fn checked(&mut self, what: &str, body: Option<&str>) -> Answer {
        let (method, path) = what.split_once(' ').unwrap();
        let answer = self.client.call(method, path, body);
        Document::get().check(method, path, &answer);
        answer
    }

    pub(crate) fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Calls, and the answer must have that status.
    pub(crate) fn must(&mut self, what: &str, body: &Value, status: u16) -> Value {
        let answer = self.call(what, body);
        assert_eq!(answer.status, status, "{what} {body}: {}", answer.body);
        answer.body
    }

    /// Gets, and the answer must be 200.
    pub(crate) fn must_get(&mut self, path: &str) -> Value {
        let answer = self.get(&format!("GET {path}"));
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    }

    /// Tells it to stop, without waiting.
    pub(crate) fn begin_stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits until it has stopped.
    pub(crate) fn stopped(&mut self) -> std::io::Result<()> {
        let served = self.served.take().unwrap();
        self.runtime.block_on(served).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A test that fails must not wait for its engine's threads.
        if !std::thread::panicking() {
            self.engine.stop().unwrap();
        }
    }
}
