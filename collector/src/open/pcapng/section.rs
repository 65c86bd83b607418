//! What the blocks of a section mean: interfaces, packets, losses.

use std::sync::Arc;

use flow::{Interface, InterfaceCounts, LinkType};

use super::{
    Link,
    block::{Block, Bytes},
    counts,
};
use crate::store::DROPPED;

/// Longest name of a reason, bytes: that of the kernel's names is below 64.
const MAX_CAUSE: usize = 128;

/// A packet as the file has it.
#[derive(Debug)]
pub(super) struct RawPacket<'a> {
    pub(super) link: Link,
    pub(super) time_ns: u64,
    /// Number of the interface in all of the file.
    pub(super) interface: u32,
    pub(super) len: u32,
    pub(super) data: &'a [u8],
    pub(super) direction: u8,
    /// Why the kernel dropped it, as a comment of ours says.
    pub(super) cause: Option<Arc<str>>,
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

#[derive(Clone, Copy, Debug)]
struct Port {
    id: u32,
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
#[derive(Debug, Default)]
pub(super) struct Section {
    ports: Vec<Port>,
    next_id: u32,
    new: Vec<Interface>,
    changed: Vec<InterfaceCounts>,
    /// Losses of earlier sections.
    former_lost: u64,
    node: Option<Arc<str>>,
    started: bool,
}

impl Section {
    /// Whether no section has begun.
    pub(super) fn is_empty(&self) -> bool {
        !self.started
    }

    pub(super) fn node(&self) -> Arc<str> {
        self.node.clone().unwrap_or_else(|| "".into())
    }

    /// Interfaces that no batch has announced.
    pub(super) fn take_new(&mut self) -> Vec<Interface> {
        std::mem::take(&mut self.new)
    }

    pub(super) fn take_counts(&mut self) -> Vec<InterfaceCounts> {
        std::mem::take(&mut self.changed)
    }

    /// Packets that the file admits to have lost.
    pub(super) fn lost(&self) -> u64 {
        self.ports.iter().fold(self.former_lost, |sum, port| sum.saturating_add(port.lost))
    }

    pub(super) fn take<'a>(&mut self, block: &Block<'a>) -> Taken<'a> {
        let taken = match block.kind {
            0x0A0D_0D0A => {
                self.former_lost = self.lost();
                self.ports.clear();
                self.started = true;
                Some(Taken::Nothing)
            }
            1 => self.interface(block.body).map(|()| Taken::Nothing),
            2 => self.old_packet(block.body).map(Taken::Packet),
            3 => self.simple_packet(block.body).map(Taken::Packet),
            5 => self.statistics(block.body).map(|()| Taken::Nothing),
            6 => self.enhanced_packet(block.body).map(Taken::Packet),
            // Names, secrets, journal entries, what is yet to come.
            _ => Some(Taken::Nothing),
        };
        taken.unwrap_or(Taken::Malformed)
    }

    /// Section 4.2.
    fn interface(&mut self, body: Bytes<'_>) -> Option<()> {
        let link = Link::of(u32::from(body.u16(0)?));
        let mut clock = Clock { per_second: 1_000_000, offset_s: 0 };
        let (mut name, mut about) = (String::new(), Description::default());
        for (code, value) in body.options(8) {
            match code {
                2 => name = String::from_utf8_lossy(value.data).into_owned(),
                3 => about = Description::parse(&String::from_utf8_lossy(value.data)),
                9 => clock.per_second = Clock::per_second(*value.data.first()?).filter(|n| *n > 0)?,
                14 => clock.offset_s = value.u64(0)? as i64,
                _ => {}
            }
        }
        let id = self.next_id;
        self.next_id = id.checked_add(1)?;
        // In files of ours the name has the namespace appended, which the description gives apart.
        let plain = about.netns.as_deref().and_then(|netns| name.strip_suffix(netns)?.strip_suffix('@'));
        let name: Arc<str> = plain.unwrap_or(&name).into();
        let link_type = if matches!(link, Link::Ethernet) { LinkType::Ethernet } else { LinkType::RawIp };
        let netns = about.netns.unwrap_or_default().into();
        self.new.push(Interface { id, netns, index: about.index, name, link_type, ..Interface::default() });
        self.node = about.node.map(Into::into).or_else(|| self.node.take());
        self.ports.push(Port { id, link, clock, snaplen: body.u32(4)?, delivered: 0, lost: 0 });
        Some(())
    }

    /// Section 4.3.
    fn enhanced_packet<'a>(&mut self, body: Bytes<'a>) -> Option<RawPacket<'a>> {
        let port = self.ports.get_mut(body.u32(0)? as usize)?;
        let ticks = u64::from(body.u32(4)?) << 32 | u64::from(body.u32(8)?);
        let caplen = body.u32(12)? as usize;
        let data = body.data.get(20..20_usize.checked_add(caplen)?)?;
        let (mut direction, mut cause) = (0, None);
        for (code, value) in body.options(20 + caplen.next_multiple_of(4)) {
            match code {
                1 => cause = drop_cause(value.data).or(cause),
                2 => direction = u8::from(value.u32(0)? & 3 == 2),
                4 => {
                    port.lost = port.lost.saturating_add(value.u64(0)?);
                    self.changed.push(counts(port.id, port.delivered, port.lost));
                }
                _ => {}
            }
        }
        Some(RawPacket { cause, ..port.packet(ticks, body.u32(16)?, data, direction) })
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
        self.changed.push(counts(port.id, port.delivered, port.lost));
        Some(())
    }
}

impl Port {
    fn packet<'a>(&mut self, ticks: u64, len: u32, data: &'a [u8], direction: u8) -> RawPacket<'a> {
        self.delivered = self.delivered.saturating_add(1);
        RawPacket {
            link: self.link,
            time_ns: self.clock.ns(ticks),
            interface: self.id,
            len: len.max(data.len() as u32),
            data,
            direction,
            cause: None,
        }
    }
}

/// The reason in the comment of a packet that was dropped; `None` in any other comment.
fn drop_cause(comment: &[u8]) -> Option<Arc<str>> {
    let cause = std::str::from_utf8(comment).ok()?.strip_prefix(DROPPED)?;
    (1..=MAX_CAUSE).contains(&cause.len()).then(|| cause.into())
}

/// What our writer puts into if_description: `node=..;netns=..;ifindex=..`.
#[derive(Debug, Default)]
struct Description {
    node: Option<String>,
    netns: Option<String>,
    index: u32,
}

impl Description {
    fn parse(text: &str) -> Self {
        let mut this = Self::default();
        for (key, value) in text.split(';').filter_map(|part| part.split_once('=')) {
            match key {
                "node" => this.node = Some(value.to_owned()),
                "netns" if !value.is_empty() => this.netns = Some(value.to_owned()),
                "ifindex" => this.index = value.parse().unwrap_or(0),
                _ => {}
            }
        }
        this
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
