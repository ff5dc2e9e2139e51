//! Transfers from one merchant to another: `…/transfers`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use suanpan_core::{Command, MovementKind, MovementView, Query, Receipt, Reply, Transfer};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::json::JsonBody;
use super::path::{Ids, MerchantPath};
use super::problem::Problem;
use super::refusals::refusals;
use super::reply::{made, ok, view};
use super::{read, schema};
use crate::Gateway;

pub(super) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new().routes(routes!(post_transfer)).routes(routes!(get_transfer))
}

/// Available money to another merchant.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "documents what is read")]
#[schema(examples(json!({"transfer_no": "X1", "to": "5001", "amount": 1000})))]
struct TransferRequest {
    /// The transfer, unique within the giver.
    transfer_no: schema::Number,
    /// Who gets it: another merchant, not closed, of the same currency.
    to: schema::MerchantId,
    /// What goes over.
    amount: schema::Amount,
}

/// A transfer.
#[derive(Serialize, ToSchema)]
#[schema(as = Transfer)]
struct TransferBody<'a> {
    #[schema(value_type = schema::Number)]
    transfer_no: &'a str,
    #[schema(value_type = schema::MerchantId)]
    merchant_id: String,
    #[schema(value_type = schema::MerchantId)]
    to: String,
    #[schema(value_type = schema::Amount)]
    amount: u64,
    #[schema(value_type = schema::Date)]
    accounting_date: String,
}

refusals!(TransferRefusals: Body, MerchantNotFound, IdempotencyConflict, ReceiverInvalid, CurrencyMismatch,
    MerchantSuspended, MerchantClosed, InsufficientFunds, Overflow);

/// Transfers
///
/// Moves available money to another merchant's; it is answered when both ends are booked.
#[utoipa::path(
    post, path = "/v1/merchants/{merchant_id}/transfers", tag = "Money",
    params(MerchantPath), request_body = TransferRequest,
    responses(
        (status = 201, description = "The transfer was booked.", body = TransferBody),
        (status = 200, description = "It had been booked before.", body = TransferBody),
        TransferRefusals,
    ),
)]
async fn post_transfer(
    State(gateway): State<Arc<Gateway>>,
    ids: Ids,
    body: JsonBody,
) -> Result<Response, Problem> {
    let merchant = ids.merchant()?;
    let mut body = body.object()?;
    let transfer_no = body.required("transfer_no", read::number)?;
    let to = body.required("to", read::merchant)?;
    let amount = body.required("amount", read::amount)?;
    body.finish()?;
    let command = Command::Transfer(Transfer { merchant, transfer_no, to, amount });
    let repeat = match gateway.command_all(command).await {
        Reply::Done(Receipt::Booked { repeat }) => repeat,
        other => return Err(Problem::from_reply(other)),
    };
    // What was booked does not change: a look afterwards shows it.
    match view(&gateway, merchant, Query::Movement(MovementKind::Transfer, merchant, transfer_no)).await {
        Reply::Movement(view) => Ok(made(repeat, &write(&view)?)),
        _ => Err(Problem::unknown()),
    }
}

refusals!(TransferLookRefusals: Path, MerchantNotFound, TransferNotFound);

/// A transfer
#[utoipa::path(
    get, path = "/v1/merchants/{merchant_id}/transfers/{transfer_no}", tag = "Money",
    params(MerchantPath, ("transfer_no" = schema::Number, Path, description = "The transfer.")),
    responses((status = 200, description = "The transfer.", body = TransferBody), TransferLookRefusals),
)]
async fn get_transfer(State(gateway): State<Arc<Gateway>>, ids: Ids) -> Result<Response, Problem> {
    let (merchant, transfer_no) = (ids.merchant()?, ids.number("transfer_no")?);
    match view(&gateway, merchant, Query::Movement(MovementKind::Transfer, merchant, transfer_no)).await {
        Reply::Movement(view) => Ok(ok(&write(&view)?)),
        other => Err(Problem::from_reply(other)),
    }
}

fn write(view: &MovementView) -> Result<TransferBody<'_>, Problem> {
    let Some(to) = view.to else {
        tracing::error!("a transfer to nobody");
        return Err(Problem::unknown());
    };
    Ok(TransferBody {
        transfer_no: view.number.as_str(),
        merchant_id: view.merchant.0.to_string(),
        to: to.0.to_string(),
        amount: view.amount,
        accounting_date: view.accounting_date.to_string(),
    })
}
