//! Amounts, currencies, rates and the three roundings (domain.md, "Money").

use rkyv::{Archive, Deserialize, Serialize};

/// The largest amount in a request, in minor units; the smallest is 1.
pub const AMOUNT_MAX: u64 = 1_000_000_000_000_000;

/// An ISO 4217 code: three capital letters.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Archive, Serialize, Deserialize,
)]
pub struct Currency(pub [u8; 3]);

/// An exact rate in millionths: `0.006` is 6,000. At most 1.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Archive, Serialize, Deserialize,
)]
pub struct Rate(pub u32);

/// How a fee that falls between two minor units becomes one of them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Archive, Serialize, Deserialize)]
#[repr(u8)]
pub enum Rounding {
    /// 四舍五入: half away from zero.
    #[default]
    HalfUp,
    /// 四舍六入五成双: half to the even neighbour.
    HalfEven,
    /// 截取: cut off.
    Down,
}

/// A rate of one.
const MILLIONTHS: u64 = 1_000_000;
/// Decimals of a rate.
const RATE_DECIMALS: usize = 6;
const _: () = assert!(MILLIONTHS == 10u64.pow(RATE_DECIMALS as u32));
// A fee is never more than what it is charged on, so what fits an amount holds a fee.
const _: () = assert!(AMOUNT_MAX as u128 * MILLIONTHS as u128 > u64::MAX as u128, "the wide path is used");

/// Why a text is no rate or no currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidMoney {
    /// Not a decimal from 0 to 1 with at most 6 decimals.
    #[error("must be a decimal from 0 to 1 with at most 6 decimals, like 0.006")]
    Rate,
    /// Not three capital letters.
    #[error("must be an ISO 4217 code: three capital letters")]
    Currency,
}

impl Rate {
    /// Whether it is at most one.
    #[must_use]
    pub fn is_valid(self) -> bool {
        u64::from(self.0) <= MILLIONTHS
    }

    /// `round(amount × rate)`, in minor units.
    ///
    /// # Panics
    /// When the rate is above one: such a rate is refused where it comes in.
    #[must_use]
    pub fn fee(self, amount: u64, rounding: Rounding) -> u64 {
        assert!(self.is_valid(), "a rate above one was let in");
        rounding.share(amount, u64::from(self.0), MILLIONTHS)
    }
}

impl Rounding {
    /// `round(amount × part / whole)`, with `part` at most `whole`, which is not zero.
    #[inline]
    pub(crate) fn share(self, amount: u64, part: u64, whole: u64) -> u64 {
        debug_assert!(part <= whole && whole > 0, "a share is at most the whole");
        if let Some(product) = amount.checked_mul(part) {
            let (quotient, rest) = (product / whole, product % whole);
            // `rest >= whole - rest` is `2 × rest >= whole` without its overflow.
            return quotient + u64::from(self.rounds_up(quotient & 1 == 1, rest.cmp(&(whole - rest))));
        }
        let (product, whole) = (u128::from(amount) * u128::from(part), u128::from(whole));
        let (quotient, rest) = (product / whole, product % whole);
        let up = self.rounds_up(quotient & 1 == 1, rest.cmp(&(whole - rest)));
        // At most `amount`, since `part` is at most `whole`.
        u64::try_from(quotient).unwrap_or(amount) + u64::from(up)
    }

    /// Whether to take the upper neighbour, by how the rest compares with a half.
    #[inline]
    fn rounds_up(self, odd: bool, half: std::cmp::Ordering) -> bool {
        match self {
            Self::HalfUp => half.is_ge(),
            Self::HalfEven => half.is_gt() || (half.is_eq() && odd),
            Self::Down => false,
        }
    }
}

impl std::str::FromStr for Rate {
    type Err = InvalidMoney;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (whole, decimals) = match text.split_once('.') {
            Some((_, "")) => return Err(InvalidMoney::Rate),
            Some((whole, decimals)) => (whole, decimals),
            None => (text, ""),
        };
        let digits = decimals.bytes().all(|b| b.is_ascii_digit());
        if !matches!(whole, "0" | "1") || decimals.len() > RATE_DECIMALS || !digits {
            return Err(InvalidMoney::Rate);
        }
        let filled = format!("{whole}{decimals:0<RATE_DECIMALS$}");
        let rate = filled.parse().map(Self).map_err(|_| InvalidMoney::Rate)?;
        if rate.is_valid() { Ok(rate) } else { Err(InvalidMoney::Rate) }
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (whole, rest) = (u64::from(self.0) / MILLIONTHS, u64::from(self.0) % MILLIONTHS);
        if rest == 0 {
            return write!(f, "{whole}");
        }
        let decimals = format!("{rest:0>RATE_DECIMALS$}");
        write!(f, "{whole}.{}", decimals.trim_end_matches('0'))
    }
}

impl Currency {
    /// Whether it is three capital letters.
    #[must_use]
    pub fn is_valid(self) -> bool {
        self.0.iter().all(u8::is_ascii_uppercase)
    }

    /// The code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("???")
    }
}

impl std::str::FromStr for Currency {
    type Err = InvalidMoney;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let code = text.as_bytes().try_into().map(Self).map_err(|_| InvalidMoney::Currency)?;
        if code.is_valid() { Ok(code) } else { Err(InvalidMoney::Currency) }
    }
}

impl std::fmt::Display for Currency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_roundings_of_six_permille() {
        let rate: Rate = "0.006".parse().unwrap();
        // Amount, half up, half even, down.
        for (amount, up, even, down) in
            [(250, 2, 2, 1), (750, 5, 4, 4), (1250, 8, 8, 7), (83, 0, 0, 0), (84, 1, 1, 0), (1, 0, 0, 0)]
        {
            assert_eq!(rate.fee(amount, Rounding::HalfUp), up, "{amount} half up");
            assert_eq!(rate.fee(amount, Rounding::HalfEven), even, "{amount} half even");
            assert_eq!(rate.fee(amount, Rounding::Down), down, "{amount} down");
        }
    }

    #[test]
    fn the_wide_path_rounds_as_the_narrow_one() {
        assert_eq!(Rate(500_000).fee(AMOUNT_MAX - 1, Rounding::HalfUp), AMOUNT_MAX / 2);
        assert_eq!(Rate(500_000).fee(AMOUNT_MAX + 1, Rounding::HalfUp), AMOUNT_MAX / 2 + 1);
        assert_eq!(Rate(500_000).fee(AMOUNT_MAX + 1, Rounding::HalfEven), AMOUNT_MAX / 2);
        assert_eq!(Rate(500_000).fee(AMOUNT_MAX + 1, Rounding::Down), AMOUNT_MAX / 2);
        assert_eq!(Rate(1_000_000).fee(u64::MAX, Rounding::HalfUp), u64::MAX);
    }

    #[test]
    fn rates_as_text() {
        for (text, rate, shown) in
            [("0", 0, "0"), ("1", 1_000_000, "1"), ("0.006", 6_000, "0.006"), ("1.000000", 1_000_000, "1")]
        {
            assert_eq!(text.parse(), Ok(Rate(rate)));
            assert_eq!(Rate(rate).to_string(), shown);
        }
        for text in ["", ".", "0.", ".5", "1.000001", "2", "0.0000001", "-0.1", "+1", "1e-3", "00.1", "0,5"] {
            assert_eq!(text.parse::<Rate>(), Err(InvalidMoney::Rate), "{text}");
        }
    }

    #[test]
    fn currencies_as_text() {
        assert_eq!("CNY".parse::<Currency>().unwrap().to_string(), "CNY");
        for text in ["", "CN", "cny", "CNYX", "C\u{e9}"] {
            assert_eq!(text.parse::<Currency>(), Err(InvalidMoney::Currency), "{text}");
        }
    }
}
