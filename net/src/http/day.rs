//! The accounting date and its cut: `/v1/accounting-date` and `/v1/day-cut`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use serde::Serialize;
use suanpan_core::{Date, Query, Receipt, Reply, Request, SetDate};

use super::json::JsonBody;
use super::problem::Problem;
use super::read;
use super::reply::ok;
use crate::Gateway;

pub(super) fn routes() -> Router<Arc<Gateway>> {
    Router::new()
        .route("/v1/accounting-date", get(get_accounting_date))
        .route("/v1/day-cut", post(post_day_cut))
}

#[derive(Serialize)]
struct DateBody {
    accounting_date: String,
}

#[derive(Serialize)]
struct CutBody {
    closed: String,
    accounting_date: String,
    resubmitted: u64,
}

/// The date of the books; all shards have the same, so one is asked.
pub(super) async fn accounting_date(gateway: &Gateway) -> Result<Date, Problem> {
    match gateway.ask_one(0, Request::Query(Query::Totals)).await {
        Reply::Totals(totals) => Ok(totals.accounting_date),
        other => Err(Problem::from_reply(other)),
    }
}

async fn get_accounting_date(State(gateway): State<Arc<Gateway>>) -> Result<Response, Problem> {
    let date = accounting_date(&gateway).await?;
    Ok(ok(&DateBody { accounting_date: date.to_string() }))
}

async fn post_day_cut(State(gateway): State<Arc<Gateway>>, body: JsonBody) -> Result<Response, Problem> {
    let mut body = body.object()?;
    let date = body.required("accounting_date", read::date)?;
    body.finish()?;
    match gateway.set_date(SetDate { date, cut: true }).await {
        Reply::Done(Receipt::Date { closed, resubmitted }) => {
            Ok(ok(&CutBody { closed: closed.to_string(), accounting_date: date.to_string(), resubmitted }))
        }
        other => Err(Problem::from_reply(other)),
    }
}
