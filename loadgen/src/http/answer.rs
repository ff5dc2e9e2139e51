//! An answer, read from the bytes that have come: its status and its body.

/// The longest head that is read, in bytes.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// The longest body that is read, in bytes: a trial balance of very many accounts.
pub(crate) const BODY_BYTES_MAX: usize = 64 << 20;

/// An answer at the front of what has come.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
    /// Bytes of head and body together; what stands behind them belongs to the next answer.
    pub(crate) length: usize,
}

/// Why bytes are no answer that is understood here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// It does not begin as an answer of HTTP/1.1 does.
    #[error("what came is no answer of HTTP/1.1")]
    Status,
    /// A line of the head is no header.
    #[error("an answer has a head that cannot be read")]
    Head,
    /// Its length is not told, or told twice, or is no number.
    #[error("an answer does not say its length in content-length")]
    Length,
    /// Its head or body is longer than any of Suanpan's.
    #[error("an answer is too long")]
    TooLong,
}

impl<'a> Answer<'a> {
    /// The first answer in the bytes, or `None` while it is not here in whole.
    pub(crate) fn first(bytes: &'a [u8]) -> Result<Option<Self>, AnswerError> {
        let mut lines = Lines(bytes);
        let Some(line) = lines.next()? else { return Ok(None) };
        let status = status(line)?;
        let mut body_bytes = None;
        loop {
            let Some(line) = lines.next()? else {
                let too_long = bytes.len() > HEAD_BYTES_MAX;
                return if too_long { Err(AnswerError::TooLong) } else { Ok(None) };
            };
            if line.is_empty() {
                break;
            }
            let colon = line.iter().position(|&b| b == b':').ok_or(AnswerError::Head)?;
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            if name.eq_ignore_ascii_case(b"content-length") {
                if body_bytes.replace(length(value)?).is_some() {
                    return Err(AnswerError::Length);
                }
            } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
                return Err(AnswerError::Length);
            }
        }
        let body_bytes = body_bytes.ok_or(AnswerError::Length)?;
        let Some(body) = lines.0.get(..body_bytes) else { return Ok(None) };
        Ok(Some(Self { status, body, length: bytes.len() - lines.0.len() + body_bytes }))
    }
}

/// What is left of a head, taken line by line.
struct Lines<'a>(&'a [u8]);

impl<'a> Lines<'a> {
    /// The next line, without its end; `None` when it is not here in whole.
    fn next(&mut self) -> Result<Option<&'a [u8]>, AnswerError> {
        let Some(end) = self.0.iter().position(|&b| b == b'\n') else { return Ok(None) };
        let line = self.0[..end].strip_suffix(b"\r").ok_or(AnswerError::Head)?;
        self.0 = &self.0[end + 1..];
        Ok(Some(line))
    }
}

/// `HTTP/1.1 201 Created`
fn status(line: &[u8]) -> Result<u16, AnswerError> {
    let code = line.strip_prefix(b"HTTP/1.1 ").ok_or(AnswerError::Status)?;
    match *code {
        [a @ b'1'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9']
        | [a @ b'1'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9', b' ', ..] => {
            Ok([a, b, c].iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0')))
        }
        _ => Err(AnswerError::Status),
    }
}

fn length(value: &[u8]) -> Result<usize, AnswerError> {
    // Nine digits do not overflow, and are more than is taken.
    if !(1..=9).contains(&value.len()) || !value.iter().all(u8::is_ascii_digit) {
        return Err(AnswerError::Length);
    }
    let bytes = value.iter().fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'));
    if bytes > BODY_BYTES_MAX { Err(AnswerError::TooLong) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &[u8] =
        b"HTTP/1.1 201 Created\r\ncontent-type: application/json\r\nContent-Length:  7 \r\nx: a:b\r\n\r\n\
        {\"a\":1}HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";

    #[test]
    fn an_answer_that_comes_byte_by_byte() {
        let (answer, length) = match Answer::first(TWO) {
            Ok(Some(answer)) => (answer.body, answer.length),
            other => panic!("{other:?}"),
        };
        assert_eq!(answer, b"{\"a\":1}");
        for end in 0..length {
            assert_eq!(Answer::first(&TWO[..end]), Ok(None), "after {end} bytes");
        }
        assert_eq!(Answer::first(&TWO[..length]).unwrap().unwrap().status, 201);
    }

    #[test]
    fn what_stands_behind_an_answer_is_the_next() {
        let first = Answer::first(TWO).unwrap().unwrap();
        let second = Answer::first(&TWO[first.length..]).unwrap().unwrap();
        assert_eq!((second.status, second.body), (503, &b""[..]));
        assert_eq!(first.length + second.length, TWO.len());
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for (bytes, error) in [
            (&b"SSH-2.0-OpenSSH\r\n"[..], AnswerError::Status),
            (b"HTTP/1.0 200 OK\r\n", AnswerError::Status),
            (b"HTTP/1.1 2000 OK\r\n", AnswerError::Status),
            (b"HTTP/1.1 20\r\n", AnswerError::Status),
            (b"HTTP/1.1 600 No\r\n", AnswerError::Status),
            (b"HTTP/1.1 200 OK\ncontent-length: 0\n\n", AnswerError::Head),
            (b"HTTP/1.1 200 OK\r\nno header\r\n\r\n", AnswerError::Head),
            (b"HTTP/1.1 200 OK\r\n\r\n{}", AnswerError::Length),
            (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", AnswerError::Length),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\n1", AnswerError::Length),
            (b"HTTP/1.1 200 OK\r\ncontent-length: \r\n\r\n", AnswerError::Length),
            (b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", AnswerError::Length),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 1x\r\n\r\n", AnswerError::Length),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n", AnswerError::Length),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 999999999\r\n\r\n", AnswerError::TooLong),
        ] {
            assert_eq!(Answer::first(bytes), Err(error), "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn a_head_without_end_is_refused() {
        let mut head = b"HTTP/1.1 200 OK\r\n".to_vec();
        while head.len() <= HEAD_BYTES_MAX {
            assert_eq!(Answer::first(&head), Ok(None));
            head.extend_from_slice(b"name: value\r\n");
        }
        assert_eq!(Answer::first(&head), Err(AnswerError::TooLong));
    }
}
