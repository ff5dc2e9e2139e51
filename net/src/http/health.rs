//! Whether the server lives, and whether it takes requests: `/livez` and `/readyz`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;
use suanpan_engine::Health;

use super::problem::Problem;
use super::reply::ok;
use crate::Gateway;

pub(super) fn routes() -> Router<Arc<Gateway>> {
    Router::new().route("/livez", get(get_livez)).route("/readyz", get(get_readyz))
}

#[derive(Serialize)]
struct HealthBody {
    status: &'static str,
}

async fn get_livez() -> Response {
    ok(&HealthBody { status: "live" })
}

async fn get_readyz(State(gateway): State<Arc<Gateway>>) -> Result<Response, Problem> {
    match gateway.engine().health() {
        Health::Ready => Ok(ok(&HealthBody { status: "ready" })),
        // Looks are answered, and it recovers by itself: to take it out of service would help nobody.
        Health::ReadOnly => Ok(ok(&HealthBody { status: "read_only" })),
        Health::Failed(reason) => Err(Problem::not_ready(&reason)),
        _ => Err(Problem::not_ready("its state is not known here")),
    }
}
