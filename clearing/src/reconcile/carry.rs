//! What a batch takes over from the one of the date before: what was carried, and what is open and may still find its other side.

use suanpan_core::Date;

use super::item::{BillSide, Class, Item, Kind, Reason};

/// Days that something open is looked for in later bills and books: the longest window for refunds that ships, and a month.
pub const WATCH_DAYS_MAX: i32 = 396;

/// What comes from the batch before.
#[derive(Debug, Clone, Default)]
pub struct Carry {
    /// Carried items, and open ones; their classes say which.
    pub items: Vec<Item>,
    /// Whether that batch is of the date right before this one: then what was carried and is not found is long or short.
    pub is_due: bool,
}

impl Carry {
    /// What the channel said of one of them.
    pub(crate) fn bill(&self, at: u32) -> Option<&BillSide> {
        self.items.get(at as usize)?.bill.as_ref()
    }
}

/// Whether an item goes to the next batch: carried, or open in a way that a later day can close by itself.
#[must_use]
pub fn goes_on(item: &Item, date: Date) -> bool {
    if item.class == Class::Carried {
        return true;
    }
    let may_close = match (item.class, item.reason) {
        (Class::Short, _) | (Class::Long, Reason::MissingInBooks | Reason::Ambiguous) => true,
        // The result may come.
        (Class::StatusDiffers, Reason::State) => item.kind != Kind::Payment,
        _ => false,
    };
    may_close && date.0 - item.origin.0 < WATCH_DAYS_MAX
}
