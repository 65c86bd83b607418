//! An interface as text: its name, and its description, `key=value` with `;` between.
//!
//! | key | value |
//! |---|---|
//! | `k8s.node` | the node |
//! | `k8s.ns`, `k8s.pod`, `k8s.uid`, `k8s.workload`, `k8s.labels` | the pod at it |
//! | `node`, `netns`, `ifindex`, `ifname` | machine, network namespace, and the kernel's index and, beside a pod's, name there |
//! | `leads_out` | `1`: the near end of a pair whose other end is the pod's |
//! | `clock.ahead_ns`, `clock.error_ns` | how the node's clock stood against the collector's, and how far that may be wrong; times are put right by it |

use std::{fmt::Write as _, sync::Arc};

use flow::{Clock, Interface, Place};

use super::escape::{plain, push};
use crate::interface;

/// What may not stand within a value.
const SEPARATORS: &[char] = &[';'];

/// Longest description that is read, bytes.
const LONGEST: usize = 16_384;

/// Name and description of an interface block.
pub(crate) fn describe(interface: &Interface, node: &str, several: bool, clock: Option<Clock>) -> (String, String) {
    let mut out = String::new();
    let place = interface.place.as_deref();
    if several || place.is_some() {
        pair(&mut out, "k8s.node", node);
    }
    if let Some(Place { namespace, pod, uid, workload, labels, interface: _ }) = place {
        let pairs = [
            ("k8s.ns", namespace),
            ("k8s.pod", pod),
            ("k8s.uid", uid),
            ("k8s.workload", workload),
            ("k8s.labels", labels),
        ];
        pairs.into_iter().filter(|(_, value)| !value.is_empty()).for_each(|(key, value)| pair(&mut out, key, value));
    }
    pair(&mut out, "node", node);
    pair(&mut out, "netns", &interface.netns);
    pair(&mut out, "ifindex", &interface.index.to_string());
    if place.is_some() {
        pair(&mut out, "ifname", &interface.name);
    }
    if interface.leads_out {
        pair(&mut out, "leads_out", "1");
    }
    if let Some(Clock { ahead_ns, error_ns }) = clock {
        // Writing to a String cannot fail.
        let _ = write!(out, ";clock.ahead_ns={ahead_ns};clock.error_ns={error_ns}");
    }
    let name = match place {
        Some(place) => format!("{}/{}:{}@{node}", place.namespace, place.pod, inside(place)),
        None => interface::name(interface, several.then_some(node)),
    };
    (name, out)
}

/// The name of the interface within its pod.
fn inside(place: &Place) -> &str {
    if place.interface.is_empty() { "eth0" } else { &place.interface }
}

fn pair(out: &mut String, key: &str, value: &str) {
    if !out.is_empty() {
        out.push(';');
    }
    out.push_str(key);
    out.push('=');
    push_value(out, value);
}

/// Labels may be longer than any single name.
fn push_value(out: &mut String, mut value: &str) {
    while !value.is_empty() && out.len() < LONGEST / 2 {
        let (head, tail) = value.split_at(value.floor_char_boundary(128));
        push(out, head, SEPARATORS);
        value = tail;
    }
}

/// What name and description say.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Described {
    /// The machine.
    pub(crate) node: Option<Arc<str>>,
    /// Network namespace, empty if not told.
    pub(crate) netns: Arc<str>,
    /// The kernel's index; 0 if not told.
    pub(crate) index: u32,
    /// The kernel's name, as far as it can be told from the interface's.
    pub(crate) name: Arc<str>,
    /// See [`Interface::leads_out`].
    pub(crate) leads_out: bool,
    /// The pod.
    pub(crate) place: Option<Arc<Place>>,
    /// The clock.
    pub(crate) clock: Option<Clock>,
}

impl Described {
    /// What [`describe`] wrote; of another's interface its name.
    pub(crate) fn read(name: &str, description: &str) -> Self {
        let mut this = Self::default();
        let (mut place, mut ifname, mut of_cluster) = (Place::default(), None, false);
        let (mut ahead, mut error) = (None, None);
        let description = &description[..description.floor_char_boundary(LONGEST)];
        for (key, value) in description.split(';').filter_map(|part| part.split_once('=')) {
            let text = || Arc::<str>::from(plain(value));
            match key {
                "k8s.node" => of_cluster = true,
                "k8s.ns" => place.namespace = text(),
                "k8s.pod" => place.pod = text(),
                "k8s.uid" => place.uid = text(),
                "k8s.workload" => place.workload = text(),
                "k8s.labels" => place.labels = text(),
                "node" => this.node = Some(text()),
                "netns" => this.netns = text(),
                "ifindex" => this.index = value.parse().unwrap_or(0),
                "ifname" => ifname = Some(text()),
                "leads_out" => this.leads_out = value == "1",
                "clock.ahead_ns" => ahead = value.parse().ok(),
                "clock.error_ns" => error = value.parse().ok(),
                _ => {}
            }
        }
        this.clock = ahead.zip(error).map(|(ahead_ns, error_ns)| Clock { ahead_ns, error_ns });
        let node = this.node.clone().unwrap_or_default();
        if !place.pod.is_empty() {
            let bare = name.strip_suffix(&*node).and_then(|name| name.strip_suffix('@')).unwrap_or(name);
            let bare = bare.strip_prefix(&format!("{}/{}:", place.namespace, place.pod)).unwrap_or(bare);
            place.interface = bare.into();
            this.place = Some(place.into());
        }
        this.name = ifname.unwrap_or_else(|| kernels_name(name, &this.netns, of_cluster.then_some(&node)).into());
        this
    }
}

/// The name without what [`interface::name`] put around it.
fn kernels_name<'a>(name: &'a str, netns: &str, node: Option<&Arc<str>>) -> &'a str {
    let without = |name: &'a str, end: &str| name.strip_suffix(end).and_then(|name| name.strip_suffix('@'));
    match node {
        None if netns.is_empty() => name,
        None => without(name, netns).unwrap_or(name),
        Some(node) => {
            let bare = without(name, node).unwrap_or(name);
            let inside = bare.strip_prefix(netns).and_then(|bare| bare.strip_prefix(':'));
            inside.filter(|_| !netns.is_empty()).unwrap_or(bare)
        }
    }
}
