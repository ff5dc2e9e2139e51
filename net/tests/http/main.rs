//! The HTTP API as its callers see it: a real server on a real socket over a real engine and log.

mod client;
mod connections;
mod fields;
mod problems;
mod routes;
mod scenarios;
mod server;
