//! Names, each by its kind and a number that the key makes of it: `pod-3f2a91c4`. The number is of the text alone, so that a
//! workload `web` and a service `web` still look alike.

use std::{collections::HashMap, fmt::Write as _, sync::Arc};

use flow::{Mac, Place};
use sha2::{Digest as _, Sha256};

/// Names remembered; beyond that it begins again, which only takes time.
const REMEMBERED: usize = 1 << 17;

/// What a name is of: what stands before its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Pod,
    Namespace,
    Workload,
    Node,
    Service,
    /// A pod, a node or a service.
    Object,
    Process,
    Container,
    /// Asked of DNS or of a server of TLS.
    Host,
    Interface,
    NetNs,
    Network,
    Zone,
    Subnet,
    Label,
    Uid,
    Cause,
    Text,
}

impl Kind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Pod => "pod",
            Self::Namespace => "ns",
            Self::Workload => "workload",
            Self::Node => "node",
            Self::Service => "svc",
            Self::Object => "object",
            Self::Process => "process",
            Self::Container => "container",
            Self::Host => "host",
            Self::Interface => "if",
            Self::NetNs => "netns",
            Self::Network => "network",
            Self::Zone => "zone",
            Self::Subnet => "subnet",
            Self::Label => "label",
            Self::Uid => "uid",
            Self::Cause => "cause",
            Self::Text => "text",
        }
    }

    /// By the kind of object that a record tells.
    pub(crate) fn of_object(kind: Option<&str>) -> Self {
        match kind {
            Some("Pod") => Self::Pod,
            Some("Node") => Self::Node,
            Some("Service") => Self::Service,
            _ => Self::Object,
        }
    }

    /// By the kind of owner that a record tells: what nobody owns is its own.
    pub(crate) fn of_owner(kind: Option<&str>) -> Self {
        match Self::of_object(kind) {
            Self::Object => Self::Workload,
            own => own,
        }
    }
}

/// Names by a key.
pub(crate) struct Names {
    key: [u8; 32],
    known: HashMap<(Kind, Arc<str>), Arc<str>>,
}

impl Names {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self { key, known: HashMap::new() }
    }

    /// 64 bits of a text, as far as the key tells.
    fn number(&self, about: &str, bytes: &[u8]) -> u64 {
        let hash = Sha256::new_with_prefix(self.key).chain_update(about).chain_update([0]).chain_update(bytes);
        hash.finalize().first_chunk().copied().map_or(0, u64::from_be_bytes)
    }

    /// What stands for `text`; nothing for nothing.
    pub(crate) fn text(&mut self, kind: Kind, text: &Arc<str>) -> Arc<str> {
        if text.is_empty() {
            return Arc::clone(text);
        }
        let key = (kind, Arc::clone(text));
        if let Some(known) = self.known.get(&key) {
            return Arc::clone(known);
        }
        // Names of hosts do not depend on case, nor on the dot of the root.
        let number = match kind {
            Kind::Host => self.number("host", text.trim_end_matches('.').to_ascii_lowercase().as_bytes()),
            _ => self.number("name", text.as_bytes()),
        };
        let new: Arc<str> = format!("{}-{:08x}", kind.prefix(), number >> 32).into();
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        self.known.insert(key, Arc::clone(&new));
        new
    }

    /// The same of a part of a text.
    pub(crate) fn part(&mut self, kind: Kind, text: &str) -> Arc<str> {
        self.text(kind, &text.into())
    }

    /// A word of a protocol or of the kernel (`TCP_RESET`, `NXDomain`, `h2`) stays; anything else is taken for a name.
    pub(crate) fn word(&mut self, text: &Arc<str>) -> Arc<str> {
        let is_word =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+' | b'/' | b'.' | b' ');
        let is_short = text.len() <= 64 && text.bytes().all(is_word);
        if is_short { Arc::clone(text) } else { self.text(Kind::Text, text) }
    }

    /// A number of a namespace tells nothing; its name does.
    pub(crate) fn netns(&mut self, name: &Arc<str>) -> Arc<str> {
        if name.bytes().all(|byte| byte.is_ascii_digit()) { Arc::clone(name) } else { self.text(Kind::NetNs, name) }
    }

    /// `shop/web-0:eth0@n1` part by part; names that every machine has (`lo`, `eth0`) stay.
    pub(crate) fn interface(&mut self, name: &Arc<str>) -> Arc<str> {
        let (rest, node) = name.rsplit_once('@').map_or((&**name, None), |(rest, node)| (rest, Some(node)));
        let (place, own) = rest.split_once(':').map_or((None, rest), |(place, own)| (Some(place), own));
        let mut new = String::new();
        match place.map(|place| place.split_once('/').ok_or(place)) {
            Some(Ok((namespace, pod))) => {
                let (namespace, pod) = (self.part(Kind::Namespace, namespace), self.part(Kind::Pod, pod));
                let _ = write!(new, "{namespace}/{pod}:");
            }
            Some(Err(netns)) => {
                let _ = write!(new, "{}:", self.netns(&netns.into()));
            }
            None => {}
        }
        new.push_str(&if is_common(own) { own.into() } else { self.part(Kind::Interface, own) });
        if let Some(node) = node {
            let _ = write!(new, "@{}", self.part(Kind::Node, node));
        }
        new.into()
    }

    /// The pod at an interface.
    pub(crate) fn place(&mut self, place: &Place) -> Place {
        // Destructured, so that what is added is thought of here.
        let Place { namespace, pod, uid, interface, workload, labels } = place;
        let workload = match workload.split_once('/') {
            Some((kind, name)) => format!("{}/{}", self.word(&kind.into()), self.part(Kind::Workload, name)).into(),
            None => self.text(Kind::Workload, workload),
        };
        Place {
            namespace: self.text(Kind::Namespace, namespace),
            pod: self.text(Kind::Pod, pod),
            uid: self.text(Kind::Uid, uid),
            interface: self.interface(interface),
            workload,
            labels: self.labels(labels),
        }
    }

    /// `app=web,tier=front`, keys and values.
    fn labels(&mut self, labels: &str) -> Arc<str> {
        let one = |label: &str| match label.split_once('=') {
            Some((key, value)) => {
                let (key, value) = (self.part(Kind::Label, key), self.part(Kind::Text, value));
                format!("{key}={value}")
            }
            None => self.part(Kind::Label, label).to_string(),
        };
        labels.split(',').filter(|label| !label.is_empty()).map(one).collect::<Vec<_>>().join(",").into()
    }

    /// The manufacturer's and the device's bits are replaced; those that tell a group and a local address from others stay, and
    /// so do broadcast and the groups of protocols.
    pub(crate) fn mac(&self, mac: Mac) -> Mac {
        let Mac(octets) = mac;
        let kept = match octets {
            // None and all; bridges and LLDP (IEEE 802.1D table 7-10), the link's own IPv4 and IPv6 groups.
            [0, 0, 0, 0, 0, 0]
            | [0xff, 0xff, 0xff, 0xff, 0xff, 0xff]
            | [0x01, 0x80, 0xc2, 0, 0, _]
            | [0x01, 0x00, 0x5e, 0, 0, _]
            | [0x33, 0x33, 0, 0, 0, _] => return mac,
            // The rest of a group's address follows: RFC 1112 section 6.4, RFC 2464 section 7.
            [0x01, 0x00, 0x5e, ..] => 3,
            [0x33, 0x33, ..] => 2,
            _ => 0,
        };
        let mut new = self.number("mac", &octets).to_be_bytes();
        new[0] = new[0] & !3 | octets[0] & 3;
        new[..kept].copy_from_slice(&octets[..kept]);
        Mac(new.first_chunk().copied().unwrap_or_default())
    }

    /// The number by which copies of a packet are known; it was made of what is in the packet.
    pub(crate) fn id(&self, id: u64) -> u64 {
        if id == 0 { 0 } else { self.number("id", &id.to_be_bytes()).max(1) }
    }

    /// The same for the text of a conversation.
    pub(crate) fn hash(&self, text: &str) -> Arc<str> {
        format!("{:016x}", self.number("conversation", text.as_bytes())).into()
    }
}

/// A name that says no more than what sort of interface it is: a common word and up to three digits.
fn is_common(name: &str) -> bool {
    const WORDS: [&str; 14] =
        ["lo", "any", "eth", "net", "bond", "wlan", "tun", "tap", "br", "cni", "docker", "dummy", "wg", "unannounced-"];
    let word = name.trim_end_matches(|c: char| c.is_ascii_digit());
    WORDS.contains(&word) && name.len() - word.len() <= 3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names::new([7; 32])
    }

    #[test]
    fn one_name_is_one_name_and_kinds_show() {
        let mut names = names();
        let (pod, again) = (names.part(Kind::Pod, "web-0"), names.part(Kind::Pod, "web-0"));
        assert_eq!(pod, again);
        assert!(pod.starts_with("pod-") && pod.len() == 12, "{pod}");
        assert_eq!(names.part(Kind::Service, "web-0")[4..], pod[4..]);
        assert_eq!(names.part(Kind::Host, "Web.Shop."), names.part(Kind::Host, "web.shop"));
        assert_ne!(names.part(Kind::Pod, "web-1"), pod);
        assert_eq!(&*names.part(Kind::Pod, ""), "");
    }

    #[test]
    fn interfaces_are_taken_apart() {
        let mut names = names();
        let (ns, pod, node) =
            (names.part(Kind::Namespace, "shop"), names.part(Kind::Pod, "web-0"), names.part(Kind::Node, "n1"));
        assert_eq!(&*names.interface(&"shop/web-0:eth0@n1".into()), &*format!("{ns}/{pod}:eth0@{node}"));
        assert_eq!(&*names.interface(&"eth0".into()), "eth0");
        let veth = names.interface(&"veth1a2b3c".into());
        assert!(veth.starts_with("if-"), "{veth}");
        assert!(names.interface(&"calia1b2".into()).starts_with("if-"));
    }

    #[test]
    fn macs_keep_what_tells_groups_and_local_ones() {
        let names = names();
        let of = |text: &str| names.mac(text.parse().unwrap());
        for same in ["ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00", "33:33:00:00:00:01", "01:80:c2:00:00:0e"] {
            assert_eq!(of(same).to_string(), same);
        }
        for mac in ["02:42:ac:11:00:02", "00:1b:21:0a:0b:0c", "01:00:5e:7f:01:02", "33:33:ff:11:00:02"] {
            let old: Mac = mac.parse().unwrap();
            assert_ne!(of(mac), old);
            assert_eq!(of(mac).0[0] & 3, old.0[0] & 3);
            assert_eq!(of(mac), of(mac));
        }
    }
}
