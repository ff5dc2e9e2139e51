//! suanpan-net
