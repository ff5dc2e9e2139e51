//! Answers to queries (api.md, "Orders", "Refunds", "Looking").

use crate::arena::NOWHERE;
use crate::journal::{Booked, Listed, read_posting};
use crate::order::Order;
use crate::refund::StoredRefund;
use crate::{
    BalancesView, Currency, Ledger, MerchantAccount, MerchantId, MovementKind, Number, OrderStatus,
    OrderView, PAGE_ENTRIES_MAX, PAGE_REFUNDS_MAX, Query, RawTotals, Receipt, RefundView, Rejection, Reply,
    Timestamp, VoidView,
};

impl Ledger {
    /// Looks, and changes nothing. What is not there is a [`Reply::Rejected`] that says so.
    #[must_use]
    pub fn answer(&self, query: &Query, now: Timestamp) -> Reply {
        let answer = match query {
            Query::Balances(id) => self.balances(*id).map(|view| Reply::Balances(Box::new(view))),
            Query::Merchant(id) => self
                .known_merchant(*id)
                .map(|at| Reply::Merchant(Box::new(self.merchants[at].terms().clone()))),
            Query::Order(id, order_no) => {
                self.known_order(*id, order_no).map(|at| Reply::Order(Box::new(self.order_view(at, now))))
            }
            Query::Refund(id, refund_no) => self
                .known_refund(*id, refund_no)
                .map(|refund| Reply::Refund(Box::new(self.refund_view(refund)))),
            Query::OrderRefunds(id, order_no, after) => self.refunds_page(*id, order_no, after.as_ref()),
            Query::Void(id, void_no) => self.void_view(*id, void_no).map(|view| Reply::Void(Box::new(view))),
            Query::Accrued(id) => Ok(Reply::Accrued(self.books.accrued(*id))),
            Query::Totals => Ok(Reply::Totals(Box::new(self.totals().named()))),
            Query::Channel(id) => self
                .channels
                .get(*id)
                .map(|terms| Reply::Channel(Box::new(terms.clone())))
                .ok_or(Rejection::ChannelNotFound),
            Query::ChannelNamed(name) => self
                .channels
                .by_name(name)
                .map(|(id, _)| Reply::Done(Receipt::Channel { id, existed: true }))
                .ok_or(Rejection::ChannelNotFound),
            other => self.answer_other(other, now),
        };
        answer.unwrap_or_else(|rejection| Reply::Rejected(rejection, None))
    }

    /// What is asked less often.
    fn answer_other(&self, query: &Query, now: Timestamp) -> Result<Reply, Rejection> {
        match query {
            Query::Date => Ok(Reply::Date(self.date)),
            Query::Split(id, split_no) => {
                let (merchant_at, hash) = self.known_number(*id, split_no)?;
                let at = self.split_at(merchant_at, split_no, hash).ok_or(Rejection::SplitNotFound)?;
                Ok(Reply::Split(Box::new(self.split_view(at))))
            }
            Query::SplitReturn(id, return_no) => {
                let (merchant_at, hash) = self.known_number(*id, return_no)?;
                let at = self.return_at(merchant_at, return_no, hash);
                let at = at.ok_or(Rejection::SplitReturnNotFound)?;
                Ok(Reply::SplitReturn(Box::new(self.split_return_view(at))))
            }
            Query::Movement(kind, id, number) => {
                let (merchant_at, hash) = self.known_number(*id, number)?;
                let at = self.movement_at(*kind, merchant_at, number, hash).ok_or(kind.not_found())?;
                Ok(Reply::Movement(Box::new(self.movement_view(at))))
            }
            Query::Adjustment(number) => {
                let view = self.adjustments.get(number).ok_or(Rejection::AdjustmentNotFound)?;
                Ok(Reply::Adjustment(Box::new(view.clone())))
            }
            Query::Promoter(id) => {
                let promoter = self.promoters.get(*id).ok_or(Rejection::PromoterNotFound)?;
                Ok(Reply::Promoter(Box::new(*promoter)))
            }
            Query::Holidays => Ok(Reply::Holidays(Box::new(self.holidays.clone()))),
            Query::Settlement(batch_no) => {
                let view = Box::new(self.settlement_view(batch_no)?);
                Ok(Reply::Settlement { repeat: false, view })
            }
            Query::Entries(id, after) => self.entries_page(*id, *after),
            Query::Due(batch_no, from) => self.due(batch_no, *from),
            Query::Accruals(from) => {
                let (owners, next) = self.books.owners(*from);
                Ok(Reply::Accruals { owners, next })
            }
            Query::Expired(max) => Ok(Reply::Expired(self.expired(now, *max))),
            _ => unreachable!("answered above"),
        }
    }

    /// A merchant's place, and the hash of a number of its own.
    fn known_number(&self, id: MerchantId, number: &Number) -> Result<(u32, u64), Rejection> {
        Ok((self.known_merchant(id)?, self.hash.number(id, number)))
    }

    /// One page of a merchant's entries, from behind `after`. What it costs does not grow with the merchant: it looks
    /// back through at most one block of groups.
    fn entries_page(&self, id: MerchantId, after: u64) -> Result<Reply, Rejection> {
        let merchant = &self.merchants[self.known_merchant(id)?];
        let mut page = Vec::new();
        let (cold, here_from) = self.cold_groups(merchant, after);
        for (group, first_seq, posting) in cold {
            page.extend(Listed::of(posting, group, first_seq).views(after));
        }
        self.booked_behind(&merchant.journal, here_from, |booked, group, first_seq| {
            if page.len() > PAGE_ENTRIES_MAX {
                return None;
            }
            Some(self.list(booked, group, first_seq, merchant.currency(), |listed| {
                page.extend(listed.views(after));
                listed.entries.len() as u64
            }))
        });
        let has_more = page.len() > PAGE_ENTRIES_MAX;
        page.truncate(PAGE_ENTRIES_MAX);
        Ok(Reply::Entries { page, has_more })
    }

    /// Works a group of a merchant's list out again.
    fn list<T>(
        &self,
        booked: Booked,
        group: u64,
        first_seq: u64,
        currency: Currency,
        then: impl FnOnce(&Listed<'_>) -> T,
    ) -> T {
        match booked {
            Booked::Payment(at) => {
                let order = &self.orders[at];
                let entries = self.first_entries(order);
                then(&Listed {
                    group,
                    first_seq,
                    order_no: Some(order.order_no),
                    refund_no: None,
                    reference: None,
                    date: order.date,
                    entries: entries.entries(),
                })
            }
            Booked::Posting(at) => {
                let posting = read_posting(&self.postings[at].bytes, currency);
                then(&Listed::of(&posting, group, first_seq))
            }
        }
    }

    fn known_merchant(&self, id: MerchantId) -> Result<u32, Rejection> {
        self.find_merchant(id).ok_or(Rejection::MerchantNotFound)
    }

    fn known_order(&self, id: MerchantId, order_no: &Number) -> Result<u32, Rejection> {
        let (merchant_at, hash) = self.known_number(id, order_no)?;
        self.order_at(merchant_at, order_no, hash).ok_or(Rejection::OrderNotFound)
    }

    fn known_refund(&self, id: MerchantId, refund_no: &Number) -> Result<&StoredRefund, Rejection> {
        let merchant_at = self.known_merchant(id)?;
        let at = self.refund_at(merchant_at, refund_no, self.hash.number(id, refund_no));
        at.map(|at| &self.refunds[at]).ok_or(Rejection::RefundNotFound)
    }

    fn balances(&self, id: MerchantId) -> Result<BalancesView, Rejection> {
        let merchant = &self.merchants[self.known_merchant(id)?];
        Ok(BalancesView {
            merchant: id,
            currency: merchant.currency(),
            pending: merchant.balances.of(MerchantAccount::Pending),
            held: merchant.balances.of(MerchantAccount::Held),
            available: merchant.balances.of(MerchantAccount::Available),
            frozen: merchant.balances.of(MerchantAccount::Frozen),
            payout_transit: merchant.balances.of(MerchantAccount::PayoutTransit),
            accounting_date: self.date,
        })
    }

    fn order_view(&self, at: u32, now: Timestamp) -> OrderView {
        let order = &self.orders[at];
        let details = self.details_of(order);
        let status = self.status_of(at, now);
        let waits = matches!(status, OrderStatus::Created | OrderStatus::Closed);
        let discounts = self.discounts_of(order);
        let paid = order.paid(discounts);
        let (given, refunded) =
            self.giveback_of(order).map_or((0, 0), |giveback| (giveback.given.payable(), giveback.succeeded));
        let none_left = waits || status == OrderStatus::Voided;
        OrderView {
            order_no: order.order_no,
            merchant: self.merchants[order.merchant].id,
            channel: order.channel,
            status,
            amount: paid.cash,
            payable: paid.cash + discounts.total(),
            fee: paid.fee,
            platform_fee: paid.platform_fee,
            channel_cost: paid.cost,
            net: self.net_of(order),
            refundable: if none_left { 0 } else { paid.payable() - given },
            refunded,
            in_flight: given - refunded,
            held: self.held_of(order),
            settled: self.is_settled(order),
            accounting_date: (!waits).then_some(order.date),
            paid_at: (!waits).then_some(order.paid_at),
            channel_txn: details.and_then(|details| details.channel_txn.as_deref().map(str::to_owned)),
            expires_at: self.expires_at(order),
            commissions: self.giveback_of(order).map_or(Vec::new(), |giveback| giveback.commissions.clone()),
        }
    }

    fn refund_view(&self, refund: &StoredRefund) -> RefundView {
        let order = &self.orders[refund.order];
        let standing = refund.on(self.date);
        RefundView {
            refund_no: refund.refund_no,
            order_no: order.order_no,
            merchant: self.merchants[order.merchant].id,
            amount: refund.parts.payable(),
            cash_amount: refund.parts.cash,
            discount_amount: refund.parts.discounts.total(),
            fee_returned: refund.parts.fee,
            platform_fee_returned: refund.parts.platform_fee,
            cost_returned: refund.parts.cost,
            merchant_debit: refund.funds.debit(),
            from_pending: refund.funds.pending,
            from_held: refund.funds.held,
            from_available: refund.funds.available,
            state: standing.state,
            sent_as: standing.sent_as,
            attempts: standing.attempts,
            accounting_date: refund.date,
        }
    }

    /// An order's refunds, oldest first.
    pub(crate) fn refunds_of(&self, order: &Order) -> impl Iterator<Item = &StoredRefund> {
        self.refunds_from(self.giveback_of(order).map_or(NOWHERE, |giveback| giveback.first))
    }

    /// The refund at `at` and those behind it of the same order.
    fn refunds_from(&self, mut at: u32) -> impl Iterator<Item = &StoredRefund> {
        std::iter::from_fn(move || {
            let refund = (at != NOWHERE).then(|| &self.refunds[at])?;
            at = refund.next;
            Some(refund)
        })
    }

    /// One page of an order's refunds, oldest first: from the first, or from behind the one named.
    fn refunds_page(
        &self,
        id: MerchantId,
        order_no: &Number,
        after: Option<&Number>,
    ) -> Result<Reply, Rejection> {
        let order = &self.orders[self.known_order(id, order_no)?];
        let first = match after {
            None => self.giveback_of(order).map_or(NOWHERE, |giveback| giveback.first),
            Some(refund_no) => {
                let refund = self.known_refund(id, refund_no)?;
                if self.orders[refund.order].order_no != *order_no {
                    return Err(Rejection::RefundNotFound);
                }
                refund.next
            }
        };
        let mut refunds = self.refunds_from(first);
        let page = refunds.by_ref().take(PAGE_REFUNDS_MAX).map(|refund| self.refund_view(refund)).collect();
        Ok(Reply::Refunds { page, has_more: refunds.next().is_some() })
    }

    fn void_view(&self, id: MerchantId, void_no: &Number) -> Result<VoidView, Rejection> {
        let merchant_at = self.known_merchant(id)?;
        let at = self.void_at(merchant_at, void_no, self.hash.number(id, void_no));
        let void = &self.voids[at.ok_or(Rejection::VoidNotFound)?];
        let order_no = self.orders[void.order].order_no;
        Ok(VoidView { void_no: void.void_no, order_no, state: void.state })
    }

    /// This shard's part of the trial balance; costs what there are of accounts shown, not of merchants.
    #[must_use]
    pub fn totals(&self) -> RawTotals {
        RawTotals {
            accounting_date: self.date,
            merchants: self.merchants.len().into(),
            orders: self.order_count(),
            refunds: u64::from(self.refunds.len()) + self.cold.refunds,
            accounts: self.books.totals(),
            channels: self.channels.names(),
        }
    }
}

impl MovementKind {
    /// What is said when there is none of that number.
    const fn not_found(self) -> Rejection {
        match self {
            Self::Payout => Rejection::PayoutNotFound,
            Self::TopUp => Rejection::TopupNotFound,
            Self::Freeze => Rejection::FreezeNotFound,
            Self::Transfer => Rejection::TransferNotFound,
        }
    }
}
