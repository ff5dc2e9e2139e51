//! Records in chunks that never move, addressed by a small number.

/// A place that holds nothing: the arena stops one short of it.
pub(crate) const NOWHERE: u32 = u32::MAX;

/// Records of one kind, in chunks of `1 << CHUNK_BITS`: one more record never copies those that are there,
/// so no command pays for the growth of the whole.
#[derive(Debug)]
pub(crate) struct Arena<T, const CHUNK_BITS: u32> {
    chunks: Vec<Vec<T>>,
    len: u32,
}

impl<T, const CHUNK_BITS: u32> Arena<T, CHUNK_BITS> {
    const CHUNK: usize = 1 << CHUNK_BITS;

    pub(crate) fn new() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }

    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// Whether one more record has an address.
    pub(crate) fn has_room(&self) -> bool {
        self.len < NOWHERE
    }

    /// Keeps a record and says where.
    ///
    /// # Panics
    /// When there is no room: that is checked before anything is changed.
    pub(crate) fn push(&mut self, record: T) -> u32 {
        assert!(self.has_room(), "room was checked before");
        let slot = self.len;
        let chunk = (slot >> CHUNK_BITS) as usize;
        if chunk == self.chunks.len() {
            self.chunks.push(Vec::with_capacity(Self::CHUNK));
        }
        self.chunks[chunk].push(record);
        self.len += 1;
        slot
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flatten()
    }

    /// What the chunks take, in bytes, whether filled or not.
    pub(crate) fn memory_bytes(&self) -> u64 {
        (self.chunks.len() * Self::CHUNK * size_of::<T>()) as u64
    }
}

impl<T, const CHUNK_BITS: u32> std::ops::Index<u32> for Arena<T, CHUNK_BITS> {
    type Output = T;
    #[inline]
    fn index(&self, slot: u32) -> &T {
        &self.chunks[(slot >> CHUNK_BITS) as usize][slot as usize & (Self::CHUNK - 1)]
    }
}

impl<T, const CHUNK_BITS: u32> std::ops::IndexMut<u32> for Arena<T, CHUNK_BITS> {
    #[inline]
    fn index_mut(&mut self, slot: u32) -> &mut T {
        &mut self.chunks[(slot >> CHUNK_BITS) as usize][slot as usize & (Self::CHUNK - 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_stay_where_they_were_put() {
        let mut arena = Arena::<String, 2>::new();
        let slots: Vec<u32> = (0..9).map(|n| arena.push(n.to_string())).collect();
        let first = std::ptr::from_ref(&arena[0]);
        for n in 9..100 {
            arena.push(n.to_string());
        }
        assert_eq!(first, std::ptr::from_ref(&arena[0]));
        assert!(slots.iter().all(|&slot| arena[slot] == slot.to_string()));
        assert_eq!(arena.iter().count(), 100);
        assert_eq!(arena.len(), 100);
    }
}
