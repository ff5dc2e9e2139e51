//! One thing that was compared: a payment, a refund or a void, with what we and the channel say of it and how it ended.

use std::fmt;

use jiff::Timestamp as Moment;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use suanpan_core::{Currency, Date};

use crate::bill::{BillKind, BillRow, BillState};
use crate::manifest::{date_of, moment};
use crate::parquet_file::hex;

/// What an item is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Money came in.
    Payment,
    /// Money went back.
    Refund,
    /// A payment was cancelled whole, on its day.
    Void,
}

/// How an item ended (domain.md, "Day cut, clearing, reconciliation").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Both say the same.
    Matched,
    /// Both have it, with other amounts.
    AmountDiffers,
    /// Both have it, in other states.
    StatusDiffers,
    /// The channel has it and we don't (长款).
    Long,
    /// We have it and the channel doesn't (短款).
    Short,
    /// Looked for again in the next day's batch.
    Carried,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Matched, Self::AmountDiffers, Self::StatusDiffers, Self::Long, Self::Short, Self::Carried];

    /// Whether somebody has to do something about it.
    #[must_use]
    pub const fn is_open(self) -> bool {
        !matches!(self, Self::Matched | Self::Carried)
    }

    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Matched => "matched",
            Self::AmountDiffers => "amount_differs",
            Self::StatusDiffers => "status_differs",
            Self::Long => "long",
            Self::Short => "short",
            Self::Carried => "carried",
        }
    }
}

/// Why it ended so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Both say the same.
    Agreed,
    /// The bill has no line of it.
    MissingInBill,
    /// We have nothing of it.
    MissingInBooks,
    /// The bill has it a second time.
    DuplicateLine,
    /// The amounts are not the same.
    Amount,
    /// The currencies are not the same.
    Currency,
    /// The states are not the same.
    State,
    /// Its outcome is not known yet.
    InFlight,
    /// So near the day's ends that it may stand in the other day's bill.
    NearCut,
    /// We voided it and the channel says nothing of that.
    VoidedNotRevoked,
    /// The channel revoked what we did not void.
    RevokedNotVoided,
    /// Its number is several merchants', and so is its amount.
    Ambiguous,
    /// The channel's number says one thing and ours another.
    NumbersContradict,
    /// It was on its way in the bill, and the channel's result came later.
    ResultCame,
}

impl Reason {
    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agreed => "agreed",
            Self::MissingInBill => "missing_in_bill",
            Self::MissingInBooks => "missing_in_books",
            Self::DuplicateLine => "duplicate_line",
            Self::Amount => "amount",
            Self::Currency => "currency",
            Self::State => "state",
            Self::InFlight => "in_flight",
            Self::NearCut => "near_cut",
            Self::VoidedNotRevoked => "voided_not_revoked",
            Self::RevokedNotVoided => "revoked_not_voided",
            Self::Ambiguous => "ambiguous",
            Self::NumbersContradict => "numbers_contradict",
            Self::ResultCame => "result_came",
        }
    }
}

/// How far something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Done.
    Succeeded,
    /// On its way.
    Processing,
    /// With us only: it failed and goes out again.
    Held,
    /// It will not be done.
    Failed,
    /// In a bill only: the channel could not do it and asks for another way.
    Abnormal,
}

impl State {
    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Processing => "processing",
            Self::Held => "held",
            Self::Failed => "failed",
            Self::Abnormal => "abnormal",
        }
    }
}

impl Kind {
    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Payment => "payment",
            Self::Refund => "refund",
            Self::Void => "void",
        }
    }
}

macro_rules! displayed {
    ($($name:ident),*) => {
        $(impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        })*
    };
}

displayed!(Kind, Class, Reason, State);

impl From<BillKind> for Kind {
    fn from(kind: BillKind) -> Self {
        match kind {
            BillKind::Payment => Self::Payment,
            BillKind::Refund => Self::Refund,
            BillKind::Void => Self::Void,
        }
    }
}

impl From<BillState> for State {
    fn from(state: BillState) -> Self {
        match state {
            BillState::Succeeded => Self::Succeeded,
            BillState::Processing => Self::Processing,
            BillState::Failed => Self::Failed,
            BillState::Abnormal => Self::Abnormal,
        }
    }
}

/// What we say of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OurSide {
    /// Whose.
    pub merchant_id: String,
    /// The order.
    pub order_no: String,
    /// The refund or void; empty for a payment.
    pub refund_no: String,
    /// The channel's numbers, where we were told.
    pub channel_txn: String,
    /// See `channel_txn`.
    pub channel_refund_no: String,
    /// How far it is.
    pub state: State,
    /// Of a payment: whether it was voided. Of a refund: whether it was sent as a void.
    pub voided: bool,
    /// Its cash.
    pub amount_minor: u64,
    /// Of the amount.
    pub currency: String,
    /// When it was paid, or when we last decided about it.
    pub at: Moment,
    /// The date that it is booked on.
    #[serde(with = "date_text")]
    pub accounting_date: Date,
}

/// A place in a bill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The day of the bill.
    #[serde(with = "date_text")]
    pub date: Date,
    /// The file's name.
    pub file: String,
    /// The line in it, from 1.
    pub line: u64,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// What the channel says of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BillSide {
    /// Where.
    pub at: Line,
    /// As what.
    pub kind: Kind,
    /// How far it is.
    pub state: State,
    /// The channel's time of it.
    pub time: Moment,
    /// The merchant's number at the channel.
    pub sub_merchant: String,
    /// The order's number at the channel, and with us.
    pub channel_txn: String,
    /// See `channel_txn`.
    pub order_no: String,
    /// The refund's number at the channel, and with us.
    pub channel_refund_no: String,
    /// See `channel_refund_no`.
    pub refund_no: String,
    /// The cash in it.
    pub amount_minor: u64,
    /// Of the amount.
    pub currency: String,
    /// What the channel charges, in millionths of the major unit.
    pub fee_millionths: i64,
}

impl BillSide {
    /// A line of a bill as it is kept.
    #[must_use]
    pub fn of(row: &BillRow<'_>, at: Line) -> Self {
        Self {
            at,
            kind: row.kind.into(),
            state: row.state.into(),
            time: moment(row.time),
            sub_merchant: row.sub_merchant.to_owned(),
            channel_txn: row.channel_txn.to_owned(),
            order_no: row.order_no.to_owned(),
            channel_refund_no: row.channel_refund_no.to_owned(),
            refund_no: row.refund_no.to_owned(),
            amount_minor: row.amount,
            currency: row.currency.as_str().to_owned(),
            fee_millionths: row.fee_millionths,
        }
    }

    /// The line again, as it was read; `file` is what it shall be called.
    #[must_use]
    pub fn row(&self, file: usize) -> BillRow<'_> {
        BillRow {
            file,
            line: self.at.line,
            kind: match self.kind {
                Kind::Payment => BillKind::Payment,
                Kind::Refund => BillKind::Refund,
                Kind::Void => BillKind::Void,
            },
            state: match self.state {
                State::Succeeded => BillState::Succeeded,
                State::Processing | State::Held => BillState::Processing,
                State::Failed => BillState::Failed,
                State::Abnormal => BillState::Abnormal,
            },
            time: suanpan_core::Timestamp(self.time.as_millisecond()),
            sub_merchant: &self.sub_merchant,
            channel_txn: &self.channel_txn,
            order_no: &self.order_no,
            channel_refund_no: &self.channel_refund_no,
            refund_no: &self.refund_no,
            currency: currency(&self.currency),
            amount: self.amount_minor,
            fee_millionths: self.fee_millionths,
        }
    }
}

/// A currency from its text; one that is none is kept as it is, and equals no other.
pub(crate) fn currency(text: &str) -> Currency {
    text.parse().unwrap_or_default()
}

/// One thing that was compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Stable: the same for the same thing in every batch.
    pub id: String,
    /// What it is about.
    pub kind: Kind,
    /// How it ended.
    pub class: Class,
    /// Why.
    pub reason: Reason,
    /// The date in whose batch it was seen first.
    #[serde(with = "date_text")]
    pub origin: Date,
    /// What we say.
    pub ours: Option<OurSide>,
    /// What the channel says.
    pub bill: Option<BillSide>,
    /// Of a second line: where the first is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Line>,
}

/// Bytes of an item's id: 80 bits, twenty digits.
const ID_BYTES: usize = 10;

/// Hashes texts so that no two lists of them give the same bytes.
fn digest<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hex(&hash.finalize()[..ID_BYTES])
}

impl Item {
    /// The id of what we have: our numbers are unique for a merchant and kind.
    #[must_use]
    pub fn our_id(channel: &str, kind: Kind, ours: &OurSide) -> String {
        let number = if kind == Kind::Payment { &ours.order_no } else { &ours.refund_no };
        digest(["ours", channel, kind.name(), &ours.merchant_id, number])
    }

    /// The id of what only the bill has. `again` tells lines of the same numbers apart: 0 for the first.
    #[must_use]
    pub fn bill_id(channel: &str, origin: Date, bill: &BillSide, again: u32) -> String {
        let (origin, again) = (origin.to_string(), again.to_string());
        let BillSide { sub_merchant, channel_txn, order_no, channel_refund_no, refund_no, .. } = bill;
        let numbers = [sub_merchant, channel_txn, order_no, channel_refund_no, refund_no];
        let named = ["bill", channel, bill.kind.name(), &origin, &again];
        digest(named.into_iter().chain(numbers.map(String::as_str)))
    }

    /// What a resolution is of: another amount or state is another difference of the same item.
    #[must_use]
    pub fn standing(&self) -> String {
        let amount = |amount: Option<u64>| amount.map_or_else(String::new, |amount| amount.to_string());
        let (ours, bill) = (self.ours.as_ref(), self.bill.as_ref());
        digest([
            self.id.as_str(),
            self.class.name(),
            &amount(ours.map(|side| side.amount_minor)),
            ours.map_or("", |side| side.state.name()),
            &amount(bill.map(|side| side.amount_minor)),
            bill.map_or("", |side| side.state.name()),
        ])
    }

    /// The currency of the side that there is, ours first.
    #[must_use]
    pub fn currency(&self) -> Currency {
        let text = self.ours.as_ref().map(|side| &side.currency);
        let text = text.or_else(|| self.bill.as_ref().map(|side| &side.currency));
        text.map_or_else(Currency::default, |text| currency(text))
    }

    /// The amount of the side that there is, ours first.
    #[must_use]
    pub fn amount(&self) -> u64 {
        let ours = self.ours.as_ref().map(|side| side.amount_minor);
        ours.or_else(|| self.bill.as_ref().map(|side| side.amount_minor)).unwrap_or(0)
    }

    /// What to do about it.
    #[must_use]
    pub fn next_step(&self) -> &'static str {
        let failed = self.bill.as_ref().is_some_and(|bill| bill.state == State::Failed);
        match (self.class, self.reason) {
            (Class::Matched, _) => "nothing",
            (Class::Carried, Reason::InFlight) => "wait for the channel's result, or ask it",
            (Class::Carried, _) => "reconcile the next date: its bill decides",
            (_, Reason::DuplicateLine) => {
                "ask the channel whether the payer was charged or paid twice; refund or pursue"
            }
            (_, Reason::Ambiguous) => "find out whose it is, and supplement with --merchant",
            (_, Reason::NumbersContradict) => {
                "look at both orders; correct the one whose channel number is wrong"
            }
            (_, Reason::VoidedNotRevoked) => {
                "ask the channel about the void; send it again, or report it as failed"
            }
            (_, Reason::RevokedNotVoided) => "the payer has the money back: void or refund the order",
            (Class::Long, _) if failed => "no money moved; pursue why the channel tried it",
            (Class::Long, _) => "supplement the books, or refund the payer",
            (Class::Short, _) => "ask the channel; pursue it, or write it off",
            (Class::AmountDiffers, _) => {
                "find out which amount is right; write the difference off, or pursue it"
            }
            (Class::StatusDiffers, _) => "report the channel's state as the result, or pursue it",
        }
    }
}

/// Dates as `YYYY-MM-DD`.
pub(crate) mod date_text {
    use super::*;

    pub(crate) fn serialize<S: serde::Serializer>(date: &Date, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(date)
    }

    pub(crate) fn deserialize<'a, D: serde::Deserializer<'a>>(from: D) -> Result<Date, D::Error> {
        let text = String::deserialize(from)?;
        date_of(&text).ok_or_else(|| serde::de::Error::custom(format!("{text} is no date")))
    }
}
