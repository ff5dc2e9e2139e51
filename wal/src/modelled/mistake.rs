//! Mistakes made on purpose, so that a model is seen to find them.

use std::cell::Cell;

/// What the modelled memory gets wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// Nothing.
    None,
    /// A record's first word is there before its payload is copied.
    PublishedBeforeCopied,
    /// A record's first word is stored with Relaxed instead of Release.
    PublishedRelaxed,
}

// A model's threads all run on the thread that checks it.
thread_local! {
    static MISTAKE: Cell<Mistake> = const { Cell::new(Mistake::None) };
}

impl Mistake {
    /// Has it made from now on, by what this thread checks.
    pub(super) fn make(self) {
        MISTAKE.set(self);
    }

    pub(super) fn is_made(self) -> bool {
        MISTAKE.get() == self
    }
}
