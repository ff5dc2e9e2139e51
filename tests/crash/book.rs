//! What was answered, and what it comes to: the books that the server's are held against.

use std::collections::HashMap;

use suanpan_core::{Date, Number, OrderStatus, Receipt, RefundState, Rejection, Reply, VoidState};

use crate::op::{Id, Kind, MERCHANTS, Op};

/// Refused commands of a round that are looked for: they must not be there.
const REFUSED_MAX: usize = 2_000;

#[derive(Clone, Copy, Debug)]
pub struct Order {
    pub op: Op,
    pub net: u64,
    /// What all refunds asked for.
    pub back: u64,
    pub voided: bool,
}

/// A refund or a void.
#[derive(Clone, Copy, Debug)]
pub struct Return {
    pub op: Op,
    /// What the merchant gave up.
    pub debit: u64,
    /// Its result was answered too.
    pub done: bool,
}

#[derive(Default)]
pub struct Book {
    pub orders: HashMap<Id, Order>,
    pub refunds: HashMap<Id, Return>,
    pub voids: HashMap<Id, Return>,
    pub refused: Vec<Op>,
    /// Asked, and not answered before the end.
    pub unknown: Vec<Op>,
    pub batches: Vec<Number>,
    pub date: Date,
    /// The day cut, and the batch, that were under way at the end.
    pub cutting: bool,
    pub settling: Option<Number>,
    /// Commands that were carried out and answered.
    pub answered: u64,
    /// What was there though nobody had an answer, and what was not.
    pub unanswered_there: u64,
    pub unanswered_not_there: u64,
}

impl Book {
    /// Notes the reply to what was asked.
    pub fn note(&mut self, op: &Op, reply: &Reply) {
        match reply {
            Reply::Done(receipt) => {
                self.answered += 1;
                self.note_done(op, receipt);
            }
            Reply::Order(view) if op.kind == Kind::Look => {
                let cap = view.refunded + view.in_flight + view.refundable <= view.payable;
                assert!(cap, "an order gave back more than was paid: {view:?}");
            }
            Reply::Rejected(Rejection::Unknown, _) => self.unknown.push(*op),
            Reply::Rejected(why, _) => {
                assert!(is_expected(op.kind, *why), "{op:?}: {reply:?}");
                if matches!(op.kind, Kind::Payment | Kind::Refund | Kind::Void)
                    && self.refused.len() < REFUSED_MAX
                {
                    self.refused.push(*op);
                }
            }
            other => panic!("{op:?}: {other:?}"),
        }
    }

    fn note_done(&mut self, op: &Op, receipt: &Receipt) {
        match (op.kind, *receipt) {
            (Kind::Payment, Receipt::Payment { net, .. }) => self.paid(op, net),
            (Kind::Refund, Receipt::Refund { merchant_debit, .. }) => self.refunded(op, merchant_debit),
            (Kind::Void, Receipt::Void { .. }) => self.voided(op),
            (Kind::RefundResult, Receipt::RefundResult { state, .. }) => {
                assert_eq!(state, RefundState::Succeeded, "{op:?}");
                self.refunds.get_mut(&op.id).unwrap().done = true;
            }
            (Kind::VoidResult, Receipt::VoidResult { state, .. }) => {
                assert_eq!(state, VoidState::Succeeded, "{op:?}");
                self.voids.get_mut(&op.id).unwrap().done = true;
            }
            other => panic!("{op:?}: {other:?}"),
        }
    }

    fn paid(&mut self, op: &Op, net: u64) {
        let order = Order { op: *op, net, back: 0, voided: false };
        let known = self.orders.entry(op.order).or_insert(order);
        assert_eq!(known.net, net, "{op:?} was answered differently before");
    }

    fn refunded(&mut self, op: &Op, debit: u64) {
        let order = self.orders.get_mut(&op.order).expect("a refund of what was paid");
        let new = Return { op: *op, debit, done: false };
        let known = *self.refunds.entry(op.id).or_insert_with(|| {
            order.back += op.amount;
            new
        });
        assert_eq!(known.debit, debit, "{op:?} was answered differently before");
        assert!(order.back <= order.op.amount, "an order gave back more than was paid: {order:?}");
    }

    fn voided(&mut self, op: &Op) {
        let order = self.orders.get_mut(&op.order).expect("a void of what was paid");
        order.voided = true;
        self.voids.entry(op.id).or_insert(Return { op: *op, debit: order.net, done: false });
    }

    /// Notes what a look found of a command that was not answered. Whether it is there.
    pub fn note_found(&mut self, op: &Op, reply: &Reply) -> bool {
        let found = match (op.kind, reply) {
            (_, Reply::Rejected(why, _)) => {
                assert!(is_not_there(*why), "{op:?}: {reply:?}");
                false
            }
            (Kind::Payment, Reply::Order(view)) => {
                self.paid(op, view.net);
                true
            }
            (Kind::Refund, Reply::Refund(view)) => {
                self.refunded(op, view.merchant_debit);
                true
            }
            (Kind::Void, Reply::Void(_)) => {
                self.voided(op);
                true
            }
            (Kind::RefundResult | Kind::VoidResult | Kind::Look, _) => return false,
            other => panic!("{op:?}: {other:?}"),
        };
        self.unanswered_there += u64::from(found);
        self.unanswered_not_there += u64::from(!found);
        found
    }

    /// Whether a look at something that is there finds it as it was answered.
    pub fn check(&self, op: &Op, reply: &Reply) {
        match (op.kind, reply) {
            (Kind::Payment, Reply::Order(view)) => {
                let order = &self.orders[&op.order];
                assert_eq!(view.net, order.net, "{op:?}");
                assert_eq!(view.status == OrderStatus::Voided, order.voided, "{view:?}");
                let back = view.refunded + view.in_flight;
                assert!(back <= view.payable, "an order gave back more than was paid: {view:?}");
                assert!(order.voided || back == order.back, "{order:?} was answered and is now {view:?}");
            }
            (Kind::Refund, Reply::Refund(view)) => {
                let refund = &self.refunds[&op.id];
                assert_eq!((view.amount, view.merchant_debit), (op.amount, refund.debit), "{op:?}");
                let done = view.state == RefundState::Succeeded;
                assert!(done || !refund.done, "a result was lost: {view:?}");
            }
            (Kind::Void, Reply::Void(view)) => {
                let done = view.state == VoidState::Succeeded;
                assert!(done || !self.voids[&op.id].done, "a result was lost: {view:?}");
            }
            other => panic!("{op:?} was answered before the crash and is now {other:?}"),
        }
    }

    /// What each merchant has, from what was answered or found.
    pub fn balances(&self) -> Vec<i128> {
        let mut balances = vec![0; MERCHANTS as usize];
        let at = |op: &Op| usize::try_from(op.order.merchant().0 - 1).unwrap();
        for order in self.orders.values() {
            balances[at(&order.op)] += i128::from(order.net);
        }
        for back in self.refunds.values().chain(self.voids.values()) {
            balances[at(&back.op)] -= i128::from(back.debit);
        }
        balances
    }

    /// Everything that must be there.
    pub fn all(&self) -> impl Iterator<Item = &Op> {
        let backs = self.refunds.values().chain(self.voids.values());
        self.orders.values().map(|order| &order.op).chain(backs.map(|back| &back.op))
    }
}

fn is_not_there(why: Rejection) -> bool {
    matches!(why, Rejection::OrderNotFound | Rejection::RefundNotFound | Rejection::VoidNotFound)
}

/// Refusals that the writers provoke, or that load does.
fn is_expected(kind: Kind, why: Rejection) -> bool {
    match why {
        Rejection::ReadOnly | Rejection::Overloaded => true,
        Rejection::OrderNotFound => kind != Kind::Payment,
        Rejection::RefundNotFound => kind == Kind::RefundResult,
        Rejection::VoidNotFound => kind == Kind::VoidResult,
        Rejection::ExceedsRefundable
        | Rejection::OrderState
        | Rejection::TooManyRefunds
        | Rejection::InsufficientFunds => {
            matches!(kind, Kind::Refund | Kind::Void)
        }
        Rejection::NotSameDay | Rejection::OrderSettled | Rejection::HasRefunds => kind == Kind::Void,
        _ => false,
    }
}

/// Whether a refusal says that nothing of it is there.
pub fn says_absent(reply: &Reply) -> bool {
    matches!(reply, Reply::Rejected(why, _) if is_not_there(*why))
}
