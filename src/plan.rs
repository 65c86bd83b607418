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
    CaptureConfig, Feature, Filter, Own, Rules,
    config::{Limits, Mode, NetNs, PacketFiles, TcAttach},
    filter::SetSource,
    rules::Options,
    show::escape,
};

use crate::{
    cli::{
        CaptureArgs, CaptureOutput, ClusterArgs, Copy, FeatureArgs, FlowsArgs, KubeArgs, LanguageArgs, ObjectArgs,
        Output, PacketsArgs, TcAttach as TypedAttach,
    },
    error::Error,
};

pub mod cluster;
pub mod facts;
mod images;
mod keys;
pub mod objects;
mod patterns;
mod recorder;
mod selector;
pub(crate) mod wanted;
mod words;
pub mod yaml;

pub(crate) use images::has_sandbox;
pub(crate) use words::with_filter;
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
    /// NETOBSERV_NAMESPACE: what `--capture-namespace` is when it is not typed.
    pub capture_namespace: Option<String>,
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

/// A capture, ready to run on this machine; on a cluster, what [`cluster::Request`] adds to.
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
    /// Where the addresses of the sets come from that `config.rules` refer to; in `config.sets` they are all that is known of
    /// them before the cluster is.
    pub sets: Vec<SetSource>,
    /// `--tls-keylog`: a file that is read, and followed, on the user's machine.
    pub keylog: Option<PathBuf>,
    /// `--wireshark`: it is started and fed.
    pub wireshark: bool,
    /// What the user should know before it begins.
    pub notices: Vec<String>,
}

/// Where files go if nothing else is said.
pub(crate) const DEFAULT_DIR: &str = "./output";

/// The plan of `flows --local`.
///
/// # Errors
/// A value that cannot be, or an option that only a cluster gives a meaning.
pub fn flows(args: &FlowsArgs, groups: &[Options], around: &Surroundings) -> Result<Plan, Error> {
    let plan = flows_anywhere(args, groups, around)?;
    local_only(&args.cluster, &args.kube, &args.capture, &plan)?;
    Ok(plan)
}

/// The plan of `packets --local`.
///
/// # Errors
/// A value that cannot be, or an option that only a cluster gives a meaning.
pub fn packets(args: &PacketsArgs, groups: &[Options], around: &Surroundings) -> Result<Plan, Error> {
    let plan = packets_anywhere(args, groups, around)?;
    local_only(&args.cluster, &args.kube, &args.capture, &plan)?;
    Ok(plan)
}

fn flows_anywhere(args: &FlowsArgs, groups: &[Options], around: &Surroundings) -> Result<Plan, Error> {
    let mut plan = capture(Mode::Flows, &args.capture, groups, around, None)?;
    plan.config.cache_active_timeout = args.cache_active_timeout;
    plan.config.cache_max_flows = args.cache_max_flows;
    plan.config.observations = args.observations == Some(true);
    plan.add(&args.features, &wanted::filter(&args.language, &args.objects)?);
    Ok(plan)
}

fn packets_anywhere(args: &PacketsArgs, groups: &[Options], around: &Surroundings) -> Result<Plan, Error> {
    let wireshark = args.pcapng.wireshark == Some(true);
    let pcapng = (args.write.is_some() || wireshark).then_some(Show::Pcapng);
    let mut plan = capture(Mode::Packets, &args.capture, groups, around, pcapng)?;
    if wireshark {
        plan.open_wireshark(args)?;
    }
    if args.write.is_some() && around.stdout_is_terminal {
        let local = if is_local(&args.capture) { "--local " } else { "" };
        return Err(Error::usage("-w -: writes pcapng, which is not for a terminal; pipe it or send it to a file")
            .hint(format!("oc-netobserv packets {local}-w - | wireshark -k -i -")));
    }
    plan.config.snaplen = args.snaplen;
    plan.config.buffer_size = args.buffer_size;
    plan.config.files = args.pcapng.files();
    several_files(&plan)?;
    keys::add(&mut plan, &args.pcapng)?;
    plan.add(&args.features, &wanted::filter(&args.language, &args.objects)?);
    recorder::add(&mut plan, &args.pcapng)?;
    if plan.config.rules.is_empty() && !plan.config.drops_only {
        plan.notices.push(unfiltered(args.snaplen));
    }
    Ok(plan)
}

/// Files that follow each other, or one for each node, need a place to be.
fn several_files(plan: &Plan) -> Result<(), Error> {
    let PacketFiles { size, time, count, merge, .. } = plan.config.files;
    let typed = [
        ("file-size", size.is_some()),
        ("file-time", time.is_some()),
        ("files", count.is_some()),
        ("no-merge", !merge),
    ];
    if let (None, Some((name, _))) = (&plan.output_dir, typed.iter().find(|(_, typed)| *typed)) {
        let text = format!("--{name}: is about files, and none are written; --output-dir names a place for them");
        return Err(Error::usage(text));
    }
    if count.is_some() && size.is_none() && time.is_none() {
        return Err(Error::usage("--files: goes with --file-size or --file-time, which say when the next file begins"));
    }
    Ok(())
}

impl Plan {
    /// Wireshark reads what would be on standard output; files are written as if there were a table.
    fn open_wireshark(&mut self, args: &PacketsArgs) -> Result<(), Error> {
        if args.cluster.background == Some(true) {
            let text = "--wireshark: needs this command to stay, --background lets it return; leave one of them out";
            return Err(Error::usage(text));
        }
        self.wireshark = true;
        if self.output_dir.is_none() && args.capture.copy != Some(Copy::False) {
            self.output_dir = Some(PathBuf::from(DEFAULT_DIR));
        }
        Ok(())
    }

    /// Adds features and filter.
    fn add(&mut self, features: &FeatureArgs, filter: &Filter) {
        self.notices.extend(wanted::notices(self.config.mode, features));
        self.sets = wanted::apply(&mut self.config, features, filter);
        if self.config.features.contains(&Feature::UdnMapping) && self.config.netns == NetNs::Current && !features.all()
        {
            // Secondary interfaces are in the pods' own namespaces only.
            self.config.netns = NetNs::All;
        }
        let addresses = |source: &SetSource| match source {
            SetSource::Addresses(addresses) => addresses.clone(),
            SetSource::Object(_) => Vec::new(),
        };
        self.config.sets = self.sets.iter().map(addresses).collect();
        self.what = with_filter(std::mem::take(&mut self.what), self.config.drops_only, filter);
    }
}

/// What of the filter runs where, for `--explain`.
///
/// # Errors
/// What is wrong with an expression.
pub fn explain(mode: Mode, language: &LanguageArgs, objects: &ObjectArgs) -> Result<String, Error> {
    let filter = wanted::filter(language, objects)?;
    if filter.is_empty() {
        return Err(Error::usage("--explain: explains --filter, --query and objects as --pod; there is none of them"));
    }
    Ok(filter.explain(mode))
}

/// One line about how much an unfiltered packet capture takes.
fn unfiltered(snaplen: u32) -> String {
    let less = if snaplen == 0 { "; --snaplen 96 keeps headers only" } else { "" };
    format!("without a filter every packet is taken, which can be much; --port, --cidr and others take less{less}")
}

/// Whether the capture is on this machine.
pub fn is_local(args: &CaptureArgs) -> bool {
    args.local == Some(true)
}

/// What means nothing on this machine is refused: whoever typed it expects something of it.
fn local_only(cluster: &ClusterArgs, kube: &KubeArgs, capture: &CaptureArgs, plan: &Plan) -> Result<(), Error> {
    if let Some(SetSource::Object(object)) = plan.sets.iter().find(|set| matches!(set, SetSource::Object(_))) {
        return Err(Error::usage(format!(
            "{}: objects are known on a cluster, --local captures on this machine; filter by address or port there",
            escape(&object.name)
        )));
    }
    if capture.output == Some(CaptureOutput::Yaml) {
        return Err(Error::usage(
            "-o yaml: goes with --dry-run=client on a cluster; with --local allowed are json and wide",
        ));
    }
    recorder::local_only(plan)?;
    match cluster.typed().or_else(|| kube.typed()) {
        None => Ok(()),
        Some(option) => Err(Error::usage(format!(
            "--{option}: is for captures on a cluster, --local captures on this machine; leave one of them out"
        ))),
    }
}

fn capture(
    mode: Mode,
    args: &CaptureArgs,
    groups: &[Options],
    around: &Surroundings,
    pcapng: Option<Show>,
) -> Result<Plan, Error> {
    let local = is_local(args);
    let own: Vec<Own> = own(args, around).filter(|_| local).into_iter().collect();
    let rules = flow::rules::parse(groups, if local { own.len() } else { cluster::OWN_RULES }).map_err(Error::usage)?;
    let interfaces = patterns::parse("interfaces", args.interfaces.as_deref())?;
    let exclude_interfaces = match &args.exclude_interfaces {
        None => patterns::default_excluded(&interfaces),
        typed => patterns::parse("exclude-interfaces", typed.as_deref())?,
    };
    let config = CaptureConfig {
        mode,
        netns: netns(args.netns.as_deref(), local)?,
        interfaces,
        exclude_interfaces,
        own,
        limits: limits(args),
        ..config(rules, args, around)
    };
    let output = args.output.and_then(CaptureOutput::lines);
    let show = pcapng.or_else(|| lines(output, around.stdout_is_terminal).map(Show::Lines)).unwrap_or(Show::Table);
    let ask = args.copy == Some(Copy::Prompt) && around.can_ask;
    let what = rules_in_words(groups);
    let mut notices = Vec::new();
    if args.copy == Some(Copy::Prompt) && !around.can_ask {
        notices.push("--copy=prompt: there is no terminal to ask on; the files stay".to_owned());
    }
    Ok(Plan {
        config,
        show,
        output_dir: output_dir(args, show),
        ask,
        what,
        sets: Vec::new(),
        keylog: None,
        wireshark: false,
        notices,
    })
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
        files: PacketFiles::default(),
        ring: None,
        trigger: None,
        tls_keys: false,
        key_owners: flow::config::KeyOwners::default(),
        observations: false,
        own: Vec::new(),
        spare_rules: 0,
        sets: Vec::new(),
        spare_sets: 0,
        after: None,
        drops_only: false,
        pods: !is_local(args),
        dns_ports: Vec::new(),
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

/// `all`, `current`, a path, or a name as `ip netns` gives them. On a node the default is the host's namespace: the
/// host's end of every pod's interface is there, and looking further needs more rights.
fn netns(text: Option<&str>, local: bool) -> Result<NetNs, Error> {
    let Some(text) = text else { return Ok(if local { NetNs::All } else { NetNs::Current }) };
    match text {
        "all" | "current" => {}
        _ if local => {}
        _ => {
            return Err(Error::usage(format!(
                "--netns {}: names and paths are for --local; on a cluster allowed are all and current",
                escape(text)
            )));
        }
    }
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
