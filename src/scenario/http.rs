//! The smallest HTTP/1.1 client that plays scenarios: one connection, blocking, JSON in and out.

use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use serde_json::Value;

use super::script::Call;

/// Where the server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    /// `host:port`.
    authority: String,
    /// What comes before every path; without a `/` at its end.
    prefix: String,
}

/// Why a text is no URL that scenarios can be played against.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("--url must be like http://127.0.0.1:8080, not {0:?}")]
pub(crate) struct UrlError(String);

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: u16,
    /// JSON; what is none as a string; nothing as null.
    pub body: Value,
}

/// A connection that is made when it is needed, and kept.
#[derive(Debug)]
pub(crate) struct Client {
    url: Url,
    stream: Option<BufReader<TcpStream>>,
}

/// How long the server may take to connect, to read, and to say the next piece of its answer.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The longest line of an answer's head, in bytes, and how many there may be.
const LINE_BYTES_MAX: u64 = 16 << 10;
const HEADERS_MAX: usize = 128;
/// The largest body of an answer, in bytes.
const BODY_BYTES_MAX: u64 = 64 << 20;

impl std::str::FromStr for Url {
    type Err = UrlError;
    fn from_str(text: &str) -> Result<Self, UrlError> {
        let refuse = || UrlError(text.to_owned());
        let rest = text.strip_prefix("http://").ok_or_else(refuse)?;
        let (host, prefix) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if host.is_empty() || host.contains('@') || rest.contains(['?', '#']) {
            return Err(refuse());
        }
        if !rest.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(refuse());
        }
        // The port's colon comes after the brackets of an IPv6 address.
        let port = host.rsplit(']').next().is_some_and(|end| end.contains(':'));
        let authority = if port { host.to_owned() } else { format!("{host}:80") };
        Ok(Self { authority, prefix: prefix.trim_end_matches('/').to_owned() })
    }
}

impl Client {
    pub(crate) fn new(url: Url) -> Self {
        Self { url, stream: None }
    }

    /// Calls, and reads the answer.
    ///
    /// # Errors
    /// When there is no answer, or none that can be read. It is not known then whether the server did what it was
    /// asked; the next call makes a new connection.
    pub(crate) fn call(&mut self, call: &Call) -> Result<Answer, Error> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => connect(&self.url.authority)?,
        };
        let Url { authority, prefix } = &self.url;
        let mut request = format!("{} {prefix}{} HTTP/1.1\r\nhost: {authority}\r\n", call.method, call.path);
        if let Some(body) = &call.body {
            request +=
                &format!("content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        } else {
            request += "\r\n";
        }
        stream.get_mut().write_all(request.as_bytes())?;
        let (answer, kept) = read_answer(&mut stream, call.method == "HEAD")?;
        self.stream = kept.then_some(stream);
        Ok(answer)
    }
}

fn connect(authority: &str) -> Result<BufReader<TcpStream>, Error> {
    let mut last = Error::new(ErrorKind::NotFound, format!("{authority} is no address"));
    for address in authority.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, TIMEOUT) {
            Ok(stream) => {
                stream.set_read_timeout(Some(TIMEOUT))?;
                stream.set_write_timeout(Some(TIMEOUT))?;
                stream.set_nodelay(true)?;
                return Ok(BufReader::new(stream));
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// How long a body is.
enum Length {
    Bytes(u64),
    Chunks,
    UntilTheEnd,
}

/// Reads one answer, and whether the connection may be used again.
fn read_answer(from: &mut impl BufRead, head_only: bool) -> Result<(Answer, bool), Error> {
    let line = read_line(from)?;
    let status = line.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1));
    let status: u16 = status.and_then(|status| status.parse().ok()).ok_or_else(|| strange(&line))?;
    let (mut length, mut kept) = (Length::UntilTheEnd, line.starts_with("HTTP/1.1"));
    for count in 0.. {
        let line = read_line(from)?;
        if line.is_empty() {
            break;
        }
        let (name, value) =
            line.split_once(':').filter(|_| count < HEADERS_MAX).ok_or_else(|| strange(&line))?;
        match (name.to_ascii_lowercase().as_str(), value.trim()) {
            ("content-length", value) => {
                length = Length::Bytes(value.parse().map_err(|_| strange(&line))?);
            }
            ("transfer-encoding", value) if value.eq_ignore_ascii_case("chunked") => length = Length::Chunks,
            ("connection", value) if value.eq_ignore_ascii_case("close") => kept = false,
            _ => {}
        }
    }
    let bare = head_only || matches!(status, 204 | 304);
    kept &= bare || !matches!(length, Length::UntilTheEnd);
    let body = if bare { Vec::new() } else { read_body(from, &length)? };
    let body = if body.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&body)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into_owned()))
    };
    Ok((Answer { status, body }, kept))
}

fn read_body(from: &mut impl BufRead, length: &Length) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    match *length {
        Length::Bytes(bytes) => read_exactly(from, bytes, &mut body)?,
        Length::UntilTheEnd => {
            from.take(BODY_BYTES_MAX).read_to_end(&mut body)?;
        }
        Length::Chunks => loop {
            let line = read_line(from)?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16).map_err(|_| strange(&line))?;
            if size == 0 {
                while !read_line(from)?.is_empty() {}
                break;
            }
            read_exactly(from, size, &mut body)?;
            if !read_line(from)?.is_empty() {
                return Err(strange("a chunk that does not end where it says"));
            }
        },
    }
    Ok(body)
}

fn read_exactly(from: &mut impl BufRead, bytes: u64, body: &mut Vec<u8>) -> Result<(), Error> {
    if bytes.saturating_add(body.len() as u64) > BODY_BYTES_MAX {
        return Err(strange("a body that is too large"));
    }
    if from.take(bytes).read_to_end(body)? as u64 == bytes {
        Ok(())
    } else {
        Err(ErrorKind::UnexpectedEof.into())
    }
}

/// A line without its end.
fn read_line(from: &mut impl BufRead) -> Result<String, Error> {
    let mut line = String::new();
    from.take(LINE_BYTES_MAX).read_line(&mut line)?;
    if line.is_empty() {
        return Err(Error::new(ErrorKind::UnexpectedEof, "the server ended the connection"));
    }
    let text = line.strip_suffix('\n').ok_or_else(|| strange(&line))?;
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}

fn strange(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, format!("the answer is no HTTP: {what:.100}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(u16, Value, bool), String> {
        let mut bytes = text.as_bytes();
        let read = read_answer(&mut bytes, false).map_err(|error| error.to_string())?;
        Ok((read.0.status, read.0.body, read.1))
    }

    #[test]
    fn answers_of_known_length_in_chunks_and_to_the_end() {
        let json = serde_json::json!({"a": 1});
        for (text, status, body, kept) in [
            ("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n{\"a\": 1}HTTP", 200, json.clone(), true),
            (
                "HTTP/1.1 201 \r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n5;x\r\n\": 1}\r\n0\r\n\r\n",
                201,
                json.clone(),
                true,
            ),
            ("HTTP/1.1 422 No\r\nconnection: close\r\ncontent-length: 0\r\n\r\n", 422, Value::Null, false),
            ("HTTP/1.1 500 No\r\n\r\nsorry", 500, "sorry".into(), false),
            ("HTTP/1.1 204 No\r\n\r\n", 204, Value::Null, true),
            ("HTTP/1.0 200 OK\ncontent-length: 2\n\n{}", 200, serde_json::json!({}), false),
        ] {
            assert_eq!(read(text), Ok((status, body, kept)), "{text}");
        }
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for text in [
            "",
            "SSH-2.0-x\r\n",
            "HTTP/1.1 two\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc",
            "HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\nabc",
            "HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\nabc",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nno header\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-le",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn urls() {
        let url = |text: &str| text.parse::<Url>().map(|url| (url.authority, url.prefix));
        let right = |authority: &str, prefix: &str| Ok((authority.to_owned(), prefix.to_owned()));
        assert_eq!(url("http://127.0.0.1:8080"), right("127.0.0.1:8080", ""));
        assert_eq!(url("http://core.test/"), right("core.test:80", ""));
        assert_eq!(url("http://[::1]/pay/"), right("[::1]:80", "/pay"));
        assert_eq!(url("http://[::1]:81"), right("[::1]:81", ""));
        for text in ["", "127.0.0.1:8080", "https://a", "http://", "http://a b", "http://a?b", "http://u@a"] {
            assert!(url(text).is_err(), "{text}");
        }
    }
}
