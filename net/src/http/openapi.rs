//! The API's description, `/openapi.json`: what the handlers say of themselves, and what holds for all of them.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{Header, Info, OpenApi, Ref, RefOr, Response, Tag};
use utoipa::{PartialSchema, ToSchema};

use super::problem::Body;
use super::refusals;
use crate::Gateway;

/// What the routes are grouped by, in the order of a tour.
const TAGS: [(&str, &str); 8] = [
    ("Set-up", "Channels, merchants and promoters."),
    ("Orders", "Payments, orders that are paid later, and voids."),
    ("Held orders", "Releases, splits, and what comes back of them."),
    ("Refunds", "Money back to payers."),
    ("Money", "Payouts, top-ups, freezes, transfers and corrections."),
    ("The day", "The accounting date, its cut, the calendar, settlements and sweeps."),
    ("Looking", "Balances, entries, the trial balance, and how the server is."),
    ("Development", "Never where real money is."),
];

/// The route that shows it.
pub(super) fn route(document: OpenApi) -> Router<Arc<Gateway>> {
    let text = Bytes::from(write(document));
    let show = async move || ([(CONTENT_TYPE, "application/json")], text.clone()).into_response();
    Router::new().route("/openapi.json", get(show))
}

/// The whole of it as text.
pub(super) fn write(mut document: OpenApi) -> String {
    document.info = Info::new("Suanpan", env!("CARGO_PKG_VERSION"));
    document.info.description = Some(
        "A payment core. Amounts are integers of minor units, rates are strings, unknown fields are refused. A reply is \
         sent only when what it says is durable; a time-out or a broken connection means *unknown*: ask again with the \
         same number. What is no success is a problem (RFC 9457) with a `code`."
            .to_owned(),
    );
    let operations = || document.paths.paths.values().flat_map(operations_of);
    let used =
        |tag: &str| operations().any(|operation| operation.tags.iter().flatten().any(|name| name == tag));
    let tag = |(name, description): (&str, &str)| {
        let mut tag = Tag::new(name);
        tag.description = Some(description.to_owned());
        tag
    };
    let tags = TAGS.into_iter().filter(|(name, _)| used(name)).map(tag).collect();
    document.tags = Some(tags);
    let components = document.components.get_or_insert_default();
    components.schemas.insert(Body::name().into_owned(), Body::schema());
    components.responses.extend(refusals::shared());
    components.headers.insert(REQUEST_ID.to_owned(), request_id().into());
    components.responses.values_mut().for_each(name_requests);
    for item in document.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.put, &mut item.post].into_iter().flatten();
        operations.flat_map(|o| o.responses.responses.values_mut()).for_each(name_requests);
    }
    let text = document.to_pretty_json();
    assert!(text.is_ok(), "the description is no JSON");
    text.unwrap_or_default() + "\n"
}

fn operations_of(
    item: &utoipa::openapi::PathItem,
) -> impl Iterator<Item = &utoipa::openapi::path::Operation> {
    [&item.get, &item.put, &item.post].into_iter().flatten()
}

const REQUEST_ID: &str = "RequestId";

fn request_id() -> Header {
    let id = ObjectBuilder::new().schema_type(Type::String);
    let what = "The request's id, the caller's own if it sent one.";
    HeaderBuilder::new().schema(Some(id)).description(Some(what)).build()
}

/// Every answer names its request.
fn name_requests(response: &mut RefOr<Response>) {
    if let RefOr::T(response) = response {
        let reference = Ref::new(format!("#/components/headers/{REQUEST_ID}"));
        response.headers.insert("x-request-id".to_owned(), RefOr::Ref(reference));
    }
}
