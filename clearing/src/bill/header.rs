//! The columns of a table, found by their names: order does not matter, and nothing unknown is passed over.

use super::error::{BillError, Place, quoted};

/// A header line, while its columns are looked up.
pub(super) struct Header {
    place: Place,
    format: &'static str,
    names: Vec<String>,
    known: Vec<bool>,
}

impl Header {
    /// No two columns may have one name.
    pub(super) fn new(place: Place, format: &'static str, names: Vec<String>) -> Result<Self, BillError> {
        for (at, name) in names.iter().enumerate() {
            if names[..at].contains(name) {
                return Err(BillError::RepeatedColumn { place, column: quoted(name) });
            }
        }
        let known = vec![false; names.len()];
        Ok(Self { place, format, names, known })
    }

    /// How many columns there are.
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// Where the column is that has one of these names.
    pub(super) fn optional(&mut self, names: &[&'static str]) -> Option<usize> {
        let at = names.iter().find_map(|name| self.names.iter().position(|there| there == name))?;
        self.known[at] = true;
        Some(at)
    }

    /// The same, of a column that must be there.
    pub(super) fn required(&mut self, names: &[&'static str]) -> Result<usize, BillError> {
        self.optional(names).ok_or_else(|| self.missing(names[0]))
    }

    /// That a column is missing.
    pub(super) fn missing(&self, column: &'static str) -> BillError {
        BillError::MissingColumn { place: self.place.clone(), column, format: self.format }
    }

    /// Columns that the format has and nobody needs.
    pub(super) fn ignore(&mut self, names: &[&'static str]) {
        for name in names {
            self.optional(&[name]);
        }
    }

    /// All that were not looked up are unknown.
    pub(super) fn finish(self) -> Result<(), BillError> {
        match self.names.iter().zip(self.known).find(|(_, known)| !known) {
            None => Ok(()),
            Some((name, _)) => {
                let column = quoted(name);
                Err(BillError::UnknownColumn { place: self.place, column, format: self.format })
            }
        }
    }
}
