//! Playing a step: calling the server and comparing what comes back.

use serde_json::Value;

use super::http::Answer;
use super::script::{Act, Call, Step, StepError};

/// A server that steps are played against.
pub(crate) trait Stage {
    /// Why it cannot go on.
    type Error: From<StepError>;

    /// Calls it.
    ///
    /// # Errors
    /// When no answer came.
    fn call(&mut self, call: &Call) -> Result<Answer, std::io::Error>;

    /// Stops it as a crash would and starts it again on its data; false where that is not ours to do.
    ///
    /// # Errors
    /// When it does not come back.
    fn restart(&mut self) -> Result<bool, Self::Error>;
}

/// How a step went.
#[derive(Debug)]
pub(crate) struct Played {
    /// Calls that were made.
    pub calls: u32,
    /// The last one, if there was one.
    pub last: Option<Call>,
    /// The status that came back, if one did.
    pub status: Option<u16>,
    /// What was wanted and did not come.
    pub wrong: Option<String>,
    /// A restart that is not ours to do.
    pub skipped: bool,
}

/// Plays a step; of a repeated one, up to the first time that something differs.
///
/// # Errors
/// When the server does not come back from a restart.
pub(crate) fn play<S: Stage>(stage: &mut S, step: &Step) -> Result<Played, S::Error> {
    let mut played = Played { calls: 0, last: None, status: None, wrong: None, skipped: false };
    match &step.act {
        Act::Restart => played.skipped = !stage.restart()?,
        Act::Call(repeated) => {
            for i in 1..=repeated.times {
                let call = repeated.at(i)?;
                played.calls = i;
                let answer = stage.call(&call);
                played.status = answer.as_ref().ok().map(|answer| answer.status);
                played.wrong = match answer {
                    Ok(answer) => wrong(&call, &answer),
                    Err(error) => Some(format!("no answer: {error}")),
                };
                played.last = Some(call);
                if played.wrong.is_some() {
                    break;
                }
            }
        }
    }
    Ok(played)
}

/// What of an answer is not as it must be.
fn wrong(call: &Call, answer: &Answer) -> Option<String> {
    match (call.status, &call.expect) {
        (Some(status), _) if status != answer.status => {
            Some(format!("status: wanted {status}, got {} {}", answer.status, short(&answer.body)))
        }
        (_, Some(expect)) => differ(expect, &answer.body, "$").err(),
        _ => None,
    }
}

/// What is wanted is a subset: every named key of an object, every item of a list and no more.
fn differ(want: &Value, got: &Value, at: &str) -> Result<(), String> {
    match (want, got) {
        (Value::Object(want), Value::Object(got)) => want.iter().try_for_each(|(key, want)| {
            let got = got.get(key).ok_or_else(|| format!("{at}.{key} is missing"))?;
            differ(want, got, &format!("{at}.{key}"))
        }),
        (Value::Array(want), Value::Array(list)) if want.len() == list.len() => {
            let mut pairs = (0..).zip(want.iter().zip(list));
            pairs.try_for_each(|(index, (want, got))| differ(want, got, &format!("{at}[{index}]")))
        }
        (Value::Array(want), Value::Array(list)) => {
            Err(format!("{at}: wanted {} items, got {}: {}", want.len(), list.len(), short(got)))
        }
        _ if want == got => Ok(()),
        _ => Err(format!("{at}: wanted {}, got {}", short(want), short(got))),
    }
}

/// JSON in one line that a person still reads.
fn short(value: &Value) -> String {
    const CHARS_MAX: usize = 600;
    let text = value.to_string();
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_subset_is_enough() {
        for (want, got) in [
            (json!({}), json!({"a": 1})),
            (json!({"a": {"b": [1, {"c": null}]}}), json!({"a": {"b": [1, {"c": null, "d": 2}], "e": 3}})),
            (json!([]), json!([])),
            (json!("x"), json!("x")),
        ] {
            assert_eq!(differ(&want, &got, "$"), Ok(()), "{want} {got}");
        }
    }

    #[test]
    fn a_difference_is_named_with_its_place() {
        for (want, got, told) in [
            (json!({"a": 1}), json!({}), "$.a is missing"),
            (json!({"a": [1, 2]}), json!({"a": [1, 3]}), "$.a[1]: wanted 2, got 3"),
            (json!({"a": [1]}), json!({"a": [1, 2]}), "$.a: wanted 1 items, got 2: [1,2]"),
            (json!({"a": 1}), json!({"a": "1"}), "$.a: wanted 1, got \"1\""),
            (json!({"a": true}), json!({"a": 1}), "$.a: wanted true, got 1"),
            (json!({"a": null}), json!({}), "$.a is missing"),
            (json!({}), json!([]), "$: wanted {}, got []"),
        ] {
            assert_eq!(differ(&want, &got, "$"), Err(told.to_owned()));
        }
    }
}
