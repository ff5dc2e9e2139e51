//! A server as a process of its own, for the end-to-end tests.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses its own part of it")]

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// The binary under test.
pub const SUANPAN: &str = env!("CARGO_BIN_EXE_suanpan");

pub struct Server {
    pub child: Child,
    pub http: SocketAddr,
    pub tcp: SocketAddr,
    /// What it said before it was ready.
    pub said: Vec<String>,
}

impl Server {
    /// Starts a server on a folder and free ports, and waits until it is ready.
    pub fn start(data: &Path, more: &[&str]) -> Self {
        Self::start_with(data, &[&["--segment-mib", "4"], more].concat())
    }

    /// Starts one as small as it may be, so that a start takes little time.
    pub fn start_small(data: &Path, shards: u16) -> Self {
        let shards = shards.to_string();
        Self::start_with(data, &["--segment-mib", "1", "--shards", &shards, "--reserve-mib", "0"])
    }

    /// Starts one and kills it after that time, wherever it has got by then.
    pub fn start_and_kill(data: &Path, after: Duration) {
        let mut child = spawn(data, &["--segment-mib", "1", "--reserve-mib", "0"]);
        // Nothing is waited for: it is the moment that is to be any.
        std::thread::sleep(after);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// The same with segments of a size that is told, or of their usual size.
    pub fn start_with(data: &Path, more: &[&str]) -> Self {
        let mut child = spawn(data, more);
        let (mut http, mut tcp, mut said) = (None, None, Vec::new());
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let address = |prefix| line.strip_prefix(prefix).map(|text: &str| text.parse().unwrap());
            http = http.or_else(|| address("http on "));
            tcp = tcp.or_else(|| address("tcp on "));
            if line == "ready" {
                return Self { child, http: http.unwrap(), tcp: tcp.unwrap(), said };
            }
            said.push(line);
        }
        let mut words = String::new();
        child.stderr.take().unwrap().read_to_string(&mut words).unwrap();
        let status = child.wait().unwrap();
        panic!("the server ended before it was ready, {status}: {said:?} {words}");
    }

    /// SIGKILL, as a crash would.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and waits for the end: its exit code.
    pub fn stop(mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap().code()
    }

    /// Resident memory in KiB.
    pub fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(data: &Path, more: &[&str]) -> Child {
    Command::new(SUANPAN)
        .args(["serve", "--dev", "--http", "127.0.0.1:0", "--tcp", "127.0.0.1:0", "--data"])
        .arg(data)
        .args(more)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Runs the binary to its end.
pub fn suanpan(arguments: &[&str]) -> Output {
    Command::new(SUANPAN).args(arguments).stdin(Stdio::null()).output().unwrap()
}
