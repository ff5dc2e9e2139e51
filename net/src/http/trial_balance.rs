//! The proof that nothing was lost or made up: `/v1/trial-balance`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;
use suanpan_core::{Currency, ShardTotals};
use suanpan_engine::Health;

use super::problem::Problem;
use super::reply::ok;
use crate::Gateway;

pub(super) fn routes() -> Router<Arc<Gateway>> {
    Router::new().route("/v1/trial-balance", get(get_trial_balance))
}

#[derive(Serialize)]
struct TrialBalanceBody {
    accounting_date: String,
    as_of: u64,
    currencies: Vec<CurrencyBody>,
}

#[derive(Serialize)]
struct CurrencyBody {
    currency: String,
    sum: i128,
    accounts: Vec<AccountBody>,
}

#[derive(Serialize)]
struct AccountBody {
    account: String,
    balance: i128,
}

async fn get_trial_balance(State(gateway): State<Arc<Gateway>>) -> Result<Response, Problem> {
    let Some((totals, as_of)) = gateway.totals().await else {
        let failed = matches!(gateway.engine().health(), Health::Failed(_));
        return Err(if failed { Problem::unknown() } else { Problem::overloaded() });
    };
    let accounting_date = totals.first().map(|shard| shard.accounting_date).unwrap_or_default();
    assert!(totals.iter().all(|shard| shard.accounting_date == accounting_date), "one date for all shards");
    Ok(ok(&TrialBalanceBody {
        accounting_date: accounting_date.to_string(),
        as_of: as_of.get(),
        currencies: sum_up(totals),
    }))
}

/// Every account's balance over all shards, and their sum.
fn sum_up(totals: Vec<ShardTotals>) -> Vec<CurrencyBody> {
    let mut books: BTreeMap<Currency, BTreeMap<String, i128>> = BTreeMap::new();
    for (currency, account, balance) in totals.into_iter().flat_map(|shard| shard.accounts) {
        *books.entry(currency).or_default().entry(account).or_default() += balance;
    }
    let body = |(currency, accounts): (Currency, BTreeMap<String, i128>)| CurrencyBody {
        currency: currency.as_str().to_owned(),
        sum: accounts.values().sum(),
        accounts: accounts.into_iter().map(|(account, balance)| AccountBody { account, balance }).collect(),
    };
    books.into_iter().map(body).collect()
}
