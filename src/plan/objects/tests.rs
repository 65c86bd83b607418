use flow::config::NetNs;

use super::*;
use crate::plan::{
    cluster::tests::request,
    facts::{Facts, Node},
    yaml,
};

/// An identity of which nothing is random.
pub(in crate::plan) fn identity() -> Identity {
    let pair = |name: &str| Pair { certificate_pem: format!("CERTIFICATE {name}\n"), key_pem: format!("KEY {name}\n") };
    let executable = |digit: &str| Executable { sha256: digit.repeat(64), size: 20 << 20, stage: b"\x7fELF".to_vec() };
    Identity {
        id: "k3v9a2bx".to_owned(),
        ca_pem: "CERTIFICATE authority\n".to_owned(),
        collector: pair("collector"),
        agent: pair("agent"),
        executables: [("amd64".to_owned(), executable("a")), ("arm64".to_owned(), executable("b"))].into(),
        user: "jane".to_owned(),
        command: ["kubectl-netobserv", "flows"].map(str::to_owned).to_vec(),
    }
}

/// A Linux node that has the usual image.
pub(in crate::plan) fn node(name: &str, arch: &str) -> Node {
    Node {
        name: name.to_owned(),
        arch: arch.to_owned(),
        os: "linux".to_owned(),
        ready: true,
        kubelet_port: 10250,
        images: vec![vec!["registry.k8s.io/pause:3.10".to_owned()]],
        ..Node::default()
    }
}

fn facts() -> Facts {
    Facts {
        version: (1, 36),
        version_text: "v1.36.2".to_owned(),
        nodes: vec![node("n1", "amd64"), node("n2", "amd64")],
        ..Facts::default()
    }
}

fn planned(line: &str, facts: &Facts) -> ClusterPlan {
    plan(&request(line), facts, &identity()).unwrap()
}

fn printed(plan: &ClusterPlan) -> String {
    yaml::print(plan, "").unwrap()
}

/// Kinds and names in the order of creation.
fn listed(plan: &ClusterPlan) -> Vec<String> {
    let name = |object: &DynamicObject| {
        let kind = object.types.as_ref().map_or("", |types| types.kind.as_str());
        format!("{kind} {}", object.metadata.name.as_deref().unwrap_or_default())
    };
    plan.objects().map(name).collect()
}

fn find<'a>(plan: &'a ClusterPlan, kind: &str, name: &str) -> &'a DynamicObject {
    let is_it = |object: &&DynamicObject| {
        object.types.as_ref().is_some_and(|types| types.kind == kind) && object.metadata.name.as_deref() == Some(name)
    };
    plan.objects().find(is_it).unwrap()
}

fn agent_container(plan: &ClusterPlan) -> &serde_json::Value {
    plan.agents[0].object.data.pointer("/spec/template/spec/containers/0").unwrap()
}

#[test]
fn the_objects_of_a_usual_capture() {
    insta::assert_snapshot!("flows", printed(&planned("flows", &facts())));
}

#[test]
fn the_objects_on_openshift_with_everything() {
    let mut facts = facts();
    facts.groups = ["security.openshift.io", "config.openshift.io"].map(str::to_owned).into();
    facts.nodes[1] = node("n2", "arm64");
    let line = "packets --netns all --get-subnets --subnet-label office=10.9.0.0/16 --capture-namespace mine \
                --node-selector zone=a,!gpu --max-bytes 4GB --background --port 80";
    for node in &mut facts.nodes {
        node.labels.insert("zone".to_owned(), "a".to_owned());
    }
    insta::assert_snapshot!("openshift", printed(&planned(line, &facts)));
}

#[test]
fn the_objects_with_a_published_image_and_no_cluster() {
    let plan = plan_blind(&request("flows --image example.org/netobserv:0.1.0 --privileged"), &identity()).unwrap();
    insta::assert_snapshot!("image", printed(&plan));
}

#[test]
fn the_namespace_is_first_and_pods_are_last() {
    let plan = planned("flows", &facts());
    assert_eq!(
        listed(&plan),
        [
            "Namespace netobserv-k3v9a2bx",
            "ServiceAccount agent",
            "ServiceAccount collector",
            "Role collector",
            "RoleBinding collector",
            "ClusterRole netobserv-k3v9a2bx-names",
            "ClusterRoleBinding netobserv-k3v9a2bx-names",
            "Secret collector-tls",
            "Secret agent-tls",
            "ConfigMap capture",
            "ConfigMap stage",
            "Service collector",
            "NetworkPolicy collector",
            "Lease client",
            "Pod collector",
            "DaemonSet agent-amd64",
        ]
    );
}

#[test]
fn everything_bears_our_labels_and_a_place() {
    let mut openshift = facts();
    openshift.groups.insert("security.openshift.io".to_owned());
    for plan in [planned("flows", &facts()), planned("packets --netns all --privileged", &openshift)] {
        for object in plan.objects() {
            let labels = object.metadata.labels.clone().unwrap();
            assert_eq!(labels["app.kubernetes.io/name"], "oc-netobserv", "{object:?}");
            assert_eq!(labels["netobserv.io/capture"], "k3v9a2bx", "{object:?}");
            let name = object.metadata.name.as_deref().unwrap();
            let is_named_ours = name.starts_with("netobserv-k3v9a2bx");
            assert!(object.metadata.namespace.as_deref() == Some("netobserv-k3v9a2bx") || is_named_ours, "{name}");
        }
    }
}

#[test]
fn what_is_cluster_scoped_belongs_to_the_namespace_and_never_blocks_it() {
    let mut openshift = facts();
    openshift.groups.insert("security.openshift.io".to_owned());
    let mut plan = planned("flows", &openshift);
    own_by(&mut plan.base, "netobserv-k3v9a2bx", "5d5d0c6b");
    let owned: Vec<_> = plan.base.iter().filter(|object| object.metadata.owner_references.is_some()).collect();
    let kinds: Vec<_> = owned.iter().map(|object| object.types.as_ref().unwrap().kind.as_str()).collect();
    assert_eq!(kinds, ["ClusterRole", "ClusterRoleBinding", "SecurityContextConstraints"]);
    for object in owned {
        let by = &object.metadata.owner_references.as_ref().unwrap()[0];
        assert_eq!((by.kind.as_str(), by.uid.as_str(), by.block_owner_deletion), ("Namespace", "5d5d0c6b", None));
    }
}

#[test]
fn agents_have_named_capabilities_and_more_only_where_a_feature_needs_it() {
    let rights = |line: &str| {
        let plan = planned(line, &facts());
        let context = agent_container(&plan)["securityContext"].clone();
        let added: Vec<String> = serde_json::from_value(context["capabilities"]["add"].clone()).unwrap_or_default();
        (added.join(" "), context["privileged"] == true, context["allowPrivilegeEscalation"] == true)
    };
    assert_eq!(rights("flows"), ("BPF PERFMON NET_ADMIN".to_owned(), false, false));
    assert_eq!(rights("flows --netns all"), ("BPF PERFMON NET_ADMIN SYS_ADMIN SYS_PTRACE".to_owned(), false, true));
    assert_eq!(rights("flows --privileged"), (String::new(), true, true));
    let keys = "packets --pod shop/web-0 --enable-tls-keys";
    assert_eq!(rights(keys), ("BPF PERFMON NET_ADMIN SYS_ADMIN SYS_PTRACE".to_owned(), false, true));
    let host_pid =
        |line: &str| planned(line, &facts()).agents[0].object.data["spec"]["template"]["spec"]["hostPID"].clone();
    assert_eq!((host_pid(keys), host_pid("packets --pod shop/web-0")), (true.into(), false.into()));
}

#[test]
fn a_path_of_the_node_is_mounted_for_named_namespaces_only() {
    let host_paths = |line: &str| {
        let plan = planned(line, &facts());
        plan.objects().map(|object| object.data.to_string().matches("hostPath").count()).sum::<usize>()
    };
    assert_eq!((host_paths("flows"), host_paths("flows --netns all")), (0, 1));
}

#[test]
fn the_memory_of_agents_counts_their_maps_and_rings() {
    let limit = |line: &str| agent_container(&planned(line, &facts()))["resources"]["limits"]["memory"].clone();
    assert_eq!(limit("flows"), "440Mi");
    assert_eq!(limit("flows --cache-max-flows 1000000"), "2804Mi");
    assert_eq!(limit("packets --port 80 --buffer-size 256MiB"), "388Mi");
}

#[test]
fn the_collectors_directory_holds_what_may_be_written() {
    let size = |line: &str| {
        let plan = planned(line, &facts());
        plan.collector.object.data.pointer("/spec/volumes/0/emptyDir").unwrap().clone()
    };
    // 3 x 50 MB, 128 MiB, executables of two architectures packed and unpacked, 16 MiB.
    assert_eq!(size("flows")["sizeLimit"], "368Mi");
    assert_eq!(size("flows --max-bytes 0"), serde_json::json!({}));
}

#[test]
fn the_address_of_the_service_replaces_the_variable() {
    let mut plan = planned("flows", &facts());
    let collector = |plan: &ClusterPlan| agent_container(plan)["env"][0]["value"].clone();
    assert_eq!(collector(&plan), "$(COLLECTOR_SERVICE_HOST)");
    with_service_address(&mut plan.agents, "10.96.0.7".parse().unwrap());
    assert_eq!(collector(&plan), "10.96.0.7");
    with_service_address(&mut plan.agents, "fd00::7".parse().unwrap());
    assert_eq!(collector(&plan), "[fd00::7]");
}

#[test]
fn each_architecture_has_its_executable() {
    let facts = Facts { nodes: vec![node("n1", "amd64"), node("n2", "arm64")], ..facts() };
    let plan = planned("flows", &facts);
    let commands: Vec<_> = plan.agents.iter().map(|agent| agent.object.data.to_string()).collect();
    assert!(commands[0].contains(&"a".repeat(64)) && commands[0].contains("/stage/stage-amd64"));
    assert!(commands[1].contains(&"b".repeat(64)) && commands[1].contains("/stage/stage-arm64"));
    assert_eq!(plan.nodes().collect::<Vec<_>>(), ["n1", "n2"]);
}

#[test]
fn an_image_that_not_all_have_is_asked_of_those_that_have_it() {
    let mut facts = facts();
    facts.nodes[1].images = vec![vec!["example.org/pause:1".to_owned()]];
    let plan = planned("flows", &facts);
    let fields: Vec<_> = plan
        .agents
        .iter()
        .map(|agent| {
            let terms = "/spec/template/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms";
            agent.object.data.pointer(terms).unwrap()[0]["matchFields"][0]["values"][0].clone()
        })
        .collect();
    assert_eq!(fields, ["n1", "n2"]);
    assert_eq!(listed(&plan)[15..], ["DaemonSet agent-amd64", "DaemonSet agent-amd64-1"]);
}

#[test]
fn another_image_changes_nothing_else() {
    let plan = planned("flows", &facts());
    let changed = agent_with_image(&plan.agents[0].object, "example.org/other");
    assert_eq!(changed.data.pointer("/spec/template/spec/containers/0/image").unwrap(), "example.org/other");
    assert_eq!(agent_with_image(&changed, "registry.k8s.io/pause:3.10"), plan.agents[0].object);
    let changed = collector_with_image(&plan.collector.object, "example.org/other");
    assert_eq!(collector_with_image(&changed, "registry.k8s.io/pause:3.10"), plan.collector.object);
}

#[test]
fn a_cluster_of_control_planes_takes_the_collector_too() {
    let mut facts = facts();
    let tolerations = |facts: &Facts| planned("flows", facts).collector.object.data["spec"]["tolerations"].clone();
    assert!(tolerations(&facts).is_null());
    for node in &mut facts.nodes {
        node.reserved = true;
    }
    assert_eq!(tolerations(&facts)[0]["operator"], "Exists");
}

#[test]
fn the_settings_are_what_was_asked() {
    let plan = planned("flows --netns all --max-time 1h --keep 1m", &facts());
    let text = find(&plan, "ConfigMap", "capture").data["data"]["capture.json"].as_str().unwrap();
    let settings: crate::pod::settings::Settings = serde_json::from_str(text).unwrap();
    assert_eq!(settings.config.netns, NetNs::All);
    assert_eq!((settings.id.as_str(), settings.keep.as_secs()), ("k3v9a2bx", 60));
    assert_eq!(settings.nodes, ["n1", "n2"]);
}

#[test]
fn text_of_users_is_never_taken_for_yaml() {
    let hostile = Identity { user: "x\n---\nkind: Pod".to_owned(), command: vec!["a: {b".to_owned()], ..identity() };
    let plan = plan(&request("flows"), &facts(), &hostile).unwrap();
    let documents: Vec<serde_json::Value> = serde_saphyr::from_multiple(&printed(&plan)).unwrap();
    assert_eq!(documents.len(), 16);
    assert_eq!(documents[0]["metadata"]["annotations"]["netobserv.io/user"], "x\n---\nkind: Pod");
}

#[test]
fn what_is_printed_reads_back_as_what_is_created() {
    let plan = planned("flows", &facts());
    let documents: Vec<DynamicObject> = serde_saphyr::from_multiple(&printed(&plan)).unwrap();
    assert_eq!(documents.iter().collect::<Vec<_>>(), plan.objects().collect::<Vec<_>>());
}

#[test]
fn insisting_on_all_nodes_fails_where_one_cannot() {
    let mut facts = facts();
    facts.nodes[1].os = "windows".to_owned();
    assert_eq!(planned("flows", &facts).notes, ["node n2 is left out: it runs windows, agents need Linux"]);
    let error = plan(&request("flows --require-all-nodes"), &facts, &identity()).unwrap_err();
    assert_eq!(error.message, "--require-all-nodes: node n2 cannot capture: it runs windows, agents need Linux");
}

#[test]
fn the_collector_may_speak_to_an_api_server_at_any_port() {
    let ports = |server_port| {
        let plan = planned("flows", &Facts { server_port, ..facts() });
        let list = find(&plan, "NetworkPolicy", "collector").data["spec"]["egress"][0]["ports"].clone();
        list.as_array().unwrap().iter().map(|port| port["port"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(ports(Some(8443)), [443, 6443, 8443]);
    assert_eq!(ports(Some(6443)), [443, 6443]);
    assert_eq!(ports(None), [443, 6443]);
}

#[test]
fn the_plural_of_what_english_does_not_know() {
    let mut facts = facts();
    facts.groups.insert("security.openshift.io".to_owned());
    let plan = planned("flows", &facts);
    let plural = |kind: &str, name: &str| resource_of(find(&plan, kind, name)).plural;
    assert_eq!(plural("SecurityContextConstraints", "netobserv-k3v9a2bx-agent"), "securitycontextconstraints");
    assert_eq!(plural("NetworkPolicy", "collector"), "networkpolicies");
    assert_eq!(plural("DaemonSet", "agent-amd64"), "daemonsets");
}
