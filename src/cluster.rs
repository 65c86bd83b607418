//! Everything that is asked of or written to the cluster's API. Writes happen here and nowhere else.

pub(crate) mod apply;
pub(crate) mod ask;
pub(crate) mod backoff;
pub(crate) mod captures;
pub(crate) mod cleanup;
pub(crate) mod connect;
pub(crate) mod copy;
pub(crate) mod deploy;
pub(crate) mod exec;
pub(crate) mod facts;
pub(crate) mod guardian;
pub(crate) mod home;
pub(crate) mod lease;
pub(crate) mod orphans;
pub(crate) mod pods;
pub(crate) mod progress;
pub(crate) mod remote;
pub(crate) mod rights;
pub(crate) mod signals;
pub(crate) mod terminal;
