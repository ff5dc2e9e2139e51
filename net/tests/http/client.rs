//! A small blocking client that says exactly the bytes it is told to.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|header| header.0 == name).map(|header| header.1.as_str())
    }
}

/// One connection, kept alive.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: BufReader::new(stream) }
    }

    /// Sends JSON, or nothing, and reads the answer.
    pub(crate) fn call(&mut self, method: &str, path: &str, body: Option<&str>) -> Answer {
        let headers: &[(&str, &str)] =
            if body.is_some() { &[("content-type", "application/json")] } else { &[] };
        self.send(method, path, headers, body.map(str::as_bytes))
    }

    pub(crate) fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Answer {
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: test\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = body {
            request.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        let mut request = request.into_bytes();
        request.extend_from_slice(body.unwrap_or_default());
        self.raw(&request);
        self.read(method == "HEAD").expect("the server answers")
    }

    /// Sends bytes as they are.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).unwrap();
    }

    /// Sends bytes as they are; false when the server has ended the connection.
    pub(crate) fn try_raw(&mut self, bytes: &[u8]) -> bool {
        let sent = self.stream.get_mut().write_all(bytes).map_err(|error| error.kind());
        let stuck = matches!(sent, Err(ErrorKind::WouldBlock | ErrorKind::TimedOut));
        assert!(!stuck, "the server neither reads nor ends the connection");
        sent.is_ok()
    }

    /// The type of the next HTTP/2 frame.
    pub(crate) fn frame_type(&mut self) -> u8 {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).unwrap();
        head[3]
    }

    /// Reads one answer; `None` when the connection ended instead.
    pub(crate) fn read(&mut self, head_only: bool) -> Option<Answer> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let status = line.split(' ').nth(1)?.parse().ok()?;
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut answer = Answer { status, headers, body: Value::Null };
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        if !head_only && length > 0 {
            let mut bytes = vec![0; length];
            self.stream.read_exact(&mut bytes).ok()?;
            answer.body = serde_json::from_slice(&bytes).expect("every answer is JSON");
        }
        Some(answer)
    }

    /// Says that nothing more will be sent.
    pub(crate) fn end_writing(&mut self) {
        // The server may have ended it already.
        let _ = self.stream.get_mut().shutdown(std::net::Shutdown::Write);
    }

    /// Whether the server ends the connection after whatever it has to say.
    pub(crate) fn is_ended_at_last(&mut self) -> bool {
        match self.stream.read_to_end(&mut Vec::new()) {
            Ok(_) => true,
            Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        }
    }

    /// Listens for so long; whether the server said nothing and kept the connection.
    pub(crate) fn is_open_for(&mut self, time: Duration) -> bool {
        self.stream.get_ref().set_read_timeout(Some(time)).unwrap();
        let heard = self.stream.fill_buf().map_err(|error| error.kind());
        matches!(heard, Err(ErrorKind::WouldBlock | ErrorKind::TimedOut))
    }

    /// Whether the server has ended the connection, which it does without another word.
    pub(crate) fn is_ended(&mut self) -> bool {
        matches!(self.stream.read(&mut [0; 1]), Ok(0) | Err(_))
    }
}
