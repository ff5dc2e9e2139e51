//! The same commands to several shards, at first three, as the engine would have them decided: each merchant's go to its shard, and what
//! concerns several is voted on by all of them, then applied by all of them. Nobody must see how many shards there are.

use super::*;

const SHARDS: u16 = 3;

pub(super) struct Shards(pub(super) Vec<Ledger>);

/// Whom a command of several merchants cannot do without, and what is said when one is not there.
fn parties(command: &Command) -> Vec<(MerchantId, Rejection, Option<Field>)> {
    let nobody = Rejection::MerchantNotFound;
    let owner = |account: Account, field| match account {
        Account::Merchant(id, _)
        | Account::FeeReceivable(id)
        | Account::Platform(id)
        | Account::Accrued(id) => Some((id, nobody, Some(field))),
        _ => None,
    };
    match command {
        Command::Transfer(transfer) => vec![
            (transfer.merchant, nobody, None),
            (transfer.to, Rejection::ReceiverInvalid, Some(Field::To)),
        ],
        Command::Adjust(asked) => {
            owner(asked.from, Field::From).into_iter().chain(owner(asked.to, Field::To)).collect()
        }
        Command::BeginSettlement(asked) => asked.merchant.map(|id| (id, nobody, None)).into_iter().collect(),
        _ => Vec::new(),
    }
}

impl Shards {
    pub(super) fn new() -> Self {
        Self((0..SHARDS).map(|shard| Ledger::shard(7, SUNDAY, shard == 0)).collect())
    }

    fn home_of(&self, merchant: MerchantId) -> usize {
        merchant.shard(self.0.len() as u16).into()
    }

    fn home(&self, merchant: MerchantId) -> &Ledger {
        &self.0[self.home_of(merchant)]
    }

    pub(super) fn apply(&mut self, command: &Command, now: Timestamp) -> Applied {
        if let Some(merchant) = command.merchant() {
            let home = self.home_of(merchant);
            return self.0[home].apply(command, now, &mut ());
        }
        if command.check().is_ok()
            && let Some(reply) = self.voted(command, now)
        {
            return Applied { reply, changed: false };
        }
        let each = self.0.iter_mut().map(|shard| shard.apply(command, now, &mut ()));
        each.reduce(|all, one| Applied {
            reply: match (all.reply, one.reply) {
                (
                    Reply::Done(Receipt::Date { closed, resubmitted: some }),
                    Reply::Done(Receipt::Date { resubmitted: more, .. }),
                ) => Reply::Done(Receipt::Date { closed, resubmitted: some + more }),
                (all, one) => {
                    assert_eq!(all, one, "shards that part on {command:?}");
                    all
                }
            },
            changed: all.changed || one.changed,
        })
        .unwrap()
    }

    /// What is answered without applying it: it was done before, or must not be done.
    fn voted(&self, command: &Command, now: Timestamp) -> Option<Reply> {
        let votes: Vec<Vote> = self.0.iter().map(|shard| shard.vote(command, now)).collect();
        let conflict = |vote: &Vote| matches!(vote, Vote::No(Rejection::IdempotencyConflict, _));
        let is_absent = |(id, ..): &(MerchantId, Rejection, Option<Field>)| {
            !matches!(self.home(*id).answer(&Query::Balances(*id), now), Reply::Balances(_))
        };
        match votes.iter().copied().fold(Vote::Abstain, Vote::combine) {
            Vote::Done(receipt) => Some(Reply::Done(receipt)),
            _ if votes.iter().any(conflict) => Some(Reply::Rejected(Rejection::IdempotencyConflict, None)),
            vote => match (parties(command).into_iter().find(is_absent), vote) {
                (Some((_, rejection, field)), _) | (None, Vote::No(rejection, field)) => {
                    Some(Reply::Rejected(rejection, field))
                }
                (None, Vote::Yes(_)) => None,
                (None, other) => panic!("{other:?} to {command:?}, whose merchants are there"),
            },
        }
    }

    pub(super) fn totals(&self, now: Timestamp) -> ShardTotals {
        let of = |shard: &Ledger| match shard.answer(&Query::Totals, now) {
            Reply::Totals(totals) => *totals,
            other => panic!("{other:?}"),
        };
        ShardTotals::sum(self.0.iter().map(of).collect())
    }

    /// A look, at the shard that knows or at all of them.
    pub(super) fn answer(&self, query: &Query, now: Timestamp) -> Reply {
        if let Some(merchant) = query.merchant() {
            return self.home(merchant).answer(query, now);
        }
        let each = self.0.iter().map(|shard| shard.answer(query, now));
        each.reduce(|all, one| match (all, one) {
            (Reply::Accrued(some), Reply::Accrued(more)) => Reply::Accrued(some + more),
            (Reply::Settlement { repeat, view: mut all }, Reply::Settlement { view: one, .. }) => {
                all.merchants += one.merchants;
                let mut amounts: BTreeMap<Currency, u128> = all.amounts.into_iter().collect();
                for (currency, amount) in one.amounts {
                    *amounts.entry(currency).or_default() += amount;
                }
                all.amounts = amounts.into_iter().collect();
                Reply::Settlement { repeat, view: all }
            }
            (all, one) => {
                assert_eq!(all, one, "shards that part on {query:?}");
                all
            }
        })
        .unwrap()
    }
}
