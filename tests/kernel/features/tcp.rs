//! Round trip times, retransmissions, states of connections.
