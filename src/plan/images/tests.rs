use super::*;
use crate::plan::{
    cluster::tests::request,
    objects::tests::{identity, node},
};

fn with_images(name: &str, images: &[&[&str]]) -> Node {
    let images = images.iter().map(|names| names.iter().map(|name| (*name).to_owned()).collect()).collect();
    Node { images, ..node(name, "amd64") }
}

fn facts(nodes: Vec<Node>) -> Facts {
    Facts { nodes, ..Facts::default() }
}

/// Nodes, images, whether these are all nodes.
type Seen = (Vec<String>, Vec<String>, bool);

fn grouped(line: &str, nodes: Vec<Node>) -> (Vec<Seen>, Vec<Skipped>) {
    let (groups, skipped) = groups(&request(line), Some(&facts(nodes)), &identity()).unwrap();
    (groups.into_iter().map(|group| (group.nodes, group.images, group.is_all)).collect(), skipped)
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn the_newest_sandbox_image_is_first_and_has_its_tag() {
    let images: &[&[&str]] = &[
        &["docker.io/library/busybox:1"],
        &["registry.k8s.io/pause@sha256:aa", "registry.k8s.io/pause:3.9"],
        &["registry.k8s.io/pause@sha256:bb", "registry.k8s.io/pause:3.10"],
    ];
    let (groups, _) = grouped("flows", vec![with_images("n1", images)]);
    assert_eq!(groups, [(names(&["n1"]), names(&["registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.9"]), true)]);
}

#[test]
fn sandbox_images_of_distributions_are_known_by_their_last_part() {
    for name in [
        "registry.k8s.io/pause:3.10",
        "localhost/kubernetes/pause",
        "rancher/mirrored-pause:3.6",
        "x/eks/pause@sha256:aa",
    ] {
        assert!(is_sandbox(name), "{name}");
    }
    for name in ["example.org/pausable:1", "example.org/pause/app:1", "busybox"] {
        assert!(!is_sandbox(name), "{name}");
    }
}

#[test]
fn nodes_that_share_an_image_share_a_group() {
    let pause: &[&[&str]] = &[&["registry.k8s.io/pause:3.10"]];
    let other: &[&[&str]] = &[&["example.org/pause:1"]];
    let (groups, skipped) =
        grouped("flows", vec![with_images("n1", pause), with_images("n2", other), with_images("n3", pause)]);
    assert_eq!(
        groups,
        [
            (names(&["n1", "n3"]), names(&["registry.k8s.io/pause:3.10"]), false),
            (names(&["n2"]), names(&["example.org/pause:1"]), false),
        ]
    );
    assert!(skipped.is_empty());
}

#[test]
fn without_a_sandbox_image_those_of_daemon_sets_serve() {
    let node = Node {
        daemon_images: names(&["b.example/cni@sha256:bb", "a.example/csi@sha256:aa"]),
        ..with_images("n1", &[])
    };
    let (groups, _) = grouped("flows", vec![node]);
    assert_eq!(groups[0].1, names(&["a.example/csi@sha256:aa", "b.example/cni@sha256:bb"]));
}

#[test]
fn nodes_that_cannot_capture_are_left_out_with_the_reason() {
    let pause: &[&[&str]] = &[&["registry.k8s.io/pause:3.10"]];
    let (groups, skipped) = grouped(
        "flows",
        vec![
            with_images("n1", pause),
            Node { os: "windows".to_owned(), ..with_images("w1", pause) },
            Node { is_virtual: true, ..with_images("v1", pause) },
            Node { arch: "s390x".to_owned(), ..with_images("z1", pause) },
            with_images("bare", &[]),
        ],
    );
    assert_eq!(groups.len(), 1);
    let reasons: Vec<_> = skipped.iter().map(|skipped| format!("{}: {}", skipped.node, skipped.reason)).collect();
    assert_eq!(
        reasons,
        [
            "w1: it runs windows, agents need Linux",
            "v1: it is virtual, there is no kernel of its own",
            "z1: it is s390x, and there is no executable for that beside this one; --image can bring one",
            "bare: it names no image that could be used; --image can bring one",
        ]
    );
    // The one node of its architecture with an image, but not the only one of its architecture.
    assert!(!groups[0].2);
}

#[test]
fn a_published_image_serves_every_architecture() {
    let (groups, skipped) = grouped(
        "flows --image example.org/n:1",
        vec![with_images("n1", &[]), Node { arch: "s390x".to_owned(), ..with_images("z1", &[]) }],
    );
    assert_eq!(groups, [(names(&["n1", "z1"]), names(&["example.org/n:1"]), true)]);
    assert!(skipped.is_empty());
}

#[test]
fn a_selector_without_nodes_shows_labels_that_are_near() {
    let node =
        Node { labels: [("topology.kubernetes.io/zone".to_owned(), "a".to_owned())].into(), ..node("n1", "amd64") };
    let error = groups(&request("flows --node-selector zone=a"), Some(&facts(vec![node])), &identity()).unwrap_err();
    assert_eq!(error.message, "--node-selector zone=a: matches none of the 1 nodes");
    assert_eq!(error.hint.as_deref(), Some("nodes have topology.kubernetes.io/zone=a"));
}

#[test]
fn the_collector_goes_where_ordinary_pods_go() {
    let group = |nodes: &[&str]| Group { arch: None, images: Vec::new(), nodes: names(nodes), is_all: false };
    let groups = [group(&["cp1", "cp2", "cp3"]), group(&["n1"])];
    let reserved = |name: &str, reserved| Node { reserved, ..node(name, "amd64") };
    let facts = facts(vec![reserved("cp1", true), reserved("cp2", true), reserved("cp3", true), reserved("n1", false)]);
    assert_eq!(collector_group(&groups, &facts).nodes, ["n1"]);
    let all_reserved = Facts {
        nodes: facts.nodes.into_iter().map(|node| Node { reserved: true, ..node }).collect(),
        ..Facts::default()
    };
    assert_eq!(collector_group(&groups, &all_reserved).nodes.len(), 3);
}
