//! A channel's wall clock and the windows in which it is closed (domain.md, "Orders", blackout).

use rkyv::{Archive, Deserialize, Serialize};

use crate::{Field, Timestamp};

/// Most steps of one zone.
pub(crate) const ZONE_STEPS_MAX: usize = 1024;
/// Longest name of a zone, in bytes.
pub(crate) const ZONE_NAME_BYTES_MAX: usize = 64;
const DAY_S: i32 = 86_400;
const DAY_MINUTES: u16 = 1440;

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

impl Blackout {
    /// Whether the minute of the day lies in the window.
    #[must_use]
    pub fn covers(self, minute: u16) -> bool {
        if self.from_minute < self.to_minute {
            self.from_minute <= minute && minute < self.to_minute
        } else {
            self.from_minute <= minute || minute < self.to_minute
        }
    }

    pub(crate) fn is_valid(self) -> bool {
        self.from_minute < DAY_MINUTES
            && (1..=DAY_MINUTES).contains(&self.to_minute)
            && self.from_minute != self.to_minute
    }
}

impl Zone {
    /// A zone that is always `offset_s` seconds ahead of UTC, within a day either way.
    #[must_use]
    pub fn fixed(name: &str, offset_s: i32) -> Self {
        Self { name: name.to_owned(), steps: vec![ZoneStep { from_s: i64::MIN, offset_s }] }
    }

    /// How many seconds the wall clock is ahead of UTC at that moment.
    #[must_use]
    pub fn at(&self, moment: Timestamp) -> i32 {
        let second = moment.0.div_euclid(1000);
        let after = self.steps.partition_point(|step| step.from_s <= second);
        self.steps.get(after.saturating_sub(1)).map_or(0, |step| step.offset_s)
    }

    pub(crate) fn check(&self) -> Result<(), Field> {
        let name = self.name.as_bytes();
        let named = (1..=ZONE_NAME_BYTES_MAX).contains(&name.len()) && name.iter().all(u8::is_ascii_graphic);
        let counted = (1..=ZONE_STEPS_MAX).contains(&self.steps.len());
        let rising = self.steps.is_sorted_by(|a, b| a.from_s < b.from_s);
        let near = self.steps.iter().all(|step| (-DAY_S..=DAY_S).contains(&step.offset_s));
        if named && counted && rising && near { Ok(()) } else { Err(Field::Timezone) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_ends_before_its_end_and_may_wrap_over_midnight() {
        let night = Blackout { from_minute: 22 * 60, to_minute: 1440 };
        assert!(!night.covers(22 * 60 - 1));
        assert!(night.covers(22 * 60) && night.covers(1439));
        assert!(!night.covers(0));
        let over = Blackout { from_minute: 1430, to_minute: 10 };
        assert!(over.covers(1430) && over.covers(0) && over.covers(9));
        assert!(!over.covers(10) && !over.covers(1429));
    }

    #[test]
    fn the_first_step_holds_for_all_before_it() {
        let mut zone = Zone::fixed("X", 3600);
        zone.steps[0].from_s = 100;
        zone.steps.push(ZoneStep { from_s: 200, offset_s: 7200 });
        assert_eq!(zone.at(Timestamp(0)), 3600);
        assert_eq!(zone.at(Timestamp(199_999)), 3600);
        assert_eq!(zone.at(Timestamp(200_000)), 7200);
        assert_eq!(zone.check(), Ok(()));
        zone.steps[1].from_s = 100;
        assert_eq!(zone.check(), Err(Field::Timezone));
    }
}
