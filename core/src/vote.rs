//! What one shard says to a command that concerns several, before any of them is changed.
//!
//! All shards stand still when they are asked ([`Ledger::vote`]) and until the command was applied or dropped. If none
//! says no and none has done it before, every shard applies it, and then cannot refuse: so what two shards do together
//! is in the log as one command, and is never half there.

use crate::{Command, Currency, Field, Ledger, Receipt, Rejection, Timestamp};

/// One shard's word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Vote {
    /// Nothing of it is this shard's.
    Abstain,
    /// This shard's part can be done, if all who say a currency say the same.
    Yes(Option<Currency>),
    /// It was done before.
    Done(Receipt),
    /// It must not be done.
    No(Rejection, Option<Field>),
}

impl Vote {
    /// What several votes come to. Done before is first, then a number that stands for something else, what is not there,
    /// whether the other side may be given anything, any other no, and room last.
    #[must_use]
    pub fn combine(self, other: Self) -> Self {
        if let (Self::Yes(Some(one)), Self::Yes(Some(another))) = (self, other)
            && one != another
        {
            return Self::No(Rejection::CurrencyMismatch, Some(Field::To));
        }
        let rank = |vote: &Self| match vote {
            Self::Done(_) => 0,
            Self::No(Rejection::IdempotencyConflict, _) => 1,
            Self::No(Rejection::MerchantNotFound | Rejection::ChannelNotFound, _) => 2,
            Self::No(
                Rejection::InvalidRequest | Rejection::ReceiverInvalid | Rejection::CurrencyMismatch,
                _,
            ) => 3,
            Self::No(Rejection::Overflow, _) => 5,
            Self::No(..) => 4,
            Self::Yes(Some(_)) => 6,
            Self::Yes(None) => 7,
            Self::Abstain => 8,
        };
        if rank(&other) < rank(&self) { other } else { self }
    }
}

impl Ledger {
    /// What this ledger says to a command that concerns several, now; see [`Vote`].
    #[must_use]
    pub fn vote(&self, command: &Command, now: Timestamp) -> Vote {
        assert!(Timestamp::RANGE.contains(&now.0), "a time that no calendar has");
        if let Err(field) = command.check() {
            return Vote::No(Rejection::InvalidRequest, Some(field));
        }
        match command {
            Command::SetDate(set) => self.vote_date(*set),
            Command::Transfer(transfer) => self.vote_transfer(transfer),
            Command::Adjust(adjustment) => self.vote_adjust(adjustment),
            Command::PutPromoter(promoter) => match self.promoters.allows(promoter) {
                _ if self.promoters.get(promoter.promoter) == Some(promoter) => {
                    Vote::Done(Receipt::Promoter { existed: true })
                }
                Ok(()) => Vote::Yes(None),
                Err((rejection, field)) => Vote::No(rejection, field),
            },
            Command::PutHolidays(holidays) if **holidays == self.holidays => Vote::Done(Receipt::Holidays),
            Command::BeginSettlement(settlement) => self.vote_begin(settlement),
            Command::EndSettlement(batch_no) => self.vote_end(batch_no),
            Command::Sweep(items) => self.vote_sweep(items),
            Command::PutChannel(terms) => self.channels.vote(terms),
            _ => Vote::Yes(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_word_counts() {
        let (cny, usd) = (Some(Currency(*b"CNY")), Some(Currency(*b"USD")));
        let poor = Vote::No(Rejection::InsufficientFunds, None);
        let nobody = Vote::No(Rejection::ReceiverInvalid, Some(Field::To));
        let done = Vote::Done(Receipt::Holidays);
        assert_eq!(Vote::Abstain.combine(Vote::Yes(None)), Vote::Yes(None));
        assert_eq!(Vote::Yes(None).combine(poor), poor);
        assert_eq!(poor.combine(nobody), nobody);
        assert_eq!(nobody.combine(done), done);
        assert_eq!(Vote::Yes(cny).combine(Vote::Yes(cny)), Vote::Yes(cny));
        assert_eq!(Vote::Yes(None).combine(Vote::Yes(cny)), Vote::Yes(cny));
        let differ = Vote::No(Rejection::CurrencyMismatch, Some(Field::To));
        assert_eq!(Vote::Yes(cny).combine(Vote::Yes(usd)), differ);
    }
}
