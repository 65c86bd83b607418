//! Translated addresses.
