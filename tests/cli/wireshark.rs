//! What Wireshark is given, and what it is answered.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use crate::run::{BINARY, command, tree};

/// Two contexts: of one nobody listens, the other's name is of every kind of character.
const KUBECONFIG: &str = "\
apiVersion: v1
kind: Config
current-context: far
clusters:
- {name: far, cluster: {server: 'https://127.0.0.1:1'}}
users:
- {name: me, user: {token: t}}
contexts:
- {name: far, context: {cluster: far, user: me}}
- {name: 'shop/api:6443/me', context: {cluster: far, user: me}}
";

/// With a home directory of its own, and no Wireshark unless `path` has one.
fn in_home(home: &Path, path: &str, line: &str) -> Output {
    let mut command = command(home);
    command.args(line.split(' ')).env("HOME", home).env("PATH", path).env_remove("XDG_CONFIG_HOME");
    command.output().expect("the binary starts")
}

fn files(home: &Path) -> Vec<String> {
    let name = |path: &Path| path.strip_prefix(home).expect("below it").display().to_string();
    tree(home).iter().filter(|(_, content)| content.is_some()).map(|(path, _)| name(path)).collect()
}

#[test]
fn without_wireshark_its_usual_folders_are_used_and_left_as_they_were() {
    let home = tempfile::tempdir().expect("a directory");
    let first = in_home(home.path(), "", "wireshark install");
    assert!(first.status.success(), "{first:?}");
    let installed = files(home.path());
    for file in [".local/lib/wireshark/plugins/k8s.lua", ".config/wireshark/profiles/netobserv/preferences"] {
        assert!(installed.iter().any(|there| there == file), "{file}: {installed:?}");
    }
    let link = home.path().join(".local/lib/wireshark/extcap/oc-netobserv");
    assert_eq!(fs::read_link(&link).expect("a link"), fs::canonicalize(BINARY).expect("the binary"));
    let again = in_home(home.path(), "", "wireshark install");
    assert!(again.status.success() && !String::from_utf8_lossy(&again.stdout).contains("installed"), "{again:?}");
    let status = in_home(home.path(), "", "wireshark status");
    assert_eq!(String::from_utf8_lossy(&status.stdout).matches("is there").count(), 5, "{status:?}");
    assert!(in_home(home.path(), "", "wireshark uninstall").status.success());
    assert_eq!(files(home.path()), Vec::<String>::new());
}

#[test]
fn a_foreign_file_is_named_and_stays() {
    let home = tempfile::tempdir().expect("a directory");
    let dir = home.path().join(".local/lib/wireshark/plugins");
    fs::create_dir_all(&dir).expect("directories");
    fs::write(dir.join("k8s.lua"), "-- mine").expect("a file");
    let output = in_home(home.path(), "", "wireshark install");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("k8s.lua is not ours") && said.contains("hint: ") && said.contains("--force"), "{said}");
    assert_eq!(fs::read_to_string(dir.join("k8s.lua")).expect("it"), "-- mine");
}

/// What the executable answers as a source of captures.
fn extcap(home: &Path, words: &[&str]) -> (Option<i32>, String, String) {
    fs::write(home.join("config"), KUBECONFIG).expect("a file");
    let mut command = command(home);
    let output = command.args(words).env("KUBECONFIG", home.join("config")).output().expect("the binary starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn every_context_is_an_interface_with_options() {
    let home = tempfile::tempdir().expect("a directory");
    let (code, listed, said) = extcap(home.path(), &["--extcap-interfaces", "--extcap-version=4.4"]);
    assert_eq!((code, said.as_str()), (Some(0), ""));
    assert!(listed.starts_with("extcap {version="), "{listed}");
    assert!(listed.contains("interface {value=kube-far}{display=Kubernetes: far}"), "{listed}");
    assert!(listed.contains("{value=kube-shop+2fapi+3a6443+2fme}{display=Kubernetes: shop/api:6443/me}"), "{listed}");
    assert_eq!(listed.contains("netobserv-local"), cfg!(target_os = "linux") && crate::run::is_root());
    let (_, types, _) = extcap(home.path(), &["--extcap-dlts", "--extcap-interface", "kube-far"]);
    assert!(types.starts_with("dlt {number=1}{name=EN10MB}"), "{types}");
    // Nobody listens there: the dialog opens all the same, and says nothing of it.
    let (code, options, said) = extcap(home.path(), &["--extcap-config", "--extcap-interface", "kube-far"]);
    assert_eq!((code, said.as_str()), (Some(0), ""));
    assert!(options.contains("{call=--pod}") && options.contains("{type=selector}{reload=true}"), "{options}");
    let reload = ["--extcap-config", "--extcap-interface", "kube-far", "--extcap-reload-option", "pod"];
    let (code, values, _) = extcap(home.path(), &reload);
    assert_eq!((code, values.lines().count()), (Some(0), 1), "{values}");
}

#[test]
fn a_capture_filter_is_judged_on_standard_output() {
    let home = tempfile::tempdir().expect("a directory");
    let judged =
        |filter: &str| extcap(home.path(), &["--extcap-interface", "kube-far", "--extcap-capture-filter", filter]).1;
    assert_eq!(judged("tcp port 80 and host 10.0.0.1"), "");
    assert!(!judged("port 80 and (").is_empty());
}

#[test]
fn what_goes_wrong_is_one_sentence() {
    let home = tempfile::tempdir().expect("a directory");
    let fifo = home.path().join("fifo");
    fs::write(&fifo, "").expect("a file");
    let fifo = fifo.to_str().expect("UTF-8");
    for interface in ["kube-far", "kube-near"] {
        let (code, out, said) = extcap(home.path(), &["--capture", "--extcap-interface", interface, "--fifo", fifo]);
        assert_eq!((out.as_str(), said.trim_end().lines().count()), ("", 1), "{said}");
        assert!(code.is_some_and(|code| code != 0) && !said.starts_with("error: "), "{said}");
    }
}

#[test]
fn tshark_lists_our_interfaces_once_they_are_installed() {
    let home = tempfile::tempdir().expect("a directory");
    let path = std::env::var("PATH").expect("a path");
    if Command::new("tshark").arg("-v").output().is_err() {
        println!("SKIP tshark_lists_our_interfaces_once_they_are_installed: needs tshark");
        return;
    }
    fs::write(home.path().join("config"), KUBECONFIG).expect("a file");
    let installed = in_home(home.path(), &path, "wireshark install");
    assert!(installed.status.success(), "{installed:?}");
    let mut tshark = Command::new("tshark");
    tshark.arg("-D").env("HOME", home.path()).env("KUBECONFIG", home.path().join("config"));
    let output = tshark.env_remove("XDG_CONFIG_HOME").output().expect("tshark");
    let (listed, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(listed.contains("kube-far (Kubernetes: far)"), "{listed}{said}");
    assert!(!said.contains("sentence") && !listed.contains("sentence"), "it does not understand: {said}");
    // The profile is one that it takes without a complaint.
    let mut tshark = Command::new("tshark");
    tshark.args(["-C", "netobserv", "-D"]).env("HOME", home.path());
    let output = tshark.env_remove("XDG_CONFIG_HOME").output().expect("tshark");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("WARNING") && !said.contains("preference"), "{said}");
}
