//! Filters on clsact, for kernels without TCX.

use std::{
    io,
    sync::atomic::{AtomicU32, Ordering},
};

use flow::LinkType;

use super::{has_gone, owner};
use crate::{
    loader::Programs,
    netlink::{
        Requests,
        tc::{self, Filter, Qdisc},
    },
};

/// Priority of our filters: before those whose priority the kernel chose (from 49152 down) and away from the small
/// numbers that others ask for by habit. Filters before ours that end the walk hide packets; TCX has no such limit.
const PRIORITY: u16 = 7;

/// Our filters on one interface.
#[derive(Debug)]
pub(crate) struct Filters {
    /// We made the qdisc.
    made: bool,
    /// Part of their names.
    serial: u32,
}

static SERIAL: AtomicU32 = AtomicU32::new(0);

/// Attaches both directions; what was attached is removed again when the rest fails.
pub(crate) fn attach(
    requests: &mut Requests,
    programs: &Programs,
    ifindex: u32,
    link_type: LinkType,
) -> io::Result<Filters> {
    let qdisc = tc::qdisc(requests, ifindex)?;
    if qdisc == Qdisc::None {
        tc::add_clsact(requests, ifindex)?;
    }
    let filters = Filters { made: qdisc == Qdisc::None, serial: SERIAL.fetch_add(1, Ordering::Relaxed) };
    let result = filters.add(requests, programs, ifindex, link_type);
    match result {
        Ok(()) => Ok(filters),
        Err(error) => {
            // The first error is the one to tell.
            let _ = filters.remove(requests, ifindex);
            Err(error)
        }
    }
}

fn remove_where(requests: &mut Requests, ifindex: u32, egress: bool, ours: impl Fn(&str) -> bool) -> io::Result<()> {
    let is_ours = |filter: &&Filter| filter.kind == "bpf" && ours(&filter.name);
    for filter in tc::filters(requests, ifindex, egress)?.iter().filter(is_ours) {
        tc::delete_filter(requests, ifindex, egress, filter)?;
    }
    Ok(())
}

impl Filters {
    fn add(&self, requests: &mut Requests, programs: &Programs, ifindex: u32, link_type: LinkType) -> io::Result<()> {
        for egress in [false, true] {
            remove_where(requests, ifindex, egress, owner::is_left_behind)?;
            let name = owner::name(egress, self.serial);
            tc::add_filter(requests, ifindex, egress, PRIORITY, &name, programs.of(link_type, egress))?;
        }
        Ok(())
    }

    /// Removes our filters, and the qdisc if we made it and nobody else uses it.
    pub(crate) fn remove(self, requests: &mut Requests, ifindex: u32) -> io::Result<()> {
        let result = self.try_remove(requests, ifindex);
        match result {
            Err(error) if has_gone(&error) => Ok(()),
            result => result,
        }
    }

    fn try_remove(&self, requests: &mut Requests, ifindex: u32) -> io::Result<()> {
        let mut empty = true;
        for egress in [false, true] {
            remove_where(requests, ifindex, egress, |name| name == owner::name(egress, self.serial))?;
            empty &= tc::filters(requests, ifindex, egress)?.is_empty();
        }
        if self.made && empty { tc::delete_clsact(requests, ifindex) } else { Ok(()) }
    }
}

/// Removes what processes of ours that were killed have left in a namespace. A qdisc stays: who made it is not known.
pub(crate) fn sweep(requests: &mut Requests) -> io::Result<()> {
    for (ifindex, _) in tc::hooked(requests)? {
        for egress in [false, true] {
            remove_where(requests, ifindex, egress, owner::is_left_behind)?;
        }
    }
    Ok(())
}
