//! The first question of a DNS message (RFC 1035 section 4), enough for one line.

/// `query A? example.com`, `reply NXDomain AAAA example.com`. `None` if it does not look like DNS.
pub(super) fn line(message: &[u8]) -> Option<String> {
    let header: &[u8; 12] = message.first_chunk()?;
    let flags = u16::from_be_bytes([header[2], header[3]]);
    let questions = u16::from_be_bytes([header[4], header[5]]);
    let answers = u16::from_be_bytes([header[6], header[7]]);
    let (name, rest) = match questions {
        0 => (String::new(), message.get(12..)?),
        _ => name(message.get(12..)?)?,
    };
    let kind = rest.first_chunk().filter(|_| questions > 0).map(|bytes| kind(u16::from_be_bytes(*bytes)));
    let kind = kind.unwrap_or_default();
    if flags & 0x8000 == 0 {
        return Some(format!("query {kind}? {name}"));
    }
    Some(format!("reply {} {kind} {name}, {answers} answers", response(flags & 0xf)))
}

// A name in a question is never compressed: there is nothing before it to refer to.
fn name(mut bytes: &[u8]) -> Option<(String, &[u8])> {
    let mut name = String::new();
    loop {
        let (&len, rest) = bytes.split_first()?;
        if len == 0 {
            return Some((if name.is_empty() { ".".to_owned() } else { name }, rest));
        }
        let label = rest.get(..usize::from(len)).filter(|_| len < 64 && name.len() < 1024)?;
        if !name.is_empty() {
            name.push('.');
        }
        name.push_str(&label.escape_ascii().to_string());
        bytes = &rest[usize::from(len)..];
    }
}

fn kind(number: u16) -> String {
    let known = match number {
        1 => "A",
        2 => "NS",
        5 => "CNAME",
        6 => "SOA",
        12 => "PTR",
        15 => "MX",
        16 => "TXT",
        28 => "AAAA",
        33 => "SRV",
        43 => "DS",
        48 => "DNSKEY",
        65 => "HTTPS",
        255 => "ANY",
        other => return format!("TYPE{other}"),
    };
    known.to_owned()
}

fn response(code: u16) -> String {
    let known = match code {
        0 => "NoError",
        1 => "FormErr",
        2 => "ServFail",
        3 => "NXDomain",
        4 => "NotImp",
        5 => "Refused",
        other => return format!("RCODE{other}"),
    };
    known.to_owned()
}
