//! What no merchant has for itself: what every shard has alike, its part of each batch, and its books.

use std::collections::BTreeMap;

use super::{ImageError, Read, SUM_MAX, date, must, sum};
use crate::account::{Books, OwnerBalance, Stripe};
use crate::codec::{Reader, Writer};
use crate::merchant::Balances;
use crate::settlement::Batch;
use crate::{
    AdjustmentView, ChannelTerms, Currency, Date, Holidays, MerchantAccount, MerchantId, Number, Promoter,
};

/// What the images of all shards say alike.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Shared {
    pub(super) date: Date,
    pub(super) channels: Vec<ChannelTerms>,
    pub(super) promoters: BTreeMap<MerchantId, Promoter>,
    pub(super) holidays: Option<Holidays>,
    pub(super) adjustments: BTreeMap<Number, AdjustmentView>,
    /// Batches, of which no part was done.
    pub(super) batches: BTreeMap<Number, Batch>,
}

/// What all merchants of a currency have, by account, and owe.
pub(super) type Totals = BTreeMap<Currency, [i128; 6]>;

pub(super) fn totals_of(balances: &Balances) -> [i128; 6] {
    let [pending, held, available, frozen, transit] = balances.accounts.map(i128::from);
    [pending, held, available, frozen, transit, balances.fee_receivable]
}

pub(super) fn write_batch(batch_no: &Number, batch: &Batch, writer: &mut Writer<'_>) {
    writer.number(batch_no).int(batch.merchant.map_or(0, |id| id.0)).signed(batch.date.0.into());
    writer.byte(batch.ended.into()).int(batch.merchants).int(batch.amounts.len() as u64);
    for (&currency, &amount) in &batch.amounts {
        writer.currency(currency).wide(amount.cast_signed());
    }
}

pub(super) fn write_stripe(stripe: &Stripe, writer: &mut Writer<'_>) {
    writer.currency(stripe.currency).wide(stripe.operator).wide(stripe.suspense);
    writer.wide(stripe.in_transit).wide(stripe.bank);
    for &sum in &stripe.merchants {
        writer.wide(sum);
    }
    writer.wide(stripe.fee_receivable).int(stripe.channels.len() as u64);
    for &sum in &stripe.channels {
        writer.wide(sum);
    }
}

/// One of a stripe's owners; `accrued` says which of the two lists it is in.
pub(super) fn write_owner(currency: Currency, accrued: bool, of: OwnerBalance, writer: &mut Writer<'_>) {
    writer.currency(currency).byte(accrued.into()).int(of.owner.0).wide(of.balance);
}

impl Shared {
    pub(super) fn read_channel(&mut self, reader: &mut Reader<'_, '_>) -> Read<()> {
        must(reader.byte()? == 7, "a channel")?;
        let terms = reader.channel()?;
        terms.check().map_err(|field| ImageError::Malformed(field.name()))?;
        let known = self.channels.iter().any(|known| known.name == terms.name);
        must(!known && self.channels.len() <= usize::from(u16::MAX), "a channel")?;
        self.channels.push(terms);
        Ok(())
    }

    pub(super) fn read_promoter(&mut self, reader: &mut Reader<'_, '_>) -> Read<()> {
        must(reader.byte()? == 23, "a promoter")?;
        let promoter = reader.promoter()?;
        promoter.check().map_err(|field| ImageError::Malformed(field.name()))?;
        let last = self.promoters.last_key_value().map(|(&id, _)| id);
        must(last.is_none_or(|last| last < promoter.promoter), "promoters")?;
        self.promoters.insert(promoter.promoter, promoter);
        Ok(())
    }

    pub(super) fn read_holidays(&mut self, reader: &mut Reader<'_, '_>) -> Read<()> {
        must(self.holidays.is_none() && reader.byte()? == 24, "holidays")?;
        let holidays = reader.holidays()?;
        holidays.check().map_err(|field| ImageError::Malformed(field.name()))?;
        must(holidays != Holidays::default(), "holidays")?;
        self.holidays = Some(holidays);
        Ok(())
    }

    pub(super) fn read_adjustment(&mut self, reader: &mut Reader<'_, '_>) -> Read<()> {
        must(reader.byte()? == 22, "an adjustment")?;
        let asked = reader.adjustment()?;
        asked.check().map_err(|field| ImageError::Malformed(field.name()))?;
        let number = asked.adjustment_no;
        let last = self.adjustments.last_key_value().map(|(&number, _)| number);
        must(last.is_none_or(|last| last < number), "adjustments")?;
        self.adjustments.insert(number, AdjustmentView { asked, accounting_date: date(reader)? });
        Ok(())
    }

    /// A batch, and what of it was done in that shard.
    pub(super) fn read_batch(&mut self, reader: &mut Reader<'_, '_>) -> Read<(Number, Batch)> {
        let (number, merchant) = (reader.number()?, reader.optional_merchant()?);
        must(merchant.is_none_or(MerchantId::is_valid), "a merchant's id")?;
        let (on, ended, merchants) = (date(reader)?, reader.bool()?, reader.int()?);
        must(merchants < u64::from(u32::MAX), "a count")?;
        let mut amounts = BTreeMap::new();
        for _ in 0..reader.small::<u16>()? {
            let (currency, amount) = (currency(reader)?, sum(reader)?);
            let last = amounts.last_key_value().map(|(&currency, _)| currency);
            must(last.is_none_or(|last| last < currency) && amount > 0, "amounts of a batch")?;
            amounts.insert(currency, amount.unsigned_abs());
        }
        let none = Batch { merchant, date: on, ended, merchants: 0, amounts: BTreeMap::new() };
        let last = self.batches.last_key_value().map(|(&number, _)| number);
        must(last.is_none_or(|last| last < number), "batches")?;
        self.batches.insert(number, none.clone());
        Ok((number, Batch { merchants, amounts, ..none }))
    }

    /// What the two say differently.
    pub(super) fn must_be(&self, other: &Self) -> Read<()> {
        let same = [
            (self.date == other.date, "the accounting dates"),
            (self.channels == other.channels, "the channels"),
            (self.promoters == other.promoters, "the promoters"),
            (self.holidays == other.holidays, "the holidays"),
            (self.adjustments == other.adjustments, "the adjustments"),
            (self.batches == other.batches, "the batches"),
        ];
        same.iter().try_for_each(|&(same, what)| if same { Ok(()) } else { Err(ImageError::Differ(what)) })
    }
}

fn currency(reader: &mut Reader<'_, '_>) -> Read<Currency> {
    let currency = reader.currency()?;
    must(currency.is_valid(), "a currency")?;
    Ok(currency)
}

/// Adds a stripe to the books, but for what its merchants have: that comes with them, and is noted in `merchants`. Gives
/// the sum of all its balances.
pub(super) fn read_stripe(
    books: &mut Books,
    merchants: &mut Totals,
    channels: usize,
    reader: &mut Reader<'_, '_>,
) -> Read<(Currency, i128)> {
    let currency = currency(reader)?;
    let at = books.stripe(currency) as usize;
    let stripe = &mut books.stripes[at];
    let mut total = 0;
    let mut add = |to: &mut i128, reader: &mut Reader<'_, '_>| {
        let sum = sum(reader)?;
        *to += sum;
        total += sum;
        Read::Ok(())
    };
    add(&mut stripe.operator, reader)?;
    add(&mut stripe.suspense, reader)?;
    add(&mut stripe.in_transit, reader)?;
    add(&mut stripe.bank, reader)?;
    let mut of_merchants = [0; MerchantAccount::ALL.len() + 1];
    for sum in &mut of_merchants {
        add(sum, reader)?;
    }
    must(merchants.insert(currency, of_merchants).is_none(), "a stripe")?;
    let count = reader.small::<u16>()?.into();
    must(count <= channels, "channels of a stripe")?;
    if stripe.channels.len() < count {
        stripe.channels.resize(count, 0);
    }
    for of in &mut stripe.channels[..count] {
        add(of, reader)?;
    }
    Ok((currency, total))
}

/// Adds an owner's balance to the books, and gives it.
pub(super) fn read_owner(books: &mut Books, reader: &mut Reader<'_, '_>) -> Read<(Currency, i128)> {
    let (currency, accrued) = (currency(reader)?, reader.bool()?);
    let (owner, balance) = (super::merchant_id(reader)?, sum(reader)?);
    let stripe = books.stripes.iter_mut().find(|stripe| stripe.currency == currency);
    let stripe = stripe.ok_or(ImageError::Malformed("an owner without a stripe"))?;
    let owners = if accrued { &mut stripe.accrued } else { &mut stripe.platforms };
    owners.add(owner, balance);
    must((-SUM_MAX..=SUM_MAX).contains(&owners.sum()), "a sum")?;
    Ok((currency, balance))
}
