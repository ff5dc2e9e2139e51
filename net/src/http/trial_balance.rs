//! The proof that nothing was lost or made up: `/v1/trial-balance`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;
use suanpan_core::Currency;
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
