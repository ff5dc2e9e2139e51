//! A look at everything: the log against what was answered, and every view against the model.

use std::collections::BTreeMap;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use suanpan_core::{
    Account, ChannelTerms, Currency, MerchantId, PAGE_ENTRIES_MAX, Query, RefundState, Reply, Request,
    ShardTotals, Timestamp,
};
use suanpan_engine::{Batch, Caller, Completed, Engine, Health};
use suanpan_wal::host;

use crate::books::{Books, Known};
use crate::life::Life;
use crate::log::{self, Unread};
use crate::naive::Seen;

/// The expiry closes orders while this looks; then it looks again, so often.
const LOOKS_MAX: u32 = 40;

/// At one start in so many the follower reads along.
const FOLLOWS_ONE_IN: u64 = 4;

/// Where looks arrive.
struct Inbox(Mutex<Sender<Completed>>);

impl Caller for Inbox {
    fn complete(&self, completed: Completed) {
        // Nobody waits any more in a thread that ended.
        let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).send(completed);
    }
}

/// Looks at everything. `recovered`: nothing is on its way yet.
pub(crate) fn of(life: &Life, engine: &Engine, recovered: bool) {
    let mut first = recovered;
    let mut differed = 0;
    for _ in 0..LOOKS_MAX {
        if !read_log(life, engine, first) {
            continue;
        }
        if std::mem::take(&mut first) && life.books.lock().counts.lives.is_multiple_of(FOLLOWS_ONE_IN) {
            follow(life, engine);
        }
        if life.is_lost() {
            return;
        }
        let before = now(engine);
        let expected = Expected::of(&life.books.lock(), before);
        let Some(found) = expected.looked_up(engine) else { return };
        let Some((totals, _)) = engine.totals() else { return };
        let outcome = expected.compare(&found, &totals);
        // What came to the log meanwhile may be what differs.
        let log = log::read(&life.disk, engine.durable());
        let same = log.is_ok_and(|log| life.books.lock().reaches(&log) == expected.logged);
        if same && now(engine).0 - before.0 < 20_000 {
            life.books.lock().counts.views += found.len() as u64;
            life.books.adds_up(&totals);
            if let Err(differ) = outcome {
                // An order whose time was over in between is another one a moment later.
                let later = Expected::of(&life.books.lock(), now(engine));
                if later.compare(&found, &totals).is_err() {
                    differed += 1;
                    // Of several orders one may have been looked at before its time was over, another after.
                    if differed < DIFFER_LOOKS {
                        continue;
                    }
                    life.books.fail(differ);
                }
            }
            return;
        }
        if life.is_lost() {
            return;
        }
    }
}

/// Takes the log in; false when it has to be read again.
fn read_log(life: &Life, engine: &Engine, recovered: bool) -> bool {
    let (known, end) = life.books.reached();
    match log::read(&life.disk, engine.durable()) {
        Ok(log) if log.begin > end && !log::reaches_back(&life.disk, end) => {
            life.books.fail(format!("the log begins at {}, and was read up to {end}", log.begin));
        }
        Ok(log) => life.books.found(log, known, recovered),
        Err(Unread::Released) => return false,
        Err(Unread::Wrong(what)) => life.books.fail(what),
    }
    true
}

/// A follower reads the whole log, if it is there from its beginning on.
fn follow(life: &Life, engine: &Engine) {
    if life.books.is_released() {
        return;
    }
    let outcome = engine.follow().and_then(|mut follower| {
        while follower.read()?.is_some() {}
        Ok(())
    });
    if let Err(error) = outcome
        && !life.books.is_released()
    {
        life.books.fail(format!("the log cannot be followed: {error}"));
    }
}

/// How often what differs is looked at again.
const DIFFER_LOOKS: usize = 3;

/// After a bit of the cold store has flipped: what is shown is right, or the engine says that it is damaged.
pub(crate) fn after_rot(books: &Books, engine: &Engine) {
    let mut differs = None;
    // An order whose time is over in between is another one a moment later: what is wrong is so the next time too.
    for _ in 0..DIFFER_LOOKS {
        let expected = Expected::of(&books.lock(), now(engine));
        let (found, totals) = (expected.looked_up(engine), engine.totals());
        if engine.health() != Health::Ready {
            return;
        }
        let (Some(found), Some((totals, _))) = (found, totals) else { return };
        match expected.compare(&found, &totals) {
            Ok(()) => return,
            Err(differ) => differs = Some(differ),
        }
    }
    if let Some(differ) = differs {
        books.fail(format!("after a bit of the cold store flipped: {differ}"));
    }
}

fn now(engine: &Engine) -> Timestamp {
    engine.clock().now()
}

/// All that the model shows.
struct Expected {
    logged: usize,
    shown: Vec<(Query, Reply)>,
    entries: Vec<(MerchantId, Vec<Seen>)>,
    channels: BTreeMap<u16, String>,
    totals: BTreeMap<(Currency, String), i128>,
    counts: (u64, u64, u64),
}

impl Expected {
    fn of(known: &Known, now: Timestamp) -> Self {
        let model = &known.model;
        let mut shown: Vec<(Query, Reply)> = Vec::new();
        let mut entries = Vec::new();
        for view in model.balances() {
            entries.push((view.merchant, model.entries(view.merchant).to_vec()));
            shown.push((Query::Balances(view.merchant), Reply::Balances(Box::new(view))));
        }
        for order in model.orders(now) {
            let refunds = model.refunds(&order);
            let given = refunds.iter().filter(|refund| refund.state != RefundState::Failed);
            let given: u64 = given.map(|refund| refund.cash_amount).sum();
            assert!(given <= order.amount, "the model gives more back than was paid: {order:?}");
            let (id, order_no) = (order.merchant, order.order_no);
            shown.push((Query::Order(id, order_no), Reply::Order(Box::new(order))));
            if refunds.len() < suanpan_core::PAGE_REFUNDS_MAX {
                let reply = Reply::Refunds { page: refunds, has_more: false };
                shown.push((Query::OrderRefunds(id, order_no, None), reply));
            }
        }
        let voids = model.voids().into_iter();
        shown.extend(voids.map(|(id, view)| (Query::Void(id, view.void_no), Reply::Void(Box::new(view)))));
        let splits = model.splits().into_iter();
        shown.extend(
            splits.map(|view| (Query::Split(view.merchant, view.split_no), Reply::Split(Box::new(view)))),
        );
        let returns = model.split_returns().into_iter();
        shown.extend(returns.map(|view| {
            let query = Query::SplitReturn(view.asked.merchant, view.asked.return_no);
            (query, Reply::SplitReturn(Box::new(view)))
        }));
        let movements = model.movements().into_iter();
        shown.extend(movements.map(|view| {
            (Query::Movement(view.kind, view.merchant, view.number), Reply::Movement(Box::new(view)))
        }));
        let adjustments = model.adjustments().into_iter();
        shown
            .extend(adjustments.map(|view| {
                (Query::Adjustment(view.asked.adjustment_no), Reply::Adjustment(Box::new(view)))
            }));
        let (totals, counts) = (model.totals(), model.counts());
        let named = |(id, terms): (usize, &ChannelTerms)| (id as u16, terms.name.clone());
        let channels = model.channel_terms().iter().enumerate().map(named).collect();
        Self { logged: known.logged(), shown, entries, channels, totals, counts }
    }

    /// All of it as the engine shows it, in the same order, and behind that the entries. `None` when the engine ended.
    fn looked_up(&self, engine: &Engine) -> Option<Vec<Reply>> {
        let pages = self.entries.iter().flat_map(|(merchant, entries)| {
            let last = entries.len() / PAGE_ENTRIES_MAX;
            (0..=last).map(|page| Query::Entries(*merchant, (page * PAGE_ENTRIES_MAX) as u64))
        });
        let queries: Vec<Query> = self.shown.iter().map(|(query, _)| query.clone()).chain(pages).collect();
        let mut shards: Vec<Vec<usize>> = vec![Vec::new(); usize::from(engine.shards())];
        for (at, query) in queries.iter().enumerate() {
            let shard = query.merchant().map_or(0, |merchant| engine.shard_of(merchant));
            shards[usize::from(shard)].push(at);
        }
        let mut found: Vec<Option<Reply>> = vec![None; queries.len()];
        for (shard, places) in (0..).zip(&shards) {
            for some in places.chunks(2_000) {
                let requests = some.iter().map(|at| Request::Query(queries[*at].clone())).collect();
                for (at, reply) in some.iter().zip(ask(engine, shard, requests)?) {
                    found[*at] = Some(reply);
                }
            }
        }
        found.into_iter().collect()
    }

    fn compare(&self, found: &[Reply], totals: &[ShardTotals]) -> Result<(), String> {
        for ((query, expected), found) in self.shown.iter().zip(found) {
            if expected != found {
                return Err(format!("{query:?}\n engine: {found:?}\n  model: {expected:?}"));
            }
        }
        let mut pages = found[self.shown.len()..].iter();
        for (merchant, expected) in &self.entries {
            let mut seen = Vec::new();
            for _ in 0..=expected.len() / PAGE_ENTRIES_MAX {
                let Some(Reply::Entries { page, .. }) = pages.next() else {
                    return Err(format!("no entries of {merchant:?}"));
                };
                seen.extend(page.iter().map(|entry| self.seen(entry)));
            }
            if let Some(at) = (0..expected.len().max(seen.len())).find(|&at| seen.get(at) != expected.get(at))
            {
                return Err(format!(
                    "entry {at} of {merchant:?}\n engine: {:?}\n  model: {:?}",
                    seen.get(at),
                    expected.get(at)
                ));
            }
        }
        self.compare_totals(totals)
    }

    fn seen(&self, entry: &suanpan_core::EntryView) -> Seen {
        let name = |account: Account| match account {
            Account::Channel(id) => account.name(self.channels.get(&id.0).map_or("", String::as_str)),
            _ => account.name(""),
        };
        Seen {
            seq: entry.seq,
            group: entry.group,
            subject: entry.subject.0,
            from: name(entry.from),
            to: name(entry.to),
            amount: entry.amount,
            order_no: entry.order_no,
            refund_no: entry.refund_no,
            reference: entry.reference,
            date: entry.accounting_date,
            reversal: entry.reversal,
        }
    }

    fn compare_totals(&self, totals: &[ShardTotals]) -> Result<(), String> {
        let all = ShardTotals::sum(totals.to_vec());
        let counts = (all.merchants, all.orders, all.refunds);
        let shown: BTreeMap<(Currency, String), i128> = all
            .accounts
            .into_iter()
            .filter(|(.., balance)| *balance != 0)
            .map(|(currency, name, balance)| ((currency, name), balance))
            .collect();
        match shown == self.totals && counts == self.counts {
            true => Ok(()),
            false => Err(format!(
                "the totals\n engine: {counts:?} {shown:?}\n  model: {:?} {:?}",
                self.counts, self.totals
            )),
        }
    }
}

fn ask(engine: &Engine, shard: u16, requests: Vec<Request>) -> Option<Vec<Reply>> {
    let (sender, receiver) = channel();
    let caller = Arc::new(Inbox(Mutex::new(sender)));
    let batch = Batch { requests, replies: Vec::new(), token: 0, caller };
    engine.submit(shard, batch).ok()?;
    let completed = host::receive(&receiver).ok()?;
    let unknown = Reply::Rejected(suanpan_core::Rejection::Unknown, None);
    (!completed.replies.contains(&unknown)).then_some(completed.replies)
}
