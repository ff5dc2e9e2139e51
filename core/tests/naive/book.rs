//! The books: named accounts, dates of pending, holds of orders, and each merchant's list of entries.

use super::*;

/// Subject, from, to, amount, whether it is a reversal.
pub type Booked = (u8, String, String, u64, bool);

/// An entry as its merchant sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    pub seq: u64,
    pub group: u64,
    pub subject: u8,
    pub from: String,
    pub to: String,
    pub amount: u64,
    pub order_no: Option<Number>,
    pub refund_no: Option<Number>,
    pub reference: Option<Number>,
    pub date: Date,
    pub reversal: bool,
}

/// An entry that is to be booked.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) subject: u8,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) amount: u64,
    pub(super) reversal: bool,
}

pub(super) fn line(subject: u8, from: &str, to: &str, amount: u64) -> Line {
    Line { subject, from: from.to_owned(), to: to.to_owned(), amount, reversal: false }
}

/// The same, taken back.
pub(super) fn reversed(lines: Vec<Line>) -> Vec<Line> {
    let swap = |line: Line| Line { from: line.to, to: line.from, reversal: true, ..line };
    lines.into_iter().map(swap).collect()
}

/// Whose a group is and what it is about.
#[derive(Clone)]
pub(super) struct About {
    pub(super) owners: Vec<u64>,
    pub(super) currency: Currency,
    pub(super) order_no: Option<Number>,
    pub(super) refund_no: Option<Number>,
    pub(super) reference: Option<Number>,
}

impl About {
    pub(super) fn merchant(terms: &MerchantTerms) -> Self {
        Self {
            owners: vec![terms.merchant.0],
            currency: terms.currency,
            order_no: None,
            refund_no: None,
            reference: None,
        }
    }

    pub(super) fn order(terms: &MerchantTerms, order_no: Number) -> Self {
        Self { order_no: Some(order_no), ..Self::merchant(terms) }
    }

    pub(super) fn reference(self, number: Number) -> Self {
        Self { reference: Some(number), ..self }
    }
}

/// `merchant:ID:KIND` as its parts.
fn own_account(name: &str) -> Option<(u64, &str)> {
    let (id, kind) = name.strip_prefix("merchant:")?.split_once(':')?;
    Some((id.parse().unwrap(), kind))
}

impl Naive {
    pub(super) fn balance_of(&self, currency: Currency, account: &str) -> i128 {
        self.accounts.get(&(currency, account.to_owned())).copied().unwrap_or(0)
    }

    pub(super) fn balance(&self, merchant: u64, account: &str) -> i128 {
        let terms = self.merchants.get(&merchant);
        terms.map_or(0, |terms| self.balance_of(terms.currency, &format!("merchant:{merchant}:{account}")))
    }

    /// What is still held of an order.
    pub(super) fn hold_of(&self, order: &Name) -> i128 {
        self.holds.get(order).copied().unwrap_or(0)
    }

    /// Books a group; what it moves of pending belongs to `date`. No merchant's account may be below zero or above
    /// what 64 bits with a sign hold after it.
    pub(super) fn book(&mut self, about: &About, date: Date, lines: Vec<Line>) -> Result<(), No> {
        let lines: Vec<Line> = lines.into_iter().filter(|line| line.amount > 0).collect();
        let mut pending: BTreeMap<u64, i128> = BTreeMap::new();
        for line in &lines {
            let amount = i128::from(line.amount);
            for (account, change) in [(&line.from, -amount), (&line.to, amount)] {
                *self.accounts.entry((about.currency, account.clone())).or_default() += change;
                match own_account(account) {
                    Some((id, "pending")) => *pending.entry(id).or_default() += change,
                    Some((id, "held")) => {
                        *self.holds.entry((id, about.order_no.unwrap())).or_default() += change;
                    }
                    _ => {}
                }
            }
            self.booked.push((line.subject, line.from.clone(), line.to.clone(), line.amount, line.reversal));
        }
        for (id, change) in pending {
            self.fill((id, date), change);
        }
        // One order's held money does not stand in for another's.
        if self.flaw != Flaw::HoldsShared && self.holds.values().any(|&held| held < 0) {
            return no(Rejection::InsufficientFunds);
        }
        let touched: Vec<i128> = lines
            .iter()
            .flat_map(|line| [&line.from, &line.to])
            .filter(|account| own_account(account).is_some())
            .map(|account| self.balance_of(about.currency, account))
            .collect();
        if touched.iter().any(|&balance| balance < 0) {
            return no(Rejection::InsufficientFunds);
        }
        if touched.iter().any(|&balance| balance > i128::from(i64::MAX)) {
            return no(Rejection::Overflow);
        }
        for &owner in &about.owners {
            for line in &lines {
                let seen = Seen {
                    seq: 0,
                    group: 0,
                    subject: line.subject,
                    from: line.from.clone(),
                    to: line.to.clone(),
                    amount: line.amount,
                    order_no: about.order_no,
                    refund_no: about.refund_no,
                    reference: about.reference,
                    date: self.date,
                    reversal: line.reversal,
                };
                self.news.push((owner, seen));
            }
        }
        Ok(())
    }

    /// Adds to a date of pending; one that came to zero is there until it is settled.
    pub(super) fn fill(&mut self, bucket: (u64, Date), change: i128) {
        if change != 0 {
            *self.buckets.entry(bucket).or_default() += change;
        }
    }

    /// Gives what one command booked for a merchant the merchant's next numbers, as one group.
    pub(super) fn list_news(&mut self) {
        let groups: BTreeMap<u64, u64> = self
            .entries
            .iter()
            .map(|(&owner, list)| (owner, list.last().map_or(0, |last| last.group)))
            .collect();
        for (owner, seen) in self.news.clone() {
            let list = self.entries.entry(owner).or_default();
            let group = groups.get(&owner).copied().unwrap_or(0) + 1;
            let seq = list.len() as u64 + 1;
            list.push(Seen { seq, group, ..seen });
        }
    }
}
