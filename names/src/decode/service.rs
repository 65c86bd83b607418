//! Services: the addresses under which they are reached.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::Service as ApiService;
use serde::Deserialize;

use super::{Told, or_default, pod::Labels};
use crate::id::Uid;

/// A service.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "raw::Service")]
pub(crate) struct Service {
    pub(crate) version: String,
    pub(crate) uid: Uid,
    pub(crate) name: String,
    pub(crate) namespace: String,
    /// ClusterIPs, external addresses, addresses of its load balancer; none for headless ones.
    pub(crate) addresses: Vec<IpAddr>,
    /// Labels of the pods behind it; empty where somebody else says who is.
    pub(crate) selector: Labels,
}

impl Told for Service {
    type Kind = ApiService;
    const METADATA_ONLY: bool = false;
    fn take_version(&mut self) -> String {
        std::mem::take(&mut self.version)
    }
}

impl From<raw::Service> for Service {
    fn from(service: raw::Service) -> Self {
        let raw::Service { metadata, spec, status } = service;
        let one = spec.cluster_ip.iter().filter(|_| spec.cluster_ips.is_empty());
        let balanced = status.load_balancer.ingress.iter().filter_map(|ingress| ingress.ip.as_ref());
        let texts = spec.cluster_ips.iter().chain(one).chain(&spec.external_ips).chain(balanced);
        let mut addresses: Vec<IpAddr> = Vec::new();
        for address in texts.filter_map(|text| text.parse().ok()).map(|ip: IpAddr| ip.to_canonical()) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        Self {
            version: metadata.resource_version,
            uid: metadata.uid,
            name: metadata.name,
            namespace: metadata.namespace,
            addresses,
            selector: spec.selector,
        }
    }
}

/// Services as the API server writes them.
mod raw {
    use super::{Deserialize, Labels, Uid, or_default};

    #[derive(Deserialize)]
    pub(super) struct Service {
        pub(super) metadata: Meta,
        #[serde(default, deserialize_with = "or_default")]
        pub(super) spec: Spec,
        #[serde(default, deserialize_with = "or_default")]
        pub(super) status: Status,
    }

    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    pub(super) struct Meta {
        pub(super) name: String,
        pub(super) namespace: String,
        pub(super) uid: Uid,
        pub(super) resource_version: String,
    }

    #[derive(Default, Deserialize)]
    #[serde(default)]
    pub(super) struct Spec {
        #[serde(rename = "clusterIP")]
        pub(super) cluster_ip: Option<String>,
        #[serde(rename = "clusterIPs", deserialize_with = "or_default")]
        pub(super) cluster_ips: Vec<String>,
        #[serde(rename = "externalIPs", deserialize_with = "or_default")]
        pub(super) external_ips: Vec<String>,
        #[serde(deserialize_with = "or_default")]
        pub(super) selector: Labels,
    }

    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    pub(super) struct Status {
        #[serde(deserialize_with = "or_default")]
        pub(super) load_balancer: LoadBalancer,
    }

    #[derive(Default, Deserialize)]
    #[serde(default)]
    pub(super) struct LoadBalancer {
        #[serde(deserialize_with = "or_default")]
        pub(super) ingress: Vec<Ingress>,
    }

    #[derive(Default, Deserialize)]
    #[serde(default)]
    pub(super) struct Ingress {
        pub(super) ip: Option<String>,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(spec: &str, status: &str) -> Vec<String> {
        let text = format!(r#"{{"metadata":{{"name":"a","namespace":"b"}},"spec":{spec},"status":{status}}}"#);
        let service: Service = serde_json::from_str(&text).unwrap();
        service.addresses.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_way_to_a_service_is_an_address_of_it() {
        let spec = r#"{"clusterIP":"10.96.0.9","clusterIPs":["10.96.0.9","fd00:96::9"],"externalIPs":["192.0.2.1"],"type":"LoadBalancer"}"#;
        let status = r#"{"loadBalancer":{"ingress":[{"ip":"192.0.2.2","ipMode":"VIP"},{"hostname":"lb.example"}]}}"#;
        assert_eq!(addresses(spec, status), ["10.96.0.9", "fd00:96::9", "192.0.2.1", "192.0.2.2"]);
    }

    #[test]
    fn headless_and_external_name_services_have_none() {
        assert_eq!(addresses(r#"{"clusterIP":"None","clusterIPs":["None"]}"#, "{}"), Vec::<String>::new());
        assert_eq!(addresses(r#"{"type":"ExternalName","externalName":"example.org"}"#, "null"), Vec::<String>::new());
    }
}
