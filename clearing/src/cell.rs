//! A cell of a CSV file that a spreadsheet shows and does not run.
//!
//! What comes from outside (a product's name, an order number) may begin with what a spreadsheet takes for a formula. Such a
//! text gets a leading apostrophe, which spreadsheets do not show. Quoting is RFC 4180's: a cell with a comma, a quote or
//! a line's end stands in quotes, and a quote in it twice.

use std::borrow::Cow;

/// What begins a formula, in one spreadsheet or another; a full-width sign counts too, since some fold it.
const FORMULA: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];

/// A text that no spreadsheet runs.
#[must_use]
pub fn text(value: &str) -> Cow<'_, str> {
    if value.starts_with(FORMULA) { Cow::Owned(format!("'{value}")) } else { Cow::Borrowed(value) }
}

/// A text as a cell: made harmless, and in quotes where it must be.
#[must_use]
pub fn cell(value: &str) -> Cow<'_, str> {
    quoted(text(value))
}

/// In quotes where it must be. For what is known to be a number or a date: nothing is put before it.
#[must_use]
pub fn quoted(value: Cow<'_, str>) -> Cow<'_, str> {
    if value.contains([',', '"', '\n', '\r']) {
        Cow::Owned(format!("\"{}\"", value.replace('"', "\"\"")))
    } else {
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_begins_a_formula_begins_a_cell() {
        for harmful in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1"] {
            assert!(text(harmful).starts_with('\''), "{harmful:?}");
            assert_eq!(&text(harmful)[1..], harmful);
        }
        for harmless in ["", "A1", "1-1", "a=b", "商品, 含逗号", "'=1"] {
            assert_eq!(text(harmless), harmless);
        }
    }

    #[test]
    fn cells_are_quoted_as_they_are_read() {
        let values = ["plain", "a,b", "say \"no\"", "two\nlines", "=HYPERLINK(\"x\",\"y\")", "", "\r"];
        let line = values.map(|value| cell(value).into_owned()).join(",");
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line.as_bytes());
        let read = reader.records().next().unwrap().unwrap();
        assert_eq!(read.iter().collect::<Vec<_>>(), values.map(|value| text(value).into_owned()));
    }
}
