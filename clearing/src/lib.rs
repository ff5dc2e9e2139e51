//! What finance does with a day that was cut: the cold store, statements, settlement files, reconciliation.
//!
//! It promises that a day is in the cold store whole or not at all and adds up to the fen, and that every figure it writes
//! can be followed back to entries and their place in the log.
//!
//! What it deliberately does not do: decide anything. It books nothing, moves no money and keeps no books of its own; what a
//! difference calls for goes to the core as a command. It is on no payment's way, and needs no server to read what was
//! exported.

pub mod balance;
pub mod bill;
pub mod cell;
mod chunk;
mod encoding;
pub mod export;
pub mod fees;
pub mod folder;
pub mod group;
pub mod manifest;
pub mod merchant;
pub mod money;
pub mod parquet_file;
pub mod reconcile;
pub mod rehearsal;
mod runs;
pub mod settle;
pub mod statement;
pub mod store;
pub mod table;
