//! Rows into Parquet on a thread of its own, so that following the log and compressing share the work of two cores.
//!
//! The way to it is bounded: who follows waits when it is behind, and what waits is in the log meanwhile.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use crate::parquet_file::{ParquetFile, ParquetFileError, Written};
use crate::table::{Rows, Table};

/// Chunks of rows that wait at most.
const WAITING_MAX: usize = 4;

/// Which part of which table.
pub(crate) type Part = (Table, u16);

type Encoded = Result<BTreeMap<Part, Written>, ParquetFileError>;

/// The files of a day that are being written.
pub(crate) struct Encoder {
    rows: SyncSender<(u16, Rows)>,
    thread: JoinHandle<Encoded>,
}

impl Encoder {
    /// Starts the thread; files are made in `folder` when there are rows for them.
    pub(crate) fn start(folder: PathBuf) -> std::io::Result<Self> {
        let (rows, coming) = sync_channel::<(u16, Rows)>(WAITING_MAX);
        let encode = move || {
            let mut files: BTreeMap<Part, ParquetFile> = BTreeMap::new();
            for (shard, rows) in coming {
                let (table, name) = (rows.table(), format!("{}-{shard}.parquet", rows.table()));
                let file = match files.remove(&(table, shard)) {
                    Some(file) => file,
                    None => ParquetFile::create(table, &folder.join(name))?,
                };
                let file = files.entry((table, shard)).or_insert(file);
                file.write(rows)?;
            }
            files.into_iter().map(|(part, file)| Ok((part, file.finish()?))).collect()
        };
        let thread = std::thread::Builder::new().name("encode".to_owned()).spawn(encode)?;
        Ok(Self { rows, thread })
    }

    /// Hands some rows over, waiting while there are many. False when the thread came to an end: [`Encoder::finish`] says why.
    pub(crate) fn send(&self, shard: u16, rows: Rows) -> bool {
        rows.is_empty() || self.rows.send((shard, rows)).is_ok()
    }

    /// Waits for all files.
    ///
    /// # Panics
    /// When the thread did.
    pub(crate) fn finish(self) -> Encoded {
        drop(self.rows);
        match self.thread.join() {
            Ok(encoded) => encoded,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}
