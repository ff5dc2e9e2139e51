//! The tables of a day: their columns, and rows on their way into Parquet and out of it.
//!
//! Version 1. The text stands in for a drawing: a column is `NAME "name in the file" kind`. Money is a whole number of minor units in 64 signed
//! bits and ends in `_minor`; times are UTC milliseconds; dates are days since 1970; text is UTF-8. A `?` kind may be null. The partition's
//! date is in the path, `orders/date=2018-08-26/shard=0/…`, and no column.
//!
//! `log_position` is where in the log the record begins that did it last, `log_index` which command of that record it was: together they
//! never change, and lead from any row to the log.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use parquet::basic::{ConvertedType, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::schema::types::{Type, TypePtr};

use crate::runs::{Runs, TextRuns};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// UTF-8 or null.
    TextOrNull,
    /// 64 signed bits.
    Long,
    /// 32 signed bits.
    Int,
    /// True or false.
    Flag,
    /// Days since 1970-01-01.
    Date,
    /// Days since 1970-01-01, or null.
    DateOrNull,
    /// UTC milliseconds.
    Time,
    /// UTC milliseconds, or null.
    TimeOrNull,
}

/// One column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name in the file.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
}

impl Column {
    /// Whether it is a text that many rows have: of a merchant, an account, a state. The others are numbers of the trade's own,
    /// and names that are met once a day.
    #[must_use]
    pub fn is_name(&self) -> bool {
        let is_text = matches!(self.kind, Kind::Text | Kind::TextOrNull);
        let is_own = matches!(
            self.name,
            "order_no"
                | "refund_no"
                | "reference"
                | "channel_txn"
                | "channel_refund_no"
                | "name"
                | "batch_no"
        );
        is_text && !is_own
    }
}

macro_rules! tables {
    ($($(#[$doc:meta])* $module:ident $variant:ident $name:literal { $($column:ident $text:literal $kind:ident),* $(,)? })*) => {
        /// The tables of a day.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Table {
            $($(#[$doc])* $variant,)*
        }

        impl Table {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name, which its folder has.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// Its columns, in their order in the file.
            #[must_use]
            pub const fn columns(self) -> &'static [Column] {
                match self { $(Self::$variant => $module::COLUMNS),* }
            }
        }

        $(
            $(#[$doc])*
            ///
            /// Each constant is the place of the column that it is named after.
            #[expect(missing_docs, reason = "a column each, by its name")]
            pub mod $module {
                use super::{Column, Kind};

                #[allow(clippy::upper_case_acronyms, non_camel_case_types)]
                enum Place { $($column),* }

                $(pub const $column: usize = Place::$column as usize;)*

                /// All of them.
                pub const COLUMNS: &[Column] = &[$(Column { name: $text, kind: Kind::$kind }),*];
            }
        )*
    };
}

tables! {
    /// One row for each order that anything happened to on the date, as it stood when the day was cut.
    orders Orders "orders" {
        LOG_POSITION "log_position" Long,
        LOG_INDEX "log_index" Int,
        DECIDED_AT "decided_at" Time,
        MERCHANT_ID "merchant_id" Text,
        ORDER_NO "order_no" Text,
        CHANNEL "channel" Text,
        CURRENCY "currency" Text,
        STATUS "status" Text,
        AMOUNT "amount_minor" Long,
        PAYABLE "payable_minor" Long,
        FEE "fee_minor" Long,
        PLATFORM_FEE "platform_fee_minor" Long,
        CHANNEL_COST "channel_cost_minor" Long,
        NET "net_minor" Long,
        REFUNDABLE "refundable_minor" Long,
        REFUNDED "refunded_minor" Long,
        IN_FLIGHT "in_flight_minor" Long,
        HELD "held_minor" Long,
        OPERATOR_DISCOUNT "operator_discount_minor" Long,
        MERCHANT_DISCOUNT "merchant_discount_minor" Long,
        PLATFORM_DISCOUNT "platform_discount_minor" Long,
        ADVANCE_FEE "advance_fee_minor" Long,
        SETTLED "settled" Flag,
        GROSS "gross" Flag,
        PLATFORM_ID "platform_id" TextOrNull,
        PROMOTER_ID "promoter_id" TextOrNull,
        ACCOUNTING_DATE "accounting_date" DateOrNull,
        PAID_AT "paid_at" TimeOrNull,
        CHANNEL_TXN "channel_txn" TextOrNull,
    }
    /// One row for each refund and void that anything happened to on the date, as it stood when the day was cut.
    refunds Refunds "refunds" {
        LOG_POSITION "log_position" Long,
        LOG_INDEX "log_index" Int,
        DECIDED_AT "decided_at" Time,
        KIND "kind" Text,
        MERCHANT_ID "merchant_id" Text,
        REFUND_NO "refund_no" Text,
        ORDER_NO "order_no" Text,
        CHANNEL "channel" Text,
        CURRENCY "currency" Text,
        STATE "state" Text,
        SENT_AS "sent_as" Text,
        ATTEMPTS "attempts" Int,
        AMOUNT "amount_minor" Long,
        CASH "cash_minor" Long,
        DISCOUNT "discount_minor" Long,
        FEE_RETURNED "fee_returned_minor" Long,
        PLATFORM_FEE_RETURNED "platform_fee_returned_minor" Long,
        COST_RETURNED "cost_returned_minor" Long,
        MERCHANT_DEBIT "merchant_debit_minor" Long,
        FROM_PENDING "from_pending_minor" Long,
        FROM_HELD "from_held_minor" Long,
        FROM_AVAILABLE "from_available_minor" Long,
        ACCOUNTING_DATE "accounting_date" Date,
        CHANNEL_REFUND_NO "channel_refund_no" TextOrNull,
        CHANNEL_TXN "channel_txn" TextOrNull,
    }
    /// Every entry that was booked on the date, in the order of the log within its shard.
    entries Entries "entries" {
        LOG_POSITION "log_position" Long,
        LOG_INDEX "log_index" Int,
        GROUP_NO "group_no" Int,
        LINE "line" Int,
        DECIDED_AT "decided_at" Time,
        MERCHANT_ID "merchant_id" TextOrNull,
        SUBJECT "subject" Int,
        FROM_ACCOUNT "from_account" Text,
        TO_ACCOUNT "to_account" Text,
        AMOUNT "amount_minor" Long,
        CURRENCY "currency" Text,
        ORDER_NO "order_no" TextOrNull,
        REFUND_NO "refund_no" TextOrNull,
        REFERENCE "reference" TextOrNull,
        REVERSAL "reversal" Flag,
    }
    /// Every account that holds anything or moved anything on the date: opening + in − out = closing.
    balances Balances "balances" {
        LOG_POSITION "log_position" Long,
        ACCOUNT "account" Text,
        MERCHANT_ID "merchant_id" TextOrNull,
        CURRENCY "currency" Text,
        OPENING "opening_minor" Long,
        IN "in_minor" Long,
        OUT "out_minor" Long,
        CLOSING "closing_minor" Long,
    }
    /// One row for each merchant that was settled on the date; each is an entry of subject 85.
    settlements Settlements "settlements" {
        LOG_POSITION "log_position" Long,
        LOG_INDEX "log_index" Int,
        DECIDED_AT "decided_at" Time,
        BATCH_NO "batch_no" Text,
        MERCHANT_ID "merchant_id" Text,
        CURRENCY "currency" Text,
        AMOUNT "amount_minor" Long,
    }
    /// All merchants, with their terms when the day was cut.
    merchants Merchants "merchants" {
        LOG_POSITION "log_position" Long,
        MERCHANT_ID "merchant_id" Text,
        NAME "name" Text,
        CURRENCY "currency" Text,
        STATUS "status" Text,
        PLATFORM_ID "platform_id" TextOrNull,
        MODE "mode" Text,
        CYCLE "cycle" Text,
    }
    /// A channel's bill of a date, as it was read: what reconciliation compared. Its files belong to a batch, not to a manifest.
    bill Bill "bill" {
        FILE "file" Int,
        LINE "line" Long,
        KIND "kind" Text,
        STATE "state" Text,
        TIME "time" Time,
        SUB_MERCHANT "sub_merchant" Text,
        CHANNEL_TXN "channel_txn" Text,
        ORDER_NO "order_no" Text,
        CHANNEL_REFUND_NO "channel_refund_no" Text,
        REFUND_NO "refund_no" Text,
        CURRENCY "currency" Text,
        AMOUNT "amount_minor" Long,
        FEE "fee_millionths" Long,
    }
}

impl Table {
    /// Those that a day has, in the order of its manifest.
    pub const OF_A_DAY: [Self; 6] =
        [Self::Orders, Self::Refunds, Self::Entries, Self::Balances, Self::Settlements, Self::Merchants];
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Table {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.iter().copied().find(|table| table.name() == name).ok_or(())
    }
}

impl Kind {
    /// Whether it may be null.
    #[must_use]
    pub const fn is_nullable(self) -> bool {
        matches!(self, Self::TextOrNull | Self::DateOrNull | Self::TimeOrNull)
    }

    fn field(self, name: &str) -> Result<Type, parquet::errors::ParquetError> {
        let (physical, logical, converted) = match self {
            Self::Text | Self::TextOrNull => {
                (Physical::BYTE_ARRAY, Some(LogicalType::String), ConvertedType::UTF8)
            }
            Self::Long => (Physical::INT64, None, ConvertedType::NONE),
            Self::Int => (Physical::INT32, None, ConvertedType::NONE),
            Self::Flag => (Physical::BOOLEAN, None, ConvertedType::NONE),
            Self::Date | Self::DateOrNull => (Physical::INT32, Some(LogicalType::Date), ConvertedType::DATE),
            Self::Time | Self::TimeOrNull => {
                let time = LogicalType::timestamp(true, TimeUnit::MILLIS);
                (Physical::INT64, Some(time), ConvertedType::TIMESTAMP_MILLIS)
            }
        };
        let repetition = if self.is_nullable() { Repetition::OPTIONAL } else { Repetition::REQUIRED };
        Type::primitive_type_builder(name, physical)
            .with_repetition(repetition)
            .with_logical_type(logical)
            .with_converted_type(converted)
            .build()
    }
}

impl Table {
    /// The schema of its files.
    ///
    /// # Errors
    /// Never: it is tested for each table.
    pub fn schema(self) -> Result<TypePtr, parquet::errors::ParquetError> {
        let fields = self.columns().iter().map(|column| column.kind.field(column.name).map(Arc::new));
        let fields = fields.collect::<Result<Vec<_>, _>>()?;
        Ok(Arc::new(Type::group_type_builder(self.name()).with_fields(fields).build()?))
    }
}

/// Values of one column, in the order of their rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Values {
    /// Texts of which most are met once.
    Texts(TextRuns),
    /// Texts that are met again and again, by their number in a list of names.
    Names(Runs<u32>),
    /// Numbers, times, dates and flags.
    Numbers(Runs<i64>),
}

impl Values {
    fn of(column: &Column, has_names: bool) -> Self {
        match column.kind {
            Kind::Text | Kind::TextOrNull if has_names && column.is_name() => Self::Names(Runs::default()),
            Kind::Text | Kind::TextOrNull => Self::Texts(TextRuns::default()),
            _ => Self::Numbers(Runs::default()),
        }
    }

    /// How many there are; nulls are none.
    pub(crate) fn len(&self) -> u32 {
        match self {
            Self::Texts(texts) => texts.len(),
            Self::Names(runs) => runs.len(),
            Self::Numbers(runs) => runs.len(),
        }
    }

    fn clear(&mut self) {
        match self {
            Self::Texts(texts) => texts.clear(),
            Self::Names(runs) => runs.clear(),
            Self::Numbers(runs) => runs.clear(),
        }
    }
}

/// Some rows of a table, column by column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    table: Table,
    len: usize,
    pub(crate) columns: Vec<Values>,
    /// For each nullable column, whether each row has a value; empty for the others.
    pub(crate) present: Vec<Runs<bool>>,
}

impl Rows {
    /// None yet. All texts of theirs are given as texts.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self::of(table, false)
    }

    /// None yet. What [`Column::is_name`] is given by its number in a list of names, which goes with them to the file.
    pub(crate) fn with_names(table: Table) -> Self {
        Self::of(table, true)
    }

    fn of(table: Table, has_names: bool) -> Self {
        let columns = table.columns().iter().map(|column| Values::of(column, has_names)).collect();
        let present = table.columns().iter().map(|_| Runs::default()).collect();
        Self { table, len: 0, columns, present }
    }

    /// Whose rows they are.
    #[must_use]
    pub fn table(&self) -> Table {
        self.table
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Begins to add a row: its columns follow in their order.
    pub fn push(&mut self) -> Push<'_> {
        self.push_group(1)
    }

    /// Begins to add some rows together: a column that is given once has the value in each of them. That each has as many values as
    /// there are rows is seen when they are written.
    #[inline]
    pub(crate) fn push_group(&mut self, rows: u32) -> Push<'_> {
        assert!(rows > 0, "a group of rows");
        self.len += rows as usize;
        Push { rows: self, next: 0, times: rows }
    }

    /// Takes all out and keeps the room for others.
    pub(crate) fn clear(&mut self) {
        self.len = 0;
        self.columns.iter_mut().for_each(Values::clear);
        self.present.iter_mut().for_each(Runs::clear);
    }
}

/// Rows being added, mostly one. Values are given in the order of the columns, all of them.
#[derive(Debug)]
pub struct Push<'a> {
    rows: &'a mut Rows,
    next: usize,
    times: u32,
}

impl Push<'_> {
    #[inline]
    fn here(&mut self, is_nullable: bool) -> usize {
        let at = self.next;
        self.next += 1;
        debug_assert_eq!(
            self.rows.table.columns()[at].kind.is_nullable(),
            is_nullable,
            "{}",
            self.rows.table.columns()[at].name
        );
        at
    }

    /// The next column, which may be null, and whether it is.
    #[inline]
    fn here_or_null(&mut self, is_there: bool) -> usize {
        let at = self.here(true);
        self.rows.present[at].add(is_there, self.times);
        at
    }

    fn texts(&mut self, at: usize) -> &mut TextRuns {
        let Values::Texts(texts) = &mut self.rows.columns[at] else {
            unreachable!("{} is no text", self.rows.table.columns()[at].name)
        };
        texts
    }

    #[inline]
    fn names(&mut self, at: usize) -> &mut Runs<u32> {
        let Values::Names(names) = &mut self.rows.columns[at] else {
            unreachable!("{} is no name", self.rows.table.columns()[at].name)
        };
        names
    }

    #[inline]
    fn numbers(&mut self, at: usize) -> &mut Runs<i64> {
        let Values::Numbers(numbers) = &mut self.rows.columns[at] else {
            unreachable!("{} is no number", self.rows.table.columns()[at].name)
        };
        numbers
    }

    /// Text.
    pub fn text(self, value: impl AsRef<[u8]>) -> Self {
        self.text_with(|text| text.extend_from_slice(value.as_ref()))
    }

    /// Text that is written right where it is kept.
    pub fn text_with(mut self, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        let (at, times) = (self.here(false), self.times);
        self.texts(at).add(times, write);
        self
    }

    /// Text or null.
    pub fn text_or_null(self, value: Option<impl AsRef<[u8]>>) -> Self {
        self.text_or_null_with(value, |value, text| text.extend_from_slice(value.as_ref()))
    }

    /// Text or null, written right where it is kept.
    #[inline]
    pub fn text_or_null_with<T>(mut self, value: Option<T>, write: impl FnOnce(T, &mut Vec<u8>)) -> Self {
        let (at, times) = (self.here_or_null(value.is_some()), self.times);
        if let Some(value) = value {
            self.texts(at).add(times, |text| write(value, text));
        }
        self
    }

    /// A name.
    #[inline]
    pub(crate) fn name(mut self, name: u32) -> Self {
        let (at, times) = (self.here(false), self.times);
        self.names(at).add(name, times);
        self
    }

    /// A name or null.
    #[inline]
    pub(crate) fn name_or_null(mut self, name: Option<u32>) -> Self {
        let (at, times) = (self.here_or_null(name.is_some()), self.times);
        name.into_iter().for_each(|name| self.names(at).add(name, times));
        self
    }

    /// A name for each row; they hardly ever repeat.
    #[inline]
    pub(crate) fn names_plain(mut self, names: impl ExactSizeIterator<Item = u32>) -> Self {
        let at = self.here(false);
        self.names(at).add_plain(names);
        self
    }

    /// A name for each row.
    #[inline]
    pub(crate) fn names_each(mut self, names: impl Iterator<Item = u32>) -> Self {
        let at = self.here(false);
        self.names(at).add_each(names);
        self
    }

    /// Names or nulls, each for so many rows.
    #[inline]
    pub(crate) fn names_or_null_runs(mut self, names: impl Iterator<Item = (Option<u32>, u32)>) -> Self {
        let at = self.here(true);
        for (name, times) in names {
            self.rows.present[at].add(name.is_some(), times);
            name.into_iter().for_each(|name| self.names(at).add(name, times));
        }
        self
    }

    /// A name or null for each row.
    #[inline]
    pub(crate) fn names_or_null_each(self, names: impl Iterator<Item = Option<u32>>) -> Self {
        self.names_or_null_runs(names.map(|name| (name, 1)))
    }

    /// A text for each row.
    #[inline]
    pub(crate) fn texts_each<'a>(mut self, values: impl Iterator<Item = &'a [u8]>) -> Self {
        let at = self.here(false);
        let texts = self.texts(at);
        values.for_each(|value| texts.add(1, |text| text.extend_from_slice(value)));
        self
    }

    /// Texts or nulls, each for so many rows.
    #[inline]
    pub(crate) fn texts_or_null_runs<'a>(
        mut self,
        values: impl Iterator<Item = (Option<&'a [u8]>, u32)>,
    ) -> Self {
        let at = self.here(true);
        for (value, times) in values {
            self.rows.present[at].add(value.is_some(), times);
            let texts = self.texts(at);
            value.into_iter().for_each(|value| texts.add(times, |text| text.extend_from_slice(value)));
        }
        self
    }

    /// A text or null for each row.
    #[inline]
    pub(crate) fn texts_or_null_each<'a>(self, values: impl Iterator<Item = Option<&'a [u8]>>) -> Self {
        self.texts_or_null_runs(values.map(|value| (value, 1)))
    }

    /// 64 bits, or a time.
    #[inline]
    pub fn long(mut self, value: i64) -> Self {
        let (at, times) = (self.here(false), self.times);
        self.numbers(at).add(value, times);
        self
    }

    /// A time or null.
    #[inline]
    pub fn time_or_null(mut self, value: Option<i64>) -> Self {
        let (at, times) = (self.here_or_null(value.is_some()), self.times);
        value.into_iter().for_each(|value| self.numbers(at).add(value, times));
        self
    }

    /// 32 bits, or a date.
    #[inline]
    pub fn int(self, value: i32) -> Self {
        self.long(value.into())
    }

    /// A date or null.
    #[inline]
    pub fn date_or_null(self, value: Option<i32>) -> Self {
        self.time_or_null(value.map(i64::from))
    }

    /// True or false.
    #[inline]
    pub fn flag(self, value: bool) -> Self {
        self.long(value.into())
    }

    /// A number for each row; they hardly ever repeat.
    #[inline]
    pub(crate) fn numbers_plain(mut self, numbers: impl ExactSizeIterator<Item = i64>) -> Self {
        let at = self.here(false);
        self.numbers(at).add_plain(numbers);
        self
    }

    /// Numbers, each for so many rows.
    #[inline]
    pub(crate) fn numbers_runs(mut self, numbers: impl Iterator<Item = (i64, u32)>) -> Self {
        let at = self.here(false);
        let runs = self.numbers(at);
        numbers.for_each(|(number, times)| runs.add(number, times));
        self
    }

    /// A number or flag for each row.
    #[inline]
    pub(crate) fn numbers_each(self, numbers: impl Iterator<Item = i64>) -> Self {
        self.numbers_runs(numbers.map(|number| (number, 1)))
    }

    /// A number or null for each row.
    #[inline]
    pub(crate) fn numbers_or_null_each(mut self, numbers: impl Iterator<Item = Option<i64>>) -> Self {
        let at = self.here(true);
        for number in numbers {
            self.rows.present[at].add(number.is_some(), 1);
            number.into_iter().for_each(|number| self.numbers(at).add(number, 1));
        }
        self
    }

    /// The row is whole.
    ///
    /// # Panics
    /// When it is not.
    #[inline]
    pub fn end(self) {
        assert!(self.next == self.rows.columns.len(), "a row of {} with all its columns", self.rows.table);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_has_a_schema_with_its_columns_in_order() {
        for &table in Table::ALL {
            let schema = table.schema().unwrap();
            let names: Vec<_> = schema.get_fields().iter().map(|field| field.name().to_owned()).collect();
            assert_eq!(names, table.columns().iter().map(|column| column.name).collect::<Vec<_>>());
            assert_eq!(table.name().parse(), Ok(table));
            for column in table.columns().iter().filter(|column| column.name.ends_with("_minor")) {
                assert_eq!(column.kind, Kind::Long, "money is 64 bits");
            }
        }
        assert_eq!(orders::CHANNEL_TXN + 1, orders::COLUMNS.len());
        assert_eq!(entries::COLUMNS[entries::AMOUNT].name, "amount_minor");
    }
}
