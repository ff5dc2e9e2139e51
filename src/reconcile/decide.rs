//! What comes after a run: what is open, what two people decide about it, and telling the core.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use jiff::Timestamp as Moment;
use suanpan_clearing::reconcile::Item;
use suanpan_clearing::reconcile::open::{OpenItem, open_list};
use suanpan_clearing::reconcile::report::Report;
use suanpan_clearing::reconcile::resolution::{
    Action, Answer, Command, Decision, Resolution, ResolutionError,
};
use suanpan_clearing::store::Store;

use super::{ReconcileCommandError, write_report};
use crate::export::StoreArg;
use crate::output::say;
use crate::scenario::http::{Client, Url, UrlError};
use crate::scenario::script::Call;

#[derive(Debug, Subcommand)]
pub(super) enum What {
    /// List what is open, over all dates
    Open {
        /// Only this channel
        #[arg(long, value_name = "NAME")]
        channel: Option<String>,
        #[command(flatten)]
        store: StoreArg,
        /// Write the list as JSON
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
        /// Write the list as one page of HTML
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
    },
    /// Decide about something open, by two people; `send` tells the core
    Resolve {
        /// The channel
        #[arg(long, value_name = "NAME")]
        channel: String,
        /// The item, by its id in the list
        #[arg(value_name = "ID")]
        id: String,
        /// What is decided
        #[arg(long = "as", value_name = "WHAT", value_enum)]
        action: As,
        /// Who approves: two different people
        #[arg(long, value_name = "WHO", num_args = 1, required = true)]
        approved_by: Vec<String>,
        /// Why
        #[arg(long, value_name = "TEXT")]
        memo: String,
        /// Whose it is, where the bill does not say it
        #[arg(long, value_name = "ID")]
        merchant: Option<String>,
        #[command(flatten)]
        store: StoreArg,
    },
    /// Tell the core what was decided: each command once, again until there is a final answer
    Send {
        /// The channel
        #[arg(long, value_name = "NAME")]
        channel: String,
        /// The server
        #[arg(long, value_name = "URL")]
        url: String,
        #[command(flatten)]
        store: StoreArg,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum As {
    /// The books get what they miss (补单)
    Supplement,
    /// The difference is the operator's (核销)
    WriteOff,
    /// What was paid without an order goes back to the payer
    Refund,
    /// Somebody asks the channel; it stays on the list
    Pursue,
}

/// Why the core could not be told.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error(transparent)]
    Url(#[from] UrlError),
    #[error("{path} was not answered: {source}. It is not known whether it was done; send again")]
    NoAnswer { path: String, source: io::Error },
    #[error("{path} was answered with {status} for now: {body}. Send again later")]
    Later { path: String, status: u16, body: String },
    #[error(
        "{refused} of {all} commands were refused by the core: see what it said above, mend the cause, and send again"
    )]
    Refused { refused: usize, all: usize },
}

impl What {
    pub(super) fn run(self) -> Result<(), ReconcileCommandError> {
        match self {
            Self::Open { channel, store, json, html } => {
                open(&Store::open(&store.store)?, channel.as_deref(), json, html)
            }
            Self::Resolve { channel, id, action, approved_by, memo, merchant, store } => {
                let approved_by: [String; 2] =
                    approved_by.try_into().map_err(|_| ResolutionError::Approvers)?;
                let action = match action {
                    As::Supplement => Action::Supplement,
                    As::WriteOff => Action::WriteOff,
                    As::Refund => Action::Refund,
                    As::Pursue => Action::Pursue,
                };
                let decision = Decision { action, approved_by, memo, merchant, at: Moment::now() };
                let store = Store::open(&store.store)?;
                let resolution = Resolution::decide(&store, &channel, &id, &decision)?;
                say(format_args!(
                    "{id}: {}, {} commands for the core",
                    action.name(),
                    resolution.commands.len()
                ));
                for command in &resolution.commands {
                    say(format_args!("  {} {} {}", command.method, command.path, command.body));
                }
                Ok(())
            }
            Self::Send { channel, url, store } => send(&Store::open(&store.store)?, &channel, &url),
        }
    }
}

fn open(
    store: &Store,
    channel: Option<&str>,
    json: Option<PathBuf>,
    html: Option<PathBuf>,
) -> Result<(), ReconcileCommandError> {
    let list = open_list(store, channel)?;
    for OpenItem { channel, batch_no, item, pursued, .. } in &list.items {
        let amount = suanpan_clearing::money::Decimal::of(item.amount().into(), item.currency());
        let pursued = if *pursued { ", pursued" } else { "" };
        say(format_args!(
            "{}  {channel} {} {}: {} {} {amount} ({}{pursued}, {batch_no}) {}",
            item.id,
            item.origin,
            item.kind,
            item.class,
            numbers(item),
            item.reason.name(),
            item.next_step(),
        ));
    }
    for stale in &list.stale {
        say(format_args!(
            "{} is stale, since the day before was run again: run {} {} again",
            stale.batch_no, stale.channel, stale.date
        ));
    }
    say(format_args!("{} open", list.items.len()));
    let report = Report::of_batches(Vec::new()).with_open(&list);
    if let Some(path) = json {
        write_report(&path, |to| Ok(report.write_json(to)?))?;
    }
    if let Some(path) = html {
        write_report(&path, |to| report.write_html(to).map_err(super::failed(&path)))?;
    }
    Ok(())
}

/// By which numbers it is known.
fn numbers(item: &Item) -> String {
    let of = |order_no: &str, refund_no: &str| match refund_no {
        "" => order_no.to_owned(),
        refund_no => format!("{refund_no} of {order_no}"),
    };
    match (&item.ours, &item.bill) {
        (Some(ours), _) => {
            format!("{} of merchant {}", of(&ours.order_no, &ours.refund_no), ours.merchant_id)
        }
        (None, Some(bill)) => of(&bill.order_no, &bill.refund_no),
        (None, None) => String::new(),
    }
}

/// Sends every command that was not done yet, in their order; a resolution whose command was refused stops there.
fn send(store: &Store, channel: &str, url: &str) -> Result<(), ReconcileCommandError> {
    let url: Url = url.parse().map_err(SendError::from)?;
    let mut client = Client::new(url);
    let (mut all, mut refused) = (0, 0);
    for resolution in Resolution::all(store, channel)? {
        let answers = resolution.answers(store)?;
        for (at, (command, answered)) in resolution.commands.iter().zip(answers).enumerate() {
            let answer = match answered {
                Some(answer) => answer,
                None => {
                    let answer = tell(&mut client, command)?;
                    let is_done = answer.status < 300;
                    if is_done {
                        resolution.answered(store, at, &answer)?;
                    }
                    all += 1;
                    let done = if is_done { "done" } else { "refused" };
                    say(format_args!(
                        "{} {} {done}: {} {}",
                        resolution.item.id, command.path, answer.status, answer.body
                    ));
                    refused += usize::from(!is_done);
                    answer
                }
            };
            if answer.status >= 300 {
                break;
            }
        }
    }
    io::stdout().flush().ok();
    match refused {
        0 => {
            say(format_args!("{all} commands sent"));
            Ok(())
        }
        refused => Err(SendError::Refused { refused, all }.into()),
    }
}

/// One command, to a final answer.
fn tell(client: &mut Client, command: &Command) -> Result<Answer, SendError> {
    let path = command.path.clone();
    let call = Call::new(&command.method, &path, Some(command.body.to_string()));
    let answer = client.call(&call).map_err(|source| SendError::NoAnswer { path: path.clone(), source })?;
    // Unknown, overloaded and read-only are no answers: the same number asks again.
    if answer.status >= 500 || answer.status == 429 {
        return Err(SendError::Later { path, status: answer.status, body: answer.body.to_string() });
    }
    Ok(Answer { status: answer.status, body: answer.body, at: Moment::now() })
}
