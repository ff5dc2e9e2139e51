//! What may be looked up in a shard, and the views that answer it (api.md, "Orders", "Refunds", "Looking").

use std::collections::BTreeMap;
use std::sync::Arc;

use rkyv::{Archive, Deserialize, Serialize};

use crate::{
    Account, Adjustment, BookLine, ChannelId, Currency, Date, MerchantId, Number, Subject, Timestamp,
};

/// The most entries in one page of [`Query::Entries`].
pub const PAGE_ENTRIES_MAX: usize = 100;

/// The most merchants looked at for one [`Query::Due`], and accruals for one [`Query::Accruals`].
pub const PAGE_SCAN_MAX: usize = 1_024;

/// The most refunds in one page of [`Query::OrderRefunds`].
pub const PAGE_REFUNDS_MAX: usize = 100;

/// A look at one shard; changes nothing.
#[derive(Clone, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub enum Query {
    /// A merchant's balances in its own shard.
    Balances(MerchantId),
    /// A merchant's terms.
    Merchant(MerchantId),
    /// One order.
    Order(MerchantId, Number),
    /// One refund.
    Refund(MerchantId, Number),
    /// Refunds of an order, oldest first, those behind the named one; at most
    /// [`PAGE_REFUNDS_MAX`] of them.
    OrderRefunds(MerchantId, Number, Option<Number>),
    /// One void.
    Void(MerchantId, Number),
    /// What this shard holds of the accruals of a merchant that lives anywhere (signed): its stripe of
    /// `platform:ID` and `accrued:ID` together.
    Accrued(MerchantId),
    /// This shard's part of the trial balance.
    Totals,
    /// A channel's rules; the same on every shard.
    Channel(ChannelId),
    /// A channel's id by its name; the same on every shard. Answered with
    /// [`Receipt::Channel`](crate::Receipt::Channel).
    ChannelNamed(String),
    /// The accounting date; the same on every shard.
    Date,
    /// One split.
    Split(MerchantId, Number),
    /// One split return.
    SplitReturn(MerchantId, Number),
    /// One payout, top-up, freeze or transfer.
    Movement(MovementKind, MerchantId, Number),
    /// One adjustment; the same on every shard.
    Adjustment(Number),
    /// A promoter; the same on every shard.
    Promoter(MerchantId),
    /// The business calendar; the same on every shard.
    Holidays,
    /// This shard's part of a settlement batch.
    Settlement(Number),
    /// A merchant's entries, oldest first, those behind the given `seq`; at most [`PAGE_ENTRIES_MAX`] of them.
    Entries(MerchantId, u64),
    /// Merchants of this shard with something due in an open batch, from the given place on. Never sent by a caller.
    Due(Number, u32),
    /// Owners of accruals in this shard, from the given place on. Never sent by a caller.
    Accruals(u32),
    /// Orders of this shard whose time is over, at most so many. Never sent by a caller.
    Expired(u16),
}

/// A movement of money that is no order's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Archive, Serialize, Deserialize)]
#[repr(u8)]
pub enum MovementKind {
    /// Available money to the merchant's bank.
    Payout,
    /// Money in from a channel.
    TopUp,
    /// Available money frozen.
    Freeze,
    /// Available money to another merchant.
    Transfer,
}

/// Where an order stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
#[repr(u8)]
pub enum OrderStatus {
    /// To be paid.
    Created,
    /// Not to be paid any more.
    Closed,
    /// Paid after it was closed: the money is in suspense.
    PaidLate,
    /// Paid, nothing given back for good.
    Paid,
    /// Voided, or about to be: the money is back out of the books.
    Voided,
    /// Some was given back.
    PartiallyRefunded,
    /// All was given back.
    Refunded,
}

/// An order as it stands.
#[derive(Clone, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub struct OrderView {
    /// Its number.
    pub order_no: Number,
    /// Who was paid.
    pub merchant: MerchantId,
    /// Who moved the money.
    pub channel: ChannelId,
    /// Where it stands.
    pub status: OrderStatus,
    /// Cash, minor units.
    pub amount: u64,
    /// Cash and discounts.
    pub payable: u64,
    /// The operator's fee.
    pub fee: u64,
    /// The platform's own fee.
    pub platform_fee: u64,
    /// What the channel charged.
    pub channel_cost: u64,
    /// What the merchant got.
    pub net: u64,
    /// What may still be asked back, in payable terms.
    pub refundable: u64,
    /// What went back for good, in payable terms.
    pub refunded: u64,
    /// What is on its way back, in payable terms.
    pub in_flight: u64,
    /// What of it is held.
    pub held: u64,
    /// Whether its accounting date was settled.
    pub settled: bool,
    /// The date it was booked on, once it is paid.
    pub accounting_date: Option<Date>,
    /// When the channel took it, once it is paid.
    pub paid_at: Option<Timestamp>,
    /// The channel's own number.
    pub channel_txn: Option<String>,
    /// From when on an order that was not paid is closed.
    pub expires_at: Option<Timestamp>,
    /// What promoters got when it was released.
    pub commissions: Vec<Commission>,
}

/// What a promoter got of an order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub struct Commission {
    /// Who.
    pub promoter: MerchantId,
    /// 1 brought the sale; 2 and 3 are upline.
    pub level: u8,
    /// Minor units.
    pub amount: u64,
}

/// Where a refund stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
#[repr(u8)]
pub enum RefundState {
    /// At the channel, or on its way there.
    Processing,
    /// 待退货: reserved, goes out after the day cut.
    Held,
    /// The money went back.
    Succeeded,
    /// It did not; everything was put back.
    Failed,
}

/// How a refund was sent to the channel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
#[repr(u8)]
pub enum SentAs {
    /// As a refund.
    Refund,
    /// As a real-time void.
    Void,
}

/// A refund as it stands.
#[derive(Clone, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub struct RefundView {
    /// Its number.
    pub refund_no: Number,
    /// Its order.
    pub order_no: Number,
    /// Whose.
    pub merchant: MerchantId,
    /// In payable terms, minor units.
    pub amount: u64,
    /// The cash in it.
    pub cash_amount: u64,
    /// The discount in it.
    pub discount_amount: u64,
    /// What the operator gives back of its fee.
    pub fee_returned: u64,
    /// What the platform gives back of its own fee.
    pub platform_fee_returned: u64,
    /// What the channel gives back of its cost.
    pub cost_returned: u64,
    /// What the merchant gives up.
    pub merchant_debit: u64,
    /// Of that, out of pending.
    pub from_pending: u64,
    /// Of that, out of held.
    pub from_held: u64,
    /// Of that, out of available.
    pub from_available: u64,
    /// Where it stands.
    pub state: RefundState,
    /// How it was sent last.
    pub sent_as: SentAs,
    /// How often it was sent.
    pub attempts: u32,
    /// The date it was booked on.
    pub accounting_date: Date,
}

/// Where a void stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
#[repr(u8)]
pub enum VoidState {
    /// At the channel.
    Processing,
    /// Done.
    Succeeded,
    /// Not done: the payment stands again.
    Failed,
}

/// A void as it stands.
#[derive(Clone, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub struct VoidView {
    /// Its number.
    pub void_no: Number,
    /// Its order.
    pub order_no: Number,
    /// Where it stands.
    pub state: VoidState,
}

/// A split as it stands.
#[derive(Clone, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub struct SplitView {
    /// Its number.
    pub split_no: Number,
    /// Its order.
    pub order_no: Number,
    /// Whose order.
    pub merchant: MerchantId,
    /// Who got how much, and how much of it came back, minor units.
    pub receivers: Vec<(MerchantId, u64, u64)>,
    /// Whether it released the rest.
    pub finish: bool,
    /// The date it was booked on.
    pub accounting_date: Date,
}

/// A split return.
#[derive(Clone, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub struct SplitReturnView {
    /// What was asked for.
    pub asked: crate::SplitReturn,
    /// The date it was booked on.
    pub accounting_date: Date,
}

/// Where a movement stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
#[repr(u8)]
pub enum MovementState {
    /// A payout on its way.
    Processing,
    /// A payout that arrived; a top-up or a transfer.
    Succeeded,
    /// A payout that did not arrive: the money is back.
    Failed,
    /// A freeze that holds.
    Frozen,
    /// A freeze that ended.
    Released,
}

/// A payout, top-up, freeze or transfer as it stands.
#[derive(Clone, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub struct MovementView {
    /// What it is.
    pub kind: MovementKind,
    /// Its number.
    pub number: Number,
    /// Whose.
    pub merchant: MerchantId,
    /// Minor units.
    pub amount: u64,
    /// Where it stands.
    pub state: MovementState,
    /// A top-up's channel, or a payout's if it was named.
    pub channel: Option<ChannelId>,
    /// Who a transfer went to.
    pub to: Option<MerchantId>,
    /// The date it was booked on.
    pub accounting_date: Date,
}

/// An adjustment.
#[derive(Clone, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub struct AdjustmentView {
    /// What was asked for.
    pub asked: Adjustment,
    /// The date it was booked on.
    pub accounting_date: Date,
}

/// A settlement batch: one shard's part, or the sum of all.
#[derive(Clone, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub struct SettlementView {
    /// Its number.
    pub batch_no: Number,
    /// The one merchant it is for; `None` is all.
    pub merchant: Option<MerchantId>,
    /// The accounting date when it began.
    pub accounting_date: Date,
    /// Whether all of it was done.
    pub ended: bool,
    /// Merchants that were paid.
    pub merchants: u64,
    /// What they were paid, by rising currency, minor units.
    pub amounts: Vec<(Currency, u128)>,
}

/// One entry as a merchant sees it.
#[derive(Clone, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub struct EntryView {
    /// From 1, per merchant.
    pub seq: u64,
    /// The atomic group it is part of, from 1, per merchant.
    pub group: u64,
    /// What for.
    pub subject: Subject,
    /// Who gave.
    pub from: Account,
    /// Who got.
    pub to: Account,
    /// Minor units.
    pub amount: u64,
    /// The order it is about, if one.
    pub order_no: Option<Number>,
    /// The refund it is about, if one.
    pub refund_no: Option<Number>,
    /// The void, split, payout, batch or whatever else it is about, if one.
    pub reference: Option<Number>,
    /// The date it was booked on.
    pub accounting_date: Date,
    /// Whether it takes back an entry of the same subject.
    pub reversal: bool,
}

/// A merchant's balances in its own shard, minor units. What it accrued in all shards is asked of each.
#[derive(Clone, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub struct BalancesView {
    /// Whose.
    pub merchant: MerchantId,
    /// Of all the amounts.
    pub currency: Currency,
    /// Earned, not settled.
    pub pending: u64,
    /// Earned, kept back.
    pub held: u64,
    /// Settled.
    pub available: u64,
    /// Taken out of available.
    pub frozen: u64,
    /// On its way to the merchant's bank.
    pub payout_transit: u64,
    /// The shard's accounting date.
    pub accounting_date: Date,
}

/// A shard's part of the trial balance and what else is asked of all shards at one point of the log.
#[derive(Clone, PartialEq, Eq, Debug, Default, Archive, Serialize, Deserialize)]
pub struct ShardTotals {
    /// Its accounting date.
    pub accounting_date: Date,
    /// Whether it ever took an order.
    pub took_orders: bool,
    /// Merchants in it.
    pub merchants: u64,
    /// Orders in it.
    pub orders: u64,
    /// Refunds in it.
    pub refunds: u64,
    /// By currency, then account; merchants grouped by kind of account (`merchants:pending` and so on).
    pub accounts: Vec<(Currency, String, i128)>,
}

/// What [`ShardTotals`] says, before its accounts have names: taken while all shards stand still, so it costs a copy.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RawTotals {
    /// Its accounting date.
    pub accounting_date: Date,
    /// Merchants in it.
    pub merchants: u64,
    /// Orders in it.
    pub orders: u64,
    /// Refunds in it.
    pub refunds: u64,
    /// Every balance.
    pub accounts: Vec<(Currency, BookLine, i128)>,
    /// Channels' names by id.
    pub channels: Arc<Vec<String>>,
}

impl RawTotals {
    /// With the names of the accounts.
    #[must_use]
    pub fn named(self) -> ShardTotals {
        let name = |line: BookLine| match line {
            BookLine::Account(Account::Channel(id)) => {
                line.name(self.channels.get(usize::from(id.0)).map_or("?", String::as_str))
            }
            line => line.name(""),
        };
        let mut accounts: Vec<_> =
            self.accounts.iter().map(|&(currency, line, sum)| (currency, name(line), sum)).collect();
        accounts.sort_unstable();
        ShardTotals {
            accounting_date: self.accounting_date,
            took_orders: self.orders > 0,
            merchants: self.merchants,
            orders: self.orders,
            refunds: self.refunds,
            accounts,
        }
    }
}

impl ShardTotals {
    /// The totals of all shards, taken at one point of the log, as those of the whole: accounts by currency, then name.
    ///
    /// # Panics
    /// When the shards have different accounting dates: then they were not taken at one point.
    #[must_use]
    pub fn sum(shards: Vec<Self>) -> Self {
        let mut accounts: BTreeMap<(Currency, String), i128> = BTreeMap::new();
        let accounting_date = shards.first().map(|shard| shard.accounting_date).unwrap_or_default();
        let mut all = Self { accounting_date, ..Self::default() };
        for shard in shards {
            assert!(shard.accounting_date == accounting_date, "one date for all shards");
            all.took_orders |= shard.took_orders;
            all.merchants += shard.merchants;
            all.orders += shard.orders;
            all.refunds += shard.refunds;
            for (currency, account, balance) in shard.accounts {
                *accounts.entry((currency, account)).or_default() += balance;
            }
        }
        all.accounts =
            accounts.into_iter().map(|((currency, account), sum)| (currency, account, sum)).collect();
        all
    }
}
