//! What the programs write and where: reading it.

use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
};

use agent_common::tcp::{TcpEvent, TcpSocket};
use aya::maps::{Array, Map, MapData, PerCpuArray, RingBuf};

use crate::{
    bpf::{
        Pod as _,
        batch::{self, Drain},
        info::missed,
    },
    trace::Traced,
};

pub(super) struct Maps {
    sockets: MapData,
    events: RingBuf<MapData>,
    interval: Array<MapData, u32>,
    lost: PerCpuArray<MapData, u64>,
    /// Those of whose runs each one counts.
    events_of: Vec<OwnedFd>,
    buffers: Drain<u64, TcpSocket>,
}

impl Maps {
    /// `cumulative` of the first programs tell what the kernel keeps anyway: a run that is missed is made up for by the next.
    pub(super) fn new(traced: &mut Traced, cumulative: usize) -> Result<Self, String> {
        let Map::HashMap(sockets) = traced.take::<Map>("TCP_SOCKETS")? else {
            return Err("the map of sockets is of another kind than this program expects".to_owned());
        };
        Ok(Self {
            sockets,
            events: traced.take("TCP_EVENTS")?,
            interval: traced.take("TCP_INTERVAL")?,
            lost: traced.take("TCP_LOST")?,
            events_of: traced.programs.drain(..).skip(cumulative).collect(),
            buffers: Drain::new(),
        })
    }

    /// Ends interval number `ended` and reads all sockets. A sample that is being taken at this very moment may be missing in the
    /// interval's smallest and largest; counts are cumulative.
    pub(super) fn read(&mut self, ended: u32, mut each: impl FnMut(u64, &TcpSocket)) -> io::Result<usize> {
        self.interval.set(0, ended, 0).map_err(io::Error::other)?;
        self.buffers.look(self.sockets.fd().as_fd(), |sock, value| each(*sock, value))
    }

    /// Hands over the events that have come; how many could not be read.
    pub(super) fn events(&mut self, mut each: impl FnMut(&TcpEvent)) -> u64 {
        let mut unreadable = 0;
        while let Some(item) = self.events.next() {
            match TcpEvent::read(&item) {
                Some(event) => each(&event),
                None => unreadable += 1,
            }
        }
        unreadable
    }

    /// Removes a socket that is closed.
    pub(super) fn forget(&self, sock: u64) {
        let map: BorrowedFd<'_> = self.sockets.fd().as_fd();
        // Gone already: just as good.
        let _ = batch::remove(map, sock);
    }

    /// Sockets and events that there was no room for, and changes that came while the program was at another one on that CPU,
    /// which the kernel does not let it interrupt.
    pub(super) fn lost(&self) -> u64 {
        let missed: u64 = self.events_of.iter().map(|program| missed(program.as_fd())).sum();
        self.lost.get(&0, 0).map_or(0, |values| values.iter().sum::<u64>()) + missed
    }
}
