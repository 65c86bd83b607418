//! A capture on a cluster as it was asked for: every option checked, nothing known of the cluster yet.
//!
//! Pure. What the cluster adds is [`super::facts`]; both together become [`super::objects`].

use std::time::Duration;

use flow::{filter::SetSource, rules::Options, show::escape};
use kube::core::Selector;

use super::{Plan, Show, Surroundings, flows_anywhere, is_local, keys, packets_anywhere, selector};
use crate::{
    cli::{CaptureArgs, CaptureOutput, ClusterArgs, DryRun, FlowsArgs, PacketsArgs},
    error::Error,
};

/// Rules kept for the capture's own traffic: the collector's address, the command's connections on its node.
pub(super) const OWN_RULES: usize = 16;
/// Rules that can come while the capture runs, in addition to those typed.
const SPARE_RULES: u16 = 64;

/// What is asked of the cluster.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line, and all go together")]
pub struct Request {
    /// Configuration, what is shown here, where files go; `plan.config.node` and `agent_ip` are each agent's own business.
    pub plan: Plan,
    /// Name that our namespace must have; else one is generated.
    pub namespace: Option<String>,
    /// Nodes to capture on.
    pub nodes: Selector,
    /// Published image with our executable; else any image that the nodes have.
    pub image: Option<String>,
    /// Leave it running and return.
    pub background: bool,
    /// Write files here as it runs.
    pub stream_home: bool,
    /// One node that cannot capture fails all.
    pub require_all_nodes: bool,
    /// Privileged containers for the agents.
    pub privileged: bool,
    /// Longest wait for the first node.
    pub ready_timeout: Duration,
    /// Silence of this command after which the agents go.
    pub lease: Duration,
    /// How long files stay on the cluster after that.
    pub keep: Duration,
    /// Learn the cluster's subnets.
    pub get_subnets: bool,
    /// `--subnet-label`, as typed and checked.
    pub subnets: Vec<String>,
    /// Keep the capture's own traffic.
    pub include_self: bool,
    /// Print the objects, touch nothing.
    pub dry_run: bool,
}

/// What `flows` asks of a cluster.
///
/// # Errors
/// A value that cannot be, or options that contradict each other.
pub fn flows(args: &FlowsArgs, groups: &[Options], around: &Surroundings) -> Result<Request, Error> {
    request(flows_anywhere(args, groups, around)?, &args.cluster, &args.capture, around)
}

/// What `packets` asks of a cluster.
///
/// # Errors
/// A value that cannot be, or options that contradict each other.
pub fn packets(args: &PacketsArgs, groups: &[Options], around: &Surroundings) -> Result<Request, Error> {
    let mut plan = packets_anywhere(args, groups, around)?;
    keys::of_pods(&mut plan, &args.objects)?;
    request(plan, &args.cluster, &args.capture, around)
}

fn request(mut plan: Plan, args: &ClusterArgs, capture: &CaptureArgs, around: &Surroundings) -> Result<Request, Error> {
    debug_assert!(!is_local(capture), "local captures have a plan of their own");
    plan.config.node = "".into();
    plan.config.agent_ip = None;
    plan.config.spare_rules = SPARE_RULES;
    plan.config.spare_sets = u8::from(plan.sets.iter().any(|set| matches!(set, SetSource::Object(_))));
    let background = args.background == Some(true);
    let for_keys = keys::stream_home(&plan, args)?;
    let stream_home = stream_home(args, capture, plan.show, background)? || for_keys;
    Ok(Request {
        namespace: namespace(args, around)?,
        nodes: selector::parse(args.node_selector.as_deref())?,
        image: image(args.image.as_deref())?,
        background,
        stream_home,
        require_all_nodes: args.require_all_nodes == Some(true),
        privileged: args.privileged == Some(true),
        ready_timeout: at_least("timeout", args.timeout, Duration::from_secs(1))?,
        lease: at_least("lease", args.lease, Duration::from_secs(10))?,
        keep: at_least("keep", args.keep, Duration::ZERO)?,
        get_subnets: args.get_subnets == Some(true),
        subnets: subnets(&args.subnet_label)?,
        include_self: capture.include_self == Some(true),
        dry_run: dry_run(args, capture.output)?,
        plan,
    })
}

/// Longest time that an option takes; more is a mistake of units.
const MAX_TIME: Duration = Duration::from_hours(24 * 7);

fn at_least(option: &str, time: Duration, least: Duration) -> Result<Duration, Error> {
    if (least..=MAX_TIME).contains(&time) {
        return Ok(time);
    }
    Err(Error::usage(format!("--{option} {time:?}: allowed are {least:?} to 168h")))
}

/// Files are written here as the capture runs where somebody reads its output anyway.
fn stream_home(args: &ClusterArgs, capture: &CaptureArgs, show: Show, background: bool) -> Result<bool, Error> {
    let asked = [
        ("--stream-home", args.stream_home == Some(true)),
        ("-o", capture.output.is_some_and(|output| output != CaptureOutput::Yaml)),
        ("-w -", show == Show::Pcapng),
    ];
    match asked.iter().find(|(_, asked)| *asked) {
        Some((option, _)) if background => Err(Error::usage(format!(
            "{option}: needs this command to stay, --background lets it return; leave one of them out"
        ))),
        _ => Ok(!background && args.stream_home.unwrap_or(show != Show::Table)),
    }
}

/// As typed: the collector reads them again.
fn subnets(typed: &[String]) -> Result<Vec<String>, Error> {
    names::subnets::parse(typed).map_err(|error| Error::usage(format!("--subnet-label: {error}")))?;
    Ok(typed.to_vec())
}

fn dry_run(args: &ClusterArgs, output: Option<CaptureOutput>) -> Result<bool, Error> {
    let yaml = args.yaml == Some(true);
    match (args.dry_run, output) {
        (Some(DryRun::Server), _) => Err(Error::usage("--dry-run=server: allowed is client, which prints the objects")
            .hint("oc-netobserv flows --yaml | kubectl apply --dry-run=server -f -")),
        (Some(DryRun::Client), Some(CaptureOutput::Json | CaptureOutput::Wide)) => {
            Err(Error::usage("--dry-run=client: prints YAML; leave -o out or make it -o yaml"))
        }
        (Some(DryRun::Client), _) => Ok(true),
        (_, Some(CaptureOutput::Yaml)) if !yaml => {
            Err(Error::usage("-o yaml: goes with --dry-run=client; a capture has json and wide"))
        }
        _ => Ok(yaml),
    }
}

/// A DNS label (RFC 1123), because it becomes a namespace's name.
fn namespace(args: &ClusterArgs, around: &Surroundings) -> Result<Option<String>, Error> {
    let (option, name) = match (&args.capture_namespace, &around.capture_namespace) {
        (Some(name), _) => ("--capture-namespace", name),
        (None, Some(name)) => ("NETOBSERV_NAMESPACE", name),
        (None, None) => return Ok(None),
    };
    if is_label(name) {
        return Ok(Some(name.clone()));
    }
    let shown = if name.is_empty() { "\"\"".into() } else { escape(name) };
    Err(Error::usage(format!(
        "{option} {shown}: not a namespace; a name has 1 to 63 of a-z, 0-9 and -, and neither begins nor ends with -"
    )))
}

fn is_label(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&name.len()) && name.bytes().all(inner) && !name.starts_with('-') && !name.ends_with('-')
}

/// Only what no reference can hold is refused; the nodes' runtime knows the rest.
fn image(typed: Option<&str>) -> Result<Option<String>, Error> {
    let Some(image) = typed else { return Ok(None) };
    let known = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
    if !image.is_empty() && image.chars().all(known) && image.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Ok(Some(image.to_owned()));
    }
    let shown = if image.is_empty() { "\"\"".into() } else { escape(image) };
    Err(Error::usage(format!("--image {shown}: not an image; one is like registry.example/oc-netobserv:0.1.0")))
}

#[cfg(test)]
pub(crate) mod tests;
