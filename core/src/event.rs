//! What happened, for those who want to be told (api.md, "Events"). Events are made by applying a command, so that the
//! same log gives the same events; who is told of them, and how, is the edge's business.

use crate::{Currency, Date, MerchantId, Number};

/// The kinds of events, by the names of api.md.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is the type of api.md that it is named after")]
pub enum EventKind {
    PaymentPaid,
    PaymentPaidLate,
    OrderClosed,
    RefundSubmit,
    RefundProcessing,
    RefundHeld,
    RefundSucceeded,
    RefundFailed,
    VoidSubmit,
    VoidSucceeded,
    VoidFailed,
    SplitDone,
    PayoutSubmit,
    PayoutSucceeded,
    PayoutFailed,
    SettlementDone,
    DayCut,
}

/// One thing that happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    /// What.
    pub kind: EventKind,
    /// To whom; `None` concerns all.
    pub merchant: Option<MerchantId>,
    /// The order, if it is about one.
    pub order_no: Option<Number>,
    /// The refund, void, split, payout or batch, if it is about one.
    pub reference: Option<Number>,
    /// In minor units; 0 where there is none.
    pub amount: u64,
    /// Of the amount.
    pub currency: Option<Currency>,
    /// The accounting date: of a day cut, the new one.
    pub accounting_date: Date,
}

impl EventKind {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::PaymentPaid,
        Self::PaymentPaidLate,
        Self::OrderClosed,
        Self::RefundSubmit,
        Self::RefundProcessing,
        Self::RefundHeld,
        Self::RefundSucceeded,
        Self::RefundFailed,
        Self::VoidSubmit,
        Self::VoidSucceeded,
        Self::VoidFailed,
        Self::SplitDone,
        Self::PayoutSubmit,
        Self::PayoutSucceeded,
        Self::PayoutFailed,
        Self::SettlementDone,
        Self::DayCut,
    ];

    /// The type in api.md.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PaymentPaid => "payment.paid",
            Self::PaymentPaidLate => "payment.paid_late",
            Self::OrderClosed => "order.closed",
            Self::RefundSubmit => "refund.submit",
            Self::RefundProcessing => "refund.processing",
            Self::RefundHeld => "refund.held",
            Self::RefundSucceeded => "refund.succeeded",
            Self::RefundFailed => "refund.failed",
            Self::VoidSubmit => "void.submit",
            Self::VoidSucceeded => "void.succeeded",
            Self::VoidFailed => "void.failed",
            Self::SplitDone => "split.done",
            Self::PayoutSubmit => "payout.submit",
            Self::PayoutSucceeded => "payout.succeeded",
            Self::PayoutFailed => "payout.failed",
            Self::SettlementDone => "settlement.done",
            Self::DayCut => "day.cut",
        }
    }
}
