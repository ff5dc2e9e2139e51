//! The HTTP API as its callers see it: a real server on a real socket over a real engine and log.

#![expect(clippy::unwrap_used, reason = "what a test does not expect fails it")]

mod business;
mod client;
mod connections;
mod described;
mod fields;
mod openapi;
mod problems;
mod routes;
mod server;
