//! Answers that say no: RFC 9457 problems, with our `code`, `param` and `request_id` (api.md, "Errors").

use std::borrow::Cow;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use suanpan_core::{Field, Rejection, Reply};
use utoipa::ToSchema;

/// How long a caller that met a full queue or a full disk should wait, in seconds.
const RETRY_AFTER_S: &str = "1";

/// Why a request was not carried out.
///
/// As a response it is carried to the [envelope](super::envelope), which knows the request's id and writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    detail: Cow<'static, str>,
    param: Option<Cow<'static, str>>,
}

/// What went wrong, as RFC 9457 has it.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Body<'a> {
    /// `urn:suanpan:problem:` and the code.
    #[schema(value_type = String)]
    r#type: String,
    /// What it is, for people; the same for each code.
    title: &'a str,
    /// The answer's status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What to do about it, for people.
    detail: &'a str,
    /// What a program can go by.
    code: &'a str,
    /// The field at fault, if one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    param: Option<&'a str>,
    /// What the answer's `x-request-id` says too.
    request_id: &'a str,
}

const INVALID_REQUEST: &str = "invalid_request";
const INVALID_TITLE: &str = "The request is not valid";

impl Problem {
    fn new(status: StatusCode, code: &'static str, title: &'static str, detail: &'static str) -> Self {
        Self { status, code, title, detail: Cow::Borrowed(detail), param: None }
    }

    /// A field, named by its path, is not what it must be.
    pub(super) fn invalid(param: impl Into<Cow<'static, str>>, must: &str) -> Self {
        let param = param.into();
        let detail = Cow::Owned(format!("`{param}` {must}"));
        Self { detail, param: Some(param), ..Self::malformed("") }
    }

    /// The body is no JSON object, or cannot be read at all.
    pub(super) fn malformed(detail: impl Into<Cow<'static, str>>) -> Self {
        let detail = detail.into();
        Self { detail, ..Self::new(StatusCode::BAD_REQUEST, INVALID_REQUEST, INVALID_TITLE, "") }
    }

    pub(super) fn body_too_large() -> Self {
        let detail = "The body is larger than 64 KiB.";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, INVALID_REQUEST, INVALID_TITLE, detail)
    }

    pub(super) fn body_too_slow() -> Self {
        let detail = "The body did not arrive in time; nothing was done.";
        Self::new(StatusCode::REQUEST_TIMEOUT, INVALID_REQUEST, INVALID_TITLE, detail)
    }

    pub(super) fn wrong_media_type() -> Self {
        let detail = "The body must be JSON: send it with `content-type: application/json`.";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, INVALID_REQUEST, INVALID_TITLE, detail)
    }

    pub(super) fn no_such_route() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "There is nothing here", "No route has this path.")
    }

    pub(super) fn wrong_method() -> Self {
        let detail = "This path does not take this method; the `allow` header says which it takes.";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, INVALID_REQUEST, INVALID_TITLE, detail)
    }

    /// More connections or requests than are served at a time.
    pub(super) fn overloaded() -> Self {
        Self::from(Rejection::Overloaded)
    }

    /// It is not known whether the request was carried out.
    pub(super) fn unknown() -> Self {
        Self::from(Rejection::Unknown)
    }

    /// The server takes no traffic.
    pub(super) fn not_ready(reason: &str) -> Self {
        let detail = Cow::Owned(format!("The server must be restarted: {reason}"));
        let problem =
            Self::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", "The server does not take requests", "");
        Self { detail, ..problem }
    }

    /// Where a reply other than the wanted one came: a refusal, or a fault of ours.
    pub(super) fn from_reply(reply: Reply) -> Self {
        match reply {
            Reply::Rejected(rejection, field) => {
                let mut problem = Self::from(rejection);
                problem.param = field.map(|field| Cow::Borrowed(field.name()));
                if let (Rejection::InvalidRequest, Some(field)) = (rejection, field) {
                    problem.detail = Cow::Owned(format!("`{}` {}", field.name(), must(field)));
                }
                problem
            }
            other => {
                tracing::error!(reply = ?other, "a reply that does not answer its request");
                Self::unknown()
            }
        }
    }

    /// The same, with the field at fault.
    pub(super) fn at(self, param: String) -> Self {
        Self { param: Some(Cow::Owned(param)), ..self }
    }

    /// The response, for the request of that id.
    pub(super) fn write(&self, request_id: &str) -> Response {
        let body = Body {
            r#type: format!("urn:suanpan:problem:{}", self.code),
            title: self.title,
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
            param: self.param.as_deref(),
            request_id,
        };
        // Strings and a number: there is nothing in it that JSON could not say.
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S));
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        let known = REFUSALS.iter().find(|refusal| refusal.0 == rejection);
        let (title, detail) = known.map_or(("A rule says no", ""), |refusal| (refusal.1, refusal.2));
        Self::new(status_of(rejection), rejection.code(), title, detail)
    }
}

/// What a field must be where only the core can tell whether it is.
fn must(field: Field) -> &'static str {
    match field {
        Field::ExpiresAt => "must be later than now",
        _ => "is not within its bounds",
    }
}

/// The status that goes with a refusal.
pub(super) fn status_of(rejection: Rejection) -> StatusCode {
    match rejection {
        Rejection::InvalidRequest => StatusCode::BAD_REQUEST,
        Rejection::MerchantNotFound
        | Rejection::ChannelNotFound
        | Rejection::OrderNotFound
        | Rejection::RefundNotFound
        | Rejection::VoidNotFound
        | Rejection::SplitNotFound
        | Rejection::SplitReturnNotFound
        | Rejection::PayoutNotFound
        | Rejection::TopupNotFound
        | Rejection::FreezeNotFound
        | Rejection::TransferNotFound
        | Rejection::AdjustmentNotFound
        | Rejection::SettlementNotFound
        | Rejection::PromoterNotFound => StatusCode::NOT_FOUND,
        Rejection::IdempotencyConflict => StatusCode::CONFLICT,
        Rejection::Overloaded | Rejection::ReadOnly => StatusCode::SERVICE_UNAVAILABLE,
        // No gateway of a caller may take it for "nothing was done": not a 503.
        Rejection::Unknown => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

/// Title and detail of each refusal.
const REFUSALS: [(Rejection, &str, &str); Rejection::Unknown as usize + 1] = [
    (Rejection::InvalidRequest, INVALID_TITLE, "A field is not within its bounds."),
    (Rejection::MerchantNotFound, "There is no such merchant", "Put the merchant first."),
    (Rejection::ChannelNotFound, "There is no such channel", "Put the channel first."),
    (Rejection::OrderNotFound, "There is no such order", "This merchant has no order of that number."),
    (Rejection::RefundNotFound, "There is no such refund", "This merchant has no refund of that number."),
    (Rejection::VoidNotFound, "There is no such void", "This merchant has no void of that number."),
    (Rejection::SplitNotFound, "There is no such split", "This merchant has no split of that number."),
    (
        Rejection::SplitReturnNotFound,
        "There is no such split return",
        "This merchant has no split return of that number.",
    ),
    (Rejection::PayoutNotFound, "There is no such payout", "This merchant has no payout of that number."),
    (Rejection::TopupNotFound, "There is no such top-up", "This merchant has no top-up of that number."),
    (Rejection::FreezeNotFound, "There is no such freeze", "This merchant has no freeze of that number."),
    (
        Rejection::TransferNotFound,
        "There is no such transfer",
        "This merchant sent no transfer of that number.",
    ),
    (Rejection::AdjustmentNotFound, "There is no such adjustment", "No adjustment has that number."),
    (Rejection::SettlementNotFound, "There is no such settlement", "No settlement batch has that number."),
    (Rejection::PromoterNotFound, "There is no such promoter", "Put the promoter first."),
    (
        Rejection::IdempotencyConflict,
        "The number was used for something else",
        "What was sent before under this number had other contents; nothing was changed.",
    ),
    (
        Rejection::MerchantSuspended,
        "The merchant is suspended",
        "A suspended merchant takes no payments and makes no payouts.",
    ),
    (Rejection::MerchantClosed, "The merchant is closed", "A closed merchant only gives refunds."),
    (
        Rejection::ChannelBlackout,
        "The channel is closed at this hour",
        "It is within one of the channel's blackout windows; try again after it.",
    ),
    (Rejection::OrderState, "The order's state does not allow it", "Look at the order's status."),
    (
        Rejection::RefundWindow,
        "The refund comes too late",
        "More dates than the channel's `refund_window_days` have passed since the payment.",
    ),
    (
        Rejection::D0NotRefundable,
        "The order was settled at once",
        "A D+0 order is given back only where refunds are funded from available.",
    ),
    (
        Rejection::TooManyRefunds,
        "The order has too many refunds",
        "The channel takes no more than `max_refunds_per_order`.",
    ),
    (
        Rejection::RefundInFlight,
        "Another refund of the order is in flight",
        "The channel takes one at a time; send it again when the other has its result.",
    ),
    (
        Rejection::ExceedsRefundable,
        "More than is left of the order",
        "The amount is over the order's `refundable`.",
    ),
    (
        Rejection::SameDayPartial,
        "No partial refund on the day of payment",
        "The channel only voids on that day: refund in full, or after the day cut.",
    ),
    (
        Rejection::SameDayRefund,
        "No refund on the day of payment",
        "The channel takes refunds after the day cut; or void the payment.",
    ),
    (
        Rejection::NotSameDay,
        "The payment is of an earlier date",
        "Only payments of the current accounting date are voided; refund it.",
    ),
    (Rejection::OrderSettled, "The order is settled", "Settled orders are not voided; refund it."),
    (
        Rejection::HasRefunds,
        "The order has refunds",
        "An order with refunds, also in flight, is not voided; refund the rest.",
    ),
    (
        Rejection::InsufficientFunds,
        "The merchant has too little money",
        "What may pay for it does not hold enough; nothing was taken.",
    ),
    (
        Rejection::LimitOrderAmount,
        "Over the merchant's limit for one order",
        "See the merchant's `limits.order_amount`.",
    ),
    (
        Rejection::LimitDayAmount,
        "Over the merchant's amount for the day",
        "See the merchant's `limits.day_amount`.",
    ),
    (
        Rejection::LimitDayCount,
        "Over the merchant's count for the day",
        "See the merchant's `limits.day_count`.",
    ),
    (
        Rejection::ContradictsFinal,
        "It contradicts a final result",
        "The result that was reported first stands; this one was kept for a person to look at.",
    ),
    (
        Rejection::DateNotLater,
        "The date is not later",
        "The accounting date only moves forward; see `GET /v1/accounting-date`.",
    ),
    (Rejection::Overflow, "A sum would overflow", "The books cannot hold such a sum; nothing was changed."),
    (Rejection::CurrencyMismatch, "The currencies differ", "A currency cannot be changed or mixed."),
    (
        Rejection::ReceiverInvalid,
        "The receiver cannot take it",
        "It must be another merchant, known, not closed and of the same currency; a promoter or its upline must be a \
         known promoter, and nobody's upline in a circle.",
    ),
    (Rejection::ExceedsHeld, "The order does not hold so much", "See the order's `held`; nothing was taken."),
    (
        Rejection::ExceedsSplitRate,
        "Over what may be split of the order",
        "See the merchant's `max_split_rate`: it is of the order's cash, all its splits together.",
    ),
    (Rejection::Overloaded, "Too many requests at once", "Nothing was changed; try again a little later."),
    (Rejection::ReadOnly, "No room to write", "Nothing was changed; try again when there is room again."),
    (
        Rejection::Unknown,
        "It is not known what came of it",
        "It may have been carried out: ask again with the same number.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_its_words_once_and_a_status() {
        for (index, (rejection, title, detail)) in REFUSALS.iter().enumerate() {
            assert!(!title.is_empty() && detail.ends_with('.'), "{rejection:?}");
            assert_eq!(REFUSALS.iter().position(|other| other.0 == *rejection), Some(index));
            let status = Problem::from(*rejection).status;
            assert!(status.is_client_error() || status.is_server_error(), "{rejection:?}");
        }
    }
}
