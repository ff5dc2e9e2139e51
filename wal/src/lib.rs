//! suanpan-wal
