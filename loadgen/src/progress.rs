//! A line on a terminal that says how far a run is; nothing elsewhere.

use std::cell::Cell;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::plan::{LoadPlan, Loop};

/// How often it is drawn.
pub(crate) const EVERY: Duration = Duration::from_millis(200);

/// The line.
pub(crate) struct Progress {
    bar: ProgressBar,
    until: Loop,
    begin: Instant,
    drawn: Cell<Instant>,
}

impl Progress {
    /// Draws nothing yet.
    pub(crate) fn new(plan: &LoadPlan, begin: Instant) -> Self {
        let shown = plan.progress && std::io::stderr().is_terminal();
        let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let length = match plan.until {
            Loop::Count(count) => count,
            Loop::Duration(time) => time.as_millis().try_into().unwrap_or(u64::MAX),
        };
        let bar = ProgressBar::with_draw_target(Some(length), target);
        let words = match plan.until {
            Loop::Count(_) => "{bar:40} {human_pos} of {human_len} sent, {per_sec}, {eta} to go",
            Loop::Duration(_) => "{bar:40} {elapsed} gone, {eta} to go",
        };
        if let Ok(style) = ProgressStyle::with_template(words) {
            bar.set_style(style);
        }
        Self { bar, until: plan.until, begin, drawn: Cell::new(begin) }
    }

    /// Whether anybody sees it.
    pub(crate) fn is_shown(&self) -> bool {
        !self.bar.is_hidden() && !self.bar.is_finished()
    }

    /// Draws it, if it is time to; `left` is what was not sent yet.
    pub(crate) fn show(&self, left: u64) {
        if !self.is_shown() || self.drawn.get().elapsed() < EVERY {
            return;
        }
        self.drawn.set(Instant::now());
        self.bar.set_position(match self.until {
            Loop::Count(count) => count - left.min(count),
            Loop::Duration(_) => self.begin.elapsed().as_millis().try_into().unwrap_or(u64::MAX),
        });
    }

    /// Takes it away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
