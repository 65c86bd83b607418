//! What an interface is called.

use flow::Interface;

/// `eth0`, or `eth0@blue` in the network namespace `blue`. Where several nodes are captured `eth0@n1` and
/// `blue:eth0@n1`.
pub(crate) fn name(interface: &Interface, node: Option<&str>) -> String {
    let Interface { name, netns, .. } = interface;
    match (netns.is_empty(), node) {
        (true, None) => name.to_string(),
        (false, None) => format!("{name}@{netns}"),
        (true, Some(node)) => format!("{name}@{node}"),
        (false, Some(node)) => format!("{netns}:{name}@{node}"),
    }
}
