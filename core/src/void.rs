//! Cancelling a payment on its day, in full (domain.md, "Voids and refunds").

use crate::arena::{NOWHERE, Record};
use crate::digest::Digest;
use crate::entry::Group;
use crate::ledger::{Done, Outcome};
use crate::order::Order;
use crate::{
    Date, EntrySink, Event, EventKind, Key, Ledger, MerchantAccount, Number, OrderStatus, Receipt, Rejection,
    Void, VoidResult, VoidState, Voucher, payment,
};

/// A void as a ledger keeps it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct StoredVoid {
    pub(crate) void_no: Number,
    /// Place of the order.
    pub(crate) order: u32,
    pub(crate) state: VoidState,
    /// A result contradicted its final one.
    pub(crate) contradicted: bool,
}

impl Record for StoredVoid {
    fn is_vacant(&self) -> bool {
        self.order == NOWHERE
    }

    fn vacant() -> Self {
        Self { void_no: Number::FILLER, order: NOWHERE, state: VoidState::Failed, contradicted: false }
    }
}

impl Ledger {
    /// Checked in this order: the order's state, the merchant's status, same day, not settled, no refunds,
    /// funds.
    pub(crate) fn void<S: EntrySink>(&mut self, void: &Void, key: Key, sink: &mut S) -> Outcome {
        let merchant_at = self.merchant_at(void.merchant, key)?;
        if let Some(at) = self.void_at(merchant_at, &void.void_no, key.number) {
            let stored = &self.voids[at];
            if self.orders[stored.order].order_no != void.order_no {
                return Err(Rejection::IdempotencyConflict.into());
            }
            return Ok(Done::unchanged(Receipt::Void { repeat: true, state: stored.state }));
        }
        let order_at =
            self.order_at(merchant_at, &void.order_no, key.order).ok_or(Rejection::OrderNotFound)?;
        let order = &self.orders[order_at];
        if order.status == OrderStatus::Voided || !order.is_booked() {
            return Err(Rejection::OrderState.into());
        }
        if self.merchants[merchant_at].is_closed() {
            return Err(Rejection::MerchantClosed.into());
        }
        if order.date != self.date {
            return Err(Rejection::NotSameDay.into());
        }
        if self.is_settled(order) {
            return Err(Rejection::OrderSettled.into());
        }
        if self.giveback_of(order).is_some_and(|giveback| giveback.count > 0) {
            return Err(Rejection::HasRefunds.into());
        }
        if self.giveback_of(order).is_some_and(|giveback| giveback.split > 0) {
            // What was split away is the receivers' until they return it, and other orders' money does not stand in.
            return Err(Rejection::InsufficientFunds.into());
        }
        if !self.voids.has_room() {
            return Err(Rejection::Overflow.into());
        }
        let group = self.payment_entries(order).reversed();
        let (date, voucher) = (self.entered(order), self.void_voucher(order, void.void_no));
        self.book_and_post(merchant_at, group.entries(), date, &voucher, sink)?;

        self.orders[order_at].status = OrderStatus::Voided;
        let stored = StoredVoid {
            void_no: void.void_no,
            order: order_at,
            state: VoidState::Processing,
            contradicted: false,
        };
        let at = self.voids.push(stored);
        self.void_index.insert(key.number, at);
        self.tell(sink, |ledger| ledger.void_event(EventKind::VoidSubmit, at));
        Ok(Done::changed(Receipt::Void { repeat: false, state: VoidState::Processing }))
    }

    /// Takes a void's result; a failed one books the payment again.
    pub(crate) fn void_result<S: EntrySink>(
        &mut self,
        result: &VoidResult,
        key: Key,
        sink: &mut S,
    ) -> Outcome {
        let merchant_at = self.merchant_at(result.merchant, key)?;
        let at = self.void_at(merchant_at, &result.void_no, key.number).ok_or(Rejection::VoidNotFound)?;
        let said = if result.succeeded { VoidState::Succeeded } else { VoidState::Failed };
        let known = self.voids[at].state;
        if known == said {
            return Ok(Done::unchanged(Receipt::VoidResult { repeat: true, state: said }));
        }
        if known != VoidState::Processing {
            let first = !std::mem::replace(&mut self.voids[at].contradicted, true);
            return Err(self.contradicted(first));
        }
        if said == VoidState::Failed {
            self.pay_again(merchant_at, at, sink)?;
        }
        self.voids[at].state = said;
        let kind = if result.succeeded { EventKind::VoidSucceeded } else { EventKind::VoidFailed };
        self.tell(sink, |ledger| ledger.void_event(kind, at));
        Ok(Done::changed(Receipt::VoidResult { repeat: false, state: said }))
    }

    /// What happened to a void.
    fn void_event(&self, kind: EventKind, at: u32) -> Event {
        let void = &self.voids[at];
        Event { reference: Some(void.void_no), ..self.order_event(kind, void.order) }
    }

    /// The payment stands again: on the date it had, or on the current one once that is settled.
    fn pay_again<S: EntrySink>(&mut self, merchant_at: u32, at: u32, sink: &mut S) -> Result<(), Rejection> {
        let order_at = self.voids[at].order;
        let order = &self.orders[order_at];
        assert!(order.status == OrderStatus::Voided, "a void in flight keeps its order voided");
        let group = self.payment_entries(order);
        let entered = self.entered(order);
        let moved = order.purse != MerchantAccount::Held && self.merchants[merchant_at].has_settled(entered);
        let date: Date = if moved { self.date } else { entered };
        let voucher = self.void_voucher(order, self.voids[at].void_no);
        self.book_and_post(merchant_at, group.entries(), date, &voucher, sink)?;

        self.orders[order_at].status = OrderStatus::Paid;
        if moved {
            let giveback_at = self.giveback_at(order_at);
            self.givebacks[giveback_at].entered = Some(date);
        }
        Ok(())
    }

    /// The entries of the order's payment, once more. It has no advance fee: what was advanced is settled,
    /// and what is settled is not voided.
    fn payment_entries(&self, order: &Order) -> Group {
        assert!(order.purse != MerchantAccount::Available, "an advanced order is not voided");
        let currency = self.merchants[order.merchant].currency();
        payment::entries(&self.parties(order), currency, &order.paid(self.discounts_of(order)), 0)
    }

    fn void_voucher(&self, order: &Order, void_no: Number) -> Voucher {
        Voucher {
            merchant: Some(self.merchants[order.merchant].id),
            order_no: Some(order.order_no),
            refund_no: None,
            reference: Some(void_no),
            accounting_date: self.date,
        }
    }

    pub(crate) fn void_at(&self, merchant_at: u32, void_no: &Number, hash: u64) -> Option<u32> {
        self.void_index.find(hash, |at| {
            let void = &self.voids[at];
            void.void_no == *void_no && self.orders[void.order].merchant == merchant_at
        })
    }

    pub(crate) fn digest_voids(&self, digest: &mut Digest) {
        for void in self.voids.iter() {
            self.digest_void(digest, void);
        }
    }

    pub(crate) fn digest_void(&self, digest: &mut Digest, void: &StoredVoid) {
        let order = &self.orders[void.order];
        digest.record(b"void", |record| {
            record.u64(self.merchants[order.merchant].id.0).bytes(void.void_no.as_bytes());
            record.bytes(order.order_no.as_bytes()).u64(void.state as u64);
            record.u64(void.contradicted.into());
        });
    }
}
