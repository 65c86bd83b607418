//! NetObserv's options for what is not built yet. They are understood, so that commands people have keep working, and
//! each says so.

use clap::Args;

/// Options that are known and have no effect yet.
#[derive(Args, Clone, Debug, Default)]
pub struct FeatureArgs {
    /// All features
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide = true)]
    enable_all: Option<bool>,
    /// DNS names, latencies and response codes
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide = true)]
    enable_dns: Option<bool>,
    /// IPsec results
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide = true)]
    enable_ipsec: Option<bool>,
    /// Network policy events
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide = true)]
    enable_network_events: Option<bool>,
    /// Packets that the kernel dropped, with the reason
    #[arg(long, alias = "enable-pktdrop", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide = true)]
    enable_pkt_drop: Option<bool>,
    /// Translated addresses
    #[arg(long, alias = "enable-pkt-xlat", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide = true)]
    enable_pkt_translation: Option<bool>,
    /// TCP round trip times
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide = true)]
    enable_rtt: Option<bool>,
    /// User-defined networks of OVN
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide = true)]
    enable_udn_mapping: Option<bool>,
    /// Plain text of OpenSSL processes
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide = true)]
    enable_openssl: Option<bool>,
    /// Dropped packets only
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide = true)]
    drops: Option<bool>,
    /// Filter in NetObserv's query language, after the capture
    #[arg(long, hide = true)]
    query: Vec<String>,
    /// Filter in the filter language
    #[arg(long, hide = true)]
    filter: Vec<String>,
    /// Processes to take plain text of
    #[arg(long, hide = true)]
    tls_process_allowlist: Option<String>,
    /// Shortest plain text
    #[arg(long, hide = true)]
    tls_plaintext_min_bytes: Option<String>,
    /// Most plain text shown
    #[arg(long, hide = true)]
    tls_plaintext_preview_bytes: Option<String>,
    /// Key log file
    #[arg(long, hide = true)]
    tls_keylog: Option<String>,
}

impl FeatureArgs {
    /// One sentence for each option that was asked for.
    pub fn notices(&self) -> Vec<String> {
        let notice = |name| format!("--{name}: not built yet; the capture goes on without it");
        self.unbuilt().map(notice).collect()
    }

    fn unbuilt(&self) -> impl Iterator<Item = &'static str> {
        let on = |flag: Option<bool>| flag == Some(true);
        named([
            ("enable-all", on(self.enable_all)),
            ("enable-dns", on(self.enable_dns)),
            ("enable-ipsec", on(self.enable_ipsec)),
            ("enable-network-events", on(self.enable_network_events)),
            ("enable-pkt-drop", on(self.enable_pkt_drop)),
            ("enable-pkt-translation", on(self.enable_pkt_translation)),
            ("enable-rtt", on(self.enable_rtt)),
            ("enable-udn-mapping", on(self.enable_udn_mapping)),
            ("enable-openssl", on(self.enable_openssl)),
            ("drops", on(self.drops)),
            ("query", !self.query.is_empty()),
            ("filter", !self.filter.is_empty()),
            ("tls-process-allowlist", self.tls_process_allowlist.is_some()),
            ("tls-plaintext-min-bytes", self.tls_plaintext_min_bytes.is_some()),
            ("tls-plaintext-preview-bytes", self.tls_plaintext_preview_bytes.is_some()),
            ("tls-keylog", self.tls_keylog.is_some()),
        ])
    }
}

fn named<const N: usize>(options: [(&'static str, bool); N]) -> impl Iterator<Item = &'static str> {
    options.into_iter().filter(|(_, asked)| *asked).map(|(name, _)| name)
}
