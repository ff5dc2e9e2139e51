//! What a load run does.

use std::time::Duration;

use crate::error::LoadError;
use crate::skew::Skew;

/// What ends a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Loop {
    /// So many transactions.
    Count(u64),
    /// So much time.
    Duration(Duration),
}

/// What is spoken with the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Frames of many transactions, many in flight.
    Binary,
    /// HTTP/1.1: one payment a request, one request in flight on a connection.
    Http,
}

/// What a load run does.
#[derive(Debug, Clone)]
pub struct LoadPlan {
    /// What is spoken at the address.
    pub protocol: Protocol,
    /// The server's port for that protocol, `host:port`.
    pub address: String,
    /// What ends it.
    pub until: Loop,
    /// Transactions a second, open loop; `None` is closed loop: as fast as answers come.
    pub rate: Option<f64>,
    /// Transactions in a frame, 1 to 8,190; over HTTP 1.
    pub batch: usize,
    /// Connections, 1 to 256; over HTTP to 1,000.
    pub connections: usize,
    /// Frames of one connection that may wait for their answer in a closed loop; over HTTP 1.
    pub in_flight: usize,
    /// Merchants, 1 to 10,000,000.
    pub merchants: u32,
    /// How payments fall on them.
    pub skew: Skew,
    /// Share of the transactions that are refunds, 0 to 0.45; over HTTP 0.
    pub refunds: f64,
    /// Share of the transactions that are voids, 0 to 0.45; over HTTP 0.
    pub voids: f64,
    /// The first merchant's id.
    pub first_merchant: u64,
    /// Of all that is random.
    pub seed: u64,
    /// Whether to show a progress line.
    pub progress: bool,
}

impl Default for LoadPlan {
    fn default() -> Self {
        Self {
            protocol: Protocol::Binary,
            address: "127.0.0.1:7700".to_owned(),
            until: Loop::Count(3_000_000),
            rate: None,
            batch: suanpan_net::wire::FRAME_REQUESTS_MAX,
            connections: 1,
            in_flight: 4,
            merchants: 10_000,
            skew: Skew::Uniform,
            refunds: 0.05,
            voids: 0.01,
            first_merchant: 1_000_001,
            seed: fastrand::u64(..),
            progress: false,
        }
    }
}

impl LoadPlan {
    /// The same over HTTP, where less can be chosen.
    #[must_use]
    pub fn http() -> Self {
        Self {
            protocol: Protocol::Http,
            address: "127.0.0.1:8080".to_owned(),
            until: Loop::Count(500_000),
            batch: 1,
            connections: 64,
            in_flight: 1,
            refunds: 0.0,
            voids: 0.0,
            ..Self::default()
        }
    }

    /// Checks the bounds.
    ///
    /// # Errors
    /// The first setting that is out of them.
    pub fn check(&self) -> Result<(), LoadError> {
        let bound = |holds: bool, what, bounds| {
            if holds { Ok(()) } else { Err(LoadError::Setting { what, bounds }) }
        };
        match self.protocol {
            Protocol::Binary => {
                let batches = 1..=suanpan_net::wire::FRAME_REQUESTS_MAX;
                bound(batches.contains(&self.batch), "batch", "1 to 8190")?;
                bound((1..=256).contains(&self.connections), "connections", "1 to 256")?;
                bound((1..=4_096).contains(&self.in_flight), "in-flight", "1 to 4096")?;
            }
            Protocol::Http => {
                bound(self.batch == 1, "batch", "1 over HTTP")?;
                bound((1..=1_000).contains(&self.connections), "connections", "1 to 1000")?;
                bound(self.in_flight == 1, "in-flight", "1 over HTTP")?;
                bound(self.refunds + self.voids == 0.0, "refunds and voids", "0 over HTTP")?;
            }
        }
        bound((1..=10_000_000).contains(&self.merchants), "merchants", "1 to 10000000")?;
        bound((0.0..=0.45).contains(&self.refunds), "refunds", "a share from 0 to 0.45")?;
        bound((0.0..=0.45).contains(&self.voids), "voids", "a share from 0 to 0.45")?;
        bound(
            self.rate.is_none_or(|rate| rate > 0.0 && rate <= 1e9),
            "rate",
            "above 0 and at most 1e9 a second",
        )?;
        match self.until {
            Loop::Count(count) => bound(count > 0, "count", "at least 1"),
            Loop::Duration(time) => bound(!time.is_zero(), "duration", "more than 0 s"),
        }
    }
}
