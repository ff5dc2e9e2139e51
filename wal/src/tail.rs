//! Reserving a place: a bump allocator over the endless file, one shared word moved by compare-and-swap.
//!
//! Why compare-and-swap and not one fetch-and-add: a record never straddles two segments, so where it goes
//! depends on where the tail is. An add would claim bytes across the border first and find out after; what to do
//! with the two ragged pieces would then have to be agreed on with those who added behind it. Here the place is
//! worked out before it is taken, and the one that crosses owns the rest of the old segment. It is one swap per
//! batch of up to thousands of commands, so losing a race now and then costs nothing that can be measured.
//!
//! Orderings: places are disjoint by the atomicity of the swap alone, and a record's bytes are published by its
//! first word (`map.rs`), not by the tail. AcqRel on the swap is for the segments: whoever sees the tail in a
//! segment has synchronized with one that was admitted there, hence knew the segment to be in the table, so a
//! lookup after the swap finds it. [`Tail::get`] may be Relaxed: `geometry.rs` argues why a stale look is safe.

use crate::geometry::{Geometry, REST_MIN};
use crate::record::RECORD_ALIGN;
use crate::sync::{AtomicU64, Ordering};
use crossbeam_utils::CachePadded;

/// Bytes that belong to the one who reserved them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Where the record goes.
    pub(crate) lsn: u64,
    /// Where the next one goes; settled, see [`Geometry::settle`].
    pub(crate) end: u64,
    /// Set when this reservation left a segment: where in it an end record is owed.
    pub(crate) closes: Option<u64>,
}

pub(crate) struct Tail {
    next: CachePadded<AtomicU64>,
    geometry: Geometry,
}

impl Tail {
    pub(crate) fn new(geometry: Geometry, next: u64) -> Tail {
        assert_eq!(geometry.settle(next), next);
        Tail { next: CachePadded::new(AtomicU64::new(next)), geometry }
    }

    /// Where the next record would go.
    pub(crate) fn get(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    /// Takes `size` bytes in one segment. The caller has been admitted, and now owes the record there.
    pub(crate) fn reserve(&self, size: u64) -> Place {
        assert!(size >= RECORD_ALIGN && size.is_multiple_of(RECORD_ALIGN));
        assert!(size <= self.geometry.segment_size() / 4, "a record is bounded by admission");
        let mut next = self.next.load(Ordering::Relaxed);
        loop {
            let place = place(self.geometry, next, size);
            match self.next.compare_exchange_weak(next, place.end, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return place,
                Err(now) => next = now,
            }
        }
    }
}

/// Where a record of `size` bytes goes when the tail is at `next`.
fn place(geometry: Geometry, next: u64, size: u64) -> Place {
    let rest = geometry.segment_size() - geometry.offset(next);
    assert!(rest >= REST_MIN);
    if size <= rest {
        return Place { lsn: next, end: geometry.settle(next + size), closes: None };
    }
    let lsn = geometry.first(geometry.segment(next) + 1);
    Place { lsn, end: geometry.settle(lsn + size), closes: Some(next) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::SEGMENT_SIZE_MIN;
    use proptest::prelude::*;

    proptest! {
        /// Whatever is reserved, by however many: the places tile the log, none straddles a border.
        #[test]
        fn places_are_disjoint_and_leave_no_gap(sizes in prop::collection::vec(1u64..2048, 1..400)) {
            let geometry = Geometry::new(SEGMENT_SIZE_MIN);
            let tail = Tail::new(geometry, geometry.first(0));
            let mut places: Vec<(Place, u64)> = std::thread::scope(|scope| {
                let halves: Vec<_> = sizes.chunks(sizes.len().div_ceil(2)).map(|half| {
                    let tail = &tail;
                    scope.spawn(move || half.iter().map(|n| (tail.reserve(n * 8), n * 8)).collect::<Vec<_>>())
                }).collect();
                halves.into_iter().flat_map(|half| half.join().unwrap()).collect()
            });
            places.sort_by_key(|(place, _)| place.lsn);
            let mut next = geometry.first(0);
            for (place, size) in &places {
                match place.closes {
                    Some(end) => {
                        prop_assert_eq!(end, next);
                        prop_assert!(geometry.offset(end) + size > SEGMENT_SIZE_MIN);
                        prop_assert_eq!(place.lsn, geometry.first(geometry.segment(end) + 1));
                    }
                    None => prop_assert_eq!(place.lsn, next),
                }
                prop_assert!(geometry.offset(place.lsn) + size <= SEGMENT_SIZE_MIN);
                next = place.end;
            }
            prop_assert_eq!(tail.get(), next);
        }
    }
}
