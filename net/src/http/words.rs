//! The words of the API for what the core has as enums: one table for reading and writing.

use suanpan_core::{
    DiscountRefund, FailedRefund, FeeRefund, MerchantStatus, MovementState, OrderStatus, Preset,
    RefundFunding, RefundResultState, RefundState, Rounding, SameDay, SentAs, SettlementMode, VoidState,
};

use super::json::Node;
use super::read;

/// Something that has a word for each of its values.
pub(super) trait Word: Copy + 'static {
    /// All values.
    const ALL: &'static [Self];
    /// What must be written, for those who wrote something else.
    const MUST: &'static str;
    /// The value's word.
    fn word(self) -> &'static str;
}

/// Reads a word.
pub(super) fn read<W: Word>(node: &Node<'_>) -> Result<W, &'static str> {
    let text = read::str(node, W::MUST)?;
    W::ALL.iter().copied().find(|value| value.word() == text).ok_or(W::MUST)
}

macro_rules! words {
    ($($type:ident { $first:literal = $first_value:ident $(, $word:literal = $value:ident)* })+) => {
        /// The same words for the API's description.
        pub(super) mod said {
            use utoipa::openapi::{RefOr, Schema};
            use utoipa::{PartialSchema, ToSchema};
            $(
                #[allow(dead_code, reason = "some are only described by parts")]
                pub(in crate::http) struct $type;
                impl PartialSchema for $type {
                    fn schema() -> RefOr<Schema> {
                        super::super::schema::word(&[$first $(, $word)*])
                    }
                }
                impl ToSchema for $type {}
            )+
        }
        $(
        impl Word for $type {
            const ALL: &'static [Self] = &[Self::$first_value $(, Self::$value)*];
            const MUST: &'static str = concat!("must be one of: ", $first $(, ", ", $word)*);
            fn word(self) -> &'static str {
                match self { Self::$first_value => $first $(, Self::$value => $word)* }
            }
        }
    )+};
}

words! {
    Preset {
        "wechat" = Wechat, "alipay" = Alipay, "qq" = Qq, "bestpay" = Bestpay, "unionpay" = Unionpay,
        "jd" = Jd, "bank" = Bank, "aggregate" = Aggregate
    }
    Rounding { "half_up" = HalfUp, "half_even" = HalfEven, "down" = Down }
    FeeRefund { "proportional" = Proportional, "none" = None }
    SameDay { "allow" = Allow, "void_only" = VoidOnly, "next_day" = NextDay }
    FailedRefund { "never" = Never, "next_day" = NextDay }
    MerchantStatus { "active" = Active, "suspended" = Suspended, "closed" = Closed }
    SettlementMode { "net" = Net, "gross" = Gross }
    RefundFunding {
        "pending" = Pending, "pending_then_available" = PendingThenAvailable, "available" = Available
    }
    DiscountRefund { "proportional" = Proportional, "discount_first" = DiscountFirst }
    OrderStatus {
        "created" = Created, "closed" = Closed, "paid_late" = PaidLate, "paid" = Paid, "voided" = Voided, "partially_refunded" = PartiallyRefunded, "refunded" = Refunded
    }
    RefundState { "processing" = Processing, "held" = Held, "succeeded" = Succeeded, "failed" = Failed }
    RefundResultState { "succeeded" = Succeeded, "failed" = Failed, "unknown" = Unknown }
    SentAs { "refund" = Refund, "void" = Void }
    VoidState { "processing" = Processing, "succeeded" = Succeeded, "failed" = Failed }
    VoidResultState { "succeeded" = Succeeded, "failed" = Failed }
    MovementState {
        "processing" = Processing, "succeeded" = Succeeded, "failed" = Failed, "frozen" = Frozen, "released" = Released
    }
    Funder { "operator" = Operator, "merchant" = Merchant, "platform" = Platform }
}

/// What a channel may say of a void: it is done or not, never unclear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum VoidResultState {
    Succeeded,
    Failed,
}

/// Who pays for a discount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Funder {
    Operator,
    Merchant,
    Platform,
}
