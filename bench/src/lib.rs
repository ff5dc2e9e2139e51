//! suanpan-bench
