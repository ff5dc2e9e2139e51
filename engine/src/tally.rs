//! What the voices of all shards to one command come to.

use suanpan_core::{Account, Command, Field, MerchantId, Receipt, Rejection, Reply, Vote};

/// What one shard says to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Voice {
    pub(crate) vote: Vote,
    /// The first party that would live in this shard and does not; its place in [`parties`].
    pub(crate) absent: Option<usize>,
}

/// What all of them come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tally {
    /// To be written and applied.
    Carried,
    /// Answered without: it was done before, or must not be done.
    Answered(Reply),
}

/// A merchant that a command cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Party {
    pub(crate) merchant: MerchantId,
    /// What is said when it is not there.
    missing: (Rejection, Option<Field>),
}

/// Whom a command moves money between, in the order in which they are looked for.
pub(crate) fn parties(command: &Command) -> impl Iterator<Item = Party> {
    let missing = |merchant, rejection, field| Party { merchant, missing: (rejection, field) };
    let own = |account: Account, field| {
        account.owner().map(|id| missing(id, Rejection::MerchantNotFound, Some(field)))
    };
    let both = match command {
        Command::Transfer(transfer) => [
            Some(missing(transfer.merchant, Rejection::MerchantNotFound, None)),
            Some(missing(transfer.to, Rejection::ReceiverInvalid, Some(Field::To))),
        ],
        Command::Adjust(adjust) => [own(adjust.from, Field::From), own(adjust.to, Field::To)],
        Command::BeginSettlement(settlement) => {
            [settlement.merchant.map(|id| missing(id, Rejection::MerchantNotFound, None)), None]
        }
        _ => [None, None],
    };
    both.into_iter().flatten()
}

/// Whether two commands may be decided at one meeting: neither's vote depends on what the other does.
pub(crate) fn are_apart(one: &Command, other: &Command) -> bool {
    if is_exclusive(one) || is_exclusive(other) {
        return false;
    }
    if let (Command::Adjust(one), Command::Adjust(other)) = (one, other)
        && one.adjustment_no == other.adjustment_no
    {
        return false;
    }
    parties(one).all(|a| parties(other).all(|b| a.merchant != b.merchant))
}

/// Whether a command changes what others are decided by.
fn is_exclusive(command: &Command) -> bool {
    !matches!(command, Command::Transfer(_) | Command::Adjust(_))
}

/// Counts what the shards, by their number, said to a command.
pub(crate) fn count(command: &Command, voices: &[Voice]) -> Tally {
    let refused = |rejection, field| Tally::Answered(Reply::Rejected(rejection, field));
    let vote = voices.iter().map(|voice| voice.vote).fold(Vote::Abstain, Vote::combine);
    if let Vote::Done(receipt) = vote {
        return Tally::Answered(Reply::Done(repeated(receipt, voices)));
    }
    // What is no request, and a number that stands for something else, is said before anybody is looked for.
    let before_all = |voice: &Voice| match voice.vote {
        Vote::No(why @ (Rejection::InvalidRequest | Rejection::IdempotencyConflict), field) => {
            Some((why, field))
        }
        _ => None,
    };
    if let Some((why, field)) = voices.iter().find_map(before_all) {
        return refused(why, field);
    }
    if let Some(first) = voices.iter().filter_map(|voice| voice.absent).min()
        && let Some(Party { missing: (rejection, field), .. }) = parties(command).nth(first)
    {
        return refused(rejection, field);
    }
    match vote {
        Vote::Yes(_) => Tally::Carried,
        Vote::No(rejection, field) => refused(rejection, field),
        Vote::Abstain | Vote::Done(_) => refused(Rejection::MerchantNotFound, None),
    }
}

/// The receipt of what was done before; those shards that know it say the same.
fn repeated(receipt: Receipt, voices: &[Voice]) -> Receipt {
    for voice in voices {
        if let Vote::Done(other) = voice.vote {
            assert_eq!(receipt, other, "shards that remember a command differently");
        }
    }
    receipt
}

/// One reply out of those of all shards to one command. They are alike but for what each counts by itself.
pub(crate) fn merge(replies: impl Iterator<Item = Reply>) -> Reply {
    replies
        .reduce(|all, one| match (all, one) {
            (
                Reply::Done(Receipt::Date { closed, resubmitted: a }),
                Reply::Done(Receipt::Date { closed: same, resubmitted: b }),
            ) if closed == same => Reply::Done(Receipt::Date { closed, resubmitted: a + b }),
            (all, one) => {
                assert_eq!(all, one, "shards that part on a command for all of them");
                all
            }
        })
        .unwrap_or(Reply::Rejected(Rejection::Unknown, None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use suanpan_core::{Date, Number, SetDate, Transfer};

    fn transfer(from: u64, to: u64) -> Command {
        let transfer_no: Number = "T1".parse().unwrap();
        Command::Transfer(Transfer { merchant: MerchantId(from), transfer_no, to: MerchantId(to), amount: 5 })
    }

    fn voice(vote: Vote) -> Voice {
        Voice { vote, absent: None }
    }

    fn absent(place: usize) -> Voice {
        Voice { vote: Vote::Abstain, absent: Some(place) }
    }

    fn rejected(rejection: Rejection, field: Option<Field>) -> Tally {
        Tally::Answered(Reply::Rejected(rejection, field))
    }

    #[test]
    fn votes_are_counted_in_the_order_of_the_business() {
        let command = transfer(1, 2);
        let (yes, abstain) = (voice(Vote::Yes(None)), voice(Vote::Abstain));
        let poor = voice(Vote::No(Rejection::InsufficientFunds, None));
        let conflict = voice(Vote::No(Rejection::IdempotencyConflict, None));
        let done = voice(Vote::Done(Receipt::Booked { repeat: true }));
        assert_eq!(count(&command, &[yes, abstain, yes]), Tally::Carried);
        assert_eq!(count(&command, &[yes, absent(1)]), rejected(Rejection::ReceiverInvalid, Some(Field::To)));
        assert_eq!(
            count(&command, &[poor, absent(1)]),
            rejected(Rejection::ReceiverInvalid, Some(Field::To))
        );
        assert_eq!(count(&command, &[absent(1), absent(0)]), rejected(Rejection::MerchantNotFound, None));
        assert_eq!(count(&command, &[poor, yes]), rejected(Rejection::InsufficientFunds, None));
        assert_eq!(count(&command, &[conflict, absent(1)]), rejected(Rejection::IdempotencyConflict, None));
        let invalid = voice(Vote::No(Rejection::InvalidRequest, Some(Field::To)));
        assert_eq!(
            count(&command, &[absent(1), invalid]),
            rejected(Rejection::InvalidRequest, Some(Field::To))
        );
        let repeat = Tally::Answered(Reply::Done(Receipt::Booked { repeat: true }));
        assert_eq!(count(&command, &[done, absent(1)]), repeat);
        assert_eq!(count(&command, &[abstain]), rejected(Rejection::MerchantNotFound, None));
    }

    #[test]
    fn what_shares_a_merchant_is_not_decided_together() {
        let date = Command::SetDate(SetDate { date: Date(1), cut: true });
        assert!(are_apart(&transfer(1, 2), &transfer(3, 4)));
        assert!(!are_apart(&transfer(1, 2), &transfer(2, 3)));
        assert!(!are_apart(&transfer(1, 2), &transfer(3, 1)));
        assert!(!are_apart(&transfer(1, 2), &date) && !are_apart(&date, &transfer(1, 2)));
    }
}
