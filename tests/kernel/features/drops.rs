//! Packets that the kernel drops, with their reasons.
