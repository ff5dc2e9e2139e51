//! suanpan-core
