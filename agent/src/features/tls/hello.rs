//! ClientHello and ServerHello (RFC 8446 section 4.1, RFC 5246 section 7.4.1), and the records around them (section 5.1).
//!
//! A reader of our own, checked at every step: of whole parsers there is none in the tree that reads what a server says, and
//! all that is wanted are five extensions. Names of numbers are IANA's, from `rustls`.

use std::sync::Arc;

use rustls::{AlertDescription, CipherSuite, NamedGroup};

/// Most bytes of a handshake that are put together.
pub(crate) const MOST: usize = 20_480;

/// Content types.
const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
/// Handshake types.
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
/// Extensions.
const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
const SUPPORTED_VERSIONS: u16 = 43;
const KEY_SHARE: u16 = 51;
/// Longest server name and list of protocols that a record bears.
const LONGEST: usize = 255;

/// `random` of a ServerHello that asks for another ClientHello (RFC 8446 section 4.1.3).
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11,
    0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Client(ClientHello),
    Server(ServerHello),
    /// By its number.
    Alert(u8),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClientHello {
    pub(crate) random: [u8; 32],
    /// The highest that is offered.
    pub(crate) version: u16,
    pub(crate) server_name: Option<Arc<str>>,
    /// Those offered, with commas.
    pub(crate) alpn: Option<Arc<str>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ServerHello {
    pub(crate) is_retry: bool,
    pub(crate) version: u16,
    pub(crate) cipher_suite: u16,
    pub(crate) group: Option<u16>,
    pub(crate) alpn: Option<Arc<str>>,
}

/// A place in bytes; every step is checked.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(*self.take(2)?.first_chunk()?))
    }

    fn u24(&mut self) -> Option<usize> {
        let [a, b, c] = *self.take(3)?.first_chunk()?;
        Some(usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c))
    }

    /// What follows a length of one byte.
    fn short(&mut self) -> Option<Self> {
        let len = self.u8()?;
        self.take(len.into()).map(Self)
    }

    /// What follows a length of two bytes.
    fn long(&mut self) -> Option<Self> {
        let len = self.u16()?;
        self.take(len.into()).map(Self)
    }
}

/// What records say that are there from their beginning on: as far as a hello or an alert. `None` while more is needed; nothing
/// when it is something else.
pub(crate) fn records(bytes: &[u8]) -> Option<Vec<Said>> {
    let mut reader = Reader(bytes);
    let mut handshake = Vec::new();
    loop {
        let (kind, version) = (reader.u8()?, reader.u16()?);
        let len = reader.u16()?;
        match kind {
            HANDSHAKE if version >> 8 == 3 => {
                let here = reader.0.len().min(len.into());
                handshake.extend_from_slice(&reader.0[..here]);
                if let Some(said) = handshake_message(&handshake) {
                    return Some(said);
                }
            }
            ALERT if len == 2 => return Some(vec![Said::Alert(*reader.take(2)?.last()?)]),
            CHANGE_CIPHER_SPEC => {}
            _ => return Some(Vec::new()),
        }
        reader.take(len.into())?;
    }
}

/// The first message of a handshake. `None` while more is needed; nothing when it is no hello, or one that makes no sense.
pub(crate) fn handshake_message(bytes: &[u8]) -> Option<Vec<Said>> {
    let mut reader = Reader(bytes);
    let kind = reader.u8()?;
    if kind != CLIENT_HELLO && kind != SERVER_HELLO {
        return Some(Vec::new());
    }
    let len = reader.u24()?;
    if len > MOST {
        return Some(Vec::new());
    }
    let body = Reader(reader.take(len)?);
    let said = if kind == CLIENT_HELLO { client(body).map(Said::Client) } else { server(body).map(Said::Server) };
    Some(said.into_iter().collect())
}

fn client(mut body: Reader<'_>) -> Option<ClientHello> {
    let version = body.u16()?;
    let random = *body.take(32)?.first_chunk()?;
    body.short()?;
    body.long()?;
    body.short()?;
    let mut hello = ClientHello { random, version, ..ClientHello::default() };
    extensions(body, |kind, mut data| {
        match kind {
            SERVER_NAME => hello.server_name = server_name(data),
            ALPN => hello.alpn = protocols(data),
            SUPPORTED_VERSIONS => {
                let (versions, _) = data.short()?.0.as_chunks::<2>();
                // Values that no version has are there to keep servers tolerant (GREASE, RFC 8701).
                let known = versions.iter().map(|version| u16::from_be_bytes(*version)).filter(|it| is_version(*it));
                hello.version = known.max().unwrap_or(version);
            }
            _ => {}
        }
        Some(())
    })?;
    Some(hello)
}

fn server(mut body: Reader<'_>) -> Option<ServerHello> {
    let version = body.u16()?;
    let is_retry = body.take(32)? == RETRY;
    body.short()?;
    let cipher_suite = body.u16()?;
    body.u8()?;
    let mut hello = ServerHello { is_retry, version, cipher_suite, ..ServerHello::default() };
    extensions(body, |kind, mut data| {
        match kind {
            ALPN => hello.alpn = protocols(data),
            SUPPORTED_VERSIONS => hello.version = data.u16()?,
            KEY_SHARE => hello.group = Some(data.u16()?),
            _ => {}
        }
        Some(())
    })?;
    Some(hello)
}

/// Hands on each extension; without any there is not even their length (RFC 5246 section 7.4.1.2).
fn extensions<'a>(mut body: Reader<'a>, mut each: impl FnMut(u16, Reader<'a>) -> Option<()>) -> Option<()> {
    if body.0.is_empty() {
        return Some(());
    }
    let mut list = body.long()?;
    while !list.0.is_empty() {
        let kind = list.u16()?;
        each(kind, list.long()?)?;
    }
    Some(())
}

/// The host name (RFC 6066 section 3).
fn server_name(mut data: Reader<'_>) -> Option<Arc<str>> {
    let mut names = data.long()?;
    while !names.0.is_empty() {
        let kind = names.u8()?;
        let name = names.long()?.0;
        if kind == 0 && !name.is_empty() {
            return Some(text(name).into());
        }
    }
    None
}

/// Protocols (RFC 7301), with commas.
fn protocols(mut data: Reader<'_>) -> Option<Arc<str>> {
    let mut list = data.long()?;
    let mut names = String::new();
    while !list.0.is_empty() {
        let name = list.short()?.0;
        // Values that keep servers tolerant (GREASE) are no protocols.
        if names.len() < LONGEST && !matches!(name, [a, b] if a == b && a & 0x0f == 0x0a) {
            names.extend((!names.is_empty()).then_some(','));
            names.push_str(&text(name));
        }
    }
    (!names.is_empty()).then(|| names.into())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST)]).into_owned()
}

const fn is_version(version: u16) -> bool {
    matches!(version, 0x0300..=0x0304)
}

/// A version as people say it.
pub(crate) fn version_name(version: u16) -> Arc<str> {
    match version {
        0x0300 => Arc::from("SSL 3.0"),
        0x0301 => Arc::from("TLS 1.0"),
        0x0302 => Arc::from("TLS 1.1"),
        0x0303 => Arc::from("TLS 1.2"),
        0x0304 => Arc::from("TLS 1.3"),
        // Drafts of TLS 1.3 and what nobody has heard of.
        other => format!("0x{other:04x}").into(),
    }
}

/// IANA's name of a cipher suite.
pub(crate) fn cipher_name(suite: u16) -> Arc<str> {
    match CipherSuite::from(suite).as_str() {
        // rustls marks those of TLS 1.3, IANA does not.
        Some(name) => name.replacen("TLS13_", "TLS_", 1).into(),
        None => format!("0x{suite:04x}").into(),
    }
}

/// IANA's name of a group, X25519 in capitals.
pub(crate) fn group_name(group: u16) -> Arc<str> {
    let known = match group {
        // Older than the standard, and still around.
        0x6399 => Some("X25519Kyber768Draft00"),
        0x11ed => Some("secp384r1MLKEM1024"),
        _ => NamedGroup::from(group).as_str(),
    };
    known.map_or_else(|| format!("0x{group:04x}").into(), Arc::from)
}

/// Name of an alert.
pub(crate) fn alert_name(description: u8) -> String {
    match AlertDescription::from(description).as_str() {
        Some(name) => format!("Alert {name}"),
        None => format!("Alert {description}"),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sized<const N: usize>(bytes: &[u8]) -> Vec<u8> {
        [&(bytes.len() as u32).to_be_bytes()[4 - N..], bytes].concat()
    }

    fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
        [&kind.to_be_bytes()[..], &sized::<2>(data)].concat()
    }

    /// A handshake message.
    pub(crate) fn client_hello(name: &str, protocols: &[&str], versions: &[u16]) -> Vec<u8> {
        let name = sized::<2>(&[&[0][..], &sized::<2>(name.as_bytes())].concat());
        let protocols: Vec<u8> = protocols.iter().flat_map(|name| sized::<1>(name.as_bytes())).collect();
        let versions: Vec<u8> = versions.iter().flat_map(|version| version.to_be_bytes()).collect();
        let extensions = [
            extension(0x0a0a, &[]),
            extension(SERVER_NAME, &name),
            extension(ALPN, &sized::<2>(&protocols)),
            extension(SUPPORTED_VERSIONS, &sized::<1>(&versions)),
        ];
        let rest =
            [&sized::<1>(&[9; 32])[..], &sized::<2>(&[0x13, 1]), &sized::<1>(&[0]), &sized::<2>(&extensions.concat())];
        let body = [&[3, 3][..], &[7; 32], &rest.concat()].concat();
        [&[CLIENT_HELLO][..], &sized::<3>(&body)].concat()
    }

    fn server_hello(random: [u8; 32], suite: u16, extensions: &[Vec<u8>]) -> Vec<u8> {
        let body = [
            &[3, 3][..],
            &random,
            &sized::<1>(&[9; 32]),
            &suite.to_be_bytes(),
            &[0],
            &sized::<2>(&extensions.concat()),
        ];
        [&[SERVER_HELLO][..], &sized::<3>(&body.concat())].concat()
    }

    pub(crate) fn record(kind: u8, bytes: &[u8]) -> Vec<u8> {
        [&[kind, 3, 1][..], &sized::<2>(bytes)].concat()
    }

    #[test]
    fn a_client_says_whom_it_wants_and_what_it_can() {
        let hello = client_hello("web.example.org", &["h2", "http/1.1"], &[0x8a8a, 0x0304, 0x0303]);
        let said = handshake_message(&hello).unwrap();
        let [Said::Client(said)] = said.as_slice() else { panic!("{said:?}") };
        assert_eq!((said.server_name.as_deref(), said.alpn.as_deref()), (Some("web.example.org"), Some("h2,http/1.1")));
        assert_eq!(&*version_name(said.version), "TLS 1.3");
    }

    #[test]
    fn a_server_says_what_was_agreed_on() {
        let extensions = [extension(SUPPORTED_VERSIONS, &[3, 4]), extension(KEY_SHARE, &[0x11, 0xec, 0, 1, 0])];
        let said = handshake_message(&server_hello([1; 32], 0x1302, &extensions)).unwrap();
        let [Said::Server(said)] = said.as_slice() else { panic!("{said:?}") };
        let names = (cipher_name(said.cipher_suite), group_name(said.group.unwrap()), version_name(said.version));
        let names = [&names.0, &names.1, &names.2].map(ToString::to_string);
        assert_eq!(names, ["TLS_AES_256_GCM_SHA384", "X25519MLKEM768", "TLS 1.3"]);
        assert!(!said.is_retry);
        let retry = handshake_message(&server_hello(RETRY, 0x1301, &[extension(KEY_SHARE, &[0, 0x17])])).unwrap();
        assert!(matches!(retry.as_slice(), [Said::Server(ServerHello { is_retry: true, group: Some(0x17), .. })]));
    }

    #[test]
    fn names_are_those_of_iana() {
        assert_eq!(&*cipher_name(0xc02f), "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256");
        assert_eq!(&*cipher_name(0x1303), "TLS_CHACHA20_POLY1305_SHA256");
        assert_eq!((&*group_name(0x17), &*group_name(0x1d)), ("secp256r1", "X25519"));
        assert_eq!(alert_name(112), "Alert UnrecognisedName");
    }

    #[test]
    fn a_hello_over_several_records_and_after_a_change_cipher_spec_is_one() {
        let hello = client_hello("a.b", &[], &[0x0304]);
        let (one, two) = hello.split_at(20);
        let bytes = [record(CHANGE_CIPHER_SPEC, &[1]), record(HANDSHAKE, one), record(HANDSHAKE, two)].concat();
        let said = records(&bytes).unwrap();
        let [Said::Client(said)] = said.as_slice() else { panic!("{said:?}") };
        assert_eq!(said.server_name.as_deref(), Some("a.b"));
        for end in 0..bytes.len() {
            assert_eq!(records(&bytes[..end]), None, "{end}");
        }
        assert_eq!(records(&record(ALERT, &[2, 40])), Some(vec![Said::Alert(40)]));
        assert_eq!(records(&record(23, &[2, 40])), Some(Vec::new()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = records(&bytes);
            let _ = records(&record(HANDSHAKE, &bytes));
            let _ = handshake_message(&[&[CLIENT_HELLO, 0, 0, bytes.len() as u8][..], &bytes].concat());
            let _ = handshake_message(&[&[SERVER_HELLO, 0, 0, bytes.len() as u8][..], &bytes].concat());
        }

        #[test]
        fn a_hello_with_any_byte_changed_is_read_or_refused(at in 0_usize..150, to in any::<u8>()) {
            let mut hello = client_hello("web.example.org", &["h2"], &[0x0304]);
            let at = at % hello.len();
            hello[at] = to;
            let _ = handshake_message(&hello);
        }
    }
}
