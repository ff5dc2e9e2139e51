//! What happened, in the order of the log: the entries that were booked and the events that came with them.
//!
//! The log holds commands. A follower applies them to a ledger of its own, one for all shards, and hands out what each of
//! them did. So it says the same whenever and wherever it is asked, with whatever number of shards the commands were
//! decided, and it costs the shards nothing. What it says is durable, and it says it once: from the log's
//! beginning on, or, where that was released, from the oldest snapshot that is kept.
//!
//! It follows an engine of its own process ([`Engine::follow`](crate::Engine::follow)), a folder whose server is stopped
//! ([`Follower::open`]), or the log of a server that runs as another process, or does not, or goes down and comes up again
//! meanwhile ([`Follower::beside`]): then what is durable is taken from the log alone, and nothing is locked or changed.
//!
//! What it says comes out in one of two ways: [`Follower::read`] gives it command by command; [`Follower::follow`] shows it
//! to a [`Visitor`] while it happens, which costs no memory for a command, and stops where an accounting date ends. One that
//! follows for long keeps checkpoints of itself (`checkpoint.rs`), and has the server keep the log from there on (`hold.rs`).

mod books;
mod checkpoint;
pub(crate) mod hold;
mod visit;

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;

use suanpan_core::{Command, Date, Entry, EntrySink, Event, Ledger, Timestamp, Voucher};
use suanpan_wal::{
    Files, FolderLock, LockError, LogConfig, LogHandle, LogReader, Lsn, OpenError, RecordRef, Recovery,
    Storage,
};

use crate::error::EngineError;
use crate::snapshot::file::SnapshotError;
use crate::snapshot::folder::{self, Found};
use crate::snapshot::restore::restore_alone;
use books::{Books, Cut, cut_in};
use checkpoint::Checkpoints;

pub use checkpoint::CheckpointError;
pub use hold::{HoldError, LogHolder};
pub use visit::{Place, Step, Visitor};

/// How often a follower beside a server tries to begin, when what it begins with is released under its hands.
const BEGIN_TRIES: u32 = 20;

/// What one command did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// Its record in the log.
    pub lsn: Lsn,
    /// Which command of the record it is, from 0. With `lsn` it is a place that never changes.
    pub index: u16,
    /// When it was decided.
    pub now: Timestamp,
    /// The command.
    pub command: Command,
    /// What it booked, group by group.
    pub groups: Vec<(Voucher, Vec<Entry>)>,
    /// What happened, in its order.
    pub events: Vec<Event>,
}

/// Follows a log; see the file's page.
pub struct Follower {
    books: Books,
    reader: LogReader,
    end: End,
    /// A day's cut that was read and is not applied yet.
    cut: Option<Cut>,
    /// Applied, and not handed out by [`Follower::read`] yet.
    ready: VecDeque<Followed>,
    /// Where and why the ledger is not that of the log any more.
    lost: Option<(Lsn, String)>,
    checkpoints: Option<Checkpoints>,
    /// Checkpoints that were passed over, and why.
    passed_over: Vec<String>,
}

/// Up to where there is something to follow.
enum End {
    /// The log of a running engine.
    Running(LogHandle),
    /// A log that nobody writes while the folder is locked.
    Fixed(Lsn, #[allow(dead_code, reason = "held, not used")] FolderLock),
    /// A log that another process may write: up to here it says itself that it is durable.
    Beside(Lsn),
}

/// What commands said while they were applied.
struct Telling<'a> {
    ready: &'a mut VecDeque<Followed>,
    groups: Vec<(Voucher, Vec<Entry>)>,
    events: Vec<Event>,
}

impl EntrySink for Telling<'_> {
    const WANTS_EVENTS: bool = true;

    fn open(&mut self, voucher: &Voucher) {
        self.groups.push((*voucher, Vec::new()));
    }

    fn book(&mut self, entry: &Entry) {
        let group = self.groups.last_mut();
        assert!(group.is_some(), "an entry before its voucher");
        group.into_iter().for_each(|(_, entries)| entries.push(*entry));
    }

    fn event(&mut self, event: &Event) {
        self.events.push(*event);
    }
}

impl Visitor for Telling<'_> {
    fn after(&mut self, place: &Place, command: &Command, _ledger: &Ledger) {
        self.ready.push_back(Followed {
            lsn: place.lsn,
            index: place.index,
            now: place.now,
            command: command.clone(),
            groups: std::mem::take(&mut self.groups),
            events: std::mem::take(&mut self.events),
        });
    }
}

impl Follower {
    /// Follows the log in a data folder whose server is stopped, or in a copy. The folder is locked as long as the
    /// follower lives; its log is not changed, and a torn tail is passed over.
    ///
    /// # Errors
    /// When the folder is in use, or its log would not start either.
    pub fn open(dir: &Path) -> Result<Self, EngineError> {
        let lock = FolderLock::acquire(dir)?;
        let config = LogConfig { replay_from: None, ..LogConfig::new(dir.join("log")) };
        let end = Recovery::open(config)?.end();
        Self::begin(Arc::new(Files), dir, End::Fixed(end, lock))
    }

    /// Follows the log of a server that is another process, and runs or does not: nothing is locked, changed or synced, and
    /// the server may go down and come up again meanwhile. What it wrote is followed when the log itself proves it durable,
    /// some milliseconds after it was answered.
    ///
    /// # Errors
    /// When the log's files or the snapshot that it begins with cannot be read.
    pub fn beside(data: &Path) -> Result<Self, EngineError> {
        Self::try_to_begin(&(Arc::new(Files) as Arc<dyn Storage>), data, || End::Beside(Lsn::ZERO))
    }

    /// Has one that follows beside a server read on to the log's very end, where no server runs: what was answered right before a
    /// server was killed is durable, but nothing behind it says so yet. From then on the folder is locked, as by
    /// [`Follower::open`]. False, and nothing is changed, when a server has the folder.
    ///
    /// # Errors
    /// When the log would not start either.
    pub fn to_the_end(&mut self, data: &Path) -> Result<bool, EngineError> {
        let lock = match FolderLock::acquire(data) {
            Ok(lock) => lock,
            Err(LockError::InUse { .. }) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let config = LogConfig { replay_from: None, ..LogConfig::new(data.join("log")) };
        self.end = End::Fixed(Recovery::open(config)?.end(), lock);
        Ok(true)
    }

    /// Follows the log of an engine that runs.
    pub(crate) fn of_running(
        storage: &Arc<dyn Storage>,
        dir: &Path,
        log: &LogHandle,
    ) -> Result<Self, EngineError> {
        Self::try_to_begin(storage, dir, || End::Running(log.clone()))
    }

    /// Begins while a server may take snapshots and release what it would begin with.
    fn try_to_begin(
        storage: &Arc<dyn Storage>,
        dir: &Path,
        end: impl Fn() -> End,
    ) -> Result<Self, EngineError> {
        for _ in 1..BEGIN_TRIES {
            match Self::begin(storage.clone(), dir, end()) {
                Err(error) if was_released(&error) => {}
                begun => return begun,
            }
        }
        Self::begin(storage.clone(), dir, end())
    }

    /// Begins with the log, or where that was released, with the oldest snapshot that is kept.
    fn begin(storage: Arc<dyn Storage>, dir: &Path, end: End) -> Result<Self, EngineError> {
        let log = dir.join("log");
        let reader = LogReader::open_in(storage.clone(), &log)?;
        if reader.is_at_beginning() {
            // The key of the hash tables needs no secret: nobody waits for this ledger.
            let books = Books::new(Ledger::new(0, Date::default()), Timestamp::default());
            return Ok(Self::new(books, reader, end));
        }
        let folder = folder::folder(dir);
        let Found { files, damaged } = folder::find(&*storage, &folder)?;
        let Some(oldest) = files.last() else {
            let begin = reader.position();
            return Err(EngineError::NoSnapshot { begin, folder, passed_over: damaged });
        };
        if oldest.header.savepoint != 0 {
            return Err(EngineError::FollowCold);
        }
        let reader = LogReader::open_at(storage, &log, oldest.header.lsn)?;
        Ok(Self::new(Books::new(restore_alone(oldest)?, oldest.header.taken), reader, end))
    }

    fn new(books: Books, reader: LogReader, end: End) -> Self {
        Self {
            books,
            reader,
            end,
            cut: None,
            ready: VecDeque::new(),
            lost: None,
            checkpoints: None,
            passed_over: Vec::new(),
        }
    }

    /// What the next command did; `None` when there is none yet. It does not wait.
    ///
    /// # Errors
    /// When the log is damaged, or a command does not do what it did when it was decided. Nothing is skipped: asked
    /// again, it says so again.
    pub fn read(&mut self) -> Result<Option<Followed>, EngineError> {
        self.check_lost()?;
        let mut ready = std::mem::take(&mut self.ready);
        while ready.is_empty() {
            let mut telling = Telling { ready: &mut ready, groups: Vec::new(), events: Vec::new() };
            let more = match self.cut.is_some() {
                true => self.apply_cut(&mut telling).map(|()| true),
                false => self.advance(&mut telling).map(|next| next != Next::Nothing),
            };
            // An error leaves half of a record, which is no state of the books and not handed out.
            if !more? {
                return Ok(None);
            }
        }
        self.ready = ready;
        Ok(self.ready.pop_front())
    }

    /// Applies up to `records_max` of the log's records and shows the visitor what they do. It does not wait, and comes back
    /// before a record that cuts the accounting date: first with what was applied before that, then with
    /// [`Step::DayCut`], when the books are those of the day's end; the next call applies the cut and nothing else. A record
    /// holds up to some thousand commands.
    ///
    /// # Errors
    /// As for [`Follower::read`].
    ///
    /// # Panics
    /// When [`Follower::read`] has applied something that it has not handed out: one follower is read in one way.
    pub fn follow<V: Visitor>(&mut self, visitor: &mut V, records_max: usize) -> Result<Step, EngineError> {
        assert!(self.ready.is_empty(), "what was applied for `read` is handed out by `read`");
        self.check_lost()?;
        if let Some(cut) = &mut self.cut {
            if !std::mem::replace(&mut cut.told, true) {
                return Ok(cut.step());
            }
            self.apply_cut(visitor)?;
            return Ok(Step::Applied(1));
        }
        for applied in 0..records_max {
            match self.advance(visitor)? {
                Next::Applied => {}
                Next::Cut if applied == 0 => return self.follow(visitor, records_max),
                Next::Nothing if applied == 0 => return Ok(Step::Nothing),
                Next::Cut | Next::Nothing => return Ok(Step::Applied(applied)),
            }
        }
        Ok(Step::Applied(records_max))
    }

    /// Applies the next record, unless it is a day's cut, which is kept.
    fn advance<V: Visitor>(&mut self, visitor: &mut V) -> Result<Next, EngineError> {
        let durable = match &mut self.end {
            End::Running(log) => log.durable(),
            End::Fixed(end, _) => *end,
            End::Beside(bound) => {
                if *bound <= self.reader.position() {
                    *bound = self.reader.witnessed()?;
                }
                *bound
            }
        };
        let Some(record) = self.reader.read(durable)? else { return Ok(Next::Nothing) };
        let (lsn, outcome) = (record.lsn, take(&mut self.books, &record, visitor));
        match outcome {
            Ok(None) => Ok(Next::Applied),
            Ok(Some(mut cut)) => {
                cut.hash = self.reader.last().1;
                self.cut = Some(cut);
                Ok(Next::Cut)
            }
            Err(error) => Err(self.lose(lsn, error)),
        }
    }

    fn apply_cut<V: Visitor>(&mut self, visitor: &mut V) -> Result<(), EngineError> {
        let Some(cut) = self.cut.take() else { return Ok(()) };
        self.books.cut(&cut, visitor).map_err(|error| self.lose(cut.lsn, error))
    }

    fn lose(&mut self, lsn: Lsn, error: EngineError) -> EngineError {
        self.lost = Some((lsn, error.to_string()));
        error
    }

    fn check_lost(&self) -> Result<(), EngineError> {
        match &self.lost {
            Some((lsn, what)) => Err(EngineError::Diverged { lsn: *lsn, what: what.clone() }),
            None => Ok(()),
        }
    }

    /// Where in the log it is: all before was read.
    #[must_use]
    pub fn position(&self) -> Lsn {
        self.cut.as_ref().map_or(self.reader.position(), |cut| cut.lsn)
    }

    /// Whose log it is; 0 as long as there is none.
    #[must_use]
    pub fn log_id(&self) -> u128 {
        self.reader.log_id()
    }

    /// The time of what was applied last.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.books.now
    }

    /// The books as they are after what was read: of all shards together.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.books.ledger
    }
}

/// What came of a record.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Applied,
    Cut,
    Nothing,
}

/// Applies a record, or gives it back when it is a day's cut.
fn take<V: Visitor>(
    books: &mut Books,
    record: &RecordRef<'_>,
    visitor: &mut V,
) -> Result<Option<Cut>, EngineError> {
    let cut = cut_in(record)?;
    if cut.is_none() {
        books.take(record, visitor)?;
    }
    Ok(cut)
}

/// Whether something was there when it was looked for, and gone when it was opened.
fn was_released(error: &EngineError) -> bool {
    let gone = |source: &io::Error| source.kind() == io::ErrorKind::NotFound;
    match error {
        EngineError::Open(OpenError::Released { .. }) => true,
        EngineError::Open(OpenError::Io { source, .. })
        | EngineError::Snapshot(SnapshotError::Io { source, .. }) => gone(source),
        _ => false,
    }
}
