//! From orders to what belongs to them: voids, splits and split returns know their order, but no order knows them.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::{Ledger, Number, Snapshot};

/// Found once for all orders of a ledger, so that writing these costs what there is of them. It holds until the ledger
/// is changed.
#[derive(Debug, Default)]
pub struct Kin {
    /// Order and void, by rising order; those of one order as they lie.
    voids: Vec<(u32, u32)>,
    /// Order and split, likewise.
    splits: Vec<(u32, u32)>,
    /// Split and split return, likewise.
    returns: Vec<(u32, u32)>,
}

impl Kin {
    /// Of all orders of a snapshot.
    #[must_use]
    pub fn new(snapshot: &Snapshot) -> Self {
        Self::of(snapshot.ledger())
    }

    pub(crate) fn of(ledger: &Ledger) -> Self {
        let voids = ledger.voids.entries().map(|(at, void)| (void.order, at));
        let splits = ledger.splits.entries().map(|(at, split)| (split.order, at));
        Self { voids: sorted(voids.collect()), splits: sorted(splits.collect()), returns: returns(ledger) }
    }

    pub(crate) fn voids(&self, order: u32) -> impl ExactSizeIterator<Item = u32> {
        of(&self.voids, order)
    }

    pub(crate) fn splits(&self, order: u32) -> impl ExactSizeIterator<Item = u32> {
        of(&self.splits, order)
    }

    pub(crate) fn returns(&self, split: u32) -> impl ExactSizeIterator<Item = u32> {
        of(&self.returns, split)
    }
}

/// A split return names its split; a snapshot finds no number, so this looks all splits up at once.
fn returns(ledger: &Ledger) -> Vec<(u32, u32)> {
    if ledger.split_returns.len() == 0 {
        return Vec::new();
    }
    let named = ledger
        .splits
        .entries()
        .map(|(at, split)| ((ledger.orders[split.order].merchant, split.split_no), at));
    let mut splits: HashMap<(u32, Number), u32, FixedState> = HashMap::with_hasher(FixedState::with_seed(0));
    splits.extend(named);
    let returns = ledger.split_returns.entries().map(|(at, back)| {
        let split = splits.get(&(back.merchant, back.asked.split_no));
        let Some(&split) = split else { unreachable!("what is returned was split") };
        (split, at)
    });
    sorted(returns.collect())
}

fn sorted(mut pairs: Vec<(u32, u32)>) -> Vec<(u32, u32)> {
    pairs.sort_unstable();
    pairs
}

fn of(pairs: &[(u32, u32)], first: u32) -> impl ExactSizeIterator<Item = u32> {
    let from = pairs.partition_point(|&(of, _)| of < first);
    let count = pairs[from..].partition_point(|&(of, _)| of == first);
    pairs[from..from + count].iter().map(|&(_, at)| at)
}
