//! What the export of a day needs of a ledger: which records a command touched, and each of them as a row.
//!
//! Places are those of the ledger's memory. They hold until an order departs to the cold store, and mean nothing to another
//! ledger.

use crate::{
    Account, ChannelId, ChannelTerms, Command, Currency, Date, Discounts, Key, Ledger, MerchantAccount,
    MerchantId, MerchantTerms, Number, OrderStatus, RefundState, SentAs, Timestamp, VoidState,
};

/// What a command was about, by places. An order is among them whenever its refund or void is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Touched {
    /// The order.
    pub order: Option<u32>,
    /// The refund.
    pub refund: Option<u32>,
    /// The void.
    pub void: Option<u32>,
}

/// An order as it stands; as [`OrderView`](crate::OrderView), with what the view has no room for and no copies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each is the field of OrderView or MerchantTerms that it is named after")]
pub struct OrderRow<'a> {
    pub merchant: MerchantId,
    pub order_no: &'a Number,
    pub channel: ChannelId,
    pub currency: Currency,
    pub status: OrderStatus,
    pub amount: u64,
    pub discounts: Discounts,
    pub fee: u64,
    pub platform_fee: u64,
    pub channel_cost: u64,
    pub advance_fee: u64,
    pub net: u64,
    pub refundable: u64,
    pub refunded: u64,
    pub in_flight: u64,
    pub held: u64,
    pub settled: bool,
    /// Whether its fees are billed by the month.
    pub gross: bool,
    pub platform: Option<MerchantId>,
    pub promoter: Option<MerchantId>,
    pub accounting_date: Option<Date>,
    pub paid_at: Option<Timestamp>,
    pub channel_txn: Option<&'a str>,
}

/// Whether money goes back by a refund or by a void.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BackKind {
    /// A refund.
    Refund,
    /// A void: the payment is cancelled whole.
    Void,
}

/// A refund or a void as it stands; as [`RefundView`](crate::RefundView). Of a void the amounts are the whole order's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each is the field of RefundView that it is named after")]
pub struct BackRow<'a> {
    pub kind: BackKind,
    pub merchant: MerchantId,
    pub number: &'a Number,
    pub order_no: &'a Number,
    pub channel: ChannelId,
    pub currency: Currency,
    pub state: RefundState,
    pub sent_as: SentAs,
    pub attempts: u32,
    pub amount: u64,
    pub cash: u64,
    pub fee_returned: u64,
    pub platform_fee_returned: u64,
    pub cost_returned: u64,
    pub merchant_debit: u64,
    pub from_pending: u64,
    pub from_held: u64,
    pub from_available: u64,
    pub accounting_date: Date,
    pub channel_refund_no: Option<&'a str>,
    /// The order's number at the channel.
    pub channel_txn: Option<&'a str>,
}

impl Ledger {
    /// What a command that was just applied was about; `key` is what [`Ledger::touch`] gave for it.
    #[must_use]
    pub fn touched(&self, command: &Command, key: Key) -> Touched {
        let order = |merchant, order_no: &Number, hash: u64| {
            let at = self.merchant_at(merchant, key).ok()?;
            self.order_at(at, order_no, hash)
        };
        let of_order = |order| Touched { order, ..Touched::default() };
        match command {
            Command::Payment(payment) => of_order(order(payment.merchant, &payment.order_no, key.number)),
            Command::CreateOrder(new) => of_order(order(new.merchant, &new.order_no, key.number)),
            Command::Confirm(confirm) => of_order(order(confirm.merchant, &confirm.order_no, key.number)),
            Command::Close(close) => of_order(order(close.merchant, &close.order_no, key.number)),
            Command::Reinstate(of) | Command::Release(of) => {
                of_order(order(of.merchant, &of.order_no, key.number))
            }
            Command::Split(split) => of_order(order(split.merchant, &split.order_no, key.order)),
            Command::SplitReturn(back) => of_order(order(back.merchant, &back.order_no, key.order)),
            Command::Refund(refund) => self.touched_refund(refund.merchant, &refund.refund_no, key),
            Command::RefundResult(result) => self.touched_refund(result.merchant, &result.refund_no, key),
            Command::Void(void) => self.touched_void(void.merchant, &void.void_no, key),
            Command::VoidResult(result) => self.touched_void(result.merchant, &result.void_no, key),
            _ => Touched::default(),
        }
    }

    fn touched_refund(&self, merchant: MerchantId, refund_no: &Number, key: Key) -> Touched {
        let at = self.merchant_at(merchant, key).ok();
        let refund = at.and_then(|at| self.refund_at(at, refund_no, key.number));
        Touched { order: refund.map(|at| self.refunds[at].order), refund, void: None }
    }

    fn touched_void(&self, merchant: MerchantId, void_no: &Number, key: Key) -> Touched {
        let at = self.merchant_at(merchant, key).ok();
        let void = at.and_then(|at| self.void_at(at, void_no, key.number));
        Touched { order: void.map(|at| self.voids[at].order), refund: None, void }
    }

    /// The order at a place that [`Ledger::touched`] gave, at a time.
    ///
    /// # Panics
    /// When no order is there.
    #[must_use]
    pub fn order_row(&self, place: u32, now: Timestamp) -> OrderRow<'_> {
        let order = &self.orders[place];
        let merchant = &self.merchants[order.merchant];
        let terms = merchant.version(order.terms);
        let details = self.details_of(order);
        let status = self.status_of(place, now);
        let waits = matches!(status, OrderStatus::Created | OrderStatus::Closed);
        let (discounts, paid) = (self.discounts_of(order), order.paid(self.discounts_of(order)));
        let (given, refunded) =
            self.giveback_of(order).map_or((0, 0), |giveback| (giveback.given.payable(), giveback.succeeded));
        let none_left = waits || status == OrderStatus::Voided;
        OrderRow {
            merchant: merchant.id,
            order_no: &order.order_no,
            channel: order.channel,
            currency: merchant.currency(),
            status,
            amount: paid.cash,
            discounts,
            fee: paid.fee,
            platform_fee: paid.platform_fee,
            channel_cost: paid.cost,
            advance_fee: details.map_or(0, |details| details.advance_fee),
            net: self.net_of(order),
            refundable: if none_left { 0 } else { paid.payable() - given },
            refunded,
            in_flight: given - refunded,
            held: self.held_of(order),
            settled: self.is_settled(order),
            gross: terms.gross,
            platform: terms.platform,
            promoter: details.and_then(|details| details.promoter),
            accounting_date: (!waits).then_some(order.date),
            paid_at: (!waits).then_some(order.paid_at),
            channel_txn: details.and_then(|details| details.channel_txn.as_deref()),
        }
    }

    /// The refund at a place that [`Ledger::touched`] gave.
    ///
    /// # Panics
    /// When no refund is there.
    #[must_use]
    pub fn refund_row(&self, place: u32) -> BackRow<'_> {
        let refund = &self.refunds[place];
        let order = &self.orders[refund.order];
        let (merchant, standing) = (&self.merchants[order.merchant], refund.on(self.date));
        BackRow {
            kind: BackKind::Refund,
            merchant: merchant.id,
            number: &refund.refund_no,
            order_no: &order.order_no,
            channel: order.channel,
            currency: merchant.currency(),
            state: standing.state,
            sent_as: standing.sent_as,
            attempts: standing.attempts,
            amount: refund.parts.payable(),
            cash: refund.parts.cash,
            fee_returned: refund.parts.fee,
            platform_fee_returned: refund.parts.platform_fee,
            cost_returned: refund.parts.cost,
            merchant_debit: refund.funds.debit(),
            from_pending: refund.funds.pending,
            from_held: refund.funds.held,
            from_available: refund.funds.available,
            accounting_date: refund.date,
            channel_refund_no: refund.channel_refund_no.as_deref(),
            channel_txn: self.details_of(order).and_then(|details| details.channel_txn.as_deref()),
        }
    }

    /// The void at a place that [`Ledger::touched`] gave.
    ///
    /// # Panics
    /// When no void is there.
    #[must_use]
    pub fn void_row(&self, place: u32) -> BackRow<'_> {
        let void = &self.voids[place];
        let order = &self.orders[void.order];
        let merchant = &self.merchants[order.merchant];
        let (paid, net) = (order.paid(self.discounts_of(order)), self.net_of(order));
        let from = |account| if order.purse == account { net } else { 0 };
        BackRow {
            kind: BackKind::Void,
            merchant: merchant.id,
            number: &void.void_no,
            order_no: &order.order_no,
            channel: order.channel,
            currency: merchant.currency(),
            state: match void.state {
                VoidState::Processing => RefundState::Processing,
                VoidState::Succeeded => RefundState::Succeeded,
                VoidState::Failed => RefundState::Failed,
            },
            sent_as: SentAs::Void,
            attempts: 1,
            amount: paid.payable(),
            cash: paid.cash,
            fee_returned: paid.fee,
            platform_fee_returned: paid.platform_fee,
            cost_returned: paid.cost,
            merchant_debit: net,
            from_pending: from(MerchantAccount::Pending),
            from_held: from(MerchantAccount::Held),
            from_available: from(MerchantAccount::Available),
            accounting_date: order.date,
            channel_refund_no: None,
            channel_txn: self.details_of(order).and_then(|details| details.channel_txn.as_deref()),
        }
    }

    /// What every account holds: those of the shared ones that were ever used, and all of every merchant. Accounts at zero
    /// may be among them.
    pub fn each_balance(&self, mut each: impl FnMut(Currency, Account, i128)) {
        for stripe in &self.books.stripes {
            for (account, balance) in stripe.shared() {
                each(stripe.currency, account, balance);
            }
        }
        for merchant in self.merchants.iter() {
            let currency = merchant.currency();
            for account in MerchantAccount::ALL {
                let balance = merchant.balances.of(account).into();
                each(currency, Account::Merchant(merchant.id, account), balance);
            }
            each(currency, Account::FeeReceivable(merchant.id), merchant.balances.fee_receivable);
        }
    }

    /// Every merchant's terms as they are now.
    pub fn merchants(&self) -> impl Iterator<Item = &MerchantTerms> {
        self.merchants.iter().map(|merchant| merchant.terms())
    }

    /// A merchant's currency, if there is such a merchant.
    #[must_use]
    pub fn currency_of(&self, merchant: MerchantId) -> Option<Currency> {
        self.find_merchant(merchant).map(|at| self.merchants[at].currency())
    }

    /// Every channel's rules as they are now, in the order of their ids.
    pub fn channels(&self) -> impl Iterator<Item = (ChannelId, &ChannelTerms)> {
        (0..).map(ChannelId).map_while(|id| self.channels.get(id).map(|terms| (id, terms)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Payment, Preset, Query, Refund, Reply, Void, Zone};

    const NOW: Timestamp = Timestamp(1_000);

    fn number(text: &str) -> Number {
        Number::new(text.as_bytes()).unwrap()
    }

    /// Applies a command as an exporter does, and says what it touched.
    fn follow(ledger: &mut Ledger, command: &Command) -> Touched {
        let key = ledger.touch(command);
        assert!(ledger.apply_keyed(command, key, NOW, &mut ()).changed, "{command:?}");
        ledger.touched(command, key)
    }

    #[test]
    fn rows_say_what_the_views_say() {
        let (mut ledger, merchant) = (Ledger::new(7, Date(1)), MerchantId(1));
        let channel = ChannelTerms::preset("wechat", Preset::Wechat, Zone::fixed("UTC", 0));
        assert_eq!(follow(&mut ledger, &Command::PutChannel(Box::new(channel))), Touched::default());
        let terms =
            MerchantTerms { fee_rate: crate::Rate(6_000), ..MerchantTerms::new(merchant, Currency(*b"CNY")) };
        follow(&mut ledger, &Command::PutMerchant(Box::new(terms)));
        let pay = |order_no| {
            let (channel, paid_at) = (ChannelId(0), None);
            let order_no = number(order_no);
            Payment { merchant, order_no, channel, amount: 10_000, hold: false, paid_at, details: None }
        };
        let first = follow(&mut ledger, &Command::Payment(pay("A1")));
        let second = follow(&mut ledger, &Command::Payment(pay("A2")));
        assert_ne!(first, second);
        let (refund_no, order_no) = (number("R1"), number("A1"));
        let refund = Refund { merchant, refund_no, order_no, amount: 3_300, details: None };
        let refunded = follow(&mut ledger, &Command::Refund(refund));
        assert_eq!(refunded.order, first.order);
        let void = Void { merchant, void_no: number("V1"), order_no: number("A2") };
        let voided = follow(&mut ledger, &Command::Void(void));
        assert_eq!(voided.order, second.order);

        for (place, order_no) in [(first.order, "A1"), (second.order, "A2")] {
            let Reply::Order(view) = ledger.answer(&Query::Order(merchant, number(order_no)), NOW) else {
                panic!()
            };
            let row = ledger.order_row(place.unwrap(), NOW);
            assert_eq!((row.merchant, *row.order_no, row.status), (merchant, view.order_no, view.status));
            assert_eq!((row.amount, row.fee, row.net), (view.amount, view.fee, view.net));
            assert_eq!(
                (row.refundable, row.refunded, row.in_flight, row.held, row.settled),
                (view.refundable, view.refunded, view.in_flight, view.held, view.settled)
            );
            assert_eq!((row.accounting_date, row.paid_at), (view.accounting_date, view.paid_at));
        }
        let Reply::Refund(view) = ledger.answer(&Query::Refund(merchant, refund_no), NOW) else { panic!() };
        let row = ledger.refund_row(refunded.refund.unwrap());
        assert_eq!((row.amount, row.cash, row.fee_returned), (3_300, view.cash_amount, view.fee_returned));
        assert_eq!((row.merchant_debit, row.from_pending), (view.merchant_debit, view.from_pending));
        let row = ledger.void_row(voided.void.unwrap());
        assert_eq!((row.kind, row.amount, row.merchant_debit), (BackKind::Void, 10_000, 9_940));
        assert_eq!(row.from_pending, 9_940);

        let mut sum = 0;
        let mut held = Vec::new();
        ledger.each_balance(|_, account, balance| {
            sum += balance;
            held.extend((balance != 0).then_some((account, balance)));
        });
        assert_eq!(sum, 0, "all accounts are there");
        let pending = Account::Merchant(merchant, MerchantAccount::Pending);
        assert!(held.contains(&(pending, 6_660)), "{held:?}");
    }
}
