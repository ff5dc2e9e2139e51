//! Settlement batches, and sweeps of what others earned.

use std::collections::BTreeSet;

use super::*;

#[derive(Clone)]
pub(super) struct Batch {
    pub(super) merchant: Option<MerchantId>,
    pub(super) date: Date,
    pub(super) ended: bool,
    pub(super) paid: BTreeSet<u64>,
    pub(super) amounts: BTreeMap<Currency, u128>,
}

impl Naive {
    fn is_business_day(&self, date: Date) -> bool {
        // 2018-08-26 was a Sunday.
        let weekend = matches!((date.0 - 17_769).rem_euclid(7), 0 | 6) && self.flaw != Flaw::WeekendsWork;
        self.holidays.workdays.contains(&date) || (!weekend && !self.holidays.dates.contains(&date))
    }

    /// The last date that is due on `today` under a cycle.
    fn due_through(&self, today: Date, cycle: Cycle) -> Date {
        match cycle {
            Cycle::Calendar(days) => Date(today.0 - i32::from(days).max(1)),
            // The last with so many business days behind it, today among them.
            Cycle::Business(days) => {
                let behind =
                    |date: i32| (date + 1..=today.0).filter(|&day| self.is_business_day(Date(day))).count();
                Date(
                    (0..).map(|back| today.0 - back).find(|&date| behind(date) >= usize::from(days)).unwrap(),
                )
            }
        }
    }

    pub(super) fn begin_settlement(&mut self, asked: Settlement) -> Outcome {
        if let Some(merchant) = asked.merchant {
            self.terms(merchant)?;
        }
        if let Some(known) = self.batches.get(&asked.batch_no) {
            return again(known.merchant == asked.merchant, Receipt::Batch { repeat: true });
        }
        let batch = Batch {
            merchant: asked.merchant,
            date: self.date,
            ended: false,
            paid: BTreeSet::new(),
            amounts: BTreeMap::new(),
        };
        self.batches.insert(asked.batch_no, batch);
        Ok((Receipt::Batch { repeat: false }, true))
    }

    pub(super) fn end_settlement(&mut self, batch_no: Number) -> Outcome {
        let Some(batch) = self.batches.get_mut(&batch_no) else { return no(Rejection::SettlementNotFound) };
        let repeat = std::mem::replace(&mut batch.ended, true);
        Ok((Receipt::Batch { repeat }, !repeat))
    }

    /// What settling a merchant in a batch would come to: the last date it settles, the sum of its dates, what is paid.
    pub(super) fn due(&self, merchant: u64, batch: &Batch) -> Option<(Date, i128, u64)> {
        let terms = &self.merchants[&merchant];
        let asked = batch.merchant.is_none_or(|only| only.0 == merchant);
        if !asked || terms.status == MerchantStatus::Suspended {
            return None;
        }
        let through = self.due_through(batch.date, terms.cycle);
        if self.has_settled(merchant, through) {
            return None;
        }
        let dates: Vec<i128> = self
            .buckets
            .range((merchant, Date(i32::MIN))..=(merchant, through))
            .map(|(_, sum)| *sum)
            .collect();
        if dates.is_empty() {
            return None;
        }
        let sum: i128 = dates.iter().sum();
        let pending = self.balance(merchant, "pending");
        let most = if self.flaw == Flaw::SettleMoreThanPending { sum } else { sum.min(pending) };
        let amount = u64::try_from(most.max(0)).unwrap();
        if amount < terms.settle_min && self.flaw != Flaw::MinimumIgnored {
            return None;
        }
        Some((through, sum, amount))
    }

    pub(super) fn settle(&mut self, asked: Settle) -> Outcome {
        let terms = self.terms(asked.merchant)?;
        let m = asked.merchant.0;
        let Some(batch) = self.batches.get(&asked.batch_no).filter(|batch| !batch.ended).cloned() else {
            return no(Rejection::SettlementNotFound);
        };
        let Some((through, sum, amount)) = self.due(m, &batch) else {
            return Ok((Receipt::Settled { amount: 0 }, false));
        };
        let (from, to) = (format!("merchant:{m}:pending"), format!("merchant:{m}:available"));
        let next = through.plus_days(1);
        // The closed dates' sum goes to the next one, which what is paid is taken of: what is left over is carried.
        let mut carry = sum;
        if self.flaw == Flaw::CarryDropped {
            carry = i128::from(amount);
        }
        if self.flaw == Flaw::SettleTwice {
            carry = i128::from(amount);
        } else {
            self.buckets.retain(|&(of, date), _| of != m || date > through);
            self.settled_through.insert(m, through);
        }
        self.fill((m, next), carry);
        let about = About::merchant(&terms).reference(asked.batch_no);
        self.book(&about, next, vec![line(85, &from, &to, amount)])?;
        if amount > 0 {
            let batch = self.batches.get_mut(&asked.batch_no).unwrap();
            batch.paid.insert(m);
            *batch.amounts.entry(terms.currency).or_default() += u128::from(amount);
        }
        Ok((Receipt::Settled { amount }, true))
    }

    pub(super) fn sweep(&mut self, items: &[SweepItem]) -> Outcome {
        for item in items {
            let id = item.owner.0;
            let mut lines = Vec::new();
            for account in [format!("platform:{id}"), format!("accrued:{id}")] {
                let balance = self.balance_of(item.currency, &account);
                let amount = u64::try_from(balance.unsigned_abs()).unwrap();
                if balance >= 0 {
                    lines.push(line(90, &account, "in_transit", amount));
                } else if self.flaw != Flaw::SweepOnlyPositive {
                    lines.push(line(90, "in_transit", &account, amount));
                }
            }
            let nobody = About {
                owners: Vec::new(),
                currency: item.currency,
                order_no: None,
                refund_no: None,
                reference: None,
            };
            self.book(&nobody, self.date, lines)?;
            if let Some(terms) =
                self.merchants.get(&id).filter(|terms| terms.currency == item.currency).cloned()
            {
                let line = line(90, "in_transit", &format!("merchant:{id}:available"), item.amount);
                self.book(&About::merchant(&terms), self.date, vec![line])?;
            }
        }
        Ok((Receipt::Swept, true))
    }
}
