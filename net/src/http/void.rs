//! Voids: `…/orders/{order_no}/void` and `…/voids/{void_no}`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use suanpan_core::{Command, Query, Receipt, Reply, Void, VoidResult, VoidView};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::json::JsonBody;
use super::path::{Ids, MerchantPath, OrderPath};
use super::problem::Problem;
use super::refusals::refusals;
use super::reply::{command_and_view, made, ok, view};
use super::words::{self, VoidResultState, Word, said};
use super::{read, schema};
use crate::Gateway;

pub(super) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new().routes(routes!(post_void)).routes(routes!(get_void)).routes(routes!(post_result))
}

/// A payment's cancellation, in full.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "documents what is read")]
#[schema(examples(json!({"void_no": "V1"})))]
struct VoidRequest {
    /// The void, unique within the merchant.
    void_no: schema::Number,
}

/// What came of a void.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "documents what is read")]
#[schema(examples(json!({"state": "succeeded"})))]
struct VoidResultRequest {
    /// It is done or not, never unclear.
    state: said::VoidResultState,
}

/// A void as it stands.
#[derive(Serialize, ToSchema)]
#[schema(as = Void)]
struct VoidBody<'a> {
    #[schema(value_type = schema::Number)]
    void_no: &'a str,
    #[schema(value_type = schema::Number)]
    order_no: &'a str,
    #[schema(value_type = said::VoidState)]
    state: &'static str,
}

impl<'a> From<&'a VoidView> for VoidBody<'a> {
    fn from(view: &'a VoidView) -> Self {
        Self { void_no: view.void_no.as_str(), order_no: view.order_no.as_str(), state: view.state.word() }
    }
}

refusals!(VoidRefusals: Body, MerchantNotFound, OrderNotFound, IdempotencyConflict, OrderState, MerchantClosed,
    NotSameDay, OrderSettled, HasRefunds, InsufficientFunds, Overflow);

/// Voids
///
/// Cancels a payment on its day, in full, before anything of it was refunded or settled.
#[utoipa::path(
    post, path = "/v1/merchants/{merchant_id}/orders/{order_no}/void", tag = "Orders",
    operation_id = "post_void", params(OrderPath), request_body = VoidRequest,
    responses(
        (status = 201, description = "The void was booked.", body = VoidBody),
        (status = 200, description = "It had been booked before.", body = VoidBody),
        VoidRefusals,
    ),
)]
async fn post_void(
    State(gateway): State<Arc<Gateway>>,
    ids: Ids,
    body: JsonBody,
) -> Result<Response, Problem> {
    let (merchant, order_no) = (ids.merchant()?, ids.number("order_no")?);
    let mut body = body.object()?;
    let void_no = body.required("void_no", read::number)?;
    body.finish()?;
    let command = Command::Void(Void { merchant, void_no, order_no });
    match command_and_view(&gateway, merchant, command, Query::Void(merchant, void_no)).await? {
        (Receipt::Void { repeat, .. }, Reply::Void(view)) => Ok(made(repeat, &VoidBody::from(&*view))),
        (_, other) => Err(Problem::from_reply(other)),
    }
}

refusals!(VoidResultRefusals: Body, MerchantNotFound, VoidNotFound, ContradictsFinal, Overflow);

/// Says what came of a void
#[utoipa::path(
    post, path = "/v1/merchants/{merchant_id}/voids/{void_no}/result", tag = "Orders",
    operation_id = "post_void_result",
    params(MerchantPath, ("void_no" = schema::Number, Path, description = "The void.")),
    request_body = VoidResultRequest,
    responses((status = 200, description = "The void as it stands.", body = VoidBody), VoidResultRefusals),
)]
async fn post_result(
    State(gateway): State<Arc<Gateway>>,
    ids: Ids,
    body: JsonBody,
) -> Result<Response, Problem> {
    let (merchant, void_no) = (ids.merchant()?, ids.number("void_no")?);
    let mut body = body.object()?;
    let state: VoidResultState = body.required("state", words::read)?;
    body.finish()?;
    let succeeded = state == VoidResultState::Succeeded;
    let command = Command::VoidResult(VoidResult { merchant, void_no, succeeded });
    match command_and_view(&gateway, merchant, command, Query::Void(merchant, void_no)).await? {
        (_, Reply::Void(view)) => Ok(ok(&VoidBody::from(&*view))),
        (_, other) => Err(Problem::from_reply(other)),
    }
}

refusals!(VoidLookRefusals: Path, MerchantNotFound, VoidNotFound);

/// A void
#[utoipa::path(
    get, path = "/v1/merchants/{merchant_id}/voids/{void_no}", tag = "Orders",
    params(MerchantPath, ("void_no" = schema::Number, Path, description = "The void.")),
    responses((status = 200, description = "The void as it stands.", body = VoidBody), VoidLookRefusals),
)]
async fn get_void(State(gateway): State<Arc<Gateway>>, ids: Ids) -> Result<Response, Problem> {
    let (merchant, void_no) = (ids.merchant()?, ids.number("void_no")?);
    match view(&gateway, merchant, Query::Void(merchant, void_no)).await {
        Reply::Void(view) => Ok(ok(&VoidBody::from(&*view))),
        other => Err(Problem::from_reply(other)),
    }
}
