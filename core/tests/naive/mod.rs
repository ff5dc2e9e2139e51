//! The same rules once more: maps, names and decimals, no care for speed. It shares only the words with the
//! crate (commands, views, replies) and no rule.
//!
//! A [`Flaw`] plants one bug into the rules here, so that a test can show that the comparison would see it.
#![allow(dead_code, unreachable_pub, reason = "each test binary takes its part of it")]
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, reason = "tests")]

mod book;
mod movement;
mod order;
mod payment;
mod refund;
mod settlement;
mod split;
mod view;

use std::collections::BTreeMap;

use rust_decimal::{Decimal, RoundingStrategy};
use suanpan_core::*;

use book::{About, Line, line};
pub use book::{Booked, Seen};
use movement::Movement;
use order::{Order, Stage};
use payment::Cancel;
use refund::Back;
use settlement::Batch;
use split::{Parted, Returned};

/// A merchant and a number of its own.
type Name = (u64, Number);

/// A receipt and whether anything changed; or why not, which field, and whether the refusal itself was kept.
type Outcome = Result<(Receipt, bool), No>;
type No = (Rejection, Option<Field>, bool);

/// One bug in the rules of the model.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Flaw {
    /// The rules as they are meant.
    #[default]
    None,
    /// The refund that empties an order returns its share of the fees, not what is left of them.
    NoSquaring,
    /// A promoter is paid for what was given back, too.
    CommissionOnAllCash,
    /// Commissions have no regard for what may be split.
    CommissionUncapped,
    /// A settled date is due again.
    SettleTwice,
    /// What settling a date leaves over is dropped.
    CarryDropped,
    /// All of the dates' sum is paid, though other refunds have taken of pending.
    SettleMoreThanPending,
    /// Less than the merchant's minimum is settled.
    MinimumIgnored,
    /// Weekends are business days.
    WeekendsWork,
    /// Refunds of unsettled orders are taken of the current date.
    RefundOfCurrentDate,
    /// A refund that failed gives back to its date, though that was settled.
    BackToSettledDate,
    /// A released order counts as settled with the date of its payment.
    SettledByPayment,
    /// A refund of a held order takes of other orders' holds.
    HoldsShared,
    /// Splits have no regard for the merchant's rate.
    SplitsUncapped,
    /// What a receiver gave back with a refund may be given back again.
    ReturnForgotten,
    /// A refund's split returns are left undone where the order was released.
    ReturnsOnlyWhileHeld,
    /// A success that comes late is a payment.
    LateIsPaid,
    /// Time does not close an order.
    NeverExpires,
    /// A reinstated order is not counted for its day.
    ReinstatedUncounted,
    /// The day cut leaves held refunds where they are.
    HeldStays,
    /// A freeze may be ended again and again.
    UnfreezeTwice,
    /// A payout that failed twice is given back twice.
    PayoutBackTwice,
    /// Accruals below zero stay when the others are swept.
    SweepOnlyPositive,
    /// A transfer does not look whether the giver may.
    SuspendedTransfers,
}

impl Flaw {
    /// Every one but [`Flaw::None`].
    pub const ALL: [Self; 23] = [
        Self::NoSquaring,
        Self::CommissionOnAllCash,
        Self::CommissionUncapped,
        Self::SettleTwice,
        Self::CarryDropped,
        Self::SettleMoreThanPending,
        Self::MinimumIgnored,
        Self::WeekendsWork,
        Self::RefundOfCurrentDate,
        Self::BackToSettledDate,
        Self::SettledByPayment,
        Self::HoldsShared,
        Self::SplitsUncapped,
        Self::ReturnForgotten,
        Self::ReturnsOnlyWhileHeld,
        Self::LateIsPaid,
        Self::NeverExpires,
        Self::ReinstatedUncounted,
        Self::HeldStays,
        Self::UnfreezeTwice,
        Self::PayoutBackTwice,
        Self::SweepOnlyPositive,
        Self::SuspendedTransfers,
    ];
}

#[derive(Clone, Default)]
pub struct Naive {
    pub date: Date,
    flaw: Flaw,
    merchants: BTreeMap<u64, MerchantTerms>,
    channels: Vec<ChannelTerms>,
    promoters: BTreeMap<u64, Promoter>,
    holidays: Holidays,
    orders: BTreeMap<Name, Order>,
    refunds: BTreeMap<Name, Back>,
    voids: BTreeMap<Name, Cancel>,
    splits: BTreeMap<Name, Parted>,
    returns: BTreeMap<Name, Returned>,
    movements: BTreeMap<(MovementKind, u64, Number), Movement>,
    adjustments: BTreeMap<Number, AdjustmentView>,
    batches: BTreeMap<Number, Batch>,
    /// Pending by merchant and the date it belongs to.
    buckets: BTreeMap<(u64, Date), i128>,
    settled_through: BTreeMap<u64, Date>,
    /// What of held is which order's.
    holds: BTreeMap<Name, i128>,
    pub accounts: BTreeMap<(Currency, String), i128>,
    /// What the last command booked.
    pub booked: Vec<Booked>,
    /// What the last command adds to merchants' lists of entries.
    news: Vec<(u64, Seen)>,
    entries: BTreeMap<u64, Vec<Seen>>,
}

fn round(value: Decimal, rounding: Rounding) -> u64 {
    let strategy = match rounding {
        Rounding::HalfUp => RoundingStrategy::MidpointAwayFromZero,
        Rounding::HalfEven => RoundingStrategy::MidpointNearestEven,
        Rounding::Down => RoundingStrategy::ToZero,
    };
    value.round_dp_with_strategy(0, strategy).try_into().unwrap()
}

fn share(amount: u64, part: u64, whole: u64, rounding: Rounding) -> u64 {
    round(Decimal::from(amount) * Decimal::from(part) / Decimal::from(whole), rounding)
}

fn charge(amount: u64, rate: Rate, rounding: Rounding) -> u64 {
    round(Decimal::from(amount) * Decimal::new(rate.0.into(), 6), rounding)
}

fn blacked_out(channel: &ChannelTerms, at: Timestamp) -> bool {
    let seconds = at.0.div_euclid(1000) + i64::from(channel.zone.at(at));
    let minute = seconds.rem_euclid(86_400) / 60;
    channel.blackout.iter().any(|w| {
        let (from, to) = (i64::from(w.from_minute), i64::from(w.to_minute));
        if from < to { from <= minute && minute < to } else { minute >= from || minute < to }
    })
}

fn day(channel: &ChannelTerms, at: Timestamp) -> i64 {
    (at.0.div_euclid(1000) + i64::from(channel.zone.at(at))).div_euclid(86_400)
}

fn no<T>(rejection: Rejection) -> Result<T, No> {
    Err((rejection, None, false))
}

fn no_field<T>(rejection: Rejection, field: Field) -> Result<T, No> {
    Err((rejection, Some(field), false))
}

/// What was done before, with the same contents or with others.
fn again(same: bool, receipt: Receipt) -> Outcome {
    if same { Ok((receipt, false)) } else { no(Rejection::IdempotencyConflict) }
}

impl Naive {
    pub fn new(date: Date, flaw: Flaw) -> Self {
        Self { date, flaw, ..Self::default() }
    }

    pub fn apply(&mut self, command: &Command, now: Timestamp) -> (Reply, bool) {
        let entries = std::mem::take(&mut self.entries);
        self.booked.clear();
        self.news.clear();
        let before = self.clone();
        let outcome = self.decide(command, now);
        let answer = match outcome {
            Ok((receipt, changed)) => (Reply::Done(receipt), changed),
            Err((rejection, field, kept)) => {
                if !kept {
                    *self = before;
                }
                (Reply::Rejected(rejection, field), kept)
            }
        };
        self.entries = entries;
        self.list_news();
        answer
    }

    fn decide(&mut self, command: &Command, now: Timestamp) -> Outcome {
        if let Err(field) = command.check() {
            return no_field(Rejection::InvalidRequest, field);
        }
        match command {
            Command::Payment(payment) => self.pay(payment, now),
            Command::Refund(refund) => self.refund(refund, now),
            Command::RefundResult(result) => self.refund_result(result),
            Command::Void(void) => self.void(void),
            Command::VoidResult(result) => self.void_result(result),
            Command::PutMerchant(terms) => self.put_merchant(terms),
            Command::PutChannel(terms) => self.put_channel(terms),
            Command::SetDate(set) => self.set_date(*set),
            Command::CreateOrder(order) => self.create_order(order, now),
            Command::Confirm(confirm) => self.confirm(confirm, now),
            Command::Close(close) => self.close(*close, now),
            Command::Reinstate(order) => self.reinstate(*order, now),
            Command::Release(order) => self.release(*order, now),
            Command::Split(split) => self.split(split),
            Command::SplitReturn(back) => self.split_return(back),
            Command::Payout(payout) => self.payout(*payout),
            Command::PayoutResult(result) => self.payout_result(*result),
            Command::TopUp(topup) => self.top_up(*topup),
            Command::Freeze(freeze) => self.freeze(*freeze),
            Command::Unfreeze(unfreeze) => self.unfreeze(*unfreeze),
            Command::Transfer(transfer) => self.transfer(*transfer),
            Command::Adjust(adjustment) => self.adjust(adjustment),
            Command::PutPromoter(promoter) => self.put_promoter(promoter),
            Command::PutHolidays(holidays) => self.put_holidays(holidays),
            Command::BeginSettlement(settlement) => self.begin_settlement(*settlement),
            Command::Settle(settle) => self.settle(*settle),
            Command::EndSettlement(batch_no) => self.end_settlement(*batch_no),
            Command::Sweep(items) => self.sweep(items),
        }
    }

    fn put_merchant(&mut self, terms: &MerchantTerms) -> Outcome {
        let known = self.merchants.get(&terms.merchant.0);
        if known.is_some_and(|known| known.currency != terms.currency) {
            return no(Rejection::CurrencyMismatch);
        }
        let (existed, changed) = (known.is_some(), known != Some(terms));
        self.merchants.insert(terms.merchant.0, terms.clone());
        Ok((Receipt::Merchant { existed }, changed))
    }

    fn put_channel(&mut self, terms: &ChannelTerms) -> Outcome {
        let known = self.channels.iter().position(|known| known.name == terms.name);
        let at = known.unwrap_or(self.channels.len());
        let id = ChannelId(u16::try_from(at).unwrap());
        let changed = self.channels.get(at) != Some(terms);
        if known.is_some() {
            self.channels[at] = terms.clone();
        } else {
            self.channels.push(terms.clone());
        }
        Ok((Receipt::Channel { id, existed: known.is_some() }, changed))
    }

    fn put_holidays(&mut self, holidays: &Holidays) -> Outcome {
        let changed = self.holidays != *holidays;
        self.holidays = holidays.clone();
        Ok((Receipt::Holidays, changed))
    }

    fn set_date(&mut self, set: SetDate) -> Outcome {
        let closed = self.date;
        if !set.cut {
            if closed != set.date && !self.orders.is_empty() {
                return no(Rejection::DateNotLater);
            }
            self.date = set.date;
            return Ok((Receipt::Date { closed, resubmitted: 0 }, closed != set.date));
        }
        if set.date <= self.date {
            return no(Rejection::DateNotLater);
        }
        self.date = set.date;
        let mut resubmitted = 0;
        for refund in self.refunds.values_mut().filter(|refund| refund.state == RefundState::Held) {
            if self.flaw == Flaw::HeldStays {
                break;
            }
            refund.state = RefundState::Processing;
            refund.sent_as = SentAs::Refund;
            refund.attempts += 1;
            resubmitted += 1;
        }
        Ok((Receipt::Date { closed, resubmitted }, true))
    }

    fn terms(&self, merchant: MerchantId) -> Result<MerchantTerms, No> {
        self.merchants.get(&merchant.0).cloned().ok_or((Rejection::MerchantNotFound, None, false))
    }

    fn channel(&self, channel: ChannelId) -> Result<ChannelTerms, No> {
        let terms = self.channels.get(usize::from(channel.0));
        terms.cloned().ok_or((Rejection::ChannelNotFound, None, false))
    }

    fn order(&self, name: &Name) -> Result<Order, No> {
        self.orders.get(name).cloned().ok_or((Rejection::OrderNotFound, None, false))
    }

    fn channel_account(&self, channel: ChannelId) -> String {
        format!("channel:{}", self.channels[usize::from(channel.0)].name)
    }
}
