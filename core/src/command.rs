//! What may be asked of a shard: commands, which may change it and are logged, and queries.

use rkyv::{Archive, Deserialize, Serialize};

use crate::{ChannelId, ChannelTerms, Date, MerchantId, MerchantTerms, Number, Query, Timestamp};

/// One item of a batch.
#[derive(Clone, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub enum Request {
    /// May change the state.
    Command(Command),
    /// Only looks.
    Query(Query),
}

/// What may change a shard.
///
/// Those of one merchant go to that merchant's shard. [`Command::PutChannel`], [`Command::SetDate`] are
/// applied by every shard at one point of the log.
#[derive(Clone, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub enum Command {
    /// A captured payment: create and confirm in one, the hot path.
    Payment(Payment),
    /// Give money back.
    Refund(Refund),
    /// What the channel said of a refund.
    RefundResult(RefundResult),
    /// Cancel a payment on its day, in full.
    Void(Void),
    /// What the channel said of a void.
    VoidResult(VoidResult),
    /// Make or change a merchant. That the platform exists, in the same currency, was checked before.
    PutMerchant(Box<MerchantTerms>),
    /// Make or change a channel.
    PutChannel(Box<ChannelTerms>),
    /// Begin at a date, or cut the day.
    SetDate(SetDate),
}

/// A captured payment (domain.md, "Books").
#[derive(Clone, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub struct Payment {
    /// Who is paid.
    pub merchant: MerchantId,
    /// The order, unique within the merchant.
    pub order_no: Number,
    /// Who moves the money.
    pub channel: ChannelId,
    /// Cash, in minor units, 1..=[`AMOUNT_MAX`](crate::AMOUNT_MAX).
    pub amount: u64,
    /// Keep the net in held until the order is released.
    pub hold: bool,
    /// When the channel took it; `None` is when it is decided.
    pub paid_at: Option<Timestamp>,
    /// What most payments do not have.
    pub details: Option<Box<PaymentDetails>>,
}

/// The rarer parts of a payment.
#[derive(Clone, PartialEq, Eq, Debug, Default, Archive, Serialize, Deserialize)]
pub struct PaymentDetails {
    /// By funder.
    pub discounts: Discounts,
    /// Who brought the sale.
    pub promoter: Option<MerchantId>,
    /// The channel's own number; 1 to 64 printable ASCII characters.
    pub channel_txn: Option<String>,
}

/// Discounts of one payment by who pays for them, in minor units; 0 is none, each at most
/// [`AMOUNT_MAX`](crate::AMOUNT_MAX).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Archive, Serialize, Deserialize)]
pub struct Discounts {
    /// Paid for by the operator.
    pub operator: u64,
    /// Given by the merchant itself: nothing is booked for it.
    pub merchant: u64,
    /// Paid for by the merchant's platform.
    pub platform: u64,
}

/// Give money back (domain.md, "Voids and refunds").
#[derive(Clone, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub struct Refund {
    /// Whose order.
    pub merchant: MerchantId,
    /// The refund, unique within the merchant.
    pub refund_no: Number,
    /// The order.
    pub order_no: Number,
    /// In payable terms, minor units, 1..=[`AMOUNT_MAX`](crate::AMOUNT_MAX).
    pub amount: u64,
    /// What most refunds do not have.
    pub details: Option<Box<RefundDetails>>,
}

/// The rarer parts of a refund.
#[derive(Clone, PartialEq, Eq, Debug, Default, Archive, Serialize, Deserialize)]
pub struct RefundDetails {
    /// For people; at most 256 bytes. Logged, not kept in memory, no part of the refund's identity.
    pub reason: String,
}

/// What the channel said of a refund.
#[derive(Clone, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub struct RefundResult {
    /// Whose refund.
    pub merchant: MerchantId,
    /// Which.
    pub refund_no: Number,
    /// The result.
    pub state: RefundResultState,
    /// The channel's own number for it; 1 to 64 printable ASCII characters.
    pub channel_refund_no: Option<Box<str>>,
}

/// A channel's answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
#[repr(u8)]
pub enum RefundResultState {
    /// The money went back.
    Succeeded,
    /// It did not.
    Failed,
    /// Unclear: asked again later, never guessed. Voids do not have it.
    Unknown,
}

/// Cancel a payment on its day, in full.
#[derive(Clone, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub struct Void {
    /// Whose order.
    pub merchant: MerchantId,
    /// The void, unique within the merchant.
    pub void_no: Number,
    /// The order.
    pub order_no: Number,
}

/// What the channel said of a void.
#[derive(Clone, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub struct VoidResult {
    /// Whose void.
    pub merchant: MerchantId,
    /// Which.
    pub void_no: Number,
    /// Whether it was done.
    pub succeeded: bool,
}

/// Move the accounting date of every shard, at one point of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub struct SetDate {
    /// The new date.
    pub date: Date,
    /// A day cut (日切) must move forward, closes the day and sends held refunds again. Otherwise it only
    /// says where the books begin: allowed while no order was taken on any shard, either way.
    pub cut: bool,
}

// A batch of 8,190 requests must fit a frame of 1 MiB and stay in the second-level cache.
const _: () = assert!(size_of::<Request>() <= 112);
const _: () = assert!(size_of::<rkyv::Archived<Request>>() <= 96);
const _: () = assert!(size_of::<rkyv::Archived<crate::Reply>>() <= 24);
