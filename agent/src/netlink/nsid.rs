//! Which number a namespace has within another (rtnetlink, RTM_GETNSID): veth ends name their peer's place so.

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd},
};

use super::{
    Requests,
    attributes::{Attributes, Body, word},
};

const NEW_NSID: u16 = 88;
const GET_NSID: u16 = 90;
/// `struct rtgenmsg`, padded.
const HEADER: usize = 4;
const NSID: u16 = 1;
const FD: u16 = 3;

/// The number that the socket's namespace has for the one behind `namespace`, if it has one.
pub(crate) fn of(requests: &mut Requests, namespace: BorrowedFd<'_>) -> io::Result<Option<i32>> {
    let body = Body(vec![0; HEADER]).attribute(FD, &(namespace.as_raw_fd() as u32).to_ne_bytes());
    let answers = requests.request(GET_NSID, 0, &body.0)?;
    let answer = answers.iter().find(|message| message.kind == NEW_NSID);
    let id = answer.and_then(|message| word(Attributes(message.body.get(HEADER..)?).find(NSID)?, 0));
    Ok(id.map(|id| id as i32).filter(|id| *id >= 0))
}
