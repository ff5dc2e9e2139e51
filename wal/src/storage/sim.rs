//! A disk in memory that fails as disks do, by seed.
//!
//! It keeps the promises in the table of `storage.rs` and none beyond: whatever may be lost is lost under some seed.
//! Every call is one step, counted; [`SimDisk::fork`] copies the whole disk at a step for the price of its page
//! table, and [`SimDisk::crash`] is the disk that is found when power comes back. So one run can be crashed at
//! each of its calls in many ways.

use super::content::{Inode, Luck, Random};
use super::{Access, Storage, StorageFile};
use crate::map::WriteMap;
use crate::{FolderLock, LockError};
use rustix::io::Errno;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// So many calls are remembered for the story.
const TRACE_MAX: usize = 256;

/// What is asked of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
#[allow(missing_docs, reason = "named as the methods of the storage are")]
pub enum Call {
    Open,
    List,
    MakeDir,
    Rename,
    Remove,
    SyncDir,
    FreeBytes,
    Exists,
    Lock,
    FreshId,
    Len,
    SetLen,
    Read,
    Write,
    Allocate,
    Sync,
    Forget,
    Map,
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// The device failed.
    Io,
    /// The disk is full.
    NoSpace,
}

type Watch = Arc<dyn Fn(&SimDisk, u64) + Send + Sync>;

/// A simulated disk. A clone is the same disk; [`SimDisk::fork`] makes another.
#[derive(Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
    watch: Arc<Mutex<Option<Watch>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    Folder,
    File(u64),
}

/// A change of names that is not on the disk yet.
#[derive(Clone, Debug)]
enum Change {
    Create(PathBuf, Node),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

#[derive(Clone, Debug)]
struct Traced {
    step: u64,
    /// `None`: power was lost.
    call: Option<Call>,
    path: PathBuf,
    detail: String,
    failed: bool,
}

#[derive(Clone)]
struct State {
    random: Random,
    steps: u64,
    counts: BTreeMap<Call, u64>,
    /// The step from which on the machine is off.
    off_at: Option<u64>,
    /// How many more of a call go well before one fails.
    faults: Vec<(Call, u64, Failure)>,
    capacity: u64,
    /// Names as they are seen, and as they are on the disk.
    seen: BTreeMap<PathBuf, Node>,
    disk: BTreeMap<PathBuf, Node>,
    /// What is between the two, for each folder in its order.
    changes: BTreeMap<PathBuf, Vec<Change>>,
    inodes: BTreeMap<u64, Inode>,
    next_inode: u64,
    locks: BTreeSet<PathBuf>,
    /// Syncs of files of which a sync had failed before.
    syncs_after_failure: u64,
    trace: VecDeque<Traced>,
}

impl SimDisk {
    /// An empty disk. Two disks of one seed that are asked the same answer the same.
    pub fn new(seed: u64) -> SimDisk {
        let root = BTreeMap::from([(PathBuf::from("/"), Node::Folder)]);
        SimDisk::with(State {
            random: Random::new(seed),
            steps: 0,
            counts: BTreeMap::new(),
            off_at: None,
            faults: Vec::new(),
            capacity: u64::MAX,
            seen: root.clone(),
            disk: root,
            changes: BTreeMap::new(),
            inodes: BTreeMap::new(),
            next_inode: 0,
            locks: BTreeSet::new(),
            syncs_after_failure: 0,
            trace: VecDeque::new(),
        })
    }

    fn with(state: State) -> SimDisk {
        SimDisk { state: Arc::new(Mutex::new(state)), watch: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while it was held is a test's that has failed already.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another disk that is as this one is now, open files aside. Faults that were planned stay with this one.
    pub fn fork(&self) -> SimDisk {
        let mut state = self.state();
        let inodes = state.inodes.iter_mut().map(|(number, inode)| (*number, inode.fork())).collect();
        let mut copy = State { inodes: BTreeMap::new(), ..state.clone() };
        (copy.off_at, copy.inodes) = (None, inodes);
        copy.faults.clear();
        copy.locks.clear();
        SimDisk::with(copy)
    }

    /// The disk as it is found when power was lost now and is back. What was not synced was kept or not, by `seed`.
    pub fn crash(&self, seed: u64) -> SimDisk {
        let disk = self.fork();
        {
            let mut state = disk.state();
            let mut random = Random::new(seed);
            for changes in std::mem::take(&mut state.changes).into_values() {
                let kept = Luck::of(&mut random).prefix(&mut random, changes.len());
                for change in &changes[..kept] {
                    make(&mut state.disk, change);
                }
            }
            state.seen = state.disk.clone();
            for inode in state.inodes.values_mut() {
                inode.lose_power(&mut random);
            }
            state.forget_unnamed();
            state.random = random;
            state.syncs_after_failure = 0;
            let step = state.steps;
            state.note(Traced {
                step,
                call: None,
                path: PathBuf::new(),
                detail: format!("power lost, seed {seed}"),
                failed: false,
            });
        }
        disk
    }

    /// From the call with this number on (see [`SimDisk::steps`]) the machine is off: each call fails and does
    /// nothing.
    pub fn crash_at(&self, step: u64) {
        self.state().off_at = Some(step);
    }

    /// Whether a call has found the machine off.
    pub fn is_off(&self) -> bool {
        let state = self.state();
        state.off_at.is_some_and(|off_at| state.steps > off_at)
    }

    /// The `nth` such call from now on fails, 1 being the next. A sync that fails has put some of what was to be
    /// synced on the disk and forgotten the rest, though it is still seen.
    pub fn fail(&self, call: Call, nth: u64, failure: Failure) {
        assert!(nth >= 1);
        self.state().faults.push((call, nth - 1, failure));
    }

    /// How many bytes fit on the disk; may be below what is on it.
    pub fn set_capacity(&self, bytes: u64) {
        self.state().capacity = bytes;
    }

    /// Bytes that files take.
    pub fn used_bytes(&self) -> u64 {
        self.state().used()
    }

    /// Flips a bit of a file, seen and on the disk.
    ///
    /// # Panics
    /// When there is no such file.
    pub fn flip(&self, path: &Path, bit: u64) {
        let mut state = self.state();
        let inode = state.file(path).expect("a file whose bits rot is there");
        state.inode(inode).flip(bit);
    }

    /// How many calls there were.
    pub fn steps(&self) -> u64 {
        self.state().steps
    }

    /// How many calls of a kind there were.
    pub fn count(&self, call: Call) -> u64 {
        self.state().counts.get(&call).copied().unwrap_or(0)
    }

    /// How often a file was synced again through the handle of which a sync had failed: never, if all is well.
    pub fn syncs_after_failure(&self) -> u64 {
        self.state().syncs_after_failure
    }

    /// `watch` is called before each call that is made, with its number.
    pub fn watch(&self, watch: impl Fn(&SimDisk, u64) + Send + Sync + 'static) {
        *self.watch.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(watch));
    }

    /// No more of that.
    pub fn unwatch(&self) {
        *self.watch.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// All files and their bytes as they are seen. Not a call.
    pub fn image(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut state = self.state();
        let files: Vec<(PathBuf, u64)> = state
            .seen
            .iter()
            .filter_map(|(path, node)| match node {
                Node::File(inode) => Some((path.clone(), *inode)),
                Node::Folder => None,
            })
            .collect();
        files.into_iter().map(|(path, inode)| (path, state.inode(inode).seen().bytes())).collect()
    }

    /// The last calls, a line each: the story.
    pub fn trace(&self) -> Vec<String> {
        let line = |traced: &Traced| {
            let failed = if traced.failed { " FAILED" } else { "" };
            let call = traced.call.map(|call| format!("{call:?} {} ", traced.path.display()));
            format!("{:>7} {}{}{failed}", traced.step, call.unwrap_or_default(), traced.detail)
        };
        self.state().trace.iter().map(line).collect()
    }

    /// What every call goes through before it does anything: it is counted, remembered, and may have to fail.
    fn step(&self, call: Call, path: &Path, detail: impl fmt::Display) -> io::Result<MutexGuard<'_, State>> {
        crate::host::point("at the disk");
        let watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(watch) = watch {
            let next = self.state().steps;
            watch(self, next);
        }
        let mut state = self.state();
        let step = state.steps;
        state.steps += 1;
        *state.counts.entry(call).or_default() += 1;
        let off = state.off_at.is_some_and(|off_at| step >= off_at);
        let failure = state.take_fault(call);
        state.note(Traced {
            step,
            call: Some(call),
            path: path.to_owned(),
            detail: detail.to_string(),
            failed: off || failure.is_some(),
        });
        match failure {
            _ if off => Err(io::Error::other("the machine is off")),
            Some(Failure::Io) => Err(Errno::IO.into()),
            Some(Failure::NoSpace) => Err(Errno::NOSPC.into()),
            None => Ok(state),
        }
    }
}

impl State {
    fn note(&mut self, traced: Traced) {
        if self.trace.len() == TRACE_MAX {
            self.trace.pop_front();
        }
        self.trace.push_back(traced);
    }

    fn take_fault(&mut self, call: Call) -> Option<Failure> {
        let mut due = None;
        self.faults.retain_mut(|(planned, left, failure)| {
            if *planned != call {
                return true;
            }
            if *left == 0 {
                due = Some(*failure);
                return false;
            }
            *left -= 1;
            true
        });
        due
    }

    fn file(&self, path: &Path) -> io::Result<u64> {
        match self.seen.get(path) {
            Some(Node::File(inode)) => Ok(*inode),
            Some(Node::Folder) => Err(Errno::ISDIR.into()),
            None => Err(Errno::NOENT.into()),
        }
    }

    fn folder(&self, dir: &Path) -> io::Result<()> {
        match self.seen.get(dir) {
            Some(Node::Folder) => Ok(()),
            Some(Node::File(_)) => Err(Errno::NOTDIR.into()),
            None => Err(Errno::NOENT.into()),
        }
    }

    fn inode(&mut self, number: u64) -> &mut Inode {
        self.inodes.get_mut(&number).expect("a file that has a name or is open is there")
    }

    fn used(&self) -> u64 {
        let named: BTreeSet<u64> = numbers(&self.seen).collect();
        let held = |(number, inode): &(&u64, &Inode)| named.contains(number) || inode.handles > 0;
        self.inodes.iter().filter(held).map(|(_, inode)| inode.len()).sum()
    }

    /// Whether a file may grow from `from` to `to`.
    fn grow(&self, from: u64, to: u64) -> io::Result<()> {
        match to > from && self.used().saturating_add(to - from) > self.capacity {
            true => Err(Errno::NOSPC.into()),
            false => Ok(()),
        }
    }

    fn change(&mut self, dir: &Path, change: Change) {
        make(&mut self.seen, &change);
        self.changes.entry(dir.to_owned()).or_default().push(change);
    }

    /// Frees files that have no name any more and are not open.
    fn forget_unnamed(&mut self) {
        let created = self.changes.values().flatten().filter_map(|change| match change {
            Change::Create(_, Node::File(inode)) => Some(*inode),
            _ => None,
        });
        let named: BTreeSet<u64> = numbers(&self.seen).chain(numbers(&self.disk)).chain(created).collect();
        self.inodes.retain(|number, inode| inode.handles > 0 || named.contains(number));
    }
}

fn numbers(names: &BTreeMap<PathBuf, Node>) -> impl Iterator<Item = u64> + '_ {
    names.values().filter_map(|node| match node {
        Node::File(inode) => Some(*inode),
        Node::Folder => None,
    })
}

fn make(names: &mut BTreeMap<PathBuf, Node>, change: &Change) {
    match change {
        Change::Create(path, node) => {
            names.insert(path.clone(), *node);
        }
        Change::Rename(from, to) => {
            if let Some(node) = names.remove(from) {
                names.insert(to.clone(), node);
            }
        }
        Change::Remove(path) => {
            names.remove(path);
        }
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("/"))
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimDisk").field("steps", &self.steps()).finish_non_exhaustive()
    }
}

impl Storage for SimDisk {
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn StorageFile>> {
        let mut state = self.step(Call::Open, path, format_args!("{access:?}"))?;
        let number = match (state.file(path), access) {
            (Ok(number), Access::Create) => {
                state.inode(number).set_len(0);
                number
            }
            (Ok(number), _) => number,
            (Err(error), Access::Create) if error.kind() == io::ErrorKind::NotFound => {
                let dir = parent(path);
                state.folder(dir)?;
                let number = state.next_inode;
                state.next_inode += 1;
                state.inodes.insert(number, Inode::default());
                state.change(dir, Change::Create(path.to_owned(), Node::File(number)));
                number
            }
            (Err(error), _) => return Err(error),
        };
        let inode = state.inode(number);
        inode.handles += 1;
        inode.failed = false;
        let writable = access != Access::Read;
        Ok(Box::new(SimFile { disk: self.clone(), number, path: path.to_owned(), writable }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        let state = self.step(Call::List, dir, "")?;
        state.folder(dir)?;
        Ok(state.seen.keys().filter(|path| path.parent() == Some(dir)).cloned().collect())
    }

    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.step(Call::MakeDir, dir, "")?;
        for folder in dir.ancestors() {
            if let Some(Node::File(_)) = state.seen.get(folder) {
                return Err(Errno::NOTDIR.into());
            }
        }
        for folder in dir.ancestors().filter(|folder| !folder.as_os_str().is_empty()) {
            // The trait asks for folders that last, so this is never half done.
            state.seen.insert(folder.to_owned(), Node::Folder);
            state.disk.insert(folder.to_owned(), Node::Folder);
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.step(Call::Rename, from, format_args!("to {}", to.display()))?;
        if parent(from) != parent(to) {
            return Err(Errno::XDEV.into());
        }
        state.file(from)?;
        state.change(parent(to), Change::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.step(Call::Remove, path, "")?;
        state.file(path)?;
        state.change(parent(path), Change::Remove(path.to_owned()));
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.step(Call::SyncDir, dir, "")?;
        state.folder(dir)?;
        for change in state.changes.remove(dir).unwrap_or_default() {
            make(&mut state.disk, &change);
        }
        state.forget_unnamed();
        Ok(())
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        let state = self.step(Call::FreeBytes, dir, "")?;
        Ok(state.capacity.saturating_sub(state.used()))
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        Ok(self.step(Call::Exists, path, "")?.seen.contains_key(path))
    }

    fn lock(&self, dir: &Path) -> Result<FolderLock, LockError> {
        let io = |source| LockError::Io { path: dir.to_owned(), source };
        let mut state = self.step(Call::Lock, dir, "").map_err(io)?;
        state.folder(dir).map_err(io)?;
        if !state.locks.insert(dir.to_owned()) {
            return Err(LockError::InUse { dir: dir.to_owned(), holder: std::process::id().to_string() });
        }
        drop(state);
        Ok(FolderLock::new(SimLock { disk: self.clone(), dir: dir.to_owned() }))
    }

    fn fresh_id(&self) -> io::Result<u128> {
        let mut state = self.step(Call::FreshId, Path::new("/"), "")?;
        Ok(u128::from(state.random.next()) << 64 | u128::from(state.random.next()))
    }
}

#[derive(Debug)]
struct SimLock {
    disk: SimDisk,
    dir: PathBuf,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.disk.state().locks.remove(&self.dir);
    }
}

/// A file of a simulated disk, opened.
#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    number: u64,
    path: PathBuf,
    writable: bool,
}

impl SimFile {
    fn step(&self, call: Call, detail: impl fmt::Display) -> io::Result<MutexGuard<'_, State>> {
        self.disk.step(call, &self.path, detail)
    }

    fn step_to_write(&self, call: Call, detail: impl fmt::Display) -> io::Result<MutexGuard<'_, State>> {
        match self.writable {
            true => self.step(call, detail),
            false => Err(Errno::BADF.into()),
        }
    }

    fn sync(&self, detail: &str) -> io::Result<()> {
        let failed = match self.step(Call::Sync, detail) {
            Ok(mut state) => {
                let inode = state.inode(self.number);
                let after_failure = inode.failed;
                inode.sync();
                state.syncs_after_failure += u64::from(after_failure);
                return Ok(());
            }
            Err(error) => error,
        };
        let mut state = self.disk.state();
        if state.off_at.is_none_or(|off_at| state.steps <= off_at) {
            let mut random = state.random.clone();
            let inode = state.inode(self.number);
            let after_failure = inode.failed;
            inode.fail_sync(&mut random);
            state.random = random;
            state.syncs_after_failure += u64::from(after_failure);
        }
        Err(failed)
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        state.inode(self.number).handles -= 1;
        state.forget_unnamed();
    }
}

impl StorageFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.step(Call::Len, "")?.inode(self.number).len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.step_to_write(Call::SetLen, len)?;
        state.grow(state.inodes[&self.number].len(), len)?;
        state.inode(self.number).set_len(len);
        Ok(())
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let detail = format_args!("{} bytes at {offset}", buffer.len());
        let mut state = self.step(Call::Read, detail)?;
        let inode = state.inode(self.number);
        if offset.saturating_add(buffer.len() as u64) > inode.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        inode.seen().read(buffer, offset);
        Ok(())
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let detail = format_args!("{} bytes at {offset}", bytes.len());
        let mut state = self.step_to_write(Call::Write, detail)?;
        state.grow(state.inodes[&self.number].len(), offset + bytes.len() as u64)?;
        state.inode(self.number).write(bytes, offset);
        Ok(())
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        let mut state = self.step_to_write(Call::Allocate, len)?;
        let now = state.inodes[&self.number].len();
        state.grow(now, len)?;
        if len > now {
            state.inode(self.number).set_len(len);
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync("data")
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync("all")
    }

    fn forget_cached(&self) {
        if let Ok(mut state) = self.step(Call::Forget, "") {
            state.inode(self.number).forget_cached();
        }
    }

    fn map(&self, len: u64) -> io::Result<WriteMap> {
        let mut state = self.step_to_write(Call::Map, len)?;
        let inode = state.inode(self.number);
        if inode.len() != len {
            return Err(Errno::INVAL.into());
        }
        let map = WriteMap::memory(len)?;
        map.store_bytes(0, &inode.seen().bytes());
        inode.map(map.clone());
        Ok(map)
    }
}
