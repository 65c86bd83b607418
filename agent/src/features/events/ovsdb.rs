//! The northbound database of OVN, asked over its unix socket (RFC 7047): which object a sample speaks of.
//!
//! Reads only. Must not know samples of the kernel.

use std::{
    collections::BTreeMap,
    io::{self, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    sync::Arc,
    time::Duration,
};

use flow::NetworkEvent;
use serde_json::{Value, json};

/// The database answers at once, or is of no use here.
const PATIENCE: Duration = Duration::from_secs(2);
/// Longest answer, bytes: a handful of rows.
const LONGEST: usize = 1 << 20;
/// Longest name that is taken over, characters: twice what Kubernetes allows.
const LONGEST_NAME: usize = 512;
const DATABASE: &str = "OVN_Northbound";
/// Applications that sample, by the number in the uppermost byte of a domain (table `Sampling_App`).
const ACL_NEW: u32 = 2;
const ACL_ESTABLISHED: u32 = 3;
const OWNER_TYPE: &str = "k8s.ovn.org/owner-type";
const OWNER_NAME: &str = "k8s.ovn.org/name";
const DIRECTION: &str = "direction";

/// What Open vSwitch notes with each sample: eight bytes in network order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Cookie {
    /// Application in the uppermost byte, datapath in the others.
    pub(super) domain: u32,
    /// Number of the sample in the database.
    pub(super) point: u32,
}

impl Cookie {
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let number = u64::from_be_bytes(bytes.try_into().ok()?);
        Some(Self { domain: (number >> 32) as u32, point: number as u32 })
    }
}

/// A connection to the database.
pub(super) struct Client {
    stream: UnixStream,
    number: u64,
    /// Read, but not yet looked at.
    rest: Vec<u8>,
}

impl Client {
    pub(super) fn connect(socket: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, number: 0, rest: Vec::new() })
    }

    /// The event that a cookie stands for; `None` where the database has no such sample, or one of another kind.
    ///
    /// # Errors
    /// The database does not answer as the RFC says. The connection is of no use any more then.
    pub(super) fn event(&mut self, cookie: Cookie) -> io::Result<Option<NetworkEvent>> {
        let column = match cookie.domain >> 24 {
            ACL_NEW => "sample_new",
            ACL_ESTABLISHED => "sample_est",
            _ => return Ok(None),
        };
        let samples = self.select("Sample", &json!(["metadata", "==", cookie.point]), &["_uuid"])?;
        let Some(id) = samples.first().map(|row| &row["_uuid"]) else { return Ok(None) };
        let lists = self.select("ACL", &json!([column, "==", id]), &["action", "external_ids"])?;
        // Two that share a sample cannot be told apart.
        Ok(if let [list] = lists.as_slice() { Some(event(list)) } else { None })
    }

    fn select(&mut self, table: &str, condition: &Value, columns: &[&str]) -> io::Result<Vec<Value>> {
        let operation = json!({"op": "select", "table": table, "where": [condition], "columns": columns});
        let mut answer = self.call("transact", &json!([DATABASE, operation]))?;
        match answer.pointer_mut("/result/0/rows").map(Value::take) {
            Some(Value::Array(rows)) => Ok(rows),
            _ => Err(io::Error::other(format!("the database refuses to select from {table}: {answer}"))),
        }
    }

    fn call(&mut self, method: &str, params: &Value) -> io::Result<Value> {
        self.number += 1;
        self.send(&json!({"method": method, "params": params, "id": self.number}))?;
        loop {
            let message = self.receive()?;
            if message["method"] == "echo" {
                // The server asks whether we live (RFC 7047, 4.1.11).
                self.send(&json!({"id": message["id"], "result": message["params"], "error": null}))?;
            } else if message["id"] == self.number {
                return Ok(message);
            }
        }
    }

    fn send(&mut self, message: &Value) -> io::Result<()> {
        self.stream.write_all(message.to_string().as_bytes())
    }

    /// The next message: they follow each other without anything in between.
    fn receive(&mut self) -> io::Result<Value> {
        let mut buffer = [0; 8192];
        loop {
            let mut values = serde_json::Deserializer::from_slice(&self.rest).into_iter::<Value>();
            match values.next() {
                Some(Ok(value)) => {
                    let read = values.byte_offset();
                    self.rest.drain(..read);
                    return Ok(value);
                }
                Some(Err(error)) if !error.is_eof() => return Err(error.into()),
                _ if self.rest.len() > LONGEST => return Err(io::Error::other("the database's answer is too long")),
                _ => {}
            }
            match self.stream.read(&mut buffer)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => self.rest.extend_from_slice(&buffer[..read]),
            }
        }
    }
}

/// What a row of table `ACL` says. Who owns it decides what its name is the name of.
fn event(row: &Value) -> NetworkEvent {
    let ids = map(&row["external_ids"]);
    let id = |key: &str| ids.get(key).copied().unwrap_or_default();
    let (owner, name, direction) = (id(OWNER_TYPE), id(OWNER_NAME), id(DIRECTION));
    let (namespace, name, direction) = match owner {
        "NetworkPolicy" => {
            let (namespace, name) = name.split_once(':').unwrap_or(("", name));
            (namespace, name, direction)
        }
        "MulticastNS" | "NetpolNamespace" => (name, "", direction),
        "EgressFirewall" => (name, "", "Egress"),
        "NetpolNode" => ("", "", "Ingress"),
        _ => ("", name, direction),
    };
    let text = |text: &str| Arc::from(text.chars().take(LONGEST_NAME).collect::<String>());
    NetworkEvent {
        feature: Arc::from("acl"),
        r#type: text(owner),
        namespace: text(namespace),
        name: text(name),
        action: text(row["action"].as_str().unwrap_or_default()),
        direction: text(direction),
    }
}

/// A map of texts as the database writes it: `["map", [[key, value], ...]]`.
fn map(value: &Value) -> BTreeMap<&str, &str> {
    let pairs = value.get(1).and_then(Value::as_array).into_iter().flatten();
    pairs.filter_map(|pair| Some((pair.get(0)?.as_str()?, pair.get(1)?.as_str()?))).collect()
}

#[cfg(test)]
pub(super) mod tests;
