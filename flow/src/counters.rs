//! Every count that accompanies a capture, declared once. All are cumulative since the capture began.
//!
//! A loss is counted where it happens, travels with the data and is shown; the sum of what is in records and of
//! what is admitted here as lost is what was on the wire.

use serde::{Deserialize, Serialize};

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident, $label:literal, $loss:literal;)*) => {
        /// Cumulative counts of one agent, or of a whole capture.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct Counters {
            $($(#[doc = $doc])+
            pub $name: u64,)*
        }

        /// Names in order: what the binary form depends on.
        pub(crate) const LAYOUT: &str = concat!($(stringify!($name), ";"),*);

        impl Counters {
            /// Name, label for users, whether it counts something lost, and value of each.
            pub fn entries(&self) -> impl Iterator<Item = Entry> + use<> {
                [$(Entry { name: stringify!($name), label: $label, is_loss: $loss, value: self.$name },)*].into_iter()
            }

            /// Raises each to what it is in `other`, where that is more.
            pub fn raise(&mut self, other: &Self) {
                $(self.$name = self.$name.max(other.$name);)*
            }

            fn keep_losses(&self, to: &mut Self) {
                $(if $loss { to.$name = self.$name; })*
            }

            /// Adds `other` to each.
            pub fn add(&mut self, other: &Self) {
                $(self.$name = self.$name.saturating_add(other.$name);)*
            }
        }
    };
}

/// One counter with its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Key in JSON and SQLite.
    pub name: &'static str,
    /// Words for users.
    pub label: &'static str,
    /// It counts something that is in no record.
    pub is_loss: bool,
    /// Its value.
    pub value: u64,
}

counters! {
    /// Buffers that the kernel programs saw (a packet is seen at each interface and direction it crosses).
    seen, "seen", false;
    /// Buffers that the filter let through.
    accepted, "accepted", false;
    /// Buffers that the filter turned away.
    rejected, "filtered out", false;
    /// Records or packets that the part of the filter which runs after the kernel turned away.
    filtered, "filtered after the kernel", false;
    /// Packets left out by `--dedup`: copies of packets that were seen elsewhere before.
    copies, "copies left out", false;
    /// Buffers of the capture's own traffic, left out.
    own, "own traffic", false;
    /// Buffers left out by `--sampling`.
    sampled_out, "sampled out", false;
    /// Frames too short for what their headers announce (counted by what could be read).
    malformed, "malformed", false;
    /// Packets that reached their flow through the fallback ring, because the map was full.
    fallback, "via fallback", false;
    /// Wire packets lost because flow map and fallback ring were full.
    lost_flow_packets, "lost: flow map full", true;
    /// Wire bytes of those.
    lost_flow_bytes, "lost bytes: flow map full", true;
    /// Packets lost because the packet ring was full.
    lost_packets, "lost: packet ring full", true;
    /// Frame bytes of those.
    lost_packet_bytes, "lost bytes: packet ring full", true;
    /// Ring or map entries that the agent could not read.
    lost_unreadable, "lost: unreadable", true;
    /// Translated connections for which there was no room: their flows do not name the other side.
    lost_translations, "lost: translations", true;
    /// Network events that the kernel told, but that were missed, or that were too many.
    lost_events, "lost: network events", true;
    /// How often the kernel had no room for what it tells features (then all there is was read anew).
    event_overflows, "overflows of kernel events", false;
    /// Messages of DNS that were seen and not read, because a ring or a table was full.
    lost_dns, "lost: DNS messages", true;
    /// Hellos of TLS and QUIC that were seen and not read, because a ring or a table was full.
    lost_hellos, "lost: TLS and QUIC hellos", true;
    /// Sockets whose process was seen and not told, because a ring or a table was full.
    lost_processes, "lost: processes", true;
    /// TCP sockets that there was no room to follow, and changes of theirs that there was no room to tell.
    lost_tcp, "lost: TCP sockets not followed", true;
    /// Drops that were not counted or copied because there was no room, or because one was being counted on that CPU.
    lost_drops, "lost: drops", true;
    /// Dropped buffers that have no header which could be read: they are in no record.
    drops_without_headers, "drops without headers", false;
    /// Packets that a flight recorder delivered because it was asked to.
    ring_saved, "saved from the ring", false;
    /// Packets whose time in the flight recorder was over before anybody asked for them.
    ring_aged, "aged in the ring", false;
    /// Packets that left the flight recorder before their time, because its memory was full: a save would have missed them.
    ring_fallen, "fell out of the ring early", false;
    /// Secrets of TLS connections that were derived and not taken, because a ring was full.
    lost_keys, "lost: TLS keys", true;
    /// Secrets of TLS connections that came after packets of their time had been delivered.
    late_keys, "TLS keys after their packets", false;
    /// Packets lost between agent and collector because the queue was full.
    lost_queue, "lost: queue full", true;
    /// Batches that never arrived, by their sequence numbers.
    lost_sequence, "lost: sequence gap", true;
    /// Records or packets that could not be written to a file.
    lost_store, "lost: store failed", true;
    /// Packets that came so late from their node that they do not stand in the order of their times.
    out_of_order, "packets out of order", false;
    /// Flows forgotten early because there were too many: what several nodes saw of them may count twice.
    unmerged, "flows not merged between nodes", false;
    /// Packets in files that were deleted as newer ones came (`--files`): written, and gone as was asked for.
    rotated_out, "in files that --files deleted", false;
    /// Records or packets past a limit (`--max-packets`, `--max-bytes`): seen, not written.
    past_limit, "past the limit", false;
    /// Records or packets that the live table did not show because it was behind (the files have them).
    view_skipped, "not shown live", false;
}

impl Counters {
    /// The losses alone.
    #[must_use]
    pub fn lost(&self) -> Self {
        let mut lost = Self::default();
        self.keep_losses(&mut lost);
        lost
    }

    /// The losses that are not zero.
    pub fn losses(&self) -> impl Iterator<Item = Entry> + use<> {
        self.entries().filter(|entry| entry.is_loss && entry.value > 0)
    }
}
