//! What became of each item, when the bill is at its end, and the few that differ with all that is known of them.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::ReconcileError;
use super::books::{Books, OurItem};
use super::carry::{Carry, goes_on};
use super::item::{BillSide, Class, Item, Kind, Line, OurSide, Reason, State};
use super::matching::{BEFORE, Finding, Mark, Matcher, link_voids, order_key, states_agree};
use super::shelf::{NOWHERE, Noted, Origin, Shelf, Slot, number_space};

/// What matched, of one merchant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// What.
    pub kind: Kind,
    /// Of the amount.
    pub currency: String,
    /// Whose.
    pub merchant_id: String,
    /// How many.
    pub count: u64,
    /// Their cash; what failed on both sides counts and has none.
    pub amount_minor: u64,
}

/// How a comparison came out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled {
    /// What matched, by kind, currency and merchant.
    pub matched: Vec<Tally>,
    /// What did not: open, or carried to the next date.
    pub items: Vec<Item>,
    /// What is open since an earlier date and still looked for.
    pub watched: Vec<Item>,
    /// What was carried or open and found its end here.
    pub closed: Vec<Item>,
}

/// Which items of ours come from a batch before.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    /// By place.
    before: HashMap<u32, u32>,
    /// How many items were in the books; those behind them are from before only.
    in_books: u32,
}

/// Puts all that the channel should have onto a shelf: what the books have, then what came from before and is not among it.
pub(crate) fn load(
    books: &dyn Books,
    channel: &str,
    date: suanpan_core::Date,
    carry: &Carry,
    progress: &mut dyn FnMut(u64),
) -> Result<(Shelf, Loaded), ReconcileError> {
    let about = usize::try_from(books.about()).unwrap_or(0).saturating_add(carry.items.len());
    let mut shelf = Shelf::with_room(about);
    let mut waiting: HashMap<_, u32> = HashMap::new();
    for (at, item) in carry.items.iter().enumerate() {
        if let Some(ours) = &item.ours {
            let number = if item.kind == Kind::Payment { &ours.order_no } else { &ours.refund_no };
            let key = shelf.keys.of(number_space(item.kind), number);
            waiting.insert((key, ours.merchant_id.clone()), u32::try_from(at).unwrap_or(NOWHERE));
        }
    }
    let (mut loaded, mut voids, mut failed) = (Loaded::default(), Vec::new(), None);
    books.items(channel, &mut |item| {
        let number = if item.kind == Kind::Payment { item.order_no } else { item.refund_no };
        let before = match waiting.is_empty() {
            true => None,
            false => {
                let key = shelf.keys.of(number_space(item.kind), number);
                waiting.remove(&(key, item.merchant.to_string()))
            }
        };
        let origin = origin_of(item.accounting_date == date, before, carry);
        match shelf.push(item, origin) {
            Ok(place) => {
                loaded.before.extend(before.map(|before| (place, before)));
                if item.voided && item.kind != Kind::Payment {
                    voids.push((place, order_key(&shelf.keys, item.order_no), item.merchant));
                }
                if place % 65_536 == 0 {
                    progress(place.into());
                }
            }
            Err(error) => failed = Some(error),
        }
    })?;
    failed.map_or(Ok(()), Err)?;
    loaded.in_books = u32::try_from(shelf.slots.len()).unwrap_or(NOWHERE);
    let mut rest: Vec<u32> = waiting.into_values().collect();
    rest.sort_unstable();
    for before in rest {
        let item = &carry.items[before as usize];
        let Some(ours) = &item.ours else { continue };
        let item = our_item(item.kind, ours);
        let place = shelf.push(&item, origin_of(false, Some(before), carry))?;
        loaded.before.insert(place, before);
        if item.voided && item.kind != Kind::Payment {
            voids.push((place, order_key(&shelf.keys, item.order_no), item.merchant));
        }
    }
    link_voids(&mut shelf, &voids);
    Ok((shelf, loaded))
}

fn origin_of(own: bool, before: Option<u32>, carry: &Carry) -> Origin {
    match before.map(|before| carry.items[before as usize].class) {
        _ if own => Origin::Own,
        None => Origin::Known,
        Some(Class::Carried) => Origin::Carried,
        Some(_) => Origin::Watched,
    }
}

fn our_item(kind: Kind, ours: &OurSide) -> OurItem<'_> {
    OurItem {
        kind,
        state: ours.state,
        voided: ours.voided,
        merchant: ours.merchant_id.parse().unwrap_or(0),
        order_no: &ours.order_no,
        refund_no: &ours.refund_no,
        channel_txn: &ours.channel_txn,
        channel_refund_no: &ours.channel_refund_no,
        amount: ours.amount_minor,
        currency: super::item::currency(&ours.currency),
        at_ms: ours.at.as_millisecond(),
        accounting_date: ours.accounting_date,
    }
}

/// How an item of ours ended.
enum End {
    Matched(Reason),
    /// Nothing to say of it, or it was said.
    Said,
    Open(Class, Reason),
    /// Still open, still looked for.
    Watched,
}

impl Matcher<'_> {
    fn end_of(&self, place: u32, slot: &Slot, before: Option<&Item>) -> End {
        if slot.is_seen() {
            return if slot.noted.has(Noted::DIFFERS) { End::Said } else { End::Matched(Reason::Agreed) };
        }
        if let Some((item, bill)) = before.and_then(|item| Some((item, item.bill.as_ref()?))) {
            return self.end_of_pair(slot, item.class, bill);
        }
        let carried = before.is_some_and(|item| item.class == Class::Carried);
        match (slot.origin, slot.state) {
            (Origin::Known, _) => End::Said,
            (Origin::Own, State::Failed) if before.is_none() => End::Said,
            (_, State::Failed | State::Abnormal) => End::Matched(Reason::ResultCame),
            (Origin::Watched, _) => End::Watched,
            (_, State::Processing | State::Held) => End::Open(Class::Carried, Reason::InFlight),
            (_, State::Succeeded) if self.is_revoked(place, slot) => End::Matched(Reason::Agreed),
            (_, State::Succeeded) => {
                let waited = before.is_some_and(|item| item.reason == Reason::NearCut);
                let again = match carried && waited {
                    true => self.day.is_late(slot.at_ms) || !self.carry.is_due,
                    false => self.day.is_near_cut(slot.at_ms),
                };
                match again {
                    true => End::Open(Class::Carried, Reason::NearCut),
                    false => End::Open(Class::Short, self.why_short(place, slot)),
                }
            }
        }
    }

    /// Of what both had before, and did not agree on yet.
    fn end_of_pair(&self, slot: &Slot, class: Class, bill: &BillSide) -> End {
        let same = slot.amount == bill.amount_minor
            && self.shelf.currencies[usize::from(slot.currency)].as_str() == bill.currency;
        let is_final = !matches!(slot.state, State::Processing | State::Held);
        match class {
            // The bill said that it was on its way, and no bill says more than that.
            Class::Carried if is_final => End::Matched(Reason::ResultCame),
            Class::Carried => End::Open(Class::Carried, Reason::InFlight),
            _ if is_final && same && states_agree(slot.state, bill.state) => End::Matched(Reason::ResultCame),
            _ => End::Watched,
        }
    }

    /// A voided payment that the bill has as a REVOKED line only.
    fn is_revoked(&self, place: u32, slot: &Slot) -> bool {
        let void = self.shelf.link(place).filter(|_| slot.kind == Kind::Payment);
        void.is_some_and(|void| self.shelf.slot(void).noted.has(Noted::REVOKED))
    }

    fn why_short(&self, place: u32, slot: &Slot) -> Reason {
        let payment = self.shelf.link(place).filter(|_| slot.kind == Kind::Void);
        if payment.is_some_and(|payment| self.shelf.slot(payment).is_seen()) {
            Reason::VoidedNotRevoked
        } else {
            Reason::MissingInBill
        }
    }
}

/// Works out what became of everything, and gathers what is told of it. `files` are the names of the bill's files.
pub(crate) fn settle(
    mut matcher: Matcher<'_>,
    loaded: &Loaded,
    books: &dyn Books,
    channel: &str,
    files: &[String],
) -> Result<Settled, ReconcileError> {
    matcher.close()?;
    let carry = matcher.carry;
    let mut settled = Settled::default();
    let mut tallies: HashMap<(Kind, u8, u64), (u64, u128)> = HashMap::new();
    for place in 0..u32::try_from(matcher.shelf.slots.len()).unwrap_or(NOWHERE) {
        let before = loaded.before.get(&place).map(|at| &carry.items[*at as usize]);
        let slot = *matcher.shelf.slot(place);
        let line_before = (slot.is_seen() && slot.file == BEFORE).then(|| slot.line as usize - 1);
        match matcher.end_of(place, &slot, before) {
            End::Matched(reason) => {
                let tally = tallies.entry((slot.kind, slot.currency, slot.merchant)).or_default();
                tally.0 += 1;
                tally.1 += if slot.state == State::Succeeded { slot.amount.into() } else { 0 };
                let ended = before.into_iter().chain(line_before.map(|at| &carry.items[at]));
                settled.closed.extend(ended.map(|item| ended_as(item, Class::Matched, reason)));
            }
            End::Open(class, reason) => matcher.note(place, class, reason, None, None),
            End::Watched => {
                settled.watched.extend(before.filter(|item| goes_on(item, matcher.date)).cloned());
            }
            End::Said => {}
        }
    }
    matcher.check_room()?;
    settled.matched = tallied(&tallies, &matcher.shelf)?;
    watch_lines(&matcher, &mut settled);
    let findings = std::mem::take(&mut matcher.findings);
    let mut findings = without_reinstated(findings, &matcher, books, channel)?;
    let places: HashSet<u32> =
        findings.iter().map(|finding| finding.place).filter(|at| *at != NOWHERE).collect();
    // What was needed to compare is much, and goes before what is told is gathered.
    let (date, in_books) = (matcher.date, loaded.in_books);
    drop(matcher);
    let sides = sides_of(&places, in_books, books, channel)?;
    let mut telling = Telling { channel, date, files, carry, loaded, ids: HashMap::new() };
    settled.items.reserve(findings.len());
    for finding in findings.drain(..) {
        let item = telling.tell(finding, &sides);
        settled.closed.extend(telling.replaced(&item.0, item.1));
        settled.items.push(item.0);
    }
    Ok(settled)
}

fn ended_as(item: &Item, class: Class, reason: Reason) -> Item {
    Item { class, reason, ..item.clone() }
}

fn tallied(
    tallies: &HashMap<(Kind, u8, u64), (u64, u128)>,
    shelf: &Shelf,
) -> Result<Vec<Tally>, ReconcileError> {
    let mut sorted: Vec<_> = tallies.iter().collect();
    sorted.sort_unstable();
    let tally = |(&(kind, currency, merchant), &(count, amount)): (&(Kind, u8, u64), &(u64, u128))| {
        let too_large = |_| ReconcileError::TooLarge { what: "a merchant's amounts" };
        Ok(Tally {
            kind,
            currency: shelf.currencies[usize::from(currency)].as_str().to_owned(),
            merchant_id: merchant.to_string(),
            count,
            amount_minor: u64::try_from(amount).map_err(too_large)?,
        })
    };
    sorted.into_iter().map(tally).collect()
}

/// Lines that are open from before and were not found are looked for on.
fn watch_lines(matcher: &Matcher<'_>, settled: &mut Settled) {
    let slots = matcher.shelf.slots.iter().filter(|slot| slot.is_seen() && slot.file == BEFORE);
    let found: HashSet<usize> = slots.map(|slot| slot.line as usize - 1).collect();
    let open = |(at, item): &(usize, &Item)| {
        item.ours.is_none() && item.class != Class::Carried && !found.contains(at)
    };
    let rest = matcher.carry.items.iter().enumerate().filter(open).map(|(_, item)| item);
    settled.watched.extend(rest.filter(|item| goes_on(item, matcher.date)).cloned());
}

/// An order that came late and was reinstated on this date stands in the bill of the date that it was paid on, and was compared there.
fn without_reinstated(
    findings: Vec<Finding>,
    matcher: &Matcher<'_>,
    books: &dyn Books,
    channel: &str,
) -> Result<Vec<Finding>, ReconcileError> {
    let is_old = |finding: &Finding| {
        finding.place != NOWHERE && finding.bill.is_none() && {
            let slot = matcher.shelf.slot(finding.place);
            slot.kind == Kind::Payment && slot.origin == Origin::Own && matcher.day.is_before(slot.at_ms)
        }
    };
    if !findings.iter().any(is_old) {
        return Ok(findings);
    }
    let (keys, account) = (&matcher.shelf.keys, format!("channel:{channel}"));
    let mut reinstated = HashSet::new();
    books.entries(&mut |entry| {
        if entry.reversal && entry.subject == 60 && entry.from == "suspense" && entry.to == account {
            reinstated.insert((order_key(keys, entry.order_no), entry.merchant));
        }
    })?;
    let is_known = |finding: &Finding| {
        is_old(finding) && {
            let slot = matcher.shelf.slot(finding.place);
            reinstated.contains(&(slot.number_key, slot.merchant))
        }
    };
    Ok(findings.into_iter().filter(|finding| !is_known(finding)).collect())
}

/// What the books say of the items at some places: they come in the same order as before.
fn sides_of(
    places: &HashSet<u32>,
    in_books: u32,
    books: &dyn Books,
    channel: &str,
) -> Result<HashMap<u32, (Kind, OurSide)>, ReconcileError> {
    let mut sides = HashMap::with_capacity(places.len());
    if !places.iter().any(|place| *place < in_books) {
        return Ok(sides);
    }
    let mut place = 0;
    books.items(channel, &mut |item| {
        if places.contains(&place) {
            sides.insert(place, (item.kind, item.side()));
        }
        place += 1;
    })?;
    Ok(sides)
}

/// Makes items of findings.
struct Telling<'a> {
    channel: &'a str,
    date: suanpan_core::Date,
    files: &'a [String],
    carry: &'a Carry,
    loaded: &'a Loaded,
    /// How many lines of the same numbers there were.
    ids: HashMap<String, u32>,
}

impl Telling<'_> {
    fn line(&self, mark: Mark) -> Option<Line> {
        if mark.file == BEFORE {
            return self.carry.bill(mark.line - 1).map(|bill| bill.at.clone());
        }
        let file = self.files.get(usize::from(mark.file)).cloned().unwrap_or_default();
        Some(Line { date: self.date, file, line: mark.line.into() })
    }

    /// The item, and which one from before it was.
    fn tell(&mut self, finding: Finding, sides: &HashMap<u32, (Kind, OurSide)>) -> (Item, Option<u32>) {
        let Finding { place, class, reason, mut bill, first, before } = finding;
        if let Some(bill) = bill.as_mut().filter(|_| before.is_none()) {
            let file = bill.at.file.parse().ok().and_then(|at: usize| self.files.get(at));
            bill.at.file = file.cloned().unwrap_or_default();
        }
        let our_before = self.loaded.before.get(&place).map(|at| &self.carry.items[*at as usize]);
        let in_books = sides.get(&place).map(|(kind, side)| (*kind, side.clone()));
        let ours = in_books.or_else(|| our_before.and_then(|item| Some((item.kind, item.ours.clone()?))));
        // A pair that is carried on keeps its line.
        let bill = bill.or_else(|| our_before.and_then(|item| item.bill.clone()));
        let line_before = before.and_then(|at| self.carry.items.get(at as usize));
        let first = first.and_then(|mark| self.line(mark));
        let origin = our_before.or(line_before).map_or(self.date, |item| item.origin);
        let (kind, id) = match (&ours, &bill) {
            (Some((kind, ours)), _) => (*kind, Item::our_id(self.channel, *kind, ours)),
            (None, Some(bill)) => (bill.kind, self.bill_id(bill, line_before)),
            (None, None) => unreachable!("something was found"),
        };
        let ours = ours.map(|(_, side)| side);
        (Item { id, kind, class, reason, origin, ours, bill, first }, before)
    }

    fn bill_id(&mut self, bill: &BillSide, before: Option<&Item>) -> String {
        if let Some(before) = before {
            return before.id.clone();
        }
        let id = Item::bill_id(self.channel, self.date, bill, 0);
        let seen = self.ids.entry(id.clone()).or_insert(0);
        *seen += 1;
        if *seen == 1 { id } else { Item::bill_id(self.channel, self.date, bill, *seen - 1) }
    }

    /// The line from before that became another item: it has its end.
    fn replaced(&self, item: &Item, before: Option<u32>) -> Option<Item> {
        let before = self.carry.items.get(before? as usize)?;
        (before.id != item.id).then(|| ended_as(before, item.class, item.reason))
    }
}
