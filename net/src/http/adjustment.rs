//! Corrections by two people: `/v1/adjustments`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use suanpan_core::{
    Account, Adjustment, AdjustmentView, Currency, Field, Number, Query, Receipt, Rejection, Reply, Request,
};
use utoipa::ToSchema;
use utoipa::openapi::schema::ArrayBuilder;
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::account::{self, Named};
use super::json::{At, JsonBody, Node, Object};
use super::path::Ids;
use super::problem::Problem;
use super::refusals::refusals;
use super::reply::{made, ok};
use super::trial_balance::totals;
use super::{read, schema};
use crate::Gateway;

pub(super) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new().routes(routes!(post_adjustment)).routes(routes!(get_adjustment))
}

/// A correction (调账, 补单, 核销).
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "documents what is read")]
#[schema(examples(json!({"adjustment_no": "J1", "subject": "write-off", "from": "operator", "to": "suspense", "amount": 100, "currency": "CNY", "memo": "short by a fen a day", "approved_by": ["li", "wang"]})))]
struct AdjustmentRequest {
    /// Unique.
    adjustment_no: schema::Number,
    /// What for.
    subject: schema::Label,
    /// Who gives.
    from: schema::AdjustableAccount,
    /// Who gets: another account.
    to: schema::AdjustableAccount,
    /// What goes over.
    amount: schema::Amount,
    /// Of the amount. It may be left out where an account is a merchant's, or where the books have only one.
    currency: Option<schema::Currency>,
    /// Why.
    memo: Option<schema::Memo>,
    /// Two different people.
    #[schema(schema_with = approvers)]
    approved_by: Vec<schema::Label>,
}

fn approvers() -> RefOr<Schema> {
    let label = Ref::from_schema_name(schema::Label::name());
    let two = ArrayBuilder::new().items(label).min_items(Some(2)).max_items(Some(2)).unique_items(true);
    two.description(Some("Two different people.")).build().into()
}

/// An adjustment.
#[derive(Serialize, ToSchema)]
#[schema(as = Adjustment)]
struct AdjustmentBody<'a> {
    #[schema(value_type = schema::Number)]
    adjustment_no: &'a str,
    subject: &'a str,
    #[schema(value_type = schema::Account)]
    from: String,
    #[schema(value_type = schema::Account)]
    to: String,
    #[schema(value_type = schema::Amount)]
    amount: u64,
    #[schema(value_type = schema::Currency)]
    currency: &'a str,
    memo: &'a str,
    #[schema(value_type = Vec<String>)]
    approved_by: &'a [String; 2],
    #[schema(value_type = schema::Date)]
    accounting_date: String,
}

refusals!(AdjustmentRefusals: Body, MerchantNotFound, ChannelNotFound, IdempotencyConflict, CurrencyMismatch,
    InsufficientFunds, Overflow);

/// Corrects the books
///
/// Moves an amount from one account to another, by two people.
#[utoipa::path(
    post, path = "/v1/adjustments", tag = "Money", request_body = AdjustmentRequest,
    responses(
        (status = 201, description = "The adjustment was booked.", body = AdjustmentBody),
        (status = 200, description = "It had been booked before.", body = AdjustmentBody),
        AdjustmentRefusals,
    ),
)]
async fn post_adjustment(State(gateway): State<Arc<Gateway>>, body: JsonBody) -> Result<Response, Problem> {
    let asked = read_adjustment(body.object()?)?;
    let adjustment_no = asked.adjustment_no;
    let adjustment = complete(&gateway, asked).await?;
    let repeat = match gateway.adjust(Box::new(adjustment)).await {
        Reply::Done(Receipt::Booked { repeat }) => repeat,
        other => return Err(Problem::from_reply(other)),
    };
    // What was booked does not change: a look afterwards shows it.
    match look(&gateway, adjustment_no).await {
        Reply::Adjustment(view) => Ok(made(repeat, &write(&gateway, &view)?)),
        _ => Err(Problem::unknown()),
    }
}

refusals!(AdjustmentLookRefusals: Path, AdjustmentNotFound);

/// An adjustment
#[utoipa::path(
    get, path = "/v1/adjustments/{adjustment_no}", tag = "Money",
    params(("adjustment_no" = schema::Number, Path, description = "The adjustment.")),
    responses((status = 200, description = "The adjustment.", body = AdjustmentBody), AdjustmentLookRefusals),
)]
async fn get_adjustment(State(gateway): State<Arc<Gateway>>, ids: Ids) -> Result<Response, Problem> {
    match look(&gateway, ids.number("adjustment_no")?).await {
        Reply::Adjustment(view) => Ok(ok(&write(&gateway, &view)?)),
        other => Err(Problem::from_reply(other)),
    }
}

/// All shards know all adjustments, so one is asked.
async fn look(gateway: &Gateway, adjustment_no: Number) -> Reply {
    gateway.ask_one(0, Request::Query(Query::Adjustment(adjustment_no))).await
}

/// An adjustment as it was asked for.
struct Asked {
    adjustment_no: Number,
    subject: String,
    from: Named,
    to: Named,
    amount: u64,
    currency: Option<Currency>,
    memo: String,
    approved_by: [String; 2],
}

fn read_adjustment(mut body: Object<'_, '_>) -> Result<Asked, Problem> {
    let asked = Asked {
        adjustment_no: body.required("adjustment_no", read::number)?,
        subject: body.required("subject", read::label)?,
        from: body.required("from", account::read_adjustable)?,
        to: body.required("to", account::read_adjustable)?,
        amount: body.required("amount", read::amount)?,
        currency: body.optional("currency", read::currency)?,
        memo: body.optional("memo", read::text)?.unwrap_or_default(),
        approved_by: read_approvers(&mut body)?,
    };
    if asked.from == asked.to {
        return Err(body.problem("to", "must be another account than `from`"));
    }
    body.finish()?;
    Ok(asked)
}

fn read_approvers(body: &mut Object<'_, '_>) -> Result<[String; 2], Problem> {
    const MUST: &str = "must be a list of two different people";
    let list = match body.take("approved_by") {
        None => return Err(body.problem("approved_by", "is missing")),
        Some(Node::List(list)) => list,
        Some(_) => return Err(body.problem("approved_by", MUST)),
    };
    let at = At::Field(body.at(), "approved_by");
    let name = |(index, node): (usize, &Node<'_>)| {
        read::label(node).map_err(|must| At::Item(&at, index).problem(must))
    };
    let names: Vec<String> = list.iter().enumerate().map(name).collect::<Result<_, _>>()?;
    match <[String; 2]>::try_from(names) {
        Ok(two) if two[0] != two[1] => Ok(two),
        _ => Err(at.problem(MUST)),
    }
}

/// The adjustment with its channels looked up and its currency found out.
async fn complete(gateway: &Arc<Gateway>, asked: Asked) -> Result<Adjustment, Problem> {
    let Asked { adjustment_no, subject, from, to, amount, currency, memo, approved_by } = asked;
    let (from, to) = (from.resolve(gateway, Field::From)?, to.resolve(gateway, Field::To)?);
    let currency = match currency {
        Some(currency) => currency,
        None => find_currency(gateway, adjustment_no, from, to).await?,
    };
    Ok(Adjustment { adjustment_no, subject, from, to, amount, currency, memo, approved_by })
}

/// The currency where none was given: that of the owner of an account, else the only one in the books.
async fn find_currency(
    gateway: &Arc<Gateway>,
    adjustment_no: Number,
    from: Account,
    to: Account,
) -> Result<Currency, Problem> {
    for (account, field) in [(from, Field::From), (to, Field::To)] {
        match gateway.currency_of_account(account).await {
            Ok(Some(currency)) => return Ok(currency),
            Ok(None) => {}
            Err(reply) => return Err(Problem::from_reply(reply).at(field.name().to_owned())),
        }
    }
    // A repeat means what it meant the first time, whatever currencies came since.
    match look(gateway, adjustment_no).await {
        Reply::Adjustment(view) => return Ok(view.asked.currency),
        Reply::Rejected(Rejection::AdjustmentNotFound, _) => {}
        other => return Err(Problem::from_reply(other)),
    }
    let (totals, _) = totals(gateway).await?;
    let mut currencies = totals.accounts.iter().map(|&(currency, ..)| currency);
    let first = currencies.next();
    match first.filter(|first| currencies.all(|currency| currency == *first)) {
        Some(only) => Ok(only),
        None => {
            let must = "must be given: neither account says it, and there is not exactly one in the books";
            Err(Problem::invalid(Field::Currency.name(), must))
        }
    }
}

fn write<'a>(gateway: &Gateway, view: &'a AdjustmentView) -> Result<AdjustmentBody<'a>, Problem> {
    let asked = &view.asked;
    Ok(AdjustmentBody {
        adjustment_no: asked.adjustment_no.as_str(),
        subject: &asked.subject,
        from: account::write(gateway, asked.from)?,
        to: account::write(gateway, asked.to)?,
        amount: asked.amount,
        currency: asked.currency.as_str(),
        memo: &asked.memo,
        approved_by: &asked.approved_by,
        accounting_date: view.accounting_date.to_string(),
    })
}
