use std::{net::IpAddr, sync::Mutex};

use flow::{FlowRecord, Interface, PacketBatch, Place};

use super::*;

/// The time of all packets: ns since the epoch.
const T0: u64 = 1_782_123_072_000 * MS;

/// Names of a made-up cluster: 10.96.0.9 is the Service web, 10.244.1.x are pods of n1, 10.244.2.x of n2; the others come later.
#[derive(Clone, Debug, Default)]
struct Cluster {
    /// Addresses of which nothing is told yet.
    unborn: Arc<Mutex<Vec<IpAddr>>>,
    asked: Arc<Mutex<usize>>,
}

impl Cluster {
    fn names(&self, address: IpAddr) -> Option<(&'static str, String)> {
        let IpAddr::V4(address) = address else { return None };
        if self.unborn.lock().unwrap().contains(&address.into()) {
            return None;
        }
        match address.octets() {
            [10, 96, 0, 9] => Some(("Service", "web".to_owned())),
            [10, 244, node, pod] => Some(("Pod", format!("pod-{node}-{pod}"))),
            _ => None,
        }
    }
}

impl Enrich for Cluster {
    fn enrich(&mut self, batch: &mut Batch) {
        let Body::Packets(packets) = &mut batch.body else { return };
        *self.asked.lock().unwrap() += packets.ends.len();
        for ends in &mut packets.ends {
            let ends = Arc::make_mut(ends);
            assert_eq!(
                ends.time_flow_end_ms.map(|ms| ms >= T0 / MS),
                Some(true),
                "names are asked for the packet's time"
            );
            let name = |address: Option<IpAddr>| {
                let (kind, name) = address.and_then(|address| self.names(address)).unzip();
                (kind.map(Arc::from), name.map(Arc::from), Some(Arc::from("shop")))
            };
            (ends.src_k8s_type, ends.src_k8s_name, ends.src_k8s_namespace) = name(ends.src_addr);
            (ends.dst_k8s_type, ends.dst_k8s_name, ends.dst_k8s_namespace) = name(ends.dst_addr);
            (_, ends.xlat_src_k8s_name, ends.xlat_src_k8s_namespace) = name(ends.xlat_src_addr);
            (_, ends.xlat_dst_k8s_name, ends.xlat_dst_k8s_namespace) = name(ends.xlat_dst_addr);
        }
    }

    fn pending(&self, record: &FlowRecord, _: u64) -> bool {
        let unborn = self.unborn.lock().unwrap();
        [record.src_addr, record.dst_addr].into_iter().flatten().any(|address| unborn.contains(&address))
    }

    fn place(&self, node: &str, _: &Interface, address: IpAddr, _: u64) -> Option<Place> {
        let IpAddr::V4(v4) = address else { return None };
        let [10, 244, number, _] = v4.octets() else { return None };
        let (_, pod) = self.names(address).filter(|_| node == format!("n{number}"))?;
        Some(Place { namespace: "shop".into(), pod: pod.into(), interface: "eth0".into(), ..Place::default() })
    }
}

/// A TCP segment: between whom, its sequence number, its hop count.
#[derive(Clone, Copy)]
struct Segment {
    from: [u8; 4],
    to: [u8; 4],
    ports: [u16; 2],
    sequence: u32,
    ttl: u8,
}

const CLIENT: [u8; 4] = [10, 244, 1, 5];
const SERVER: [u8; 4] = [10, 244, 2, 7];
const SERVICE: [u8; 4] = [10, 96, 0, 9];

fn segment(from: [u8; 4], to: [u8; 4], sequence: u32) -> Segment {
    let ports = if from == CLIENT { [40_000, 80] } else { [80, 40_000] };
    Segment { from, to, ports, sequence, ttl: 64 }
}

impl Segment {
    fn frame(&self) -> Vec<u8> {
        let mut frame = [[2; 12].as_slice(), &[8, 0, 0x45, 0, 0, 40, 0, 7, 0x40, 0, self.ttl, 6, 0, 0]].concat();
        frame.extend_from_slice(&self.from);
        frame.extend_from_slice(&self.to);
        frame.extend(self.ports.iter().flat_map(|port| port.to_be_bytes()));
        frame.extend_from_slice(&self.sequence.to_be_bytes());
        frame.extend_from_slice(&[0, 0, 0, 9, 0x50, 2, 1, 0, 0, 0, 0, 0]);
        frame
    }
}

/// A batch of `node` with segments: at which interface, which way, ms after the start.
fn batch(node: &str, seen: &[(u32, u8, u64, Segment)]) -> Batch {
    let mut body = PacketBatch::default();
    for (interface, direction, ms, segment) in seen {
        let (frame, offset) = (segment.frame(), body.data.len() as u32);
        let len = frame.len() as u32;
        body.data.extend(frame);
        let (interface, direction, time_ns) = (*interface, *direction, T0 + ms * MS);
        body.packets.push(Packet { time_ns, interface, len, caplen: len, offset, direction, ..Packet::default() });
    }
    Batch::bare(node.into(), T0, Body::Packets(body))
}

fn interface(id: u32, name: &str, leads_out: bool) -> Interface {
    Interface { id, name: name.into(), leads_out, ..Interface::default() }
}

fn now(ms: u64) -> Now {
    Now { elapsed: ms * MS, wall_ms: T0 / MS + ms }
}

fn push(annotate: &mut Annotate, cluster: &mut Cluster, batch: Batch, ms: u64) -> Vec<Batch> {
    annotate.push(batch, Some(cluster), now(ms))
}

/// Of each packet: its id, source, destination, Service.
fn told(batch: &Batch) -> Vec<(u64, String)> {
    let Body::Packets(body) = &batch.body else { return Vec::new() };
    let words = |packet: &Packet| {
        let Some(ends) = body.ends(packet) else { return "nobody".to_owned() };
        let service = ends.service().map(|service| format!(" through {}/{}", service.namespace, service.name));
        let name = |name: &Option<Arc<str>>| name.as_deref().unwrap_or("?").to_owned();
        format!("{} > {}{}", name(&ends.src_k8s_name), name(&ends.dst_k8s_name), service.unwrap_or_default())
    };
    body.packets.iter().map(|packet| (packet.id, words(packet))).collect()
}

#[test]
fn a_request_through_a_service_has_one_id_and_its_names_at_all_four_points_and_so_has_the_reply() {
    let (mut annotate, mut cluster) = (Annotate::default(), Cluster::default());
    let (to_service, to_pod) = (segment(CLIENT, SERVICE, 1), segment(CLIENT, SERVER, 1));
    let n1 = push(&mut annotate, &mut cluster, batch("n1", &[(1, 0, 0, to_service), (2, 1, 1, to_pod)]), 1);
    let n2 = push(&mut annotate, &mut cluster, batch("n2", &[(1, 0, 2, to_pod), (2, 1, 3, to_pod)]), 3);
    let seen: Vec<_> = n1.iter().chain(&n2).flat_map(told).collect();
    assert_eq!(seen.iter().map(|(id, _)| *id).collect::<std::collections::HashSet<_>>().len(), 1);
    let words: Vec<_> = seen.iter().map(|(_, words)| &**words).collect();
    let after = "pod-1-5 > pod-2-7 through shop/web";
    assert_eq!(words, ["pod-1-5 > web through shop/web", after, after, after]);
    let (from_pod, from_service) = (segment(SERVER, CLIENT, 2), segment(SERVICE, CLIENT, 2));
    let n2 = push(&mut annotate, &mut cluster, batch("n2", &[(2, 0, 5, from_pod), (1, 1, 6, from_pod)]), 6);
    let n1 = push(&mut annotate, &mut cluster, batch("n1", &[(2, 0, 7, from_pod), (1, 1, 8, from_service)]), 8);
    let words: Vec<_> = n2.iter().chain(&n1).flat_map(told).map(|(_, words)| words).collect();
    let before = "pod-2-7 > pod-1-5 through shop/web";
    assert_eq!(words, [before, before, before, "web > pod-1-5 through shop/web"]);
}

#[test]
fn ends_are_named_once_and_shared_and_again_after_a_second() {
    let (mut annotate, mut cluster) = (Annotate::default(), Cluster::default());
    let many = |ms| batch("n1", &[(1, 0, ms, segment(CLIENT, SERVER, 1)), (1, 0, ms, segment(CLIENT, SERVER, 2))]);
    for ms in [0, 10, 990] {
        let out = push(&mut annotate, &mut cluster, many(ms), ms);
        let Body::Packets(body) = &out[0].body else { unreachable!() };
        assert_eq!((body.ends.len(), body.packets[0].ends, body.packets[1].ends), (1, 0, 0));
        assert_eq!(body.ends[0].time_flow_end_ms, None, "one record for packets of many times");
    }
    assert_eq!(*cluster.asked.lock().unwrap(), 1);
    push(&mut annotate, &mut cluster, many(1001), 1001);
    assert_eq!(*cluster.asked.lock().unwrap(), 2);
}

#[test]
fn what_the_agent_says_of_ends_stays_beside_their_names() {
    let (mut annotate, mut cluster) = (Annotate::default(), Cluster::default());
    let mut batch = batch("n1", &[(1, 0, 0, segment(CLIENT, SERVER, 1))]);
    let Body::Packets(body) = &mut batch.body else { unreachable!() };
    body.ends.push(Arc::new(FlowRecord { src_process: Some("curl".into()), ..FlowRecord::default() }));
    body.packets[0].ends = 0;
    let out = push(&mut annotate, &mut cluster, batch, 0);
    let Body::Packets(body) = &out[0].body else { unreachable!() };
    let ends = body.ends(&body.packets[0]).unwrap();
    assert_eq!((ends.src_process.as_deref(), ends.src_k8s_name.as_deref()), (Some("curl"), Some("pod-1-5")));
    assert_eq!(ends.dst_port, Some(80));
}

#[test]
fn a_new_pod_s_packets_wait_for_its_name_and_those_after_them_too() {
    let (mut annotate, mut cluster) = (Annotate::default(), Cluster::default());
    cluster.unborn.lock().unwrap().push(CLIENT.into());
    assert!(push(&mut annotate, &mut cluster, batch("n1", &[(1, 0, 0, segment(CLIENT, SERVER, 1))]), 0).is_empty());
    assert!(push(&mut annotate, &mut cluster, batch("n2", &[(1, 0, 5, segment(SERVER, SERVER, 1))]), 5).is_empty());
    assert_eq!(annotate.due(), Some(100 * MS));
    assert!(annotate.release(&mut cluster, now(100)).is_empty());
    cluster.unborn.lock().unwrap().clear();
    let out: Vec<_> = annotate.release(&mut cluster, now(200)).iter().flat_map(told).map(|(_, words)| words).collect();
    assert_eq!(out, ["pod-1-5 > pod-2-7", "pod-2-7 > pod-2-7"]);
    assert_eq!(annotate.due(), None);
}

#[test]
fn nobody_waits_longer_than_a_second_nor_when_much_waits() {
    let (mut annotate, mut cluster) = (Annotate::default(), Cluster::default());
    cluster.unborn.lock().unwrap().push(CLIENT.into());
    push(&mut annotate, &mut cluster, batch("n1", &[(1, 0, 0, segment(CLIENT, SERVER, 1))]), 0);
    assert!(annotate.release(&mut cluster, now(999)).is_empty());
    let out = annotate.release(&mut cluster, now(1000));
    assert_eq!(told(&out[0])[0].1, "? > pod-2-7", "with the names that are known");
    let mut large = batch("n1", &[(1, 0, 2000, segment(CLIENT, SERVER, 1))]);
    let Body::Packets(body) = &mut large.body else { unreachable!() };
    body.data.resize(MOST, 0);
    assert_eq!(push(&mut annotate, &mut cluster, large, 2000).len(), 1);
    assert_eq!(annotate.bytes, 0);
}

#[test]
fn without_names_there_are_ids_and_nothing_waits() {
    let mut annotate = Annotate::default();
    let mut batch = batch("n1", &[(1, 0, 0, segment(CLIENT, SERVER, 1))]);
    let Body::Packets(body) = &mut batch.body else { unreachable!() };
    body.ends.push(Arc::new(FlowRecord { src_process: Some("curl".into()), ..FlowRecord::default() }));
    body.packets[0].ends = 0;
    let out = annotate.push(batch, None, now(0));
    let Body::Packets(body) = &out[0].body else { unreachable!() };
    assert_ne!(body.packets[0].id, 0);
    assert_eq!(body.ends(&body.packets[0]).unwrap().src_process.as_deref(), Some("curl"));
}

/// Interfaces announced with a pod, as `id pod`.
fn places(batches: &[Batch]) -> Vec<String> {
    let announced = batches.iter().flat_map(|batch| &batch.interfaces);
    let pod =
        |interface: &Interface| interface.place.as_ref().map_or_else(|| "-".into(), |place| Arc::clone(&place.pod));
    announced.map(|interface| format!("{} {}", interface.id, pod(interface))).collect()
}

#[test]
fn an_interface_that_leads_out_is_announced_again_with_its_pod() {
    let (mut annotate, mut cluster) = (Annotate::default(), Cluster::default());
    let mut first = Batch::bare("n1".into(), T0, Body::None);
    first.interfaces = vec![interface(1, "veth1", true), interface(2, "eth0", false)];
    assert_eq!(places(&push(&mut annotate, &mut cluster, first, 0)), ["1 -", "2 -"]);
    // A packet of another pod of the node passes the uplink, which leads nowhere.
    let seen = [(2, 0, 0, segment([10, 244, 1, 9], SERVER, 1)), (1, 0, 1, segment(CLIENT, SERVER, 1))];
    assert_eq!(places(&push(&mut annotate, &mut cluster, batch("n1", &seen), 1)), ["1 pod-1-5"]);
    assert!(places(&push(&mut annotate, &mut cluster, batch("n1", &seen), 2)).is_empty(), "once");
}

#[test]
fn a_pod_that_forwards_is_not_taken_for_those_whose_packets_it_forwards() {
    let (mut annotate, mut cluster) = (Annotate::default(), Cluster::default());
    let (other, gateway) = ([10, 244, 1, 9], [10, 244, 1, 5]);
    let mut first = Batch::bare("n1".into(), T0, Body::None);
    first.interfaces = vec![interface(1, "veth1", true), interface(2, "veth2", true)];
    push(&mut annotate, &mut cluster, first, 0);
    // What the other pod sent comes out of the gateway, two hops later; what is meant for the other goes into it.
    let forwarded = Segment { ttl: 62, ..segment(other, SERVER, 1) };
    let seen = [(1, 0, 0, forwarded), (1, 1, 1, segment(SERVER, other, 2)), (1, 1, 10, segment(SERVER, gateway, 3))];
    assert!(places(&push(&mut annotate, &mut cluster, batch("n1", &seen), 10)).is_empty());
    let seen = [(2, 0, 20, segment(other, SERVER, 3)), (1, 0, 30, segment(gateway, SERVER, 4))];
    assert_eq!(places(&push(&mut annotate, &mut cluster, batch("n1", &seen), 30)), ["2 pod-1-9", "1 pod-1-5"]);
}

#[test]
fn who_only_receives_is_supposed_after_a_while_and_gives_way_to_who_sends() {
    let (mut annotate, mut cluster) = (Annotate::default(), Cluster::default());
    let mut first = Batch::bare("n1".into(), T0, Body::None);
    first.interfaces = vec![interface(1, "veth1", true), interface(2, "veth2", true)];
    push(&mut annotate, &mut cluster, first, 0);
    let to = |ms| batch("n1", &[(1, 1, ms, segment(SERVER, CLIENT, ms as u32))]);
    assert!(places(&push(&mut annotate, &mut cluster, to(0), 0)).is_empty());
    assert_eq!(places(&push(&mut annotate, &mut cluster, to(300), 300)), ["1 pod-1-5"]);
    let sends = batch("n1", &[(2, 0, 400, segment(CLIENT, SERVER, 1))]);
    let mut changed = places(&push(&mut annotate, &mut cluster, sends, 400));
    changed.sort_unstable();
    assert_eq!(changed, ["1 -", "2 pod-1-5"]);
}

/// `cargo nextest run --release -p collector --run-ignored all -E 'test(speed)'`
#[test]
#[ignore = "a measurement"]
fn speed_of_ids_and_ends() {
    const ROUNDS: u64 = 40;
    let (mut annotate, mut cluster) = (Annotate::default(), Cluster::default());
    let conversation = |n: u32| Segment { ports: [30_000 + (n * 7 % 4000) as u16, 80], ..segment(CLIENT, SERVER, n) };
    let mut took = std::time::Duration::ZERO;
    for round in 0..ROUNDS {
        // 100,000 packets a second in batches of 50 ms, of 4000 connections.
        let seen: Vec<_> = (0..5000).map(|n| (1, 0, round * 50 + u64::from(n) / 100, conversation(n))).collect();
        let batch = batch("n1", &seen);
        let started = std::time::Instant::now();
        let out = push(&mut annotate, &mut cluster, batch, round * 50);
        took += started.elapsed();
        assert_eq!(told(&out[0]).len(), 5000);
    }
    println!("id and ends take {} ns a packet", took.as_nanos() / u128::from(ROUNDS * 5000));
}
