//! Which packets of the table are meant when some are to be written into a file.

use std::{net::IpAddr, sync::Arc};

use super::{Data, View, picture::Anchor, row::Row, rows};

/// Packets to be written.
#[derive(Clone, Debug)]
pub struct Exported {
    /// Rows of packets, in the order of their times.
    pub rows: Vec<Arc<Row>>,
    /// What they are, in a word for a file's name.
    pub what: &'static str,
}

/// Two ends that speak, in one order whoever speaks.
type Tuple = (u8, [(IpAddr, Option<u16>); 2]);

impl View {
    /// The conversation of the packet that was gone to, as far as the table has it; else all packets that pass the filters.
    ///
    /// # Errors
    /// There are none, in one sentence.
    pub fn export(&mut self) -> Result<Exported, String> {
        if !matches!(self.data, Data::Packets(_)) {
            return Err("flows are in the files of the capture; f records the packets of the selected one".to_owned());
        }
        self.ranking.refresh();
        let selected = if matches!(self.anchor, Anchor::Row { .. }) { self.selected() } else { None };
        let rows = rows(&self.data, self.tied.as_ref(), self.held.as_ref());
        let of = match &selected {
            Some((_, row)) => {
                Some(tuple(row).ok_or("this packet has no addresses of IP: go to another one, or to none (Esc)")?)
            }
            None => None,
        };
        let slots = match of {
            // Of a conversation also what the filters do not show.
            Some(_) => (0..rows.capacity()).collect(),
            None => self.ranking.window(rows, 0, usize::MAX),
        };
        let mut all: Vec<Arc<Row>> = slots.into_iter().filter_map(|slot| rows.get(slot).cloned()).collect();
        all.retain(|row| of.is_none() || tuple(row) == of);
        all.sort_by_key(|row| if let Row::Packet(packet) = &**row { (packet.time_ns, packet.id) } else { (0, 0) });
        if all.is_empty() {
            return Err("there are no packets to write".to_owned());
        }
        Ok(Exported { rows: all, what: if of.is_some() { "conversation" } else { "shown" } })
    }
}

fn tuple(row: &Row) -> Option<Tuple> {
    let Row::Packet(packet) = row else { return None };
    let record = packet.record();
    let mut ends = [(record.src_addr?, record.src_port), (record.dst_addr?, record.dst_port)];
    ends.sort_unstable();
    Some((record.proto?, ends))
}
