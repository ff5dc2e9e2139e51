//! What may be asked of a shard: commands, which may change it and are logged, and queries.

use rkyv::{Archive, Deserialize, Serialize};

use crate::{
    Account, ChannelId, ChannelTerms, Currency, Date, Holidays, MerchantId, MerchantTerms, Number, Promoter,
    Query, Timestamp,
};

/// One item of a batch.
#[derive(Clone, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub enum Request {
    /// May change the state.
    Command(Command),
    /// Only looks.
    Query(Query),
    /// Many commands on many shards under one number: the engine carries it out, no ledger does.
    Run(Run),
}

/// What takes many commands: it may be asked for again until it was answered.
#[derive(Clone, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub enum Run {
    /// Settles every date that is due.
    Settlement(Settlement),
    /// Sweeps every accrual to its owner.
    Sweep,
}

/// What may change a shard.
///
/// Those of one merchant go to that merchant's shard. The others ([`Command::merchant`] is `None`) are applied by
/// every shard at one point of the log, each its own part.
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
    /// An order that is to be paid.
    CreateOrder(Box<NewOrder>),
    /// The channel took the money of such an order.
    Confirm(Confirm),
    /// An order will not be paid any more.
    Close(Close),
    /// A late success becomes a payment.
    Reinstate(OrderRef),
    /// Held money becomes pending.
    Release(OrderRef),
    /// Part of a held order to receivers. That these are there and may receive was checked before.
    Split(Box<Split>),
    /// Money back from a receiver.
    SplitReturn(Box<SplitReturn>),
    /// Available money to the merchant's bank.
    Payout(Payout),
    /// What came of it.
    PayoutResult(PayoutResult),
    /// Money in from a channel.
    TopUp(TopUp),
    /// Available money frozen.
    Freeze(Freeze),
    /// A freeze ended.
    Unfreeze(Unfreeze),
    /// Available money to another merchant; every shard applies its part.
    Transfer(Transfer),
    /// A correction by two people; every shard applies its part.
    Adjust(Box<Adjustment>),
    /// Make or change a promoter; the same on every shard.
    PutPromoter(Promoter),
    /// The business calendar; the same on every shard.
    PutHolidays(Box<Holidays>),
    /// Opens a settlement batch on every shard. Never sent by a caller.
    BeginSettlement(Settlement),
    /// Settles one merchant within an open batch. Never sent by a caller.
    Settle(Settle),
    /// Closes a settlement batch on every shard. Never sent by a caller.
    EndSettlement(Number),
    /// Accruals out of every shard and into their owners'. Never sent by a caller.
    Sweep(Box<Vec<SweepItem>>),
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

/// An order that is to be paid (domain.md, "Orders").
#[derive(Clone, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub struct NewOrder {
    /// Who will be paid.
    pub merchant: MerchantId,
    /// The order, unique within the merchant.
    pub order_no: Number,
    /// Who will move the money.
    pub channel: ChannelId,
    /// Cash, in minor units, 1..=[`AMOUNT_MAX`](crate::AMOUNT_MAX).
    pub amount: u64,
    /// By funder.
    pub discounts: Discounts,
    /// Keep the net in held until the order is released.
    pub hold: bool,
    /// From then on it is closed; `None` is never.
    pub expires_at: Option<Timestamp>,
}

/// The channel took the money of an order.
#[derive(Clone, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub struct Confirm {
    /// Whose order.
    pub merchant: MerchantId,
    /// Which.
    pub order_no: Number,
    /// When the channel took it; `None` is when it is decided.
    pub paid_at: Option<Timestamp>,
    /// The channel's own number; 1 to 64 printable ASCII characters.
    pub channel_txn: Option<Box<str>>,
}

/// An order will not be paid any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub struct Close {
    /// Whose order.
    pub merchant: MerchantId,
    /// Which.
    pub order_no: Number,
    /// Because its time is over: said by the engine, and refused while it is not.
    pub expired: bool,
}

/// An order by its number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub struct OrderRef {
    /// Whose.
    pub merchant: MerchantId,
    /// Which.
    pub order_no: Number,
}

/// Part of a held order to receivers (分账).
#[derive(Clone, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub struct Split {
    /// Whose order.
    pub merchant: MerchantId,
    /// The split, unique within the merchant.
    pub split_no: Number,
    /// The order.
    pub order_no: Number,
    /// Who gets how much, in minor units; 1 to [`SPLIT_PARTS_MAX`](crate::SPLIT_PARTS_MAX) of them, each receiver once.
    pub receivers: Vec<(MerchantId, u64)>,
    /// Release the rest.
    pub finish: bool,
}

/// Money back from a receiver of a split (分账回退).
#[derive(Clone, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub struct SplitReturn {
    /// Whose order.
    pub merchant: MerchantId,
    /// The return, unique within the merchant.
    pub return_no: Number,
    /// The order.
    pub order_no: Number,
    /// The split.
    pub split_no: Number,
    /// Who gives it back.
    pub receiver: MerchantId,
    /// Minor units.
    pub amount: u64,
}

/// Available money to the merchant's bank (提现, 代付).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub struct Payout {
    /// Whose money.
    pub merchant: MerchantId,
    /// The payout, unique within the merchant.
    pub payout_no: Number,
    /// Minor units.
    pub amount: u64,
    /// Who pays it out, if that is known.
    pub channel: Option<ChannelId>,
}

/// What came of a payout.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub struct PayoutResult {
    /// Whose.
    pub merchant: MerchantId,
    /// Which.
    pub payout_no: Number,
    /// The result.
    pub state: RefundResultState,
}

/// Money in from a channel (充值).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub struct TopUp {
    /// Who gets it.
    pub merchant: MerchantId,
    /// The top-up, unique within the merchant.
    pub topup_no: Number,
    /// Who moved it.
    pub channel: ChannelId,
    /// Minor units.
    pub amount: u64,
}

/// Available money frozen (冻结).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub struct Freeze {
    /// Whose money.
    pub merchant: MerchantId,
    /// The freeze, unique within the merchant.
    pub freeze_no: Number,
    /// Minor units.
    pub amount: u64,
}

/// A freeze ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub struct Unfreeze {
    /// Whose.
    pub merchant: MerchantId,
    /// Which.
    pub freeze_no: Number,
}

/// Available money to another merchant.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub struct Transfer {
    /// Who gives.
    pub merchant: MerchantId,
    /// The transfer, unique within the giver.
    pub transfer_no: Number,
    /// Who gets.
    pub to: MerchantId,
    /// Minor units.
    pub amount: u64,
}

/// A correction (调账, 补单, 核销), by two people.
#[derive(Clone, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub struct Adjustment {
    /// Unique.
    pub adjustment_no: Number,
    /// What for: 1 to 64 bytes.
    pub subject: String,
    /// Who gives. Of a merchant only pending and available; never in transit.
    pub from: Account,
    /// Who gets; as `from`.
    pub to: Account,
    /// Minor units.
    pub amount: u64,
    /// Of the amount.
    pub currency: Currency,
    /// For people: at most 256 bytes.
    pub memo: String,
    /// Two different people: 1 to 64 bytes each.
    pub approved_by: [String; 2],
}

/// A settlement batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub struct Settlement {
    /// Unique.
    pub batch_no: Number,
    /// The one merchant to settle; `None` is all.
    pub merchant: Option<MerchantId>,
}

/// One merchant's part of a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub struct Settle {
    /// Who is settled.
    pub merchant: MerchantId,
    /// In which open batch.
    pub batch_no: Number,
}

/// An owner's accruals, all of them at one point of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub struct SweepItem {
    /// Whose.
    pub owner: MerchantId,
    /// The owner's.
    pub currency: Currency,
    /// The sum over all shards, over 0: what the owner gets. Each shard gives what it has, also below zero.
    pub amount: u64,
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
    /// Split returns that run with it, atomically; at most [`SPLIT_PARTS_MAX`](crate::SPLIT_PARTS_MAX). No part of the
    /// refund's identity either.
    pub split_returns: Vec<SplitReturn>,
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
    /// says where the books begin: allowed while no order was taken on any shard, either way, and never sent by a caller.
    pub cut: bool,
}

// A batch of 8,190 requests must fit a frame of 1 MiB and stay in the second-level cache.
const _: () = assert!(size_of::<Request>() <= 112);
const _: () = assert!(size_of::<rkyv::Archived<Request>>() <= 96);
const _: () = assert!(size_of::<rkyv::Archived<crate::Reply>>() <= 24);
