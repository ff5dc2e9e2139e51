//! For development only: a clock that stands where it is told to (api.md, "Developing against it").

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use suanpan_core::{Rejection, Reply};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::day::accounting_date;
use super::json::JsonBody;
use super::problem::Problem;
use super::refusals::refusals;
use super::reply::ok;
use super::{read, schema};
use crate::Gateway;

pub(super) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new().routes(routes!(put_clock))
}

/// Where the clock is to stand.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "documents what is read")]
#[schema(examples(json!({"now": "2018-08-26T21:59:59+08:00"})))]
struct ClockRequest {
    /// The moment.
    now: schema::Moment,
}

/// Where the clock stands.
#[derive(Serialize, ToSchema)]
#[schema(as = Clock)]
struct ClockBody<'a> {
    #[schema(value_type = schema::Moment)]
    now: &'a str,
    #[schema(value_type = schema::Date)]
    accounting_date: String,
}

refusals!(ClockRefusals: Body);

/// Stops the clock
///
/// For development only. The accounting date begins there too, if no order was taken yet.
#[utoipa::path(
    put, path = "/v1/dev/clock", tag = "Development", request_body = ClockRequest,
    responses((status = 200, description = "Where the clock stands.", body = ClockBody), ClockRefusals),
)]
async fn put_clock(State(gateway): State<Arc<Gateway>>, body: JsonBody) -> Result<Response, Problem> {
    let mut body = body.object()?;
    let (now, text) =
        body.required("now", |node| Ok((read::moment(node)?, read::str(node, "")?.to_owned())))?;
    body.finish()?;
    gateway.engine().clock().stop_at(Some(now.at));
    match gateway.begin_at(now.local_date).await {
        // Refused where orders were taken: from then on only the day cut moves the date.
        Reply::Done(_) | Reply::Rejected(Rejection::DateNotLater, _) => {}
        other => return Err(Problem::from_reply(other)),
    }
    let date = accounting_date(&gateway).await?;
    Ok(ok(&ClockBody { now: &text, accounting_date: date.to_string() }))
}
