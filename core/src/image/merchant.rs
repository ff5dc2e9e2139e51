//! Merchants in an image: their terms, balances and days, and what their lists of entries are made of.

use std::collections::VecDeque;

use super::{ImageError, Read, amount, date, must, optional_date, sum};
use crate::codec::{Reader, Writer};
use crate::journal::{BLOCK_GROUPS, Journal, Link, Mark, PLACE_MAX, POSTING};
use crate::merchant::{Balances, Merchant, OrderTerms};
use crate::movement::Movement;
use crate::{
    BALANCE_MAX, ChannelId, Date, DiscountRefund, FeeRefund, MerchantAccount, MerchantId, MerchantTerms,
    MovementKind, MovementState, RefundFunding,
};

/// Counts of payments, groups and entries are below it, so that adding to them never overflows.
pub(super) const COUNT_MAX: u64 = 1 << 62;

pub(super) const COLD_COUNTS: &str = "what is in the cold store";

const STATE: u8 = 1 << 2;
const CONTRADICTED: u8 = 1 << 5;
const CHANNEL: u8 = 1 << 6;
const TO: u8 = 1 << 7;

const MOVEMENT_KINDS: [MovementKind; 4] =
    [MovementKind::Payout, MovementKind::TopUp, MovementKind::Freeze, MovementKind::Transfer];
const MOVEMENT_STATES: [MovementState; 5] = [
    MovementState::Processing,
    MovementState::Succeeded,
    MovementState::Failed,
    MovementState::Frozen,
    MovementState::Released,
];

pub(super) fn write_merchant(merchant: &Merchant, writer: &mut Writer<'_>) {
    writer.merchant(merchant.terms());
    for account in MerchantAccount::ALL {
        writer.int(merchant.balances.of(account));
    }
    writer.wide(merchant.balances.fee_receivable);
    writer.signed(merchant.day.0.into()).int(merchant.day_count).int(merchant.day_amount);
    writer.byte(merchant.settled_through.is_some().into());
    if let Some(through) = merchant.settled_through {
        writer.signed(through.0.into());
    }
    // The current version is what the terms say.
    let former = &merchant.versions[..usize::from(merchant.version)];
    writer.int(former.len() as u64);
    former.iter().for_each(|terms| write_version(terms, writer));
    writer.int(merchant.pending.len() as u64);
    for &(date, amount) in &merchant.pending {
        writer.signed(date.0.into()).wide(amount);
    }
    writer.int(merchant.cold_orders).int(merchant.cold_refunds);
}

fn write_version(terms: &OrderTerms, writer: &mut Writer<'_>) {
    writer.int(terms.platform.map_or(0, |id| id.0)).int(terms.fee_rate.0.into());
    writer.byte(terms.fee_rounding as u8).int(terms.fee_min);
    writer.option(Some(terms.fee_max).filter(|&max| max != u64::MAX)).byte(terms.fee_refund as u8);
    writer.int(terms.platform_fee_rate.0.into()).int(terms.advance_fee_rate.0.into());
    writer.byte(terms.gross.into()).byte(terms.refund_funding as u8).byte(terms.discount_refund as u8);
    writer.int(terms.max_split_rate.0.into());
}

/// A merchant without its entries; its stripe is still to be said.
pub(super) fn read_merchant(reader: &mut Reader<'_, '_>) -> Read<Merchant> {
    let terms = read_terms(reader)?;
    let mut merchant = Merchant::new(Box::new(terms), 0);
    let mut balances = Balances::default();
    for account in &mut balances.accounts {
        *account = reader.int()?;
        must(*account <= BALANCE_MAX, "a balance")?;
    }
    balances.fee_receivable = sum(reader)?;
    merchant.balances = balances;
    (merchant.day, merchant.day_count, merchant.day_amount) = (date(reader)?, reader.int()?, reader.int()?);
    must(merchant.day_count < COUNT_MAX, "a count")?;
    merchant.settled_through = optional_date(reader)?;
    let former = reader.small::<u16>()?;
    let current = merchant.versions.pop();
    for _ in 0..former {
        merchant.versions.push(read_version(reader)?);
    }
    merchant.versions.extend(current);
    merchant.version = former;
    let mut dated = 0i128;
    for _ in 0..reader.small::<u32>()? {
        let (on, amount) = (date(reader)?, sum(reader)?);
        must(merchant.pending.last().is_none_or(|&(before, _)| before < on), "dates of pending")?;
        merchant.pending.push((on, amount));
        dated += amount;
    }
    (merchant.cold_orders, merchant.cold_refunds) = (reader.int()?, reader.int()?);
    must(merchant.cold_orders < COUNT_MAX && merchant.cold_refunds < COUNT_MAX, COLD_COUNTS)?;
    match dated == i128::from(merchant.balances.of(MerchantAccount::Pending)) {
        true => Ok(merchant),
        false => Err(ImageError::Sums("a merchant's pending and its dates")),
    }
}

fn read_terms(reader: &mut Reader<'_, '_>) -> Read<MerchantTerms> {
    must(reader.byte()? == 6, "a merchant")?;
    let terms = reader.merchant()?;
    terms.check().map_err(|field| ImageError::Malformed(field.name()))?;
    Ok(terms)
}

fn read_version(reader: &mut Reader<'_, '_>) -> Read<OrderTerms> {
    let platform = reader.optional_merchant()?;
    must(platform.is_none_or(MerchantId::is_valid), "a merchant's id")?;
    let terms = OrderTerms {
        platform,
        fee_rate: reader.rate()?,
        fee_rounding: reader.rounding()?,
        fee_min: amount(reader)?,
        fee_max: if reader.bool()? { amount(reader)? } else { u64::MAX },
        fee_refund: reader.one_of(&[FeeRefund::Proportional, FeeRefund::None])?,
        platform_fee_rate: reader.rate()?,
        advance_fee_rate: reader.rate()?,
        gross: reader.bool()?,
        refund_funding: reader.one_of(&[
            RefundFunding::Pending,
            RefundFunding::PendingThenAvailable,
            RefundFunding::Available,
        ])?,
        discount_refund: reader.one_of(&[DiscountRefund::Proportional, DiscountRefund::DiscountFirst])?,
        max_split_rate: reader.rate()?,
    };
    let rates = [terms.fee_rate, terms.platform_fee_rate, terms.advance_fee_rate, terms.max_split_rate];
    must(rates.iter().all(|rate| rate.is_valid()) && terms.fee_min <= terms.fee_max, "terms")?;
    Ok(terms)
}

pub(super) fn write_movement(movement: &Movement, writer: &mut Writer<'_>) {
    let flag = |set: bool, flag: u8| if set { flag } else { 0 };
    let state = movement.kind as u8
        | (movement.state as u8 * STATE)
        | flag(movement.contradicted, CONTRADICTED)
        | flag(movement.channel.is_some(), CHANNEL)
        | flag(movement.to.is_some(), TO);
    writer.int(movement.merchant.into()).byte(state).number(&movement.number).int(movement.amount);
    writer.signed(movement.date.0.into());
    if let Some(channel) = movement.channel {
        writer.int(channel.0.into());
    }
    if let Some(to) = movement.to {
        writer.int(to.0);
    }
}

/// What follows the merchant, whose place here is given.
pub(super) fn read_movement(merchant: u32, channels: usize, reader: &mut Reader<'_, '_>) -> Read<Movement> {
    let flags = reader.byte()?;
    let kind = MOVEMENT_KINDS[usize::from(flags & (STATE - 1))];
    let state = MOVEMENT_STATES.get(usize::from((flags / STATE) & 7));
    let &state = state.ok_or(ImageError::Malformed("a movement's state"))?;
    let fits = match kind {
        MovementKind::Payout => !matches!(state, MovementState::Frozen | MovementState::Released),
        MovementKind::Freeze => matches!(state, MovementState::Frozen | MovementState::Released),
        MovementKind::TopUp | MovementKind::Transfer => state == MovementState::Succeeded,
    };
    let to = (flags & TO != 0) == (kind == MovementKind::Transfer);
    must(fits && to, "a movement's state")?;
    let (number, amount, on) = (reader.number()?, amount(reader)?, date(reader)?);
    let channel = if flags & CHANNEL != 0 { Some(ChannelId(reader.small()?)) } else { None };
    must(channel.is_none_or(|id| usize::from(id.0) < channels) && amount > 0, "a movement")?;
    let to = if flags & TO != 0 { Some(super::merchant_id(reader)?) } else { None };
    let contradicted = flags & CONTRADICTED != 0;
    Ok(Movement { number, merchant, amount, kind, state, channel, to, date: on, contradicted })
}

/// A link, to a place of the image; `own` is that of the order it stands at.
pub(super) fn write_link(link: Link, own: u32, writer: &mut Writer<'_>) {
    let value = match link {
        Link::END => 0,
        Link(at) if at & POSTING == 0 => {
            let back = i64::from(own) - i64::from(at);
            1 + 2 * (back << 1 ^ back >> 63).cast_unsigned()
        }
        Link(at) => 2 + 2 * u64::from(at & !POSTING),
    };
    writer.int(value);
}

pub(super) fn read_link(own: u32, reader: &mut Reader<'_, '_>) -> Read<Link> {
    let Some(value) = reader.int()?.checked_sub(1) else { return Ok(Link::END) };
    let place = if value & 1 == 0 {
        let back = value >> 1;
        i64::from(own).checked_sub((back >> 1).cast_signed() ^ -(back & 1).cast_signed())
    } else {
        i64::try_from(value >> 1).ok()
    };
    let place = place.and_then(|place| u32::try_from(place).ok()).filter(|&place| place <= PLACE_MAX);
    let place = place.ok_or(ImageError::Malformed("a link"))?;
    Ok(Link(if value & 1 == 0 { place } else { place | POSTING }))
}

/// What follows the link: groups, entries and the last date.
pub(super) fn read_journal(last: Link, reader: &mut Reader<'_, '_>) -> Read<Journal> {
    let (groups, entries, on): (u64, u64, Date) = (reader.int()?, reader.int()?, date(reader)?);
    must(0 < groups && groups <= entries && entries < COUNT_MAX, "counts of a journal")?;
    let cold = if reader.bool()? { Some(read_cold(reader)?) } else { None };
    let closed = cold.map_or(0, |mark| mark.groups);
    let fits = cold.is_none_or(|mark| mark.groups <= groups && mark.entries <= entries);
    must(fits, "what is in the cold store of a journal")?;
    Ok(Journal { entries, groups, last, date: on, closed, marks: VecDeque::new(), cold })
}

/// Where what is in the cold store ends.
fn read_cold(reader: &mut Reader<'_, '_>) -> Read<Mark> {
    let (on, groups, entries) = (date(reader)?, reader.int()?, reader.int()?);
    must(0 < groups && groups <= entries && entries < COUNT_MAX, "what is in the cold store of a journal")?;
    Ok(Mark { last: Link::END, date: on, groups, entries })
}

/// What follows a mark's link; `journal` is what it is of, if that is kept.
pub(super) fn read_mark(last: Link, journal: Option<&Journal>, reader: &mut Reader<'_, '_>) -> Read<Mark> {
    let (on, groups, entries) = (date(reader)?, reader.int()?, reader.int()?);
    must((1..=BLOCK_GROUPS).contains(&groups) && groups <= entries && entries < COUNT_MAX, "a mark")?;
    let before = journal.and_then(|journal| journal.marks.back().or(journal.cold.as_ref()));
    let (closed, so_far) = before.map_or((0, 0), |mark| (mark.groups, mark.entries));
    let mark = Mark { last, date: on, groups: closed + groups, entries: so_far + entries };
    let fits = journal.is_none_or(|of| mark.groups <= of.groups && mark.entries <= of.entries);
    must(fits, "a mark")?;
    Ok(mark)
}
