//! What is raced for: the channels and merchants of a shop, its orders, and what may be asked of them at random.
//!
//! Everything follows from the race's seed and the names of things: every thread knows without asking what an order
//! costs and what was meant under a number, and can ask for the same again, or for something else under its number.

use fastrand::Rng;
use serde_json::{Value, json};

use crate::asked::{About, Ask};
use crate::facts::Kind as Fact;

/// Where the clock stands, a Sunday.
pub(crate) const CLOCK: &str = "2018-08-26T12:00:00+08:00";

/// Merchants between whom transfers go both ways. Of two shards, each lives in its own.
pub(crate) const PURSES: [u64; 2] = [6001, 6002];
/// Receivers of splits. The first is a purse too, so that sweeps meet payouts.
const RECEIVERS: [u64; 2] = [6001, 4002];
const PROMOTER: u64 = 4003;
pub(crate) const PLATFORM: u64 = 9001;

/// At most this part of a held order's cash may be split, in percent.
pub(crate) const SPLIT_PERCENT: u64 = 60;

/// Turns that are still visited while a later one is on.
pub(crate) const TURNS_BACK: u64 = 3;

/// What kind of order is raced for; its merchant and channel go with it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Kind {
    /// Paid, and no more to it.
    Plain,
    /// With discounts of operator and merchant, given back in proportion; a channel that sends failed refunds again.
    Discounts,
    /// The same, discount first; a channel that takes one refund at a time.
    DiscountFirst,
    /// Under a platform with fees and discounts of its own.
    Platform,
    /// Held, split, returned, released; with a promoter every other time.
    Held,
    /// Ordered first; then paid, or closed and paid late. Its fees are billed apart.
    Prepaid,
    /// Of a bank that voids on the day and refunds after it.
    Bank,
    /// Available at once.
    Instant,
    /// No order: payouts, freezes, transfers and sweeps for one available balance.
    Money,
}

impl Kind {
    pub(crate) const ALL: [Self; 9] = [
        Self::Plain,
        Self::Discounts,
        Self::DiscountFirst,
        Self::Platform,
        Self::Held,
        Self::Prepaid,
        Self::Bank,
        Self::Instant,
        Self::Money,
    ];

    pub(crate) fn merchant(self) -> u64 {
        match self {
            Self::Plain => 1001,
            Self::Discounts => 1002,
            Self::DiscountFirst => 1003,
            Self::Platform => 2001,
            Self::Held => 3001,
            Self::Prepaid => 5001,
            Self::Bank => 7001,
            Self::Instant => 8001,
            Self::Money => PURSES[0],
        }
    }

    fn channel(self) -> &'static str {
        match self {
            Self::Discounts => "bestpay",
            Self::DiscountFirst => "aggregate",
            Self::Bank => "bank",
            _ => "wechat",
        }
    }
}

/// An order that threads meet on.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub kind: Kind,
    pub merchant: u64,
    pub no: String,
    pub cash: u64,
    discounts: Vec<(&'static str, u64)>,
    promoter: bool,
    /// How manieth of its kind it is.
    turn: u64,
    seed: u64,
}

impl Order {
    pub(crate) fn new(seed: u64, kind: Kind, turn: u64) -> Self {
        let no = format!("{kind:?}-{turn}");
        let mut rng = meant(seed, &no);
        let cash = match rng.u8(0..8) {
            0 => rng.u64(1..=9),
            1..=4 => rng.u64(100..=20_000),
            _ => rng.u64(20_001..=1_000_000),
        };
        let mut part = |of: u64| 1 + rng.u64(0..=cash / of);
        let discounts = match kind {
            Kind::Discounts | Kind::DiscountFirst => vec![("operator", part(9)), ("merchant", part(7))],
            Kind::Platform => vec![("platform", part(5)), ("operator", part(11))],
            Kind::Prepaid => vec![("operator", part(20))],
            _ => Vec::new(),
        };
        let promoter = kind == Kind::Held && turn % 2 == 1;
        Self { kind, merchant: kind.merchant(), no, cash, discounts, promoter, turn, seed }
    }

    pub(crate) fn payable(&self) -> u64 {
        self.cash + self.discounts.iter().map(|(_, amount)| amount).sum::<u64>()
    }

    /// Its path, and what comes behind it.
    pub(crate) fn path(&self, rest: &str) -> String {
        of_merchant(self.merchant, &format!("orders/{}{rest}", self.no))
    }

    /// The name of one of its numbered things.
    pub(crate) fn numbered(&self, letter: char, n: u64) -> String {
        format!("{}-{letter}{n}", self.no)
    }

    /// The first thing to ask of it: that it is there.
    pub(crate) fn begin(&self) -> Vec<Ask> {
        match self.kind {
            Kind::Prepaid => vec![self.create(0)],
            Kind::Money => (0..2).map(|n| self.top_up(n, 0)).collect(),
            _ => vec![self.pay(0)],
        }
    }

    /// `more` makes it another request under the same number.
    fn pay(&self, more: u64) -> Ask {
        let mut body = self.contents(more);
        body["hold"] = json!(self.kind == Kind::Held);
        if self.promoter {
            body["promoter"] = json!(PROMOTER.to_string());
        }
        let about = About::Fact(Fact::Order, self.path(""));
        Ask::post("pay", of_merchant(self.merchant, "payments"), body, about, &["idempotency_conflict"])
    }

    fn create(&self, more: u64) -> Ask {
        let about = About::Fact(Fact::Order, self.path(""));
        let path = of_merchant(self.merchant, "orders");
        Ask::post("create", path, self.contents(more), about, &["idempotency_conflict"])
    }

    fn contents(&self, more: u64) -> Value {
        let discount = |&(funder, amount): &(&str, u64)| json!({"funder": funder, "amount": amount});
        let discounts: Vec<Value> = self.discounts.iter().map(discount).collect();
        let (channel, amount) = (self.kind.channel(), self.cash + more);
        json!({"order_no": self.no, "channel": channel, "amount": amount, "discounts": discounts})
    }

    fn action(&self, name: &'static str, body: Value, may: &'static [&'static str]) -> Ask {
        let about = About::Fact(Fact::Order, self.path(""));
        Ask::post(name, self.path(&format!("/{name}")), body, about, may)
    }

    /// A refund, of what is meant under its number or of something else.
    fn refund(&self, refund_no: &str, other: Option<&mut Rng>) -> Ask {
        let amount = match other {
            Some(rng) => self.some_amount(rng),
            None => self.some_amount(&mut meant(self.seed, refund_no)),
        };
        let body = json!({"refund_no": refund_no, "order_no": self.no, "amount": amount});
        self.refund_of(refund_no, body, REFUND_REFUSALS)
    }

    /// A refund that brings split money back with it.
    fn refund_with_returns(&self, n: u64) -> Ask {
        let refund_no = self.numbered('w', n);
        let mut rng = meant(self.seed, &refund_no);
        let amount = rng.u64(1..=self.payable().div_ceil(20));
        let count = rng.u64(1..=2);
        let returns: Vec<Value> = (0..count).map(|_| self.return_body(rng.u64(0..RETURNS), 0)).collect();
        let body =
            json!({"refund_no": refund_no, "order_no": self.no, "amount": amount, "split_returns": returns});
        self.refund_of(&refund_no, body, REFUND_WITH_RETURNS_REFUSALS)
    }

    fn refund_of(&self, refund_no: &str, body: Value, may: &'static [&'static str]) -> Ask {
        let path = of_merchant(self.merchant, "refunds");
        let about = About::Fact(Fact::Refund, format!("{path}/{refund_no}"));
        let name = if body.get("split_returns").is_some() { "refund with returns" } else { "refund" };
        Ask::post(name, path, body, about, may)
    }

    /// Mostly of a little, so that an order lasts; of everything, of half of it, and of too much. A bank gives back all or
    /// nothing on the day.
    fn some_amount(&self, rng: &mut Rng) -> u64 {
        let payable = self.payable();
        match rng.u8(0..if self.kind == Kind::Bank { 32 } else { 16 }) {
            0 => payable + 1,
            1 => payable.div_ceil(2),
            2 => rng.u64(1..=payable),
            3..=14 => rng.u64(1..=payable.div_ceil(9)),
            _ => payable,
        }
    }

    fn result(&self, what: &'static str, no: &str, state: &str) -> Ask {
        let path = of_merchant(self.merchant, &format!("{what}s/{no}"));
        let (name, fact, may) = match what {
            "refund" => ("refund result", Fact::Refund, REFUND_RESULT_REFUSALS),
            _ => ("void result", Fact::Void, &["void_not_found", "contradicts_final"][..]),
        };
        let about = About::Fact(fact, path.clone());
        Ask::post(name, format!("{path}/result"), json!({"state": state}), about, may)
    }

    fn void(&self, n: u64) -> Ask {
        let void_no = self.numbered('v', n);
        let about = About::Fact(Fact::Void, of_merchant(self.merchant, &format!("voids/{void_no}")));
        Ask::post("void", self.path("/void"), json!({"void_no": void_no}), about, VOID_REFUSALS)
    }

    fn split(&self, n: u64, more: u64) -> Ask {
        let split_no = self.numbered('s', n);
        let mut rng = meant(self.seed, &split_no);
        let most = 1 + self.cash / 8;
        let first = rng.usize(0..2);
        let receivers: Vec<Value> = (0..rng.usize(1..=2))
            .map(|k| {
                let amount = rng.u64(1..=most) + more;
                json!({"merchant_id": RECEIVERS[(first + k) % 2].to_string(), "amount": amount})
            })
            .collect();
        let body = json!({"split_no": split_no, "receivers": receivers, "finish": rng.u8(0..20) == 0});
        let about = About::Fact(Fact::Split, of_merchant(self.merchant, &format!("splits/{split_no}")));
        Ask::post("split", self.path("/splits"), body, about, SPLIT_REFUSALS)
    }

    fn split_return(&self, n: u64, more: u64) -> Ask {
        let path = of_merchant(self.merchant, &format!("split-returns/{}", self.numbered('b', n)));
        let about = About::Fact(Fact::Fixed, path);
        let body = self.return_body(n, more);
        Ask::post("split return", self.path("/split-returns"), body, about, SPLIT_RETURN_REFUSALS)
    }

    fn return_body(&self, n: u64, more: u64) -> Value {
        let return_no = self.numbered('b', n);
        let mut rng = meant(self.seed, &return_no);
        let split_no = self.numbered('s', rng.u64(0..SPLITS));
        let (receiver, amount) =
            (RECEIVERS[rng.usize(0..2)].to_string(), rng.u64(1..=1 + self.cash / 30) + more);
        json!({"return_no": return_no, "split_no": split_no, "merchant_id": receiver, "amount": amount})
    }

    fn top_up(&self, n: usize, more: u64) -> Ask {
        let no = self.numbered('u', n as u64);
        let amount = meant(self.seed, &no).u64(1_000..=9_000) + more;
        let body = json!({"topup_no": no, "channel": "wechat", "amount": amount});
        movement("topup", PURSES[n], &no, body, Fact::Fixed, &["idempotency_conflict"])
    }

    /// Out of which purse a movement goes, and how much.
    fn moved(&self, no: &str, more: u64) -> (usize, u64) {
        let mut rng = meant(self.seed, no);
        (rng.usize(0..2), rng.u64(1..=4_000) + more)
    }

    fn payout(&self, n: u64, more: u64) -> Ask {
        let no = self.numbered('p', n);
        let (from, amount) = self.moved(&no, more);
        let mut body = json!({"payout_no": no, "amount": amount});
        if n % 2 == 1 {
            body["channel"] = json!("bank");
        }
        movement("payout", PURSES[from], &no, body, Fact::Moved, MOVEMENT_REFUSALS)
    }

    fn payout_result(&self, n: u64, state: &str) -> Ask {
        let no = self.numbered('p', n);
        let path = of_merchant(PURSES[self.moved(&no, 0).0], &format!("payouts/{no}"));
        let about = About::Fact(Fact::Moved, path.clone());
        let may = &["payout_not_found", "contradicts_final"];
        Ask::post("payout result", format!("{path}/result"), json!({"state": state}), about, may)
    }

    fn freeze(&self, n: u64, more: u64) -> Ask {
        let no = self.numbered('f', n);
        let (from, amount) = self.moved(&no, more);
        let body = json!({"freeze_no": no, "amount": amount});
        movement("freeze", PURSES[from], &no, body, Fact::Moved, MOVEMENT_REFUSALS)
    }

    fn unfreeze(&self, n: u64) -> Ask {
        let no = self.numbered('f', n);
        let path = of_merchant(PURSES[self.moved(&no, 0).0], &format!("freezes/{no}"));
        let about = About::Fact(Fact::Moved, path.clone());
        Ask::post("unfreeze", format!("{path}/release"), json!({}), about, &["freeze_not_found"])
    }

    fn transfer(&self, n: u64, more: u64) -> Ask {
        let no = self.numbered('x', n);
        let (from, amount) = self.moved(&no, more);
        let body = json!({"transfer_no": no, "to": PURSES[1 - from].to_string(), "amount": amount});
        movement("transfer", PURSES[from], &no, body, Fact::Fixed, MOVEMENT_REFUSALS).of_all_shards()
    }
}

fn movement(
    name: &'static str,
    merchant: u64,
    no: &str,
    body: Value,
    fact: Fact,
    may: &'static [&'static str],
) -> Ask {
    let path = of_merchant(merchant, &format!("{name}s"));
    let about = About::Fact(fact, format!("{path}/{no}"));
    Ask::post(name, path, body, about, may)
}

/// Numbers of each letter that threads share.
const REFUNDS: u64 = 8;
pub(crate) const VOIDS: u64 = 3;
pub(crate) const SPLITS: u64 = 3;
const RETURNS: u64 = 8;

const REFUND_REFUSALS: &[&str] = &[
    "idempotency_conflict",
    "order_state",
    "too_many_refunds",
    "refund_in_flight",
    "exceeds_refundable",
    "same_day_partial",
    "insufficient_funds",
];
const REFUND_WITH_RETURNS_REFUSALS: &[&str] = &[
    "idempotency_conflict",
    "order_state",
    "too_many_refunds",
    "exceeds_refundable",
    "insufficient_funds",
    "split_not_found",
    "receiver_invalid",
];
const REFUND_RESULT_REFUSALS: &[&str] = &["refund_not_found", "contradicts_final", "insufficient_funds"];
const VOID_REFUSALS: &[&str] =
    &["order_state", "not_same_day", "order_settled", "has_refunds", "insufficient_funds"];
const SPLIT_REFUSALS: &[&str] =
    &["idempotency_conflict", "order_state", "exceeds_held", "exceeds_split_rate"];
const SPLIT_RETURN_REFUSALS: &[&str] =
    &["idempotency_conflict", "split_not_found", "receiver_invalid", "exceeds_refundable"];
const MOVEMENT_REFUSALS: &[&str] = &["idempotency_conflict", "insufficient_funds"];

/// What a thread may do.
#[derive(Clone, Copy, Debug)]
enum Do {
    Begin,
    Refund,
    RefundResult,
    RefundWithReturns,
    Void,
    VoidResult,
    Split,
    SplitReturn,
    Release,
    Confirm,
    Close,
    Reinstate,
    TopUp,
    Payout,
    PayoutResult,
    Freeze,
    Unfreeze,
    Transfer,
    Sweep,
    Settle,
    DayCut,
    Look,
}

/// How often each, among those of one kind.
const OF_ANY: &[(u32, Do)] =
    &[(4, Do::Look), (1, Do::Settle), (1, Do::DayCut), (1, Do::Sweep), (5, Do::Begin)];
const OF_ORDERS: &[(u32, Do)] =
    &[(30, Do::Refund), (24, Do::RefundResult), (8, Do::Void), (10, Do::VoidResult), (8, Do::Look)];
/// So that voids win now and then.
const OF_EVERY_THIRD_TURN: &[(u32, Do)] = &[(40, Do::Void), (20, Do::VoidResult)];
const OF_HELD: &[(u32, Do)] =
    &[(22, Do::Split), (16, Do::SplitReturn), (12, Do::RefundWithReturns), (1, Do::Release), (4, Do::Sweep)];
const OF_PREPAID: &[(u32, Do)] = &[(10, Do::Confirm), (8, Do::Close), (8, Do::Reinstate)];
const OF_MONEY: &[(u32, Do)] = &[
    (20, Do::Payout),
    (20, Do::PayoutResult),
    (10, Do::Freeze),
    (10, Do::Unfreeze),
    (20, Do::Transfer),
    (6, Do::TopUp),
    (6, Do::Sweep),
    (8, Do::Look),
];

fn mix(order: &Order) -> Vec<(u32, Do)> {
    let more: &[&[(u32, Do)]] = match order.kind {
        Kind::Money => &[OF_MONEY],
        _ if order.turn % 3 == 2 => &[OF_ORDERS, OF_EVERY_THIRD_TURN],
        Kind::Held => &[OF_ORDERS, OF_HELD],
        Kind::Prepaid => &[OF_ORDERS, OF_PREPAID],
        _ => &[OF_ORDERS],
    };
    [&[OF_ANY], more].concat().concat()
}

/// One thing to ask about an order. `own` makes a number that no other thread has.
pub(crate) fn something(order: &Order, own: &str, rng: &mut Rng) -> Ask {
    let mix = mix(order);
    let mut left = rng.u32(0..mix.iter().map(|(weight, _)| weight).sum());
    let picked = mix.iter().find(|(weight, _)| {
        let here = left < *weight;
        left = left.saturating_sub(*weight);
        here
    });
    let (_, what) = picked.expect("a weight within the sum of weights");
    // Sometimes another request under the same number.
    let more = u64::from(rng.u8(0..8) == 0);
    match what {
        Do::Begin if order.kind == Kind::Prepaid => order.create(more),
        Do::Begin | Do::TopUp if order.kind == Kind::Money => order.top_up(rng.usize(0..2), more),
        Do::Begin => order.pay(more),
        Do::Refund => {
            let no =
                if rng.u8(0..4) == 0 { format!("{}-{own}", order.no) } else { shared_refund_no(order, rng) };
            order.refund(&no, (more > 0).then_some(rng))
        }
        Do::RefundResult => {
            let no = shared_refund_no(order, rng);
            order.result("refund", &no, some_result(rng))
        }
        Do::RefundWithReturns => order.refund_with_returns(rng.u64(0..REFUNDS)),
        Do::Void => order.void(rng.u64(0..VOIDS)),
        Do::VoidResult => {
            let no = order.numbered('v', rng.u64(0..VOIDS));
            order.result("void", &no, if rng.u8(0..3) == 0 { "succeeded" } else { "failed" })
        }
        Do::Split => order.split(rng.u64(0..SPLITS), more),
        Do::SplitReturn => order.split_return(rng.u64(0..RETURNS), more),
        Do::Release => order.action("release", json!({}), &["order_state"]),
        Do::Confirm => {
            let txn = format!("{}-{more}", order.no);
            order.action("confirm", json!({"channel_txn": txn}), &["idempotency_conflict"])
        }
        Do::Close => order.action("close", json!({}), &["order_state"]),
        Do::Reinstate => order.action("reinstate", json!({}), &["order_state", "has_refunds"]),
        Do::Payout => order.payout(rng.u64(0..8), more),
        Do::PayoutResult => order.payout_result(rng.u64(0..8), some_result(rng)),
        Do::Freeze => order.freeze(rng.u64(0..4), more),
        Do::Unfreeze => order.unfreeze(rng.u64(0..4)),
        Do::Transfer | Do::TopUp => order.transfer(rng.u64(0..8), more),
        Do::Sweep => sweep(),
        Do::Settle => settle(order.turn),
        Do::DayCut => day_cut(order.turn),
        Do::Look => look(order, rng),
    }
}

/// A number that all share.
fn shared_refund_no(order: &Order, rng: &mut Rng) -> String {
    let letter = if order.kind == Kind::Held && rng.u8(0..3) == 0 { 'w' } else { 'r' };
    // The first more often than the last, so that they meet.
    order.numbered(letter, rng.u64(0..REFUNDS).min(rng.u64(0..REFUNDS)))
}

fn some_result(rng: &mut Rng) -> &'static str {
    match rng.u8(0..20) {
        0..=5 => "succeeded",
        6..=16 => "failed",
        _ => "unknown",
    }
}

fn look(order: &Order, rng: &mut Rng) -> Ask {
    match rng.u8(0..5) {
        0 => Ask::get("trial balance", "/v1/trial-balance".to_owned(), About::TrialBalance).of_all_shards(),
        1 => Ask::get("balances", of_merchant(order.merchant, "balances"), About::Balances),
        _ if order.kind == Kind::Money => {
            let merchant = PURSES[rng.usize(0..2)];
            Ask::get("balances", of_merchant(merchant, "balances"), About::Balances)
        }
        2 => Ask::get("refunds", order.path("/refunds"), About::Refunds),
        _ => Ask::get("order", order.path(""), About::Fact(Fact::Order, order.path(""))),
    }
}

pub(crate) fn sweep() -> Ask {
    Ask::post("sweep", "/v1/sweeps".to_owned(), json!({}), About::Nothing, &[]).of_all_shards()
}

fn settle(turn: u64) -> Ask {
    let batch_no = format!("S{turn}");
    let about = About::Fact(Fact::Fixed, format!("/v1/settlements/{batch_no}"));
    let body = json!({"batch_no": batch_no});
    Ask::post("settle", "/v1/settlements".to_owned(), body, about, &[]).of_all_shards()
}

/// The next date, every third turn: whoever asks first has it.
fn day_cut(turn: u64) -> Ask {
    let first = jiff::civil::date(2018, 8, 26);
    let days = i64::try_from(turn / 3).expect("turns are few");
    let date = first.saturating_add(jiff::Span::new().days(days));
    let body = json!({"accounting_date": date.to_string()});
    let about = About::Nothing;
    Ask::post("day cut", "/v1/day-cut".to_owned(), body, about, &["date_not_later"]).of_all_shards()
}

/// All of the shop's merchants.
pub(crate) fn merchants() -> Vec<u64> {
    let mut merchants: Vec<u64> = Kind::ALL.map(Kind::merchant).to_vec();
    merchants.extend([PURSES[1], RECEIVERS[1], PROMOTER, PLATFORM]);
    merchants
}

/// What must be put before anything can be paid, in its order.
pub(crate) fn set_up() -> Vec<Ask> {
    let put = |path: &str, body: Value| Ask::put(format!("/v1/{path}"), body);
    let mut asks = vec![clock()];
    for (channel, cost_rate) in
        [("wechat", "0.0025"), ("bestpay", "0.002"), ("aggregate", "0.003"), ("bank", "0.001")]
    {
        let body = json!({"preset": channel, "cost_rate": cost_rate, "cost_refund": "proportional"});
        asks.push(put(&format!("channels/{channel}"), body));
    }
    let mut merchants = merchants();
    // A platform is there before its merchants.
    merchants.reverse();
    for id in merchants {
        let mut terms = json!({"currency": "CNY", "fee_rate": "0.006"});
        let more = match id {
            1001 => json!({"refund_funding": "pending_then_available"}),
            1002 => json!({"fee_rate": "0.0123", "fee_rounding": "half_even"}),
            1003 => json!({"discount_refund": "discount_first", "fee_rounding": "down"}),
            2001 => json!({"platform": PLATFORM.to_string(), "platform_fee_rate": "0.013"}),
            3001 => json!({"max_split_rate": format!("0.{SPLIT_PERCENT}")}),
            5001 => json!({"settlement": {"cycle": "T+1", "mode": "gross"}, "refund_funding": "available"}),
            8001 => json!({"settlement": {"cycle": "D+0"}, "refund_funding": "available",
                "advance_fee_rate": "0.0002"}),
            _ => json!({}),
        };
        for (name, value) in more.as_object().into_iter().flatten() {
            terms[name] = value.clone();
        }
        asks.push(put(&format!("merchants/{id}"), terms));
    }
    asks.push(put(&format!("promoters/{PROMOTER}"), json!({"rate": "0.05"})));
    asks
}

/// Stops the clock, which no log keeps.
pub(crate) fn clock() -> Ask {
    Ask::put("/v1/dev/clock".to_owned(), json!({"now": CLOCK}))
}

pub(crate) fn of_merchant(merchant: u64, rest: &str) -> String {
    format!("/v1/merchants/{merchant}/{rest}")
}

/// Chance that is always the same under the same name.
fn meant(seed: u64, name: &str) -> Rng {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    Rng::with_seed(seed ^ hash)
}
