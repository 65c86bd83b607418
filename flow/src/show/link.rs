//! EtherTypes, DSCP and directions by name.

/// IEEE 802 numbers that are met in practice.
pub const fn ethertype(value: u16) -> Option<&'static str> {
    Some(match value {
        0x0800 => "IPv4",
        0x0806 => "ARP",
        0x0842 => "WoL",
        0x22f0 => "AVTP",
        0x6558 => "TEB",
        0x8035 => "RARP",
        0x8100 => "VLAN",
        0x86dd => "IPv6",
        0x8808 => "Pause",
        0x8809 => "Slow",
        0x8847 => "MPLS",
        0x8848 => "MPLS-MC",
        0x8863 => "PPPoE-D",
        0x8864 => "PPPoE-S",
        0x888e => "EAPOL",
        0x8892 => "PROFINET",
        0x88a2 => "AoE",
        0x88a4 => "EtherCAT",
        0x88a8 => "QinQ",
        0x88cc => "LLDP",
        0x88e5 => "MACsec",
        0x88f7 => "PTP",
        0x8902 => "CFM",
        0x8906 => "FCoE",
        0x8915 => "RoCE",
        0x893f => "E-TAG",
        0x894f => "NSH",
        0x9000 => "Loop",
        _ => return None,
    })
}

/// Names of the IANA registry (RFC 2474, 2597, 3246, 5865, 8622); 0 is best effort.
pub const fn dscp(value: u8) -> Option<&'static str> {
    Some(match value {
        0 => "BE",
        1 => "LE",
        8 => "CS1",
        10 => "AF11",
        12 => "AF12",
        14 => "AF13",
        16 => "CS2",
        18 => "AF21",
        20 => "AF22",
        22 => "AF23",
        24 => "CS3",
        26 => "AF31",
        28 => "AF32",
        30 => "AF33",
        32 => "CS4",
        34 => "AF41",
        36 => "AF42",
        38 => "AF43",
        40 => "CS5",
        44 => "VA",
        46 => "EF",
        48 => "CS6",
        56 => "CS7",
        _ => return None,
    })
}

/// Direction of a flow as seen from its node.
pub const fn flow_direction(value: u8) -> Option<&'static str> {
    Some(match value {
        0 => "Ingress",
        1 => "Egress",
        2 => "Inner",
        _ => return None,
    })
}

/// Direction at an interface.
pub const fn interface_direction(value: u8) -> Option<&'static str> {
    Some(match value {
        0 => "in",
        1 => "out",
        3 => "both",
        _ => return None,
    })
}
