//! What is open: over all dates of a channel what the batches that decide left open, less what a later batch or a resolution closed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use suanpan_core::Date;

use super::ReconcileError;
use super::batch::Batch;
use super::item::{Class, Item, date_text};
use super::resolution::{Action, Resolution};
use crate::store::Store;

/// Something that waits for somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenItem {
    /// Whose bill.
    pub channel: String,
    /// The batch that it is open in.
    pub batch_no: String,
    /// Its date.
    #[serde(with = "date_text")]
    pub date: Date,
    /// The item.
    pub item: Item,
    /// Whether somebody pursues it.
    pub pursued: bool,
    /// What was decided of it when it stood otherwise: that does not hold for what it is now.
    pub decided_before: Option<Action>,
}

/// A batch that took over from one which does not decide any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stale {
    /// Whose bill.
    pub channel: String,
    /// The batch.
    pub batch_no: String,
    /// Its date, which is to be reconciled again.
    #[serde(with = "date_text")]
    pub date: Date,
}

/// The list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenList {
    /// What is open, by channel and date.
    pub items: Vec<OpenItem>,
    /// Dates to reconcile again, since the one before was.
    pub stale: Vec<Stale>,
}

/// The list of one channel, or of all.
///
/// # Errors
/// When the store fails, or a batch in it is none.
pub fn open_list(store: &Store, channel: Option<&str>) -> Result<OpenList, ReconcileError> {
    let channels = match channel {
        Some(channel) => vec![channel.to_owned()],
        None => Batch::channels(store)?,
    };
    let mut list = OpenList::default();
    for channel in channels {
        add_channel(store, &channel, &mut list)?;
    }
    Ok(list)
}

fn add_channel(store: &Store, channel: &str, list: &mut OpenList) -> Result<(), ReconcileError> {
    let mut open: BTreeMap<(Date, String), OpenItem> = BTreeMap::new();
    let mut dates: BTreeMap<String, Date> = BTreeMap::new();
    let mut before = None;
    for (date, number) in Batch::last(store, channel)? {
        let batch = Batch::load(store, channel, date, number)?;
        let took = batch.carry_from.as_ref().map(|from| (from.date, from.number));
        if took != before {
            let (channel, batch_no) = (batch.channel.clone(), batch.batch_no.clone());
            list.stale.push(Stale { channel, batch_no, date });
        }
        before = Some((date, number));
        let lines = batch.read_lines(store)?;
        // An id stands for one thing: what the newest batch says of it holds.
        let ended = lines.closed.iter().chain(lines.items.iter());
        for id in ended.map(|item| &item.id) {
            if let Some(date) = dates.remove(id) {
                open.remove(&(date, id.clone()));
            }
        }
        for item in lines.items.into_iter().filter(|item| item.class.is_open()) {
            dates.insert(item.id.clone(), date);
            let (channel, batch_no) = (batch.channel.clone(), batch.batch_no.clone());
            let key = (date, item.id.clone());
            let open_item = OpenItem { channel, batch_no, date, item, pursued: false, decided_before: None };
            open.insert(key, open_item);
        }
    }
    let resolutions = Resolution::all(store, channel)?;
    let mut by_item: BTreeMap<&str, Vec<&Resolution>> = BTreeMap::new();
    for resolution in &resolutions {
        by_item.entry(&resolution.item.id).or_default().push(resolution);
    }
    for mut open in open.into_values() {
        let standing = open.item.standing();
        let decided = by_item.get(open.item.id.as_str()).map_or(&[][..], Vec::as_slice);
        match decided.iter().find(|decided| decided.item.standing() == standing) {
            Some(decided) if decided.action != Action::Pursue => continue,
            Some(_) => open.pursued = true,
            None => open.decided_before = decided.last().map(|decided| decided.action),
        }
        list.items.push(open);
    }
    Ok(())
}

impl OpenList {
    /// How many of each class.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<Class, u64> {
        let mut counts = BTreeMap::new();
        for open in &self.items {
            *counts.entry(open.item.class).or_insert(0) += 1;
        }
        counts
    }
}
