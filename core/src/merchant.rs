//! Merchants and their terms (api.md, "Set-up").

use rkyv::{Archive, Deserialize, Serialize};

use crate::{Currency, FeeRefund, Rate, Rounding};

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
#[derive(Clone, Copy, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
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
