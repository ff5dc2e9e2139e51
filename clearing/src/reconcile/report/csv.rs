//! The items that are no match, a line each.

use std::borrow::Cow;
use std::io::{self, Write};

use super::{Report, Told, amount, sorted};
use crate::cell::{cell, quoted};
use crate::reconcile::item::Item;

const HEADER: &str = "channel,date,batch_no,id,class,reason,kind,origin,merchant_id,order_no,refund_no,channel_txn,channel_refund_no,\
state,amount,currency,time,accounting_date,bill_state,bill_amount,bill_currency,bill_time,bill_sub_merchant,bill_order_no,bill_refund_no,\
bill_channel_txn,bill_channel_refund_no,bill_file,bill_line,first_line,next_step";

/// Cells of our side, and of the bill's.
const OURS: usize = 10;
const BILL: usize = 12;

pub(super) fn write(report: &Report<'_>, to: &mut dyn Write) -> io::Result<()> {
    write!(to, "{HEADER}\r\n")?;
    for Told { batch, lines } in &report.told {
        for item in sorted(lines) {
            let mut cells: Vec<String> = [&batch.channel, &batch.date.to_string(), &batch.batch_no]
                .map(|text| cell(text).into_owned())
                .into();
            cells.extend(row(item));
            write!(to, "{}\r\n", cells.join(","))?;
        }
    }
    Ok(())
}

/// A number or date of ours: nothing is put before it.
fn plain(text: &impl ToString) -> String {
    quoted(Cow::Owned(text.to_string())).into_owned()
}

fn text(text: &str) -> String {
    cell(text).into_owned()
}

fn row(item: &Item) -> Vec<String> {
    let mut cells =
        vec![text(&item.id), plain(&item.class), plain(&item.reason), plain(&item.kind), plain(&item.origin)];
    match &item.ours {
        Some(side) => cells.extend([
            text(&side.merchant_id),
            text(&side.order_no),
            text(&side.refund_no),
            text(&side.channel_txn),
            text(&side.channel_refund_no),
            plain(&side.state),
            plain(&amount(side.amount_minor, &side.currency)),
            text(&side.currency),
            plain(&side.at),
            plain(&side.accounting_date),
        ]),
        None => cells.extend(std::iter::repeat_n(String::new(), OURS)),
    }
    match &item.bill {
        Some(side) => cells.extend([
            plain(&side.state),
            plain(&amount(side.amount_minor, &side.currency)),
            text(&side.currency),
            plain(&side.time),
            text(&side.sub_merchant),
            text(&side.order_no),
            text(&side.refund_no),
            text(&side.channel_txn),
            text(&side.channel_refund_no),
            text(&side.at.file),
            plain(&side.at.line),
            item.first.as_ref().map_or_else(String::new, |first| text(&first.to_string())),
        ]),
        None => cells.extend(std::iter::repeat_n(String::new(), BILL)),
    }
    cells.push(text(item.next_step()));
    cells
}
