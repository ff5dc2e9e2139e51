//! Several measurements of one thing.

use serde::{Serialize, Serializer};

/// Several measurements of one thing, each of its own round.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Samples(Vec<f64>);

/// What is said of them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Summary {
    /// The middle one, or the mean of the two in the middle.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
    /// How many there are.
    pub rounds: usize,
}

impl Samples {
    /// One more.
    ///
    /// # Panics
    /// When it is not a number.
    pub fn push(&mut self, value: f64) {
        assert!(value.is_finite(), "a measurement is a number");
        self.0.push(value);
    }

    /// What is said of them; `None` when there are none.
    #[must_use]
    pub fn summary(&self) -> Option<Summary> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let rounds = sorted.len();
        let median = f64::midpoint(sorted[(rounds - 1) / 2], sorted[rounds / 2]);
        Some(Summary { median, min, max, rounds })
    }

    /// The median; `None` when there are none.
    #[must_use]
    pub fn median(&self) -> Option<f64> {
        self.summary().map(|summary| summary.median)
    }
}

impl Serialize for Samples {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.summary().serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_odd_and_even() {
        let mut samples = Samples::default();
        assert_eq!(samples.summary(), None);
        for value in [5.0, 1.0, 3.0] {
            samples.push(value);
        }
        assert_eq!(samples.summary(), Some(Summary { median: 3.0, min: 1.0, max: 5.0, rounds: 3 }));
        samples.push(4.0);
        assert_eq!(samples.median(), Some(3.5));
    }
}
