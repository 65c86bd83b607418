//! The table of a capture, drawn in its collector's pod and shown in our terminal, also over connections that break.

use std::time::Duration;

use tokio::time;

use crate::{
    Context,
    cluster::{
        remote::{Remote, failed},
        signals::Interrupts,
        terminal::{self, Abilities, Ended},
    },
    error::Error,
    pod::{CAPTURE_ENDED, COLLECTOR_LOST},
};

/// Time until a collector that was started again may listen.
const AGAIN: Duration = Duration::from_secs(1);

/// Why the table is not shown any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// The user has left it, or a signal came.
    Left,
    /// The capture has ended.
    Ended,
}

/// Shows it; `words` are those of `pod view`.
pub(super) async fn show(
    remote: &Remote,
    words: &[&str],
    interrupts: &Interrupts,
    context: &Context,
) -> Result<Over, Error> {
    let abilities = Abilities::ours(context.colour.on(true)).arguments();
    let command =
        [remote.command(&["view"]), words.iter().map(|word| (*word).to_owned()).collect(), abilities].concat();
    loop {
        match terminal::attend(&remote.target(), &command, interrupts).await {
            Ok(Ended::Exited(code)) if code == i32::from(COLLECTOR_LOST) => time::sleep(AGAIN).await,
            Ok(Ended::Exited(code)) if code == i32::from(CAPTURE_ENDED) => return Ok(Over::Ended),
            Ok(Ended::Exited(0) | Ended::Interrupted | Ended::Lost(_)) => return Ok(Over::Left),
            Ok(Ended::Exited(code)) => {
                return Err(Error::failed(format!("the table in the collector's pod ended with code {code}")));
            }
            Err(error) => return Err(failed(&error)),
        }
    }
}
