//! Promoters: `/v1/promoters/{promoter_id}`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use suanpan_core::{MerchantId, Promoter, Query, Rate, Reply, Request};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::json::{JsonBody, Object};
use super::path::Ids;
use super::problem::Problem;
use super::refusals::refusals;
use super::reply::ok;
use super::{read, schema};
use crate::Gateway;

pub(super) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new().routes(routes!(put_promoter, get_promoter))
}

/// A promoter's terms, for later releases.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "documents what is read")]
#[schema(examples(json!({"rate": "0.05"})))]
struct PromoterRequest {
    /// The same as in the path, if it is said: what a GET gave may be put back.
    promoter_id: Option<schema::MerchantId>,
    /// What the promoter gets, of the order's cash that was not given back.
    rate: schema::Rate,
    /// Who brought the promoter: a promoter too.
    upline: Option<schema::MerchantId>,
    /// What the upline gets, of the same cash; nothing if it is not said.
    upline_rate: Option<schema::Rate>,
}

/// A promoter.
#[derive(Serialize, ToSchema)]
#[schema(as = Promoter)]
struct PromoterBody {
    #[schema(value_type = schema::MerchantId)]
    promoter_id: String,
    #[schema(value_type = schema::Rate)]
    rate: String,
    #[schema(required, value_type = Option<schema::MerchantId>)]
    upline: Option<String>,
    #[schema(value_type = schema::Rate)]
    upline_rate: String,
}

impl From<&Promoter> for PromoterBody {
    fn from(promoter: &Promoter) -> Self {
        Self {
            promoter_id: promoter.promoter.0.to_string(),
            rate: promoter.rate.to_string(),
            upline: promoter.upline.map(|id| id.0.to_string()),
            upline_rate: promoter.upline_rate.to_string(),
        }
    }
}

refusals!(PromoterLookRefusals: Path, PromoterNotFound);

/// A promoter
#[utoipa::path(
    get, path = "/v1/promoters/{promoter_id}", tag = "Set-up",
    params(("promoter_id" = schema::MerchantId, Path, description = "The promoter, a merchant.")),
    responses((status = 200, description = "The promoter.", body = PromoterBody), PromoterLookRefusals),
)]
async fn get_promoter(State(gateway): State<Arc<Gateway>>, ids: Ids) -> Result<Response, Problem> {
    let promoter = ids.merchant_named("promoter_id")?;
    match gateway.ask_one(0, Request::Query(Query::Promoter(promoter))).await {
        Reply::Promoter(promoter) => Ok(ok(&PromoterBody::from(&*promoter))),
        other => Err(Problem::from_reply(other)),
    }
}

refusals!(PromoterRefusals: Body, MerchantNotFound, ReceiverInvalid, CurrencyMismatch, Overflow);

/// Makes or changes a promoter
///
/// Who brought an order gets a commission when it is released, and so do the two above.
#[utoipa::path(
    put, path = "/v1/promoters/{promoter_id}", tag = "Set-up",
    params(("promoter_id" = schema::MerchantId, Path, description = "The promoter, a merchant.")),
    request_body = PromoterRequest,
    responses((status = 200, description = "The promoter.", body = PromoterBody), PromoterRefusals),
)]
async fn put_promoter(
    State(gateway): State<Arc<Gateway>>,
    ids: Ids,
    body: JsonBody,
) -> Result<Response, Problem> {
    let id = ids.merchant_named("promoter_id")?;
    let Asked { rate, upline, upline_rate } = read_promoter(id, body.object()?)?;
    let currency = gateway.currency_of(id).await.map_err(Problem::from_reply)?;
    let promoter = Promoter { promoter: id, currency, rate, upline, upline_rate };
    match gateway.put_promoter(promoter).await {
        Reply::Done(_) => Ok(ok(&PromoterBody::from(&promoter))),
        other => Err(Problem::from_reply(other)),
    }
}

/// A promoter's terms as they were asked for.
struct Asked {
    rate: Rate,
    upline: Option<MerchantId>,
    upline_rate: Rate,
}

fn read_promoter(id: MerchantId, mut body: Object<'_, '_>) -> Result<Asked, Problem> {
    if body.optional("promoter_id", read::merchant)?.is_some_and(|given| given != id) {
        return Err(body.problem("promoter_id", "must be the promoter of the path"));
    }
    let asked = Asked {
        rate: body.required("rate", read::rate)?,
        upline: body.optional("upline", read::merchant)?,
        upline_rate: body.optional("upline_rate", read::rate)?.unwrap_or_default(),
    };
    body.finish()?;
    Ok(asked)
}
