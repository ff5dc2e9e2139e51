//! What takes many commands on many shards under one number: a settlement, a sweep.
//!
//! A run is no transaction and need not be one: each merchant's settlement and each owner's sweep is, and a run that was
//! interrupted at any point is asked for again and goes on where it was left. What it has done it finds done.

use std::collections::{BTreeMap, BTreeSet};

use suanpan_core::{
    Command, Currency, MerchantId, Number, Query, Receipt, Rejection, Reply, Request, Run, SWEEP_ITEMS_MAX,
    Settle, Settlement, SettlementView, SweepItem,
};

use suanpan_wal::host;

use crate::engine::Engine;

/// Merchants settled in one batch.
const BATCH_MERCHANTS: usize = 1_024;

/// Why a run ended early.
type Stopped = Reply;

impl Engine {
    /// Carries out a run, one at a time, and waits for it. A rejection ends it: `overloaded`, `read_only` and `unknown` are
    /// passed on from wherever they came up, and asked for again the run goes on from there.
    #[must_use = "the run may have been refused, or stopped on its way"]
    #[allow(clippy::needless_pass_by_value, reason = "a request is used up")]
    pub fn run(&self, run: Run) -> Reply {
        let _one = host::lock(&self.runs);
        let came = match run {
            Run::Settlement(settlement) => self.settle(settlement),
            Run::Sweep => self.sweep().map(|swept| swept.reply()),
        };
        came.unwrap_or_else(|stopped| stopped)
    }

    /// A settlement batch as it stands, all shards' parts together.
    #[must_use]
    pub fn settlement(&self, batch_no: Number) -> Reply {
        match self.settlement_view(batch_no) {
            Ok(view) => Reply::Settlement { repeat: false, view: Box::new(view) },
            Err(stopped) => stopped,
        }
    }

    fn settle(&self, settlement: Settlement) -> Result<Reply, Stopped> {
        let batch_no = settlement.batch_no;
        match self.decide_all(Command::BeginSettlement(settlement)) {
            Reply::Done(Receipt::Batch { repeat: false }) => {}
            Reply::Done(Receipt::Batch { repeat: true }) => {
                let view = self.settlement_view(batch_no)?;
                if view.ended {
                    return Ok(Reply::Settlement { repeat: true, view: Box::new(view) });
                }
            }
            other => return Err(other),
        }
        match settlement.merchant {
            Some(merchant) => self.settle_some(self.shard_of(merchant), batch_no, &[merchant])?,
            None => {
                for shard in 0..self.shards() {
                    self.settle_shard(shard, batch_no)?;
                }
                self.sweep()?;
            }
        }
        match self.decide_all(Command::EndSettlement(batch_no)) {
            Reply::Done(_) => {}
            other => return Err(other),
        }
        let view = Box::new(self.settlement_view(batch_no)?);
        Ok(Reply::Settlement { repeat: false, view })
    }

    /// Settles every merchant of a shard that has something due.
    fn settle_shard(&self, shard: u16, batch_no: Number) -> Result<(), Stopped> {
        let mut place = Some(0);
        while let Some(from) = place {
            match self.ports.ask_one(shard, Request::Query(Query::Due(batch_no, from))) {
                Reply::Due { merchants, next } => {
                    assert!(next.is_none_or(|next| next > from), "a page that leads back");
                    self.settle_some(shard, batch_no, &merchants)?;
                    place = next;
                }
                other => return Err(other),
            }
        }
        Ok(())
    }

    fn settle_some(&self, shard: u16, batch_no: Number, merchants: &[MerchantId]) -> Result<(), Stopped> {
        for some in merchants.chunks(BATCH_MERCHANTS) {
            let settle = |merchant: &MerchantId| {
                Request::Command(Command::Settle(Settle { merchant: *merchant, batch_no }))
            };
            let replies = self.ports.ask(shard, some.iter().map(settle).collect());
            if let Some(stopped) = replies.into_iter().find(is_in_the_way) {
                return Err(stopped);
            }
        }
        Ok(())
    }

    /// The sum of all shards' parts of a batch.
    fn settlement_view(&self, batch_no: Number) -> Result<SettlementView, Stopped> {
        let look = || Request::Query(Query::Settlement(batch_no));
        let part = |shard| match self.ports.ask_one(shard, look()) {
            Reply::Settlement { view, .. } => Ok(*view),
            other => Err(other),
        };
        let parts = (0..self.shards()).map(part).collect::<Result<Vec<_>, _>>()?;
        SettlementView::sum(parts).ok_or(Reply::Rejected(Rejection::SettlementNotFound, None))
    }

    /// Sweeps what every owner accrued in all shards.
    fn sweep(&self) -> Result<Swept, Stopped> {
        let mut owners = BTreeSet::new();
        for shard in 0..self.shards() {
            self.owners_in(shard, &mut owners)?;
        }
        let owners: Vec<(MerchantId, Currency)> = owners.into_iter().collect();
        let mut swept = Swept::default();
        for some in owners.chunks(SWEEP_ITEMS_MAX) {
            let items = self.sweep_owners(some.to_vec()).map_err(|why| Reply::Rejected(why, None))?;
            swept.add(&items);
        }
        Ok(swept)
    }

    /// Adds who accrued anything in a shard.
    fn owners_in(&self, shard: u16, all: &mut BTreeSet<(MerchantId, Currency)>) -> Result<(), Stopped> {
        let mut place = Some(0);
        while let Some(from) = place {
            match self.ports.ask_one(shard, Request::Query(Query::Accruals(from))) {
                Reply::Accruals { owners, next } => {
                    assert!(next.is_none_or(|next| next > from), "a page that leads back");
                    all.extend(owners);
                    place = next;
                }
                other => return Err(other),
            }
        }
        Ok(())
    }
}

/// Whether a reply says that the engine cannot go on; what the rules refuse a merchant concerns that merchant only.
fn is_in_the_way(reply: &Reply) -> bool {
    matches!(reply, Reply::Rejected(Rejection::Overloaded | Rejection::ReadOnly | Rejection::Unknown, _))
}

/// What a sweep came to.
#[derive(Default)]
struct Swept {
    owners: u64,
    amounts: BTreeMap<Currency, u128>,
}

impl Swept {
    fn add(&mut self, items: &[SweepItem]) {
        for item in items {
            self.owners += 1;
            *self.amounts.entry(item.currency).or_default() += u128::from(item.amount);
        }
    }

    fn reply(self) -> Reply {
        Reply::Swept { owners: self.owners, amounts: self.amounts.into_iter().collect() }
    }
}
