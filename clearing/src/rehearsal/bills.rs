//! The town's bills: what a channel did on a day, and differences that are planted into it.

use fastrand::Rng;
use suanpan_core::{Date, MerchantId, Timestamp};

use super::town::{DAY_MS, Happened, midnight};
use crate::bill::{BillKind, BillState};

/// A line of a bill to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What the channel did.
    pub happened: Happened,
    /// How far it is with it.
    pub state: BillState,
}

/// A bill to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bill {
    /// Of which channel.
    pub channel: &'static str,
    /// Of which day.
    pub date: Date,
    /// Its lines, in the order of their times.
    pub lines: Vec<Line>,
}

/// What can be wrong with a bill that is sound by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Difference {
    /// We have it, the bill does not.
    MissingInBill,
    /// The bill has it, we do not.
    MissingInBooks,
    /// Another amount.
    Amount,
    /// Another state.
    State,
    /// A line stands twice.
    DuplicatedLine,
}

impl Difference {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::MissingInBill, Self::MissingInBooks, Self::Amount, Self::State, Self::DuplicatedLine];
}

/// A difference that was planted, and in what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planted {
    /// Which.
    pub difference: Difference,
    /// In a payment, a refund or a void.
    pub kind: BillKind,
    /// Whose.
    pub merchant: MerchantId,
    /// The order.
    pub order_no: String,
    /// The refund or void, if it is one.
    pub refund_no: String,
}

/// What a channel's bill of a day has, of what happened.
#[must_use]
pub fn bill(happened: &[Happened], channel: &'static str, date: Date) -> Bill {
    let day = midnight(date)..midnight(date) + DAY_MS;
    let of = happened.iter().filter(|some| some.channel == channel && day.contains(&some.time.0));
    let mut lines: Vec<Line> =
        of.map(|some| Line { happened: some.clone(), state: BillState::Succeeded }).collect();
    lines.sort_by_key(|line| line.happened.time);
    Bill { channel, date, lines }
}

/// Plants one difference of each kind into a bill, in lines of the middle of the day, each in another line.
pub fn plant(bill: &mut Bill, rng: &mut Rng) -> Vec<Planted> {
    let mut taken = Vec::new();
    let mut planted = Vec::new();
    for difference in Difference::ALL {
        let Some(at) = pick(bill, difference, &taken, rng) else { continue };
        let line = bill.lines[at].clone();
        taken.push((line.happened.order_no.clone(), line.happened.refund_no.clone()));
        let mut found = line.happened.clone();
        match difference {
            Difference::MissingInBill => {
                bill.lines.remove(at);
            }
            Difference::MissingInBooks => {
                found.order_no.push_str("-gone");
                found.channel_txn.push_str("99");
                bill.lines.insert(at, Line { happened: found.clone(), state: BillState::Succeeded });
                taken.push((found.order_no.clone(), String::new()));
            }
            Difference::Amount => bill.lines[at].happened.amount += 1,
            Difference::State => bill.lines[at].state = BillState::Failed,
            Difference::DuplicatedLine => bill.lines.insert(at, line),
        }
        let Happened { kind, merchant, order_no, refund_no, .. } = found;
        planted.push(Planted { difference, kind, merchant, order_no, refund_no });
    }
    planted
}

/// A line in which a difference can be planted: payments, but for a state a refund.
fn pick(bill: &Bill, difference: Difference, taken: &[(String, String)], rng: &mut Rng) -> Option<usize> {
    let kind = if difference == Difference::State { BillKind::Refund } else { BillKind::Payment };
    let noon = Timestamp(midnight(bill.date) + DAY_MS / 2);
    let fits = |line: &Line| {
        let Happened { order_no, refund_no, time, .. } = &line.happened;
        let is_taken = taken.iter().any(|(order, refund)| order == order_no && refund == refund_no);
        // A payment that was voided stands in two lines, either of which is enough.
        let is_voided = bill
            .lines
            .iter()
            .any(|other| other.happened.kind == BillKind::Void && other.happened.order_no == *order_no);
        let near_noon = (time.0 - noon.0).abs() < DAY_MS * 2 / 5;
        line.happened.kind == kind && near_noon && !is_taken && !is_voided
    };
    let places: Vec<usize> = (0..bill.lines.len()).filter(|&at| fits(&bill.lines[at])).collect();
    (!places.is_empty()).then(|| places[rng.usize(0..places.len())])
}
