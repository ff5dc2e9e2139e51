//! A simulated file's bytes: what is seen, what is on the disk, and what is on the way there.
//!
//! Pages are shared between copies until one of them writes, so that a disk can be copied at every call.

use crate::map::WriteMap;
use std::{ops::Range, sync::Arc};

/// What a disk writes whole or not at all.
pub(super) const SECTOR: u64 = 512;
const PAGE: u64 = 4096;
const WORD: u64 = 8;
const _: () = assert!(PAGE.is_multiple_of(SECTOR));

type Page = Arc<[u8; PAGE as usize]>;

/// A generator of its own, so that a seed means the same for ever (SplitMix64; Steele, Lea, Flood 2014).
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `bound`, not `bound` itself.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0);
        self.next() % bound
    }
}

/// What survives when power is lost.
#[derive(Clone, Copy, Debug)]
pub(super) enum Luck {
    Nothing,
    Everything,
    /// So many of 16.
    Some(u64),
}

impl Luck {
    pub(super) fn of(random: &mut Random) -> Luck {
        match random.below(8) {
            0 => Luck::Nothing,
            1 => Luck::Everything,
            _ => Luck::Some(1 + random.below(15)),
        }
    }

    pub(super) fn keeps(self, random: &mut Random) -> bool {
        match self {
            Luck::Nothing => false,
            Luck::Everything => true,
            Luck::Some(share) => random.below(16) < share,
        }
    }

    /// How many of `count` that happen in their order.
    pub(super) fn prefix(self, random: &mut Random, count: usize) -> usize {
        match self {
            Luck::Nothing => 0,
            Luck::Everything => count,
            Luck::Some(_) => random.below(count as u64 + 1) as usize,
        }
    }
}

/// Bytes with a length; what no page holds is zero.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    pages: Vec<Page>,
    len: u64,
}

impl Content {
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn set_len(&mut self, len: u64) {
        let count = len.div_ceil(PAGE) as usize;
        let zero: Page = Arc::new([0; PAGE as usize]);
        self.pages.resize(count, zero);
        if len < self.len
            && let Some(last) = self.pages.last_mut()
            && !len.is_multiple_of(PAGE)
        {
            Arc::make_mut(last)[(len % PAGE) as usize..].fill(0);
        }
        self.len = len;
    }

    /// Writes what lies within the length.
    pub(super) fn write(&mut self, bytes: &[u8], offset: u64) {
        let end = self.len.min(offset + bytes.len() as u64);
        let mut at = offset;
        while at < end {
            let within = at % PAGE;
            let count = (PAGE - within).min(end - at) as usize;
            let from = (at - offset) as usize;
            let page = Arc::make_mut(&mut self.pages[(at / PAGE) as usize]);
            page[within as usize..within as usize + count].copy_from_slice(&bytes[from..from + count]);
            at += count as u64;
        }
    }

    /// Reads what lies within the length; the rest of `buffer` stays.
    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) {
        let end = self.len.min(offset + buffer.len() as u64);
        let mut at = offset;
        while at < end {
            let within = at % PAGE;
            let count = (PAGE - within).min(end - at) as usize;
            let from = (at - offset) as usize;
            let page = &self.pages[(at / PAGE) as usize];
            buffer[from..from + count].copy_from_slice(&page[within as usize..within as usize + count]);
            at += count as u64;
        }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.len as usize];
        self.read(&mut bytes, 0);
        bytes
    }

    pub(super) fn flip(&mut self, bit: u64) {
        let mut byte = [0];
        self.read(&mut byte, bit / 8);
        byte[0] ^= 1 << (bit % 8);
        self.write(&byte, bit / 8);
    }
}

/// A change to a file that is not on the disk yet.
#[derive(Clone, Debug)]
enum Pending {
    Len(u64),
    Write { offset: u64, bytes: Arc<[u8]> },
}

/// A file, whatever its names.
#[derive(Clone, Debug, Default)]
pub(super) struct Inode {
    seen: Content,
    disk: Content,
    pending: Vec<Pending>,
    window: Option<WriteMap>,
    /// How often it is open.
    pub(super) handles: u64,
    /// Whether a sync of it failed since it was opened last.
    pub(super) failed: bool,
}

impl Inode {
    /// What is seen of it, stores into its map included.
    pub(super) fn seen(&mut self) -> &Content {
        self.absorb();
        &self.seen
    }

    pub(super) fn len(&self) -> u64 {
        self.seen.len()
    }

    pub(super) fn set_len(&mut self, len: u64) {
        self.absorb();
        // A file that is cut has no map any more; who still stores into it stores into nothing.
        self.window.take_if(|window| len < window.len_bytes());
        self.seen.set_len(len);
        self.pending.push(Pending::Len(len));
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: u64) {
        self.absorb();
        if offset + bytes.len() as u64 > self.seen.len() {
            self.set_len(offset + bytes.len() as u64);
        }
        self.seen.write(bytes, offset);
        self.pending.push(Pending::Write { offset, bytes: bytes.into() });
        self.show(offset, offset + bytes.len() as u64);
    }

    /// What was written is seen through the map as well.
    fn show(&self, from: u64, to: u64) {
        let Some(window) = &self.window else { return };
        let from = from - from % WORD;
        let to = to.next_multiple_of(WORD).min(window.len_bytes());
        let mut bytes = vec![0; to.saturating_sub(from) as usize];
        self.seen.read(&mut bytes, from);
        window.store_bytes(from, &bytes);
    }

    pub(super) fn map(&mut self, window: WriteMap) {
        self.absorb();
        self.window = Some(window);
    }

    /// Finds what was stored into the map since it was looked at last: from then on it may reach the disk.
    fn absorb(&mut self) {
        let Some(window) = self.window.take() else { return };
        let mut stored = Vec::new();
        let mut seen = [0; SECTOR as usize];
        let len = window.len_bytes().min(self.seen.len());
        for offset in (0..len).step_by(SECTOR as usize) {
            let end = len.min(offset + SECTOR);
            window.copy_out(offset, end, &mut stored);
            let seen = &mut seen[..stored.len()];
            self.seen.read(seen, offset);
            if stored != seen {
                self.seen.write(&stored, offset);
                self.pending.push(Pending::Write { offset, bytes: stored.as_slice().into() });
            }
        }
        self.window = Some(window);
    }

    /// All that was written is on the disk.
    pub(super) fn sync(&mut self) {
        self.absorb();
        for change in self.pending.drain(..) {
            apply(&mut self.disk, &change, &mut |_| true);
        }
    }

    /// Some of what was written is on the disk, the rest is forgotten, though it is still seen.
    pub(super) fn fail_sync(&mut self, random: &mut Random) {
        self.absorb();
        let luck = Luck::of(random);
        for change in self.pending.drain(..) {
            apply(&mut self.disk, &change, &mut |_| luck.keeps(random));
        }
        self.failed = true;
    }

    /// What is clean is read from the disk from now on.
    pub(super) fn forget_cached(&mut self) {
        self.absorb();
        self.seen = self.disk.clone();
        for change in &self.pending {
            apply(&mut self.seen, change, &mut |_| true);
        }
    }

    /// Power is lost: of what was written, each sector is kept or not, and lengths changed up to some moment.
    pub(super) fn lose_power(&mut self, random: &mut Random) {
        self.absorb();
        let luck = Luck::of(random);
        let changes = std::mem::take(&mut self.pending);
        let lengths = changes.iter().filter(|change| matches!(change, Pending::Len(_))).count();
        let mut lengths = luck.prefix(random, lengths);
        for change in &changes {
            match change {
                Pending::Len(_) if lengths == 0 => {}
                Pending::Len(len) => {
                    lengths -= 1;
                    self.disk.set_len(*len);
                }
                Pending::Write { .. } => apply(&mut self.disk, change, &mut |_| luck.keeps(random)),
            }
        }
        self.settle();
    }

    /// Nothing is open, nothing on its way: what is on the disk is what is seen.
    fn settle(&mut self) {
        self.seen = self.disk.clone();
        self.window = None;
        (self.handles, self.failed) = (0, false);
    }

    /// A copy that nobody has open.
    pub(super) fn fork(&mut self) -> Inode {
        self.absorb();
        Inode { window: None, handles: 0, ..self.clone() }
    }

    pub(super) fn flip(&mut self, bit: u64) {
        self.seen.flip(bit);
        self.disk.flip(bit);
    }
}

/// Applies a change, sector by sector, as far as `keeps` says.
fn apply(content: &mut Content, change: &Pending, keeps: &mut dyn FnMut(Range<u64>) -> bool) {
    match change {
        Pending::Len(len) => content.set_len(*len),
        Pending::Write { offset, bytes } => {
            let end = offset + bytes.len() as u64;
            let mut at = *offset;
            while at < end {
                let next = end.min((at / SECTOR + 1) * SECTOR);
                if keeps(at..next) {
                    content.write(&bytes[(at - offset) as usize..(next - offset) as usize], at);
                }
                at = next;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_loss_keeps_whole_sectors_and_all_that_was_synced() {
        let mut torn = 0;
        for seed in 0..200 {
            let mut file = Inode::default();
            file.write(&[1; 3000], 100);
            file.sync();
            file.write(&[2; 3000], 300);
            let mut random = Random::new(seed);
            file.lose_power(&mut random);
            let bytes = file.seen().bytes();
            assert!(bytes.len() == 3100 || bytes.len() == 3300, "a length that was");
            assert_eq!((&bytes[..100], &bytes[100..300]), (&[0; 100][..], &[1; 200][..]));
            for sector in bytes[300..].chunk_by(|one, other| one == other) {
                assert!(sector[0] <= 2);
            }
            for at in (512..2560).step_by(512) {
                let sector = &bytes[at..at + 512];
                assert!(sector.iter().all(|byte| *byte == sector[0]) && (1..=2).contains(&sector[0]));
            }
            torn += usize::from(bytes[512] != bytes[2048]);
        }
        assert!(torn > 20, "{torn}");
    }

    #[test]
    fn a_failed_sync_is_seen_until_it_is_not() {
        let mut dropped = 0;
        for seed in 0..100 {
            let mut file = Inode::default();
            file.write(&[7; 512], 0);
            file.fail_sync(&mut Random::new(seed));
            assert_eq!(file.seen().bytes(), [7; 512]);
            // It finds nothing to write: the pages are clean.
            file.sync();
            file.forget_cached();
            dropped += usize::from(file.seen().bytes() != [7; 512]);
        }
        assert!((1..100).contains(&dropped), "{dropped}");
    }

    #[test]
    fn stores_into_a_map_may_reach_the_disk_at_any_time() {
        let mut file = Inode::default();
        file.write(&[0; 2048], 0);
        file.sync();
        let window = WriteMap::memory(2048).unwrap();
        file.map(window.clone());
        window.store_bytes(512, &[9; 8]);
        let kept = (0..100u64)
            .filter(|seed| {
                let mut copy = file.fork();
                copy.lose_power(&mut Random::new(*seed));
                copy.seen().bytes()[512] == 9
            })
            .count();
        assert!((1..100).contains(&kept), "{kept}");
        file.write(&[3; 5], 514);
        assert_eq!(window.load(512), u64::from_le_bytes([9, 9, 3, 3, 3, 3, 3, 9]), "a map is the file");
        file.sync();
        file.lose_power(&mut Random::new(1));
        assert_eq!(file.seen().bytes()[512..520], [9, 9, 3, 3, 3, 3, 3, 9]);
    }
}
