//! Which merchant a payment goes to.

use std::str::FromStr;

use crate::error::LoadError;

/// How payments fall on merchants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Skew {
    /// Each alike.
    Uniform,
    /// The k-th merchant gets a share of 1/k^s.
    Zipf(f64),
    /// All on one.
    Hot,
}

impl FromStr for Skew {
    type Err = LoadError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse =
            LoadError::Setting { what: "skew", bounds: "uniform, hot, or zipf:S with S from 0.1 to 5" };
        match text {
            "uniform" => Ok(Self::Uniform),
            "hot" => Ok(Self::Hot),
            _ => match text.strip_prefix("zipf:").and_then(|s| s.parse::<f64>().ok()) {
                Some(s) if (0.1..=5.0).contains(&s) => Ok(Self::Zipf(s)),
                _ => Err(refuse),
            },
        }
    }
}

impl std::fmt::Display for Skew {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Uniform => f.write_str("uniform"),
            Self::Hot => f.write_str("hot"),
            Self::Zipf(s) => write!(f, "zipf:{s}"),
        }
    }
}

/// Draws merchants by their place, 0 first.
#[derive(Debug, Clone)]
pub(crate) enum Draw {
    Uniform(u32),
    Hot,
    /// An alias table after Vose: each column holds its own place with some probability (of 2^32), else another.
    Alias(Vec<(u32, u32)>),
}

impl Draw {
    pub(crate) fn new(skew: Skew, merchants: u32) -> Self {
        assert!(merchants > 0);
        match skew {
            Skew::Uniform => Self::Uniform(merchants),
            Skew::Hot => Self::Hot,
            Skew::Zipf(s) => Self::Alias(alias(s, merchants)),
        }
    }

    pub(crate) fn next(&self, rng: &mut fastrand::Rng) -> u32 {
        match self {
            Self::Uniform(merchants) => rng.u32(..merchants),
            Self::Hot => 0,
            Self::Alias(columns) => {
                let column = rng.usize(..columns.len());
                let (keep, other) = columns[column];
                if rng.u32(..) <= keep { column as u32 } else { other }
            }
        }
    }
}

fn alias(s: f64, merchants: u32) -> Vec<(u32, u32)> {
    let weights: Vec<f64> = (1..=merchants).map(|k| f64::from(k).powf(-s)).collect();
    let mean = weights.iter().sum::<f64>() / f64::from(merchants);
    let mut scaled: Vec<f64> = weights.iter().map(|w| w / mean).collect();
    let (mut small, mut large): (Vec<u32>, Vec<u32>) =
        (0..merchants).partition(|&place| scaled[place as usize] < 1.0);
    let mut columns: Vec<(u32, u32)> = (0..merchants).map(|place| (u32::MAX, place)).collect();
    while let (Some(less), Some(&more)) = (small.pop(), large.last()) {
        let share = scaled[less as usize];
        columns[less as usize] = ((share * f64::from(u32::MAX)) as u32, more);
        scaled[more as usize] -= 1.0 - share;
        if scaled[more as usize] < 1.0 {
            large.pop();
            small.push(more);
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_refuses() {
        assert_eq!("uniform".parse::<Skew>().unwrap(), Skew::Uniform);
        assert_eq!("zipf:1.2".parse::<Skew>().unwrap(), Skew::Zipf(1.2));
        for bad in ["zipf", "zipf:", "zipf:0", "zipf:x", "cold", ""] {
            assert!(bad.parse::<Skew>().is_err(), "{bad}");
        }
    }

    #[test]
    fn zipf_falls_as_it_should() {
        let draw = Draw::new(Skew::Zipf(1.0), 100);
        let mut rng = fastrand::Rng::with_seed(7);
        let mut counts = [0u32; 100];
        for _ in 0..200_000 {
            counts[draw.next(&mut rng) as usize] += 1;
        }
        // Harmonic number of 100 is 5.187: the first gets 19.3%, the tenth a tenth of that.
        assert!((37_500..39_600).contains(&counts[0]), "{}", counts[0]);
        assert!((3_500..4_200).contains(&counts[9]), "{}", counts[9]);
        assert!(counts.iter().all(|&count| count > 0));
    }
}
