//! Everything that is told, for programs.

use std::io::Write;

use serde::Serialize;

use super::{Report, Told, outcome, sorted};
use crate::reconcile::ReconcileError;
use crate::reconcile::batch::Batch;
use crate::reconcile::item::Item;
use crate::reconcile::open::OpenList;

#[derive(Serialize)]
struct Whole<'a> {
    batches: Vec<Run<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    open: Option<&'a OpenList>,
}

#[derive(Serialize)]
struct Run<'a> {
    outcome: &'static str,
    batch: &'a Batch,
    items: Vec<Difference<'a>>,
    watched: &'a [Item],
    closed: &'a [Item],
}

#[derive(Serialize)]
struct Difference<'a> {
    #[serde(flatten)]
    item: &'a Item,
    next_step: &'static str,
}

fn run_of<'a>(told: &Told<'a>) -> Run<'a> {
    let Told { batch, lines } = *told;
    let items = sorted(lines).into_iter().map(|item| Difference { item, next_step: item.next_step() });
    Run {
        outcome: outcome(batch),
        batch,
        items: items.collect(),
        watched: &lines.watched,
        closed: &lines.closed,
    }
}

pub(super) fn write(report: &Report<'_>, to: &mut dyn Write) -> Result<(), ReconcileError> {
    let whole = Whole { batches: report.told.iter().map(run_of).collect(), open: report.open };
    serde_json::to_writer_pretty(&mut *to, &whole)?;
    Ok(to.write_all(b"\n")?)
}
