//! How a follower shows what it applies.

use suanpan_core::{Command, Date, EntrySink, Key, Ledger, Timestamp};
use suanpan_wal::Lsn;

/// Which command it is, and when it was decided.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Place {
    /// Its record in the log.
    pub lsn: Lsn,
    /// Where the next record begins.
    pub end_lsn: Lsn,
    /// Which command of the record it is, from 0. With `lsn` it is a place that never changes.
    pub index: u16,
    /// When it was decided.
    pub now: Timestamp,
    /// Its key in the follower's ledger, for [`Ledger::touched`].
    pub key: Key,
}

/// Is shown every command while it is applied: [`Visitor::before`], then what it books and, if they are wanted
/// ([`EntrySink::WANTS_EVENTS`]), its events, then [`Visitor::after`]. Nothing of it costs memory for a command.
pub trait Visitor: EntrySink {
    /// The command is about to be applied to this ledger.
    #[inline]
    fn before(&mut self, _place: &Place, _command: &Command, _ledger: &Ledger) {}

    /// It was applied, and left the ledger so.
    #[inline]
    fn after(&mut self, _place: &Place, _command: &Command, _ledger: &Ledger) {}
}

/// Nobody looks: for whoever wants the books alone.
impl Visitor for () {}

/// How far a follower came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// So many records were applied; there may be more.
    Applied(usize),
    /// The next record cuts the accounting date. It is applied by the next call, alone.
    DayCut {
        /// The cut's record in the log: all before it is applied.
        at: Lsn,
        /// When it was decided.
        now: Timestamp,
        /// The date that ends.
        date: Date,
        /// The date that begins.
        next: Date,
    },
    /// There is nothing new yet.
    Nothing,
}
