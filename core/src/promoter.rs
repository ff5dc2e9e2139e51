//! Promoters, who get a commission of the orders they brought (domain.md, "Held orders, splits, commissions").

use std::collections::BTreeMap;
use std::sync::Arc;

use rkyv::{Archive, Deserialize, Serialize};

use crate::digest::Digest;
use crate::{Currency, Field, MerchantId, Rate, Rejection};

/// Levels that get a commission: who brought the sale, and two upline.
pub const COMMISSION_LEVELS: usize = 3;

/// The most promoters above another: a bound on what putting one costs.
const UPLINE_MAX: usize = 64;

/// A promoter's terms. Putting them again replaces them, for later releases.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Archive, Serialize, Deserialize)]
pub struct Promoter {
    /// A merchant. That it is there, in this currency, was checked before.
    pub promoter: MerchantId,
    /// The merchant's.
    pub currency: Currency,
    /// Of an order's cash.
    pub rate: Rate,
    /// Who brought the promoter.
    pub upline: Option<MerchantId>,
    /// The upline's, of the same cash.
    pub upline_rate: Rate,
}

/// All promoters, the same on every shard.
#[derive(Clone, Debug, Default)]
pub(crate) struct Promoters {
    /// Shared with whoever writes an image of it.
    pub(crate) known: Arc<BTreeMap<MerchantId, Promoter>>,
}

impl Promoter {
    pub(crate) fn check(&self) -> Result<(), Field> {
        if !self.promoter.is_valid() {
            return Err(Field::Promoter);
        }
        if !self.currency.is_valid() {
            return Err(Field::Currency);
        }
        if !self.rate.is_valid() {
            return Err(Field::Rate);
        }
        if self.upline.is_some_and(|upline| !upline.is_valid()) {
            return Err(Field::Upline);
        }
        if self.upline_rate.is_valid() { Ok(()) } else { Err(Field::UplineRate) }
    }
}

impl Promoters {
    pub(crate) fn get(&self, promoter: MerchantId) -> Option<&Promoter> {
        self.known.get(&promoter)
    }

    /// Whether the promoter may be put so: its upline is a promoter, of the same currency, and not below it.
    pub(crate) fn allows(&self, promoter: &Promoter) -> Result<(), (Rejection, Option<Field>)> {
        let Some(upline) = promoter.upline else { return Ok(()) };
        let invalid = (Rejection::ReceiverInvalid, Some(Field::Upline));
        let known = self.get(upline).ok_or(invalid)?;
        if known.currency != promoter.currency {
            return Err((Rejection::CurrencyMismatch, Some(Field::Upline)));
        }
        let mut above = Some(known);
        for _ in 0..UPLINE_MAX {
            let Some(one) = above else { return Ok(()) };
            if one.promoter == promoter.promoter {
                return Err(invalid);
            }
            above = one.upline.and_then(|upline| self.get(upline));
        }
        // Who stands so deep is let nobody stand below it, or a circle might be missed.
        if above.is_none() { Ok(()) } else { Err(invalid) }
    }

    /// Makes or replaces a promoter; whether it was there.
    pub(crate) fn put(&mut self, promoter: &Promoter) -> bool {
        Arc::make_mut(&mut self.known).insert(promoter.promoter, *promoter).is_some()
    }

    /// Who gets which rate of an order that `promoter` brought, by level.
    pub(crate) fn levels(&self, promoter: MerchantId) -> impl Iterator<Item = (MerchantId, Rate)> {
        let first = self.get(promoter);
        let mut next = first.map(|first| (first.promoter, first.rate, first));
        std::iter::from_fn(move || {
            let (who, rate, terms) = next?;
            next = terms
                .upline
                .and_then(|upline| self.get(upline))
                .map(|upline| (upline.promoter, terms.upline_rate, upline));
            Some((who, rate))
        })
        .take(COMMISSION_LEVELS)
    }

    pub(crate) fn digest(&self, digest: &mut Digest) {
        for promoter in self.known.values() {
            digest.record(b"promoter", |record| {
                record.u64(promoter.promoter.0).bytes(&promoter.currency.0).u64(promoter.rate.0.into());
                record.option(promoter.upline.map(|id| id.0)).u64(promoter.upline_rate.0.into());
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn promoter(id: u64, rate: u32, upline: Option<u64>, upline_rate: u32) -> Promoter {
        Promoter {
            promoter: MerchantId(id),
            currency: Currency(*b"CNY"),
            rate: Rate(rate),
            upline: upline.map(MerchantId),
            upline_rate: Rate(upline_rate),
        }
    }

    #[test]
    fn three_levels_and_no_circle() {
        let mut all = Promoters::default();
        for one in [
            promoter(1, 10, None, 0),
            promoter(2, 20, Some(1), 21),
            promoter(3, 30, Some(2), 31),
            promoter(4, 40, Some(3), 41),
        ] {
            assert_eq!(all.allows(&one), Ok(()));
            assert!(!all.put(&one));
        }
        let levels = |id| all.levels(MerchantId(id)).map(|(who, rate)| (who.0, rate.0)).collect::<Vec<_>>();
        assert_eq!(levels(4), [(4, 40), (3, 41), (2, 31)]);
        assert_eq!(levels(2), [(2, 20), (1, 21)]);
        assert_eq!(levels(9), []);
        let refused = |one: Promoter| all.allows(&one).unwrap_err().0;
        assert_eq!(refused(promoter(1, 0, Some(4), 0)), Rejection::ReceiverInvalid);
        assert_eq!(refused(promoter(5, 0, Some(5), 0)), Rejection::ReceiverInvalid);
        assert_eq!(refused(promoter(5, 0, Some(6), 0)), Rejection::ReceiverInvalid);
        let foreign = Promoter { currency: Currency(*b"USD"), ..promoter(5, 0, Some(1), 0) };
        assert_eq!(refused(foreign), Rejection::CurrencyMismatch);
        for id in 5..=200 {
            let next = promoter(id, 0, Some(id - 1), 0);
            match all.allows(&next) {
                Ok(()) => assert!(!all.put(&next)),
                Err(no) => assert_eq!(no.0, Rejection::ReceiverInvalid),
            }
        }
        assert_eq!(all.get(MerchantId(64)).unwrap().upline, Some(MerchantId(63)));
        assert!(all.get(MerchantId(67)).is_none(), "the line ends somewhere");
    }
}
