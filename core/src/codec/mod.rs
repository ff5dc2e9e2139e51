//! The compact form of a command, as the log holds it. The format's version stands in the group's header,
//! which whoever writes the log writes; this is version 1.
//!
//! ```text
//! command   = tag u8, then by tag:
//! 1 payment = flags u8, merchant, number, channel, amount, [paid_at], [discounts], [promoter], [text txn]
//!             flags: 1 hold, 2 paid_at, 4 details, 8 discounts, 16 promoter, 32 channel_txn
//!             (8, 16 and 32 only with 4); discounts = operator, merchant, platform
//! 2 refund  = flags u8 (1 details, 2 split returns; 2 only with 1), merchant, number refund, number order, amount,
//!             [text reason], [count, {number return, number split, receiver, amount}]
//! 3 result  = flags u8 (1 channel's number), merchant, number, state u8, [text channel's number]
//! 4 void    = merchant, number void, number order
//! 5 result  = merchant, number, succeeded u8
//! 6 merchant= merchant, text name, currency 3 bytes, status u8, platform (0 is none), fee_rate,
//!             rounding u8, fee_min, optional fee_max, fee_refund u8, platform_fee_rate, cycle u8 (0 T, 1 D),
//!             days u8, mode u8, settle_min, advance_fee_rate, refund_funding u8, discount_refund u8,
//!             max_split_rate, optional order_amount, optional day_amount, optional day_count
//! 7 channel = text name, preset u8, cost_rate, rounding u8, cost_refund u8, window, optional max_refunds,
//!             same_day u8, single u8, resubmit u8, count, {from, to}, text zone, count, {signed, signed}
//! 8 date    = signed date, cut u8
//! 9 order   = flags u8 (1 hold, 2 expires_at), merchant, number, channel, amount, operator, merchant, platform,
//!             [signed expires_at]
//! 10 confirm= flags u8 (1 paid_at, 2 channel's number), merchant, number, [signed paid_at], [text]
//! 11 close  = merchant, number, expired u8
//! 12 reinstate, 13 release = merchant, number order
//! 14 split  = merchant, number split, number order, finish u8, count, {receiver, amount}
//! 15 return = merchant, number return, number order, number split, receiver, amount
//! 16 payout = merchant, number, amount, optional channel
//! 17 result = merchant, number payout, state u8
//! 18 top-up = merchant, number, channel, amount
//! 19 freeze = merchant, number, amount;    20 unfreeze = merchant, number
//! 21 transfer = merchant, number, to, amount
//! 22 adjust = number, text subject, account, account, amount, currency 3 bytes, text memo, text, text
//! 23 promoter = merchant, currency 3 bytes, rate, upline (0 is none), upline_rate
//! 24 holidays = count, {signed date}, count, {signed date}
//! 25 begin settlement = number batch, merchant (0 is all);    26 settle = merchant, number batch
//! 27 end settlement = number batch
//! 28 sweep  = count, {owner, currency 3 bytes, amount}
//!
//! account   = kind u8, then by kind: 0 operator, 1 suspense, 2 in transit, 3 bank; 4 channel: id; 5 platform,
//!             6 accrued, 7 fee receivable: merchant; 8 a merchant's own: merchant, account u8
//! integers  = LEB128, shortest form only; signed ones zigzag first; optional = 0, or 1 and the integer
//!             (wide ones, signed and of 128 bits, stand in images only)
//! number    = length u8, characters;    text = length, bytes
//! ```

mod read;
mod write;

use crate::{Command, Field, SetDate, Void, VoidResult};
pub(crate) use read::Reader;
pub(crate) use write::Writer;

/// Why bytes are no command. The log was damaged, or was written by a version that knows more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The bytes end within a command.
    #[error("the bytes end within a command: read on, or the log is cut short")]
    Short,
    /// A tag or a flag this version does not know.
    #[error("an unknown tag or flag: written by a newer version, or damaged")]
    Unknown,
    /// A value in a form that is never written.
    #[error("a value that is never written in this form: the bytes are damaged")]
    Malformed,
    /// A well-formed command with a field out of its range.
    #[error("a command that would be refused for its {}: it was never accepted", .0.name())]
    Invalid(Field),
}

const HOLD: u8 = 1;
const PAID_AT: u8 = 1 << 1;
const DETAILS: u8 = 1 << 2;
const DISCOUNTS: u8 = 1 << 3;
const PROMOTER: u8 = 1 << 4;
const CHANNEL_TXN: u8 = 1 << 5;
const PAYMENT_FLAGS: u8 = HOLD | PAID_AT | DETAILS | DISCOUNTS | PROMOTER | CHANNEL_TXN;
/// The flag of a refund and of a refund's result: there is more.
const MORE: u8 = 1;
const SPLIT_RETURNS: u8 = 1 << 1;
const EXPIRES_AT: u8 = 1 << 1;
const CONFIRM_PAID_AT: u8 = 1;
const CONFIRM_TXN: u8 = 1 << 1;

/// Longest text of any field, in bytes; [`Command::check`] knows the field's own.
const TEXT_BYTES_MAX: u64 = 1024;

/// Appends a command that [`Command::check`] lets through.
pub fn encode(command: &Command, out: &mut Vec<u8>) {
    let mut writer = Writer(out);
    match command {
        Command::Payment(payment) => writer.payment(payment),
        Command::Refund(refund) => writer.refund(refund),
        Command::RefundResult(result) => writer.refund_result(result),
        Command::Void(void) => {
            writer.byte(4).int(void.merchant.0).number(&void.void_no).number(&void.order_no);
        }
        Command::VoidResult(result) => {
            writer.byte(5).int(result.merchant.0).number(&result.void_no).byte(result.succeeded.into());
        }
        Command::PutMerchant(terms) => writer.merchant(terms),
        Command::PutChannel(terms) => writer.channel(terms),
        Command::SetDate(set) => {
            writer.byte(8).signed(set.date.0.into()).byte(set.cut.into());
        }
        Command::CreateOrder(order) => writer.new_order(order),
        Command::Confirm(confirm) => writer.confirm(confirm),
        Command::Close(close) => {
            writer.byte(11).int(close.merchant.0).number(&close.order_no).byte(close.expired.into());
        }
        Command::Reinstate(of) => {
            writer.byte(12).int(of.merchant.0).number(&of.order_no);
        }
        Command::Release(of) => {
            writer.byte(13).int(of.merchant.0).number(&of.order_no);
        }
        Command::Split(split) => writer.split(split),
        Command::SplitReturn(back) => {
            writer.byte(15).int(back.merchant.0).number(&back.return_no).number(&back.order_no);
            writer.number(&back.split_no).int(back.receiver.0).int(back.amount);
        }
        _ => writer.movement(command),
    }
}

/// Takes one command off the front of `bytes`.
///
/// # Errors
/// When there is none, or one that [`Command::check`] would refuse; how much was taken then is not said.
pub fn decode(bytes: &mut &[u8]) -> Result<Command, CodecError> {
    let mut reader = Reader(bytes);
    let command = match reader.byte()? {
        1 => Command::Payment(reader.payment()?),
        2 => Command::Refund(reader.refund()?),
        3 => Command::RefundResult(reader.refund_result()?),
        4 => Command::Void(Void {
            merchant: reader.merchant_id()?,
            void_no: reader.number()?,
            order_no: reader.number()?,
        }),
        5 => Command::VoidResult(VoidResult {
            merchant: reader.merchant_id()?,
            void_no: reader.number()?,
            succeeded: reader.bool()?,
        }),
        6 => Command::PutMerchant(Box::new(reader.merchant()?)),
        7 => Command::PutChannel(Box::new(reader.channel()?)),
        8 => Command::SetDate(SetDate { date: reader.date()?, cut: reader.bool()? }),
        9 => Command::CreateOrder(Box::new(reader.new_order()?)),
        10 => Command::Confirm(reader.confirm()?),
        11 => Command::Close(reader.close()?),
        12 => Command::Reinstate(reader.order_ref()?),
        13 => Command::Release(reader.order_ref()?),
        14 => Command::Split(Box::new(reader.split()?)),
        15 => Command::SplitReturn(Box::new(reader.split_return()?)),
        tag => reader.movement(tag)?,
    };
    command.check().map_err(CodecError::Invalid)?;
    Ok(command)
}
