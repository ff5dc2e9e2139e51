//! Settlement batches: `/v1/settlements`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use suanpan_core::{Currency, Reply, Run, Settlement, SettlementView};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::json::JsonBody;
use super::path::Ids;
use super::problem::Problem;
use super::refusals::refusals;
use super::reply::{made, ok};
use super::{read, schema};
use crate::Gateway;

pub(super) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new().routes(routes!(post_settlement)).routes(routes!(get_settlement))
}

/// A settlement batch to be run.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "documents what is read")]
#[schema(examples(json!({"batch_no": "S1"})))]
struct SettlementRequest {
    /// The batch, unique.
    batch_no: schema::Number,
    /// The one merchant to settle; all if it is not said.
    merchant_id: Option<schema::MerchantId>,
}

/// A settlement batch.
#[derive(Serialize, ToSchema)]
#[schema(as = Settlement)]
struct SettlementBody<'a> {
    #[schema(value_type = schema::Number)]
    batch_no: &'a str,
    /// The one merchant it was for; null for all.
    #[schema(required, value_type = Option<schema::MerchantId>)]
    merchant_id: Option<String>,
    /// The accounting date when it began: what is due is worked out by it.
    #[schema(value_type = schema::Date)]
    accounting_date: String,
    /// Merchants that were paid.
    #[schema(value_type = schema::Total)]
    merchants: u64,
    /// What they were paid; null where there are several currencies, which do not add up.
    #[schema(required, value_type = Option<schema::Total>)]
    amount: Option<u128>,
    /// What they were paid by currency.
    amounts: Vec<CurrencyAmount<'a>>,
    /// Whether all of it was done: one that was cut short goes on when it is asked for again.
    finished: bool,
}

/// An amount of a currency.
#[derive(Serialize, ToSchema)]
pub(super) struct CurrencyAmount<'a> {
    #[schema(value_type = schema::Currency)]
    currency: &'a str,
    #[schema(value_type = schema::Total)]
    amount: u128,
}

/// Amounts by currency.
pub(super) fn write_amounts(amounts: &[(Currency, u128)]) -> Vec<CurrencyAmount<'_>> {
    amounts
        .iter()
        .map(|(currency, amount)| CurrencyAmount { currency: currency.as_str(), amount: *amount })
        .collect()
}

impl<'a> From<&'a SettlementView> for SettlementBody<'a> {
    fn from(view: &'a SettlementView) -> Self {
        Self {
            batch_no: view.batch_no.as_str(),
            merchant_id: view.merchant.map(|id| id.0.to_string()),
            accounting_date: view.accounting_date.to_string(),
            merchants: view.merchants,
            amount: match view.amounts[..] {
                [] => Some(0),
                [(_, amount)] => Some(amount),
                _ => None,
            },
            amounts: write_amounts(&view.amounts),
            finished: view.ended,
        }
    }
}

refusals!(SettlementRefusals: Body, MerchantNotFound, IdempotencyConflict, Overflow);

/// Settles
///
/// Moves every date that is due by each merchant's cycle from pending to available. A run for all also sweeps. A run that
/// was cut short, or whose answer was lost, is asked for again under the same number and never pays a date twice.
#[utoipa::path(
    post, path = "/v1/settlements", tag = "The day", request_body = SettlementRequest,
    responses(
        (status = 201, description = "The batch was run.", body = SettlementBody),
        (status = 200, description = "It had been run before.", body = SettlementBody),
        SettlementRefusals,
    ),
)]
async fn post_settlement(State(gateway): State<Arc<Gateway>>, body: JsonBody) -> Result<Response, Problem> {
    let mut body = body.object()?;
    let batch_no = body.required("batch_no", read::number)?;
    let merchant = body.optional("merchant_id", read::merchant)?;
    body.finish()?;
    match gateway.run_checked(Run::Settlement(Settlement { batch_no, merchant })).await {
        Reply::Settlement { repeat, view } => Ok(made(repeat, &SettlementBody::from(&*view))),
        other => Err(Problem::from_reply(other)),
    }
}

refusals!(SettlementLookRefusals: Path, SettlementNotFound);

/// A settlement batch
#[utoipa::path(
    get, path = "/v1/settlements/{batch_no}", tag = "The day",
    params(("batch_no" = schema::Number, Path, description = "The batch.")),
    responses((status = 200, description = "The batch.", body = SettlementBody), SettlementLookRefusals),
)]
async fn get_settlement(State(gateway): State<Arc<Gateway>>, ids: Ids) -> Result<Response, Problem> {
    match gateway.settlement(ids.number("batch_no")?).await {
        Reply::Settlement { view, .. } => Ok(ok(&SettlementBody::from(&*view))),
        other => Err(Problem::from_reply(other)),
    }
}
