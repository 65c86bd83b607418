//! What can be captured from: every context of the kubeconfig, and this machine where we may.

use std::fmt::Write as _;

use crate::{cli::KubeArgs, cluster::connect, error::Error, version::VERSION};

/// A source of packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A context of the kubeconfig.
    Cluster(String),
    /// This machine.
    Local,
}

/// Name of this machine among the interfaces.
const LOCAL: &str = "netobserv-local";

/// What the names of clusters begin with.
const CLUSTER: &str = "kube-";

/// Of every interface; the blocks of the stream say what each packet is.
pub(super) const LINK_TYPES: &str =
    "dlt {number=1}{name=EN10MB}{display=Ethernet; pod networks without it as raw IP}\n";

/// The first sentence of every list.
pub(super) fn version() -> String {
    format!(
        "extcap {{version={VERSION}}}{{help=https://github.com/oc-netobserv/oc-netobserv}}{{display=oc-netobserv}}\n"
    )
}

/// `--extcap-interfaces`
pub(super) fn list() -> String {
    let mut text = version();
    for context in contexts() {
        let display = format!("Kubernetes: {}", shown(&context));
        // Writing to a String cannot fail.
        let _ = writeln!(text, "interface {{value={}}}{{display={display}}}", Source::Cluster(context).name());
    }
    if may_capture_here() {
        let _ = writeln!(text, "interface {{value={LOCAL}}}{{display=This machine: pods and namespaces, by eBPF}}");
    }
    text
}

fn contexts() -> Vec<String> {
    connect::names_in_kubeconfig(&KubeArgs::default()).map(|names| names.contexts).unwrap_or_default()
}

/// Braces end a value for Wireshark; control characters have no place in a list.
pub(super) fn shown(text: &str) -> String {
    let shown = flow::show::escape(text).replace('{', "(").replace('}', ")");
    shown.chars().filter(|char| !char.is_control()).collect()
}

#[cfg(target_os = "linux")]
fn may_capture_here() -> bool {
    rustix::process::geteuid().is_root()
}

#[cfg(not(target_os = "linux"))]
fn may_capture_here() -> bool {
    false
}

impl Source {
    /// Name among the interfaces. Contexts may have any character; a slash would end up in the name of Wireshark's pipe.
    pub(super) fn name(&self) -> String {
        let Self::Cluster(context) = self else { return LOCAL.to_owned() };
        let mut name = CLUSTER.to_owned();
        for byte in context.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._@".contains(&byte) {
                name.push(char::from(byte));
            } else {
                let _ = write!(name, "+{byte:02x}");
            }
        }
        name
    }

    /// The one of that name.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn of(name: &str) -> Result<Self, Error> {
        if name == LOCAL {
            return Ok(Self::Local);
        }
        let named = contexts().into_iter().map(Self::Cluster).find(|source| source.name() == name);
        named.ok_or_else(|| {
            let text = format!("{}: no context of the kubeconfig, nor this machine", flow::show::escape(name));
            Error::usage(text).hint("kubectl config get-contexts")
        })
    }
}
