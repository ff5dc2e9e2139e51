//! The accounting date and its cut: `/v1/accounting-date` and `/v1/day-cut`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use suanpan_core::{Command, Date, Query, Receipt, Reply, Request, SetDate};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::json::JsonBody;
use super::problem::Problem;
use super::refusals::refusals;
use super::reply::ok;
use super::{read, schema};
use crate::Gateway;

pub(super) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new().routes(routes!(get_accounting_date)).routes(routes!(post_day_cut))
}

/// The date to move to.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "documents what is read")]
#[schema(examples(json!({"accounting_date": "2018-08-27"})))]
struct DayCutRequest {
    /// The new date, later than the current.
    accounting_date: schema::Date,
}

/// The date of the books.
#[derive(Serialize, ToSchema)]
#[schema(as = AccountingDate)]
struct DateBody {
    #[schema(value_type = schema::Date)]
    accounting_date: String,
}

/// A day cut.
#[derive(Serialize, ToSchema)]
#[schema(as = DayCut)]
struct CutBody {
    /// The date that was closed.
    #[schema(value_type = schema::Date)]
    closed: String,
    #[schema(value_type = schema::Date)]
    accounting_date: String,
    /// Held refunds that went out again.
    #[schema(value_type = schema::Total)]
    resubmitted: u64,
}

/// The date of the books; all shards have the same, so one is asked.
pub(super) async fn accounting_date(gateway: &Gateway) -> Result<Date, Problem> {
    match gateway.ask_one(0, Request::Query(Query::Date)).await {
        Reply::Date(date) => Ok(date),
        other => Err(Problem::from_reply(other)),
    }
}

refusals!(DateRefusals: Nothing);

/// The accounting date
#[utoipa::path(
    get, path = "/v1/accounting-date", tag = "The day",
    responses((status = 200, description = "The date of the books.", body = DateBody), DateRefusals),
)]
async fn get_accounting_date(State(gateway): State<Arc<Gateway>>) -> Result<Response, Problem> {
    let date = accounting_date(&gateway).await?;
    Ok(ok(&DateBody { accounting_date: date.to_string() }))
}

refusals!(DayCutRefusals: Body, DateNotLater);

/// Cuts the day
///
/// Moves the accounting date of all books forward, at one point; held refunds go out again.
#[utoipa::path(
    post, path = "/v1/day-cut", tag = "The day", request_body = DayCutRequest,
    responses((status = 200, description = "The day was cut.", body = CutBody), DayCutRefusals),
)]
async fn post_day_cut(State(gateway): State<Arc<Gateway>>, body: JsonBody) -> Result<Response, Problem> {
    let mut body = body.object()?;
    let date = body.required("accounting_date", read::date)?;
    body.finish()?;
    match gateway.command_all(Command::SetDate(SetDate { date, cut: true })).await {
        Reply::Done(Receipt::Date { closed, resubmitted }) => {
            Ok(ok(&CutBody { closed: closed.to_string(), accounting_date: date.to_string(), resubmitted }))
        }
        other => Err(Problem::from_reply(other)),
    }
}
