//! Bits that flip while the server is off: in a snapshot, which is passed over then, or in the cold store, which has to be
//! said.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fastrand::Rng;
use suanpan_engine::{Engine, Lsn};
use suanpan_wal::SimDisk;
use suanpan_wal::host::baton;

use crate::audit;
use crate::books::Books;
use crate::life::{DATA, Setting};
use crate::log::snapshots;

/// After one life in so many a snapshot rots.
const SNAPSHOT_ONE_IN: u32 = 12;

/// What has rotted.
#[derive(Default)]
pub(crate) struct Rot {
    snapshot: Option<PathBuf>,
}

fn flip(disk: &SimDisk, path: &Path, rng: &mut Rng) {
    let len = disk.image().get(path).map_or(0, Vec::len) as u64;
    if len > 0 {
        let bit = rng.u64(..len * 8);
        baton::tell(&format!("bit {bit} of {} flips", path.display()));
        disk.flip(path, bit);
    }
}

impl Rot {
    /// Whether a snapshot that rotted is still there.
    pub(crate) fn is_there(&mut self, disk: &SimDisk) -> bool {
        let there = snapshots(disk);
        self.snapshot.take_if(|path| there.iter().all(|(_, there)| there != path));
        self.snapshot.is_some()
    }

    /// The snapshot that a start is to begin with.
    pub(crate) fn newest_sound(&self, disk: &SimDisk) -> Option<Lsn> {
        let there = snapshots(disk);
        there.iter().rfind(|(_, path)| Some(path) != self.snapshot.as_ref()).map(|(lsn, _)| *lsn)
    }

    /// Perhaps lets the newest of two snapshots rot, if none did that is still there.
    pub(crate) fn set_in(&mut self, disk: &SimDisk, rng: &mut Rng) {
        let there = snapshots(disk);
        if rng.u32(0..SNAPSHOT_ONE_IN) != 0 || there.len() < 2 || self.is_there(disk) {
            return;
        }
        self.snapshot = there.last().map(|(_, path)| path.clone());
        self.snapshot.iter().for_each(|path| flip(disk, path, rng));
    }

    /// Lets a bit of a copy's cold store flip, and looks at what a server would say then. What is known of the log is all
    /// that stands in it.
    pub(crate) fn look(setting: &Setting, disk: &SimDisk, books: &Arc<Books>, rng: &mut Rng) {
        let path = Path::new(DATA).join("cold.redb");
        if !disk.image().contains_key(&path) {
            return;
        }
        books.lock().counts.rotten += 1;
        let disk = disk.fork();
        flip(&disk, &path, rng);
        let outcome = Engine::start(&setting.config(&disk), |_| ()).map(|engine| {
            audit::after_rot(books, &engine);
            let stopped = engine.stop();
            stopped.is_err()
        });
        baton::tell(&format!("with that bit flipped: {outcome:?}"));
        books.lock().counts.rot_found += u64::from(outcome.unwrap_or(true));
    }
}
