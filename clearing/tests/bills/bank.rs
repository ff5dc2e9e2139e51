//! The bank's statement.
