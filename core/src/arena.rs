//! Records in chunks that never move, addressed by a small number.
//!
//! A *snapshot* of an arena is a second one with the same records, at the cost of a pointer for each chunk: chunks are shared
//! from then on, and one that is written to is copied first. So a snapshot can be written of a moment while the shard goes
//! on, and pays for the chunks that it changes meanwhile. A chunk that nobody shares any more is taken back as it is.
//!
//! A record that is *taken out* leaves a vacant slot, which the next record gets; a chunk that is all vacant gives its
//! memory back. So the memory follows the records that are there.

use std::sync::Arc;

/// A place that holds nothing: the arena stops one short of it.
pub(crate) const NOWHERE: u32 = u32::MAX;

/// What an arena keeps. Records of some kinds are taken out again; they say what stands in their place.
pub(crate) trait Record: Clone {
    /// Whether it only stands for a record that was taken out.
    fn is_vacant(&self) -> bool {
        false
    }

    /// What stands in a slot without a record.
    fn vacant() -> Self {
        unreachable!("records of this kind stay")
    }
}

/// Records of one kind, in chunks of `1 << CHUNK_BITS`: one more record never copies those that are there,
/// so no command pays for the growth of the whole.
#[derive(Debug)]
pub(crate) struct Arena<T, const CHUNK_BITS: u32> {
    chunks: Vec<Chunk<T>>,
    /// Records there are.
    len: u32,
    /// Slots that were ever used: the first that was not.
    end: u32,
    /// Vacant slots by chunk, as places in it. Shorter than `chunks` where nothing was ever vacated.
    vacant: Vec<Vec<u32>>,
    /// Chunks with vacant slots, the one to be filled next last. Some may be filled up or given back by now.
    open: Vec<u32>,
    /// Chunks that were given back.
    empty: Vec<u32>,
}

#[derive(Debug)]
enum Chunk<T> {
    Own(Vec<T>),
    /// Seen by a snapshot too.
    Shared(Arc<Vec<T>>),
}

impl<T> Chunk<T> {
    #[inline]
    fn records(&self) -> &Vec<T> {
        match self {
            Self::Own(records) => records,
            Self::Shared(records) => records,
        }
    }

    /// The records, to be changed; `capacity` is a whole chunk's.
    #[inline]
    fn own(&mut self, capacity: usize) -> &mut Vec<T>
    where
        T: Clone,
    {
        if let Self::Shared(_) = self {
            self.part(capacity);
        }
        match self {
            Self::Own(records) => records,
            Self::Shared(_) => unreachable!("parted above"),
        }
    }

    #[cold]
    fn part(&mut self, capacity: usize)
    where
        T: Clone,
    {
        let Self::Shared(shared) = std::mem::replace(self, Self::Own(Vec::new())) else { return };
        let own = Arc::try_unwrap(shared).unwrap_or_else(|shared| {
            let mut own = Vec::with_capacity(capacity);
            own.extend(shared.iter().cloned());
            own
        });
        *self = Self::Own(own);
    }

    fn share(&mut self) -> Self {
        if let Self::Own(records) = self {
            *self = Self::Shared(Arc::new(std::mem::take(records)));
        }
        match self {
            Self::Shared(records) => Self::Shared(records.clone()),
            Self::Own(_) => unreachable!("shared above"),
        }
    }
}

impl<T, const CHUNK_BITS: u32> Arena<T, CHUNK_BITS> {
    const CHUNK: usize = 1 << CHUNK_BITS;

    pub(crate) fn new() -> Self {
        Self { chunks: Vec::new(), len: 0, end: 0, vacant: Vec::new(), open: Vec::new(), empty: Vec::new() }
    }

    /// Records there are.
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// Whether one more record has an address, at most `last`.
    pub(crate) fn has_room_to(&self, last: u32) -> bool {
        self.end <= last || self.len < self.end
    }

    /// Whether one more record has an address.
    pub(crate) fn has_room(&self) -> bool {
        self.has_room_to(NOWHERE - 1)
    }

    #[inline]
    fn split(slot: u32) -> (usize, usize) {
        ((slot >> CHUNK_BITS) as usize, slot as usize & (Self::CHUNK - 1))
    }

    /// What the chunks take, in bytes, whether filled or not.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let whole = self.chunks.iter().map(|chunk| chunk.records().capacity() * size_of::<T>());
        whole.sum::<usize>() as u64
    }

    /// The same records as they are now; its chunks are this one's until they are changed. It takes no records.
    pub(crate) fn snapshot(&mut self) -> Self {
        let chunks = self.chunks.iter_mut().map(Chunk::share).collect();
        Self { chunks, len: self.len, end: self.end, ..Self::new() }
    }

    /// A slot's chunk, to be changed.
    #[inline]
    fn own(&mut self, chunk: usize) -> &mut Vec<T>
    where
        T: Clone,
    {
        self.chunks[chunk].own(Self::CHUNK)
    }
}

impl<T: Record, const CHUNK_BITS: u32> Arena<T, CHUNK_BITS> {
    /// Keeps a record and says where.
    ///
    /// # Panics
    /// When there is no room: that is checked before anything is changed.
    #[inline]
    pub(crate) fn push(&mut self, record: T) -> u32 {
        assert!(self.has_room(), "room was checked before");
        self.len += 1;
        if (!self.open.is_empty() || !self.empty.is_empty())
            && let Some(slot) = self.take_vacant()
        {
            let (chunk, at) = Self::split(slot);
            self.own(chunk)[at] = record;
            return slot;
        }
        let slot = self.end;
        let (chunk, at) = Self::split(slot);
        if at == 0 {
            self.chunks.push(Chunk::Own(Vec::with_capacity(Self::CHUNK)));
        }
        let records = self.own(chunk);
        assert!(records.len() == at, "the last chunk is filled from its beginning");
        records.push(record);
        self.end += 1;
        slot
    }

    #[cold]
    fn take_vacant(&mut self) -> Option<u32> {
        loop {
            let Some(&chunk) = self.open.last() else {
                let chunk = self.empty.pop()?;
                self.refill(chunk);
                continue;
            };
            match self.vacant[chunk as usize].pop() {
                Some(at) => return Some((chunk << CHUNK_BITS) | at),
                None => self.open.pop(),
            };
        }
    }

    /// Keeps a record at the slot that another arena, filled alike, gave to its own.
    #[inline]
    pub(crate) fn set(&mut self, slot: u32, record: T) {
        if slot == self.end {
            self.push(record);
        } else {
            self[slot] = record;
        }
    }

    /// Makes a chunk that was given back one of vacant slots, to be filled from its beginning.
    fn refill(&mut self, chunk: u32) {
        self.chunks[chunk as usize] = Chunk::Own(vec![T::vacant(); Self::CHUNK]);
        self.vacant[chunk as usize] = (0..1 << CHUNK_BITS).rev().collect();
        self.open.push(chunk);
    }

    /// The records that are there, and where.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (u32, &T)> {
        let slots = self.chunks.iter().zip(0u32..).flat_map(|(chunk, number)| {
            chunk.records().iter().zip(0u32..).map(move |(record, at)| ((number << CHUNK_BITS) | at, record))
        });
        slots.filter(|(_, record)| !record.is_vacant())
    }

    /// The records that are there.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.entries().map(|(_, record)| record)
    }

    /// Takes a record out; its slot is another's from then on.
    ///
    /// # Panics
    /// When there is none.
    pub(crate) fn take(&mut self, slot: u32) -> T {
        let (chunk, at) = Self::split(slot);
        let record = std::mem::replace(&mut self.own(chunk)[at], T::vacant());
        assert!(!record.is_vacant(), "a record is taken out once");
        self.len -= 1;
        if self.vacant.len() <= chunk {
            self.vacant.resize_with(chunk + 1, Vec::new);
        }
        let vacant = &mut self.vacant[chunk];
        #[expect(clippy::cast_possible_truncation, reason = "chunk and place are parts of a slot")]
        let (number, place) = (chunk as u32, at as u32);
        if vacant.is_empty() {
            self.open.push(number);
        }
        vacant.push(place);
        // The last chunk is being filled; the others are full, of records or of vacant slots.
        if vacant.len() == Self::CHUNK && chunk + 1 < self.chunks.len() {
            *vacant = Vec::new();
            self.chunks[chunk] = Chunk::Own(Vec::new());
            self.empty.push(number);
        }
        record
    }
}

impl<T, const CHUNK_BITS: u32> std::ops::Index<u32> for Arena<T, CHUNK_BITS> {
    type Output = T;
    #[inline]
    fn index(&self, slot: u32) -> &T {
        let (chunk, at) = Self::split(slot);
        &self.chunks[chunk].records()[at]
    }
}

impl<T: Record, const CHUNK_BITS: u32> std::ops::IndexMut<u32> for Arena<T, CHUNK_BITS> {
    #[inline]
    fn index_mut(&mut self, slot: u32) -> &mut T {
        let (chunk, at) = Self::split(slot);
        &mut self.own(chunk)[at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    impl Record for String {
        fn is_vacant(&self) -> bool {
            self.is_empty()
        }

        fn vacant() -> Self {
            Self::new()
        }
    }

    #[test]
    fn records_stay_where_they_were_put() {
        let mut arena = Arena::<String, 2>::new();
        let slots: Vec<u32> = (0..9).map(|n| arena.push(format!("r{n}"))).collect();
        let first = std::ptr::from_ref(&arena[0]);
        for n in 9..100 {
            arena.push(format!("r{n}"));
        }
        assert_eq!(first, std::ptr::from_ref(&arena[0]));
        assert!(slots.iter().all(|&slot| arena[slot] == format!("r{slot}")));
        assert_eq!(arena.iter().count(), 100);
        assert_eq!(arena.len(), 100);
    }

    /// Against a map: records come, change and go, and snapshots stay as they were.
    #[test]
    fn snapshots_stay_and_what_is_vacant_is_filled_again() {
        let mut rng = fastrand::Rng::with_seed(4);
        let (mut arena, mut model) = (Arena::<String, 2>::new(), BTreeMap::<u32, String>::new());
        let mut snapshot: Vec<(Arena<String, 2>, BTreeMap<u32, String>)> = Vec::new();
        for n in 0..20_000 {
            // It grows, then shrinks to nothing, and so on.
            let grows = (n / 500) % 2 == 0;
            let any = (!model.is_empty()).then(|| {
                let nth = rng.usize(..model.len());
                model.keys().nth(nth).copied().unwrap_or_default()
            });
            match (rng.u8(..10), any) {
                (0..=1, Some(slot)) => {
                    arena[slot].push('x');
                    model.entry(slot).and_modify(|text| text.push('x'));
                }
                (2..=4, Some(slot)) if grows => assert_eq!(Some(arena.take(slot)), model.remove(&slot)),
                (2..=8, Some(slot)) if !grows => assert_eq!(Some(arena.take(slot)), model.remove(&slot)),
                (9, _) if n % 50 == 0 => {
                    snapshot.push((arena.snapshot(), model.clone()));
                    if snapshot.len() > 3 {
                        snapshot.remove(rng.usize(..3));
                    }
                }
                _ => {
                    let text = format!("r{n}");
                    assert_eq!(model.insert(arena.push(text.clone()), text), None, "a slot given twice");
                }
            }
            let whole = |arena: &Arena<String, 2>, model: &BTreeMap<u32, String>| {
                let there: BTreeMap<u32, String> =
                    arena.entries().map(|(slot, text)| (slot, text.clone())).collect();
                assert_eq!((&there, arena.len() as usize), (model, model.len()));
            };
            if n % 97 == 0 {
                whole(&arena, &model);
                snapshot.iter().for_each(|(arena, model)| whole(arena, model));
            }
        }
        let used = arena.chunks.iter().filter(|chunk| !chunk.records().is_empty()).count();
        assert!(
            !arena.empty.is_empty() && used < arena.chunks.len(),
            "chunks without records were given back"
        );
    }

    #[test]
    fn a_chunk_that_nobody_shares_any_more_is_not_copied() {
        let mut arena = Arena::<String, 2>::new();
        (0..4).for_each(|n| _ = arena.push(format!("r{n}")));
        let at = std::ptr::from_ref(&arena[0]);
        drop(arena.snapshot());
        arena[0].push('x');
        assert_eq!(at, std::ptr::from_ref(&arena[0]));
        let snapshot = arena.snapshot();
        arena[0].push('y');
        assert_ne!(at, std::ptr::from_ref(&arena[0]));
        assert_eq!((snapshot[0].as_str(), arena[0].as_str()), ("r0x", "r0xy"));
    }
}
