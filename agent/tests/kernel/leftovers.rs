//! What is left on interfaces, and what of others is untouched.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use flow::config::TcAttach;

use crate::{
    capture::{Capture, config, packets},
    lab::{Lab, can_run, inside, run, send},
};

const CHILD: &str = "AGENT_TEST_CHILD";
/// How the names of our filters begin.
const OURS: &str = "oc-netobserv/";

/// Filters, qdiscs and the number of TCX programs on an interface, in words.
fn state(namespace: &str, interface: &str) -> String {
    let filters = run(&format!(
        "tc -n {namespace} qdisc show dev {interface}; tc -n {namespace} filter show dev {interface} ingress; \
         tc -n {namespace} filter show dev {interface} egress"
    ));
    format!("{filters}tcx: {:?}", tcx(namespace, interface))
}

/// How many programs of ours are at ingress and egress of an interface, where nobody else has any.
pub(crate) fn programs(namespace: &str, interface: &str) -> [u32; 2] {
    tcx(namespace, interface).unwrap_or_else(|| {
        let filters =
            |hook: &str| run(&format!("tc -n {namespace} filter show dev {interface} {hook}")).matches(OURS).count();
        ["ingress", "egress"].map(|hook| filters(hook) as u32)
    })
}

/// How many programs are at both TCX hooks of an interface; `None` before Linux 6.6.
fn tcx(namespace: &str, interface: &str) -> Option<[u32; 2]> {
    let index =
        run(&format!("ip -n {namespace} -o link show {interface} | cut -d: -f1")).trim().parse::<u32>().unwrap();
    let count = move |hook: u32| {
        // BPF_PROG_QUERY: target_ifindex, attach_type, query_flags, attach_flags, prog_ids, count...
        let mut attributes = [0u32; 16];
        (attributes[0], attributes[1]) = (index, hook);
        // SAFETY: the attributes have the size that is given, and hold no pointers.
        let result = unsafe { libc::syscall(libc::SYS_bpf, 16, attributes.as_mut_ptr(), size_of_val(&attributes)) };
        (result >= 0).then_some(attributes[6])
    };
    inside(namespace, move || Some([count(46)?, count(47)?])).join().unwrap()
}

/// Whether the test can run and this kernel has TCX; says so when not.
fn can_run_tcx(name: &str) -> bool {
    let mut lab = Lab::new();
    if !can_run(name) {
        return false;
    }
    let [a, _, one, _] = lab.pair();
    let has = tcx(&a, &one).is_some();
    if !has {
        println!("SKIP {name}: no TCX in this kernel (Linux 6.6)");
    }
    has
}

fn foreign_filter(namespace: &str, interface: &str) {
    run(&format!("tc -n {namespace} qdisc add dev {interface} clsact"));
    let accept_all = "u32 match u32 0 0 classid 1:1";
    run(&format!(
        "tc -n {namespace} filter add dev {interface} egress prio 49 handle 800::800 protocol all {accept_all}"
    ));
}

#[test]
fn kernel_clsact_beside_a_foreign_filter_which_stays_as_it_is() {
    if !can_run("kernel_clsact_beside_a_foreign_filter_which_stays_as_it_is") {
        return;
    }
    let mut lab = Lab::new();
    let [a, b, one, other] = lab.pair();
    foreign_filter(&a, &one);
    let before = [state(&a, &one), state(&b, &other)];
    let mut config = config(&lab.prefix);
    config.tc_attach = TcAttach::Tc;
    let (first, second) = (Capture::start(config.clone()), Capture::start(config));
    let during = state(&a, &one);
    assert!(during.contains("oc-netobserv/") && during.contains("u32"), "{during}");
    assert_eq!(send(&a, "10.9.0.2:9999", 1000, 100, 100), 100);
    // Two captures at once: the end of one leaves the other's filters alone.
    assert_eq!(packets(&first.finish().to_port(9999)), 100);
    assert_eq!(send(&a, "10.9.0.2:9999", 1000, 100, 100), 100);
    assert_eq!(packets(&second.finish().to_port(9999)), 200);
    assert_eq!([state(&a, &one), state(&b, &other)], before);
}

#[test]
fn kernel_tcx_leaves_nothing_when_dropped() {
    if !can_run_tcx("kernel_tcx_leaves_nothing_when_dropped") {
        return;
    }
    let mut lab = Lab::new();
    let [a, _, one, _] = lab.pair();
    let before = state(&a, &one);
    let capture = Capture::start(config(&lab.prefix));
    assert_eq!(tcx(&a, &one), Some([1, 1]));
    drop(capture);
    assert_eq!(state(&a, &one), before);
}

#[test]
fn kernel_nothing_is_left_after_kill_9() {
    if !can_run_tcx("kernel_nothing_is_left_after_kill_9") {
        return;
    }
    let mut lab = Lab::new();
    let [a, _, one, _] = lab.pair();
    let before = state(&a, &one);
    let child = child(&lab.prefix, "tcx");
    assert_eq!(tcx(&a, &one), Some([1, 1]));
    kill(child);
    // The kernel frees links when the last work of the process is done.
    let gone = || {
        std::thread::sleep(Duration::from_millis(50));
        state(&a, &one) == before
    };
    assert!((0..60).any(|_| gone()), "{}", state(&a, &one));
}

#[test]
fn kernel_what_a_killed_process_left_on_clsact_is_removed_by_the_next() {
    if !can_run("kernel_what_a_killed_process_left_on_clsact_is_removed_by_the_next") {
        return;
    }
    let mut lab = Lab::new();
    let [a, b, one, other] = lab.pair();
    foreign_filter(&a, &one);
    let before = [state(&a, &one), state(&b, &other)];
    let child = child(&lab.prefix, "tc");
    assert!(state(&a, &one).contains("oc-netobserv/"));
    kill(child);
    drop(Capture::start(config(&lab.prefix)));
    assert_eq!([state(&a, &one), state(&b, &other)], before);
}

#[test]
fn kernel_processes_that_do_not_see_each_other_remove_what_the_other_left_only_after_its_end() {
    if !can_run("kernel_processes_that_do_not_see_each_other_remove_what_the_other_left_only_after_its_end") {
        return;
    }
    let mut lab = Lab::new();
    let [a, _, one, _] = lab.pair();
    let before = state(&a, &one);
    let owners = || {
        let state = state(&a, &one);
        let names = state.split_whitespace().filter_map(|word| word.strip_prefix("oc-netobserv/"));
        names.map(|name| name.split('/').next().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    // As in containers: each sees its own processes only.
    let contained =
        || child_by(Command::new("unshare").args(["--pid", "--fork", "--kill-child", "--mount-proc"]), &lab.prefix);
    let first = contained();
    let of_first = owners();
    let second = contained();
    assert_eq!((of_first.len(), owners().len()), (1, 2));
    kill(first);
    let third = contained();
    assert!(owners().len() == 2 && owners().is_disjoint(&of_first), "{:?}", owners());
    kill(second);
    kill(third);
    drop(Capture::start(config(&lab.prefix)));
    assert_eq!(state(&a, &one), before);
}

/// A capture in a process of its own, ready when this returns.
fn child(prefix: &str, way: &str) -> Child {
    start(Command::new(std::env::current_exe().unwrap()).env(CHILD, format!("{prefix} {way}")))
}

/// The same with clsact, started by another program.
fn child_by(starter: &mut Command, prefix: &str) -> Child {
    start(starter.arg(std::env::current_exe().unwrap()).env(CHILD, format!("{prefix} tc")))
}

fn start(command: &mut Command) -> Child {
    let mut child = command
        .args(["--exact", "leftovers::a_capture_to_be_killed", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("attached to 2")));
    child
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
#[ignore = "started by other tests, which kill it"]
fn a_capture_to_be_killed() {
    let Ok(asked) = std::env::var(CHILD) else { return };
    let (prefix, way) = asked.split_once(' ').unwrap();
    let mut config = config(prefix);
    config.tc_attach = if way == "tc" { TcAttach::Tc } else { TcAttach::Tcx };
    let capture = Capture::start(config);
    println!("attached to {}", capture.attached().interfaces);
    std::thread::sleep(Duration::from_mins(1));
}
