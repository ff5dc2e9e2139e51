//! A merchant's entries: `…/entries`.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use serde::Serialize;
use suanpan_core::{EntryView, PAGE_ENTRIES_MAX, Query, Reply};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::page::Page;
use super::path::{Ids, MerchantPath};
use super::problem::Problem;
use super::refusals::refusals;
use super::reply::{ok, view};
use super::{account, read, schema};
use crate::Gateway;

pub(super) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new().routes(routes!(get_entries))
}

/// A page of entries, oldest first.
#[derive(Serialize, ToSchema)]
#[schema(as = Entries)]
struct EntriesBody<'a> {
    data: Vec<EntryBody<'a>>,
    /// Whether there are more behind it.
    has_more: bool,
}

/// Who gave what to whom.
#[derive(Serialize, ToSchema)]
#[schema(as = Entry)]
struct EntryBody<'a> {
    /// Its place among the merchant's entries, from 1.
    #[schema(value_type = schema::Seq)]
    seq: u64,
    /// The atomic group it is part of, from 1.
    #[schema(value_type = schema::Seq)]
    group: u64,
    /// What for: 62 is a payment, 70 a refund, 85 a settlement, and so on.
    #[schema(minimum = 60, maximum = 97)]
    subject: u8,
    #[schema(value_type = schema::Account)]
    from: String,
    #[schema(value_type = schema::Account)]
    to: String,
    /// Always over zero: a reversal swaps who gives and who gets.
    #[schema(minimum = 1)]
    amount: u64,
    /// The order it is about, if one.
    #[schema(required, value_type = Option<schema::Number>)]
    order_no: Option<&'a str>,
    /// The refund it is about, if one.
    #[schema(required, value_type = Option<schema::Number>)]
    refund_no: Option<&'a str>,
    /// The void, split, payout, batch or whatever else it is about, if one.
    #[schema(required, value_type = Option<schema::Number>)]
    reference: Option<&'a str>,
    #[schema(value_type = schema::Date)]
    accounting_date: String,
    /// Whether it takes back an entry of the same subject.
    reversal: bool,
}

refusals!(EntriesRefusals: Path, MerchantNotFound);

/// A merchant's entries
///
/// Those of its own vouchers, oldest first.
#[utoipa::path(
    get, path = "/v1/merchants/{merchant_id}/entries", tag = "Looking",
    params(
        MerchantPath,
        ("limit" = inline(Option<schema::EntriesLimit>), Query, description = "The most entries of the page."),
        ("starting_after" = inline(Option<schema::Seq>), Query, description = "The `seq` of the entry before its first."),
    ),
    responses((status = 200, description = "A page of entries.", body = EntriesBody), EntriesRefusals),
)]
async fn get_entries(
    State(gateway): State<Arc<Gateway>>,
    ids: Ids,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let merchant = ids.merchant()?;
    let Page { limit, starting_after } = Page::read(query.as_deref(), PAGE_ENTRIES_MAX, read::seq_text)?;
    match view(&gateway, merchant, Query::Entries(merchant, starting_after.unwrap_or_default())).await {
        Reply::Entries { page, has_more } => {
            let data =
                page.iter().take(limit).map(|entry| write(&gateway, entry)).collect::<Result<_, _>>()?;
            Ok(ok(&EntriesBody { data, has_more: has_more || page.len() > limit }))
        }
        other => Err(Problem::from_reply(other)),
    }
}

fn write<'a>(gateway: &Gateway, entry: &'a EntryView) -> Result<EntryBody<'a>, Problem> {
    Ok(EntryBody {
        seq: entry.seq,
        group: entry.group,
        subject: entry.subject.0,
        from: account::write(gateway, entry.from)?,
        to: account::write(gateway, entry.to)?,
        amount: entry.amount,
        order_no: entry.order_no.as_ref().map(|number| number.as_str()),
        refund_no: entry.refund_no.as_ref().map(|number| number.as_str()),
        reference: entry.reference.as_ref().map(|number| number.as_str()),
        accounting_date: entry.accounting_date.to_string(),
        reversal: entry.reversal,
    })
}
