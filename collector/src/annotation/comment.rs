//! The comment of a packet: written from the record of its ends, read back into one.

use std::{net::IpAddr, sync::Arc};

use flow::FlowRecord;

use super::{
    DROPPED, Key, LONGEST, MARK,
    end::{End, host_name},
    escape::{plain, push},
};

/// The comment of all packets with the same ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Comment {
    text: String,
    /// Where the reason of a drop goes.
    drop_at: usize,
}

impl Comment {
    /// What `ends` tells.
    pub(crate) fn of(ends: &FlowRecord) -> Self {
        let mut text = MARK.to_owned();
        let (source, destination) = (End::source(ends), End::destination(ends));
        for (key, end) in [(Key::Src, &source), (Key::Dst, &destination)] {
            let is_known = value(&mut text, key, |out| end.write(out));
            // It belongs to the end before it, so that it needs one.
            if is_known {
                value(&mut text, Key::Svc, |out| end.write_service(out));
            }
        }
        for (key, end) in [(Key::SrcNode, &source), (Key::DstNode, &destination)] {
            word(&mut text, key, end.other_node());
        }
        let drop_at = text.len();
        number(&mut text, Key::Pid, ends.src_pid);
        word(&mut text, Key::Comm, ends.src_process.as_deref());
        word(&mut text, Key::Container, ends.src_container.as_deref());
        number(&mut text, Key::DstPid, ends.dst_pid);
        word(&mut text, Key::DstComm, ends.dst_process.as_deref());
        word(&mut text, Key::DstContainer, ends.dst_container.as_deref());
        Self { text, drop_at }
    }

    /// The comment of a packet that was not dropped; `None` if nothing is known.
    pub(crate) fn text(&self) -> Option<&str> {
        (self.text.len() > MARK.len()).then_some(&self.text)
    }

    /// The comment of a packet that was dropped for `cause`.
    pub(crate) fn dropped(&self, cause: &str) -> String {
        let (head, tail) = self.text.split_at(self.drop_at);
        let mut text = if head.is_empty() { MARK.to_owned() } else { head.to_owned() };
        word(&mut text, Key::Drop, Some(cause));
        text.push_str(tail);
        text
    }

    /// Names of the addresses of `ends`, as hosts files have them.
    pub(crate) fn host_names(ends: &FlowRecord) -> impl Iterator<Item = (IpAddr, String)> {
        let name = |address: Option<IpAddr>, end: &End, host| Some((address?, host_name(end, address?, host)?));
        let source = name(ends.src_addr, &End::source(ends), ends.src_k8s_host_ip);
        let destination = name(ends.dst_addr, &End::destination(ends), ends.dst_k8s_host_ip);
        source.into_iter().chain(destination)
    }
}

/// Appends a key and what `write` says of it; nothing if that is nothing.
fn value(out: &mut String, key: Key, write: impl FnOnce(&mut String) -> bool) -> bool {
    let before = out.len();
    key.begin(out);
    let is_there = write(out);
    if !is_there {
        out.truncate(before);
    }
    is_there
}

fn word(out: &mut String, key: Key, text: Option<&str>) {
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        key.begin(out);
        push(out, text, &[]);
    }
}

fn number(out: &mut String, key: Key, number: Option<u32>) {
    if let Some(number) = number {
        word(out, key, Some(&number.to_string()));
    }
}

/// What a comment says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Read {
    /// Names and processes; no addresses, which are in the packet. `None` if the comment has none.
    pub(crate) ends: Option<FlowRecord>,
    /// Why the kernel dropped the packet.
    pub(crate) cause: Option<Arc<str>>,
}

/// What `comment` says; `None` if it is none of ours. Unknown keys are passed over.
pub(crate) fn read(comment: &str) -> Option<Read> {
    if comment.len() > LONGEST {
        return None;
    }
    if let Some(cause) = comment.strip_prefix(DROPPED).filter(|cause| !cause.is_empty()) {
        return Some(Read { ends: None, cause: Some(cause.into()) });
    }
    let words = comment.strip_prefix(MARK)?.strip_prefix(' ')?.split(' ');
    let (mut source, mut destination) = (End::default(), End::default());
    let mut reading = Reading::default();
    for (key, value) in words.filter_map(|word| word.split_once('=')) {
        if let Some(key) = Key::of(key).filter(|_| !value.is_empty()) {
            reading.take(key, value, (&mut source, &mut destination));
        }
    }
    let Reading { mut record, cause, .. } = reading;
    source.into_source(&mut record);
    destination.into_destination(&mut record);
    Some(Read { ends: (record != FlowRecord::default()).then_some(record), cause })
}

#[derive(Default)]
struct Reading {
    record: FlowRecord,
    cause: Option<Arc<str>>,
    /// The destination has been told of.
    past_source: bool,
}

impl Reading {
    fn take(&mut self, key: Key, value: &str, (source, destination): (&mut End, &mut End)) {
        let record = &mut self.record;
        let text = || Some(Arc::from(plain(value)));
        match key {
            Key::Src => *source = End::read(value).unwrap_or_default(),
            Key::Dst => {
                *destination = End::read(value).unwrap_or_default();
                self.past_source = true;
            }
            Key::Svc if self.past_source => destination.read_service(value),
            Key::Svc => source.read_service(value),
            Key::SrcNode => source.node = text(),
            Key::DstNode => destination.node = text(),
            Key::Drop => self.cause = text(),
            Key::Pid => record.src_pid = value.parse().ok(),
            Key::Comm => record.src_process = text(),
            Key::Container => record.src_container = text(),
            Key::DstPid => record.dst_pid = value.parse().ok(),
            Key::DstComm => record.dst_process = text(),
            Key::DstContainer => record.dst_container = text(),
        }
    }
}
