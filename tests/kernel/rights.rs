//! Without the rights: what is missing is said, and nothing is left.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

use lab::{need, needs};

#[test]
fn without_root_it_says_what_is_missing() {
    needs!("setpriv");
    let _turn = need::beside_others().unwrap();
    let program = std::env::var("OC_NETOBSERV_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_oc-netobserv").into());
    // Where anybody can read it.
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let copy = directory.path().join("oc-netobserv");
    fs::copy(program, &copy).unwrap();
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
    for command in ["flows", "packets"] {
        let nobody = ["--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all"];
        let output = Command::new("setpriv")
            .args(nobody)
            .arg(&copy)
            .args([command, "--local", "--max-time", "1s"])
            .current_dir(directory.path())
            .output()
            .unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{words}");
        for beginning in ["error: ", "hint: "] {
            assert_eq!(words.lines().filter(|line| line.starts_with(beginning)).count(), 1, "{words}");
        }
        assert!(words.contains("CAP_BPF") && words.contains("CAP_NET_ADMIN"), "{words}");
        let names: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["oc-netobserv"], "something was created");
    }
}
