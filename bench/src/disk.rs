//! The disk alone: bytes in a row, made durable group by group, in a file that has its blocks already. Nothing that
//! writes a log to this file system can be faster.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use memmap2::{Advice, MmapMut};

use crate::BenchError;

const MIB: usize = 1 << 20;

/// How bytes get into the file; `fdatasync` follows either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By system calls.
    Pwrite,
    /// By stores into a shared memory map.
    Map,
}

impl Way {
    /// As a table says it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pwrite => "pwrite",
            Self::Map => "memory map",
        }
    }
}

/// A file of zeros that were really written and synced, as the log's segments are.
#[derive(Debug)]
pub struct Ground {
    file: File,
    map: MmapMut,
    /// Where the next group goes.
    next: usize,
}

impl Ground {
    /// Prepares a file of `bytes` in `dir`. It has no name and goes with this value.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn prepare(dir: &Path, bytes: usize) -> Result<Self, BenchError> {
        let prepare = || {
            let file = tempfile::tempfile_in(dir)?;
            let zeros = vec![0; MIB];
            for offset in (0..bytes).step_by(MIB) {
                file.write_all_at(&zeros[..MIB.min(bytes - offset)], offset as u64)?;
            }
            file.sync_all()?;
            let map = map(&file)?;
            map.advise(Advice::PopulateRead)?;
            Ok(Self { file, map, next: 0 })
        };
        prepare().map_err(BenchError::io("preparing a file to write to"))
    }

    /// Writes groups of `group_bytes` for `time_min`, each made durable before the next; bytes a
    /// second.
    ///
    /// # Errors
    /// When the file system does.
    ///
    /// # Panics
    /// When a group is larger than the file.
    pub fn write(&mut self, way: Way, group_bytes: usize, time_min: Duration) -> Result<f64, BenchError> {
        assert!((1..=self.map.len()).contains(&group_bytes));
        let group: Vec<u8> = (0..group_bytes).map(|at| crate::traffic::scramble(at as u64) as u8).collect();
        let begun = Instant::now();
        let mut syncs = 0_u32;
        while begun.elapsed() < time_min {
            self.write_group(way, &group).map_err(BenchError::io("writing to the file"))?;
            syncs += 1;
        }
        Ok(f64::from(syncs) * group_bytes as f64 / begun.elapsed().as_secs_f64())
    }

    fn write_group(&mut self, way: Way, group: &[u8]) -> std::io::Result<()> {
        if self.next + group.len() > self.map.len() {
            self.next = 0;
        }
        match way {
            Way::Pwrite => self.file.write_all_at(group, self.next as u64)?,
            Way::Map => self.map[self.next..self.next + group.len()].copy_from_slice(group),
        }
        self.next += group.len();
        // fdatasync(2).
        self.file.sync_data()
    }
}

#[expect(unsafe_code, reason = "a map of a file is unsafe by nature; the log's own map cannot be had bare")]
fn map(file: &File) -> std::io::Result<MmapMut> {
    // SAFETY: the file was just made, has no name and is in nobody else's hands: it cannot shrink, and the only
    // other writer is `Ground`, which has both and uses one at a time.
    unsafe { MmapMut::map_mut(file) }
}
