//! What to find out besides packets and flows: NetObserv's options where it has them, and ours.

use clap::Args;
use flow::Feature;

/// Features, and what belongs to single ones.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Features (each says at start if this kernel lacks it)")]
pub struct FeatureArgs {
    /// All that this kernel and these rights give
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true)]
    enable_all: Option<bool>,
    /// Packets that the kernel drops, with its reason
    #[arg(long, alias = "enable-pktdrop", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true)]
    enable_pkt_drop: Option<bool>,
    /// Only packets that the kernel drops
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true)]
    drops: Option<bool>,
    /// DNS: names, response codes, latency, timeouts
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true)]
    enable_dns: Option<bool>,
    /// Ports of DNS, else 53 and 5353; repeatable
    #[arg(long, alias = "dns-tracking-port", value_name = "PORT", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..))]
    dns_port: Vec<u16>,
    /// TCP: round trip, retransmits, result
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true)]
    enable_rtt: Option<bool>,
    /// Addresses before and after NAT
    #[arg(long, alias = "enable-pkt-xlat", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true)]
    enable_pkt_translation: Option<bool>,
    /// TLS and QUIC: server name, version, cipher
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true)]
    enable_tls: Option<bool>,
    /// Processes and containers at the ends
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true)]
    enable_process: Option<bool>,
    /// Secondary and user-defined networks
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true)]
    enable_udn_mapping: Option<bool>,
    /// IPsec: whether it worked
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true)]
    enable_ipsec: Option<bool>,
    /// What network policies said
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true)]
    enable_network_events: Option<bool>,
    /// Both directions of a connection as one record
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", hide_possible_values = true)]
    conversations: Option<bool>,
    /// Plain text of OpenSSL processes
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide = true)]
    enable_openssl: Option<bool>,
    /// Processes to take plain text of
    #[arg(long, hide = true)]
    tls_process_allowlist: Option<String>,
    /// Shortest plain text
    #[arg(long, hide = true)]
    tls_plaintext_min_bytes: Option<String>,
    /// Most plain text shown
    #[arg(long, hide = true)]
    tls_plaintext_preview_bytes: Option<String>,
}

impl FeatureArgs {
    /// Every feature that was asked for, in a fixed order.
    pub fn wanted(&self) -> Vec<Feature> {
        let all = self.all();
        let named = self.named().into_iter().filter(|(_, feature, asked)| asked.unwrap_or(all && is_in_all(*feature)));
        named.map(|(_, feature, _)| feature).collect()
    }

    /// `--enable-all`
    pub fn all(&self) -> bool {
        self.enable_all == Some(true)
    }

    /// `--drops`
    pub fn drops_only(&self) -> bool {
        self.drops == Some(true)
    }

    /// `--dns-port`, else those of RFC 1035 and RFC 6762.
    pub fn dns_ports(&self) -> Vec<u16> {
        if self.dns_port.is_empty() { vec![53, 5353] } else { self.dns_port.clone() }
    }

    /// Options by name with the features they stand for.
    pub fn named(&self) -> [(&'static str, Feature, Option<bool>); 10] {
        let drop = if self.drops_only() { Some(true) } else { self.enable_pkt_drop };
        [
            ("enable-pkt-drop", Feature::PktDrop, drop),
            ("enable-dns", Feature::Dns, self.enable_dns.or((!self.dns_port.is_empty()).then_some(true))),
            ("enable-rtt", Feature::Rtt, self.enable_rtt),
            ("enable-pkt-translation", Feature::PktTranslation, self.enable_pkt_translation),
            ("enable-tls", Feature::Tls, self.enable_tls),
            ("enable-process", Feature::Process, self.enable_process),
            ("enable-udn-mapping", Feature::UdnMapping, self.enable_udn_mapping),
            ("enable-ipsec", Feature::Ipsec, self.enable_ipsec),
            ("enable-network-events", Feature::NetworkEvents, self.enable_network_events),
            ("conversations", Feature::Conversations, self.conversations),
        ]
    }

    /// One sentence for each option that is understood, so that commands people have keep working, and not built yet.
    pub fn notices(&self) -> Vec<String> {
        let unbuilt = [
            ("enable-openssl", self.enable_openssl == Some(true)),
            ("tls-process-allowlist", self.tls_process_allowlist.is_some()),
            ("tls-plaintext-min-bytes", self.tls_plaintext_min_bytes.is_some()),
            ("tls-plaintext-preview-bytes", self.tls_plaintext_preview_bytes.is_some()),
        ];
        let asked = unbuilt.into_iter().filter(|(_, asked)| *asked);
        asked.map(|(name, _)| format!("--{name}: not built yet; the capture goes on without it")).collect()
    }
}

/// How records are put together is no feature of a kernel.
fn is_in_all(feature: Feature) -> bool {
    feature != Feature::Conversations
}
