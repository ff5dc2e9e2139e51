//! Splits, their returns, promoters and their commissions.

use super::*;

#[derive(Clone)]
pub(super) struct Parted {
    pub(super) asked: Split,
    pub(super) date: Date,
    /// What came back of each receiver.
    pub(super) returned: BTreeMap<u64, u64>,
}

#[derive(Clone)]
pub(super) struct Returned {
    pub(super) asked: SplitReturn,
    pub(super) date: Date,
}

impl Naive {
    /// What of an order was split and did not come back.
    pub(super) fn split_of(&self, order: &Name) -> u64 {
        let of_order =
            |(name, split): &(&Name, &Parted)| name.0 == order.0 && split.asked.order_no == order.1;
        let left = |(_, split): (&Name, &Parted)| -> u64 {
            let out: u64 = split.asked.receivers.iter().map(|(_, amount)| amount).sum();
            out - split.returned.values().sum::<u64>()
        };
        self.splits.iter().filter(of_order).map(left).sum()
    }

    /// What of an order may be split in all.
    fn splittable(&self, order: &Order) -> u64 {
        if self.flaw == Flaw::SplitsUncapped {
            return order.amount;
        }
        charge(order.amount, order.terms.max_split_rate, Rounding::Down)
    }

    pub(super) fn split(&mut self, asked: &Split) -> Outcome {
        let terms = self.terms(asked.merchant)?;
        let (name, of) = ((asked.merchant.0, asked.split_no), (asked.merchant.0, asked.order_no));
        if let Some(known) = self.splits.get(&name) {
            return again(known.asked == *asked, Receipt::Booked { repeat: true });
        }
        let mut order = self.order(&of)?;
        if !order.is_held() || self.refunded(&of) == order.payable() {
            return no(Rejection::OrderState);
        }
        if terms.status == MerchantStatus::Closed {
            return no(Rejection::MerchantClosed);
        }
        // That the others are there, of this currency and not closed, was looked at before.
        if asked.receivers.iter().any(|(receiver, _)| *receiver == asked.merchant) {
            return no(Rejection::ReceiverInvalid);
        }
        let sum: u64 = asked.receivers.iter().map(|(_, amount)| amount).sum();
        if i128::from(sum) > self.hold_of(&of) {
            return no(Rejection::ExceedsHeld);
        }
        if self.split_of(&of) + sum > self.splittable(&order) {
            return no(Rejection::ExceedsSplitRate);
        }
        let held = format!("merchant:{}:held", of.0);
        let mut lines: Vec<Line> = asked
            .receivers
            .iter()
            .map(|(receiver, amount)| line(81, &held, &format!("accrued:{}", receiver.0), *amount))
            .collect();
        if asked.finish {
            lines.extend(self.release_lines(&of, &mut order, sum));
        }
        self.book(&About::order(&order.terms, of.1).reference(name.1), self.date, lines)?;
        self.orders.insert(of, order);
        let parted = Parted { asked: asked.clone(), date: self.date, returned: BTreeMap::new() };
        self.splits.insert(name, parted);
        Ok((Receipt::Booked { repeat: false }, true))
    }

    pub(super) fn split_return(&mut self, asked: &SplitReturn) -> Outcome {
        self.terms(asked.merchant)?;
        let (name, of) = ((asked.merchant.0, asked.return_no), (asked.merchant.0, asked.order_no));
        if let Some(known) = self.returns.get(&name) {
            return again(known.asked == *asked, Receipt::Booked { repeat: true });
        }
        let order = self.order(&of)?;
        let lines = vec![self.give_back(asked, &order)?];
        self.book(&About::order(&order.terms, of.1).reference(name.1), self.date, lines)?;
        Ok((Receipt::Booked { repeat: false }, true))
    }

    /// The split returns that a refund names, less those that were done before.
    pub(super) fn refund_returns(&mut self, asked: &[SplitReturn], order: &Order) -> Result<Vec<Line>, No> {
        let mut lines = Vec::new();
        if self.flaw == Flaw::ReturnsOnlyWhileHeld && !order.is_held() {
            return Ok(lines);
        }
        for back in asked {
            match self.returns.get(&(back.merchant.0, back.return_no)) {
                Some(known) if known.asked == *back => {}
                Some(_) => return no(Rejection::IdempotencyConflict),
                None => lines.push(self.give_back(back, order)?),
            }
        }
        Ok(lines)
    }

    /// Takes a part of a split back from its receiver, to where the order's money is.
    fn give_back(&mut self, asked: &SplitReturn, order: &Order) -> Result<Line, No> {
        let of_split = (asked.merchant.0, asked.split_no);
        let known = self.splits.get_mut(&of_split).filter(|split| split.asked.order_no == asked.order_no);
        let Some(split) = known else { return no(Rejection::SplitNotFound) };
        let part = split.asked.receivers.iter().find(|(receiver, _)| *receiver == asked.receiver);
        let Some(&(_, part)) = part else { return no(Rejection::ReceiverInvalid) };
        let returned = split.returned.entry(asked.receiver.0).or_default();
        if asked.amount > part - *returned {
            return no(Rejection::ExceedsRefundable);
        }
        if self.flaw != Flaw::ReturnForgotten {
            *returned += asked.amount;
        }
        let name = (asked.merchant.0, asked.return_no);
        self.returns.insert(name, Returned { asked: asked.clone(), date: self.date });
        let purse = if order.is_held() { "held" } else { "pending" };
        let (from, to) = (format!("accrued:{}", asked.receiver.0), format!("merchant:{}:{purse}", name.0));
        Ok(line(82, &from, &to, asked.amount))
    }

    pub(super) fn put_promoter(&mut self, asked: &Promoter) -> Outcome {
        if self.promoters.get(&asked.promoter.0) == Some(asked) {
            return Ok((Receipt::Promoter { existed: true }, false));
        }
        if let Some(upline) = asked.upline {
            let Some(above) = self.promoters.get(&upline.0) else {
                return no_field(Rejection::ReceiverInvalid, Field::Upline);
            };
            if above.currency != asked.currency {
                return no_field(Rejection::CurrencyMismatch, Field::Upline);
            }
            let mut line = vec![upline];
            while let Some(next) = self.promoters.get(&line[line.len() - 1].0).and_then(|one| one.upline) {
                line.push(next);
            }
            if line.contains(&asked.promoter) {
                return no_field(Rejection::ReceiverInvalid, Field::Upline);
            }
        }
        let known = self.promoters.insert(asked.promoter.0, *asked);
        Ok((Receipt::Promoter { existed: known.is_some() }, true))
    }

    /// What promoters get of an order whose `held` is to be released after `split` more of it was split: each its rate of
    /// the cash that was not given back, up to three, as far as the hold and the rate of splits reach.
    pub(super) fn commissions(&self, name: &Name, order: &Order, held: u64, split: u64) -> Vec<Commission> {
        let back: u64 = self.backs(name).map(|back| back.cash).sum();
        let cash = if self.flaw == Flaw::CommissionOnAllCash { order.amount } else { order.amount - back };
        let allowed = if self.flaw == Flaw::CommissionUncapped { u64::MAX } else { self.splittable(order) };
        let mut left = held.min(allowed.saturating_sub(self.split_of(name) + split));
        let mut commissions = Vec::new();
        let mut next = order.promoter.map(|promoter| (promoter, None));
        for level in 1..=3 {
            let Some((promoter, rate)) = next else { break };
            let terms = self.promoters[&promoter.0];
            let wanted = charge(cash, rate.unwrap_or(terms.rate), order.terms.fee_rounding);
            let amount = wanted.min(left);
            left -= amount;
            if amount > 0 {
                commissions.push(Commission { promoter, level, amount });
            }
            next = terms.upline.map(|upline| (upline, Some(terms.upline_rate)));
        }
        commissions
    }
}
