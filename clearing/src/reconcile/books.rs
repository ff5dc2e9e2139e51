//! Our side of a date: what the books say that the channel should have too.
//!
//! [`Books`] is what reconciliation asks; [`Day`] answers from the cold store alone. What is read twice comes in the same order
//! both times: the second reading only looks up the few that differ.

use std::collections::HashSet;
use suanpan_core::{Currency, Date};

use super::item::{Kind, State, currency};
use crate::manifest::{DayError, Manifest, moment};
use crate::parquet_file::ReadRows;
use crate::store::Store;
use crate::table::{Table, entries, merchants, orders, refunds};

/// A payment, refund or void of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OurItem<'a> {
    /// What it is.
    pub kind: Kind,
    /// How far it is.
    pub state: State,
    /// Of a payment: whether it was voided. Of a refund: whether it was sent as a void.
    pub voided: bool,
    /// Whose.
    pub merchant: u64,
    /// The order.
    pub order_no: &'a str,
    /// The refund or void; empty for a payment.
    pub refund_no: &'a str,
    /// The order's number at the channel, or empty.
    pub channel_txn: &'a str,
    /// The refund's number at the channel, or empty.
    pub channel_refund_no: &'a str,
    /// Its cash.
    pub amount: u64,
    /// Of the amount.
    pub currency: Currency,
    /// When it was paid, or when we last decided about it, in milliseconds since 1970.
    pub at_ms: i64,
    /// The date that it is booked on.
    pub accounting_date: Date,
}

/// An order or a refund, with what its entries should add up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Priced<'a> {
    /// Whose.
    pub merchant: u64,
    /// The order.
    pub order_no: &'a str,
    /// The refund; empty for an order.
    pub refund_no: &'a str,
    /// The date that it is booked on.
    pub accounting_date: Date,
    /// Of an order: whether it was voided. Of a refund: whether it failed.
    pub reversed: bool,
    /// Whether a platform stands between; not known of a refund.
    pub platform: Option<bool>,
    /// Of an order: whether its money came late, into suspense; not known once it was refunded. Not known of a refund.
    pub late: Option<bool>,
    /// Of a refund: how often it was sent; 1 for an order.
    pub attempts: u32,
    /// Its cash.
    pub cash: u64,
    /// The operator's fee, taken or given back.
    pub fee: u64,
    /// The platform's fee, taken or given back.
    pub platform_fee: u64,
    /// The channel's cost, taken or given back.
    pub cost: u64,
    /// Discounts that others than the merchant gave; 0 for a refund.
    pub discounts: u64,
    /// The advance fee; 0 for a refund.
    pub advance_fee: u64,
}

/// An entry of the date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OurEntry<'a> {
    /// What for.
    pub subject: u8,
    /// Who gives.
    pub from: &'a str,
    /// Who gets.
    pub to: &'a str,
    /// Over 0.
    pub amount: u64,
    /// Of the amount.
    pub currency: Currency,
    /// Whether it takes back an entry of the same subject.
    pub reversal: bool,
    /// Whose voucher, or 0.
    pub merchant: u64,
    /// The order, or empty.
    pub order_no: &'a str,
    /// The refund, or empty.
    pub refund_no: &'a str,
}

/// What reconciliation asks of the books of one date.
pub trait Books: Sync {
    /// About how many items a channel has, so that room is made once.
    fn about(&self) -> u64;

    /// Whether a merchant is ours.
    ///
    /// # Errors
    /// When the books cannot be read.
    fn merchants(&self) -> Result<HashSet<u64>, DayError>;

    /// The items of a channel: payments booked on the date and not on another, then refunds and voids that anything happened to
    /// on the date. Each time in the same order.
    ///
    /// # Errors
    /// When the books cannot be read.
    fn items(&self, channel: &str, each: &mut dyn FnMut(&OurItem<'_>)) -> Result<(), DayError>;

    /// All orders and refunds that anything happened to on the date, of all channels.
    ///
    /// # Errors
    /// When the books cannot be read.
    fn priced(&self, each: &mut dyn FnMut(&Priced<'_>)) -> Result<(), DayError>;

    /// All entries of the date.
    ///
    /// # Errors
    /// When the books cannot be read.
    fn entries(&self, each: &mut dyn FnMut(&OurEntry<'_>)) -> Result<(), DayError>;
}

/// A date in the cold store.
#[derive(Debug, Clone, Copy)]
pub struct Day<'a> {
    store: &'a Store,
    manifest: &'a Manifest,
}

impl<'a> Day<'a> {
    /// The date of a manifest.
    #[must_use]
    pub fn new(store: &'a Store, manifest: &'a Manifest) -> Self {
        Self { store, manifest }
    }

    fn rows(
        &self,
        table: Table,
        columns: &[usize],
        each: &mut dyn FnMut(&ReadRows, usize),
    ) -> Result<(), DayError> {
        self.manifest.read(self.store, table, columns, &mut |rows| {
            (0..rows.len()).for_each(|row| each(rows, row));
            Ok(())
        })
    }
}

/// An amount out of a column; none is negative there.
fn amount(rows: &ReadRows, column: usize, row: usize) -> u64 {
    u64::try_from(rows.long(column, row)).unwrap_or(0)
}

/// A merchant's id; 0, which is none's, where there is none.
fn merchant(text: &str) -> u64 {
    text.parse().unwrap_or(0)
}

fn state(text: &str) -> State {
    match text {
        "succeeded" => State::Succeeded,
        "held" => State::Held,
        "failed" => State::Failed,
        _ => State::Processing,
    }
}

const ORDER_COLUMNS: [usize; 10] = [
    orders::DECIDED_AT,
    orders::MERCHANT_ID,
    orders::ORDER_NO,
    orders::CHANNEL,
    orders::CURRENCY,
    orders::STATUS,
    orders::AMOUNT,
    orders::ACCOUNTING_DATE,
    orders::PAID_AT,
    orders::CHANNEL_TXN,
];

const REFUND_COLUMNS: [usize; 13] = [
    refunds::DECIDED_AT,
    refunds::KIND,
    refunds::MERCHANT_ID,
    refunds::REFUND_NO,
    refunds::ORDER_NO,
    refunds::CHANNEL,
    refunds::CURRENCY,
    refunds::STATE,
    refunds::SENT_AS,
    refunds::CASH,
    refunds::ACCOUNTING_DATE,
    refunds::CHANNEL_REFUND_NO,
    refunds::CHANNEL_TXN,
];

/// A row of orders as an item of a channel, if it is one of the date.
fn payment_of<'a>(rows: &'a ReadRows, row: usize, channel: &str, date: Date) -> Option<OurItem<'a>> {
    let status = rows.text(orders::STATUS, row);
    let paid = rows.int_or_null(orders::ACCOUNTING_DATE, row) == Some(date.0);
    if !paid || rows.text(orders::CHANNEL, row) != channel || matches!(status, "created" | "closed") {
        return None;
    }
    Some(OurItem {
        kind: Kind::Payment,
        state: State::Succeeded,
        voided: status == "voided",
        merchant: merchant(rows.text(orders::MERCHANT_ID, row)),
        order_no: rows.text(orders::ORDER_NO, row),
        refund_no: "",
        channel_txn: rows.text(orders::CHANNEL_TXN, row),
        channel_refund_no: "",
        amount: amount(rows, orders::AMOUNT, row),
        currency: currency(rows.text(orders::CURRENCY, row)),
        at_ms: rows.long_or_null(orders::PAID_AT, row).unwrap_or_else(|| rows.long(orders::DECIDED_AT, row)),
        accounting_date: date,
    })
}

/// A row of refunds as an item of a channel, if the channel has anything to do with it.
fn refund_of<'a>(rows: &'a ReadRows, row: usize, channel: &str) -> Option<OurItem<'a>> {
    let cash = amount(rows, refunds::CASH, row);
    if cash == 0 || rows.text(refunds::CHANNEL, row) != channel {
        return None;
    }
    let kind = if rows.text(refunds::KIND, row) == "void" { Kind::Void } else { Kind::Refund };
    Some(OurItem {
        kind,
        state: state(rows.text(refunds::STATE, row)),
        voided: rows.text(refunds::SENT_AS, row) == "void",
        merchant: merchant(rows.text(refunds::MERCHANT_ID, row)),
        order_no: rows.text(refunds::ORDER_NO, row),
        refund_no: rows.text(refunds::REFUND_NO, row),
        channel_txn: rows.text(refunds::CHANNEL_TXN, row),
        channel_refund_no: rows.text(refunds::CHANNEL_REFUND_NO, row),
        amount: cash,
        currency: currency(rows.text(refunds::CURRENCY, row)),
        at_ms: rows.long(refunds::DECIDED_AT, row),
        accounting_date: Date(rows.int(refunds::ACCOUNTING_DATE, row)),
    })
}

const PRICED_ORDER_COLUMNS: [usize; 12] = [
    orders::MERCHANT_ID,
    orders::ORDER_NO,
    orders::STATUS,
    orders::AMOUNT,
    orders::FEE,
    orders::PLATFORM_FEE,
    orders::CHANNEL_COST,
    orders::OPERATOR_DISCOUNT,
    orders::PLATFORM_DISCOUNT,
    orders::ADVANCE_FEE,
    orders::PLATFORM_ID,
    orders::ACCOUNTING_DATE,
];

const PRICED_REFUND_COLUMNS: [usize; 11] = [
    refunds::KIND,
    refunds::MERCHANT_ID,
    refunds::REFUND_NO,
    refunds::ORDER_NO,
    refunds::STATE,
    refunds::ATTEMPTS,
    refunds::CASH,
    refunds::FEE_RETURNED,
    refunds::PLATFORM_FEE_RETURNED,
    refunds::COST_RETURNED,
    refunds::ACCOUNTING_DATE,
];

const ENTRY_COLUMNS: [usize; 9] = [
    entries::MERCHANT_ID,
    entries::SUBJECT,
    entries::FROM_ACCOUNT,
    entries::TO_ACCOUNT,
    entries::AMOUNT,
    entries::CURRENCY,
    entries::ORDER_NO,
    entries::REFUND_NO,
    entries::REVERSAL,
];

fn priced_order<'a>(rows: &'a ReadRows, row: usize) -> Option<Priced<'a>> {
    let accounting_date = Date(rows.int_or_null(orders::ACCOUNTING_DATE, row)?);
    let amount = |column| amount(rows, column, row);
    let status = rows.text(orders::STATUS, row);
    Some(Priced {
        merchant: merchant(rows.text(orders::MERCHANT_ID, row)),
        order_no: rows.text(orders::ORDER_NO, row),
        refund_no: "",
        accounting_date,
        reversed: status == "voided",
        platform: Some(rows.text_or_null(orders::PLATFORM_ID, row).is_some()),
        late: (!status.ends_with("refunded")).then_some(status == "paid_late"),
        attempts: 1,
        cash: amount(orders::AMOUNT),
        fee: amount(orders::FEE),
        platform_fee: amount(orders::PLATFORM_FEE),
        cost: amount(orders::CHANNEL_COST),
        discounts: amount(orders::OPERATOR_DISCOUNT).saturating_add(amount(orders::PLATFORM_DISCOUNT)),
        advance_fee: amount(orders::ADVANCE_FEE),
    })
}

fn priced_refund<'a>(rows: &'a ReadRows, row: usize) -> Option<Priced<'a>> {
    // A void's entries are its order's, taken back.
    if rows.text(refunds::KIND, row) == "void" {
        return None;
    }
    let amount = |column| amount(rows, column, row);
    Some(Priced {
        merchant: merchant(rows.text(refunds::MERCHANT_ID, row)),
        order_no: rows.text(refunds::ORDER_NO, row),
        refund_no: rows.text(refunds::REFUND_NO, row),
        accounting_date: Date(rows.int(refunds::ACCOUNTING_DATE, row)),
        reversed: rows.text(refunds::STATE, row) == "failed",
        platform: None,
        late: None,
        attempts: rows.int(refunds::ATTEMPTS, row).unsigned_abs(),
        cash: amount(refunds::CASH),
        fee: amount(refunds::FEE_RETURNED),
        platform_fee: amount(refunds::PLATFORM_FEE_RETURNED),
        cost: amount(refunds::COST_RETURNED),
        discounts: 0,
        advance_fee: 0,
    })
}

impl Books for Day<'_> {
    fn about(&self) -> u64 {
        self.manifest.rows(Table::Orders) + self.manifest.rows(Table::Refunds)
    }

    fn merchants(&self) -> Result<HashSet<u64>, DayError> {
        let mut known = HashSet::new();
        self.rows(Table::Merchants, &[merchants::MERCHANT_ID], &mut |rows, row| {
            known.insert(merchant(rows.text(merchants::MERCHANT_ID, row)));
        })?;
        Ok(known)
    }

    fn items(&self, channel: &str, each: &mut dyn FnMut(&OurItem<'_>)) -> Result<(), DayError> {
        let date = self.manifest.date;
        self.rows(Table::Orders, &ORDER_COLUMNS, &mut |rows, row| {
            payment_of(rows, row, channel, date).iter().for_each(&mut *each);
        })?;
        self.rows(Table::Refunds, &REFUND_COLUMNS, &mut |rows, row| {
            refund_of(rows, row, channel).iter().for_each(&mut *each);
        })
    }

    fn priced(&self, each: &mut dyn FnMut(&Priced<'_>)) -> Result<(), DayError> {
        self.rows(Table::Orders, &PRICED_ORDER_COLUMNS, &mut |rows, row| {
            priced_order(rows, row).iter().for_each(&mut *each);
        })?;
        self.rows(Table::Refunds, &PRICED_REFUND_COLUMNS, &mut |rows, row| {
            priced_refund(rows, row).iter().for_each(&mut *each);
        })
    }

    fn entries(&self, each: &mut dyn FnMut(&OurEntry<'_>)) -> Result<(), DayError> {
        self.rows(Table::Entries, &ENTRY_COLUMNS, &mut |rows, row| {
            each(&OurEntry {
                // A subject has two digits.
                subject: u8::try_from(rows.int(entries::SUBJECT, row)).unwrap_or(0),
                from: rows.text(entries::FROM_ACCOUNT, row),
                to: rows.text(entries::TO_ACCOUNT, row),
                amount: amount(rows, entries::AMOUNT, row),
                currency: currency(rows.text(entries::CURRENCY, row)),
                reversal: rows.flag(entries::REVERSAL, row),
                merchant: merchant(rows.text(entries::MERCHANT_ID, row)),
                order_no: rows.text(entries::ORDER_NO, row),
                refund_no: rows.text(entries::REFUND_NO, row),
            });
        })
    }
}

impl OurItem<'_> {
    /// As it is kept of an item that differs.
    pub(crate) fn side(&self) -> super::item::OurSide {
        super::item::OurSide {
            merchant_id: self.merchant.to_string(),
            order_no: self.order_no.to_owned(),
            refund_no: self.refund_no.to_owned(),
            channel_txn: self.channel_txn.to_owned(),
            channel_refund_no: self.channel_refund_no.to_owned(),
            state: self.state,
            voided: self.voided,
            amount_minor: self.amount,
            currency: self.currency.as_str().to_owned(),
            at: moment(suanpan_core::Timestamp(self.at_ms)),
            accounting_date: self.accounting_date,
        }
    }
}
