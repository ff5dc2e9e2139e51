//! Held orders: their release, splits to receivers, and money back from these (domain.md, "Held orders, splits,
//! commissions").

use crate::arena::{NOWHERE, Record};
use crate::digest::Digest;
use crate::ledger::{Done, Outcome, Refusal};
use crate::order::Order;
use crate::{
    Account, Commission, Date, Entry, EntrySink, Event, EventKind, Key, Ledger, MerchantAccount, MerchantId,
    Number, OrderRef, OrderStatus, Receipt, Rejection, Rounding, Split, SplitReturn, SplitReturnView,
    SplitView, Subject,
};

/// A split as a ledger keeps it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct StoredSplit {
    pub(crate) split_no: Number,
    /// Place of the order.
    pub(crate) order: u32,
    pub(crate) finish: bool,
    /// The date it was booked on.
    pub(crate) date: Date,
    pub(crate) parts: Box<[SplitPart]>,
}

/// One receiver's part of a split.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SplitPart {
    pub(crate) receiver: MerchantId,
    pub(crate) amount: u64,
    pub(crate) returned: u64,
}

/// A split return as a ledger keeps it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct StoredSplitReturn {
    pub(crate) asked: SplitReturn,
    /// Place of the merchant.
    pub(crate) merchant: u32,
    /// The date it was booked on.
    pub(crate) date: Date,
}

impl Record for StoredSplit {
    fn is_vacant(&self) -> bool {
        self.order == NOWHERE
    }

    fn vacant() -> Self {
        Self {
            split_no: Number::FILLER,
            order: NOWHERE,
            finish: false,
            date: Date::default(),
            parts: Box::default(),
        }
    }
}

impl StoredSplitReturn {
    pub(crate) fn digest(&self, digest: &mut Digest) {
        digest.record(b"split return", |record| {
            record.u64(self.asked.merchant.0).bytes(self.asked.return_no.as_bytes());
            record.bytes(self.asked.order_no.as_bytes()).bytes(self.asked.split_no.as_bytes());
            record.u64(self.asked.receiver.0).u64(self.asked.amount).i64(self.date.0.into());
        });
    }
}

impl Record for StoredSplitReturn {
    fn is_vacant(&self) -> bool {
        self.merchant == NOWHERE
    }

    fn vacant() -> Self {
        let (nobody, nothing) = (MerchantId(0), Number::FILLER);
        let asked = SplitReturn {
            merchant: nobody,
            return_no: nothing,
            order_no: nothing,
            split_no: nothing,
            receiver: nobody,
            amount: 0,
        };
        Self { asked, merchant: NOWHERE, date: Date::default() }
    }
}

/// What a release books, and who gets what of it.
struct Release {
    entries: Vec<Entry>,
    commissions: Vec<Commission>,
}

/// A split return that can be done: which part of which split it is.
pub(crate) struct ReturnPlan {
    split_at: u32,
    part: usize,
    hash: u64,
    asked: SplitReturn,
}

impl ReturnPlan {
    pub(crate) fn amount(&self) -> u64 {
        self.asked.amount
    }
}

impl Ledger {
    /// Moves what is left of a held order to pending, after its promoters got theirs.
    pub(crate) fn release<S: EntrySink>(&mut self, of: &OrderRef, key: Key, sink: &mut S) -> Outcome {
        let merchant_at = self.merchant_at(of.merchant, key)?;
        let at = self.order_at(merchant_at, &of.order_no, key.number).ok_or(Rejection::OrderNotFound)?;
        let order = &self.orders[at];
        let status = order.status;
        if !order.flags.hold() || !order.is_booked() || status == OrderStatus::Voided {
            return Err(Rejection::OrderState.into());
        }
        if order.purse != MerchantAccount::Held {
            return Ok(Done::unchanged(Receipt::Order { repeat: true, status }));
        }
        if self.merchants[merchant_at].is_closed() {
            return Err(Rejection::MerchantClosed.into());
        }
        let release = self.plan_release(at, 0);
        let voucher = self.order_voucher(at, None);
        self.book_and_post(merchant_at, &release.entries, self.date, &voucher, sink)?;
        let shared = !release.commissions.is_empty();
        self.released(at, release.commissions);
        if shared {
            self.tell(sink, |ledger| ledger.order_event(EventKind::SplitDone, at));
        }
        Ok(Done::changed(Receipt::Order { repeat: false, status }))
    }

    /// What a release books when `split` more goes to receivers before it: 83 to each promoter, then 80.
    fn plan_release(&self, at: u32, split: u64) -> Release {
        let order = &self.orders[at];
        let merchant = &self.merchants[order.merchant];
        let own = |account| Account::Merchant(merchant.id, account);
        let mut rest = self.held_of(order) - split;
        let (mut entries, mut commissions) = (Vec::new(), Vec::new());
        let mut add = |subject, to, amount| {
            let (from, currency) = (own(MerchantAccount::Held), merchant.currency());
            if amount > 0 {
                entries.push(Entry { subject, from, to, amount, currency, reversal: false });
            }
        };
        if let Some(promoter) = self.details_of(order).and_then(|details| details.promoter) {
            let given = self.giveback_of(order).map_or(0, |giveback| giveback.given.cash);
            let kept = order.cash - given;
            let mut allowed = self.split_allowance(order).saturating_sub(split);
            let rounding = merchant.version(order.terms).fee_rounding;
            for (level, (promoter, rate)) in (1..).zip(self.promoters.levels(promoter)) {
                // Never more than is held, nor than the merchant lets be split.
                let amount = rate.fee(kept, rounding).min(rest).min(allowed);
                add(Subject::COMMISSION, Account::Accrued(promoter), amount);
                (rest, allowed) = (rest - amount, allowed - amount);
                if amount > 0 {
                    commissions.push(Commission { promoter, level, amount });
                }
            }
        }
        add(Subject::RELEASE, own(MerchantAccount::Pending), rest);
        Release { entries, commissions }
    }

    /// What may still be split of an order: the merchant's rate of its cash, less what was split and not returned.
    fn split_allowance(&self, order: &Order) -> u64 {
        let rate = self.merchants[order.merchant].version(order.terms).max_split_rate;
        let split = self.giveback_of(order).map_or(0, |giveback| giveback.split);
        rate.fee(order.cash, Rounding::Down).saturating_sub(split)
    }

    /// The order's money is pending from now on.
    fn released(&mut self, at: u32, commissions: Vec<Commission>) {
        let date = self.date;
        let giveback_at = self.giveback_at(at);
        self.orders[at].purse = MerchantAccount::Pending;
        let giveback = &mut self.givebacks[giveback_at];
        giveback.entered = Some(date);
        giveback.split += commissions.iter().map(|commission| commission.amount).sum::<u64>();
        giveback.commissions = commissions;
    }

    /// Checked in this order: the order's state, the merchant's status, what is held, the rate. The receivers were
    /// checked before, where they live.
    pub(crate) fn split<S: EntrySink>(&mut self, split: &Split, key: Key, sink: &mut S) -> Outcome {
        let merchant_at = self.merchant_at(split.merchant, key)?;
        if let Some(at) = self.split_at(merchant_at, &split.split_no, key.number) {
            let stored = &self.splits[at];
            let same = self.orders[stored.order].order_no == split.order_no
                && stored.finish == split.finish
                && stored
                    .parts
                    .iter()
                    .map(|part| (part.receiver, part.amount))
                    .eq(split.receivers.iter().copied());
            return match same {
                true => Ok(Done::unchanged(Receipt::Booked { repeat: true })),
                false => Err(Rejection::IdempotencyConflict.into()),
            };
        }
        let at = self.order_at(merchant_at, &split.order_no, key.order).ok_or(Rejection::OrderNotFound)?;
        let order = &self.orders[at];
        let paid = matches!(order.status, OrderStatus::Paid | OrderStatus::PartiallyRefunded);
        if !paid || order.purse != MerchantAccount::Held {
            return Err(Rejection::OrderState.into());
        }
        let merchant = &self.merchants[merchant_at];
        if merchant.is_closed() {
            return Err(Rejection::MerchantClosed.into());
        }
        if split.receivers.iter().any(|(receiver, _)| *receiver == split.merchant) {
            return Err(Rejection::ReceiverInvalid.into());
        }
        // At most 50 of at most 10^15.
        let total = split.receivers.iter().map(|(_, amount)| amount).sum::<u64>();
        if total > self.held_of(order) {
            return Err(Rejection::ExceedsHeld.into());
        }
        if total > self.split_allowance(order) {
            return Err(Rejection::ExceedsSplitRate.into());
        }
        if !self.splits.has_room() {
            return Err(Rejection::Overflow.into());
        }
        let (currency, from) = (merchant.currency(), Account::Merchant(merchant.id, MerchantAccount::Held));
        let entry = |&(receiver, amount): &(MerchantId, u64)| {
            let (subject, to) = (Subject::SPLIT, Account::Accrued(receiver));
            Entry { subject, from, to, amount, currency, reversal: false }
        };
        let mut entries: Vec<Entry> = split.receivers.iter().map(entry).collect();
        let release = split.finish.then(|| self.plan_release(at, total));
        if let Some(release) = &release {
            entries.extend_from_slice(&release.entries);
        }
        let voucher = self.order_voucher(at, Some(split.split_no));
        self.book_and_post(merchant_at, &entries, self.date, &voucher, sink)?;
        self.keep_split(split, at, key.number, total);
        if let Some(release) = release {
            self.released(at, release.commissions);
        }
        self.tell(sink, |ledger| Event {
            reference: Some(split.split_no),
            amount: total,
            ..ledger.order_event(EventKind::SplitDone, at)
        });
        Ok(Done::changed(Receipt::Booked { repeat: false }))
    }

    fn keep_split(&mut self, split: &Split, order: u32, hash: u64, total: u64) {
        let giveback_at = self.giveback_at(order);
        self.givebacks[giveback_at].split += total;
        let part = |&(receiver, amount): &(MerchantId, u64)| SplitPart { receiver, amount, returned: 0 };
        let at = self.splits.push(StoredSplit {
            split_no: split.split_no,
            order,
            finish: split.finish,
            date: self.date,
            parts: split.receivers.iter().map(part).collect(),
        });
        self.split_index.insert(hash, at);
    }

    /// Takes money back from a receiver, to where the order's is.
    pub(crate) fn split_return<S: EntrySink>(
        &mut self,
        back: &SplitReturn,
        key: Key,
        sink: &mut S,
    ) -> Outcome {
        let merchant_at = self.merchant_at(back.merchant, key)?;
        let Some(plan) = self.plan_return(merchant_at, back, key.number, &[])? else {
            return Ok(Done::unchanged(Receipt::Booked { repeat: true }));
        };
        let order_at = self.splits[plan.split_at].order;
        let entry = self.return_entry(order_at, &plan);
        let voucher = self.order_voucher(order_at, Some(back.return_no));
        self.book_and_post(merchant_at, &[entry], self.date, &voucher, sink)?;
        self.keep_return(merchant_at, plan);
        Ok(Done::changed(Receipt::Booked { repeat: false }))
    }

    /// Whether a split return can be done, beside others that are; `None` when it was done before.
    pub(crate) fn plan_return(
        &self,
        merchant_at: u32,
        back: &SplitReturn,
        hash: u64,
        beside: &[ReturnPlan],
    ) -> Result<Option<ReturnPlan>, Refusal> {
        let twice = beside.iter().find(|plan| plan.asked.return_no == back.return_no);
        let known =
            self.return_at(merchant_at, &back.return_no, hash).map(|at| &self.split_returns[at].asked);
        if let Some(known) = known.or(twice.map(|plan| &plan.asked)) {
            return if known == back { Ok(None) } else { Err(Rejection::IdempotencyConflict.into()) };
        }
        let order_hash = self.hash.number(back.merchant, &back.order_no);
        let order_at =
            self.order_at(merchant_at, &back.order_no, order_hash).ok_or(Rejection::OrderNotFound)?;
        let split_hash = self.hash.number(back.merchant, &back.split_no);
        let split_at = self
            .split_at(merchant_at, &back.split_no, split_hash)
            .filter(|&at| self.splits[at].order == order_at)
            .ok_or(Rejection::SplitNotFound)?;
        let parts = &self.splits[split_at].parts;
        let part = parts.iter().position(|part| part.receiver == back.receiver);
        let part = part.ok_or(Rejection::ReceiverInvalid)?;
        let of_part = |plan: &&ReturnPlan| plan.split_at == split_at && plan.part == part;
        let planned = beside.iter().filter(of_part).map(|plan| plan.asked.amount).sum::<u64>();
        if back.amount > parts[part].amount - parts[part].returned - planned {
            return Err(Rejection::ExceedsRefundable.into());
        }
        if !self.split_returns.has_room() {
            return Err(Rejection::Overflow.into());
        }
        Ok(Some(ReturnPlan { split_at, part, hash, asked: back.clone() }))
    }

    /// 82, from the receiver to held, or to pending once the order was released.
    pub(crate) fn return_entry(&self, order_at: u32, plan: &ReturnPlan) -> Entry {
        let order = &self.orders[order_at];
        let merchant = &self.merchants[order.merchant];
        Entry {
            subject: Subject::SPLIT_RETURN,
            from: Account::Accrued(plan.asked.receiver),
            to: Account::Merchant(merchant.id, self.refund_purse(order)),
            amount: plan.asked.amount,
            currency: merchant.currency(),
            reversal: false,
        }
    }

    pub(crate) fn keep_return(&mut self, merchant: u32, plan: ReturnPlan) {
        let split = &mut self.splits[plan.split_at];
        let part = &mut split.parts[plan.part];
        part.returned += plan.asked.amount;
        assert!(part.returned <= part.amount, "more returned than was split");
        let giveback_at = self.orders[split.order].giveback;
        self.givebacks[giveback_at].split -= plan.asked.amount;
        let date = self.date;
        let at = self.split_returns.push(StoredSplitReturn { asked: plan.asked, merchant, date });
        self.split_return_index.insert(plan.hash, at);
    }

    pub(crate) fn split_at(&self, merchant_at: u32, split_no: &Number, hash: u64) -> Option<u32> {
        self.split_index.find(hash, |at| {
            let split = &self.splits[at];
            split.split_no == *split_no && self.orders[split.order].merchant == merchant_at
        })
    }

    pub(crate) fn return_at(&self, merchant_at: u32, return_no: &Number, hash: u64) -> Option<u32> {
        self.split_return_index.find(hash, |at| {
            let back = &self.split_returns[at];
            back.asked.return_no == *return_no && back.merchant == merchant_at
        })
    }

    pub(crate) fn split_view(&self, at: u32) -> SplitView {
        let split = &self.splits[at];
        let order = &self.orders[split.order];
        SplitView {
            split_no: split.split_no,
            order_no: order.order_no,
            merchant: self.merchants[order.merchant].id,
            receivers: split.parts.iter().map(|part| (part.receiver, part.amount, part.returned)).collect(),
            finish: split.finish,
            accounting_date: split.date,
        }
    }

    pub(crate) fn split_return_view(&self, at: u32) -> SplitReturnView {
        let back = &self.split_returns[at];
        SplitReturnView { asked: back.asked.clone(), accounting_date: back.date }
    }

    pub(crate) fn digest_splits(&self, digest: &mut Digest) {
        for split in self.splits.iter() {
            self.digest_split(digest, split);
        }
        for back in self.split_returns.iter() {
            back.digest(digest);
        }
    }

    pub(crate) fn digest_split(&self, digest: &mut Digest, split: &StoredSplit) {
        let order = &self.orders[split.order];
        digest.record(b"split", |record| {
            record.u64(self.merchants[order.merchant].id.0).bytes(split.split_no.as_bytes());
            record.bytes(order.order_no.as_bytes()).u64(split.finish.into()).i64(split.date.0.into());
            for part in &split.parts {
                record.u64(part.receiver.0).u64(part.amount).u64(part.returned);
            }
        });
    }
}
