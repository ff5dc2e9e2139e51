//! A small town in memory: books and bills made by hand, and runs against a store in a temporary folder.

use std::collections::HashSet;

use jiff::Timestamp as Moment;
use suanpan_clearing::bill::{BillKind, BillRow, BillState, BillTotals};
use suanpan_clearing::manifest::{ChannelFacts, DayError, FORMAT, LogRange, Manifest};
use suanpan_clearing::reconcile::batch::InputFile;
use suanpan_clearing::reconcile::books::{OurEntry, OurItem, Priced};
use suanpan_clearing::reconcile::item::State;
use suanpan_clearing::reconcile::run::Bank;
use suanpan_clearing::reconcile::{Books, Input, Kind, Options, ReconcileError, Run, reconcile};
use suanpan_clearing::store::Store;
use suanpan_core::{Currency, Date, Timestamp};

pub(crate) const CNY: Currency = Currency(*b"CNY");
pub(crate) const CHANNEL: &str = "wechat";
pub(crate) const MINUTE: i64 = 60_000;
pub(crate) const HOUR: i64 = 60 * MINUTE;

pub(crate) fn date(day: u32) -> Date {
    Date::from_ymd(2018, 8, day).unwrap()
}

/// A moment of a day in Shanghai.
pub(crate) fn at(day: u32, into_day: i64) -> i64 {
    i64::from(date(day).0) * 24 * HOUR - 8 * HOUR + into_day
}

/// An item of ours that owns its texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ours {
    pub(crate) kind: Kind,
    pub(crate) state: State,
    pub(crate) voided: bool,
    pub(crate) merchant: u64,
    pub(crate) order_no: String,
    pub(crate) refund_no: String,
    pub(crate) channel_txn: String,
    pub(crate) channel_refund_no: String,
    pub(crate) amount: u64,
    pub(crate) currency: Currency,
    pub(crate) at_ms: i64,
    pub(crate) date: Date,
}

impl Ours {
    pub(crate) fn payment(day: u32, merchant: u64, order_no: &str, amount: u64) -> Self {
        Self {
            kind: Kind::Payment,
            state: State::Succeeded,
            voided: false,
            merchant,
            order_no: order_no.to_owned(),
            refund_no: String::new(),
            channel_txn: format!("T-{merchant}-{order_no}"),
            channel_refund_no: String::new(),
            amount,
            currency: CNY,
            at_ms: at(day, 12 * HOUR),
            date: date(day),
        }
    }

    pub(crate) fn refund(day: u32, merchant: u64, order_no: &str, refund_no: &str, amount: u64) -> Self {
        let payment = Self::payment(day, merchant, order_no, amount);
        let channel_refund_no = format!("C-{merchant}-{refund_no}");
        Self { kind: Kind::Refund, refund_no: refund_no.to_owned(), channel_refund_no, ..payment }
    }

    pub(crate) fn void(day: u32, merchant: u64, order_no: &str, void_no: &str, amount: u64) -> Self {
        let refund = Self::refund(day, merchant, order_no, void_no, amount);
        Self { kind: Kind::Void, voided: true, channel_refund_no: String::new(), ..refund }
    }

    fn item(&self) -> OurItem<'_> {
        OurItem {
            kind: self.kind,
            state: self.state,
            voided: self.voided,
            merchant: self.merchant,
            order_no: &self.order_no,
            refund_no: &self.refund_no,
            channel_txn: &self.channel_txn,
            channel_refund_no: &self.channel_refund_no,
            amount: self.amount,
            currency: self.currency,
            at_ms: self.at_ms,
            accounting_date: self.date,
        }
    }

    /// The line that a channel that agrees would have of it.
    pub(crate) fn row(&self) -> Row {
        Row {
            kind: match self.kind {
                Kind::Payment => BillKind::Payment,
                Kind::Refund => BillKind::Refund,
                Kind::Void => BillKind::Void,
            },
            state: match self.state {
                State::Succeeded => BillState::Succeeded,
                State::Failed => BillState::Failed,
                _ => BillState::Processing,
            },
            time: self.at_ms,
            sub_merchant: self.merchant.to_string(),
            channel_txn: self.channel_txn.clone(),
            order_no: self.order_no.clone(),
            channel_refund_no: self.channel_refund_no.clone(),
            refund_no: self.refund_no.clone(),
            currency: self.currency,
            amount: self.amount,
            fee_millionths: 0,
        }
    }
}

/// A line of a bill that owns its texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) kind: BillKind,
    pub(crate) state: BillState,
    pub(crate) time: i64,
    pub(crate) sub_merchant: String,
    pub(crate) channel_txn: String,
    pub(crate) order_no: String,
    pub(crate) channel_refund_no: String,
    pub(crate) refund_no: String,
    pub(crate) currency: Currency,
    pub(crate) amount: u64,
    pub(crate) fee_millionths: i64,
}

impl Row {
    fn row(&self, line: u64) -> BillRow<'_> {
        BillRow {
            file: 0,
            line,
            kind: self.kind,
            state: self.state,
            time: Timestamp(self.time),
            sub_merchant: &self.sub_merchant,
            channel_txn: &self.channel_txn,
            order_no: &self.order_no,
            channel_refund_no: &self.channel_refund_no,
            refund_no: &self.refund_no,
            currency: self.currency,
            amount: self.amount,
            fee_millionths: self.fee_millionths,
        }
    }
}

/// An entry that owns its texts.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) subject: u8,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) amount: u64,
    pub(crate) reversal: bool,
    pub(crate) merchant: u64,
    pub(crate) order_no: String,
    pub(crate) refund_no: String,
}

/// An order or refund with what it comes to.
#[derive(Debug, Clone)]
pub(crate) struct Price {
    pub(crate) row: Priced<'static>,
    pub(crate) order_no: String,
    pub(crate) refund_no: String,
}

/// The books of a date.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger {
    pub(crate) items: Vec<Ours>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) priced: Vec<Price>,
}

impl Ledger {
    pub(crate) fn of(items: &[Ours]) -> Self {
        Self { items: items.to_vec(), ..Self::default() }
    }
}

impl Books for Ledger {
    fn about(&self) -> u64 {
        self.items.len() as u64
    }

    fn merchants(&self) -> Result<HashSet<u64>, DayError> {
        Ok((1..=5).collect())
    }

    fn items(&self, _channel: &str, each: &mut dyn FnMut(&OurItem<'_>)) -> Result<(), DayError> {
        let (payments, others): (Vec<_>, Vec<_>) =
            self.items.iter().partition(|item| item.kind == Kind::Payment);
        payments.into_iter().chain(others).for_each(|item| each(&item.item()));
        Ok(())
    }

    fn priced(&self, each: &mut dyn FnMut(&Priced<'_>)) -> Result<(), DayError> {
        for Price { row, order_no, refund_no } in &self.priced {
            each(&Priced { order_no, refund_no, ..*row });
        }
        Ok(())
    }

    fn entries(&self, each: &mut dyn FnMut(&OurEntry<'_>)) -> Result<(), DayError> {
        for entry in &self.entries {
            each(&OurEntry {
                subject: entry.subject,
                from: &entry.from,
                to: &entry.to,
                amount: entry.amount,
                currency: CNY,
                reversal: entry.reversal,
                merchant: entry.merchant,
                order_no: &entry.order_no,
                refund_no: &entry.refund_no,
            });
        }
        Ok(())
    }
}

/// A cold store, and the dates of a town.
pub(crate) struct Town {
    _folder: tempfile::TempDir,
    pub(crate) store: Store,
    pub(crate) options: Options,
}

impl Town {
    pub(crate) fn new() -> Self {
        // In memory where that is to be had: thousands of stores are made, and every write is synced.
        let memory = std::path::Path::new("/dev/shm");
        let folder = match memory.is_dir() {
            true => tempfile::tempdir_in(memory).unwrap(),
            false => tempfile::tempdir().unwrap(),
        };
        let store = Store::open(folder.path().to_str().unwrap()).unwrap();
        Self { _folder: folder, store, options: Options { three_way: false, ..Options::default() } }
    }

    pub(crate) fn manifest(day: u32) -> Manifest {
        let moment = |ms| Moment::from_millisecond(ms).unwrap();
        Manifest {
            format: FORMAT,
            date: date(day),
            next_date: date(day + 1),
            previous: Some(date(day - 1)),
            log: LogRange { id: "00".to_owned(), from: 0, to: 1 },
            opened_at: Some(moment(at(day, 0))),
            cut_at: moment(at(day + 1, 0)),
            shards: 1,
            channels: vec![ChannelFacts { name: CHANNEL.to_owned(), timezone: "Asia/Shanghai".to_owned() }],
            files: Vec::new(),
            currencies: Vec::new(),
        }
    }

    pub(crate) fn run(&self, day: u32, books: &Ledger, rows: &[Row]) -> Run {
        self.try_run(&Self::manifest(day), books, rows, None).unwrap()
    }

    /// A run; the file's hash is made of its lines.
    pub(crate) fn try_run(
        &self,
        manifest: &Manifest,
        books: &Ledger,
        rows: &[Row],
        bank: Option<Bank>,
    ) -> Result<Run, ReconcileError> {
        let file = InputFile {
            name: format!("bill-{}.csv", manifest.date),
            bytes: rows.len() as u64,
            sha256: format!("{rows:?}"),
        };
        let (account, date) = ("1900000109".to_owned(), manifest.date);
        let mut bill = |each: &mut dyn FnMut(&BillRow<'_>)| {
            // The first line is the header's.
            (2..).zip(rows).for_each(|(line, row)| each(&row.row(line)));
            let rows = rows.len() as u64;
            let (payments, paid, refunds, refunded, fee_millionths) = Default::default();
            let account = account.clone();
            Ok(BillTotals { account, date, rows, payments, paid, refunds, refunded, fee_millionths })
        };
        let input = Input { channel: CHANNEL, files: vec![file], bill: &mut bill, bank };
        reconcile(&self.store, manifest, books, input, &self.options, &mut |_, _| {})
    }
}
