//! Orders: `…/orders` and what is done with one of them.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use suanpan_core::{
    AMOUNT_MAX, Close, Command, Commission, Confirm, Discounts, MerchantId, NewOrder, Number, OrderRef,
    OrderView, Query, Receipt, Reply,
};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::json::{At, EmptyRequest, JsonBody, Object};
use super::path::{Ids, MerchantPath, OrderPath};
use super::problem::Problem;
use super::refusals::refusals;
use super::reply::{command_and_view, made, ok, view};
use super::words::{self, Funder, Word, said};
use super::{read, schema, time};
use crate::Gateway;

pub(super) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new()
        .routes(routes!(post_order))
        .routes(routes!(get_order))
        .routes(routes!(post_confirm))
        .routes(routes!(post_close))
        .routes(routes!(post_reinstate))
        .routes(routes!(post_release))
}

/// An order that is to be paid.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "documents what is read")]
#[schema(examples(json!({"order_no": "A2", "channel": "wechat", "amount": 10000, "hold": true, "expires_at": "2099-01-01T00:00:00+08:00"})))]
struct OrderRequest {
    /// The order, unique within the merchant.
    order_no: schema::Number,
    /// Who will move the money.
    channel: schema::Channel,
    /// The cash.
    amount: schema::Amount,
    /// What is not paid in cash; at most 1000000000000000 together.
    discounts: Option<Vec<DiscountRequest>>,
    /// Keep the net in held until the order is released; false if it is not said.
    hold: Option<bool>,
    /// From then on it is closed. Never if it is not said.
    expires_at: Option<schema::Deadline>,
}

/// A discount.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "documents what is read")]
#[schema(examples(json!({"funder": "operator", "amount": 500})))]
pub(super) struct DiscountRequest {
    /// Who pays for it.
    funder: said::Funder,
    /// How much; several of one funder are added up.
    amount: schema::Amount,
}

/// What the channel said of an order's payment.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "documents what is read")]
#[schema(examples(json!({"paid_at": "2018-08-26T12:00:00+08:00", "channel_txn": "4200000124"})))]
struct ConfirmRequest {
    /// When the channel took it; now if it is not said.
    paid_at: Option<schema::Moment>,
    /// The channel's own number for it.
    channel_txn: Option<schema::ChannelTxn>,
}

/// An order as it stands.
#[derive(Serialize, ToSchema)]
#[schema(as = Order)]
pub(super) struct OrderBody<'a> {
    #[schema(value_type = schema::Number)]
    order_no: &'a str,
    #[schema(value_type = schema::MerchantId)]
    merchant_id: String,
    #[schema(value_type = schema::Channel)]
    channel: &'a str,
    #[schema(value_type = said::OrderStatus)]
    status: &'static str,
    /// The cash.
    #[schema(value_type = schema::Amount)]
    amount: u64,
    /// Cash and discounts.
    #[schema(value_type = schema::Total)]
    payable: u64,
    /// The operator's fee.
    #[schema(value_type = schema::Total)]
    fee: u64,
    /// The platform's own fee.
    #[schema(value_type = schema::Total)]
    platform_fee: u64,
    /// What the channel charges.
    #[schema(value_type = schema::Total)]
    channel_cost: u64,
    /// What the merchant gets of it.
    #[schema(value_type = schema::Total)]
    net: u64,
    /// What may still be asked back, in payable terms.
    #[schema(value_type = schema::Total)]
    refundable: u64,
    /// What went back for good, in payable terms.
    #[schema(value_type = schema::Total)]
    refunded: u64,
    /// What is on its way back, in payable terms.
    #[schema(value_type = schema::Total)]
    in_flight: u64,
    /// What of it is held.
    #[schema(value_type = schema::Total)]
    held: u64,
    /// Whether its accounting date was settled.
    settled: bool,
    /// Once it is paid.
    #[schema(required, value_type = Option<schema::Date>)]
    accounting_date: Option<String>,
    /// Once it is paid, on the channel's clock.
    #[schema(required, value_type = Option<schema::Moment>)]
    paid_at: Option<String>,
    /// The channel's own number for it.
    #[schema(required, value_type = Option<schema::ChannelTxn>)]
    channel_txn: Option<&'a str>,
    /// From when on it is closed if it was not paid; only where that was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::Moment, required = false)]
    expires_at: Option<String>,
    /// What promoters got when it was released; only where some did.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    commissions: Vec<CommissionBody>,
}

/// What a promoter got of an order.
#[derive(Serialize, ToSchema)]
#[schema(as = Commission)]
struct CommissionBody {
    #[schema(value_type = schema::MerchantId)]
    promoter: String,
    /// 1 brought the sale; 2 and 3 are upline.
    #[schema(minimum = 1, maximum = 3)]
    level: u8,
    #[schema(value_type = schema::Total)]
    amount: u64,
}

refusals!(OrderRefusals: Body, MerchantNotFound, ChannelNotFound, IdempotencyConflict, MerchantSuspended,
    MerchantClosed, ChannelBlackout, LimitOrderAmount, LimitDayAmount, LimitDayCount, Overflow);

/// Creates an order
///
/// Nothing is booked until it is confirmed. Once `expires_at` is over it is closed by itself.
#[utoipa::path(
    post, path = "/v1/merchants/{merchant_id}/orders", tag = "Orders",
    params(MerchantPath), request_body = OrderRequest,
    responses(
        (status = 201, description = "The order was created.", body = OrderBody),
        (status = 200, description = "It had been created before.", body = OrderBody),
        OrderRefusals,
    ),
)]
async fn post_order(
    State(gateway): State<Arc<Gateway>>,
    ids: Ids,
    body: JsonBody,
) -> Result<Response, Problem> {
    let merchant = ids.merchant()?;
    let order = read_order(&gateway, merchant, body.object()?)?;
    let look = Query::Order(merchant, order.order_no);
    match command_and_view(&gateway, merchant, Command::CreateOrder(Box::new(order)), look).await? {
        (Receipt::Order { repeat, .. }, Reply::Order(view)) => {
            with_channel(&gateway, &view, |body| made(repeat, body))
        }
        (_, other) => Err(Problem::from_reply(other)),
    }
}

refusals!(OrderLookRefusals: Path, MerchantNotFound, OrderNotFound);

/// An order
#[utoipa::path(
    get, path = "/v1/merchants/{merchant_id}/orders/{order_no}", tag = "Orders", params(OrderPath),
    responses((status = 200, description = "The order as it stands.", body = OrderBody), OrderLookRefusals),
)]
async fn get_order(State(gateway): State<Arc<Gateway>>, ids: Ids) -> Result<Response, Problem> {
    let (merchant, order_no) = (ids.merchant()?, ids.number("order_no")?);
    match view(&gateway, merchant, Query::Order(merchant, order_no)).await {
        Reply::Order(view) => with_channel(&gateway, &view, |body| ok(body)),
        other => Err(Problem::from_reply(other)),
    }
}

refusals!(ConfirmRefusals: Body, MerchantNotFound, OrderNotFound, IdempotencyConflict, OrderState, Overflow);

/// Confirms an order
///
/// Says that the channel took the money: it is never refused for limits or the merchant's status. Of a closed order the
/// money goes to suspense, and the order is `paid_late`.
#[utoipa::path(
    post, path = "/v1/merchants/{merchant_id}/orders/{order_no}/confirm", tag = "Orders",
    params(OrderPath), request_body = ConfirmRequest,
    responses((status = 200, description = "The order, paid.", body = OrderBody), ConfirmRefusals),
)]
async fn post_confirm(
    State(gateway): State<Arc<Gateway>>,
    ids: Ids,
    body: JsonBody,
) -> Result<Response, Problem> {
    let (merchant, order_no) = (ids.merchant()?, ids.number("order_no")?);
    let mut body = body.object()?;
    let paid_at = body.optional("paid_at", read::moment)?.map(|moment| moment.at);
    let channel_txn = body.optional("channel_txn", read::channel_txn)?.map(String::into_boxed_str);
    body.finish()?;
    let command = Command::Confirm(Confirm { merchant, order_no, paid_at, channel_txn });
    act(&gateway, merchant, order_no, command).await
}

refusals!(CloseRefusals: Body, MerchantNotFound, OrderNotFound, OrderState);

/// Closes an order
///
/// It will not be paid any more.
#[utoipa::path(
    post, path = "/v1/merchants/{merchant_id}/orders/{order_no}/close", tag = "Orders",
    params(OrderPath), request_body = EmptyRequest,
    responses((status = 200, description = "The order, closed.", body = OrderBody), CloseRefusals),
)]
async fn post_close(
    State(gateway): State<Arc<Gateway>>,
    ids: Ids,
    body: JsonBody,
) -> Result<Response, Problem> {
    let (merchant, order_no) = (ids.merchant()?, ids.number("order_no")?);
    body.object()?.finish()?;
    let command = Command::Close(Close { merchant, order_no, expired: false });
    act(&gateway, merchant, order_no, command).await
}

refusals!(ReinstateRefusals: Body, MerchantNotFound, OrderNotFound, OrderState, HasRefunds, MerchantClosed,
    Overflow);

/// Reinstates an order
///
/// One that was paid late becomes a payment, on the current accounting date.
#[utoipa::path(
    post, path = "/v1/merchants/{merchant_id}/orders/{order_no}/reinstate", tag = "Orders",
    params(OrderPath), request_body = EmptyRequest,
    responses((status = 200, description = "The order, paid.", body = OrderBody), ReinstateRefusals),
)]
async fn post_reinstate(
    State(gateway): State<Arc<Gateway>>,
    ids: Ids,
    body: JsonBody,
) -> Result<Response, Problem> {
    let (merchant, order_no) = (ids.merchant()?, ids.number("order_no")?);
    body.object()?.finish()?;
    act(&gateway, merchant, order_no, Command::Reinstate(OrderRef { merchant, order_no })).await
}

refusals!(ReleaseRefusals: Body, MerchantNotFound, OrderNotFound, OrderState, MerchantClosed, Overflow);

/// Releases a held order
///
/// What is left of what it holds becomes pending, on the current accounting date, commissions first.
#[utoipa::path(
    post, path = "/v1/merchants/{merchant_id}/orders/{order_no}/release", tag = "Held orders",
    operation_id = "post_order_release", params(OrderPath), request_body = EmptyRequest,
    responses((status = 200, description = "The order, released.", body = OrderBody), ReleaseRefusals),
)]
async fn post_release(
    State(gateway): State<Arc<Gateway>>,
    ids: Ids,
    body: JsonBody,
) -> Result<Response, Problem> {
    let (merchant, order_no) = (ids.merchant()?, ids.number("order_no")?);
    body.object()?.finish()?;
    act(&gateway, merchant, order_no, Command::Release(OrderRef { merchant, order_no })).await
}

/// Does something with an order that is there, and shows it.
async fn act(
    gateway: &Gateway,
    merchant: MerchantId,
    order_no: Number,
    command: Command,
) -> Result<Response, Problem> {
    match command_and_view(gateway, merchant, command, Query::Order(merchant, order_no)).await? {
        (_, Reply::Order(view)) => with_channel(gateway, &view, |body| ok(body)),
        (_, other) => Err(Problem::from_reply(other)),
    }
}

fn read_order(
    gateway: &Gateway,
    merchant: MerchantId,
    mut body: Object<'_, '_>,
) -> Result<NewOrder, Problem> {
    let order_no = body.required("order_no", read::number)?;
    let channel = body.required("channel", read::channel)?;
    let amount = body.required("amount", read::amount)?;
    let discounts = read_discounts(&mut body)?;
    let hold = body.optional("hold", read::boolean)?.unwrap_or_default();
    let expires_at = body.optional("expires_at", read::moment)?.map(|moment| moment.at);
    body.finish()?;
    // Only when all else is well: what is malformed is that first of all.
    let channel = read::known_channel(gateway, &channel)?;
    Ok(NewOrder { merchant, order_no, channel, amount, discounts, hold, expires_at })
}

/// Discounts summed by who pays for them: one entry is booked for each.
pub(super) fn read_discounts(body: &mut Object<'_, '_>) -> Result<Discounts, Problem> {
    let list = body.list("discounts")?;
    let at = At::Field(body.at(), "discounts");
    let (mut discounts, mut total) = (Discounts::default(), 0);
    for (index, item) in list.into_iter().enumerate() {
        let mut item = Object::from_node(item, At::Item(&at, index))?;
        let funder = item.required("funder", words::read)?;
        let amount = item.required("amount", read::amount)?;
        total += amount;
        if total > AMOUNT_MAX {
            return Err(item.problem("amount", "brings the discounts over 1000000000000000 together"));
        }
        match funder {
            Funder::Operator => discounts.operator += amount,
            Funder::Merchant => discounts.merchant += amount,
            Funder::Platform => discounts.platform += amount,
        }
        item.finish()?;
    }
    Ok(discounts)
}

// One more discount on top of the largest sum does not overflow.
const _: () = assert!(AMOUNT_MAX <= u64::MAX / 2);

/// Writes an order by its channel's name and clock.
pub(super) fn with_channel(
    gateway: &Gateway,
    view: &OrderView,
    write: impl FnOnce(&OrderBody<'_>) -> Response,
) -> Result<Response, Problem> {
    let channel = gateway.channel(view.channel).ok_or_else(|| {
        tracing::error!(channel = view.channel.0, "an order of a channel that the edge does not know");
        Problem::unknown()
    })?;
    Ok(write(&OrderBody {
        order_no: view.order_no.as_str(),
        merchant_id: view.merchant.0.to_string(),
        channel: &channel.name,
        status: view.status.word(),
        amount: view.amount,
        payable: view.payable,
        fee: view.fee,
        platform_fee: view.platform_fee,
        channel_cost: view.channel_cost,
        net: view.net,
        refundable: view.refundable,
        refunded: view.refunded,
        in_flight: view.in_flight,
        held: view.held,
        settled: view.settled,
        accounting_date: view.accounting_date.map(|date| date.to_string()),
        paid_at: view.paid_at.map(|at| time::write_moment(at, channel.zone.at(at))),
        channel_txn: view.channel_txn.as_deref(),
        expires_at: view.expires_at.map(|at| time::write_moment(at, channel.zone.at(at))),
        commissions: view.commissions.iter().map(CommissionBody::from).collect(),
    }))
}

impl From<&Commission> for CommissionBody {
    fn from(commission: &Commission) -> Self {
        Self {
            promoter: commission.promoter.0.to_string(),
            level: commission.level,
            amount: commission.amount,
        }
    }
}
