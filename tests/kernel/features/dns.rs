//! Queries and responses.
