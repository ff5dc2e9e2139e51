//! What each kind of value looks like, for the API's description: beside [`read`](super::read), which reads them.
//!
//! Nothing here is ever made: these types stand in the documentation of what is read and answered, and each becomes
//! a named schema.

use serde_json::{Value, json};
use suanpan_core::{AMOUNT_MAX, PAGE_ENTRIES_MAX, PAGE_REFUNDS_MAX};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{KnownFormat, RefOr, Schema, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $name:ident => $schema:expr;)+) => {$(
        $(#[doc = $doc])+
        pub(super) struct $name;
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                $schema.description(Some(concat!($($doc),+).trim())).build().into()
            }
        }
        impl ToSchema for $name {}
    )+};
}

kinds! {
    /// An amount of minor units.
    Amount => whole(1, AMOUNT_MAX).examples([json!(10_000)]);
    /// A bound on amounts, in minor units, or on counts.
    Bound => whole(0, AMOUNT_MAX).examples([json!(0)]);
    /// A count.
    Count => whole(0, u32::MAX.into()).examples([json!(50)]);
    /// What something holds or comes to, in minor units.
    Total => integer().minimum(Some(0)).examples([json!(9_940)]);
    /// What an account holds that may be below zero, in minor units.
    Signed => integer().examples([json!(-60)]);
    /// A number chosen by the caller, unique per merchant and kind.
    Number => text(1, 32, "^[A-Za-z0-9_|*-]+$", "A1");
    /// A merchant.
    MerchantId => text(1, 19, "^0*[1-9][0-9]*$", "1001");
    /// A channel.
    Channel => text(1, 32, "^[a-z0-9_-]+$", "wechat");
    /// An exact decimal from 0 to 1.
    Rate => text(1, 8, r"^(0(\.[0-9]{1,6})?|1(\.0{1,6})?)$", "0.006");
    /// An ISO 4217 code.
    Currency => text(3, 3, "^[A-Z]{3}$", "CNY");
    /// A date.
    Date => string().format(Some(SchemaFormat::KnownFormat(KnownFormat::Date))).examples([json!("2018-08-26")]);
    /// A moment by RFC 3339.
    Moment => string()
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .examples([json!("2018-08-26T12:00:00+08:00")]);
    /// A moment by RFC 3339, later than now.
    Deadline => string()
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .examples([json!("2099-01-01T00:00:00+08:00")]);
    /// The channel's own number for something, in printable ASCII.
    ChannelTxn => text(1, 64, "^[ -~]+$", "4200000123");
    /// After so many business days (T) or calendar days (D); `D+0` is at once, the operator advancing the money.
    Cycle => text(
        3,
        5,
        r"^(T\+([1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5])|D\+(0|[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5]))$",
        "T+1"
    );
    /// A minute of the day, on the channel's clock.
    Minute => text(5, 5, "^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$", "22:00");
    /// The IANA name of a time zone.
    Timezone => string().examples([json!("Asia/Shanghai")]);
    /// A merchant's name; at most 128 bytes of UTF-8.
    Name => string().max_length(Some(128)).examples([json!("面馆")]);
    /// For people; at most 256 bytes of UTF-8.
    Memo => string().max_length(Some(256)).examples([json!("买错了")]);
    /// A name of printable characters; at most 64 bytes of UTF-8.
    Label => string().min_length(Some(1)).max_length(Some(64)).examples([json!("write-off")]);
    /// An account: `operator`, `suspense`, `in_transit`, `channel:NAME`, `channel:(bank)`, `platform:ID`, `accrued:ID`,
    /// `fee_receivable:ID`, and a merchant's own `merchant:ID:pending`, `held`, `available`, `frozen`,
    /// `payout_transit`.
    Account => string().pattern(Some(ACCOUNT)).examples([json!("merchant:1001:pending")]);
    /// An account that an adjustment may name: of a merchant only pending and available, and never in transit.
    AdjustableAccount => string().pattern(Some(ADJUSTABLE)).examples([json!("operator")]);
    /// The most items of a page.
    RefundsLimit => whole(1, PAGE_REFUNDS_MAX as u64).default(Some(PAGE_REFUNDS_MAX.into()));
    /// The most items of a page.
    EntriesLimit => whole(1, PAGE_ENTRIES_MAX as u64).default(Some(PAGE_ENTRIES_MAX.into()));
    /// The number of an item of a list; nothing is before its first.
    After => string().max_length(Some(32)).pattern(Some("^[A-Za-z0-9_|*-]*$")).examples([json!("R1")]);
    /// A place in a list that counts from 1; 0 is before its first.
    Seq => whole(0, u64::MAX).examples([json!(0)]);
    /// The place of something in the log.
    LogPosition => integer().minimum(Some(0)).examples([json!(4_096)]);
}

const ACCOUNT: &str = concat!(
    "^(operator|suspense|in_transit|channel:([a-z0-9_-]{1,32}|\\(bank\\))|",
    "(platform|accrued|fee_receivable):[0-9]{1,19}|merchant:[0-9]{1,19}:(pending|held|available|frozen|payout_transit))$",
);
const ADJUSTABLE: &str = concat!(
    "^(operator|suspense|channel:([a-z0-9_-]{1,32}|\\(bank\\))|",
    "(platform|accrued|fee_receivable):0{0,9}[1-9][0-9]{0,9}|merchant:0{0,9}[1-9][0-9]{0,9}:(pending|available))$",
);

fn string() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn text(min: usize, max: usize, pattern: &str, example: &str) -> ObjectBuilder {
    let bounded = string().min_length(Some(min)).max_length(Some(max));
    bounded.pattern(Some(pattern)).examples([json!(example)])
}

fn integer() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer)
}

fn whole(min: u64, max: u64) -> ObjectBuilder {
    // A u64 is a usize on every machine that this runs on; where it is not, the bound is not said.
    integer().minimum(usize::try_from(min).ok()).maximum(usize::try_from(max).ok())
}

/// A string that is one of some words.
pub(super) fn word(words: &[&'static str]) -> RefOr<Schema> {
    string().enum_values(Some(words.iter().map(|word| Value::from(*word)))).build().into()
}
