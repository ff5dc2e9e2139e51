//! A ledger as it was at one moment, to be read beside the one that goes on.

use std::collections::BTreeSet;

use crate::index::{Index, KeyedHash};
use crate::{Date, Ledger, RawTotals};

/// What a ledger was when [`Ledger::snapshot`] was called. It shares its records with the ledger, which copies those that it
/// changes as long as this lives; so drop it soon.
#[derive(Debug)]
pub struct Snapshot(Ledger);

impl Ledger {
    /// This ledger as it is now, to be read by another thread. Costs a pointer for some hundred records, and later a copy of
    /// those that are changed: a shard stands still for about a millisecond for ten million orders.
    #[must_use]
    pub fn snapshot(&mut self) -> Snapshot {
        Snapshot(Self {
            date: self.date,
            hash: KeyedHash::new(self.hash.seed()),
            channels: self.channels.clone(),
            books: self.books.snapshot(),
            merchants: self.merchants.snapshot(),
            merchant_index: Index::none(),
            orders: self.orders.snapshot(),
            order_index: Index::none(),
            details: self.details.snapshot(),
            givebacks: self.givebacks.snapshot(),
            refunds: self.refunds.snapshot(),
            refund_index: Index::none(),
            voids: self.voids.snapshot(),
            void_index: Index::none(),
            held: Vec::new(),
            held_today: self.held_today,
            splits: self.splits.snapshot(),
            split_index: Index::none(),
            split_returns: self.split_returns.snapshot(),
            split_return_index: Index::none(),
            movements: self.movements.snapshot(),
            movement_index: Index::none(),
            postings: self.postings.snapshot(),
            before_order: self.before_order.snapshot(),
            adjustments: self.adjustments.clone(),
            batches: self.batches.clone(),
            promoters: self.promoters.clone(),
            holidays: self.holidays.clone(),
            expiring: BTreeSet::new(),
            cold: self.cold.clone(),
            role: self.role,
            contradictions: self.contradictions,
        })
    }
}

impl Snapshot {
    /// The ledger's records; it finds no number.
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.0
    }

    pub(crate) fn ledger_mut(&mut self) -> &mut Ledger {
        &mut self.0
    }

    /// The same once more.
    #[must_use]
    pub fn again(&mut self) -> Self {
        self.0.snapshot()
    }

    /// The accounting date.
    #[must_use]
    pub fn date(&self) -> Date {
        self.0.date()
    }

    /// As [`Ledger::digest`]. It calls `rest` after every some thousand records, for whoever must not take a core for long.
    #[must_use]
    pub fn digest(&self, rest: &mut dyn FnMut()) -> u128 {
        self.0.digest_resting(rest)
    }

    /// As [`Ledger::order_count`].
    #[must_use]
    pub fn order_count(&self) -> u64 {
        self.0.order_count()
    }

    /// The key of the ledger's hash tables, which the tags of what is in the cold store hang on.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.0.hash.seed()
    }

    /// As [`Ledger::totals`].
    #[must_use]
    pub fn totals(&self) -> RawTotals {
        self.0.totals()
    }
}
