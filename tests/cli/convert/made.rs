//! An annotated capture, written here block by block.

/// Block types and options of draft-ietf-opsawg-pcapng.
const EPB: u32 = 6;

const START_S: u64 = 1_782_123_072;

/// What says who it was, in the annotated capture: as text and as it stands in packets.
pub(crate) const ORIGINALS: &[&[u8]] = &[
    b"web-7d9",
    b"shop",
    b"pg-0",
    b"Deployment/web",
    b"node-east-1",
    b"nginx",
    b"payments",
    b"10.128.3.77",
    b"172.30.201.9",
    &[10, 128, 3, 77],
    &[172, 30, 201, 9],
    &[0xfd, 0x12, 0x34, 0x56, 0x78, 0x9a],
    &[0x02, 0x42, 0xac, 0x11, 0x5a, 0x6b],
    &[0x0a, 0x58, 0x0a, 0x80, 0x7c, 0x8d],
    b"02:42:ac:11:5a:6b",
    b"GET /private",
    b"CLIENT_RANDOM",
    b"captured by jane",
    b"secret-label",
];

const A: [u8; 4] = [10, 128, 3, 77];
const B: [u8; 4] = [172, 30, 201, 9];
const MAC_A: [u8; 6] = [0x02, 0x42, 0xac, 0x11, 0x5a, 0x6b];
const MAC_B: [u8; 6] = [0x0a, 0x58, 0x0a, 0x80, 0x7c, 0x8d];

/// A capture that is put together.
pub(crate) struct Capture(Vec<u8>);

impl Capture {
    /// Five packets at two interfaces: a request to a database at both and dropped once more, a question to DNS, and
    /// an advertisement of IPv6.
    pub(crate) fn annotated() -> Self {
        let mut this = Self(Vec::new());
        this.section();
        this.interface("shop/web-7d9:eth0@node-east-1", "k8s.node=node-east-1;k8s.ns=shop;k8s.pod=web-7d9;k8s.uid=1-2-3;k8s.workload=Deployment/web;k8s.labels=app=secret-label;netns=;ifindex=7");
        this.interface(
            "db/pg-0:eth0@node-east-1",
            "k8s.node=node-east-1;k8s.ns=db;k8s.pod=pg-0;k8s.uid=4-5-6;k8s.workload=StatefulSet/pg-0;netns=;ifindex=9",
        );
        this.secrets("CLIENT_RANDOM 00112233 44556677\n");
        let comment = "k8s src=shop/web-7d9:Deployment/web dst=db/pg-0 pid=41 comm=nginx";
        let request = tcp();
        this.packet(0, 0, &request, 77, Some(comment));
        this.packet(0, 500_000_000, &request, 77, Some(&comment.replace(" pid", " drop=NETFILTER_DROP pid")));
        this.packet(1, 1_000_000_000, &request, 77, Some(comment));
        this.packet(0, 1_500_000_000, &dns(), 78, Some(comment));
        this.packet(1, 2_000_000_000, &advertisement(), 79, None);
        this
    }

    /// The length of its packet `n`.
    pub(crate) fn length(n: usize) -> u64 {
        [tcp().len(), tcp().len(), tcp().len(), dns().len(), advertisement().len()][n] as u64
    }

    /// Packets of these seconds, each with its second as id.
    pub(crate) fn at(seconds: &[u64], name: &str) -> Self {
        let mut this = Self(Vec::new());
        this.section();
        this.interface(name, "");
        for second in seconds {
            this.packet(0, second * 1_000_000_000, &tcp(), second + 1, None);
        }
        this
    }

    pub(crate) fn bytes(self) -> Vec<u8> {
        self.0
    }

    fn block(&mut self, kind: u32, body: &[u8]) {
        let padded = body.len().next_multiple_of(4);
        let length = (padded as u32 + 12).to_le_bytes();
        self.0.extend(kind.to_le_bytes());
        self.0.extend(length);
        self.0.extend(body);
        self.0.resize(self.0.len() + padded - body.len(), 0);
        self.0.extend(length);
    }

    fn section(&mut self) {
        let fixed = [&0x1A2B_3C4D_u32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat();
        let options = [option(4, b"oc-netobserv 0.1.0"), option(1, b"captured by jane on node-east-1")].concat();
        self.block(0x0A0D_0D0A, &[fixed, options].concat());
    }

    fn interface(&mut self, name: &str, description: &str) {
        let fixed = [1, 0, 0, 0, 0, 0, 4, 0];
        let options = [option(2, name.as_bytes()), option(3, description.as_bytes()), option(9, &[9])].concat();
        self.block(1, &[&fixed[..], &options].concat());
    }

    fn secrets(&mut self, lines: &str) {
        let head = [0x544c_534b_u32.to_le_bytes(), (lines.len() as u32).to_le_bytes()].concat();
        self.block(10, &[&head[..], lines.as_bytes()].concat());
    }

    fn packet(&mut self, interface: u32, after_ns: u64, frame: &[u8], id: u64, comment: Option<&str>) {
        let time = START_S * 1_000_000_000 + after_ns;
        let words = [interface, (time >> 32) as u32, time as u32, frame.len() as u32, frame.len() as u32];
        let mut body: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
        body.extend(frame);
        body.resize(body.len().next_multiple_of(4), 0);
        body.extend(option(2, &(1 + interface).to_le_bytes()));
        body.extend(option(5, &id.to_le_bytes()));
        body.extend(comment.map(|comment| option(1, comment.as_bytes())).unwrap_or_default());
        body.extend([0; 4]);
        self.block(EPB, &body);
    }
}

fn option(code: u16, value: &[u8]) -> Vec<u8> {
    let mut out = [code.to_le_bytes(), (value.len() as u16).to_le_bytes()].concat();
    out.extend(value);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

fn ethernet(kind: u16, payload: &[u8]) -> Vec<u8> {
    [&MAC_B[..], &MAC_A, &kind.to_be_bytes(), payload].concat()
}

/// Not folded.
fn sum(bytes: &[u8]) -> u32 {
    bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum()
}

fn checksum(mut sum: u32) -> [u8; 2] {
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}

fn ipv4(protocol: u8, mut segment: Vec<u8>, at: usize) -> Vec<u8> {
    let pseudo = sum(&A) + sum(&B) + u32::from(protocol) + segment.len() as u32;
    let made = checksum(pseudo + sum(&segment));
    segment[at..at + 2].copy_from_slice(&made);
    let total = (20 + segment.len() as u16).to_be_bytes();
    let mut header = [&[0x45, 0, total[0], total[1], 0, 1, 0, 0, 64, protocol, 0, 0][..], &A, &B].concat();
    let made = checksum(sum(&header));
    header[10..12].copy_from_slice(&made);
    ethernet(0x0800, &[header, segment].concat())
}

fn tcp() -> Vec<u8> {
    let header = [0x9c, 0x40, 0x15, 0x38, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x18, 4, 0, 0, 0, 0, 0];
    ipv4(6, [&header[..], b"GET /private HTTP/1.1\r\nHost: payments\r\n\r\n"].concat(), 16)
}

fn dns() -> Vec<u8> {
    let question =
        [&[0, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 8][..], b"payments", &[4], b"shop", &[0, 0, 1, 0, 1]].concat();
    let length = (8 + question.len() as u16).to_be_bytes();
    ipv4(17, [&[0x9c, 0x41, 0, 53, length[0], length[1], 0, 0][..], &question].concat(), 6)
}

/// A neighbour tells where it is.
fn advertisement() -> Vec<u8> {
    let who = [0xfd, 0x12, 0x34, 0x56, 0x78, 0x9a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];
    let all = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    let mut message = [&[136, 0, 0, 0, 0x20, 0, 0, 0][..], &who, &[2, 1], &MAC_A].concat();
    let made = checksum(sum(&who) + sum(&all) + 58 + message.len() as u32 + sum(&message));
    message[2..4].copy_from_slice(&made);
    ethernet(0x86dd, &[&[0x60, 0, 0, 0, 0, message.len() as u8, 58, 255][..], &who, &all, &message].concat())
}
