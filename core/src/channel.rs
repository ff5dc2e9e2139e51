//! Channels, their rules, the presets they start from, and their wall clocks (domain.md, "Voids and refunds").

use rkyv::{Archive, Deserialize, Serialize};

use crate::{Rate, Rounding};

/// A channel's place in the order in which channels were first put: small, dense, the same on every shard.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Archive, Serialize, Deserialize)]
pub struct ChannelId(pub u16);

/// What is given back of a fee or cost with a refund.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Archive, Serialize, Deserialize)]
#[repr(u8)]
pub enum FeeRefund {
    /// The refund's share, and with the last refund whatever is left.
    #[default]
    Proportional,
    /// Nothing.
    None,
}

/// What a channel does with refunds on the day of payment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Archive, Serialize, Deserialize)]
#[repr(u8)]
pub enum SameDay {
    /// An ordinary refund.
    #[default]
    Allow,
    /// Full only, sent as a void.
    VoidOnly,
    /// Not before the next day.
    NextDay,
}

/// What becomes of a refund that the channel failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Archive, Serialize, Deserialize)]
#[repr(u8)]
pub enum FailedRefund {
    /// It stays failed until it is sent again under its number.
    #[default]
    Never,
    /// It is held and goes out again after the day cut, by itself.
    NextDay,
}

/// A daily window of the channel's wall clock in which it takes neither payments nor refunds.
///
/// Minutes of the day, from inclusive (0..=1439), to exclusive (1..=1440); `from > to` wraps over midnight.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub struct Blackout {
    /// First minute of the window.
    pub from_minute: u16,
    /// First minute after it.
    pub to_minute: u16,
}

/// From `from_s` (seconds since 1970 UTC) on, the wall clock is `offset_s` seconds ahead of UTC.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub struct ZoneStep {
    /// When the offset begins to hold.
    pub from_s: i64,
    /// Seconds ahead of UTC, within a day either way.
    pub offset_s: i32,
}

/// A time zone as it was known when the channel was put: its name, for people, and its offsets in order.
///
/// The steps are written to the log with the channel, so that a replay decides as the first run did,
/// whatever time-zone database the machine has by then. Never empty; the first step holds for all before.
#[derive(Clone, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub struct Zone {
    /// IANA name, as given.
    pub name: String,
    /// Offsets, by rising `from_s`; 1 to 1,024 of them.
    pub steps: Vec<ZoneStep>,
}

/// The rule sets that ship.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Archive, Serialize, Deserialize)]
#[repr(u8)]
#[expect(missing_docs, reason = "the channels' own names")]
pub enum Preset {
    Wechat,
    Alipay,
    Qq,
    Bestpay,
    Unionpay,
    Jd,
    Bank,
    #[default]
    Aggregate,
}

/// All that is known of a channel. Putting it again replaces it.
#[derive(Clone, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub struct ChannelTerms {
    /// 1 to 32 of `a-z 0-9 _ -`.
    pub name: String,
    /// The preset it started from.
    pub preset: Preset,
    /// What the channel charges the operator.
    pub cost_rate: Rate,
    /// How that is rounded, also when it is returned.
    pub cost_rounding: Rounding,
    /// What of it the channel gives back with a refund.
    pub cost_refund: FeeRefund,
    /// Calendar dates after payment, in the channel's zone, on which a refund is still taken.
    pub refund_window_days: u32,
    /// Refunds of one order; `None` is no limit.
    pub max_refunds_per_order: Option<u32>,
    /// Refunds on the day of payment.
    pub same_day: SameDay,
    /// Whether an order may have only one refund in flight.
    pub single_refund_in_flight: bool,
    /// What becomes of a failed refund.
    pub resubmit_failed: FailedRefund,
    /// Daily windows without service; at most 8.
    pub blackout: Vec<Blackout>,
    /// The channel's wall clock.
    pub zone: Zone,
}
