//! What was answered, and what of it must hold for ever.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use serde_json::Value;

/// What an answer tells of; each moves on in its own way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Order,
    Refund,
    Void,
    Split,
    /// A payout or a freeze.
    Moved,
    /// What never changes.
    Fixed,
}

/// All that was answered with a success.
#[derive(Default)]
pub(crate) struct Facts(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// The answers that were read, by where they can be found again.
    told: HashMap<String, (Kind, Vec<Value>)>,
    /// What was told of since the last look.
    fresh: HashSet<String>,
    /// What was newly made, and under which attempt.
    made: HashSet<(String, u64)>,
    /// How often what was answered how.
    tally: HashMap<(&'static str, String), u64>,
}

impl Facts {
    /// Keeps an answer. What was newly made (201) is so once.
    pub(crate) fn keep(&self, kind: Kind, path: &str, status: u16, body: &Value) {
        let mut inner = self.0.lock().unwrap();
        if status == 201 {
            let attempt = body["attempts"].as_u64().unwrap_or(1);
            assert!(inner.made.insert((path.to_owned(), attempt)), "{path} was newly made twice: {body}");
        }
        let (known, bodies) = inner.told.entry(path.to_owned()).or_insert((kind, Vec::new()));
        assert_eq!(*known, kind);
        if !bodies.contains(body) {
            bodies.push(body.clone());
        }
        inner.fresh.insert(path.to_owned());
    }

    pub(crate) fn count(&self, name: &'static str, outcome: String) {
        *self.0.lock().unwrap().tally.entry((name, outcome)).or_default() += 1;
    }

    /// How often something was answered with that: a status of success, or a code.
    pub(crate) fn counted(&self, name: &str, outcome: &str) -> u64 {
        let inner = self.0.lock().unwrap();
        let so = inner.tally.iter().filter(|((of, how), _)| *of == name && how == outcome);
        so.map(|(_, count)| count).sum()
    }

    /// Everything that was counted, for people.
    pub(crate) fn tally(&self) -> String {
        let inner = self.0.lock().unwrap();
        let mut lines: Vec<String> =
            inner.tally.iter().map(|((name, outcome), count)| format!("{name}: {outcome} {count}")).collect();
        lines.sort();
        lines.join("\n")
    }

    /// What was told of since the last look, or ever: where it is to be found, and what it must follow.
    pub(crate) fn looks(&self, ever: bool) -> Vec<(String, Kind, Vec<Value>)> {
        let mut inner = self.0.lock().unwrap();
        let fresh = std::mem::take(&mut inner.fresh);
        let told = inner.told.iter().filter(|(path, _)| ever || fresh.contains(*path));
        told.map(|(path, (kind, bodies))| (path.clone(), *kind, bodies.clone())).collect()
    }
}

impl Kind {
    /// What does not fit together within one answer.
    pub(crate) fn crooked(self, body: &Value) -> Option<String> {
        match self {
            Self::Order => crooked_order(body),
            Self::Refund => crooked_refund(body),
            _ => None,
        }
    }

    /// Whether what is told now can come after what was told before.
    ///
    /// # Errors
    /// What cannot.
    pub(crate) fn follows(self, before: &Value, now: &Value) -> Result<(), String> {
        match self {
            Self::Order => {
                stays(before, now, &["order_no", "merchant_id", "channel", "amount", "payable"])?;
                let [then, later] = [before, now].map(|body| order_rank(word(body, "status")));
                if then >= 3 {
                    stays(
                        before,
                        now,
                        &["fee", "platform_fee", "channel_cost", "net", "paid_at", "channel_txn"],
                    )?;
                }
                grows(then, later, "status")?;
                grows(number(before, "refunded"), number(now, "refunded"), "refunded")
            }
            Self::Refund => follows_refund(before, now),
            Self::Void => {
                stays(before, now, &["void_no", "order_no"])?;
                moves_on(before, now, "processing")
            }
            Self::Split => {
                stays(before, now, &["split_no", "order_no", "merchant_id", "finish", "accounting_date"])?;
                let [then, later] =
                    [before, now].map(|body| body["receivers"].as_array().expect("receivers"));
                then.iter().zip(later).try_for_each(|(then, later)| {
                    stays(then, later, &["merchant_id", "amount"])?;
                    grows(number(then, "returned"), number(later, "returned"), "returned")
                })?;
                grows(then.len(), later.len(), "receivers")
            }
            Self::Moved => {
                let mut then = before.clone();
                then["state"] = now["state"].clone();
                if then != *now {
                    return Err("more than its state changed".to_owned());
                }
                moves_on(before, now, if now.get("freeze_no").is_some() { "frozen" } else { "processing" })
            }
            Self::Fixed if before == now => Ok(()),
            Self::Fixed => Err("it never changes".to_owned()),
        }
    }
}

/// Where an order stands on its way. A void that failed goes back from voided to paid.
fn order_rank(status: &str) -> u8 {
    match status {
        "created" => 0,
        "closed" => 1,
        "paid_late" => 2,
        "paid" | "voided" => 3,
        "partially_refunded" => 4,
        "refunded" => 5,
        other => panic!("an order cannot be {other}"),
    }
}

fn follows_refund(before: &Value, now: &Value) -> Result<(), String> {
    stays(before, now, &["refund_no", "order_no", "merchant_id", "amount"])?;
    let rank = |body| match word(body, "state") {
        "processing" => 0,
        "held" => 1,
        "succeeded" | "failed" => 2,
        other => panic!("a refund cannot be {other}"),
    };
    let [then, later] = [before, now].map(|body| (number(body, "attempts"), rank(body)));
    grows(then, later, "attempts and state")?;
    if then.0 == later.0 {
        stays(before, now, &REFUND_PARTS)?;
    }
    let over = word(before, "state") == "succeeded" || then == later;
    if over { stays(before, now, &["attempts", "state"]) } else { Ok(()) }
}

/// What an attempt of a refund is made of.
const REFUND_PARTS: [&str; 11] = [
    "cash_amount",
    "discount_amount",
    "fee_returned",
    "platform_fee_returned",
    "cost_returned",
    "merchant_debit",
    "from_pending",
    "from_held",
    "from_available",
    "sent_as",
    "accounting_date",
];

fn crooked_refund(body: &Value) -> Option<String> {
    let of = |name| number(body, name);
    let parts = of("cash_amount") + of("discount_amount") == of("amount");
    let sources = of("from_pending") + of("from_held") + of("from_available") == of("merchant_debit");
    let given = of("merchant_debit") <= of("amount");
    (!(parts && sources && given)).then(|| "its parts do not add up".to_owned())
}

fn crooked_order(body: &Value) -> Option<String> {
    let of = |name| number(body, name);
    let (given, left) = (of("refunded") + of("in_flight"), of("refundable"));
    // No discount was given of what came late.
    let late =
        word(body, "status") == "paid_late" || (word(body, "status") == "refunded" && given == of("amount"));
    let paid = if late { of("amount") } else { of("payable") };
    let expected = match word(body, "status") {
        "created" | "closed" | "voided" => (0, 0),
        "refunded" => (paid, 0),
        _ => (given.min(paid), paid - given.min(paid)),
    };
    ((given, left) != expected)
        .then(|| "refunded, in flight and refundable do not make up what was paid".to_owned())
}

/// What is wrong with a trial balance.
pub(crate) fn unbalanced(body: &Value) -> Option<String> {
    for currency in body["currencies"].as_array().expect("currencies") {
        let accounts = currency["accounts"].as_array().expect("accounts");
        let sum: i128 = accounts.iter().map(|account| signed(account, "balance")).sum();
        if sum != 0 || signed(currency, "sum") != 0 {
            return Some(format!("the sum is {sum}"));
        }
        if let Some(account) = accounts.iter().find(|account| {
            let (name, balance) = (word(account, "account"), signed(account, "balance"));
            let own = name.starts_with("merchants:")
                && name != "merchants:accrued"
                && name != "merchants:fee_receivable";
            (name == "in_transit" && balance != 0) || (own && balance < 0)
        }) {
            return Some(format!("{account} cannot be"));
        }
    }
    None
}

/// The items of a page.
pub(crate) fn items(body: &Value) -> impl Iterator<Item = &Value> {
    body["data"].as_array().expect("a page").iter()
}

pub(crate) fn number(body: &Value, name: &str) -> u64 {
    body[name].as_u64().unwrap_or_else(|| panic!("{name} of {body}"))
}

pub(crate) fn signed(body: &Value, name: &str) -> i128 {
    body[name].as_i64().unwrap_or_else(|| panic!("{name} of {body}")).into()
}

pub(crate) fn word<'a>(body: &'a Value, name: &str) -> &'a str {
    body[name].as_str().unwrap_or_else(|| panic!("{name} of {body}"))
}

fn stays(before: &Value, now: &Value, names: &[&str]) -> Result<(), String> {
    match names.iter().find(|name| before[**name] != now[**name]) {
        Some(name) => Err(format!("{name} changed from {} to {}", before[*name], now[*name])),
        None => Ok(()),
    }
}

fn grows<T: PartialOrd + Copy + std::fmt::Debug>(before: T, now: T, name: &str) -> Result<(), String> {
    if before <= now { Ok(()) } else { Err(format!("{name} went back from {before:?} to {now:?}")) }
}

/// A state that is final stays.
fn moves_on(before: &Value, now: &Value, open: &str) -> Result<(), String> {
    if word(before, "state") == open { Ok(()) } else { stays(before, now, &["state"]) }
}
