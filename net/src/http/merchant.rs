//! Merchants and their terms: `/v1/merchants/{merchant_id}`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use suanpan_core::{Cycle, Limits, MerchantId, MerchantTerms, Query, Rate, Reply};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::json::{At, JsonBody, Node, Object};
use super::path::{Ids, MerchantPath};
use super::problem::Problem;
use super::refusals::refusals;
use super::reply::{ok, view};
use super::words::{self, Word, said};
use super::{read, schema};
use crate::Gateway;

pub(super) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new().routes(routes!(put_merchant, get_merchant))
}

/// A merchant's terms, for later orders.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "documents what is read")]
#[schema(examples(json!({"name": "面馆", "currency": "CNY", "fee_rate": "0.006", "settlement": {"cycle": "T+1"}})))]
struct MerchantRequest {
    /// The same as in the path, if it is said: what a GET gave may be put back.
    merchant_id: Option<schema::MerchantId>,
    /// For people.
    name: Option<schema::Name>,
    /// Of all that the merchant has; it cannot be changed later.
    currency: schema::Currency,
    /// `active` if it is not said.
    status: Option<said::MerchantStatus>,
    /// The merchant under which it trades; it is made first.
    platform: Option<schema::MerchantId>,
    /// The operator's fee; "0" if it is not said.
    fee_rate: Option<schema::Rate>,
    /// How fees are rounded, also when they are returned; `half_up` if it is not said.
    fee_rounding: Option<said::Rounding>,
    /// The operator's fee is never below this.
    fee_min: Option<schema::Bound>,
    /// The operator's fee is never above this; not below `fee_min`.
    fee_max: Option<schema::Bound>,
    /// What operator and platform give back of their fees with a refund; `proportional` if it is not said.
    fee_refund: Option<said::FeeRefund>,
    /// The platform's own fee; "0" if it is not said.
    platform_fee_rate: Option<schema::Rate>,
    /// When and how it is settled.
    settlement: Option<SettlementTermsRequest>,
    /// What the operator takes for advancing the money of D+0; "0" if it is not said.
    advance_fee_rate: Option<schema::Rate>,
    /// What pays for refunds of settled orders; `pending` if it is not said.
    refund_funding: Option<said::RefundFunding>,
    /// How a refund is composed of cash and discount; `proportional` if it is not said.
    discount_refund: Option<said::DiscountRefund>,
    /// The most of an order's cash that may be split; "1" if it is not said.
    max_split_rate: Option<schema::Rate>,
    /// Ceilings; none if they are not said.
    limits: Option<LimitsBody>,
}

/// When and how a merchant is settled.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "documents what is read")]
struct SettlementTermsRequest {
    /// `T+1` if it is not said.
    cycle: Option<schema::Cycle>,
    /// `net` if it is not said.
    mode: Option<said::SettlementMode>,
    /// Less than this waits; 0 if it is not said.
    min: Option<schema::Bound>,
}

/// A rate of one: all of it may be split unless told otherwise.
const WHOLE: Rate = Rate(1_000_000);

/// A merchant, the whole of it.
#[derive(Serialize, ToSchema)]
#[schema(as = Merchant)]
struct MerchantBody<'a> {
    #[schema(value_type = schema::MerchantId)]
    merchant_id: String,
    name: &'a str,
    #[schema(value_type = schema::Currency)]
    currency: &'a str,
    #[schema(value_type = said::MerchantStatus)]
    status: &'static str,
    #[schema(required, value_type = Option<schema::MerchantId>)]
    platform: Option<String>,
    #[schema(value_type = schema::Rate)]
    fee_rate: String,
    #[schema(value_type = said::Rounding)]
    fee_rounding: &'static str,
    #[schema(value_type = schema::Bound)]
    fee_min: u64,
    #[schema(required, value_type = Option<schema::Bound>)]
    fee_max: Option<u64>,
    #[schema(value_type = said::FeeRefund)]
    fee_refund: &'static str,
    #[schema(value_type = schema::Rate)]
    platform_fee_rate: String,
    settlement: SettlementBody,
    #[schema(value_type = schema::Rate)]
    advance_fee_rate: String,
    #[schema(value_type = said::RefundFunding)]
    refund_funding: &'static str,
    #[schema(value_type = said::DiscountRefund)]
    discount_refund: &'static str,
    #[schema(value_type = schema::Rate)]
    max_split_rate: String,
    limits: LimitsBody,
}

/// When and how a merchant is settled.
#[derive(Serialize, ToSchema)]
#[schema(as = SettlementTerms)]
struct SettlementBody {
    #[schema(value_type = schema::Cycle)]
    cycle: String,
    #[schema(value_type = said::SettlementMode)]
    mode: &'static str,
    #[schema(value_type = schema::Bound)]
    min: u64,
}

/// Ceilings of a merchant; null is none.
#[derive(Serialize, ToSchema)]
#[schema(as = Limits)]
#[serde(deny_unknown_fields)]
struct LimitsBody {
    /// One order's cash.
    #[schema(value_type = Option<schema::Bound>)]
    order_amount: Option<u64>,
    /// Cash of an accounting date.
    #[schema(value_type = Option<schema::Bound>)]
    day_amount: Option<u64>,
    /// Payments of an accounting date.
    #[schema(value_type = Option<schema::Bound>)]
    day_count: Option<u64>,
}

impl<'a> From<&'a MerchantTerms> for MerchantBody<'a> {
    fn from(terms: &'a MerchantTerms) -> Self {
        let Limits { order_amount, day_amount, day_count } = terms.limits;
        Self {
            merchant_id: terms.merchant.0.to_string(),
            name: &terms.name,
            currency: terms.currency.as_str(),
            status: terms.status.word(),
            platform: terms.platform.map(|platform| platform.0.to_string()),
            fee_rate: terms.fee_rate.to_string(),
            fee_rounding: terms.fee_rounding.word(),
            fee_min: terms.fee_min,
            fee_max: terms.fee_max,
            fee_refund: terms.fee_refund.word(),
            platform_fee_rate: terms.platform_fee_rate.to_string(),
            settlement: SettlementBody {
                cycle: write_cycle(terms.cycle),
                mode: terms.mode.word(),
                min: terms.settle_min,
            },
            advance_fee_rate: terms.advance_fee_rate.to_string(),
            refund_funding: terms.refund_funding.word(),
            discount_refund: terms.discount_refund.word(),
            max_split_rate: terms.max_split_rate.to_string(),
            limits: LimitsBody { order_amount, day_amount, day_count },
        }
    }
}

refusals!(MerchantLookRefusals: Path, MerchantNotFound);

/// A merchant
#[utoipa::path(
    get, path = "/v1/merchants/{merchant_id}", tag = "Set-up", params(MerchantPath),
    responses((status = 200, description = "The whole of it.", body = MerchantBody), MerchantLookRefusals),
)]
async fn get_merchant(State(gateway): State<Arc<Gateway>>, ids: Ids) -> Result<Response, Problem> {
    let merchant = ids.merchant()?;
    match view(&gateway, merchant, Query::Merchant(merchant)).await {
        Reply::Merchant(terms) => Ok(ok(&MerchantBody::from(&*terms))),
        other => Err(Problem::from_reply(other)),
    }
}

refusals!(MerchantRefusals: Body, MerchantNotFound, CurrencyMismatch, Overflow);

/// Makes or changes a merchant
///
/// Status, limits and cycle hold at once, the rest for later orders. What is not said is the default, nothing of what was
/// said before.
#[utoipa::path(
    put, path = "/v1/merchants/{merchant_id}", tag = "Set-up",
    params(MerchantPath), request_body = MerchantRequest,
    responses((status = 200, description = "The whole of it.", body = MerchantBody), MerchantRefusals),
)]
async fn put_merchant(
    State(gateway): State<Arc<Gateway>>,
    ids: Ids,
    body: JsonBody,
) -> Result<Response, Problem> {
    let terms = read_terms(ids.merchant()?, body.object()?)?;
    match gateway.put_merchant(Box::new(terms.clone())).await {
        Reply::Done(_) => Ok(ok(&MerchantBody::from(&terms))),
        other => Err(Problem::from_reply(other)),
    }
}

fn read_terms(merchant: MerchantId, mut body: Object<'_, '_>) -> Result<MerchantTerms, Problem> {
    // What a GET gave may be put back.
    if body.optional("merchant_id", read::merchant)?.is_some_and(|given| given != merchant) {
        return Err(body.problem("merchant_id", "must be the merchant of the path"));
    }
    let currency = body.required("currency", read::currency)?;
    let Settlement { cycle, mode, min } = match body.given("settlement") {
        Some(node) => read_settlement(Object::from_node(node, At::Field(body.at(), "settlement"))?)?,
        None => Settlement::default(),
    };
    let limits = match body.given("limits") {
        Some(node) => read_limits(Object::from_node(node, At::Field(body.at(), "limits"))?)?,
        None => Limits::default(),
    };
    let terms = MerchantTerms {
        merchant,
        name: body.optional("name", read::text)?.unwrap_or_default(),
        currency,
        status: body.optional("status", words::read)?.unwrap_or_default(),
        platform: body.optional("platform", read::merchant)?,
        fee_rate: body.optional("fee_rate", read::rate)?.unwrap_or_default(),
        fee_rounding: body.optional("fee_rounding", words::read)?.unwrap_or_default(),
        fee_min: body.optional("fee_min", read::bound)?.unwrap_or_default(),
        fee_max: body.optional("fee_max", read::bound)?,
        fee_refund: body.optional("fee_refund", words::read)?.unwrap_or_default(),
        platform_fee_rate: body.optional("platform_fee_rate", read::rate)?.unwrap_or_default(),
        cycle,
        mode,
        settle_min: min,
        advance_fee_rate: body.optional("advance_fee_rate", read::rate)?.unwrap_or_default(),
        refund_funding: body.optional("refund_funding", words::read)?.unwrap_or_default(),
        discount_refund: body.optional("discount_refund", words::read)?.unwrap_or_default(),
        max_split_rate: body.optional("max_split_rate", read::rate)?.unwrap_or(WHOLE),
        limits,
    };
    body.finish()?;
    Ok(terms)
}

struct Settlement {
    cycle: Cycle,
    mode: suanpan_core::SettlementMode,
    min: u64,
}

impl Default for Settlement {
    fn default() -> Self {
        Self { cycle: Cycle::Business(1), mode: suanpan_core::SettlementMode::default(), min: 0 }
    }
}

fn read_settlement(mut body: Object<'_, '_>) -> Result<Settlement, Problem> {
    let default = Settlement::default();
    let settlement = Settlement {
        cycle: body.optional("cycle", read_cycle)?.unwrap_or(default.cycle),
        mode: body.optional("mode", words::read)?.unwrap_or(default.mode),
        min: body.optional("min", read::bound)?.unwrap_or(default.min),
    };
    body.finish()?;
    Ok(settlement)
}

fn read_limits(mut body: Object<'_, '_>) -> Result<Limits, Problem> {
    let limits = Limits {
        order_amount: body.optional("order_amount", read::bound)?,
        day_amount: body.optional("day_amount", read::bound)?,
        day_count: body.optional("day_count", read::bound)?,
    };
    body.finish()?;
    Ok(limits)
}

/// `T+1` in business days, `D+1` in calendar days.
fn read_cycle(node: &Node<'_>) -> Result<Cycle, &'static str> {
    const MUST: &str = "must be a string like T+1 (business days, 1 to 255) or D+1 (calendar days, 0 to 255)";
    let text = read::str(node, MUST)?;
    let (kind, days) = text.split_once('+').ok_or(MUST)?;
    let days: u8 = days.parse().ok().filter(|n: &u8| n.to_string() == days).ok_or(MUST)?;
    match kind {
        // The same day's money is either advanced (D+0) or not there yet.
        "T" if days > 0 => Ok(Cycle::Business(days)),
        "D" => Ok(Cycle::Calendar(days)),
        _ => Err(MUST),
    }
}

fn write_cycle(cycle: Cycle) -> String {
    match cycle {
        Cycle::Business(days) => format!("T+{days}"),
        Cycle::Calendar(days) => format!("D+{days}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cycles_as_text() {
        for text in ["T+1", "T+255", "D+0", "D+31"] {
            assert_eq!(read_cycle(&Node::Text(text.into())).map(write_cycle), Ok(text.to_owned()));
        }
        for text in ["", "T", "T1", "T+0", "T+", "T+01", "T+-1", "T++1", "t+1", "X+1", "D+256", "D+1 "] {
            assert!(read_cycle(&Node::Text(text.into())).is_err(), "{text}");
        }
    }
}
