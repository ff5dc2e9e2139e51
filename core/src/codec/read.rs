//! Bytes into commands; the format is drawn at the top of `mod.rs`.

use super::{
    CHANNEL_TXN, CONFIRM_PAID_AT, CONFIRM_TXN, CodecError, DETAILS, DISCOUNTS, EXPIRES_AT, HOLD, MORE,
    PAID_AT, PAYMENT_FLAGS, PROMOTER, SPLIT_RETURNS, TEXT_BYTES_MAX,
};
use crate::channel::BLACKOUTS_MAX;
use crate::zone::ZONE_STEPS_MAX;
use crate::{
    Account, Adjustment, Blackout, ChannelId, ChannelTerms, Close, Command, Confirm, Currency, Cycle, Date,
    DiscountRefund, Discounts, FailedRefund, FeeRefund, Freeze, HOLIDAYS_MAX, Holidays, Limits,
    MerchantAccount, MerchantId, MerchantStatus, MerchantTerms, NewOrder, Number, OrderRef, Payment,
    PaymentDetails, Payout, PayoutResult, Preset, Promoter, Rate, Refund, RefundDetails, RefundFunding,
    RefundResult, RefundResultState, Rounding, SPLIT_PARTS_MAX, SWEEP_ITEMS_MAX, SameDay, Settle, Settlement,
    SettlementMode, Split, SplitReturn, SweepItem, Timestamp, TopUp, Transfer, Unfreeze, Zone, ZoneStep,
};

/// Takes values off the front.
pub(crate) struct Reader<'a, 'b>(pub(crate) &'a mut &'b [u8]);

impl<'b> Reader<'_, 'b> {
    pub(crate) fn byte(&mut self) -> Result<u8, CodecError> {
        let (&first, rest) = self.0.split_first().ok_or(CodecError::Short)?;
        *self.0 = rest;
        Ok(first)
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'b [u8], CodecError> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(CodecError::Short)?;
        *self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn bool(&mut self) -> Result<bool, CodecError> {
        self.one_of(&[false, true])
    }

    /// The variant of that place: enums are written as their place in their declaration.
    pub(crate) fn one_of<T: Copy>(&mut self, variants: &[T]) -> Result<T, CodecError> {
        variants.get(usize::from(self.byte()?)).copied().ok_or(CodecError::Unknown)
    }

    pub(crate) fn int(&mut self) -> Result<u64, CodecError> {
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

    /// A signed integer of 128 bits.
    pub(crate) fn wide(&mut self) -> Result<i128, CodecError> {
        let mut value = 0u128;
        for shift in (0..128).step_by(7) {
            let byte = self.byte()?;
            let bits = u128::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return Err(CodecError::Malformed);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return match bits == 0 && shift > 0 {
                    true => Err(CodecError::Malformed),
                    false => Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed()),
                };
            }
        }
        Err(CodecError::Malformed)
    }

    pub(crate) fn small<T: TryFrom<u64>>(&mut self) -> Result<T, CodecError> {
        T::try_from(self.int()?).map_err(|_| CodecError::Malformed)
    }

    pub(crate) fn signed(&mut self) -> Result<i64, CodecError> {
        let value = self.int()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    fn small_signed(&mut self) -> Result<i32, CodecError> {
        i32::try_from(self.signed()?).map_err(|_| CodecError::Malformed)
    }

    pub(crate) fn option(&mut self) -> Result<Option<u64>, CodecError> {
        if self.bool()? { self.int().map(Some) } else { Ok(None) }
    }

    pub(crate) fn number(&mut self) -> Result<Number, CodecError> {
        let len = self.small::<u8>()?;
        Number::new(self.take(len.into())?).map_err(|_| CodecError::Malformed)
    }

    pub(crate) fn text(&mut self) -> Result<&'b str, CodecError> {
        let len = self.int()?;
        if len > TEXT_BYTES_MAX {
            return Err(CodecError::Malformed);
        }
        let len = usize::try_from(len).map_err(|_| CodecError::Malformed)?;
        std::str::from_utf8(self.take(len)?).map_err(|_| CodecError::Malformed)
    }

    pub(crate) fn merchant_id(&mut self) -> Result<MerchantId, CodecError> {
        self.int().map(MerchantId)
    }

    pub(crate) fn rate(&mut self) -> Result<Rate, CodecError> {
        self.small().map(Rate)
    }

    pub(crate) fn rounding(&mut self) -> Result<Rounding, CodecError> {
        self.one_of(&[Rounding::HalfUp, Rounding::HalfEven, Rounding::Down])
    }

    pub(crate) fn fee_refund(&mut self) -> Result<FeeRefund, CodecError> {
        self.one_of(&[FeeRefund::Proportional, FeeRefund::None])
    }

    pub(crate) fn payment(&mut self) -> Result<Payment, CodecError> {
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
                if details.discounts == Discounts::default() {
                    return Err(CodecError::Malformed);
                }
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

    pub(crate) fn refund(&mut self) -> Result<Refund, CodecError> {
        let flags = self.flags(MORE | SPLIT_RETURNS)?;
        let (merchant, refund_no, order_no) = (self.merchant_id()?, self.number()?, self.number()?);
        let amount = self.int()?;
        if flags & MORE == 0 {
            let none = Refund { merchant, refund_no, order_no, amount, details: None };
            return if flags == 0 { Ok(none) } else { Err(CodecError::Unknown) };
        }
        let reason = self.text()?.to_owned();
        let mut split_returns = Vec::new();
        if flags & SPLIT_RETURNS != 0 {
            split_returns = self.some(SPLIT_PARTS_MAX, |reader| {
                Ok(SplitReturn {
                    merchant,
                    order_no,
                    return_no: reader.number()?,
                    split_no: reader.number()?,
                    receiver: reader.merchant_id()?,
                    amount: reader.int()?,
                })
            })?;
        }
        let details = Some(Box::new(RefundDetails { reason, split_returns }));
        Ok(Refund { merchant, refund_no, order_no, amount, details })
    }

    pub(crate) fn refund_result(&mut self) -> Result<RefundResult, CodecError> {
        let more = self.more()?;
        let (merchant, refund_no) = (self.merchant_id()?, self.number()?);
        let state = self.result_state()?;
        let channel_refund_no = if more { Some(self.text()?.into()) } else { None };
        Ok(RefundResult { merchant, refund_no, state, channel_refund_no })
    }

    pub(crate) fn merchant(&mut self) -> Result<MerchantTerms, CodecError> {
        let merchant = self.merchant_id()?;
        let name = self.text()?.to_owned();
        let currency = self.currency()?;
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

    pub(crate) fn channel(&mut self) -> Result<ChannelTerms, CodecError> {
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

    pub(crate) fn many<T>(
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

    /// As [`Self::many`], but where none is never written so.
    fn some<T>(
        &mut self,
        max: usize,
        item: impl FnMut(&mut Self) -> Result<T, CodecError>,
    ) -> Result<Vec<T>, CodecError> {
        let some = self.many(max, item)?;
        if some.is_empty() { Err(CodecError::Malformed) } else { Ok(some) }
    }

    fn flags(&mut self, known: u8) -> Result<u8, CodecError> {
        let flags = self.byte()?;
        if flags & !known == 0 { Ok(flags) } else { Err(CodecError::Unknown) }
    }

    pub(crate) fn currency(&mut self) -> Result<Currency, CodecError> {
        self.take(3)?.try_into().map(Currency).map_err(|_| CodecError::Short)
    }

    pub(crate) fn date(&mut self) -> Result<Date, CodecError> {
        self.small_signed().map(Date)
    }

    /// A merchant, of whom 0 is none.
    pub(crate) fn optional_merchant(&mut self) -> Result<Option<MerchantId>, CodecError> {
        self.merchant_id().map(|id| Some(id).filter(|id| id.0 != 0))
    }

    fn result_state(&mut self) -> Result<RefundResultState, CodecError> {
        self.one_of(&[RefundResultState::Succeeded, RefundResultState::Failed, RefundResultState::Unknown])
    }

    pub(crate) fn new_order(&mut self) -> Result<NewOrder, CodecError> {
        let flags = self.flags(HOLD | EXPIRES_AT)?;
        Ok(NewOrder {
            merchant: self.merchant_id()?,
            order_no: self.number()?,
            channel: ChannelId(self.small()?),
            amount: self.int()?,
            discounts: Discounts { operator: self.int()?, merchant: self.int()?, platform: self.int()? },
            hold: flags & HOLD != 0,
            expires_at: if flags & EXPIRES_AT != 0 { Some(Timestamp(self.signed()?)) } else { None },
        })
    }

    pub(crate) fn confirm(&mut self) -> Result<Confirm, CodecError> {
        let flags = self.flags(CONFIRM_PAID_AT | CONFIRM_TXN)?;
        Ok(Confirm {
            merchant: self.merchant_id()?,
            order_no: self.number()?,
            paid_at: if flags & CONFIRM_PAID_AT != 0 { Some(Timestamp(self.signed()?)) } else { None },
            channel_txn: if flags & CONFIRM_TXN != 0 { Some(self.text()?.into()) } else { None },
        })
    }

    pub(crate) fn close(&mut self) -> Result<Close, CodecError> {
        Ok(Close { merchant: self.merchant_id()?, order_no: self.number()?, expired: self.bool()? })
    }

    pub(crate) fn order_ref(&mut self) -> Result<OrderRef, CodecError> {
        Ok(OrderRef { merchant: self.merchant_id()?, order_no: self.number()? })
    }

    pub(crate) fn split(&mut self) -> Result<Split, CodecError> {
        Ok(Split {
            merchant: self.merchant_id()?,
            split_no: self.number()?,
            order_no: self.number()?,
            finish: self.bool()?,
            receivers: self.many(SPLIT_PARTS_MAX, |reader| Ok((reader.merchant_id()?, reader.int()?)))?,
        })
    }

    pub(crate) fn split_return(&mut self) -> Result<SplitReturn, CodecError> {
        Ok(SplitReturn {
            merchant: self.merchant_id()?,
            return_no: self.number()?,
            order_no: self.number()?,
            split_no: self.number()?,
            receiver: self.merchant_id()?,
            amount: self.int()?,
        })
    }

    /// What is no order's.
    pub(crate) fn movement(&mut self, tag: u8) -> Result<Command, CodecError> {
        Ok(match tag {
            16 => Command::Payout(Payout {
                merchant: self.merchant_id()?,
                payout_no: self.number()?,
                amount: self.int()?,
                channel: if self.bool()? { Some(ChannelId(self.small()?)) } else { None },
            }),
            17 => Command::PayoutResult(PayoutResult {
                merchant: self.merchant_id()?,
                payout_no: self.number()?,
                state: self.result_state()?,
            }),
            18 => Command::TopUp(TopUp {
                merchant: self.merchant_id()?,
                topup_no: self.number()?,
                channel: ChannelId(self.small()?),
                amount: self.int()?,
            }),
            19 => Command::Freeze(Freeze {
                merchant: self.merchant_id()?,
                freeze_no: self.number()?,
                amount: self.int()?,
            }),
            20 => Command::Unfreeze(Unfreeze { merchant: self.merchant_id()?, freeze_no: self.number()? }),
            21 => Command::Transfer(Transfer {
                merchant: self.merchant_id()?,
                transfer_no: self.number()?,
                to: self.merchant_id()?,
                amount: self.int()?,
            }),
            22 => Command::Adjust(Box::new(self.adjustment()?)),
            23 => Command::PutPromoter(self.promoter()?),
            24 => Command::PutHolidays(Box::new(self.holidays()?)),
            _ => self.settlement(tag)?,
        })
    }

    pub(crate) fn promoter(&mut self) -> Result<Promoter, CodecError> {
        Ok(Promoter {
            promoter: self.merchant_id()?,
            currency: self.currency()?,
            rate: self.rate()?,
            upline: self.optional_merchant()?,
            upline_rate: self.rate()?,
        })
    }

    pub(crate) fn holidays(&mut self) -> Result<Holidays, CodecError> {
        Ok(Holidays {
            dates: self.many(HOLIDAYS_MAX, Self::date)?,
            workdays: self.many(HOLIDAYS_MAX, Self::date)?,
        })
    }

    fn settlement(&mut self, tag: u8) -> Result<Command, CodecError> {
        Ok(match tag {
            25 => Command::BeginSettlement(Settlement {
                batch_no: self.number()?,
                merchant: self.optional_merchant()?,
            }),
            26 => Command::Settle(Settle { merchant: self.merchant_id()?, batch_no: self.number()? }),
            27 => Command::EndSettlement(self.number()?),
            28 => Command::Sweep(Box::new(self.many(SWEEP_ITEMS_MAX, |reader| {
                Ok(SweepItem {
                    owner: reader.merchant_id()?,
                    currency: reader.currency()?,
                    amount: reader.int()?,
                })
            })?)),
            _ => return Err(CodecError::Unknown),
        })
    }

    pub(crate) fn adjustment(&mut self) -> Result<Adjustment, CodecError> {
        Ok(Adjustment {
            adjustment_no: self.number()?,
            subject: self.text()?.to_owned(),
            from: self.account()?,
            to: self.account()?,
            amount: self.int()?,
            currency: self.currency()?,
            memo: self.text()?.to_owned(),
            approved_by: [self.text()?.to_owned(), self.text()?.to_owned()],
        })
    }

    pub(crate) fn account(&mut self) -> Result<Account, CodecError> {
        Ok(match self.byte()? {
            0 => Account::Operator,
            1 => Account::Suspense,
            2 => Account::InTransit,
            3 => Account::Bank,
            4 => Account::Channel(ChannelId(self.small()?)),
            5 => Account::Platform(self.merchant_id()?),
            6 => Account::Accrued(self.merchant_id()?),
            7 => Account::FeeReceivable(self.merchant_id()?),
            8 => Account::Merchant(self.merchant_id()?, self.one_of(&MerchantAccount::ALL)?),
            _ => return Err(CodecError::Unknown),
        })
    }
}
