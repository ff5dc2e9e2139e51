//! What a load run found, for people and for programs.

use std::fmt::{self, Display, Formatter};
use std::io::{self, Write};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::plan::{LoadPlan, Protocol};
use crate::trader::Tally;

/// Latency of a batch, in milliseconds.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "each is the percentile it is named after")]
pub struct Latency {
    pub p1: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p999: f64,
    pub p9999: f64,
    pub p100: f64,
}

/// What a load run found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Transactions accepted a second, from the first frame sent to the last answer.
    pub accepted_per_s: f64,
    /// Transactions accepted: payments, refunds and voids.
    pub accepted: u64,
    /// Payments accepted.
    pub payments: u64,
    /// Refunds accepted.
    pub refunds: u64,
    /// Voids accepted.
    pub voids: u64,
    /// Transactions refused for want of room.
    pub refused: u64,
    /// Answers that were wrong.
    pub wrong: u64,
    /// Seconds from the first frame to the last answer.
    pub seconds: f64,
    /// Of batches; see the crate's page for what it counts from.
    pub batch_latency_ms: Latency,
    /// Log bytes for each accepted transaction; `None` when everything was answered at one position.
    pub log_bytes_per_payment: Option<f64>,
    /// What was spoken.
    pub protocol: Protocol,
    /// Transactions in a batch; over HTTP a batch is a request.
    pub batch: usize,
    /// Connections.
    pub connections: usize,
    /// Batches in flight on each, closed loop.
    pub in_flight: usize,
    /// Merchants whose balances were compared.
    pub merchants: u32,
    /// How payments fell on them.
    pub skew: String,
    /// The rate that was asked for, open loop.
    pub rate: Option<f64>,
    #[serde(skip)]
    histogram_us: Histogram<u64>,
}

impl Report {
    pub(crate) fn new(
        plan: &LoadPlan,
        tally: &Tally,
        took: Duration,
        histogram_us: Histogram<u64>,
        log: Option<(u64, u64)>,
    ) -> Self {
        let accepted = tally.payments + tally.refunds + tally.voids;
        let seconds = took.as_secs_f64();
        let at = |quantile| histogram_us.value_at_quantile(quantile) as f64 / 1_000.0;
        let batch_latency_ms = Latency {
            p1: at(0.01),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            p9999: at(0.9999),
            p100: histogram_us.max() as f64 / 1_000.0,
        };
        // The first position was answered for the first batch: what it took is not between the two.
        let counted = accepted.saturating_sub(plan.batch as u64);
        let log_bytes_per_payment = log
            .filter(|(first, last)| last > first && counted > 0)
            .map(|(first, last)| (last - first) as f64 / counted as f64);
        Self {
            accepted_per_s: if seconds > 0.0 { accepted as f64 / seconds } else { 0.0 },
            accepted,
            payments: tally.payments,
            refunds: tally.refunds,
            voids: tally.voids,
            refused: tally.refused,
            wrong: tally.wrong,
            seconds,
            batch_latency_ms,
            log_bytes_per_payment,
            protocol: plan.protocol,
            batch: plan.batch,
            connections: plan.connections,
            in_flight: plan.in_flight,
            merchants: plan.merchants,
            skew: plan.skew.to_string(),
            rate: plan.rate,
            histogram_us,
        }
    }

    /// Writes the latencies as an `.hgrm` file, the percentile distribution that HdrHistogram's plotters read;
    /// values in milliseconds.
    ///
    /// # Errors
    /// When writing fails.
    pub fn write_hgrm(&self, mut out: impl Write) -> io::Result<()> {
        writeln!(out, "       Value     Percentile TotalCount 1/(1-Percentile)\n")?;
        let total = self.histogram_us.len();
        let mut seen = 0;
        for step in self.histogram_us.iter_quantiles(5) {
            seen += step.count_since_last_iteration();
            let value = step.value_iterated_to() as f64 / 1_000.0;
            let quantile = step.quantile_iterated_to();
            if quantile < 1.0 {
                writeln!(out, "{value:12.3} {quantile:2.12} {seen:10} {:14.2}", 1.0 / (1.0 - quantile))?;
            } else {
                writeln!(out, "{value:12.3} {quantile:2.12} {seen:10}")?;
            }
        }
        let mean = self.histogram_us.mean() / 1_000.0;
        let deviation = self.histogram_us.stdev() / 1_000.0;
        writeln!(out, "#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]")?;
        writeln!(out, "#[Max     = {:12.3}, Total count    = {total:12}]", self.batch_latency_ms.p100)?;
        writeln!(out, "#[Buckets = {:12}, SubBuckets     = {:12}]", self.histogram_us.buckets(), 2_048)
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let loop_ = match self.rate {
            Some(rate) => format!("open loop at {rate} tx/s"),
            None => format!("closed loop, {} in flight", self.in_flight),
        };
        writeln!(
            f,
            "{} transactions in {:.2} s: {} payments, {} refunds, {} voids; {} refused for want of room, {} wrong",
            self.accepted, self.seconds, self.payments, self.refunds, self.voids, self.refused, self.wrong
        )?;
        let (batches, batch) = match self.protocol {
            Protocol::Binary => (format!("batches of {}", self.batch), "batch"),
            Protocol::Http => ("one payment a request over HTTP".to_owned(), "request"),
        };
        writeln!(
            f,
            "{batches} on {} connection(s), {loop_}; {} merchants, {}: every balance agrees",
            self.connections, self.merchants, self.skew
        )?;
        if let Some(rate) = self.rate.filter(|rate| self.accepted_per_s < 0.99 * rate) {
            writeln!(
                f,
                "the rate of {rate} tx/s was NOT reached; latency counts from when it should have been"
            )?;
        }
        let latency = &self.batch_latency_ms;
        writeln!(
            f,
            "{batch} latency p90 = {:.2} ms, p99.9 = {:.2} ms, p99.99 = {:.2} ms",
            latency.p90, latency.p999, latency.p9999
        )?;
        writeln!(f, "load accepted = {:.0} tx/s", self.accepted_per_s)?;
        for (name, value) in
            [("p1", latency.p1), ("p50", latency.p50), ("p99", latency.p99), ("p100", latency.p100)]
        {
            writeln!(f, "{batch} latency {name} = {value:.2} ms")?;
        }
        match self.log_bytes_per_payment {
            Some(bytes) => write!(f, "log bytes per payment = {bytes:.1}"),
            None => write!(f, "log bytes per payment = unknown, the run was a single batch"),
        }
    }
}
