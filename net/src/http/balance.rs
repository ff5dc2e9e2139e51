//! What a merchant has: `/v1/merchants/{merchant_id}/balances`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;
use suanpan_core::{Query, Reply, Request};

use super::path::Ids;
use super::problem::Problem;
use super::reply::ok;
use crate::{Answer, Gateway};

pub(super) fn routes() -> Router<Arc<Gateway>> {
    Router::new().route("/v1/merchants/{merchant_id}/balances", get(get_balances))
}

#[derive(Serialize)]
struct BalancesBody<'a> {
    merchant_id: String,
    currency: &'a str,
    pending: u64,
    held: u64,
    available: u64,
    frozen: u64,
    payout_transit: u64,
    accrued: i128,
    accounting_date: String,
    as_of: u64,
}

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
