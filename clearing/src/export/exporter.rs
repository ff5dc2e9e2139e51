//! Follows a server's log and puts every accounting date into the cold store when it was cut.
//!
//! It is a process of its own and reads what is durable through the files; the server does nothing for it but keep the log that it still
//! needs. Where it is, it keeps in checkpoints: one at every cut, when the day before is in the store. So it begins again at the last cut, follows the
//! open day once more, and what it puts is what it would have put.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use suanpan_core::{Command, Date, Entry, EntrySink, Ledger, Timestamp, Voucher};
use suanpan_engine::{CheckpointError, EngineError, Follower, HoldError, Step, Visitor};

use crate::export::day::{Cut, OpenDay, Opening, Place, sweep_spool};
use crate::manifest::{DayError, Manifest};
use crate::store::{Store, StoreError};

/// By which name the server knows who holds its log: `follower-export.lsn` in the data folder. To give the export up is to remove that
/// file.
const NAME: &str = "export";

/// Records that are followed between two looks at whether to go on.
const RECORDS: usize = 256;

/// Why the export stopped. What is in the store is whole; begun again it goes on from the last cut.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// There is no log to follow.
    #[error("{0} is no data folder: there is no log in it. Name the folder that `suanpan serve --data` has")]
    NoFolder(PathBuf),
    /// The log could not be followed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Where it is could not be kept.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The server cannot be told what of the log is still needed.
    #[error(transparent)]
    Hold(#[from] HoldError),
    /// The day could not be put.
    #[error(transparent)]
    Day(#[from] DayError),
    /// The store has the day, of another log.
    #[error(
        "the cold store {url} has {date} already, and not of this log: it belongs to other books. Export into another store"
    )]
    OtherBooks {
        /// The store.
        url: String,
        /// The day.
        date: Date,
    },
    /// Another export runs.
    #[error("another export of this log runs: {0} is locked. Only one at a time keeps a place in it")]
    Running(PathBuf),
    /// The folder of its place in the log cannot be used.
    #[error("{path}: {source}")]
    State {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl From<StoreError> for ExportError {
    fn from(error: StoreError) -> Self {
        Self::Day(error.into())
    }
}

/// What is followed, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExporterConfig {
    /// The server's data folder.
    pub data: PathBuf,
    /// Parts of each table of a day, by merchant.
    pub shards: u16,
}

/// How far it came.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// Some records were followed.
    Followed,
    /// A day is in the store.
    Day {
        /// Its manifest.
        manifest: Box<Manifest>,
        /// Whether this put it there.
        is_new: bool,
    },
    /// There is nothing new in the log yet.
    Waiting,
}

/// See the file's page.
pub struct Exporter {
    data: PathBuf,
    store: Store,
    shards: u16,
    follower: Follower,
    following: Following,
    /// When the open day began.
    opened_at: Option<Timestamp>,
    _lock: File,
}

/// The day that is open, if its beginning was seen and it is not in the store.
struct Following {
    day: Option<OpenDay>,
}

impl EntrySink for Following {
    #[inline]
    fn open(&mut self, voucher: &Voucher) {
        if let Some(day) = &mut self.day {
            EntrySink::open(day, voucher);
        }
    }

    #[inline]
    fn book(&mut self, entry: &Entry) {
        if let Some(day) = &mut self.day {
            day.book(entry);
        }
    }
}

impl Visitor for Following {
    #[inline]
    fn before(&mut self, place: &suanpan_engine::Place, _command: &Command, _ledger: &Ledger) {
        if let Some(day) = &mut self.day {
            day.begin(Place { position: place.lsn.get(), index: place.index, decided_at: place.now });
        }
    }

    #[inline]
    fn after(&mut self, place: &suanpan_engine::Place, command: &Command, ledger: &Ledger) {
        if let Some(day) = &mut self.day {
            day.applied(command, place.key, ledger);
        }
    }
}

impl Exporter {
    /// Begins where it was left, or with the log.
    ///
    /// # Errors
    /// When there is no log, another export runs, or something cannot be read.
    pub fn open(store: Store, config: &ExporterConfig) -> Result<Self, ExportError> {
        let ExporterConfig { data, shards } = config;
        if !data.join("log").is_dir() {
            return Err(ExportError::NoFolder(data.clone()));
        }
        let state = data.join("export");
        let lock = lock(&state)?;
        let mut follower = Follower::resume(data, &state.join("checkpoints"))?;
        if follower.log_id() == 0 {
            return Err(ExportError::NoFolder(data.clone()));
        }
        follower.hold(NAME)?;
        let following = Following { day: None };
        let mut exporter = Self {
            data: data.clone(),
            store,
            shards: (*shards).max(1),
            follower,
            following,
            opened_at: None,
            _lock: lock,
        };
        sweep_spool(&exporter.store, &exporter.log_id())?;
        if exporter.is_at_beginning() {
            exporter.open_day()?;
        }
        Ok(exporter)
    }

    /// Whether nothing was applied yet: all that the first day has is still to come.
    fn is_at_beginning(&self) -> bool {
        let ledger = self.follower.ledger();
        let is_empty = ledger.channels().next().is_none() && ledger.merchants().next().is_none();
        is_empty && ledger.order_count() == 0 && ledger.date() == Date::default()
    }

    /// Opens the day that begins where the follower is, unless it is in the store.
    fn open_day(&mut self) -> Result<(), ExportError> {
        let (ledger, position) = (self.follower.ledger(), self.follower.position().get());
        let log_id = self.log_id();
        if let Some(manifest) = Manifest::find(&self.store, ledger.date())? {
            let other = || ExportError::OtherBooks { url: self.store.url().to_owned(), date: manifest.date };
            return if manifest.log.id == log_id { Ok(()) } else { Err(other()) };
        }
        let previous = Manifest::before(&self.store, ledger.date())?.map(|day| day.date);
        let opening = Opening { log_id, position, cut_at: self.opened_at, previous };
        self.following.day = Some(OpenDay::open(&self.store, self.shards, opening, ledger)?);
        Ok(())
    }

    fn log_id(&self) -> String {
        format!("{:032x}", self.follower.log_id())
    }

    /// Where no server runs, reads on to the log's very end: the last thing before a `kill -9` is proved by nothing behind it. From then on
    /// no server can be started until this is gone. False when a server runs, which proves it itself in a moment.
    ///
    /// # Errors
    /// When the log would not start either.
    pub fn to_the_end(&mut self) -> Result<bool, ExportError> {
        Ok(self.follower.to_the_end(&self.data)?)
    }

    /// Goes on by some records, or to the end of a day. It does not wait.
    ///
    /// # Errors
    /// When it cannot go on: see [`ExportError`].
    pub fn step(&mut self) -> Result<Progress, ExportError> {
        match self.follower.follow(&mut self.following, RECORDS)? {
            Step::Nothing => Ok(Progress::Waiting),
            Step::Applied(_) => {
                if self.following.day.as_ref().is_some_and(|day| !day.is_sound()) {
                    self.give_up()?;
                }
                Ok(Progress::Followed)
            }
            Step::DayCut { at, now, date, next } => {
                let cut = Cut { position: at.get(), at: now, next };
                let put = self.close_day(cut, date)?;
                self.follower.checkpoint()?;
                self.opened_at = Some(now);
                // The cut alone; what it books is no day's, and it books nothing.
                self.follower.follow(&mut self.following, 1)?;
                self.open_day()?;
                Ok(put.unwrap_or(Progress::Followed))
            }
        }
    }

    /// Puts the day that ends, if it was open.
    fn close_day(&mut self, cut: Cut, date: Date) -> Result<Option<Progress>, ExportError> {
        let Some(day) = self.following.day.take() else { return Ok(None) };
        assert!(day.date() == date, "the day that is cut is the one that is open");
        let (manifest, is_new) = day.close(&self.store, cut, self.follower.ledger())?;
        if !is_new && Manifest::load(&self.store, date)?.log.id != manifest.log.id {
            return Err(ExportError::OtherBooks { url: self.store.url().to_owned(), date });
        }
        Ok(Some(Progress::Day { manifest: Box::new(manifest), is_new }))
    }

    /// Says why the day cannot be written.
    fn give_up(&mut self) -> Result<(), ExportError> {
        let Some(day) = self.following.day.take() else { return Ok(()) };
        Ok(day.abandon()?)
    }

    /// Where in the log it is, in bytes, and when what it followed last was decided.
    #[must_use]
    pub fn position(&self) -> (u64, Timestamp) {
        (self.follower.position().get(), self.follower.now())
    }

    /// The accounting date that is open.
    #[must_use]
    pub fn date(&self) -> Date {
        self.follower.ledger().date()
    }

    /// Whether the open day will be put when it is cut: not if its beginning was not seen, or it is there already.
    #[must_use]
    pub fn is_writing(&self) -> bool {
        self.following.day.is_some()
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }
}

/// Takes the folder of an export's place for this process, for as long as the file lives.
fn lock(state: &Path) -> Result<File, ExportError> {
    let failed = |source| ExportError::State { path: state.to_owned(), source };
    std::fs::create_dir_all(state).map_err(failed)?;
    let file = File::create(state.join("lock")).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ExportError::Running(state.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}
