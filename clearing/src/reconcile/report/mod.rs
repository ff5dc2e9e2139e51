//! What a reconciliation tells people: a table for a terminal, CSV for a spreadsheet, JSON for a program, and one HTML page.
//!
//! All four say the same of the same batches. Amounts are decimals of the major unit but in JSON, where they are whole numbers of minor ones. What comes
//! from a bill is never trusted: no cell is a formula, no text is markup.

mod csv;
mod html;
mod json;
mod table;

use std::io::{self, Write};

use suanpan_core::Currency;

use super::ReconcileError;
use super::batch::Batch;
use super::item::{Class, Item};
use super::open::OpenList;
use super::run::Run;
use super::settle::Settled;
use crate::money::Decimal;

/// Rows of a table or page before it says how many more there are. CSV and JSON have all.
const ROWS_MAX: usize = 2_000;

/// One batch and what it tells.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// The batch.
    pub batch: &'a Batch,
    /// What it tells.
    pub lines: &'a Settled,
}

/// A report of batches, and of what is open over all dates.
#[derive(Debug, Clone, Default)]
pub struct Report<'a> {
    told: Vec<Told<'a>>,
    open: Option<&'a OpenList>,
}

impl<'a> Report<'a> {
    /// Of one run.
    #[must_use]
    pub fn of(run: &'a Run) -> Self {
        Self::of_batches(vec![Told { batch: &run.batch, lines: &run.lines }])
    }

    /// Of several batches.
    #[must_use]
    pub fn of_batches(told: Vec<Told<'a>>) -> Self {
        Self { told, open: None }
    }

    /// With what is open over all dates.
    #[must_use]
    pub fn with_open(mut self, open: &'a OpenList) -> Self {
        self.open = Some(open);
        self
    }

    /// For a terminal.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_table(&self, to: &mut dyn Write) -> io::Result<()> {
        table::write(self, to)
    }

    /// A line for each item that is no match, RFC 4180 in UTF-8.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_csv(&self, to: &mut dyn Write) -> io::Result<()> {
        csv::write(self, to)
    }

    /// Everything, but who matched.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_json(&self, to: &mut dyn Write) -> Result<(), ReconcileError> {
        json::write(self, to)
    }

    /// One page that needs nothing else.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_html(&self, to: &mut dyn Write) -> io::Result<()> {
        html::write(self, to)
    }
}

/// An amount in major units.
fn amount(minor: impl Into<i128>, currency: &str) -> String {
    let currency: Currency = super::item::currency(currency);
    Decimal::of(minor.into(), currency).to_string()
}

/// What an item is called: its numbers with us, or else at the channel.
fn name(item: &Item) -> String {
    let (order_no, refund_no, txn) = match (&item.ours, &item.bill) {
        (Some(ours), _) => (&ours.order_no, &ours.refund_no, &ours.channel_txn),
        (None, Some(bill)) => (&bill.order_no, &bill.refund_no, &bill.channel_txn),
        (None, None) => return String::new(),
    };
    let order = if order_no.is_empty() { txn } else { order_no };
    if refund_no.is_empty() { order.clone() } else { format!("{order} / {refund_no}") }
}

/// Whose it is.
fn merchant(item: &Item) -> &str {
    match (&item.ours, &item.bill) {
        (Some(ours), _) => &ours.merchant_id,
        (None, Some(bill)) => &bill.sub_merchant,
        (None, None) => "",
    }
}

/// How many ended in a class, over all kinds and currencies.
fn count(batch: &Batch, class: Class) -> u64 {
    batch.totals.iter().filter(|total| total.class == class).map(|total| total.count).sum()
}

/// Differences first, then what is carried; each in the order of its file.
fn sorted(lines: &Settled) -> Vec<&Item> {
    let mut items: Vec<&Item> = lines.items.iter().collect();
    let line = |item: &Item| item.bill.as_ref().map_or(u64::MAX, |bill| bill.at.line);
    items.sort_by_key(|item| (item.class, line(item)));
    items
}

/// The outcome in a word.
fn outcome(batch: &Batch) -> &'static str {
    if batch.is_balanced() { "balanced" } else { "differences" }
}

/// What there is to say of the batch that carried in.
fn carried_from(batch: &Batch) -> String {
    match &batch.carry_from {
        None => "no batch before".to_owned(),
        Some(from) if batch.is_due => format!("from {} batch {}", from.date, from.number),
        Some(from) => {
            format!(
                "from {} batch {}; a date between is not reconciled, so they wait on",
                from.date, from.number
            )
        }
    }
}
