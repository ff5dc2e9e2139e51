//! The `suanpan` command.

fn main() {}
