//! What the blocks of a section mean: interfaces, packets, losses, names, secrets. What outlives a section is kept with bounds.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use flow::{Clock as NodeClock, Interface, LinkType};

use super::{
    Link,
    block::{Block, Bytes},
    counts,
    news::News,
};
use crate::annotation::Described;

/// Interfaces of a file; more are no interfaces.
const MOST_INTERFACES: u32 = 1 << 18;

/// Bytes of names and descriptions of interfaces in a file; past them interfaces have numbers only.
const MOST_TEXT: usize = 64 << 20;

/// Addresses with a name; further ones have none.
const MOST_NAMES: usize = 1 << 16;

/// Longest name of an address, bytes.
const LONGEST_NAME: usize = 256;

/// Longest line of a key log, bytes.
const LONGEST_SECRET: usize = 1024;

/// secrets_type of a TLS key log, section 4.7.
const TLS_KEY_LOG: u32 = 0x544C_534B;

/// A packet as the file has it.
#[derive(Debug)]
pub(super) struct RawPacket<'a> {
    pub(super) link: Link,
    pub(super) time_ns: u64,
    /// The machine that saw it.
    pub(super) node: Arc<str>,
    /// Number of the interface in all of the file.
    pub(super) interface: u32,
    pub(super) len: u32,
    pub(super) data: &'a [u8],
    pub(super) direction: u8,
    /// epb_packetid; 0 if there is none.
    pub(super) id: u64,
    /// Its comments, which may be anybody's.
    pub(super) comments: Vec<&'a [u8]>,
}

/// What came of a block.
#[derive(Debug)]
pub(super) enum Taken<'a> {
    /// Nothing that is shown.
    Nothing,
    /// A packet.
    Packet(RawPacket<'a>),
    /// It is not what its type says.
    Malformed,
}

#[derive(Clone, Debug)]
struct Port {
    id: u32,
    node: Arc<str>,
    link: Link,
    clock: Clock,
    snaplen: u32,
    delivered: u64,
    lost: u64,
}

/// if_tsresol and if_tsoffset.
#[derive(Clone, Copy, Debug)]
struct Clock {
    per_second: u64,
    offset_s: i64,
}

impl Clock {
    /// Section 4.2, if_tsresol: a power of ten, or of two if the first bit is set.
    fn per_second(resolution: u8) -> Option<u64> {
        let exponent = u32::from(resolution & 0x7f);
        if resolution & 0x80 == 0 { 10_u64.checked_pow(exponent) } else { 1_u64.checked_shl(exponent) }
    }

    /// Nanoseconds since the epoch; as near as 64 bits allow.
    fn ns(self, ticks: u64) -> u64 {
        let ns = u128::from(ticks) * 1_000_000_000 / u128::from(self.per_second.max(1));
        let ns = i128::try_from(ns).unwrap_or(i128::MAX).saturating_add(i128::from(self.offset_s) * 1_000_000_000);
        u64::try_from(ns.max(0)).unwrap_or(u64::MAX)
    }
}

/// The interfaces of the section at hand; numbers go on over sections.
#[derive(Debug)]
pub(super) struct Section {
    ports: Vec<Port>,
    next_id: u32,
    text_left: usize,
    /// What no batch has told.
    pub(super) news: News,
    /// Losses of earlier sections, by node.
    former_lost: HashMap<Arc<str>, u64>,
    /// The clocks of nodes.
    clocks: HashMap<Arc<str>, NodeClock>,
    /// Names of addresses; `names_changed` counts the blocks of them.
    names: HashMap<IpAddr, Arc<str>>,
    pub(super) names_changed: u64,
    node: Arc<str>,
    started: bool,
}

impl Default for Section {
    fn default() -> Self {
        Self {
            ports: Vec::new(),
            next_id: 0,
            text_left: MOST_TEXT,
            news: News::default(),
            former_lost: HashMap::new(),
            clocks: HashMap::new(),
            names: HashMap::new(),
            names_changed: 0,
            node: "".into(),
            started: false,
        }
    }
}

impl Section {
    /// Whether no section has begun.
    pub(super) fn is_empty(&self) -> bool {
        !self.started
    }

    /// The machine of the latest interface; that of packets is with them.
    pub(super) fn node(&self) -> Arc<str> {
        Arc::clone(&self.node)
    }

    /// Packets that the file admits to have lost at interfaces of `node`.
    pub(super) fn lost(&self, node: &str) -> u64 {
        let former = self.former_lost.get(node).copied().unwrap_or(0);
        let ports = self.ports.iter().filter(|port| *port.node == *node);
        ports.fold(former, |sum, port| sum.saturating_add(port.lost))
    }

    /// How the clock of `node` stood.
    pub(super) fn clock(&self, node: &str) -> Option<NodeClock> {
        self.clocks.get(node).copied()
    }

    /// The name of an address, if the file has told one.
    pub(super) fn name(&self, address: IpAddr) -> Option<&Arc<str>> {
        self.names.get(&address)
    }

    /// Whether any address has a name.
    pub(super) fn has_names(&self) -> bool {
        !self.names.is_empty()
    }

    pub(super) fn take<'a>(&mut self, block: &Block<'a>) -> Taken<'a> {
        let taken = match block.kind {
            0x0A0D_0D0A => {
                for port in self.ports.drain(..) {
                    let lost = self.former_lost.entry(port.node).or_default();
                    *lost = lost.saturating_add(port.lost);
                }
                self.started = true;
                Some(Taken::Nothing)
            }
            1 => self.interface(block.body).map(|()| Taken::Nothing),
            2 => self.old_packet(block.body).map(Taken::Packet),
            3 => self.simple_packet(block.body).map(Taken::Packet),
            4 => self.resolution(block.body).map(|()| Taken::Nothing),
            5 => self.statistics(block.body).map(|()| Taken::Nothing),
            6 => self.enhanced_packet(block.body).map(Taken::Packet),
            10 => self.secrets(block.body).map(|()| Taken::Nothing),
            // Journal entries, what is yet to come.
            _ => Some(Taken::Nothing),
        };
        taken.unwrap_or(Taken::Malformed)
    }

    /// Section 4.2.
    fn interface(&mut self, body: Bytes<'_>) -> Option<()> {
        let link = Link::of(u32::from(body.u16(0)?));
        let mut clock = Clock { per_second: 1_000_000, offset_s: 0 };
        let (mut name, mut description, mut speed) = (&[][..], &[][..], 0);
        for (code, value) in body.options(8) {
            match code {
                2 => name = value.data,
                3 => description = value.data,
                8 => speed = value.u64(0).unwrap_or(0),
                9 => clock.per_second = Clock::per_second(*value.data.first()?).filter(|n| *n > 0)?,
                14 => clock.offset_s = value.u64(0)? as i64,
                _ => {}
            }
        }
        let id = self.next_id;
        self.next_id = Some(id + 1).filter(|next| *next <= MOST_INTERFACES)?;
        let said = self.described(name, description);
        let node = said.node.unwrap_or_else(|| Arc::clone(&self.node));
        if let Some(clock) = said.clock {
            self.clocks.insert(Arc::clone(&node), clock);
        }
        let interface = Interface {
            id,
            netns: said.netns,
            index: said.index,
            name: said.name,
            link_type: if matches!(link, Link::Ethernet) { LinkType::Ethernet } else { LinkType::RawIp },
            speed,
            leads_out: said.leads_out,
            place: said.place,
        };
        self.news.interface(&node, interface);
        self.node = Arc::clone(&node);
        self.ports.push(Port { id, node, link, clock, snaplen: body.u32(4)?, delivered: 0, lost: 0 });
        Some(())
    }

    /// What the texts of an interface say, as long as there is room for texts.
    fn described(&mut self, name: &[u8], description: &[u8]) -> Described {
        let left = self.text_left.checked_sub(name.len() + description.len());
        self.text_left = left.unwrap_or(self.text_left);
        if left.is_none() {
            return Described::default();
        }
        Described::read(&String::from_utf8_lossy(name), &String::from_utf8_lossy(description))
    }

    /// Section 4.3.
    fn enhanced_packet<'a>(&mut self, body: Bytes<'a>) -> Option<RawPacket<'a>> {
        let port = self.ports.get_mut(body.u32(0)? as usize)?;
        let ticks = u64::from(body.u32(4)?) << 32 | u64::from(body.u32(8)?);
        let caplen = body.u32(12)? as usize;
        let data = body.data.get(20..20_usize.checked_add(caplen)?)?;
        let mut packet = port.packet(ticks, body.u32(16)?, data, 0);
        for (code, value) in body.options(20 + caplen.next_multiple_of(4)) {
            match code {
                1 => packet.comments.push(value.data),
                2 => packet.direction = u8::from(value.u32(0)? & 3 == 2),
                4 => {
                    port.lost = port.lost.saturating_add(value.u64(0)?);
                    self.news.counts(&port.node, counts(port.id, port.delivered, port.lost));
                }
                5 => packet.id = value.u64(0)?,
                _ => {}
            }
        }
        Some(packet)
    }

    /// Section 4.4: no time, and cut to the interface's snap length.
    fn simple_packet<'a>(&mut self, body: Bytes<'a>) -> Option<RawPacket<'a>> {
        let port = self.ports.first_mut()?;
        let len = body.u32(0)?;
        let caplen = if port.snaplen == 0 { len } else { len.min(port.snaplen) };
        let data = body.data.get(4..4_usize.checked_add(caplen as usize)?)?;
        Some(port.packet(0, len, data, 0))
    }

    /// Appendix A: the obsolete packet block.
    fn old_packet<'a>(&mut self, body: Bytes<'a>) -> Option<RawPacket<'a>> {
        let port = self.ports.get_mut(usize::from(body.u16(0)?))?;
        let ticks = u64::from(body.u32(4)?) << 32 | u64::from(body.u32(8)?);
        let data = body.data.get(20..20_usize.checked_add(body.u32(12)? as usize)?)?;
        Some(port.packet(ticks, body.u32(16)?, data, 0))
    }

    /// Section 4.5: records of an address and its names, of which the first counts. Records lie as options do.
    fn resolution(&mut self, body: Bytes<'_>) -> Option<()> {
        self.names_changed += 1;
        for (kind, value) in body.options(0) {
            let (address, names): (IpAddr, _) = match kind {
                1 => (value.data.first_chunk::<4>().copied()?.into(), value.data.get(4..)?),
                2 => (value.data.first_chunk::<16>().copied()?.into(), value.data.get(16..)?),
                // MAC addresses.
                _ => continue,
            };
            let name = names.split(|byte| *byte == 0).next().unwrap_or_default();
            let is_new = !self.names.contains_key(&address);
            if (1..=LONGEST_NAME).contains(&name.len()) && !(is_new && self.names.len() >= MOST_NAMES) {
                self.names.insert(address, String::from_utf8_lossy(name).into());
            }
        }
        Some(())
    }

    /// Section 4.7. Of other secrets than a TLS key log nothing is kept.
    fn secrets(&mut self, body: Bytes<'_>) -> Option<()> {
        let (kind, length) = (body.u32(0)?, body.u32(4)? as usize);
        let data = body.data.get(8..8_usize.checked_add(length)?)?;
        if kind == TLS_KEY_LOG {
            let lines = data.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
            let is_secret = |line: &[u8]| {
                let plain = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
                (1..=LONGEST_SECRET).contains(&line.len()) && line[0] != b'#' && line.iter().all(plain)
            };
            let lines = lines.filter(|line| is_secret(line)).filter_map(|line| str::from_utf8(line).ok());
            self.news.secrets.extend(lines.map(Arc::<str>::from));
        }
        Some(())
    }

    /// Section 4.6. The counts at the end stand above those told on the way.
    fn statistics(&mut self, body: Bytes<'_>) -> Option<()> {
        let port = self.ports.get_mut(body.u32(0)? as usize)?;
        for (code, value) in body.options(12) {
            match code {
                5 | 7 => port.lost = port.lost.max(value.u64(0)?),
                8 => port.delivered = port.delivered.max(value.u64(0)?),
                _ => {}
            }
        }
        self.news.counts(&port.node, counts(port.id, port.delivered, port.lost));
        Some(())
    }
}

impl Port {
    fn packet<'a>(&mut self, ticks: u64, len: u32, data: &'a [u8], direction: u8) -> RawPacket<'a> {
        self.delivered = self.delivered.saturating_add(1);
        RawPacket {
            link: self.link,
            time_ns: self.clock.ns(ticks),
            node: Arc::clone(&self.node),
            interface: self.id,
            len: len.max(data.len() as u32),
            data,
            direction,
            id: 0,
            comments: Vec::new(),
        }
    }
}

/// Whether a section header says that we wrote it.
pub(super) fn is_ours(block: &Block<'_>) -> bool {
    block.kind == 0x0A0D_0D0A
        && block.body.options(16).any(|(code, value)| code == 4 && value.data.starts_with(b"oc-netobserv "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_any_resolution_become_nanoseconds() {
        let clock = |resolution, offset_s| Clock { per_second: Clock::per_second(resolution).unwrap(), offset_s };
        assert_eq!(clock(6, 0).ns(1_500_000_000_123_456), 1_500_000_000_123_456_000);
        assert_eq!(clock(9, 0).ns(1_500_000_000_123_456_789), 1_500_000_000_123_456_789);
        assert_eq!(clock(0x8a, 0).ns(1024 * 3 + 512), 3_500_000_000);
        assert_eq!(clock(0, 100).ns(3), 103_000_000_000);
        assert_eq!(clock(0, -100).ns(3), 0);
        assert_eq!(clock(0, i64::MAX).ns(u64::MAX), u64::MAX);
        assert!(Clock::per_second(60).is_none());
    }
}
