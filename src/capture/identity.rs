//! What makes a capture this one: its id, its certificates, the executables that its pods run.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{BuildHasher as _, Hasher as _, RandomState},
};

use crate::{
    Context,
    error::Error,
    plan::{
        cluster::Request,
        facts::Facts,
        objects::{Executable, Identity, Pair},
    },
    stage::{self, Packed},
};

/// A new identity, and the executables to send, by architecture. Without facts every architecture at hand is prepared.
pub(super) fn new(
    request: &Request,
    facts: Option<&Facts>,
    user: &str,
    context: &Context,
) -> Result<(Identity, BTreeMap<String, Packed>), Error> {
    let id = id();
    let issued = channel::certs::issue(&id).map_err(Error::failed)?;
    let packed = if request.image.is_some() { BTreeMap::new() } else { packed(&architectures(facts))? };
    let executables = packed.iter().filter_map(|(arch, packed)| {
        let stage = stage::stage(arch)?.to_vec();
        Some((arch.clone(), Executable { sha256: packed.digest.clone(), size: packed.size as u64, stage }))
    });
    let pair = |pem: channel::certs::Pem| Pair { certificate_pem: pem.cert, key_pem: pem.key };
    let identity = Identity {
        executables: executables.collect(),
        ca_pem: issued.ca_pem,
        collector: pair(issued.collector),
        agent: pair(issued.agent),
        user: user.to_owned(),
        command: context.typed.clone(),
        id,
    };
    Ok((identity, packed))
}

/// Eight letters and digits that nobody can guess to be taken.
fn id() -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    // Keyed with what the system's generator gave.
    let mut random = RandomState::new().build_hasher();
    random.write_u32(std::process::id());
    let bits = random.finish();
    (0..8).map(|digit| ALPHABET[(bits >> (5 * digit) & 31) as usize] as char).collect()
}

fn architectures(facts: Option<&Facts>) -> BTreeSet<String> {
    let Some(facts) = facts else { return stage::ARCHITECTURES.map(str::to_owned).into() };
    facts.nodes.iter().filter(|node| node.os == "linux" && !node.is_virtual).map(|node| node.arch.clone()).collect()
}

/// Those that can be had; which nodes go without one is the plan's to say.
pub(super) fn packed(architectures: &BTreeSet<String>) -> Result<BTreeMap<String, Packed>, Error> {
    let mut packed = BTreeMap::new();
    let mut missing = None;
    for arch in architectures {
        match stage::packed(arch) {
            Ok(found) => drop(packed.insert(arch.clone(), found)),
            Err(error) => missing = missing.or(Some(error)),
        }
    }
    match missing {
        Some(error) if packed.is_empty() => Err(error),
        _ => Ok(packed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_are_names() {
        let ids: BTreeSet<String> = (0..100).map(|_| id()).collect();
        assert_eq!(ids.len(), 100);
        assert!(
            ids.iter()
                .all(|id| id.len() == 8 && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()))
        );
    }
}
