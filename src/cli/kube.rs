//! kubectl's connection options, spelled as kubectl spells them. How they become a connection is
//! `crate::cluster::connect`'s business.

use std::{path::PathBuf, time::Duration};

use clap::Args;

/// Where the cluster is and who asks. Help shows those that people use daily; all are taken.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Connection (as kubectl's)")]
pub struct KubeArgs {
    /// Context of the kubeconfig file to use
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// Kubeconfig file; else $KUBECONFIG, ~/.kube/config
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Namespace where no other is named; else the context's
    #[arg(short, long, value_name = "NAME")]
    pub namespace: Option<String>,
    /// User to act as
    #[arg(long = "as", value_name = "USER")]
    pub as_user: Option<String>,
    /// Cluster of the kubeconfig file
    #[arg(long, value_name = "NAME", hide = true)]
    pub cluster: Option<String>,
    /// User of the kubeconfig file
    #[arg(long, value_name = "NAME", hide = true)]
    pub user: Option<String>,
    /// URL of the API server
    #[arg(short, long, value_name = "URL", hide = true)]
    pub server: Option<String>,
    /// Bearer token
    #[arg(long, value_name = "TOKEN", hide = true)]
    pub token: Option<String>,
    /// Group to act as, with --as
    #[arg(long, value_name = "GROUP", hide = true)]
    pub as_group: Vec<String>,
    /// UID to act as, with --as
    #[arg(long, value_name = "UID", hide = true)]
    pub as_uid: Option<String>,
    /// File with the authority that signed the server's certificate
    #[arg(long, value_name = "FILE", hide = true)]
    pub certificate_authority: Option<PathBuf>,
    /// File with our certificate
    #[arg(long, value_name = "FILE", hide = true)]
    pub client_certificate: Option<PathBuf>,
    /// File with the key of our certificate
    #[arg(long, value_name = "FILE", hide = true)]
    pub client_key: Option<PathBuf>,
    /// Name that the server's certificate must bear
    #[arg(long, value_name = "NAME", hide = true)]
    pub tls_server_name: Option<String>,
    /// Do not check the server's certificate
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true, hide = true)]
    pub insecure_skip_tls_verify: Option<bool>,
    /// Longest time for one request; 0 is no limit
    #[arg(long, value_name = "TIME", value_parser = flow::duration::parse, hide = true)]
    pub request_timeout: Option<Duration>,
    /// Proxy to the API server: http, https or socks5
    #[arg(long, value_name = "URL", hide = true)]
    pub proxy_url: Option<String>,
    /// Accepted as kubectl has it; nothing is cached
    #[arg(long, value_name = "DIR", hide = true)]
    pub cache_dir: Option<PathBuf>,
    /// Accepted as kubectl has it; answers are not compressed
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", hide = true)]
    pub disable_compression: Option<bool>,
}

impl KubeArgs {
    /// The first option that was typed, for a command that has no use for a cluster.
    pub fn typed(&self) -> Option<&'static str> {
        let options = [
            ("context", self.context.is_some()),
            ("kubeconfig", self.kubeconfig.is_some()),
            ("namespace", self.namespace.is_some()),
            ("as", self.as_user.is_some()),
            ("cluster", self.cluster.is_some()),
            ("user", self.user.is_some()),
            ("server", self.server.is_some()),
            ("token", self.token.is_some()),
            ("as-group", !self.as_group.is_empty()),
            ("as-uid", self.as_uid.is_some()),
            ("certificate-authority", self.certificate_authority.is_some()),
            ("client-certificate", self.client_certificate.is_some()),
            ("client-key", self.client_key.is_some()),
            ("tls-server-name", self.tls_server_name.is_some()),
            ("insecure-skip-tls-verify", self.insecure_skip_tls_verify.is_some()),
            ("request-timeout", self.request_timeout.is_some()),
            ("proxy-url", self.proxy_url.is_some()),
        ];
        options.into_iter().find(|(_, typed)| *typed).map(|(name, _)| name)
    }
}
