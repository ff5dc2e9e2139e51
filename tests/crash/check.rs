//! What must hold of a server that was started again.

use std::collections::HashSet;

use suanpan_core::{MerchantId, Query, Reply, Request};
use suanpan_net::Client;

use crate::book::{Book, says_absent};
use crate::load::{Shared, settle};
use crate::op::{Id, Kind, MERCHANTS, Op};

/// Looks in one frame.
const TOGETHER: usize = 1_000;

/// Frames of looks that are under way at once.
const FLYING: usize = 4;

async fn ask_all(
    client: &Client,
    ops: &[Op],
    request: fn(&Op) -> Request,
    mut each: impl FnMut(&Op, &Reply),
) {
    for some in ops.chunks(TOGETHER * FLYING) {
        let frames: Vec<_> = some.chunks(TOGETHER).collect();
        let asked = frames.iter().map(|frame| {
            let (client, requests) = (client.clone(), frame.iter().map(request).collect());
            tokio::spawn(async move { client.ask(requests).await.unwrap() })
        });
        for (asked, frame) in asked.collect::<Vec<_>>().into_iter().zip(frames) {
            let replies = asked.await.unwrap();
            frame.iter().zip(&replies).for_each(|(op, reply)| each(op, reply));
        }
    }
}

async fn ask(client: &Client, query: Query) -> Reply {
    client.ask_one(Request::Query(query)).await.unwrap()
}

/// Everything that was answered is there as it was answered, what was not is there whole or not at all, and the books are
/// those of what is there. `looked_at` says what is looked at one by one; counts and balances are of all there is. Gives
/// the number of orders.
pub async fn check(client: &Client, shared: &Shared, looked_at: impl Fn(Id) -> bool) -> u64 {
    let mut book = std::mem::take(&mut *shared.lock().unwrap());
    check_days(client, &mut book).await;
    let unknown = std::mem::take(&mut book.unknown);
    let mut there = HashSet::new();
    ask_all(client, &unknown, Op::look, |op, reply| {
        if book.note_found(op, reply) {
            there.insert(op.id);
        }
    })
    .await;
    let refused = std::mem::take(&mut book.refused);
    ask_all(client, &refused, Op::look, |op, reply| {
        assert!(says_absent(reply), "{op:?} was refused and is now {reply:?}");
    })
    .await;
    check_sums(client, &book).await;
    let looks: Vec<Op> = book.all().filter(|op| looked_at(op.id) || looked_at(op.order)).copied().collect();
    ask_all(client, &looks, Op::look, |op, reply| book.check(op, reply)).await;
    ask_all(client, &unknown, Op::request, |op, reply| {
        let repeat = match reply {
            Reply::Done(receipt) => format!("{receipt:?}").contains("repeat: true"),
            _ => false,
        };
        let first = matches!(op.kind, Kind::Payment | Kind::Refund | Kind::Void);
        let done = matches!(reply, Reply::Done(_));
        assert!(!first || !done || repeat == there.contains(&op.id), "{op:?} asked again: {reply:?}");
        book.note(op, reply);
    })
    .await;
    let orders = check_sums(client, &book).await;
    let settling = book.settling.take();
    *shared.lock().unwrap() = book;
    if let Some(batch_no) = settling {
        assert!(settle(client, batch_no, shared).await, "a batch that was cut off goes on");
    }
    orders
}

/// The date is the last that was answered, or the one that was asked for; batches that were answered are there.
async fn check_days(client: &Client, book: &mut Book) {
    let Reply::Date(date) = ask(client, Query::Date).await else { panic!("no date") };
    let cut = std::mem::take(&mut book.cutting) && date == book.date.plus_days(1);
    assert!(cut || date == book.date, "the date was {:?} and is now {date:?}", book.date);
    book.date = date;
    for batch_no in &book.batches {
        let found = ask(client, Query::Settlement(*batch_no)).await;
        assert!(matches!(&found, Reply::Settlement { view, .. } if view.ended), "{batch_no:?}: {found:?}");
    }
}

/// The trial balance is zero, counts and each merchant's balance are those of what is there.
async fn check_sums(client: &Client, book: &Book) -> u64 {
    let Reply::Totals(totals) = ask(client, Query::Totals).await else { panic!("no totals") };
    assert_eq!(totals.accounts.iter().map(|(_, _, balance)| balance).sum::<i128>(), 0);
    let counts = (book.orders.len() as u64, book.refunds.len() as u64);
    assert_eq!((totals.orders, totals.refunds), counts, "orders and refunds there are");
    for (id, balance) in (1..=MERCHANTS).zip(book.balances()) {
        let Reply::Balances(view) = ask(client, Query::Balances(MerchantId(id))).await else {
            panic!("no balances");
        };
        let has = i128::from(view.pending) + i128::from(view.available);
        assert_eq!(has, balance, "merchant {id}: {view:?}");
    }
    totals.orders
}
