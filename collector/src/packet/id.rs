//! A number for a packet that is the same wherever the packet is seen.
//!
//! It is made of what routers, switches, address translation and tunnels leave as it is:
//!
//! - of IP: family, protocol, identification (IPv4, or of an IPv6 fragment), fragment offset, length of what it carries. Not: TTL,
//!   DSCP, options, checksum, and what is outside: MAC addresses, VLAN tags. In VXLAN, Geneve, GRE and IP in IP it is the number of
//!   the inner packet.
//! - of TCP: sequence, acknowledgement, flags, window, urgent pointer, options (timestamps among them; not MSS, which routers
//!   lower, nor padding) and payload. Never addresses and ports: translation changes nothing.
//! - of UDP: length and payload. Where the payload is shorter than [`ENOUGH`] or was not kept, addresses and ports too: such a
//!   datagram has another number on the other side of a translation.
//! - of SCTP: verification tag and chunks, of ESP all it has; with addresses under the same condition.
//! - of ICMP echo: type, code, sequence, payload; where that is shorter than [`ENOUGH`], identifier and addresses too.
//! - of ICMP errors: type, code and of the packet they tell of what is said here.
//! - of later fragments: their bytes. Of other protocols: addresses and payload; these have another number after translation.
//! - of what is not IP: EtherType and all after the MAC header (up to 128 bytes, zeros at the end left out: padding).
//!
//! **Snap lengths.** Of a payload the first 64 bytes enter, if all of them (or of a shorter payload, all) were kept, else none; TCP
//! options enter if all of them were kept. So two places that keep the same parts agree. Everything enters from a snap length of 192
//! on, in a tunnel from 288 on: captures with such snap lengths or longer ones have the same numbers. Below that, places with
//! the same headers in front still agree. A packet cut within its IP header or the fixed transport header has none.
//!
//! **What has one number although it is not one packet**: what is alike in everything above. TCP sent again has another
//! identification (IPv4) or other timestamps; over IPv6 without timestamps it has not. ARP and neighbour discovery asked again,
//! and equal datagrams in packets without identification have not. What the kernel has yet to cut (segmentation offload), or has
//! put together, is another packet than its segments.

#[cfg(test)]
use flow::LinkType;
use twox_hash::XxHash3_64;

use super::headers::{self, ARP, Frame, Ip, Net};

/// Payload that tells packets apart without addresses, bytes: the header of a DNS message.
const ENOUGH: usize = 12;
/// Bytes of a payload that enter.
const PAYLOAD: usize = 64;
/// Bytes of a frame without IP that enter.
const OTHER: usize = 128;

/// The number of a packet of which `bytes` were kept and that was `len` bytes long; 0 for none.
#[cfg(test)]
pub(crate) fn of(bytes: &[u8], len: usize, link: LinkType) -> u64 {
    headers::read(bytes, len, link).map_or(0, |frame| of_frame(&frame))
}

/// The same of a packet that was read already.
pub(crate) fn of_frame(frame: &Frame<'_>) -> u64 {
    let mut sum = Sum::new();
    match &frame.net {
        Net::Ip(ip) => {
            if sum.add_ip(ip).is_none() {
                return 0;
            }
        }
        Net::Other(ether_type, bytes) => sum.add_other(*ether_type, bytes),
    }
    sum.finish()
}

/// What enters, put together.
struct Sum {
    bytes: [u8; 256],
    len: usize,
}

impl Sum {
    fn new() -> Self {
        Self { bytes: [0; 256], len: 0 }
    }

    /// More than there is room for is left out; there never is more.
    fn add(&mut self, bytes: &[u8]) {
        if let Some(room) = self.bytes.get_mut(self.len..self.len + bytes.len()) {
            room.copy_from_slice(bytes);
            self.len += bytes.len();
        }
    }

    fn finish(&self) -> u64 {
        // 0 is none.
        XxHash3_64::oneshot(&self.bytes[..self.len]).max(1)
    }

    /// `None` where a header was cut.
    fn add_ip(&mut self, ip: &Ip<'_>) -> Option<()> {
        self.add_ip_header(ip);
        let told = match ip.proto {
            _ if ip.is_later_fragment() => self.add_payload(ip.payload, ip.len),
            6 => {
                self.add_tcp(ip)?;
                true
            }
            17 => {
                let (header, payload) = ip.payload.split_first_chunk::<8>()?;
                self.add(&header[4..6]);
                let told = self.add_payload(payload, ip.len - 8);
                if !told {
                    self.add(&header[..4]);
                }
                told
            }
            132 => {
                let (header, chunks) = ip.payload.split_first_chunk::<12>()?;
                self.add(&header[4..8]);
                let told = self.add_payload(chunks, ip.len - 12);
                if !told {
                    self.add(&header[..4]);
                }
                told
            }
            1 | 58 => self.add_icmp(ip)?,
            50 => self.add_payload(ip.payload, ip.len),
            _ => {
                self.add_payload(ip.payload, ip.len);
                false
            }
        };
        if !told {
            self.add_addresses(ip);
        }
        Some(())
    }

    fn add_ip_header(&mut self, ip: &Ip<'_>) {
        self.add(&[ip.is_v6.into(), ip.proto]);
        self.add(&ip.id.to_be_bytes());
        self.add(&ip.fragment.to_be_bytes());
    }

    fn add_addresses(&mut self, ip: &Ip<'_>) {
        self.add(&ip.src);
        self.add(&ip.dst);
    }

    /// Length and beginning of a payload of `len` bytes; whether it tells packets apart.
    fn add_payload(&mut self, kept: &[u8], len: usize) -> bool {
        self.add(&(len as u32).to_be_bytes());
        let beginning = kept.get(..len.min(PAYLOAD));
        beginning.inspect(|bytes| self.add(bytes)).is_some() && len >= ENOUGH
    }

    /// RFC 9293.
    fn add_tcp(&mut self, ip: &Ip<'_>) -> Option<()> {
        let header = ip.payload.first_chunk::<20>()?;
        // Sequence and acknowledgement, flags, window; then the urgent pointer.
        self.add(&header[4..12]);
        self.add(&[header[12] & 15]);
        self.add(&header[13..16]);
        self.add(&header[18..]);
        let end = usize::from(header[12] >> 4) * 4;
        if let Some(options) = ip.payload.get(20..end) {
            self.add_options(options);
        }
        self.add_payload(ip.payload.get(end..).unwrap_or_default(), ip.len.checked_sub(end)?);
        Some(())
    }

    fn add_options(&mut self, mut options: &[u8]) {
        while let [kind, rest @ ..] = options {
            let len = match (kind, rest.first()) {
                (1, _) => 1,
                (0, _) | (_, None | Some(0 | 1)) => break,
                (_, Some(len)) => usize::from(*len),
            };
            let Some((option, rest)) = options.split_at_checked(len) else { break };
            if !matches!(kind, 1 | 2) {
                self.add(option);
            }
            options = rest;
        }
    }

    /// RFC 792, RFC 4443. Whether addresses are not needed.
    fn add_icmp(&mut self, ip: &Ip<'_>) -> Option<bool> {
        let (header, rest) = ip.payload.split_first_chunk::<8>()?;
        self.add(&header[..2]);
        let len = ip.len - 8;
        Some(match (ip.is_v6, header[0]) {
            (false, 0 | 8) | (true, 128 | 129) => {
                self.add(&header[6..]);
                let told = self.add_payload(rest, len);
                if !told {
                    self.add(&header[4..6]);
                }
                told
            }
            (false, 3 | 4 | 5 | 11 | 12) | (true, 1..=4) => {
                self.add(&header[4..]);
                headers::ip(rest, len).is_some_and(|told_of| self.add_told_of(&told_of))
            }
            _ => {
                self.add(&header[4..]);
                self.add_payload(rest, len);
                false
            }
        })
    }

    /// The packet that an error tells of, as much of it as the error has. Whether it tells packets apart.
    fn add_told_of(&mut self, ip: &Ip<'_>) -> bool {
        self.add_ip_header(ip);
        let told = match (ip.proto, ip.payload) {
            _ if ip.is_later_fragment() => false,
            (6, [_, _, _, _, sequence @ ..]) if sequence.len() >= 4 => {
                self.add(&sequence[..4]);
                true
            }
            (17, [_, _, _, _, high, low, _, _, payload @ ..]) => {
                self.add(&[*high, *low]);
                self.add_payload(payload, ip.len.saturating_sub(8))
            }
            _ => false,
        };
        if !told {
            self.add_addresses(ip);
        }
        told
    }

    fn add_other(&mut self, ether_type: u16, bytes: &[u8]) {
        let end = match (ether_type, bytes) {
            // RFC 826: lengths of hardware and protocol addresses.
            (ARP, [_, _, _, _, hardware, protocol, ..]) => 8 + 2 * (usize::from(*hardware) + usize::from(*protocol)),
            // IEEE 802.3
            (..1536, _) => ether_type.into(),
            _ => bytes.len(),
        };
        let bytes = &bytes[..end.min(bytes.len()).min(OTHER)];
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        self.add(&ether_type.to_be_bytes());
        self.add(&bytes[..used]);
    }
}

#[cfg(test)]
mod tests;
