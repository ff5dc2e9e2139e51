//! From a snapshot file to ledgers, on a thread for each shard.

use suanpan_core::{Ledger, Restore};

use crate::beside::beside;
use crate::error::EngineError;
use crate::snapshot::file::{SnapshotError, SnapshotFile};

/// Restores the ledgers of `shards` shards; as many as the snapshot was taken of, or others. Their digests, where they are
/// as many, and their books must be those that were written.
pub(crate) fn restore(file: &SnapshotFile, shards: u16) -> Result<Vec<Ledger>, EngineError> {
    let each = |shard| restore_shard(file, shard, shards);
    let outcomes = beside("restore", (0..shards).collect(), each)?;
    let ledgers = outcomes.into_iter().collect::<Result<Vec<_>, _>>()?;
    check(file, &ledgers)?;
    Ok(ledgers)
}

/// Restores one ledger of all shards.
pub(crate) fn restore_alone(file: &SnapshotFile) -> Result<Ledger, SnapshotError> {
    let image = |error| SnapshotError::Image { path: file.path.clone(), error };
    let mut restore = Restore::alone(file.header.seed);
    for source in 0..file.header.shards {
        restore.begin(source, file.header.shards).map_err(image)?;
        file.read_part(source, |block| restore.take(block))?;
        restore.end().map_err(image)?;
    }
    restore.finish().map_err(image)
}

fn restore_shard(file: &SnapshotFile, shard: u16, shards: u16) -> Result<Ledger, SnapshotError> {
    let sources = file.header.shards;
    let image = |error| SnapshotError::Image { path: file.path.clone(), error };
    let mut restore = Restore::new(shard, shards, file.header.seed);
    for source in 0..sources {
        // As many as before: each has its own part.
        if sources == shards && source != shard {
            continue;
        }
        restore.begin(source, sources).map_err(image)?;
        file.read_part(source, |block| restore.take(block))?;
        restore.end().map_err(image)?;
    }
    let ledger = restore.finish().map_err(image)?;
    if sources == shards {
        let (digest, wrote) = (ledger.digest(), file.parts[usize::from(shard)].digest);
        if digest != wrote {
            let what = format!("the digest of shard {shard} is {digest:032x} instead of {wrote:032x}");
            return Err(SnapshotError::Differs { path: file.path.clone(), what });
        }
    }
    Ok(ledger)
}

/// What must hold of all shards together.
fn check(file: &SnapshotFile, ledgers: &[Ledger]) -> Result<(), SnapshotError> {
    let differs = |what| Err(SnapshotError::Differs { path: file.path.clone(), what });
    let orders: u64 = ledgers.iter().map(Ledger::order_count).sum();
    let wrote: u64 = file.parts.iter().map(|part| part.orders).sum();
    if orders != wrote {
        return differs(format!("{orders} orders instead of {wrote}"));
    }
    if let Some(other) = ledgers.iter().find(|ledger| ledger.date() != file.header.date) {
        return differs(format!("accounting day {} instead of {}", other.date().0, file.header.date.0));
    }
    Ok(())
}
