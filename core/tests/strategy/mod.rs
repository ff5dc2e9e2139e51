//! Random commands: any at all for the compact form, and sequences over few names for the rules.
#![allow(dead_code, unused_imports, unreachable_pub, reason = "each test binary takes its part of it")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod any;
mod few;
mod steps;

pub use any::any_command;
pub use steps::{Back, Step, set_up, steps};
