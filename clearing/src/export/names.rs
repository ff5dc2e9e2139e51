//! The names of a day: what many rows have, merchants, accounts, channels, states, is told by its number in one list.
//!
//! A row then holds four bytes for a name, the encoder makes a dictionary of the numbers without looking at a text, and each name is
//! made once a day: written anew for each entry they were the dearest part of following a payment.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashTable};
use suanpan_core::{ChannelId, Currency, MerchantId, OrderStatus};

use crate::runs::Texts;

/// No name: numbers are given from 0 up.
pub(super) const UNNAMED: u32 = u32::MAX;

/// Those that were met so far.
#[derive(Debug, Default)]
pub(super) struct Names {
    all: Texts,
    by_text: HashTable<u32>,
    /// How many of them the encoder has.
    handed_on: usize,
    merchants: HashMap<MerchantId, u32, FixedState>,
    /// The merchant that was asked for last.
    last: Option<(MerchantId, u32)>,
    currencies: Vec<(Currency, u32)>,
    channels: Vec<u32>,
    /// One more than the name of each status; 0 where it was not met yet.
    statuses: [u32; 8],
}

impl Names {
    /// A text's number.
    pub(super) fn of(&mut self, text: &[u8]) -> u32 {
        let (all, hasher) = (&mut self.all, FixedState::default());
        let hash = hasher.hash_one(text);
        let is_it = |&name: &u32| all.get(name as usize) == text;
        if let Some(&name) = self.by_text.find(hash, is_it) {
            return name;
        }
        let name = u32::try_from(all.len()).unwrap_or(UNNAMED);
        assert!(name != UNNAMED, "fewer names than 32 bits count");
        all.add(text);
        self.by_text.insert_unique(hash, name, |&name| hasher.hash_one(all.get(name as usize)));
        name
    }

    /// A merchant's id.
    #[inline]
    pub(super) fn merchant(&mut self, id: MerchantId) -> u32 {
        if let Some((last, name)) = self.last
            && last == id
        {
            return name;
        }
        let name = match self.merchants.get(&id) {
            Some(&name) => name,
            None => {
                let name = self.of(id.0.to_string().as_bytes());
                self.merchants.insert(id, name);
                name
            }
        };
        self.last = Some((id, name));
        name
    }

    /// A currency's code.
    #[inline]
    pub(super) fn currency(&mut self, currency: Currency) -> u32 {
        if let Some((_, name)) = self.currencies.iter().find(|(known, _)| *known == currency) {
            return *name;
        }
        let name = self.of(&currency.0);
        self.currencies.push((currency, name));
        name
    }

    /// A channel's name.
    #[inline]
    pub(super) fn channel(&mut self, channel: ChannelId) -> u32 {
        match self.channels.get(usize::from(channel.0)) {
            Some(&name) => name,
            None => self.of(b"?"),
        }
    }

    /// What is said of where an order stands.
    #[inline]
    pub(super) fn status(&mut self, status: OrderStatus) -> u32 {
        let at = status as usize;
        if self.statuses[at] == 0 {
            self.statuses[at] = self.of(order_status(status).as_bytes()) + 1;
        }
        self.statuses[at] - 1
    }

    /// What the channels are called now.
    pub(super) fn set_channels(&mut self, channels: &[String]) {
        self.channels = channels.iter().map(|channel| self.of(channel.as_bytes())).collect();
    }

    /// Those that came up since this was called last.
    pub(super) fn fresh(&mut self) -> Texts {
        let mut fresh = Texts::default();
        fresh.extend_from(&self.all, self.handed_on);
        self.handed_on = self.all.len();
        fresh
    }
}

fn order_status(status: OrderStatus) -> &'static str {
    match status {
        OrderStatus::Created => "created",
        OrderStatus::Closed => "closed",
        OrderStatus::PaidLate => "paid_late",
        OrderStatus::Paid => "paid",
        OrderStatus::Voided => "voided",
        OrderStatus::PartiallyRefunded => "partially_refunded",
        OrderStatus::Refunded => "refunded",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_number_however_it_is_asked_for() {
        let mut names = Names::default();
        names.set_channels(&["wechat".to_owned(), "1001".to_owned()]);
        let id = MerchantId(1_001);
        let one = names.merchant(id);
        assert_eq!((names.merchant(id), names.of(b"1001")), (one, one));
        assert_eq!(names.channel(ChannelId(1)), one);
        assert_ne!(names.merchant(MerchantId(1_002)), one);
        assert_eq!(names.merchant(id), one);
        let yuan = names.currency(Currency(*b"CNY"));
        assert_eq!((names.currency(Currency(*b"CNY")), names.of(b"CNY")), (yuan, yuan));
        let fresh: Vec<String> =
            names.fresh().iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect();
        assert_eq!(fresh, ["wechat", "1001", "1002", "CNY"]);
        assert_eq!(names.of(b"paid"), 4);
        assert_eq!(names.channel(ChannelId(9)), 5);
        assert_eq!(names.fresh().iter().collect::<Vec<_>>(), [&b"paid"[..], b"?"]);
    }
}
