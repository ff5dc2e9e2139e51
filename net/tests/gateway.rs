//! Asking the engine: what is asked together is decided together, and nothing that was asked stays behind.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use suanpan_core::{
    ChannelId, ChannelTerms, Command, Currency, Date, MerchantId, MerchantTerms, Number, Payment, Preset,
    Query, Rate, Receipt, Rejection, Reply, Request, Zone,
};
use suanpan_engine::{Engine, EngineConfig};
use suanpan_net::{Answer, Gateway};
use tokio::task::JoinSet;

const MERCHANT: MerchantId = MerchantId(7);

/// A gateway over an engine of one shard with one merchant, and its folder.
async fn gateway() -> (Arc<Gateway>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let config =
        EngineConfig { shards: 1, segment_bytes: 4 << 20, ..EngineConfig::new(folder.path(), Date(20_000)) };
    let engine = Engine::start(&config, |reason| panic!("{reason}")).unwrap();
    let gateway = Arc::new(Gateway::new(Arc::new(engine)).await);
    let channel = ChannelTerms::preset("wechat", Preset::Wechat, Zone::fixed("Asia/Shanghai", 28_800));
    assert!(matches!(gateway.put_channel(Box::new(channel)).await, Reply::Done(_)));
    let terms = MerchantTerms { fee_rate: Rate(6_000), ..MerchantTerms::new(MERCHANT, Currency(*b"CNY")) };
    assert!(matches!(gateway.put_merchant(Box::new(terms)).await, Reply::Done(_)));
    (gateway, folder)
}

/// A payment of `amount` and a look at its order.
fn payment(order: usize, amount: u64) -> Vec<Request> {
    let order_no = Number::new(format!("A{order}").as_bytes()).unwrap();
    let payment = Payment {
        merchant: MERCHANT,
        order_no,
        channel: ChannelId(0),
        amount,
        hold: false,
        paid_at: None,
        details: None,
    };
    vec![Request::Command(Command::Payment(payment)), Request::Query(Query::Order(MERCHANT, order_no))]
}

/// Whether an answer is that of the payment.
fn check(answer: &Answer, order: usize, amount: u64) {
    match &answer.replies[..] {
        [Reply::Done(Receipt::Payment { repeat: false, .. }), Reply::Order(view)] => {
            assert_eq!((view.order_no.as_str(), view.amount), (&*format!("A{order}"), amount));
        }
        other => panic!("{other:?}"),
    }
}

/// Lets a future come as far as it can without waiting.
async fn begin<F: Future>(future: &mut Pin<Box<F>>) {
    poll_fn(|cx| {
        assert!(future.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
}

#[tokio::test]
async fn what_is_asked_together_is_decided_together() {
    let (gateway, _folder) = gateway().await;
    let mut asking = JoinSet::new();
    for order in 0..100 {
        let gateway = gateway.clone();
        asking.spawn(async move { (order, gateway.ask(0, payment(order, 100 + order as u64)).await) });
    }
    let answers = asking.join_all().await;
    assert_eq!(answers.len(), 100);
    for (order, answer) in &answers {
        check(answer, *order, 100 + *order as u64);
        assert_eq!(answer.as_of, answers[0].1.as_of, "one batch is one group of the log");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn everybody_gets_their_own_answer() {
    let (gateway, _folder) = gateway().await;
    let mut asking = JoinSet::new();
    for caller in 0..60 {
        let gateway = gateway.clone();
        asking.spawn(async move {
            for number in 0..50 {
                let (order, amount) = (caller * 1_000 + number, 1 + number as u64);
                check(&gateway.ask(0, payment(order, amount)).await, order, amount);
            }
        });
    }
    asking.join_all().await;
    assert_eq!(gateway.engine().outstanding(), 0);
}

#[tokio::test]
async fn more_than_a_batch_holds_is_several() {
    let (gateway, _folder) = gateway().await;
    let mut asking = JoinSet::new();
    for order in 0..10_000 {
        let gateway = gateway.clone();
        asking.spawn(async move { check(&gateway.ask(0, payment(order, 5)).await, order, 5) });
    }
    asking.join_all().await;
}

/// A client that goes away takes nobody's request with it, and its own is carried out.
#[tokio::test]
async fn whoever_goes_away_leaves_nothing_behind() {
    let (gateway, _folder) = gateway().await;
    let mut leads = Box::pin(gateway.ask(0, payment(1, 10)));
    let mut follows = Box::pin(gateway.ask(0, payment(2, 20)));
    begin(&mut leads).await;
    begin(&mut follows).await;
    drop(leads);
    let answer = tokio::time::timeout(Duration::from_secs(30), follows).await.unwrap();
    check(&answer, 2, 20);
    let look = vec![Request::Query(Query::Balances(MERCHANT))];
    let Reply::Balances(view) = gateway.ask(0, look).await.replies.remove(0) else { panic!("no balances") };
    assert_eq!(view.pending, 30);
}

#[tokio::test]
async fn an_engine_that_has_stopped_refuses_each() {
    let (gateway, _folder) = gateway().await;
    gateway.engine().stop().unwrap();
    let asked = tokio::join!(gateway.ask(0, payment(1, 10)), gateway.ask(0, payment(2, 20)));
    for answer in [asked.0, asked.1] {
        assert_eq!(answer.replies, vec![Reply::Rejected(Rejection::Overloaded, None); 2]);
    }
}
