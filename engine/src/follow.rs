//! What happened, in the order of the log: the entries that were booked and the events that came with them.
//!
//! The log holds commands. A follower applies them to a ledger of its own, one for all shards, and hands out what each of
//! them did. So it says the same whenever and wherever it is asked, with whatever number of shards the commands were
//! decided, and it costs the shards nothing. What it says is durable, and it says it once: from the log's
//! beginning on, or, where that was released, from the oldest snapshot that is kept.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use suanpan_core::{Command, Date, Entry, EntrySink, Event, Ledger, Timestamp, Voucher};
use suanpan_wal::{Files, FolderLock, LogConfig, LogHandle, LogReader, Lsn, RecordRef, Recovery, Storage};

use crate::error::EngineError;
use crate::mark::Payload;
use crate::replay::check_stream;
use crate::snapshot::folder::{self, Found};
use crate::snapshot::restore::restore_alone;

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
    ledger: Ledger,
    reader: LogReader,
    end: End,
    /// Read and not handed out.
    ready: VecDeque<Followed>,
    /// Where and why the ledger is not that of the log any more.
    lost: Option<(Lsn, String)>,
}

/// Up to where there is something to follow.
enum End {
    /// The log of a running engine.
    Running(LogHandle),
    /// A log that nobody writes while the folder is locked.
    Fixed(Lsn, #[allow(dead_code, reason = "held, not used")] FolderLock),
}

/// What a command said while it was applied.
#[derive(Default)]
struct Said {
    groups: Vec<(Voucher, Vec<Entry>)>,
    events: Vec<Event>,
}

impl EntrySink for Said {
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

    /// Follows the log of an engine that runs.
    pub(crate) fn of_running(
        storage: Arc<dyn Storage>,
        dir: &Path,
        log: LogHandle,
    ) -> Result<Self, EngineError> {
        Self::begin(storage, dir, End::Running(log))
    }

    /// Begins with the log, or where that was released, with the oldest snapshot that is kept.
    fn begin(storage: Arc<dyn Storage>, dir: &Path, end: End) -> Result<Self, EngineError> {
        let log = dir.join("log");
        let reader = LogReader::open_in(storage.clone(), &log)?;
        if reader.is_at_beginning() {
            // The key of the hash tables needs no secret: nobody waits for this ledger.
            return Ok(Self::new(Ledger::new(0, Date::default()), reader, end));
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
        Ok(Self::new(restore_alone(oldest)?, reader, end))
    }

    fn new(ledger: Ledger, reader: LogReader, end: End) -> Self {
        Self { ledger, reader, end, ready: VecDeque::new(), lost: None }
    }

    /// What the next command did; `None` when there is none yet. It does not wait.
    ///
    /// # Errors
    /// When the log is damaged, or a command does not do what it did when it was decided. Nothing is skipped: asked
    /// again, it says so again.
    pub fn read(&mut self) -> Result<Option<Followed>, EngineError> {
        if let Some((lsn, what)) = &self.lost {
            return Err(EngineError::Diverged { lsn: *lsn, what: what.clone() });
        }
        while self.ready.is_empty() {
            let durable = match &self.end {
                End::Running(log) => log.durable(),
                End::Fixed(end, _) => *end,
            };
            let Some(record) = self.reader.read(durable)? else { return Ok(None) };
            let lsn = record.lsn;
            if let Err(error) = follow(&mut self.ledger, &record, &mut self.ready) {
                // Half of a record is no state of the books.
                self.ready.clear();
                self.lost = Some((lsn, error.to_string()));
                return Err(error);
            }
        }
        Ok(self.ready.pop_front())
    }

    /// Where in the log it is: all before was read.
    #[must_use]
    pub fn position(&self) -> Lsn {
        self.reader.position()
    }

    /// The books as they are after what was read: of all shards together.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}

/// Applies one record and says what its commands did.
fn follow(
    ledger: &mut Ledger,
    record: &RecordRef<'_>,
    ready: &mut VecDeque<Followed>,
) -> Result<(), EngineError> {
    let unreadable = |error| EngineError::Group { lsn: record.lsn, error };
    let diverged = |what| EngineError::Diverged { lsn: record.lsn, what };
    // What the digests are compared with is the log's own replay.
    let Payload::Commands(group) = Payload::read(record.payload).map_err(unreadable)? else { return Ok(()) };
    let now = group.now;
    if group.date != ledger.date() {
        return Err(diverged(format!(
            "accounting day {} in the log, {} in the books",
            group.date.0,
            ledger.date().0
        )));
    }
    for (index, command) in (0..).zip(group) {
        let command = command.map_err(unreadable)?;
        check_stream(&command, record)?;
        let mut said = Said::default();
        let applied = ledger.apply(&command, now, &mut said);
        if !applied.changed && command.merchant().is_some() {
            return Err(diverged(format!("{command:?} was accepted, and is now {:?}", applied.reply)));
        }
        let Said { groups, events } = said;
        ready.push_back(Followed { lsn: record.lsn, index, now, command, groups, events });
    }
    Ok(())
}
