//! Bodies: read within bounds, parsed exactly, and taken apart field by field.
//!
//! A body becomes a small tree that borrows its strings, and an [`Object`] hands out its fields one by one. What
//! is left at the end was not asked for, and is refused by name. So one pass gives exact numbers, exact names in
//! `param`, and no type in between.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{FromRequest, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use utoipa::ToSchema;

use super::problem::Problem;

/// The largest body, in bytes.
pub const BODY_BYTES_MAX: usize = 64 << 10;
/// Of a larger one, so much is read and forgotten, so that its sender gets to read the answer.
const BODY_DRAIN_BYTES_MAX: usize = 1 << 20;
const _: () = assert!(BODY_BYTES_MAX < BODY_DRAIN_BYTES_MAX);
/// Room that is made for an answer's body; an order takes some 400 bytes.
const ANSWER_BYTES: usize = 512;
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// No object of the API has as many fields.
const OBJECT_FIELDS_MAX: usize = 64;
/// Longest name of an unknown field that is repeated to the caller, in characters.
const NAME_SHOWN_CHARS_MAX: usize = 64;

/// A body of JSON, not parsed yet.
pub(super) struct JsonBody(Bytes);

impl<S: Sync> FromRequest<S> for JsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let headers = request.headers();
        if !is_json(headers) {
            return Err(Problem::wrong_media_type());
        }
        let announced =
            headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|bytes| bytes > BODY_DRAIN_BYTES_MAX as u64) {
            return Err(Problem::body_too_large());
        }
        // The timer is only set when the body is not there yet.
        match tokio::time::timeout(BODY_TIMEOUT, read_body(request.into_body())).await {
            Ok(read) => read.map(Self),
            Err(_) => Err(Problem::body_too_slow()),
        }
    }
}

/// Whether what follows is said to be JSON.
fn is_json(headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = media_type.and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

async fn read_body(mut body: Body) -> Result<Bytes, Problem> {
    let mut first = Bytes::new();
    let mut rest = Vec::new();
    let mut seen_bytes = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::malformed("The body broke off."))?;
        let Ok(data) = frame.into_data() else { continue };
        seen_bytes += data.len();
        if seen_bytes > BODY_DRAIN_BYTES_MAX {
            return Err(Problem::body_too_large());
        }
        if seen_bytes > BODY_BYTES_MAX {
            continue;
        }
        if first.is_empty() && rest.is_empty() {
            first = data;
            // Nearly every body comes in one piece and is not copied.
            if body.is_end_stream() {
                return Ok(first);
            }
        } else {
            if rest.is_empty() {
                rest.extend_from_slice(&first);
            }
            rest.extend_from_slice(&data);
        }
    }
    match seen_bytes {
        0..=BODY_BYTES_MAX if rest.is_empty() => Ok(first),
        0..=BODY_BYTES_MAX => Ok(rest.into()),
        _ => Err(Problem::body_too_large()),
    }
}

impl JsonBody {
    /// The object that the body must be.
    pub(super) fn object(&self) -> Result<Object<'_, 'static>, Problem> {
        let node = serde_json::from_slice(&self.0).map_err(|error| {
            Problem::malformed(format!("The body is not the JSON that is wanted: {error}."))
        })?;
        match node {
            Node::Object(fields) => Ok(Object::new(fields, At::Root)),
            _ => Err(Problem::malformed("The body must be a JSON object.")),
        }
    }
}

/// `{}`: all that has to be said is in the path.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({})))]
pub(super) struct EmptyRequest {}

/// A response of JSON.
pub(super) fn respond(status: StatusCode, body: &impl serde::Serialize) -> Response {
    let mut bytes = Vec::with_capacity(ANSWER_BYTES);
    match serde_json::to_writer(&mut bytes, body) {
        Ok(()) => (status, [(CONTENT_TYPE, "application/json")], bytes).into_response(),
        Err(error) => {
            tracing::error!(%error, "an answer that JSON cannot say");
            Problem::unknown().into_response()
        }
    }
}

/// A JSON value. Numbers other than whole ones from 0 to 2^64 - 1 are not kept: nothing in the API is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node<'a> {
    Null,
    Bool(bool),
    Whole(u64),
    OtherNumber,
    Text(Cow<'a, str>),
    List(Vec<Node<'a>>),
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
}

impl<'de> Deserialize<'de> for Node<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Node::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Node::Bool(value))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Node::Whole(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(u64::try_from(value).map_or(Node::OtherNumber, Node::Whole))
    }
    fn visit_f64<E>(self, _value: f64) -> Result<Self::Value, E> {
        Ok(Node::OtherNumber)
    }
    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Node::Text(Cow::Borrowed(value)))
    }
    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Node::Text(Cow::Owned(value.to_owned())))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(Node::Text(name)) = entries.next_key()? {
            if fields.len() == OBJECT_FIELDS_MAX {
                return Err(serde::de::Error::custom("an object has too many fields"));
            }
            fields.push((name, entries.next_value()?));
        }
        Ok(Node::Object(fields))
    }
}

/// Where a value stands in the body, written as `discounts[0].amount`.
#[derive(Clone, Copy)]
pub(super) enum At<'p> {
    Root,
    Field(&'p At<'p>, &'p str),
    Item(&'p At<'p>, usize),
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Self::Root, name) => f.write_str(name),
            Self::Field(of, name) => write!(f, "{of}.{name}"),
            Self::Item(of, index) => write!(f, "{of}[{index}]"),
        }
    }
}

impl At<'_> {
    /// A problem with the value there.
    pub(super) fn problem(&self, must: &str) -> Problem {
        Problem::invalid(self.to_string(), must)
    }
}

/// How a value of one kind is read: what it is, or what it must be.
pub(super) type Read<'a, T> = fn(&Node<'a>) -> Result<T, &'static str>;

/// An object whose fields are taken out one by one.
pub(super) struct Object<'a, 'p> {
    fields: Vec<(Cow<'a, str>, Option<Node<'a>>)>,
    at: At<'p>,
}

impl<'a, 'p> Object<'a, 'p> {
    fn new(fields: Vec<(Cow<'a, str>, Node<'a>)>, at: At<'p>) -> Self {
        Self { fields: fields.into_iter().map(|(name, node)| (name, Some(node))).collect(), at }
    }

    /// The object that a node at that place must be.
    pub(super) fn from_node(node: Node<'a>, at: At<'p>) -> Result<Self, Problem> {
        match node {
            Node::Object(fields) => Ok(Self::new(fields, at)),
            _ => Err(at.problem("must be an object")),
        }
    }

    /// Takes a field as it is; `null` is a value.
    pub(super) fn take(&mut self, name: &str) -> Option<Node<'a>> {
        self.fields.iter_mut().find(|field| field.0 == name && field.1.is_some())?.1.take()
    }

    /// Takes a field that may be left out; `null` is as good as that.
    pub(super) fn given(&mut self, name: &str) -> Option<Node<'a>> {
        self.take(name).filter(|node| *node != Node::Null)
    }

    /// A field that may be left out or `null`.
    pub(super) fn optional<T>(&mut self, name: &str, read: Read<'a, T>) -> Result<Option<T>, Problem> {
        let Some(node) = self.given(name) else { return Ok(None) };
        read(&node).map(Some).map_err(|must| self.problem(name, must))
    }

    /// A field that must be there.
    pub(super) fn required<T>(&mut self, name: &str, read: Read<'a, T>) -> Result<T, Problem> {
        match self.take(name) {
            None => Err(self.problem(name, "is missing")),
            Some(node) => read(&node).map_err(|must| self.problem(name, must)),
        }
    }

    /// A field that may be left out or `null` and is a list.
    pub(super) fn list(&mut self, name: &str) -> Result<Vec<Node<'a>>, Problem> {
        match self.given(name) {
            None => Ok(Vec::new()),
            Some(Node::List(list)) => Ok(list),
            Some(_) => Err(self.problem(name, "must be a list")),
        }
    }

    /// A problem with one of its fields.
    pub(super) fn problem(&self, name: &str, must: &str) -> Problem {
        At::Field(&self.at, name).problem(must)
    }

    /// Where it stands.
    pub(super) fn at(&self) -> &At<'p> {
        &self.at
    }

    /// Refuses what was not taken.
    pub(super) fn finish(self) -> Result<(), Problem> {
        let Some((name, _)) = self.fields.iter().find(|field| field.1.is_some()) else { return Ok(()) };
        let taken = self.fields.iter().any(|field| field.0 == *name && field.1.is_none());
        let shown: String = name.chars().take(NAME_SHOWN_CHARS_MAX).collect();
        Err(self.problem(&shown, if taken { "comes twice" } else { "is not known here" }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Node<'_>, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn whole_numbers_are_exact_and_others_are_not_numbers_at_all() {
        for (text, whole) in
            [("0", 0), ("18446744073709551615", u64::MAX), ("1000000000000001", 1_000_000_000_000_001)]
        {
            assert_eq!(parse(text).unwrap(), Node::Whole(whole));
        }
        for text in
            ["-0", "-1", "1.0", "1.5", "1e3", "1E0", "18446744073709551616", "99999999999999999999999"]
        {
            assert_eq!(parse(text).unwrap(), Node::OtherNumber, "{text}");
        }
        for text in ["01", "+1", "0x10", "1_000", "NaN", "--1", "1.", ".5", "", "{", "[1,]", "{\"a\":1,}"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn objects_are_bounded() {
        let object = |count: usize| {
            let fields: Vec<String> = (0..count).map(|i| format!("\"{i}\":0")).collect();
            format!("{{{}}}", fields.join(","))
        };
        assert!(parse(&object(OBJECT_FIELDS_MAX)).is_ok());
        assert!(parse(&object(OBJECT_FIELDS_MAX + 1)).is_err());
        assert!(parse(&"[".repeat(1000)).is_err());
    }

    #[test]
    fn places_are_written_as_paths() {
        let field = At::Field(&At::Root, "discounts");
        let item = At::Item(&field, 3);
        assert_eq!(At::Field(&item, "amount").to_string(), "discounts[3].amount");
    }
}
