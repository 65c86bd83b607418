//! The direction of a flow as seen from a node, as NetObserv reinterprets it.

const INGRESS: u8 = 0;
const EGRESS: u8 = 1;
const INNER: u8 = 2;

/// What FlowDirection is on node `observer`, given the nodes of source and destination: inner if both are that node, else egress from it or
/// ingress to it. `None` where neither is: what the interface said stays.
pub(super) fn seen_from(observer: Option<u32>, source: Option<u32>, destination: Option<u32>) -> Option<u8> {
    let observer = Some(observer?);
    match (source == observer, destination == observer) {
        (true, true) => Some(INNER),
        (true, false) => Some(EGRESS),
        (false, true) => Some(INGRESS),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::seen_from;

    #[test]
    fn the_node_of_each_end_decides() {
        assert_eq!(seen_from(Some(1), Some(1), Some(1)), Some(2));
        assert_eq!(seen_from(Some(1), Some(1), Some(2)), Some(1));
        assert_eq!(seen_from(Some(1), Some(1), None), Some(1), "to a service or out of the cluster");
        assert_eq!(seen_from(Some(1), None, Some(1)), Some(0));
        assert_eq!(seen_from(Some(1), Some(2), Some(2)), None, "passing through");
        assert_eq!(seen_from(Some(1), None, None), None);
        assert_eq!(seen_from(None, None, None), None, "an unknown node is not the node of unknown ends");
    }
}
