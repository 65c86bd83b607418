//! What hellos of TLS and QUIC say.
