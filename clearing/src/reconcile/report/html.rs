//! One page that needs nothing else: its styles and pictures are in it, no script, nothing from elsewhere.

use std::fmt;
use std::io::{self, Write};

use super::{ROWS_MAX, Report, Told, amount, carried_from, count, merchant, name, outcome, sorted};
use crate::reconcile::batch::Batch;
use crate::reconcile::item::{BillSide, Class, Item, OurSide};
use crate::reconcile::open::OpenList;

const STYLE: &str = include_str!("report.css");

/// Width of a picture's bars, in its own units.
const BAR: u64 = 600;

/// A text as it stands in markup: never markup itself.
struct Safe<'a>(&'a str);

impl fmt::Display for Safe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c if c.is_control() => f.write_str("\u{fffd}")?,
                c => write!(f, "{c}")?,
            }
        }
        Ok(())
    }
}

pub(super) fn write(report: &Report<'_>, to: &mut dyn Write) -> io::Result<()> {
    let title = match &report.told[..] {
        [told] => format!("{} {}", told.batch.channel, told.batch.date),
        told => format!("{} batches", told.len()),
    };
    let title = Safe(&title);
    write!(
        to,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>Reconciliation: {title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>Reconciliation <small>{title}</small></h1>\n"
    )?;
    pictures(report, to)?;
    for told in &report.told {
        batch(told, to)?;
    }
    if let Some(open) = report.open {
        open_items(open, to)?;
    }
    writeln!(to, "</main>\n</body>\n</html>")
}

/// Matched against open, by channel and by class.
fn pictures(report: &Report<'_>, to: &mut dyn Write) -> io::Result<()> {
    let mut channels: Vec<(&str, [u64; 3])> = Vec::new();
    for Told { batch, .. } in &report.told {
        let parts = [count(batch, Class::Matched), batch.open(), count(batch, Class::Carried)];
        match channels.iter_mut().find(|(channel, _)| *channel == batch.channel) {
            Some((_, sums)) => sums.iter_mut().zip(parts).for_each(|(sum, part)| *sum += part),
            None => channels.push((&batch.channel, parts)),
        }
    }
    writeln!(to, "<section class=\"pictures\">")?;
    let rows: Vec<_> = channels
        .iter()
        .map(|(channel, [matched, open, carried])| {
            (*channel, vec![("matched", *matched), ("open", *open), ("carried", *carried)])
        })
        .collect();
    picture("By channel", &rows, to)?;
    let class_count = |class| report.told.iter().map(|told| count(told.batch, class)).sum();
    let rows: Vec<_> = Class::ALL
        .into_iter()
        .map(|class| {
            let colour = match class {
                Class::Matched => "matched",
                Class::Carried => "carried",
                _ => "open",
            };
            (class.name(), vec![(colour, class_count(class))])
        })
        .collect();
    picture("By class", &rows, to)?;
    writeln!(to, "</section>")
}

/// A bar for each row, the longest as wide as the picture. What is there is seen, however little it is.
fn picture(title: &str, rows: &[(&str, Vec<(&str, u64)>)], to: &mut dyn Write) -> io::Result<()> {
    let sum = |parts: &[(&str, u64)]| parts.iter().map(|(_, count)| count).sum::<u64>();
    let longest = rows.iter().map(|(_, parts)| sum(parts)).max().unwrap_or(0).max(1);
    let height = rows.len() * 44 + 8;
    writeln!(
        to,
        "<figure><figcaption>{}</figcaption><svg role=\"img\" aria-label=\"{}\" viewBox=\"0 0 620 {height}\">",
        Safe(title),
        Safe(title)
    )?;
    for (at, (label, parts)) in rows.iter().enumerate() {
        let top = at * 44 + 4;
        let said: Vec<String> = parts
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(what, count)| format!("{count} {what}"))
            .collect();
        let said = match parts.len() {
            1 => sum(parts).to_string(),
            _ => said.join(", "),
        };
        writeln!(
            to,
            "<text x=\"0\" y=\"{}\">{}</text><text x=\"{BAR}\" y=\"{}\" class=\"number\">{}</text>",
            top + 12,
            Safe(label),
            top + 12,
            Safe(&said)
        )?;
        let mut x = 0;
        for (what, count) in parts.iter().filter(|(_, count)| *count > 0) {
            let wide = u128::from(*count) * u128::from(BAR) / u128::from(longest);
            let wide = u64::try_from(wide).unwrap_or(BAR).max(3);
            writeln!(
                to,
                "<rect class=\"{what}\" x=\"{x}\" y=\"{}\" width=\"{wide}\" height=\"16\"><title>{count} {what}</title></rect>",
                top + 18
            )?;
            x += wide;
        }
    }
    writeln!(to, "</svg></figure>")
}

fn batch(told: &Told<'_>, to: &mut dyn Write) -> io::Result<()> {
    let Told { batch, lines } = told;
    let outcome = outcome(batch);
    writeln!(
        to,
        "<section>\n<h2>{} {} <span class=\"{outcome}\">{outcome}</span></h2>",
        Safe(&batch.channel),
        batch.date
    )?;
    facts(batch, to)?;
    totals(batch, to)?;
    flows(batch, to)?;
    let items = sorted(lines);
    if items.is_empty() {
        writeln!(to, "<p>Everything matched.</p>")?;
    } else {
        differences(&items, to)?;
    }
    if !lines.closed.is_empty() {
        writeln!(
            to,
            "<details><summary>{} from before found their end here</summary><ul>",
            lines.closed.len()
        )?;
        for item in lines.closed.iter().take(ROWS_MAX) {
            let (kind, origin, reason) = (item.kind, item.origin, item.reason);
            writeln!(to, "<li>{kind} {} of {origin}: {}, {reason}</li>", Safe(&name(item)), item.class)?;
        }
        writeln!(to, "</ul></details>")?;
    }
    writeln!(to, "</section>")
}

fn facts(batch: &Batch, to: &mut dyn Write) -> io::Result<()> {
    let Batch { batch_no, number, account, carried_in, carried_out, watched, closed, made_at, .. } = batch;
    writeln!(to, "<dl><dt>Batch</dt><dd>{} (number {number}, {made_at})</dd>", Safe(batch_no))?;
    if !account.is_empty() {
        writeln!(to, "<dt>Account</dt><dd>{}</dd>", Safe(account))?;
    }
    for file in batch.files.iter().chain(&batch.bank_files) {
        let (name, hash) = (Safe(&file.name), Safe(&file.sha256));
        writeln!(to, "<dt>File</dt><dd>{name}, {} bytes<br><code>sha256 {hash}</code></dd>", file.bytes)?;
    }
    let from = carried_from(batch);
    writeln!(to, "<dt>Carried</dt><dd>{carried_in} in ({}), {carried_out} out</dd>", Safe(&from))?;
    writeln!(
        to,
        "<dt>Before</dt><dd>{closed} closed here, {watched} open from earlier dates and still looked for</dd></dl>"
    )
}

fn totals(batch: &Batch, to: &mut dyn Write) -> io::Result<()> {
    writeln!(
        to,
        "<div class=\"wide\"><table><thead><tr><th>Class<th>Kind<th class=\"number\">Count<th class=\"number\">Ours<th class=\"number\">Bill<th>Currency</tr></thead><tbody>"
    )?;
    for class in Class::ALL {
        for total in batch.totals.iter().filter(|total| total.class == class) {
            let (kind, count, currency) = (total.kind, total.count, &total.currency);
            let [ours, bill] = [total.ours_minor, total.bill_minor].map(|minor| amount(minor, currency));
            let currency = Safe(currency);
            writeln!(
                to,
                "<tr><td>{class}<td>{kind}<td class=\"number\">{count}<td class=\"number\">{ours}<td class=\"number\">{bill}<td>{currency}</tr>"
            )?;
        }
    }
    writeln!(to, "</tbody></table></div>")
}

fn flows(batch: &Batch, to: &mut dyn Write) -> io::Result<()> {
    for funds in batch.funds.iter().flatten() {
        let [bill, entries, bank] = [funds.bill_minor, funds.entries_minor, funds.bank_minor]
            .map(|minor| amount(minor, &funds.currency));
        let (currency, class, rows) = (Safe(&funds.currency), funds.class, funds.bank_rows);
        writeln!(
            to,
            "<p><b>Funds {currency}: {class}.</b> The bill comes to {bill}, our entries to {entries}, the bank to {bank} ({rows} lines).</p>"
        )?;
    }
    let Some(three_way) = &batch.three_way else { return Ok(()) };
    let (compared, entries, differ) = (three_way.compared, three_way.entries, three_way.differ);
    writeln!(
        to,
        "<p><b>Three-way:</b> {compared} orders and refunds against {entries} entries, {differ} differ.</p>"
    )?;
    if three_way.named.is_empty() {
        return Ok(());
    }
    writeln!(to, "<p class=\"differences\">books_differ: a bug of Suanpan, to be reported.</p><ul>")?;
    for named in &three_way.named {
        let (merchant, order, refund) =
            (Safe(&named.merchant_id), Safe(&named.order_no), Safe(&named.refund_no));
        let (expected, booked) = (&named.expected, &named.booked);
        writeln!(
            to,
            "<li>merchant {merchant}, order {order} {refund}: by subject should be {expected:?}, is {booked:?}</li>"
        )?;
    }
    writeln!(to, "</ul>")
}

fn differences(items: &[&Item], to: &mut dyn Write) -> io::Result<()> {
    writeln!(
        to,
        "<div class=\"wide\"><table><thead><tr><th>What<th>Ours<th>Bill<th>Next</tr></thead><tbody>"
    )?;
    for item in items.iter().take(ROWS_MAX) {
        row(item, to)?;
    }
    writeln!(to, "</tbody></table></div>")?;
    match items.len().checked_sub(ROWS_MAX) {
        None | Some(0) => Ok(()),
        Some(more) => writeln!(to, "<p>… and {more} more, which CSV and JSON have.</p>"),
    }
}

fn row(item: &Item, to: &mut dyn Write) -> io::Result<()> {
    let (class, reason, kind) = (item.class, item.reason, item.kind);
    let colour = if class.is_open() { "open" } else { "carried" };
    write!(
        to,
        "<tr><td><b class=\"{colour}\">{class}</b> {reason}<br>{kind} {}, merchant {}<br><code>{}</code>",
        Safe(&name(item)),
        Safe(merchant(item)),
        Safe(&item.id)
    )?;
    write!(to, "<td>")?;
    if let Some(ours) = &item.ours {
        our_side(ours, to)?;
    }
    write!(to, "<td>")?;
    if let Some(bill) = &item.bill {
        bill_side(bill, to)?;
    }
    if let Some(first) = &item.first {
        write!(to, "<br>the first is {}", Safe(&first.to_string()))?;
    }
    writeln!(to, "<td>{}</tr>", Safe(item.next_step()))
}

fn our_side(side: &OurSide, to: &mut dyn Write) -> io::Result<()> {
    let (minor, currency) = (amount(side.amount_minor, &side.currency), Safe(&side.currency));
    write!(to, "<b>{minor} {currency}</b> {}<br>{}", side.state, side.at)?;
    numbers(&[&side.channel_txn, &side.order_no, &side.channel_refund_no, &side.refund_no], to)
}

fn bill_side(side: &BillSide, to: &mut dyn Write) -> io::Result<()> {
    let (minor, currency) = (amount(side.amount_minor, &side.currency), Safe(&side.currency));
    write!(to, "<b>{minor} {currency}</b> {} {}<br>{}", side.kind, side.state, side.time)?;
    numbers(&[&side.channel_txn, &side.order_no, &side.channel_refund_no, &side.refund_no], to)?;
    write!(to, "<br>{}", Safe(&side.at.to_string()))
}

fn numbers(numbers: &[&String], to: &mut dyn Write) -> io::Result<()> {
    for number in numbers.iter().filter(|number| !number.is_empty()) {
        write!(to, "<br><code>{}</code>", Safe(number))?;
    }
    Ok(())
}

fn open_items(open: &OpenList, to: &mut dyn Write) -> io::Result<()> {
    writeln!(to, "<section>\n<h2>Open over all dates: {}</h2>", open.items.len())?;
    for stale in &open.stale {
        let (channel, date, batch_no) = (Safe(&stale.channel), stale.date, Safe(&stale.batch_no));
        writeln!(
            to,
            "<p class=\"differences\">{channel} {date}: batch {batch_no} took over from one that does not decide any more. Reconcile {date} again.</p>"
        )?;
    }
    let items: Vec<&Item> = open.items.iter().map(|open| &open.item).collect();
    if !items.is_empty() {
        differences(&items, to)?;
    }
    writeln!(to, "</section>")
}
