//! What a path names: a merchant, an order, a channel.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use suanpan_core::{MerchantId, Number};
use utoipa::IntoParams;

use super::problem::Problem;
use super::{read, schema};

/// What paths under a merchant name.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "documents what is read")]
pub(super) struct MerchantPath {
    /// The merchant.
    merchant_id: schema::MerchantId,
}

/// What paths under an order name.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "documents what is read")]
pub(super) struct OrderPath {
    /// The merchant.
    merchant_id: schema::MerchantId,
    /// The order.
    order_no: schema::Number,
}

/// The ids in a request's path, by the names they have in its route.
pub(super) struct Ids(RawPathParams);

impl<S: Send + Sync> FromRequestParts<S> for Ids {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params = RawPathParams::from_request_parts(parts, state).await;
        params.map(Self).map_err(|_| Problem::malformed("The path is not UTF-8."))
    }
}

impl Ids {
    /// `{merchant_id}`
    pub(super) fn merchant(&self) -> Result<MerchantId, Problem> {
        self.merchant_named("merchant_id")
    }

    /// A merchant by another name, such as `{promoter_id}`.
    pub(super) fn merchant_named(&self, name: &'static str) -> Result<MerchantId, Problem> {
        read::merchant_text(self.get(name)).map_err(|must| Problem::invalid(name, must))
    }

    /// `{order_no}` and the like.
    pub(super) fn number(&self, name: &'static str) -> Result<Number, Problem> {
        read::number_text(self.get(name)).map_err(|must| Problem::invalid(name, must))
    }

    /// `{channel}`
    pub(super) fn channel(&self) -> Result<&str, Problem> {
        let name = "channel";
        read::channel_text(self.get(name)).map_err(|must| Problem::invalid(name, must))
    }

    fn get(&self, name: &str) -> &str {
        let value = self.0.iter().find(|param| param.0 == name).map(|param| param.1);
        assert!(value.is_some(), "the route has no {name}");
        value.unwrap_or_default()
    }
}
