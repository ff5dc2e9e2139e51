//! Taking a payment (domain.md, "Books", "Orders").

use crate::arena::NOWHERE;
use crate::entry::{Group, Parties};
use crate::journal::{Booked, PLACE_MAX};
use crate::ledger::{Done, Outcome, Refusal};
use crate::merchant::{Merchant, OrderTerms};
use crate::order::{Order, OrderDetails, OrderFlags, Parts};
use crate::{
    Account, ChannelId, ChannelTerms, Currency, Discounts, EntrySink, EventKind, Field, Key, Ledger,
    MerchantAccount, MerchantId, OrderStatus, Payment, Receipt, Rejection, Subject, Timestamp, Voucher,
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

/// What is to be paid.
pub(crate) struct Bill {
    pub(crate) channel: ChannelId,
    pub(crate) cash: u64,
    pub(crate) discounts: Discounts,
    pub(crate) hold: bool,
}

/// What a payment comes to.
pub(crate) struct Priced {
    pub(crate) parties: Parties,
    pub(crate) paid: Parts,
    pub(crate) advance_fee: u64,
}

/// Under a version of the merchant's terms, its cycle now, and the channel's rules.
pub(crate) fn price(bill: &Bill, merchant: &Merchant, terms: &OrderTerms, channel: &ChannelTerms) -> Priced {
    let &Bill { cash, discounts, hold, .. } = bill;
    let (fee, platform_fee) = terms.fees(cash);
    let cost = channel.cost(cash);
    let purse = merchant.purse(hold);
    let advance_fee = match purse {
        MerchantAccount::Available => terms.advance_fee(cash, fee + platform_fee),
        _ => 0,
    };
    let parties = Parties {
        merchant: merchant.id,
        channel: bill.channel,
        platform: terms.platform,
        purse,
        gross: terms.gross,
    };
    Priced { parties, paid: Parts { cash, discounts, fee, platform_fee, cost }, advance_fee }
}

/// No platform, no discount of it: that is malformed, whatever else may be wrong.
fn check_funders(merchant: &Merchant, discounts: Discounts) -> Result<(), Refusal> {
    let nobody = discounts.platform > 0 && merchant.current().platform.is_none();
    if nobody { Err((Rejection::InvalidRequest, Some(Field::Discounts)).into()) } else { Ok(()) }
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
        let paid_at = payment.paid_at.unwrap_or(now);
        let counted = self.may_be_paid(merchant, channel, discounts, payment.amount, paid_at)?;
        if let Some(promoter) = payment.details.as_ref().and_then(|details| details.promoter) {
            self.check_promoter(promoter, merchant)?;
        }

        let (cash, hold) = (payment.amount, payment.hold);
        let bill = Bill { channel: payment.channel, cash, discounts, hold };
        let Priced { parties, paid, advance_fee } = price(&bill, merchant, merchant.current(), channel);
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
        self.book(merchant_at, group.entries(), self.date, &voucher, sink)?;

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
        let journal = &mut self.merchants[merchant_at].journal;
        let before = journal.push(Booked::Payment(order_at), self.date, group.entries().len());
        self.before_order.set(order_at, before);
        self.tell(sink, |ledger| ledger.order_event(EventKind::PaymentPaid, order_at));
        let (fees, net) = (paid.fee + paid.platform_fee, net(&paid, gross, advance_fee));
        Ok(Done::changed(Receipt::Payment { repeat: false, fees, net }))
    }

    /// What is checked of a payment, also of one that is to come: the merchant's status, blackout, the order's amount,
    /// the day's amount, the day's count. Gives the day's count and amount with it.
    pub(crate) fn may_be_paid(
        &self,
        merchant: &Merchant,
        channel: &ChannelTerms,
        discounts: Discounts,
        cash: u64,
        at: Timestamp,
    ) -> Result<(u64, u64), Refusal> {
        check_funders(merchant, discounts)?;
        merchant.may_take()?;
        if channel.is_blacked_out(at) {
            return Err(Rejection::ChannelBlackout.into());
        }
        let counted = merchant.within_limits(self.date, cash)?;
        if !self.orders.has_room_to(PLACE_MAX) {
            return Err(Rejection::Overflow.into());
        }
        Ok(counted)
    }

    /// A promoter must be known, another than the merchant, and paid in the merchant's currency.
    fn check_promoter(&self, promoter: MerchantId, merchant: &Merchant) -> Result<(), Refusal> {
        let known = self.promoters.get(promoter).is_some_and(|known| known.currency == merchant.currency());
        if known && promoter != merchant.id {
            Ok(())
        } else {
            Err((Rejection::ReceiverInvalid, Some(Field::Promoter)).into())
        }
    }

    /// The entries of an order's payment as they were booked when it was paid in one.
    pub(crate) fn first_entries(&self, order: &Order) -> Group {
        let held = order.flags.hold();
        let purse = if held { MerchantAccount::Held } else { order.purse };
        let parties = Parties { purse, ..self.parties(order) };
        let advance_fee = self.details_of(order).map_or(0, |details| details.advance_fee);
        let currency = self.merchants[order.merchant].currency();
        entries(&parties, currency, &order.paid(self.discounts_of(order)), advance_fee)
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
            expires_at: None,
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
        // The flags of an order that was created first are never a payment's.
        let asked_flags = OrderFlags::new(payment.hold, payment.paid_at.is_some());
        let same = order.channel == payment.channel
            && order.cash == payment.amount
            && order.flags == asked_flags
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
