//! What is known of a connection, put together from both hellos, and how records say it.

use std::sync::Arc;

use flow::FlowRecord;

use super::{
    hello::{ClientHello, Said, ServerHello, alert_name, cipher_name, group_name, version_name},
    quic,
};

/// More alerts than this are not told.
const MOST_TYPES: usize = 8;

/// Facts of a connection.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Facts {
    random: Option<[u8; 32]>,
    offered_version: Option<Arc<str>>,
    version: Option<Arc<str>>,
    types: Option<Arc<[Arc<str>]>>,
    server_name: Option<Arc<str>>,
    offered_alpn: Option<Arc<str>>,
    alpn: Option<Arc<str>>,
    cipher_suite: Option<Arc<str>>,
    group: Option<Arc<str>>,
    quic_version: Option<Arc<str>>,
    long: bool,
    short: bool,
}

impl Facts {
    /// Takes in what was said.
    pub(super) fn hear(&mut self, said: Said) {
        match said {
            Said::Client(hello) => self.client(hello),
            Said::Server(hello) => self.server(hello),
            Said::Alert(description) => self.add_type(alert_name(description)),
        }
    }

    fn client(&mut self, hello: ClientHello) {
        if self.random.is_some_and(|random| random != hello.random) {
            // The ports are another connection's by now.
            let Self { quic_version, long, .. } = std::mem::take(self);
            (self.quic_version, self.long) = (quic_version, long);
        }
        self.random = Some(hello.random);
        self.offered_version = Some(version_name(hello.version));
        self.server_name = hello.server_name;
        self.offered_alpn = hello.alpn;
        self.add_type("ClientHello".to_owned());
    }

    fn server(&mut self, hello: ServerHello) {
        self.version = Some(version_name(hello.version));
        self.cipher_suite = Some(cipher_name(hello.cipher_suite));
        self.group = hello.group.map(group_name);
        self.alpn = hello.alpn;
        self.add_type(if hello.is_retry { "HelloRetryRequest" } else { "ServerHello" }.to_owned());
    }

    fn add_type(&mut self, name: String) {
        let known = self.types.as_deref().unwrap_or_default();
        if known.len() < MOST_TYPES && !known.iter().any(|known| **known == name) {
            self.types = Some(known.iter().cloned().chain([name.into()]).collect());
        }
    }

    /// Notes a packet of QUIC.
    pub(super) fn quic(&mut self, datagram: &[u8]) {
        if quic::is_long(datagram) {
            self.long = true;
            self.quic_version = quic::version(datagram).map(quic::version_name).or(self.quic_version.take());
        } else {
            self.short = true;
        }
    }

    pub(super) fn fill(&self, record: &mut FlowRecord) {
        let is_quic = self.quic_version.is_some();
        record.tls_version = self.version.clone().or_else(|| self.offered_version.clone());
        record.tls_types.clone_from(&self.types);
        record.tls_server_name.clone_from(&self.server_name);
        record.tls_alpn = self.alpn.clone().or_else(|| self.offered_alpn.clone());
        record.tls_cipher_suite.clone_from(&self.cipher_suite);
        record.tls_group.clone_from(&self.group);
        record.quic_version.clone_from(&self.quic_version);
        record.quic_seen_long_hdr = is_quic.then_some(u8::from(self.long));
        record.quic_seen_short_hdr = is_quic.then_some(u8::from(self.short));
    }
}
