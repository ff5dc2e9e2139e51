//! Answers to queries (api.md, "Orders", "Refunds", "Looking").

use crate::arena::NOWHERE;
use crate::order::Order;
use crate::refund::StoredRefund;
use crate::{
    BalancesView, Ledger, MerchantAccount, MerchantId, Number, OrderStatus, OrderView, PAGE_REFUNDS_MAX,
    Query, RawTotals, Receipt, RefundView, Rejection, Reply, Timestamp, VoidView,
};

impl Ledger {
    /// Looks, and changes nothing. What is not there is a [`Reply::Rejected`] that says so.
    #[must_use]
    pub fn answer(&self, query: &Query, _now: Timestamp) -> Reply {
        let answer = match query {
            Query::Balances(id) => self.balances(*id).map(|view| Reply::Balances(Box::new(view))),
            Query::Merchant(id) => self
                .known_merchant(*id)
                .map(|at| Reply::Merchant(Box::new(self.merchants[at].terms().clone()))),
            Query::Order(id, order_no) => {
                self.known_order(*id, order_no).map(|order| Reply::Order(Box::new(self.order_view(order))))
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
            _ => Err(Rejection::InvalidRequest),
        };
        answer.unwrap_or_else(|rejection| Reply::Rejected(rejection, None))
    }

    fn known_merchant(&self, id: MerchantId) -> Result<u32, Rejection> {
        self.find_merchant(id).ok_or(Rejection::MerchantNotFound)
    }

    fn known_order(&self, id: MerchantId, order_no: &Number) -> Result<&Order, Rejection> {
        let merchant_at = self.known_merchant(id)?;
        let at = self.order_at(merchant_at, order_no, self.hash.number(id, order_no));
        at.map(|at| &self.orders[at]).ok_or(Rejection::OrderNotFound)
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

    fn order_view(&self, order: &Order) -> OrderView {
        let paid = order.paid(self.discounts_of(order));
        let (given, refunded) =
            self.giveback_of(order).map_or((0, 0), |giveback| (giveback.given.payable(), giveback.succeeded));
        let voided = order.status == OrderStatus::Voided;
        OrderView {
            order_no: order.order_no,
            merchant: self.merchants[order.merchant].id,
            channel: order.channel,
            status: order.status,
            amount: paid.cash,
            payable: paid.payable(),
            fee: paid.fee,
            platform_fee: paid.platform_fee,
            channel_cost: paid.cost,
            net: self.net_of(order),
            refundable: if voided { 0 } else { paid.payable() - given },
            refunded,
            in_flight: given - refunded,
            held: self.held_of(order),
            settled: self.is_settled(order),
            accounting_date: Some(order.date),
            paid_at: Some(order.paid_at),
            channel_txn: self
                .details_of(order)
                .and_then(|details| details.channel_txn.as_deref().map(str::to_owned)),
            expires_at: None,
            commissions: Vec::new(),
        }
    }

    fn refund_view(&self, refund: &StoredRefund) -> RefundView {
        let order = &self.orders[refund.order];
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
            state: refund.state,
            sent_as: refund.sent_as,
            attempts: refund.attempts,
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
        let order = self.known_order(id, order_no)?;
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
            orders: self.orders.len().into(),
            refunds: self.refunds.len().into(),
            accounts: self.books.totals(),
            channels: self.channels.names(),
        }
    }
}
