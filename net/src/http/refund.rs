//! Refunds: `…/refunds`, and those of an order.

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::{get, post};
use serde::Serialize;
use suanpan_core::{
    Command, MerchantId, PAGE_REFUNDS_MAX, Query, Receipt, Refund, RefundDetails, RefundResult, RefundView,
    Reply,
};

use super::json::{JsonBody, Object};
use super::page::Page;
use super::path::Ids;
use super::problem::Problem;
use super::read;
use super::reply::{command_and_view, made, ok, view};
use super::words::{self, Word};
use crate::Gateway;

pub(super) fn routes() -> Router<Arc<Gateway>> {
    Router::new()
        .route("/v1/merchants/{merchant_id}/refunds", post(post_refund))
        .route("/v1/merchants/{merchant_id}/refunds/{refund_no}", get(get_refund))
        .route("/v1/merchants/{merchant_id}/refunds/{refund_no}/result", post(post_result))
        .route("/v1/merchants/{merchant_id}/orders/{order_no}/refunds", get(get_order_refunds))
}

#[derive(Serialize)]
struct RefundBody<'a> {
    refund_no: &'a str,
    order_no: &'a str,
    merchant_id: String,
    amount: u64,
    cash_amount: u64,
    discount_amount: u64,
    fee_returned: u64,
    platform_fee_returned: u64,
    cost_returned: u64,
    merchant_debit: u64,
    from_pending: u64,
    from_held: u64,
    from_available: u64,
    state: &'static str,
    sent_as: &'static str,
    attempts: u32,
    accounting_date: String,
}

#[derive(Serialize)]
struct RefundsBody<'a> {
    data: Vec<RefundBody<'a>>,
    has_more: bool,
}

impl<'a> From<&'a RefundView> for RefundBody<'a> {
    fn from(view: &'a RefundView) -> Self {
        Self {
            refund_no: view.refund_no.as_str(),
            order_no: view.order_no.as_str(),
            merchant_id: view.merchant.0.to_string(),
            amount: view.amount,
            cash_amount: view.cash_amount,
            discount_amount: view.discount_amount,
            fee_returned: view.fee_returned,
            platform_fee_returned: view.platform_fee_returned,
            cost_returned: view.cost_returned,
            merchant_debit: view.merchant_debit,
            from_pending: view.from_pending,
            from_held: view.from_held,
            from_available: view.from_available,
            state: view.state.word(),
            sent_as: view.sent_as.word(),
            attempts: view.attempts,
            accounting_date: view.accounting_date.to_string(),
        }
    }
}

async fn post_refund(
    State(gateway): State<Arc<Gateway>>,
    ids: Ids,
    body: JsonBody,
) -> Result<Response, Problem> {
    let merchant = ids.merchant()?;
    let refund = read_refund(merchant, body.object()?)?;
    let look = Query::Refund(merchant, refund.refund_no);
    match command_and_view(&gateway, merchant, Command::Refund(refund), look).await? {
        (Receipt::Refund { repeat, .. }, Reply::Refund(view)) => Ok(made(repeat, &RefundBody::from(&*view))),
        (_, other) => Err(Problem::from_reply(other)),
    }
}

async fn post_result(
    State(gateway): State<Arc<Gateway>>,
    ids: Ids,
    body: JsonBody,
) -> Result<Response, Problem> {
    let (merchant, refund_no) = (ids.merchant()?, ids.number("refund_no")?);
    let mut body = body.object()?;
    let state = body.required("state", words::read)?;
    let channel_refund_no =
        body.optional("channel_refund_no", read::channel_txn)?.map(String::into_boxed_str);
    body.finish()?;
    let command = Command::RefundResult(RefundResult { merchant, refund_no, state, channel_refund_no });
    match command_and_view(&gateway, merchant, command, Query::Refund(merchant, refund_no)).await? {
        (_, Reply::Refund(view)) => Ok(ok(&RefundBody::from(&*view))),
        (_, other) => Err(Problem::from_reply(other)),
    }
}

async fn get_refund(State(gateway): State<Arc<Gateway>>, ids: Ids) -> Result<Response, Problem> {
    let (merchant, refund_no) = (ids.merchant()?, ids.number("refund_no")?);
    match view(&gateway, merchant, Query::Refund(merchant, refund_no)).await {
        Reply::Refund(view) => Ok(ok(&RefundBody::from(&*view))),
        other => Err(Problem::from_reply(other)),
    }
}

async fn get_order_refunds(
    State(gateway): State<Arc<Gateway>>,
    ids: Ids,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let (merchant, order_no) = (ids.merchant()?, ids.number("order_no")?);
    let Page { limit, starting_after } = Page::read(query.as_deref(), PAGE_REFUNDS_MAX)?;
    match view(&gateway, merchant, Query::OrderRefunds(merchant, order_no, starting_after)).await {
        Reply::Refunds { page, has_more } => Ok(ok(&RefundsBody {
            data: page.iter().take(limit).map(RefundBody::from).collect(),
            has_more: has_more || page.len() > limit,
        })),
        other => Err(Problem::from_reply(other)),
    }
}

fn read_refund(merchant: MerchantId, mut body: Object<'_, '_>) -> Result<Refund, Problem> {
    let refund_no = body.required("refund_no", read::number)?;
    let order_no = body.required("order_no", read::number)?;
    let amount = body.required("amount", read::amount)?;
    let reason = body.optional("reason", read::text)?.unwrap_or_default();
    if !body.list("split_returns")?.is_empty() {
        return Err(body.problem("split_returns", "must be empty: the order has no splits"));
    }
    body.finish()?;
    let details = (!reason.is_empty()).then(|| Box::new(RefundDetails { reason, split_returns: Vec::new() }));
    Ok(Refund { merchant, refund_no, order_no, amount, details })
}
