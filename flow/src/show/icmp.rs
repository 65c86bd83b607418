//! ICMP and ICMPv6 types by name, as in the IANA registries, short enough for a column.

/// ICMP (RFC 792 and later).
pub const fn icmp_type(value: u8) -> Option<&'static str> {
    Some(match value {
        0 => "EchoReply",
        3 => "DestinationUnreachable",
        4 => "SourceQuench",
        5 => "Redirect",
        8 => "EchoRequest",
        9 => "RouterAdvertisement",
        10 => "RouterSolicitation",
        11 => "TimeExceeded",
        12 => "ParameterProblem",
        13 => "Timestamp",
        14 => "TimestampReply",
        15 => "InformationRequest",
        16 => "InformationReply",
        17 => "AddressMaskRequest",
        18 => "AddressMaskReply",
        30 => "Traceroute",
        40 => "Photuris",
        42 => "ExtendedEchoRequest",
        43 => "ExtendedEchoReply",
        _ => return None,
    })
}

/// ICMPv6 (RFC 4443 and later).
pub const fn icmpv6_type(value: u8) -> Option<&'static str> {
    Some(match value {
        1 => "DestinationUnreachable",
        2 => "PacketTooBig",
        3 => "TimeExceeded",
        4 => "ParameterProblem",
        128 => "EchoRequest",
        129 => "EchoReply",
        130 => "MulticastListenerQuery",
        131 => "MulticastListenerReport",
        132 => "MulticastListenerDone",
        133 => "RouterSolicitation",
        134 => "RouterAdvertisement",
        135 => "NeighborSolicitation",
        136 => "NeighborAdvertisement",
        137 => "Redirect",
        138 => "RouterRenumbering",
        139 => "NodeInformationQuery",
        140 => "NodeInformationResponse",
        141 => "InverseNeighborSolicitation",
        142 => "InverseNeighborAdvertisement",
        143 => "MulticastListenerReportV2",
        144 => "HomeAgentDiscoveryRequest",
        145 => "HomeAgentDiscoveryReply",
        146 => "MobilePrefixSolicitation",
        147 => "MobilePrefixAdvertisement",
        148 => "CertificationPathSolicitation",
        149 => "CertificationPathAdvertisement",
        151 => "MulticastRouterAdvertisement",
        152 => "MulticastRouterSolicitation",
        153 => "MulticastRouterTermination",
        154 => "FMIPv6",
        155 => "RPL",
        157 => "DuplicateAddressRequest",
        158 => "DuplicateAddressConfirmation",
        160 => "ExtendedEchoRequest",
        161 => "ExtendedEchoReply",
        _ => return None,
    })
}
