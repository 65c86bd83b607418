use std::{net::IpAddr, sync::Arc};

use flow::{Clock, FlowRecord, Interface, Place};
use proptest::prelude::*;

use super::*;

#[expect(clippy::unnecessary_wraps, reason = "as the fields are")]
fn text(text: &str) -> Option<Arc<str>> {
    Some(text.into())
}

/// A pod that speaks to a pod through a service, and its process.
fn shop() -> FlowRecord {
    FlowRecord {
        src_addr: "10.0.0.1".parse().ok(),
        dst_addr: "10.0.0.2".parse().ok(),
        src_k8s_type: text("Pod"),
        src_k8s_namespace: text("shop"),
        src_k8s_name: text("web-7d9"),
        src_k8s_owner_type: text("Deployment"),
        src_k8s_owner_name: text("web"),
        dst_k8s_type: text("Pod"),
        dst_k8s_namespace: text("db"),
        dst_k8s_name: text("pg-0"),
        dst_k8s_owner_type: text("StatefulSet"),
        dst_k8s_owner_name: text("pg"),
        xlat_dst_k8s_name: text("pg"),
        xlat_dst_k8s_namespace: text("db"),
        src_pid: Some(41),
        src_process: text("nginx"),
        ..FlowRecord::default()
    }
}

#[test]
fn a_comment_names_both_ends_the_service_the_reason_and_the_process() {
    let comment = Comment::of(&shop());
    let expected = "k8s src=shop/web-7d9:Deployment/web dst=db/pg-0:StatefulSet/pg svc=db/pg";
    assert_eq!(comment.text(), Some(&*format!("{expected} pid=41 comm=nginx")));
    assert_eq!(comment.dropped("NETFILTER_DROP"), format!("{expected} drop=NETFILTER_DROP pid=41 comm=nginx"));
    let names: Vec<_> = Comment::host_names(&shop()).map(|(address, name)| format!("{address} {name}")).collect();
    assert_eq!(names, ["10.0.0.1 web-7d9.shop", "10.0.0.2 pg-0.db"]);
}

#[test]
fn nodes_services_and_pods_without_a_workload() {
    let record = FlowRecord {
        src_addr: "10.1.0.1".parse().ok(),
        dst_addr: "10.96.0.7".parse().ok(),
        src_k8s_type: text("Node"),
        src_k8s_name: text("n1"),
        src_k8s_owner_type: text("Node"),
        src_k8s_owner_name: text("n1"),
        src_k8s_host_name: text("n1"),
        dst_k8s_type: text("Service"),
        dst_k8s_namespace: text("db"),
        dst_k8s_name: text("pg"),
        dst_k8s_owner_type: text("Service"),
        dst_k8s_owner_name: text("pg"),
        ..FlowRecord::default()
    };
    let comment = Comment::of(&record);
    assert_eq!(comment.text(), Some("k8s src=Node/n1 dst=Service/db/pg svc=db/pg"));
    let names: Vec<_> = Comment::host_names(&record).map(|(_, name)| name).collect();
    assert_eq!(names, ["n1", "pg.db.svc"]);
    let read = read(comment.text().unwrap()).unwrap().ends.unwrap();
    assert_eq!(read, FlowRecord { src_addr: None, dst_addr: None, ..record });
    let bare = FlowRecord {
        dst_k8s_type: text("Pod"),
        dst_k8s_namespace: text("shop"),
        dst_k8s_name: text("job"),
        dst_k8s_host_name: text("n2"),
        ..FlowRecord::default()
    };
    assert_eq!(Comment::of(&bare).text(), Some("k8s dst=shop/job dstnode=n2"));
}

#[test]
fn what_is_unknown_is_absent_and_of_nothing_there_is_no_comment() {
    let comment = Comment::of(&FlowRecord { src_addr: "10.0.0.1".parse().ok(), ..FlowRecord::default() });
    assert_eq!(comment.text(), None);
    assert_eq!(comment.dropped("NO_SOCKET"), "k8s drop=NO_SOCKET");
    assert_eq!(Comment::default().dropped("NO_SOCKET"), "k8s drop=NO_SOCKET");
    assert_eq!(read("dropped: NO_SOCKET"), Some(Read { ends: None, cause: text("NO_SOCKET") }));
    assert_eq!(read("k8s drop=NO_SOCKET"), Some(Read { ends: None, cause: text("NO_SOCKET") }));
}

#[test]
fn comments_of_others_are_none_of_ours() {
    for comment in ["", "k8s", "k8sx src=a/b", "dropped: ", "PodName: web-0", &format!("k8s src={}", "x".repeat(9000))]
    {
        assert_eq!(read(comment), None, "{comment}");
    }
    assert_eq!(read("k8s future=1 src= pid=x dst=a/b/c/d"), Some(Read::default()), "nothing that can be used");
}

#[test]
fn an_address_has_the_name_of_whose_it_is() {
    let mut record = shop();
    // A pod on its node's network, and one that talks to itself.
    (record.src_k8s_host_ip, record.src_k8s_host_name) = (record.src_addr, text("n1"));
    record.dst_addr = "127.0.0.1".parse().ok();
    let names: Vec<_> = Comment::host_names(&record).collect();
    assert_eq!(names, [("10.0.0.1".parse::<IpAddr>().unwrap(), "n1".to_owned())]);
}

#[test]
fn an_interface_at_a_pod_is_called_by_it() {
    let place = Place {
        namespace: "shop".into(),
        pod: "web-7d9".into(),
        uid: "0a-1".into(),
        interface: "eth0".into(),
        workload: "Deployment/web".into(),
        labels: "app=web,tier=front".into(),
    };
    let clock = Some(Clock { ahead_ns: -50_000_000, error_ns: 120_000 });
    let interface = Interface { index: 7, name: "vethab12".into(), leads_out: true, ..Interface::default() };
    let placed = Interface { place: Some(place.into()), ..interface.clone() };
    let (name, description) = describe(&placed, "n1", true, clock);
    assert_eq!(name, "shop/web-7d9:eth0@n1");
    assert_eq!(
        description,
        "k8s.node=n1;k8s.ns=shop;k8s.pod=web-7d9;k8s.uid=0a-1;k8s.workload=Deployment/web;k8s.labels=app=web,tier=front;\
        node=n1;netns=;ifindex=7;ifname=vethab12;leads_out=1;clock.ahead_ns=-50000000;clock.error_ns=120000"
    );
    let (bare, description) = describe(&interface, "n1", false, None);
    assert_eq!((&*bare, &*description), ("vethab12", "node=n1;netns=;ifindex=7;leads_out=1"));
    assert_eq!(
        Described::read("eth0", "a description; of another = program"),
        Described { name: "eth0".into(), ..Described::default() }
    );
}

/// A name of Kubernetes, or of a process.
fn name() -> impl Strategy<Value = Option<Arc<str>>> {
    proptest::option::weighted(0.8, "[a-z0-9.-]{1,12}".prop_map(Arc::from))
}

fn any_word() -> impl Strategy<Value = Option<Arc<str>>> {
    proptest::option::of(prop_oneof!["\\PC{1,12}", "[ -~\u{0}-\u{1f}é😀\u{202e}]{1,8}"].prop_map(Arc::from))
}

prop_compose! {
    /// An end as names are given: a pod in a namespace with a workload, a service, a node, or nothing.
    fn an_end()(kind in 0..4_u8, namespace in "[a-z0-9-]{1,12}", name in any_word(), owner in any_word(), node in any_word(), other in name()) -> end::End {
        let some = |text: &str| -> Option<Arc<str>> { Some(text.into()) };
        let Some(name) = name else { return end::End::default() };
        let itself = |kind: &str| (some(kind), Some(Arc::clone(&name)));
        let (owner_kind, owner) = match (kind, owner) {
            (0, Some(owner)) => (some("ReplicaSet"), Some(owner)),
            (0 | 1, _) => itself("Pod"),
            (2, _) => itself("Service"),
            _ => itself("Node"),
        };
        let kind_text = ["Pod", "Pod", "Service", "Node"][usize::from(kind)];
        let node = if kind == 3 { Some(Arc::clone(&name)) } else { node };
        let other = other.filter(|_| kind < 2).map_or((None, None), |other| (Some(other), some("db")));
        end::End { kind: some(kind_text), namespace: (kind < 3).then(|| namespace.into()), name: Some(name), owner_kind, owner, node, other }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_and_lies_on_one_line(
        source in an_end(), destination in an_end(), cause in any_word(),
        pids in any::<(Option<u32>, Option<u32>)>(), words in (any_word(), any_word(), any_word(), any_word()),
    ) {
        let mut record = FlowRecord {
            src_pid: pids.0, dst_pid: pids.1, src_process: words.0, src_container: words.1, dst_process: words.2, dst_container: words.3,
            ..FlowRecord::default()
        };
        source.into_source(&mut record);
        destination.into_destination(&mut record);
        let comment = Comment::of(&record);
        let text = cause.as_deref().map(|cause| comment.dropped(cause)).or_else(|| comment.text().map(str::to_owned));
        let Some(text) = text else {
            prop_assert_eq!(record, FlowRecord::default());
            return Ok(());
        };
        prop_assert!(!text.contains(|char: char| char.is_control() || (char.is_whitespace() && char != ' ')), "{text:?}");
        prop_assert!(!text.contains("  "));
        let read = read(&text).unwrap();
        prop_assert_eq!(read.cause, cause);
        prop_assert_eq!(read.ends.unwrap_or_default(), record);
    }

    #[test]
    fn an_interface_comes_back(
        names in ("[a-z0-9._:@-]{1,12}", "[a-z0-9]{0,6}", "\\PC{1,10}"), place in proptest::option::of(("[a-z0-9-]{1,9}", "[a-z0-9.-]{1,9}", "\\PC{0,300}")),
        several in any::<bool>(), leads_out in any::<bool>(), index in any::<u32>(), clock in proptest::option::of(any::<(i64, u64)>()),
    ) {
        let place = place.map(|(namespace, pod, labels)| Arc::new(Place {
            namespace: namespace.into(), pod: pod.into(), uid: "u".into(), interface: "net1".into(), workload: "Job/x".into(), labels: labels.into(),
        }));
        let interface = Interface { index, name: names.0.into(), netns: names.1.into(), leads_out, place, ..Interface::default() };
        let clock = clock.map(|(ahead_ns, error_ns)| Clock { ahead_ns, error_ns });
        let (name, description) = describe(&interface, &names.2, several, clock);
        let Interface { netns, index, name: kernels, leads_out, place, .. } = interface;
        let expected = Described { node: Some(names.2.into()), netns, index, name: kernels, leads_out, place, clock };
        prop_assert_eq!(Described::read(&name, &description), expected);
    }

    #[test]
    fn nothing_that_is_read_panics(comment in "(k8s )?(\\PC{0,20}(src|dst|svc|pid|drop|comm)=\\PC{0,20} ){0,4}", name in "\\PC{0,40}") {
        let _ = read(&comment);
        let _ = Described::read(&name, &comment);
    }
}
