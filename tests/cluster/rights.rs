//! Who may what: the documented role is enough for everything, what is missing is told before anything is there, and
//! captures of several people leave each other alone.

use std::{fs, thread, time::Duration};

use lab::{
    Capture, Finished, Terminal,
    capture::Running,
    cluster::{Applied, Person, Told, Trace},
    files::Files,
};

use crate::{flows, shop};

const PROGRAM: &str = env!("CARGO_BIN_EXE_oc-netobserv");

/// The role that docs/rbac.md tells administrators to apply, under another name.
fn documented_role(name: &str) -> Applied {
    let document = include_str!("../../docs/rbac.md");
    let yaml = document.split_once("```yaml\n").unwrap().1.split_once("```").unwrap().0;
    assert!(yaml.contains("name: netobserv-capture\n"));
    Applied::new(&yaml.replace("name: netobserv-capture\n", &format!("name: {name}\n"))).unwrap()
}

/// Somebody with that role.
fn person(name: &str, role: &str) -> Person {
    let mut person = Person::new(name).unwrap();
    person.bind(role).unwrap();
    person
}

fn unique(name: &str) -> String {
    format!("rights-{name}-{}", std::process::id())
}

fn capture(person: &Person, trace: &Trace) -> Capture {
    let capture = flows().arg("--capture-namespace").arg(trace.namespace());
    capture.arg("--kubeconfig").arg(&person.kubeconfig().display().to_string())
}

fn assert_done(told: &Told) {
    assert_eq!(told.code, Some(0), "{told:?}");
}

/// Whether names of pods came with the flows, and how many flows there are.
fn named(files: &Files) -> usize {
    let records = files.records().unwrap();
    let of_web = records.iter().filter(|record| record["DstK8S_OwnerName"] == "web" && record["DstPort"] == 8080);
    of_web.count()
}

fn ends_well(running: Running) -> Finished {
    let finished = running.wait().unwrap();
    assert!(finished.status.success(), "{}: {:?}", finished.status, finished.stderr);
    finished
}

#[test]
fn the_documented_role_is_enough_for_a_whole_capture() {
    needs_cluster!();
    let shop = shop();
    let role = unique("role");
    let _role = documented_role(&role);
    let person = person("jane", &role);
    let trace = Trace::of(&unique("whole"));
    for options in ["--stream-home=false --max-time 6s --get-subnets", "-o json --max-time 6s"] {
        let mut running = capture(&person, &trace).args(options).spawn().unwrap();
        running.wait_for("attached", Duration::from_mins(1)).unwrap();
        shop.requests(5).unwrap();
        let finished = ends_well(running);
        assert!(named(&finished.files) >= 5, "{options}: names of pods");
        assert_eq!(trace.left().unwrap(), [""; 0]);
    }
}

#[test]
fn the_documented_role_is_enough_for_a_capture_in_the_background() {
    needs_cluster!();
    if let Some(reason) = lab::need::missing(&["tmux"]) {
        return lab::need::skip(&reason);
    }
    let shop = shop();
    let role = unique("back");
    let _role = documented_role(&role);
    let person = person("jim", &role);
    let trace = Trace::of(&unique("background"));
    let name = trace.namespace();
    ends_well(capture(&person, &trace).args("--background --max-time 5m").spawn().unwrap());
    shop.requests(5).unwrap();
    attach(&person, name);
    for (command, words) in [
        (format!("stop {name}"), "has ended with"),
        (format!("copy {name} --output-dir copied"), "file: "),
        (format!("cleanup {name}"), "removed "),
    ] {
        let told = person.runs(PROGRAM, &command, "").unwrap();
        assert_done(&told);
        assert!(told.err.contains(words), "{command}: {}", told.err);
        eprintln!("{command}: {:.1?}", told.took);
    }
    assert!(named(&Files::find(&person.directory().join("copied")).unwrap()) >= 5);
    assert_eq!(trace.left().unwrap(), [""; 0]);
}

/// Looks at the table of a capture and leaves it.
fn attach(person: &Person, capture: &str) {
    let terminal = Terminal::open(120, 30);
    let program = fs::canonicalize(lab::capture::program(PROGRAM)).unwrap();
    let config = person.kubeconfig();
    terminal.line(&format!("KUBECONFIG={} {} attach {capture}", config.display(), program.display()));
    terminal.wait_for("web");
    terminal.keys(&["Escape"]);
    thread::sleep(Duration::from_millis(300));
    terminal.keys(&["q"]);
    terminal.wait_for("prompt>");
}

#[test]
fn all_that_is_missing_is_told_before_anything_is_created_and_the_yaml_suffices() {
    needs_cluster!();
    let _shop = shop();
    let person = Person::new("joe").unwrap();
    let trace = Trace::of(&unique("missing"));
    let command = format!("flows --capture-namespace {} --max-time 4s -o json", trace.namespace());
    let told = person.runs(PROGRAM, &command, "").unwrap();
    assert_eq!(told.code, Some(1), "{told:?}");
    eprintln!("refused after {:.1?}", told.took);
    assert_eq!(trace.left().unwrap(), [""; 0]);
    let (sentence, yaml) = told.err.split_once("apiVersion").unwrap();
    let sentence = sentence.lines().find(|line| line.starts_with("error: ")).unwrap();
    assert!(sentence.starts_with(&format!("error: {} may not: ", person.identity())), "{sentence}");
    for right in ["nodes", "namespaces", "daemonsets.apps", "pods/exec", "secrets", "clusterrolebindings", "leases"] {
        assert!(sentence.contains(right), "{right}: {sentence}");
    }
    // As it is printed, by who may.
    let _granted = Applied::new(&format!("apiVersion{yaml}")).unwrap();
    let told = person.runs(PROGRAM, &command, "").unwrap();
    assert_done(&told);
    assert!(!told.out.is_empty());
    assert_eq!(trace.left().unwrap(), [""; 0]);
}

#[test]
fn somebody_who_lacks_one_right_is_told_of_that_one() {
    needs_cluster!();
    let role = unique("almost");
    let document = include_str!("../../docs/rbac.md");
    let yaml = document.split_once("```yaml\n").unwrap().1.split_once("```").unwrap().0;
    let less = yaml.replace("verbs: [create, patch, deletecollection]", "verbs: [create, deletecollection]");
    assert_ne!(yaml, less);
    let _role = Applied::new(&less.replace("name: netobserv-capture\n", &format!("name: {role}\n"))).unwrap();
    let person = person("jill", &role);
    let trace = Trace::of(&unique("almost"));
    let told = person.runs(PROGRAM, &format!("flows --capture-namespace {}", trace.namespace()), "").unwrap();
    assert_eq!(told.code, Some(1));
    assert!(told.err.contains("may not: patch daemonsets.apps\n"), "{}", told.err);
    assert_eq!(trace.left().unwrap(), [""; 0]);
}

#[test]
fn two_people_capture_at_once_and_each_cleans_up_his_own() {
    needs_cluster!();
    let shop = shop();
    let role = unique("two");
    let _role = documented_role(&role);
    let people = [person("alice", &role), person("bob", &role)];
    let traces = [Trace::of(&unique("alice")), Trace::of(&unique("bob"))];
    let start = |at: usize| {
        let mut running = capture(&people[at], &traces[at]).args("-o json --max-time 4m").spawn().unwrap();
        running.wait_for("attached", Duration::from_mins(1)).unwrap();
        running
    };
    let (alice, bob) = (start(0), start(1));
    shop.requests(5).unwrap();
    thread::sleep(Duration::from_secs(4));

    // His own only, by default: hers is not even mentioned.
    let answer = |arguments: &str, input: &str| people[1].runs(PROGRAM, arguments, input).unwrap();
    let all = answer("cleanup --all", "no\n");
    assert!(all.err.contains(traces[0].namespace()) && all.err.contains("[yes/no]"), "{}", all.err);
    assert_eq!((all.code, traces[0].is_there().unwrap(), traces[1].is_there().unwrap()), (Some(0), true, true));
    let own = answer("cleanup", "");
    assert_done(&own);
    assert!(!own.err.contains(traces[0].namespace()) && own.err.contains("removed "), "{}", own.err);
    assert!(!traces[1].is_there().unwrap());
    let bob = bob.wait().unwrap();
    eprintln!("bob, whose capture was removed under him: {} {:?}", bob.status, bob.stderr);

    // Hers runs on undisturbed.
    shop.requests(7).unwrap();
    thread::sleep(Duration::from_secs(4));
    let alice = alice.stop().unwrap();
    assert!(named(&alice.files) >= 12, "{}", named(&alice.files));
    assert!((5..12).contains(&named(&bob.files)), "what came home before: {}", named(&bob.files));
    assert_gone(&traces);
}

#[test]
fn captures_of_others_are_removed_by_who_says_yes() {
    needs_cluster!();
    let role = unique("yes");
    let _role = documented_role(&role);
    let people = [person("ann", &role), person("ben", &role)];
    for (input, how) in [("yes\n", "cleanup"), ("", "cleanup --yes")] {
        let trace = Trace::of(&unique("ann"));
        ends_well(capture(&people[0], &trace).args("--background --max-time 5m").spawn().unwrap());
        let told = people[1].runs(PROGRAM, &format!("{how} {}", trace.namespace()), input).unwrap();
        assert_done(&told);
        assert_eq!(told.err.contains("[yes/no]"), !input.is_empty(), "{}", told.err);
        assert_gone(&[trace]);
    }
}

fn assert_gone(traces: &[Trace]) {
    for trace in traces {
        assert_eq!(trace.left().unwrap(), [""; 0]);
    }
}
