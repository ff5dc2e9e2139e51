//! What may be looked up, and the names that a sequence picks from.

use super::*;

impl Naive {
    pub fn balances(&self) -> Vec<BalancesView> {
        let of = |id: u64, account| u64::try_from(self.balance(id, account)).unwrap();
        let view = |(&id, terms): (&u64, &MerchantTerms)| BalancesView {
            merchant: MerchantId(id),
            currency: terms.currency,
            pending: of(id, "pending"),
            held: of(id, "held"),
            available: of(id, "available"),
            frozen: of(id, "frozen"),
            payout_transit: of(id, "payout_transit"),
            accounting_date: self.date,
        };
        self.merchants.iter().map(view).collect()
    }

    /// What an owner has accrued, by currency.
    pub fn accruals(&self) -> BTreeMap<(u64, Currency), i128> {
        let mut owners = BTreeMap::<(u64, Currency), i128>::new();
        for ((currency, account), balance) in &self.accounts {
            if let Some((_, id)) =
                account.split_once(':').filter(|(kind, _)| matches!(*kind, "platform" | "accrued"))
            {
                *owners.entry((id.parse().unwrap(), *currency)).or_default() += balance;
            }
        }
        owners
    }

    /// The trial balance: shared accounts each, merchants by kind, those at zero left out.
    pub fn totals(&self) -> BTreeMap<(Currency, String), i128> {
        let mut lines = BTreeMap::<(Currency, String), i128>::new();
        for ((currency, account), balance) in &self.accounts {
            let parts: Vec<&str> = account.split(':').collect();
            let name = match parts[..] {
                ["merchant", _, kind] => format!("merchants:{kind}"),
                [kind @ ("accrued" | "fee_receivable"), _] => format!("merchants:{kind}"),
                _ => account.clone(),
            };
            *lines.entry((*currency, name)).or_default() += balance;
        }
        lines.retain(|_, balance| *balance != 0);
        lines
    }

    /// How many merchants, orders and refunds there are.
    pub fn counts(&self) -> (u64, u64, u64) {
        (self.merchants.len() as u64, self.orders.len() as u64, self.refunds.len() as u64)
    }

    pub fn orders(&self, now: Timestamp) -> Vec<OrderView> {
        let view = |(name, order): (&Name, &Order)| {
            let out: u64 = self.backs(name).map(|back| back.amount).sum();
            let refunded = self.refunded(name);
            OrderView {
                order_no: name.1,
                merchant: MerchantId(name.0),
                channel: order.channel,
                status: self.status(name, now),
                amount: order.amount,
                payable: order.payable(),
                fee: order.fee,
                platform_fee: order.platform_fee,
                channel_cost: order.cost,
                net: order.net(),
                refundable: order.returnable() - out,
                refunded,
                in_flight: out - refunded,
                held: u64::try_from(self.hold_of(name)).unwrap(),
                settled: self.is_settled(name),
                accounting_date: order.date,
                paid_at: order.paid_at,
                channel_txn: order.channel_txn.clone(),
                expires_at: order.expires_at,
                commissions: order.commissions.clone(),
            }
        };
        self.orders.iter().map(view).collect()
    }

    /// An order's refunds, oldest first.
    pub fn refunds(&self, order: &OrderView) -> Vec<RefundView> {
        let order_name = (order.merchant.0, order.order_no);
        let mut backs: Vec<_> = self.refunds.iter().filter(|(_, back)| back.order == order_name).collect();
        backs.sort_by_key(|(_, back)| back.place);
        let view = |(name, back): (&Name, &Back)| RefundView {
            refund_no: name.1,
            order_no: order.order_no,
            merchant: order.merchant,
            amount: back.amount,
            cash_amount: back.cash,
            discount_amount: back.operator + back.platform + back.merchant,
            fee_returned: back.fee,
            platform_fee_returned: back.platform_fee,
            cost_returned: back.cost,
            merchant_debit: back.from_pending + back.from_held + back.from_available,
            from_pending: back.from_pending,
            from_held: back.from_held,
            from_available: back.from_available,
            state: back.state,
            sent_as: back.sent_as,
            attempts: back.attempts,
            accounting_date: back.date,
        };
        backs.into_iter().map(view).collect()
    }

    pub fn voids(&self) -> Vec<(MerchantId, VoidView)> {
        let view = |(name, cancel): (&Name, &Cancel)| {
            let view = VoidView { void_no: name.1, order_no: cancel.order.1, state: cancel.state };
            (MerchantId(name.0), view)
        };
        self.voids.iter().map(view).collect()
    }

    pub fn splits(&self) -> Vec<SplitView> {
        let view = |(name, split): (&Name, &Parted)| {
            let receiver = |(id, amount): &(MerchantId, u64)| {
                (*id, *amount, split.returned.get(&id.0).copied().unwrap_or(0))
            };
            SplitView {
                split_no: name.1,
                order_no: split.asked.order_no,
                merchant: MerchantId(name.0),
                receivers: split.asked.receivers.iter().map(receiver).collect(),
                finish: split.asked.finish,
                accounting_date: split.date,
            }
        };
        self.splits.iter().map(view).collect()
    }

    pub fn split_returns(&self) -> Vec<SplitReturnView> {
        let view =
            |back: &Returned| SplitReturnView { asked: back.asked.clone(), accounting_date: back.date };
        self.returns.values().map(view).collect()
    }

    pub fn movements(&self) -> Vec<MovementView> {
        let view =
            |(&(kind, merchant, number), moved): (&(MovementKind, u64, Number), &Movement)| MovementView {
                kind,
                number,
                merchant: MerchantId(merchant),
                amount: moved.amount,
                state: moved.state,
                channel: moved.channel,
                to: moved.to,
                accounting_date: moved.date,
            };
        self.movements.iter().map(view).collect()
    }

    pub fn adjustments(&self) -> Vec<AdjustmentView> {
        self.adjustments.values().cloned().collect()
    }

    pub fn promoters(&self) -> Vec<Promoter> {
        self.promoters.values().copied().collect()
    }

    pub fn holidays(&self) -> &Holidays {
        &self.holidays
    }

    pub fn settlements(&self) -> Vec<SettlementView> {
        let view = |(&batch_no, batch): (&Number, &Batch)| SettlementView {
            batch_no,
            merchant: batch.merchant,
            accounting_date: batch.date,
            ended: batch.ended,
            merchants: batch.paid,
            amounts: batch.amounts.iter().map(|(&currency, &amount)| (currency, amount)).collect(),
        };
        self.batches.iter().map(view).collect()
    }

    /// Merchants that an open batch would change.
    pub fn due_in(&self, batch_no: Number) -> Vec<MerchantId> {
        let Some(batch) = self.batches.get(&batch_no).filter(|batch| !batch.ended) else { return Vec::new() };
        let due = self.merchants.keys().filter(|&&merchant| self.due(merchant, batch).is_some());
        due.map(|&merchant| MerchantId(merchant)).collect()
    }

    /// Orders that were not paid in their time, and not closed yet.
    pub fn expired(&self, now: Timestamp) -> Vec<(MerchantId, Number)> {
        let over = |order: &Order| order.stage == Stage::Created && order.is_over(now, self.flaw);
        let names = self.orders.iter().filter(|(_, order)| over(order));
        names.map(|(name, _)| (MerchantId(name.0), name.1)).collect()
    }

    /// All channels, in the order of their ids.
    pub fn channel_terms(&self) -> &[ChannelTerms] {
        &self.channels
    }

    /// A merchant's entries, oldest first.
    pub fn entries(&self, merchant: MerchantId) -> &[Seen] {
        self.entries.get(&merchant.0).map_or(&[], Vec::as_slice)
    }

    /// Whether a merchant may be given money of another's.
    pub fn may_receive(&self, from: MerchantId, to: MerchantId) -> bool {
        let (from, to) = (self.merchants.get(&from.0), self.merchants.get(&to.0));
        let open = to.filter(|to| to.status != MerchantStatus::Closed);
        from.zip(open).is_some_and(|(from, to)| from.merchant != to.merchant && from.currency == to.currency)
    }

    fn names_of<'a, V>(of: impl IntoIterator<Item = (&'a Name, V)>) -> Vec<(MerchantId, Number)> {
        of.into_iter().map(|(name, _)| (MerchantId(name.0), name.1)).collect()
    }

    pub fn order_names(&self) -> Vec<(MerchantId, Number)> {
        Self::names_of(&self.orders)
    }

    /// Orders that are or were to be paid later.
    pub fn prepaid_names(&self) -> Vec<(MerchantId, Number)> {
        Self::names_of(self.orders.iter().filter(|(_, order)| order.prepaid.is_some()))
    }

    /// Orders whose money came late.
    pub fn late_names(&self) -> Vec<(MerchantId, Number)> {
        Self::names_of(self.orders.iter().filter(|(_, order)| order.stage == Stage::Late))
    }

    /// Orders whose money is held.
    pub fn held_names(&self) -> Vec<(MerchantId, Number)> {
        Self::names_of(self.orders.iter().filter(|(_, order)| order.is_held()))
    }

    /// Orders of which something is left to be asked back.
    pub fn refundable_names(&self) -> Vec<(MerchantId, Number)> {
        let left = |(name, order): &(&Name, &Order)| {
            self.backs(name).map(|back| back.amount).sum::<u64>() < order.returnable()
        };
        Self::names_of(self.orders.iter().filter(left))
    }

    /// Refunds; only those whose result is to come, or all.
    pub fn refund_names(&self, in_flight: bool) -> Vec<(MerchantId, Number)> {
        Self::names_of(self.refunds.iter().filter(|(_, back)| !in_flight || back.in_flight()))
    }

    /// Voids; only those whose result is to come, or all.
    pub fn void_names(&self, in_flight: bool) -> Vec<(MerchantId, Number)> {
        let waits = |cancel: &Cancel| cancel.state == VoidState::Processing;
        Self::names_of(self.voids.iter().filter(|(_, cancel)| !in_flight || waits(cancel)))
    }
}
