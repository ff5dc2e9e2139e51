//! `suanpan rehearse`: made-up days in a cold store, their channels' bills, and what is wrong with these.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use suanpan_clearing::manifest::DayError;
use suanpan_clearing::rehearsal::papers::{name_of, write_bill, write_statement};
use suanpan_clearing::rehearsal::{self, Plan, Planted};
use suanpan_clearing::store::{Store, StoreError};
use suanpan_core::Date;

use crate::export::date;
use crate::output::say;

/// Play a made-up town's days into a cold store, and write its channels' bills with differences planted in them.
///
/// Every kind of trade is in them, by the real rules. Statements, settlement and reconciliation can be tried on them before the first real day.
#[derive(Debug, Args)]
pub(crate) struct Rehearse {
    /// The cold store, which must not have these days yet
    #[arg(long, value_name = "DIR")]
    store: String,
    /// Where bills and bank statements go
    #[arg(long, value_name = "DIR")]
    bills: PathBuf,
    /// Merchants that sell
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    merchants: u64,
    /// Days
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=366))]
    days: u32,
    /// Payments of a day, about
    #[arg(long, value_name = "N", default_value_t = 5_000)]
    payments: u32,
    /// Channels: wechat, alipay and unionpay, as many of them
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=3))]
    channels: u8,
    /// The first day
    #[arg(long, value_name = "YYYY-MM-DD", default_value = "2018-08-26", value_parser = date)]
    first: Date,
    /// Of all that is random: the same again plays the same
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Plant nothing: bills that agree
    #[arg(long)]
    agree: bool,
}

/// Why it could not be played.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RehearseError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Day(#[from] DayError),
    #[error("{path}: {source}")]
    File { path: PathBuf, source: io::Error },
}

impl Rehearse {
    pub(crate) fn run(self) -> Result<(), RehearseError> {
        let plan = Plan {
            seed: self.seed,
            merchants: self.merchants,
            days: self.days,
            payments: self.payments,
            first: self.first,
            channels: self.channels.into(),
            ..Plan::default()
        };
        let store = Store::create(&self.store)?;
        std::fs::create_dir_all(&self.bills).map_err(failed(&self.bills))?;
        let played = rehearsal::play(&store, &plan)?;
        let mut rng = fastrand::Rng::with_seed(self.seed);
        for day in &played.days {
            say(format_args!("{day}"));
            for channel in ["wechat", "alipay", "unionpay"].into_iter().take(plan.channels) {
                let mut bill = rehearsal::bill(&played.happened, channel, day.date);
                let planted = if self.agree { Vec::new() } else { rehearsal::plant(&mut bill, &mut rng) };
                let path = self.bills.join(name_of(&bill));
                write(&path, |to| write_bill(&bill, to))?;
                let bank = self.bills.join(format!("bank-{channel}-{}.csv", day.date));
                write(&bank, |to| write_statement(&bill, to))?;
                say(format_args!("  {} with {} lines", path.display(), bill.lines.len()));
                planted.iter().for_each(tell);
            }
        }
        Ok(())
    }
}

fn tell(planted: &Planted) {
    let Planted { difference, kind, merchant, order_no, refund_no } = planted;
    say(format_args!(
        "    planted: {difference:?} in the {} {order_no} {refund_no} of merchant {}",
        kind.name(),
        merchant.0
    ));
}

fn failed(path: &Path) -> impl Fn(io::Error) -> RehearseError {
    let path = path.to_owned();
    move |source| RehearseError::File { path: path.clone(), source }
}

fn write(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), RehearseError> {
    let failed = failed(path);
    let mut to = BufWriter::new(File::create(path).map_err(&failed)?);
    write(&mut to).and_then(|()| to.flush()).map_err(&failed)
}
