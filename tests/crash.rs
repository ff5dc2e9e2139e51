//! `kill -9` under load: everything that was answered is there, no order gave back more than was paid, and the books
//! are square. The real binary, the real protocol, the real disk.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use common::Server;
use suanpan_core::{
    ChannelTerms, Command, Currency, MerchantId, MerchantTerms, Number, Payment, Preset, Query, Rate,
    Receipt, Refund, Reply, Request, Void, Zone,
};
use suanpan_net::Client;

const MERCHANTS: u64 = 16;
const WRITERS: u64 = 4;
const ROUNDS: u64 = 5;
/// Frames that are answered before the server is killed, by round: early, and under way.
const ANSWERED_BEFORE_KILL: [usize; ROUNDS as usize] = [3, 20, 45, 11, 60];

/// What was answered, by request: everything in it must be found again.
#[derive(Default)]
struct Answered {
    /// Merchant and order, and the net.
    payments: HashMap<(u64, Number), u64>,
    /// Merchant and refund, and what the merchant gave up.
    refunds: HashMap<(u64, Number), u64>,
    voids: HashMap<(u64, Number), ()>,
    frames: usize,
}

fn payment(merchant: u64, order_no: Number, amount: u64) -> Request {
    Request::Command(Command::Payment(Payment {
        merchant: MerchantId(merchant),
        order_no,
        channel: suanpan_core::ChannelId(0),
        amount,
        hold: false,
        paid_at: None,
        details: None,
    }))
}

fn name(letter: char, round: u64, writer: u64, n: u64) -> Number {
    format!("{letter}{round}-{writer}-{n:014}").parse().unwrap()
}

/// One frame of a writer: payments, and refunds and voids of some of them, some of them asking too much.
fn frame(round: u64, writer: u64, at: u64) -> Vec<Request> {
    let mut requests = Vec::new();
    for n in at * 100..at * 100 + 100 {
        let merchant = n % MERCHANTS + 1;
        let (order_no, amount) = (name('P', round, writer, n), 100 + n % 900);
        requests.push(payment(merchant, order_no, amount));
        let refund = |letter, amount| {
            let refund_no = name(letter, round, writer, n);
            let merchant = MerchantId(merchant);
            Request::Command(Command::Refund(Refund { merchant, refund_no, order_no, amount, details: None }))
        };
        match n % 10 {
            0 => requests.extend([refund('R', amount / 2), refund('S', amount - amount / 2 + 1)]),
            1 => requests.extend([refund('R', amount / 3), refund('S', amount - amount / 3)]),
            2 => requests.push(Request::Command(Command::Void(Void {
                merchant: MerchantId(merchant),
                void_no: name('V', round, writer, n),
                order_no,
            }))),
            _ => {}
        }
    }
    requests
}

impl Answered {
    fn note(&mut self, requests: &[Request], replies: &[Reply]) {
        assert_eq!(requests.len(), replies.len());
        for (request, reply) in requests.iter().zip(replies) {
            let (Request::Command(command), Reply::Done(receipt)) = (request, reply) else {
                assert!(
                    matches!(reply, Reply::Rejected(suanpan_core::Rejection::ExceedsRefundable, _)),
                    "{reply:?}"
                );
                continue;
            };
            match (command, receipt) {
                (Command::Payment(p), Receipt::Payment { net, .. }) => {
                    self.payments.insert((p.merchant.0, p.order_no), *net);
                }
                (Command::Refund(r), Receipt::Refund { merchant_debit, .. }) => {
                    self.refunds.insert((r.merchant.0, r.refund_no), *merchant_debit);
                }
                (Command::Void(v), Receipt::Void { .. }) => {
                    self.voids.insert((v.merchant.0, v.void_no), ());
                }
                other => panic!("{other:?}"),
            }
        }
        self.frames += 1;
    }
}

impl Answered {
    /// What to look at, and what must be found: an order's net, or what a refund took.
    fn looks(&self) -> Vec<(Query, u64)> {
        let payments = self.payments.iter().map(|((m, no), net)| (Query::Order(MerchantId(*m), *no), *net));
        let refunds =
            self.refunds.iter().map(|((m, no), debit)| (Query::Refund(MerchantId(*m), *no), *debit));
        let voids = self.voids.keys().map(|(m, no)| (Query::Void(MerchantId(*m), *no), 0));
        payments.chain(refunds).chain(voids).collect()
    }
}

async fn open_shop(client: &Client) {
    let channel = ChannelTerms::preset("wechat", Preset::Wechat, Zone::fixed("Asia/Shanghai", 28_800));
    let put = client.ask_one(Request::Command(Command::PutChannel(Box::new(channel)))).await.unwrap();
    assert!(matches!(put, Reply::Done(_)), "{put:?}");
    let merchants = (1..=MERCHANTS).map(|id| {
        Request::Command(Command::PutMerchant(Box::new(MerchantTerms {
            fee_rate: Rate(6_000),
            ..MerchantTerms::new(MerchantId(id), Currency(*b"CNY"))
        })))
    });
    let made = client.ask(merchants.collect()).await.unwrap();
    assert!(made.iter().all(|reply| matches!(reply, Reply::Done(_))));
}

/// Writes until the line breaks, some frames at a time.
async fn write(
    client: Client,
    round: u64,
    writer: u64,
    answered: Arc<Mutex<Answered>>,
    enough: Arc<tokio::sync::Notify>,
) {
    let mut flying = tokio::task::JoinSet::new();
    let mut at = 0;
    loop {
        while flying.len() < 4 {
            let (client, requests) = (client.clone(), frame(round, writer, at));
            at += 1;
            flying.spawn(async move { (client.ask(requests.clone()).await, requests) });
        }
        let (replies, requests) = flying.join_next().await.unwrap().unwrap();
        let Ok(replies) = replies else { return };
        let mut answered = answered.lock().unwrap();
        answered.note(&requests, &replies);
        if answered.frames >= ANSWERED_BEFORE_KILL[round as usize] {
            enough.notify_one();
        }
    }
}

/// Everything that was answered is there, as it was answered.
async fn check_answered(client: &Client, looks: &[(Query, u64)]) {
    for some in looks.chunks(1_000) {
        let requests = some.iter().map(|(query, _)| Request::Query(query.clone())).collect();
        for ((query, value), reply) in some.iter().zip(client.ask(requests).await.unwrap()) {
            match reply {
                Reply::Order(view) => {
                    assert_eq!(view.net, *value, "{query:?}");
                    assert!(view.refunded + view.in_flight + view.refundable <= view.payable, "{view:?}");
                }
                Reply::Refund(view) => assert_eq!(view.merchant_debit, *value, "{query:?}"),
                Reply::Void(_) => {}
                other => panic!("{query:?} was answered before the crash and is now {other:?}"),
            }
        }
    }
}

/// What each merchant has pending is what its orders say, over everything that was ever sent, answered or not.
async fn check_books(client: &Client, sent: &[Request]) {
    let mut pending: HashMap<u64, i128> = HashMap::new();
    for some in sent.chunks(1_000) {
        let looks = some.iter().map(|request| {
            let Request::Command(command) = request else { panic!() };
            Request::Query(match command {
                Command::Payment(p) => Query::Order(p.merchant, p.order_no),
                Command::Refund(r) => Query::Refund(r.merchant, r.refund_no),
                Command::Void(v) => Query::Order(v.merchant, v.order_no),
                other => panic!("{other:?}"),
            })
        });
        let replies = client.ask(looks.collect()).await.unwrap();
        for (request, reply) in some.iter().zip(replies) {
            match (request, reply) {
                (Request::Command(Command::Payment(p)), Reply::Order(view)) => {
                    *pending.entry(p.merchant.0).or_default() += i128::from(view.net);
                }
                (Request::Command(Command::Refund(r)), Reply::Refund(view)) => {
                    *pending.entry(r.merchant.0).or_default() -= i128::from(view.merchant_debit);
                }
                (Request::Command(Command::Void(v)), Reply::Order(view))
                    if view.status == suanpan_core::OrderStatus::Voided =>
                {
                    *pending.entry(v.merchant.0).or_default() -= i128::from(view.net);
                }
                _ => {}
            }
        }
    }
    for id in 1..=MERCHANTS {
        let Reply::Balances(view) =
            client.ask_one(Request::Query(Query::Balances(MerchantId(id)))).await.unwrap()
        else {
            panic!("no balances");
        };
        assert_eq!(i128::from(view.pending), pending.get(&id).copied().unwrap_or(0), "merchant {id}");
    }
    let Reply::Totals(totals) = client.ask_one(Request::Query(Query::Totals)).await.unwrap() else {
        panic!("no totals");
    };
    assert_eq!(totals.accounts.iter().map(|(_, _, balance)| balance).sum::<i128>(), 0);
}

#[test]
fn kill_9_under_load_loses_nothing_that_was_answered() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let answered = Arc::new(Mutex::new(Answered::default()));
    for round in 0..ROUNDS {
        let server = Server::start(folder.path(), &["--shards", if round % 2 == 0 { "2" } else { "3" }]);
        runtime.block_on(async {
            let client = Client::connect(server.tcp).await.unwrap();
            if round == 0 {
                open_shop(&client).await;
            }
            answered.lock().unwrap().frames = 0;
            let enough = Arc::new(tokio::sync::Notify::new());
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| {
                    tokio::spawn(write(client.clone(), round, writer, answered.clone(), enough.clone()))
                })
                .collect();
            enough.notified().await;
            tokio::task::spawn_blocking(|| server.kill()).await.unwrap();
            for writer in writers {
                writer.await.unwrap();
            }
        });
        let again = Server::start(folder.path(), &[]);
        assert!(again.said.iter().any(|line| line.contains("after a crash")), "{:?}", again.said);
        runtime.block_on(async {
            let client = Client::connect(again.tcp).await.unwrap();
            let looks = answered.lock().unwrap().looks();
            check_answered(&client, &looks).await;
            let frames = 40;
            let sent: Vec<Request> = (0..=round)
                .flat_map(|round| {
                    (0..WRITERS).flat_map(move |w| (0..frames).flat_map(move |at| frame(round, w, at)))
                })
                .collect();
            check_books(&client, &sent).await;
        });
        again.kill();
    }
    let answered = answered.lock().unwrap();
    assert!(answered.payments.len() > 10_000 && answered.refunds.len() > 1_000, "the crashes came too early");
}
