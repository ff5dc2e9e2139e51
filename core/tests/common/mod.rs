//! A ledger with a stopped clock, and short ways to say what is asked of it.
#![allow(dead_code, unreachable_pub, reason = "each test binary takes its part of it")]
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, reason = "tests")]

use suanpan_core::*;

pub const CNY: Currency = Currency(*b"CNY");
/// 2018-08-26T12:00:00+08:00, a Sunday.
pub const NOON: i64 = 1_535_256_000_000;
pub const MINUTE: i64 = 60_000;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;
pub const SUNDAY: Date = Date(17_769);

pub fn number(text: &str) -> Number {
    text.parse().unwrap()
}

pub fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

pub fn shanghai() -> Zone {
    Zone::fixed("Asia/Shanghai", 8 * 3600)
}

pub fn payment(merchant: u64, order_no: &str, channel: ChannelId, amount: u64) -> Payment {
    Payment {
        merchant: MerchantId(merchant),
        order_no: number(order_no),
        channel,
        amount,
        hold: false,
        paid_at: None,
        details: None,
    }
}

pub fn discounted(payment: Payment, operator: u64, merchant: u64, platform: u64) -> Payment {
    let discounts = Discounts { operator, merchant, platform };
    Payment { details: Some(Box::new(PaymentDetails { discounts, ..Default::default() })), ..payment }
}

pub fn refund(merchant: u64, refund_no: &str, order_no: &str, amount: u64) -> Command {
    Command::Refund(Refund {
        merchant: MerchantId(merchant),
        refund_no: number(refund_no),
        order_no: number(order_no),
        amount,
        details: None,
    })
}

pub fn result(merchant: u64, refund_no: &str, state: RefundResultState) -> Command {
    let refund_no = number(refund_no);
    Command::RefundResult(RefundResult {
        merchant: MerchantId(merchant),
        refund_no,
        state,
        channel_refund_no: None,
    })
}

pub fn void(merchant: u64, void_no: &str, order_no: &str) -> Command {
    let (void_no, order_no) = (number(void_no), number(order_no));
    Command::Void(Void { merchant: MerchantId(merchant), void_no, order_no })
}

pub fn void_result(merchant: u64, void_no: &str, succeeded: bool) -> Command {
    Command::VoidResult(VoidResult { merchant: MerchantId(merchant), void_no: number(void_no), succeeded })
}

pub fn cut(date: Date) -> Command {
    Command::SetDate(SetDate { date, cut: true })
}

pub struct Shop {
    pub ledger: Ledger,
    pub now: i64,
    pub entries: Vec<Entry>,
}

impl Shop {
    pub fn new() -> Self {
        Self { ledger: Ledger::new(1, SUNDAY), now: NOON, entries: Vec::new() }
    }

    pub fn put_channel(&mut self, terms: ChannelTerms) -> ChannelId {
        match self.apply(&Command::PutChannel(Box::new(terms))) {
            Applied { reply: Reply::Done(Receipt::Channel { id, .. }), .. } => id,
            other => panic!("{other:?}"),
        }
    }

    pub fn channel(&mut self, name: &str) -> ChannelId {
        let preset = Preset::from_name(name).unwrap();
        self.put_channel(ChannelTerms::preset(name, preset, shanghai()))
    }

    pub fn merchant(&mut self, id: u64, change: impl FnOnce(&mut MerchantTerms)) {
        let mut terms = MerchantTerms::new(MerchantId(id), CNY);
        change(&mut terms);
        assert!(self.apply(&Command::PutMerchant(Box::new(terms))).changed);
    }

    pub fn apply(&mut self, command: &Command) -> Applied {
        self.ledger.apply(command, Timestamp(self.now), &mut self.entries)
    }

    /// The receipt of something newly done.
    pub fn done(&mut self, command: &Command) -> Receipt {
        match self.apply(command) {
            Applied { reply: Reply::Done(receipt), changed: true } => receipt,
            other => panic!("{command:?}: {other:?}"),
        }
    }

    pub fn pay(&mut self, payment: Payment) -> OrderView {
        let (id, order_no) = (payment.merchant, payment.order_no);
        self.done(&Command::Payment(payment));
        match self.ledger.answer(&Query::Order(id, order_no), Timestamp(self.now)) {
            Reply::Order(view) => *view,
            other => panic!("{other:?}"),
        }
    }

    pub fn refund(&mut self, merchant: u64, refund_no: &str, order_no: &str, amount: u64) -> RefundView {
        self.done(&refund(merchant, refund_no, order_no, amount));
        self.refund_view(merchant, refund_no)
    }

    pub fn succeed(&mut self, merchant: u64, refund_no: &str) {
        self.done(&result(merchant, refund_no, RefundResultState::Succeeded));
    }

    pub fn fail(&mut self, merchant: u64, refund_no: &str) -> RefundState {
        match self.done(&result(merchant, refund_no, RefundResultState::Failed)) {
            Receipt::RefundResult { repeat: false, state } => state,
            other => panic!("{other:?}"),
        }
    }

    /// The rejection; that it left no trace is checked here.
    pub fn refused(&mut self, command: &Command) -> Rejection {
        let (digest, entries) = (self.ledger.digest(), self.entries.len());
        match self.apply(command) {
            Applied { reply: Reply::Rejected(rejection, _), changed: false } => {
                assert_eq!(self.ledger.digest(), digest, "a rejection leaves no trace");
                assert_eq!(self.entries.len(), entries);
                rejection
            }
            other => panic!("{command:?}: {other:?}"),
        }
    }

    /// The receipt of what was done before; that it changed nothing is checked here.
    pub fn repeated(&mut self, command: &Command) -> Receipt {
        let digest = self.ledger.digest();
        match self.apply(command) {
            Applied { reply: Reply::Done(receipt), changed: false } => {
                assert_eq!(self.ledger.digest(), digest, "a repeat changes nothing");
                receipt
            }
            other => panic!("{command:?}: {other:?}"),
        }
    }

    pub fn balances(&self, merchant: u64) -> BalancesView {
        match self.ledger.answer(&Query::Balances(MerchantId(merchant)), Timestamp(self.now)) {
            Reply::Balances(view) => *view,
            other => panic!("{other:?}"),
        }
    }

    pub fn pending(&self, merchant: u64) -> u64 {
        self.balances(merchant).pending
    }

    pub fn order(&self, merchant: u64, order_no: &str) -> OrderView {
        match self.ledger.answer(&Query::Order(MerchantId(merchant), number(order_no)), Timestamp(self.now)) {
            Reply::Order(view) => *view,
            other => panic!("{other:?}"),
        }
    }

    pub fn refund_view(&self, merchant: u64, refund_no: &str) -> RefundView {
        match self.ledger.answer(&Query::Refund(MerchantId(merchant), number(refund_no)), Timestamp(self.now))
        {
            Reply::Refund(view) => *view,
            other => panic!("{other:?}"),
        }
    }

    pub fn accrued(&self, merchant: u64) -> i128 {
        match self.ledger.answer(&Query::Accrued(MerchantId(merchant)), Timestamp(self.now)) {
            Reply::Accrued(amount) => amount,
            other => panic!("{other:?}"),
        }
    }

    pub fn totals(&self) -> ShardTotals {
        match self.ledger.answer(&Query::Totals, Timestamp(self.now)) {
            Reply::Totals(totals) => *totals,
            other => panic!("{other:?}"),
        }
    }

    pub fn balanced(&self) {
        let totals = self.totals();
        assert_eq!(totals.accounts.iter().map(|(_, _, balance)| balance).sum::<i128>(), 0);
    }
}
