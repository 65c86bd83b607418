//! Finds the cluster's own subnets, once, when the capture begins.
//!
//! OpenShift: nodes from `machineNetwork` in the install-config (ConfigMap cluster-config-v1 in kube-system), pods and services from
//! `networks.config.openshift.io/cluster`. Elsewhere: services from ServiceCIDR objects (Kubernetes 1.33), pods from the pod subnets of
//! nodes, which the watch on nodes tells. Whatever is in no such subnet is labelled by what it is: an address of a node is Machines.

use std::time::Duration;

use ipnet::IpNet;
use k8s_openapi::api::{core::v1::ConfigMap, networking::v1::ServiceCIDR};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams},
};
use serde::Deserialize;

use super::{MACHINES, PODS, SERVICES};
use crate::{names::Names, watch::trouble::Trouble};

/// Between two tries while the API server does not answer.
const RETRY: Duration = Duration::from_secs(5);

/// A subnet as OpenShift writes it.
#[derive(Debug, Deserialize)]
struct Entry {
    cidr: String,
}

/// The spec of OpenShift's network.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Network {
    cluster_network: Vec<Entry>,
    service_network: Vec<String>,
}

/// What counts of OpenShift's install-config.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct InstallConfig {
    networking: Networking,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Networking {
    machine_network: Vec<Entry>,
    /// As versions before 4.4 wrote it.
    #[serde(rename = "machineCIDR")]
    machine_cidr: Option<String>,
}

/// Finds them and hands them to `names`; tries again while the API server does not answer.
pub(crate) async fn subnets(names: Names, client: Client) {
    while let Err(error) = find(&names, &client).await {
        let trouble = Trouble::of_request(&error);
        names.states.subnets(Some(format!(
            "subnets of services and machines are not all known, addresses are labelled by what has them: {}",
            trouble.why
        )));
        if trouble.refused {
            return;
        }
        tokio::time::sleep(RETRY).await;
    }
    names.states.subnets(None);
}

async fn find(names: &Names, client: &Client) -> Result<(), kube::Error> {
    match openshift_network(client).await? {
        Some(network) => {
            add(names, network.cluster_network.iter().map(|entry| &*entry.cidr), PODS);
            add(names, network.service_network.iter().map(|text| &**text), SERVICES);
            add(names, machine_networks(client).await?.iter().map(|text| &**text), MACHINES);
        }
        None => {
            add(names, service_cidrs(client).await?.iter().map(|text| &**text), SERVICES);
        }
    }
    Ok(())
}

fn add<'t>(names: &Names, texts: impl Iterator<Item = &'t str>, label: &str) {
    let subnets: Vec<IpNet> = texts.filter_map(|text| text.parse().ok()).collect();
    names.write(|world| {
        for subnet in subnets {
            world.labels.add(subnet, label);
            if label == PODS {
                world.add_pod_network(subnet);
            }
        }
    });
}

/// OpenShift's network; `None` where the API server does not know such things.
async fn openshift_network(client: &Client) -> Result<Option<Network>, kube::Error> {
    let kind =
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("config.openshift.io", "v1", "Network"), "networks");
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &kind);
    let object = match api.get("cluster").await {
        // Where the API is not known, an account without a right to it may hear 403 all the same.
        Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404) => None,
        answer => Some(answer?),
    };
    Ok(object.and_then(|object| serde_json::from_value(object.data.get("spec")?.clone()).ok()))
}

async fn machine_networks(client: &Client) -> Result<Vec<String>, kube::Error> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), "kube-system");
    let data = api.get_opt("cluster-config-v1").await?.and_then(|map| map.data);
    let text = data.and_then(|mut data| data.remove("install-config")).unwrap_or_default();
    Ok(read_install_config(&text))
}

fn read_install_config(text: &str) -> Vec<String> {
    let config: InstallConfig = serde_saphyr::from_str(text).unwrap_or_default();
    let Networking { machine_network, machine_cidr } = config.networking;
    let one = machine_cidr.filter(|_| machine_network.is_empty());
    machine_network.into_iter().map(|entry| entry.cidr).chain(one).collect()
}

/// Service subnets; none where the API server is older than their objects.
async fn service_cidrs(client: &Client) -> Result<Vec<String>, kube::Error> {
    let api: Api<ServiceCIDR> = Api::all(client.clone());
    let list = match api.list(&ListParams::default()).await {
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(Vec::new()),
        answer => answer?,
    };
    Ok(list.items.into_iter().filter_map(|item| item.spec?.cidrs).flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_install_config_tells_the_subnets_of_the_machines() {
        let text = "apiVersion: v1\nbaseDomain: example.org\ncontrolPlane:\n  replicas: 3\nnetworking:\n  clusterNetwork:\n  - cidr: 10.128.0.0/14\n    hostPrefix: 23\n  machineNetwork:\n  - cidr: 10.0.0.0/16\n  - cidr: fd00::/48\n  networkType: OVNKubernetes\nplatform:\n  aws: {}\n";
        assert_eq!(read_install_config(text), ["10.0.0.0/16", "fd00::/48"]);
        assert_eq!(read_install_config("networking:\n  machineCIDR: 10.1.0.0/16\n"), ["10.1.0.0/16"]);
    }

    #[test]
    fn an_install_config_that_cannot_be_read_tells_nothing() {
        assert_eq!(read_install_config(": ["), Vec::<String>::new());
        assert_eq!(read_install_config(""), Vec::<String>::new());
    }

    #[test]
    fn the_network_s_spec_is_read() {
        let text = r#"{"clusterNetwork":[{"cidr":"10.128.0.0/14","hostPrefix":23}],"serviceNetwork":["172.30.0.0/16"],"networkType":"OVNKubernetes"}"#;
        let network: Network = serde_json::from_str(text).unwrap();
        assert_eq!(network.cluster_network[0].cidr, "10.128.0.0/14");
        assert_eq!(network.service_network, ["172.30.0.0/16"]);
    }
}
