//! suanpan-loadgen
