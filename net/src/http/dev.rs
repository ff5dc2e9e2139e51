//! For development only: a clock that stands where it is told to (api.md, "Developing against it").

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::put;
use serde::Serialize;
use suanpan_core::{Rejection, Reply, SetDate};

use super::day::accounting_date;
use super::json::JsonBody;
use super::problem::Problem;
use super::read;
use super::reply::ok;
use crate::Gateway;

pub(super) fn routes() -> Router<Arc<Gateway>> {
    Router::new().route("/v1/dev/clock", put(put_clock))
}

#[derive(Serialize)]
struct ClockBody<'a> {
    now: &'a str,
    accounting_date: String,
}

async fn put_clock(State(gateway): State<Arc<Gateway>>, body: JsonBody) -> Result<Response, Problem> {
    let mut body = body.object()?;
    let (now, text) =
        body.required("now", |node| Ok((read::moment(node)?, read::str(node, "")?.to_owned())))?;
    body.finish()?;
    gateway.engine().clock().stop_at(Some(now.at));
    match gateway.set_date(SetDate { date: now.local_date, cut: false }).await {
        // Refused where orders were taken: from then on only the day cut moves the date.
        Reply::Done(_) | Reply::Rejected(Rejection::DateNotLater, _) => {}
        other => return Err(Problem::from_reply(other)),
    }
    let date = accounting_date(&gateway).await?;
    Ok(ok(&ClockBody { now: &text, accounting_date: date.to_string() }))
}
