//! IP protocol numbers by name: the IANA registry, except that 58 is called ICMPv6 as everybody does.

/// Names of 0 to 146, in order.
#[rustfmt::skip] // ten to a line, so that a number can be found
const NAMES: [&str; 147] = [
    "HOPOPT", "ICMP", "IGMP", "GGP", "IPv4", "ST", "TCP", "CBT", "EGP", "IGP", // 0
    "BBN-RCC-MON", "NVP-II", "PUP", "ARGUS", "EMCON", "XNET", "CHAOS", "UDP", "MUX", "DCN-MEAS", // 10
    "HMP", "PRM", "XNS-IDP", "TRUNK-1", "TRUNK-2", "LEAF-1", "LEAF-2", "RDP", "IRTP", "ISO-TP4", // 20
    "NETBLT", "MFE-NSP", "MERIT-INP", "DCCP", "3PC", "IDPR", "XTP", "DDP", "IDPR-CMTP", "TP++", // 30
    "IL", "IPv6", "SDRP", "IPv6-Route", "IPv6-Frag", "IDRP", "RSVP", "GRE", "DSR", "BNA", // 40
    "ESP", "AH", "I-NLSP", "SWIPE", "NARP", "Min-IPv4", "TLSP", "SKIP", "ICMPv6", "IPv6-NoNxt", // 50
    "IPv6-Opts", "any-host", "CFTP", "any-local", "SAT-EXPAK", "KRYPTOLAN", "RVD", "IPPC", "any-dfs", "SAT-MON", // 60
    "VISA", "IPCV", "CPNX", "CPHB", "WSN", "PVP", "BR-SAT-MON", "SUN-ND", "WB-MON", "WB-EXPAK", // 70
    "ISO-IP", "VMTP", "SECURE-VMTP", "VINES", "IPTM", "NSFNET-IGP", "DGP", "TCF", "EIGRP", "OSPF", // 80
    "Sprite-RPC", "LARP", "MTP", "AX.25", "IPIP", "MICP", "SCC-SP", "ETHERIP", "ENCAP", "any-crypt", // 90
    "GMTP", "IFMP", "PNNI", "PIM", "ARIS", "SCPS", "QNX", "A/N", "IPComp", "SNP", // 100
    "Compaq-Peer", "IPX-in-IP", "VRRP", "PGM", "any-0hop", "L2TP", "DDX", "IATP", "STP", "SRP", // 110
    "UTI", "SMP", "SM", "PTP", "ISIS", "FIRE", "CRTP", "CRUDP", "SSCOPMCE", "IPLT", // 120
    "SPS", "PIPE", "SCTP", "FC", "RSVP-E2E-IGNORE", "Mobility", "UDPLite", "MPLS-in-IP", "manet", "HIP", // 130
    "Shim6", "WESP", "ROHC", "Ethernet", "AGGFRAG", "NSH", "Homa", // 140
];

/// The name of a protocol number, where it has one.
pub fn protocol(number: u8) -> Option<&'static str> {
    NAMES.get(usize::from(number)).copied()
}

/// The number of a protocol by its name, in any case; `IPv6-ICMP` is ICMPv6 too.
pub fn protocol_number(name: &str) -> Option<u8> {
    if name.eq_ignore_ascii_case("IPv6-ICMP") {
        return Some(58);
    }
    NAMES.iter().position(|known| known.eq_ignore_ascii_case(name)).map(|number| number as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_agree() {
        for (number, name) in [
            (1, "ICMP"),
            (6, "TCP"),
            (17, "UDP"),
            (33, "DCCP"),
            (41, "IPv6"),
            (47, "GRE"),
            (50, "ESP"),
            (51, "AH"),
            (58, "ICMPv6"),
            (89, "OSPF"),
            (94, "IPIP"),
            (103, "PIM"),
            (108, "IPComp"),
            (112, "VRRP"),
            (115, "L2TP"),
            (124, "ISIS"),
            (132, "SCTP"),
            (136, "UDPLite"),
            (142, "ROHC"),
        ] {
            assert_eq!(protocol(number), Some(name));
            assert_eq!(protocol_number(&name.to_lowercase()), Some(number));
        }
        assert_eq!((protocol(200), protocol_number("ipv6-icmp")), (None, Some(58)));
    }
}
