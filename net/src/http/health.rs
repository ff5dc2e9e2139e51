//! Whether the server lives, and whether it takes requests: `/livez` and `/readyz`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use suanpan_engine::Health;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::problem::{Body, Problem};
use super::reply::ok;
use crate::Gateway;

pub(super) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new().routes(routes!(get_livez)).routes(routes!(get_readyz))
}

/// How the server is: `live`, `ready`, or `read_only` while the disk is full.
#[derive(Serialize, ToSchema)]
#[schema(as = Health)]
struct HealthBody {
    status: &'static str,
}

/// Whether the server lives
#[utoipa::path(
    get, path = "/livez", tag = "Looking",
    responses((status = 200, description = "It does.", body = HealthBody)),
)]
async fn get_livez() -> Response {
    ok(&HealthBody { status: "live" })
}

/// Whether the server takes requests
#[utoipa::path(
    get, path = "/readyz", tag = "Looking",
    responses(
        (status = 200, description = "It does.", body = HealthBody),
        (status = 503, description = "It must be restarted: `not_ready`.", body = Body,
            content_type = "application/problem+json"),
    ),
)]
async fn get_readyz(State(gateway): State<Arc<Gateway>>) -> Result<Response, Problem> {
    match gateway.engine().health() {
        Health::Ready => Ok(ok(&HealthBody { status: "ready" })),
        // Looks are answered, and it recovers by itself: to take it out of service would help nobody.
        Health::ReadOnly => Ok(ok(&HealthBody { status: "read_only" })),
        Health::Failed(reason) => Err(Problem::not_ready(&reason)),
        _ => Err(Problem::not_ready("its state is not known here")),
    }
}
