//! The generic bill.
