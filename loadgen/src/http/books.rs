//! What is put before the load, and looked at before and after it.

use serde::Deserialize;

use super::HttpError;
use super::answer::Answer;
use super::lines::Lines;
use super::order::words;
use crate::error::LoadError;
use crate::plan::LoadPlan;
use crate::trader::FEE_MILLIONTHS;

/// The channel that is paid over.
pub(crate) const CHANNEL: &str = "wechat";

/// What the books say.
pub(crate) struct Books {
    /// What each merchant has pending.
    pub(crate) pending: Vec<u64>,
    /// The log position at which they were square.
    pub(crate) as_of: u64,
}

#[derive(Deserialize)]
struct Balances {
    pending: u64,
}

#[derive(Deserialize)]
struct TrialBalance {
    as_of: u64,
    currencies: Vec<Sum>,
}

#[derive(Deserialize)]
struct Sum {
    currency: String,
    sum: i128,
}

/// Makes the channel and the merchants.
pub(crate) fn put(lines: &mut Lines, plan: &LoadPlan) -> Result<(), LoadError> {
    let channel = r#"{"preset":"wechat","cost_rate":"0.0025"}"#.to_owned();
    ask(
        lines,
        1,
        |_, bytes| write(bytes, plan, "PUT", &format!("/v1/channels/{CHANNEL}"), &channel),
        |_, answer| expect("channel", answer).map(drop),
    )?;
    let merchant = |place: usize, bytes: &mut Vec<u8>| {
        let fee = format!("0.{FEE_MILLIONTHS:06}");
        let terms = format!(r#"{{"currency":"CNY","name":"Load {place}","fee_rate":"{fee}"}}"#);
        write(bytes, plan, "PUT", &format!("/v1/merchants/{}", plan.first_merchant + place as u64), &terms);
    };
    ask(lines, plan.merchants as usize, merchant, |_, answer| expect("merchant", answer).map(drop))
}

/// Looks at every balance, and at the sum of all.
pub(crate) fn look(lines: &mut Lines, plan: &LoadPlan) -> Result<Books, LoadError> {
    let mut pending = vec![0; plan.merchants as usize];
    let merchant = |place: usize, bytes: &mut Vec<u8>| {
        let id = plan.first_merchant + place as u64;
        write(bytes, plan, "GET", &format!("/v1/merchants/{id}/balances"), "");
    };
    ask(lines, pending.len(), merchant, |place, answer| {
        pending[place] = parse::<Balances>("look at a balance", answer)?.pending;
        Ok(())
    })?;
    let mut as_of = 0;
    ask(
        lines,
        1,
        |_, bytes| write(bytes, plan, "GET", "/v1/trial-balance", ""),
        |_, answer| {
            let trial: TrialBalance = parse("look at the trial balance", answer)?;
            as_of = trial.as_of;
            match trial.currencies.into_iter().find(|currency| currency.sum != 0) {
                Some(Sum { currency, sum }) => Err(LoadError::TrialBalance { currency, sum }),
                None => Ok(()),
            }
        },
    )?;
    Ok(Books { pending, as_of })
}

/// Asks so many things over all lines, and takes each answer by the number of its question.
fn ask(
    lines: &mut Lines,
    count: usize,
    write: impl Fn(usize, &mut Vec<u8>),
    mut take: impl FnMut(usize, &Answer<'_>) -> Result<(), LoadError>,
) -> Result<(), LoadError> {
    let mut asked = vec![None; lines.count()];
    let mut next = 0..count;
    for (line, asked) in asked.iter_mut().enumerate() {
        *asked = next.next();
        if let Some(number) = *asked {
            lines.send(line, |bytes| write(number, bytes))?;
        }
    }
    let mut answered = 0;
    while answered < count {
        for place in 0..lines.wait(None)? {
            let line = lines.ready(place);
            let Some(answer) = lines.receive(line)? else { continue };
            let number = asked[line].take().ok_or(HttpError::Unasked)?;
            take(number, &answer)?;
            answered += 1;
            asked[line] = next.next();
            if let Some(number) = asked[line] {
                lines.send(line, |bytes| write(number, bytes))?;
            }
        }
    }
    Ok(())
}

fn write(bytes: &mut Vec<u8>, plan: &LoadPlan, method: &str, path: &str, body: &str) {
    let head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", plan.address);
    bytes.extend_from_slice(head.as_bytes());
    if !body.is_empty() {
        let kind = format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
        bytes.extend_from_slice(kind.as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body.as_bytes());
}

/// The body of an answer that says yes.
fn expect<'a>(what: &'static str, answer: &Answer<'a>) -> Result<&'a [u8], LoadError> {
    match answer.status {
        200 | 201 => Ok(answer.body),
        _ => Err(LoadError::SetUp { what, reply: words(answer) }),
    }
}

fn parse<'a, T: Deserialize<'a>>(what: &'static str, answer: &Answer<'a>) -> Result<T, LoadError> {
    serde_json::from_slice(expect(what, answer)?)
        .map_err(|error| LoadError::SetUp { what, reply: format!("{error} in {}", words(answer)) })
}
