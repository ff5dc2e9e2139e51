//! Answers: what came of a request, and why not (api.md, "Errors").

use rkyv::{Archive, Deserialize, Serialize};

use crate::{
    AdjustmentView, BalancesView, ChannelTerms, Currency, Date, EntryView, Holidays, MerchantId,
    MerchantTerms, MovementState, MovementView, Number, OrderStatus, OrderView, Promoter, RefundState,
    RefundView, SettlementView, ShardTotals, SplitReturnView, SplitView, VoidState, VoidView,
};

/// The answer to one request.
#[derive(Clone, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub enum Reply {
    /// A command was carried out, or had been before.
    Done(Receipt),
    /// It was refused, and nothing was changed.
    Rejected(Rejection, Option<Field>),
    /// [`Query::Balances`](crate::Query::Balances).
    Balances(Box<BalancesView>),
    /// [`Query::Merchant`](crate::Query::Merchant).
    Merchant(Box<MerchantTerms>),
    /// [`Query::Order`](crate::Query::Order).
    Order(Box<OrderView>),
    /// [`Query::Refund`](crate::Query::Refund).
    Refund(Box<RefundView>),
    /// [`Query::OrderRefunds`](crate::Query::OrderRefunds).
    Refunds {
        /// One page, oldest first.
        page: Vec<RefundView>,
        /// Whether there are more behind it.
        has_more: bool,
    },
    /// [`Query::Void`](crate::Query::Void).
    Void(Box<VoidView>),
    /// [`Query::Accrued`](crate::Query::Accrued).
    Accrued(i128),
    /// [`Query::Totals`](crate::Query::Totals).
    Totals(Box<ShardTotals>),
    /// [`Query::Channel`](crate::Query::Channel).
    Channel(Box<ChannelTerms>),
    /// [`Query::Date`](crate::Query::Date).
    Date(Date),
    /// [`Query::Split`](crate::Query::Split).
    Split(Box<SplitView>),
    /// [`Query::SplitReturn`](crate::Query::SplitReturn).
    SplitReturn(Box<SplitReturnView>),
    /// [`Query::Movement`](crate::Query::Movement).
    Movement(Box<MovementView>),
    /// [`Query::Adjustment`](crate::Query::Adjustment).
    Adjustment(Box<AdjustmentView>),
    /// [`Query::Promoter`](crate::Query::Promoter).
    Promoter(Box<Promoter>),
    /// [`Query::Holidays`](crate::Query::Holidays).
    Holidays(Box<Holidays>),
    /// [`Query::Settlement`](crate::Query::Settlement), and what [`Run::Settlement`](crate::Run::Settlement) came to.
    Settlement {
        /// The run had been done before.
        repeat: bool,
        /// The batch.
        view: Box<SettlementView>,
    },
    /// [`Query::Entries`](crate::Query::Entries).
    Entries {
        /// One page, oldest first.
        page: Vec<EntryView>,
        /// Whether there are more behind it.
        has_more: bool,
    },
    /// [`Query::Due`](crate::Query::Due).
    Due {
        /// Merchants with something due.
        merchants: Vec<MerchantId>,
        /// Where to go on; `None` is the end.
        next: Option<u32>,
    },
    /// [`Query::Accruals`](crate::Query::Accruals).
    Accruals {
        /// Owners with accruals here, and the currency.
        owners: Vec<(MerchantId, Currency)>,
        /// Where to go on; `None` is the end.
        next: Option<u32>,
    },
    /// [`Query::Expired`](crate::Query::Expired).
    Expired(Vec<(MerchantId, Number)>),
    /// What [`Run::Sweep`](crate::Run::Sweep) came to.
    Swept {
        /// Owners that got something.
        owners: u64,
        /// What they got, by rising currency, minor units.
        amounts: Vec<(Currency, u128)>,
    },
}

/// What a command did. `repeat` says that it had been done before and nothing changed now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub enum Receipt {
    /// A payment.
    Payment {
        /// Done before.
        repeat: bool,
        /// Operator's and platform's fees together, minor units.
        fees: u64,
        /// What the merchant got, minor units.
        net: u64,
    },
    /// A refund.
    Refund {
        /// Done before. A new attempt of a failed one is not a repeat.
        repeat: bool,
        /// Where it stands.
        state: RefundState,
        /// What the merchant gives up, minor units.
        merchant_debit: u64,
    },
    /// A refund's result.
    RefundResult {
        /// Known before.
        repeat: bool,
        /// Where the refund stands.
        state: RefundState,
    },
    /// A void.
    Void {
        /// Done before.
        repeat: bool,
        /// Where it stands.
        state: VoidState,
    },
    /// A void's result.
    VoidResult {
        /// Known before.
        repeat: bool,
        /// Where the void stands.
        state: VoidState,
    },
    /// A merchant was put.
    Merchant {
        /// It was there before.
        existed: bool,
    },
    /// A channel was put.
    Channel {
        /// Its id.
        id: crate::ChannelId,
        /// It was there before.
        existed: bool,
    },
    /// The date was set.
    Date {
        /// The date before.
        closed: Date,
        /// Held refunds of this shard that go out again.
        resubmitted: u64,
    },
    /// An order was created, confirmed, closed, reinstated or released.
    Order {
        /// Done before.
        repeat: bool,
        /// Where it stands.
        status: OrderStatus,
    },
    /// A split, split return, top-up, freeze, the end of one, a transfer or an adjustment.
    Booked {
        /// Done before.
        repeat: bool,
    },
    /// A payout or its result.
    Payout {
        /// Done or known before.
        repeat: bool,
        /// Where it stands.
        state: MovementState,
    },
    /// A promoter was put.
    Promoter {
        /// It was there before.
        existed: bool,
    },
    /// The business calendar was put.
    Holidays,
    /// One merchant was settled within a batch.
    Settled {
        /// What moved, minor units; 0 where nothing was due.
        amount: u64,
    },
    /// A settlement batch was opened or closed on all shards.
    Batch {
        /// Done before.
        repeat: bool,
    },
    /// Accruals were swept: for one chunk of owners.
    Swept,
}

/// Why a request was refused; nothing was changed by it. [`Rejection::code`] is the word of `api.md`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Archive, Serialize, Deserialize)]
#[repr(u8)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is the code of api.md that it is named after")]
pub enum Rejection {
    InvalidRequest,
    MerchantNotFound,
    ChannelNotFound,
    OrderNotFound,
    RefundNotFound,
    VoidNotFound,
    IdempotencyConflict,
    MerchantSuspended,
    MerchantClosed,
    ChannelBlackout,
    OrderState,
    RefundWindow,
    D0NotRefundable,
    TooManyRefunds,
    RefundInFlight,
    ExceedsRefundable,
    SameDayPartial,
    SameDayRefund,
    NotSameDay,
    OrderSettled,
    HasRefunds,
    InsufficientFunds,
    LimitOrderAmount,
    LimitDayAmount,
    LimitDayCount,
    ContradictsFinal,
    ExceedsHeld,
    ExceedsSplitRate,
    SplitNotFound,
    SplitReturnNotFound,
    PayoutNotFound,
    TopupNotFound,
    FreezeNotFound,
    TransferNotFound,
    AdjustmentNotFound,
    SettlementNotFound,
    PromoterNotFound,
    DateNotLater,
    Overflow,
    CurrencyMismatch,
    ReceiverInvalid,
    /// The queue is full: retry later.
    Overloaded,
    /// The log has no room: retry later.
    ReadOnly,
    /// The log failed after this was decided or before: ask again with the same number.
    Unknown,
}

/// The field of a request that was invalid.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
#[repr(u8)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is the field of api.md that it is named after")]
pub enum Field {
    MerchantId,
    OrderNo,
    RefundNo,
    VoidNo,
    Channel,
    Amount,
    Discounts,
    Promoter,
    PaidAt,
    ChannelTxn,
    ChannelRefundNo,
    Reason,
    State,
    Name,
    Currency,
    Platform,
    FeeRate,
    FeeMin,
    FeeMax,
    PlatformFeeRate,
    Settlement,
    AdvanceFeeRate,
    MaxSplitRate,
    Limits,
    CostRate,
    RefundWindowDays,
    MaxRefundsPerOrder,
    Blackout,
    Timezone,
    AccountingDate,
    ExpiresAt,
    SplitNo,
    Receivers,
    ReturnNo,
    SplitReturns,
    PayoutNo,
    TopupNo,
    FreezeNo,
    TransferNo,
    To,
    AdjustmentNo,
    Subject,
    From,
    Memo,
    ApprovedBy,
    Rate,
    Upline,
    UplineRate,
    BatchNo,
    Dates,
    Workdays,
}

impl Rejection {
    /// The code of api.md.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::MerchantNotFound => "merchant_not_found",
            Self::ChannelNotFound => "channel_not_found",
            Self::OrderNotFound => "order_not_found",
            Self::RefundNotFound => "refund_not_found",
            Self::VoidNotFound => "void_not_found",
            Self::IdempotencyConflict => "idempotency_conflict",
            Self::MerchantSuspended => "merchant_suspended",
            Self::MerchantClosed => "merchant_closed",
            Self::ChannelBlackout => "channel_blackout",
            Self::OrderState => "order_state",
            Self::RefundWindow => "refund_window",
            Self::D0NotRefundable => "d0_not_refundable",
            Self::TooManyRefunds => "too_many_refunds",
            Self::RefundInFlight => "refund_in_flight",
            Self::ExceedsRefundable => "exceeds_refundable",
            Self::SameDayPartial => "same_day_partial",
            Self::SameDayRefund => "same_day_refund",
            Self::NotSameDay => "not_same_day",
            Self::OrderSettled => "order_settled",
            Self::HasRefunds => "has_refunds",
            Self::InsufficientFunds => "insufficient_funds",
            Self::LimitOrderAmount => "limit_order_amount",
            Self::LimitDayAmount => "limit_day_amount",
            Self::LimitDayCount => "limit_day_count",
            Self::ContradictsFinal => "contradicts_final",
            Self::ExceedsHeld => "exceeds_held",
            Self::ExceedsSplitRate => "exceeds_split_rate",
            Self::SplitNotFound => "split_not_found",
            Self::SplitReturnNotFound => "split_return_not_found",
            Self::PayoutNotFound => "payout_not_found",
            Self::TopupNotFound => "topup_not_found",
            Self::FreezeNotFound => "freeze_not_found",
            Self::TransferNotFound => "transfer_not_found",
            Self::AdjustmentNotFound => "adjustment_not_found",
            Self::SettlementNotFound => "settlement_not_found",
            Self::PromoterNotFound => "promoter_not_found",
            Self::DateNotLater => "date_not_later",
            Self::Overflow => "overflow",
            Self::CurrencyMismatch => "currency_mismatch",
            Self::ReceiverInvalid => "receiver_invalid",
            Self::Overloaded => "overloaded",
            Self::ReadOnly => "read_only",
            Self::Unknown => "unknown",
        }
    }
}

impl Field {
    /// The field's name in api.md.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MerchantId => "merchant_id",
            Self::OrderNo => "order_no",
            Self::RefundNo => "refund_no",
            Self::VoidNo => "void_no",
            Self::Channel => "channel",
            Self::Amount => "amount",
            Self::Discounts => "discounts",
            Self::Promoter => "promoter",
            Self::PaidAt => "paid_at",
            Self::ChannelTxn => "channel_txn",
            Self::ChannelRefundNo => "channel_refund_no",
            Self::Reason => "reason",
            Self::State => "state",
            Self::Name => "name",
            Self::Currency => "currency",
            Self::Platform => "platform",
            Self::FeeRate => "fee_rate",
            Self::FeeMin => "fee_min",
            Self::FeeMax => "fee_max",
            Self::PlatformFeeRate => "platform_fee_rate",
            Self::Settlement => "settlement",
            Self::AdvanceFeeRate => "advance_fee_rate",
            Self::MaxSplitRate => "max_split_rate",
            Self::Limits => "limits",
            Self::CostRate => "cost_rate",
            Self::RefundWindowDays => "refund_window_days",
            Self::MaxRefundsPerOrder => "max_refunds_per_order",
            Self::Blackout => "blackout",
            Self::Timezone => "timezone",
            Self::AccountingDate => "accounting_date",
            Self::ExpiresAt => "expires_at",
            Self::SplitNo => "split_no",
            Self::Receivers => "receivers",
            Self::ReturnNo => "return_no",
            Self::SplitReturns => "split_returns",
            Self::PayoutNo => "payout_no",
            Self::TopupNo => "topup_no",
            Self::FreezeNo => "freeze_no",
            Self::TransferNo => "transfer_no",
            Self::To => "to",
            Self::AdjustmentNo => "adjustment_no",
            Self::Subject => "subject",
            Self::From => "from",
            Self::Memo => "memo",
            Self::ApprovedBy => "approved_by",
            Self::Rate => "rate",
            Self::Upline => "upline",
            Self::UplineRate => "upline_rate",
            Self::BatchNo => "batch_no",
            Self::Dates => "dates",
            Self::Workdays => "workdays",
        }
    }
}
