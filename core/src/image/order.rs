//! The image of one order with all that belongs to it. By itself it is how an order is kept outside of a ledger.
//!
//! ```text
//! alone     = version u8, merchant's id, order
//! order     = state u8 (status, 8 × purse, 32 details, 64 kin), flags u8 (see `OrderFlags`), number, channel, terms,
//!             cash, fee, platform's fee, cost, date, signed paid at less the date's midnight, [details], [kin]
//! details   = flags u8 (1 discounts, 2 advance fee, 4 promoter, 8 channel's number, 16 expires at), [operator, merchant,
//!             platform], [advance fee], [promoter], [text], [signed expires at]
//! kin       = flags u8 (1 entered, 2 commissions, 4 refunds, 8 voids, 16 splits; not 0), [date entered],
//!             [count, {promoter, level u8, amount}], [count, {refund}], [count, {void}], [count, {split}]
//! refund    = number, state u8 (state, 4 × sent as, 8 contradicted, 16 channel's number), parts, pending, held,
//!             available, date bucket, date, attempts, [date held on, when it is held], [text channel's number]
//! parts     = cash, operator, merchant, platform, fee, platform's fee, cost
//! void      = number, state u8 (state, 4 contradicted)
//! split     = number, finish u8, date, count, {receiver, amount}, count, {number return, receiver, amount, date}
//! ```
//!
//! The refunds stand in the order in which they were asked for. What was given back of an order is the sum of these, so it
//! is worked out again.

use super::kin::Kin;
use super::{ImageError, Read, VERSION, amount, date, merchant_id, must};
use crate::arena::NOWHERE;
use crate::check::channel_number;
use crate::codec::{Reader, Writer};
use crate::date::DAY_MS;
use crate::journal::{Link, PLACE_MAX};
use crate::merchant::Merchant;
use crate::order::{Giveback, Order, OrderDetails, OrderFlags, Parts};
use crate::refund::{Funds, StoredRefund};
use crate::split::{SplitPart, StoredSplit, StoredSplitReturn};
use crate::void::StoredVoid;
use crate::{
    AMOUNT_MAX, COMMISSION_LEVELS, ChannelId, ColdKind, Commission, Date, Discounts, Ledger, MerchantAccount,
    MerchantId, Number, OrderStatus, RefundState, SPLIT_PARTS_MAX, SentAs, SplitReturn, Timestamp, VoidState,
};

const PURSE: u8 = 1 << 3;
const DETAILS: u8 = 1 << 5;
const KIN: u8 = 1 << 6;

const DISCOUNTS: u8 = 1;
const ADVANCE_FEE: u8 = 1 << 1;
const PROMOTER: u8 = 1 << 2;
const CHANNEL_TXN: u8 = 1 << 3;
const EXPIRES_AT: u8 = 1 << 4;

const ENTERED: u8 = 1;
const COMMISSIONS: u8 = 1 << 1;
const REFUNDS: u8 = 1 << 2;
const VOIDS: u8 = 1 << 3;
const SPLITS: u8 = 1 << 4;

const SENT_AS: u8 = 1 << 2;
const CONTRADICTED: u8 = 1 << 3;
const CHANNEL_REFUND_NO: u8 = 1 << 4;
const VOID_CONTRADICTED: u8 = 1 << 2;

const STATUSES: [OrderStatus; 7] = [
    OrderStatus::Created,
    OrderStatus::Closed,
    OrderStatus::PaidLate,
    OrderStatus::Paid,
    OrderStatus::Voided,
    OrderStatus::PartiallyRefunded,
    OrderStatus::Refunded,
];
const PURSES: [MerchantAccount; 3] =
    [MerchantAccount::Pending, MerchantAccount::Held, MerchantAccount::Available];
const REFUND_STATES: [RefundState; 4] =
    [RefundState::Processing, RefundState::Held, RefundState::Succeeded, RefundState::Failed];
const VOID_STATES: [VoidState; 3] = [VoidState::Processing, VoidState::Succeeded, VoidState::Failed];

/// An order with all that belongs to it, outside of a ledger.
#[derive(Debug)]
pub struct OrderImage {
    merchant: MerchantId,
    /// What refers to places refers to none.
    pub(super) order: Order,
    details: Option<Box<OrderDetails>>,
    kin: Option<Box<KinImage>>,
}

/// What was done about an order after it was paid.
#[derive(Debug, Default)]
struct KinImage {
    entered: Option<Date>,
    commissions: Vec<Commission>,
    refunds: Vec<StoredRefund>,
    voids: Vec<StoredVoid>,
    splits: Vec<SplitImage>,
}

#[derive(Debug)]
struct SplitImage {
    split: StoredSplit,
    returns: Vec<StoredSplitReturn>,
}

/// Appends the image of the order at a place; `kin` is of this ledger as it is now.
pub(crate) fn write_order(ledger: &Ledger, slot: u32, kin: &Kin, out: &mut Vec<u8>) {
    let mut writer = Writer(out);
    writer.byte(VERSION).int(ledger.merchants[ledger.orders[slot].merchant].id.0);
    write_body(ledger, slot, &ledger.orders[slot], kin, &mut writer);
}

/// Takes the image of one order off the front of `bytes`.
///
/// # Errors
/// When there is none.
pub fn read_order(bytes: &mut &[u8]) -> Result<OrderImage, ImageError> {
    let mut reader = Reader(bytes);
    let version = reader.byte()?;
    if version != VERSION {
        return Err(ImageError::Version(version));
    }
    let merchant = merchant_id(&mut reader)?;
    read_body(merchant, &mut reader)
}

/// What follows the merchant.
pub(super) fn write_body(ledger: &Ledger, slot: u32, order: &Order, kin: &Kin, writer: &mut Writer<'_>) {
    let (voids, splits) = (kin.voids(slot), kin.splits(slot));
    let has_kin = order.giveback != NOWHERE || voids.len() > 0;
    let details = ledger.details_of(order);
    let flag = |set: bool, flag: u8| if set { flag } else { 0 };
    let state = order.status as u8
        | (order.purse as u8 * PURSE)
        | flag(details.is_some(), DETAILS)
        | flag(has_kin, KIN);
    writer.byte(state).byte(order.flags.bits()).number(&order.order_no);
    writer.int(order.channel.0.into()).int(order.terms.into());
    writer.int(order.cash).int(order.fee).int(order.platform_fee).int(order.cost);
    writer.signed(order.date.0.into()).signed(order.paid_at.0 - midnight(order.date));
    if let Some(details) = details {
        write_details(details, writer);
    }
    if !has_kin {
        return;
    }
    let none = Giveback::new();
    let giveback = ledger.giveback_of(order).unwrap_or(&none);
    let flags = flag(giveback.entered.is_some(), ENTERED)
        | flag(!giveback.commissions.is_empty(), COMMISSIONS)
        | flag(giveback.first != NOWHERE, REFUNDS)
        | flag(voids.len() > 0, VOIDS)
        | flag(splits.len() > 0, SPLITS);
    writer.byte(flags);
    if let Some(entered) = giveback.entered {
        writer.signed(entered.0.into());
    }
    if flags & COMMISSIONS != 0 {
        writer.int(giveback.commissions.len() as u64);
        for commission in &giveback.commissions {
            writer.int(commission.promoter.0).byte(commission.level).int(commission.amount);
        }
    }
    if flags & REFUNDS != 0 {
        writer.int(ledger.refunds_of(order).count() as u64);
        ledger.refunds_of(order).for_each(|refund| write_refund(refund, writer));
    }
    if flags & VOIDS != 0 {
        writer.int(voids.len() as u64);
        for void in voids.map(|at| &ledger.voids[at]) {
            let state = void.state as u8 | flag(void.contradicted, VOID_CONTRADICTED);
            writer.number(&void.void_no).byte(state);
        }
    }
    if flags & SPLITS != 0 {
        writer.int(splits.len() as u64);
        splits.for_each(|at| write_split(ledger, at, kin, writer));
    }
}

fn midnight(date: Date) -> i64 {
    i64::from(date.0) * DAY_MS
}

fn write_details(details: &OrderDetails, writer: &mut Writer<'_>) {
    let flag = |set: bool, flag: u8| if set { flag } else { 0 };
    let discounts = details.discounts;
    let flags = flag(discounts != Discounts::default(), DISCOUNTS)
        | flag(details.advance_fee > 0, ADVANCE_FEE)
        | flag(details.promoter.is_some(), PROMOTER)
        | flag(details.channel_txn.is_some(), CHANNEL_TXN)
        | flag(details.expires_at.is_some(), EXPIRES_AT);
    writer.byte(flags);
    if flags & DISCOUNTS != 0 {
        writer.int(discounts.operator).int(discounts.merchant).int(discounts.platform);
    }
    if details.advance_fee > 0 {
        writer.int(details.advance_fee);
    }
    if let Some(promoter) = details.promoter {
        writer.int(promoter.0);
    }
    if let Some(txn) = &details.channel_txn {
        writer.text(txn.as_bytes());
    }
    if let Some(at) = details.expires_at {
        writer.signed(at.0);
    }
}

fn write_refund(refund: &StoredRefund, writer: &mut Writer<'_>) {
    let flag = |set: bool, flag: u8| if set { flag } else { 0 };
    let state = refund.state as u8
        | (refund.sent_as as u8 * SENT_AS)
        | flag(refund.contradicted, CONTRADICTED)
        | flag(refund.channel_refund_no.is_some(), CHANNEL_REFUND_NO);
    writer.number(&refund.refund_no).byte(state);
    let Parts { cash, discounts, fee, platform_fee, cost } = refund.parts;
    writer.int(cash).int(discounts.operator).int(discounts.merchant).int(discounts.platform);
    writer.int(fee).int(platform_fee).int(cost);
    let Funds { pending, held, available, bucket } = refund.funds;
    writer.int(pending).int(held).int(available).signed(bucket.0.into());
    writer.signed(refund.date.0.into()).int(refund.attempts.into());
    if refund.state == RefundState::Held {
        writer.signed(refund.held_on.0.into());
    }
    if let Some(number) = &refund.channel_refund_no {
        writer.text(number.as_bytes());
    }
}

fn write_split(ledger: &Ledger, at: u32, kin: &Kin, writer: &mut Writer<'_>) {
    let split = &ledger.splits[at];
    writer.number(&split.split_no).byte(split.finish.into()).signed(split.date.0.into());
    writer.int(split.parts.len() as u64);
    for part in &split.parts {
        writer.int(part.receiver.0).int(part.amount);
    }
    let returns = kin.returns(at);
    writer.int(returns.len() as u64);
    for back in returns.map(|at| &ledger.split_returns[at]) {
        writer.number(&back.asked.return_no).int(back.asked.receiver.0).int(back.asked.amount);
        writer.signed(back.date.0.into());
    }
}

/// What [`write_body`] wrote.
pub(super) fn read_body(merchant: MerchantId, reader: &mut Reader<'_, '_>) -> Read<OrderImage> {
    let state = reader.byte()?;
    let status = STATUSES.get(usize::from(state & (PURSE - 1)));
    let purse = PURSES.get(usize::from((state / PURSE) & 3));
    let (Some(&status), Some(&purse)) = (status, purse) else {
        return Err(ImageError::Malformed("an order's state"));
    };
    must(state & !(DETAILS | KIN | (DETAILS - 1)) == 0, "an order's state")?;
    let flags = OrderFlags(reader.byte()?);
    let order_no = reader.number()?;
    let (channel, terms) = (ChannelId(reader.small()?), reader.small()?);
    let (cash, fee, platform_fee, cost) =
        (amount(reader)?, amount(reader)?, amount(reader)?, amount(reader)?);
    let on = date(reader)?;
    let paid_at = Timestamp(midnight(on).saturating_add(reader.signed()?));
    let (none, nowhere) = (None, NOWHERE);
    let mut image = OrderImage {
        merchant,
        order: Order {
            order_no,
            cash,
            fee,
            platform_fee,
            cost,
            paid_at,
            date: on,
            merchant: nowhere,
            details: nowhere,
            giveback: nowhere,
            channel,
            terms,
            status,
            purse,
            flags,
        },
        details: none,
        kin: None,
    };
    if state & DETAILS != 0 {
        image.details = Some(Box::new(read_details(reader)?));
    }
    if state & KIN != 0 {
        image.kin = Some(Box::new(read_kin(&image, reader)?));
    }
    image.check()?;
    Ok(image)
}

fn read_details(reader: &mut Reader<'_, '_>) -> Read<OrderDetails> {
    let flags = reader.byte()?;
    let has = |flag: u8| flags & flag != 0;
    must(flags & !(DISCOUNTS | ADVANCE_FEE | PROMOTER | CHANNEL_TXN | EXPIRES_AT) == 0, "details")?;
    let mut details = OrderDetails::default();
    if has(DISCOUNTS) {
        let (operator, merchant, platform) = (amount(reader)?, amount(reader)?, amount(reader)?);
        details.discounts = Discounts { operator, merchant, platform };
        let fits = details.discounts.check().is_ok() && details.discounts != Discounts::default();
        must(fits, "discounts")?;
    }
    if has(ADVANCE_FEE) {
        details.advance_fee = amount(reader)?;
        must(details.advance_fee > 0, "an advance fee")?;
    }
    if has(PROMOTER) {
        details.promoter = Some(merchant_id(reader)?);
    }
    if has(CHANNEL_TXN) {
        details.channel_txn = Some(channels_number(reader)?);
    }
    if has(EXPIRES_AT) {
        let at = Timestamp(reader.signed()?);
        must(Timestamp::RANGE.contains(&at.0), "a moment")?;
        details.expires_at = Some(at);
    }
    Ok(details)
}

fn channels_number(reader: &mut Reader<'_, '_>) -> Read<Box<str>> {
    let text = reader.text()?;
    must(channel_number(text, crate::Field::ChannelTxn).is_ok(), "a channel's number")?;
    Ok(text.into())
}

/// Some of what a count before them says; nothing is set aside for more than there is.
fn some<T>(reader: &mut Reader<'_, '_>, mut one: impl FnMut(&mut Reader<'_, '_>) -> Read<T>) -> Read<Vec<T>> {
    let count = reader.small::<u32>()?;
    must(count > 0, "a count")?;
    (0..count).map(|_| one(reader)).collect()
}

fn read_kin(image: &OrderImage, reader: &mut Reader<'_, '_>) -> Read<KinImage> {
    let flags = reader.byte()?;
    let has = |flag: u8| flags & flag != 0;
    must(flags != 0 && flags & !(ENTERED | COMMISSIONS | REFUNDS | VOIDS | SPLITS) == 0, "kin")?;
    let mut kin = KinImage::default();
    if has(ENTERED) {
        kin.entered = Some(date(reader)?);
    }
    if has(COMMISSIONS) {
        kin.commissions = some(reader, |reader| {
            let (promoter, level, amount) = (merchant_id(reader)?, reader.byte()?, amount(reader)?);
            Ok(Commission { promoter, level, amount })
        })?;
        let levels = kin.commissions.iter().map(|commission| usize::from(commission.level));
        let rising = levels.clone().is_sorted_by(|one, next| one < next);
        let known = levels.clone().all(|level| (1..=COMMISSION_LEVELS).contains(&level));
        must(rising && known && kin.entered.is_some(), "commissions")?;
    }
    if has(REFUNDS) {
        kin.refunds = some(reader, read_refund)?;
        must_differ(kin.refunds.iter().map(|refund| refund.refund_no), "a refund")?;
    }
    if has(VOIDS) {
        kin.voids = some(reader, read_void)?;
        must_differ(kin.voids.iter().map(|void| void.void_no), "a void")?;
    }
    if has(SPLITS) {
        kin.splits = some(reader, |reader| read_split(image, reader))?;
        must_differ(kin.splits.iter().map(|one| one.split.split_no), "a split")?;
        let returns = kin.splits.iter().flat_map(|split| &split.returns);
        must_differ(returns.map(|back| back.asked.return_no), "a split return")?;
    }
    Ok(kin)
}

fn must_differ(numbers: impl Iterator<Item = Number>, what: &'static str) -> Read<()> {
    let mut numbers: Vec<Number> = numbers.collect();
    numbers.sort_unstable();
    match numbers.windows(2).find(|two| two[0] == two[1]) {
        Some(two) => Err(ImageError::Duplicate(what, two[0])),
        None => Ok(()),
    }
}

fn read_refund(reader: &mut Reader<'_, '_>) -> Read<StoredRefund> {
    let refund_no = reader.number()?;
    let flags = reader.byte()?;
    let known = (SENT_AS - 1) | SENT_AS | CONTRADICTED | CHANNEL_REFUND_NO;
    must(flags & !known == 0, "a refund's state")?;
    let state = REFUND_STATES[usize::from(flags & (SENT_AS - 1))];
    let cash = amount(reader)?;
    let (operator, merchant, platform) = (amount(reader)?, amount(reader)?, amount(reader)?);
    let (fee, platform_fee, cost) = (amount(reader)?, amount(reader)?, amount(reader)?);
    let discounts = Discounts { operator, merchant, platform };
    let (pending, held, available) = (reader.int()?, reader.int()?, reader.int()?);
    // What a refund is worth with its discounts is at most twice an amount.
    let fits = [pending, held, available].iter().all(|&part| part <= 2 * AMOUNT_MAX);
    must(fits && discounts.check().is_ok(), "a refund's funds")?;
    let bucket = date(reader)?;
    let (on, attempts) = (date(reader)?, reader.small()?);
    must((1..u32::MAX).contains(&attempts), "a refund's attempts")?;
    let held_on = if state == RefundState::Held { date(reader)? } else { Date::default() };
    let number = flags & CHANNEL_REFUND_NO != 0;
    Ok(StoredRefund {
        refund_no,
        order: NOWHERE,
        next: NOWHERE,
        parts: Parts { cash, discounts, fee, platform_fee, cost },
        funds: Funds { pending, held, available, bucket },
        date: on,
        attempts,
        held_on,
        state,
        sent_as: if flags & SENT_AS == 0 { SentAs::Refund } else { SentAs::Void },
        contradicted: flags & CONTRADICTED != 0,
        channel_refund_no: if number { Some(channels_number(reader)?) } else { None },
    })
}

fn read_void(reader: &mut Reader<'_, '_>) -> Read<StoredVoid> {
    let void_no = reader.number()?;
    let flags = reader.byte()?;
    let state = VOID_STATES.get(usize::from(flags & (VOID_CONTRADICTED - 1))).copied();
    let state = state.ok_or(ImageError::Malformed("a void's state"))?;
    must(flags & !((VOID_CONTRADICTED - 1) | VOID_CONTRADICTED) == 0, "a void's state")?;
    Ok(StoredVoid { void_no, order: NOWHERE, state, contradicted: flags & VOID_CONTRADICTED != 0 })
}

fn read_split(image: &OrderImage, reader: &mut Reader<'_, '_>) -> Read<SplitImage> {
    let (split_no, finish, on) = (reader.number()?, reader.bool()?, date(reader)?);
    let mut parts: Vec<SplitPart> = some(reader, |reader| {
        let (receiver, amount) = (merchant_id(reader)?, amount(reader)?);
        Ok(SplitPart { receiver, amount, returned: 0 })
    })?;
    let once = (1..parts.len()).all(|at| parts[..at].iter().all(|one| one.receiver != parts[at].receiver));
    let fits = parts.len() <= SPLIT_PARTS_MAX && parts.iter().all(|part| part.amount > 0);
    must(once && fits, "a split's receivers")?;
    let mut returns = Vec::new();
    for _ in 0..reader.small::<u32>()? {
        let asked = SplitReturn {
            merchant: image.merchant,
            return_no: reader.number()?,
            order_no: image.order.order_no,
            split_no,
            receiver: merchant_id(reader)?,
            amount: amount(reader)?,
        };
        let part = parts.iter_mut().find(|part| part.receiver == asked.receiver);
        let part = part.filter(|part| (1..=part.amount - part.returned).contains(&asked.amount));
        part.ok_or(ImageError::Malformed("a split return"))?.returned += asked.amount;
        returns.push(StoredSplitReturn { asked, merchant: NOWHERE, date: date(reader)? });
    }
    let split = StoredSplit { split_no, order: NOWHERE, finish, date: on, parts: parts.into() };
    Ok(SplitImage { split, returns })
}

impl OrderImage {
    /// Whose it is.
    #[must_use]
    pub fn merchant(&self) -> MerchantId {
        self.merchant
    }

    /// Whether it is found by that number.
    pub(crate) fn has(&self, kind: ColdKind, number: &Number) -> bool {
        let kin = self.kin.as_deref();
        match kind {
            ColdKind::Order => self.order.order_no == *number,
            ColdKind::Refund => kin.is_some_and(|kin| kin.refunds.iter().any(|of| of.refund_no == *number)),
            ColdKind::Void => kin.is_some_and(|kin| kin.voids.iter().any(|of| of.void_no == *number)),
            ColdKind::Split => {
                kin.is_some_and(|kin| kin.splits.iter().any(|of| of.split.split_no == *number))
            }
            ColdKind::SplitReturn => kin.is_some_and(|kin| {
                kin.splits.iter().flat_map(|of| &of.returns).any(|of| of.asked.return_no == *number)
            }),
        }
    }

    pub(crate) fn refund_count(&self) -> u64 {
        self.kin.as_ref().map_or(0, |kin| kin.refunds.len() as u64)
    }

    /// Its number, unique among its merchant's orders.
    #[must_use]
    pub fn order_no(&self) -> Number {
        self.order.order_no
    }

    fn discounts(&self) -> Discounts {
        self.details.as_ref().map_or_else(Discounts::default, |details| details.discounts)
    }

    fn advance_fee(&self) -> u64 {
        self.details.as_ref().map_or(0, |details| details.advance_fee)
    }

    /// What must hold of an order whatever its merchant.
    fn check(&self) -> Read<()> {
        let order = &self.order;
        let fees = order.fee + order.platform_fee + self.advance_fee();
        must(order.cash > 0 && fees <= order.cash && order.cost <= order.cash, "an order's amounts")?;
        must(Timestamp::RANGE.contains(&order.paid_at.0), "a moment")?;
        let flags = order.flags;
        let (late, again) = (flags.is_late(), flags.is_reinstated());
        let known = flags.bits() & !OrderFlags::ALL == 0;
        must(known && !(late && again) && (flags.is_prepaid() || !late && !again), "an order's flags")?;
        let waits = matches!(order.status, OrderStatus::Created | OrderStatus::Closed);
        let fits = match order.status {
            OrderStatus::Created | OrderStatus::Closed => {
                flags.is_prepaid() && !late && !again && self.kin.is_none()
            }
            OrderStatus::PaidLate => late,
            OrderStatus::Refunded => true,
            OrderStatus::Paid | OrderStatus::Voided | OrderStatus::PartiallyRefunded => !late,
        };
        // A prepaid order's money is nowhere, or where it will be, until it is paid.
        let booked = !waits && !late;
        let purse = match order.purse {
            MerchantAccount::Held => flags.hold(),
            MerchantAccount::Available => booked && !flags.hold(),
            _ => booked || !flags.hold(),
        };
        must(fits && purse, "an order's state")?;
        match &self.kin {
            Some(kin) => self.check_kin(kin),
            None => must(
                matches!(order.status, OrderStatus::Paid | OrderStatus::PaidLate) || waits,
                "an order's state",
            ),
        }
    }

    /// What happened fits where the order stands.
    fn check_kin(&self, kin: &KinImage) -> Read<()> {
        let order = &self.order;
        let voided = order.status == OrderStatus::Voided;
        let standing = kin.voids.iter().filter(|void| void.state != VoidState::Failed).count();
        must(standing == usize::from(voided), "a void of an order that stands")?;
        must(kin.voids.is_empty() || order.purse != MerchantAccount::Available, "a void")?;
        let giveback = self.giveback()?.unwrap_or_else(Giveback::new);
        must(!voided || giveback.count == 0, "a refund of a voided order")?;
        let payable = order.paid(self.discounts()).payable();
        let fits = match order.status {
            OrderStatus::Refunded => giveback.succeeded == payable,
            OrderStatus::PartiallyRefunded => 0 < giveback.succeeded && giveback.succeeded < payable,
            OrderStatus::PaidLate => giveback.succeeded < payable,
            _ => giveback.succeeded == 0,
        };
        must(fits, "what was given back of an order")
    }

    /// What the refunds, splits and commissions come to, without their places; `None` when there are none.
    fn giveback(&self) -> Read<Option<Giveback>> {
        let Some(kin) = &self.kin else { return Ok(None) };
        if kin.refunds.is_empty() && kin.splits.is_empty() && kin.entered.is_none() {
            return Ok(None);
        }
        let mut giveback = Giveback::new();
        let mut left = self.order.paid(self.discounts());
        for refund in kin.refunds.iter().filter(|refund| refund.state != RefundState::Failed) {
            must(refund.parts.fits(&left), "more given back than was paid")?;
            left = left.minus(&refund.parts);
            giveback.given = giveback.given.plus(&refund.parts);
            giveback.count += 1;
            match refund.state {
                RefundState::Succeeded => giveback.succeeded += refund.parts.payable(),
                _ => giveback.in_flight += 1,
            }
        }
        let parts = kin.splits.iter().flat_map(|split| &split.split.parts);
        let split = parts.map(|part| part.amount - part.returned);
        let commissions = kin.commissions.iter().map(|commission| commission.amount);
        // What is split away came out of what the order holds.
        let sum = split.chain(commissions).try_fold(0u64, |sum, amount| sum.checked_add(amount));
        giveback.split = sum.filter(|&sum| sum <= 2 * AMOUNT_MAX).ok_or(ImageError::Malformed("splits"))?;
        giveback.entered = kin.entered;
        giveback.commissions.clone_from(&kin.commissions);
        Ok(Some(giveback))
    }

    /// What must hold of it under its merchant's terms, on a date and among so many channels.
    pub(super) fn fits(&self, merchant: &Merchant, today: Date, channels: usize) -> Read<()> {
        let order = &self.order;
        must(usize::from(order.channel.0) < channels, "an order's channel")?;
        let terms = merchant.versions.get(usize::from(order.terms));
        let terms = terms.ok_or(ImageError::Malformed("an order's version of the terms"))?;
        let Some(kin) = &self.kin else { return Ok(()) };
        let held = |refund: &StoredRefund| refund.state == RefundState::Held && refund.held_on > today;
        must(!kin.refunds.iter().any(held), "a refund held in the future")?;
        let waits = matches!(order.status, OrderStatus::Created | OrderStatus::Closed | OrderStatus::Voided);
        if order.purse != MerchantAccount::Held || waits || order.flags.is_late() {
            return Ok(());
        }
        let giveback = self.giveback()?.unwrap_or_else(Giveback::new);
        let advance_fee = if terms.gross { 0 } else { self.advance_fee() };
        let net = order.paid(self.discounts()).merchants(terms.gross) - advance_fee.cast_signed();
        let given = giveback.given.merchants(terms.gross) + giveback.split.cast_signed();
        must(given <= net, "more given back than an order holds")
    }
}

impl Ledger {
    /// Whether all of it has places here.
    pub(super) fn expect_room(&self, image: &OrderImage) -> Read<()> {
        let kin = image.kin.as_deref();
        let count = |of: fn(&KinImage) -> usize| kin.map_or(0, of) as u64;
        let room = |there: u32, more: u64| u64::from(there) + more < u64::from(NOWHERE);
        let returns = |kin: &KinImage| kin.splits.iter().map(|split| split.returns.len()).sum();
        let fits = self.orders.has_room_to(PLACE_MAX)
            && self.details.has_room()
            && self.givebacks.has_room()
            && room(self.refunds.len(), count(|kin| kin.refunds.len()))
            && room(self.voids.len(), count(|kin| kin.voids.len()))
            && room(self.splits.len(), count(|kin| kin.splits.len()))
            && room(self.split_returns.len(), count(returns));
        if fits { Ok(()) } else { Err(ImageError::Full) }
    }

    /// Takes an order that is elsewhere until now into this ledger, with all that belongs to it. It is in no list of
    /// entries by that: those are the merchant's, and stayed. Gives its place, which holds until it is taken out.
    ///
    /// # Errors
    /// When its merchant is not here, when one of its numbers is, or when it does not fit; nothing was changed.
    pub fn install(&mut self, image: OrderImage) -> Result<u32, ImageError> {
        let id = image.merchant;
        let merchant_at = self.find_merchant(id).ok_or(ImageError::UnknownMerchant(id))?;
        image.fits(&self.merchants[merchant_at], self.date, self.channels.terms.len())?;
        self.expect_room(&image)?;
        self.must_be_new(merchant_at, &image)?;
        let hash = self.hash.number(id, &image.order.order_no);
        let mut places = Vec::new();
        let at = self.place(merchant_at, image, |kind, at| places.push((kind, at)))?;
        self.before_order.set(at, Link::END);
        self.order_index.insert(hash, at);
        for (kind, of_kin) in places {
            match kind {
                Placed::Refund => {
                    self.refund_index.insert(self.hash.number(id, &self.refunds[of_kin].refund_no), of_kin);
                }
                Placed::Void => {
                    self.void_index.insert(self.hash.number(id, &self.voids[of_kin].void_no), of_kin);
                }
                Placed::Split => {
                    self.split_index.insert(self.hash.number(id, &self.splits[of_kin].split_no), of_kin);
                }
                Placed::Return => {
                    let hash = self.hash.number(id, &self.split_returns[of_kin].asked.return_no);
                    self.split_return_index.insert(hash, of_kin);
                }
            }
        }
        Ok(at)
    }

    /// None of its numbers is there.
    fn must_be_new(&self, merchant_at: u32, image: &OrderImage) -> Read<()> {
        let hash = |number: &Number| self.hash.number(image.merchant, number);
        let known = |found: Option<u32>, what: &'static str, number: &Number| match found {
            Some(_) => Err(ImageError::Duplicate(what, *number)),
            None => Ok(()),
        };
        let no = &image.order.order_no;
        known(self.order_at(merchant_at, no, hash(no)), "an order", no)?;
        for refund in image.kin.iter().flat_map(|kin| &kin.refunds) {
            let no = &refund.refund_no;
            known(self.refund_at(merchant_at, no, hash(no)), "a refund", no)?;
        }
        for void in image.kin.iter().flat_map(|kin| &kin.voids) {
            let no = &void.void_no;
            known(self.void_at(merchant_at, no, hash(no)), "a void", no)?;
        }
        for split in image.kin.iter().flat_map(|kin| &kin.splits) {
            let no = &split.split.split_no;
            known(self.split_at(merchant_at, no, hash(no)), "a split", no)?;
            for back in &split.returns {
                let no = &back.asked.return_no;
                known(self.return_at(merchant_at, no, hash(no)), "a split return", no)?;
            }
        }
        Ok(())
    }

    /// Puts an order that fits into the arenas, and says where its kin went; finding them is the caller's to arrange.
    pub(super) fn place(
        &mut self,
        merchant_at: u32,
        mut image: OrderImage,
        placed: impl FnMut(Placed, u32),
    ) -> Read<u32> {
        let giveback = image.giveback()?;
        let mut order = image.order;
        order.merchant = merchant_at;
        let waits = order.status == OrderStatus::Created;
        let expires_at = image.details.as_ref().and_then(|details| details.expires_at).filter(|_| waits);
        if let Some(details) = image.details.take() {
            order.details = self.details.push(*details);
        }
        let at = self.orders.push(order);
        if let Some(expires_at) = expires_at {
            self.expiring.insert((expires_at, at));
        }
        if let Some(kin) = image.kin.take() {
            self.place_kin(merchant_at, at, *kin, giveback, placed);
        }
        Ok(at)
    }

    fn place_kin(
        &mut self,
        merchant_at: u32,
        order_at: u32,
        kin: KinImage,
        giveback: Option<Giveback>,
        mut placed: impl FnMut(Placed, u32),
    ) {
        let (mut first, mut last) = (NOWHERE, NOWHERE);
        for mut refund in kin.refunds {
            refund.order = order_at;
            let held = refund.state == RefundState::Held && refund.held_on == self.date;
            let at = self.refunds.push(refund);
            match std::mem::replace(&mut last, at) {
                NOWHERE => first = at,
                before => self.refunds[before].next = at,
            }
            if held {
                self.held.push(at);
                self.held_today += 1;
            }
            placed(Placed::Refund, at);
        }
        if let Some(giveback) = giveback {
            self.orders[order_at].giveback = self.givebacks.push(Giveback { first, last, ..giveback });
        }
        for void in kin.voids {
            placed(Placed::Void, self.voids.push(StoredVoid { order: order_at, ..void }));
        }
        for SplitImage { split, returns } in kin.splits {
            placed(Placed::Split, self.splits.push(StoredSplit { order: order_at, ..split }));
            for back in returns {
                let back = StoredSplitReturn { merchant: merchant_at, ..back };
                placed(Placed::Return, self.split_returns.push(back));
            }
        }
    }
}

/// What belongs to an order and is found by a number of its own.
#[derive(Clone, Copy, Debug)]
pub(super) enum Placed {
    Refund,
    Void,
    Split,
    Return,
}
