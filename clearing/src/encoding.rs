//! Parquet's encodings, those that the day's columns need: from values to the bytes of a page.
//!
//! ```text
//! hybrid               runs and packed groups of 8, each behind a varint: count·2 and one code, or groups·2+1 and their bits
//! DELTA_BINARY_PACKED  128, 4, count, first value; then for each 128 differences the least of them, four bit widths, four times 32 values
//! DELTA_BYTE_ARRAY     how many bytes each text shares with the one before, how many follow, both as above; then those that follow
//! ```
//! Of <https://parquet.apache.org/docs/file-format/data-pages/encodings/>. What the library has of them takes a value at a time and
//! hashes each: 131,072 rows of a day cost it much more than they cost here, where columns come as runs.

use crate::runs::{TextRuns, lengths};

/// Values that are packed together.
const TOGETHER: usize = 32;
/// Packs in a block of differences.
const PACKS: usize = 4;
const BLOCK: usize = TOGETHER * PACKS;

/// How wide the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    /// INT32.
    Bits32,
    /// INT64.
    Bits64,
}

fn varint(mut value: u64, to: &mut Vec<u8>) {
    while value >= 0x80 {
        to.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    to.push(value.to_le_bytes()[0]);
}

fn zigzag(value: i64, to: &mut Vec<u8>) {
    varint((value << 1 ^ value >> 63).cast_unsigned(), to);
}

/// The bits that a number needs.
pub(crate) fn bits(value: u64) -> u32 {
    u64::BITS - value.leading_zeros()
}

/// A statement for each of the 32 values, so that all its shifts are constants: a loop over them stays one.
macro_rules! for_each_value {
    ($at:ident $body:block) => {
        for_each_value!($at $body 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31)
    };
    ($at:ident $body:block $($value:literal)*) => { $({ let $at = $value; $body })* };
}

/// 32 values of `W` bits, at most 32, into `W` words, the first value lowest.
fn pack_narrow<const W: usize>(values: &[u64; TOGETHER], to: &mut Vec<u8>) {
    let mut words = [[0_u8; 4]; TOGETHER];
    let mut bits = 0_u64;
    for_each_value!(at {
        let shift = at * W % 32;
        bits |= values[at] << shift;
        if shift + W >= 32 {
            words[at * W / 32] = (bits as u32).to_le_bytes();
            bits >>= 32;
        }
    });
    debug_assert_eq!(bits, 0, "32 values of so many bits are whole words");
    to.extend_from_slice(words[..W].as_flattened());
}

macro_rules! by_width {
    ($($width:literal)*) => { [$(pack_narrow::<$width>),*] };
}

type Pack = fn(&[u64; TOGETHER], &mut Vec<u8>);

/// One for each width.
const NARROW: [Pack; 33] = by_width!(
    0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32
);

/// 32 values of some bits.
fn pack(values: &[u64; TOGETHER], width: u32, to: &mut Vec<u8>) {
    if let Some(narrow) = NARROW.get(width as usize) {
        return narrow(values, to);
    }
    let (mut bits, mut filled) = (0_u128, 0);
    for &value in values {
        bits |= u128::from(value) << filled;
        filled += width;
        while filled >= 32 {
            to.extend_from_slice(&(bits as u32).to_le_bytes());
            bits >>= 32;
            filled -= 32;
        }
    }
}

/// Codes of `width` bits, which come as runs or plain: as runs or packed, whichever is less.
pub(crate) fn hybrid(codes: &[u32], starts: &[u32], len: u32, width: u32, to: &mut Vec<u8>) {
    if len == 0 {
        return;
    }
    let bytes = width.div_ceil(8) as usize;
    if width == 0 {
        return varint(u64::from(len) << 1, to);
    }
    if starts.is_empty() {
        packed(codes.iter().copied(), len, width, to);
    } else if codes.len() * (1 + bytes) <= (len as usize * width as usize) / 8 {
        for (code, times) in codes.iter().zip(lengths(starts, len)) {
            varint(u64::from(times) << 1, to);
            to.extend_from_slice(&code.to_le_bytes()[..bytes]);
        }
    } else {
        let times = codes.iter().zip(lengths(starts, len));
        let all = times.flat_map(|(&code, times)| std::iter::repeat_n(code, times as usize));
        packed(all, len, width, to);
    }
}

/// One packed run, filled up to a multiple of eight codes.
fn packed(mut codes: impl Iterator<Item = u32>, len: u32, width: u32, to: &mut Vec<u8>) {
    let groups = len.div_ceil(8);
    varint(u64::from(groups) << 1 | 1, to);
    let end = to.len() + (groups * width) as usize;
    for _ in 0..len.div_ceil(TOGETHER as u32) {
        let mut block = [0; TOGETHER];
        block.iter_mut().zip(&mut codes).for_each(|(place, code)| *place = u64::from(code));
        pack(&block, width, to);
    }
    to.truncate(end);
}

/// DELTA_BINARY_PACKED.
pub(crate) fn deltas(values: &[i64], width: Width, to: &mut Vec<u8>) {
    varint(BLOCK as u64, to);
    varint(PACKS as u64, to);
    varint(values.len() as u64, to);
    zigzag(values.first().copied().unwrap_or(0), to);
    let Some(mut before) = values.first().copied() else { return };
    for block in values[1..].chunks(BLOCK) {
        let mut differences = [0_i64; BLOCK];
        let mut least = i64::MAX;
        for (difference, &value) in differences.iter_mut().zip(block) {
            *difference = match width {
                Width::Bits64 => value.wrapping_sub(before),
                // As 32 bits wrap: what needs 33 comes round.
                Width::Bits32 => i64::from((value - before) as i32),
            };
            before = value;
            least = least.min(*difference);
        }
        put_block(&differences[..block.len()], least, width, to);
    }
}

fn put_block(differences: &[i64], least: i64, width: Width, to: &mut Vec<u8>) {
    zigzag(least, to);
    let widths_at = to.len();
    to.extend_from_slice(&[0; PACKS]);
    let mask = if width == Width::Bits32 { u64::from(u32::MAX) } else { u64::MAX };
    for (at, some) in differences.chunks(TOGETHER).enumerate() {
        let (mut above, mut all) = ([0; TOGETHER], 0);
        for (above, difference) in above.iter_mut().zip(some) {
            *above = difference.wrapping_sub(least).cast_unsigned() & mask;
            all |= *above;
        }
        let bits = bits(all);
        to[widths_at + at] = bits.to_le_bytes()[0];
        pack(&above, bits, to);
    }
}

/// Lists that [`texts`] needs, to be used again.
#[derive(Debug, Default)]
pub(crate) struct TextScratch {
    shared: Vec<i64>,
    more: Vec<i64>,
    bytes: Vec<u8>,
}

/// DELTA_BYTE_ARRAY.
pub(crate) fn texts(runs: &TextRuns, scratch: &mut TextScratch, to: &mut Vec<u8>) {
    let TextScratch { shared, more, bytes } = scratch;
    shared.clear();
    more.clear();
    bytes.clear();
    let mut before: &[u8] = &[];
    for (text, times) in runs.iter() {
        let same = shared_bytes(before, text);
        shared.push(same as i64);
        more.push((text.len() - same) as i64);
        bytes.extend_from_slice(&text[same..]);
        let repeated = times as usize - 1;
        shared.extend(std::iter::repeat_n(text.len() as i64, repeated));
        more.extend(std::iter::repeat_n(0, repeated));
        before = text;
    }
    deltas(shared, Width::Bits32, to);
    deltas(more, Width::Bits32, to);
    to.extend_from_slice(bytes);
}

/// How many bytes two texts begin with alike.
fn shared_bytes(a: &[u8], b: &[u8]) -> usize {
    let ((a_words, _), (b_words, _)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut at = 0;
    for (a, b) in a_words.iter().zip(b_words) {
        let other = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if other != 0 {
            return at + other.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    at + a[at..].iter().zip(&b[at..]).take_while(|(a, b)| a == b).count()
}

/// Booleans, a bit each.
pub(crate) fn booleans(values: &[i64], to: &mut Vec<u8>) {
    let bits = |eight: &[i64]| eight.iter().rev().fold(0, |bits, &value| bits << 1 | u8::from(value != 0));
    to.extend(values.chunks(8).map(bits));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_values_are_where_their_bits_say() {
        for width in 0..=64_u32 {
            let mask = u64::MAX.checked_shr(64 - width).unwrap_or(0);
            let values: [u64; TOGETHER] =
                std::array::from_fn(|at| (at as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) & mask);
            let mut bytes = Vec::new();
            pack(&values, width, &mut bytes);
            assert_eq!(bytes.len(), width as usize * 4);
            let bit = |at: usize| u64::from(bytes[at / 8] >> (at % 8) & 1);
            for (at, value) in values.iter().enumerate() {
                let got = (0..width as usize).map(|low| bit(at * width as usize + low) << low).sum::<u64>();
                assert_eq!(got, *value, "value {at} of {width} bits");
            }
        }
    }

    #[test]
    fn what_two_texts_share_is_counted_to_the_byte() {
        let long = b"P5W0QKAA000000000000";
        for at in 0..long.len() {
            let mut other = *long;
            other[at] = b'x';
            assert_eq!(shared_bytes(long, &other), at);
            assert_eq!(shared_bytes(long, &long[..at]), at);
            assert_eq!(shared_bytes(&long[..at], long), at);
        }
        assert_eq!(shared_bytes(long, long), long.len());
    }
}
