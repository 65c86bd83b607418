//! For tests of clocks that differ: an agent whose clock is wrong by what its pod's environment says. Nothing of ours sets it.

use std::env;

use log::warn;

/// `NODE=MILLISECONDS`: the agent on that node stamps everything so much too late, or, below zero, too early.
const VARIABLE: &str = "OC_NETOBSERV_TEST_CLOCK_AHEAD";

/// Shifts the clock of this process if the environment says so; a sentence for the user then. To be called before anything
/// reads that clock.
pub(super) fn apply(node: &str) -> Option<String> {
    let ms = milliseconds(&env::var(VARIABLE).ok()?, node)?;
    if !agent::shift_clock(ms.saturating_mul(1_000_000)) {
        warn!("{VARIABLE} came too late: the clock was read before");
        return None;
    }
    let sentence =
        format!("the clock of this agent is shifted by {ms} ms ({VARIABLE} is set, which is for tests only)");
    warn!("{sentence}");
    Some(sentence)
}

fn milliseconds(text: &str, node: &str) -> Option<i64> {
    let (of, ms) = text.split_once('=')?;
    ms.parse().ok().filter(|_| of == node)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_node_that_is_named_is_shifted() {
        assert_eq!(milliseconds("n2=50", "n2"), Some(50));
        assert_eq!(milliseconds("n2=-1500", "n2"), Some(-1500));
        assert_eq!([milliseconds("n2=50", "n1"), milliseconds("n2", "n2"), milliseconds("n2=soon", "n2")], [None; 3]);
    }
}
