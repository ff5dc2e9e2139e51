//! The business calendar: `/v1/holidays`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use suanpan_core::{Command, Date, HOLIDAYS_MAX, Holidays, Query, Reply, Request};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::json::{At, JsonBody, Object};
use super::problem::Problem;
use super::refusals::refusals;
use super::reply::ok;
use super::{read, schema};
use crate::Gateway;

pub(super) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new().routes(routes!(put_holidays, get_holidays))
}

/// What differs from Monday to Friday; it replaces what was said before. No date is in both lists.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "documents what is read")]
#[schema(examples(json!({"dates": ["2018-10-01", "2018-10-02"], "workdays": ["2018-09-29"]})))]
struct HolidaysRequest {
    /// No business days.
    #[schema(max_items = 1000)]
    dates: Option<Vec<schema::Date>>,
    /// Business days though they fall on a weekend.
    #[schema(max_items = 1000)]
    workdays: Option<Vec<schema::Date>>,
}

/// What differs from Monday to Friday, each list rising.
#[derive(Serialize, ToSchema)]
#[schema(as = Holidays)]
struct HolidaysBody {
    /// No business days.
    #[schema(value_type = Vec<schema::Date>)]
    dates: Vec<String>,
    /// Business days though they fall on a weekend.
    #[schema(value_type = Vec<schema::Date>)]
    workdays: Vec<String>,
}

impl From<&Holidays> for HolidaysBody {
    fn from(holidays: &Holidays) -> Self {
        let write = |dates: &[Date]| dates.iter().map(Date::to_string).collect();
        Self { dates: write(&holidays.dates), workdays: write(&holidays.workdays) }
    }
}

refusals!(HolidaysLookRefusals: Nothing);

/// The business calendar
#[utoipa::path(
    get, path = "/v1/holidays", tag = "The day",
    responses((status = 200, description = "The calendar.", body = HolidaysBody), HolidaysLookRefusals),
)]
async fn get_holidays(State(gateway): State<Arc<Gateway>>) -> Result<Response, Problem> {
    match gateway.ask_one(0, Request::Query(Query::Holidays)).await {
        Reply::Holidays(holidays) => Ok(ok(&HolidaysBody::from(&*holidays))),
        other => Err(Problem::from_reply(other)),
    }
}

refusals!(HolidaysRefusals: Body);

/// Replaces the business calendar
///
/// Business days are Monday to Friday, less holidays, plus workdays; `T+n` counts them.
#[utoipa::path(
    put, path = "/v1/holidays", tag = "The day", request_body = HolidaysRequest,
    responses((status = 200, description = "The calendar.", body = HolidaysBody), HolidaysRefusals),
)]
async fn put_holidays(State(gateway): State<Arc<Gateway>>, body: JsonBody) -> Result<Response, Problem> {
    let holidays = read_holidays(body.object()?)?;
    match gateway.command_all(Command::PutHolidays(Box::new(holidays.clone()))).await {
        Reply::Done(_) => Ok(ok(&HolidaysBody::from(&holidays))),
        other => Err(Problem::from_reply(other)),
    }
}

fn read_holidays(mut body: Object<'_, '_>) -> Result<Holidays, Problem> {
    let dates = read_dates(&mut body, "dates", &[])?;
    let workdays = read_dates(&mut body, "workdays", &dates)?;
    body.finish()?;
    Ok(Holidays { dates, workdays })
}

/// Dates in any order, made rising; a date that comes twice is there once.
fn read_dates(body: &mut Object<'_, '_>, name: &str, not: &[Date]) -> Result<Vec<Date>, Problem> {
    let list = body.list(name)?;
    if list.len() > HOLIDAYS_MAX {
        return Err(body.problem(name, "must have at most 1000 dates"));
    }
    let at = At::Field(body.at(), name);
    let mut dates = Vec::with_capacity(list.len());
    for (index, node) in list.iter().enumerate() {
        let date = read::date(node).map_err(|must| At::Item(&at, index).problem(must))?;
        if not.binary_search(&date).is_ok() {
            return Err(At::Item(&at, index).problem("is in `dates` too"));
        }
        dates.push(date);
    }
    dates.sort_unstable();
    dates.dedup();
    Ok(dates)
}

const _: () = assert!(HOLIDAYS_MAX == 1_000, "the message and the description say so");
