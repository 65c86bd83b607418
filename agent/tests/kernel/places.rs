//! Interfaces and namespaces that come and go, of every kind.

use std::{
    fs::OpenOptions,
    os::fd::AsRawFd as _,
    time::{Duration, Instant},
};

use agent::AgentError;
use flow::{
    CaptureConfig, LinkType, Stop,
    config::{NamePattern, NetNs},
};

use crate::{
    capture::{Capture, Kept, bytes, config, packets},
    lab::{Lab, can_run, inside, path, run, send},
};

#[test]
fn kernel_namespaces_and_interfaces_that_come_later_are_watched_within_a_second() {
    if !can_run("kernel_namespaces_and_interfaces_that_come_later_are_watched_within_a_second") {
        return;
    }
    let mut lab = Lab::new();
    let capture = Capture::start(config(&lab.prefix));
    assert_eq!(capture.attached().interfaces, 0);
    let [a, b, one, _] = lab.pair();
    let took = capture.await_interfaces(2);
    assert!(took < Duration::from_secs(1), "{took:?}");
    send(&a, "10.9.0.2:9999", 1000, 100, 100);
    let third = format!("{}late", lab.prefix);
    run(&format!("ip -n {a} link add {third} type bridge && ip -n {a} link set {third} up"));
    assert!(capture.await_interfaces(3) < Duration::from_secs(1));
    run(&format!("ip -n {a} link del {third}"));
    capture.await_interfaces(2);
    lab.delete(&a);
    let took = capture.await_interfaces(0);
    println!("a deleted namespace was let go after {took:?}");
    // The other end of the pair went with its namespace: nothing of ours kept that alive.
    assert!(!run(&format!("ip -n {b} -o link")).contains(&lab.prefix));
    let outcome = capture.finish();
    let records = outcome.to_port(9999);
    assert_eq!(packets(&records), 100);
    assert_eq!(records[0].interfaces.as_ref().map(|names| names.len()), Some(2));
    let notices = outcome.notices();
    let said = |text: &str| assert!(notices.iter().any(|notice| notice.contains(text)), "{text}: {notices:?}");
    said(&format!("attached to {one} in {a}"));
    said(&format!("{third} in {a} is gone"));
    said(&format!("namespace {a} is gone"));
}

#[test]
fn kernel_a_namespace_without_a_name_is_found_by_its_process() {
    if !can_run("kernel_a_namespace_without_a_name_is_found_by_its_process") {
        return;
    }
    let lab = Lab::new();
    let capture = Capture::start(config(&lab.prefix));
    let name = format!("{}anon", lab.prefix);
    let script = format!("ip link add {name} type bridge && ip link set {name} up && exec sleep 30");
    let mut child = std::process::Command::new("unshare").args(["-n", "sh", "-c", &script]).spawn().unwrap();
    assert!(capture.await_interfaces(1) < Duration::from_secs(2));
    child.kill().unwrap();
    child.wait().unwrap();
    capture.await_interfaces(0);
    let outcome = capture.finish();
    let interface = outcome.interfaces().find(|interface| *interface.name == *name).unwrap();
    assert!(interface.netns.starts_with("netns:"), "{interface:?}");
}

#[test]
fn kernel_a_peer_that_moves_to_another_namespace_stays_a_peer() {
    if !can_run("kernel_a_peer_that_moves_to_another_namespace_stays_a_peer") {
        return;
    }
    let mut lab = Lab::new();
    let [a, b, _, other] = lab.pair();
    let c = lab.namespace("c");
    let capture = Capture::start(config(&lab.prefix));
    run(&format!("ip -n {b} link set {other} netns {c}"));
    run(&format!("ip -n {c} address add 10.9.0.2/24 dev {other} && ip -n {c} link set {other} up"));
    std::thread::sleep(Duration::from_millis(300));
    capture.await_interfaces(2);
    send(&a, "10.9.0.2:9999", 1000, 100, 100);
    let outcome = capture.finish();
    let records = outcome.to_port(9999);
    assert_eq!(
        (packets(&records), records[0].interfaces.as_ref().map(|names| names.len())),
        (100, Some(2)),
        "{records:?}"
    );
}

#[test]
fn kernel_where_an_interface_leads_and_how_fast_it_is_is_told() {
    if !can_run("kernel_where_an_interface_leads_and_how_fast_it_is_is_told") {
        return;
    }
    let mut lab = Lab::new();
    let (node, pod) = (lab.namespace("n"), lab.namespace("p"));
    let [out, inner, stays] = ["out", "in", "stays"].map(|name| format!("{}{name}", lab.prefix));
    run(&format!("ip -n {node} link add {out} type veth peer name {inner}"));
    run(&format!("ip -n {node} link add {stays} type bridge && ip -n {node} link set {stays} up"));
    let one = CaptureConfig { netns: NetNs::Path(path(&node)), ..config(&lab.prefix) };
    let capture = Capture::start(one);
    capture.await_announced(&out);
    // What leads nowhere else yet is a pod's later.
    run(&format!("ip -n {node} link set {inner} netns {pod} && ip -n {node} link set {out} up"));
    capture.await_interfaces(2);
    let outcome = capture.finish();
    let told = |name: &str| {
        let announced = outcome.interfaces().filter(|interface| *interface.name == *name);
        announced.map(|interface| (interface.id, interface.leads_out, interface.speed)).collect::<Vec<_>>()
    };
    let speed = run(&format!("ip netns exec {node} cat /sys/class/net/{out}/speed")).trim().parse::<u64>().unwrap();
    let [(first, false, before), (again, true, after)] = told(&out)[..] else { panic!("{:?}", told(&out)) };
    assert_eq!((first, before, after), (again, speed * 1_000_000, speed * 1_000_000));
    assert!(matches!(told(&stays)[..], [(_, false, 0)]), "{:?}", told(&stays));
}

#[test]
fn kernel_a_tun_device_carries_bare_ip_packets() {
    if !can_run("kernel_a_tun_device_carries_bare_ip_packets") {
        return;
    }
    let mut lab = Lab::new();
    let a = lab.namespace("a");
    let name = format!("{}tun", lab.prefix);
    let device = inside(&a, {
        let name = name.clone();
        move || tun(&name)
    });
    let device = device.join().unwrap();
    run(&format!("ip -n {a} address add 10.9.1.1/24 dev {name} && ip -n {a} link set {name} up"));
    let capture = Capture::start(config(&lab.prefix));
    assert_eq!(send(&a, "10.9.1.2:9999", 1000, 50, 100), 50);
    let outcome = capture.finish();
    drop(device);
    let records = outcome.to_port(9999);
    assert_eq!((packets(&records), bytes(&records)), (50, 50 * (20 + 8 + 100)));
    assert_eq!((records[0].src_mac, records[0].etype), (None, Some(0x800)));
    assert!(outcome.interfaces().any(|interface| *interface.name == *name && interface.link_type == LinkType::RawIp));
}

/// A tun device without packet information, which lives as long as its file.
fn tun(name: &str) -> std::fs::File {
    let file = OpenOptions::new().read(true).write(true).open("/dev/net/tun").unwrap();
    // `struct ifreq`: name, then flags IFF_TUN | IFF_NO_PI.
    let mut request = [0u8; 40];
    request[..name.len()].copy_from_slice(name.as_bytes());
    request[16..18].copy_from_slice(&0x1001u16.to_ne_bytes());
    // SAFETY: TUNSETIFF reads and writes an ifreq of this size.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), 0x4004_54ca, request.as_mut_ptr()) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    file
}

#[test]
fn kernel_interfaces_and_namespaces_that_are_not_there_are_named() {
    if !can_run("kernel_interfaces_and_namespaces_that_are_not_there_are_named") {
        return;
    }
    let start = |config| agent::start(config, Box::new(Kept::default()), Stop::default()).map(drop);
    let mut one = config("x");
    one.netns = NetNs::Current;
    one.interfaces = vec![NamePattern::Exact("nosuch0".to_owned())];
    match start(one) {
        Err(AgentError::NoInterface { name, present }) => {
            assert!(name == "nosuch0" && present.contains("lo"), "{present}");
        }
        other => panic!("{other:?}"),
    }
    let mut two = config("x");
    two.netns = NetNs::Path(path("nosuchnamespace"));
    assert!(matches!(start(two), Err(AgentError::NoNetns { .. })));
}

#[test]
fn kernel_a_capture_ends_quickly() {
    if !can_run("kernel_a_capture_ends_quickly") {
        return;
    }
    let mut lab = Lab::new();
    lab.pair();
    let begun = Instant::now();
    let capture = Capture::start(config(&lab.prefix));
    let started = begun.elapsed();
    capture.finish();
    let ended = begun.elapsed().saturating_sub(started);
    println!("start {started:?}, end {ended:?}");
    assert!(started < Duration::from_secs(2) && ended < Duration::from_secs(2));
}

#[test]
fn kernel_records_come_before_the_last_of_many_interfaces_is_watched() {
    const PAIRS: usize = 50;
    if !can_run("kernel_records_come_before_the_last_of_many_interfaces_is_watched") {
        return;
    }
    let mut lab = Lab::new();
    let many = lab.namespace("m");
    let lines = (0..PAIRS).map(|number| format!("link add {0}{number}a type veth peer name {0}{number}b", lab.prefix));
    let lines = lines.collect::<Vec<_>>().join("\n");
    run(&format!("echo '{lines}' | ip -n {many} -batch -"));
    let begun = Instant::now();
    let capture = Capture::start(CaptureConfig { netns: NetNs::Path(path(&many)), ..config(&lab.prefix) });
    let (started, at_once) = (begun.elapsed(), capture.attached().interfaces);
    while capture.attached().interfaces < 2 * PAIRS {
        assert!(begun.elapsed() < Duration::from_mins(1), "{:?}", capture.attached());
        std::thread::sleep(Duration::from_millis(20));
    }
    println!("{at_once} interfaces after {started:?}, all {} after {:?}", 2 * PAIRS, begun.elapsed());
    let outcome = capture.finish();
    let told = outcome.notices().iter().filter(|notice| notice.contains("attached to")).count();
    assert_eq!(told, usize::from(at_once < 2 * PAIRS), "{:?}", outcome.notices());
    assert!(at_once > 0);
}
