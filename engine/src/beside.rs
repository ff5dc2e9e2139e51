//! The same work for each shard, side by side.

use std::thread;

use suanpan_wal::host;

use crate::error::EngineError;

/// Does `each` with every part, on a thread each, and gives what came of them in their order. In a simulation one after
/// the other: they have nothing to do with each other, so that any order is as good.
///
/// # Errors
/// When the system refuses a thread. A panic of one goes on here.
pub(crate) fn beside<T: Send, R: Send>(
    name: &str,
    parts: Vec<T>,
    each: impl Fn(T) -> R + Sync,
) -> Result<Vec<R>, EngineError> {
    if host::is_simulated() {
        return Ok(parts.into_iter().map(each).collect());
    }
    thread::scope(|scope| {
        let each = &each;
        let threads: Vec<_> = (0..)
            .zip(parts)
            .map(|(number, part): (usize, T)| {
                let thread = thread::Builder::new().name(format!("{name}-{number}"));
                thread.spawn_scoped(scope, move || each(part)).map_err(EngineError::Thread)
            })
            .collect();
        let join = |thread: thread::ScopedJoinHandle<'_, R>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads.into_iter().map(|thread| Ok(join(thread?))).collect()
    })
}
