//! One line for a packet, in the manner of tcpdump and of Wireshark's Info column.

use std::fmt::Write as _;

use etherparse::{TcpSlice, UdpSlice};

use super::{
    Decoded, Fragment, Ip, dns, icmp,
    transport::{Transport, wire_flags},
};

const TCP_FLAGS: [&str; 8] = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];
const DNS_PORTS: [u16; 3] = [53, 5353, 5355];

impl Decoded<'_> {
    /// One line: `10.0.0.1:443 → 10.0.0.2:51234 TCP [SYN,ACK] seq 1 ack 1 win 65160 len 0`. Printable text only.
    pub fn line(&self) -> String {
        let mut line = String::new();
        if let Some(vlan) = self.vlan {
            let inner = self.inner_vlan.map(|inner| format!(".{inner}")).unwrap_or_default();
            let _ = write!(line, "vlan {vlan}{inner} ");
        }
        match (&self.ip, &self.arp) {
            (Some(ip), _) => self.ip_line(&mut line, ip),
            (None, Some(arp)) => line.extend(["ARP ", arp]),
            (None, None) => self.other_line(&mut line),
        }
        line
    }

    fn ip_line(&self, line: &mut String, ip: &Ip) {
        let _ = match (self.ports(), ip.src.is_ipv6()) {
            (Some((src, dst)), true) => write!(line, "[{}]:{src} → [{}]:{dst} ", ip.src, ip.dst),
            (Some((src, dst)), false) => write!(line, "{}:{src} → {}:{dst} ", ip.src, ip.dst),
            (None, _) => write!(line, "{} → {} ", ip.src, ip.dst),
        };
        let _ = match &self.transport {
            Transport::Tcp(tcp) => write!(line, "TCP {}", tcp_line(tcp, ip)),
            Transport::Udp(udp) => write!(line, "{}", udp_line(udp, ip)),
            Transport::Sctp(sctp) => write!(line, "SCTP {} len {}", sctp.chunk_name(), ip.payload_len),
            Transport::Icmp4(icmp) => write!(line, "ICMP {}", icmp::line_v4(icmp)),
            Transport::Icmp6(icmp) => write!(line, "ICMPv6 {}", icmp::line_v6(icmp)),
            Transport::Ports(..) => write!(line, "{} len {}, header cut", self.protocol(), ip.payload_len),
            Transport::None => write!(line, "{} len {}", self.protocol(), ip.payload_len),
        };
        if let Some(Fragment { id, offset, more }) = ip.fragment {
            let _ = write!(line, " (fragment {id:#x} at {offset}{})", if more { "+" } else { ", last" });
        }
    }

    fn other_line(&self, line: &mut String) {
        let kept = format!("{} byte{} kept", self.captured, if self.captured == 1 { "" } else { "s" });
        let _ = match (self.macs, self.ether_type) {
            // Below 0x600 it is the length of an IEEE 802.3 frame.
            (Some((src, dst)), Some(number)) if number < 0x600 => write!(line, "{src} → {dst} 802.3 len {number}"),
            (Some((src, dst)), Some(0x0800 | 0x86dd | 0x0806)) => {
                write!(line, "{src} → {dst} {}, cut short, {kept}", self.protocol())
            }
            (Some((src, dst)), _) => write!(line, "{src} → {dst} {}", ether_name(self.ether_type)),
            (None, _) => write!(line, "cut short, {kept}"),
        };
    }
}

fn tcp_line(tcp: &TcpSlice<'_>, ip: &Ip) -> String {
    let bits = wire_flags(tcp);
    let names: Vec<_> = (0..8).filter(|bit| bits & (1 << bit) != 0).map(|bit| TCP_FLAGS[bit]).collect();
    let len = ip.payload_len.saturating_sub(usize::from(tcp.data_offset()) * 4);
    let mut line = format!("[{}] seq {}", names.join(","), tcp.sequence_number());
    if tcp.ack() {
        let _ = write!(line, " ack {}", tcp.acknowledgment_number());
    }
    let _ = write!(line, " win {} len {len}", tcp.window_size());
    line
}

fn udp_line(udp: &UdpSlice<'_>, ip: &Ip) -> String {
    let is_dns = DNS_PORTS.contains(&udp.source_port()) || DNS_PORTS.contains(&udp.destination_port());
    if let Some(dns) = is_dns.then(|| dns::line(udp.payload())).flatten() {
        return format!("DNS {dns}");
    }
    format!("UDP len {}", ip.payload_len.saturating_sub(8))
}

fn ether_name(number: Option<u16>) -> String {
    match number {
        Some(0x88cc) => "LLDP".to_owned(),
        Some(0x8863 | 0x8864) => "PPPoE".to_owned(),
        Some(0x8847 | 0x8848) => "MPLS".to_owned(),
        Some(0x888e) => "EAPOL".to_owned(),
        Some(0x88e5) => "MACsec".to_owned(),
        Some(other) => format!("ethertype 0x{other:04x}"),
        None => "no EtherType".to_owned(),
    }
}
