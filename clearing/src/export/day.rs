//! A day while it is open: what happened goes into its tables as it is read from the log; when it is cut, it is proved and put.
//!
//! Entries and settlements are written as they come. Orders, refunds and voids that anything happened to are only marked, with their place in
//! the log, and written when the day is cut, as they stand then. Every account's movements are added up beside, so that
//! at the end opening + in − out = closing is proved for each against the ledger's own balances, before anything is put.
//!
//! Nothing of an open day is in the store. At the end its files are put, under names that have their hash in them, then the manifest: so a
//! crash anywhere leaves no half day, and the same log exported again makes the same objects.

use std::collections::BTreeMap;
use std::path::PathBuf;

use suanpan_core::{
    BackKind, BackRow, Command, Currency, Cycle, Date, Entry, EntrySink, Key, Ledger, MerchantId,
    MerchantStatus, MerchantTerms, Number, OrderRow, RefundState, SentAs, SettlementMode, Subject, Timestamp,
    Touched, Voucher,
};
use tempfile::TempDir;

use super::accounts::{Accounts, Movement, line_of, name_of};
use super::encode::Encoder;
use super::names::Names;
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

/// Which record touched something last, by its place in `records`, and which command of it.
#[derive(Debug, Clone, Copy)]
struct Mark {
    record: u32,
    index: u16,
}

/// Orders, and groups of entries, that become rows together, column by column, which is cheaper than one by one.
const TOGETHER: usize = 64;
const _: () = assert!(GROUP_ROWS.is_multiple_of(TOGETHER));

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

/// A group of entries: what its voucher says is the same in all of them.
#[derive(Debug, Clone, Copy)]
struct Group {
    here: Place,
    /// Which group of the command.
    number: i32,
    /// How many entries it has.
    lines: u32,
    voucher: Voucher,
}

/// An entry of a group.
#[derive(Debug, Clone, Copy)]
struct Line {
    /// Which of its command.
    number: i64,
    entry: Entry,
}

/// Groups of a shard that wait to become rows together, column by column: 1,465 instructions a payment became 954.
#[derive(Debug, Default)]
struct Waiting {
    groups: Vec<Group>,
    lines: Vec<Line>,
    /// The names of who gives and who gets, of each line.
    names: Vec<(u32, u32)>,
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
    accounts: Accounts,
    names: Names,
    channels: Vec<String>,
    /// Records of the log with anything in them: where they begin, and when they were decided.
    records: Vec<(u64, Timestamp)>,
    orders: Marks,
    refunds: Marks,
    voids: Marks,
    /// The command that is being applied.
    here: Place,
    /// Groups and lines of it so far.
    groups: i32,
    lines: i64,
    /// Whose group is being booked.
    shard: u16,
    waiting: Vec<Waiting>,
    totals: BTreeMap<Currency, CurrencyTotals>,
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
        let mut accounts = Accounts::new();
        ledger.each_balance(|currency, account, opening| {
            if opening != 0 {
                accounts.begin(currency, account, opening);
            }
        });
        let rows = |table| (0..shards).map(|_| Rows::with_names(table)).collect();
        let mut day = Self {
            date: ledger.date(),
            opening,
            shards,
            _folder: folder,
            encoder,
            is_sound: true,
            entries: rows(Table::Entries),
            settlements: rows(Table::Settlements),
            accounts,
            names: Names::default(),
            channels: Vec::new(),
            records: Vec::new(),
            orders: Marks::default(),
            refunds: Marks::default(),
            voids: Marks::default(),
            here: Place::default(),
            groups: 0,
            lines: 0,
            shard: 0,
            waiting: (0..shards).map(|_| Waiting::default()).collect(),
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
        self.names.set_channels(&self.channels);
        self.accounts.forget_names();
    }

    /// A command is about to be applied.
    #[inline]
    pub fn begin(&mut self, place: Place) {
        self.here = place;
        (self.groups, self.lines) = (0, 0);
    }

    /// The command was applied; `key` is what the ledger gave for it.
    pub fn applied(&mut self, command: &Command, key: Key, ledger: &Ledger) {
        match command {
            Command::PutChannel(_) => {
                // What waits was booked under the names before.
                (0..self.shards).for_each(|shard| self.write_groups(shard));
                self.name_channels(ledger);
            }
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
        if !rows.is_empty() {
            self.is_sound &= self.encoder.send(shard, rows, self.names.fresh());
        }
    }

    /// Hands rows on when they are a group of a file.
    #[inline]
    fn send_full(&mut self, shard: u16, rows: &mut Rows) {
        if rows.len() >= GROUP_ROWS {
            let room = self.encoder.room(rows.table());
            self.send(shard, std::mem::replace(rows, room));
        }
    }

    /// Makes rows of the groups that wait.
    fn write_groups(&mut self, shard: u16) {
        let (at, all_names) = (usize::from(shard), &mut self.names);
        let Waiting { groups, lines, names } = &mut self.waiting[at];
        // A group without entries is followed by none: the next takes its place.
        groups.pop_if(|group| group.lines == 0);
        let Ok(count @ 1..) = u32::try_from(lines.len()) else { return };
        self.accounts.book(lines.iter().map(|line| &line.entry), all_names, &self.channels, names);
        let each = || groups.iter().map(|group| (group, group.lines));
        let entries = || lines.iter().map(|line| &line.entry);
        let number = |of: fn(&Voucher) -> Option<&Number>| {
            each().map(move |(group, times)| (of(&group.voucher).map(Number::as_bytes), times))
        };
        self.entries[at]
            .push_group(count)
            .numbers_runs(each().map(|(group, times)| (position(group.here.position), times)))
            .numbers_runs(each().map(|(group, times)| (group.here.index.into(), times)))
            .numbers_runs(each().map(|(group, times)| (group.number.into(), times)))
            .numbers_plain(lines.iter().map(|line| line.number))
            .numbers_runs(each().map(|(group, times)| (group.here.decided_at.0, times)))
            .names_or_null_runs(
                each().map(|(group, times)| (group.voucher.merchant.map(|id| all_names.merchant(id)), times)),
            )
            .numbers_plain(entries().map(|entry| entry.subject.0.into()))
            .names_plain(names.iter().map(|(from, _)| *from))
            .names_plain(names.iter().map(|(_, to)| *to))
            .numbers_plain(entries().map(|entry| minor(entry.amount)))
            .names_each(entries().map(|entry| all_names.currency(entry.currency)))
            .texts_or_null_runs(number(|voucher| voucher.order_no.as_ref()))
            .texts_or_null_runs(number(|voucher| voucher.refund_no.as_ref()))
            .texts_or_null_runs(number(|voucher| voucher.reference.as_ref()))
            .numbers_each(entries().map(|entry| entry.reversal.into()))
            .end();
        for lines in lines.chunk_by(|one, next| one.entry.currency == next.entry.currency) {
            let totals = totals_of(&mut self.totals, lines[0].entry.currency);
            totals.entries += lines.len() as u64;
            let amounts = lines.iter().map(|line| minor(line.entry.amount));
            totals.entries_minor = amounts.fold(totals.entries_minor, i64::saturating_add);
        }
        groups.clear();
        lines.clear();
        if self.entries[at].len() >= GROUP_ROWS {
            let room = self.encoder.room(Table::Entries);
            let full = std::mem::replace(&mut self.entries[at], room);
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
            .name(self.names.merchant(merchant))
            .name(self.names.currency(entry.currency))
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
        self.shard = self.shard_of(voucher.merchant);
        let at = usize::from(self.shard);
        if self.waiting[at].groups.len() >= TOGETHER {
            self.write_groups(self.shard);
        }
        let (here, number) = (self.here, self.groups);
        let groups = &mut self.waiting[at].groups;
        groups.pop_if(|group| group.lines == 0);
        groups.push(Group { here, number, lines: 0, voucher: *voucher });
        self.groups += 1;
    }

    #[inline]
    fn book(&mut self, entry: &Entry) {
        let Waiting { groups, lines, .. } = &mut self.waiting[usize::from(self.shard)];
        let Some(group) = groups.last_mut() else { unreachable!("an entry before its voucher") };
        lines.push(Line { number: self.lines, entry: *entry });
        group.lines += 1;
        self.lines += 1;
        if entry.subject == Subject::SETTLEMENT {
            let voucher = group.voucher;
            voucher.merchant.into_iter().for_each(|merchant| self.book_settlement(merchant, &voucher, entry));
        }
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
            self.write_groups(shard);
            let at = usize::from(shard);
            let entries = std::mem::replace(&mut self.entries[at], Rows::with_names(Table::Entries));
            self.send(shard, entries);
            let settlements =
                std::mem::replace(&mut self.settlements[at], Rows::with_names(Table::Settlements));
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
        let mut waiting: Vec<Vec<_>> = (0..self.shards).map(|_| Vec::with_capacity(TOGETHER)).collect();
        for (place, mark) in marks.touched() {
            let (row, here) = (ledger.order_row(place, cut.at), self.place(mark));
            if row.accounting_date == Some(self.date) {
                let totals = totals_of(&mut self.totals, row.currency);
                totals.orders += 1;
                totals.amount_minor = totals.amount_minor.saturating_add(minor(row.amount));
            }
            let shard = row.merchant.shard(self.shards);
            let together = &mut waiting[usize::from(shard)];
            together.push((here, row));
            if together.len() == TOGETHER {
                push_orders(chunks.of(shard), together, &mut self.names);
                together.clear();
                self.send_full(shard, chunks.of(shard));
            }
        }
        for (shard, together) in (0..).zip(waiting).filter(|(_, together)| !together.is_empty()) {
            push_orders(chunks.of(shard), &together, &mut self.names);
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
            push_refund(chunks.of(shard), self.place(mark), &row, &mut self.names);
            self.send_full(shard, chunks.of(shard));
        }
        chunks.rest().into_iter().for_each(|(shard, rows)| self.send(shard, rows));
    }

    fn write_merchants(&mut self, cut: Cut, ledger: &Ledger) {
        let mut chunks = Chunks::new(Table::Merchants, self.shards);
        for terms in ledger.merchants() {
            let shard = terms.merchant.shard(self.shards);
            push_merchant(chunks.of(shard), cut, terms, &mut self.names);
            self.send_full(shard, chunks.of(shard));
        }
        chunks.rest().into_iter().for_each(|(shard, rows)| self.send(shard, rows));
    }

    /// Writes the balances, and proves each: what it held when the day began, and what moved, is what it holds.
    fn write_balances(&mut self, cut: Cut, ledger: &Ledger) -> Result<(), DayError> {
        let mut chunks = Chunks::new(Table::Balances, self.shards);
        let mut accounts = std::mem::replace(&mut self.accounts, Accounts::new());
        let mut lines: BTreeMap<(Currency, String), (i128, i128)> = BTreeMap::new();
        let mut problem = None;
        let mut full = Vec::new();
        ledger.each_balance(|currency, account, closing| {
            let Movement { opening, coming, going } = accounts.remove(currency, account);
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
            let name = self.names.of(name().as_bytes());
            chunks
                .of(shard)
                .push()
                .long(position(cut.position))
                .name(name)
                .name_or_null(account.owner().map(|id| self.names.merchant(id)))
                .name(self.names.currency(currency))
                .long(opening)
                .long(coming)
                .long(going)
                .long(closing)
                .end();
            full.extend(chunks.full(shard).map(|rows| (shard, rows)));
        });
        full.into_iter().chain(chunks.rest()).for_each(|(shard, rows)| self.send(shard, rows));
        if problem.is_none() && accounts.len() > 0 {
            problem = Some(format!("{} accounts moved that the ledger does not have", accounts.len()));
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
        Self { table, shards: (0..shards).map(|_| Rows::with_names(table)).collect() }
    }

    fn of(&mut self, shard: u16) -> &mut Rows {
        &mut self.shards[usize::from(shard)]
    }

    /// The chunk, if it is to be handed on.
    fn full(&mut self, shard: u16) -> Option<Rows> {
        let rows = &mut self.shards[usize::from(shard)];
        (rows.len() >= GROUP_ROWS).then(|| std::mem::replace(rows, Rows::with_names(self.table)))
    }

    fn rest(self) -> Vec<(u16, Rows)> {
        (0..).zip(self.shards).collect()
    }
}

fn push_orders(rows: &mut Rows, orders: &[(Place, OrderRow<'_>)], names: &mut Names) {
    let Ok(count) = u32::try_from(orders.len()) else { unreachable!("{TOGETHER} at most") };
    let each = || orders.iter().map(|(_, row)| row);
    let amounts = |of: fn(&OrderRow<'_>) -> u64| each().map(move |row| minor(of(row)));
    rows.push_group(count)
        .numbers_each(orders.iter().map(|(here, _)| position(here.position)))
        .numbers_plain(orders.iter().map(|(here, _)| here.index.into()))
        .numbers_each(orders.iter().map(|(here, _)| here.decided_at.0))
        .names_plain(each().map(|row| names.merchant(row.merchant)))
        .texts_each(each().map(|row| row.order_no.as_bytes()))
        .names_each(each().map(|row| names.channel(row.channel)))
        .names_each(each().map(|row| names.currency(row.currency)))
        .names_each(each().map(|row| names.status(row.status)))
        .numbers_plain(amounts(|row| row.amount))
        .numbers_plain(amounts(|row| row.amount + row.discounts.total()))
        .numbers_plain(amounts(|row| row.fee))
        .numbers_each(amounts(|row| row.platform_fee))
        .numbers_plain(amounts(|row| row.channel_cost))
        .numbers_plain(amounts(|row| row.net))
        .numbers_plain(amounts(|row| row.refundable))
        .numbers_each(amounts(|row| row.refunded))
        .numbers_each(amounts(|row| row.in_flight))
        .numbers_each(amounts(|row| row.held))
        .numbers_each(amounts(|row| row.discounts.operator))
        .numbers_each(amounts(|row| row.discounts.merchant))
        .numbers_each(amounts(|row| row.discounts.platform))
        .numbers_each(amounts(|row| row.advance_fee))
        .numbers_each(each().map(|row| row.settled.into()))
        .numbers_each(each().map(|row| row.gross.into()))
        .names_or_null_each(each().map(|row| row.platform.map(|id| names.merchant(id))))
        .names_or_null_each(each().map(|row| row.promoter.map(|id| names.merchant(id))))
        .numbers_or_null_each(each().map(|row| row.accounting_date.map(|date| date.0.into())))
        .numbers_or_null_each(each().map(|row| row.paid_at.map(|at| at.0)))
        .texts_or_null_each(each().map(|row| row.channel_txn.map(|text| text.as_ref())))
        .end();
}

fn push_refund(rows: &mut Rows, here: Place, row: &BackRow<'_>, names: &mut Names) {
    rows.push()
        .long(position(here.position))
        .int(here.index.into())
        .long(here.decided_at.0)
        .name(
            names.of(match row.kind {
                BackKind::Refund => "refund",
                BackKind::Void => "void",
            }
            .as_bytes()),
        )
        .name(names.merchant(row.merchant))
        .text(row.number.as_bytes())
        .text(row.order_no.as_bytes())
        .name(names.channel(row.channel))
        .name(names.currency(row.currency))
        .name(names.of(refund_state(row.state).as_bytes()))
        .name(
            names.of(match row.sent_as {
                SentAs::Refund => "refund",
                SentAs::Void => "void",
            }
            .as_bytes()),
        )
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

fn push_merchant(rows: &mut Rows, cut: Cut, terms: &MerchantTerms, names: &mut Names) {
    rows.push()
        .long(position(cut.position))
        .name(names.merchant(terms.merchant))
        .text(&terms.name)
        .name(names.currency(terms.currency))
        .name(
            names.of(match terms.status {
                MerchantStatus::Active => "active",
                MerchantStatus::Suspended => "suspended",
                MerchantStatus::Closed => "closed",
            }
            .as_bytes()),
        )
        .name_or_null(terms.platform.map(|id| names.merchant(id)))
        .name(
            names.of(match terms.mode {
                SettlementMode::Net => "net",
                SettlementMode::Gross => "gross",
            }
            .as_bytes()),
        )
        .name(
            names.of(match terms.cycle {
                Cycle::Business(days) => format!("T+{days}"),
                Cycle::Calendar(days) => format!("D+{days}"),
            }
            .as_bytes()),
        )
        .end();
}

fn refund_state(state: RefundState) -> &'static str {
    match state {
        RefundState::Processing => "processing",
        RefundState::Held => "held",
        RefundState::Succeeded => "succeeded",
        RefundState::Failed => "failed",
    }
}
