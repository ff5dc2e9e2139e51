//! Payouts to merchants' banks: `…/payouts`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use suanpan_core::{
    Command, MerchantId, MovementKind, MovementView, Payout, PayoutResult, Query, Receipt, RefundResultState,
    Reply,
};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::json::{JsonBody, Object};
use super::path::{Ids, MerchantPath};
use super::problem::Problem;
use super::refusals::refusals;
use super::reply::{command_and_view, made, ok, view};
use super::words::{self, Word, said};
use super::{account, read, schema};
use crate::Gateway;

pub(super) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new().routes(routes!(post_payout)).routes(routes!(get_payout)).routes(routes!(post_result))
}

/// Available money to the merchant's bank.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "documents what is read")]
#[schema(examples(json!({"payout_no": "P1", "amount": 5000})))]
struct PayoutRequest {
    /// The payout, unique within the merchant.
    payout_no: schema::Number,
    /// What goes out.
    amount: schema::Amount,
    /// Who pays it out, if that is known.
    channel: Option<schema::Channel>,
}

/// What came of a payout.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "documents what is read")]
#[schema(examples(json!({"state": "succeeded"})))]
struct PayoutResultRequest {
    /// `unknown` changes nothing: it is asked again later.
    state: said::RefundResultState,
}

/// A payout as it stands.
#[derive(Serialize, ToSchema)]
#[schema(as = Payout)]
struct PayoutBody<'a> {
    #[schema(value_type = schema::Number)]
    payout_no: &'a str,
    #[schema(value_type = schema::MerchantId)]
    merchant_id: String,
    #[schema(value_type = schema::Amount)]
    amount: u64,
    /// Who pays it out, if one was named.
    #[schema(required, value_type = Option<schema::Channel>)]
    channel: Option<String>,
    #[schema(schema_with = states)]
    state: &'static str,
    #[schema(value_type = schema::Date)]
    accounting_date: String,
}

fn states() -> RefOr<Schema> {
    schema::word(&["processing", "succeeded", "failed"])
}

refusals!(PayoutRefusals: Body, MerchantNotFound, ChannelNotFound, IdempotencyConflict, MerchantSuspended,
    MerchantClosed, InsufficientFunds, Overflow);

/// Pays out
///
/// Takes available money and puts it on its way to the merchant's bank.
#[utoipa::path(
    post, path = "/v1/merchants/{merchant_id}/payouts", tag = "Money",
    params(MerchantPath), request_body = PayoutRequest,
    responses(
        (status = 201, description = "The payout was booked.", body = PayoutBody),
        (status = 200, description = "It had been booked before.", body = PayoutBody),
        PayoutRefusals,
    ),
)]
async fn post_payout(
    State(gateway): State<Arc<Gateway>>,
    ids: Ids,
    body: JsonBody,
) -> Result<Response, Problem> {
    let merchant = ids.merchant()?;
    let payout = read_payout(&gateway, merchant, body.object()?)?;
    let look = Query::Movement(MovementKind::Payout, merchant, payout.payout_no);
    match command_and_view(&gateway, merchant, Command::Payout(payout), look).await? {
        (Receipt::Payout { repeat, .. }, Reply::Movement(view)) => Ok(made(repeat, &write(&gateway, &view)?)),
        (_, other) => Err(Problem::from_reply(other)),
    }
}

refusals!(PayoutResultRefusals: Body, MerchantNotFound, PayoutNotFound, ContradictsFinal, Overflow);

/// Says what came of a payout
#[utoipa::path(
    post, path = "/v1/merchants/{merchant_id}/payouts/{payout_no}/result", tag = "Money",
    operation_id = "post_payout_result",
    params(MerchantPath, ("payout_no" = schema::Number, Path, description = "The payout.")),
    request_body = PayoutResultRequest,
    responses((status = 200, description = "The payout as it stands.", body = PayoutBody), PayoutResultRefusals),
)]
async fn post_result(
    State(gateway): State<Arc<Gateway>>,
    ids: Ids,
    body: JsonBody,
) -> Result<Response, Problem> {
    let (merchant, payout_no) = (ids.merchant()?, ids.number("payout_no")?);
    let mut body = body.object()?;
    let state: RefundResultState = body.required("state", words::read)?;
    body.finish()?;
    let command = Command::PayoutResult(PayoutResult { merchant, payout_no, state });
    let look = Query::Movement(MovementKind::Payout, merchant, payout_no);
    match command_and_view(&gateway, merchant, command, look).await? {
        (_, Reply::Movement(view)) => Ok(ok(&write(&gateway, &view)?)),
        (_, other) => Err(Problem::from_reply(other)),
    }
}

refusals!(PayoutLookRefusals: Path, MerchantNotFound, PayoutNotFound);

/// A payout
#[utoipa::path(
    get, path = "/v1/merchants/{merchant_id}/payouts/{payout_no}", tag = "Money",
    params(MerchantPath, ("payout_no" = schema::Number, Path, description = "The payout.")),
    responses((status = 200, description = "The payout as it stands.", body = PayoutBody), PayoutLookRefusals),
)]
async fn get_payout(State(gateway): State<Arc<Gateway>>, ids: Ids) -> Result<Response, Problem> {
    let (merchant, payout_no) = (ids.merchant()?, ids.number("payout_no")?);
    let look = Query::Movement(MovementKind::Payout, merchant, payout_no);
    match view(&gateway, merchant, look).await {
        Reply::Movement(view) => Ok(ok(&write(&gateway, &view)?)),
        other => Err(Problem::from_reply(other)),
    }
}

fn read_payout(gateway: &Gateway, merchant: MerchantId, mut body: Object<'_, '_>) -> Result<Payout, Problem> {
    let payout_no = body.required("payout_no", read::number)?;
    let amount = body.required("amount", read::amount)?;
    let channel = body.optional("channel", read::channel)?;
    body.finish()?;
    let channel = channel.map(|name| read::known_channel(gateway, &name)).transpose()?;
    Ok(Payout { merchant, payout_no, amount, channel })
}

fn write<'a>(gateway: &Gateway, view: &'a MovementView) -> Result<PayoutBody<'a>, Problem> {
    Ok(PayoutBody {
        payout_no: view.number.as_str(),
        merchant_id: view.merchant.0.to_string(),
        amount: view.amount,
        channel: view.channel.map(|id| account::channel_name(gateway, id)).transpose()?,
        state: view.state.word(),
        accounting_date: view.accounting_date.to_string(),
    })
}
