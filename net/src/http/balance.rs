//! What a merchant has: `/v1/merchants/{merchant_id}/balances`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use suanpan_core::{Query, Reply, Request};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::path::{Ids, MerchantPath};
use super::problem::Problem;
use super::refusals::refusals;
use super::reply::ok;
use super::schema;
use crate::{Answer, Gateway};

pub(super) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new().routes(routes!(get_balances))
}

/// What a merchant has.
#[derive(Serialize, ToSchema)]
#[schema(as = Balances)]
struct BalancesBody<'a> {
    #[schema(value_type = schema::MerchantId)]
    merchant_id: String,
    #[schema(value_type = schema::Currency)]
    currency: &'a str,
    /// Earned, not yet settled.
    #[schema(value_type = schema::Total)]
    pending: u64,
    /// Earned, kept back until the order is released.
    #[schema(value_type = schema::Total)]
    held: u64,
    /// Settled.
    #[schema(value_type = schema::Total)]
    available: u64,
    /// Taken out of available by an order of risk or law.
    #[schema(value_type = schema::Total)]
    frozen: u64,
    /// On its way to the merchant's bank.
    #[schema(value_type = schema::Total)]
    payout_transit: u64,
    /// Earned from other merchants' orders and not swept yet, over all shards.
    #[schema(value_type = schema::Signed)]
    accrued: i128,
    #[schema(value_type = schema::Date)]
    accounting_date: String,
    /// Where in the log it stood so.
    #[schema(value_type = schema::LogPosition)]
    as_of: u64,
}

refusals!(BalancesRefusals: Path, MerchantNotFound);

/// What a merchant has
#[utoipa::path(
    get, path = "/v1/merchants/{merchant_id}/balances", tag = "Looking", params(MerchantPath),
    responses((status = 200, description = "Its balances.", body = BalancesBody), BalancesRefusals),
)]
async fn get_balances(State(gateway): State<Arc<Gateway>>, ids: Ids) -> Result<Response, Problem> {
    let merchant = ids.merchant()?;
    let look = vec![Request::Query(Query::Balances(merchant))];
    let Answer { mut replies, as_of } = gateway.ask_merchant(merchant, look).await;
    let view = match replies.pop() {
        Some(Reply::Balances(view)) => view,
        Some(other) => return Err(Problem::from_reply(other)),
        None => return Err(Problem::unknown()),
    };
    let accrued = gateway.accrued(merchant).await.map_err(Problem::from_reply)?;
    Ok(ok(&BalancesBody {
        merchant_id: view.merchant.0.to_string(),
        currency: view.currency.as_str(),
        pending: view.pending,
        held: view.held,
        available: view.available,
        frozen: view.frozen,
        payout_transit: view.payout_transit,
        accrued,
        accounting_date: view.accounting_date.to_string(),
        as_of: as_of.get(),
    }))
}
