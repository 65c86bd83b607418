//! Transformed packets.
