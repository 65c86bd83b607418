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
    let made = match tc::qdisc(requests, ifindex)? {
        Qdisc::None => tc::add_clsact(requests, ifindex).map(|()| true)?,
        // Another capture of ours may have made it: whoever is the last then removes it.
        _ => any(requests, ifindex, owner::made_qdisc)?,
    };
    let filters = Filters { made, serial: SERIAL.fetch_add(1, Ordering::Relaxed) };
    let result = filters.add(requests, programs, ifindex, link_type);
    if result.is_err() {
        // The first error is the one to tell.
        let _ = filters.try_remove(requests, ifindex);
    }
    result.map(|()| filters)
}

impl Filters {
    fn add(&self, requests: &mut Requests, programs: &Programs, ifindex: u32, link_type: LinkType) -> io::Result<()> {
        for egress in [false, true] {
            let name = owner::name(egress, self.serial, self.made);
            tc::add_filter(requests, ifindex, egress, PRIORITY, &name, programs.of(link_type, egress))?;
        }
        Ok(())
    }

    /// Removes our filters, and the qdisc if it is ours and nobody else uses it.
    pub(crate) fn remove(self, requests: &mut Requests, ifindex: u32) -> io::Result<()> {
        match self.try_remove(requests, ifindex) {
            Err(error) if has_gone(&error) => Ok(()),
            result => result,
        }
    }

    fn try_remove(&self, requests: &mut Requests, ifindex: u32) -> io::Result<()> {
        for egress in [false, true] {
            let ours = owner::name(egress, self.serial, self.made);
            remove_where(requests, ifindex, egress, |name| name == ours)?;
        }
        if self.made { delete_if_empty(requests, ifindex) } else { Ok(()) }
    }
}

fn remove_where(requests: &mut Requests, ifindex: u32, egress: bool, ours: impl Fn(&str) -> bool) -> io::Result<()> {
    let is_ours = |filter: &&Filter| filter.kind == "bpf" && ours(&filter.name);
    for filter in tc::filters(requests, ifindex, egress)?.iter().filter(is_ours) {
        tc::delete_filter(requests, ifindex, egress, filter)?;
    }
    Ok(())
}

/// Whether there is a filter with such a name.
fn any(requests: &mut Requests, ifindex: u32, which: impl Fn(&str) -> bool) -> io::Result<bool> {
    let [ingress, egress] = [false, true].map(|egress| tc::filters(requests, ifindex, egress));
    Ok(ingress?.iter().chain(&egress?).any(|filter| which(&filter.name)))
}

fn delete_if_empty(requests: &mut Requests, ifindex: u32) -> io::Result<()> {
    for egress in [false, true] {
        if !tc::filters(requests, ifindex, egress)?.is_empty() {
            return Ok(());
        }
    }
    tc::delete_clsact(requests, ifindex)
}

/// Removes what processes of ours that were killed have left in a namespace.
pub(crate) fn sweep(requests: &mut Requests) -> io::Result<()> {
    for (ifindex, _) in tc::hooked(requests)? {
        let left_qdisc = |name: &str| owner::made_qdisc(name) && owner::is_left_behind(name);
        let made = any(requests, ifindex, left_qdisc)?;
        for egress in [false, true] {
            remove_where(requests, ifindex, egress, owner::is_left_behind)?;
        }
        if made {
            delete_if_empty(requests, ifindex)?;
        }
    }
    Ok(())
}
