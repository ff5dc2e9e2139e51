//! # suanpan-core: the rules
//!
//! One [`Ledger`] holds the merchants, channels, orders, refunds, voids and accounts of one shard and is
//! changed only by [`Ledger::apply`]: a command and the time it was decided go in, a [`Reply`] comes out,
//! and the entries it booked go to an [`EntrySink`].
//!
//! It promises that for any sequence of commands
//! - the entries of one command are one atomic group and every currency sums to zero after it;
//! - no merchant account is ever below zero, and no order gives back more than was paid;
//! - what is refused changes nothing;
//! - the same sequence gives the same replies and the same [`Ledger::digest`], on any machine, forever.
//!
//! [`encode`] and [`decode`] are the compact form in which a log holds commands; [`Ledger::touch`] lets a batch
//! of commands wait for memory together.
//!
//! What it deliberately does **not** do: no I/O, no clock, no threads, no randomness, no floats, no time-zone
//! database. Time comes in with each command; a channel's time zone comes in as a table of offsets
//! ([`Zone`]); what must last is the log's business, and who may ask is the edge's.
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic)]

mod account;
mod adjustment;
mod arena;
mod calendar;
mod channel;
mod check;
mod codec;
mod cold;
mod command;
mod date;
mod day;
mod digest;
mod entry;
mod event;
mod image;
mod index;
mod journal;
mod ledger;
mod merchant;
mod money;
mod movement;
mod number;
mod order;
mod payment;
mod prepaid;
mod promoter;
mod query;
mod refund;
mod reply;
mod result;
mod settlement;
mod snapshot;
mod split;
mod sweep;
mod tags;
mod view;
mod void;
mod vote;
mod zone;

pub use account::{Account, BALANCE_MAX, BookLine, MerchantAccount};
pub use calendar::{HOLIDAYS_MAX, Holidays};
pub use channel::{ChannelId, ChannelTerms, FailedRefund, FeeRefund, Preset, SameDay};
pub use check::{SPLIT_PARTS_MAX, SWEEP_ITEMS_MAX};
pub use codec::{CodecError, decode, encode};
pub use cold::{ColdBlock, ColdKey, ColdKind, ColdOrder, Departures};
pub use command::{
    Adjustment, Close, Command, Confirm, Discounts, Freeze, NewOrder, OrderRef, Payment, PaymentDetails,
    Payout, PayoutResult, Refund, RefundDetails, RefundResult, RefundResultState, Request, Run, SetDate,
    Settle, Settlement, Split, SplitReturn, SweepItem, TopUp, Transfer, Unfreeze, Void, VoidResult,
};
pub use date::{Date, Timestamp};
pub use day::{BackKind, BackRow, OrderRow, Touched};
pub use entry::{Entry, EntrySink, Subject, Voucher};
pub use event::{Event, EventKind};
pub use image::{ImageError, Kin, OrderImage, Restore, read_order, write_image};
pub use ledger::{Applied, Key, Ledger, Memory};
pub use merchant::{
    Cycle, DiscountRefund, Limits, MerchantId, MerchantStatus, MerchantTerms, RefundFunding, SettlementMode,
};
pub use money::{AMOUNT_MAX, Currency, InvalidMoney, Rate, Rounding};
pub use number::{InvalidNumber, NUMBER_BYTES, Number};
pub use promoter::{COMMISSION_LEVELS, Promoter};
pub use query::{
    AdjustmentView, BalancesView, Commission, EntryView, MovementKind, MovementState, MovementView,
    OrderStatus, OrderView, PAGE_ENTRIES_MAX, PAGE_REFUNDS_MAX, PAGE_SCAN_MAX, Query, RawTotals, RefundState,
    RefundView, SentAs, SettlementView, ShardTotals, SplitReturnView, SplitView, VoidState, VoidView,
};
pub use reply::{Field, Receipt, Rejection, Reply};
pub use snapshot::Snapshot;
pub use vote::Vote;
pub use zone::{Blackout, Zone, ZoneStep};
