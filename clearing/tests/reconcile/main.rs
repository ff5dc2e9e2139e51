//! Reconciliation as its users have it: runs of small days in memory against a real store, and a model that compares the slow way.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod against_model;
mod days;
mod decisions;
mod files;
mod flows;
mod model;
mod rehearsed;
mod reports;
mod town;
