//! Merchants and their terms: `/v1/merchants/{merchant_id}`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::put;
use serde::Serialize;
use suanpan_core::{Cycle, Limits, MerchantId, MerchantTerms, Query, Rate, Reply};

use super::json::{At, JsonBody, Node, Object};
use super::path::Ids;
use super::problem::Problem;
use super::read;
use super::reply::{ok, view};
use super::words::{self, Word};
use crate::Gateway;

pub(super) fn routes() -> Router<Arc<Gateway>> {
    Router::new().route("/v1/merchants/{merchant_id}", put(put_merchant).get(get_merchant))
}

/// A rate of one: all of it may be split unless told otherwise.
const WHOLE: Rate = Rate(1_000_000);

/// A merchant, the whole of it.
#[derive(Serialize)]
struct MerchantBody<'a> {
    merchant_id: String,
    name: &'a str,
    currency: &'a str,
    status: &'static str,
    platform: Option<String>,
    fee_rate: String,
    fee_rounding: &'static str,
    fee_min: u64,
    fee_max: Option<u64>,
    fee_refund: &'static str,
    platform_fee_rate: String,
    settlement: SettlementBody,
    advance_fee_rate: String,
    refund_funding: &'static str,
    discount_refund: &'static str,
    max_split_rate: String,
    limits: LimitsBody,
}

#[derive(Serialize)]
struct SettlementBody {
    cycle: String,
    mode: &'static str,
    min: u64,
}

#[derive(Serialize)]
struct LimitsBody {
    order_amount: Option<u64>,
    day_amount: Option<u64>,
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

async fn get_merchant(State(gateway): State<Arc<Gateway>>, ids: Ids) -> Result<Response, Problem> {
    let merchant = ids.merchant()?;
    match view(&gateway, merchant, Query::Merchant(merchant)).await {
        Reply::Merchant(terms) => Ok(ok(&MerchantBody::from(&*terms))),
        other => Err(Problem::from_reply(other)),
    }
}

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
