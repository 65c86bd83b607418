//! TCP flags by name.

/// Names of bits 0 to 7 (RFC 9293, section 3.1).
const NAMES: [&str; 8] = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];

/// `SYN,ACK`; nothing for none. NetObserv's combinations above bit 7 say nothing that the bits do not.
pub fn tcp_flags(flags: u16) -> String {
    let set = NAMES.iter().enumerate().filter(|(bit, _)| flags & (1 << bit) != 0);
    set.map(|(_, name)| *name).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_stand_in_the_order_of_their_bits() {
        assert_eq!(tcp_flags(0x112), "SYN,ACK");
        assert_eq!(tcp_flags(0xff), "FIN,SYN,RST,PSH,ACK,URG,ECE,CWR");
        assert_eq!(tcp_flags(0), "");
    }
}
