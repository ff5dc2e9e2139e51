//! The compact form of a command, as the log holds it. The format's version stands in the group's header,
//! which whoever writes the log writes; this is version 1.
//!
//! ```text
//! command   = tag u8, then by tag:
//! 1 payment = flags u8, merchant, number, channel, amount, [paid_at], [discounts], [promoter], [text txn]
//!             flags: 1 hold, 2 paid_at, 4 details, 8 discounts, 16 promoter, 32 channel_txn
//!             (8, 16 and 32 only with 4); discounts = operator, merchant, platform
//! 2 refund  = flags u8 (1 details), merchant, number refund, number order, amount, [text reason]
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
//!
//! integers  = LEB128, shortest form only; signed ones zigzag first; optional = 0, or 1 and the integer
//! number    = length u8, characters;    text = length, bytes
//! ```

use crate::channel::BLACKOUTS_MAX;
use crate::zone::ZONE_STEPS_MAX;
use crate::{
    Blackout, ChannelId, ChannelTerms, Command, Currency, Cycle, Date, DiscountRefund, Discounts,
    FailedRefund, FeeRefund, Field, Limits, MerchantId, MerchantStatus, MerchantTerms, Number, Payment,
    PaymentDetails, Preset, Rate, Refund, RefundDetails, RefundFunding, RefundResult, RefundResultState,
    Rounding, SameDay, SetDate, SettlementMode, Timestamp, Void, VoidResult, Zone, ZoneStep,
};

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
/// The one flag of a refund and of a refund's result: there is more.
const MORE: u8 = 1;

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
        8 => Command::SetDate(SetDate { date: Date(reader.small_signed()?), cut: reader.bool()? }),
        _ => return Err(CodecError::Unknown),
    };
    command.check().map_err(CodecError::Invalid)?;
    Ok(command)
}

struct Writer<'a>(&'a mut Vec<u8>);

impl Writer<'_> {
    fn byte(&mut self, byte: u8) -> &mut Self {
        self.0.push(byte);
        self
    }

    #[expect(clippy::cast_possible_truncation, reason = "seven bits at a time")]
    fn int(&mut self, mut value: u64) -> &mut Self {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
        self
    }

    fn signed(&mut self, value: i64) -> &mut Self {
        self.int((value << 1 ^ value >> 63).cast_unsigned())
    }

    fn option(&mut self, value: Option<u64>) -> &mut Self {
        match value {
            None => self.byte(0),
            Some(value) => self.byte(1).int(value),
        }
    }

    fn number(&mut self, number: &Number) -> &mut Self {
        self.text(number.as_bytes())
    }

    fn text(&mut self, text: &[u8]) -> &mut Self {
        self.int(text.len() as u64);
        self.0.extend_from_slice(text);
        self
    }

    fn payment(&mut self, payment: &Payment) {
        let details = payment.details.as_deref();
        let discounts =
            details.map(|details| details.discounts).filter(|discounts| *discounts != Discounts::default());
        let promoter = details.and_then(|details| details.promoter);
        let txn = details.and_then(|details| details.channel_txn.as_deref());
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let flags = flag(payment.hold, HOLD)
            | flag(payment.paid_at.is_some(), PAID_AT)
            | flag(details.is_some(), DETAILS)
            | flag(discounts.is_some(), DISCOUNTS)
            | flag(promoter.is_some(), PROMOTER)
            | flag(txn.is_some(), CHANNEL_TXN);
        self.byte(1).byte(flags).int(payment.merchant.0).number(&payment.order_no);
        self.int(payment.channel.0.into()).int(payment.amount);
        if let Some(at) = payment.paid_at {
            self.signed(at.0);
        }
        if let Some(discounts) = discounts {
            self.int(discounts.operator).int(discounts.merchant).int(discounts.platform);
        }
        if let Some(promoter) = promoter {
            self.int(promoter.0);
        }
        if let Some(txn) = txn {
            self.text(txn.as_bytes());
        }
    }

    fn refund(&mut self, refund: &Refund) {
        self.byte(2).byte(if refund.details.is_some() { MORE } else { 0 });
        self.int(refund.merchant.0).number(&refund.refund_no).number(&refund.order_no).int(refund.amount);
        if let Some(details) = &refund.details {
            self.text(details.reason.as_bytes());
        }
    }

    fn refund_result(&mut self, result: &RefundResult) {
        self.byte(3).byte(if result.channel_refund_no.is_some() { MORE } else { 0 });
        self.int(result.merchant.0).number(&result.refund_no).byte(result.state as u8);
        if let Some(number) = &result.channel_refund_no {
            self.text(number.as_bytes());
        }
    }

    fn merchant(&mut self, terms: &MerchantTerms) {
        let (cycle, days) = match terms.cycle {
            Cycle::Business(days) => (0, days),
            Cycle::Calendar(days) => (1, days),
        };
        self.byte(6).int(terms.merchant.0).text(terms.name.as_bytes());
        self.0.extend_from_slice(&terms.currency.0);
        self.byte(terms.status as u8).int(terms.platform.map_or(0, |id| id.0)).int(terms.fee_rate.0.into());
        self.byte(terms.fee_rounding as u8).int(terms.fee_min).option(terms.fee_max);
        self.byte(terms.fee_refund as u8).int(terms.platform_fee_rate.0.into()).byte(cycle).byte(days);
        self.byte(terms.mode as u8).int(terms.settle_min).int(terms.advance_fee_rate.0.into());
        self.byte(terms.refund_funding as u8).byte(terms.discount_refund as u8);
        self.int(terms.max_split_rate.0.into()).option(terms.limits.order_amount);
        self.option(terms.limits.day_amount).option(terms.limits.day_count);
    }

    fn channel(&mut self, terms: &ChannelTerms) {
        self.byte(7).text(terms.name.as_bytes()).byte(terms.preset as u8).int(terms.cost_rate.0.into());
        self.byte(terms.cost_rounding as u8).byte(terms.cost_refund as u8);
        self.int(terms.refund_window_days.into()).option(terms.max_refunds_per_order.map(u64::from));
        self.byte(terms.same_day as u8).byte(terms.single_refund_in_flight.into());
        self.byte(terms.resubmit_failed as u8).int(terms.blackout.len() as u64);
        for window in &terms.blackout {
            self.int(window.from_minute.into()).int(window.to_minute.into());
        }
        self.text(terms.zone.name.as_bytes()).int(terms.zone.steps.len() as u64);
        for step in &terms.zone.steps {
            self.signed(step.from_s).signed(step.offset_s.into());
        }
    }
}

struct Reader<'a, 'b>(&'a mut &'b [u8]);

impl<'b> Reader<'_, 'b> {
    fn byte(&mut self) -> Result<u8, CodecError> {
        let (&first, rest) = self.0.split_first().ok_or(CodecError::Short)?;
        *self.0 = rest;
        Ok(first)
    }

    fn take(&mut self, len: usize) -> Result<&'b [u8], CodecError> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(CodecError::Short)?;
        *self.0 = rest;
        Ok(taken)
    }

    fn bool(&mut self) -> Result<bool, CodecError> {
        self.one_of(&[false, true])
    }

    /// The variant of that place: enums are written as their place in their declaration.
    fn one_of<T: Copy>(&mut self, variants: &[T]) -> Result<T, CodecError> {
        variants.get(usize::from(self.byte()?)).copied().ok_or(CodecError::Unknown)
    }

    fn int(&mut self) -> Result<u64, CodecError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return Err(CodecError::Malformed);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                // A last byte of zero bits was not needed.
                return if bits == 0 && shift > 0 { Err(CodecError::Malformed) } else { Ok(value) };
            }
        }
        Err(CodecError::Malformed)
    }

    fn small<T: TryFrom<u64>>(&mut self) -> Result<T, CodecError> {
        T::try_from(self.int()?).map_err(|_| CodecError::Malformed)
    }

    fn signed(&mut self) -> Result<i64, CodecError> {
        let value = self.int()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    fn small_signed(&mut self) -> Result<i32, CodecError> {
        i32::try_from(self.signed()?).map_err(|_| CodecError::Malformed)
    }

    fn option(&mut self) -> Result<Option<u64>, CodecError> {
        if self.bool()? { self.int().map(Some) } else { Ok(None) }
    }

    fn number(&mut self) -> Result<Number, CodecError> {
        let len = self.small::<u8>()?;
        Number::new(self.take(len.into())?).map_err(|_| CodecError::Malformed)
    }

    fn text(&mut self) -> Result<&'b str, CodecError> {
        let len = self.int()?;
        if len > TEXT_BYTES_MAX {
            return Err(CodecError::Malformed);
        }
        let len = usize::try_from(len).map_err(|_| CodecError::Malformed)?;
        std::str::from_utf8(self.take(len)?).map_err(|_| CodecError::Malformed)
    }

    fn merchant_id(&mut self) -> Result<MerchantId, CodecError> {
        self.int().map(MerchantId)
    }

    fn rate(&mut self) -> Result<Rate, CodecError> {
        self.small().map(Rate)
    }

    fn rounding(&mut self) -> Result<Rounding, CodecError> {
        self.one_of(&[Rounding::HalfUp, Rounding::HalfEven, Rounding::Down])
    }

    fn fee_refund(&mut self) -> Result<FeeRefund, CodecError> {
        self.one_of(&[FeeRefund::Proportional, FeeRefund::None])
    }

    fn payment(&mut self) -> Result<Payment, CodecError> {
        let flags = self.byte()?;
        let has = |flag: u8| flags & flag != 0;
        let inner = flags & (DISCOUNTS | PROMOTER | CHANNEL_TXN) != 0;
        if flags & !PAYMENT_FLAGS != 0 || (inner && !has(DETAILS)) {
            return Err(CodecError::Unknown);
        }
        let merchant = self.merchant_id()?;
        let order_no = self.number()?;
        let channel = ChannelId(self.small()?);
        let amount = self.int()?;
        let paid_at = if has(PAID_AT) { Some(Timestamp(self.signed()?)) } else { None };
        let details = if has(DETAILS) {
            let mut details = PaymentDetails::default();
            if has(DISCOUNTS) {
                let (operator, merchant, platform) = (self.int()?, self.int()?, self.int()?);
                details.discounts = Discounts { operator, merchant, platform };
            }
            details.promoter = if has(PROMOTER) { Some(self.merchant_id()?) } else { None };
            details.channel_txn = if has(CHANNEL_TXN) { Some(self.text()?.to_owned()) } else { None };
            Some(Box::new(details))
        } else {
            None
        };
        Ok(Payment { merchant, order_no, channel, amount, hold: has(HOLD), paid_at, details })
    }

    fn more(&mut self) -> Result<bool, CodecError> {
        const _: () = assert!(MORE == 1);
        self.bool()
    }

    fn refund(&mut self) -> Result<Refund, CodecError> {
        let more = self.more()?;
        let (merchant, refund_no, order_no) = (self.merchant_id()?, self.number()?, self.number()?);
        let amount = self.int()?;
        let details =
            if more { Some(Box::new(RefundDetails { reason: self.text()?.to_owned() })) } else { None };
        Ok(Refund { merchant, refund_no, order_no, amount, details })
    }

    fn refund_result(&mut self) -> Result<RefundResult, CodecError> {
        let more = self.more()?;
        let (merchant, refund_no) = (self.merchant_id()?, self.number()?);
        let state = self.one_of(&[
            RefundResultState::Succeeded,
            RefundResultState::Failed,
            RefundResultState::Unknown,
        ])?;
        let channel_refund_no = if more { Some(self.text()?.into()) } else { None };
        Ok(RefundResult { merchant, refund_no, state, channel_refund_no })
    }

    fn merchant(&mut self) -> Result<MerchantTerms, CodecError> {
        let merchant = self.merchant_id()?;
        let name = self.text()?.to_owned();
        let currency = self.take(3)?.try_into().map(Currency).map_err(|_| CodecError::Short)?;
        let status =
            self.one_of(&[MerchantStatus::Active, MerchantStatus::Suspended, MerchantStatus::Closed])?;
        let platform = Some(self.merchant_id()?).filter(|id| id.0 != 0);
        Ok(MerchantTerms {
            merchant,
            name,
            currency,
            status,
            platform,
            fee_rate: self.rate()?,
            fee_rounding: self.rounding()?,
            fee_min: self.int()?,
            fee_max: self.option()?,
            fee_refund: self.fee_refund()?,
            platform_fee_rate: self.rate()?,
            cycle: self.cycle()?,
            mode: self.one_of(&[SettlementMode::Net, SettlementMode::Gross])?,
            settle_min: self.int()?,
            advance_fee_rate: self.rate()?,
            refund_funding: self.one_of(&[
                RefundFunding::Pending,
                RefundFunding::PendingThenAvailable,
                RefundFunding::Available,
            ])?,
            discount_refund: self.one_of(&[DiscountRefund::Proportional, DiscountRefund::DiscountFirst])?,
            max_split_rate: self.rate()?,
            limits: Limits {
                order_amount: self.option()?,
                day_amount: self.option()?,
                day_count: self.option()?,
            },
        })
    }

    fn cycle(&mut self) -> Result<Cycle, CodecError> {
        let kind: fn(u8) -> Cycle = if self.bool()? { Cycle::Calendar } else { Cycle::Business };
        self.byte().map(kind)
    }

    fn channel(&mut self) -> Result<ChannelTerms, CodecError> {
        Ok(ChannelTerms {
            name: self.text()?.to_owned(),
            preset: self.one_of(&Preset::ALL)?,
            cost_rate: self.rate()?,
            cost_rounding: self.rounding()?,
            cost_refund: self.fee_refund()?,
            refund_window_days: self.small()?,
            max_refunds_per_order: if self.bool()? { Some(self.small()?) } else { None },
            same_day: self.one_of(&[SameDay::Allow, SameDay::VoidOnly, SameDay::NextDay])?,
            single_refund_in_flight: self.bool()?,
            resubmit_failed: self.one_of(&[FailedRefund::Never, FailedRefund::NextDay])?,
            blackout: self.many(BLACKOUTS_MAX, |reader| {
                Ok(Blackout { from_minute: reader.small()?, to_minute: reader.small()? })
            })?,
            zone: Zone {
                name: self.text()?.to_owned(),
                steps: self.many(ZONE_STEPS_MAX, |reader| {
                    Ok(ZoneStep { from_s: reader.signed()?, offset_s: reader.small_signed()? })
                })?,
            },
        })
    }

    fn many<T>(
        &mut self,
        max: usize,
        mut item: impl FnMut(&mut Self) -> Result<T, CodecError>,
    ) -> Result<Vec<T>, CodecError> {
        let count = self.small::<u32>()? as usize;
        if count > max {
            return Err(CodecError::Malformed);
        }
        (0..count).map(|_| item(self)).collect()
    }
}
