//! The accounts of a day: what each held when it began, what moved on it, and its name, in one place.
//!
//! A payment's entries touch the same few accounts again and again: those of the last entries are found without hashing.

use std::io::Write as _;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use suanpan_core::{Account, ChannelId, Currency, Entry};

use super::names::{Names, UNNAMED};

/// What moved on an account, and what it held when the day began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Movement {
    pub(super) opening: i128,
    pub(super) coming: u128,
    pub(super) going: u128,
}

/// One of them, in a cache line of its own.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Moved {
    movement: Movement,
    name: u32,
}

/// Accounts that are found without hashing: a payment's entries are between three.
const RECENT: usize = 4;

/// All accounts that held or moved anything.
#[derive(Debug)]
pub(super) struct Accounts {
    places: HashMap<u128, u32, FixedState>,
    moved: Vec<Moved>,
    recent: [(u128, u32); RECENT],
    /// Which of the recent ones makes room next.
    oldest: usize,
}

/// No account has it: its kind is none.
const NO_KEY: u128 = u128::MAX;

impl Accounts {
    pub(super) fn new() -> Self {
        let places = HashMap::with_hasher(FixedState::with_seed(0));
        Self { places, moved: Vec::new(), recent: [(NO_KEY, 0); RECENT], oldest: 0 }
    }

    /// What an account holds when the day begins.
    pub(super) fn begin(&mut self, currency: Currency, account: Account, opening: i128) {
        let at = self.place(key_of(currency, account));
        self.moved[at as usize].movement.opening = opening;
    }

    /// Adds up what some entries move, and says the names of who gives and who gets in each. Places are found for all of them before
    /// anything is added up: so what is not in the cache is waited for together.
    pub(super) fn book<'a>(
        &mut self,
        entries: impl Iterator<Item = &'a Entry> + Clone,
        names: &mut Names,
        channels: &[String],
        named: &mut Vec<(u32, u32)>,
    ) {
        named.clear();
        for &Entry { from, to, currency, .. } in entries.clone() {
            named.push((self.place(key_of(currency, from)), self.place(key_of(currency, to))));
        }
        for (&Entry { from, to, amount, .. }, (giver, taker)) in entries.zip(named) {
            let (gives, amount) = (&mut self.moved[*giver as usize], u128::from(amount));
            gives.movement.going += amount;
            *giver = gives.named(from, names, channels);
            let takes = &mut self.moved[*taker as usize];
            takes.movement.coming += amount;
            *taker = takes.named(to, names, channels);
        }
    }

    #[inline]
    fn place(&mut self, key: u128) -> u32 {
        if let Some((_, place)) = self.recent.iter().find(|(known, _)| *known == key) {
            return *place;
        }
        self.find(key)
    }

    fn find(&mut self, key: u128) -> u32 {
        let Self { places, moved, recent, oldest } = self;
        let place = *places.entry(key).or_insert_with(|| {
            moved.push(Moved { movement: Movement::default(), name: UNNAMED });
            u32::try_from(moved.len() - 1).unwrap_or_else(|_| unreachable!("so many accounts"))
        });
        recent[*oldest] = (key, place);
        *oldest = (*oldest + 1) % RECENT;
        place
    }

    /// Forgets the names: a channel's may have changed.
    pub(super) fn forget_names(&mut self) {
        self.moved.iter_mut().for_each(|moved| moved.name = UNNAMED);
    }

    /// Takes an account's movement out.
    pub(super) fn remove(&mut self, currency: Currency, account: Account) -> Movement {
        let place = self.places.remove(&key_of(currency, account));
        place.map_or_else(Movement::default, |place| self.moved[place as usize].movement)
    }

    /// How many were not taken out.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }
}

impl Moved {
    /// The number of its name.
    #[inline]
    fn named(&mut self, account: Account, names: &mut Names, channels: &[String]) -> u32 {
        if self.name == UNNAMED {
            self.name = names.of(name_of(account, channels).as_bytes());
        }
        self.name
    }
}

/// An account in one number: currency, kind, owner.
fn key_of(currency: Currency, account: Account) -> u128 {
    let (kind, id) = match account {
        Account::Operator => (0, 0),
        Account::Suspense => (1, 0),
        Account::InTransit => (2, 0),
        Account::Bank => (3, 0),
        Account::Channel(id) => (4, u64::from(id.0)),
        Account::Accrued(id) => (5, id.0),
        Account::Platform(id) => (6, id.0),
        Account::FeeReceivable(id) => (7, id.0),
        Account::Merchant(id, account) => (8 + account as u8, id.0),
        _ => unreachable!("an account of a kind that no table has"),
    };
    let [a, b, c] = currency.0;
    u128::from(u32::from_be_bytes([a, b, c, kind])) << 64 | u128::from(id)
}

/// Writes an account's name, as [`Account::name`] says it.
fn write_account(account: Account, channels: &[String], to: &mut Vec<u8>) {
    let name = |id: ChannelId| channels.get(usize::from(id.0)).map_or("?", String::as_str);
    // Writing to memory does not fail.
    let _ = match account {
        Account::Merchant(id, account) => write!(to, "merchant:{}:{}", id.0, account.name()),
        Account::Channel(id) => write!(to, "channel:{}", name(id)),
        other => write!(to, "{}", other.name("")),
    };
}

/// The line of the trial balance that an account belongs to.
pub(super) fn line_of(account: Account, channels: &[String]) -> String {
    match account {
        Account::Merchant(_, account) => format!("merchants:{}", account.name()),
        Account::Accrued(_) => "merchants:accrued".to_owned(),
        Account::FeeReceivable(_) => "merchants:fee_receivable".to_owned(),
        account => name_of(account, channels),
    }
}

/// An account's name.
pub(super) fn name_of(account: Account, channels: &[String]) -> String {
    let mut name = Vec::new();
    write_account(account, channels, &mut name);
    String::from_utf8_lossy(&name).into_owned()
}

#[cfg(test)]
mod tests {
    use suanpan_core::{MerchantAccount, MerchantId, Subject};

    use super::*;

    fn accounts() -> Vec<Account> {
        let mut accounts = vec![Account::Operator, Account::Suspense, Account::InTransit, Account::Bank];
        accounts.extend([ChannelId(0), ChannelId(1)].map(Account::Channel));
        for id in [MerchantId(1), MerchantId(MerchantId::MAX)] {
            accounts.extend([Account::Accrued(id), Account::Platform(id), Account::FeeReceivable(id)]);
            accounts.extend(MerchantAccount::ALL.map(|account| Account::Merchant(id, account)));
        }
        accounts
    }

    #[test]
    fn every_account_has_a_key_and_a_name_of_its_own() {
        let accounts = accounts();
        let channels = ["wechat".to_owned(), "alipay".to_owned()];
        let mut keys: Vec<_> = accounts.iter().map(|account| key_of(Currency(*b"CNY"), *account)).collect();
        keys.extend(accounts.iter().map(|account| key_of(Currency(*b"USD"), *account)));
        keys.push(NO_KEY);
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 2 * accounts.len() + 1);
        for &account in &accounts {
            let channel = if let Account::Channel(id) = account { &channels[usize::from(id.0)] } else { "" };
            assert_eq!(name_of(account, &channels), account.name(channel));
        }
    }

    #[test]
    fn movements_are_each_accounts_own_however_often_it_made_room() {
        let (all, currency, mut names) = (accounts(), Currency(*b"CNY"), Names::default());
        let mut days = Accounts::new();
        days.begin(currency, all[3], -7);
        for round in 1..=20 {
            let entry = |(at, &account)| Entry {
                subject: Subject::TRANSFER,
                from: account,
                to: all[all.len() - 1 - at],
                amount: at as u64,
                currency,
                reversal: false,
            };
            let entries: Vec<Entry> = all.iter().enumerate().skip(round % 5).map(entry).collect();
            let mut named = Vec::new();
            days.book(entries.iter(), &mut names, &[], &mut named);
            assert_eq!(named.len(), entries.len());
            for (entry, named) in entries.iter().zip(named) {
                let own = [entry.from, entry.to].map(|account| names.of(name_of(account, &[]).as_bytes()));
                assert_eq!([named.0, named.1], own);
            }
        }
        for (at, &account) in all.iter().enumerate() {
            let booked = |at: usize| (1..=20).filter(|round| round % 5 <= at).count() as u128 * at as u128;
            let opening = if at == 3 { -7 } else { 0 };
            let expected = Movement { opening, coming: booked(all.len() - 1 - at), going: booked(at) };
            assert_eq!(days.remove(currency, account), expected, "{account:?}");
        }
        assert_eq!(days.len(), 0);
    }
}
