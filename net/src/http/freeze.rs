//! Freezes of available money: `…/freezes`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use suanpan_core::{Command, Freeze, MovementKind, MovementView, Query, Receipt, Reply, Unfreeze};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::json::{EmptyRequest, JsonBody};
use super::path::{Ids, MerchantPath};
use super::problem::Problem;
use super::refusals::refusals;
use super::reply::{command_and_view, made, ok, view};
use super::words::Word;
use super::{read, schema};
use crate::Gateway;

pub(super) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new()
        .routes(routes!(post_freeze))
        .routes(routes!(get_freeze))
        .routes(routes!(post_release))
}

/// Available money to be frozen.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "documents what is read")]
#[schema(examples(json!({"freeze_no": "F1", "amount": 1000})))]
struct FreezeRequest {
    /// The freeze, unique within the merchant.
    freeze_no: schema::Number,
    /// What is frozen.
    amount: schema::Amount,
}

/// A freeze as it stands.
#[derive(Serialize, ToSchema)]
#[schema(as = Freeze)]
struct FreezeBody<'a> {
    #[schema(value_type = schema::Number)]
    freeze_no: &'a str,
    #[schema(value_type = schema::MerchantId)]
    merchant_id: String,
    #[schema(value_type = schema::Amount)]
    amount: u64,
    #[schema(schema_with = states)]
    state: &'static str,
    #[schema(value_type = schema::Date)]
    accounting_date: String,
}

impl<'a> From<&'a MovementView> for FreezeBody<'a> {
    fn from(view: &'a MovementView) -> Self {
        Self {
            freeze_no: view.number.as_str(),
            merchant_id: view.merchant.0.to_string(),
            amount: view.amount,
            state: view.state.word(),
            accounting_date: view.accounting_date.to_string(),
        }
    }
}

fn states() -> RefOr<Schema> {
    schema::word(&["frozen", "released"])
}

refusals!(FreezeRefusals: Body, MerchantNotFound, IdempotencyConflict, InsufficientFunds, Overflow);

/// Freezes
///
/// Takes available money away from the merchant's use, by an order of risk or law.
#[utoipa::path(
    post, path = "/v1/merchants/{merchant_id}/freezes", tag = "Money",
    params(MerchantPath), request_body = FreezeRequest,
    responses(
        (status = 201, description = "The freeze was booked.", body = FreezeBody),
        (status = 200, description = "It had been booked before.", body = FreezeBody),
        FreezeRefusals,
    ),
)]
async fn post_freeze(
    State(gateway): State<Arc<Gateway>>,
    ids: Ids,
    body: JsonBody,
) -> Result<Response, Problem> {
    let merchant = ids.merchant()?;
    let mut body = body.object()?;
    let freeze_no = body.required("freeze_no", read::number)?;
    let amount = body.required("amount", read::amount)?;
    body.finish()?;
    let command = Command::Freeze(Freeze { merchant, freeze_no, amount });
    let look = Query::Movement(MovementKind::Freeze, merchant, freeze_no);
    match command_and_view(&gateway, merchant, command, look).await? {
        (Receipt::Booked { repeat }, Reply::Movement(view)) => Ok(made(repeat, &FreezeBody::from(&*view))),
        (_, other) => Err(Problem::from_reply(other)),
    }
}

refusals!(UnfreezeRefusals: Body, MerchantNotFound, FreezeNotFound, Overflow);

/// Ends a freeze
#[utoipa::path(
    post, path = "/v1/merchants/{merchant_id}/freezes/{freeze_no}/release", tag = "Money",
    operation_id = "post_freeze_release",
    params(MerchantPath, ("freeze_no" = schema::Number, Path, description = "The freeze.")),
    request_body = EmptyRequest,
    responses((status = 200, description = "The freeze, released.", body = FreezeBody), UnfreezeRefusals),
)]
async fn post_release(
    State(gateway): State<Arc<Gateway>>,
    ids: Ids,
    body: JsonBody,
) -> Result<Response, Problem> {
    let (merchant, freeze_no) = (ids.merchant()?, ids.number("freeze_no")?);
    body.object()?.finish()?;
    let command = Command::Unfreeze(Unfreeze { merchant, freeze_no });
    let look = Query::Movement(MovementKind::Freeze, merchant, freeze_no);
    match command_and_view(&gateway, merchant, command, look).await? {
        (_, Reply::Movement(view)) => Ok(ok(&FreezeBody::from(&*view))),
        (_, other) => Err(Problem::from_reply(other)),
    }
}

refusals!(FreezeLookRefusals: Path, MerchantNotFound, FreezeNotFound);

/// A freeze
#[utoipa::path(
    get, path = "/v1/merchants/{merchant_id}/freezes/{freeze_no}", tag = "Money",
    params(MerchantPath, ("freeze_no" = schema::Number, Path, description = "The freeze.")),
    responses((status = 200, description = "The freeze as it stands.", body = FreezeBody), FreezeLookRefusals),
)]
async fn get_freeze(State(gateway): State<Arc<Gateway>>, ids: Ids) -> Result<Response, Problem> {
    let (merchant, freeze_no) = (ids.merchant()?, ids.number("freeze_no")?);
    match view(&gateway, merchant, Query::Movement(MovementKind::Freeze, merchant, freeze_no)).await {
        Reply::Movement(view) => Ok(ok(&FreezeBody::from(&*view))),
        other => Err(Problem::from_reply(other)),
    }
}
