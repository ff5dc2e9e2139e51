//! Merchants and their terms (api.md, "Set-up").

use rkyv::{Archive, Deserialize, Serialize};

use crate::account::MERCHANT_ACCOUNTS;
use crate::arena::Record;
use crate::digest::{self, Digest};
use crate::journal::Journal;
use crate::{
    AMOUNT_MAX, Account, BALANCE_MAX, Currency, Date, Entry, FeeRefund, Field, MerchantAccount, Rate,
    Rejection, Rounding,
};

/// 1 to 19 digits, not all zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Archive, Serialize, Deserialize)]
pub struct MerchantId(pub u64);

/// Whether a merchant may take payments and pay out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Archive, Serialize, Deserialize)]
#[repr(u8)]
pub enum MerchantStatus {
    /// Everything is allowed.
    #[default]
    Active,
    /// No payments, no payouts, not settled.
    Suspended,
    /// Refunds only.
    Closed,
}

/// When pending money becomes available (domain.md, "Settlement").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Archive, Serialize, Deserialize)]
#[repr(u8)]
pub enum Cycle {
    /// After so many business days.
    Business(u8),
    /// After so many calendar days; `Calendar(0)` is D+0: at once, the operator advancing the money.
    Calendar(u8),
}

/// Whether fees are taken out of each payment or billed by the month.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Archive, Serialize, Deserialize)]
#[repr(u8)]
pub enum SettlementMode {
    /// 差额结算: out of each payment.
    #[default]
    Net,
    /// Billed per month.
    Gross,
}

/// Where the money of a refund of a settled order comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Archive, Serialize, Deserialize)]
#[repr(u8)]
pub enum RefundFunding {
    /// Unsettled money only.
    #[default]
    Pending,
    /// Unsettled money first, then available.
    PendingThenAvailable,
    /// Available only.
    Available,
}

/// How a refund is composed of cash and discount.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Archive, Serialize, Deserialize)]
#[repr(u8)]
pub enum DiscountRefund {
    /// By their shares of the payable amount.
    #[default]
    Proportional,
    /// The discount that is left first, then cash.
    DiscountFirst,
}

/// A merchant's ceilings; `None` is no ceiling.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Archive, Serialize, Deserialize)]
pub struct Limits {
    /// One order's cash, in minor units.
    pub order_amount: Option<u64>,
    /// Cash of an accounting date, in minor units.
    pub day_amount: Option<u64>,
    /// Payments of an accounting date.
    pub day_count: Option<u64>,
}

/// All that is agreed with a merchant. Putting it again replaces it, for later orders.
#[derive(Clone, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub struct MerchantTerms {
    /// Whose terms.
    pub merchant: MerchantId,
    /// For people; at most 128 bytes.
    pub name: String,
    /// Of every account and order of the merchant; cannot be changed once put.
    pub currency: Currency,
    /// What the merchant may do now.
    pub status: MerchantStatus,
    /// The platform (平台) the merchant trades under.
    pub platform: Option<MerchantId>,
    /// The operator's fee.
    pub fee_rate: Rate,
    /// How fees are rounded, also when they are returned.
    pub fee_rounding: Rounding,
    /// The operator's fee is never below this, in minor units.
    pub fee_min: u64,
    /// The operator's fee is never above this, in minor units.
    pub fee_max: Option<u64>,
    /// What operator and platform give back of their fees with a refund.
    pub fee_refund: FeeRefund,
    /// The platform's own fee.
    pub platform_fee_rate: Rate,
    /// When pending money becomes available.
    pub cycle: Cycle,
    /// How fees are taken.
    pub mode: SettlementMode,
    /// Less than this is not settled, in minor units.
    pub settle_min: u64,
    /// D+0's extra fee.
    pub advance_fee_rate: Rate,
    /// What pays for refunds of settled orders.
    pub refund_funding: RefundFunding,
    /// How refunds are composed.
    pub discount_refund: DiscountRefund,
    /// The most of an order's cash that may be split.
    pub max_split_rate: Rate,
    /// Ceilings.
    pub limits: Limits,
}

/// Longest name of a merchant, in bytes.
pub(crate) const MERCHANT_NAME_BYTES_MAX: usize = 128;

impl MerchantId {
    /// The largest: 19 nines.
    pub const MAX: u64 = 9_999_999_999_999_999_999;

    /// Whether it is 1 to 19 digits, not all zero.
    #[must_use]
    pub fn is_valid(self) -> bool {
        (1..=Self::MAX).contains(&self.0)
    }

    /// The shard the merchant lives in, out of `shards`.
    ///
    /// This is a format: it says where a merchant's records are, so it never changes. One multiplication by
    /// 2^64 over the golden ratio spreads ids that count up, a second one scales without a division.
    ///
    /// # Panics
    /// When `shards` is zero.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "32 bits times a u16, less its low 32 bits")]
    pub fn shard(self, shards: u16) -> u16 {
        assert!(shards > 0, "there is at least one shard");
        let spread = self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        ((spread * u64::from(shards)) >> 32) as u16
    }
}

impl MerchantTerms {
    /// Terms as api.md has them when only the currency is given.
    #[must_use]
    pub fn new(merchant: MerchantId, currency: Currency) -> Self {
        Self {
            merchant,
            name: String::new(),
            currency,
            status: MerchantStatus::Active,
            platform: None,
            fee_rate: Rate(0),
            fee_rounding: Rounding::HalfUp,
            fee_min: 0,
            fee_max: None,
            fee_refund: FeeRefund::Proportional,
            platform_fee_rate: Rate(0),
            cycle: Cycle::Business(1),
            mode: SettlementMode::Net,
            settle_min: 0,
            advance_fee_rate: Rate(0),
            refund_funding: RefundFunding::Pending,
            discount_refund: DiscountRefund::Proportional,
            max_split_rate: Rate(1_000_000),
            limits: Limits::default(),
        }
    }

    pub(crate) fn check(&self) -> Result<(), Field> {
        let rate = |rate: Rate, field| if rate.is_valid() { Ok(()) } else { Err(field) };
        let amount = |amount: u64, field| if amount <= AMOUNT_MAX { Ok(()) } else { Err(field) };
        if !self.merchant.is_valid() {
            return Err(Field::MerchantId);
        }
        if self.name.len() > MERCHANT_NAME_BYTES_MAX {
            return Err(Field::Name);
        }
        if !self.currency.is_valid() {
            return Err(Field::Currency);
        }
        if self.platform.is_some_and(|platform| !platform.is_valid() || platform == self.merchant) {
            return Err(Field::Platform);
        }
        rate(self.fee_rate, Field::FeeRate)?;
        rate(self.platform_fee_rate, Field::PlatformFeeRate)?;
        rate(self.advance_fee_rate, Field::AdvanceFeeRate)?;
        rate(self.max_split_rate, Field::MaxSplitRate)?;
        amount(self.fee_min, Field::FeeMin)?;
        if let Some(fee_max) = self.fee_max {
            amount(fee_max, Field::FeeMax)?;
            if fee_max < self.fee_min {
                return Err(Field::FeeMax);
            }
        }
        amount(self.settle_min, Field::Settlement)?;
        // T+0 is no cycle: the same day's money is either advanced (D+0) or not there yet.
        if self.cycle == Cycle::Business(0) {
            return Err(Field::Settlement);
        }
        Ok(())
    }
}

/// The terms that an order keeps from the day it was paid: "the change holds for later orders".
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct OrderTerms {
    pub(crate) platform: Option<MerchantId>,
    pub(crate) fee_rate: Rate,
    pub(crate) fee_rounding: Rounding,
    pub(crate) fee_min: u64,
    pub(crate) fee_max: u64,
    pub(crate) fee_refund: FeeRefund,
    pub(crate) platform_fee_rate: Rate,
    pub(crate) advance_fee_rate: Rate,
    pub(crate) gross: bool,
    pub(crate) refund_funding: RefundFunding,
    pub(crate) discount_refund: DiscountRefund,
    pub(crate) max_split_rate: Rate,
}

impl OrderTerms {
    pub(crate) fn of(terms: &MerchantTerms) -> Self {
        Self {
            platform: terms.platform,
            fee_rate: terms.fee_rate,
            fee_rounding: terms.fee_rounding,
            fee_min: terms.fee_min,
            fee_max: terms.fee_max.unwrap_or(u64::MAX),
            fee_refund: terms.fee_refund,
            platform_fee_rate: terms.platform_fee_rate,
            advance_fee_rate: terms.advance_fee_rate,
            gross: terms.mode == SettlementMode::Gross,
            refund_funding: terms.refund_funding,
            discount_refund: terms.discount_refund,
            max_split_rate: terms.max_split_rate,
        }
    }

    /// The operator's and the platform's fee for so much cash. Together they are at most the cash: the
    /// money was taken and must be booked, and a merchant's account may not go below zero by it.
    pub(crate) fn fees(&self, cash: u64) -> (u64, u64) {
        let fee = self.fee_rate.fee(cash, self.fee_rounding).clamp(self.fee_min, self.fee_max).min(cash);
        let platform_fee = match self.platform {
            Some(_) => self.platform_fee_rate.fee(cash, self.fee_rounding).min(cash - fee),
            None => 0,
        };
        (fee, platform_fee)
    }

    /// D+0's extra fee, at most what the other fees leave of the cash.
    pub(crate) fn advance_fee(&self, cash: u64, fees: u64) -> u64 {
        self.advance_fee_rate.fee(cash, self.fee_rounding).min(cash - fees)
    }
}

/// A merchant as a ledger keeps it.
#[derive(Clone, Debug)]
pub(crate) struct Merchant {
    pub(crate) id: MerchantId,
    pub(crate) balances: Balances,
    pub(crate) day_count: u64,
    pub(crate) day_amount: u64,
    pub(crate) day: Date,
    /// Place of the currency's stripe in the shared accounts.
    pub(crate) stripe: u32,
    /// The current version's number: the last of `versions`, of which `current` is a copy, so that a
    /// payment finds it beside the balances.
    pub(crate) version: u16,
    status: MerchantStatus,
    cycle: Cycle,
    currency: Currency,
    current: OrderTerms,
    limits: Limits,
    /// Pending by the date it belongs to, rising; together it is all of pending. A date that came to zero stays until it
    /// is settled: its orders are settled with it.
    pub(crate) pending: Vec<(Date, i128)>,
    /// The last date that was settled.
    pub(crate) settled_through: Option<Date>,
    pub(crate) versions: Vec<OrderTerms>,
    terms: Box<MerchantTerms>,
    /// What was booked for it.
    pub(crate) journal: Journal,
    /// Its orders and their refunds that are in the cold store.
    pub(crate) cold_orders: u64,
    pub(crate) cold_refunds: u64,
}

/// What a merchant's accounts hold, by [`MerchantAccount`]; and what it owes in gross mode.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Balances {
    pub(crate) accounts: [u64; MERCHANT_ACCOUNTS],
    pub(crate) fee_receivable: i128,
}

impl Balances {
    pub(crate) fn of(&self, account: MerchantAccount) -> u64 {
        self.accounts[account as usize]
    }

    /// What they are after the entries, taken together.
    fn after(&self, merchant: MerchantId, entries: &[Entry]) -> Result<Self, Rejection> {
        let mut accounts = self.accounts.map(i128::from);
        let mut fee_receivable = self.fee_receivable;
        for entry in entries {
            for (account, amount) in
                [(entry.from, -i128::from(entry.amount)), (entry.to, i128::from(entry.amount))]
            {
                match account {
                    // The other side of a transfer is another merchant's, who books it by itself.
                    Account::Merchant(id, account) if id == merchant => accounts[account as usize] += amount,
                    Account::FeeReceivable(id) if id == merchant => fee_receivable += amount,
                    _ => {}
                }
            }
        }
        let mut after = Self { accounts: [0; MERCHANT_ACCOUNTS], fee_receivable };
        for (to, from) in after.accounts.iter_mut().zip(accounts) {
            if from < 0 {
                return Err(Rejection::InsufficientFunds);
            }
            *to = u64::try_from(from).map_err(|_| Rejection::Overflow)?;
            if *to > BALANCE_MAX {
                return Err(Rejection::Overflow);
            }
        }
        Ok(after)
    }
}

impl Record for Merchant {}

impl Merchant {
    pub(crate) fn new(terms: Box<MerchantTerms>, stripe: u32) -> Self {
        Self {
            id: terms.merchant,
            balances: Balances::default(),
            day_count: 0,
            day_amount: 0,
            day: Date::default(),
            stripe,
            version: 0,
            status: terms.status,
            cycle: terms.cycle,
            currency: terms.currency,
            current: OrderTerms::of(&terms),
            limits: terms.limits,
            pending: Vec::new(),
            settled_through: None,
            versions: vec![OrderTerms::of(&terms)],
            terms,
            journal: Journal::default(),
            cold_orders: 0,
            cold_refunds: 0,
        }
    }

    /// Terms for later orders; status, limits and cycle hold at once.
    ///
    /// # Errors
    /// When the currency would change, or when there were too many versions.
    pub(crate) fn put(&mut self, terms: &MerchantTerms) -> Result<(), Rejection> {
        if terms.currency != self.currency {
            return Err(Rejection::CurrencyMismatch);
        }
        let version = OrderTerms::of(terms);
        if self.current() != &version {
            self.version = self.version.checked_add(1).ok_or(Rejection::Overflow)?;
            self.versions.push(version);
            self.current = version;
        }
        self.status = terms.status;
        self.cycle = terms.cycle;
        self.limits = terms.limits;
        *self.terms = terms.clone();
        assert!(self.versions.len() == usize::from(self.version) + 1, "the current version is the last");
        Ok(())
    }

    pub(crate) fn terms(&self) -> &MerchantTerms {
        &self.terms
    }

    pub(crate) fn current(&self) -> &OrderTerms {
        &self.current
    }

    pub(crate) fn version(&self, version: u16) -> &OrderTerms {
        &self.versions[usize::from(version)]
    }

    pub(crate) fn currency(&self) -> Currency {
        self.currency
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.status == MerchantStatus::Closed
    }

    /// Whether the merchant's status lets it take payments.
    pub(crate) fn may_take(&self) -> Result<(), Rejection> {
        match self.status {
            MerchantStatus::Active => Ok(()),
            MerchantStatus::Suspended => Err(Rejection::MerchantSuspended),
            MerchantStatus::Closed => Err(Rejection::MerchantClosed),
        }
    }

    /// Where a payment's net goes: held when asked for, at once available under D+0, else pending.
    pub(crate) fn purse(&self, hold: bool) -> MerchantAccount {
        match self.cycle {
            _ if hold => MerchantAccount::Held,
            Cycle::Calendar(0) => MerchantAccount::Available,
            _ => MerchantAccount::Pending,
        }
    }

    /// A word of each cache line that a payment will need.
    #[inline]
    pub(crate) fn warm(&self) -> u64 {
        let pending = self.pending.last().map_or(0, |(date, _)| date.0);
        self.balances.accounts[0]
            ^ self.day_count
            ^ u64::from(self.current.fee_rate.0)
            ^ self.limits.day_count.unwrap_or(0)
            ^ u64::from(pending.unsigned_abs())
    }

    /// The day's count and amount with one payment more, unless that is above a limit.
    pub(crate) fn within_limits(&self, date: Date, cash: u64) -> Result<(u64, u64), Rejection> {
        let above = |value: u64, limit: Option<u64>| limit.is_some_and(|limit| value > limit);
        if above(cash, self.limits.order_amount) {
            return Err(Rejection::LimitOrderAmount);
        }
        let (count, amount) = self.with_one_more(date, cash)?;
        if above(amount, self.limits.day_amount) {
            return Err(Rejection::LimitDayAmount);
        }
        if above(count, self.limits.day_count) {
            return Err(Rejection::LimitDayCount);
        }
        Ok((count, amount))
    }

    /// The day's count and amount with one payment more, whatever the limits: its money came.
    pub(crate) fn with_one_more(&self, date: Date, cash: u64) -> Result<(u64, u64), Rejection> {
        let (count, amount) = if self.day == date { (self.day_count, self.day_amount) } else { (0, 0) };
        Ok((count + 1, amount.checked_add(cash).ok_or(Rejection::Overflow)?))
    }

    /// Notes what [`Self::within_limits`] said.
    pub(crate) fn count(&mut self, date: Date, (count, amount): (u64, u64)) {
        (self.day, self.day_count, self.day_amount) = (date, count, amount);
    }

    /// Whether money that entered pending on that date was settled.
    pub(crate) fn has_settled(&self, date: Date) -> bool {
        self.settled_through.is_some_and(|through| date <= through)
    }

    /// What would be settled through a date, and whether there is anything to settle: the sum of the dates, at most all
    /// of pending, nothing below the merchant's minimum.
    pub(crate) fn due(&self, through: Date) -> Option<u64> {
        let settled = self.settled_through.is_some_and(|settled| through <= settled);
        if settled || self.status == MerchantStatus::Suspended {
            return None;
        }
        let dates = self.pending.iter().take_while(|(date, _)| *date <= through);
        let (count, sum) = dates.fold((0, 0i128), |(count, sum), (_, amount)| (count + 1, sum + amount));
        let amount = sum.clamp(0, self.balances.of(MerchantAccount::Pending).into());
        let amount = u64::try_from(amount).unwrap_or(0);
        (count > 0 && amount >= self.terms.settle_min).then_some(amount)
    }

    /// Notes that the dates through one were settled, after `amount` was booked out of pending on the day after it: so
    /// that what is left of them, also a shortfall, is that day's.
    pub(crate) fn settled(&mut self, through: Date) {
        let next = through.plus_days(1);
        let dates = self.pending.partition_point(|(date, _)| *date <= through);
        let sum: i128 = self.pending.drain(..dates).map(|(_, amount)| amount).sum();
        self.move_pending(next, sum);
        self.settled_through = Some(through);
    }

    /// Whether there is any date that was not settled.
    pub(crate) fn has_open_dates(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Whether the merchant's status lets it pay out.
    pub(crate) fn may_pay_out(&self) -> Result<(), Rejection> {
        self.may_take()
    }

    pub(crate) fn cycle(&self) -> Cycle {
        self.cycle
    }

    /// Books the merchant's side of a group, all or nothing; what pending gains or loses belongs to `date`.
    ///
    /// # Errors
    /// When an account would go below zero or above what it can hold; nothing was changed.
    pub(crate) fn book(&mut self, entries: &[Entry], date: Date) -> Result<(), Rejection> {
        let before = i128::from(self.balances.of(MerchantAccount::Pending));
        let balances = self.balances.after(self.id, entries)?;
        self.balances = balances;
        self.move_pending(date, i128::from(self.balances.of(MerchantAccount::Pending)) - before);
        Ok(())
    }

    fn move_pending(&mut self, date: Date, amount: i128) {
        if amount == 0 {
            return;
        }
        // The date is nearly always the last one.
        match self.pending.iter().rposition(|&(on, _)| on <= date) {
            Some(at) if self.pending[at].0 == date => {
                self.pending[at].1 += amount;
            }
            Some(at) => self.pending.insert(at + 1, (date, amount)),
            None => self.pending.insert(0, (date, amount)),
        }
    }

    /// The dates that have anything.
    #[cfg(test)]
    pub(crate) fn dates(&self) -> Vec<(Date, i128)> {
        self.pending.iter().copied().filter(|(_, amount)| *amount != 0).collect()
    }

    pub(crate) fn memory_bytes(&self) -> u64 {
        let versions = self.versions.capacity() * size_of::<OrderTerms>();
        let dates = self.pending.capacity() * size_of::<(Date, i128)>();
        let rest = (versions + dates + size_of::<MerchantTerms>() + self.terms.name.capacity()) as u64;
        rest + self.journal.memory_bytes()
    }

    pub(crate) fn digest(&self, digest: &mut Digest, today: Date) {
        let dated: i128 = self.pending.iter().map(|&(_, amount)| amount).sum();
        assert!(
            dated == i128::from(self.balances.of(MerchantAccount::Pending)),
            "the dates are all of pending"
        );
        digest.record(b"merchant", |record| {
            self.terms.digest(record);
            for balance in self.balances.accounts {
                record.u64(balance);
            }
            record.i128(self.balances.fee_receivable);
            // Yesterday's counts decide nothing any more.
            let (count, amount) = if self.day == today { (self.day_count, self.day_amount) } else { (0, 0) };
            record.u64(count).u64(amount);
            record.option(self.settled_through.map(|date| i64::from(date.0).cast_unsigned()));
            for &(date, amount) in &self.pending {
                record.i64(date.0.into()).i128(amount);
            }
            for version in &self.versions {
                version.digest(record);
            }
        });
    }
}

impl OrderTerms {
    fn digest(&self, record: &mut digest::Record) {
        record.option(self.platform.map(|id| id.0));
        record.u64(self.fee_rate.0.into()).u64(self.fee_rounding as u64).u64(self.fee_min).u64(self.fee_max);
        record.u64(self.fee_refund as u64).u64(self.platform_fee_rate.0.into());
        record.u64(self.advance_fee_rate.0.into()).u64(self.gross.into());
        record.u64(self.refund_funding as u64).u64(self.discount_refund as u64);
        record.u64(self.max_split_rate.0.into());
    }
}

impl MerchantTerms {
    /// What holds at once or is only shown; the rest is in the versions.
    fn digest(&self, record: &mut digest::Record) {
        let (kind, days) = match self.cycle {
            Cycle::Business(days) => (0, days),
            Cycle::Calendar(days) => (1, days),
        };
        record.u64(self.merchant.0).bytes(self.name.as_bytes()).bytes(&self.currency.0);
        record.u64(self.status as u64).u64(kind).u64(days.into()).option(self.fee_max).u64(self.settle_min);
        record.option(self.limits.order_amount).option(self.limits.day_amount).option(self.limits.day_count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_all_used_and_stay_what_they_are() {
        let mut counts = [0u32; 7];
        for id in 1..=7000 {
            counts[usize::from(MerchantId(id).shard(7))] += 1;
        }
        assert!(counts.iter().all(|&count| (900..=1100).contains(&count)), "{counts:?}");
        assert_eq!(MerchantId(MerchantId::MAX).shard(1), 0);
        // A format: these never change.
        let shards: Vec<u16> = [1, 1001, 9001, MerchantId::MAX].map(|id| MerchantId(id).shard(8)).to_vec();
        assert_eq!(shards, [4, 5, 7, 7]);
    }

    #[test]
    fn pending_is_kept_by_rising_date() {
        let terms = MerchantTerms::new(MerchantId(1), Currency(*b"CNY"));
        let mut merchant = Merchant::new(Box::new(terms), 0);
        for (date, amount) in [(5, 10), (3, 1), (7, 2), (5, -4), (3, -1), (4, 8)] {
            merchant.move_pending(Date(date), amount);
        }
        assert_eq!(merchant.pending, [(Date(3), 0), (Date(4), 8), (Date(5), 6), (Date(7), 2)]);
    }
}
