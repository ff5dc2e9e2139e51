//! A server as a process of its own, on a folder of ours: for `load --spawn` and `demo`.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A server that is up, and ends with this value.
#[derive(Debug)]
pub(crate) struct Spawned {
    child: Child,
    /// Its binary port.
    pub tcp: SocketAddr,
    /// Its HTTP port.
    pub http: SocketAddr,
    /// What it said of its recovery, if it recovered anything.
    pub recovered: Option<String>,
}

/// What a server says before it is ready.
struct Said {
    tcp: SocketAddr,
    http: SocketAddr,
    recovered: Option<String>,
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpawnError {
    #[error("cannot start a server: {0}")]
    Start(#[from] std::io::Error),
    #[error("the server ended before it was ready; its own message is above")]
    Ended,
    #[error("the server said {0:?}, which this cannot read")]
    Words(String),
}

impl Spawned {
    /// Starts this very program as a server with free ports, on `data` or on a temporary folder of its own, and waits
    /// until it is ready. It holds the other end of a pipe as its standard input, and ends with us, however we do.
    pub(crate) fn start(data: Option<&Path>, more: &[&str]) -> Result<Self, SpawnError> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args([
            "serve",
            "--dev",
            "--stop-with-stdin",
            "--http",
            "127.0.0.1:0",
            "--tcp",
            "127.0.0.1:0",
        ]);
        if let Some(data) = data {
            command.arg("--data").arg(data);
        }
        let mut child = command.args(more).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let said = Self::listen(&mut child);
        match said {
            Ok(Said { tcp, http, recovered }) => Ok(Self { child, tcp, http, recovered }),
            Err(error) => {
                // It may be up and only unreadable: it is not left behind.
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    fn listen(child: &mut Child) -> Result<Said, SpawnError> {
        let (mut tcp, mut http, mut recovered) = (None, None, None);
        let Some(stdout) = child.stdout.take() else {
            return Err(SpawnError::Ended);
        };
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            let address = |text: &str| text.parse().map_err(|_| SpawnError::Words(line.clone()));
            if let Some(text) = line.strip_prefix("tcp on ") {
                tcp = Some(address(text)?);
            } else if let Some(text) = line.strip_prefix("http on ") {
                http = Some(address(text)?);
            } else if line.starts_with("recovered ") {
                recovered = Some(line.clone());
            } else if line == "ready"
                && let (Some(tcp), Some(http)) = (tcp, http)
            {
                return Ok(Said { tcp, http, recovered });
            }
        }
        Err(SpawnError::Ended)
    }

    /// Kills it with SIGKILL, as a crash would, and waits until it is gone.
    pub(crate) fn kill(mut self) -> Result<(), SpawnError> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Spawned {
    /// Lets it end in order, so that its temporary folder goes with it.
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // Gone already is as good.
        let _ = self.child.wait();
    }
}
