//! A day while it is open: what happened goes into its tables as it is read from the log; when it is cut, it is proved and put.
//!
//! Entries and settlements are written as they come. Orders, refunds and voids that anything happened to are only marked, with their place in
//! the log, and written when the day is cut, as they stand then. Every account's movements are added up beside, so that
//! at the end opening + in − out = closing is proved for each against the ledger's own balances, before anything is put.
//!
//! Nothing of an open day is in the store. At the end its files are put, under names that have their hash in them, then the manifest: so a
//! crash anywhere leaves no half day, and the same log exported again makes the same objects.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;

use hashbrown::HashMap;
use suanpan_core::{
    Account, BackKind, BackRow, ChannelId, Command, Currency, Cycle, Date, Entry, EntrySink, Key, Ledger,
    MerchantId, MerchantStatus, MerchantTerms, OrderRow, OrderStatus, RefundState, SentAs, SettlementMode,
    Subject, Timestamp, Touched, Voucher,
};
use tempfile::TempDir;

use super::encode::Encoder;
use crate::manifest::{
    AccountTotals, ChannelFacts, CurrencyTotals, DayError, FORMAT, FileFacts, LogRange, Manifest, moment,
};
use crate::parquet_file::{GROUP_ROWS, Written};
use crate::store::{Store, StoreError};
use crate::table::{Rows, Table};

/// Where in the log a command is, and when it was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// Where its record begins.
    pub position: u64,
    /// Which command of it, from 0.
    pub index: u16,
    /// When it was decided.
    pub decided_at: Timestamp,
}

/// Where a day begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The log, 128 bits in hexadecimal.
    pub log_id: String,
    /// Where the record behind the cut begins, or the log.
    pub position: u64,
    /// When the day before was cut, if there was one.
    pub cut_at: Option<Timestamp>,
    /// The day before that is in the store, if any.
    pub previous: Option<Date>,
}

/// How a day ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Where the record begins that cuts it.
    pub position: u64,
    /// When that was decided.
    pub at: Timestamp,
    /// The date that begins.
    pub next: Date,
}

/// What the folders of a log's open days begin with, in the store's spool.
fn spool_prefix(log_id: &str) -> String {
    format!("day-{log_id}-")
}

/// Removes what exports of a log left that were killed. The caller is the only one of that log.
///
/// # Errors
/// When the spool cannot be read.
pub fn sweep_spool(store: &Store, log_id: &str) -> Result<(), DayError> {
    let (spool, prefix) = (store.spool()?, spool_prefix(log_id));
    let io = |source| DayError::Store(StoreError::Local { path: spool.clone(), source });
    for entry in std::fs::read_dir(&spool).map_err(io)? {
        let entry = entry.map_err(io)?;
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(&prefix)) {
            std::fs::remove_dir_all(entry.path()).map_err(io)?;
        }
    }
    Ok(())
}

/// What moved on an account, and what it held when the day began.
#[derive(Debug, Clone, Copy, Default)]
struct Movement {
    opening: i128,
    coming: u128,
    going: u128,
}

/// Which record touched something last, by its place in `records`, and which command of it.
#[derive(Debug, Clone, Copy)]
struct Mark {
    record: u32,
    index: u16,
}

const UNTOUCHED: Mark = Mark { record: u32::MAX, index: 0 };

/// Marks of a kind of thing, by place in the ledger.
#[derive(Debug, Default)]
struct Marks(Vec<Mark>);

impl Marks {
    #[inline]
    fn set(&mut self, place: u32, mark: Mark) {
        let at = place as usize;
        if at >= self.0.len() {
            self.0.resize((at + 1).next_power_of_two(), UNTOUCHED);
        }
        self.0[at] = mark;
    }

    /// Those that were touched, by place.
    fn touched(&self) -> impl Iterator<Item = (u32, Mark)> {
        (0..).zip(&self.0).filter(|(_, mark)| mark.record != u32::MAX).map(|(place, mark)| (place, *mark))
    }
}

/// A day that is open; see the file's page. As an [`EntrySink`] it takes what a command books.
pub struct OpenDay {
    date: Date,
    opening: Opening,
    shards: u16,
    /// Where its files are until they are put; goes with it.
    _folder: TempDir,
    encoder: Encoder,
    /// Whether the encoder took all so far.
    is_sound: bool,
    entries: Vec<Rows>,
    settlements: Vec<Rows>,
    movements: HashMap<u128, Movement, foldhash::fast::FixedState>,
    channels: Vec<String>,
    /// Records of the log with anything in them: where they begin, and when they were decided.
    records: Vec<(u64, Timestamp)>,
    orders: Marks,
    refunds: Marks,
    voids: Marks,
    /// The command that is being applied.
    here: Place,
    group: i32,
    line: i32,
    voucher: Option<Voucher>,
    totals: BTreeMap<Currency, CurrencyTotals>,
}

/// An account in one number, to add its movements up under: currency, kind, owner.
fn key_of(currency: Currency, account: Account) -> u128 {
    let (kind, id) = match account {
        Account::Operator => (0, 0),
        Account::Suspense => (1, 0),
        Account::InTransit => (2, 0),
        Account::Bank => (3, 0),
        Account::Channel(id) => (4, u64::from(id.0)),
        Account::Accrued(id) => (5, id.0),
        Account::Platform(id) => (6, id.0),
        Account::FeeReceivable(id) => (7, id.0),
        Account::Merchant(id, account) => (8 + account as u8, id.0),
        _ => unreachable!("an account of a kind that no table has"),
    };
    let [a, b, c] = currency.0;
    u128::from(u32::from_be_bytes([a, b, c, kind])) << 64 | u128::from(id)
}

/// Writes an account's name, as [`Account::name`] says it.
fn write_account(account: Account, channels: &[String], to: &mut Vec<u8>) {
    let name = |id: ChannelId| channels.get(usize::from(id.0)).map_or("?", String::as_str);
    // Writing to memory does not fail.
    let _ = match account {
        Account::Merchant(id, account) => write!(to, "merchant:{}:{}", id.0, account.name()),
        Account::Channel(id) => write!(to, "channel:{}", name(id)),
        other => write!(to, "{}", other.name("")),
    };
}

/// The line of the trial balance that an account belongs to.
fn line_of(account: Account, channels: &[String]) -> String {
    match account {
        Account::Merchant(_, account) => format!("merchants:{}", account.name()),
        Account::Accrued(_) => "merchants:accrued".to_owned(),
        Account::FeeReceivable(_) => "merchants:fee_receivable".to_owned(),
        account => name_of(account, channels),
    }
}

fn name_of(account: Account, channels: &[String]) -> String {
    let mut name = Vec::new();
    write_account(account, channels, &mut name);
    String::from_utf8_lossy(&name).into_owned()
}

fn write_id(id: MerchantId, to: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let (mut at, mut left) = (digits.len(), id.0);
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(left % 10).unwrap_or(0);
        left /= 10;
        if left == 0 {
            break;
        }
    }
    to.extend_from_slice(&digits[at..]);
}

/// A currency's code.
fn code(currency: Currency) -> String {
    String::from_utf8_lossy(&currency.0).into_owned()
}

/// An amount of the core's: at most twice 10^15.
fn minor(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}

impl OpenDay {
    /// Opens a day whose beginning is where the ledger is.
    ///
    /// # Errors
    /// When there is no room for its files.
    pub fn open(store: &Store, shards: u16, opening: Opening, ledger: &Ledger) -> Result<Self, DayError> {
        let spool = store.spool()?;
        let io = |source| DayError::Store(StoreError::Local { path: spool.clone(), source });
        let prefix = spool_prefix(&opening.log_id);
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir_in(&spool).map_err(io)?;
        let encoder = Encoder::start(folder.path().to_owned()).map_err(io)?;
        let mut movements = HashMap::with_hasher(foldhash::fast::FixedState::with_seed(0));
        ledger.each_balance(|currency, account, opening| {
            if opening != 0 {
                movements.insert(key_of(currency, account), Movement { opening, ..Movement::default() });
            }
        });
        let rows = |table| (0..shards).map(|_| Rows::new(table, 0)).collect();
        let mut day = Self {
            date: ledger.date(),
            opening,
            shards,
            _folder: folder,
            encoder,
            is_sound: true,
            entries: rows(Table::Entries),
            settlements: rows(Table::Settlements),
            movements,
            channels: Vec::new(),
            records: Vec::new(),
            orders: Marks::default(),
            refunds: Marks::default(),
            voids: Marks::default(),
            here: Place::default(),
            group: 0,
            line: 0,
            voucher: None,
            totals: BTreeMap::new(),
        };
        day.name_channels(ledger);
        Ok(day)
    }

    /// The day's date.
    #[must_use]
    pub fn date(&self) -> Date {
        self.date
    }

    fn name_channels(&mut self, ledger: &Ledger) {
        self.channels = ledger.channels().map(|(_, terms)| terms.name.clone()).collect();
    }

    /// A command is about to be applied.
    #[inline]
    pub fn begin(&mut self, place: Place) {
        self.here = place;
        (self.group, self.line) = (-1, 0);
    }

    /// The command was applied; `key` is what the ledger gave for it.
    pub fn applied(&mut self, command: &Command, key: Key, ledger: &Ledger) {
        match command {
            Command::PutChannel(_) => self.name_channels(ledger),
            // Only before the first order: what was booked before is of the date that the books begin at.
            Command::SetDate(set) if !set.cut => self.date = set.date,
            _ => {}
        }
        let Touched { order, refund, void } = ledger.touched(command, key);
        if order.is_some() {
            let mark = self.mark();
            order.into_iter().for_each(|place| self.orders.set(place, mark));
            refund.into_iter().for_each(|place| self.refunds.set(place, mark));
            void.into_iter().for_each(|place| self.voids.set(place, mark));
        }
    }

    #[inline]
    fn mark(&mut self) -> Mark {
        let Place { position, index, decided_at } = self.here;
        if self.records.last().is_none_or(|(last, _)| *last != position) {
            self.records.push((position, decided_at));
        }
        // Four thousand million records of at least 48 bytes are no day.
        Mark { record: u32::try_from(self.records.len() - 1).unwrap_or(u32::MAX - 1), index }
    }

    fn place(&self, mark: Mark) -> Place {
        let (position, decided_at) = self.records[mark.record as usize];
        Place { position, index: mark.index, decided_at }
    }

    /// Whether it can go on: if not, [`OpenDay::close`] says why.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.is_sound
    }

    fn shard_of(&self, merchant: Option<MerchantId>) -> u16 {
        merchant.map_or(0, |id| id.shard(self.shards))
    }

    fn send(&mut self, shard: u16, rows: Rows) {
        self.is_sound &= self.encoder.send(shard, rows);
    }

    fn book_entry(&mut self, voucher: &Voucher, entry: &Entry) {
        let shard = self.shard_of(voucher.merchant);
        let (here, group, line, amount) = (self.here, self.group, self.line, minor(entry.amount));
        let (rows, channels) = (&mut self.entries[usize::from(shard)], &self.channels);
        rows.push()
            .long(position(here.position))
            .int(here.index.into())
            .int(group)
            .int(line)
            .long(here.decided_at.0)
            .text_or_null_with(voucher.merchant, write_id)
            .int(entry.subject.0.into())
            .text_with(|text| write_account(entry.from, channels, text))
            .text_with(|text| write_account(entry.to, channels, text))
            .long(amount)
            .text(entry.currency.0)
            .text_or_null(voucher.order_no.as_ref().map(|number| number.as_bytes()))
            .text_or_null(voucher.refund_no.as_ref().map(|number| number.as_bytes()))
            .text_or_null(voucher.reference.as_ref().map(|number| number.as_bytes()))
            .flag(entry.reversal)
            .end();
        if rows.len() >= GROUP_ROWS {
            let full = std::mem::replace(rows, Rows::new(Table::Entries, GROUP_ROWS));
            self.send(shard, full);
        }
    }

    fn book_settlement(&mut self, merchant: MerchantId, voucher: &Voucher, entry: &Entry) {
        let (here, shard) = (self.here, self.shard_of(Some(merchant)));
        let batch_no = voucher.reference.as_ref().map_or(&b""[..], |number| number.as_bytes());
        self.settlements[usize::from(shard)]
            .push()
            .long(position(here.position))
            .int(here.index.into())
            .long(here.decided_at.0)
            .text(batch_no)
            .text_with(|text| write_id(merchant, text))
            .text(entry.currency.0)
            .long(minor(entry.amount))
            .end();
    }
}

/// A place in the log as a column has it: 2^63 bytes are no log.
fn position(position: u64) -> i64 {
    i64::try_from(position).unwrap_or(i64::MAX)
}

impl EntrySink for OpenDay {
    fn open(&mut self, voucher: &Voucher) {
        self.voucher = Some(*voucher);
        self.group += 1;
    }

    fn book(&mut self, entry: &Entry) {
        let Some(voucher) = self.voucher else { unreachable!("an entry before its voucher") };
        self.book_entry(&voucher, entry);
        self.line += 1;
        let amount = u128::from(entry.amount);
        self.movements.entry(key_of(entry.currency, entry.from)).or_default().going += amount;
        self.movements.entry(key_of(entry.currency, entry.to)).or_default().coming += amount;
        if let (Subject::SETTLEMENT, Some(merchant)) = (entry.subject, voucher.merchant) {
            self.book_settlement(merchant, &voucher, entry);
        }
        let totals = totals_of(&mut self.totals, entry.currency);
        totals.entries += 1;
        totals.entries_minor = totals.entries_minor.saturating_add(minor(entry.amount));
    }
}

/// A currency's totals, made if there are none.
fn totals_of(totals: &mut BTreeMap<Currency, CurrencyTotals>, currency: Currency) -> &mut CurrencyTotals {
    totals.entry(currency).or_insert_with(|| CurrencyTotals {
        currency: code(currency),
        orders: 0,
        amount_minor: 0,
        refunds: 0,
        refunded_cash_minor: 0,
        entries: 0,
        entries_minor: 0,
        accounts: Vec::new(),
    })
}

impl OpenDay {
    /// Ends the day: `ledger` is as it is just before the cut. The day is in the store when this says so, and was there
    /// before if it says `false`.
    ///
    /// # Errors
    /// When it does not add up, or cannot be put. Nothing of it is in the store then that any manifest names.
    pub fn close(mut self, store: &Store, cut: Cut, ledger: &Ledger) -> Result<(Manifest, bool), DayError> {
        assert!(ledger.date() == self.date, "the ledger as it is before the cut");
        for shard in 0..self.shards {
            let at = usize::from(shard);
            let entries = std::mem::replace(&mut self.entries[at], Rows::new(Table::Entries, 0));
            self.send(shard, entries);
            let settlements = std::mem::replace(&mut self.settlements[at], Rows::new(Table::Settlements, 0));
            self.send(shard, settlements);
        }
        self.write_orders(cut, ledger);
        self.write_refunds(ledger);
        self.write_merchants(cut, ledger);
        self.write_balances(cut, ledger)?;
        let (date, previous) = (self.date, self.opening.previous);
        let written = self.encoder.finish()?;
        let files = written.into_iter().map(|((table, shard), written)| facts(date, table, shard, &written));
        let files: Vec<(FileFacts, PathBuf)> = files.collect();
        let channels = ledger
            .channels()
            .map(|(_, terms)| ChannelFacts { name: terms.name.clone(), timezone: terms.zone.name.clone() });
        let manifest = Manifest {
            format: FORMAT,
            date,
            next_date: cut.next,
            previous,
            log: LogRange { id: self.opening.log_id, from: self.opening.position, to: cut.position },
            opened_at: self.opening.cut_at.map(moment),
            cut_at: moment(cut.at),
            shards: self.shards,
            channels: channels.collect(),
            files: files.iter().map(|(facts, _)| facts.clone()).collect(),
            currencies: self.totals.into_values().collect(),
        };
        for (facts, file) in &files {
            store.put_file(&facts.path, file)?;
        }
        let json = manifest.to_json().map_err(|error| unproved(date, error.to_string()))?;
        let is_new = store.put_new(&Manifest::path(date), json)?;
        Ok((manifest, is_new))
    }

    /// Gives up a day that is not sound.
    ///
    /// # Errors
    /// Why it is not.
    pub fn abandon(self) -> Result<(), DayError> {
        self.encoder.finish()?;
        Ok(())
    }

    fn write_orders(&mut self, cut: Cut, ledger: &Ledger) {
        let marks = std::mem::take(&mut self.orders);
        let mut chunks = Chunks::new(Table::Orders, self.shards);
        for (place, mark) in marks.touched() {
            let (row, here) = (ledger.order_row(place, cut.at), self.place(mark));
            if row.accounting_date == Some(self.date) {
                let totals = totals_of(&mut self.totals, row.currency);
                totals.orders += 1;
                totals.amount_minor = totals.amount_minor.saturating_add(minor(row.amount));
            }
            let shard = row.merchant.shard(self.shards);
            push_order(chunks.of(shard), here, &row, &self.channels);
            chunks.full(shard).into_iter().for_each(|rows| self.send(shard, rows));
        }
        chunks.rest().into_iter().for_each(|(shard, rows)| self.send(shard, rows));
    }

    fn write_refunds(&mut self, ledger: &Ledger) {
        let (refunds, voids) = (std::mem::take(&mut self.refunds), std::mem::take(&mut self.voids));
        let mut chunks = Chunks::new(Table::Refunds, self.shards);
        let refunds = refunds.touched().map(|(place, mark)| (ledger.refund_row(place), mark));
        let voids = voids.touched().map(|(place, mark)| (ledger.void_row(place), mark));
        for (row, mark) in refunds.chain(voids) {
            let counts = row.kind == BackKind::Refund && row.state != RefundState::Failed;
            if counts && row.accounting_date == self.date {
                let totals = totals_of(&mut self.totals, row.currency);
                totals.refunds += 1;
                totals.refunded_cash_minor = totals.refunded_cash_minor.saturating_add(minor(row.cash));
            }
            let shard = row.merchant.shard(self.shards);
            push_refund(chunks.of(shard), self.place(mark), &row, &self.channels);
            chunks.full(shard).into_iter().for_each(|rows| self.send(shard, rows));
        }
        chunks.rest().into_iter().for_each(|(shard, rows)| self.send(shard, rows));
    }

    fn write_merchants(&mut self, cut: Cut, ledger: &Ledger) {
        let mut chunks = Chunks::new(Table::Merchants, self.shards);
        for terms in ledger.merchants() {
            let shard = terms.merchant.shard(self.shards);
            push_merchant(chunks.of(shard), cut, terms);
            chunks.full(shard).into_iter().for_each(|rows| self.send(shard, rows));
        }
        chunks.rest().into_iter().for_each(|(shard, rows)| self.send(shard, rows));
    }

    /// Writes the balances, and proves each: what it held when the day began, and what moved, is what it holds.
    fn write_balances(&mut self, cut: Cut, ledger: &Ledger) -> Result<(), DayError> {
        let mut chunks = Chunks::new(Table::Balances, self.shards);
        let mut movements = std::mem::take(&mut self.movements);
        let mut lines: BTreeMap<(Currency, String), (i128, i128)> = BTreeMap::new();
        let mut problem = None;
        let mut full = Vec::new();
        ledger.each_balance(|currency, account, closing| {
            let Movement { opening, coming, going } =
                movements.remove(&key_of(currency, account)).unwrap_or_default();
            if (opening, coming, going, closing) == (0, 0, 0, 0) {
                return;
            }
            let name = || name_of(account, &self.channels);
            let moved = opening + coming.cast_signed() - going.cast_signed();
            if moved != closing {
                problem = Some(format!("{} should hold {moved}, and holds {closing}", name()));
            }
            let line = lines.entry((currency, line_of(account, &self.channels))).or_default();
            (line.0, line.1) = (line.0 + opening, line.1 + closing);
            let figures = [opening, coming.cast_signed(), going.cast_signed(), closing].map(i64::try_from);
            let [Ok(opening), Ok(coming), Ok(going), Ok(closing)] = figures else {
                problem = Some(format!("{} is more than 64 bits hold", name()));
                return;
            };
            let shard = self.shard_of(account.owner());
            let row = chunks.of(shard).push().long(position(cut.position));
            row.text_with(|text| write_account(account, &self.channels, text))
                .text_or_null_with(account.owner(), write_id)
                .text(currency.0)
                .long(opening)
                .long(coming)
                .long(going)
                .long(closing)
                .end();
            full.extend(chunks.full(shard).map(|rows| (shard, rows)));
        });
        full.into_iter().chain(chunks.rest()).for_each(|(shard, rows)| self.send(shard, rows));
        if problem.is_none() && !movements.is_empty() {
            problem = Some(format!("{} accounts moved that the ledger does not have", movements.len()));
        }
        match problem {
            Some(what) => Err(unproved(self.date, what)),
            None => self.total_balances(lines),
        }
    }

    /// The trial balance at both ends of the day. It must be square.
    fn total_balances(&mut self, lines: BTreeMap<(Currency, String), (i128, i128)>) -> Result<(), DayError> {
        let mut sums: BTreeMap<Currency, (i128, i128)> = BTreeMap::new();
        for ((currency, account), (opening, closing)) in lines {
            let sum = sums.entry(currency).or_default();
            (sum.0, sum.1) = (sum.0 + opening, sum.1 + closing);
            let (Ok(opening_minor), Ok(closing_minor)) = (i64::try_from(opening), i64::try_from(closing))
            else {
                return Err(unproved(self.date, format!("{account} is more than 64 bits hold")));
            };
            let line = AccountTotals { account, opening_minor, closing_minor };
            totals_of(&mut self.totals, currency).accounts.push(line);
        }
        match sums.into_iter().find(|(_, sum)| *sum != (0, 0)) {
            Some((currency, (opening, closing))) => {
                let what =
                    format!("{} sums to {opening} at its beginning and {closing} at its end", code(currency));
                Err(unproved(self.date, what))
            }
            None => Ok(()),
        }
    }
}

fn unproved(date: Date, what: String) -> DayError {
    DayError::Unproved { date, what }
}

/// A file's place in the store, which has its hash in it.
fn facts(date: Date, table: Table, shard: u16, written: &Written) -> (FileFacts, PathBuf) {
    let hash = &written.sha256[..12];
    let facts = FileFacts {
        table: table.name().to_owned(),
        shard,
        path: format!("{table}/date={date}/shard={shard}/{table}-{shard}-{hash}.parquet"),
        bytes: written.bytes,
        sha256: written.sha256.clone(),
        rows: written.rows,
    };
    (facts, written.path.clone())
}

/// Rows of a table, a chunk for each shard.
struct Chunks {
    table: Table,
    shards: Vec<Rows>,
}

impl Chunks {
    fn new(table: Table, shards: u16) -> Self {
        Self { table, shards: (0..shards).map(|_| Rows::new(table, 0)).collect() }
    }

    fn of(&mut self, shard: u16) -> &mut Rows {
        &mut self.shards[usize::from(shard)]
    }

    /// The chunk, if it is to be handed on.
    fn full(&mut self, shard: u16) -> Option<Rows> {
        let rows = &mut self.shards[usize::from(shard)];
        (rows.len() >= GROUP_ROWS).then(|| std::mem::replace(rows, Rows::new(self.table, GROUP_ROWS)))
    }

    fn rest(self) -> Vec<(u16, Rows)> {
        (0..).zip(self.shards).collect()
    }
}

fn push_order(rows: &mut Rows, here: Place, row: &OrderRow<'_>, channels: &[String]) {
    rows.push()
        .long(position(here.position))
        .int(here.index.into())
        .long(here.decided_at.0)
        .text_with(|text| write_id(row.merchant, text))
        .text(row.order_no.as_bytes())
        .text(channels.get(usize::from(row.channel.0)).map_or("?", String::as_str))
        .text(row.currency.0)
        .text(order_status(row.status))
        .long(minor(row.amount))
        .long(minor(row.amount + row.discounts.total()))
        .long(minor(row.fee))
        .long(minor(row.platform_fee))
        .long(minor(row.channel_cost))
        .long(minor(row.net))
        .long(minor(row.refundable))
        .long(minor(row.refunded))
        .long(minor(row.in_flight))
        .long(minor(row.held))
        .long(minor(row.discounts.operator))
        .long(minor(row.discounts.merchant))
        .long(minor(row.discounts.platform))
        .long(minor(row.advance_fee))
        .flag(row.settled)
        .flag(row.gross)
        .text_or_null_with(row.platform, write_id)
        .text_or_null_with(row.promoter, write_id)
        .date_or_null(row.accounting_date.map(|date| date.0))
        .time_or_null(row.paid_at.map(|at| at.0))
        .text_or_null(row.channel_txn)
        .end();
}

fn push_refund(rows: &mut Rows, here: Place, row: &BackRow<'_>, channels: &[String]) {
    rows.push()
        .long(position(here.position))
        .int(here.index.into())
        .long(here.decided_at.0)
        .text(match row.kind {
            BackKind::Refund => "refund",
            BackKind::Void => "void",
        })
        .text_with(|text| write_id(row.merchant, text))
        .text(row.number.as_bytes())
        .text(row.order_no.as_bytes())
        .text(channels.get(usize::from(row.channel.0)).map_or("?", String::as_str))
        .text(row.currency.0)
        .text(refund_state(row.state))
        .text(match row.sent_as {
            SentAs::Refund => "refund",
            SentAs::Void => "void",
        })
        .int(i32::try_from(row.attempts).unwrap_or(i32::MAX))
        .long(minor(row.amount))
        .long(minor(row.cash))
        .long(minor(row.amount - row.cash))
        .long(minor(row.fee_returned))
        .long(minor(row.platform_fee_returned))
        .long(minor(row.cost_returned))
        .long(minor(row.merchant_debit))
        .long(minor(row.from_pending))
        .long(minor(row.from_held))
        .long(minor(row.from_available))
        .int(row.accounting_date.0)
        .text_or_null(row.channel_refund_no)
        .text_or_null(row.channel_txn)
        .end();
}

fn push_merchant(rows: &mut Rows, cut: Cut, terms: &MerchantTerms) {
    rows.push()
        .long(position(cut.position))
        .text_with(|text| write_id(terms.merchant, text))
        .text(&terms.name)
        .text(terms.currency.0)
        .text(match terms.status {
            MerchantStatus::Active => "active",
            MerchantStatus::Suspended => "suspended",
            MerchantStatus::Closed => "closed",
        })
        .text_or_null_with(terms.platform, write_id)
        .text(match terms.mode {
            SettlementMode::Net => "net",
            SettlementMode::Gross => "gross",
        })
        .text(match terms.cycle {
            Cycle::Business(days) => format!("T+{days}"),
            Cycle::Calendar(days) => format!("D+{days}"),
        })
        .end();
}

fn order_status(status: OrderStatus) -> &'static str {
    match status {
        OrderStatus::Created => "created",
        OrderStatus::Closed => "closed",
        OrderStatus::PaidLate => "paid_late",
        OrderStatus::Paid => "paid",
        OrderStatus::Voided => "voided",
        OrderStatus::PartiallyRefunded => "partially_refunded",
        OrderStatus::Refunded => "refunded",
    }
}

fn refund_state(state: RefundState) -> &'static str {
    match state {
        RefundState::Processing => "processing",
        RefundState::Held => "held",
        RefundState::Succeeded => "succeeded",
        RefundState::Failed => "failed",
    }
}

#[cfg(test)]
mod tests {
    use suanpan_core::MerchantAccount;

    use super::*;

    #[test]
    fn every_account_has_a_key_and_a_name_of_its_own() {
        let ids = [MerchantId(1), MerchantId(MerchantId::MAX)];
        let mut accounts = vec![Account::Operator, Account::Suspense, Account::InTransit, Account::Bank];
        accounts.extend([ChannelId(0), ChannelId(1)].map(Account::Channel));
        for id in ids {
            accounts.extend([Account::Accrued(id), Account::Platform(id), Account::FeeReceivable(id)]);
            accounts.extend(MerchantAccount::ALL.map(|account| Account::Merchant(id, account)));
        }
        let channels = ["wechat".to_owned(), "alipay".to_owned()];
        let mut keys: Vec<_> = accounts.iter().map(|account| key_of(Currency(*b"CNY"), *account)).collect();
        keys.extend(accounts.iter().map(|account| key_of(Currency(*b"USD"), *account)));
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 2 * accounts.len());
        for &account in &accounts {
            let mut name = Vec::new();
            write_account(account, &channels, &mut name);
            let channel = if let Account::Channel(id) = account { &channels[usize::from(id.0)] } else { "" };
            assert_eq!(String::from_utf8(name).unwrap(), account.name(channel));
        }
        for id in [1, 10, 1_001, MerchantId::MAX] {
            let mut text = Vec::new();
            write_id(MerchantId(id), &mut text);
            assert_eq!(text, id.to_string().into_bytes());
        }
    }
}
