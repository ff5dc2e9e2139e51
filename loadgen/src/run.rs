//! A load run from beginning to end: set up, play, gather, check the books.

use std::rc::Rc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use suanpan_core::{
    ChannelId, ChannelTerms, Command, Currency, MerchantId, MerchantTerms, Preset, Query, Rate, Receipt,
    Reply, Request, Zone,
};
use suanpan_net::wire::FRAME_QUERIES_MAX;
use suanpan_net::{Client, ClientError, Connection};
use tokio::sync::mpsc;
use tokio::task::LocalSet;

use crate::error::LoadError;
use crate::http;
use crate::line::{Line, Pace, Quota, latencies, play};
use crate::plan::{LoadPlan, Protocol};
use crate::progress::{self, Progress};
use crate::report::Report;
use crate::trader::{FEE_MILLIONTHS, Tally, Trader};

/// Plays a plan to its end, on this thread.
///
/// # Errors
/// When the server cannot be reached or prepared, when an answer is wrong, or when a balance does not agree.
pub fn run(plan: &LoadPlan) -> Result<Report, LoadError> {
    plan.check()?;
    match plan.protocol {
        Protocol::Binary => run_binary(plan),
        Protocol::Http => http::run(plan),
    }
}

fn run_binary(plan: &LoadPlan) -> Result<Report, LoadError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| LoadError::Client(ClientError::Io(error)))?;
    LocalSet::new().block_on(&runtime, run_here(plan))
}

async fn run_here(plan: &LoadPlan) -> Result<Report, LoadError> {
    let client = Client::connect(&plan.address).await?;
    let channel = put_channel(&client).await?;
    put_merchants(&client, plan).await?;
    let before = balances(&client, plan).await?;
    let (lines, took) = play_all(plan, channel).await?;
    let report = gather(plan, &lines, took);
    if let Some(first) = lines.iter().find_map(|line| line.trader.tally.first_wrong.clone()) {
        return Err(LoadError::Wrong { count: report.wrong, first });
    }
    let after = balances(&client, plan).await?;
    compare(plan, &before, &after, |place| {
        lines.iter().map(|line| i128::from(line.trader.pending[place])).sum()
    })?;
    Ok(report)
}

/// Compares what every merchant's pending grew by with what was counted here, by the merchant's place.
pub(crate) fn compare(
    plan: &LoadPlan,
    before: &[u64],
    after: &[u64],
    counted: impl Fn(usize) -> i128,
) -> Result<(), LoadError> {
    assert_eq!(before.len(), after.len());
    for (place, (before, after)) in before.iter().zip(after).enumerate() {
        let (found, counted) = (i128::from(*after) - i128::from(*before), counted(place));
        if found != counted {
            return Err(LoadError::Balance { merchant: plan.first_merchant + place as u64, found, counted });
        }
    }
    Ok(())
}

/// Plays all connections; how long it took from the first frame to the last answer.
async fn play_all(plan: &LoadPlan, channel: ChannelId) -> Result<(Vec<Line>, Duration), LoadError> {
    let mut connections = Vec::new();
    for _ in 0..plan.connections {
        connections.push(Connection::open(&plan.address).await?);
    }
    let latency = latencies();
    let mut lines = Vec::new();
    for number in 0..plan.connections {
        lines.push(Line::new(Trader::new(plan, channel, number), latency.clone()));
    }
    // A moment ahead, so that the first batch of an open loop is not late by the making of threads.
    let begin = Instant::now() + Duration::from_millis(if plan.rate.is_some() { 20 } else { 0 });
    let quota = Rc::new(Quota::new(plan, begin));
    let shared = Rc::new(plan.clone());
    let mut senders = Vec::new();
    let mut tasks = Vec::new();
    for (connection, line) in connections.into_iter().zip(lines) {
        let paced = plan.rate.map(|_| {
            let (sender, receiver) = mpsc::unbounded_channel();
            senders.push(sender);
            receiver
        });
        tasks.push(tokio::task::spawn_local(play(connection, line, shared.clone(), quota.clone(), paced)));
    }
    let pace = plan.rate.map(|rate| Pace::new(plan, rate));
    let pacer = pace.map(|pace| std::thread::spawn(move || pace.run(&senders, begin)));
    let progress = show(plan, begin, quota.clone());
    let mut played = Vec::new();
    for task in tasks {
        match task.await {
            Ok(line) => played.push(line?),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    progress.finish();
    if let Some(pacer) = pacer {
        // It ends by itself when its connections have.
        let _ = pacer.join();
    }
    let last = played.iter().filter_map(|line| line.last_reply).max().unwrap_or(begin);
    let took = last.saturating_duration_since(begin);
    // An open loop ends when its last interval does, not with the answer to its last batch.
    Ok((played, pace.map_or(took, |pace| took.max(pace.lasts()))))
}

/// Draws how far it is, if anybody looks.
fn show(plan: &LoadPlan, begin: Instant, quota: Rc<Quota>) -> Rc<Progress> {
    let progress = Rc::new(Progress::new(plan, begin));
    let shown = progress.clone();
    tokio::task::spawn_local(async move {
        while shown.is_shown() {
            shown.show(quota.left());
            tokio::time::sleep(progress::EVERY).await;
        }
    });
    progress
}

async fn put_channel(client: &Client) -> Result<ChannelId, LoadError> {
    let zone = Zone::fixed("Asia/Shanghai", 8 * 3_600);
    let mut terms = ChannelTerms::preset("wechat", Preset::Wechat, zone);
    terms.cost_rate = Rate(2_500);
    let request = Request::Command(Command::PutChannel(Box::new(terms)));
    match client.ask_one(request).await? {
        Reply::Done(Receipt::Channel { id, .. }) => Ok(id),
        other => Err(LoadError::SetUp { what: "channel", reply: format!("{other:?}") }),
    }
}

async fn put_merchants(client: &Client, plan: &LoadPlan) -> Result<(), LoadError> {
    let places: Vec<u32> = (0..plan.merchants).collect();
    for some in places.chunks(FRAME_QUERIES_MAX) {
        let requests =
            some.iter().map(|&place| Request::Command(Command::PutMerchant(Box::new(terms(plan, place)))));
        for reply in client.ask(requests.collect()).await? {
            if !matches!(reply, Reply::Done(Receipt::Merchant { .. })) {
                return Err(LoadError::SetUp { what: "merchant", reply: format!("{reply:?}") });
            }
        }
    }
    Ok(())
}

fn terms(plan: &LoadPlan, place: u32) -> MerchantTerms {
    let merchant = MerchantId(plan.first_merchant + u64::from(place));
    let fee_rate = Rate(FEE_MILLIONTHS as u32);
    MerchantTerms {
        name: format!("Load {place}"),
        fee_rate,
        ..MerchantTerms::new(merchant, Currency(*b"CNY"))
    }
}

/// What each merchant has pending.
async fn balances(client: &Client, plan: &LoadPlan) -> Result<Vec<u64>, LoadError> {
    let places: Vec<u32> = (0..plan.merchants).collect();
    let mut pending = Vec::with_capacity(places.len());
    for some in places.chunks(FRAME_QUERIES_MAX) {
        let ask = |&place: &u32| {
            Request::Query(Query::Balances(MerchantId(plan.first_merchant + u64::from(place))))
        };
        for reply in client.ask(some.iter().map(ask).collect()).await? {
            match reply {
                Reply::Balances(view) => pending.push(view.pending),
                other => {
                    return Err(LoadError::SetUp { what: "look at a balance", reply: format!("{other:?}") });
                }
            }
        }
    }
    Ok(pending)
}

fn gather(plan: &LoadPlan, lines: &[Line], took: Duration) -> Report {
    let mut all = Tally::default();
    let mut latency_us: Option<Histogram<u64>> = None;
    let mut log: Option<(u64, u64)> = None;
    for line in lines {
        let tally = &line.trader.tally;
        all.payments += tally.payments;
        all.refunds += tally.refunds;
        all.voids += tally.voids;
        all.refused += tally.refused;
        all.wrong += tally.wrong;
        match &mut latency_us {
            Some(sum) => {
                sum.add(&line.latency_us).unwrap_or_else(|error| unreachable!("same bounds: {error}"));
            }
            None => latency_us = Some(line.latency_us.clone()),
        }
        if let Some((first, last)) = line.log {
            let (low, high) = log.unwrap_or((first, last));
            log = Some((low.min(first), high.max(last)));
        }
    }
    let latency_us = latency_us.unwrap_or_else(|| unreachable!("a plan has at least one connection"));
    Report::new(plan, &all, took, latency_us, log)
}
