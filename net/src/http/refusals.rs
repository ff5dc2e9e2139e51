//! What an operation may answer instead of what was asked for, in the API's description: one response for each
//! status, with the codes that come with it.

use std::collections::BTreeMap;

use suanpan_core::Rejection;
use utoipa::PartialSchema;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{AllOfBuilder, ObjectBuilder, Type};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, Schema};

use super::problem::status_of;
use super::schema;

/// What is read of a request, and so what may be wrong with it before any rule was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reads {
    /// Nothing: it has one form.
    Nothing,
    /// A path or a query string.
    Path,
    /// A body.
    Body,
}

/// Declares what an operation may answer instead, for `responses(…)` of its description: what is read of it, and the
/// refusals of the core.
macro_rules! refusals {
    ($name:ident: $reads:ident $(, $rejection:ident)* $(,)?) => {
        struct $name;
        impl utoipa::IntoResponses for $name {
            fn responses() -> std::collections::BTreeMap<
                String,
                utoipa::openapi::RefOr<utoipa::openapi::Response>,
            > {
                let reads = $crate::http::refusals::Reads::$reads;
                $crate::http::refusals::responses(reads, &[$(suanpan_core::Rejection::$rejection),*])
            }
        }
    };
}
pub(super) use refusals;

/// The responses of these refusals, by status, and those that any operation has that reads so much.
pub(super) fn responses(reads: Reads, rejections: &[Rejection]) -> BTreeMap<String, RefOr<Response>> {
    let mut codes: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for rejection in rejections {
        codes.entry(status_of(*rejection).as_u16()).or_default().push(rejection.code());
    }
    for shared in SHARED.iter().filter(|shared| shared.goes_with(reads)) {
        codes.insert(shared.status, shared.codes());
    }
    codes.into_iter().map(|(status, codes)| (status.to_string(), refer_or_say(status, &codes))).collect()
}

fn refer_or_say(status: u16, codes: &[&str]) -> RefOr<Response> {
    match SHARED.iter().find(|shared| shared.status == status && shared.codes() == codes) {
        Some(shared) => RefOr::Ref(Ref::from_response_name(shared.name)),
        None => response(status, codes).into(),
    }
}

/// A response that many operations have.
struct Shared {
    status: u16,
    name: &'static str,
    rejections: &'static [Rejection],
    /// Whether whatever reads so much has it; else only what has the refusal itself.
    by: &'static [Reads],
}

const SHARED: [Shared; 7] = [
    Shared {
        status: 400,
        name: "Malformed",
        rejections: &[Rejection::InvalidRequest],
        by: &[Reads::Path, Reads::Body],
    },
    Shared { status: 408, name: "TooSlow", rejections: &[Rejection::InvalidRequest], by: &[Reads::Body] },
    Shared { status: 409, name: "Conflict", rejections: &[Rejection::IdempotencyConflict], by: &[] },
    Shared { status: 413, name: "TooLarge", rejections: &[Rejection::InvalidRequest], by: &[Reads::Body] },
    Shared { status: 415, name: "NoJson", rejections: &[Rejection::InvalidRequest], by: &[Reads::Body] },
    Shared { status: 500, name: "Unknown", rejections: &[Rejection::Unknown], by: &ALL },
    Shared {
        status: 503,
        name: "Later",
        rejections: &[Rejection::Overloaded, Rejection::ReadOnly],
        by: &ALL,
    },
];

const ALL: [Reads; 3] = [Reads::Nothing, Reads::Path, Reads::Body];

impl Shared {
    fn goes_with(&self, reads: Reads) -> bool {
        self.by.contains(&reads)
    }

    fn codes(&self) -> Vec<&'static str> {
        self.rejections.iter().map(|rejection| rejection.code()).collect()
    }
}

/// The responses that many operations have, by the names by which they are referred to.
pub(super) fn shared() -> impl Iterator<Item = (String, RefOr<Response>)> {
    SHARED.iter().map(|shared| (shared.name.to_owned(), response(shared.status, &shared.codes()).into()))
}

fn response(status: u16, codes: &[&str]) -> Response {
    let content = ContentBuilder::new().schema(Some(problem(codes))).build();
    let response =
        ResponseBuilder::new().description(meaning(status)).content("application/problem+json", content);
    if status == 503 {
        let seconds = HeaderBuilder::new().schema(Some(schema::Count::schema()));
        return response.header("retry-after", seconds.description(Some("Seconds to wait.")).build()).build();
    }
    response.build()
}

/// A problem with one of those codes.
fn problem(codes: &[&str]) -> Schema {
    let code = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(codes.iter().copied()));
    let narrowed = ObjectBuilder::new().property("code", code);
    AllOfBuilder::new().item(Ref::from_schema_name("Problem")).item(narrowed).build().into()
}

fn meaning(status: u16) -> &'static str {
    match status {
        400 => "The request is not valid: `param` names the field at fault.",
        404 => "There is no such thing.",
        408 => "The body did not arrive in time; nothing was done.",
        409 => "The number was used for something else; nothing was changed.",
        413 => "The body is larger than 64 KiB.",
        415 => "The body is not said to be JSON.",
        422 => "A rule says no; nothing was changed.",
        500 => "It is not known what came of it: ask again with the same number.",
        _ => "Not now; nothing was changed. Try again later.",
    }
}
