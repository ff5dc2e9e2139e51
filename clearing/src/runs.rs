//! Values of one column as runs: most columns of a day repeat the value before for thousands of rows, or for all.
//!
//! A value that repeats costs a comparison and no memory. Where values hardly ever repeat they are kept plain, without a look.

/// Values in the order of their rows: all of them folded, or all of them plain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Runs<T> {
    values: Vec<T>,
    /// Where each run begins; empty when they are plain.
    starts: Vec<u32>,
    len: u32,
}

impl<T> Default for Runs<T> {
    fn default() -> Self {
        Self { values: Vec::new(), starts: Vec::new(), len: 0 }
    }
}

impl<T: Copy + PartialEq> Runs<T> {
    /// Adds a value, so many times.
    #[inline]
    pub(crate) fn add(&mut self, value: T, times: u32) {
        debug_assert!(times > 0, "a run of nothing");
        debug_assert!(self.len == 0 || !self.is_plain(), "values are all folded or all plain");
        if self.values.last() != Some(&value) {
            self.values.push(value);
            self.starts.push(self.len);
        }
        self.len += times;
    }

    /// Adds values, folded.
    #[inline]
    pub(crate) fn add_each(&mut self, values: impl Iterator<Item = T>) {
        values.for_each(|value| self.add(value, 1));
    }

    /// Adds values as they are.
    #[inline]
    pub(crate) fn add_plain(&mut self, values: impl ExactSizeIterator<Item = T>) {
        debug_assert!(self.is_plain(), "values are all folded or all plain");
        self.len += values.len() as u32;
        self.values.extend(values);
    }

    /// Whether nothing is folded.
    fn is_plain(&self) -> bool {
        self.starts.is_empty()
    }

    /// How many values, repetitions counted.
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// How many of these there are, of folded ones.
    pub(crate) fn count(&self, of: T) -> u32 {
        let runs = self.values.iter().zip(lengths(&self.starts, self.len));
        runs.filter(|(value, _)| **value == of).map(|(_, times)| times).sum()
    }

    /// The value of each run, or all of them.
    pub(crate) fn values(&self) -> &[T] {
        &self.values
    }

    /// Where each run begins; empty when all values are plain.
    pub(crate) fn starts(&self) -> &[u32] {
        &self.starts
    }

    /// All values: these, or written to `room` when some repeat.
    pub(crate) fn dense<'a>(&'a self, room: &'a mut Vec<T>) -> &'a [T] {
        if self.values.len() == self.len as usize {
            return &self.values;
        }
        room.clear();
        for (&value, times) in self.values.iter().zip(lengths(&self.starts, self.len)) {
            room.extend(std::iter::repeat_n(value, times as usize));
        }
        room
    }

    /// Forgets all, keeps the room.
    pub(crate) fn clear(&mut self) {
        self.values.clear();
        self.starts.clear();
        self.len = 0;
    }
}

/// How long each run is, of which there are some.
pub(crate) fn lengths(starts: &[u32], len: u32) -> impl Iterator<Item = u32> {
    let ends = starts.iter().skip(1).copied().chain([len]);
    starts.iter().zip(ends).map(|(start, end)| end - start)
}

/// Texts of one column in the order of their rows, repetitions folded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct TextRuns {
    texts: Texts,
    starts: Vec<u32>,
    len: u32,
}

impl TextRuns {
    /// Adds what `write` writes, so many times.
    #[inline]
    pub(crate) fn add(&mut self, times: u32, write: impl FnOnce(&mut Vec<u8>)) {
        debug_assert!(times > 0, "a run of nothing");
        if self.texts.add_unless_last(write) {
            self.starts.push(self.len);
        }
        self.len += times;
    }

    /// How many, repetitions counted.
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// Each run's text and length.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], u32)> {
        self.texts.iter().zip(lengths(&self.starts, self.len))
    }

    /// Forgets all, keeps the room.
    pub(crate) fn clear(&mut self) {
        self.texts.clear();
        self.starts.clear();
        self.len = 0;
    }
}

/// Texts one behind the other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Texts {
    bytes: Vec<u8>,
    /// Where each ends: 4 GiB are more than a chunk of rows or the names of a day have.
    ends: Vec<u32>,
}

impl Texts {
    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The text at a place.
    pub(crate) fn get(&self, at: usize) -> &[u8] {
        let from = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[from as usize..self.ends[at] as usize]
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut from = 0;
        self.ends.iter().map(move |&end| {
            let text = &self.bytes[from..end as usize];
            from = end as usize;
            text
        })
    }

    /// Adds one.
    pub(crate) fn add(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(text);
        self.end();
    }

    /// Adds those of another list from a place on.
    pub(crate) fn extend_from(&mut self, other: &Self, place: usize) {
        (place..other.len()).for_each(|at| self.add(other.get(at)));
    }

    fn add_unless_last(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        let from = self.bytes.len();
        write(&mut self.bytes);
        if let Some(last) = self.ends.len().checked_sub(1)
            && self.get(last) == &self.bytes[from..]
        {
            self.bytes.truncate(from);
            return false;
        }
        self.end();
        true
    }

    fn end(&mut self) {
        let end = u32::try_from(self.bytes.len());
        self.ends.push(end.unwrap_or_else(|_| unreachable!("texts of more than 4 GiB together")));
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_are_folded_and_come_back() {
        let mut runs = Runs::default();
        for (value, times) in [(7, 1), (7, 2), (8, 1), (7, 1)] {
            runs.add(value, times);
        }
        assert_eq!((runs.values(), runs.starts(), runs.len()), (&[7, 8, 7][..], &[0, 3, 4][..], 5));
        assert_eq!(runs.dense(&mut Vec::new()), [7, 7, 7, 8, 7]);
        runs.clear();
        runs.add_each([1, 2].into_iter());
        assert_eq!((runs.dense(&mut Vec::new()), runs.starts()), (&[1, 2][..], &[0, 1][..]));
        runs.clear();
        runs.add_plain([1, 1].into_iter());
        runs.add_plain([2].into_iter());
        assert_eq!((runs.dense(&mut Vec::new()), runs.starts(), runs.len()), (&[1, 1, 2][..], &[][..], 3));
    }

    #[test]
    fn texts_are_folded_too_the_empty_one_among_them() {
        let mut runs = TextRuns::default();
        for (text, times) in [("", 1), ("", 3), ("a", 1), ("ab", 1), ("ab", 2), ("", 1)] {
            runs.add(times, |to| to.extend_from_slice(text.as_bytes()));
        }
        let expected: [(&[u8], u32); 4] = [(b"", 4), (b"a", 1), (b"ab", 3), (b"", 1)];
        assert_eq!((runs.iter().collect::<Vec<_>>(), runs.len()), (expected.to_vec(), 9));
    }
}
