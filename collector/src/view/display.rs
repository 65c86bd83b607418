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
        Self::All,
    ];

    /// Its name on the screen.
    pub fn label(self) -> &'static str {
        match self {
            Self::Raw => "Raw",
            Self::Standard => "Standard",
            Self::PacketDrops => "Packet drops",
            Self::Dns => "DNS",
            Self::Rtt => "RTT",
            Self::NetworkEvents => "Network events",
            Self::PacketTranslation => "Packet translation",
            Self::UdnMapping => "UDN mapping",
            Self::Ipsec => "IPSec",
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
            Self::Raw | Self::Standard | Self::All => Feature::Core,
        }
    }

    fn columns(self) -> Vec<Column> {
        use Field::{Bytes, Dscp, FlowDirection, Packets, Proto};
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
        let of = |feature| Field::ALL.iter().copied().filter(move |field| field.feature() == feature);
        match self {
            Self::Standard => STANDARD.to_vec(),
            Self::Raw => Field::ALL.iter().copied().map(Column::Field).collect(),
            Self::All => {
                let features = Self::ALL.iter().map(|display| display.feature());
                let fields = features.filter(|feature| *feature != Feature::Core).flat_map(of);
                STANDARD.iter().copied().chain(fields.map(Column::Field)).collect()
            }
            // Protocol and volume stay: a drop or a latency means little without them.
            feature => [Column::Field(Proto)]
                .into_iter()
                .chain(of(feature.feature()).map(Column::Field))
                .chain([Column::Field(Bytes), Column::Field(Packets)])
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

/// The columns of `display` and `enrichment`, in the order of the table, each once.
pub fn columns(display: Display, enrichment: Enrichment) -> Vec<Column> {
    let mut columns = vec![Column::Field(Field::TimeFlowEndMs)];
    columns.extend(enrichment.fields().into_iter().map(Column::Field));
    columns.extend(display.columns());
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
                let columns = columns(*display, *enrichment);
                let unique: std::collections::HashSet<_> = columns.iter().collect();
                assert_eq!(unique.len(), columns.len(), "{} {}", display.label(), enrichment.label());
            }
        }
    }

    #[test]
    fn a_feature_display_shows_all_fields_of_its_feature() {
        let columns = columns(Display::Dns, Enrichment::IpPort);
        for field in Field::ALL.iter().filter(|field| field.feature() == Feature::Dns) {
            assert!(columns.contains(&Column::Field(*field)), "{}", field.name());
        }
    }

    #[test]
    fn cycles_turn_both_ways() {
        assert_eq!(turn(Display::ALL, Display::All, 1), Display::Raw);
        assert_eq!(turn(Display::ALL, Display::Raw, -1), Display::All);
    }
}
