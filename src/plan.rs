//! From what was typed to what will be done: every value checked, every default filled in, nothing touched.
//!
//! Pure: what it has to know of the machine comes in as [`Surroundings`].

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use collector::Format;
use flow::{
    CaptureConfig, Own, Rules,
    config::{Limits, Mode, NetNs, TcAttach},
    rules::Options,
};

use crate::{
    cli::{CaptureArgs, Copy, FeatureArgs, FlowsArgs, Output, PacketsArgs, TcAttach as TypedAttach},
    error::Error,
};

mod patterns;
mod words;

pub use words::{join as join_words, rules_in_words};

/// What has to be known of the machine and the terminal.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Standard output is a terminal.
    pub stdout_is_terminal: bool,
    /// Standard output is a file or /dev/null: nothing of it travels over a connection.
    pub stdout_is_file: bool,
    /// A question can be asked and answered: standard input and error are terminals.
    pub can_ask: bool,
    /// The SSH connection that this command runs in: our end, the other end.
    pub ssh: Option<(SocketAddr, SocketAddr)>,
    /// Name of this machine.
    pub node: Arc<str>,
    /// Address of this machine towards others.
    pub address: Option<IpAddr>,
}

/// What is shown while the capture runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// The live table.
    Table,
    /// Lines on standard output.
    Lines(Format),
    /// pcapng on standard output.
    Pcapng,
}

/// A capture on this machine, ready to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What agent and collector are told.
    pub config: CaptureConfig,
    /// What is on standard output.
    pub show: Show,
    /// Where files go; `None` writes none.
    pub output_dir: Option<PathBuf>,
    /// Ask at the end whether the files stay.
    pub ask: bool,
    /// What is captured, in words.
    pub what: String,
    /// What the user should know before it begins.
    pub notices: Vec<String>,
}

const DEFAULT_DIR: &str = "./output";

/// The plan of `flows`.
///
/// # Errors
/// A value that cannot be; or no `--local`.
pub fn flows(args: &FlowsArgs, groups: &[Options], around: &Surroundings) -> Result<Plan, Error> {
    let mut plan = capture(Mode::Flows, &args.capture, groups, around, None)?;
    plan.config.cache_active_timeout = args.cache_active_timeout;
    plan.config.cache_max_flows = args.cache_max_flows;
    plan.config.observations = args.observations == Some(true);
    plan.notices.extend(args.features.notices());
    runnable("flows", &args.capture, &args.features)?;
    Ok(plan)
}

/// The plan of `packets`.
///
/// # Errors
/// A value that cannot be; or no `--local`.
pub fn packets(args: &PacketsArgs, groups: &[Options], around: &Surroundings) -> Result<Plan, Error> {
    let pcapng = args.write.is_some().then_some(Show::Pcapng);
    let mut plan = capture(Mode::Packets, &args.capture, groups, around, pcapng)?;
    if pcapng.is_some() && around.stdout_is_terminal {
        return Err(Error::usage("-w -: writes pcapng, which is not for a terminal; pipe it or send it to a file")
            .hint("oc-netobserv packets --local -w - | wireshark -k -i -"));
    }
    plan.config.snaplen = args.snaplen;
    plan.config.buffer_size = args.buffer_size;
    plan.notices.extend(args.features.notices());
    if plan.config.rules.is_empty() {
        plan.notices.push(unfiltered(args.snaplen));
    }
    runnable("packets", &args.capture, &args.features)?;
    Ok(plan)
}

/// One line about how much an unfiltered packet capture takes.
fn unfiltered(snaplen: u32) -> String {
    let less = if snaplen == 0 { "; --snaplen 96 keeps headers only" } else { "" };
    format!("without a filter every packet is taken, which can be much; --port, --cidr and others take less{less}")
}

/// What has no meaning without a cluster, and what there is no cluster for yet.
fn runnable(command: &str, args: &CaptureArgs, features: &FeatureArgs) -> Result<(), Error> {
    if features.yaml == Some(true) {
        return Err(Error::failed("--yaml: prints the objects of a capture on a cluster, which is not built yet"));
    }
    if args.local == Some(true) {
        return Ok(());
    }
    let error =
        Error::failed(format!("{command}: capturing on a cluster is not built yet; --local captures on this machine"));
    Err(error.hint(format!("oc-netobserv {command} --local")))
}

fn capture(
    mode: Mode,
    args: &CaptureArgs,
    groups: &[Options],
    around: &Surroundings,
    pcapng: Option<Show>,
) -> Result<Plan, Error> {
    let own: Vec<Own> = own(args, around).into_iter().collect();
    let rules = flow::rules::parse(groups, own.len()).map_err(Error::usage)?;
    let interfaces = patterns::parse("interfaces", args.interfaces.as_deref())?;
    let exclude_interfaces = match &args.exclude_interfaces {
        None => patterns::default_excluded(&interfaces),
        typed => patterns::parse("exclude-interfaces", typed.as_deref())?,
    };
    let config = CaptureConfig {
        mode,
        netns: netns(&args.netns)?,
        interfaces,
        exclude_interfaces,
        own,
        limits: limits(args),
        ..config(rules, args, around)
    };
    let show = pcapng.or_else(|| lines(args.output, around.stdout_is_terminal).map(Show::Lines)).unwrap_or(Show::Table);
    let ask = args.copy == Some(Copy::Prompt) && around.can_ask;
    let what = rules_in_words(groups);
    let mut notices = Vec::new();
    if args.copy == Some(Copy::Prompt) && !around.can_ask {
        notices.push("--copy=prompt: there is no terminal to ask on; the files stay".to_owned());
    }
    Ok(Plan { config, show, output_dir: output_dir(args, show), ask, what, notices })
}

/// What does not depend on the kind of capture, or is overwritten by the one it depends on.
fn config(rules: Rules, args: &CaptureArgs, around: &Surroundings) -> CaptureConfig {
    CaptureConfig {
        mode: Mode::Flows,
        rules,
        features: Vec::new(),
        netns: NetNs::All,
        interfaces: Vec::new(),
        exclude_interfaces: Vec::new(),
        tc_attach: match args.tc_attach {
            TypedAttach::Any => TcAttach::Any,
            TypedAttach::Tcx => TcAttach::Tcx,
            TypedAttach::Tc => TcAttach::Tc,
        },
        sampling: args.sampling,
        cache_max_flows: 131_072,
        cache_active_timeout: Duration::from_secs(1),
        snaplen: 0,
        buffer_size: 64 << 20,
        observations: false,
        own: Vec::new(),
        spare_rules: 0,
        agent_ip: around.address,
        node: Arc::clone(&around.node),
        limits: limits(args),
    }
}

fn limits(args: &CaptureArgs) -> Limits {
    Limits {
        time: Some(args.max_time).filter(|limit| !limit.is_zero()),
        bytes: Some(args.max_bytes).filter(|limit| *limit > 0),
        packets: Some(args.max_packets).filter(|limit| *limit > 0),
    }
}

/// Our own connection is left out if what we show travels over it: otherwise showing traffic makes traffic to show.
fn own(args: &CaptureArgs, around: &Surroundings) -> Option<Own> {
    let shown_over = around.ssh.filter(|_| args.include_self != Some(true) && !around.stdout_is_file);
    shown_over.map(|(local, remote)| Own::Connection(local, remote))
}

/// What is asked for, else the table (`None`) on a terminal and JSON lines elsewhere.
pub fn lines(output: Option<Output>, terminal: bool) -> Option<Format> {
    match (output, terminal) {
        (Some(Output::Wide), _) => Some(Format::Wide),
        (None, true) => None,
        (Some(Output::Json), _) | (None, false) => Some(Format::Json),
    }
}

/// Who pipes pcapng somewhere wants it there; files are written too only if that was said.
fn output_dir(args: &CaptureArgs, show: Show) -> Option<PathBuf> {
    match (args.copy, &args.output_dir, show) {
        (Some(Copy::False), ..) | (None, None, Show::Pcapng) => None,
        (_, Some(dir), _) => Some(dir.clone()),
        _ => Some(PathBuf::from(DEFAULT_DIR)),
    }
}

/// `all`, `current`, a path, or a name as `ip netns` gives them.
fn netns(text: &str) -> Result<NetNs, Error> {
    match text {
        "" => Err(Error::usage("--netns \"\": allowed are all, current, a name of `ip netns` or a path")),
        "all" => Ok(NetNs::All),
        "current" => Ok(NetNs::Current),
        path if path.contains('/') => Ok(NetNs::Path(PathBuf::from(path))),
        name => Ok(NetNs::Path(PathBuf::from("/run/netns").join(name))),
    }
}

#[cfg(test)]
mod tests;
