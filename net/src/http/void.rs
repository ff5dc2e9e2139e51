//! Voids: `…/orders/{order_no}/void` and `…/voids/{void_no}`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use serde::Serialize;
use suanpan_core::{Command, Query, Receipt, Reply, Void, VoidResult, VoidView};

use super::json::JsonBody;
use super::path::Ids;
use super::problem::Problem;
use super::read;
use super::reply::{command_and_view, made, ok, view};
use super::words::{self, VoidResultState, Word};
use crate::Gateway;

pub(super) fn routes() -> Router<Arc<Gateway>> {
    Router::new()
        .route("/v1/merchants/{merchant_id}/orders/{order_no}/void", post(post_void))
        .route("/v1/merchants/{merchant_id}/voids/{void_no}", get(get_void))
        .route("/v1/merchants/{merchant_id}/voids/{void_no}/result", post(post_result))
}

#[derive(Serialize)]
struct VoidBody<'a> {
    void_no: &'a str,
    order_no: &'a str,
    state: &'static str,
}

impl<'a> From<&'a VoidView> for VoidBody<'a> {
    fn from(view: &'a VoidView) -> Self {
        Self { void_no: view.void_no.as_str(), order_no: view.order_no.as_str(), state: view.state.word() }
    }
}

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

async fn get_void(State(gateway): State<Arc<Gateway>>, ids: Ids) -> Result<Response, Problem> {
    let (merchant, void_no) = (ids.merchant()?, ids.number("void_no")?);
    match view(&gateway, merchant, Query::Void(merchant, void_no)).await {
        Reply::Void(view) => Ok(ok(&VoidBody::from(&*view))),
        other => Err(Problem::from_reply(other)),
    }
}
