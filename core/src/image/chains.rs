//! The lists of entries of an image: followed to their ends, so that none that is broken comes into a ledger, and their
//! links made places of the ledger.

use super::{ImageError, Read, must};
use crate::Ledger;
use crate::arena::NOWHERE;
use crate::journal::{BLOCK_GROUPS, Journal, Kept, Link, POSTING};

/// Blocks that are followed side by side, so that their misses overlap.
const BESIDE: usize = 16;

/// An order of an image.
#[derive(Clone, Copy, Debug)]
pub(super) struct Linked {
    pub(super) before: Link,
    /// Its place in the ledger, or nowhere.
    pub(super) at: u32,
}

/// A posting of an image.
#[derive(Debug)]
pub(super) struct Posting {
    pub(super) before: Link,
    pub(super) bytes: Box<[u8]>,
    /// Whether a merchant of the ledger's leads to it.
    pub(super) is_ours: bool,
}

/// What an image's links lead to.
#[derive(Debug)]
pub(super) struct Chains {
    pub(super) orders: Vec<Linked>,
    pub(super) postings: Vec<Posting>,
}

/// Part of a block that is still to be followed.
#[derive(Clone, Copy)]
struct Run {
    link: Link,
    left: u64,
}

impl Chains {
    /// Follows the journals of the merchants at those places, block by block, and notes the postings they lead to. A block
    /// must be there whole, and nothing be in two.
    pub(super) fn follow(&mut self, ledger: &Ledger, merchants: &[u32]) -> Read<()> {
        let journals = merchants.iter().map(|&at| &ledger.merchants[at].journal);
        let mut blocks = journals.flat_map(blocks);
        let mut seen = vec![0u64; self.orders.len().div_ceil(64)];
        let mut runs: Vec<Run> = Vec::with_capacity(BESIDE);
        loop {
            while runs.len() < BESIDE
                && let Some(run) = blocks.next()
            {
                must(run.left <= BLOCK_GROUPS, "a block of a journal")?;
                runs.push(run);
            }
            if runs.is_empty() {
                return Ok(());
            }
            for run in &mut runs {
                run.link = self.step(run.link, &mut seen)?;
                run.left -= 1;
            }
            runs.retain(|run| run.left > 0);
        }
    }

    #[inline]
    fn step(&mut self, Link(at): Link, seen: &mut [u64]) -> Read<Link> {
        const BROKEN: ImageError = ImageError::Malformed("a journal that is broken");
        if at & POSTING != 0 {
            let posting = self.postings.get_mut((at & !POSTING) as usize).ok_or(BROKEN)?;
            must(!std::mem::replace(&mut posting.is_ours, true), "a posting in two journals")?;
            return Ok(posting.before);
        }
        let order = self.orders.get(at as usize).filter(|order| order.at != NOWHERE).ok_or(BROKEN)?;
        let (word, bit) = (&mut seen[at as usize / 64], 1 << (at % 64));
        must(*word & bit == 0, "an order in two journals")?;
        *word |= bit;
        Ok(order.before)
    }

    /// Moves the postings that are the ledger's into it, and makes all links of its orders, postings and journals its own.
    pub(super) fn resolve(self, ledger: &mut Ledger, merchants: &[u32]) -> Read<()> {
        let Self { orders, postings } = self;
        let mut places = Vec::with_capacity(postings.len());
        let first = ledger.postings.len();
        for Posting { before, bytes, is_ours } in postings {
            if is_ours && !ledger.postings.has_room_to(crate::journal::PLACE_MAX) {
                return Err(ImageError::Full);
            }
            places.push(if is_ours { ledger.postings.push(Kept { before, bytes }) } else { NOWHERE });
        }
        // What leads nowhere here is in front of a block, where nobody looks.
        let resolved = |Link(at): Link| {
            let place = match at & POSTING {
                0 => orders.get(at as usize).map_or(NOWHERE, |order| order.at),
                _ => places.get((at & !POSTING) as usize).map_or(NOWHERE, |&place| place | POSTING),
            };
            if place == NOWHERE { Link::END } else { Link(place) }
        };
        for at in first..ledger.postings.len() {
            let posting = &mut ledger.postings[at];
            posting.before = resolved(posting.before);
        }
        for order in orders.iter().filter(|order| order.at != NOWHERE) {
            ledger.before_order.set(order.at, resolved(order.before));
        }
        for &at in merchants {
            let journal = &mut ledger.merchants[at].journal;
            journal.last = resolved(journal.last);
            journal.marks.iter_mut().for_each(|mark| mark.last = resolved(mark.last));
        }
        Ok(())
    }
}

/// The blocks of a journal, from their ends.
fn blocks(journal: &Journal) -> impl Iterator<Item = Run> {
    let marked = (0..).zip(&journal.marks).map(|(at, mark): (usize, _)| {
        let cold = journal.cold.map_or(0, |mark| mark.groups);
        let before = at.checked_sub(1).map_or(cold, |before| journal.marks[before].groups);
        Run { link: mark.last, left: mark.groups - before }
    });
    let open = Run { link: journal.last, left: journal.groups - journal.closed };
    marked.chain((open.left > 0).then_some(open))
}
