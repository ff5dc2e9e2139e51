//! What is written in any format is read back as it was written.
