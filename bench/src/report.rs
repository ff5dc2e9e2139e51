//! What came out, for people and for programs.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use crate::machine::Machine;
use crate::memory::PerOrder;
use crate::samples::{Samples, Summary};

/// One thing that was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Limit {
    /// What.
    pub name: String,
    /// In what.
    pub unit: &'static str,
    /// How much, once a round.
    pub values: Samples,
    /// How many units one payment takes; `None` when payments do not come into it.
    pub units_per_payment: Option<f64>,
    /// For what is made durable group by group: the bytes of a group.
    pub group_bytes: Option<f64>,
    /// More to say.
    pub note: &'static str,
}

/// Everything of one run.
#[derive(Debug, Clone, Serialize)]
pub struct LimitsReport {
    /// What it was measured on.
    pub machine: Machine,
    /// Payments of each run of the line.
    pub payments: u64,
    /// The whole line's payments a second; empty when it was not run.
    pub line_payments_per_s: Samples,
    /// The whole line's log, in bytes for each payment.
    pub line_log_bytes_per_payment: Samples,
    /// What the machine could do at most, thing by thing.
    pub limits: Vec<Limit>,
    /// Commands replayed a second of a start on a log of so many payments.
    pub recovery_commands_per_s: Samples,
    /// Seconds from nothing to an engine that takes payments.
    pub recovery_ready_s: Samples,
    /// What one order takes.
    pub memory: PerOrder,
}

impl Limit {
    /// The most payments a second that this leaves room for.
    #[must_use]
    pub fn payments_per_s(&self) -> Option<f64> {
        Some(self.values.median()? / self.units_per_payment?)
    }
}

impl Display for LimitsReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Machine { processor, cores, kernel, file_system, huge_pages } = &self.machine;
        writeln!(
            f,
            "{processor}, {cores} cores, Linux {kernel}, {file_system}, huge pages {huge_pages}\n\
             median [least – most] of rounds that took turns\n"
        )?;
        self.write_line(f)?;
        writeln!(
            f,
            "{:<46} {:>26}         {:>15} {:>11}",
            "what the machine could do", "", "as payments/s", "the line is"
        )?;
        let line = self.line_payments_per_s.median();
        for limit in &self.limits {
            let Some(summary) = limit.values.summary() else { continue };
            write!(f, "{:<46} {:>26} {:<7}", limit.name, Spread(summary), limit.unit)?;
            if let Some(payments_per_s) = limit.payments_per_s() {
                write!(f, " {:>15}", grouped(payments_per_s))?;
                if let Some(line) = line {
                    write!(f, " {:>9.0} %", 100.0 * line / payments_per_s)?;
                }
            }
            match limit.group_bytes {
                Some(bytes) => writeln!(f, "  {} syncs/s", grouped(1e6 * summary.median / bytes))?,
                None => writeln!(f, "  {}", limit.note)?,
            }
        }
        writeln!(f)?;
        if let (Some(speed), Some(ready)) =
            (self.recovery_commands_per_s.summary(), self.recovery_ready_s.summary())
        {
            writeln!(f, "recovery           = {} commands/s", Spread(speed))?;
            writeln!(
                f,
                "from start to ready = {:.2} [{:.2} – {:.2}] s with {} payments in the log",
                ready.median,
                ready.min,
                ready.max,
                grouped(self.payments as f64)
            )?;
        }
        let PerOrder { orders, accounted_bytes, resident_bytes } = self.memory;
        write!(
            f,
            "bytes per order: accounted / resident = {accounted_bytes:.1} / {resident_bytes:.1} ({} orders)",
            grouped(orders as f64)
        )
    }
}

impl LimitsReport {
    fn write_line(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Some(line) = self.line_payments_per_s.summary() else {
            return writeln!(f, "the whole line was not run\n");
        };
        writeln!(f, "the whole line = {} payments/s, durable and checked", Spread(line))?;
        if let Some(bytes) = self.line_log_bytes_per_payment.median() {
            let mb_per_s = line.median * bytes / 1e6;
            writeln!(f, "its log        = {mb_per_s:.1} MB/s, {bytes:.1} bytes per payment")?;
        }
        writeln!(f)
    }
}

/// A median with the least and the most.
struct Spread(Summary);

impl Display for Spread {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Summary { median, min, max, .. } = self.0;
        f.pad(&format!("{} [{} – {}]", grouped(median), grouped(min), grouped(max)))
    }
}

/// A number as people read it: whole, its thousands apart; below 100 with a decimal.
fn grouped(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_people_read_them() {
        let texts = [0.0, 99.9, 100.0, 1_000.4, 1_234_567.0].map(grouped);
        assert_eq!(texts, ["0.0", "99.9", "100", "1,000", "1,234,567"]);
    }

    #[test]
    fn a_limit_in_payments() {
        let mut values = Samples::default();
        values.push(340.0);
        let limit = Limit {
            name: String::new(),
            unit: "MB/s",
            values,
            units_per_payment: Some(34e-6),
            group_bytes: None,
            note: "",
        };
        assert!((limit.payments_per_s().unwrap() - 10e6).abs() < 1.0);
    }
}
