//! For a terminal: what was compared, how it came out, and each difference with what to do.

use std::io::{self, Write};

use super::{ROWS_MAX, Report, Told, amount, carried_from, merchant, name, outcome, sorted};
use crate::reconcile::batch::Batch;
use crate::reconcile::item::{Class, Item};
use crate::reconcile::open::OpenList;

pub(super) fn write(report: &Report<'_>, to: &mut dyn Write) -> io::Result<()> {
    for Told { batch, lines } in &report.told {
        head(batch, to)?;
        totals(batch, to)?;
        flows(batch, to)?;
        let items = sorted(lines);
        if !items.is_empty() {
            writeln!(to)?;
        }
        for item in items.iter().take(ROWS_MAX) {
            difference(item, to)?;
        }
        more(items.len(), to)?;
        for item in &lines.closed {
            writeln!(
                to,
                "  closed   {} {} of {}: {}",
                item.kind,
                clean(&name(item)),
                item.origin,
                item.reason
            )?;
        }
        writeln!(to)?;
    }
    report.open.map_or(Ok(()), |open| open_items(open, to))
}

fn more(len: usize, to: &mut dyn Write) -> io::Result<()> {
    match len.checked_sub(ROWS_MAX) {
        None | Some(0) => Ok(()),
        Some(more) => writeln!(to, "  … and {more} more, which CSV and JSON have"),
    }
}

/// A text from outside: a terminal runs what some characters say.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn head(batch: &Batch, to: &mut dyn Write) -> io::Result<()> {
    let (channel, date, batch_no) = (&batch.channel, batch.date, &batch.batch_no);
    writeln!(
        to,
        "{channel} {date}: {}, batch {} (number {})",
        outcome(batch),
        clean(batch_no),
        batch.number
    )?;
    for file in batch.files.iter().chain(&batch.bank_files) {
        writeln!(
            to,
            "  file     {}, {} bytes, sha256 {}",
            clean(&file.name),
            file.bytes,
            clean(&file.sha256)
        )?;
    }
    let Batch { carried_in, carried_out, watched, closed, .. } = batch;
    writeln!(to, "  carried  {carried_in} in ({}), {carried_out} out", carried_from(batch))?;
    writeln!(to, "  before   {closed} closed here, {watched} open from earlier dates and still looked for")
}

fn totals(batch: &Batch, to: &mut dyn Write) -> io::Result<()> {
    writeln!(to, "\n  {:<15} {:<8} {:>10} {:>20} {:>20}", "", "", "count", "ours", "bill")?;
    for class in Class::ALL {
        for total in batch.totals.iter().filter(|total| total.class == class) {
            let ours = amount(total.ours_minor, &total.currency);
            let bill = amount(total.bill_minor, &total.currency);
            let (kind, count, currency) = (total.kind, total.count, &total.currency);
            writeln!(to, "  {class:<15} {kind:<8} {count:>10} {ours:>20} {bill:>20} {currency}")?;
        }
    }
    Ok(())
}

fn flows(batch: &Batch, to: &mut dyn Write) -> io::Result<()> {
    for funds in batch.funds.iter().flatten() {
        let [bill, entries, bank] = [funds.bill_minor, funds.entries_minor, funds.bank_minor]
            .map(|minor| amount(minor, &funds.currency));
        let (currency, class, rows) = (&funds.currency, funds.class, funds.bank_rows);
        writeln!(
            to,
            "\n  funds {currency}: {class}; the bill comes to {bill}, our entries to {entries}, the bank to {bank} ({rows} lines)"
        )?;
    }
    if let Some(three_way) = &batch.three_way {
        let (compared, entries, differ) = (three_way.compared, three_way.entries, three_way.differ);
        writeln!(
            to,
            "\n  three-way: {compared} orders and refunds against {entries} entries, {differ} differ"
        )?;
        for named in &three_way.named {
            let (merchant, order, refund) = (&named.merchant_id, &named.order_no, &named.refund_no);
            let (expected, booked) = (&named.expected, &named.booked);
            writeln!(
                to,
                "  books_differ  merchant {merchant} order {order} {refund}: should be {expected:?}, is {booked:?}. This is a bug of Suanpan: report it"
            )?;
        }
    }
    Ok(())
}

fn difference(item: &Item, to: &mut dyn Write) -> io::Result<()> {
    let (class, reason, kind) = (item.class, item.reason, item.kind);
    let (merchant, name) = (clean(merchant(item)), clean(&name(item)));
    writeln!(to, "  {class:<15} {reason:<19} {kind} {name}, merchant {merchant}  [{}]", item.id)?;
    if let Some(side) = &item.ours {
        let (minor, currency, state, at) = (side.amount_minor, &side.currency, side.state, side.at);
        writeln!(
            to,
            "      ours {} {currency} {state} {at}  {}",
            amount(minor, currency),
            clean(&side.channel_txn)
        )?;
    }
    if let Some(side) = &item.bill {
        let (minor, currency, state, at) = (side.amount_minor, &side.currency, side.state, side.time);
        let (line, txn) = (clean(&side.at.to_string()), clean(&side.channel_txn));
        writeln!(to, "      bill {} {currency} {state} {at}  {txn}  {line}", amount(minor, currency))?;
    }
    if let Some(first) = &item.first {
        writeln!(to, "      the first is {}", clean(&first.to_string()))?;
    }
    writeln!(to, "      next: {}", item.next_step())
}

fn open_items(open: &OpenList, to: &mut dyn Write) -> io::Result<()> {
    writeln!(to, "open: {}", open.items.len())?;
    for stale in &open.stale {
        let (channel, date, batch_no) = (&stale.channel, stale.date, clean(&stale.batch_no));
        writeln!(
            to,
            "  stale    {channel} {date}: batch {batch_no} took over from one that does not decide any more. Reconcile {date} again"
        )?;
    }
    for open in open.items.iter().take(ROWS_MAX) {
        let pursued = if open.pursued { ", pursued" } else { "" };
        writeln!(to, "  {} {} batch {}{pursued}", open.channel, open.item.origin, clean(&open.batch_no))?;
        if let Some(action) = open.decided_before {
            writeln!(to, "      decided before as it stood then: {}", action.name())?;
        }
        difference(&open.item, to)?;
    }
    more(open.items.len(), to)
}
