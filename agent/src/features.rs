//! What is known of flows besides their packets: each feature is a room of its own here, with at most one small program in
//! the kernel, and is there only if it was asked for.
//!
//! Owns the order in which features are asked. Must not know how packets are counted.

mod dns;
pub(crate) mod drops;
mod events;
mod ipsec;
pub(crate) mod keys;
mod nat;
mod neighbours;
mod process;
mod recent;
mod samples;
mod stream;
mod tcp;
mod tls;

use flow::{CaptureConfig, Feature as Asked, FlowRecord, config::Mode};

use crate::{
    account::{Member, points::Points, tuple::Tuple},
    features::drops::judge::Judge,
    time::Anchor,
    topology::Shared,
    trace::Tracer,
};

/// Who begins what, one line each: later ones annotate after earlier ones.
const BEGINNINGS: &[(Asked, Begin)] = &[
    (Asked::PktDrop, drops::begin),
    (Asked::Rtt, tcp::begin),
    (Asked::PktTranslation, nat::begin),
    (Asked::Ipsec, ipsec::begin),
    (Asked::NetworkEvents, events::begin),
    (Asked::Dns, dns::begin),
    (Asked::Tls, tls::begin),
    (Asked::Process, process::begin),
];

/// A flow of which a record is being made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct About<'a> {
    /// Its five-tuple.
    pub(crate) tuple: &'a Tuple,
    /// Key of the network namespace where it was counted, as in `FlowKey::netns`: 0 where programs serve one namespace only.
    pub(crate) netns: u32,
    /// Where it was counted in this interval, by its numbers in `points`; nowhere where its packets are taken.
    pub(crate) members: &'a [Member],
    pub(crate) points: &'a Points,
}

impl About<'_> {
    /// Whether the flow was counted in this namespace.
    pub(crate) fn passed(&self, netns: u32) -> bool {
        self.netns == netns || self.members.iter().any(|member| self.points.get(member.point).place.netns == netns)
    }
}

/// Something that can be found out of flows. All calls come from the thread of the worker.
pub(crate) trait Feature: Send {
    /// Takes in what has come since the last call; called every 50 ms, and before records are made. Must not block.
    fn collect(&mut self);

    /// Ends what is collected in this interval; called before flows are taken out of the kernel, and may wait for it.
    fn conclude(&mut self) {
        self.collect();
    }

    /// Adds what became known of the flow in the ending interval. May be called for several records of one flow (other
    /// namespaces); what it adds to one must not be added to another where a user would sum it up.
    fn annotate(&mut self, about: &About<'_>, record: &mut FlowRecord);

    /// Ends the interval, after all records were annotated: what belongs to no record becomes a record of its own, without
    /// `Packets` and `Bytes`.
    fn rest(&mut self, emit: &mut dyn FnMut(FlowRecord));

    /// Adds what this feature has lost or left out to the counters of the capture.
    fn count(&self, counters: &mut flow::Counters);
}

/// What features begin with: programs are at interfaces already, nothing was read out of the kernel yet.
pub(crate) struct Start<'a> {
    /// What was asked for.
    pub(crate) config: &'a CaptureConfig,
    /// Loads programs at tracepoints.
    pub(crate) tracer: Tracer,
    /// The filter in force, for what programs at tracepoints tell.
    pub(crate) judge: Judge,
    /// Namespaces and interfaces, as they are and as they will be.
    pub(crate) topology: Shared,
    /// Tells wall clock from the kernel's clock.
    pub(crate) anchor: Anchor,
    /// How many CPUs there may be.
    pub(crate) cpus: u32,
    /// The pods whose secrets of TLS are taken.
    pub(crate) keys: keys::owners::Pods,
    /// Samples of packets, for those who read them.
    pub(crate) samples: crate::loader::samples::Samples,
    /// What a feature that begins will not be able to tell, in sentences.
    pub(crate) limits: Vec<String>,
}

/// What a feature's `begin` tells: itself, or one sentence why this kernel or these rights do not give it, or not all of it.
pub(crate) type Begun = Result<Box<dyn Feature>, String>;

/// How a feature begins.
type Begin = fn(&mut Start<'_>) -> Begun;

/// The features of a capture.
#[derive(Default)]
pub(crate) struct Features(pub(crate) Vec<Box<dyn Feature>>);

impl Features {
    /// Begins the features that were asked for. What cannot be had is told in sentences; the others go on.
    pub(crate) fn begin(start: &mut Start<'_>) -> (Self, Vec<String>) {
        let mut features = Self::default();
        // Of packets, drops are packets themselves.
        let flows = start.config.mode == Mode::Flows;
        let fits = |feature: Asked| flows || (feature.is_of_packets() && feature != Asked::PktDrop);
        for (feature, begin) in BEGINNINGS {
            if start.config.features.contains(feature) && fits(*feature) {
                match begin(start) {
                    Ok(feature) => features.0.push(feature),
                    Err(sentence) => start.limits.push(sentence),
                }
            }
        }
        (features, std::mem::take(&mut start.limits))
    }

    pub(crate) fn collect(&mut self) {
        self.0.iter_mut().for_each(|feature| feature.collect());
    }

    pub(crate) fn conclude(&mut self) {
        self.0.iter_mut().for_each(|feature| feature.conclude());
    }

    pub(crate) fn annotate(&mut self, about: &About<'_>, record: &mut FlowRecord) {
        self.0.iter_mut().for_each(|feature| feature.annotate(about, record));
    }

    pub(crate) fn rest(&mut self, mut emit: impl FnMut(FlowRecord)) {
        self.0.iter_mut().for_each(|feature| feature.rest(&mut emit));
    }

    pub(crate) fn count(&self, counters: &mut flow::Counters) {
        self.0.iter().for_each(|feature| feature.count(counters));
    }
}

/// What reads bytes of anybody, for the fuzzer.
#[cfg(fuzzing)]
pub(crate) mod inputs {
    use super::{dns, tls};

    /// A message of DNS.
    pub(crate) fn dns(bytes: &[u8]) {
        let _ = dns::message::read(bytes);
    }

    /// Records of TLS, a handshake message, a datagram of QUIC and the frames in it.
    pub(crate) fn hello(bytes: &[u8]) {
        let _ = tls::hello::records(bytes);
        let _ = tls::hello::handshake_message(bytes);
        for initial in tls::quic::initials(bytes) {
            let _ = initial.open(initial.destination, tls::quic::Sender::Client);
        }
        let _ = tls::quic::crypto(bytes, |_, _| {});
    }
}
