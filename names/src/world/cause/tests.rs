use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::{
    decode::service::Service,
    world::{
        policies::tests::{policy, world},
        tests::{T0, ip, service},
    },
};

const NETFILTER: &str = "SKB_DROP_REASON_NETFILTER_DROP";

/// A SYN from `from` to `to`, dropped.
fn dropped(from: &str, to: &str, port: u16, reason: &str) -> FlowRecord {
    FlowRecord {
        src_addr: Some(ip(from)),
        dst_addr: Some(ip(to)),
        src_port: Some(40_000),
        dst_port: Some(port),
        proto: Some(TCP),
        flags: Some(SYN),
        pkt_drop_packets: Some(1),
        pkt_drop_latest_drop_cause: Some(Arc::from(reason)),
        ..FlowRecord::default()
    }
}

fn cause(world: &World, record: &FlowRecord) -> Option<String> {
    world.likely_cause(record, When { start: T0, end: T0 })
}

fn denying() -> World {
    let mut world = world();
    let spec = json!({"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"]});
    world.apply_policy(&policy("u1", "deny-all", &spec));
    world
}

const WEB: &str = "10.244.1.3";
const DB: &str = "10.244.1.4";

#[test]
fn a_policy_that_does_not_allow_it_is_named_as_likely() {
    let told = cause(&denying(), &dropped(DB, WEB, 8080, NETFILTER)).unwrap();
    assert_eq!(told, "likely: NetworkPolicy shop/deny-all (ingress) does not allow it");
    let mut world = denying();
    let spec = json!({"podSelector": {}, "policyTypes": ["Egress"]});
    for (uid, name) in [("u2", "no-way-out"), ("u3", "b"), ("u4", "c")] {
        world.apply_policy(&policy(uid, name, &spec));
    }
    let told = cause(&world, &dropped(DB, WEB, 8080, NETFILTER)).unwrap();
    assert_eq!(
        told,
        "likely: none of NetworkPolicies shop/no-way-out, shop/b and 1 more (egress) allows it; \
         NetworkPolicy shop/deny-all (ingress) does not allow it"
    );
}

#[test]
fn nothing_is_said_where_a_policy_would_not_explain_it() {
    let world = denying();
    let record = dropped(DB, WEB, 8080, NETFILTER);
    assert_eq!(cause(&world, &dropped(DB, WEB, 8080, "SKB_DROP_REASON_TCP_CSUM")), None, "another reason");
    assert_eq!(cause(&world, &FlowRecord { pkt_drop_packets: Some(0), ..record.clone() }), None, "nothing was dropped");
    assert_eq!(cause(&world, &FlowRecord { pkt_drop_packets: None, ..record.clone() }), None);
    assert_eq!(cause(&world, &FlowRecord { flags: Some(SYN | ACK | SYN_ACK), ..record.clone() }), None, "an answer");
    assert_eq!(
        cause(&world, &FlowRecord { flags: Some(ACK), ..record.clone() }),
        None,
        "in the middle of a connection"
    );
    assert_eq!(cause(&world, &dropped(WEB, DB, 5432, NETFILTER)), None, "about who goes out, nothing is said");
    assert!(cause(&world, &dropped(DB, WEB, 8080, "")).is_some(), "an old kernel tells no reason");
}

#[test]
fn answers_of_udp_are_told_by_their_ports() {
    let world = denying();
    let udp = FlowRecord { proto: Some(UDP), flags: None, ..dropped(DB, WEB, 53, NETFILTER) };
    assert!(cause(&world, &udp).is_some());
    let answer = FlowRecord { src_port: Some(53), dst_port: Some(40_000), ..udp };
    assert_eq!(cause(&world, &answer), None);
}

#[test]
fn the_pod_behind_a_service_is_the_one_that_policies_are_about() {
    let mut world = denying();
    world.apply_service(&service(9, "web", &["10.96.0.9"]), T0, true);
    let record = dropped(DB, "10.96.0.9", 80, NETFILTER);
    assert_eq!(cause(&world, &record), None, "which pod it would have been is not known");
    let translated = FlowRecord { xlat_dst_addr: Some(ip(WEB)), xlat_dst_port: Some(8080), ..record };
    assert!(cause(&world, &translated).unwrap().contains("shop/deny-all"));
}

#[test]
fn a_service_without_ready_pods_is_named_and_one_whose_pods_nobody_selects_is_not() {
    let mut world = denying();
    let selecting =
        Service { selector: [("app".to_owned(), "web".to_owned())].into(), ..service(9, "web", &["10.96.0.9"]) };
    world.apply_service(&selecting, T0, true);
    let record = dropped(DB, "10.96.0.9", 80, "SKB_DROP_REASON_NOT_SPECIFIED");
    assert_eq!(cause(&world, &record).as_deref(), Some("likely: Service shop/web has no ready endpoints"));
    let ready = crate::decode::pod::Pod {
        labels: [("app".to_owned(), "web".to_owned())].into(),
        ready: true,
        ..crate::world::tests::pod(3, "web", WEB)
    };
    world.apply_pod(&ready, T0, false);
    assert_eq!(cause(&world, &record), None);
    world.apply_service(&service(10, "outside", &["10.96.0.10"]), T0, true);
    assert_eq!(cause(&world, &dropped(DB, "10.96.0.10", 80, NETFILTER)), None);
}

#[test]
fn a_refused_port_that_no_container_declares_is_named() {
    let world = denying();
    let refused = |to, port| cause(&world, &dropped(DB, to, port, "SKB_DROP_REASON_NO_SOCKET"));
    assert_eq!(refused(WEB, 81).as_deref(), Some("likely: no container of shop/web declares port 81"));
    assert_eq!(refused(WEB, 8080), None, "it is declared: whoever should listen does not");
    assert_eq!(refused(DB, 81), None, "nothing is declared at all, which is usual");
}
