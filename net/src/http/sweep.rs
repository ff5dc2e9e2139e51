//! Sweeps of accruals to their owners: `/v1/sweeps`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use suanpan_core::{Reply, Run};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::json::{EmptyRequest, JsonBody};
use super::problem::Problem;
use super::refusals::refusals;
use super::reply::ok;
use super::schema;
use super::settlement::{CurrencyAmount, write_amounts};
use crate::Gateway;

pub(super) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new().routes(routes!(post_sweep))
}

/// What a sweep came to.
#[derive(Serialize, ToSchema)]
#[schema(as = Sweep)]
struct SweepBody<'a> {
    /// Owners that got something.
    #[schema(value_type = schema::Total)]
    owners: u64,
    /// What they got.
    amounts: Vec<CurrencyAmount<'a>>,
}

refusals!(SweepRefusals: Body, Overflow);

/// Sweeps
///
/// Moves every accrual that is over zero to its owner's available; it is answered when both ends are booked.
#[utoipa::path(
    post, path = "/v1/sweeps", tag = "The day", request_body = EmptyRequest,
    responses((status = 200, description = "What was swept.", body = SweepBody), SweepRefusals),
)]
async fn post_sweep(State(gateway): State<Arc<Gateway>>, body: JsonBody) -> Result<Response, Problem> {
    body.object()?.finish()?;
    match gateway.run_checked(Run::Sweep).await {
        Reply::Swept { owners, amounts } => Ok(ok(&SweepBody { owners, amounts: write_amounts(&amounts) })),
        other => Err(Problem::from_reply(other)),
    }
}
