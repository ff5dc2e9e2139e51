//! Snapshot files and what is in them: a file that was changed anywhere is found unsound; blocks that were changed, whose
//! checksums would fit, are an error or a ledger that writes an image of itself and is made again from it; never a panic.
//!
//! The file is taken of an engine with some of everything, once. The first byte of an input says what its edits are made
//! of: the file, the blocks in it, or the image of one order.
#![no_main]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use suanpan_core::{ImageError, Ledger, Restore, read_order, write_image};
use suanpan_engine::verify_snapshots;
use suanpan_fuzz::Server;

/// In a file: its header, the header of each block, and where the trailer says the table begins.
const FILE_HEADER: usize = 128;
const BLOCK_HEADER: usize = 8;
const TRAILER: usize = 24;
const TABLE_OFFSET: usize = 8;
/// A shard's part of the table begins with its offset and its length.
const PART: usize = 48;
const SHARDS: usize = 2;

/// What is asked before the snapshot is taken, beside what every server begins with.
const STORY: [(&str, &str); 9] = [
    (
        "POST /v1/merchants/1001/refunds",
        r#"{"refund_no": "R1", "order_no": "A1", "amount": 500, "reason": "late"}"#,
    ),
    ("POST /v1/merchants/1001/refunds/R1/result", r#"{"state": "succeeded"}"#),
    (
        "POST /v1/merchants/1001/orders/H1/splits",
        r#"{"split_no": "S1", "receivers": [{"merchant_id": "5001", "amount": 100}]}"#,
    ),
    ("PUT /v1/promoters/5001", r#"{"rate": "0.01"}"#),
    ("POST /v1/merchants/1001/orders/P1/confirm", r#"{"channel_txn": "4200000124"}"#),
    ("POST /v1/merchants/1001/topups", r#"{"topup_no": "T1", "channel": "wechat", "amount": 9000}"#),
    ("POST /v1/merchants/1001/freezes", r#"{"freeze_no": "F1", "amount": 10}"#),
    ("POST /v1/merchants/1001/transfers", r#"{"transfer_no": "X1", "to": "5001", "amount": 20}"#),
    ("POST /v1/merchants/1001/payouts", r#"{"payout_no": "W1", "amount": 30}"#),
];

struct Base {
    /// Keeps the data folder.
    server: Server,
    path: PathBuf,
    file: Vec<u8>,
    /// The blocks of each shard's image.
    images: Vec<Vec<Vec<u8>>>,
}

static BASE: LazyLock<Base> = LazyLock::new(|| {
    let mut server = Server::start();
    for (line, body) in STORY {
        let (status, answer) = server.ask(line, body.as_bytes()).expect("a request");
        assert!(status.is_success(), "{line}: {status} {}", String::from_utf8_lossy(&answer));
    }
    server.engine().snapshot().expect("room");
    let dir = server.folder().join("snapshots");
    let mut entries =
        std::fs::read_dir(&dir).expect("snapshots").map(|entry| entry.expect("an entry").path());
    let path = entries.next().expect("a snapshot");
    let file = std::fs::read(&path).expect("a snapshot");
    let images = images(&file);
    let base = Base { server, path, file, images };
    assert!(unsound(base.server.folder()).is_none(), "the snapshot as it was taken");
    assert!(restored(&base.images).is_ok(), "the blocks as they were taken");
    base
});

fn u64_at(bytes: &[u8], at: usize) -> usize {
    u64::from_le_bytes(std::array::from_fn(|byte| bytes[at + byte])) as usize
}

/// The blocks of a sound file, by shard.
fn images(file: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let table = u64_at(file, file.len() - TRAILER + TABLE_OFFSET);
    let mut at = FILE_HEADER;
    let image = |shard: usize| {
        let end = u64_at(file, table + shard * PART) + u64_at(file, table + shard * PART + 8);
        let mut blocks = Vec::new();
        while at < end {
            let len = u32::from_le_bytes(std::array::from_fn(|byte| file[at + byte])) as usize;
            blocks.push(file[at + BLOCK_HEADER..at + BLOCK_HEADER + len].to_vec());
            at += BLOCK_HEADER + len;
        }
        blocks
    };
    (0..SHARDS).map(image).collect()
}

fn unsound(data: &Path) -> Option<String> {
    let mut reports = verify_snapshots(data).expect("a folder that is read");
    assert_eq!(reports.len(), 1);
    reports.remove(0).unsound
}

/// One ledger out of the images of all shards.
fn restored(images: &[Vec<Vec<u8>>]) -> Result<Ledger, ImageError> {
    let mut restore = Restore::alone(1);
    for (source, blocks) in images.iter().enumerate() {
        restore.begin(source as u16, images.len() as u16)?;
        for block in blocks {
            restore.take(block)?;
        }
        restore.end()?;
    }
    restore.finish()
}

fn image(ledger: &mut Ledger) -> Vec<Vec<u8>> {
    let mut blocks = Vec::new();
    write_image(&ledger.snapshot(), &mut |block| blocks.push(block));
    blocks
}

/// Takes an edit off the input and makes it: which kind, where, and what.
fn edit(bytes: &mut Vec<u8>, input: &mut &[u8]) -> Option<()> {
    let (&[kind, low, high], rest) = input.split_first_chunk::<3>()?;
    *input = rest;
    let at = usize::from(u16::from_le_bytes([low, high])) % (bytes.len() + 1);
    let len = usize::from(kind / 8);
    match kind % 8 {
        0 if at < bytes.len() => bytes[at] ^= 1 << (kind / 8 % 8),
        1 | 2 => {
            let (new, rest) = input.split_at(input.len().min(1 + len));
            *input = rest;
            let end = bytes.len().min(at + new.len());
            bytes[at..end].copy_from_slice(&new[..end - at]);
        }
        3 => bytes.truncate(at),
        4 => drop(bytes.drain(at..bytes.len().min(at + len))),
        5 => {
            let (new, rest) = input.split_at(input.len().min(1 + len));
            *input = rest;
            bytes.splice(at..at, new.iter().copied());
        }
        6 => {
            let copy: Vec<u8> = bytes[at..bytes.len().min(at + len)].to_vec();
            bytes.splice(at..at, copy);
        }
        7 if at < bytes.len() => bytes[at] = bytes[at].wrapping_add(1 + len as u8),
        _ => {}
    }
    Some(())
}

fn edited_file(input: &mut &[u8]) {
    let mut file = BASE.file.clone();
    while edit(&mut file, input).is_some() {}
    std::fs::write(&BASE.path, &file).expect("room");
    let unsound = unsound(BASE.server.folder());
    assert_eq!(unsound.is_some(), file != BASE.file, "what was changed is found: {unsound:?}");
}

fn edited_blocks(input: &mut &[u8]) {
    let mut images = BASE.images.clone();
    while let Some((&[which], rest)) = input.split_first_chunk::<1>() {
        *input = rest;
        let blocks = &mut images[usize::from(which) % SHARDS];
        let count = blocks.len();
        if edit(&mut blocks[usize::from(which) / SHARDS % count], input).is_none() {
            break;
        }
    }
    let Ok(mut ledger) = restored(&images) else { return };
    let (digest, blocks) = (ledger.digest(), image(&mut ledger));
    let mut again = restored(&[blocks.clone()]).expect("its own image");
    assert_eq!(again.digest(), digest);
    assert_eq!(image(&mut again), blocks);
}

fuzz_target!(|data: &[u8]| {
    let Some((kind, mut input)) = data.split_first() else { return };
    match kind % 4 {
        0 => edited_file(&mut input),
        1 | 2 => edited_blocks(&mut input),
        _ => drop(read_order(&mut input)),
    }
});
