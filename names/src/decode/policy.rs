//! NetworkPolicies: which pods they select, and whom those may speak with (networking.k8s.io/v1).

use ipnet::IpNet;
use k8s_openapi::api::networking::v1::NetworkPolicy as ApiPolicy;
use serde::Deserialize;

use super::{Told, or_default, protocol};
use crate::{id::Uid, selector::Selector};

/// A policy.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "raw::Policy")]
pub(crate) struct Policy {
    pub(crate) version: String,
    pub(crate) uid: Uid,
    pub(crate) name: String,
    pub(crate) namespace: String,
    /// The pods of its namespace that it is about.
    pub(crate) pods: Selector,
    /// What may come in; `None` where it says nothing of that.
    pub(crate) ingress: Option<Vec<Rule>>,
    /// What may go out; `None` where it says nothing of that.
    pub(crate) egress: Option<Vec<Rule>>,
}

/// Something that is allowed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rule {
    /// With whom; empty is everybody.
    pub(crate) peers: Vec<Peer>,
    /// At which ports of the destination; empty is all, of every protocol.
    pub(crate) ports: Vec<Port>,
}

/// Someone at the other end.
#[derive(Clone, Debug)]
pub(crate) enum Peer {
    /// Pods, of namespaces with these labels, or of the policy's own.
    Pods {
        /// `None`: all pods of those namespaces.
        pods: Option<Selector>,
        /// `None`: the policy's own.
        namespaces: Option<Selector>,
    },
    /// Addresses in a block, but not in those that are left out.
    Block(IpNet, Vec<IpNet>),
    /// What cannot be read: nothing is said of it.
    Unknown,
}

/// A port at the destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Port {
    /// IP protocol.
    pub(crate) protocol: u8,
    pub(crate) which: Which,
}

/// Which ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    All,
    /// First and last.
    Range(u16, u16),
    /// As the destination's containers call theirs.
    Named(String),
}

impl Told for Policy {
    type Kind = ApiPolicy;
    const METADATA_ONLY: bool = false;
    fn take_version(&mut self) -> String {
        std::mem::take(&mut self.version)
    }
}

/// Policies as the API server writes them.
mod raw {
    use super::{Deserialize, IpNet, Peer, Port, Rule, Selector, Uid, Which, or_default, protocol};

    #[derive(Deserialize)]
    pub(super) struct Policy {
        metadata: Meta,
        #[serde(default, deserialize_with = "or_default")]
        spec: Spec,
    }

    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Meta {
        name: String,
        namespace: String,
        uid: Uid,
        resource_version: String,
    }

    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Spec {
        pod_selector: Selector,
        policy_types: Option<Vec<String>>,
        ingress: Option<Vec<RawRule>>,
        egress: Option<Vec<RawRule>>,
    }

    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct RawRule {
        #[serde(alias = "to", deserialize_with = "or_default")]
        from: Vec<RawPeer>,
        #[serde(deserialize_with = "or_default")]
        ports: Vec<RawPort>,
    }

    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct RawPeer {
        pod_selector: Option<Selector>,
        namespace_selector: Option<Selector>,
        ip_block: Option<Block>,
    }

    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Block {
        cidr: String,
        #[serde(deserialize_with = "or_default")]
        except: Vec<String>,
    }

    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct RawPort {
        protocol: Option<String>,
        port: Option<serde_json::Value>,
        end_port: Option<u32>,
    }

    impl From<Policy> for super::Policy {
        fn from(Policy { metadata, spec }: Policy) -> Self {
            let typed = |kind: &str| spec.policy_types.as_ref().map(|types| types.iter().any(|one| one == kind));
            // Without types a policy is about what comes in, and about what goes out only if it says something of it.
            let ingress = typed("Ingress").unwrap_or(true);
            let egress = typed("Egress").unwrap_or(spec.egress.is_some());
            let rules = |rules: Option<Vec<RawRule>>| rules.unwrap_or_default().into_iter().map(Rule::from).collect();
            Self {
                version: metadata.resource_version,
                uid: metadata.uid,
                name: metadata.name,
                namespace: metadata.namespace,
                pods: spec.pod_selector,
                ingress: ingress.then(|| rules(spec.ingress)),
                egress: egress.then(|| rules(spec.egress)),
            }
        }
    }

    impl From<RawRule> for Rule {
        fn from(rule: RawRule) -> Self {
            // A port that cannot be read would seem to allow less than the policy does.
            let ports: Option<Vec<Port>> = rule.ports.into_iter().map(RawPort::read).collect();
            Self { peers: rule.from.into_iter().map(Peer::from).collect(), ports: ports.unwrap_or_default() }
        }
    }

    impl From<RawPeer> for Peer {
        fn from(peer: RawPeer) -> Self {
            let Some(Block { cidr, except }) = peer.ip_block else {
                let RawPeer { pod_selector: pods, namespace_selector: namespaces, .. } = peer;
                return if pods.is_some() || namespaces.is_some() {
                    Self::Pods { pods, namespaces }
                } else {
                    Self::Unknown
                };
            };
            let except: Option<Vec<IpNet>> = except.iter().map(|text| text.parse().ok()).collect();
            cidr.parse().ok().zip(except).map_or(Self::Unknown, |(block, except)| Self::Block(block, except))
        }
    }

    impl RawPort {
        fn read(self) -> Option<Port> {
            let number = |number: u64| u16::try_from(number).ok();
            let which = match &self.port {
                None | Some(serde_json::Value::Null) => Which::All,
                Some(serde_json::Value::String(name)) => Which::Named(name.clone()),
                Some(value) => {
                    let first = number(value.as_u64()?)?;
                    let last = self.end_port.map_or(Some(first), |last| number(u64::from(last)))?;
                    Which::Range(first, last)
                }
            };
            Some(Port { protocol: protocol(self.protocol.as_deref().unwrap_or_default())?, which })
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn policy(spec: &Value) -> Policy {
        serde_json::from_value(
            json!({"metadata": {"name": "p", "namespace": "shop", "uid": "u", "resourceVersion": "1"}, "spec": spec}),
        )
        .unwrap()
    }

    #[test]
    fn types_decide_what_a_policy_is_about() {
        let about = |spec: Value| {
            let policy = policy(&spec);
            (policy.ingress.map(|rules| rules.len()), policy.egress.map(|rules| rules.len()))
        };
        assert_eq!(about(json!({"podSelector": {}})), (Some(0), None));
        assert_eq!(about(json!({"podSelector": {}, "egress": [{}]})), (Some(0), Some(1)));
        assert_eq!(about(json!({"podSelector": {}, "policyTypes": ["Egress"]})), (None, Some(0)));
        assert_eq!(
            about(json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": null})),
            (Some(0), Some(0))
        );
    }

    #[test]
    fn peers_and_ports_of_every_form_are_read() {
        let read = policy(&json!({"podSelector": {"matchLabels": {"app": "web"}}, "ingress": [{
            "from": [{"podSelector": {}}, {"namespaceSelector": {"matchLabels": {"team": "a"}}, "podSelector": {"matchLabels": {"x": "y"}}},
                {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}, {"ipBlock": {"cidr": "nonsense"}}, {}],
            "ports": [{"port": 80}, {"protocol": "UDP", "port": 5000, "endPort": 5010}, {"port": "http"}, {"protocol": "SCTP"}]}]}));
        let rule = &read.ingress.unwrap()[0];
        assert!(matches!(&rule.peers[0], Peer::Pods { pods: Some(pods), namespaces: None } if pods.is_empty()));
        assert!(matches!(&rule.peers[1], Peer::Pods { pods: Some(_), namespaces: Some(_) }));
        assert!(
            matches!(&rule.peers[2], Peer::Block(block, except) if block.to_string() == "10.0.0.0/8" && except.len() == 1)
        );
        assert!(matches!(&rule.peers[3], Peer::Unknown) && matches!(&rule.peers[4], Peer::Unknown));
        let which: Vec<(u8, Which)> = rule.ports.iter().map(|port| (port.protocol, port.which.clone())).collect();
        let wanted = [
            (6, Which::Range(80, 80)),
            (17, Which::Range(5000, 5010)),
            (6, Which::Named("http".to_owned())),
            (132, Which::All),
        ];
        assert_eq!(which, wanted);
    }

    #[test]
    fn egress_has_its_peers_under_another_name() {
        let read = policy(&json!({"podSelector": {}, "egress": [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}]}));
        assert_eq!(read.egress.unwrap()[0].peers.len(), 1);
    }
}
