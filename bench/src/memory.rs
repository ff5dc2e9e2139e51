//! What one order takes, by the ledger's own account and by the system's.

use serde::Serialize;
use suanpan_core::{Command, Memory};

use crate::BenchError;
use crate::traffic::{self, FRAME_PAYMENTS, Spread, payment};

/// What one order takes, in bytes.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct PerOrder {
    /// Orders that were taken.
    pub orders: u64,
    /// What the ledger says it has for them: records, index, rarer parts.
    pub accounted_bytes: f64,
    /// By how much the process grew (VmRSS).
    pub resident_bytes: f64,
}

/// Takes so many payments with order numbers of 20 characters into a fresh ledger. To be called before anything
/// else has given memory back that would be used again.
///
/// # Errors
/// When `/proc/self/status` cannot be read, or a payment is refused.
pub fn per_order(orders: u64) -> Result<PerOrder, BenchError> {
    let mut ledger = traffic::ledger();
    let mut commands = Vec::with_capacity(FRAME_PAYMENTS);
    let empty = ledger.memory();
    let resident_before = resident_bytes()?;
    let mut taken = 0;
    while taken < orders {
        let next = (taken + FRAME_PAYMENTS as u64).min(orders);
        commands.clear();
        commands.extend((taken..next).map(|place| Command::Payment(payment(Spread::Uniform, place))));
        if traffic::apply(&mut ledger, &commands) != commands.len() {
            return Err(BenchError::Answer("a fresh payment was not taken".to_owned()));
        }
        taken = next;
    }
    let grown = resident_bytes()?.saturating_sub(resident_before);
    let accounted = order_bytes(&ledger.memory()) - order_bytes(&empty);
    Ok(PerOrder {
        orders,
        accounted_bytes: accounted as f64 / orders as f64,
        resident_bytes: grown as f64 / orders as f64,
    })
}

fn order_bytes(memory: &Memory) -> u64 {
    memory.orders_bytes + memory.order_index_bytes + memory.details_bytes
}

/// What the system has in memory for this process.
fn resident_bytes() -> Result<u64, BenchError> {
    let what = "reading VmRSS from /proc/self/status";
    let status = std::fs::read_to_string("/proc/self/status").map_err(BenchError::io(what))?;
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.trim().strip_suffix(" kB"))
        .and_then(|number| number.trim().parse::<u64>().ok());
    kib.map(|kib| kib * 1_024).ok_or_else(|| BenchError::io(what)(std::io::ErrorKind::InvalidData.into()))
}
