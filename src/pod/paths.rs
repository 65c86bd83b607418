//! Where things are in the pods; the manifests in `manifests/` mount them there.

use std::path::PathBuf;

use crate::stage::Packed;

/// ConfigMap `capture`.
pub(crate) const SETTINGS: &str = "/config/capture.json";
/// The Secret of this end of the channel: `ca.crt`, `tls.crt`, `tls.key`.
pub(crate) const TLS: &str = "/tls";
/// What survives a restart of the container.
pub(crate) const WORK: &str = "/work";
/// Output directory of the collector.
pub(crate) const OUTPUT: &str = "/work/output";
/// Where sessions connect to.
pub(crate) const SOCKET: &str = "/work/collector.sock";
/// Our executable as the stage leaves it.
pub(crate) const EXECUTABLE: &str = "/work/oc-netobserv";
/// Our executable in a published image.
pub(crate) const IN_IMAGE: &str = "/oc-netobserv";

/// Where the executable for an architecture lies as it was sent, if it was.
pub(crate) fn sent(arch: &str) -> Option<PathBuf> {
    let is_name = !arch.is_empty() && arch.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let path = PathBuf::from(WORK).join(format!("oc-netobserv-{arch}.z"));
    (is_name && path.is_file()).then_some(path)
}

/// What takes the executable for an architecture in the collector's container.
pub(crate) fn receive(arch: &str, packed: &Packed, own: &str) -> Vec<String> {
    let stage = format!("/stage/stage-{own}");
    let sizes = packed.bytes.len().to_string();
    [&stage, "receive", WORK, arch, &packed.digest, &sizes].map(str::to_owned).to_vec()
}
