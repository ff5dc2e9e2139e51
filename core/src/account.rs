//! Accounts, and what a shard holds of those that many merchants share (domain.md, "Books").

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::digest::Digest;
use crate::{ChannelId, Currency, Entry, MerchantId};

/// The accounts that a merchant has of its own; none is ever below zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
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
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[non_exhaustive]
pub enum Account {
    /// Who runs Suanpan.
    Operator,
    /// Who moves the money; refunds payable to its payers are in it too.
    Channel(ChannelId),
    /// What a platform earned in this shard.
    Platform(MerchantId),
    /// A merchant's own.
    Merchant(MerchantId, MerchantAccount),
    /// Fees of a merchant in gross mode, billed by the month: below zero by what the merchant owes.
    FeeReceivable(MerchantId),
}

impl Account {
    /// The name in api.md ("Looking"); `channel_name` is that of the channel, if it is one.
    #[must_use]
    pub fn name(self, channel_name: &str) -> String {
        match self {
            Self::Operator => "operator".to_owned(),
            Self::Channel(_) => format!("channel:{channel_name}"),
            Self::Platform(id) => format!("platform:{}", id.0),
            Self::Merchant(id, account) => format!("merchant:{}:{}", id.0, account.name()),
            Self::FeeReceivable(id) => format!("fee_receivable:{}", id.0),
        }
    }
}

/// This shard's stripe of the shared accounts of one currency, and its merchants' totals by kind.
///
/// Sums are `i128`: an entry moves at most some 2^52, so no count of entries that a machine can book
/// overflows them.
#[derive(Debug)]
struct Stripe {
    currency: Currency,
    operator: i128,
    channels: Vec<i128>,
    /// Looked up on the way of every payment under a platform; listed by rising id.
    platforms: HashMap<u64, i128, FixedState>,
    merchants: [i128; MERCHANT_ACCOUNTS],
    fee_receivable: i128,
}

/// The shared accounts of a shard.
#[derive(Debug, Default)]
pub(crate) struct Books {
    stripes: Vec<Stripe>,
}

impl Books {
    /// The place of a currency's stripe, made if there is none.
    pub(crate) fn stripe(&mut self, currency: Currency) -> u32 {
        let at = self.stripes.iter().position(|stripe| stripe.currency == currency).unwrap_or_else(|| {
            self.stripes.push(Stripe {
                currency,
                operator: 0,
                channels: Vec::new(),
                platforms: HashMap::with_hasher(FixedState::with_seed(0)),
                merchants: [0; MERCHANT_ACCOUNTS],
                fee_receivable: 0,
            });
            self.stripes.len() - 1
        });
        // Three letters make 17,576 currencies.
        u32::try_from(at).unwrap_or(u32::MAX)
    }

    /// Takes an entry's amount from one account and gives it to the other.
    pub(crate) fn book(&mut self, stripe: u32, entry: &Entry) {
        let stripe = &mut self.stripes[stripe as usize];
        assert!(stripe.currency == entry.currency, "an entry in another currency's books");
        assert!(entry.amount > 0 && entry.from != entry.to, "an entry moves something somewhere");
        *stripe.balance(entry.from) -= i128::from(entry.amount);
        *stripe.balance(entry.to) += i128::from(entry.amount);
    }

    /// What a platform has here, over all currencies.
    pub(crate) fn platform(&self, id: MerchantId) -> i128 {
        self.stripes.iter().filter_map(|stripe| stripe.platforms.get(&id.0)).sum()
    }

    /// Every balance by currency, then account; `channel_names` by id.
    pub(crate) fn totals(&self, channel_names: &[&str]) -> Vec<(Currency, String, i128)> {
        let mut totals = Vec::new();
        for stripe in &self.stripes {
            let mut add = |account: String, balance| totals.push((stripe.currency, account, balance));
            add("operator".to_owned(), stripe.operator);
            for (name, &balance) in channel_names.iter().zip(&stripe.channels) {
                add(format!("channel:{name}"), balance);
            }
            for (id, &balance) in &stripe.platforms {
                add(format!("platform:{id}"), balance);
            }
            for account in MerchantAccount::ALL {
                add(format!("merchants:{}", account.name()), stripe.merchants[account as usize]);
            }
            add("merchants:fee_receivable".to_owned(), stripe.fee_receivable);
        }
        totals.sort_unstable();
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
            for (&id, &balance) in &stripe.platforms {
                add(3, id, balance);
            }
            for (kind, &balance) in (0..).zip(&stripe.merchants) {
                add(4, kind, balance);
            }
        }
    }
}

impl Stripe {
    fn balance(&mut self, account: Account) -> &mut i128 {
        match account {
            Account::Operator => &mut self.operator,
            Account::Channel(id) => {
                let at = usize::from(id.0);
                if at >= self.channels.len() {
                    self.channels.resize(at + 1, 0);
                }
                &mut self.channels[at]
            }
            Account::Platform(id) => self.platforms.entry(id.0).or_default(),
            Account::Merchant(_, account) => &mut self.merchants[account as usize],
            Account::FeeReceivable(_) => &mut self.fee_receivable,
        }
    }
}
