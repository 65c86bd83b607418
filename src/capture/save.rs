//! SIGUSR1 of the client saves the flight recorder of a capture on the cluster.

use crate::{cluster::remote::Remote, report};

/// Waits for the signal for ever and has it done, where there is a flight recorder; else the signal does what it does to any process.
#[cfg(unix)]
pub(super) async fn on_signals(remote: &Remote, has_ring: bool) {
    use tokio::signal::unix::{SignalKind, signal};

    let signals = if has_ring { signal(SignalKind::user_defined1()).ok() } else { None };
    let Some(mut signals) = signals else { return std::future::pending().await };
    while signals.recv().await.is_some() {
        match remote.save().await {
            Ok(words) => report::plain(&words),
            Err(error) => report::plain(&format!("the flight recorder is not saved: {}", error.message)),
        }
    }
    std::future::pending::<()>().await;
}

/// There is no such signal.
#[cfg(not(unix))]
pub(super) async fn on_signals(_: &Remote, _: bool) {
    std::future::pending().await
}
