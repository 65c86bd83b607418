//! What concerns a capture on a cluster: options of `flows` and `packets`, and the commands for captures that run there.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

use super::{Copy, KubeArgs, Output};

/// Options of `flows` and `packets` that mean something on a cluster only.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "On the cluster (without --local)")]
pub struct ClusterArgs {
    /// Nodes by label, as zone=a,!gpu; else all
    #[arg(long, value_name = "LABELS")]
    pub node_selector: Option<String>,
    /// Leave it running and return; then: attach
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true)]
    pub background: Option<bool>,
    /// Write files here as it runs
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true)]
    pub stream_home: Option<bool>,
    /// Fail if one node cannot capture
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true)]
    pub require_all_nodes: Option<bool>,
    /// Image with oc-netobserv; else any there
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<String>,
    /// Agents with all rights, not named ones
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true)]
    pub privileged: Option<bool>,
    /// Name of ours, else $NETOBSERV_NAMESPACE
    #[arg(long, value_name = "NAME")]
    pub capture_namespace: Option<String>,
    /// Wait for the first node
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = flow::duration::parse)]
    pub timeout: Duration,
    /// Agents outlive us so long
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = flow::duration::parse)]
    pub lease: Duration,
    /// Then files stay so long
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = flow::duration::parse)]
    pub keep: Duration,
    /// Label the cluster's own subnets
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true)]
    pub get_subnets: Option<bool>,
    /// Label subnets, as dc=10.0.0.0/8
    #[arg(long, value_name = "NAME=CIDR")]
    pub subnet_label: Vec<String>,
    /// Print the objects, touch nothing
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true)]
    pub yaml: Option<bool>,
    /// The same: --dry-run=client -o yaml
    #[arg(long, value_enum, value_name = "HOW", num_args = 0..=1, require_equals = true, default_missing_value = "client", hide_possible_values = true)]
    pub dry_run: Option<DryRun>,
}

impl ClusterArgs {
    /// The first option that was typed, for `--local`, where none of them means anything.
    pub fn typed(&self) -> Option<&'static str> {
        let options = [
            ("node-selector", self.node_selector.is_some()),
            ("background", self.background == Some(true)),
            ("stream-home", self.stream_home == Some(true)),
            ("require-all-nodes", self.require_all_nodes == Some(true)),
            ("image", self.image.is_some()),
            ("privileged", self.privileged == Some(true)),
            ("capture-namespace", self.capture_namespace.is_some()),
            ("get-subnets", self.get_subnets == Some(true)),
            ("subnet-label", !self.subnet_label.is_empty()),
            ("yaml", self.yaml == Some(true)),
            ("dry-run", matches!(self.dry_run, Some(DryRun::Client | DryRun::Server))),
        ];
        options.into_iter().find(|(_, typed)| *typed).map(|(name, _)| name)
    }
}

/// Values of `--dry-run`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DryRun {
    /// Print the objects, touch nothing.
    Client,
    /// kubectl's; not ours.
    #[value(hide = true)]
    Server,
    /// No dry run.
    #[value(alias = "false", hide = true)]
    None,
}

/// Arguments of `attach`.
#[derive(Args, Clone, Debug)]
pub struct AttachArgs {
    /// The capture's id, or its namespace; may be left out if only one runs
    #[arg(value_name = "CAPTURE")]
    pub capture: Option<String>,
    /// Where the cluster is.
    #[command(flatten)]
    pub kube: KubeArgs,
}

/// Arguments of `follow`.
#[derive(Args, Clone, Debug)]
pub struct FollowArgs {
    /// The capture's id, or its namespace; may be left out if only one runs
    #[arg(value_name = "CAPTURE")]
    pub capture: Option<String>,
    /// Lines as json or wide (default)
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = Output::Wide, hide_possible_values = true, hide_default_value = true)]
    pub output: Output,
    /// Where the cluster is.
    #[command(flatten)]
    pub kube: KubeArgs,
}

/// Arguments of `stop`.
#[derive(Args, Clone, Debug)]
pub struct StopArgs {
    /// The capture's id, or its namespace; may be left out if only one runs
    #[arg(value_name = "CAPTURE")]
    pub capture: Option<String>,
    /// Where the cluster is.
    #[command(flatten)]
    pub kube: KubeArgs,
}

/// Arguments of `copy`.
#[derive(Args, Clone, Debug)]
pub struct CopyArgs {
    /// The capture's id, or its namespace; may be left out if there is only one
    #[arg(value_name = "CAPTURE")]
    pub capture: Option<String>,
    /// Where files go: flow/ and pcap/ below it
    #[arg(long, value_name = "DIR", default_value = "./output")]
    pub output_dir: PathBuf,
    /// Where the cluster is.
    #[command(flatten)]
    pub kube: KubeArgs,
}

/// Arguments of `cleanup`.
#[derive(Args, Clone, Debug)]
pub struct CleanupArgs {
    /// Captures by id or namespace; else all of yours
    #[arg(value_name = "CAPTURE")]
    pub captures: Vec<String>,
    /// Other people's captures too, after asking
    #[arg(long, conflicts_with = "captures")]
    pub all: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Files of captures that still run or wait: true brings them home first
    #[arg(long, value_enum, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true, hide = true)]
    pub copy: Option<Copy>,
    /// Longest wait for the cluster to have removed them
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = flow::duration::parse)]
    pub timeout: Duration,
    /// Where the cluster is.
    #[command(flatten)]
    pub kube: KubeArgs,
}
