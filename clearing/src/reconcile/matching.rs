//! The comparison itself: each line of a bill against our items, once, in one pass.
//!
//! A hash join with the smaller memory on our side: our items stand in a [`Shelf`], the bill streams by. Only a line that says clearly
//! which item it is of takes it at once. One that contradicts itself waits for the end, since a later line may have the better claim;
//! so what comes out does not depend on the order of the lines, but for which of two lines of one thing is called the first.
//!
//! What is kept beside the shelf is what differs, and that is bounded: a file where very much differs is of another merchant or day.

use std::collections::HashSet;
use suanpan_core::{Currency, Date};

use super::ReconcileError;
use super::carry::Carry;
use super::funds::BillSums;
use super::item::{BillSide, Class, Kind, Line, Reason, State};
use super::shelf::{Key, NONE, NOWHERE, Shelf, Slot, channel_space, number_space};
use super::shelf::{Keys, Noted, Origin};
use super::window::BillDay;
use crate::bill::{BillKind, BillRow};

/// The file of lines that come from a batch before: they are counted from 1 in its list.
pub(crate) const BEFORE: u16 = u16::MAX;

/// A line by its file and number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) file: u16,
    pub(crate) line: u32,
}

/// Something that is no match.
#[derive(Debug)]
pub(crate) struct Finding {
    /// Our item, or nowhere.
    pub(crate) place: u32,
    pub(crate) class: Class,
    pub(crate) reason: Reason,
    pub(crate) bill: Option<BillSide>,
    /// Of a second line: the first.
    pub(crate) first: Option<Mark>,
    /// Which of the lines from a batch before it is.
    pub(crate) before: Option<u32>,
}

/// Which of our items a line is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// This one.
    Clearly(u32),
    /// This one by one number, and another by the other. `by_channel`: it was the channel's that led here.
    Contradicts { place: u32, by_channel: bool },
    /// The channel took this payment back, and we know nothing of that.
    Revoked(u32),
    /// One of several.
    Ambiguous,
    /// None.
    Nothing,
}

/// What is looked for.
struct Sought<'a> {
    /// As what it may be known with us, the likelier first.
    kinds: &'a [Kind],
    /// Whose it is, where the bill says so.
    merchant: Option<u64>,
    channel_no: &'a str,
    number: &'a str,
    /// Of a refund or void: its order's number at the channel.
    order_txn: &'a str,
    amount: u64,
    currency: Currency,
    /// By our number alone, only with the same amount.
    strictly: bool,
}

/// A line that waits for the end.
struct Deferred {
    found: Found,
    bill: BillSide,
    mark: Mark,
}

/// Compares; see the file's page.
pub(crate) struct Matcher<'a> {
    pub(crate) shelf: Shelf,
    pub(crate) findings: Vec<Finding>,
    pub(crate) sums: BillSums,
    pub(crate) rows: u64,
    pub(crate) carry: &'a Carry,
    pub(crate) date: Date,
    pub(crate) day: BillDay,
    merchants: HashSet<u64>,
    deferred: Vec<Deferred>,
    differences_max: usize,
    overflowed: bool,
}

/// Whether the channel's state and ours go together.
pub(crate) fn states_agree(ours: State, bill: State) -> bool {
    matches!(
        (ours, bill),
        (State::Succeeded, State::Succeeded)
            | (State::Processing | State::Held, State::Processing)
            | (State::Failed, State::Failed)
    )
}

impl<'a> Matcher<'a> {
    /// `shelf` has all items.
    pub(crate) fn new(
        mut shelf: Shelf,
        merchants: HashSet<u64>,
        (date, day): (Date, BillDay),
        carry: &'a Carry,
        differences_max: usize,
    ) -> Self {
        shelf.index();
        let mut matcher = Self {
            shelf,
            findings: Vec::new(),
            sums: BillSums::default(),
            rows: 0,
            carry,
            date,
            day,
            merchants,
            deferred: Vec::new(),
            differences_max,
            overflowed: false,
        };
        matcher.match_before(false);
        matcher
    }

    /// Lines from batches before: those carried come before the bill, those that are open come behind it.
    fn match_before(&mut self, watched: bool) {
        let carry = self.carry;
        for (at, item) in carry.items.iter().enumerate() {
            let Some(bill) = item.bill.as_ref().filter(|_| item.ours.is_none()) else { continue };
            let is_watched = item.class != Class::Carried;
            if is_watched != watched {
                continue;
            }
            let line = u32::try_from(at + 1).unwrap_or(NOWHERE);
            let row = bill.row(BEFORE.into());
            let found = self.find(&row, is_watched);
            let mark = Mark { file: BEFORE, line };
            match found {
                Found::Clearly(place) if is_watched && self.shelf.slot(place).is_seen() => {}
                Found::Clearly(place) => self.take(place, &row, mark),
                _ if is_watched => {}
                _ => self.put_aside(found, &row, mark),
            }
        }
    }

    /// A line of the bill.
    pub(crate) fn row(&mut self, row: &BillRow<'_>) {
        self.rows += 1;
        self.sums.add(row);
        // Files of more lines than that are refused when the bill was read.
        let mark = Mark {
            file: u16::try_from(row.file).unwrap_or(BEFORE - 1),
            line: u32::try_from(row.line).unwrap_or(u32::MAX),
        };
        match self.find(row, false) {
            Found::Clearly(place) => self.take(place, row, mark),
            found => self.put_aside(found, row, mark),
        }
    }

    fn find(&mut self, row: &BillRow<'_>, strictly: bool) -> Found {
        let merchant = row.sub_merchant.parse().ok().filter(|id| self.merchants.contains(id));
        let of_order = Sought {
            kinds: &[Kind::Payment],
            merchant,
            channel_no: row.channel_txn,
            number: row.order_no,
            order_txn: "",
            amount: row.amount,
            currency: row.currency,
            strictly,
        };
        let kinds = match row.kind {
            BillKind::Payment => return self.seek(&of_order),
            BillKind::Refund => &[Kind::Refund, Kind::Void],
            BillKind::Void => &[Kind::Void, Kind::Refund],
        };
        let own = Sought {
            kinds,
            channel_no: row.channel_refund_no,
            number: row.refund_no,
            order_txn: row.channel_txn,
            ..of_order
        };
        let found = self.seek(&own);
        let revoked = row.kind == BillKind::Void;
        if found != Found::Nothing || !(revoked || row.refund_no.is_empty()) {
            return found;
        }
        // Without a number of its own it is known by its order: a void is the only one that its order has.
        let of_order = Sought {
            kinds: &[Kind::Payment],
            channel_no: row.channel_txn,
            number: row.order_no,
            order_txn: "",
            ..own
        };
        match self.seek(&of_order) {
            Found::Clearly(payment) => match self.shelf.link(payment) {
                Some(void) => Found::Clearly(void),
                None if revoked => Found::Revoked(payment),
                None => Found::Nothing,
            },
            _ => Found::Nothing,
        }
    }

    fn seek(&mut self, sought: &Sought<'_>) -> Found {
        let (kinds, keys) = (sought.kinds, &self.shelf.keys);
        let channel_key = keys.of(channel_space(kinds[0]), sought.channel_no);
        let mut number_keys = [NONE; 2];
        for (key, kind) in number_keys.iter_mut().zip(kinds) {
            *key = keys.of(number_space(*kind), sought.number);
        }
        let agrees = |slot: &Slot| {
            let number = sought.number.is_empty() || number_keys.contains(&slot.number_key);
            number && sought.merchant.is_none_or(|merchant| merchant == slot.merchant)
        };
        if let Some(place) = self.shelf.one_by_channel(channel_key) {
            let agrees = agrees(self.shelf.slot(place));
            return if agrees {
                Found::Clearly(place)
            } else {
                Found::Contradicts { place, by_channel: true }
            };
        }
        let several = self.shelf.by_channel(channel_key);
        if let Some(&place) = several.iter().find(|&&place| agrees(self.shelf.slot(place))) {
            return Found::Clearly(place);
        }
        if let Some(&place) = several.first() {
            return Found::Contradicts { place, by_channel: true };
        }
        for key in number_keys.into_iter().filter(|key| *key != NONE) {
            let found = match sought.merchant {
                Some(merchant) => self.seek_owned(key, merchant, channel_key),
                None => self.seek_alone(key, channel_key, sought),
            };
            if found != Found::Nothing {
                return found;
            }
        }
        Found::Nothing
    }

    /// Whether an item may have that number of the channel's: it has none that is another.
    fn fits(&self, place: u32, channel_key: Key) -> bool {
        let own = self.shelf.slot(place).channel_key;
        own == NONE || channel_key == NONE || own == channel_key
    }

    fn seek_owned(&mut self, key: Key, merchant: u64, channel_key: Key) -> Found {
        match self.shelf.by_owner(key, merchant) {
            Some(place) if self.fits(place, channel_key) => Found::Clearly(place),
            Some(place) => Found::Contradicts { place, by_channel: false },
            None => Found::Nothing,
        }
    }

    /// By our number alone, which several merchants may have: the order's number at the channel tells them apart, and what is the date's
    /// comes before what is open from before.
    fn seek_alone(&mut self, key: Key, channel_key: Key, sought: &Sought<'_>) -> Found {
        let order = self.shelf.keys.of(channel_space(Kind::Payment), sought.order_txn);
        if let Some(place) = self.shelf.by_order(order, key) {
            return match self.fits(place, channel_key) {
                true => Found::Clearly(place),
                false => Found::Contradicts { place, by_channel: false },
            };
        }
        let Some(mut places) = self.shelf.by_number(key) else { return Found::Ambiguous };
        let is_todays = |place: &u32| matches!(self.shelf.slot(*place).origin, Origin::Own | Origin::Carried);
        if places.iter().any(is_todays) {
            places.retain(is_todays);
        }
        let same_amount = |place: &u32| {
            let slot = self.shelf.slot(*place);
            let currency = self.shelf.currencies[usize::from(slot.currency)];
            slot.amount == sought.amount && currency == sought.currency
        };
        let (mut fitting, others): (Vec<_>, Vec<_>) =
            places.into_iter().partition(|&place| self.fits(place, channel_key));
        if sought.strictly {
            fitting.retain(same_amount);
        }
        if let [place] = fitting[..] {
            return Found::Clearly(place);
        }
        if let [place] = fitting.iter().copied().filter(same_amount).collect::<Vec<_>>()[..] {
            return Found::Clearly(place);
        }
        if !fitting.is_empty() {
            return Found::Ambiguous;
        }
        // Another order of that number and amount, with another number at the channel.
        match others.into_iter().filter(same_amount).collect::<Vec<_>>()[..] {
            [place] => Found::Contradicts { place, by_channel: false },
            _ => Found::Nothing,
        }
    }

    /// A line that is clearly of an item.
    fn take(&mut self, place: u32, row: &BillRow<'_>, mark: Mark) {
        let slot = self.shelf.slot(place);
        let first = Mark { file: slot.file, line: slot.line };
        if slot.is_seen() {
            let (class, reason) = (Class::Long, Reason::DuplicateLine);
            return self.note(NOWHERE, class, reason, Some((row, mark)), Some(first));
        }
        let (class, reason) = self.judge(place, row);
        self.see(place, mark, row.kind == BillKind::Void);
        if class != Class::Matched {
            self.shelf.slot_mut(place).noted.add(Noted::DIFFERS);
            self.note(place, class, reason, Some((row, mark)), None);
        }
    }

    fn see(&mut self, place: u32, mark: Mark, revoked: bool) {
        let slot = self.shelf.slot_mut(place);
        assert!(!slot.is_seen() && mark.line > 0, "a line is an item's, once");
        (slot.file, slot.line) = (mark.file, mark.line);
        if revoked {
            slot.noted.add(Noted::REVOKED);
        }
    }

    fn judge(&self, place: u32, row: &BillRow<'_>) -> (Class, Reason) {
        let slot = self.shelf.slot(place);
        if !states_agree(slot.state, row.state.into()) {
            return (Class::StatusDiffers, Reason::State);
        }
        if self.shelf.currencies[usize::from(slot.currency)] != row.currency {
            return (Class::AmountDiffers, Reason::Currency);
        }
        if slot.amount != row.amount {
            return (Class::AmountDiffers, Reason::Amount);
        }
        match slot.state {
            State::Processing | State::Held => (Class::Carried, Reason::InFlight),
            _ => (Class::Matched, Reason::Agreed),
        }
    }

    /// A line that is of no item, or not clearly of one.
    fn put_aside(&mut self, found: Found, row: &BillRow<'_>, mark: Mark) {
        match found {
            Found::Clearly(_) => unreachable!("it is taken"),
            Found::Nothing => self.note_unknown(row, mark),
            Found::Ambiguous => {
                self.note(NOWHERE, Class::Long, Reason::Ambiguous, Some((row, mark)), None);
            }
            Found::Contradicts { .. } | Found::Revoked(_) => {
                if self.has_room() {
                    let bill = BillSide::of(row, self.line(row, mark));
                    self.deferred.push(Deferred { found, bill, mark });
                }
            }
        }
    }

    /// A line that we know nothing of.
    fn note_unknown(&mut self, row: &BillRow<'_>, mark: Mark) {
        let carried = if mark.file == BEFORE {
            // It was carried once: only a bill that is still to come can carry it on.
            self.day.is_late(row.time.0) || !self.carry.is_due
        } else {
            self.day.is_near_cut(row.time.0)
        };
        let (class, reason) = match carried {
            true => (Class::Carried, Reason::NearCut),
            false => (Class::Long, Reason::MissingInBooks),
        };
        self.note(NOWHERE, class, reason, Some((row, mark)), None);
    }

    fn has_room(&mut self) -> bool {
        let has_room = self.findings.len() + self.deferred.len() < self.differences_max;
        self.overflowed |= !has_room;
        has_room
    }

    /// Keeps something that is no match.
    pub(crate) fn note(
        &mut self,
        place: u32,
        class: Class,
        reason: Reason,
        line: Option<(&BillRow<'_>, Mark)>,
        first: Option<Mark>,
    ) {
        if !self.has_room() {
            return;
        }
        let before = line.and_then(|(_, mark)| (mark.file == BEFORE).then_some(mark.line - 1));
        let bill = line.map(|(row, mark)| BillSide::of(row, self.line(row, mark)));
        self.findings.push(Finding { place, class, reason, bill, first, before });
    }

    /// Where a line is. The names of the bill's files are put in when all is known.
    fn line(&self, row: &BillRow<'_>, mark: Mark) -> Line {
        if mark.file == BEFORE
            && let Some(bill) = self.carry.bill(mark.line - 1)
        {
            return bill.at.clone();
        }
        Line { date: self.date, file: row.file.to_string(), line: row.line }
    }

    /// The bill is at its end: what waited is decided, and what is open from before is looked for.
    pub(crate) fn close(&mut self) -> Result<(), ReconcileError> {
        for Deferred { found, bill, mark } in std::mem::take(&mut self.deferred) {
            let row = bill.row(mark.file.into());
            let row = BillRow { line: bill.at.line, ..row };
            let (place, reason) = match found {
                Found::Contradicts { place, .. } => (place, Reason::NumbersContradict),
                Found::Revoked(place) => (place, Reason::RevokedNotVoided),
                _ => unreachable!("nothing else waits"),
            };
            let slot = self.shelf.slot(place);
            let first = Mark { file: slot.file, line: slot.line };
            match found {
                _ if !slot.is_seen() => {
                    self.see(place, mark, row.kind == BillKind::Void);
                    self.shelf.slot_mut(place).noted.add(Noted::DIFFERS);
                    self.note(place, Class::StatusDiffers, reason, Some((&row, mark)), None);
                }
                Found::Contradicts { by_channel: true, .. } => {
                    let (class, reason) = (Class::Long, Reason::DuplicateLine);
                    self.note(NOWHERE, class, reason, Some((&row, mark)), Some(first));
                }
                _ => self.note_unknown(&row, mark),
            }
        }
        self.match_before(true);
        self.check_room()
    }

    /// # Errors
    /// [`ReconcileError::TooManyDifferences`] when more differs than is kept.
    pub(crate) fn check_room(&self) -> Result<(), ReconcileError> {
        match self.overflowed {
            true => Err(ReconcileError::TooManyDifferences { max: self.differences_max, date: self.date }),
            false => Ok(()),
        }
    }
}

/// Voids and the refunds that were sent as one are linked with their payments, which are of the same date.
pub(crate) fn link_voids(shelf: &mut Shelf, voids: &[(u32, Key, u64)]) {
    for &(void, order_key, merchant) in voids {
        if let Some(payment) = shelf.by_owner(order_key, merchant) {
            shelf.join(payment, void);
        }
    }
}

/// The key of the order that a void is of.
pub(crate) fn order_key(keys: &Keys, order_no: &str) -> Key {
    keys.of(number_space(Kind::Payment), order_no)
}
