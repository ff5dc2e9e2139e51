//! What a follower says of a log: what happened, in order, the same beside a running engine, after a restart and on a copy.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use common::{TODAY, ask_all, line, number, open_shop, payment, split_order, start, top_up, transfer};
use suanpan_core::{
    Account, Command, Currency, Date, EntryView, EventKind, MerchantId, Payout, PayoutResult, Query, Refund,
    RefundResult, RefundResultState, Reply, Request, Run, SetDate, Settlement, Subject,
};
use suanpan_engine::{Engine, EngineError, Followed, Follower};

const MERCHANTS: u64 = 8;

fn refund(id: u64, order: u64) -> [Request; 2] {
    let (merchant, refund_no, order_no) = (MerchantId(id), number(order), number(order));
    let refund = Refund { merchant, refund_no, order_no, amount: 400, details: None };
    let state = RefundResultState::Succeeded;
    let result = RefundResult { merchant, refund_no, state, channel_refund_no: None };
    [Request::Command(Command::Refund(refund)), Request::Command(Command::RefundResult(result))]
}

fn payout(id: u64) -> [Request; 2] {
    let (merchant, payout_no) = (MerchantId(id), number("P1"));
    let payout = Payout { merchant, payout_no, amount: 30, channel: None };
    let result = PayoutResult { merchant, payout_no, state: RefundResultState::Failed };
    [Request::Command(Command::Payout(payout)), Request::Command(Command::PayoutResult(result))]
}

/// A story on every merchant; refusals and repeats are no part of what is followed.
fn story(engine: &Engine) {
    open_shop(engine, MERCHANTS);
    let all = 1..=MERCHANTS;
    let done =
        |replies: Vec<Reply>| assert!(replies.iter().all(|r| matches!(r, Reply::Done(_))), "{replies:?}");
    done(ask_all(engine, all.clone().flat_map(|id| [payment(id, 1), payment(id, 1), payment(id, 2)])));
    done(ask_all(engine, all.clone().flat_map(|id| refund(id, 1))));
    done(ask_all(engine, all.clone().map(|id| top_up(id, 1, 1_000))));
    done(ask_all(engine, all.clone().flat_map(payout)));
    done(ask_all(engine, all.clone().flat_map(|id| split_order(id, 3, 1 + id % MERCHANTS, 50))));
    let missing = ask_all(engine, all.map(|id| refund(id, 99)[0].clone()));
    assert!(missing.iter().all(|reply| matches!(reply, Reply::Rejected(..))));
    assert!(matches!(engine.command_all(transfer(1, 1, 2, 77)), Reply::Done(_)));
    assert!(matches!(engine.command_all(transfer(1, 2, 900, 77)), Reply::Rejected(..)));
    let cut = SetDate { date: Date(TODAY.0 + 7), cut: true };
    assert!(matches!(engine.command_all(Command::SetDate(cut)), Reply::Done(_)));
    let settlement = Settlement { batch_no: number("S1"), merchant: None };
    assert!(matches!(engine.run(Run::Settlement(settlement)), Reply::Settlement { .. }));
}

/// What each merchant is told, in order.
fn told(followed: &[Followed]) -> BTreeMap<Option<u64>, Vec<EventKind>> {
    let mut told: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for event in followed.iter().flat_map(|followed| &followed.events) {
        told.entry(event.merchant.map(|id| id.0)).or_default().push(event.kind);
    }
    told
}

fn read_all(follower: &mut Follower) -> Vec<Followed> {
    std::iter::from_fn(|| follower.read().unwrap()).collect()
}

/// Copies a data folder, as a backup does.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.join("log")).unwrap();
    for entry in std::fs::read_dir(from.join("log")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join("log").join(path.file_name().unwrap())).unwrap();
    }
}

#[test]
fn what_happened_is_told_in_order_and_again_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let engine = start(folder.path(), 3);
    story(&engine);
    let followed = read_all(&mut engine.follow().unwrap());
    let told = told(&followed);
    for id in 1..=MERCHANTS {
        let kinds = &told[&Some(id)];
        let expected = [
            EventKind::PaymentPaid,
            EventKind::PaymentPaid,
            EventKind::RefundSubmit,
            EventKind::RefundSucceeded,
            EventKind::PayoutSubmit,
            EventKind::PayoutFailed,
            EventKind::PaymentPaid,
            EventKind::SplitDone,
            EventKind::SettlementDone,
        ];
        assert_eq!(kinds[..], expected, "merchant {id}");
    }
    assert_eq!(told[&None], [EventKind::DayCut]);
    let places: Vec<_> = followed.iter().map(|followed| (followed.lsn, followed.index)).collect();
    assert!(places.is_sorted_by(|one, next| one < next), "in the order of the log");
    drop(engine);
    for shards in [2, 1] {
        let copied = tempfile::tempdir().unwrap();
        copy(folder.path(), copied.path());
        assert_eq!(read_all(&mut Follower::open(copied.path()).unwrap()), followed);
        let again = start(folder.path(), shards);
        assert_eq!(read_all(&mut again.follow().unwrap()), followed);
        assert!(matches!(Follower::open(folder.path()), Err(EngineError::Lock(_))), "it is in use");
    }
    let mut stopped = Follower::open(folder.path()).unwrap();
    assert_eq!(read_all(&mut stopped), followed);
}

/// What is followed adds up to the books: of every merchant, and of all accounts together.
#[test]
fn the_entries_are_those_of_the_books() {
    let folder = tempfile::tempdir().unwrap();
    let engine = start(folder.path(), 2);
    story(&engine);
    let mut follower = engine.follow().unwrap();
    let followed = read_all(&mut follower);
    let mut balances: BTreeMap<(Currency, Account), i128> = BTreeMap::new();
    for (_, entries) in followed.iter().flat_map(|followed| &followed.groups) {
        for entry in entries {
            *balances.entry((entry.currency, entry.from)).or_default() -= i128::from(entry.amount);
            *balances.entry((entry.currency, entry.to)).or_default() += i128::from(entry.amount);
        }
    }
    let (totals, _) = engine.totals().unwrap();
    let sum = |wanted: fn(&Account) -> bool| {
        balances.iter().filter(|((_, account), _)| wanted(account)).map(|(_, balance)| balance).sum::<i128>()
    };
    use suanpan_core::MerchantAccount::{Available, Pending};
    assert_eq!(sum(|a| matches!(a, Account::Merchant(_, Available))), line(&totals, "merchants:available"));
    assert_eq!(sum(|a| matches!(a, Account::Merchant(_, Pending))), line(&totals, "merchants:pending"));
    assert_eq!(sum(|a| matches!(a, Account::Operator)), line(&totals, "operator"));
    assert_eq!(sum(|a| matches!(a, Account::Channel(_))), line(&totals, "channel:wechat"));
    assert_eq!(sum(|a| matches!(a, Account::InTransit)), 0);
    for id in 1..=MERCHANTS {
        let look = Request::Query(Query::Entries(MerchantId(id), 0));
        let Reply::Entries { page, .. } = ask_all(&engine, [look].into_iter()).remove(0) else { panic!() };
        let listed = |entry: &EntryView| (entry.subject, entry.from, entry.to, entry.amount, entry.reversal);
        let own: Vec<_> = followed
            .iter()
            .flat_map(|followed| &followed.groups)
            .filter(|(voucher, _)| voucher.merchant == Some(MerchantId(id)))
            .flat_map(|(_, entries)| entries)
            .map(|entry| (entry.subject, entry.from, entry.to, entry.amount, entry.reversal))
            .collect();
        // A transfer stands with who gave, and of a sweep only what came in is listed.
        let mine = |(subject, _, to, ..): &&(Subject, Account, Account, u64, bool)| {
            *subject != Subject::TRANSFER
                && (*subject != Subject::SWEEP || matches!(to, Account::Merchant(..)))
        };
        let listed: Vec<_> = page.iter().map(listed).collect();
        assert_eq!(
            own.iter().filter(mine).collect::<Vec<_>>(),
            listed.iter().filter(mine).collect::<Vec<_>>()
        );
    }
}

/// Beside payments and transfers the follower keeps up, and is never ahead of what is durable.
#[test]
fn a_running_log_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let engine = start(folder.path(), 2);
    open_shop(&engine, MERCHANTS);
    let (mut seen, paid) = (0u64, 20_000);
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..paid / 500 {
                let some = (0..500).map(|order| payment(1 + order % MERCHANTS, n * 500 + order));
                assert!(ask_all(&engine, some).iter().all(|reply| matches!(reply, Reply::Done(_))));
            }
        });
        let mut follower = engine.follow().unwrap();
        let begun = Instant::now();
        while seen < paid {
            match follower.read().unwrap() {
                Some(followed) => {
                    assert!(followed.lsn < engine.durable());
                    seen +=
                        followed.events.iter().filter(|e| e.kind == EventKind::PaymentPaid).count() as u64;
                }
                None => thread::yield_now(),
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "{seen} of {paid}");
        }
        assert!(follower.read().unwrap().is_none());
        assert!(follower.position() <= engine.durable());
    });
    engine.stop().unwrap();
}
