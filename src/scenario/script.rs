//! Scenario files: a name and the steps, each a call and what must come back, or a restart.
//!
//! ```json
//! {"name": "a-sale", "steps": [
//!   {"do": "PUT /v1/merchants/1001", "body": {"currency": "CNY"}, "status": 200, "why": "for people"},
//!   {"do": "GET /v1/merchants/1001/balances", "status": 200, "expect": {"pending": 0}},
//!   {"restart": true}
//! ]}
//! ```
//!
//! Only `do` is required of a call. `repeat` plays it so often, with `{i}` anywhere in the step replaced by 1, 2, and so
//! on. A body is sent as it is written, so that a file can say what no number type holds.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// What a file says.
#[derive(Debug)]
pub(crate) struct Script {
    /// Its subject.
    pub name: String,
    /// In their order.
    pub steps: Vec<Step>,
}

/// A step, and its place in the file.
#[derive(Debug)]
pub(crate) struct Step {
    /// From 1.
    pub number: usize,
    /// What it does.
    pub act: Act,
}

/// What a step does.
#[derive(Debug)]
pub(crate) enum Act {
    /// Calls the server, once or several times.
    Call(Repeated),
    /// The server stops without an orderly stop and starts again on its data.
    Restart,
}

/// A call that may be repeated.
#[derive(Debug)]
pub(crate) struct Repeated {
    /// The step as the file has it.
    text: String,
    /// How often; at least once.
    pub times: u32,
}

/// One call, and what must come back.
#[derive(Debug)]
pub(crate) struct Call {
    /// `GET`, `PUT`, `POST`, …
    pub method: String,
    /// With the query, from the first `/`.
    pub path: String,
    /// JSON, as the file has it.
    pub body: Option<String>,
    /// The status that must come back, if any must.
    pub status: Option<u16>,
    /// What the answer must contain, if it must contain anything.
    pub expect: Option<Value>,
    /// Why it must, for people; may be empty.
    pub why: String,
}

impl Call {
    /// One of which nothing is expected.
    pub(crate) fn new(method: &str, path: &str, body: Option<String>) -> Self {
        let (method, path) = (method.to_owned(), path.to_owned());
        Self { method, path, body, status: None, expect: None, why: String::new() }
    }
}

/// Why a file cannot be played.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScriptError {
    #[error("cannot read {file}: {error}", file = file.display())]
    Read { file: PathBuf, error: std::io::Error },
    #[error("{file}: {error}", file = file.display())]
    Json { file: PathBuf, error: serde_json::Error },
    #[error("{file}, step {step}: {what}", file = file.display())]
    Step { file: PathBuf, step: usize, what: StepError },
}

/// What is wrong with a step.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    #[error("it needs `do` or `\"restart\": true`")]
    Nothing,
    #[error("a restart has nothing but `\"restart\": true` and perhaps a `why`")]
    Restart,
    #[error("`do` must be a method and a path, like \"GET /v1/trial-balance\", not {0:?}")]
    Do(String),
    #[error("`status` must be from 100 to 599, not {0}")]
    Status(u16),
    #[error("`repeat` must be at least 1")]
    Repeat,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileText {
    name: String,
    steps: Vec<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepText {
    r#do: Option<String>,
    #[serde(default, deserialize_with = "given")]
    body: Option<Box<RawValue>>,
    status: Option<u16>,
    #[serde(default, deserialize_with = "given")]
    expect: Option<Value>,
    #[serde(default)]
    why: String,
    repeat: Option<u32>,
    #[serde(default)]
    restart: bool,
}

/// What is there is there, `null` too.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

impl Script {
    /// Reads a file, and checks every step of it.
    pub(crate) fn read(file: &Path) -> Result<Self, ScriptError> {
        let text = std::fs::read_to_string(file)
            .map_err(|error| ScriptError::Read { file: file.to_owned(), error })?;
        Self::parse(file, &text)
    }

    fn parse(file: &Path, text: &str) -> Result<Self, ScriptError> {
        let FileText { name, steps } =
            serde_json::from_str(text).map_err(|error| ScriptError::Json { file: file.to_owned(), error })?;
        let steps = (1..).zip(&steps).map(|(number, step)| {
            let act = Act::parse(step.get());
            let act = act.map_err(|what| ScriptError::Step { file: file.to_owned(), step: number, what })?;
            Ok(Step { number, act })
        });
        Ok(Self { name, steps: steps.collect::<Result<_, _>>()? })
    }
}

impl Act {
    fn parse(text: &str) -> Result<Self, StepError> {
        let step: StepText = serde_json::from_str(text)?;
        if step.restart {
            let alone = step.r#do.is_none()
                && step.body.is_none()
                && step.status.is_none()
                && step.expect.is_none()
                && step.repeat.is_none();
            return if alone { Ok(Self::Restart) } else { Err(StepError::Restart) };
        }
        let repeated = Repeated { text: text.to_owned(), times: step.repeat.unwrap_or(1) };
        if repeated.times == 0 {
            return Err(StepError::Repeat);
        }
        Call::parse(step)?;
        Ok(Self::Call(repeated))
    }
}

impl Repeated {
    /// The call for the `i`th time, from 1.
    pub(crate) fn at(&self, i: u32) -> Result<Call, StepError> {
        Call::parse(serde_json::from_str(&self.text.replace("{i}", &i.to_string()))?)
    }
}

impl Call {
    fn parse(step: StepText) -> Result<Self, StepError> {
        let what = step.r#do.ok_or(StepError::Nothing)?;
        let parts = what.split_once(' ').filter(|(method, path)| {
            let word = !method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase());
            word && path.starts_with('/') && path.bytes().all(|b| b.is_ascii_graphic())
        });
        let Some((method, path)) = parts else { return Err(StepError::Do(what)) };
        if let Some(status) = step.status
            && !(100..=599).contains(&status)
        {
            return Err(StepError::Status(status));
        }
        Ok(Self {
            method: method.to_owned(),
            path: path.to_owned(),
            body: step.body.map(|body| body.get().to_owned()),
            status: step.status,
            expect: step.expect,
            why: step.why,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Script, String> {
        Script::parse(Path::new("a.json"), text).map_err(|error| error.to_string())
    }

    fn step(text: &str) -> Result<Script, String> {
        parse(&format!(r#"{{"name": "a", "steps": [{{"restart": true}}, {text}]}}"#))
    }

    #[test]
    fn a_call_is_read_as_it_is_written() {
        let script =
            step(r#"{"do": "POST /a", "body": {"n":  18446744073709551616}, "expect": null}"#).unwrap();
        let [_, Step { number: 2, act: Act::Call(call) }] = &script.steps[..] else { panic!("{script:?}") };
        let call = call.at(1).unwrap();
        assert_eq!((call.method.as_str(), call.path.as_str()), ("POST", "/a"));
        assert_eq!(call.body.as_deref(), Some(r#"{"n":  18446744073709551616}"#));
        assert_eq!((call.status, call.expect), (None, Some(Value::Null)));
    }

    #[test]
    fn the_turn_stands_in_every_text() {
        let script =
            step(r#"{"do": "PUT /{i}", "body": "R{i}", "expect": {"no": "{i}"}, "repeat": 9}"#).unwrap();
        let Act::Call(call) = &script.steps[1].act else { panic!("{script:?}") };
        assert_eq!(call.times, 9);
        let seventh = call.at(7).unwrap();
        assert_eq!((seventh.path.as_str(), seventh.body.as_deref()), ("/7", Some("\"R7\"")));
        assert_eq!(seventh.expect.unwrap()["no"], "7");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (text, told) in [
            ("{", "a.json: EOF while parsing an object at line 1 column 1"),
            (r#"{"name": "a"}"#, "a.json: missing field `steps`"),
            ("{\"name\": \"a\",\n \"steps\": [}", "line 2"),
        ] {
            let words = parse(text).unwrap_err();
            assert!(words.contains(told), "{words}");
        }
        for (text, told) in [
            (r#"{"do": "GET"}"#, "a.json, step 2: `do` must be"),
            (r#"{"do": "GET v1"}"#, "`do` must be"),
            (r#"{"do": "get /v1"}"#, "`do` must be"),
            (r#"{"do": "GET /a b"}"#, "`do` must be"),
            (r#"{"do": "GET /a", "stats": 1}"#, "step 2: unknown field `stats`"),
            (r#"{"do": "GET /a", "status": 99}"#, "`status` must be"),
            (r#"{"do": "GET /a", "status": "200"}"#, "step 2: invalid type"),
            (r#"{"do": "GET /a", "repeat": 0}"#, "`repeat` must be"),
            (r#"{"do": "GET /a", "restart": true}"#, "a restart has nothing"),
            (r#"{"why": "no reason"}"#, "it needs `do`"),
        ] {
            let words = step(text).unwrap_err();
            assert!(words.contains(told), "{words}");
        }
    }
}
