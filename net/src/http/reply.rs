//! Replies of the engine, turned into answers.

use axum::http::StatusCode;
use axum::response::Response;
use suanpan_core::{Command, MerchantId, Query, Receipt, Reply, Request};

use super::json::respond;
use super::problem::Problem;
use crate::{Answer, Gateway};

/// Asks a merchant's shard for a command and a look at what it did, decided together.
pub(super) async fn command_and_view(
    gateway: &Gateway,
    merchant: MerchantId,
    command: Command,
    look: Query,
) -> Result<(Receipt, Reply), Problem> {
    let requests = vec![Request::Command(command), Request::Query(look)];
    let Answer { replies, .. } = gateway.ask_merchant(merchant, requests).await;
    let mut replies = replies.into_iter();
    match (replies.next(), replies.next()) {
        (Some(Reply::Done(receipt)), Some(view)) => Ok((receipt, view)),
        (Some(other), _) => Err(Problem::from_reply(other)),
        (None, _) => Err(Problem::unknown()),
    }
}

/// Asks a merchant's shard for a look.
pub(super) async fn view(gateway: &Gateway, merchant: MerchantId, look: Query) -> Reply {
    gateway.ask_one(gateway.engine().shard_of(merchant), Request::Query(look)).await
}

/// 201 for what was newly made, 200 for a repeat.
pub(super) fn made(repeat: bool, body: &impl serde::Serialize) -> Response {
    respond(if repeat { StatusCode::OK } else { StatusCode::CREATED }, body)
}

/// 200.
pub(super) fn ok(body: &impl serde::Serialize) -> Response {
    respond(StatusCode::OK, body)
}
