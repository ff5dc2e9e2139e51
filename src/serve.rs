//! `suanpan serve`: a server.

use std::future::pending;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use suanpan_core::Date;
use suanpan_engine::{Engine, EngineConfig, EngineError, Health};
use suanpan_net::{Gateway, TcpLimits, http, tcp};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::settings::{Flags, Settings, SettingsError};

/// Run a server.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    flags: Flags,
}

/// Why a server did not run to its end. Each says in one line what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("cannot listen on {address} ({flag}): {error}. {advice}")]
    Listen { flag: &'static str, address: SocketAddr, error: std::io::Error, advice: &'static str },
    #[error(
        "cannot make the data folder {path}: {error}. Choose another with --data, or give this user rights"
    )]
    Folder { path: PathBuf, error: std::io::Error },
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("cannot start: {0}")]
    Runtime(std::io::Error),
    #[error(
        "{0}. What was answered is safe; what was not is unknown and may be asked again. Look at the disk, then \
         start again"
    )]
    Failed(String),
}

impl Serve {
    /// Runs until SIGINT or SIGTERM, or until the log fails.
    pub(crate) fn run(self) -> Result<(), ServeError> {
        let settings = Settings::resolve(&self.flags)?;
        tracing_subscriber::fmt()
            .with_writer(std::io::stderr)
            .with_env_filter(
                tracing_subscriber::EnvFilter::try_from_env("SUANPAN_LOG").unwrap_or_else(|_| "info".into()),
            )
            .init();
        raise_file_limit();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(ServeError::Runtime)?;
        let outcome = runtime.block_on(serve(settings, self.flags.stop_with_stdin));
        // Tasks that wait for clients are not waited for.
        runtime.shutdown_background();
        outcome
    }
}

async fn serve(settings: Settings, stop_with_stdin: bool) -> Result<(), ServeError> {
    let stop = told_to_stop(stop_with_stdin).map_err(ServeError::Runtime)?;
    let asked = signal(SignalKind::user_defined1()).map_err(ServeError::Runtime)?;
    // The ports first: the quickest thing to be wrong.
    let http_port = listen("--http", settings.http).await?;
    let tcp_port = listen("--tcp", settings.tcp).await?;
    let (folder, _temporary) = data_folder(&settings)?;
    let (failure_in, failure) = watch::channel(None);
    let engine = start(&settings, folder.clone(), failure_in).await?;
    let engine = Arc::new(engine);
    let gateway = Arc::new(Gateway::new(engine.clone()).await);
    announce(&engine, &folder, &http_port, &tcp_port);

    let router = http::router(gateway.clone(), http::HttpOptions { dev: settings.dev });
    let outcome = tokio::select! {
        // Ends when told to stop, after the requests that have begun.
        served = http::serve(http_port, router, stop) => drained(served),
        () = tcp::serve(tcp_port, gateway, TcpLimits::default()) => Ok(()),
        reason = failed(failure) => Err(ServeError::Failed(reason)),
        never = tell_of_health(engine.clone()) => match never {},
        never = take_snapshots(engine.clone(), asked) => match never {},
    };
    // After a failure nothing is promised any more, and a thread that does not end must not keep the process up.
    outcome?;
    let stopping = engine.clone();
    let stopped = tokio::task::spawn_blocking(move || stopping.stop()).await;
    tracing::debug!(syncs = engine.syncs(), log_end = engine.durable().get(), "stopped");
    match stopped {
        Ok(Ok(())) => Ok(()),
        Ok(Err(reason)) => Err(ServeError::Failed(reason)),
        Err(error) => Err(ServeError::Failed(error.to_string())),
    }
}

/// As many open files as this user may have: each connection is one.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).is_err() {
        tracing::warn!("the limit of open files could not be raised");
    }
}

async fn listen(flag: &'static str, address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|error| {
        let advice = match error.kind() {
            std::io::ErrorKind::AddrInUse => "Another process has this port: stop it, or choose another",
            std::io::ErrorKind::PermissionDenied => "Ports below 1024 need rights: choose a higher one",
            _ => "Choose another address",
        };
        ServeError::Listen { flag, address, error, advice }
    })
}

/// The data folder, and what removes it at the end if it is temporary.
fn data_folder(settings: &Settings) -> Result<(PathBuf, Option<tempfile::TempDir>), ServeError> {
    match &settings.data {
        Some(path) => {
            // Books of money are their owner's to read.
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path)
                .map_err(|error| ServeError::Folder { path: path.clone(), error })?;
            Ok((path.clone(), None))
        }
        None => {
            let temporary = tempfile::Builder::new()
                .prefix("suanpan-dev-")
                .tempdir()
                .map_err(|error| ServeError::Folder { path: std::env::temp_dir(), error })?;
            Ok((temporary.path().to_owned(), Some(temporary)))
        }
    }
}

async fn start(
    settings: &Settings,
    folder: PathBuf,
    failure: watch::Sender<Option<String>>,
) -> Result<Engine, ServeError> {
    let mut config = EngineConfig::new(folder, today());
    config.segment_bytes = settings.segment_bytes;
    config.reserve_bytes = settings.reserve_bytes;
    config.backend = settings.backend;
    config.dev_clock = settings.dev;
    config.snapshot_log_bytes = settings.snapshot_log_bytes;
    config.snapshot_every = settings.snapshot_every;
    config.hot_days = settings.hot_days;
    config.orders_in_memory_max = settings.orders_in_memory;
    if let Some(shards) = settings.shards {
        config.shards = shards;
    }
    let on_failure = move |reason: &str| {
        failure.send_replace(Some(reason.to_owned()));
    };
    let started = tokio::task::spawn_blocking(move || Engine::start(&config, on_failure)).await;
    Ok(started.map_err(|error| ServeError::Failed(error.to_string()))??)
}

/// Where the books of a new data folder begin: today in China.
pub(crate) fn today() -> Date {
    let now = jiff::Timestamp::now().as_second();
    const CHINA_S: i64 = 8 * 3_600;
    Date(i32::try_from((now + CHINA_S).div_euclid(86_400)).unwrap_or_default())
}

/// Says on standard output where it is, one fact a line; the last line is `ready`.
fn announce(engine: &Engine, folder: &std::path::Path, http: &TcpListener, tcp: &TcpListener) {
    let recovered = engine.recovered();
    let shown = |port: &TcpListener| port.local_addr().map_or_else(|e| e.to_string(), |a| a.to_string());
    let mut lines = format!(
        "suanpan {}: {} shard{}, data in {}\n",
        env!("CARGO_PKG_VERSION"),
        engine.shards(),
        if engine.shards() == 1 { "" } else { "s" },
        folder.display()
    );
    for why in &recovered.passed_over {
        tracing::warn!("a snapshot was passed over: {why}");
    }
    if recovered.commands > 0 || recovered.snapshot.is_some() {
        let orders = match recovered.snapshot {
            Some(_) => format!("{} orders from a snapshot and ", recovered.orders),
            None => String::new(),
        };
        lines += &format!(
            "recovered {orders}{} commands in {:.2} s{}\n",
            recovered.commands,
            recovered.took.as_secs_f64(),
            if recovered.clean { "" } else { " after a crash" }
        );
    }
    if recovered.cut_bytes > 0 {
        lines += &format!("cut {} bytes of a torn tail that nobody had an answer for\n", recovered.cut_bytes);
    }
    lines += &format!("http on {}\ntcp on {}\nready\n", shown(http), shown(tcp));
    // Whoever started this may have closed its end; that is no reason not to serve.
    let _ = std::io::stdout().write_all(lines.as_bytes()).and_then(|()| std::io::stdout().flush());
}

/// Takes a snapshot whenever the process is asked for one (SIGUSR1, which `suanpan snapshot now` sends).
async fn take_snapshots(engine: Arc<Engine>, mut asked: Signal) -> std::convert::Infallible {
    loop {
        if asked.recv().await.is_none() {
            pending::<()>().await;
        }
        let taking = engine.clone();
        match tokio::task::spawn_blocking(move || taking.snapshot()).await {
            Ok(Ok(taken)) => tracing::info!(lsn = taken.lsn.get(), orders = taken.orders, "snapshot taken"),
            Ok(Err(error)) => tracing::warn!("no snapshot: {error}"),
            Err(error) => tracing::warn!("no snapshot: {error}"),
        }
    }
}

/// Says in the server's own log when it stops taking commands for want of room, and when it takes them again.
async fn tell_of_health(engine: Arc<Engine>) -> std::convert::Infallible {
    let mut looks = tokio::time::interval(Duration::from_millis(500));
    let (mut was, mut told) = (Health::Ready, None);
    loop {
        looks.tick().await;
        let is = engine.health();
        let failure = engine.snapshot_failure();
        if failure != told {
            match &failure {
                Some(error) => tracing::warn!("the snapshot that is due could not be taken: {error}"),
                None => tracing::info!("snapshots are taken again"),
            }
            told = failure;
        }
        match (&was, &is) {
            (Health::Ready, Health::ReadOnly) => tracing::warn!(
                "read-only: the disk of the data folder is full up to the reserve (--reserve-mib), or segments are \
                 needed faster than it prepares them. Commands are refused until there is room"
            ),
            (Health::ReadOnly, Health::Ready) => tracing::warn!("there is room again: commands are taken"),
            _ => {}
        }
        was = is;
    }
}

/// Requests that were cut off at the end are unknown to their callers, which is no failure of the server's.
fn drained(served: std::io::Result<()>) -> Result<(), ServeError> {
    match served {
        Err(error) if error.kind() == std::io::ErrorKind::TimedOut => {
            tracing::warn!(%error, "some requests were cut off");
            Ok(())
        }
        served => served.map_err(ServeError::Runtime),
    }
}

async fn failed(mut failure: watch::Receiver<Option<String>>) -> String {
    loop {
        if let Some(reason) = failure.borrow_and_update().clone() {
            return reason;
        }
        if failure.changed().await.is_err() {
            pending::<()>().await;
        }
    }
}

/// Comes true with SIGTERM or SIGINT, or if asked for with the end of standard input, from now on.
fn told_to_stop(with_stdin: bool) -> std::io::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (ended_in, ended) = tokio::sync::oneshot::channel::<()>();
    let mut ended_in = Some(ended_in);
    if with_stdin {
        let ended_in = ended_in.take();
        // A thread of its own: it may block as long as whoever started us lives.
        std::thread::Builder::new().name("stdin".to_owned()).spawn(move || {
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            drop(ended_in);
        })?;
    }
    Ok(async move {
        // Kept as long as nobody else has it, so that the other end does not come true.
        let _kept = ended_in;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = ended => {}
        }
    })
}
