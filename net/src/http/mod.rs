//! # The HTTP API
//!
//! JSON over HTTP/1.1 and 2 under `/v1`, for people and programs that prefer it to the binary protocol. Each noun
//! of the API has its own file, with its routes, what it reads and what it answers.
//!
//! It promises that
//! - every answer that is no success is a problem (RFC 9457) with a `code` that a program can go by, the field at
//!   fault in `param`, and the `request_id` that is also in the `x-request-id` header;
//! - what is read is exactly what was meant: whole numbers are never rounded, no field is guessed, a field that
//!   is not known or comes twice is refused;
//! - a command and the view that answers it are decided together: the view shows what the command did;
//! - whatever comes in, memory and time spent on it are bounded ([`ServeLimits`], [`BODY_BYTES_MAX`]).
//!
//! What it deliberately does **not** do: no business rules, no retry, no caching of anything that can change, no
//! content negotiation (it speaks JSON), no TLS.

mod account;
mod adjustment;
mod balance;
mod channel;
mod day;
mod dev;
mod entry;
mod envelope;
mod freeze;
mod health;
mod holidays;
mod json;
mod merchant;
mod openapi;
mod order;
mod page;
mod path;
mod payment;
mod payout;
mod problem;
mod promoter;
mod read;
mod refund;
mod refusals;
mod reply;
mod schema;
mod serve;
mod settlement;
mod split;
mod stall;
mod sweep;
mod time;
mod topup;
mod transfer;
mod trial_balance;
mod void;
mod words;
mod zone;

use std::sync::Arc;

use axum::Router;
use utoipa_axum::router::OpenApiRouter;

use crate::Gateway;
use problem::Problem;

pub use json::BODY_BYTES_MAX;
#[doc(hidden)]
pub use serve::answer;
pub use serve::{ServeLimits, serve, serve_within};

/// What is offered.
#[derive(Debug, Clone, Copy, Default)]
pub struct HttpOptions {
    /// Offers `PUT /v1/dev/clock`. Never where real money is.
    pub dev: bool,
}

/// All routes, for [`serve`], which writes their problems and gives each request its id.
pub fn router(gateway: Arc<Gateway>, options: HttpOptions) -> Router {
    let (routes, document) = routes(options).split_for_parts();
    routes
        .merge(openapi::route(document))
        .fallback(async || Problem::no_such_route())
        .method_not_allowed_fallback(async || Problem::wrong_method())
        .with_state(gateway)
}

/// The description of all routes in OpenAPI 3.1, as it is served at `/openapi.json`.
#[must_use]
pub fn openapi(options: HttpOptions) -> String {
    openapi::write(routes(options).into_openapi())
}

/// Every route and its description.
fn routes(options: HttpOptions) -> OpenApiRouter<Arc<Gateway>> {
    let routes = OpenApiRouter::new()
        .merge(channel::routes())
        .merge(merchant::routes())
        .merge(promoter::routes())
        .merge(balance::routes())
        .merge(entry::routes())
        .merge(payment::routes())
        .merge(order::routes())
        .merge(void::routes())
        .merge(split::routes())
        .merge(refund::routes())
        .merge(payout::routes())
        .merge(topup::routes())
        .merge(freeze::routes())
        .merge(transfer::routes())
        .merge(adjustment::routes())
        .merge(day::routes())
        .merge(holidays::routes())
        .merge(settlement::routes())
        .merge(sweep::routes())
        .merge(trial_balance::routes())
        .merge(health::routes());
    if options.dev { routes.merge(dev::routes()) } else { routes }
}
