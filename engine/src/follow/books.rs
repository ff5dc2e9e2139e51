//! A follower's books: one ledger of all shards, to which the log's commands are applied as they were decided.

use suanpan_core::{Command, Date, Key, Ledger, SetDate, Timestamp};
use suanpan_wal::{Lsn, RecordRef, STREAM_ALL};

use crate::cold::{ColdStore, bring_back};
use crate::error::EngineError;
use crate::follow::visit::{Place, Step, Visitor};
use crate::group::GroupReader;
use crate::mark::Payload;
use crate::replay::check_stream;

/// Commands decoded and touched ahead of the one that is applied.
const AHEAD: usize = 16;

/// See the file's page.
pub(crate) struct Books {
    pub(crate) ledger: Ledger,
    /// When what was applied last was decided.
    pub(crate) now: Timestamp,
    /// Where orders that are done with are, if they leave memory.
    pub(crate) cold: Option<ColdStore>,
    /// The commands in hand.
    commands: Vec<Command>,
}

/// A record that cuts the accounting date: its only command.
pub(crate) struct Cut {
    pub(crate) lsn: Lsn,
    end_lsn: Lsn,
    /// The log's running hash before it.
    pub(crate) hash: u64,
    now: Timestamp,
    date: Date,
    set: SetDate,
    /// Whether it was said that it comes.
    pub(crate) told: bool,
}

impl Cut {
    pub(crate) fn step(&self) -> Step {
        Step::DayCut { at: self.lsn, now: self.now, date: self.date, next: self.set.date }
    }
}

/// The record's cut of the accounting date, if it is one.
pub(crate) fn cut_in(record: &RecordRef<'_>) -> Result<Option<Cut>, EngineError> {
    if record.stream != STREAM_ALL {
        return Ok(None);
    }
    let unreadable = |error| EngineError::Group { lsn: record.lsn, error };
    let Payload::Commands(group) = Payload::read(record.payload).map_err(unreadable)? else {
        return Ok(None);
    };
    let (now, date) = (group.now, group.date);
    let commands = group.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    let cut = commands.iter().find_map(|command| match command {
        Command::SetDate(set) if set.cut => Some(*set),
        _ => None,
    });
    let Some(set) = cut else { return Ok(None) };
    if commands.len() > 1 {
        let what = format!("a cut among {} commands", commands.len());
        return Err(EngineError::Diverged { lsn: record.lsn, what });
    }
    let (lsn, end_lsn) = (record.lsn, record.end_lsn);
    Ok(Some(Cut { lsn, end_lsn, hash: 0, now, date, set, told: false }))
}

impl Books {
    pub(crate) fn new(ledger: Ledger, now: Timestamp) -> Self {
        Self { ledger, now, cold: None, commands: Vec::with_capacity(AHEAD) }
    }

    /// Applies a record.
    pub(crate) fn take<V: Visitor>(
        &mut self,
        record: &RecordRef<'_>,
        visitor: &mut V,
    ) -> Result<(), EngineError> {
        let unreadable = |error| EngineError::Group { lsn: record.lsn, error };
        // What the digests are compared with is the log's own replay.
        let Payload::Commands(group) = Payload::read(record.payload).map_err(unreadable)? else {
            return Ok(());
        };
        self.check_date(group.date, record.lsn)?;
        self.now = group.now;
        let mut commands = std::mem::take(&mut self.commands);
        let outcome = self.group(group, &mut commands, record, visitor);
        self.commands = commands;
        outcome
    }

    fn group<V: Visitor>(
        &mut self,
        mut group: GroupReader<'_>,
        commands: &mut Vec<Command>,
        record: &RecordRef<'_>,
        visitor: &mut V,
    ) -> Result<(), EngineError> {
        let unreadable = |error| EngineError::Group { lsn: record.lsn, error };
        let (lsn, end_lsn, now) = (record.lsn, record.end_lsn, group.now);
        let mut place = Place { lsn, end_lsn, index: 0, now, key: Key::default() };
        loop {
            commands.clear();
            for command in group.by_ref().take(AHEAD) {
                let command = command.map_err(unreadable)?;
                check_stream(&command, record)?;
                commands.push(command);
            }
            if commands.is_empty() {
                return Ok(());
            }
            let mut keys = [Key::default(); AHEAD];
            for (key, command) in keys.iter_mut().zip(&*commands) {
                *key = self.ledger.touch(command);
            }
            self.ledger.warm(&keys[..commands.len()]);
            for (key, command) in keys.into_iter().zip(&*commands) {
                place.key = key;
                self.apply(&place, command, visitor)?;
                place.index = place.index.saturating_add(1);
            }
        }
    }

    fn apply<V: Visitor>(
        &mut self,
        place: &Place,
        command: &Command,
        visitor: &mut V,
    ) -> Result<(), EngineError> {
        let key = place.key;
        if let Some(cold) = &self.cold
            && self.ledger.wanted(command, key).is_some()
        {
            bring_back(&mut self.ledger, cold, |ledger| ledger.wanted(command, key))?;
        }
        visitor.before(place, command, &self.ledger);
        let applied = self.ledger.apply_keyed(command, place.key, place.now, visitor);
        if !applied.changed && command.merchant().is_some() {
            let what = format!("{command:?} was accepted, and is now {:?}", applied.reply);
            return Err(EngineError::Diverged { lsn: place.lsn, what });
        }
        visitor.after(place, command, &self.ledger);
        self.ledger.end_request();
        Ok(())
    }

    /// Applies a cut that was kept back.
    pub(crate) fn cut<V: Visitor>(&mut self, cut: &Cut, visitor: &mut V) -> Result<(), EngineError> {
        self.check_date(cut.date, cut.lsn)?;
        self.now = cut.now;
        let command = Command::SetDate(cut.set);
        let key = self.ledger.touch(&command);
        let place = Place { lsn: cut.lsn, end_lsn: cut.end_lsn, index: 0, now: cut.now, key };
        self.apply(&place, &command, visitor)
    }

    fn check_date(&self, date: Date, lsn: Lsn) -> Result<(), EngineError> {
        if date == self.ledger.date() {
            return Ok(());
        }
        let what = format!("accounting day {} in the log, {} in the books", date.0, self.ledger.date().0);
        Err(EngineError::Diverged { lsn, what })
    }
}
