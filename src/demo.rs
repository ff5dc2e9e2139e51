//! `suanpan demo`: a small town's day, a crash in the middle of it, and the books at the end.

use std::path::Path;
use std::time::Instant;

use clap::Args;
use suanpan_core::{
    ChannelId, ChannelTerms, Command, Currency, MerchantId, MerchantTerms, Number, Payment, Preset, Query,
    Rate, Receipt, Refund, Rejection, Reply, Request, ShardTotals, Void, Zone,
};
use suanpan_net::{Client, ClientError};
use tokio::task::JoinSet;

use crate::output::say;
use crate::spawned::{SpawnError, Spawned};

/// Play a small town's day, crash in the middle of it, recover, and show the books.
///
/// Starts a server on an empty temporary folder, as a process of its own, and talks to it over its binary protocol.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Payments of the day, 20000 to 3000000
    #[arg(long, value_name = "N", default_value_t = 240_000, value_parser = clap::value_parser!(u32).range(20_000..=3_000_000))]
    payments: u32,
}

/// Why the demo did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("cannot start: {0}")]
    Io(#[from] std::io::Error),
    #[error("interrupted")]
    Interrupted,
    #[error("{what} was answered {reply:?}: this is a bug in Suanpan, please report it")]
    Answer { what: &'static str, reply: Box<Reply> },
    #[error(
        "{shop} has {found} fen in the books and {counted} by the demo's own count: this is a bug, please report it"
    )]
    Books { shop: &'static str, found: i128, counted: i128 },
}

/// A shop of the town.
struct Shop {
    name: &'static str,
    id: MerchantId,
    /// The operator's fee, in millionths.
    fee: u32,
    /// What a sale costs, in fen.
    price: std::ops::Range<u64>,
    /// Of a hundred sales in town.
    share: u32,
    day: Day,
}

/// What the demo counts of a shop, out of the server's answers.
#[derive(Default)]
struct Day {
    payments: u64,
    refunds: u64,
    voids: u64,
    sales: u64,
    given_back: u64,
    fees: i128,
    pending: i128,
}

/// Something that was asked, and what it means for a shop's day.
#[derive(Clone)]
struct Asked {
    shop: usize,
    request: Request,
    amount: u64,
}

/// How many requests go in one frame, and how many frames at a time.
const FRAME: usize = 512;
const FRAMES_IN_FLIGHT: usize = 16;

impl Demo {
    pub(crate) fn run(&self) -> Result<(), DemoError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let folder = tempfile::Builder::new().prefix("suanpan-demo-").tempdir()?;
        runtime.block_on(async {
            tokio::select! {
                day = self.day(folder.path()) => day,
                _ = tokio::signal::ctrl_c() => Err(DemoError::Interrupted),
            }
        })
    }

    async fn day(&self, folder: &Path) -> Result<(), DemoError> {
        say(format_args!(
            "Suanpan keeps a small town's books for a day. Its server runs on an empty folder.\n"
        ));
        let server = Spawned::start(Some(folder), &[])?;
        let client = Client::connect(server.tcp).await?;
        let mut town = town();
        let channel = open(&client, &town).await?;
        let script = script(&town, channel, self.payments);
        let noon = script.len() / 2;

        let begun = Instant::now();
        let morning = play(&client, &mut town, &script[..noon], None).await?;
        assert!(morning.is_empty(), "nothing broke in the morning");
        let seconds = begun.elapsed().as_secs_f64();
        say(format_args!(
            "morning    {} payments, refunds and voids, each on disk before its answer, in {seconds:.2} s",
            grouped(noon as i128)
        ));

        let crash_after = script.len() / 4;
        let unknown = play(&client, &mut town, &script[noon..], Some((crash_after, server))).await?;
        let answered = script.len() - noon - unknown.len();
        say(format_args!(
            "15:00      kill -9, at full speed: {} of the afternoon's were answered, {} not",
            grouped(answered as i128),
            grouped(unknown.len() as i128)
        ));

        let server = Spawned::start(Some(folder), &[])?;
        say(format_args!("15:00:01   {}", server.recovered.as_deref().unwrap_or("nothing to recover")));
        let client = Client::connect(server.tcp).await?;
        check(&client, &town, &unknown).await?;
        say(format_args!("           all that was answered is in the books, to the fen"));

        let rest = play(&client, &mut town, &unknown, None).await?;
        assert!(rest.is_empty(), "nothing broke in the evening");
        say(format_args!(
            "evening    those {} are sent again under the same numbers: none counts twice",
            grouped(unknown.len() as i128)
        ));
        check(&client, &town, &[]).await?;
        refusals(&client, &town, channel).await?;
        table(&town, &totals(&client).await?);
        say(format_args!(
            "\nTry it: suanpan serve --dev, then suanpan load --tcp 127.0.0.1:7700. The README tells more."
        ));
        Ok(())
    }
}

fn town() -> Vec<Shop> {
    let shop = |name, id, fee, price, share| Shop {
        name,
        id: MerchantId(id),
        fee,
        price,
        share,
        day: Day::default(),
    };
    vec![
        shop("Breakfast stall", 1001, 3_800, 300..1_500, 22),
        shop("Noodle house", 1002, 6_000, 1_200..4_800, 18),
        shop("Vegetable market", 1003, 3_800, 200..6_000, 24),
        shop("Pharmacy", 1004, 6_000, 900..30_000, 8),
        shop("Bookshop", 1005, 6_000, 1_800..12_000, 6),
        shop("Tea house", 1006, 6_000, 2_000..20_000, 9),
        shop("Phone repairs", 1007, 10_000, 5_000..90_000, 5),
        shop("Taxi company", 1008, 6_000, 800..7_500, 8),
    ]
}

/// Makes the channel and the merchants.
async fn open(client: &Client, town: &[Shop]) -> Result<ChannelId, DemoError> {
    let mut terms = ChannelTerms::preset("wechat", Preset::Wechat, Zone::fixed("Asia/Shanghai", 8 * 3_600));
    terms.cost_rate = Rate(2_000);
    let channel = match client.ask_one(Request::Command(Command::PutChannel(Box::new(terms)))).await? {
        Reply::Done(Receipt::Channel { id, .. }) => id,
        other => return Err(unexpected("the channel", other)),
    };
    for shop in town {
        let terms = MerchantTerms {
            name: shop.name.to_owned(),
            fee_rate: Rate(shop.fee),
            ..MerchantTerms::new(shop.id, Currency(*b"CNY"))
        };
        match client.ask_one(Request::Command(Command::PutMerchant(Box::new(terms)))).await? {
            Reply::Done(Receipt::Merchant { .. }) => {}
            other => return Err(unexpected("a merchant", other)),
        }
    }
    Ok(channel)
}

/// The day in the order in which it happens: sales, now and then a refund or a void of an earlier one.
fn script(town: &[Shop], channel: ChannelId, payments: u32) -> Vec<Asked> {
    let mut rng = fastrand::Rng::with_seed(1_592);
    let mut script = Vec::new();
    let shares: u32 = town.iter().map(|shop| shop.share).sum();
    for sale in 0..payments {
        let mut lot = rng.u32(..shares);
        let at = town.iter().position(|shop| {
            let here = lot < shop.share;
            lot = lot.wrapping_sub(shop.share);
            here
        });
        let shop = at.unwrap_or(0);
        let merchant = town[shop].id;
        let amount = rng.u64(town[shop].price.clone());
        let order_no = number('P', sale);
        let payment =
            Payment { merchant, order_no, channel, amount, hold: false, paid_at: None, details: None };
        script.push(Asked { shop, amount, request: Request::Command(Command::Payment(payment)) });
        let lot = rng.u32(..1_000);
        if lot < 30 {
            let amount = if lot < 15 { amount } else { rng.u64(1..=amount) };
            let refund = Refund { merchant, refund_no: number('R', sale), order_no, amount, details: None };
            script.push(Asked { shop, amount, request: Request::Command(Command::Refund(refund)) });
        } else if lot < 35 {
            let void = Void { merchant, void_no: number('V', sale), order_no };
            script.push(Asked { shop, amount, request: Request::Command(Command::Void(void)) });
        }
    }
    script
}

fn number(letter: char, sale: u32) -> Number {
    let text = format!("{letter}2026112300{sale:09}");
    Number::new(text.as_bytes())
        .unwrap_or_else(|error| unreachable!("its characters are all allowed: {error}"))
}

/// Plays a part of the day, some frames at a time; kills the server once so much was answered. What was not
/// answered comes back, in its order.
async fn play(
    client: &Client,
    town: &mut [Shop],
    script: &[Asked],
    mut crash: Option<(usize, Spawned)>,
) -> Result<Vec<Asked>, DemoError> {
    let mut frames = script.chunks(FRAME);
    let mut flying = JoinSet::new();
    let mut unknown: Vec<(usize, Vec<Asked>)> = Vec::new();
    let (mut number, mut answered, mut broken) = (0, 0, false);
    loop {
        while flying.len() < FRAMES_IN_FLIGHT
            && let Some(frame) = frames.next()
        {
            let (client, frame, at) = (client.clone(), frame.to_vec(), number);
            number += 1;
            if broken {
                unknown.push((at, frame));
                continue;
            }
            flying.spawn(async move {
                let requests = frame.iter().map(|asked| asked.request.clone()).collect();
                (at, client.ask(requests).await, frame)
            });
        }
        let Some(landed) = flying.join_next().await else { break };
        let (at, replies, frame) = landed.map_err(std::io::Error::other)?;
        match replies {
            Ok(replies) => {
                answered += replies.len();
                for (asked, reply) in frame.iter().zip(replies) {
                    town[asked.shop].count(asked, reply)?;
                }
            }
            Err(_) if broken => unknown.push((at, frame)),
            Err(error) => return Err(error.into()),
        }
        if let Some((_, server)) = crash.take_if(|(after, _)| answered >= *after) {
            server.kill()?;
            broken = true;
        }
    }
    unknown.sort_by_key(|(at, _)| *at);
    Ok(unknown.into_iter().flat_map(|(_, frame)| frame).collect())
}

impl Shop {
    /// The fee of a sale, by the demo's own reckoning.
    fn fee_of(&self, amount: u64) -> i128 {
        i128::from(amount * u64::from(self.fee) + 500_000) / 1_000_000
    }

    /// Counts an answer. One that repeats what was done before the crash is new to us all the same.
    fn count(&mut self, asked: &Asked, reply: Reply) -> Result<(), DemoError> {
        let fee_of_sale = self.fee_of(asked.amount);
        let day = &mut self.day;
        match (&asked.request, reply) {
            (Request::Command(Command::Payment(_)), Reply::Done(Receipt::Payment { fees, net, .. }))
                if i128::from(fees) == fee_of_sale =>
            {
                day.payments += 1;
                day.sales += asked.amount;
                day.fees += i128::from(fees);
                day.pending += i128::from(net);
            }
            (Request::Command(Command::Refund(_)), Reply::Done(Receipt::Refund { merchant_debit, .. })) => {
                day.refunds += 1;
                day.given_back += asked.amount;
                day.fees -= i128::from(asked.amount - merchant_debit);
                day.pending -= i128::from(merchant_debit);
            }
            (Request::Command(Command::Void(_)), Reply::Done(Receipt::Void { .. })) => {
                day.voids += 1;
                day.given_back += asked.amount;
                day.fees -= fee_of_sale;
                day.pending -= i128::from(asked.amount) - fee_of_sale;
            }
            (_, other) => return Err(unexpected("a sale, refund or void", other)),
        }
        Ok(())
    }

    /// What something that was asked did to pending, if it is in the books.
    fn effect(&self, asked: &Asked, found: &Reply) -> Result<i128, DemoError> {
        match found {
            Reply::Order(order) => Ok(i128::from(order.net)),
            Reply::Refund(refund) => Ok(-i128::from(refund.merchant_debit)),
            Reply::Void(_) => Ok(self.fee_of(asked.amount) - i128::from(asked.amount)),
            Reply::Rejected(
                Rejection::OrderNotFound | Rejection::RefundNotFound | Rejection::VoidNotFound,
                _,
            ) => Ok(0),
            other => Err(unexpected("a look at an order", other.clone())),
        }
    }
}

/// Compares the books with the count of what was answered, and of what was not answered with what the server says
/// it has of it.
async fn check(client: &Client, town: &[Shop], unknown: &[Asked]) -> Result<(), DemoError> {
    let mut counted: Vec<i128> = town.iter().map(|shop| shop.day.pending).collect();
    for some in unknown.chunks(FRAME) {
        let found = client.ask(some.iter().map(look_for).collect()).await?;
        for (asked, found) in some.iter().zip(&found) {
            counted[asked.shop] += town[asked.shop].effect(asked, found)?;
        }
    }
    for (shop, counted) in town.iter().zip(counted) {
        let found = match client.ask_one(Request::Query(Query::Balances(shop.id))).await? {
            Reply::Balances(view) => i128::from(view.pending),
            other => return Err(unexpected("a balance", other)),
        };
        if found != counted {
            return Err(DemoError::Books { shop: shop.name, found, counted });
        }
    }
    Ok(())
}

fn look_for(asked: &Asked) -> Request {
    Request::Query(match &asked.request {
        Request::Command(Command::Refund(refund)) => Query::Refund(refund.merchant, refund.refund_no),
        Request::Command(Command::Void(void)) => Query::Void(void.merchant, void.void_no),
        Request::Command(Command::Payment(payment)) => Query::Order(payment.merchant, payment.order_no),
        _ => unreachable!("the day has payments, refunds and voids"),
    })
}

/// What must not go through does not.
async fn refusals(client: &Client, town: &[Shop], channel: ChannelId) -> Result<(), DemoError> {
    let merchant = town[0].id;
    let order_no = number('P', 999_999_999);
    let payment = |amount| {
        let payment =
            Payment { merchant, order_no, channel, amount, hold: false, paid_at: None, details: None };
        Request::Command(Command::Payment(payment))
    };
    let refund = |letter, amount| {
        let refund =
            Refund { merchant, refund_no: number(letter, 999_999_999), order_no, amount, details: None };
        Request::Command(Command::Refund(refund))
    };
    say(format_args!("\nand what must not go through does not:"));
    let steps = [
        ("a sale of 10.00", payment(1_000)),
        ("the same once more", payment(1_000)),
        ("the same number with another amount", payment(2_000)),
        ("give 6.00 back", refund('X', 600)),
        ("and 4.01 more", refund('Y', 401)),
        ("4.00, the rest", refund('Z', 400)),
    ];
    let replies = client.ask(steps.iter().map(|(_, request)| request.clone()).collect()).await?;
    for ((words, _), reply) in steps.iter().zip(&replies) {
        let said = match reply {
            Reply::Done(Receipt::Payment { repeat: true, .. }) => "known already, nothing booked",
            Reply::Done(_) => "accepted",
            Reply::Rejected(rejection, _) => rejection.code(),
            _ => "?",
        };
        say(format_args!("  {words:<40} {said}"));
    }
    let right = matches!(
        replies[..],
        [
            Reply::Done(Receipt::Payment { repeat: false, .. }),
            Reply::Done(Receipt::Payment { repeat: true, .. }),
            Reply::Rejected(Rejection::IdempotencyConflict, _),
            Reply::Done(_),
            Reply::Rejected(Rejection::ExceedsRefundable, _),
            Reply::Done(_),
        ]
    );
    if right {
        Ok(())
    } else {
        Err(unexpected("a refusal", replies.into_iter().last().unwrap_or(Reply::Accrued(0))))
    }
}

async fn totals(client: &Client) -> Result<ShardTotals, DemoError> {
    match client.ask_one(Request::Query(Query::Totals)).await? {
        Reply::Totals(totals) => Ok(*totals),
        other => Err(unexpected("the totals", other)),
    }
}

/// The books, as a person reads them.
fn table(town: &[Shop], totals: &ShardTotals) {
    say(format_args!(
        "\n{:<18}{:>10}{:>14}{:>9}{:>7}{:>13}{:>12}{:>14}",
        "", "payments", "sales", "refunds", "voids", "given back", "fees", "to be settled"
    ));
    for shop in town {
        let day = &shop.day;
        say(format_args!(
            "{:<18}{:>10}{:>14}{:>9}{:>7}{:>13}{:>12}{:>14}",
            shop.name,
            grouped(day.payments.into()),
            yuan(day.sales.into()),
            grouped(day.refunds.into()),
            grouped(day.voids.into()),
            yuan(day.given_back.into()),
            yuan(day.fees),
            yuan(day.pending)
        ));
    }
    say(format_args!("\nevery account of the books, and their sum:"));
    for (currency, account, balance) in &totals.accounts {
        say(format_args!("  {account:<24}{:>18} {}", yuan(*balance), currency));
    }
    let sum: i128 = totals.accounts.iter().map(|(_, _, balance)| balance).sum();
    say(format_args!("  {:<24}{:>18}", "sum", yuan(sum)));
}

fn unexpected(what: &'static str, reply: Reply) -> DemoError {
    DemoError::Answer { what, reply: Box::new(reply) }
}

/// Fen as yuan with two decimals and groups of three.
fn yuan(fen: i128) -> String {
    let sign = if fen < 0 { "-" } else { "" };
    let fen = fen.unsigned_abs();
    format!("{sign}{}.{:02}", grouped((fen / 100).cast_signed()), fen % 100)
}

/// Digits in groups of three.
fn grouped(number: i128) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) && !out.ends_with('-') {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_reads_as_money() {
        assert_eq!(yuan(0), "0.00");
        assert_eq!(yuan(-5), "-0.05");
        assert_eq!(yuan(123_456_789), "1,234,567.89");
        assert_eq!(grouped(-100), "-100");
        assert_eq!(grouped(1_000), "1,000");
    }
}
