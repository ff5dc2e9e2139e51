//! Channels, their rules and the presets they start from (domain.md, "Voids and refunds").

use std::sync::Arc;

use rkyv::{Archive, Deserialize, Serialize};

use crate::digest::Digest;
use crate::{Blackout, Field, Rate, Receipt, Rejection, Rounding, Timestamp, Vote, Zone};

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

/// Longest name of a channel, in bytes.
pub(crate) const CHANNEL_NAME_BYTES_MAX: usize = 32;
/// Most blackout windows of a channel.
pub(crate) const BLACKOUTS_MAX: usize = 8;
/// Longest refund window: a hundred years.
pub(crate) const REFUND_WINDOW_DAYS_MAX: u32 = 36_525;

impl Preset {
    /// All that ship, in the order of domain.md.
    pub const ALL: [Self; 8] = [
        Self::Wechat,
        Self::Alipay,
        Self::Qq,
        Self::Bestpay,
        Self::Unionpay,
        Self::Jd,
        Self::Bank,
        Self::Aggregate,
    ];

    /// The name in api.md.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wechat => "wechat",
            Self::Alipay => "alipay",
            Self::Qq => "qq",
            Self::Bestpay => "bestpay",
            Self::Unionpay => "unionpay",
            Self::Jd => "jd",
            Self::Bank => "bank",
            Self::Aggregate => "aggregate",
        }
    }

    /// The preset of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.name() == name)
    }
}

impl ChannelTerms {
    /// A channel as its preset has it (domain.md, "Voids and refunds"); the cost rate begins at zero.
    #[must_use]
    pub fn preset(name: &str, preset: Preset, zone: Zone) -> Self {
        let refund_window_days = match preset {
            Preset::Wechat | Preset::Qq => 365,
            Preset::Alipay | Preset::Aggregate => 90,
            Preset::Bestpay | Preset::Unionpay | Preset::Jd | Preset::Bank => 180,
        };
        let returns_cost =
            matches!(preset, Preset::Wechat | Preset::Qq | Preset::Unionpay | Preset::Aggregate);
        let bank = preset == Preset::Bank;
        Self {
            name: name.to_owned(),
            preset,
            cost_rate: Rate(0),
            cost_rounding: if preset == Preset::Alipay { Rounding::Down } else { Rounding::HalfUp },
            cost_refund: if returns_cost { FeeRefund::Proportional } else { FeeRefund::None },
            refund_window_days,
            max_refunds_per_order: (preset == Preset::Wechat).then_some(50),
            same_day: if bank { SameDay::VoidOnly } else { SameDay::Allow },
            single_refund_in_flight: bank || preset == Preset::Aggregate,
            resubmit_failed: if preset == Preset::Bestpay {
                FailedRefund::NextDay
            } else {
                FailedRefund::Never
            },
            blackout: if bank {
                vec![Blackout { from_minute: 22 * 60, to_minute: 24 * 60 }]
            } else {
                Vec::new()
            },
            zone,
        }
    }

    /// Whether the channel takes neither payments nor refunds at that moment.
    #[must_use]
    pub fn is_blacked_out(&self, moment: Timestamp) -> bool {
        if self.blackout.is_empty() {
            return false;
        }
        let (_, minute) = moment.wall(self.zone.at(moment));
        self.blackout.iter().any(|window| window.covers(minute))
    }

    /// Whether a refund decided `now` is within the window of a payment taken at `paid_at`: by calendar
    /// dates of the channel's own clock, the last one included.
    #[must_use]
    pub fn takes_refund(&self, paid_at: Timestamp, now: Timestamp) -> bool {
        let (paid_on, _) = paid_at.wall(self.zone.at(paid_at));
        let (today, _) = now.wall(self.zone.at(now));
        paid_on.plus_days(self.refund_window_days) >= today
    }

    /// The cost of a payment, in minor units.
    #[must_use]
    pub fn cost(&self, cash: u64) -> u64 {
        self.cost_rate.fee(cash, self.cost_rounding)
    }

    pub(crate) fn check(&self) -> Result<(), Field> {
        let name = self.name.as_bytes();
        let allowed = |b: &u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        if !(1..=CHANNEL_NAME_BYTES_MAX).contains(&name.len()) || !name.iter().all(allowed) {
            return Err(Field::Channel);
        }
        if !self.cost_rate.is_valid() {
            return Err(Field::CostRate);
        }
        if self.refund_window_days > REFUND_WINDOW_DAYS_MAX {
            return Err(Field::RefundWindowDays);
        }
        if self.blackout.len() > BLACKOUTS_MAX || !self.blackout.iter().all(|window| window.is_valid()) {
            return Err(Field::Blackout);
        }
        self.zone.check()
    }
}

/// The channels of a ledger, by id: the same on every shard, since every shard puts them in one order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Channels {
    pub(crate) terms: Vec<ChannelTerms>,
    /// Shared with whoever writes a trial balance.
    names: Arc<Vec<String>>,
}

/// What putting a channel did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Put {
    Made,
    Replaced,
    Equal,
}

impl Put {
    pub(crate) fn existed(self) -> bool {
        self != Self::Made
    }

    pub(crate) fn changed(self) -> bool {
        self != Self::Equal
    }
}

impl Channels {
    #[inline]
    pub(crate) fn get(&self, id: ChannelId) -> Option<&ChannelTerms> {
        self.terms.get(usize::from(id.0))
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<(ChannelId, &ChannelTerms)> {
        (0..).map(ChannelId).zip(&self.terms).find(|(_, terms)| terms.name == name)
    }

    /// The rules of a channel that an order names: a channel never goes away.
    ///
    /// # Panics
    /// When there is no such channel.
    pub(crate) fn of_order(&self, id: ChannelId) -> &ChannelTerms {
        &self.terms[usize::from(id.0)]
    }

    /// Whether the channel may be put.
    pub(crate) fn vote(&self, terms: &ChannelTerms) -> Vote {
        match self.by_name(&terms.name) {
            Some((id, known)) if known == terms => Vote::Done(Receipt::Channel { id, existed: true }),
            None if self.terms.len() > usize::from(u16::MAX) => Vote::No(Rejection::Overflow, None),
            _ => Vote::Yes(None),
        }
    }

    /// Makes or replaces the channel of that name.
    ///
    /// # Errors
    /// When there are as many channels as there can be ids.
    pub(crate) fn put(&mut self, terms: &ChannelTerms) -> Result<(ChannelId, Put), Rejection> {
        if let Some((id, known)) = self.by_name(&terms.name) {
            if known == terms {
                return Ok((id, Put::Equal));
            }
            self.terms[usize::from(id.0)] = terms.clone();
            return Ok((id, Put::Replaced));
        }
        let id = u16::try_from(self.terms.len()).map_err(|_| Rejection::Overflow)?;
        self.terms.push(terms.clone());
        Arc::make_mut(&mut self.names).push(terms.name.clone());
        Ok((ChannelId(id), Put::Made))
    }

    pub(crate) fn names(&self) -> Arc<Vec<String>> {
        self.names.clone()
    }

    pub(crate) fn digest(&self, digest: &mut Digest) {
        for (id, terms) in (0..).zip(&self.terms) {
            digest.record(b"channel", |record| {
                record.u64(id).bytes(terms.name.as_bytes()).u64(terms.preset as u64);
                record.u64(terms.cost_rate.0.into()).u64(terms.cost_rounding as u64);
                record.u64(terms.cost_refund as u64).u64(terms.refund_window_days.into());
                record.option(terms.max_refunds_per_order.map(u64::from)).u64(terms.same_day as u64);
                record.u64(terms.single_refund_in_flight.into()).u64(terms.resubmit_failed as u64);
                record.u64(terms.blackout.len() as u64);
                for window in &terms.blackout {
                    record.u64(window.from_minute.into()).u64(window.to_minute.into());
                }
                record.bytes(terms.zone.name.as_bytes());
                for step in &terms.zone.steps {
                    record.i64(step.from_s).i64(step.offset_s.into());
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_those_of_the_table() {
        let preset = |preset| ChannelTerms::preset("x", preset, Zone::fixed("UTC", 0));
        for known in Preset::ALL {
            assert_eq!(Preset::from_name(known.name()), Some(known));
            assert_eq!(preset(known).check(), Ok(()));
        }
        assert_eq!(Preset::from_name("paypal"), None);
        let windows = Preset::ALL.map(|name| preset(name).refund_window_days);
        assert_eq!(windows, [365, 90, 365, 180, 180, 180, 180, 90]);
        let returning = Preset::ALL.map(|name| preset(name).cost_refund == FeeRefund::Proportional);
        assert_eq!(returning, [true, false, true, false, true, false, false, true]);
        let single = Preset::ALL.map(|name| preset(name).single_refund_in_flight);
        assert_eq!(single, [false, false, false, false, false, false, true, true]);
        assert_eq!(preset(Preset::Wechat).max_refunds_per_order, Some(50));
        assert_eq!(preset(Preset::Alipay).max_refunds_per_order, None);
        assert_eq!(preset(Preset::Alipay).cost_rounding, Rounding::Down);
        assert_eq!(preset(Preset::Bestpay).resubmit_failed, FailedRefund::NextDay);
        assert_eq!(preset(Preset::Bank).same_day, SameDay::VoidOnly);
    }
}
