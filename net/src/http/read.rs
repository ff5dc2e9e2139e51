//! What each kind of value must be (api.md, the list at its head).

use suanpan_core::{AMOUNT_MAX, ChannelId, Currency, Date, MerchantId, Number, Rate, Rejection};

use super::json::Node;
use super::problem::Problem;
use super::time;
use crate::Gateway;

const _: () = assert!(AMOUNT_MAX == 1_000_000_000_000_000, "the messages below say so");

const MUST_AMOUNT: &str = "must be a whole number of minor units from 1 to 1000000000000000";
const MUST_BOUND: &str = "must be a whole number from 0 to 1000000000000000";
const MUST_COUNT: &str = "must be a whole number from 0 to 4294967295";
const MUST_BOOL: &str = "must be true or false";
const MUST_TEXT: &str = "must be a string";
const MUST_NUMBER: &str = "must be a string of 1 to 32 of A-Z a-z 0-9 _ - | *";
const MUST_MERCHANT: &str = "must be a string of 1 to 19 digits, not all zero";
const MUST_CHANNEL: &str = "must be a string of 1 to 32 of a-z 0-9 _ -";
const MUST_RATE: &str = "must be a string with a decimal from 0 to 1 with at most 6 decimals, like \"0.006\"";
const MUST_CURRENCY: &str = "must be a string of three capital letters, an ISO 4217 code";
const MUST_DATE: &str = "must be a string with a date that exists, as YYYY-MM-DD";
const MUST_MOMENT: &str =
    "must be a string with a moment and its offset by RFC 3339, like 2018-08-26T12:00:00+08:00";
const MUST_CHANNEL_TXN: &str = "must be a string of 1 to 64 printable ASCII characters";

const MUST_LABEL: &str = "must be a string of 1 to 64 printable characters, at most 64 bytes of UTF-8";
const MUST_SEQ: &str = "must be a whole number: the `seq` of an entry";

/// Longest label, in bytes.
const LABEL_BYTES_MAX: usize = 64;
/// Longest number of the channel's own, in bytes.
const CHANNEL_TXN_BYTES_MAX: usize = 64;
const CHANNEL_NAME_BYTES_MAX: usize = 32;
const MERCHANT_DIGITS_MAX: usize = 19;
// The most digits whose every number fits.
const _: () = assert!(u64::MAX.ilog10() as usize == MERCHANT_DIGITS_MAX);

type Must<T> = Result<T, &'static str>;

/// Money that moves.
pub(super) fn amount(node: &Node<'_>) -> Must<u64> {
    match node {
        Node::Whole(amount @ 1..=AMOUNT_MAX) => Ok(*amount),
        _ => Err(MUST_AMOUNT),
    }
}

/// A bound on money or counts, which may be zero.
pub(super) fn bound(node: &Node<'_>) -> Must<u64> {
    match node {
        Node::Whole(bound @ 0..=AMOUNT_MAX) => Ok(*bound),
        _ => Err(MUST_BOUND),
    }
}

pub(super) fn count(node: &Node<'_>) -> Must<u32> {
    match node {
        Node::Whole(count) => u32::try_from(*count).map_err(|_| MUST_COUNT),
        _ => Err(MUST_COUNT),
    }
}

pub(super) fn boolean(node: &Node<'_>) -> Must<bool> {
    match node {
        Node::Bool(value) => Ok(*value),
        _ => Err(MUST_BOOL),
    }
}

pub(super) fn text(node: &Node<'_>) -> Must<String> {
    str(node, MUST_TEXT).map(str::to_owned)
}

pub(super) fn number(node: &Node<'_>) -> Must<Number> {
    number_text(str(node, MUST_NUMBER)?)
}

pub(super) fn merchant(node: &Node<'_>) -> Must<MerchantId> {
    merchant_text(str(node, MUST_MERCHANT)?)
}

pub(super) fn channel(node: &Node<'_>) -> Must<String> {
    channel_text(str(node, MUST_CHANNEL)?).map(str::to_owned)
}

pub(super) fn rate(node: &Node<'_>) -> Must<Rate> {
    str(node, MUST_RATE)?.parse().map_err(|_| MUST_RATE)
}

pub(super) fn currency(node: &Node<'_>) -> Must<Currency> {
    str(node, MUST_CURRENCY)?.parse().map_err(|_| MUST_CURRENCY)
}

pub(super) fn date(node: &Node<'_>) -> Must<Date> {
    time::parse_date(str(node, MUST_DATE)?).ok_or(MUST_DATE)
}

pub(super) fn moment(node: &Node<'_>) -> Must<time::Moment> {
    time::parse_moment(str(node, MUST_MOMENT)?).ok_or(MUST_MOMENT)
}

/// The channel's own number for something.
pub(super) fn channel_txn(node: &Node<'_>) -> Must<String> {
    let text = str(node, MUST_CHANNEL_TXN)?;
    let printable = text.bytes().all(|b| matches!(b, b' '..=b'~'));
    let fits = (1..=CHANNEL_TXN_BYTES_MAX).contains(&text.len());
    if printable && fits { Ok(text.to_owned()) } else { Err(MUST_CHANNEL_TXN) }
}

/// A name that a person gave to something, or a person's own.
pub(super) fn label(node: &Node<'_>) -> Must<String> {
    let text = str(node, MUST_LABEL)?;
    let fits = (1..=LABEL_BYTES_MAX).contains(&text.len());
    if fits && !text.contains(char::is_control) { Ok(text.to_owned()) } else { Err(MUST_LABEL) }
}

/// The channel of that name.
pub(super) fn known_channel(gateway: &Gateway, name: &str) -> Result<ChannelId, Problem> {
    gateway.channel_id(name).ok_or_else(|| Problem::from(Rejection::ChannelNotFound))
}

pub(super) fn number_text(text: &str) -> Must<Number> {
    let number = Number::new(text.as_bytes()).map_err(|_| MUST_NUMBER)?;
    // A number is held filled up with zeros, which are no part of it: a zero that was sent is not one of them.
    if number.len() == text.len() { Ok(number) } else { Err(MUST_NUMBER) }
}

/// A place in a list, as it stands in a query string.
pub(super) fn seq_text(text: &str) -> Must<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or(MUST_SEQ)
}

pub(super) fn merchant_text(text: &str) -> Must<MerchantId> {
    let digits = (1..=MERCHANT_DIGITS_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse() {
        Ok(id @ 1..) if digits => Ok(MerchantId(id)),
        _ => Err(MUST_MERCHANT),
    }
}

pub(super) fn channel_text(text: &str) -> Must<&str> {
    let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    let fits = (1..=CHANNEL_NAME_BYTES_MAX).contains(&text.len());
    if fits && text.bytes().all(allowed) { Ok(text) } else { Err(MUST_CHANNEL) }
}

/// A string, or what it must be instead.
pub(super) fn str<'n>(node: &'n Node<'_>, must: &'static str) -> Must<&'n str> {
    match node {
        Node::Text(text) => Ok(text),
        _ => Err(must),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merchants_have_one_number_however_written() {
        assert_eq!(merchant_text("0001001"), Ok(MerchantId(1001)));
        assert_eq!(merchant_text("9999999999999999999"), Ok(MerchantId(9_999_999_999_999_999_999)));
        for text in ["", "0", "0000000000000000000", "00000000000000000001", "-1", "+1", "1 ", "１", "1a"] {
            assert_eq!(merchant_text(text), Err(MUST_MERCHANT), "{text}");
        }
    }

    #[test]
    fn edges_of_amounts() {
        assert_eq!(amount(&Node::Whole(1)), Ok(1));
        assert_eq!(amount(&Node::Whole(AMOUNT_MAX)), Ok(AMOUNT_MAX));
        assert_eq!(bound(&Node::Whole(0)), Ok(0));
        for node in [Node::Whole(0), Node::Whole(AMOUNT_MAX + 1), Node::OtherNumber, Node::Text("1".into())] {
            assert_eq!(amount(&node), Err(MUST_AMOUNT), "{node:?}");
        }
    }
}
