//! Amounts as people and channels write them: decimals of the major unit, read and written exactly.

use std::fmt;

use suanpan_core::Currency;

/// Why a text is no amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AmountError {
    /// Something else than digits, one point and one leading minus.
    #[error("is not a decimal number")]
    Malformed,
    /// More decimals than the currency has.
    #[error("has more decimals than its currency")]
    TooFine,
    /// More than a signed 64-bit number of minor units.
    #[error("is too large")]
    TooLarge,
}

/// How many decimals the minor unit of a currency is (ISO 4217).
#[must_use]
pub fn exponent(currency: Currency) -> u32 {
    match &currency.0 {
        b"BIF" | b"CLP" | b"DJF" | b"GNF" | b"ISK" | b"JPY" | b"KMF" | b"KRW" | b"PYG" | b"RWF" | b"UGX"
        | b"UYI" | b"VND" | b"VUV" | b"XAF" | b"XOF" | b"XPF" => 0,
        b"BHD" | b"IQD" | b"JOD" | b"KWD" | b"LYD" | b"OMR" | b"TND" => 3,
        b"CLF" | b"UYW" => 4,
        _ => 2,
    }
}

/// Reads a decimal as a whole number of units of 10^-`decimals`. Further decimals may only be zeros.
///
/// # Errors
/// When it is no decimal, too fine, or does not fit.
pub fn parse(text: &str, decimals: u32) -> Result<i64, AmountError> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) || digits.ends_with('.') {
        return Err(AmountError::Malformed);
    }
    let kept = fraction.len().min(decimals as usize);
    if fraction[kept..].bytes().any(|byte| byte != b'0') {
        return Err(AmountError::TooFine);
    }
    let missing = decimals as usize - kept;
    let bytes = whole.bytes().chain(fraction[..kept].bytes()).chain(std::iter::repeat_n(b'0', missing));
    let mut value = 0i64;
    for digit in bytes {
        let next = value.checked_mul(10).and_then(|value| value.checked_add((digit - b'0').into()));
        value = next.ok_or(AmountError::TooLarge)?;
    }
    Ok(if negative { -value } else { value })
}

/// An amount in minor units, written in major ones: `Decimal(12345, 2)` is `123.45`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal(pub i128, pub u32);

impl Decimal {
    /// Minor units of a currency.
    #[must_use]
    pub fn of(minor: i128, currency: Currency) -> Self {
        Self(minor, exponent(currency))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, magnitude) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        let unit = 10u128.pow(self.1);
        match self.1 as usize {
            0 => write!(f, "{sign}{magnitude}"),
            width => write!(f, "{sign}{}.{:0width$}", magnitude / unit, magnitude % unit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_exactly() {
        assert_eq!(parse("100.00", 2), Ok(10_000));
        assert_eq!(parse("100", 2), Ok(10_000));
        assert_eq!(parse("0.1", 2), Ok(10));
        assert_eq!(parse("-5.00", 2), Ok(-500));
        assert_eq!(parse("0.60000", 2), Ok(60));
        assert_eq!(parse("0.60500", 2), Err(AmountError::TooFine));
        assert_eq!(parse("7", 0), Ok(7));
        for text in ["", "-", ".5", "5.", "1e3", "1,000.00", " 1", "+1", "--1", "１"] {
            assert_eq!(parse(text, 2), Err(AmountError::Malformed), "{text}");
        }
        assert_eq!(parse("92233720368547758.07", 2), Ok(i64::MAX));
        assert_eq!(parse("92233720368547758.08", 2), Err(AmountError::TooLarge));
    }

    #[test]
    fn decimals_are_written_as_they_are_read() {
        for (minor, text) in [(0, "0.00"), (5, "0.05"), (-5, "-0.05"), (12_345, "123.45")] {
            assert_eq!(Decimal(minor.into(), 2).to_string(), text);
            assert_eq!(parse(text, 2), Ok(minor));
        }
        assert_eq!(Decimal(7, 0).to_string(), "7");
        assert_eq!(exponent(Currency(*b"JPY")), 0);
    }
}
