//! A number chosen by the caller: of an order, a refund, a void (api.md, "Ids").

use rkyv::{Archive, Deserialize, Serialize};

/// The longest number, in bytes.
pub const NUMBER_BYTES: usize = 32;

/// 1 to 32 characters of `A-Z a-z 0-9 _ - | *`, unique per merchant and kind.
///
/// Held in place and filled up with zeros, so that comparing and hashing touch a fixed 32 bytes; zero is not
/// in the alphabet, so two numbers are equal exactly when their bytes are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Archive, Serialize, Deserialize)]
pub struct Number([u8; NUMBER_BYTES]);

/// Why a text is no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidNumber {
    /// Nothing, or more than 32 characters.
    #[error("must have 1 to 32 characters")]
    Length,
    /// A character outside the alphabet.
    #[error("may hold only A-Z a-z 0-9 _ - | *")]
    Character,
}

impl Number {
    /// No number: what stands where a record was taken out.
    pub(crate) const FILLER: Self = Self([0; NUMBER_BYTES]);

    /// Reads a number.
    ///
    /// # Errors
    /// When its length or one of its characters is not allowed.
    pub fn new(text: &[u8]) -> Result<Self, InvalidNumber> {
        if text.is_empty() || text.len() > NUMBER_BYTES {
            return Err(InvalidNumber::Length);
        }
        // Zero, which would pass for the filling, is not among them.
        if !text.iter().all(|&b| ALLOWED[usize::from(b)]) {
            return Err(InvalidNumber::Character);
        }
        let mut bytes = [0; NUMBER_BYTES];
        bytes[..text.len()].copy_from_slice(text);
        Ok(Self(bytes))
    }

    /// Whether the bytes, which may come from a frame, are a number: allowed characters, then only zeros.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let len = self.len();
        len > 0
            && self.0[..len].iter().all(|&b| ALLOWED[usize::from(b)])
            && self.0[len..].iter().all(|&b| b == 0)
    }

    /// How many characters it has.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a number is never empty")]
    pub fn len(&self) -> usize {
        // Eight bytes at a time: taking one from each byte borrows at the first that is zero, which nothing below it does.
        const ONES: u64 = u64::from_ne_bytes([1; 8]);
        let (words, _) = self.0.as_chunks::<8>();
        for (at, word) in words.iter().enumerate() {
            let word = u64::from_le_bytes(*word);
            let zeros = word.wrapping_sub(ONES) & !word & (ONES << 7);
            if zeros != 0 {
                return at * 8 + zeros.trailing_zeros() as usize / 8;
            }
        }
        NUMBER_BYTES
    }

    /// The characters, without the filling.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0[..self.len()]
    }

    /// All 32 bytes, filled up with zeros.
    #[must_use]
    pub fn padded(&self) -> &[u8; NUMBER_BYTES] {
        &self.0
    }

    /// The number as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or("?")
    }
}

impl std::str::FromStr for Number {
    type Err = InvalidNumber;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text.as_bytes())
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::fmt::Debug for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

const ALLOWED: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        table[byte] = b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'|' | b'*');
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_of_length_and_alphabet() {
        assert_eq!(Number::new(b""), Err(InvalidNumber::Length));
        assert_eq!(Number::new(&[b'x'; 33]), Err(InvalidNumber::Length));
        assert_eq!(Number::new(&[b'x'; 32]).unwrap().as_bytes(), &[b'x'; 32]);
        assert_eq!(Number::new(b"a b"), Err(InvalidNumber::Character));
        assert_eq!(Number::new(b"a\0b"), Err(InvalidNumber::Character));
        assert_eq!(Number::new(b"a\0"), Err(InvalidNumber::Character));
        assert_eq!("Az09_-|*".parse::<Number>().unwrap().to_string(), "Az09_-|*");
        assert_ne!(Number::new(b"A").unwrap(), Number::new(b"a").unwrap());
    }

    #[test]
    fn a_number_ends_before_its_first_zero() {
        for bytes in [[0x80; NUMBER_BYTES], [1; NUMBER_BYTES], [0xff; NUMBER_BYTES]] {
            assert_eq!(Number(bytes).len(), NUMBER_BYTES);
            for zero in 0..NUMBER_BYTES {
                for other in zero..NUMBER_BYTES {
                    let mut bytes = bytes;
                    (bytes[zero], bytes[other]) = (0, 0);
                    assert_eq!(Number(bytes).len(), zero);
                }
            }
        }
    }

    #[test]
    fn foreign_bytes_are_not_a_number() {
        assert!(!Number([0; 32]).is_valid());
        let mut hole = [0; 32];
        (hole[0], hole[2]) = (b'a', b'b');
        assert!(!Number(hole).is_valid());
    }
}
