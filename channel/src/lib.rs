//! The way between agents and collector: frames, mutual TLS, sequence, reconnect, control.
