//! The two ends of veth pairs: which interface of which namespace is the other end of one.
//!
//! An end names its peer by index, and by the number that the peer's namespace has within its own. Who has that number
//! is asked of the kernel only for namespaces that hold an interface which could be the peer.

use std::collections::BTreeMap;

use crate::netlink::link::Link;

/// An interface of a namespace: `(namespace, index)`.
pub(crate) type Point = (u32, u32);

/// Finds the peers of all veth ends. `number(a, b)` tells which number namespace `b` has within namespace `a`.
pub(crate) fn find<'a>(
    links: &BTreeMap<u32, impl Fn(u32) -> Option<&'a Link>>,
    ends: &[(u32, &Link)],
    mut number: impl FnMut(u32, u32) -> Option<i32>,
) -> BTreeMap<Point, Point> {
    let mut peers = BTreeMap::new();
    for (namespace, end) in ends {
        let Some(index) = end.lower else { continue };
        let mut candidates = links.iter().filter(|(other, link_at)| {
            (**other == *namespace) == end.lower_nsid.is_none()
                && link_at(index).is_some_and(|peer| peer.kind == "veth" && peer.lower == Some(end.index))
        });
        let peer =
            candidates.find(|(other, _)| end.lower_nsid.is_none() || number(*namespace, **other) == end.lower_nsid);
        if let Some((other, _)) = peer {
            peers.insert((*namespace, end.index), (*other, index));
        }
    }
    peers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn veth(index: u32, peer: u32, nsid: Option<i32>) -> Link {
        Link {
            index,
            name: format!("veth{index}"),
            hardware: 1,
            kind: "veth".to_owned(),
            lower: Some(peer),
            lower_nsid: nsid,
        }
    }

    fn peers(namespaces: &[(u32, Vec<Link>)], number: impl FnMut(u32, u32) -> Option<i32>) -> BTreeMap<Point, Point> {
        let links = namespaces
            .iter()
            .map(|(id, links)| (*id, |index| links.iter().find(|link| link.index == index)))
            .collect::<BTreeMap<_, _>>();
        let ends: Vec<_> = namespaces.iter().flat_map(|(id, links)| links.iter().map(|link| (*id, link))).collect();
        find(&links, &ends, number)
    }

    #[test]
    fn ends_in_one_namespace_find_each_other() {
        let found = peers(&[(0, vec![veth(4, 5, None), veth(5, 4, None)])], |_, _| None);
        assert_eq!(found, BTreeMap::from([((0, 4), (0, 5)), ((0, 5), (0, 4))]));
    }

    #[test]
    fn equal_indexes_in_several_namespaces_are_told_apart_by_the_kernel() {
        // Both containers have eth0 as 2 behind host interface 7 of *some* namespace; only one is ours.
        let namespaces =
            [(1, vec![veth(7, 2, Some(9))]), (2, vec![veth(2, 7, Some(0))]), (3, vec![veth(2, 7, Some(0))])];
        let found = peers(&namespaces, |of, who| match (of, who) {
            (1, 3) => Some(9),
            (3, 1) => Some(0),
            _ => None,
        });
        assert_eq!(found, BTreeMap::from([((1, 7), (3, 2)), ((3, 2), (1, 7))]));
    }

    #[test]
    fn a_peer_that_is_out_of_sight_is_none() {
        assert!(peers(&[(1, vec![veth(7, 2, Some(9))])], |_, _| None).is_empty());
    }
}
