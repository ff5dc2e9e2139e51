//! Accounts, and what a shard holds of those that many merchants share (domain.md, "Books").

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use rkyv::{Archive, Deserialize, Serialize};

use crate::arena::{Arena, Record};
use crate::digest::Digest;
use crate::{ChannelId, Currency, Entry, MerchantId, PAGE_SCAN_MAX};

/// The most that one of a merchant's own accounts may hold, in minor units: what a signed 64-bit column holds, as the
/// cold store has.
pub const BALANCE_MAX: u64 = i64::MAX as u64;

/// The accounts that a merchant has of its own; none is ever below zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Archive, Serialize, Deserialize)]
#[repr(u8)]
pub enum MerchantAccount {
    /// Earned, not settled.
    Pending,
    /// Earned, kept back until the order is released.
    Held,
    /// Settled.
    Available,
    /// Taken out of available by an order of risk or law.
    Frozen,
    /// On its way to the merchant's bank.
    PayoutTransit,
}

/// How many accounts a merchant has.
pub(crate) const MERCHANT_ACCOUNTS: usize = 5;

impl MerchantAccount {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; MERCHANT_ACCOUNTS] =
        [Self::Pending, Self::Held, Self::Available, Self::Frozen, Self::PayoutTransit];

    /// The last part of the account's name in api.md.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Held => "held",
            Self::Available => "available",
            Self::Frozen => "frozen",
            Self::PayoutTransit => "payout_transit",
        }
    }
}

/// One side of an entry. Only a merchant's own accounts never go below zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Archive, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Account {
    /// Who runs Suanpan.
    Operator,
    /// Money that came for an order that was closed.
    Suspense,
    /// Accruals on their way from one shard to another: zero at every point of the log, over all shards.
    InTransit,
    /// Who moves the money; refunds payable to its payers are in it too.
    Channel(ChannelId),
    /// Who pays out where no channel was named.
    Bank,
    /// What a receiver of splits or commissions earned in this shard, and was not swept.
    Accrued(MerchantId),
    /// What a platform earned in this shard.
    Platform(MerchantId),
    /// A merchant's own.
    Merchant(MerchantId, MerchantAccount),
    /// Fees of a merchant in gross mode, billed by the month: below zero by what the merchant owes.
    FeeReceivable(MerchantId),
}

impl Account {
    /// The merchant whom it names, if it names one.
    #[must_use]
    pub const fn owner(self) -> Option<MerchantId> {
        match self {
            Self::Merchant(id, _) | Self::FeeReceivable(id) | Self::Platform(id) | Self::Accrued(id) => {
                Some(id)
            }
            Self::Operator | Self::Suspense | Self::InTransit | Self::Channel(_) | Self::Bank => None,
        }
    }

    /// Whether it is kept with its merchant, not as a stripe.
    pub(crate) const fn is_own(self) -> bool {
        matches!(self, Self::Merchant(..) | Self::FeeReceivable(_))
    }

    /// The name in api.md ("Looking"); `channel_name` is that of the channel, if it is one.
    #[must_use]
    pub fn name(self, channel_name: &str) -> String {
        match self {
            Self::Operator => "operator".to_owned(),
            Self::Suspense => "suspense".to_owned(),
            Self::InTransit => "in_transit".to_owned(),
            // No channel has brackets in its name.
            Self::Bank => "channel:(bank)".to_owned(),
            Self::Accrued(id) => format!("accrued:{}", id.0),
            Self::Channel(_) => format!("channel:{channel_name}"),
            Self::Platform(id) => format!("platform:{}", id.0),
            Self::Merchant(id, account) => format!("merchant:{}:{}", id.0, account.name()),
            Self::FeeReceivable(id) => format!("fee_receivable:{}", id.0),
        }
    }
}

/// One line of the trial balance: a shared account, or what all merchants have of one kind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum BookLine {
    /// Shared by many.
    Account(Account),
    /// All merchants' accounts of that kind.
    Merchants(MerchantAccount),
    /// All receivers' accruals.
    Accrued,
    /// All that merchants owe in gross mode.
    FeeReceivable,
}

impl BookLine {
    /// The name in the trial balance; `channel_name` is that of the channel, if it is one.
    #[must_use]
    pub fn name(self, channel_name: &str) -> String {
        match self {
            Self::Account(account) => account.name(channel_name),
            Self::Merchants(account) => format!("merchants:{}", account.name()),
            Self::Accrued => "merchants:accrued".to_owned(),
            Self::FeeReceivable => "merchants:fee_receivable".to_owned(),
        }
    }
}

/// Balances of owners that may live in any shard, in the order in which they first had one.
#[derive(Debug)]
pub(crate) struct Owners {
    places: HashMap<u64, u32, FixedState>,
    pub(crate) balances: Arena<OwnerBalance, 8>,
    sum: i128,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnerBalance {
    pub(crate) owner: MerchantId,
    pub(crate) balance: i128,
}

impl Record for OwnerBalance {}

impl Owners {
    fn new() -> Self {
        Self { places: HashMap::with_hasher(FixedState::with_seed(0)), balances: Arena::new(), sum: 0 }
    }

    /// The balances, without the way to them.
    fn snapshot(&mut self) -> Self {
        Self { balances: self.balances.snapshot(), sum: self.sum, ..Self::new() }
    }

    #[inline]
    pub(crate) fn add(&mut self, owner: MerchantId, amount: i128) {
        let next = self.balances.len();
        let at = *self.places.entry(owner.0).or_insert(next);
        if at == next {
            self.balances.push(OwnerBalance { owner, balance: 0 });
        }
        self.balances[at].balance += amount;
        self.sum += amount;
    }

    /// All balances.
    pub(crate) fn sum(&self) -> i128 {
        self.sum
    }

    fn of(&self, owner: MerchantId) -> i128 {
        self.places.get(&owner.0).map_or(0, |&at| self.balances[at].balance)
    }
}

/// This shard's stripe of the shared accounts of one currency, and its merchants' totals by kind.
///
/// Sums are `i128`: an entry moves at most some 2^63, so no count of entries that a machine can book
/// overflows them.
#[derive(Debug)]
pub(crate) struct Stripe {
    pub(crate) currency: Currency,
    pub(crate) operator: i128,
    pub(crate) suspense: i128,
    pub(crate) in_transit: i128,
    pub(crate) bank: i128,
    pub(crate) channels: Vec<i128>,
    /// Looked up on the way of every payment under a platform.
    pub(crate) platforms: Owners,
    pub(crate) accrued: Owners,
    pub(crate) merchants: [i128; MERCHANT_ACCOUNTS],
    pub(crate) fee_receivable: i128,
}

/// The shared accounts of a shard.
#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(crate) stripes: Vec<Stripe>,
}

impl Books {
    /// The same balances, to be read.
    pub(crate) fn snapshot(&mut self) -> Self {
        let snapshot = |stripe: &mut Stripe| Stripe {
            channels: stripe.channels.clone(),
            platforms: stripe.platforms.snapshot(),
            accrued: stripe.accrued.snapshot(),
            ..*stripe
        };
        Self { stripes: self.stripes.iter_mut().map(snapshot).collect() }
    }

    /// The place of a currency's stripe, made if there is none.
    pub(crate) fn stripe(&mut self, currency: Currency) -> u32 {
        let at = self.stripes.iter().position(|stripe| stripe.currency == currency).unwrap_or_else(|| {
            self.stripes.push(Stripe {
                currency,
                operator: 0,
                suspense: 0,
                in_transit: 0,
                bank: 0,
                channels: Vec::new(),
                platforms: Owners::new(),
                accrued: Owners::new(),
                merchants: [0; MERCHANT_ACCOUNTS],
                fee_receivable: 0,
            });
            self.stripes.len() - 1
        });
        // Three letters make 17,576 currencies.
        u32::try_from(at).unwrap_or(u32::MAX)
    }

    /// Takes an entry's amount from one account and gives it to the other.
    #[inline]
    pub(crate) fn book(&mut self, stripe: u32, entry: &Entry) {
        let stripe = self.stripe_of(stripe, entry);
        stripe.add(entry.from, -i128::from(entry.amount));
        stripe.add(entry.to, i128::from(entry.amount));
    }

    /// Takes an entry's amount from its payer: the payee is another shard's.
    #[inline]
    pub(crate) fn debit(&mut self, stripe: u32, entry: &Entry) {
        self.stripe_of(stripe, entry).add(entry.from, -i128::from(entry.amount));
    }

    /// Gives an entry's amount to its payee: the payer is another shard's.
    #[inline]
    pub(crate) fn credit(&mut self, stripe: u32, entry: &Entry) {
        self.stripe_of(stripe, entry).add(entry.to, i128::from(entry.amount));
    }

    #[inline]
    fn stripe_of(&mut self, stripe: u32, entry: &Entry) -> &mut Stripe {
        let stripe = &mut self.stripes[stripe as usize];
        assert!(stripe.currency == entry.currency, "an entry in another currency's books");
        assert!(entry.amount > 0 && entry.from != entry.to, "an entry moves something somewhere");
        stripe
    }

    /// What an owner has accrued here, as a platform and as a receiver.
    pub(crate) fn accruals(&self, owner: MerchantId, currency: Currency) -> (i128, i128) {
        self.stripes
            .iter()
            .find(|stripe| stripe.currency == currency)
            .map_or((0, 0), |stripe| (stripe.platforms.of(owner), stripe.accrued.of(owner)))
    }

    /// What an owner has accrued here, over all currencies.
    pub(crate) fn accrued(&self, owner: MerchantId) -> i128 {
        self.stripes.iter().map(|stripe| stripe.platforms.of(owner) + stripe.accrued.of(owner)).sum()
    }

    /// Owners with accruals, at most so many looked at from a place on, and where to go on. An owner may come twice.
    pub(crate) fn owners(&self, from: u32) -> (Vec<(MerchantId, Currency)>, Option<u32>) {
        let (mut skip, mut left) = (from as usize, PAGE_SCAN_MAX);
        let mut owners = Vec::new();
        for stripe in &self.stripes {
            for list in [&stripe.platforms.balances, &stripe.accrued.balances] {
                let len = list.len() as usize;
                let some = skip.min(len)..len;
                skip = skip.saturating_sub(len);
                let looked = some.start..some.end.min(some.start + left);
                left -= looked.len();
                let looked_at = looked.clone().filter_map(|at| u32::try_from(at).ok()).map(|at| list[at]);
                let with = looked_at.filter(|of| of.balance != 0);
                owners.extend(with.map(|of| (of.owner, stripe.currency)));
                if looked.len() < some.len() {
                    return (owners, Some(from + PAGE_SCAN_MAX as u32));
                }
            }
        }
        (owners, None)
    }

    /// Every balance by currency; each shared account with its own line, merchants by kind.
    pub(crate) fn totals(&self) -> Vec<(Currency, BookLine, i128)> {
        let mut totals = Vec::new();
        for stripe in &self.stripes {
            let mut add = |line, balance| totals.push((stripe.currency, line, balance));
            add(BookLine::Account(Account::Operator), stripe.operator);
            add(BookLine::Account(Account::Suspense), stripe.suspense);
            add(BookLine::Account(Account::InTransit), stripe.in_transit);
            add(BookLine::Account(Account::Bank), stripe.bank);
            for (id, &balance) in (0..).map(ChannelId).zip(&stripe.channels) {
                add(BookLine::Account(Account::Channel(id)), balance);
            }
            for &OwnerBalance { owner, balance } in stripe.platforms.balances.iter() {
                add(BookLine::Account(Account::Platform(owner)), balance);
            }
            for account in MerchantAccount::ALL {
                add(BookLine::Merchants(account), stripe.merchants[account as usize]);
            }
            add(BookLine::Accrued, stripe.accrued.sum);
            add(BookLine::FeeReceivable, stripe.fee_receivable);
        }
        totals
    }

    pub(crate) fn digest(&self, digest: &mut Digest) {
        for stripe in &self.stripes {
            let mut add = |kind: u64, id: u64, balance: i128| {
                // An account that was never touched is one at zero.
                if balance != 0 {
                    digest.record(b"account", |record| {
                        record.bytes(&stripe.currency.0).u64(kind).u64(id).i128(balance);
                    });
                }
            };
            add(0, 0, stripe.operator);
            add(1, 0, stripe.fee_receivable);
            for (id, &balance) in (0..).zip(&stripe.channels) {
                add(2, id, balance);
            }
            for &OwnerBalance { owner, balance } in stripe.platforms.balances.iter() {
                add(3, owner.0, balance);
            }
            for (kind, &balance) in (0..).zip(&stripe.merchants) {
                add(4, kind, balance);
            }
            add(5, 0, stripe.suspense);
            add(6, 0, stripe.in_transit);
            add(7, 0, stripe.bank);
            for &OwnerBalance { owner, balance } in stripe.accrued.balances.iter() {
                add(8, owner.0, balance);
            }
        }
    }
}

impl Stripe {
    /// The shared accounts that were ever used.
    pub(crate) fn shared(&self) -> impl Iterator<Item = (Account, i128)> {
        let alone = [
            (Account::Operator, self.operator),
            (Account::Suspense, self.suspense),
            (Account::InTransit, self.in_transit),
            (Account::Bank, self.bank),
        ];
        let channels = (0..).map(ChannelId).map(Account::Channel).zip(self.channels.iter().copied());
        let platforms = self.platforms.balances.iter().map(|of| (Account::Platform(of.owner), of.balance));
        let accrued = self.accrued.balances.iter().map(|of| (Account::Accrued(of.owner), of.balance));
        alone.into_iter().chain(channels).chain(platforms).chain(accrued)
    }

    #[inline]
    fn add(&mut self, account: Account, amount: i128) {
        match account {
            Account::Operator => self.operator += amount,
            Account::Suspense => self.suspense += amount,
            Account::InTransit => self.in_transit += amount,
            Account::Bank => self.bank += amount,
            Account::Channel(id) => {
                let at = usize::from(id.0);
                if at >= self.channels.len() {
                    self.channels.resize(at + 1, 0);
                }
                self.channels[at] += amount;
            }
            Account::Platform(id) => self.platforms.add(id, amount),
            Account::Accrued(id) => self.accrued.add(id, amount),
            Account::Merchant(_, account) => self.merchants[account as usize] += amount,
            Account::FeeReceivable(_) => self.fee_receivable += amount,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Subject;

    #[test]
    fn every_owner_is_on_some_page() {
        let (mut books, currency) = (Books::default(), Currency(*b"CNY"));
        let stripe = books.stripe(currency);
        for id in 1..=3_000 {
            let to = if id % 3 == 0 {
                Account::Platform(MerchantId(id))
            } else {
                Account::Accrued(MerchantId(id))
            };
            let (subject, from, reversal) = (Subject::SPLIT, Account::Operator, false);
            books.book(stripe, &Entry { subject, from, to, amount: id, currency, reversal });
        }
        let (mut seen, mut next) = (Vec::new(), Some(0));
        while let Some(from) = next {
            let page = books.owners(from);
            assert!(page.0.len() <= PAGE_SCAN_MAX);
            seen.extend(page.0);
            next = page.1;
        }
        seen.sort_unstable();
        assert_eq!(seen, (1..=3_000).map(|id| (MerchantId(id), currency)).collect::<Vec<_>>());
        assert_eq!(books.accruals(MerchantId(6), currency), (6, 0));
        assert_eq!(books.accrued(MerchantId(7)), 7);
        assert_eq!(books.totals().iter().map(|(.., balance)| balance).sum::<i128>(), 0);
    }
}
