//! What stands in a row: its fields by column, and amounts and sums of them.

use std::fmt;

use suanpan_core::Currency;

use super::error::{BillError, quoted};
use super::lines::Lines;
use crate::money::{Decimal, exponent, parse};

/// Decimals of a millionth: the finest that bills write.
pub(super) const MILLIONTH: u32 = 6;

/// Where the fields of a line are. Used again for each line.
#[derive(Default)]
pub(super) struct Spans(Vec<(u32, u32)>);

impl Spans {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn push(&mut self, from: usize, to: usize) {
        // A line is shorter than its bound, far below 4 GiB.
        let narrow = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        self.0.push((narrow(from), narrow(to)));
    }

    /// The fields of that line, in their order.
    pub(super) fn all<'l>(&'l self, text: &'l str) -> impl Iterator<Item = &'l str> {
        self.0.iter().map(|(from, to)| &text[*from as usize..*to as usize])
    }

    /// The first of them.
    pub(super) fn first<'l>(&'l self, text: &'l str) -> &'l str {
        self.all(text).next().unwrap_or("")
    }

    /// The fields of that line, of which there must be so many.
    pub(super) fn of<'l>(
        &'l self,
        text: &'l str,
        expected: usize,
        lines: &Lines<'_>,
    ) -> Result<Fields<'l>, BillError> {
        let found = self.0.len();
        if found != expected {
            return Err(BillError::Fields { place: lines.place(), found, expected });
        }
        Ok(Fields { text, spans: &self.0 })
    }
}

/// The fields of a line.
#[derive(Clone, Copy)]
pub(super) struct Fields<'l> {
    text: &'l str,
    spans: &'l [(u32, u32)],
}

impl<'l> Fields<'l> {
    /// The field of a column.
    pub(super) fn get(&self, column: usize) -> &'l str {
        let (from, to) = self.spans[column];
        &self.text[from as usize..to as usize]
    }

    /// The same; nothing when there is no such column.
    pub(super) fn get_or_empty(&self, column: Option<usize>) -> &'l str {
        column.map_or("", |column| self.get(column))
    }
}

/// An ISO 4217 code.
pub(super) fn currency(lines: &Lines<'_>, column: &'static str, text: &str) -> Result<Currency, BillError> {
    let code = <[u8; 3]>::try_from(text.as_bytes()).map(Currency).ok();
    code.filter(|code| code.is_valid())
        .ok_or_else(|| lines.value(column, text, "is no currency: it must be a code like CNY"))
}

/// A decimal in units of 10^-`decimals`.
pub(super) fn decimal(
    lines: &Lines<'_>,
    column: &'static str,
    text: &str,
    decimals: u32,
) -> Result<i64, BillError> {
    parse(text, decimals).map_err(|error| {
        lines.value(
            column,
            text,
            match error {
                crate::money::AmountError::TooFine => "has more decimals than its currency",
                crate::money::AmountError::TooLarge => "is too large",
                crate::money::AmountError::Malformed => "is not a decimal number",
            },
        )
    })
}

/// An amount in minor units of its currency, which must not be below zero.
pub(super) fn amount(
    lines: &Lines<'_>,
    column: &'static str,
    text: &str,
    currency: Currency,
) -> Result<u64, BillError> {
    let minor = decimal(lines, column, text, exponent(currency))?;
    u64::try_from(minor).map_err(|_| lines.value(column, text, "is below zero"))
}

/// Minor units in millionths, so that sums need not know of currencies.
pub(super) fn in_millionths(minor: i64, currency: Currency) -> i128 {
    i128::from(minor) * 10i128.pow(MILLIONTH - exponent(currency))
}

/// A total that the file names must be what its rows add up to, both in units of 10^-`decimals`.
pub(super) fn check_total(
    lines: &Lines<'_>,
    figure: &'static str,
    said: &str,
    counted: i128,
    decimals: u32,
) -> Result<(), BillError> {
    if i128::from(decimal(lines, figure, said, decimals)?) == counted {
        return Ok(());
    }
    let counted = Shortened(Decimal(counted, decimals)).to_string().into();
    Err(BillError::Totals { place: lines.place(), figure: figure.into(), said: quoted(said), counted })
}

/// A decimal without zeros that say nothing, but with two decimals if it has any.
struct Shortened(Decimal);

impl fmt::Display for Shortened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        let Some(point) = text.find('.') else { return f.write_str(&text) };
        let least = text.len().min(point + 3);
        f.write_str(&text[..text.trim_end_matches('0').len().max(least)])
    }
}
