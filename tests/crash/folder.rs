//! The data folder after a kill: what the crash left, whether the tools call it sound, and damage that is done to it.

use std::fs;
use std::path::{Path, PathBuf};

use fastrand::Rng;

use crate::common::suanpan;

/// Where in taking a snapshot a kill fell, as far as the folder shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// A file was being written.
    Writing,
    /// It had its name, and what it replaces was still there.
    Named,
    /// Before the file, after all of it, or none was being taken.
    Other,
}

pub struct Folder {
    pub data: PathBuf,
    copy: PathBuf,
    /// The snapshot that was damaged.
    rotten: Option<PathBuf>,
}

impl Folder {
    /// A new folder within one that is kept when a test fails.
    pub fn new(within: &Path) -> Self {
        let (data, copy) = (within.join("data"), within.join("copy"));
        Self { data, copy, rotten: None }
    }

    fn snapshots(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.data.join("snapshots")) else { return Vec::new() };
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    }

    pub fn stage(&self) -> Stage {
        let (files, others): (Vec<_>, Vec<_>) =
            self.snapshots().into_iter().partition(|path| path.extension().is_some_and(|e| e == "snapshot"));
        match (files.len(), others.len()) {
            (_, 1..) => Stage::Writing,
            (3.., _) => Stage::Named,
            _ => Stage::Other,
        }
    }

    /// `suanpan log verify` and `suanpan snapshot verify` call a copy sound; but for a snapshot that was damaged, which is
    /// named. How many snapshots are sound.
    pub fn verify(&mut self) -> usize {
        self.rotten = self.rotten.take().filter(|path| path.exists());
        let _ = fs::remove_dir_all(&self.copy);
        copy(&self.data, &self.copy);
        let path = self.copy.to_str().unwrap();
        let log = suanpan(&["log", "verify", path]);
        assert!(log.status.success(), "{log:?}");
        let checked = suanpan(&["snapshot", "verify", path]);
        let said = String::from_utf8(checked.stdout.clone()).unwrap();
        let unsound: Vec<_> = said.lines().filter(|line| line.contains("UNSOUND")).collect();
        match &self.rotten {
            None => assert!(checked.status.success() && unsound.is_empty(), "{checked:?}"),
            Some(path) => {
                let name = path.file_name().unwrap().to_str().unwrap();
                let named = unsound.len() == 1 && unsound[0].contains(name);
                assert!(!checked.status.success() && named, "{name} was damaged: {checked:?}");
            }
        }
        said.lines().filter(|line| line.ends_with(" sound")).count()
    }

    /// Flips a bit of the newest snapshot.
    pub fn damage_newest(&mut self, rng: &mut Rng) {
        let snapshots = self.snapshots();
        let newest = snapshots.into_iter().rfind(|path| path.extension().is_some_and(|e| e == "snapshot"));
        let newest = newest.expect("there are two");
        let mut bytes = fs::read(&newest).unwrap();
        let at = rng.usize(..bytes.len());
        bytes[at] ^= 1 << rng.u8(..8);
        fs::write(&newest, bytes).unwrap();
        self.rotten = Some(newest);
    }

    pub fn is_damaged(&self) -> bool {
        self.rotten.is_some()
    }

    pub fn cold_bytes(&self) -> u64 {
        fs::metadata(self.data.join("cold.redb")).map_or(0, |file| file.len())
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
