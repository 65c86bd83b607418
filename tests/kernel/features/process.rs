//! Processes and containers at the ends of flows.
