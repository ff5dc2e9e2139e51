//! Refunds: `…/refunds`, and those of an order.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use serde::Serialize;
use suanpan_core::{
    Command, MerchantId, Number, PAGE_REFUNDS_MAX, Query, Receipt, Refund, RefundDetails, RefundResult,
    RefundView, Reply, SPLIT_PARTS_MAX, SplitReturn,
};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::json::{At, JsonBody, Object};
use super::page::Page;
use super::path::{Ids, MerchantPath, OrderPath};
use super::problem::Problem;
use super::refusals::refusals;
use super::reply::{command_and_view, made, ok, view};
use super::split::{SplitReturnRequest, read_split_return};
use super::words::{self, Word, said};
use super::{read, schema};
use crate::Gateway;

pub(super) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new()
        .routes(routes!(post_refund))
        .routes(routes!(get_refund))
        .routes(routes!(post_result))
        .routes(routes!(get_order_refunds))
}

/// Money to be given back.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "documents what is read")]
#[schema(examples(json!({"refund_no": "R1", "order_no": "A1", "amount": 3300, "reason": "买错了"})))]
struct RefundRequest {
    /// The refund, unique within the merchant.
    refund_no: schema::Number,
    /// The order.
    order_no: schema::Number,
    /// How much, in payable terms: cash and discounts.
    amount: schema::Amount,
    /// Why; no part of the refund's identity.
    reason: Option<schema::Memo>,
    /// Split returns that are booked before it, in the same atomic group.
    #[schema(max_items = 50)]
    split_returns: Option<Vec<SplitReturnRequest>>,
}

/// What the channel said of a refund.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "documents what is read")]
#[schema(examples(json!({"state": "succeeded", "channel_refund_no": "5000000123"})))]
struct RefundResultRequest {
    /// `unknown` changes nothing: the channel is asked again later.
    state: said::RefundResultState,
    /// The channel's own number for it.
    channel_refund_no: Option<schema::ChannelTxn>,
}

/// A refund as it stands.
#[derive(Serialize, ToSchema)]
#[schema(as = Refund)]
struct RefundBody<'a> {
    #[schema(value_type = schema::Number)]
    refund_no: &'a str,
    #[schema(value_type = schema::Number)]
    order_no: &'a str,
    #[schema(value_type = schema::MerchantId)]
    merchant_id: String,
    #[schema(value_type = schema::Total)]
    amount: u64,
    /// The cash in it.
    #[schema(value_type = schema::Total)]
    cash_amount: u64,
    /// The discount in it.
    #[schema(value_type = schema::Total)]
    discount_amount: u64,
    /// What the operator gives back of its fee.
    #[schema(value_type = schema::Total)]
    fee_returned: u64,
    /// What the platform gives back of its own fee.
    #[schema(value_type = schema::Total)]
    platform_fee_returned: u64,
    /// What the channel gives back of its cost.
    #[schema(value_type = schema::Total)]
    cost_returned: u64,
    /// What the merchant gives up.
    #[schema(value_type = schema::Total)]
    merchant_debit: u64,
    /// Of that, out of pending.
    #[schema(value_type = schema::Total)]
    from_pending: u64,
    /// Of that, out of held.
    #[schema(value_type = schema::Total)]
    from_held: u64,
    /// Of that, out of available.
    #[schema(value_type = schema::Total)]
    from_available: u64,
    #[schema(value_type = said::RefundState)]
    state: &'static str,
    #[schema(value_type = said::SentAs)]
    sent_as: &'static str,
    /// How often it was sent.
    attempts: u32,
    #[schema(value_type = schema::Date)]
    accounting_date: String,
}

/// A page of refunds, oldest first.
#[derive(Serialize, ToSchema)]
#[schema(as = Refunds)]
struct RefundsBody<'a> {
    data: Vec<RefundBody<'a>>,
    /// Whether there are more behind it.
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

refusals!(RefundRefusals: Body, MerchantNotFound, OrderNotFound, SplitNotFound, IdempotencyConflict, OrderState,
    MerchantClosed, ChannelBlackout, RefundWindow, D0NotRefundable, TooManyRefunds, RefundInFlight, ExceedsRefundable,
    SameDayPartial, SameDayRefund, InsufficientFunds, ReceiverInvalid, Overflow);

/// Refunds
///
/// Gives money back: booked when it is accepted, sent to the channel by whoever hears of it. A failed refund is tried
/// again under its number.
#[utoipa::path(
    post, path = "/v1/merchants/{merchant_id}/refunds", tag = "Refunds",
    params(MerchantPath), request_body = RefundRequest,
    responses(
        (status = 201, description = "The refund, or a new attempt of it, was booked.", body = RefundBody),
        (status = 200, description = "It had been booked before.", body = RefundBody),
        RefundRefusals,
    ),
)]
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

refusals!(RefundResultRefusals: Body, MerchantNotFound, RefundNotFound, ContradictsFinal, InsufficientFunds, Overflow);

/// Says what the channel said of a refund
#[utoipa::path(
    post, path = "/v1/merchants/{merchant_id}/refunds/{refund_no}/result", tag = "Refunds",
    operation_id = "post_refund_result",
    params(MerchantPath, ("refund_no" = schema::Number, Path, description = "The refund.")),
    request_body = RefundResultRequest,
    responses((status = 200, description = "The refund as it stands.", body = RefundBody), RefundResultRefusals),
)]
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

refusals!(RefundLookRefusals: Path, MerchantNotFound, RefundNotFound);

/// A refund
#[utoipa::path(
    get, path = "/v1/merchants/{merchant_id}/refunds/{refund_no}", tag = "Refunds",
    params(MerchantPath, ("refund_no" = schema::Number, Path, description = "The refund.")),
    responses((status = 200, description = "The refund as it stands.", body = RefundBody), RefundLookRefusals),
)]
async fn get_refund(State(gateway): State<Arc<Gateway>>, ids: Ids) -> Result<Response, Problem> {
    let (merchant, refund_no) = (ids.merchant()?, ids.number("refund_no")?);
    match view(&gateway, merchant, Query::Refund(merchant, refund_no)).await {
        Reply::Refund(view) => Ok(ok(&RefundBody::from(&*view))),
        other => Err(Problem::from_reply(other)),
    }
}

refusals!(OrderRefundsRefusals: Path, MerchantNotFound, OrderNotFound, RefundNotFound);

/// An order's refunds
#[utoipa::path(
    get, path = "/v1/merchants/{merchant_id}/orders/{order_no}/refunds", tag = "Refunds",
    params(
        OrderPath,
        ("limit" = inline(Option<schema::RefundsLimit>), Query, description = "The most refunds of the page."),
        ("starting_after" = inline(Option<schema::After>), Query, description = "The refund before its first."),
    ),
    responses((status = 200, description = "A page of refunds.", body = RefundsBody), OrderRefundsRefusals),
)]
async fn get_order_refunds(
    State(gateway): State<Arc<Gateway>>,
    ids: Ids,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let (merchant, order_no) = (ids.merchant()?, ids.number("order_no")?);
    let Page { limit, starting_after } = Page::read(query.as_deref(), PAGE_REFUNDS_MAX, read::number_text)?;
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
    let split_returns = read_split_returns(merchant, order_no, &mut body)?;
    body.finish()?;
    let plain = reason.is_empty() && split_returns.is_empty();
    let details = (!plain).then(|| Box::new(RefundDetails { reason, split_returns }));
    Ok(Refund { merchant, refund_no, order_no, amount, details })
}

fn read_split_returns(
    merchant: MerchantId,
    order_no: Number,
    body: &mut Object<'_, '_>,
) -> Result<Vec<SplitReturn>, Problem> {
    let list = body.list("split_returns")?;
    if list.len() > SPLIT_PARTS_MAX {
        return Err(body.problem("split_returns", "must have at most 50 split returns"));
    }
    let at = At::Field(body.at(), "split_returns");
    let read =
        |(index, item)| read_split_return(merchant, order_no, Object::from_node(item, At::Item(&at, index))?);
    list.into_iter().enumerate().map(read).collect()
}
