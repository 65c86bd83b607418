//! Which columns are shown: a display (what about the traffic) and an enrichment (who are the ends), each a cycle.
//!
//! The two cycles and their contents are those of the NetObserv CLI, so that its users find their way.

use flow::{Feature, Field};

use super::column::Column;

/// What about the traffic is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Display {
    /// Every field, as in the files.
    Raw,
    /// Volume, rates, protocol.
    Standard,
    /// Kernel drops.
    PacketDrops,
    /// DNS messages and their latency.
    Dns,
    /// TCP round trip times.
    Rtt,
    /// Verdicts of network policies.
    NetworkEvents,
    /// Addresses before and after translation.
    PacketTranslation,
    /// User-defined networks.
    UdnMapping,
    /// IPsec.
    Ipsec,
    /// TLS and QUIC.
    Tls,
    /// Processes and containers at the ends.
    Process,
    /// Standard and all features.
    All,
}

/// By what the ends are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enrichment {
    /// Not at all.
    None,
    /// Addresses and ports.
    IpPort,
    /// Name of the cluster.
    Cluster,
    /// Topology zone.
    Zone,
    /// Node.
    Host,
    /// Kubernetes namespace.
    Namespace,
    /// Workload.
    Owner,
    /// Pod, service or node.
    Resource,
    /// Label of the subnet.
    SubnetLabel,
    /// Secondary network.
    NetworkName,
    /// By everything.
    All,
}

impl Display {
    /// The cycle.
    pub const ALL: &[Self] = &[
        Self::Raw,
        Self::Standard,
        Self::PacketDrops,
        Self::Dns,
        Self::Rtt,
        Self::NetworkEvents,
        Self::PacketTranslation,
        Self::UdnMapping,
        Self::Ipsec,
        Self::Tls,
        Self::Process,
        Self::All,
    ];

    /// The cycle of a capture with these features: what they fill comes before what stays empty. Where they are not known, as of
    /// a file, all are equal.
    pub fn cycle(features: &[Feature]) -> Vec<Self> {
        let is_empty = |display: &&Self| {
            let feature = display.feature();
            !features.is_empty() && feature != Feature::Core && !features.contains(&feature)
        };
        let empty = Self::ALL.iter().filter(is_empty).copied();
        Self::ALL.iter().filter(|display| !is_empty(display)).copied().chain(empty).collect()
    }

    /// The display that a capture with these features begins with: if it was asked for one thing, that.
    pub fn first(features: &[Feature]) -> Self {
        let mut asked = Self::ALL.iter().copied().filter(|display| features.contains(&display.feature()));
        match (asked.next(), asked.next()) {
            (Some(only), None) => only,
            _ => Self::Standard,
        }
    }

    /// Its name on the screen.
    pub fn label(self) -> &'static str {
        match self {
            Self::Raw => "Raw",
            Self::Standard => "Standard",
            Self::PacketDrops => "Packet drops",
            Self::Dns => "DNS",
            Self::Rtt => "RTT & TCP",
            Self::NetworkEvents => "Network events",
            Self::PacketTranslation => "Packet translation",
            Self::UdnMapping => "UDN mapping",
            Self::Ipsec => "IPSec",
            Self::Tls => "TLS",
            Self::Process => "Process",
            Self::All => "All",
        }
    }

    /// The feature that fills it; [`Feature::Core`] if it is always filled.
    pub fn feature(self) -> Feature {
        match self {
            Self::PacketDrops => Feature::PktDrop,
            Self::Dns => Feature::Dns,
            Self::Rtt => Feature::Rtt,
            Self::NetworkEvents => Feature::NetworkEvents,
            Self::PacketTranslation => Feature::PktTranslation,
            Self::UdnMapping => Feature::UdnMapping,
            Self::Ipsec => Feature::Ipsec,
            Self::Tls => Feature::Tls,
            Self::Process => Feature::Process,
            Self::Raw | Self::Standard | Self::All => Feature::Core,
        }
    }

    /// The fields of its feature that tell most, before the others.
    fn leading(self) -> &'static [Field] {
        use Field as F;
        match self {
            Self::PacketDrops => &[
                F::PktDropPackets,
                F::PktDropLatestDropCause,
                F::PktDropLikelyCause,
                F::PktDropLatestState,
                F::PktDropBytes,
            ],
            Self::Dns => &[F::DnsName, F::DnsType, F::DnsFlagsResponseCode, F::DnsLatencyMs],
            Self::Rtt => &[
                F::TimeFlowRttNs,
                F::TcpRetransmits,
                F::TcpResult,
                F::TcpState,
                F::TcpHandshakeNs,
                F::TcpOutOfOrder,
                F::TcpZeroWindows,
            ],
            Self::PacketTranslation => &[
                F::XlatSrcAddr,
                F::XlatSrcPort,
                F::XlatDstAddr,
                F::XlatDstPort,
                F::XlatDstK8S_Name,
                F::XlatDstK8S_Namespace,
            ],
            Self::Tls => &[F::TLSServerName, F::TLSVersion, F::TLSAlpn, F::TLSCipherSuite, F::TLSGroup, F::QuicVersion],
            Self::Process => &[F::SrcProcess, F::DstProcess, F::SrcContainer, F::DstContainer],
            _ => &[],
        }
    }

    fn columns(self, shape: Shape) -> Vec<Column> {
        use Field::{Bytes, Bytes_AB, Bytes_BA, Dscp, FlowDirection, Packets, Packets_AB, Packets_BA, Proto};
        const STANDARD: &[Column] = &[
            Column::Field(Proto),
            Column::ByteRate,
            Column::Field(Bytes),
            Column::PacketRate,
            Column::Field(Packets),
            Column::Field(Field::Flags),
            Column::Field(Field::IcmpType),
            Column::Field(FlowDirection),
            Column::Field(Dscp),
        ];
        const TIED: &[Column] = &[
            Column::Field(Proto),
            Column::Field(Bytes_AB),
            Column::Field(Bytes_BA),
            Column::Duration,
            Column::ByteRate,
            Column::Field(Packets_AB),
            Column::Field(Packets_BA),
            Column::Field(Field::Flags),
            Column::Field(Field::IcmpType),
            Column::Field(Bytes),
        ];
        const HEALTH: &[Column] =
            &[Column::Field(Field::TcpResult), Column::Field(Field::TcpState), Column::Field(Field::TimeFlowRttNs)];
        let standard = || match shape {
            Shape::Flows => STANDARD.to_vec(),
            Shape::Conversations { health: true } => TIED.iter().chain(HEALTH).copied().collect(),
            Shape::Conversations { health: false } => TIED.to_vec(),
        };
        let volume = match shape {
            Shape::Flows => &[Column::Field(Bytes), Column::Field(Packets)],
            Shape::Conversations { .. } => &[Column::Field(Bytes_AB), Column::Field(Bytes_BA)],
        };
        let of = |feature| Field::ALL.iter().copied().filter(move |field| field.feature() == feature);
        match self {
            Self::Standard => standard(),
            Self::Raw => Field::ALL.iter().copied().map(Column::Field).collect(),
            Self::All => {
                let features = Self::ALL.iter().map(|display| display.feature());
                let fields = features.filter(|feature| *feature != Feature::Core).flat_map(of);
                standard().into_iter().chain(fields.map(Column::Field)).collect()
            }
            // Protocol and volume stay: a drop or a latency means little without them.
            feature => [Column::Field(Proto)]
                .into_iter()
                .chain(feature.leading().iter().copied().chain(of(feature.feature())).map(Column::Field))
                .chain(volume.iter().copied())
                .collect(),
        }
    }
}

impl Enrichment {
    /// The cycle.
    pub const ALL: &[Self] = &[
        Self::None,
        Self::IpPort,
        Self::Cluster,
        Self::Zone,
        Self::Host,
        Self::Namespace,
        Self::Owner,
        Self::Resource,
        Self::SubnetLabel,
        Self::NetworkName,
        Self::All,
    ];

    /// Its name on the screen.
    pub fn label(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::IpPort => "IP & Port",
            Self::Cluster => "Cluster",
            Self::Zone => "Zone",
            Self::Host => "Host",
            Self::Namespace => "Namespace",
            Self::Owner => "Owner",
            Self::Resource => "Resource",
            Self::SubnetLabel => "Subnet Label",
            Self::NetworkName => "Network Name",
            Self::All => "All",
        }
    }

    fn fields(self) -> Vec<Field> {
        use Field as F;
        match self {
            // A cluster's name is no field yet: captures are of one cluster.
            Self::None | Self::Cluster => vec![],
            Self::IpPort => vec![F::SrcAddr, F::SrcPort, F::DstAddr, F::DstPort],
            Self::Zone => vec![F::SrcK8S_Zone, F::DstK8S_Zone],
            Self::Host => vec![F::SrcK8S_HostIP, F::SrcK8S_HostName, F::DstK8S_HostIP, F::DstK8S_HostName],
            Self::Namespace => vec![F::SrcK8S_Namespace, F::DstK8S_Namespace],
            Self::Owner => vec![
                F::SrcK8S_OwnerType,
                F::SrcK8S_OwnerName,
                F::SrcK8S_Namespace,
                F::DstK8S_OwnerType,
                F::DstK8S_OwnerName,
                F::DstK8S_Namespace,
            ],
            Self::Resource => vec![
                F::SrcK8S_Type,
                F::SrcK8S_Name,
                F::SrcK8S_Namespace,
                F::DstK8S_Type,
                F::DstK8S_Name,
                F::DstK8S_Namespace,
            ],
            Self::SubnetLabel => vec![F::SrcSubnetLabel, F::DstSubnetLabel],
            Self::NetworkName => vec![F::SrcK8S_NetworkName, F::DstK8S_NetworkName],
            Self::All => {
                let mut fields: Vec<_> = Self::ALL[..Self::ALL.len() - 1].iter().flat_map(|one| one.fields()).collect();
                let mut seen = std::collections::HashSet::new();
                fields.retain(|field| seen.insert(*field));
                fields
            }
        }
    }
}

/// What a row stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One direction of a connection.
    Flows,
    /// Both directions, the client as source.
    Conversations {
        /// Records tell how connections fare.
        health: bool,
    },
}

/// The columns of `display` and `enrichment`, in the order of the table, each once.
pub fn columns(display: Display, enrichment: Enrichment, shape: Shape) -> Vec<Column> {
    let mut columns = vec![Column::Field(Field::TimeFlowEndMs)];
    columns.extend(enrichment.fields().into_iter().map(Column::Field));
    columns.extend(display.columns(shape));
    columns.extend([Field::Interfaces, Field::IfDirections, Field::NetNs].map(Column::Field));
    let mut seen = std::collections::HashSet::new();
    columns.retain(|column| seen.insert(*column));
    columns
}

/// The element of `cycle` that is `steps` after `current`, round the end.
pub fn turn<T: Copy + PartialEq>(cycle: &[T], current: T, steps: isize) -> T {
    let at = cycle.iter().position(|one| *one == current).unwrap_or_default() as isize;
    cycle[(at + steps).rem_euclid(cycle.len() as isize) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_display_and_enrichment_has_each_column_once() {
        for display in Display::ALL {
            for enrichment in Enrichment::ALL {
                let columns = columns(*display, *enrichment, Shape::Flows);
                let unique: std::collections::HashSet<_> = columns.iter().collect();
                assert_eq!(unique.len(), columns.len(), "{} {}", display.label(), enrichment.label());
            }
        }
    }

    #[test]
    fn a_feature_display_shows_all_fields_of_its_feature() {
        let columns = columns(Display::Dns, Enrichment::IpPort, Shape::Flows);
        for field in Field::ALL.iter().filter(|field| field.feature() == Feature::Dns) {
            assert!(columns.contains(&Column::Field(*field)), "{}", field.name());
        }
    }

    #[test]
    fn what_the_features_fill_comes_first() {
        let cycle = Display::cycle(&[Feature::Dns, Feature::Tls]);
        assert_eq!(cycle[..5], [Display::Raw, Display::Standard, Display::Dns, Display::Tls, Display::All]);
        assert_eq!(cycle.len(), Display::ALL.len());
        assert_eq!(Display::cycle(&[]), Display::ALL);
        assert_eq!(Display::first(&[Feature::Dns, Feature::Conversations]), Display::Dns);
        assert_eq!(
            (Display::first(&[]), Display::first(&[Feature::Dns, Feature::Rtt])),
            (Display::Standard, Display::Standard)
        );
    }

    #[test]
    fn cycles_turn_both_ways() {
        assert_eq!(turn(Display::ALL, Display::All, 1), Display::Raw);
        assert_eq!(turn(Display::ALL, Display::Raw, -1), Display::All);
    }
}
