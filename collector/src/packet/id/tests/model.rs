//! A model of what happens to packets between the places where they are seen: translation, routing, tags, tunnels.

/// A packet as its sender means it.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    pub(super) ends: [u32; 2],
    pub(super) ports: [u16; 2],
    pub(super) id: u16,
    pub(super) ttl: u8,
    pub(super) is_v6: bool,
    pub(super) body: Body,
    pub(super) mss: u16,
}

/// What it says.
#[derive(Clone, Debug)]
pub(super) enum Body {
    /// Sequence and acknowledgement; the option's bytes are an option of their own.
    Tcp {
        numbers: [u32; 2],
        flags: u8,
        window: u16,
        sack: Vec<u8>,
        payload: Vec<u8>,
    },
    Udp(Vec<u8>),
    Ping {
        sequence: u16,
        payload: Vec<u8>,
    },
    Sctp {
        tag: u32,
        chunks: Vec<u8>,
    },
    /// The host cannot be reached: what a TCP segment with this sequence number is told.
    Unreachable {
        sequence: u32,
        payload: Vec<u8>,
    },
}

/// Where it is seen.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) ends: [u32; 2],
    pub(super) ports: [u16; 2],
    pub(super) hops: u8,
    pub(super) macs: [u8; 12],
    pub(super) vlans: usize,
    pub(super) padded: bool,
    pub(super) mss: u16,
    pub(super) inside: Inside,
}

/// What carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inside {
    Nothing,
    Vxlan,
    Geneve,
    IpIp,
}

const IPV4: [u8; 2] = [8, 0];
const IPV6: [u8; 2] = [0x86, 0xdd];

impl Packet {
    /// As it leaves its sender.
    pub(super) fn frame(&self) -> Vec<u8> {
        framed(&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1], 0, self.ether_type(), &self.ip())
    }

    /// Whether its number is made of its payload mostly.
    pub(super) fn needs_payload(&self) -> bool {
        !matches!(self.body, Body::Tcp { .. })
    }

    /// The same with another number of its kind.
    pub(super) fn sent_again(&self, number: u32) -> Self {
        let mut other = self.clone();
        match &mut other.body {
            Body::Tcp { numbers, .. } => numbers[0] = number,
            Body::Udp(payload) => payload[..4].copy_from_slice(&number.to_be_bytes()),
            Body::Ping { sequence, .. } => *sequence = number as u16,
            Body::Sctp { tag, .. } => *tag = number,
            Body::Unreachable { sequence, .. } => *sequence = number,
        }
        other
    }

    fn ether_type(&self) -> [u8; 2] {
        if self.is_v6 { IPV6 } else { IPV4 }
    }

    fn ip(&self) -> Vec<u8> {
        let (proto, body) = self.transport();
        ip(self.is_v6, self.ends, self.id, self.ttl, proto, &body)
    }

    fn transport(&self) -> (u8, Vec<u8>) {
        // A checksum is of addresses too: another one everywhere.
        let sum = (self.ends[0] ^ self.ends[1]) as u16 ^ self.ports[0] ^ self.mss;
        let [from, to] = self.ports.map(u16::to_be_bytes);
        let ports = [from, to].concat();
        match &self.body {
            Body::Tcp { numbers, flags, window, sack, payload } => {
                let mut options = vec![1, 1, 5, sack.len() as u8 + 2];
                options.extend_from_slice(sack);
                options.extend_from_slice(&[2, 4]);
                options.extend_from_slice(&self.mss.to_be_bytes());
                options.resize(options.len().next_multiple_of(4), 0);
                let words = (5 + options.len() / 4) as u8;
                let numbers = numbers.map(u32::to_be_bytes).concat();
                let rest = [&[words << 4, *flags][..], &window.to_be_bytes(), &sum.to_be_bytes(), &[0, 0]].concat();
                (6, [ports, numbers, rest, options, payload.clone()].concat())
            }
            Body::Udp(payload) => {
                let len = (8 + payload.len() as u16).to_be_bytes();
                (17, [&ports[..], &len, &sum.to_be_bytes(), payload].concat())
            }
            Body::Ping { sequence, payload } => {
                let kind = if self.is_v6 { 128 } else { 8 };
                (self.icmp(), [&[kind, 0][..], &sum.to_be_bytes(), &from, &sequence.to_be_bytes(), payload].concat())
            }
            Body::Sctp { tag, chunks } => {
                (132, [&ports[..], &tag.to_be_bytes(), &u32::from(sum).to_be_bytes(), chunks].concat())
            }
            Body::Unreachable { sequence, payload } => {
                let mut told_of = [&[to, from].concat()[..], &sequence.to_be_bytes(), &[0; 12], payload].concat();
                told_of[12] = 0x50;
                let [sender, receiver] = self.ends;
                let told_of = ip(self.is_v6, [receiver, sender], self.id ^ 0x55, self.ttl, 6, &told_of);
                let kind = if self.is_v6 { [1, 4] } else { [3, 1] };
                (self.icmp(), [&kind[..], &sum.to_be_bytes(), &[0; 4], &told_of].concat())
            }
        }
    }

    fn icmp(&self) -> u8 {
        if self.is_v6 { 58 } else { 1 }
    }
}

impl Way {
    /// The frame of `packet` there: translated, routed, tagged, in a tunnel.
    pub(super) fn seen(&self, packet: &Packet) -> Vec<u8> {
        let Self { ends, ports, mss, .. } = *self;
        let there = Packet { ends, ports, ttl: packet.ttl - self.hops, mss, ..packet.clone() };
        let (ether_type, bytes) = self.carried(there.ether_type(), &there.ip());
        let mut frame = framed(&self.macs, self.vlans, ether_type, &bytes);
        if self.padded && frame.len() < 60 {
            frame.resize(60, 0);
        }
        frame
    }

    fn carried(&self, ether_type: [u8; 2], packet: &[u8]) -> ([u8; 2], Vec<u8>) {
        let udp = |port: u16, header: &[u8]| {
            let inner = framed(&[4; 12], 0, ether_type, packet);
            let len = (8 + header.len() + inner.len()) as u16;
            let ports = [50_000_u16, port, len, 0].map(u16::to_be_bytes).concat();
            (IPV4, ip(false, [77, 78], 9, 64, 17, &[&ports, header, &inner].concat()))
        };
        match self.inside {
            Inside::Nothing => (ether_type, packet.to_vec()),
            Inside::Vxlan => udp(if self.hops == 0 { 4789 } else { 8472 }, &[8, 0, 0, 0, 0, 1, 2, 0]),
            Inside::Geneve => udp(6081, &[1, 0, 0x65, 0x58, 0, 0, 7, 0, 1, 2, 3, 4]),
            Inside::IpIp => (IPV4, ip(false, [77, 78], 9, 64, if ether_type == IPV6 { 41 } else { 4 }, packet)),
        }
    }
}

fn framed(macs: &[u8; 12], vlans: usize, ether_type: [u8; 2], packet: &[u8]) -> Vec<u8> {
    [&macs[..], &[0x81, 0, 0, 5].repeat(vlans), &ether_type, packet].concat()
}

fn ip(is_v6: bool, [from, to]: [u32; 2], id: u16, ttl: u8, proto: u8, body: &[u8]) -> Vec<u8> {
    let [from, to] = [from, to].map(u32::to_be_bytes);
    if is_v6 {
        let len = (body.len() as u16).to_be_bytes();
        let [from, to] = [from, to].map(|end| [&[0xfd; 12][..], &end].concat());
        return [&[0x60, 0, 0, 0][..], &len, &[proto, ttl], &from, &to, body].concat();
    }
    let len = (20 + body.len() as u16).to_be_bytes();
    let sum = u16::from(ttl).to_be_bytes();
    [&[0x45, 0][..], &len, &id.to_be_bytes(), &[0x40, 0, ttl, proto], &sum, &from, &to, body].concat()
}
