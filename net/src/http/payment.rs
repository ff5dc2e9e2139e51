//! Payments, which make an order and confirm it in one: `…/payments`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use suanpan_core::{Command, MerchantId, Payment, PaymentDetails, Query, Receipt, Reply};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::json::{JsonBody, Object};
use super::order::{DiscountRequest, OrderBody, read_discounts, with_channel};
use super::path::{Ids, MerchantPath};
use super::problem::Problem;
use super::refusals::refusals;
use super::reply::{command_and_view, made};
use super::{read, schema};
use crate::Gateway;

pub(super) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new().routes(routes!(post_payment))
}

/// A captured payment.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "documents what is read")]
#[schema(examples(json!({"order_no": "A1", "channel": "wechat", "amount": 9500, "discounts": [{"funder": "operator", "amount": 500}], "paid_at": "2018-08-26T12:00:00+08:00", "channel_txn": "4200000123"})))]
struct PaymentRequest {
    /// The order, unique within the merchant.
    order_no: schema::Number,
    /// Who moved the money.
    channel: schema::Channel,
    /// The cash.
    amount: schema::Amount,
    /// What was not paid in cash; at most 1000000000000000 together.
    discounts: Option<Vec<DiscountRequest>>,
    /// Keep the net in held until the order is released; false if it is not said.
    hold: Option<bool>,
    /// Who brought the sale, a promoter: only of an order that is held.
    promoter: Option<schema::MerchantId>,
    /// When the channel took it; now if it is not said.
    paid_at: Option<schema::Moment>,
    /// The channel's own number for it.
    channel_txn: Option<schema::ChannelTxn>,
}

refusals!(PaymentRefusals: Body, MerchantNotFound, ChannelNotFound, IdempotencyConflict, MerchantSuspended,
    MerchantClosed, ChannelBlackout, LimitOrderAmount, LimitDayAmount, LimitDayCount, ReceiverInvalid, Overflow);

/// Takes a payment
///
/// Creates an order and confirms it in one: the hot path.
#[utoipa::path(
    post, path = "/v1/merchants/{merchant_id}/payments", tag = "Orders",
    params(MerchantPath), request_body = PaymentRequest,
    responses(
        (status = 201, description = "The payment was booked.", body = OrderBody),
        (status = 200, description = "It had been booked before.", body = OrderBody),
        PaymentRefusals,
    ),
)]
async fn post_payment(
    State(gateway): State<Arc<Gateway>>,
    ids: Ids,
    body: JsonBody,
) -> Result<Response, Problem> {
    let merchant = ids.merchant()?;
    let payment = read_payment(&gateway, merchant, body.object()?)?;
    let look = Query::Order(merchant, payment.order_no);
    match command_and_view(&gateway, merchant, Command::Payment(payment), look).await? {
        (Receipt::Payment { repeat, .. }, Reply::Order(view)) => {
            with_channel(&gateway, &view, |body| made(repeat, body))
        }
        (_, other) => Err(Problem::from_reply(other)),
    }
}

fn read_payment(
    gateway: &Gateway,
    merchant: MerchantId,
    mut body: Object<'_, '_>,
) -> Result<Payment, Problem> {
    let order_no = body.required("order_no", read::number)?;
    let channel = body.required("channel", read::channel)?;
    let amount = body.required("amount", read::amount)?;
    let discounts = read_discounts(&mut body)?;
    let hold = body.optional("hold", read::boolean)?.unwrap_or_default();
    let promoter = body.optional("promoter", read::merchant)?;
    if promoter.is_some() && !hold {
        return Err(body.problem("promoter", "gets a commission at the release: it needs `hold` to be true"));
    }
    let paid_at = body.optional("paid_at", read::moment)?.map(|moment| moment.at);
    let channel_txn = body.optional("channel_txn", read::channel_txn)?;
    body.finish()?;
    // Only when all else is well: what is malformed is that first of all.
    let channel = read::known_channel(gateway, &channel)?;
    let details = PaymentDetails { discounts, promoter, channel_txn };
    let details = (details != PaymentDetails::default()).then(|| Box::new(details));
    Ok(Payment { merchant, order_no, channel, amount, hold, paid_at, details })
}
