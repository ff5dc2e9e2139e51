//! The traffic: what the load generator sends, made from a payment's place in the row alone, so that any payment
//! can be made again, repeated or refunded without being kept.

use std::hint::black_box;

use suanpan_core::{
    ChannelId, ChannelTerms, Command, Currency, Date, Key, Ledger, MerchantId, MerchantTerms, Number,
    Payment, Preset, Rate, Receipt, Refund, Reply, Timestamp, Zone,
};

use crate::BenchError;

/// Merchants that payments fall on.
pub const MERCHANTS: u64 = 10_000;

/// The most payments of one frame, and those of a full one.
pub const FRAME_PAYMENTS: usize = suanpan_engine::BATCH_REQUESTS_MAX;

/// When everything is decided: a morning in September 2025.
pub const NOW: Timestamp = Timestamp(1_757_900_000_000);

/// That morning's date.
pub const DATE: Date = Date(20_346);

const FIRST_MERCHANT: u64 = 1_000_001;
const CHANNEL: ChannelId = ChannelId(0);
const HOT: MerchantId = MerchantId(FIRST_MERCHANT);

/// Commands whose cache lines are asked for together, as a shard does it.
const TOUCH_AHEAD: usize = 16;

/// How payments fall on merchants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// On all of them alike.
    Uniform,
    /// All on one.
    Hot,
}

/// The channel that all payments come through.
#[must_use]
pub fn channel() -> ChannelTerms {
    let zone = Zone::fixed("Asia/Shanghai", 8 * 3_600);
    ChannelTerms { cost_rate: Rate(2_500), ..ChannelTerms::preset("wechat", Preset::Wechat, zone) }
}

/// The terms of each merchant.
pub fn merchants() -> impl Iterator<Item = MerchantTerms> {
    (0..MERCHANTS).map(|place| MerchantTerms {
        name: format!("Load {place}"),
        fee_rate: Rate(6_000),
        ..MerchantTerms::new(MerchantId(FIRST_MERCHANT + place), Currency(*b"CNY"))
    })
}

/// The payment at a place of the row: 1.00 to 500.00 on a merchant that its place decides.
#[must_use]
pub fn payment(spread: Spread, place: u64) -> Payment {
    let lot = scramble(place);
    let merchant = match spread {
        Spread::Uniform => MerchantId(FIRST_MERCHANT + (lot >> 32) % MERCHANTS),
        Spread::Hot => HOT,
    };
    Payment {
        merchant,
        order_no: number(b'P', place),
        channel: CHANNEL,
        amount: 100 + (lot & 0xffff_ffff) % 49_901,
        hold: false,
        paid_at: None,
        details: None,
    }
}

/// A refund of half of the payment at a place of the row.
#[must_use]
pub fn refund(spread: Spread, place: u64) -> Refund {
    let Payment { merchant, order_no, amount, .. } = payment(spread, place);
    Refund { merchant, refund_no: number(b'R', place), order_no, amount: amount / 2, details: None }
}

/// A ledger with the channel and the merchants, and no order.
///
/// # Panics
/// When it refuses one of them.
#[must_use]
pub fn ledger() -> Ledger {
    let mut ledger = Ledger::new(7, DATE);
    let put = [Command::PutChannel(Box::new(channel()))]
        .into_iter()
        .chain(merchants().map(|terms| Command::PutMerchant(Box::new(terms))));
    for command in put {
        assert!(ledger.apply(&command, NOW, &mut ()).changed, "the traffic is set up on an empty ledger");
    }
    ledger
}

/// Applies commands as a shard does: the cache lines of the next few are asked for together. How many changed
/// something.
pub fn apply(ledger: &mut Ledger, commands: &[Command]) -> usize {
    let mut changed = 0;
    for some in commands.chunks(TOUCH_AHEAD) {
        let mut keys = [Key::default(); TOUCH_AHEAD];
        for (key, command) in keys.iter_mut().zip(some) {
            *key = ledger.touch(command);
        }
        ledger.warm(&keys[..some.len()]);
        for (key, command) in keys.into_iter().zip(some) {
            changed += usize::from(black_box(ledger.apply_keyed(command, key, NOW, &mut ())).changed);
        }
    }
    changed
}

/// Fails unless a reply to a fresh payment says that it was taken.
///
/// # Errors
/// With the reply.
pub fn must_be_paid(reply: &Reply) -> Result<(), BenchError> {
    match reply {
        Reply::Done(Receipt::Payment { repeat: false, .. }) => Ok(()),
        other => Err(BenchError::Answer(format!("{other:?} to a fresh payment"))),
    }
}

/// 20 characters: a letter for the kind, seven for the run, twelve digits.
fn number(letter: u8, place: u64) -> Number {
    let mut text = *b"P5W0QKAA000000000000";
    text[0] = letter;
    let mut left = place;
    for digit in text[8..].iter_mut().rev() {
        *digit = b'0' + (left % 10) as u8;
        left /= 10;
    }
    Number::new(&text).unwrap_or_else(|error| unreachable!("its characters are all allowed: {error}"))
}

/// SplitMix64's output function: from a place to bits that look like chance.
#[must_use]
pub fn scramble(place: u64) -> u64 {
    let mut bits = place.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ bits >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ bits >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payments_are_taken_repeated_and_refunded() {
        for spread in [Spread::Uniform, Spread::Hot] {
            let mut ledger = ledger();
            let payments: Vec<Command> = (0..100).map(|n| Command::Payment(payment(spread, n))).collect();
            assert_eq!(apply(&mut ledger, &payments), 100);
            assert_eq!(apply(&mut ledger, &payments), 0);
            let refunds: Vec<Command> = (0..100).map(|n| Command::Refund(refund(spread, n))).collect();
            assert_eq!(apply(&mut ledger, &refunds), 100);
        }
    }

    #[test]
    fn order_numbers_have_twenty_characters() {
        assert_eq!(payment(Spread::Uniform, 2_999_999).order_no.as_str(), "P5W0QKAA000002999999");
    }
}
