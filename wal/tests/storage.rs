//! One list of what a storage promises, for real files, real files through a map, and the simulated disk both ways.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use suanpan_wal::{Access, Call, Failure, Files, LockError, SimDisk, Storage, StorageFile};

/// How bytes get into a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Write,
    Map,
}

struct Bench<'a> {
    storage: &'a dyn Storage,
    dir: PathBuf,
    way: Way,
}

impl Bench<'_> {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// A file of 8192 zeros with `bytes` at `offset`, a multiple of eight, put there in the way that is tested.
    fn file(&self, name: &str, offset: u64, bytes: &[u8]) -> Box<dyn StorageFile> {
        let file = self.storage.open(&self.path(name), Access::Create).unwrap();
        file.allocate(8192).unwrap();
        file.write_all_at(&[0; 8192], 0).unwrap();
        match self.way {
            Way::Write => file.write_all_at(bytes, offset).unwrap(),
            Way::Map => file.map(8192).unwrap().store_bytes(offset, bytes),
        }
        file.sync_data().unwrap();
        file
    }

    fn read(&self, name: &str, offset: u64, len: usize) -> Vec<u8> {
        let file = self.storage.open(&self.path(name), Access::Read).unwrap();
        let mut bytes = vec![0xEE; len];
        file.read_exact_at(&mut bytes, offset).unwrap();
        bytes
    }
}

type Case = (&'static str, fn(&Bench<'_>));

const CASES: &[Case] = &[
    ("bytes come back", bytes_come_back),
    ("what is not there is said so", absence_is_named),
    ("lengths", lengths),
    ("a file opened to read is not written", reading_only),
    ("create empties", create_empties),
    ("lists are sorted and whole", lists),
    ("rename replaces", rename_replaces),
    ("removed files live on where they are open", removed_but_open),
    ("folders are made with their parents", folders),
    ("a map is the file", map_is_file),
    ("a view is the whole file", views),
    ("one lock a folder", locks),
    ("ids are fresh", ids),
    ("handles are shared by threads", threads),
];

fn bytes_come_back(bench: &Bench<'_>) {
    let file = bench.file("a", 4088, b"across a page's border");
    assert_eq!(bench.read("a", 4088, 22), b"across a page's border");
    assert_eq!(bench.read("a", 4080, 8), [0; 8]);
    file.write_all_at(b"odd", 4091).unwrap();
    file.sync_all().unwrap();
    file.forget_cached();
    assert_eq!(bench.read("a", 4088, 8), b"acrodd a");
}

fn absence_is_named(bench: &Bench<'_>) {
    let gone = bench.path("gone");
    for access in [Access::Read, Access::Write] {
        assert_eq!(bench.storage.open(&gone, access).unwrap_err().kind(), ErrorKind::NotFound);
    }
    assert_eq!(bench.storage.list(&gone).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(bench.storage.remove(&gone).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(bench.storage.rename(&gone, &bench.path("b")).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(bench.storage.sync_dir(&gone).unwrap_err().kind(), ErrorKind::NotFound);
    assert!(bench.storage.open(&gone.join("deep"), Access::Create).is_err());
    assert!(!bench.storage.exists(&gone).unwrap());
    assert!(bench.storage.exists(&bench.dir).unwrap());
}

fn lengths(bench: &Bench<'_>) {
    let file = bench.file("a", 0, b"12345678");
    assert_eq!(file.len().unwrap(), 8192);
    file.allocate(4096).unwrap();
    assert_eq!(file.len().unwrap(), 8192, "allocating cuts nothing");
    file.set_len(4).unwrap();
    file.set_len(5000).unwrap();
    assert_eq!(bench.read("a", 0, 8), b"1234\0\0\0\0");
    file.write_all_at(b"end", 6000).unwrap();
    assert_eq!(file.len().unwrap(), 6003);
    assert_eq!(bench.read("a", 4998, 4), [0; 4]);
    let mut beyond = [0; 4];
    assert_eq!(file.read_exact_at(&mut beyond, 6000).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    file.allocate(9000).unwrap();
    assert_eq!(file.len().unwrap(), 9000);
}

fn reading_only(bench: &Bench<'_>) {
    bench.file("a", 0, b"kept");
    let file = bench.storage.open(&bench.path("a"), Access::Read).unwrap();
    assert!(file.write_all_at(b"lost", 0).is_err());
    assert!(file.set_len(1).is_err());
    file.sync_all().unwrap();
    assert_eq!(bench.read("a", 0, 4), b"kept");
}

fn create_empties(bench: &Bench<'_>) {
    bench.file("a", 0, b"old");
    let file = bench.storage.open(&bench.path("a"), Access::Create).unwrap();
    assert_eq!(file.len().unwrap(), 0);
    file.set_len(8).unwrap();
    assert_eq!(bench.read("a", 0, 8), [0; 8]);
}

fn lists(bench: &Bench<'_>) {
    for name in ["c", "a", "b"] {
        bench.file(name, 0, b"x");
    }
    bench.storage.make_dir(&bench.path("d/e")).unwrap();
    bench.storage.remove(&bench.path("b")).unwrap();
    let names = ["a", "c", "d"].map(|name| bench.path(name));
    assert_eq!(bench.storage.list(&bench.dir).unwrap(), names);
}

fn rename_replaces(bench: &Bench<'_>) {
    bench.file("a", 0, b"new");
    let old = bench.file("b", 0, b"old");
    bench.storage.rename(&bench.path("a"), &bench.path("b")).unwrap();
    bench.storage.sync_dir(&bench.dir).unwrap();
    assert_eq!(bench.read("b", 0, 3), b"new");
    assert!(!bench.storage.exists(&bench.path("a")).unwrap());
    let mut bytes = [0; 3];
    old.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"old");
}

fn removed_but_open(bench: &Bench<'_>) {
    let file = bench.file("a", 0, b"alive");
    bench.storage.remove(&bench.path("a")).unwrap();
    bench.storage.sync_dir(&bench.dir).unwrap();
    file.write_all_at(b"A", 0).unwrap();
    file.sync_data().unwrap();
    let mut bytes = [0; 5];
    file.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"Alive");
}

fn folders(bench: &Bench<'_>) {
    let deep = bench.path("x/y/z");
    bench.storage.make_dir(&deep).unwrap();
    bench.storage.make_dir(&deep).unwrap();
    assert_eq!(bench.storage.list(&deep).unwrap(), Vec::<PathBuf>::new());
    bench.file("file", 0, b"x");
    assert!(bench.storage.make_dir(&bench.path("file/below")).is_err());
}

fn map_is_file(bench: &Bench<'_>) {
    let file = bench.file("a", 8, b"8 bytes!");
    let map = file.map(8192).unwrap();
    assert_eq!((map.len_bytes(), map.load(8)), (8192, u64::from_le_bytes(*b"8 bytes!")));
    map.store_bytes(16, b"stored");
    assert_eq!(bench.read("a", 8, 16), b"8 bytes!stored\0\0");
    file.write_all_at(b"written", 4096).unwrap();
    assert_eq!(map.load(4096), u64::from_le_bytes(*b"written\0"));
    file.sync_data().unwrap();
    drop(map);
    assert_eq!(bench.read("a", 16, 6), b"stored");
}

fn views(bench: &Bench<'_>) {
    let file = bench.file("a", 8184, b"the end.");
    let view = file.view().unwrap();
    drop(file);
    assert_eq!((view.bytes().len(), &view.bytes()[8184..]), (8192, &b"the end."[..]));
}

fn locks(bench: &Bench<'_>) {
    let lock = bench.storage.lock(&bench.dir).unwrap();
    assert!(matches!(bench.storage.lock(&bench.dir), Err(LockError::InUse { .. })));
    drop(lock);
    drop(bench.storage.lock(&bench.dir).unwrap());
    assert!(matches!(bench.storage.lock(&bench.path("gone")), Err(LockError::Io { .. })));
}

fn ids(bench: &Bench<'_>) {
    assert_ne!(bench.storage.fresh_id().unwrap(), bench.storage.fresh_id().unwrap());
    assert!(bench.storage.free_bytes(&bench.dir).unwrap() > 8192);
}

fn threads(bench: &Bench<'_>) {
    let file = bench.file("a", 0, b"");
    std::thread::scope(|scope| {
        for n in 0..4u8 {
            let file = &file;
            scope.spawn(move || {
                for at in 0..100 {
                    file.write_all_at(&[n + 1; 8], at * 32 + u64::from(n) * 8).unwrap();
                    let mut back = [0; 8];
                    file.read_exact_at(&mut back, at * 32 + u64::from(n) * 8).unwrap();
                    assert_eq!(back, [n + 1; 8]);
                }
            });
        }
    });
    file.sync_data().unwrap();
}

fn all(storage: &dyn Storage, dir: &Path, way: Way) {
    for (name, case) in CASES {
        println!("{way:?}: {name}");
        let dir = dir.join(name.replace(' ', "-"));
        storage.make_dir(&dir).unwrap();
        case(&Bench { storage, dir, way });
    }
}

#[test]
fn real_files_keep_the_promises() {
    let folder = tempfile::tempdir().unwrap();
    all(&Files, folder.path(), Way::Write);
}

#[test]
fn mapped_files_keep_the_promises() {
    let folder = tempfile::tempdir().unwrap();
    all(&Files, folder.path(), Way::Map);
}

#[test]
fn the_simulated_disk_keeps_the_promises() {
    for way in [Way::Write, Way::Map] {
        all(&SimDisk::new(1), Path::new("/data"), way);
    }
}

/// What real files cannot be made to show: what is left after power was lost, and what faults do.
#[test]
fn power_loss_takes_only_what_was_not_synced() {
    let (mut named, mut unnamed) = (0, 0);
    for seed in 0..64 {
        let disk = SimDisk::new(seed);
        let bench = Bench { storage: &disk, dir: "/d".into(), way: Way::Write };
        disk.make_dir(&bench.dir).unwrap();
        bench.file("kept", 0, b"synced");
        disk.sync_dir(&bench.dir).unwrap();
        // Its bytes are synced, its name is not.
        bench.file("new", 0, b"synced");
        // Its name will be, its bytes are not.
        let file = disk.open(&bench.path("tmp"), Access::Create).unwrap();
        file.write_all_at(&[1; 4096], 0).unwrap();
        let found = disk.crash(seed);
        let after = Bench { storage: &found, dir: "/d".into(), way: Way::Write };
        assert_eq!(after.read("kept", 0, 6), b"synced");
        match found.exists(&after.path("new")).unwrap() {
            true => {
                assert_eq!(after.read("new", 0, 6), b"synced");
                named += 1;
            }
            false => {
                assert!(!found.exists(&after.path("tmp")).unwrap(), "names come in their order");
                unnamed += 1;
            }
        }
        assert_eq!(disk.crash(seed).image(), found.image(), "the same seed, the same disk");
        assert_eq!(bench.read("new", 0, 6), b"synced", "the disk that was copied is as it was");
    }
    assert!(named > 5 && unnamed > 5, "{named} {unnamed}");
}

#[test]
fn faults_come_when_they_are_planned() {
    let disk = SimDisk::new(7);
    disk.make_dir("/d".as_ref()).unwrap();
    let file = disk.open("/d/a".as_ref(), Access::Create).unwrap();
    disk.fail(Call::Write, 2, Failure::Io);
    disk.fail(Call::Read, 1, Failure::Io);
    file.write_all_at(&[1; 8], 0).unwrap();
    assert!(file.write_all_at(&[2; 8], 0).is_err());
    let mut bytes = [0; 8];
    assert!(file.read_exact_at(&mut bytes, 0).is_err());
    file.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(bytes, [1; 8]);
    disk.set_capacity(16);
    assert_eq!((disk.free_bytes("/d".as_ref()).unwrap(), disk.used_bytes()), (8, 8));
    assert_eq!(file.allocate(17).unwrap_err().kind(), ErrorKind::StorageFull);
    disk.set_capacity(17);
    file.allocate(17).unwrap();
    disk.flip("/d/a".as_ref(), 9);
    file.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(bytes, [1, 3, 1, 1, 1, 1, 1, 1]);
    file.sync_all().unwrap();
    disk.fail(Call::Sync, 1, Failure::Io);
    assert!(file.sync_all().is_err());
    file.sync_all().unwrap();
    assert_eq!(disk.syncs_after_failure(), 1, "that is what must not be done");
    disk.sync_dir("/d".as_ref()).unwrap();
    disk.crash_at(disk.steps() + 1);
    file.write_all_at(&[9; 8], 0).unwrap();
    assert!(file.write_all_at(&[9; 8], 8).is_err() && disk.exists("/d".as_ref()).is_err() && disk.is_off());
    assert!(disk.trace().last().unwrap().contains("FAILED"));
    assert!(disk.crash(1).exists("/d/a".as_ref()).unwrap());
}
