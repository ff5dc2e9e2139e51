//! Reconciliation (对账): our books of a date against what the channel and the bank say of it (domain.md, "Day cut, clearing,
//! reconciliation").
//!
//! Everything is read from the cold store; nothing is booked. A run ends as a numbered batch in the store, which a later one of the
//! same date replaces as what decides and never overwrites. What somebody decides about a difference becomes commands for the
//! core ([`resolution`]), with two approvers.

pub mod batch;
pub mod books;
pub mod carry;
pub mod funds;
pub mod item;
mod matching;
pub mod open;
pub mod report;
pub mod resolution;
pub mod run;
mod settle;
mod shelf;
pub mod three_way;
pub mod window;

use suanpan_core::Date;

use crate::bill::BillError;
use crate::manifest::DayError;
use crate::store::StoreError;

pub use batch::Batch;
pub use books::{Books, Day};
pub use carry::Carry;
pub use item::{Class, Item, Kind, Reason};
pub use run::{Input, Options, Run, reconcile};
pub use settle::{Settled, Tally};

/// Why a reconciliation did not come to an end. Nothing of it was kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReconcileError {
    /// Our side could not be read.
    #[error(transparent)]
    Day(#[from] DayError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The bill is not sound.
    #[error(transparent)]
    Bill(#[from] BillError),
    /// The channel is not among those of the date.
    #[error("{channel} is no channel of {date}: it has {known}")]
    Channel {
        /// As asked for.
        channel: String,
        /// The date.
        date: Date,
        /// Those that there are.
        known: String,
    },
    /// The channel's zone is not known here.
    #[error(
        "{timezone} is no time zone that this program knows, so the day {date} has no beginning; put the channel again with one that is"
    )]
    TimeZone {
        /// Its name.
        timezone: String,
        /// The day.
        date: Date,
    },
    /// So much differs that the file is not what it should be.
    #[error(
        "more than {max} lines of {date} differ: the files are likely of another merchant, day or channel. Nothing was kept"
    )]
    TooManyDifferences {
        /// As many are looked at.
        max: usize,
        /// The date.
        date: Date,
    },
    /// More than there is room for.
    #[error("more than {max} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// As many fit.
        max: usize,
    },
    /// Sums that fit no 64 bits.
    #[error("{what} do not fit 64 bits")]
    TooLarge {
        /// Which.
        what: &'static str,
    },
    /// Something in the store is not what this program wrote.
    #[error(
        "{path} in the cold store {url}: {reason}. Restore it from a backup, or remove it and reconcile its date again"
    )]
    Malformed {
        /// The object.
        path: String,
        /// The store.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// Something could not be written as JSON.
    #[error("writing JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A local file could not be read or written.
    #[error("a local file of the reconciliation: {0}")]
    Io(#[from] std::io::Error),
}
