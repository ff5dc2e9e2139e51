//! Time zones by their IANA names, turned into the offsets that the core goes by.

use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use suanpan_core::{Zone, ZoneStep};

/// Where channels stand unless told otherwise.
pub(super) const DEFAULT: &str = "Asia/Shanghai";

/// Offsets are written out from 1970 to 2100; the last one holds on.
const UNTIL_S: i64 = 4_102_444_800;
/// The most steps that the core takes.
const STEPS_MAX: usize = 1_024;

/// The database that is part of the program: every machine knows the same zones, and no file is looked for.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The zone of that name, whatever its case, if there is one.
pub(super) fn resolve(name: &str) -> Option<Zone> {
    let zone = ZONES.get(name).ok().filter(|zone| !zone.is_unknown())?;
    let name = zone.iana_name()?;
    Some(Zone { name: name.to_owned(), steps: steps(&zone) })
}

fn steps(zone: &TimeZone) -> Vec<ZoneStep> {
    let first = ZoneStep { from_s: i64::MIN, offset_s: zone.to_offset(Timestamp::UNIX_EPOCH).seconds() };
    let mut steps = vec![first];
    let later = zone.following(Timestamp::UNIX_EPOCH).map(|transition| ZoneStep {
        from_s: transition.timestamp().as_second(),
        offset_s: transition.offset().seconds(),
    });
    for step in later.take_while(|step| step.from_s < UNTIL_S) {
        // A transition may change no more than the zone's abbreviation.
        if steps.last().is_some_and(|last| last.offset_s != step.offset_s) && steps.len() < STEPS_MAX {
            steps.push(step);
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offset_at(zone: &Zone, second: i64) -> i32 {
        zone.at(suanpan_core::Timestamp(second * 1000))
    }

    #[test]
    fn zones_are_known_without_the_machine_s_own_database() {
        let shanghai = resolve("asia/shanghai").unwrap();
        assert_eq!(shanghai.name, "Asia/Shanghai");
        assert_eq!(offset_at(&shanghai, 1_535_256_000), 28_800);
        // 1988 had summer time in China.
        assert_eq!(offset_at(&shanghai, 583_400_000), 32_400);
        let utc = resolve("UTC").unwrap();
        assert_eq!(utc.steps.len(), 1);
        for name in
            ["", "Nowhere/Land", "../etc/passwd", "Etc/Unknown", "Asia/Shanghai ", "+08:00", "localtime"]
        {
            assert_eq!(resolve(name), None, "{name}");
        }
    }

    #[test]
    fn every_offset_of_every_zone_agrees_with_its_database() {
        for name in
            ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Tehran"]
        {
            let (zone, truth) = (resolve(name).unwrap(), ZONES.get(name).unwrap());
            assert!(zone.steps.len() < STEPS_MAX);
            assert!(zone.steps.is_sorted_by(|a, b| a.from_s < b.from_s));
            for second in (0..UNTIL_S).step_by(7 * 86_400 + 1_801) {
                let offset = truth.to_offset(Timestamp::from_second(second).unwrap());
                assert_eq!(offset_at(&zone, second), offset.seconds(), "{name} at {second}");
            }
        }
    }
}
