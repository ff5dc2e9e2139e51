//! What the first bad place in the log means: its end, a torn tail, or damage. One pure function.
//!
//! The log is read from its first byte on. Let `b` be the first position at which no valid record follows. A bad
//! place is a torn tail unless something proves that it had been durable; what is proven must be there.
//!
//! | proof that the bytes at `b` had been durable        | nothing stored at or after `b` | something stored |
//! |------------------------------------------------------|--------------------------------|------------------|
//! | a later segment was made active                      | refuse                         | refuse           |
//! | a later record of this epoch or a later one with `durable_lsn > b` | refuse           | refuse           |
//! | the caller (a snapshot's position) `> b`             | refuse                         | refuse           |
//! | none                                                 | the end                        | cut at `b`       |
//!
//! "Something stored" is any byte but zero between `b` and the end of its segment, or in a segment after it.
//! A position `p` proves the bytes *before* it, hence `p > b` and not `p ≥ b`.

use crate::Lsn;
use std::fmt;

/// How it is known that a damaged place had been durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Proof {
    /// A segment that begins here was made active, which happens only when all before it is synced.
    LaterSegment(Lsn),
    /// A later record names this position as durable.
    LaterRecord(Lsn),
    /// The caller knows this position to have been durable, e.g. from a snapshot.
    Caller(Lsn),
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Proof::LaterSegment(lsn) => write!(f, "the segment at LSN {lsn} was begun after it was durable"),
            Proof::LaterRecord(lsn) => write!(f, "a later record proves LSN {lsn} durable"),
            Proof::Caller(lsn) => write!(f, "a snapshot proves LSN {lsn} durable"),
        }
    }
}

/// What is known about the first bad place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Evidence {
    /// The first bad position.
    pub(crate) bad: u64,
    /// The first position of the last active segment, 0 when there is none.
    pub(crate) active: u64,
    /// The highest `durable_lsn` in a valid header after `bad`, of the epoch in force there or a later one; or 0.
    pub(crate) witnessed: u64,
    /// What the caller knows to be durable, or 0.
    pub(crate) given: u64,
    /// Whether there is any byte but zero at or after `bad`.
    pub(crate) stored: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    End,
    Cut,
    Refuse(Proof),
}

pub(crate) fn decide(evidence: &Evidence) -> Verdict {
    let bad = evidence.bad;
    if evidence.active > bad {
        Verdict::Refuse(Proof::LaterSegment(Lsn::new(evidence.active)))
    } else if evidence.witnessed > bad {
        Verdict::Refuse(Proof::LaterRecord(Lsn::new(evidence.witnessed)))
    } else if evidence.given > bad {
        Verdict::Refuse(Proof::Caller(Lsn::new(evidence.given)))
    } else if evidence.stored {
        Verdict::Cut
    } else {
        Verdict::End
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Nothing proven is ever cut off, and nothing is refused without proof.
        #[test]
        fn what_is_proven_must_be_there(
            bad in 0u64..8, active in 0u64..8, witnessed in 0u64..8, given in 0u64..8, stored: bool,
        ) {
            let proven = active.max(witnessed).max(given);
            match decide(&Evidence { bad, active, witnessed, given, stored }) {
                Verdict::Refuse(Proof::LaterSegment(lsn)) => prop_assert!(lsn.get() == active && active > bad),
                Verdict::Refuse(Proof::LaterRecord(lsn)) => prop_assert!(lsn.get() == witnessed && witnessed > bad),
                Verdict::Refuse(Proof::Caller(lsn)) => prop_assert!(lsn.get() == given && given > bad),
                Verdict::Cut => prop_assert!(proven <= bad && stored),
                Verdict::End => prop_assert!(proven <= bad && !stored),
            }
        }
    }
}
