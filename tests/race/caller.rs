//! A thread's way to the server: asks, gives up half way, asks again, and keeps what it was answered.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use fastrand::Rng;
use serde_json::Value;

use crate::asked::{About, Ask};
use crate::facts::Facts;
use crate::http::{Answer, Client};
use crate::line::{Line, Open};

const TIMEOUT: Duration = Duration::from_secs(60);

/// One caller with its own connection.
pub(crate) struct Caller<'a> {
    line: &'a Line,
    facts: &'a Facts,
    /// Whether the server may die: then a broken line is no fault.
    mortal: bool,
    at: Option<(Open, Client)>,
    /// What this caller was told last of each thing: what it is told after that must follow.
    last: HashMap<String, Value>,
    /// Connections that were given up, until the server has let go of them.
    given_up: Vec<TcpStream>,
}

/// How a request is given up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum GiveUp {
    /// Its last bytes are never sent.
    HalfSent,
    /// It is sent, and nobody waits.
    Unheard,
    /// Its answer has come, and nobody reads it.
    Unread,
}

impl<'a> Caller<'a> {
    pub(crate) fn new(line: &'a Line, facts: &'a Facts, mortal: bool) -> Self {
        Self { line, facts, mortal, at: None, last: HashMap::new(), given_up: Vec::new() }
    }

    /// Asks until there is an answer, and judges it; now and then gives up before that. `None` when the race is over.
    pub(crate) fn race(&mut self, ask: &Ask, rng: &mut Rng) -> Option<Answer> {
        if rng.u8(0..10) == 0 {
            let how = match rng.u8(0..4) {
                0 => GiveUp::HalfSent,
                1 | 2 if !ask.all_shards || self.mortal => GiveUp::Unheard,
                _ => GiveUp::Unread,
            };
            self.give_up(ask, how, rng)?;
        }
        let answer = self.ask(ask)?;
        self.line.answered();
        Some(answer)
    }

    /// Asks until there is an answer, and judges it. `None` when the race is over.
    pub(crate) fn ask(&mut self, ask: &Ask) -> Option<Answer> {
        loop {
            let (open, client) = self.line()?;
            let life = open.life;
            match client.call(&ask.call) {
                Ok(answer) => {
                    self.judge(ask, &answer);
                    return Some(answer);
                }
                Err(error) => {
                    assert!(self.mortal, "{} {}: no answer: {error}", ask.name, ask.call.path);
                    let open = self.line.wait_after(life)?;
                    self.at = Some((open, client_of(open)));
                }
            }
        }
    }

    /// What must be answered with a success.
    pub(crate) fn must(&mut self, ask: &Ask) -> Value {
        let Answer { status, body } = self.ask(ask).expect("the race is not over");
        assert!(matches!(status, 200 | 201), "{} {}: {status} {body}", ask.name, ask.call.path);
        body
    }

    /// What is found under a path; `None` when there is nothing.
    pub(crate) fn find(&mut self, path: &str) -> Option<Value> {
        let ask = Ask::look(path.to_owned());
        let Answer { status, body } = self.ask(&ask).expect("the race is not over");
        (status == 200).then_some(body)
    }

    fn line(&mut self) -> Option<&mut (Open, Client)> {
        if self.at.is_none() {
            let open = self.line.wait_after(0)?;
            self.at = Some((open, client_of(open)));
        }
        self.at.as_mut()
    }

    fn judge(&mut self, ask: &Ask, answer: &Answer) {
        let Answer { status, body } = answer;
        if let Some(wrong) = ask.wrong(answer) {
            panic!(
                "{} {} {}: {wrong}",
                ask.name,
                ask.call.path,
                ask.call.body.as_deref().unwrap_or_default()
            );
        }
        let outcome = body["code"].as_str().map_or_else(|| status.to_string(), str::to_owned);
        self.facts.count(ask.name, outcome);
        if let (200 | 201, About::Fact(kind, path)) = (status, &ask.about) {
            if let Some(before) = self.last.insert(path.clone(), body.clone())
                && let Err(wrong) = kind.follows(&before, body)
            {
                panic!("{path}: {wrong}: told {before}, and after that {body}");
            }
            self.facts.keep(*kind, path, *status, body);
        }
    }

    /// Sends a request, or a part of it, over a connection of its own and hears nothing of it.
    fn give_up(&mut self, ask: &Ask, how: GiveUp, rng: &mut Rng) -> Option<()> {
        let address = self.line()?.0.address;
        let left = give_up(address, &ask.bytes(address), how, rng);
        assert!(self.mortal || left.is_ok(), "{} {}: {:?}", ask.name, ask.call.path, left.err());
        if !self.mortal {
            self.given_up.extend(left.ok().flatten());
        }
        Some(())
    }

    /// Waits until the server has let go of everything that was given up.
    pub(crate) fn settle(&mut self) {
        for mut stream in self.given_up.drain(..) {
            let mut rest = Vec::new();
            // A reset is an end too.
            let _ = stream.read_to_end(&mut rest);
        }
    }
}

fn client_of(open: Open) -> Client {
    Client::new(format!("http://{}", open.address).parse().expect("an address"))
}

fn give_up(
    address: SocketAddr,
    bytes: &[u8],
    how: GiveUp,
    rng: &mut Rng,
) -> std::io::Result<Option<TcpStream>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_nodelay(true)?;
    let sent = if how == GiveUp::HalfSent { rng.usize(1..bytes.len()) } else { bytes.len() };
    stream.write_all(&bytes[..sent])?;
    if how == GiveUp::Unread {
        stream.peek(&mut [0])?;
        return Ok(None);
    }
    stream.shutdown(Shutdown::Write)?;
    Ok(Some(stream))
}
