//! From the control groups of a process to its container: `/proc/PID/cgroup` of either version, as kubelets with the drivers
//! `cgroupfs` and `systemd` name them for containerd, CRI-O and Docker.

/// Digits of a container's id.
const ID: usize = 64;
/// Characters of a pod's uid.
const UID: usize = 36;
/// What agents write before the uid of a pod whose container is not known.
const POD: &str = "pod:";

/// The runtime's id of the container that a process is in; where only its pod is known, `pod:` and the uid; `None` outside of
/// containers.
pub(super) fn of(cgroup: &str) -> Option<String> {
    let paths = || cgroup.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    let id = paths().find_map(|path| parts(path).rev().find_map(id));
    id.map(str::to_owned)
        .or_else(|| paths().find_map(|path| parts(path).rev().find_map(pod)).map(|uid| format!("{POD}{uid}")))
}

/// Groups within groups, and what containerd writes into one name (`slice:cri-containerd:id`).
fn parts(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split(['/', ':'])
}

/// `<id>`, `cri-containerd-<id>.scope`, `docker-<id>.scope`, `crio-<id>`...
fn id(part: &str) -> Option<&str> {
    // The monitor of a container of CRI-O runs outside of it.
    if part.starts_with("crio-conmon-") || part.starts_with("libpod-conmon-") {
        return None;
    }
    let name = part.strip_suffix(".scope").unwrap_or(part);
    let last = name.rsplit('-').next()?;
    (last.len() == ID && last.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(last)
}

/// `pod<uid>`, `kubepods-burstable-pod<uid with _>.slice`.
fn pod(part: &str) -> Option<String> {
    let name = part.strip_suffix(".slice").unwrap_or(part);
    let uid = &name[name.rfind("pod")? + POD.len() - 1..];
    let uid = uid.replace('_', "-");
    (uid.len() == UID && uid.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')).then_some(uid)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "4be6b4ee84bd0ee07b5ad3f5a4e2f7f0ab6a0c3f0d0c5f4a1f9d1d5c3b2a1908";
    const UID: &str = "5b8b3a3e-6d5c-4d57-9a0c-0c3d1f2e4a5b";

    fn escaped() -> String {
        UID.replace('-', "_")
    }

    #[test]
    fn every_driver_and_runtime_names_its_containers() {
        let escaped = escaped();
        for path in [
            format!(
                "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{escaped}.slice/cri-containerd-{ID}.scope"
            ),
            format!("0::/kubepods.slice/kubepods-pod{escaped}.slice/crio-{ID}.scope/container"),
            format!("0::/kubepods/besteffort/pod{UID}/{ID}"),
            format!("12:pids:/\n11:memory:/kubepods/pod{UID}/{ID}\n1:name=systemd:/kubepods/pod{UID}/{ID}"),
            format!("0::/system.slice/containerd.service/kubepods-besteffort-pod{escaped}.slice:cri-containerd:{ID}"),
            format!("0::/../../pod{UID}/{ID}"),
            format!("4:memory:/docker/{ID}"),
            format!("0::/system.slice/docker-{ID}.scope"),
            format!("0::/machine.slice/libpod-{ID}.scope/container"),
            format!(
                "0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{escaped}.slice/cri-containerd-{ID}.scope/init.scope"
            ),
        ] {
            assert_eq!(of(&path).as_deref(), Some(ID), "{path}");
        }
    }

    #[test]
    fn where_only_the_pod_is_told_its_uid_is_the_answer() {
        for path in [
            format!("0::/kubepods.slice/kubepods-pod{}.slice/crio-conmon-{ID}.scope", escaped()),
            format!("0::/kubepods/burstable/pod{UID}"),
        ] {
            assert_eq!(of(&path), Some(format!("pod:{UID}")), "{path}");
        }
    }

    #[test]
    fn processes_outside_of_containers_have_none() {
        for path in [
            "0::/user.slice/user-1000.slice/session-3.scope",
            "0::/",
            "",
            "9:name=systemd:/",
            "0::/system.slice/podman.service",
            "0::/init.scope",
            "nonsense",
        ] {
            assert_eq!(of(path), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "\\PC*", pod in "[0-9]:[a-z:/]*pod\\PC*") {
            let _ = (of(&text), of(&pod));
        }
    }
}
