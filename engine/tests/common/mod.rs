//! What the tests of the engine start from: a folder, a channel, merchants, and how they ask.
#![allow(dead_code, reason = "each test uses its part")]

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use suanpan_core::{
    BalancesView, ChannelId, ChannelTerms, Command, Currency, Date, MerchantId, MerchantTerms, Number,
    Payment, Preset, Query, Rate, Receipt, Reply, Request, SetDate, ShardTotals, Split, TopUp, Transfer,
    Zone,
};
use suanpan_engine::{Batch, Caller, Completed, Engine, EngineConfig};

pub(crate) const TODAY: Date = Date(20_000);

pub(crate) struct Inbox(Mutex<Sender<Completed>>);

impl Caller for Inbox {
    fn complete(&self, completed: Completed) {
        self.0.lock().unwrap().send(completed).unwrap();
    }
}

pub(crate) fn inbox() -> (Arc<Inbox>, Receiver<Completed>) {
    let (sender, receiver) = channel();
    (Arc::new(Inbox(Mutex::new(sender))), receiver)
}

pub(crate) fn config(folder: &Path, shards: u16) -> EngineConfig {
    EngineConfig {
        shards,
        segment_bytes: 2 << 20,
        reserve_bytes: 1 << 20,
        ..EngineConfig::new(folder, TODAY)
    }
}

pub(crate) fn start(folder: &Path, shards: u16) -> Engine {
    Engine::start(&config(folder, shards), |reason| panic!("{reason}")).unwrap()
}

pub(crate) fn ask(engine: &Engine, shard: u16, requests: Vec<Request>) -> Vec<Reply> {
    let (caller, replies) = inbox();
    let batch = Batch { requests, replies: Vec::new(), token: 7, caller };
    assert!(engine.submit(shard, batch).is_ok());
    replies.recv().unwrap().replies
}

pub(crate) fn terms(id: u64) -> Box<MerchantTerms> {
    Box::new(MerchantTerms { fee_rate: Rate(6_000), ..MerchantTerms::new(MerchantId(id), Currency(*b"CNY")) })
}

pub(crate) fn payment(id: u64, number: u64) -> Request {
    Request::Command(Command::Payment(Payment {
        merchant: MerchantId(id),
        order_no: number.to_string().parse::<Number>().unwrap(),
        channel: ChannelId(0),
        amount: 1_000,
        hold: false,
        paid_at: None,
        details: None,
    }))
}

pub(crate) fn open_shop(engine: &Engine, merchants: u64) {
    let channel = ChannelTerms::preset("wechat", Preset::Wechat, Zone::fixed("Asia/Shanghai", 28_800));
    let put = engine.command_all(Command::PutChannel(Box::new(channel)));
    assert_eq!(put, Reply::Done(Receipt::Channel { id: ChannelId(0), existed: false }));
    let put = |id| Request::Command(Command::PutMerchant(terms(id)));
    for reply in ask_all(engine, (1..=merchants).map(put)) {
        assert_eq!(reply, Reply::Done(Receipt::Merchant { existed: false }));
    }
}

/// Asks each merchant's shard, in batches of a thousand; the replies come by shard.
pub(crate) fn ask_all(engine: &Engine, requests: impl Iterator<Item = Request>) -> Vec<Reply> {
    let mut shards: Vec<Vec<Request>> = vec![Vec::new(); engine.shards().into()];
    for request in requests {
        let merchant = match &request {
            Request::Command(command) => command.merchant().unwrap(),
            Request::Query(query) => query.merchant().unwrap(),
            Request::Run(_) => unreachable!(),
        };
        shards[usize::from(engine.shard_of(merchant))].push(request);
    }
    let mut replies = Vec::new();
    for (shard, requests) in (0..).zip(shards) {
        for some in requests.chunks(1_000) {
            replies.extend(ask(engine, shard, some.to_vec()));
        }
    }
    replies
}

pub(crate) fn ask_one(engine: &Engine, request: Request) -> Reply {
    ask_all(engine, [request].into_iter()).remove(0)
}

pub(crate) fn set_date(engine: &Engine, set: SetDate) -> Reply {
    if set.cut { engine.command_all(Command::SetDate(set)) } else { engine.begin_at(set.date) }
}

pub(crate) fn balances(engine: &Engine, id: u64) -> BalancesView {
    match ask_one(engine, Request::Query(Query::Balances(MerchantId(id)))) {
        Reply::Balances(view) => *view,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn pending(engine: &Engine, id: u64) -> u64 {
    balances(engine, id).pending
}

#[allow(clippy::needless_pass_by_value, reason = "what is passed are numbers")]
pub(crate) fn number(text: impl ToString) -> Number {
    text.to_string().parse().unwrap()
}

pub(crate) fn top_up(id: u64, topup_no: u64, amount: u64) -> Request {
    let (merchant, topup_no, channel) = (MerchantId(id), number(topup_no), ChannelId(0));
    Request::Command(Command::TopUp(TopUp { merchant, topup_no, channel, amount }))
}

pub(crate) fn transfer(from: u64, transfer_no: u64, to: u64, amount: u64) -> Command {
    let (merchant, transfer_no, to) = (MerchantId(from), number(transfer_no), MerchantId(to));
    Command::Transfer(Transfer { merchant, transfer_no, to, amount })
}

/// A held order of 1,000, all of which goes to a receiver.
pub(crate) fn split_order(id: u64, order_no: u64, receiver: u64, amount: u64) -> [Request; 2] {
    let (merchant, order_no, channel) = (MerchantId(id), number(order_no), ChannelId(0));
    let payment =
        Payment { merchant, order_no, channel, amount: 1_000, hold: true, paid_at: None, details: None };
    let receivers = vec![(MerchantId(receiver), amount)];
    let split = Split { merchant, split_no: order_no, order_no, receivers, finish: true };
    [Request::Command(Command::Payment(payment)), Request::Command(Command::Split(Box::new(split)))]
}

/// A line of the trial balance, all shards together; 0 when it is not there.
pub(crate) fn line(totals: &[ShardTotals], account: &str) -> i128 {
    let lines = totals.iter().flat_map(|totals| &totals.accounts);
    lines.filter(|(_, name, _)| name == account).map(|(_, _, balance)| balance).sum()
}

pub(crate) fn sums(totals: &[ShardTotals]) -> (i128, u64) {
    let balance = totals.iter().flat_map(|t| &t.accounts).map(|(_, _, balance)| balance).sum();
    (balance, totals.iter().map(|t| t.orders).sum())
}
