//! Channels: `/v1/channels/{channel}`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use suanpan_core::{Blackout, ChannelTerms, Preset, Rejection, Reply};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::json::{At, JsonBody, Node, Object};
use super::path::Ids;
use super::problem::Problem;
use super::refusals::refusals;
use super::reply::ok;
use super::words::{self, Word, said};
use super::{read, schema, time, zone};
use crate::Gateway;

pub(super) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new().routes(routes!(put_channel, get_channel))
}

/// A channel's rules. What is not said comes from the preset.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "documents what is read")]
#[schema(examples(json!({"preset": "wechat", "cost_rate": "0.0025"})))]
struct ChannelRequest {
    /// The same as in the path, if it is said: what a GET gave may be put back.
    channel: Option<schema::Channel>,
    /// `aggregate` if it is not said.
    preset: Option<said::Preset>,
    /// What the channel charges; "0" if it is not said.
    cost_rate: Option<schema::Rate>,
    /// How that is rounded, also when it is returned.
    cost_rounding: Option<said::Rounding>,
    /// What of it the channel gives back with a refund.
    cost_refund: Option<said::FeeRefund>,
    /// Calendar dates after payment on which a refund is still taken.
    #[schema(minimum = 0, maximum = 36525)]
    refund_window_days: Option<u32>,
    /// Refunds of one order; `null` is no limit, whatever the preset has.
    max_refunds_per_order: Option<schema::Count>,
    /// Refunds on the day of payment.
    same_day: Option<said::SameDay>,
    /// Whether an order may have only one refund in flight.
    single_refund_in_flight: Option<bool>,
    /// What becomes of a failed refund.
    resubmit_failed: Option<said::FailedRefund>,
    /// Daily windows without service.
    #[schema(max_items = 8)]
    blackout: Option<Vec<BlackoutBody>>,
    /// The channel's wall clock; `Asia/Shanghai` if it is not said.
    timezone: Option<schema::Timezone>,
}

/// A channel, the whole of it.
#[derive(Serialize, ToSchema)]
#[schema(as = ChannelTerms)]
struct ChannelBody<'a> {
    #[schema(value_type = schema::Channel)]
    channel: &'a str,
    #[schema(value_type = said::Preset)]
    preset: &'static str,
    #[schema(value_type = schema::Rate)]
    cost_rate: String,
    #[schema(value_type = said::Rounding)]
    cost_rounding: &'static str,
    #[schema(value_type = said::FeeRefund)]
    cost_refund: &'static str,
    refund_window_days: u32,
    #[schema(required, value_type = Option<schema::Count>)]
    max_refunds_per_order: Option<u32>,
    #[schema(value_type = said::SameDay)]
    same_day: &'static str,
    single_refund_in_flight: bool,
    #[schema(value_type = said::FailedRefund)]
    resubmit_failed: &'static str,
    blackout: Vec<BlackoutBody>,
    #[schema(value_type = schema::Timezone)]
    timezone: &'a str,
}

/// A daily window; one whose end is before its beginning goes over midnight.
#[derive(Serialize, ToSchema)]
#[schema(as = Blackout)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({"from": "22:00", "to": "24:00"})))]
struct BlackoutBody {
    /// Before 24:00.
    #[schema(value_type = schema::Minute)]
    from: String,
    /// After 00:00, and not the minute it begins.
    #[schema(value_type = schema::Minute)]
    to: String,
}

impl<'a> From<&'a ChannelTerms> for ChannelBody<'a> {
    fn from(terms: &'a ChannelTerms) -> Self {
        let window = |window: &Blackout| BlackoutBody {
            from: time::write_minute(window.from_minute),
            to: time::write_minute(window.to_minute),
        };
        Self {
            channel: &terms.name,
            preset: terms.preset.word(),
            cost_rate: terms.cost_rate.to_string(),
            cost_rounding: terms.cost_rounding.word(),
            cost_refund: terms.cost_refund.word(),
            refund_window_days: terms.refund_window_days,
            max_refunds_per_order: terms.max_refunds_per_order,
            same_day: terms.same_day.word(),
            single_refund_in_flight: terms.single_refund_in_flight,
            resubmit_failed: terms.resubmit_failed.word(),
            blackout: terms.blackout.iter().map(window).collect(),
            timezone: &terms.zone.name,
        }
    }
}

refusals!(ChannelLookRefusals: Path, ChannelNotFound);

/// A channel
#[utoipa::path(
    get, path = "/v1/channels/{channel}", tag = "Set-up",
    params(("channel" = schema::Channel, Path, description = "The channel.")),
    responses((status = 200, description = "The whole of it.", body = ChannelBody), ChannelLookRefusals),
)]
async fn get_channel(State(gateway): State<Arc<Gateway>>, ids: Ids) -> Result<Response, Problem> {
    let name = ids.channel()?;
    let terms = gateway.channel_id(name).and_then(|id| gateway.channel(id));
    let terms = terms.ok_or_else(|| Problem::from(Rejection::ChannelNotFound))?;
    Ok(ok(&ChannelBody::from(&*terms)))
}

refusals!(ChannelRefusals: Body, Overflow);

/// Makes or changes a channel
///
/// Its rules hold at once. What is not said comes from the preset, nothing from what was said before.
#[utoipa::path(
    put, path = "/v1/channels/{channel}", tag = "Set-up",
    params(("channel" = schema::Channel, Path, description = "The channel.")), request_body = ChannelRequest,
    responses((status = 200, description = "The whole of it.", body = ChannelBody), ChannelRefusals),
)]
async fn put_channel(
    State(gateway): State<Arc<Gateway>>,
    ids: Ids,
    body: JsonBody,
) -> Result<Response, Problem> {
    let terms = read_terms(ids.channel()?, body.object()?)?;
    match gateway.put_channel(Box::new(terms.clone())).await {
        Reply::Done(_) => Ok(ok(&ChannelBody::from(&terms))),
        other => Err(Problem::from_reply(other)),
    }
}

/// The preset, and what is given over it.
fn read_terms(name: &str, mut body: Object<'_, '_>) -> Result<ChannelTerms, Problem> {
    // What a GET gave may be put back.
    if body.optional("channel", read::channel)?.is_some_and(|given| given != name) {
        return Err(body.problem("channel", "must be the channel of the path"));
    }
    let preset: Preset = body.optional("preset", words::read)?.unwrap_or_default();
    let zone_name = body.optional("timezone", read::text)?;
    let zone = zone::resolve(zone_name.as_deref().unwrap_or(zone::DEFAULT)).ok_or_else(|| {
        body.problem("timezone", "must be the IANA name of a time zone, like Asia/Shanghai")
    })?;
    let mut terms = ChannelTerms::preset(name, preset, zone);
    set(&mut terms.cost_rate, body.optional("cost_rate", read::rate)?);
    set(&mut terms.cost_rounding, body.optional("cost_rounding", words::read)?);
    set(&mut terms.cost_refund, body.optional("cost_refund", words::read)?);
    set(&mut terms.refund_window_days, body.optional("refund_window_days", read::count)?);
    // Here null is not "as the preset has it": it is "no limit".
    match body.take("max_refunds_per_order") {
        None => {}
        Some(Node::Null) => terms.max_refunds_per_order = None,
        Some(node) => {
            let count = read::count(&node).map_err(|must| body.problem("max_refunds_per_order", must))?;
            terms.max_refunds_per_order = Some(count);
        }
    }
    set(&mut terms.same_day, body.optional("same_day", words::read)?);
    set(&mut terms.single_refund_in_flight, body.optional("single_refund_in_flight", read::boolean)?);
    set(&mut terms.resubmit_failed, body.optional("resubmit_failed", words::read)?);
    if let Some(node) = body.given("blackout") {
        terms.blackout = read_blackout(node, &At::Field(body.at(), "blackout"))?;
    }
    body.finish()?;
    Ok(terms)
}

fn read_blackout(node: Node<'_>, at: &At<'_>) -> Result<Vec<Blackout>, Problem> {
    let Node::List(windows) = node else { return Err(at.problem("must be a list")) };
    let mut blackout = Vec::with_capacity(windows.len());
    for (index, window) in windows.into_iter().enumerate() {
        let mut window = Object::from_node(window, At::Item(at, index))?;
        let from_minute = window.required("from", read_minute)?;
        let to_minute = window.required("to", read_minute)?;
        if from_minute == 24 * 60 {
            return Err(window.problem("from", "must be before 24:00"));
        }
        if to_minute == 0 || to_minute == from_minute {
            return Err(window.problem("to", "must be after 00:00 and another minute than `from`"));
        }
        window.finish()?;
        blackout.push(Blackout { from_minute, to_minute });
    }
    Ok(blackout)
}

fn read_minute(node: &Node<'_>) -> Result<u16, &'static str> {
    const MUST: &str = "must be a string with a minute of the day, from 00:00 to 24:00";
    time::parse_minute(read::str(node, MUST)?).ok_or(MUST)
}

fn set<T>(value: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *value = given;
    }
}
