//! Orders that are created first and paid later, or too late (domain.md, "Orders").

use crate::arena::NOWHERE;
use crate::entry::Group;
use crate::journal::{Booked, Link};
use crate::ledger::{Done, Outcome};
use crate::order::{Order, OrderDetails, OrderFlags};
use crate::payment::{Bill, Priced, entries, price};
use crate::{
    Account, Close, Confirm, EntrySink, Event, EventKind, Field, Key, Ledger, MerchantAccount, MerchantId,
    NewOrder, Number, OrderRef, OrderStatus, Receipt, Rejection, Subject, Timestamp, Voucher,
};

impl Ledger {
    /// Checked like a payment, by what is known now; the day's amount and count are only looked at: they count what
    /// was paid.
    pub(crate) fn create_order(&mut self, asked: &NewOrder, key: Key, now: Timestamp) -> Outcome {
        let merchant_at = self.merchant_at(asked.merchant, key)?;
        let channel = self.channels.get(asked.channel).ok_or(Rejection::ChannelNotFound)?;
        if let Some(at) = self.order_at(merchant_at, &asked.order_no, key.number) {
            return self.created_before(asked, at, now);
        }
        if asked.expires_at.is_some_and(|at| at <= now) {
            return Err((Rejection::InvalidRequest, Some(Field::ExpiresAt)).into());
        }
        let merchant = &self.merchants[merchant_at];
        self.may_be_paid(merchant, channel, asked.discounts, asked.amount, now)?;
        let terms = merchant.version;
        let plain = asked.discounts == crate::Discounts::default() && asked.expires_at.is_none();
        let details = if plain {
            NOWHERE
        } else {
            let (discounts, expires_at) = (asked.discounts, asked.expires_at);
            self.details.push(OrderDetails { discounts, expires_at, ..OrderDetails::default() })
        };
        let at = self.orders.push(Order {
            order_no: asked.order_no,
            cash: asked.amount,
            fee: 0,
            platform_fee: 0,
            cost: 0,
            paid_at: Timestamp::default(),
            date: crate::Date::default(),
            merchant: merchant_at,
            details,
            giveback: NOWHERE,
            channel: asked.channel,
            terms,
            status: OrderStatus::Created,
            purse: if asked.hold { MerchantAccount::Held } else { MerchantAccount::Pending },
            flags: OrderFlags::prepaid(asked.hold),
        });
        self.before_order.set(at, Link::END);
        self.order_index.insert(key.number, at);
        if let Some(expires_at) = asked.expires_at {
            self.expiring.insert((expires_at, at));
        }
        Ok(Done::changed(Receipt::Order { repeat: false, status: OrderStatus::Created }))
    }

    fn created_before(&self, asked: &NewOrder, at: u32, now: Timestamp) -> Outcome {
        let order = &self.orders[at];
        let same = order.flags.is_prepaid()
            && order.flags.hold() == asked.hold
            && order.channel == asked.channel
            && order.cash == asked.amount
            && self.discounts_of(order) == asked.discounts
            && self.expires_at(order) == asked.expires_at;
        if !same {
            return Err(Rejection::IdempotencyConflict.into());
        }
        Ok(Done::unchanged(Receipt::Order { repeat: true, status: self.status_of(at, now) }))
    }

    /// From when on an order that was not paid is closed.
    pub(crate) fn expires_at(&self, order: &Order) -> Option<Timestamp> {
        self.details_of(order).and_then(|details| details.expires_at)
    }

    /// Where an order stands at that moment: one whose time is over is closed, whether or not that was noted yet.
    pub(crate) fn status_of(&self, at: u32, now: Timestamp) -> OrderStatus {
        let order = &self.orders[at];
        if order.status != OrderStatus::Created {
            return order.status;
        }
        if self.expires_at(order).is_some_and(|at| at <= now) {
            OrderStatus::Closed
        } else {
            OrderStatus::Created
        }
    }

    /// Takes the channel's success. It is never refused for the merchant's status or limits: the money came.
    pub(crate) fn confirm<S: EntrySink>(
        &mut self,
        confirm: &Confirm,
        key: Key,
        now: Timestamp,
        sink: &mut S,
    ) -> Outcome {
        let merchant_at = self.merchant_at(confirm.merchant, key)?;
        let at = self.order_at(merchant_at, &confirm.order_no, key.number).ok_or(Rejection::OrderNotFound)?;
        let order = &self.orders[at];
        if !order.flags.is_prepaid() {
            return Err(Rejection::OrderState.into());
        }
        let paid_at = confirm.paid_at.unwrap_or(now);
        let status = match self.status_of(at, now) {
            OrderStatus::Created => {
                self.book_order(at, &[], sink)?;
                OrderStatus::Paid
            }
            OrderStatus::Closed => self.pay_late(at, sink)?,
            status => {
                let txn = self.details_of(order).and_then(|details| details.channel_txn.as_deref());
                let same = order.flags.paid_at_given() == confirm.paid_at.is_some()
                    && confirm.paid_at.is_none_or(|at| at == order.paid_at)
                    && txn == confirm.channel_txn.as_deref();
                return match same {
                    true => Ok(Done::unchanged(Receipt::Order { repeat: true, status })),
                    false => Err(Rejection::IdempotencyConflict.into()),
                };
            }
        };
        self.stop_waiting(at);
        let order = &mut self.orders[at];
        order.paid_at = paid_at;
        let late = status == OrderStatus::PaidLate;
        order.flags = order.flags.confirmed(confirm.paid_at.is_some(), late);
        order.status = status;
        if let Some(txn) = &confirm.channel_txn {
            self.details_mut(at).channel_txn = Some(txn.clone());
        }
        let kind = if late { EventKind::PaymentPaidLate } else { EventKind::PaymentPaid };
        self.tell(sink, |ledger| ledger.order_event(kind, at));
        Ok(Done::changed(Receipt::Order { repeat: false, status }))
    }

    /// Books `first` and an order's payment as one group, on the current date under the terms it was created with, and
    /// counts it for the day.
    fn book_order<S: EntrySink>(
        &mut self,
        at: u32,
        first: &[crate::Entry],
        sink: &mut S,
    ) -> Result<(), Rejection> {
        let order = &self.orders[at];
        let (merchant_at, merchant) = (order.merchant, &self.merchants[order.merchant]);
        let bill = Bill {
            channel: order.channel,
            cash: order.cash,
            discounts: self.discounts_of(order),
            hold: order.flags.hold(),
        };
        let channel = self.channels.of_order(order.channel);
        let Priced { parties, paid, advance_fee } =
            price(&bill, merchant, merchant.version(order.terms), channel);
        let group = entries(&parties, merchant.currency(), &paid, advance_fee);
        let counted = merchant.with_one_more(self.date, order.cash)?;
        let all: Vec<crate::Entry> = first.iter().chain(group.entries()).copied().collect();
        let voucher = self.order_voucher(at, None);
        let plain = first.is_empty();
        self.book(merchant_at, &all, self.date, &voucher, sink)?;

        self.merchants[merchant_at].count(self.date, counted);
        let order = &mut self.orders[at];
        (order.fee, order.platform_fee, order.cost) = (paid.fee, paid.platform_fee, paid.cost);
        (order.date, order.purse) = (self.date, parties.purse);
        if advance_fee > 0 {
            self.details_mut(at).advance_fee = advance_fee;
        }
        // A payment's entries are worked out from its order again; with others beside them they are kept.
        if plain {
            let journal = &mut self.merchants[merchant_at].journal;
            self.before_order[at] = journal.push(Booked::Payment(at), self.date, all.len());
        } else {
            self.post(merchant_at, &voucher, &all);
        }
        Ok(())
    }

    /// The money came for an order that is closed: it is kept apart.
    fn pay_late<S: EntrySink>(&mut self, at: u32, sink: &mut S) -> Result<OrderStatus, Rejection> {
        let group = self.late_entries(at);
        let merchant_at = self.orders[at].merchant;
        let voucher = self.order_voucher(at, None);
        self.book_and_post(merchant_at, group.entries(), self.date, &voucher, sink)?;
        self.orders[at].date = self.date;
        Ok(OrderStatus::PaidLate)
    }

    /// 60, from the channel into suspense.
    fn late_entries(&self, at: u32) -> Group {
        let order = &self.orders[at];
        let mut group = Group::new(self.merchants[order.merchant].currency());
        group.add(Subject::CASH_IN, Account::Channel(order.channel), Account::Suspense, order.cash);
        group
    }

    /// Says that an order will not be paid.
    pub(crate) fn close<S: EntrySink>(
        &mut self,
        close: &Close,
        key: Key,
        now: Timestamp,
        sink: &mut S,
    ) -> Outcome {
        let merchant_at = self.merchant_at(close.merchant, key)?;
        let at = self.order_at(merchant_at, &close.order_no, key.number).ok_or(Rejection::OrderNotFound)?;
        let status = OrderStatus::Closed;
        match self.orders[at].status {
            OrderStatus::Created if close.expired && self.status_of(at, now) == OrderStatus::Created => {
                Err(Rejection::OrderState.into())
            }
            OrderStatus::Created => {
                self.stop_waiting(at);
                self.orders[at].status = status;
                self.tell(sink, |ledger| ledger.order_event(EventKind::OrderClosed, at));
                Ok(Done::changed(Receipt::Order { repeat: false, status }))
            }
            OrderStatus::Closed => Ok(Done::unchanged(Receipt::Order { repeat: true, status })),
            _ => Err(Rejection::OrderState.into()),
        }
    }

    /// A late success becomes a payment: out of suspense, and booked on the current date.
    pub(crate) fn reinstate<S: EntrySink>(&mut self, of: &OrderRef, key: Key, sink: &mut S) -> Outcome {
        let merchant_at = self.merchant_at(of.merchant, key)?;
        let at = self.order_at(merchant_at, &of.order_no, key.number).ok_or(Rejection::OrderNotFound)?;
        let order = &self.orders[at];
        if order.flags.is_reinstated() {
            return Ok(Done::unchanged(Receipt::Order { repeat: true, status: order.status }));
        }
        if order.status != OrderStatus::PaidLate {
            return Err(Rejection::OrderState.into());
        }
        if self.giveback_of(order).is_some_and(|giveback| giveback.count > 0) {
            return Err(Rejection::HasRefunds.into());
        }
        if self.merchants[merchant_at].is_closed() {
            // What came for a closed merchant is given back.
            return Err(Rejection::MerchantClosed.into());
        }
        let out = self.late_entries(at).reversed();
        self.book_order(at, out.entries(), sink)?;
        let order = &mut self.orders[at];
        order.status = OrderStatus::Paid;
        order.flags = order.flags.reinstated();
        self.tell(sink, |ledger| ledger.order_event(EventKind::PaymentPaid, at));
        Ok(Done::changed(Receipt::Order { repeat: false, status: OrderStatus::Paid }))
    }

    /// Orders whose time is over, at most so many.
    pub(crate) fn expired(&self, now: Timestamp, max: u16) -> Vec<(MerchantId, Number)> {
        let over = self.expiring.iter().take_while(|(expires_at, _)| *expires_at <= now);
        let named = over.map(|&(_, at)| {
            let order = &self.orders[at];
            (self.merchants[order.merchant].id, order.order_no)
        });
        named.take(max.into()).collect()
    }

    fn stop_waiting(&mut self, at: u32) {
        if let Some(expires_at) = self.expires_at(&self.orders[at]) {
            self.expiring.remove(&(expires_at, at));
        }
    }

    /// The rarer parts of an order, made if it had none.
    fn details_mut(&mut self, at: u32) -> &mut OrderDetails {
        let order = &mut self.orders[at];
        if order.details == NOWHERE {
            order.details = self.details.push(OrderDetails::default());
        }
        &mut self.details[order.details]
    }

    /// The voucher of what is booked for an order today.
    pub(crate) fn order_voucher(&self, at: u32, reference: Option<Number>) -> Voucher {
        let order = &self.orders[at];
        Voucher {
            merchant: Some(self.merchants[order.merchant].id),
            order_no: Some(order.order_no),
            refund_no: None,
            reference,
            accounting_date: self.date,
        }
    }

    /// What happened to an order.
    pub(crate) fn order_event(&self, kind: EventKind, at: u32) -> Event {
        let order = &self.orders[at];
        let merchant = &self.merchants[order.merchant];
        Event {
            kind,
            merchant: Some(merchant.id),
            order_no: Some(order.order_no),
            reference: None,
            amount: order.cash,
            currency: Some(merchant.currency()),
            accounting_date: self.date,
        }
    }
}
