//! Sequences of steps over few merchants, orders and numbers, so that they meet.

use proptest::prelude::*;
use suanpan_core::*;

use super::any::any_result;
use super::few::*;

/// One step of a sequence. Places are picked from what is there.
#[derive(Clone, Debug)]
pub enum Step {
    /// Apply it.
    Do(Command),
    /// An order to be paid, whose time is over in so many minutes.
    Create(NewOrder, Option<i64>),
    /// One of the orders to be paid was, so many minutes ago if that is said.
    Confirm(usize, Option<i64>, bool),
    /// Close one of them, perhaps because its time is over.
    Close(usize, bool),
    /// Reinstate one that was paid late.
    Reinstate(usize),
    /// Release one that is held.
    Release(usize),
    /// Split one that is held; the last says whether that finishes it.
    Split(usize, Number, Vec<(MerchantId, u64)>, bool),
    /// Part of a split back.
    SplitReturn(Back),
    /// Ask back so much, or all that is left, of one of the orders, with split returns.
    Refund(usize, Number, Option<u64>, Vec<Back>),
    /// Void one of the orders.
    Void(usize, Number),
    /// A result for one of the refunds, mostly of those in flight.
    Result(usize, RefundResultState),
    /// A result for one of the voids, mostly of those in flight.
    VoidResult(usize, bool),
    /// A result for one of the payouts, mostly of those on their way.
    PayoutResult(usize, RefundResultState),
    /// End one of the freezes, mostly of those that hold.
    Unfreeze(usize),
    /// Settle every merchant there is; the last says whether the batch is ended.
    Settle(Settlement, bool),
    /// Sweep the accruals of the owners whose bit is set.
    Sweep(u16),
    /// Sweep what other shards have of an owner.
    Elsewhere(MerchantId, u64),
    /// What that many steps before did, again.
    Again(usize),
    /// So many minutes pass.
    Wait(i64),
    /// So many days are closed; none is refused.
    Cut(u32),
}

/// A part of one of the splits that comes back: which, whose, how much or all of it.
#[derive(Clone, Debug)]
pub struct Back {
    pub split: usize,
    pub receiver: usize,
    pub return_no: Number,
    pub amount: Option<u64>,
}

fn back() -> impl Strategy<Value = Back> {
    let amount = prop_oneof![2 => (1..=6u64).prop_map(Some), 1 => Just(None)];
    (any::<usize>(), any::<usize>(), few_numbers('B', 25), amount)
        .prop_map(|(split, receiver, return_no, amount)| Back { split, receiver, return_no, amount })
}

/// By names that may not be there.
fn strangers() -> impl Strategy<Value = Command> {
    let names = || (few_merchants(), few_numbers('R', 40), few_numbers('A', 20));
    let movement = || (few_merchants(), few_numbers('P', 15));
    prop_oneof![
        names().prop_map(|(merchant, refund_no, order_no)| {
            Command::Refund(Refund { merchant, refund_no, order_no, amount: 1, details: None })
        }),
        names().prop_map(|(merchant, refund_no, _)| {
            let (state, channel_refund_no) = (RefundResultState::Failed, None);
            Command::RefundResult(RefundResult { merchant, refund_no, state, channel_refund_no })
        }),
        names().prop_map(|(merchant, void_no, order_no)| {
            Command::Void(Void { merchant, void_no, order_no })
        }),
        names().prop_map(|(merchant, void_no, _)| {
            Command::VoidResult(VoidResult { merchant, void_no, succeeded: true })
        }),
        (names(), 0..5u8).prop_map(|((merchant, _, order_no), what)| {
            let order = OrderRef { merchant, order_no };
            match what {
                0 => Command::Release(order),
                1 => Command::Reinstate(order),
                2 => Command::Close(Close { merchant, order_no, expired: false }),
                3 => Command::Close(Close { merchant, order_no, expired: true }),
                _ => Command::Confirm(Confirm { merchant, order_no, paid_at: None, channel_txn: None }),
            }
        }),
        (names(), few_parts()).prop_map(|((merchant, split_no, order_no), _)| {
            let receivers = vec![(merchant, 1)];
            Command::Split(Box::new(Split { merchant, split_no, order_no, receivers, finish: false }))
        }),
        (names(), few_merchants()).prop_map(|((merchant, number, order_no), receiver)| {
            let (return_no, split_no, amount) = (number, number, 1);
            Command::SplitReturn(Box::new(SplitReturn {
                merchant,
                return_no,
                order_no,
                split_no,
                receiver,
                amount,
            }))
        }),
        movement().prop_map(|(merchant, payout_no)| {
            Command::PayoutResult(PayoutResult { merchant, payout_no, state: RefundResultState::Succeeded })
        }),
        movement().prop_map(|(merchant, freeze_no)| Command::Unfreeze(Unfreeze { merchant, freeze_no })),
        (few_merchants(), few_numbers('S', 40))
            .prop_map(|(merchant, batch_no)| Command::Settle(Settle { merchant, batch_no })),
        few_numbers('S', 40).prop_map(Command::EndSettlement),
    ]
}

fn order_steps() -> impl Strategy<Value = Step> {
    let place = any::<usize>;
    let confirm = (place(), prop::option::of(0..200i64), any::<bool>())
        .prop_map(|(at, ago, txn)| Step::Confirm(at, ago, txn));
    let amount = prop_oneof![1 => few_amounts().prop_map(Some), 1 => Just(None)];
    let backs = prop_oneof![5 => Just(Vec::new()), 2 => prop::collection::vec(back(), 1..3)];
    let refund = (place(), few_numbers('R', 40), amount, backs)
        .prop_map(|(order, refund_no, amount, backs)| Step::Refund(order, refund_no, amount, backs));
    let split = (place(), few_numbers('D', 20), few_parts(), 0..5u8)
        .prop_map(|(at, split_no, parts, finish)| Step::Split(at, split_no, parts, finish == 0));
    let state = || prop_oneof![3 => Just(RefundResultState::Succeeded), 3 => Just(RefundResultState::Failed), 1 => any_result()];
    prop_oneof![
        24 => few_payments().prop_map(Step::Do),
        8 => few_orders().prop_map(|(order, minutes)| Step::Create(order, minutes)),
        8 => confirm,
        3 => (place(), any::<bool>()).prop_map(|(at, expired)| Step::Close(at, expired)),
        5 => place().prop_map(Step::Reinstate),
        5 => place().prop_map(Step::Release),
        10 => split,
        5 => back().prop_map(Step::SplitReturn),
        28 => refund,
        20 => (place(), state()).prop_map(|(at, state)| Step::Result(at, state)),
        5 => (place(), few_numbers('V', 20)).prop_map(|(order, void_no)| Step::Void(order, void_no)),
        4 => (place(), any::<bool>()).prop_map(|(at, succeeded)| Step::VoidResult(at, succeeded)),
    ]
}

fn money_steps() -> impl Strategy<Value = Step> {
    let place = any::<usize>;
    let settle =
        (few_numbers('S', 40), prop_oneof![5 => Just(None), 1 => few_merchants().prop_map(Some)], 0..5u8);
    let settle = settle
        .prop_map(|(batch_no, merchant, open)| Step::Settle(Settlement { batch_no, merchant }, open > 0));
    let elsewhere = (few_merchants(), prop_oneof![2 => 1..=200u64, 1 => BALANCE_MAX - 500..=BALANCE_MAX])
        .prop_map(|(owner, amount)| Step::Elsewhere(owner, amount));
    prop_oneof![
        10 => few_movements().prop_map(Step::Do),
        5 => (place(), any_result()).prop_map(|(at, state)| Step::PayoutResult(at, state)),
        3 => place().prop_map(Step::Unfreeze),
        5 => few_adjustments().prop_map(Step::Do),
        14 => settle,
        7 => any::<u16>().prop_map(Step::Sweep),
        1 => elsewhere,
    ]
}

fn other_steps() -> impl Strategy<Value = Step> {
    let put_merchant = few_terms().prop_map(|terms| Step::Do(Command::PutMerchant(Box::new(terms))));
    let put_channel = few_channels().prop_map(|terms| Step::Do(Command::PutChannel(Box::new(terms))));
    prop_oneof![
        4 => strangers().prop_map(Step::Do),
        4 => put_merchant,
        2 => put_channel,
        2 => few_promoter_terms().prop_map(Step::Do),
        1 => few_holidays().prop_map(Step::Do),
        10 => (0..12usize).prop_map(Step::Again),
        3 => (1..900i64).prop_map(Step::Wait),
        6 => (0..4u32).prop_map(Step::Cut),
    ]
}

pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![12 => order_steps(), 4 => money_steps(), 4 => other_steps()];
    prop::collection::vec(step, 20..300)
}

/// What a sequence begins with: its platform, merchants, channels, and a line of promoters.
pub fn set_up() -> impl Strategy<Value = Vec<Command>> {
    let rates = prop::collection::vec((few_commission_rates(), few_commission_rates()), 4);
    (prop::collection::vec(few_terms(), 2), prop::collection::vec(few_channels(), 3), rates).prop_map(
        |(mut merchants, mut channels, rates)| {
            for (id, terms) in (1..).zip(&mut merchants) {
                terms.merchant = MerchantId(id);
                terms.currency = CNY;
                terms.status = MerchantStatus::Active;
            }
            for (name, terms) in ["a", "b", "c"].into_iter().zip(&mut channels) {
                terms.name = name.to_owned();
            }
            let plain = [9, 5, 6, 7, 8].map(|id| MerchantTerms::new(MerchantId(id), CNY));
            let promoter = |(id, (rate, upline_rate)): (u64, (Rate, Rate))| Promoter {
                promoter: MerchantId(id),
                currency: CNY,
                rate,
                upline: (id > 5).then(|| MerchantId(id - 1)),
                upline_rate,
            };
            let mut commands = Vec::new();
            commands.extend(
                plain.into_iter().chain(merchants).map(|terms| Command::PutMerchant(Box::new(terms))),
            );
            commands.extend(channels.into_iter().map(|terms| Command::PutChannel(Box::new(terms))));
            commands.extend((5..).zip(rates).map(promoter).map(Command::PutPromoter));
            commands
        },
    )
}
