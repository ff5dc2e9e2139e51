//! The same comparison in the slowest and plainest way: every line looks at every item. One date, nothing from before.

use std::collections::BTreeSet;

use suanpan_clearing::bill::{BillKind, BillState};
use suanpan_clearing::reconcile::item::State;
use suanpan_clearing::reconcile::{Class, Kind, Reason};

use crate::town::{MINUTE, Ours, Row, at};

/// An item that is no match: class, reason, our item, the bill's line; each counted from 0.
pub(crate) type Told = (Class, Reason, Option<usize>, Option<usize>);

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) told: BTreeSet<Told>,
    pub(crate) matched: BTreeSet<usize>,
}

enum Claim {
    Clear(usize),
    Contradicts(usize, bool),
    Revoked(usize),
    Ambiguous,
    None,
}

struct Day<'a> {
    ours: &'a [Ours],
    merchants: &'a [u64],
}

fn own_number(item: &Ours) -> &str {
    if item.kind == Kind::Payment { &item.order_no } else { &item.refund_no }
}

fn channel_number(item: &Ours) -> &str {
    if item.kind == Kind::Payment { &item.channel_txn } else { &item.channel_refund_no }
}

impl Day<'_> {
    fn all(&self, kinds: &[Kind], is_it: impl Fn(&Ours) -> bool) -> Vec<usize> {
        let found = |&(_, item): &(usize, &Ours)| kinds.contains(&item.kind) && is_it(item);
        self.ours.iter().enumerate().filter(found).map(|(at, _)| at).collect()
    }

    fn by_numbers(&self, row: &Row, kinds: &[Kind], channel_no: &str, number: &str) -> Claim {
        let merchant = row.sub_merchant.parse().ok().filter(|id| self.merchants.contains(id));
        let agrees = |at: &usize| {
            let item = &self.ours[*at];
            (number.is_empty() || own_number(item) == number) && merchant.is_none_or(|id| id == item.merchant)
        };
        if !channel_no.is_empty() {
            let known = self.all(kinds, |item| channel_number(item) == channel_no);
            if let Some(at) = known.iter().copied().find(agrees) {
                return Claim::Clear(at);
            }
            if let Some(&at) = known.first() {
                return Claim::Contradicts(at, true);
            }
        }
        if number.is_empty() {
            return Claim::None;
        }
        for kind in kinds {
            let same = self.all(&[*kind], |item| {
                own_number(item) == number && merchant.is_none_or(|id| id == item.merchant)
            });
            let may_be = |at: &&usize| {
                let own = channel_number(&self.ours[**at]);
                own.is_empty() || channel_no.is_empty()
            };
            let is_back = *kind != Kind::Payment && merchant.is_none() && !row.channel_txn.is_empty();
            let of_order = same.iter().find(|at| is_back && self.ours[**at].channel_txn == row.channel_txn);
            if let Some(at) = of_order {
                return if may_be(&at) { Claim::Clear(*at) } else { Claim::Contradicts(*at, false) };
            }
            let equal = |at: &&usize| {
                self.ours[**at].amount == row.amount && self.ours[**at].currency == row.currency
            };
            let free: Vec<usize> = same.iter().filter(may_be).copied().collect();
            let taken: Vec<usize> = same.iter().filter(|at| !may_be(at)).copied().collect();
            let equals = |list: &[usize]| list.iter().filter(equal).copied().collect::<Vec<_>>();
            match (&free[..], &equals(&free)[..]) {
                ([at], _) | (_, [at]) => return Claim::Clear(*at),
                ([], _) => {}
                _ => return Claim::Ambiguous,
            }
            let taken = if merchant.is_some() { taken } else { equals(&taken) };
            if let [at] = taken[..] {
                return Claim::Contradicts(at, false);
            }
        }
        Claim::None
    }

    fn claim(&self, row: &Row) -> Claim {
        if row.kind == BillKind::Payment {
            return self.by_numbers(row, &[Kind::Payment], &row.channel_txn, &row.order_no);
        }
        let is_void = row.kind == BillKind::Void;
        let kinds = if is_void { [Kind::Void, Kind::Refund] } else { [Kind::Refund, Kind::Void] };
        let claim = self.by_numbers(row, &kinds, &row.channel_refund_no, &row.refund_no);
        if !matches!(claim, Claim::None) || !(is_void || row.refund_no.is_empty()) {
            return claim;
        }
        match self.by_numbers(row, &[Kind::Payment], &row.channel_txn, &row.order_no) {
            Claim::Clear(payment) => match self.void_of(payment) {
                Some(void) => Claim::Clear(void),
                None if is_void => Claim::Revoked(payment),
                None => Claim::None,
            },
            _ => Claim::None,
        }
    }

    fn void_of(&self, payment: usize) -> Option<usize> {
        let payment = &self.ours[payment];
        let of_it = self.all(&[Kind::Refund, Kind::Void], |item| {
            item.voided && item.merchant == payment.merchant && item.order_no == payment.order_no
        });
        of_it.last().copied()
    }

    fn payment_of(&self, void: usize) -> Option<usize> {
        let void = &self.ours[void];
        let is_it = |item: &Ours| item.merchant == void.merchant && item.order_no == void.order_no;
        self.all(&[Kind::Payment], is_it).first().copied()
    }
}

fn near(time: i64) -> bool {
    time < at(26, 10 * MINUTE) || time >= at(27, -10 * MINUTE)
}

fn judge(item: &Ours, row: &Row) -> (Class, Reason) {
    let both = matches!(
        (item.state, row.state),
        (State::Succeeded, BillState::Succeeded)
            | (State::Failed, BillState::Failed)
            | (State::Processing | State::Held, BillState::Processing)
    );
    if !both {
        (Class::StatusDiffers, Reason::State)
    } else if item.currency != row.currency {
        (Class::AmountDiffers, Reason::Currency)
    } else if item.amount != row.amount {
        (Class::AmountDiffers, Reason::Amount)
    } else if row.state == BillState::Processing {
        (Class::Carried, Reason::InFlight)
    } else {
        (Class::Matched, Reason::Agreed)
    }
}

/// What the 26th comes to.
pub(crate) fn outcome(ours: &[Ours], rows: &[Row], merchants: &[u64]) -> Outcome {
    let day = Day { ours, merchants };
    let mut lines: Vec<Option<usize>> = vec![None; ours.len()];
    let mut outcome = Outcome { told: BTreeSet::new(), matched: BTreeSet::new() };
    let unknown = |row: &Row| match near(row.time) {
        true => (Class::Carried, Reason::NearCut),
        false => (Class::Long, Reason::MissingInBooks),
    };
    for (line, row) in rows.iter().enumerate() {
        let (class, reason) = match day.claim(row) {
            Claim::Clear(at) if lines[at].is_some() => (Class::Long, Reason::DuplicateLine),
            Claim::Clear(at) => {
                lines[at] = Some(line);
                let (class, reason) = judge(&ours[at], row);
                if class == Class::Matched {
                    outcome.matched.insert(at);
                } else {
                    outcome.told.insert((class, reason, Some(at), Some(line)));
                }
                continue;
            }
            Claim::Ambiguous => (Class::Long, Reason::Ambiguous),
            Claim::None => unknown(row),
            Claim::Contradicts(..) | Claim::Revoked(_) => continue,
        };
        outcome.told.insert((class, reason, None, Some(line)));
    }
    for (line, row) in rows.iter().enumerate() {
        let (at, by_channel, reason) = match day.claim(row) {
            Claim::Contradicts(at, by_channel) => (at, by_channel, Reason::NumbersContradict),
            Claim::Revoked(at) => (at, false, Reason::RevokedNotVoided),
            _ => continue,
        };
        if lines[at].is_none() {
            lines[at] = Some(line);
            outcome.told.insert((Class::StatusDiffers, reason, Some(at), Some(line)));
        } else {
            let (class, reason) =
                if by_channel { (Class::Long, Reason::DuplicateLine) } else { unknown(row) };
            outcome.told.insert((class, reason, None, Some(line)));
        }
    }
    for (at, item) in ours.iter().enumerate().filter(|(at, _)| lines[*at].is_none()) {
        let revoked = item.kind == Kind::Payment
            && day
                .void_of(at)
                .and_then(|void| lines[void])
                .is_some_and(|line| rows[line].kind == BillKind::Void);
        let paid = item.kind == Kind::Void && day.payment_of(at).is_some_and(|at| lines[at].is_some());
        match item.state {
            State::Failed | State::Abnormal => {}
            State::Processing | State::Held => {
                outcome.told.insert((Class::Carried, Reason::InFlight, Some(at), None));
            }
            State::Succeeded if revoked => {
                outcome.matched.insert(at);
            }
            State::Succeeded if near(item.at_ms) => {
                outcome.told.insert((Class::Carried, Reason::NearCut, Some(at), None));
            }
            State::Succeeded => {
                let reason = if paid { Reason::VoidedNotRevoked } else { Reason::MissingInBill };
                outcome.told.insert((Class::Short, reason, Some(at), None));
            }
        }
    }
    outcome
}
