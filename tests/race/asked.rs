//! One request of a race, and what its answer may be.

use std::net::SocketAddr;

use serde_json::Value;

use crate::facts::{self, Kind};
use crate::http::Answer;
use crate::script::Call;

/// What to ask, and how to judge the answer.
pub(crate) struct Ask {
    /// For people.
    pub name: &'static str,
    pub call: Call,
    pub about: About,
    /// Codes that it may be refused with.
    may: &'static [&'static str],
    /// Whether it concerns all shards: then it may be decided well after whoever asked went away.
    pub all_shards: bool,
}

/// What an answer tells of.
#[derive(Clone)]
pub(crate) enum About {
    /// Something that can be found again under that path.
    Fact(Kind, String),
    Refunds,
    Balances,
    TrialBalance,
    Nothing,
}

impl Ask {
    pub(crate) fn get(name: &'static str, path: String, about: About) -> Self {
        Self::new(name, ("GET", path, None), about, &["order_not_found"])
    }

    /// Whatever is found there.
    pub(crate) fn look(path: String) -> Self {
        let may = &["order_not_found", "void_not_found", "split_not_found"];
        Self::new("look", ("GET", path, None), About::Nothing, may)
    }

    pub(crate) fn put(path: String, body: Value) -> Self {
        Self::new("put", ("PUT", path, Some(body)), About::Nothing, &[])
    }

    pub(crate) fn post(
        name: &'static str,
        path: String,
        body: Value,
        about: About,
        may: &'static [&'static str],
    ) -> Self {
        Self::new(name, ("POST", path, Some(body)), about, may)
    }

    fn new(
        name: &'static str,
        (method, path, body): (&str, String, Option<Value>),
        about: About,
        may: &'static [&'static str],
    ) -> Self {
        let body = body.map(|body| body.to_string());
        let call =
            Call { method: method.to_owned(), path, body, status: None, expect: None, why: String::new() };
        Self { name, call, about, may, all_shards: false }
    }

    pub(crate) fn of_all_shards(self) -> Self {
        Self { all_shards: true, ..self }
    }

    /// As it goes over the wire.
    pub(crate) fn bytes(&self, to: SocketAddr) -> Vec<u8> {
        let Call { method, path, body, .. } = &self.call;
        let body = body.as_deref().unwrap_or_default();
        let head = format!("{method} {path} HTTP/1.1\r\nhost: {to}\r\ncontent-type: application/json\r\n");
        format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
    }

    /// What is wrong with an answer by itself, if anything is.
    pub(crate) fn wrong(&self, answer: &Answer) -> Option<String> {
        let Answer { status, body } = answer;
        if !matches!(status, 200 | 201) {
            let code = body["code"].as_str().unwrap_or_default();
            let refused = matches!(status, 404 | 409 | 422) && self.may.contains(&code);
            return (!refused).then(|| format!("{status} {body}, which it may not be answered with"));
        }
        let told = match &self.about {
            About::Fact(kind, _) => self.other_contents(body).or_else(|| kind.crooked(body)),
            About::Refunds => facts::items(body).find_map(|refund| Kind::Refund.crooked(refund)),
            About::TrialBalance => facts::unbalanced(body),
            About::Balances | About::Nothing => None,
        };
        told.map(|what| format!("{status} {body}: {what}"))
    }

    /// An answer to a request under a number tells of that request and no other.
    fn other_contents(&self, body: &Value) -> Option<String> {
        let asked: Value = serde_json::from_str(self.call.body.as_deref()?).expect("our own JSON");
        let told = ["amount", "order_no", "to", "channel", "channel_txn", "finish", "state"];
        let differs = |name: &&str| match (asked.get(*name), &body[*name]) {
            (None, _) => false,
            (Some(asked), told) if *name == "state" => !taken(asked, told),
            (Some(asked), told) => asked != told,
        };
        let differing = told.into_iter().find(differs)?;
        Some(format!("{differing} is not what was asked"))
    }
}

/// Whether a result that was accepted left this state.
fn taken(result: &Value, state: &Value) -> bool {
    match result.as_str() {
        Some("unknown") => true,
        // What failed may wait for the next day.
        Some("failed") => state == "failed" || state == "held",
        _ => state == result,
    }
}
