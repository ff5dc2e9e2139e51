//! Whatever may be looked up, as the model has it.

use super::*;
use crate::naive::Seen;

impl Pair {
    fn shows(&self, query: &Query, reply: &Reply) -> Differ {
        agree!(self.ledger.answer(query, self.now()), *reply, "{query:?}");
        Ok(())
    }

    /// Every view, also on several shards.
    pub fn viewed_on_shards(&mut self) -> Differ {
        let now = self.now();
        let Some((twin, shards)) = &mut self.others else { return Ok(()) };
        let mut same = |query: Query| {
            agree!(twin.answer(&query, now), self.ledger.answer(&query, now), "{query:?} with a cold store");
            agree!(
                shards.answer(&query, now),
                self.ledger.answer(&query, now),
                "{query:?} on several shards"
            );
            Ok(())
        };
        let Reply::Totals(totals) = self.ledger.answer(&Query::Totals, now) else { panic!() };
        let shown = |totals: ShardTotals| {
            let accounts = totals.accounts.into_iter().filter(|(.., balance)| *balance != 0).collect();
            ShardTotals { accounts, ..totals }
        };
        agree!(shown(shards.totals(now)), shown(*totals), "the totals of several shards");
        for view in self.naive.balances() {
            same(Query::Balances(view.merchant))?;
            same(Query::Accrued(view.merchant))?;
            let entries = self.naive.entries(view.merchant).len() as u64;
            for page in 0..=entries / PAGE_ENTRIES_MAX as u64 {
                same(Query::Entries(view.merchant, page * PAGE_ENTRIES_MAX as u64))?;
            }
        }
        for order in self.naive.orders(now) {
            same(Query::Order(order.merchant, order.order_no))?;
            same(Query::OrderRefunds(order.merchant, order.order_no, None))?;
        }
        for view in self.naive.splits() {
            same(Query::Split(view.merchant, view.split_no))?;
        }
        for view in self.naive.movements() {
            same(Query::Movement(view.kind, view.merchant, view.number))?;
        }
        for view in self.naive.adjustments() {
            same(Query::Adjustment(view.asked.adjustment_no))?;
        }
        for view in self.naive.settlements() {
            same(Query::Settlement(view.batch_no))?;
        }
        for promoter in self.naive.promoters() {
            same(Query::Promoter(promoter.promoter))?;
        }
        same(Query::Holidays)
    }

    /// Every view; and no order gives back more than was paid.
    pub fn viewed(&self) -> Differ {
        for view in self.naive.balances() {
            let merchant = view.merchant;
            self.shows(&Query::Balances(merchant), &Reply::Balances(Box::new(view)))?;
            self.listed(merchant)?;
        }
        for order in self.naive.orders(self.now()) {
            self.shows(
                &Query::Order(order.merchant, order.order_no),
                &Reply::Order(Box::new(order.clone())),
            )?;
            let refunds = self.naive.refunds(&order);
            assert!(refunds.len() <= PAGE_REFUNDS_MAX, "the sequences are too short for a second page");
            let reply = Reply::Refunds { page: refunds.clone(), has_more: false };
            self.shows(&Query::OrderRefunds(order.merchant, order.order_no, None), &reply)?;
            let given: Vec<_> = refunds.iter().filter(|r| r.state != RefundState::Failed).collect();
            let sum = |of: fn(&RefundView) -> u64| -> u64 { given.iter().map(|r| of(r)).sum() };
            assert!(sum(|r| r.cash_amount) <= order.amount, "more cash back than came in");
            assert!(sum(|r| r.amount) <= order.payable);
            assert!(sum(|r| r.fee_returned) <= order.fee);
            assert!(sum(|r| r.platform_fee_returned) <= order.platform_fee);
            assert!(sum(|r| r.cost_returned) <= order.channel_cost);
        }
        for (merchant, view) in self.naive.voids() {
            self.shows(&Query::Void(merchant, view.void_no), &Reply::Void(Box::new(view)))?;
        }
        for view in self.naive.splits() {
            self.shows(&Query::Split(view.merchant, view.split_no), &Reply::Split(Box::new(view)))?;
        }
        for view in self.naive.split_returns() {
            let query = Query::SplitReturn(view.asked.merchant, view.asked.return_no);
            self.shows(&query, &Reply::SplitReturn(Box::new(view)))?;
        }
        for view in self.naive.movements() {
            let query = Query::Movement(view.kind, view.merchant, view.number);
            self.shows(&query, &Reply::Movement(Box::new(view)))?;
        }
        self.viewed_by_all()
    }

    /// What is the same on every shard, and what the engine asks for.
    fn viewed_by_all(&self) -> Differ {
        for view in self.naive.adjustments() {
            let query = Query::Adjustment(view.asked.adjustment_no);
            self.shows(&query, &Reply::Adjustment(Box::new(view)))?;
        }
        for promoter in self.naive.promoters() {
            self.shows(&Query::Promoter(promoter.promoter), &Reply::Promoter(Box::new(promoter)))?;
        }
        self.shows(&Query::Holidays, &Reply::Holidays(Box::new(self.naive.holidays().clone())))?;
        for view in self.naive.settlements() {
            let (repeat, batch_no) = (false, view.batch_no);
            let view = Box::new(view);
            self.shows(&Query::Settlement(batch_no), &Reply::Settlement { repeat, view })?;
        }
        let accruals = self.naive.accruals();
        let mut sums = BTreeMap::<u64, i128>::new();
        for (&(owner, _), &sum) in &accruals {
            *sums.entry(owner).or_default() += sum;
        }
        for (&owner, &sum) in &sums {
            self.shows(&Query::Accrued(MerchantId(owner)), &Reply::Accrued(sum))?;
        }
        let Reply::Accruals { owners, next: None } = self.ledger.answer(&Query::Accruals(0), self.now())
        else {
            panic!("few owners are one page")
        };
        let missed = |&(&(owner, currency), &sum): &(&(u64, Currency), &i128)| {
            sum != 0 && !owners.contains(&(MerchantId(owner), currency))
        };
        agree!(accruals.iter().find(missed), None, "an owner whose accruals are not listed");
        let Reply::Expired(expired) = self.ledger.answer(&Query::Expired(u16::MAX), self.now()) else {
            panic!("not a list of orders")
        };
        let mut expired = expired;
        expired.sort_unstable();
        agree!(expired, self.naive.expired(self.now()), "orders whose time is over");
        Ok(())
    }

    /// Whoever would be settled is listed.
    pub fn due(&self, batch_no: Number) -> Differ {
        match self.ledger.answer(&Query::Due(batch_no, 0), self.now()) {
            Reply::Due { merchants, next: None } => {
                let due = self.naive.due_in(batch_no);
                let missed = due.iter().find(|merchant| !merchants.contains(merchant));
                agree!(missed, None, "a merchant with something due that is not listed");
                Ok(())
            }
            // The batch was ended before.
            Reply::Rejected(Rejection::SettlementNotFound, _) => Ok(()),
            other => Err(format!("{other:?} lists nobody")),
        }
    }

    /// A merchant's entries, page by page.
    fn listed(&self, merchant: MerchantId) -> Differ {
        let expected = self.naive.entries(merchant);
        let mut seen = Vec::new();
        loop {
            let after = seen.last().map_or(0, |last: &Seen| last.seq);
            let reply = self.ledger.answer(&Query::Entries(merchant, after), self.now());
            let Reply::Entries { page, has_more } = reply else {
                return Err(format!("{reply:?} lists no entries of {merchant:?}"));
            };
            let left = expected.len() - seen.len().min(expected.len());
            agree!(page.len(), left.min(PAGE_ENTRIES_MAX), "entries in a page of {merchant:?}");
            agree!(has_more, left > PAGE_ENTRIES_MAX, "whether there are more of {merchant:?}");
            seen.extend(page.into_iter().map(|entry| Seen {
                seq: entry.seq,
                group: entry.group,
                subject: entry.subject.0,
                from: self.name(entry.from),
                to: self.name(entry.to),
                amount: entry.amount,
                order_no: entry.order_no,
                refund_no: entry.refund_no,
                reference: entry.reference,
                date: entry.accounting_date,
                reversal: entry.reversal,
            }));
            if !has_more {
                break;
            }
        }
        if let Some(at) = (0..seen.len()).find(|&at| seen[at] != expected[at]) {
            agree!(seen[at], expected[at], "entry {at} of {merchant:?}");
        }
        Ok(())
    }
}
