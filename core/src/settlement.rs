//! Settlement batches: pending money becomes available, date by date (domain.md, "Settlement").
//!
//! A batch is opened on every shard at one point of the log, which fixes its date; then each merchant is settled by a
//! command of its own; then the batch is closed on every shard. What was settled is not due any more, so a batch that
//! was cut off can go on from the beginning.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::digest::Digest;
use crate::ledger::{Done, Outcome};
use crate::merchant::Merchant;
use crate::{
    Account, Currency, Cycle, Date, Entry, EntrySink, Event, EventKind, Key, Ledger, MerchantAccount,
    MerchantId, Number, PAGE_SCAN_MAX, Receipt, Rejection, Reply, Settle, Settlement, SettlementView,
    Subject, Vote, Voucher,
};

/// This shard's part of a batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Batch {
    pub(crate) merchant: Option<MerchantId>,
    /// The accounting date when it was opened.
    pub(crate) date: Date,
    pub(crate) ended: bool,
    pub(crate) merchants: u64,
    pub(crate) amounts: BTreeMap<Currency, u128>,
}

impl Batch {
    /// Adds another shard's part.
    pub(crate) fn add(&mut self, other: &Self) {
        self.merchants += other.merchants;
        for (&currency, amount) in &other.amounts {
            *self.amounts.entry(currency).or_default() += amount;
        }
    }
}

impl Ledger {
    pub(crate) fn vote_begin(&self, asked: &Settlement) -> Vote {
        if let Some(known) = self.batches.get(&asked.batch_no) {
            return match known.merchant == asked.merchant {
                true => Vote::Done(Receipt::Batch { repeat: true }),
                false => Vote::No(Rejection::IdempotencyConflict, None),
            };
        }
        match asked.merchant {
            Some(id) if self.find_merchant(id).is_some() => Vote::Yes(None),
            Some(_) if self.is_alone() => Vote::No(Rejection::MerchantNotFound, None),
            Some(_) => Vote::Abstain,
            None => Vote::Yes(None),
        }
    }

    pub(crate) fn begin_settlement(&mut self, asked: &Settlement) -> Outcome {
        let (merchant, date) = (asked.merchant, self.date);
        let batch = Batch { merchant, date, ended: false, merchants: 0, amounts: BTreeMap::new() };
        Arc::make_mut(&mut self.batches).insert(asked.batch_no, batch);
        Ok(Done::changed(Receipt::Batch { repeat: false }))
    }

    pub(crate) fn vote_end(&self, batch_no: &Number) -> Vote {
        match self.batches.get(batch_no) {
            None => Vote::No(Rejection::SettlementNotFound, None),
            Some(batch) if batch.ended => Vote::Done(Receipt::Batch { repeat: true }),
            Some(_) => Vote::Yes(None),
        }
    }

    pub(crate) fn end_settlement(&mut self, batch_no: &Number) -> Outcome {
        let batch =
            Arc::make_mut(&mut self.batches).get_mut(batch_no).ok_or(Rejection::SettlementNotFound)?;
        batch.ended = true;
        Ok(Done::changed(Receipt::Batch { repeat: false }))
    }

    /// The last date whose money is due for a merchant in a batch of that date.
    fn due_through(&self, merchant: &Merchant, date: Date) -> Date {
        match merchant.cycle() {
            Cycle::Business(days) => self.holidays.due_through(date, days),
            // What a D+0 merchant has pending was released: it is due as under D+1.
            Cycle::Calendar(days) => Date(date.0 - i32::from(days.max(1))),
        }
    }

    /// Settles what is due of one merchant: the dates through one, at most all of pending.
    pub(crate) fn settle<S: EntrySink>(&mut self, settle: &Settle, key: Key, sink: &mut S) -> Outcome {
        let merchant_at = self.merchant_at(settle.merchant, key)?;
        let batch = self.batches.get(&settle.batch_no).filter(|batch| !batch.ended);
        let batch = batch.ok_or(Rejection::SettlementNotFound)?;
        let merchant = &self.merchants[merchant_at];
        let through = self.due_through(merchant, batch.date);
        let due = merchant.due(through).filter(|_| batch.merchant.is_none_or(|only| only == merchant.id));
        let Some(amount) = due else {
            return Ok(Done::unchanged(Receipt::Settled { amount: 0 }));
        };
        let (id, currency) = (merchant.id, merchant.currency());
        if amount > 0 {
            let own = |account| Account::Merchant(id, account);
            let (from, to) = (own(MerchantAccount::Pending), own(MerchantAccount::Available));
            let entry = Entry { subject: Subject::SETTLEMENT, from, to, amount, currency, reversal: false };
            let voucher = Voucher {
                merchant: Some(id),
                order_no: None,
                refund_no: None,
                reference: Some(settle.batch_no),
                accounting_date: self.date,
            };
            // On the day after, to which what is left of the dates goes.
            self.book_and_post(merchant_at, &[entry], through.plus_days(1), &voucher, sink)?;
            if let Some(batch) = Arc::make_mut(&mut self.batches).get_mut(&settle.batch_no) {
                batch.merchants += 1;
                *batch.amounts.entry(currency).or_default() += u128::from(amount);
            }
            self.tell(sink, |ledger| Event {
                kind: EventKind::SettlementDone,
                merchant: Some(id),
                order_no: None,
                reference: Some(settle.batch_no),
                amount,
                currency: Some(currency),
                accounting_date: ledger.date,
            });
        }
        self.merchants[merchant_at].settled(through);
        Ok(Done::changed(Receipt::Settled { amount }))
    }

    /// Merchants with something due in an open batch, among so many from a place on.
    pub(crate) fn due(&self, batch_no: &Number, from: u32) -> Result<Reply, Rejection> {
        let batch = self.batches.get(batch_no).filter(|batch| !batch.ended);
        let batch = batch.ok_or(Rejection::SettlementNotFound)?;
        let to = self.merchants.len().min(from.saturating_add(PAGE_SCAN_MAX as u32));
        // The calendar is walked once for each cycle of the page.
        let mut through: BTreeMap<Cycle, Date> = BTreeMap::new();
        let is_due = |merchant: &&Merchant| {
            let asked = batch.merchant.is_none_or(|only| only == merchant.id);
            asked && merchant.has_open_dates() && {
                let of = || self.due_through(merchant, batch.date);
                merchant.due(*through.entry(merchant.cycle()).or_insert_with(of)).is_some()
            }
        };
        let some = (from..to).map(|at| &self.merchants[at]);
        let merchants = some.filter(is_due).map(|merchant| merchant.id).collect();
        Ok(Reply::Due { merchants, next: (to < self.merchants.len()).then_some(to) })
    }

    pub(crate) fn settlement_view(&self, batch_no: &Number) -> Result<SettlementView, Rejection> {
        let batch = self.batches.get(batch_no).ok_or(Rejection::SettlementNotFound)?;
        Ok(SettlementView {
            batch_no: *batch_no,
            merchant: batch.merchant,
            accounting_date: batch.date,
            ended: batch.ended,
            merchants: batch.merchants,
            amounts: batch.amounts.iter().map(|(&currency, &amount)| (currency, amount)).collect(),
        })
    }

    pub(crate) fn digest_batches(&self, digest: &mut Digest) {
        for (batch_no, batch) in self.batches.iter() {
            digest.record(b"settlement", |record| {
                record.bytes(batch_no.as_bytes()).option(batch.merchant.map(|id| id.0));
                record.i64(batch.date.0.into()).u64(batch.ended.into()).u64(batch.merchants);
                for (currency, &amount) in &batch.amounts {
                    record.bytes(&currency.0).i128(amount.cast_signed());
                }
            });
        }
    }
}

impl SettlementView {
    /// The parts of all shards as the whole.
    #[must_use]
    pub fn sum(parts: impl IntoIterator<Item = Self>) -> Option<Self> {
        parts.into_iter().reduce(|mut all, part| {
            let mut amounts: BTreeMap<Currency, u128> = all.amounts.into_iter().collect();
            for (currency, amount) in part.amounts {
                *amounts.entry(currency).or_default() += amount;
            }
            all.amounts = amounts.into_iter().collect();
            all.merchants += part.merchants;
            all.ended &= part.ended;
            all
        })
    }
}
