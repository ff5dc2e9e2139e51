//! One connection's traffic, and what its answers must be.
//!
//! The fees are worked out here a second time, in plain integers, so that an answer is checked and not echoed.

use std::collections::VecDeque;

use suanpan_core::{
    ChannelId, Command, MerchantId, Number, Payment, Receipt, Refund, RefundState, Rejection, Reply, Request,
    Void, VoidState,
};

use crate::plan::LoadPlan;
use crate::skew::Draw;

/// What the load's merchants pay: 0.6%, half up.
pub(crate) const FEE_MILLIONTHS: u64 = 6_000;

/// Paid orders that are remembered, to be refunded or voided once each.
const PAID_MAX: usize = 65_536;

/// What was sent in one frame.
pub(crate) struct Sent {
    pub(crate) items: Vec<Item>,
}

/// One transaction that was sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Item {
    kind: Kind,
    /// The merchant's place.
    merchant: u32,
    /// Minor units: a payment's cash, or what a refund asks back, or what a void undoes.
    amount: u64,
    /// The order, by its place in this connection's numbers.
    order: u64,
    /// A refund's order's cash.
    whole: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Payment,
    Refund,
    Void,
}

/// A paid order that nothing was done to.
struct Paid {
    merchant: u32,
    order: u64,
    amount: u64,
}

/// What came of it all.
#[derive(Debug, Default, Clone)]
pub(crate) struct Tally {
    pub(crate) payments: u64,
    pub(crate) refunds: u64,
    pub(crate) voids: u64,
    /// Refused for want of room: nothing was changed.
    pub(crate) refused: u64,
    pub(crate) wrong: u64,
    pub(crate) first_wrong: Option<String>,
}

/// One connection's traffic.
pub(crate) struct Trader {
    first_merchant: u64,
    channel: ChannelId,
    draw: Draw,
    rng: fastrand::Rng,
    /// Below the first: a refund; below the second: a void; of 2^32.
    cuts: (u32, u32),
    prefix: [u8; PREFIX],
    next_order: u64,
    paid: VecDeque<Paid>,
    pub(crate) tally: Tally,
    /// What each merchant's pending must have grown by.
    pub(crate) pending: Vec<i64>,
}

/// Numbers have 20 characters: a letter for their kind, seven for the run and the connection, twelve digits.
const PREFIX: usize = 8;
const DIGITS: usize = 12;
const _: () = assert!(PREFIX + DIGITS == 20);

impl Trader {
    pub(crate) fn new(plan: &LoadPlan, channel: ChannelId, connection: usize) -> Self {
        let mut rng =
            fastrand::Rng::with_seed(plan.seed ^ (connection as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut prefix = *b"P-------";
        let mut run = plan.seed;
        for place in &mut prefix[1..6] {
            *place = b"0123456789ABCDEFGHJKLMNPQRSTUVWX"[(run % 32) as usize];
            run /= 32;
        }
        prefix[6] = b'A' + (connection / 26) as u8;
        prefix[7] = b'A' + (connection % 26) as u8;
        let part = |share: f64| (share * f64::from(u32::MAX)) as u32;
        rng.u64(..);
        Self {
            first_merchant: plan.first_merchant,
            channel,
            draw: Draw::new(plan.skew, plan.merchants),
            rng,
            cuts: (part(plan.refunds), part(plan.refunds + plan.voids)),
            prefix,
            next_order: 0,
            paid: VecDeque::new(),
            tally: Tally::default(),
            pending: vec![0; plan.merchants as usize],
        }
    }

    fn number(&self, letter: u8, order: u64) -> Number {
        let mut text = [b'0'; PREFIX + DIGITS];
        text[..PREFIX].copy_from_slice(&self.prefix);
        text[0] = letter;
        let mut left = order;
        for digit in text[PREFIX..].iter_mut().rev() {
            *digit = b'0' + (left % 10) as u8;
            left /= 10;
        }
        Number::new(&text).unwrap_or_else(|error| unreachable!("its characters are all allowed: {error}"))
    }

    /// Fills `requests` with `count` transactions and notes what they were.
    pub(crate) fn fill(&mut self, count: usize, requests: &mut Vec<Request>, sent: &mut Sent) {
        requests.clear();
        sent.items.clear();
        for _ in 0..count {
            let (request, item) = self.next();
            requests.push(Request::Command(request));
            sent.items.push(item);
        }
    }

    fn next(&mut self) -> (Command, Item) {
        let lot = self.rng.u32(..);
        if lot < self.cuts.1
            && let Some(paid) = self.paid.pop_front()
        {
            let merchant = self.merchant(paid.merchant);
            let order_no = self.number(b'P', paid.order);
            let item = Item {
                kind: Kind::Void,
                merchant: paid.merchant,
                amount: paid.amount,
                order: paid.order,
                whole: paid.amount,
            };
            if lot >= self.cuts.0 {
                let void_no = self.number(b'V', paid.order);
                return (Command::Void(Void { merchant, void_no, order_no }), item);
            }
            // Half of the refunds are in full.
            let amount = if self.rng.bool() { paid.amount } else { self.rng.u64(1..=paid.amount) };
            let refund_no = self.number(b'R', paid.order);
            let refund = Refund { merchant, refund_no, order_no, amount, details: None };
            return (Command::Refund(refund), Item { kind: Kind::Refund, amount, ..item });
        }
        let (payment, item) = self.payment();
        (Command::Payment(payment), item)
    }

    /// The next payment.
    pub(crate) fn payment(&mut self) -> (Payment, Item) {
        let place = self.draw.next(&mut self.rng);
        // 1.00 to 500.00, as a town's shops would have.
        let amount = self.rng.u64(100..=50_000);
        let order = self.next_order;
        self.next_order += 1;
        let payment = Payment {
            merchant: self.merchant(place),
            order_no: self.number(b'P', order),
            channel: self.channel,
            amount,
            hold: false,
            paid_at: None,
            details: None,
        };
        (payment, Item { kind: Kind::Payment, merchant: place, amount, order, whole: amount })
    }

    fn merchant(&self, place: u32) -> MerchantId {
        MerchantId(self.first_merchant + u64::from(place))
    }

    /// Checks the answers to a frame.
    pub(crate) fn check(&mut self, sent: &Sent, replies: &[Reply]) {
        if sent.items.len() != replies.len() {
            self.wrong(format!("{} answers to {} transactions", replies.len(), sent.items.len()));
            return;
        }
        for (item, reply) in sent.items.iter().zip(replies) {
            self.check_one(item, reply);
        }
    }

    /// Checks one answer.
    pub(crate) fn check_one(&mut self, item: &Item, reply: &Reply) {
        let fee = fee(item.whole);
        let merchant = item.merchant as usize;
        match (item.kind, reply) {
            (Kind::Payment, Reply::Done(Receipt::Payment { repeat: false, fees, net }))
                if *fees == fee && *net == item.amount - fee =>
            {
                self.tally.payments += 1;
                self.pending[merchant] += *net as i64;
                if self.cuts.1 > 0 && self.paid.len() < PAID_MAX {
                    self.paid.push_back(Paid {
                        merchant: item.merchant,
                        order: item.order,
                        amount: item.amount,
                    });
                }
            }
            (
                Kind::Refund,
                Reply::Done(Receipt::Refund {
                    repeat: false,
                    state: RefundState::Processing,
                    merchant_debit,
                }),
            ) if *merchant_debit == item.amount - fee_returned(fee, item.amount, item.whole) => {
                self.tally.refunds += 1;
                self.pending[merchant] -= *merchant_debit as i64;
            }
            (Kind::Void, Reply::Done(Receipt::Void { repeat: false, state: VoidState::Processing })) => {
                self.tally.voids += 1;
                self.pending[merchant] -= (item.amount - fee) as i64;
            }
            (_, Reply::Rejected(Rejection::Overloaded | Rejection::ReadOnly, _)) => self.tally.refused += 1,
            _ => self.wrong(format!("{item:?} was answered {reply:?}")),
        }
    }

    /// Notes an answer that is wrong.
    pub(crate) fn wrong(&mut self, what: String) {
        self.tally.wrong += 1;
        self.tally.first_wrong.get_or_insert(what);
    }
}

fn fee(amount: u64) -> u64 {
    (amount * FEE_MILLIONTHS + 500_000) / 1_000_000
}

/// What comes back of a fee with the only refund of an order: its share, and all of it if it empties the order.
fn fee_returned(fee: u64, refund: u64, whole: u64) -> u64 {
    if refund == whole { fee } else { (2 * fee * refund + whole) / (2 * whole) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_reckoning() {
        assert_eq!((fee(250), fee(750), fee(83), fee(84)), (2, 5, 0, 1));
        assert_eq!((fee_returned(60, 3300, 10_000), fee_returned(60, 10_000, 10_000)), (20, 60));
    }

    #[test]
    fn numbers_have_twenty_characters_and_differ() {
        let plan = LoadPlan { seed: 5, ..LoadPlan::default() };
        let one = Trader::new(&plan, ChannelId(0), 0);
        let two = Trader::new(&plan, ChannelId(0), 255);
        assert_eq!(one.number(b'P', 42).len(), 20);
        assert_ne!(one.number(b'P', 42), two.number(b'P', 42));
        assert_ne!(one.number(b'P', 42), one.number(b'R', 42));
    }

    #[test]
    fn a_wrong_answer_is_seen() {
        let plan = LoadPlan { seed: 5, ..LoadPlan::default() };
        let mut trader = Trader::new(&plan, ChannelId(0), 0);
        let (mut requests, mut sent) = (Vec::new(), Sent { items: Vec::new() });
        trader.fill(1, &mut requests, &mut sent);
        let Request::Command(Command::Payment(payment)) = &requests[0] else { panic!("{requests:?}") };
        let fees = fee(payment.amount);
        let right = Reply::Done(Receipt::Payment { repeat: false, fees, net: payment.amount - fees });
        let dear =
            Reply::Done(Receipt::Payment { repeat: false, fees: fees + 1, net: payment.amount - fees - 1 });
        trader.check(&sent, &[dear]);
        assert_eq!((trader.tally.wrong, trader.tally.payments), (1, 0));
        trader.check(&sent, &[right]);
        assert_eq!((trader.tally.wrong, trader.tally.payments), (1, 1));
    }
}
