//! The connections, and one thread's wait for whatever comes over any of them.
//!
//! They are watched *edge-triggered*: the kernel says once that bytes have come, and nothing has to be told to it for
//! each request. So a line is read until there is no more.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};

use super::HttpError;
use super::answer::{Answer, BODY_BYTES_MAX};

/// Room for answers at the start; it grows for those that are longer.
const READ_BYTES: usize = 4 << 10;
/// How long the server may owe answers and say nothing.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Marks the timer among the connections.
const TIMER: u64 = u64::MAX;

/// Connections that are waited for together.
pub(crate) struct Lines {
    poll: OwnedFd,
    timer: OwnedFd,
    lines: Vec<Line>,
    events: Vec<epoll::Event>,
    /// Connections on which something has come, by their number.
    ready: Vec<usize>,
}

/// One of them.
struct Line {
    stream: TcpStream,
    outgoing: Vec<u8>,
    /// Of `outgoing`, what was written.
    sent: usize,
    incoming: Vec<u8>,
    /// Of `incoming`, what was read, and what of that was given out.
    filled: usize,
    taken: usize,
}

impl Lines {
    /// Connects as often as asked.
    pub(crate) fn open(address: &str, connections: usize) -> Result<Self, HttpError> {
        let addresses: Vec<_> = address.to_socket_addrs()?.collect();
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(io::Error::from)?;
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)
            .map_err(io::Error::from)?;
        let watch = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&poll, &timer, epoll::EventData::new_u64(TIMER), watch).map_err(io::Error::from)?;
        let mut lines = Vec::with_capacity(connections);
        for number in 0..connections {
            let stream = TcpStream::connect(&addresses[..])?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let mark = epoll::EventData::new_u64(number as u64);
            epoll::add(&poll, &stream, mark, watch | epoll::EventFlags::OUT).map_err(io::Error::from)?;
            lines.push(Line::new(stream));
        }
        let (events, ready) = (Vec::with_capacity(connections + 1), Vec::with_capacity(connections));
        Ok(Self { poll, timer, lines, events, ready })
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.lines.len()
    }

    /// Sends a request over a line.
    pub(crate) fn send(&mut self, line: usize, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), HttpError> {
        let line = &mut self.lines[line];
        assert_eq!(line.sent, line.outgoing.len(), "one request at a time");
        line.outgoing.clear();
        line.sent = 0;
        write(&mut line.outgoing);
        line.flush()
    }

    /// Waits until something has come, or until `alarm`; how many lines are ready.
    pub(crate) fn wait(&mut self, alarm: Option<Instant>) -> Result<usize, HttpError> {
        if let Some(alarm) = alarm {
            self.set_alarm(alarm)?;
        }
        let limit = Timespec::try_from(SILENCE_MAX).unwrap_or_else(|_| unreachable!("a minute is short"));
        self.events.clear();
        self.ready.clear();
        match epoll::wait(&self.poll, rustix::buffer::spare_capacity(&mut self.events), Some(&limit)) {
            Ok(0) => return Err(HttpError::Silent { seconds: SILENCE_MAX.as_secs() }),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(io::Error::from(error).into()),
        }
        let numbers = self.events.iter().map(|event| event.data.u64()).filter(|&number| number != TIMER);
        self.ready.extend(numbers.map(|number| number as usize));
        Ok(self.ready.len())
    }

    /// The line that was found ready in that place.
    pub(crate) fn ready(&self, place: usize) -> usize {
        self.ready[place]
    }

    /// The answer that has come over a line, if it is here in whole.
    pub(crate) fn receive(&mut self, line: usize) -> Result<Option<Answer<'_>>, HttpError> {
        let line = &mut self.lines[line];
        line.flush()?;
        line.receive()
    }

    fn set_alarm(&self, alarm: Instant) -> io::Result<()> {
        // Zero would unset it.
        let left = alarm.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1));
        let it_value = Timespec::try_from(left).map_err(io::Error::other)?;
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
        Ok(())
    }
}

impl Line {
    fn new(stream: TcpStream) -> Self {
        let (outgoing, incoming) = (Vec::with_capacity(READ_BYTES), vec![0; READ_BYTES]);
        Self { stream, outgoing, sent: 0, incoming, filled: 0, taken: 0 }
    }

    /// Writes what was not written yet, as far as the kernel takes it; it says when it takes more.
    fn flush(&mut self) -> Result<(), HttpError> {
        while self.sent < self.outgoing.len() {
            match self.stream.write(&self.outgoing[self.sent..]) {
                Ok(0) => return Err(HttpError::Closed),
                Ok(bytes) => self.sent += bytes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn receive(&mut self) -> Result<Option<Answer<'_>>, HttpError> {
        // What was given out is forgotten; mostly it is everything.
        self.incoming.copy_within(self.taken..self.filled, 0);
        self.filled -= self.taken;
        self.taken = 0;
        let closed = self.read()?;
        let Some(answer) = Answer::first(&self.incoming[..self.filled])? else {
            return if closed { Err(HttpError::Closed) } else { Ok(None) };
        };
        self.taken = answer.length;
        Ok(Some(answer))
    }

    /// Reads until there is no more; whether the server has closed.
    fn read(&mut self) -> Result<bool, HttpError> {
        loop {
            if self.filled == self.incoming.len() {
                assert!(self.filled <= 2 * BODY_BYTES_MAX, "an answer of that length was refused before");
                self.incoming.resize(2 * self.filled, 0);
            }
            let room = self.incoming.len() - self.filled;
            match self.stream.read(&mut self.incoming[self.filled..]) {
                Ok(0) => return Ok(true),
                Ok(bytes) => {
                    self.filled += bytes;
                    // Less than there was room for: there is no more.
                    if bytes < room {
                        return Ok(false);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// A line to a server that takes a request, says these pieces, each after the one before was received, and closes.
    fn hear(pieces: &[&[u8]]) -> Vec<Result<(u16, Vec<u8>), String>> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut lines = Lines::open(&listener.local_addr().unwrap().to_string(), 1).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        lines.send(0, |bytes| bytes.extend_from_slice(b"ask")).unwrap();
        let mut asked = [0; 3];
        peer.read_exact(&mut asked).unwrap();
        let (mut heard, mut taken) = (Vec::new(), 0);
        let said: Vec<usize> = (1..=pieces.len()).map(|count| pieces[..count].concat().len()).collect();
        let mut peer = Some(peer);
        for place in 0..=pieces.len() {
            match pieces.get(place) {
                Some(piece) => peer.as_mut().unwrap().write_all(piece).unwrap(),
                None => drop(peer.take()),
            }
            // A wait may only say that the line can be written to, or that part of the piece has come.
            let wanted = said.get(place).copied();
            loop {
                lines.wait(None).unwrap();
                let outcome = lines.receive(0).map(|answer| answer.map(|a| (a.status, a.body.to_vec())));
                let line = &lines.lines[0];
                let (got, answer) = (taken + line.filled, matches!(outcome, Ok(Some(_))));
                match outcome {
                    Ok(Some(answer)) => heard.push(Ok(answer)),
                    Ok(None) => {}
                    Err(error) => {
                        heard.push(Err(error.to_string()));
                        return heard;
                    }
                }
                taken += line.taken;
                if answer || wanted.is_some_and(|wanted| got >= wanted) {
                    break;
                }
            }
        }
        heard
    }

    #[test]
    fn an_answer_in_pieces_and_a_rest() {
        let heard = hear(&[
            b"HTTP/1.1 200 OK\r\nconte",
            b"nt-length: 3\r\n\r\na",
            b"bcHTTP/1.1 404 N",
            b"\r\ncontent-length: 0\r\n\r\n",
        ]);
        assert_eq!(heard[0], Ok((200, b"abc".to_vec())));
        assert_eq!(heard[1], Ok((404, Vec::new())));
        assert_eq!(heard.len(), 3);
        assert!(heard[2].as_ref().unwrap_err().contains("closed"), "{heard:?}");
    }

    #[test]
    fn a_body_cut_short_is_no_answer() {
        let heard = hear(&[b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab"]);
        assert!(heard[0].as_ref().unwrap_err().contains("before it had answered"), "{heard:?}");
    }

    #[test]
    fn an_answer_longer_than_the_room_for_it() {
        let body = vec![b'x'; 3 * READ_BYTES];
        let mut bytes = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
        bytes.extend_from_slice(&body);
        assert_eq!(hear(&[&bytes])[0], Ok((200, body)));
    }

    #[test]
    fn what_is_no_answer_ends_it() {
        assert!(hear(&[b"hello\r\n"])[0].as_ref().unwrap_err().contains("no answer of HTTP/1.1"));
    }

    #[test]
    fn an_alarm_ends_the_wait() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut lines = Lines::open(&listener.local_addr().unwrap().to_string(), 1).unwrap();
        let alarm = Instant::now() + Duration::from_millis(5);
        while Instant::now() < alarm {
            lines.wait(Some(alarm)).unwrap();
        }
    }
}
