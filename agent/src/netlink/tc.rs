//! Queueing disciplines and BPF filters (rtnetlink, RTM_NEWQDISC, RTM_NEWTFILTER; include/uapi/linux/pkt_cls.h).

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd},
};

use super::{
    CREATE_EXCLUSIVE, Message, Requests,
    attributes::{Attributes, Body, text, word},
};

const NEW_QDISC: u16 = 36;
const DEL_QDISC: u16 = 37;
const GET_QDISC: u16 = 38;
const NEW_FILTER: u16 = 44;
const DEL_FILTER: u16 = 45;
const GET_FILTER: u16 = 46;
/// `struct tcmsg`.
const HEADER: usize = 20;
const KIND: u16 = 1;
const OPTIONS: u16 = 2;
const BPF_FD: u16 = 6;
const BPF_NAME: u16 = 7;
const BPF_FLAGS: u16 = 8;
/// The program's result is the verdict.
const DIRECT_ACTION: u32 = 1;
/// `TC_H_CLSACT`, also `TC_H_INGRESS`.
const CLSACT: u32 = 0xffff_fff1;
/// Handle that clsact and ingress qdiscs always have.
const CLSACT_HANDLE: u32 = 0xffff_0000;
const ETH_P_ALL: u16 = 3;

/// Which of the two hooks of clsact.
pub(crate) const fn hook(egress: bool) -> u32 {
    if egress { 0xffff_fff3 } else { 0xffff_fff2 }
}

/// A filter at a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) handle: u32,
    pub(crate) priority: u16,
    /// Kind of the filter: `bpf`, `flower`...
    pub(crate) kind: String,
    /// Name of a BPF filter.
    pub(crate) name: String,
}

/// What is at the hooks of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Qdisc {
    /// Nothing.
    None,
    /// clsact: both hooks.
    Clsact,
    /// The older ingress qdisc: one hook only.
    Ingress,
}

fn head(ifindex: u32, handle: u32, parent: u32, info: u32) -> Body {
    Body([0, ifindex, handle, parent, info].iter().flat_map(|word| word.to_ne_bytes()).collect())
}

const fn info(priority: u16) -> u32 {
    (priority as u32) << 16 | ETH_P_ALL.to_be() as u32
}

/// Which of both qdiscs an interface has.
pub(crate) fn qdisc(requests: &mut Requests, ifindex: u32) -> io::Result<Qdisc> {
    let found = hooked(requests)?.into_iter().find(|(index, _)| *index == ifindex);
    Ok(found.map_or(Qdisc::None, |(_, qdisc)| qdisc))
}

/// The interfaces of the namespace that have one of both qdiscs.
pub(crate) fn hooked(requests: &mut Requests) -> io::Result<Vec<(u32, Qdisc)>> {
    let messages = requests.dump(GET_QDISC, &head(0, 0, 0, 0).0)?;
    Ok(messages.iter().filter(|message| message.kind == NEW_QDISC).filter_map(hook_of).collect())
}

fn hook_of(message: &Message) -> Option<(u32, Qdisc)> {
    let (index, parent) = (word(&message.body, 4)?, word(&message.body, 12)?);
    let clsact = attributes(message).find(KIND).map(text).as_deref() == Some("clsact");
    (parent == CLSACT).then_some((index, if clsact { Qdisc::Clsact } else { Qdisc::Ingress }))
}

/// Adds clsact where there is none.
pub(crate) fn add_clsact(requests: &mut Requests, ifindex: u32) -> io::Result<()> {
    let body = head(ifindex, CLSACT_HANDLE, CLSACT, 0).text(KIND, "clsact");
    requests.request(NEW_QDISC, CREATE_EXCLUSIVE, &body.0).map(drop)
}

/// Removes clsact with all that hangs on it.
pub(crate) fn delete_clsact(requests: &mut Requests, ifindex: u32) -> io::Result<()> {
    requests.request(DEL_QDISC, 0, &head(ifindex, CLSACT_HANDLE, CLSACT, 0).0).map(drop)
}

/// The filters at a hook.
pub(crate) fn filters(requests: &mut Requests, ifindex: u32, egress: bool) -> io::Result<Vec<Filter>> {
    let messages = requests.dump(GET_FILTER, &head(ifindex, 0, hook(egress), 0).0)?;
    // Each kind of filter also shows its table, with handle 0.
    Ok(messages.iter().filter_map(filter).filter(|filter| filter.handle != 0).collect())
}

fn filter(message: &Message) -> Option<Filter> {
    let (handle, info) = (word(&message.body, 8)?, word(&message.body, 16)?);
    let kind = attributes(message).find(KIND).map(text)?;
    let options = attributes(message).find(OPTIONS).unwrap_or_default();
    let name =
        if kind == "bpf" { Attributes(options).find(BPF_NAME).map(text).unwrap_or_default() } else { String::new() };
    (message.kind == NEW_FILTER).then_some(Filter { handle, priority: (info >> 16) as u16, kind, name })
}

fn attributes(message: &Message) -> Attributes<'_> {
    Attributes(message.body.get(HEADER..).unwrap_or_default())
}

/// Adds a BPF filter; the kernel picks its handle.
pub(crate) fn add_filter(
    requests: &mut Requests,
    ifindex: u32,
    egress: bool,
    priority: u16,
    name: &str,
    program: BorrowedFd<'_>,
) -> io::Result<()> {
    let options = Body::default()
        .attribute(BPF_FD, &(program.as_raw_fd() as u32).to_ne_bytes())
        .text(BPF_NAME, name)
        .attribute(BPF_FLAGS, &DIRECT_ACTION.to_ne_bytes());
    let body = head(ifindex, 0, hook(egress), info(priority)).text(KIND, "bpf").nested(OPTIONS, &options);
    requests.request(NEW_FILTER, CREATE_EXCLUSIVE, &body.0).map(drop)
}

/// Removes one filter.
pub(crate) fn delete_filter(requests: &mut Requests, ifindex: u32, egress: bool, filter: &Filter) -> io::Result<()> {
    let body = head(ifindex, filter.handle, hook(egress), info(filter.priority)).text(KIND, &filter.kind);
    requests.request(DEL_FILTER, 0, &body.0).map(drop)
}
