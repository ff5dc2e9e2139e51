//! What one shard says to a command that concerns several, before any of them is changed.
//!
//! All shards stand still when they are asked ([`Ledger::vote`]) and until the command was applied or dropped. If none
//! says no and none has done it before, every shard applies it, and then cannot refuse: so what two shards do together
//! is in the log as one command, and is never half there.

use crate::{Field, Receipt, Rejection};

/// One shard's word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Vote {
    /// Nothing of it is this shard's.
    Abstain,
    /// This shard's part can be done.
    Yes,
    /// It was done before.
    Done(Receipt),
    /// It must not be done.
    No(Rejection, Option<Field>),
}

impl Vote {
    /// What several votes come to. Done before is first, then whether the other side may be given anything, then any no.
    #[must_use]
    pub fn combine(self, other: Self) -> Self {
        let rank = |vote: &Self| match vote {
            Self::Done(_) => 0,
            Self::No(
                Rejection::InvalidRequest | Rejection::ReceiverInvalid | Rejection::CurrencyMismatch,
                _,
            ) => 1,
            Self::No(..) => 2,
            Self::Yes => 3,
            Self::Abstain => 4,
        };
        if rank(&other) < rank(&self) { other } else { self }
    }
}
