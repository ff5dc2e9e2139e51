//! Plays some days of the made-up town into a cold store, and writes each channel's bill of each day as that channel would send it, with one
//! difference of each kind planted into it: something to try statements, settlement and reconciliation on.
//!
//! `cargo run -p suanpan-clearing --example rehearse -- STORE BILLS [SEED]` makes the folder STORE, and in the folder BILLS files like
//! `wechat-2018-08-26.csv.gz`; what was planted is printed.
#![allow(clippy::unwrap_used, reason = "it makes data for tests, and fails like one")]

#[path = "../tests/support/bill_writer.rs"]
mod bill_writer;

use std::path::Path;

use bill_writer::{Alipay, CNY, Row, Wechat, gzip, write_generic};
use jiff::tz::TimeZone;
use suanpan_clearing::bill::{BillKind, BillState};
use suanpan_clearing::rehearsal::{self, Bill, Plan};
use suanpan_clearing::store::Store;

/// The operator's account at the channels.
const ACCOUNT: &str = "1900000109";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [store, bills, rest @ ..] = &arguments[..] else {
        eprintln!("rehearse STORE BILLS [SEED]");
        std::process::exit(2);
    };
    let seed = rest.first().map_or(1, |seed| seed.parse().unwrap());
    let store = Store::create(store).unwrap();
    let plan = Plan { seed, merchants: 100, payments: 3_000, ..Plan::default() };
    let played = rehearsal::play(&store, &plan).unwrap();
    let bills = Path::new(bills);
    std::fs::create_dir_all(bills).unwrap();
    let mut rng = fastrand::Rng::with_seed(seed);
    for channel in ["wechat", "alipay", "unionpay"] {
        for day in &played.days {
            let mut bill = rehearsal::bill(&played.happened, channel, day.date);
            for planted in rehearsal::plant(&mut bill, &mut rng) {
                println!(
                    "{channel} {}: {:?} in {}{}",
                    day.date, planted.difference, planted.order_no, planted.refund_no
                );
            }
            let (name, bytes) = file(&bill);
            std::fs::write(bills.join(name), bytes).unwrap();
        }
    }
}

/// A bill's file: its name and bytes.
fn file(bill: &Bill) -> (String, Vec<u8>) {
    let zone = TimeZone::get("Asia/Shanghai").unwrap();
    let (channel, date) = (bill.channel, bill.date);
    match channel {
        "wechat" => {
            let bytes = gzip(&Wechat::new(ACCOUNT, &zone).bytes(&rows(bill)));
            (format!("{channel}-{date}.csv.gz"), bytes)
        }
        "alipay" => {
            let alipay = Alipay::new(ACCOUNT, date, &zone);
            let bytes = alipay.zip(&alipay.bytes(&rows(bill)), true);
            (format!("{channel}-{date}.csv.zip"), bytes)
        }
        _ => {
            let mut bytes = Vec::new();
            write_generic(&rows(bill), &zone, true, &mut bytes);
            (format!("{channel}-{date}.csv"), bytes)
        }
    }
}

/// The lines as the channel writes them: Alipay has no voids, only refunds, no states, and no merchants below the account.
fn rows(bill: &Bill) -> Vec<Row> {
    let is_alipay = bill.channel == "alipay";
    let row = |line: &rehearsal::Line| {
        let happened = &line.happened;
        let as_refund = is_alipay && happened.kind == BillKind::Void;
        Row {
            kind: if as_refund { BillKind::Refund } else { happened.kind },
            state: if is_alipay { BillState::Succeeded } else { line.state },
            time: happened.time,
            sub_merchant: if is_alipay { String::new() } else { happened.merchant.0.to_string() },
            channel_txn: happened.channel_txn.clone(),
            order_no: happened.order_no.clone(),
            channel_refund_no: happened.channel_refund_no.clone(),
            refund_no: happened.refund_no.clone(),
            currency: CNY,
            amount: happened.amount,
            fee_millionths: happened.cost * 10_000,
        }
    };
    bill.lines.iter().map(row).collect()
}
