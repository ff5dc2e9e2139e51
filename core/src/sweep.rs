//! Sweeps: accruals to their owners, wherever these live (domain.md, "Held orders, splits, commissions").
//!
//! What an owner accrued lies in the shards of the orders it came from. One command names the owner and the sum over
//! all shards at its point of the log; each shard gives all it has, the owner's shard also receives the sum. Since every
//! shard applies it at that one point, in transit is back at zero behind it, and it holds for any number of shards.

use crate::ledger::{Done, Outcome};
use crate::{
    Account, BALANCE_MAX, Currency, Entry, EntrySink, Ledger, MerchantAccount, MerchantId, Receipt,
    Rejection, Subject, SweepItem, Vote, Voucher,
};

impl Ledger {
    /// What an owner accrued in this ledger, as a platform and as a receiver; signed.
    #[must_use]
    pub fn accruals(&self, owner: MerchantId, currency: Currency) -> i128 {
        let (platform, accrued) = self.books.accruals(owner, currency);
        platform + accrued
    }

    /// Whether an owner lives here and its available may hold so much more of that currency.
    #[must_use]
    pub fn can_receive(&self, owner: MerchantId, currency: Currency, amount: u64) -> bool {
        self.find_merchant(owner).is_some_and(|at| {
            let merchant = &self.merchants[at];
            let available = merchant.balances.of(MerchantAccount::Available);
            merchant.currency() == currency && amount <= BALANCE_MAX - available
        })
    }

    pub(crate) fn vote_sweep(&self, items: &[SweepItem]) -> Vote {
        let refused = items.iter().any(|item| {
            (self.is_alone() || self.find_merchant(item.owner).is_some())
                && !self.can_receive(item.owner, item.currency, item.amount)
        });
        if refused { Vote::No(Rejection::Overflow, None) } else { Vote::Yes(None) }
    }

    /// All that is here of each owner out, and the owner's sum in where it lives; after a vote that said yes.
    pub(crate) fn sweep<S: EntrySink>(&mut self, items: &[SweepItem], sink: &mut S) -> Outcome {
        for item in items {
            self.sweep_one(item, sink)?;
        }
        Ok(Done::changed(Receipt::Swept))
    }

    fn sweep_one<S: EntrySink>(&mut self, item: &SweepItem, sink: &mut S) -> Result<(), Rejection> {
        let &SweepItem { owner, currency, amount } = item;
        let (platform, accrued) = self.books.accruals(owner, currency);
        let voucher = Voucher {
            merchant: Some(owner),
            order_no: None,
            refund_no: None,
            reference: None,
            accounting_date: self.date,
        };
        let home = self.find_merchant(owner);
        if platform == 0 && accrued == 0 && home.is_none() {
            return Ok(());
        }
        sink.open(&voucher);
        let stripe = self.books.stripe(currency);
        for (account, balance) in [(Account::Platform(owner), platform), (Account::Accrued(owner), accrued)] {
            // Below zero, it is made good out of what the others give.
            let (from, to) =
                if balance > 0 { (account, Account::InTransit) } else { (Account::InTransit, account) };
            // A stripe may hold more than an entry says, if another's is as far below zero: then in several.
            let mut left = balance.unsigned_abs();
            while left > 0 {
                let amount = u64::try_from(left).unwrap_or(u64::MAX).min(BALANCE_MAX);
                let entry = Entry { subject: Subject::SWEEP, from, to, amount, currency, reversal: false };
                self.books.book(stripe, &entry);
                sink.book(&entry);
                left -= u128::from(amount);
            }
        }
        if let Some(at) = home {
            let (from, to) = (Account::InTransit, Account::Merchant(owner, MerchantAccount::Available));
            let entry = Entry { subject: Subject::SWEEP, from, to, amount, currency, reversal: false };
            sink.book(&entry);
            self.books.debit(stripe, &entry);
            self.book_side(at, &entry, &voucher)?;
        }
        Ok(())
    }
}
