//! Taking a payment (domain.md, "Books", "Orders").

use crate::arena::NOWHERE;
use crate::entry::{Group, Parties};
use crate::ledger::{Done, Outcome};
use crate::merchant::Merchant;
use crate::order::{Order, OrderDetails, OrderFlags, Parts};
use crate::{
    Account, ChannelTerms, Currency, Discounts, EntrySink, Field, Key, Ledger, MerchantAccount, OrderStatus,
    Payment, Receipt, Rejection, Subject, Timestamp, Voucher,
};

/// The entries of a payment, 60 to 67.
pub(crate) fn entries(parties: &Parties, currency: Currency, paid: &Parts, advance_fee: u64) -> Group {
    let (channel, operator) = (Account::Channel(parties.channel), Account::Operator);
    let (above, purse, fees_from) = (parties.above(), parties.purse(), parties.fees_from());
    let mut group = Group::new(currency);
    group.add(Subject::CASH_IN, channel, operator, paid.cash);
    if let Some(platform) = parties.platform.map(Account::Platform) {
        group.add(Subject::CASH_TO_PLATFORM, operator, platform, paid.cash);
    }
    group.add(Subject::CASH_TO_MERCHANT, above, purse, paid.cash);
    group.add(Subject::FEES, fees_from, above, paid.fee + paid.platform_fee);
    if let Some(platform) = parties.platform.map(Account::Platform) {
        group.add(Subject::OPERATOR_FEE, platform, operator, paid.fee);
    }
    group.add(Subject::CHANNEL_COST, operator, channel, paid.cost);
    group.add(Subject::DISCOUNT, operator, purse, paid.discounts.operator);
    if let Some(platform) = parties.platform.map(Account::Platform) {
        group.add(Subject::DISCOUNT, platform, purse, paid.discounts.platform);
    }
    group.add(Subject::ADVANCE_FEE, fees_from, operator, advance_fee);
    group
}

/// What a payment comes to, under the merchant's current terms and the channel's rules.
struct Priced {
    parties: Parties,
    paid: Parts,
    advance_fee: u64,
}

fn price(payment: &Payment, discounts: Discounts, merchant: &Merchant, channel: &ChannelTerms) -> Priced {
    let terms = merchant.current();
    let (fee, platform_fee) = terms.fees(payment.amount);
    let cost = channel.cost(payment.amount);
    let purse = merchant.purse(payment.hold);
    let advance_fee = match purse {
        MerchantAccount::Available => terms.advance_fee(payment.amount, fee + platform_fee),
        _ => 0,
    };
    let parties = Parties {
        merchant: payment.merchant,
        channel: payment.channel,
        platform: terms.platform,
        purse,
        gross: terms.gross,
    };
    Priced { parties, paid: Parts { cash: payment.amount, discounts, fee, platform_fee, cost }, advance_fee }
}

impl Ledger {
    /// Checked in this order: repeat, merchant's status, blackout, order amount, day's amount, day's count.
    pub(crate) fn pay<S: EntrySink>(
        &mut self,
        payment: &Payment,
        key: Key,
        now: Timestamp,
        sink: &mut S,
    ) -> Outcome {
        let merchant_at = self.merchant_at(payment.merchant, key)?;
        let channel = self.channels.get(payment.channel).ok_or(Rejection::ChannelNotFound)?;
        if let Some(order_at) = self.order_at(merchant_at, &payment.order_no, key.number) {
            return self.paid_before(payment, order_at);
        }
        let merchant = &self.merchants[merchant_at];
        let discounts = payment.details.as_ref().map_or_else(Discounts::default, |details| details.discounts);
        if discounts.platform > 0 && merchant.current().platform.is_none() {
            return Err((Rejection::InvalidRequest, Some(Field::Discounts)).into());
        }
        merchant.may_take()?;
        let paid_at = payment.paid_at.unwrap_or(now);
        if channel.is_blacked_out(paid_at) {
            return Err(Rejection::ChannelBlackout.into());
        }
        let counted = merchant.within_limits(self.date, payment.amount)?;
        if !self.orders.has_room() {
            return Err(Rejection::Overflow.into());
        }

        let Priced { parties, paid, advance_fee } = price(payment, discounts, merchant, channel);
        let group = entries(&parties, merchant.currency(), &paid, advance_fee);
        let gross = parties.gross;
        let version = merchant.version;
        let voucher = Voucher {
            merchant: Some(payment.merchant),
            order_no: Some(payment.order_no),
            refund_no: None,
            reference: None,
            accounting_date: self.date,
        };
        self.book(merchant_at, &group, self.date, &voucher, sink)?;

        self.merchants[merchant_at].count(self.date, counted);
        let details = self.keep_details(payment, discounts, advance_fee);
        let order_at = self.orders.push(Order {
            order_no: payment.order_no,
            cash: payment.amount,
            fee: paid.fee,
            platform_fee: paid.platform_fee,
            cost: paid.cost,
            paid_at,
            date: self.date,
            merchant: merchant_at,
            details,
            giveback: NOWHERE,
            channel: payment.channel,
            terms: version,
            status: OrderStatus::Paid,
            purse: parties.purse,
            flags: OrderFlags::new(payment.hold, payment.paid_at.is_some()),
        });
        self.order_index.insert(key.number, order_at);
        let (fees, net) = (paid.fee + paid.platform_fee, net(&paid, gross, advance_fee));
        Ok(Done::changed(Receipt::Payment { repeat: false, fees, net }))
    }

    /// The rarer parts of a payment, for the orders that have any.
    fn keep_details(&mut self, payment: &Payment, discounts: Discounts, advance_fee: u64) -> u32 {
        let details = OrderDetails {
            discounts,
            advance_fee,
            promoter: payment.details.as_ref().and_then(|details| details.promoter),
            channel_txn: payment
                .details
                .as_ref()
                .and_then(|details| details.channel_txn.as_deref().map(Box::from)),
        };
        let plain = discounts == Discounts::default()
            && advance_fee == 0
            && details.promoter.is_none()
            && details.channel_txn.is_none();
        if plain { NOWHERE } else { self.details.push(details) }
    }

    /// "Same contents" is every field of the request, as it was sent.
    fn paid_before(&self, payment: &Payment, order_at: u32) -> Outcome {
        let order = &self.orders[order_at];
        let kept = self.details_of(order);
        let asked = payment.details.as_deref();
        let same = order.channel == payment.channel
            && order.cash == payment.amount
            && order.flags == OrderFlags::new(payment.hold, payment.paid_at.is_some())
            && payment.paid_at.is_none_or(|at| at == order.paid_at)
            && asked.map(|details| details.discounts).unwrap_or_default()
                == kept.map(|details| details.discounts).unwrap_or_default()
            && asked.and_then(|details| details.promoter) == kept.and_then(|details| details.promoter)
            && asked.and_then(|details| details.channel_txn.as_deref())
                == kept.and_then(|details| details.channel_txn.as_deref());
        if !same {
            return Err(Rejection::IdempotencyConflict.into());
        }
        let (fees, net) = (order.fee + order.platform_fee, self.net_of(order));
        Ok(Done::unchanged(Receipt::Payment { repeat: true, fees, net }))
    }
}

/// What a merchant gets of a payment.
pub(crate) fn net(paid: &Parts, gross: bool, advance_fee: u64) -> u64 {
    let advance_fee = if gross { 0 } else { advance_fee };
    let net = paid.merchants(gross) - advance_fee.cast_signed();
    assert!(net >= 0, "fees are at most the cash");
    net.cast_unsigned()
}
