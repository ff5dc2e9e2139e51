//! Bills: what a channel says it did on a day, in each channel's own format, read into one kind of row.
//!
//! A bill is believed whole or not at all: its own totals are checked first. Whoever takes its rows must keep nothing of
//! them before the reader has come to the end and said that it is sound.

use suanpan_core::{Currency, Date, Timestamp};

/// What a line of a bill is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BillKind {
    /// Money came in.
    Payment,
    /// Money went back.
    Refund,
    /// A payment was cancelled whole, on its day.
    Void,
}

/// How far the channel is with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BillState {
    /// Done.
    Succeeded,
    /// On its way.
    Processing,
    /// It will not be done.
    Failed,
    /// The channel could not do it and asks for another way (退款异常, `CHANGE`).
    Abnormal,
}

/// One line of a bill. What the format or the line does not have is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BillRow<'a> {
    /// Which of the files, from 0, and its line there, from 1.
    pub file: usize,
    /// See `file`.
    pub line: u64,
    /// What it is about.
    pub kind: BillKind,
    /// How far it is.
    pub state: BillState,
    /// The channel's own time of it.
    pub time: Timestamp,
    /// The merchant's number at the channel, below the account that the bill is of (特约商户号).
    pub sub_merchant: &'a str,
    /// The order at the channel.
    pub channel_txn: &'a str,
    /// The order with us.
    pub order_no: &'a str,
    /// The refund or void at the channel.
    pub channel_refund_no: &'a str,
    /// The refund or void with us.
    pub refund_no: &'a str,
    /// Of the amount.
    pub currency: Currency,
    /// The cash in it, in minor units; what is given back is positive too.
    pub amount: u64,
    /// What the channel charges for it, in millionths of the major unit; below zero when it gives a charge back.
    pub fee_millionths: i64,
}

/// What a sound bill says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BillTotals {
    /// Whose bill it is: the account at the channel; empty where the format has none.
    pub account: String,
    /// The day it is of.
    pub date: Date,
    /// Its lines.
    pub rows: u64,
    /// Payments in it, and their cash in minor units.
    pub payments: u64,
    /// See `payments`.
    pub paid: u128,
    /// Refunds and voids in it, and their cash in minor units.
    pub refunds: u64,
    /// See `refunds`.
    pub refunded: u128,
    /// The sum of its charges, in millionths of the major unit.
    pub fee_millionths: i128,
}
