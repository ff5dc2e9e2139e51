//! The proof that nothing was lost or made up: `/v1/trial-balance`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use suanpan_core::{Currency, ShardTotals};
use suanpan_engine::{Health, Lsn};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::problem::Problem;
use super::refusals::refusals;
use super::reply::ok;
use super::schema;
use crate::Gateway;

pub(super) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new().routes(routes!(get_trial_balance))
}

/// Every account's balance, from one point of the log.
#[derive(Serialize, ToSchema)]
#[schema(as = TrialBalance)]
struct TrialBalanceBody {
    #[schema(value_type = schema::Date)]
    accounting_date: String,
    /// Where in the log it stood so.
    #[schema(value_type = schema::LogPosition)]
    as_of: u64,
    currencies: Vec<CurrencyBody>,
}

/// The books of one currency.
#[derive(Serialize, ToSchema)]
#[schema(as = CurrencyBooks)]
struct CurrencyBody {
    #[schema(value_type = schema::Currency)]
    currency: String,
    /// Of all the balances: zero.
    #[schema(value_type = schema::Signed)]
    sum: i128,
    accounts: Vec<AccountBody>,
}

/// A shared account, or what all merchants have of one kind.
#[derive(Serialize, ToSchema)]
#[schema(as = AccountBalance)]
struct AccountBody {
    /// As in entries; merchants are grouped as `merchants:pending` and so on.
    account: String,
    #[schema(value_type = schema::Signed)]
    balance: i128,
}

refusals!(TrialBalanceRefusals: Nothing);

/// The totals of all shards at one point of the log, and that point.
pub(super) async fn totals(gateway: &Arc<Gateway>) -> Result<(ShardTotals, Lsn), Problem> {
    gateway.totals().await.ok_or_else(|| match gateway.engine().health() {
        Health::Failed(_) => Problem::unknown(),
        _ => Problem::overloaded(),
    })
}

/// The trial balance
///
/// The proof that nothing was lost or made up: over all shards, from one point of the log.
#[utoipa::path(
    get, path = "/v1/trial-balance", tag = "Looking",
    responses((status = 200, description = "All balances.", body = TrialBalanceBody), TrialBalanceRefusals),
)]
async fn get_trial_balance(State(gateway): State<Arc<Gateway>>) -> Result<Response, Problem> {
    let (totals, as_of) = totals(&gateway).await?;
    Ok(ok(&TrialBalanceBody {
        accounting_date: totals.accounting_date.to_string(),
        as_of: as_of.get(),
        currencies: by_currency(totals.accounts),
    }))
}

/// Every account's balance, and their sum, by currency; the accounts come in that order.
fn by_currency(accounts: Vec<(Currency, String, i128)>) -> Vec<CurrencyBody> {
    let mut books: BTreeMap<Currency, Vec<AccountBody>> = BTreeMap::new();
    for (currency, account, balance) in accounts {
        books.entry(currency).or_default().push(AccountBody { account, balance });
    }
    let body = |(currency, accounts): (Currency, Vec<AccountBody>)| CurrencyBody {
        currency: currency.as_str().to_owned(),
        sum: accounts.iter().map(|account| account.balance).sum(),
        accounts,
    };
    books.into_iter().map(body).collect()
}
