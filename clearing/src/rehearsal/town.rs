//! The town: merchants, platforms, promoters, and a day's trade of theirs.

use fastrand::Rng;
use suanpan_core::{
    Account, Adjustment, Applied, ChannelId, ChannelTerms, Close, Command, Confirm, Currency, Cycle, Date,
    Discounts, FeeRefund, Freeze, Ledger, MerchantAccount, MerchantId, MerchantTerms, NewOrder, Number,
    OrderRef, Payment, PaymentDetails, Payout, PayoutResult, Preset, Promoter, Query, Rate, Refund,
    RefundFunding, RefundResult, RefundResultState, RefundState, Reply, SetDate, Settle, Settlement,
    SettlementMode, Split, SplitReturn, SweepItem, Timestamp, TopUp, Transfer, Unfreeze, Void, VoidResult,
    Zone,
};

use crate::bill::BillKind;
use crate::export::day::{Cut, OpenDay, Opening, Place};
use crate::manifest::{DayError, Manifest};
use crate::store::Store;

/// What is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// The same seed plays the same town.
    pub seed: u64,
    /// How many merchants sell.
    pub merchants: u64,
    /// How many days are cut.
    pub days: u32,
    /// Payments of a day, about.
    pub payments: u32,
    /// The first day.
    pub first: Date,
    /// Parts of each table.
    pub shards: u16,
    /// How many of the channels `wechat`, `alipay` and `unionpay` there are.
    pub channels: usize,
}

impl Default for Plan {
    fn default() -> Self {
        let first = Date::from_ymd(2018, 8, 26).unwrap_or_default();
        Self { seed: 1, merchants: 1_000, days: 3, payments: 5_000, first, shards: 2, channels: 3 }
    }
}

/// Something that a channel did, as it would stand in its bill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happened {
    /// Which channel.
    pub channel: &'static str,
    /// What.
    pub kind: BillKind,
    /// The channel's time of it.
    pub time: Timestamp,
    /// Whose order.
    pub merchant: MerchantId,
    /// The order.
    pub order_no: String,
    /// The order at the channel.
    pub channel_txn: String,
    /// The refund or void; empty for a payment.
    pub refund_no: String,
    /// The refund or void at the channel; empty for a payment.
    pub channel_refund_no: String,
    /// Its cash, minor units.
    pub amount: u64,
    /// What it cost, minor units; given back if it is below zero.
    pub cost: i64,
}

/// What was played.
#[derive(Debug)]
pub struct Played {
    /// A manifest for each day.
    pub days: Vec<Manifest>,
    /// What the channels did, in its order.
    pub happened: Vec<Happened>,
}

/// The channels of the town, by id.
pub(crate) const CHANNELS: [(&str, Preset); 3] =
    [("wechat", Preset::Wechat), ("alipay", Preset::Alipay), ("unionpay", Preset::Unionpay)];

const CNY: Currency = Currency(*b"CNY");
const FIRST_SHOP: u64 = 1_000;
const PLATFORMS: [u64; 2] = [9_001, 9_002];
const PROMOTERS: [u64; 4] = [8_001, 8_002, 8_003, 8_004];

/// Orders that something may happen to.
const OPEN_MAX: usize = 2_048;

/// Shanghai is ahead of UTC by so much.
const AHEAD_MS: i64 = 8 * 3_600_000;
pub(crate) const DAY_MS: i64 = 86_400_000;
const MINUTE_MS: i64 = 60_000;

/// The moment when a date begins in Shanghai.
pub(crate) fn midnight(date: Date) -> i64 {
    i64::from(date.0) * DAY_MS - AHEAD_MS
}

/// An order that something may happen to yet.
#[derive(Debug, Clone)]
struct Sold {
    merchant: MerchantId,
    order_no: Number,
    channel: usize,
    txn: String,
    payable: u64,
    hold: bool,
    split: Option<Number>,
}

struct Town<'a> {
    plan: &'a Plan,
    store: &'a Store,
    rng: Rng,
    ledger: Ledger,
    day: Option<OpenDay>,
    position: u64,
    numbers: u64,
    sold: Vec<Sold>,
    happened: Vec<Happened>,
    days: Vec<Manifest>,
}

/// Plays a plan into a store.
///
/// # Errors
/// When a day cannot be put, or is there already.
pub fn play(store: &Store, plan: &Plan) -> Result<Played, DayError> {
    let mut town = Town {
        plan,
        store,
        rng: Rng::with_seed(plan.seed),
        ledger: Ledger::new(0, plan.first),
        day: None,
        position: 0,
        numbers: 0,
        sold: Vec::new(),
        happened: Vec::new(),
        days: Vec::new(),
    };
    town.open(None)?;
    town.set_up();
    for day in 0..plan.days {
        town.trade(plan.first.plus_days(day));
        town.cut(plan.first.plus_days(day))?;
    }
    Ok(Played { days: town.days, happened: town.happened })
}

impl Town<'_> {
    fn open(&mut self, cut_at: Option<Timestamp>) -> Result<(), DayError> {
        let (position, previous) = (self.position, self.days.last().map(|day| day.date));
        let opening = Opening { log_id: format!("{:032x}", self.plan.seed), position, cut_at, previous };
        self.day = Some(OpenDay::open(self.store, self.plan.shards, opening, &self.ledger)?);
        Ok(())
    }

    /// Applies a command as a record of its own, and says whether it did something.
    fn apply(&mut self, command: &Command, now: i64) -> bool {
        self.applied(command, now).changed
    }

    fn applied(&mut self, command: &Command, now: i64) -> Applied {
        let now = Timestamp(now);
        let Some(day) = &mut self.day else { unreachable!("a day is open") };
        day.begin(Place { position: self.position, index: 0, decided_at: now });
        let key = self.ledger.touch(command);
        // As a meeting of shards does it: nobody must say no.
        if command.merchant().is_none()
            && let suanpan_core::Vote::No(rejection, field) = self.ledger.vote(command, now)
        {
            return Applied { reply: Reply::Rejected(rejection, field), changed: false };
        }
        let applied = self.ledger.apply_keyed(command, key, now, day);
        if applied.changed {
            day.applied(command, key, &self.ledger);
            self.position += 64;
        }
        applied
    }

    fn number(&mut self, letter: char) -> Number {
        self.numbers += 1;
        let text = format!("{letter}{}", self.numbers);
        text.parse().unwrap_or_else(|_| unreachable!("{text} is a number"))
    }

    fn shop(&mut self) -> MerchantId {
        MerchantId(FIRST_SHOP + self.rng.u64(1..=self.plan.merchants))
    }

    fn set_up(&mut self) {
        let now = midnight(self.plan.first);
        for (name, preset) in CHANNELS.into_iter().take(self.plan.channels) {
            let zone = Zone::fixed("Asia/Shanghai", 28_800);
            let terms = ChannelTerms { cost_rate: Rate(2_500), ..ChannelTerms::preset(name, preset, zone) };
            self.apply(&Command::PutChannel(Box::new(terms)), now);
        }
        for id in PLATFORMS.into_iter().chain(PROMOTERS) {
            self.apply(&Command::PutMerchant(Box::new(MerchantTerms::new(MerchantId(id), CNY))), now);
        }
        for (at, id) in PROMOTERS.into_iter().enumerate() {
            let upline = at.checked_sub(1).map(|at| MerchantId(PROMOTERS[at]));
            let (rate, upline_rate) = (Rate(30_000), Rate(10_000));
            let promoter = Promoter { promoter: MerchantId(id), currency: CNY, rate, upline, upline_rate };
            self.apply(&Command::PutPromoter(promoter), now);
        }
        for n in 1..=self.plan.merchants {
            self.apply(&Command::PutMerchant(Box::new(terms_of(n))), now);
        }
    }

    /// One day: most of it between ten past midnight and ten to, some right at the edges.
    fn trade(&mut self, date: Date) {
        let from = midnight(date);
        let mut times: Vec<i64> = (0..self.plan.payments)
            .map(|_| from + self.rng.i64(15 * MINUTE_MS..DAY_MS - 15 * MINUTE_MS))
            .collect();
        times.sort_unstable();
        for now in times {
            self.pay(now, now);
            match self.rng.u32(0..100) {
                0..=15 => self.refund(now),
                16..=19 => self.void(now),
                20..=26 => self.after_holding(now),
                27..=30 => self.prepay(now),
                31..=38 => self.move_money(now),
                39 => self.adjust(now),
                _ => {}
            }
        }
        // The last seconds: one is told in time, another only when the day was cut.
        self.pay(from + DAY_MS - 2_000, from + DAY_MS - 3_000);
        // And one that the channel counts to the next day was told before this one was cut.
        self.pay(from + DAY_MS + 2_000, from + DAY_MS + 1_000);
    }

    /// Cuts the day some seconds after midnight, settles and sweeps on the new one.
    fn cut(&mut self, date: Date) -> Result<(), DayError> {
        let at = midnight(date) + DAY_MS + 5_000;
        let (cut, next) = (Timestamp(at), date.plus_days(1));
        let day = self.day.take();
        let Some(day) = day else { unreachable!("a day is open") };
        let (manifest, is_new) =
            day.close(self.store, Cut { position: self.position, at: cut, next }, &self.ledger)?;
        if !is_new {
            return Err(DayError::Unproved { date, what: "it is in the store already".to_owned() });
        }
        self.days.push(manifest);
        // The record of the cut is the first of the next day's.
        let opens = self.position + 64;
        self.position = opens;
        let set = Command::SetDate(SetDate { date: next, cut: true });
        let key = self.ledger.touch(&set);
        assert!(self.ledger.apply_keyed(&set, key, cut, &mut ()).changed, "a later date");
        self.open(Some(cut))?;
        self.pay(at + 1_000, at - 6_000);
        self.settle(date, at + 60_000);
        Ok(())
    }

    /// A payment that the channel took at `paid_at` and that was told at `now`.
    fn pay(&mut self, now: i64, paid_at: i64) {
        let (merchant, order_no) = (self.shop(), self.number('A'));
        let (channel, txn) = (self.rng.usize(0..self.plan.channels), format!("4200{:020}", self.numbers));
        let hold = self.rng.u32(0..6) == 0;
        let mut part = |one_in| if self.rng.u32(0..one_in) == 0 { self.rng.u64(1..500) } else { 0 };
        let under_platform = platform_of(merchant.0 - FIRST_SHOP).is_some();
        let platform = if under_platform { part(12) } else { 0 };
        let discounts = Discounts { operator: part(8), merchant: part(12), platform };
        let promoter = (hold && self.rng.bool()).then(|| MerchantId(PROMOTERS[self.rng.usize(0..4)]));
        let amount = match self.rng.u32(0..10) {
            0 => self.rng.u64(1..=20),
            1 => self.rng.u64(100_000..=5_000_000),
            _ => self.rng.u64(100..=50_000),
        };
        let details = PaymentDetails { discounts, promoter, channel_txn: Some(txn.clone()) };
        let payment = Payment {
            merchant,
            order_no,
            channel: channel_id(channel),
            amount,
            hold,
            paid_at: Some(Timestamp(paid_at)),
            details: Some(Box::new(details)),
        };
        if self.apply(&Command::Payment(payment), now) {
            let payable = amount + discounts.total();
            self.sell(Sold { merchant, order_no, channel, txn, payable, hold, split: None });
            self.saw_payment(paid_at);
        }
    }

    /// The channel's side of the order that was sold last.
    fn saw_payment(&mut self, time: i64) {
        let Some(sold) = self.sold.last().cloned() else { return };
        let Reply::Order(view) =
            self.ledger.answer(&Query::Order(sold.merchant, sold.order_no), Timestamp(time))
        else {
            unreachable!("it was paid")
        };
        self.saw(&sold, BillKind::Payment, time, None, view.amount, view.channel_cost.cast_signed());
    }

    fn saw(&mut self, sold: &Sold, kind: BillKind, time: i64, no: Option<Number>, amount: u64, cost: i64) {
        let refund_no = no.map_or(String::new(), |no| no.to_string());
        let channel_refund_no = channel_refund_no(&refund_no);
        self.happened.push(Happened {
            channel: CHANNELS[sold.channel].0,
            kind,
            time: Timestamp(time),
            merchant: sold.merchant,
            order_no: sold.order_no.to_string(),
            channel_txn: sold.txn.clone(),
            refund_no,
            channel_refund_no,
            amount,
            cost,
        });
    }

    /// Keeps an order that something may happen to, and forgets the oldest ones.
    fn sell(&mut self, sold: Sold) {
        if self.sold.len() == 2 * OPEN_MAX {
            self.sold.drain(..OPEN_MAX);
        }
        self.sold.push(sold);
    }

    /// One of the last some hundred orders.
    fn recent(&mut self) -> Option<Sold> {
        let len = self.sold.len();
        (len > 0).then(|| self.sold[self.rng.usize(len.saturating_sub(400)..len)].clone())
    }

    fn refund(&mut self, now: i64) {
        let Some(sold) = self.recent() else { return };
        let refund_no = self.number('R');
        let whole = self.rng.u32(0..3) == 0;
        let amount = if whole { sold.payable } else { self.rng.u64(1..=sold.payable) };
        let (merchant, order_no) = (sold.merchant, sold.order_no);
        let refund = Command::Refund(Refund { merchant, refund_no, order_no, amount, details: None });
        if !self.apply(&refund, now) {
            return;
        }
        let state = match self.rng.u32(0..20) {
            0..=15 => RefundResultState::Succeeded,
            16..=17 => RefundResultState::Failed,
            _ => return,
        };
        let look = Query::Refund(merchant, refund_no);
        let Reply::Refund(view) = self.ledger.answer(&look, Timestamp(now)) else {
            unreachable!("it was accepted")
        };
        if view.cash_amount == 0 || view.state != RefundState::Processing {
            return;
        }
        let channel_refund_no = Some(channel_refund_no(&refund_no.to_string()).into_boxed_str());
        let result = RefundResult { merchant, refund_no, state, channel_refund_no };
        let done = self.apply(&Command::RefundResult(result), now + 500);
        if done && state == RefundResultState::Succeeded {
            let cost = -view.cost_returned.cast_signed();
            self.saw(&sold, BillKind::Refund, now + 500, Some(refund_no), view.cash_amount, cost);
        }
    }

    fn void(&mut self, now: i64) {
        let Some(sold) = self.sold.last().cloned() else { return };
        let void_no = self.number('V');
        let (merchant, order_no) = (sold.merchant, sold.order_no);
        if !self.apply(&Command::Void(Void { merchant, void_no, order_no }), now) {
            return;
        }
        let succeeded = self.rng.u32(0..8) != 0;
        let done = self.apply(&Command::VoidResult(VoidResult { merchant, void_no, succeeded }), now + 500);
        if done && succeeded {
            let Reply::Order(view) = self.ledger.answer(&Query::Order(merchant, order_no), Timestamp(now))
            else {
                unreachable!("it was voided")
            };
            let cost = -view.channel_cost.cast_signed();
            self.saw(&sold, BillKind::Void, now + 500, Some(void_no), view.amount, cost);
        }
    }

    /// Splits, returns and releases of held orders.
    fn after_holding(&mut self, now: i64) {
        let Some(at) = self.sold.iter().rposition(|sold| sold.hold) else { return };
        let (sold, receiver) = (self.sold[at].clone(), self.shop());
        let (merchant, order_no) = (sold.merchant, sold.order_no);
        match (self.rng.u32(0..4), sold.split) {
            (0, _) => {
                let (split_no, amount) = (self.number('S'), 1 + sold.payable / 5);
                let receivers = vec![(receiver, amount)];
                let split = Split { merchant, split_no, order_no, receivers, finish: self.rng.bool() };
                if receiver != merchant && self.apply(&Command::Split(Box::new(split)), now) {
                    self.sold[at].split = Some(split_no);
                }
            }
            (1, Some(split_no)) => {
                let look = Query::Split(merchant, split_no);
                let Reply::Split(view) = self.ledger.answer(&look, Timestamp(now)) else { return };
                let (receiver, return_no) = (view.receivers[0].0, self.number('Q'));
                let back = SplitReturn { merchant, return_no, order_no, split_no, receiver, amount: 1 };
                self.apply(&Command::SplitReturn(Box::new(back)), now);
            }
            _ => {
                self.apply(&Command::Release(OrderRef { merchant, order_no }), now);
                self.sold[at].hold = false;
            }
        }
    }

    /// A prepaid order: paid in time, paid after it was closed, or left.
    fn prepay(&mut self, now: i64) {
        let (merchant, order_no, channel) =
            (self.shop(), self.number('A'), self.rng.usize(0..self.plan.channels));
        let (discounts, amount) = (Discounts::default(), self.rng.u64(100..=20_000));
        let txn = format!("4200{:020}", self.numbers);
        let expires_at = Some(Timestamp(now + 3_600_000));
        let new = NewOrder {
            merchant,
            order_no,
            channel: channel_id(channel),
            amount,
            discounts,
            hold: false,
            expires_at,
        };
        self.apply(&Command::CreateOrder(Box::new(new)), now);
        let how = self.rng.u32(0..4);
        if how == 0 {
            return;
        }
        if how == 1 {
            self.apply(&Command::Close(Close { merchant, order_no, expired: false }), now);
        }
        let (paid_at, channel_txn) = (Some(Timestamp(now + 1_000)), Some(txn.clone().into_boxed_str()));
        let confirm = Confirm { merchant, order_no, paid_at, channel_txn };
        if self.apply(&Command::Confirm(confirm), now + 1_000) {
            self.sell(Sold { merchant, order_no, channel, txn, payable: amount, hold: false, split: None });
            self.saw_payment(now + 1_000);
            if how == 1 && self.rng.bool() {
                self.apply(&Command::Reinstate(OrderRef { merchant, order_no }), now + 2_000);
                // What a late success cost is known when it became a payment.
                let cost = self.cost_of(merchant, order_no);
                self.happened.last_mut().into_iter().for_each(|last| last.cost = cost);
            }
        }
    }

    fn cost_of(&self, merchant: MerchantId, order_no: Number) -> i64 {
        match self.ledger.answer(&Query::Order(merchant, order_no), Timestamp(0)) {
            Reply::Order(view) => view.channel_cost.cast_signed(),
            _ => 0,
        }
    }

    /// Top-ups, payouts, freezes and transfers.
    fn move_money(&mut self, now: i64) {
        let (merchant, amount) = (self.shop(), self.rng.u64(1..=5_000));
        match self.rng.u32(0..8) {
            0..=2 => {
                let (topup_no, channel) = (self.number('T'), channel_id(0));
                self.apply(&Command::TopUp(TopUp { merchant, topup_no, channel, amount }), now);
            }
            3..=4 => {
                let (payout_no, channel) = (self.number('P'), None);
                if self.apply(&Command::Payout(Payout { merchant, payout_no, amount, channel }), now) {
                    let succeeded = self.rng.u32(0..4) != 0;
                    let state =
                        if succeeded { RefundResultState::Succeeded } else { RefundResultState::Failed };
                    self.apply(
                        &Command::PayoutResult(PayoutResult { merchant, payout_no, state }),
                        now + 900,
                    );
                }
            }
            5 => {
                let freeze_no = self.number('F');
                let done = self.apply(&Command::Freeze(Freeze { merchant, freeze_no, amount }), now);
                if done && self.rng.bool() {
                    self.apply(&Command::Unfreeze(Unfreeze { merchant, freeze_no }), now + 900);
                }
            }
            _ => {
                let (transfer_no, to) = (self.number('X'), self.shop());
                self.apply(&Command::Transfer(Transfer { merchant, transfer_no, to, amount }), now);
            }
        }
    }

    fn adjust(&mut self, now: i64) {
        let (adjustment_no, merchant) = (self.number('J'), self.shop());
        let adjustment = Adjustment {
            adjustment_no,
            subject: "correction".to_owned(),
            from: Account::Operator,
            to: Account::Merchant(merchant, MerchantAccount::Available),
            amount: self.rng.u64(1..=100),
            currency: CNY,
            memo: String::new(),
            approved_by: ["ann".to_owned(), "bob".to_owned()],
        };
        self.apply(&Command::Adjust(Box::new(adjustment)), now);
    }

    /// A batch of all that is due, named after the day that was cut, and a sweep.
    fn settle(&mut self, date: Date, now: i64) {
        let batch_no: Number = format!("S{}", date.to_string().replace('-', ""))
            .parse()
            .unwrap_or_else(|_| unreachable!("it is a number"));
        self.apply(&Command::BeginSettlement(Settlement { batch_no, merchant: None }), now);
        let mut from = Some(0);
        while let Some(place) = from {
            let Reply::Due { merchants, next } =
                self.ledger.answer(&Query::Due(batch_no, place), Timestamp(now))
            else {
                unreachable!("the batch is open")
            };
            for merchant in merchants {
                self.apply(&Command::Settle(Settle { merchant, batch_no }), now);
            }
            from = next;
        }
        self.sweep(now);
        self.apply(&Command::EndSettlement(batch_no), now);
    }

    fn sweep(&mut self, now: i64) {
        let Reply::Accruals { owners, .. } = self.ledger.answer(&Query::Accruals(0), Timestamp(now)) else {
            unreachable!("it is asked with a place that there is")
        };
        let item = |(owner, currency): (MerchantId, Currency)| {
            let Reply::Accrued(accrued) = self.ledger.answer(&Query::Accrued(owner), Timestamp(now)) else {
                unreachable!("it is asked for an owner")
            };
            let amount = u64::try_from(accrued).ok().filter(|amount| *amount > 0)?;
            Some(SweepItem { owner, currency, amount })
        };
        let mut items: Vec<SweepItem> = owners.into_iter().filter_map(item).collect();
        items.sort_unstable_by_key(|item| item.owner);
        items.dedup();
        for some in items.chunks(256) {
            self.apply(&Command::Sweep(Box::new(some.to_vec())), now);
        }
    }
}

/// What a channel calls a refund of that number.
fn channel_refund_no(refund_no: &str) -> String {
    if refund_no.is_empty() { String::new() } else { format!("5030{refund_no}") }
}

fn channel_id(channel: usize) -> ChannelId {
    ChannelId(u16::try_from(channel).unwrap_or(0))
}

fn platform_of(n: u64) -> Option<MerchantId> {
    (n % 4 == 1).then(|| MerchantId(PLATFORMS[usize::from(n % 8 == 1)]))
}

/// The terms of the town's n-th merchant: each kind of terms is some merchant's.
fn terms_of(n: u64) -> MerchantTerms {
    let id = MerchantId(FIRST_SHOP + n);
    MerchantTerms {
        name: format!("Shop {n} 商店"),
        platform: platform_of(n),
        fee_rate: Rate(6_000),
        platform_fee_rate: if n % 4 == 1 { Rate(2_000) } else { Rate(0) },
        fee_refund: if n.is_multiple_of(7) { FeeRefund::None } else { FeeRefund::Proportional },
        cycle: match n % 10 {
            0 => Cycle::Calendar(0),
            1..=3 => Cycle::Calendar(2),
            _ => Cycle::Calendar(1),
        },
        advance_fee_rate: if n.is_multiple_of(10) { Rate(500) } else { Rate(0) },
        mode: if n % 5 == 2 { SettlementMode::Gross } else { SettlementMode::Net },
        refund_funding: RefundFunding::PendingThenAvailable,
        ..MerchantTerms::new(id, CNY)
    }
}
