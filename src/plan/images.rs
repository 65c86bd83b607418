//! Which image runs on which node. There is no registry to rely on: unless `--image` says otherwise, pods run on an
//! image that their node already has, because our stage is all they need of it.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    cluster::Request,
    facts::{Facts, Node},
    objects::{Identity, Skipped},
    selector,
};
use crate::error::Error;

/// Nodes of one architecture that run one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// As Kubernetes spells it; `None` where the image decides.
    pub(super) arch: Option<String>,
    /// Images to try, best first.
    pub(super) images: Vec<String>,
    /// The nodes, by name; empty where nothing is known of the cluster.
    pub(super) nodes: Vec<String>,
    /// These are all nodes that the selector and the architecture choose, so that they need not be listed.
    pub(super) is_all: bool,
}

/// What the sandbox of every pod is made from, as kubeadm and most distributions set it; used where nothing is known.
const ASSUMED: &str = "registry.k8s.io/pause:3.10";

/// The groups, the largest first, and the nodes that are left out.
pub(super) fn groups(
    request: &Request,
    facts: Option<&Facts>,
    identity: &Identity,
) -> Result<(Vec<Group>, Vec<Skipped>), Error> {
    let Some(facts) = facts else { return Ok((blind(request, identity), Vec::new())) };
    let selected: Vec<_> = facts.nodes.iter().filter(|node| selected(request, node)).collect();
    if selected.is_empty() {
        return Err(no_node(request, facts));
    }
    let (able, skipped) = divide(request, &selected, identity);
    if able.is_empty() {
        return Err(nobody_able(&skipped));
    }
    let mut by_arch: BTreeMap<Option<String>, Vec<&Node>> = BTreeMap::new();
    for node in able {
        let arch = request.image.is_none().then(|| node.arch.clone());
        by_arch.entry(arch).or_default().push(node);
    }
    let mut groups: Vec<_> = by_arch
        .into_iter()
        .flat_map(|(arch, nodes)| match &request.image {
            Some(image) => vec![group(arch, vec![image.clone()], &nodes, true)],
            None => cover(arch.as_ref(), nodes, &selected),
        })
        .collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.nodes.len()));
    Ok((groups, skipped))
}

/// Whether the request is for this node.
pub(super) fn selected(request: &Request, node: &Node) -> bool {
    selector::selects(&request.nodes, &node.labels)
}

/// Where the collector goes: the group with the most nodes that take ordinary pods.
pub(super) fn collector_group<'a>(groups: &'a [Group], facts: &Facts) -> &'a Group {
    let open = |group: &&Group| {
        let takes_pods =
            |name: &&String| facts.nodes.iter().any(|node| node.name == **name && node.ready && !node.reserved);
        group.nodes.iter().filter(takes_pods).count()
    };
    // Of equal ones `max_by_key` takes the last; groups are sorted with the largest first.
    groups.iter().rev().max_by_key(open).unwrap_or(&groups[0])
}

fn blind(request: &Request, identity: &Identity) -> Vec<Group> {
    let group = |arch: Option<String>, image: &str| Group {
        arch,
        images: vec![image.to_owned()],
        nodes: Vec::new(),
        is_all: true,
    };
    match &request.image {
        Some(image) => vec![group(None, image)],
        None => identity.executables.keys().map(|arch| group(Some(arch.clone()), ASSUMED)).collect(),
    }
}

/// Nodes that an agent can run on, and the others with the reason.
fn divide<'a>(request: &Request, nodes: &[&'a Node], identity: &Identity) -> (Vec<&'a Node>, Vec<Skipped>) {
    let (mut able, mut skipped) = (Vec::new(), Vec::new());
    for node in nodes {
        match obstacle(request, node, identity) {
            None => able.push(*node),
            Some(reason) => skipped.push(Skipped { node: node.name.clone(), reason }),
        }
    }
    (able, skipped)
}

fn obstacle(request: &Request, node: &Node, identity: &Identity) -> Option<String> {
    if node.is_virtual {
        return Some("it is virtual, there is no kernel of its own".to_owned());
    }
    if node.os != "linux" {
        return Some(format!(
            "it runs {}, agents need Linux",
            if node.os.is_empty() { "an unknown system" } else { &node.os }
        ));
    }
    if request.image.is_some() {
        return None;
    }
    if !identity.executables.contains_key(&node.arch) {
        return Some(format!(
            "it is {}, and there is no executable for that beside this one; --image can bring one",
            if node.arch.is_empty() { "of an unknown architecture" } else { &node.arch }
        ));
    }
    let has_none = candidates(node).is_empty();
    has_none.then(|| "it names no image that could be used; --image can bring one".to_owned())
}

/// The images of a node that our stage can run in, best first: what makes sandboxes is on every node and smallest, so it is
/// pinned and never collected as garbage; else what DaemonSets run there.
fn candidates(node: &Node) -> Vec<String> {
    let sandboxes = node.images.iter().filter(|names| names.iter().any(|name| is_sandbox(name)));
    let mut found: Vec<String> = sandboxes.filter_map(|names| best_name(names)).collect();
    // A node may keep those of older versions too: the newest is the one in use.
    found.sort_by(|a, b| version(b).cmp(&version(a)).then_with(|| a.cmp(b)));
    let mut others = node.daemon_images.clone();
    others.sort();
    found.extend(others);
    found.dedup();
    found
}

/// `pause`, as in `registry.k8s.io/pause:3.10`, `eks/pause`, `rancher/mirrored-pause`, `mcr.microsoft.com/oss/kubernetes/pause`.
fn is_sandbox(name: &str) -> bool {
    let repository = name.split('@').next().unwrap_or(name);
    let last = repository.rsplit('/').next().unwrap_or(repository);
    let last = last.split(':').next().unwrap_or(last);
    last == "pause" || last.ends_with("-pause") || last.starts_with("pause-")
}

/// Whether a node's image could make a sandbox, for whoever decides if more has to be asked.
pub(crate) fn has_sandbox(images: &[Vec<String>]) -> bool {
    images.iter().flatten().any(|name| is_sandbox(name))
}

/// A tag if there is one: a digest is what kubelet pulls when the runtime knows the image by its tag only.
fn best_name(names: &[String]) -> Option<String> {
    let tagged = names.iter().filter(|name| !name.contains('@') && !name.contains("<none>"));
    tagged.min().or_else(|| names.iter().filter(|name| !name.contains("<none>")).min()).cloned()
}

/// Numbers of the tag, for comparing.
fn version(name: &str) -> Vec<u64> {
    let tag = name.rsplit_once(':').map_or("", |(_, tag)| tag);
    tag.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

/// As few groups as possible: the image that most nodes have, then the same for the rest.
fn cover(arch: Option<&String>, mut nodes: Vec<&Node>, selected: &[&Node]) -> Vec<Group> {
    let of_arch = selected.iter().filter(|node| Some(&node.arch) == arch).count();
    let mut groups = Vec::new();
    while let Some(image) = most_common(&nodes) {
        let (with, without): (Vec<_>, Vec<_>) = nodes.iter().partition(|node| candidates(node).contains(&image));
        let others = candidates(with[0])
            .into_iter()
            .filter(|other| *other != image && with.iter().all(|node| candidates(node).contains(other)));
        let images = std::iter::once(image.clone()).chain(others).collect();
        let is_all = with.len() == of_arch;
        groups.push(group(arch.cloned(), images, &with, is_all));
        nodes = without;
    }
    groups
}

/// The image that most nodes have; of equal ones the one that a node likes better.
fn most_common(nodes: &[&Node]) -> Option<String> {
    let mut votes: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for node in nodes {
        for (rank, image) in candidates(node).into_iter().enumerate() {
            let (count, ranks) = votes.entry(image).or_default();
            *count += 1;
            *ranks += rank;
        }
    }
    let best = votes.into_iter().max_by_key(|(_, (count, ranks))| (*count, std::cmp::Reverse(*ranks)));
    best.map(|(image, _)| image)
}

fn group(arch: Option<String>, images: Vec<String>, nodes: &[&Node], is_all: bool) -> Group {
    Group { arch, images, nodes: nodes.iter().map(|node| node.name.clone()).collect(), is_all }
}

/// Most labels listed in a hint.
const NEAR: usize = 8;

fn no_node(request: &Request, facts: &Facts) -> Error {
    if let Some(why) = &facts.nodes_refused {
        return Error::failed(why);
    }
    if facts.nodes.is_empty() {
        return Error::failed("the cluster has no nodes");
    }
    let text = format!("--node-selector {}: matches none of the {} nodes", request.nodes, facts.nodes.len());
    let near = near(request, facts);
    let hint =
        if near.is_empty() { "kubectl get nodes --show-labels".to_owned() } else { format!("nodes have {near}") };
    Error::failed(text).hint(hint)
}

/// Labels of nodes with the keys of the selector, else with keys that resemble them.
fn near(request: &Request, facts: &Facts) -> String {
    let keys: Vec<String> = selector::affinity(&request.nodes).into_iter().map(|requirement| requirement.key).collect();
    let last = |key: &str| key.rsplit('/').next().unwrap_or(key).to_lowercase();
    let same = labels(facts, |key| keys.iter().any(|wanted| wanted == key));
    let alike = || {
        labels(facts, |key| {
            keys.iter().any(|wanted| last(key).contains(&last(wanted)) || last(wanted).contains(&last(key)))
        })
    };
    let found = if same.is_empty() { alike() } else { same };
    found.into_iter().take(NEAR).collect::<Vec<_>>().join(", ")
}

fn labels(facts: &Facts, wanted: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let all = facts.nodes.iter().flat_map(|node| &node.labels);
    all.filter(|(key, _)| wanted(key)).map(|(key, value)| format!("{key}={value}")).collect()
}

fn nobody_able(skipped: &[Skipped]) -> Error {
    let reasons: Vec<_> = skipped.iter().map(|skipped| format!("{}: {}", skipped.node, skipped.reason)).collect();
    Error::failed(format!("no selected node can capture: {}", reasons.join("; ")))
}

#[cfg(test)]
mod tests;
