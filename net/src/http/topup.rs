//! Top-ups: `…/topups`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use suanpan_core::{Command, MerchantId, MovementKind, MovementView, Query, Receipt, Reply, TopUp};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::json::{JsonBody, Object};
use super::path::{Ids, MerchantPath};
use super::problem::Problem;
use super::refusals::refusals;
use super::reply::{command_and_view, made, ok, view};
use super::{account, read, schema};
use crate::Gateway;

pub(super) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new().routes(routes!(post_topup)).routes(routes!(get_topup))
}

/// Money in from a channel.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "documents what is read")]
#[schema(examples(json!({"topup_no": "T1", "channel": "wechat", "amount": 5000})))]
struct TopupRequest {
    /// The top-up, unique within the merchant.
    topup_no: schema::Number,
    /// Who moved it.
    channel: schema::Channel,
    /// What came in.
    amount: schema::Amount,
}

/// A top-up.
#[derive(Serialize, ToSchema)]
#[schema(as = Topup)]
struct TopupBody<'a> {
    #[schema(value_type = schema::Number)]
    topup_no: &'a str,
    #[schema(value_type = schema::MerchantId)]
    merchant_id: String,
    #[schema(value_type = schema::Channel)]
    channel: String,
    #[schema(value_type = schema::Amount)]
    amount: u64,
    #[schema(value_type = schema::Date)]
    accounting_date: String,
}

refusals!(TopupRefusals: Body, MerchantNotFound, ChannelNotFound, IdempotencyConflict, MerchantClosed, Overflow);

/// Tops up
///
/// Books money that came in through a channel to what is available.
#[utoipa::path(
    post, path = "/v1/merchants/{merchant_id}/topups", tag = "Money",
    params(MerchantPath), request_body = TopupRequest,
    responses(
        (status = 201, description = "The top-up was booked.", body = TopupBody),
        (status = 200, description = "It had been booked before.", body = TopupBody),
        TopupRefusals,
    ),
)]
async fn post_topup(
    State(gateway): State<Arc<Gateway>>,
    ids: Ids,
    body: JsonBody,
) -> Result<Response, Problem> {
    let merchant = ids.merchant()?;
    let topup = read_topup(&gateway, merchant, body.object()?)?;
    let look = Query::Movement(MovementKind::TopUp, merchant, topup.topup_no);
    match command_and_view(&gateway, merchant, Command::TopUp(topup), look).await? {
        (Receipt::Booked { repeat }, Reply::Movement(view)) => Ok(made(repeat, &write(&gateway, &view)?)),
        (_, other) => Err(Problem::from_reply(other)),
    }
}

refusals!(TopupLookRefusals: Path, MerchantNotFound, TopupNotFound);

/// A top-up
#[utoipa::path(
    get, path = "/v1/merchants/{merchant_id}/topups/{topup_no}", tag = "Money",
    params(MerchantPath, ("topup_no" = schema::Number, Path, description = "The top-up.")),
    responses((status = 200, description = "The top-up.", body = TopupBody), TopupLookRefusals),
)]
async fn get_topup(State(gateway): State<Arc<Gateway>>, ids: Ids) -> Result<Response, Problem> {
    let (merchant, topup_no) = (ids.merchant()?, ids.number("topup_no")?);
    match view(&gateway, merchant, Query::Movement(MovementKind::TopUp, merchant, topup_no)).await {
        Reply::Movement(view) => Ok(ok(&write(&gateway, &view)?)),
        other => Err(Problem::from_reply(other)),
    }
}

fn read_topup(gateway: &Gateway, merchant: MerchantId, mut body: Object<'_, '_>) -> Result<TopUp, Problem> {
    let topup_no = body.required("topup_no", read::number)?;
    let channel = body.required("channel", read::channel)?;
    let amount = body.required("amount", read::amount)?;
    body.finish()?;
    Ok(TopUp { merchant, topup_no, channel: read::known_channel(gateway, &channel)?, amount })
}

fn write<'a>(gateway: &Gateway, view: &'a MovementView) -> Result<TopupBody<'a>, Problem> {
    let Some(channel) = view.channel else {
        tracing::error!("a top-up without a channel");
        return Err(Problem::unknown());
    };
    Ok(TopupBody {
        topup_no: view.number.as_str(),
        merchant_id: view.merchant.0.to_string(),
        channel: account::channel_name(gateway, channel)?,
        amount: view.amount,
        accounting_date: view.accounting_date.to_string(),
    })
}
