//! What was decided about a difference, by two people, and the commands for the core that it comes to.
//!
//! ```text
//! reconciliation/channel=wechat/resolutions/<item>-<standing>.json             put if absent: an item as it stands is decided once
//! reconciliation/channel=wechat/resolutions/<item>-<standing>-answer-<n>.json  what the core said to the n-th command, from 0
//! ```
//! JSON in UTF-8, version 1. The numbers in the commands are made of the item and how it stands: sent twice, they book once.

use std::collections::BTreeMap;

use jiff::Timestamp as Moment;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use suanpan_core::Number;

use super::ReconcileError;
use super::batch::malformed;
use super::item::{BillSide, Class, Item, Kind, OurSide, Reason, State};
use super::open::{OpenItem, open_list};
use crate::store::Store;

/// The version of resolutions.
const FORMAT: u32 = 1;

/// The most that api.md lets a memo have, in bytes.
const MEMO_BYTES_MAX: usize = 256;

/// The most that api.md lets the name of an approver have, in bytes.
const APPROVER_BYTES_MAX: usize = 64;

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The books get what they miss (补单).
    Supplement,
    /// The difference is the operator's (核销).
    WriteOff,
    /// What was paid without an order goes back to the payer.
    Refund,
    /// Somebody asks the channel; it stays on the list.
    Pursue,
}

impl Action {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Supplement => "supplement",
            Self::WriteOff => "write_off",
            Self::Refund => "refund",
            Self::Pursue => "pursue",
        }
    }
}

/// Why something could not be decided so.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolutionError {
    /// The batches could not be read, or the store failed.
    #[error(transparent)]
    Reconcile(#[from] ReconcileError),
    /// Nothing of that id is open.
    #[error("{id} is not open under {channel}: `suanpan reconcile open` lists what is")]
    NotOpen {
        /// As asked for.
        id: String,
        /// The channel.
        channel: String,
    },
    /// There must be two, and two different ones.
    #[error("two different people approve: of 1 to 64 printable characters each")]
    Approvers,
    /// There must be one.
    #[error("say why, in 1 to 256 bytes")]
    Memo,
    /// It was decided already, otherwise.
    #[error("{id} was decided already: {action}, approved by {} and {}", .approved_by[0], .approved_by[1])]
    Decided {
        /// The item.
        id: String,
        /// What was decided.
        action: &'static str,
        /// By whom.
        approved_by: [String; 2],
    },
    /// That does not resolve such a difference.
    #[error("{action} does not resolve {id}, which is {class} ({reason}): {advice}")]
    NotApplicable {
        /// What was asked for.
        action: &'static str,
        /// The item.
        id: String,
        /// Its class.
        class: Class,
        /// Its reason.
        reason: Reason,
        /// What does.
        advice: &'static str,
    },
    /// Whose it is must be said.
    #[error("the bill does not say which merchant {id} is of: give one with --merchant")]
    MerchantNeeded {
        /// The item.
        id: String,
    },
}

/// A call of the core's API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// POST.
    pub method: String,
    /// With its ids.
    pub path: String,
    /// As JSON.
    pub body: Value,
}

/// What the core said to a command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The status of HTTP.
    pub status: u16,
    /// What it said.
    pub body: Value,
    /// When.
    pub at: Moment,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What.
    pub action: Action,
    /// Two people.
    pub approved_by: [String; 2],
    /// Why.
    pub memo: String,
    /// Whose, where the bill does not say it.
    pub merchant: Option<String>,
    /// When.
    pub at: Moment,
}

/// What was decided about an item; see the file's page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resolution {
    /// Version.
    pub format: u32,
    /// Whose bill.
    pub channel: String,
    /// The batch that it was open in.
    pub batch_no: String,
    /// The item, as it stood.
    pub item: Item,
    /// What.
    pub action: Action,
    /// Two people.
    pub approved_by: [String; 2],
    /// Why.
    pub memo: String,
    /// When.
    pub at: Moment,
    /// What it comes to.
    pub commands: Vec<Command>,
}

fn folder(channel: &str) -> String {
    format!("reconciliation/channel={channel}/resolutions")
}

impl Resolution {
    /// Where it is, without its ending.
    fn stem(&self) -> String {
        format!("{}/{}-{}", folder(&self.channel), self.item.id, self.item.standing())
    }

    /// All of a channel.
    ///
    /// # Errors
    /// When the store fails, or one of them is none.
    pub fn all(store: &Store, channel: &str) -> Result<Vec<Self>, ReconcileError> {
        let mut all = Vec::new();
        for (path, _) in store.list(&folder(channel))? {
            if path.contains("-answer-") {
                continue;
            }
            let resolution: Self = serde_json::from_slice(&store.get(&path)?)
                .map_err(|error| malformed(store, &path, error.to_string()))?;
            if resolution.format != FORMAT {
                return Err(malformed(store, &path, "it is of another version".to_owned()));
            }
            all.push(resolution);
        }
        Ok(all)
    }

    /// Decides about what is open, once. The same again gives what is there.
    ///
    /// # Errors
    /// When it is not open, cannot be resolved so, or was decided otherwise.
    pub fn decide(
        store: &Store,
        channel: &str,
        id: &str,
        decision: &Decision,
    ) -> Result<Self, ResolutionError> {
        check(decision)?;
        let same = |known: &Self| {
            known.action == decision.action
                && known.approved_by == decision.approved_by
                && known.memo == decision.memo
        };
        let list = open_list(store, Some(channel))?;
        let Some(open) = list.items.into_iter().find(|open| open.item.id == id) else {
            let known = Self::all(store, channel)?;
            return match known.into_iter().rev().find(|known| known.item.id == id) {
                Some(known) if same(&known) => Ok(known),
                Some(known) => Err(known.decided()),
                None => Err(ResolutionError::NotOpen { id: id.to_owned(), channel: channel.to_owned() }),
            };
        };
        let resolution = Self::new(open, decision)?;
        let mut bytes = serde_json::to_vec_pretty(&resolution).map_err(ReconcileError::from)?;
        bytes.push(b'\n');
        let path = format!("{}.json", resolution.stem());
        if store.put_new(&path, bytes).map_err(ReconcileError::from)? {
            return Ok(resolution);
        }
        let bytes = store.get(&path).map_err(ReconcileError::from)?;
        let known: Self =
            serde_json::from_slice(&bytes).map_err(|error| malformed(store, &path, error.to_string()))?;
        if same(&known) { Ok(known) } else { Err(known.decided()) }
    }

    fn decided(self) -> ResolutionError {
        let (id, action) = (self.item.id, self.action.name());
        ResolutionError::Decided { id, action, approved_by: self.approved_by }
    }

    fn new(open: OpenItem, decision: &Decision) -> Result<Self, ResolutionError> {
        let OpenItem { channel, batch_no, item, .. } = open;
        let commands = commands(&channel, &item, decision)?;
        let Decision { action, approved_by, memo, at, .. } = decision.clone();
        Ok(Self { format: FORMAT, channel, batch_no, item, action, approved_by, memo, at, commands })
    }

    /// Notes what the core said to a command, once; `false` when that was noted before. Only a final answer is noted: what is unknown, or
    /// refused for now, is sent again.
    ///
    /// # Errors
    /// When the store fails.
    pub fn answered(&self, store: &Store, at: usize, answer: &Answer) -> Result<bool, ReconcileError> {
        let mut bytes = serde_json::to_vec_pretty(answer)?;
        bytes.push(b'\n');
        Ok(store.put_new(&format!("{}-answer-{at}.json", self.stem()), bytes)?)
    }

    /// What the core said to each command, as far as it was noted.
    ///
    /// # Errors
    /// When the store fails, or an answer is none.
    pub fn answers(&self, store: &Store) -> Result<Vec<Option<Answer>>, ReconcileError> {
        let answer = |at| {
            let path = format!("{}-answer-{at}.json", self.stem());
            let Some(bytes) = store.find(&path)? else { return Ok(None) };
            serde_json::from_slice(&bytes).map_err(|error| malformed(store, &path, error.to_string()))
        };
        (0..self.commands.len()).map(answer).collect()
    }
}

fn check(decision: &Decision) -> Result<(), ResolutionError> {
    let is_name = |name: &String| {
        (1..=APPROVER_BYTES_MAX).contains(&name.len())
            && name.trim() == name
            && !name.contains(char::is_control)
    };
    let [first, second] = &decision.approved_by;
    if !is_name(first) || !is_name(second) || first.to_lowercase() == second.to_lowercase() {
        return Err(ResolutionError::Approvers);
    }
    let memo = &decision.memo;
    if memo.trim().is_empty() || memo.len() > MEMO_BYTES_MAX || memo.contains(char::is_control) {
        return Err(ResolutionError::Memo);
    }
    Ok(())
}

/// What a decision about an item comes to, as calls of api.md.
///
/// # Errors
/// When that does not resolve such an item, or its merchant is not known.
pub fn commands(channel: &str, item: &Item, decision: &Decision) -> Result<Vec<Command>, ResolutionError> {
    let not = |advice| ResolutionError::NotApplicable {
        action: decision.action.name(),
        id: item.id.clone(),
        class: item.class,
        reason: item.reason,
        advice,
    };
    match decision.action {
        Action::Pursue => Ok(Vec::new()),
        Action::WriteOff => Ok(write_off(channel, item, decision)),
        Action::Supplement => match (item.class, &item.ours, &item.bill) {
            (Class::Long, None, Some(bill)) if bill.state == State::Succeeded => {
                Supplement::of(channel, item, bill, decision).map(|supplement| supplement.commands())
            }
            (Class::Long, ..) => Err(not("the channel did not carry it out; pursue it")),
            (Class::StatusDiffers, Some(ours), Some(bill)) => match item.reason {
                Reason::State => result(item.kind, ours, bill).ok_or_else(|| {
                    not("the core has it as final, or the channel is not done; write it off, or pursue it")
                }),
                Reason::RevokedNotVoided => Ok(refund_revoked(item, ours, bill)),
                _ => Err(not("correct the order by hand; pursue it, or write it off")),
            },
            _ => Err(not("there is nothing to supplement; write it off, or pursue it")),
        },
        Action::Refund => match (item.class, item.kind, &item.bill) {
            (Class::Long, Kind::Payment, Some(bill)) if bill.state == State::Succeeded => {
                Ok(Supplement::of(channel, item, bill, decision)?.commands_and_refund())
            }
            _ => Err(not("only a payment that we do not have goes back to its payer; pursue it")),
        },
    }
}

fn post(path: String, body: Value) -> Command {
    Command { method: "POST".to_owned(), path, body }
}

/// A number of ours for something that has none: made of the item as it stands.
fn made_number(prefix: &str, item: &Item) -> String {
    format!("{prefix}{}", item.standing())
}

fn is_number(text: &str) -> bool {
    Number::new(text.as_bytes()).is_ok()
}

/// A part of a path: a number of the bill's may have anything in it.
fn segment(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    let part = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(part).collect()
}

/// What the books miss.
struct Supplement<'a> {
    channel: &'a str,
    item: &'a Item,
    bill: &'a BillSide,
    merchant: &'a str,
}

impl<'a> Supplement<'a> {
    fn of(
        channel: &'a str,
        item: &'a Item,
        bill: &'a BillSide,
        decision: &'a Decision,
    ) -> Result<Self, ResolutionError> {
        let is_id = |text: &&str| {
            (1..=19).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_digit())
                && text.bytes().any(|byte| byte != b'0')
        };
        let named = decision.merchant.as_deref().filter(is_id);
        let billed = Some(bill.sub_merchant.as_str()).filter(is_id);
        let ambiguous = item.reason == Reason::Ambiguous;
        let merchant = named.or_else(|| billed.filter(|_| !ambiguous));
        let merchant = merchant.ok_or_else(|| ResolutionError::MerchantNeeded { id: item.id.clone() })?;
        Ok(Self { channel, item, bill, merchant })
    }

    /// The bill's number, unless the books may have it already or cannot.
    fn number(&self, billed: &str, prefix: &str) -> String {
        match is_number(billed) && self.item.reason != Reason::DuplicateLine {
            true => billed.to_owned(),
            false => made_number(prefix, self.item),
        }
    }

    fn payment(&self) -> (String, Command) {
        let order_no = self.number(&self.bill.order_no, "RP");
        let mut body = json!({
            "order_no": order_no,
            "channel": self.channel,
            "amount": self.bill.amount_minor,
            "paid_at": self.bill.time.to_string(),
        });
        if !self.bill.channel_txn.is_empty() {
            body["channel_txn"] = json!(self.bill.channel_txn);
        }
        (order_no, post(format!("/v1/merchants/{}/payments", self.merchant), body))
    }

    fn commands(&self) -> Vec<Command> {
        let root = format!("/v1/merchants/{}", self.merchant);
        match self.item.kind {
            Kind::Payment => vec![self.payment().1],
            Kind::Refund => {
                let refund_no = self.number(&self.bill.refund_no, "RR");
                let asked = json!({
                    "refund_no": refund_no,
                    "order_no": self.bill.order_no,
                    "amount": self.bill.amount_minor,
                    "reason": "reconciliation",
                });
                let result = said(State::Succeeded, Some(&self.bill.channel_refund_no));
                let to = format!("{root}/refunds/{}/result", segment(&refund_no));
                vec![post(format!("{root}/refunds"), asked), post(to, result)]
            }
            Kind::Void => {
                let void_no = self.number(&self.bill.refund_no, "RV");
                let asked = post(
                    format!("{root}/orders/{}/void", segment(&self.bill.order_no)),
                    json!({ "void_no": void_no }),
                );
                let to = format!("{root}/voids/{}/result", segment(&void_no));
                vec![asked, post(to, said(State::Succeeded, None))]
            }
        }
    }

    fn commands_and_refund(&self) -> Vec<Command> {
        let (order_no, payment) = self.payment();
        let asked = json!({
            "refund_no": made_number("RR", self.item),
            "order_no": order_no,
            "amount": self.bill.amount_minor,
            "reason": "reconciliation",
        });
        vec![payment, post(format!("/v1/merchants/{}/refunds", self.merchant), asked)]
    }
}

/// The body of a result.
fn said(state: State, channel_refund_no: Option<&str>) -> Value {
    let state = if state == State::Succeeded { "succeeded" } else { "failed" };
    match channel_refund_no.filter(|number| !number.is_empty()) {
        Some(number) => json!({ "state": state, "channel_refund_no": number }),
        None => json!({ "state": state }),
    }
}

/// The channel's state as the result, if the core can still take it.
fn result(kind: Kind, ours: &OurSide, bill: &BillSide) -> Option<Vec<Command>> {
    let waits = matches!(ours.state, State::Processing | State::Held);
    if !waits || bill.state == State::Processing {
        return None;
    }
    let (merchant, number) = (&ours.merchant_id, segment(&ours.refund_no));
    let command = match kind {
        Kind::Payment => return None,
        Kind::Refund => {
            let path = format!("/v1/merchants/{merchant}/refunds/{number}/result");
            post(path, said(bill.state, Some(&bill.channel_refund_no)))
        }
        Kind::Void => post(format!("/v1/merchants/{merchant}/voids/{number}/result"), said(bill.state, None)),
    };
    Some(vec![command])
}

/// The channel took a payment back on its day; by the time that this is known it can only be refunded.
fn refund_revoked(item: &Item, ours: &OurSide, bill: &BillSide) -> Vec<Command> {
    let refund_no = made_number("RR", item);
    let root = format!("/v1/merchants/{}/refunds", ours.merchant_id);
    let asked = json!({
        "refund_no": refund_no,
        "order_no": ours.order_no,
        "amount": bill.amount_minor,
        "reason": "reconciliation",
    });
    let result = said(State::Succeeded, Some(&bill.channel_refund_no));
    vec![post(root.clone(), asked), post(format!("{root}/{refund_no}/result"), result)]
}

/// What our books owe to be as the channel's, by currency: above zero, the channel owes us more than we booked.
fn difference(item: &Item) -> BTreeMap<&str, i128> {
    let mut owed = BTreeMap::new();
    let sign = if item.kind == Kind::Payment { 1 } else { -1 };
    if let Some(ours) = &item.ours
        && ours.state != State::Failed
    {
        // A refund is booked when it is accepted.
        *owed.entry(ours.currency.as_str()).or_insert(0) -= sign * i128::from(ours.amount_minor);
    }
    if let Some(bill) = &item.bill
        && bill.state != State::Failed
    {
        let sign = if bill.kind == Kind::Payment { 1 } else { -1 };
        // A REVOKED line stands for a payment and its end.
        let revoked = item.reason == Reason::RevokedNotVoided;
        let amount = if revoked { 0 } else { sign * i128::from(bill.amount_minor) };
        *owed.entry(bill.currency.as_str()).or_insert(0) += amount;
    }
    owed
}

/// The operator takes the difference.
fn write_off(channel: &str, item: &Item, decision: &Decision) -> Vec<Command> {
    let account = format!("channel:{channel}");
    let differences = difference(item).into_iter().filter(|(_, owed)| *owed != 0);
    let command = |(currency, owed): (&str, i128)| {
        let (from, to) = if owed > 0 { (&*account, "operator") } else { ("operator", &*account) };
        // One for each currency, where the two sides have not the same.
        let adjustment_no = format!("{}-{currency}", made_number("RW", item));
        let body = json!({
            "adjustment_no": adjustment_no,
            "subject": "reconciliation",
            "from": from,
            "to": to,
            "amount": u64::try_from(owed.unsigned_abs()).unwrap_or(u64::MAX),
            "currency": currency,
            "memo": decision.memo,
            "approved_by": decision.approved_by,
        });
        post("/v1/adjustments".to_owned(), body)
    };
    differences.map(command).collect()
}
