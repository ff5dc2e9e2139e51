//! What may be looked up in a shard, and the views that answer it (api.md, "Orders", "Refunds", "Looking").

use std::collections::BTreeMap;

use rkyv::{Archive, Deserialize, Serialize};

use crate::{ChannelId, Currency, Date, MerchantId, Number, Timestamp};

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
}

/// Where an order stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
#[repr(u8)]
pub enum OrderStatus {
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
    /// The date it was booked on.
    pub accounting_date: Date,
    /// When the channel took it.
    pub paid_at: Timestamp,
    /// The channel's own number.
    pub channel_txn: Option<String>,
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
