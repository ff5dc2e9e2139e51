//! Corrections by two people (domain.md, "Withdrawals and other movements"). Every ledger keeps every adjustment, so
//! that each knows a repeat; each side is booked where its account is.

use std::sync::Arc;

use crate::digest::Digest;
use crate::ledger::{Done, Outcome};
use crate::{
    Account, Adjustment, AdjustmentView, Entry, EntrySink, Field, Ledger, Receipt, Rejection, Subject, Vote,
    Voucher,
};

impl Ledger {
    pub(crate) fn vote_adjust(&self, asked: &Adjustment) -> Vote {
        if let Some(known) = self.adjustments.get(&asked.adjustment_no) {
            return match known.asked == *asked {
                true => Vote::Done(Receipt::Booked { repeat: true }),
                false => Vote::No(Rejection::IdempotencyConflict, None),
            };
        }
        let mut vote = Vote::Abstain;
        for (account, field) in [(asked.from, Field::From), (asked.to, Field::To)] {
            vote = vote.combine(self.vote_side(account, field, asked));
        }
        // With nothing to say against it, whoever leads is for it.
        if vote == Vote::Abstain && self.is_lead() { Vote::Yes(None) } else { vote }
    }

    fn vote_side(&self, account: Account, field: Field, asked: &Adjustment) -> Vote {
        if let Account::Channel(id) = account
            && self.channels.get(id).is_none()
        {
            return Vote::No(Rejection::ChannelNotFound, Some(field));
        }
        let Some(id) = account.owner() else { return Vote::Abstain };
        let Some(at) = self.find_merchant(id) else {
            let unknown = Vote::No(Rejection::MerchantNotFound, Some(field));
            return if self.is_alone() { unknown } else { Vote::Abstain };
        };
        let merchant = &self.merchants[at];
        if merchant.currency() != asked.currency {
            return Vote::No(Rejection::CurrencyMismatch, Some(field));
        }
        let Account::Merchant(_, own) = account else { return Vote::Yes(None) };
        let balance = merchant.balances.of(own);
        match field {
            Field::From if balance < asked.amount => Vote::No(Rejection::InsufficientFunds, None),
            Field::To if balance + asked.amount > crate::BALANCE_MAX => Vote::No(Rejection::Overflow, None),
            _ => Vote::Yes(None),
        }
    }

    /// Each side that is this ledger's, after a vote that said yes; what is no merchant's own is the lead's.
    pub(crate) fn adjust<S: EntrySink>(&mut self, asked: &Adjustment, sink: &mut S) -> Outcome {
        let entry = Entry {
            subject: Subject::ADJUSTMENT,
            from: asked.from,
            to: asked.to,
            amount: asked.amount,
            currency: asked.currency,
            reversal: false,
        };
        let sides = [asked.from, asked.to].map(|account| account.owner().filter(|_| account.is_own()));
        let voucher = Voucher {
            merchant: sides[0].or(sides[1]),
            order_no: None,
            refund_no: None,
            reference: Some(asked.adjustment_no),
            accounting_date: self.date,
        };
        if self.is_lead() {
            sink.open(&voucher);
            sink.book(&entry);
            let stripe = self.books.stripe(asked.currency);
            if !asked.from.is_own() {
                self.books.debit(stripe, &entry);
            }
            if !asked.to.is_own() {
                self.books.credit(stripe, &entry);
            }
        }
        let same = sides[0] == sides[1];
        for id in sides.into_iter().take(if same { 1 } else { 2 }).flatten() {
            if let Some(at) = self.find_merchant(id) {
                self.book_side(at, &entry, &voucher)?;
            }
        }
        let view = AdjustmentView { asked: asked.clone(), accounting_date: self.date };
        Arc::make_mut(&mut self.adjustments).insert(asked.adjustment_no, view);
        Ok(Done::changed(Receipt::Booked { repeat: false }))
    }

    pub(crate) fn digest_adjustments(&self, digest: &mut Digest) {
        for view in self.adjustments.values() {
            let asked = &view.asked;
            digest.record(b"adjustment", |record| {
                record.bytes(asked.adjustment_no.as_bytes()).bytes(asked.subject.as_bytes());
                record.bytes(asked.from.name("").as_bytes()).bytes(asked.to.name("").as_bytes());
                for account in [asked.from, asked.to] {
                    if let Account::Channel(id) = account {
                        record.u64(id.0.into());
                    }
                }
                record.u64(asked.amount).bytes(&asked.currency.0).bytes(asked.memo.as_bytes());
                record.bytes(asked.approved_by[0].as_bytes()).bytes(asked.approved_by[1].as_bytes());
                record.i64(view.accounting_date.0.into());
            });
        }
    }
}
