//! What the commands print.

use std::fmt::Arguments;
use std::io::Write;

/// Prints a line to standard output. Whoever reads may have had enough (`suanpan demo | head`): then there is nothing
/// more to do here, and the process ends.
pub(crate) fn say(line: Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    if out.write_fmt(line).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}
