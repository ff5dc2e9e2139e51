//! Ledgers beside the server that were told the whole log, command by command, whatever the server restored from snapshots
//! or left to its cold store: what its digests must be.

use std::collections::BTreeMap;

use suanpan_core::{Command, Date, Ledger, Timestamp};
use suanpan_engine::Lsn;

use crate::world::SHARDS_MAX;

/// A set of ledgers for each number of shards, and their digests where snapshots were taken.
pub(crate) struct Digests {
    sets: Vec<Vec<Ledger>>,
    lives: Vec<Begun>,
    /// By the end of the mark.
    marks: BTreeMap<Lsn, Mark>,
}

/// A life of the server: where in the log, with how many shards, and from which snapshot.
#[derive(Clone, Copy, Debug)]
struct Begun {
    at: Lsn,
    shards: u16,
    base: Option<Lsn>,
}

struct Mark {
    shards: u16,
    /// Each shard's, when the server always had so many, as far as its snapshots reach back: what is no merchant's is spread
    /// over the shards by what each did, and another number of them cannot know that.
    digests: Option<Vec<u128>>,
}

impl Digests {
    pub(crate) fn new() -> Self {
        let ledger = |shard| Ledger::shard(u64::from(shard), Date::default(), shard == 0);
        let sets = (1..=SHARDS_MAX).map(|shards| (0..shards).map(ledger).collect()).collect();
        Self { sets, lives: Vec::new(), marks: BTreeMap::new() }
    }

    /// Notes that a life begins.
    pub(crate) fn begins(&mut self, at: Lsn, shards: u16, base: Option<Lsn>) {
        self.lives.push(Begun { at, shards, base });
    }

    /// Tells them a command.
    pub(crate) fn tell(&mut self, command: &Command, now: Timestamp) {
        for set in &mut self.sets {
            let shards = u16::try_from(set.len()).unwrap_or(u16::MAX);
            for (shard, ledger) in (0..).zip(set) {
                if command.merchant().is_none_or(|merchant| merchant.shard(shards) == shard) {
                    // What it answers is the model's business.
                    let _ = ledger.apply(command, now, &mut ());
                }
            }
        }
    }

    /// Notes the digests at a mark.
    pub(crate) fn mark(&mut self, end: Lsn, shards: u16) -> Result<(), String> {
        let life = self.lives.iter().rfind(|life| life.at < end).copied();
        let Some(Begun { base, .. }) = life.filter(|life| life.shards == shards) else {
            return Err(format!("a mark of {shards} shards at {end}, in the life {life:?}"));
        };
        let same = base.is_none_or(|base| {
            let mark = self.marks.get(&base);
            mark.is_some_and(|mark| mark.shards == shards && mark.digests.is_some())
        });
        let digests = same.then(|| self.sets[usize::from(shards) - 1].iter().map(Ledger::digest).collect());
        self.marks.insert(end, Mark { shards, digests });
        Ok(())
    }

    fn at(&self, mark_end: Lsn) -> Result<&Mark, String> {
        self.marks
            .get(&mark_end)
            .ok_or_else(|| format!("digests of a mark that ends at {mark_end}: there is none"))
    }

    /// Compares what was logged for a mark; whether that could be.
    pub(crate) fn compare(&self, mark_end: Lsn, logged: &[u128]) -> Result<bool, String> {
        match &self.at(mark_end)?.digests {
            Some(digests) if digests != logged => Err(format!(
                "the digests of the snapshot at {mark_end} are {logged:032x?}, those of the whole log {digests:032x?}"
            )),
            digests => Ok(digests.is_some()),
        }
    }

    /// Compares what a snapshot's digests come to; whether that could be.
    pub(crate) fn compare_sum(&self, mark_end: Lsn, digest: u128) -> Result<bool, String> {
        let digests = self.at(mark_end)?.digests.as_ref();
        let sum = digests.map(|digests| digests.iter().fold(0, |sum: u128, one| sum.wrapping_add(*one)));
        match sum {
            Some(sum) if sum != digest => Err(format!(
                "a snapshot at {mark_end} has the digest {digest:032x}, the whole log {sum:032x}"
            )),
            sum => Ok(sum.is_some()),
        }
    }
}
