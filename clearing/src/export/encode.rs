//! Rows into Parquet on a thread of its own, so that following the log and compressing share the work of two cores.
//!
//! The way to it is bounded: who follows waits when it is behind, and what waits is in the log meanwhile. Rows come back empty, to be
//! filled again: fresh room of several megabytes for every group cost page faults all over.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use crate::chunk::Scratch;
use crate::parquet_file::{ParquetFile, ParquetFileError, Written};
use crate::runs::Texts;
use crate::table::{Rows, Table};

/// Chunks of rows that wait at most.
const WAITING_MAX: usize = 4;

/// Which part of which table.
pub(crate) type Part = (Table, u16);

type Encoded = Result<BTreeMap<Part, Written>, ParquetFileError>;

/// Some rows on their way.
struct Work {
    shard: u16,
    rows: Rows,
    /// The names that came up since the rows before.
    names: Texts,
}

/// The files of a day that are being written.
pub(crate) struct Encoder {
    work: SyncSender<Work>,
    done: Receiver<Rows>,
    /// Rows that came back, by table.
    idle: BTreeMap<Table, Vec<Rows>>,
    thread: JoinHandle<Encoded>,
}

impl Encoder {
    /// Starts the thread; files are made in `folder` when there are rows for them.
    pub(crate) fn start(folder: PathBuf) -> std::io::Result<Self> {
        let (work, coming) = sync_channel(WAITING_MAX);
        let (back, done) = channel();
        let scratch = Scratch::new()?;
        let encode = move || encode(&folder, coming, &back, scratch);
        let thread = std::thread::Builder::new().name("encode".to_owned()).spawn(encode)?;
        Ok(Self { work, done, idle: BTreeMap::new(), thread })
    }

    /// Hands some rows over, waiting while there are many. False when the thread came to an end: [`Encoder::finish`] says why.
    pub(crate) fn send(&self, shard: u16, rows: Rows, names: Texts) -> bool {
        self.work.send(Work { shard, rows, names }).is_ok()
    }

    /// Rows of a table, none yet.
    pub(crate) fn room(&mut self, table: Table) -> Rows {
        for rows in self.done.try_iter() {
            self.idle.entry(rows.table()).or_default().push(rows);
        }
        let idle = self.idle.get_mut(&table).and_then(Vec::pop);
        idle.unwrap_or_else(|| Rows::with_names(table))
    }

    /// Waits for all files.
    ///
    /// # Panics
    /// When the thread did.
    pub(crate) fn finish(self) -> Encoded {
        drop(self.work);
        match self.thread.join() {
            Ok(encoded) => encoded,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

fn encode(folder: &Path, coming: Receiver<Work>, back: &Sender<Rows>, mut scratch: Scratch) -> Encoded {
    let mut files: BTreeMap<Part, ParquetFile> = BTreeMap::new();
    let mut all = Texts::default();
    for Work { shard, mut rows, names } in coming {
        all.extend_from(&names, 0);
        let (table, name) = (rows.table(), format!("{}-{shard}.parquet", rows.table()));
        let file = match files.remove(&(table, shard)) {
            Some(file) => file,
            None => ParquetFile::create(table, &folder.join(name))?,
        };
        let file = files.entry((table, shard)).or_insert(file);
        file.write_with_names(&rows, &all, &mut scratch)?;
        rows.clear();
        // Whoever closes the day wants none back.
        let _ = back.send(rows);
    }
    files.into_iter().map(|(part, file)| Ok((part, file.finish()?))).collect()
}
