//! Splits of held orders and what comes back of them: `…/orders/{order_no}/splits`, `…/split-returns`.

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use suanpan_core::{
    Command, MerchantId, Number, Query, Receipt, Reply, SPLIT_PARTS_MAX, Split, SplitReturn, SplitReturnView,
    SplitView,
};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::json::{At, JsonBody, Node, Object};
use super::path::{Ids, MerchantPath, OrderPath};
use super::problem::Problem;
use super::refusals::refusals;
use super::reply::{command_and_view, made, ok, view};
use super::{read, schema};
use crate::Gateway;

pub(super) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new()
        .routes(routes!(post_split))
        .routes(routes!(get_split))
        .routes(routes!(post_split_return))
        .routes(routes!(get_split_return))
}

/// Part of a held order to receivers.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "documents what is read")]
#[schema(examples(json!({"split_no": "S1", "receivers": [{"merchant_id": "5001", "amount": 300}], "finish": true})))]
struct SplitRequest {
    /// The split, unique within the merchant.
    split_no: schema::Number,
    /// Who gets how much; each receiver once.
    #[schema(min_items = 1, max_items = 50)]
    receivers: Vec<ReceiverRequest>,
    /// Release the rest of the order; false if it is not said.
    finish: Option<bool>,
}

/// A receiver's part.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "documents what is read")]
#[schema(examples(json!({"merchant_id": "5001", "amount": 300})))]
struct ReceiverRequest {
    /// The receiver: another merchant, not closed, of the same currency.
    merchant_id: schema::MerchantId,
    /// What it gets.
    amount: schema::Amount,
}

/// Money back from a receiver of a split.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "documents what is read")]
#[schema(examples(json!({"return_no": "B1", "split_no": "S1", "merchant_id": "5001", "amount": 100})))]
pub(super) struct SplitReturnRequest {
    /// The return, unique within the merchant.
    return_no: schema::Number,
    /// The split.
    split_no: schema::Number,
    /// The receiver that gives it back.
    merchant_id: schema::MerchantId,
    /// What comes back.
    amount: schema::Amount,
}

/// A split as it stands.
#[derive(Serialize, ToSchema)]
#[schema(as = Split)]
struct SplitBody<'a> {
    #[schema(value_type = schema::Number)]
    split_no: &'a str,
    #[schema(value_type = schema::Number)]
    order_no: &'a str,
    #[schema(value_type = schema::MerchantId)]
    merchant_id: String,
    receivers: Vec<ReceiverBody>,
    finish: bool,
    #[schema(value_type = schema::Date)]
    accounting_date: String,
}

/// A receiver's part as it stands.
#[derive(Serialize, ToSchema)]
#[schema(as = Receiver)]
struct ReceiverBody {
    #[schema(value_type = schema::MerchantId)]
    merchant_id: String,
    #[schema(value_type = schema::Amount)]
    amount: u64,
    /// How much of it came back.
    #[schema(value_type = schema::Total)]
    returned: u64,
}

/// A split return.
#[derive(Serialize, ToSchema)]
#[schema(as = SplitReturn)]
struct SplitReturnBody<'a> {
    #[schema(value_type = schema::Number)]
    return_no: &'a str,
    #[schema(value_type = schema::Number)]
    order_no: &'a str,
    #[schema(value_type = schema::Number)]
    split_no: &'a str,
    /// The receiver that gave it back.
    #[schema(value_type = schema::MerchantId)]
    merchant_id: String,
    #[schema(value_type = schema::Amount)]
    amount: u64,
    #[schema(value_type = schema::Date)]
    accounting_date: String,
}

impl<'a> From<&'a SplitView> for SplitBody<'a> {
    fn from(view: &'a SplitView) -> Self {
        let receiver = |&(id, amount, returned): &(MerchantId, u64, u64)| ReceiverBody {
            merchant_id: id.0.to_string(),
            amount,
            returned,
        };
        Self {
            split_no: view.split_no.as_str(),
            order_no: view.order_no.as_str(),
            merchant_id: view.merchant.0.to_string(),
            receivers: view.receivers.iter().map(receiver).collect(),
            finish: view.finish,
            accounting_date: view.accounting_date.to_string(),
        }
    }
}

impl<'a> From<&'a SplitReturnView> for SplitReturnBody<'a> {
    fn from(view: &'a SplitReturnView) -> Self {
        let asked = &view.asked;
        Self {
            return_no: asked.return_no.as_str(),
            order_no: asked.order_no.as_str(),
            split_no: asked.split_no.as_str(),
            merchant_id: asked.receiver.0.to_string(),
            amount: asked.amount,
            accounting_date: view.accounting_date.to_string(),
        }
    }
}

refusals!(SplitRefusals: Body, MerchantNotFound, OrderNotFound, IdempotencyConflict, OrderState, MerchantClosed,
    ReceiverInvalid, ExceedsHeld, ExceedsSplitRate, Overflow);

/// Splits a held order
///
/// Moves part of what the order holds to receivers, each of whom it accrues to until the next sweep.
#[utoipa::path(
    post, path = "/v1/merchants/{merchant_id}/orders/{order_no}/splits", tag = "Held orders",
    params(OrderPath), request_body = SplitRequest,
    responses(
        (status = 201, description = "The split was booked.", body = SplitBody),
        (status = 200, description = "It had been booked before.", body = SplitBody),
        SplitRefusals,
    ),
)]
async fn post_split(
    State(gateway): State<Arc<Gateway>>,
    ids: Ids,
    body: JsonBody,
) -> Result<Response, Problem> {
    let (merchant, order_no) = (ids.merchant()?, ids.number("order_no")?);
    let split = read_split(merchant, order_no, body.object()?)?;
    if let Err(bad) = gateway.check_split(&split).await {
        let problem = Problem::from_reply(bad.reply);
        return Err(match bad.receiver {
            Some(at) => problem.at(format!("receivers[{at}].merchant_id")),
            None => problem,
        });
    }
    let look = Query::Split(merchant, split.split_no);
    match command_and_view(&gateway, merchant, Command::Split(Box::new(split)), look).await? {
        (Receipt::Booked { repeat }, Reply::Split(view)) => Ok(made(repeat, &SplitBody::from(&*view))),
        (_, other) => Err(Problem::from_reply(other)),
    }
}

refusals!(SplitLookRefusals: Path, MerchantNotFound, SplitNotFound);

/// A split
#[utoipa::path(
    get, path = "/v1/merchants/{merchant_id}/splits/{split_no}", tag = "Held orders",
    params(MerchantPath, ("split_no" = schema::Number, Path, description = "The split.")),
    responses((status = 200, description = "The split as it stands.", body = SplitBody), SplitLookRefusals),
)]
async fn get_split(State(gateway): State<Arc<Gateway>>, ids: Ids) -> Result<Response, Problem> {
    let (merchant, split_no) = (ids.merchant()?, ids.number("split_no")?);
    match view(&gateway, merchant, Query::Split(merchant, split_no)).await {
        Reply::Split(view) => Ok(ok(&SplitBody::from(&*view))),
        other => Err(Problem::from_reply(other)),
    }
}

refusals!(SplitReturnRefusals: Body, MerchantNotFound, OrderNotFound, SplitNotFound, IdempotencyConflict, OrderState,
    MerchantClosed, ReceiverInvalid, ExceedsRefundable, Overflow);

/// Takes money back from a receiver of a split
///
/// It goes to what the order holds, or to the merchant's pending once the order was released.
#[utoipa::path(
    post, path = "/v1/merchants/{merchant_id}/orders/{order_no}/split-returns", tag = "Held orders",
    params(OrderPath), request_body = SplitReturnRequest,
    responses(
        (status = 201, description = "The return was booked.", body = SplitReturnBody),
        (status = 200, description = "It had been booked before.", body = SplitReturnBody),
        SplitReturnRefusals,
    ),
)]
async fn post_split_return(
    State(gateway): State<Arc<Gateway>>,
    ids: Ids,
    body: JsonBody,
) -> Result<Response, Problem> {
    let (merchant, order_no) = (ids.merchant()?, ids.number("order_no")?);
    let back = read_split_return(merchant, order_no, body.object()?)?;
    let look = Query::SplitReturn(merchant, back.return_no);
    match command_and_view(&gateway, merchant, Command::SplitReturn(Box::new(back)), look).await? {
        (Receipt::Booked { repeat }, Reply::SplitReturn(view)) => {
            Ok(made(repeat, &SplitReturnBody::from(&*view)))
        }
        (_, other) => Err(Problem::from_reply(other)),
    }
}

refusals!(SplitReturnLookRefusals: Path, MerchantNotFound, SplitReturnNotFound);

/// A split return
#[utoipa::path(
    get, path = "/v1/merchants/{merchant_id}/split-returns/{return_no}", tag = "Held orders",
    params(MerchantPath, ("return_no" = schema::Number, Path, description = "The return.")),
    responses(
        (status = 200, description = "The return.", body = SplitReturnBody),
        SplitReturnLookRefusals,
    ),
)]
async fn get_split_return(State(gateway): State<Arc<Gateway>>, ids: Ids) -> Result<Response, Problem> {
    let (merchant, return_no) = (ids.merchant()?, ids.number("return_no")?);
    match view(&gateway, merchant, Query::SplitReturn(merchant, return_no)).await {
        Reply::SplitReturn(view) => Ok(ok(&SplitReturnBody::from(&*view))),
        other => Err(Problem::from_reply(other)),
    }
}

fn read_split(merchant: MerchantId, order_no: Number, mut body: Object<'_, '_>) -> Result<Split, Problem> {
    let split_no = body.required("split_no", read::number)?;
    let receivers = read_receivers(&mut body)?;
    let finish = body.optional("finish", read::boolean)?.unwrap_or_default();
    body.finish()?;
    Ok(Split { merchant, split_no, order_no, receivers, finish })
}

fn read_receivers(body: &mut Object<'_, '_>) -> Result<Vec<(MerchantId, u64)>, Problem> {
    let list = match body.take("receivers") {
        None => return Err(body.problem("receivers", "is missing")),
        Some(Node::List(list)) if (1..=SPLIT_PARTS_MAX).contains(&list.len()) => list,
        Some(_) => return Err(body.problem("receivers", "must be a list of 1 to 50 receivers")),
    };
    let at = At::Field(body.at(), "receivers");
    let (mut receivers, mut seen) = (Vec::with_capacity(list.len()), HashSet::new());
    for (index, item) in list.into_iter().enumerate() {
        let mut item = Object::from_node(item, At::Item(&at, index))?;
        let id = item.required("merchant_id", read::merchant)?;
        if !seen.insert(id) {
            return Err(item.problem("merchant_id", "comes twice: each receiver may come once"));
        }
        receivers.push((id, item.required("amount", read::amount)?));
        item.finish()?;
    }
    Ok(receivers)
}

const _: () = assert!(SPLIT_PARTS_MAX == 50, "the messages and the descriptions say so");

/// Reads a split return, which a refund may have in its body too.
pub(super) fn read_split_return(
    merchant: MerchantId,
    order_no: Number,
    mut body: Object<'_, '_>,
) -> Result<SplitReturn, Problem> {
    let back = SplitReturn {
        merchant,
        return_no: body.required("return_no", read::number)?,
        order_no,
        split_no: body.required("split_no", read::number)?,
        receiver: body.required("merchant_id", read::merchant)?,
        amount: body.required("amount", read::amount)?,
    };
    body.finish()?;
    Ok(back)
}
