//! Orders and the payments that make them: `…/payments` and `…/orders/{order_no}`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use serde::Serialize;
use suanpan_core::{
    AMOUNT_MAX, Command, Discounts, MerchantId, OrderView, Payment, PaymentDetails, Query, Receipt,
    Rejection, Reply,
};

use super::json::{At, JsonBody, Object};
use super::path::Ids;
use super::problem::Problem;
use super::reply::{command_and_view, made, ok, view};
use super::words::{self, Funder, Word};
use super::{read, time};
use crate::Gateway;

pub(super) fn routes() -> Router<Arc<Gateway>> {
    Router::new()
        .route("/v1/merchants/{merchant_id}/payments", post(post_payment))
        .route("/v1/merchants/{merchant_id}/orders/{order_no}", get(get_order))
}

#[derive(Serialize)]
struct OrderBody<'a> {
    order_no: &'a str,
    merchant_id: String,
    channel: &'a str,
    status: &'static str,
    amount: u64,
    payable: u64,
    fee: u64,
    platform_fee: u64,
    channel_cost: u64,
    net: u64,
    refundable: u64,
    refunded: u64,
    in_flight: u64,
    held: u64,
    settled: bool,
    accounting_date: Option<String>,
    paid_at: Option<String>,
    channel_txn: Option<&'a str>,
}

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

async fn get_order(State(gateway): State<Arc<Gateway>>, ids: Ids) -> Result<Response, Problem> {
    let (merchant, order_no) = (ids.merchant()?, ids.number("order_no")?);
    match view(&gateway, merchant, Query::Order(merchant, order_no)).await {
        Reply::Order(view) => with_channel(&gateway, &view, |body| ok(body)),
        other => Err(Problem::from_reply(other)),
    }
}

fn read_payment(
    gateway: &Gateway,
    merchant: MerchantId,
    mut body: Object<'_, '_>,
) -> Result<Payment, Problem> {
    let order_no = body.required("order_no", read::number)?;
    let channel_name = body.required("channel", read::channel)?;
    let amount = body.required("amount", read::amount)?;
    let discounts = read_discounts(&mut body)?;
    let hold = body.optional("hold", read::boolean)?.unwrap_or_default();
    let promoter = body.optional("promoter", read::merchant)?;
    let paid_at = body.optional("paid_at", read::moment)?.map(|moment| moment.at);
    let channel_txn = body.optional("channel_txn", read::channel_txn)?;
    body.finish()?;
    // Only when all else is well: what is malformed is that first of all.
    let channel =
        gateway.channel_id(&channel_name).ok_or_else(|| Problem::from(Rejection::ChannelNotFound))?;
    let details = PaymentDetails { discounts, promoter, channel_txn };
    let details = (details != PaymentDetails::default()).then(|| Box::new(details));
    Ok(Payment { merchant, order_no, channel, amount, hold, paid_at, details })
}

/// Discounts summed by who pays for them: one entry is booked for each.
fn read_discounts(body: &mut Object<'_, '_>) -> Result<Discounts, Problem> {
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
fn with_channel(
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
    }))
}
