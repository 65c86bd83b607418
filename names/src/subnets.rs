//! Subnets with a name: what `--subnet-label` says, and what `--get-subnets` finds out about the cluster.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

pub(crate) mod discover;
pub(crate) mod labels;

/// Name of the subnets of the nodes, as NetObserv calls them.
pub const MACHINES: &str = "Machines";
/// Name of the subnets of the pods.
pub const PODS: &str = "Pods";
/// Name of the subnets of the services.
pub const SERVICES: &str = "Services";

/// A name and the subnets that bear it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubnetLabel {
    /// Value of `SrcSubnetLabel`, `DstSubnetLabel`.
    pub name: Arc<str>,
    /// Its subnets; a single address is a subnet of full length.
    pub subnets: Vec<IpNet>,
}

/// Why a value of `--subnet-label` is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not NAME=CIDR.
    #[error("`{0}` is no subnet label: write NAME=CIDR,CIDR... as in dc=10.0.0.0/8,fd00::/8")]
    Form(String),
    /// No name before the `=`.
    #[error("`{0}` has no name before the `=`: write NAME=CIDR,CIDR... as in dc=10.0.0.0/8")]
    NoName(String),
    /// Not a subnet.
    #[error("`{subnet}` of subnet label `{name}` is not a subnet like 10.0.0.0/8 or fd00::/8, nor an address")]
    Subnet {
        /// The label.
        name: String,
        /// What was written.
        subnet: String,
    },
    /// Bits behind the prefix.
    #[error("`{subnet}` of subnet label `{name}` has bits set behind its prefix: write {meant}")]
    HostBits {
        /// The label.
        name: String,
        /// What was written.
        subnet: String,
        /// The subnet that holds it.
        meant: IpNet,
    },
    /// Two names for one subnet.
    #[error("subnet {subnet} has two labels, `{first}` and `{second}`: it can have one")]
    Twice {
        /// The subnet.
        subnet: IpNet,
        /// The label it had.
        first: String,
        /// The other label.
        second: String,
    },
}

/// Reads the values of `--subnet-label`, each `NAME=CIDR,CIDR...`. The same name in several values adds to it.
pub fn parse(values: &[String]) -> Result<Vec<SubnetLabel>, Error> {
    let mut labels: Vec<SubnetLabel> = Vec::new();
    let mut owners: HashMap<IpNet, Arc<str>> = HashMap::new();
    for value in values {
        let (name, subnets) = parse_one(value)?;
        for subnet in &subnets {
            claim(&mut owners, *subnet, &name)?;
        }
        match labels.iter_mut().find(|label| label.name == name) {
            Some(label) => label.subnets.extend(subnets),
            None => labels.push(SubnetLabel { name, subnets }),
        }
    }
    Ok(labels)
}

fn claim(owners: &mut HashMap<IpNet, Arc<str>>, subnet: IpNet, name: &Arc<str>) -> Result<(), Error> {
    match owners.insert(subnet, Arc::clone(name)) {
        Some(first) if first != *name => {
            Err(Error::Twice { subnet, first: first.to_string(), second: name.to_string() })
        }
        _ => Ok(()),
    }
}

fn parse_one(value: &str) -> Result<(Arc<str>, Vec<IpNet>), Error> {
    let (name, list) = value.split_once('=').ok_or_else(|| Error::Form(value.to_owned()))?;
    let name = name.trim();
    if name.is_empty() {
        return Err(Error::NoName(value.to_owned()));
    }
    let subnets: Vec<IpNet> = list
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(|item| parse_subnet(name, item))
        .collect::<Result<_, _>>()?;
    if subnets.is_empty() {
        return Err(Error::Form(value.to_owned()));
    }
    Ok((Arc::from(name), subnets))
}

fn parse_subnet(name: &str, text: &str) -> Result<IpNet, Error> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(address));
    }
    let net: IpNet = text.parse().map_err(|_| Error::Subnet { name: name.to_owned(), subnet: text.to_owned() })?;
    if net == net.trunc() {
        Ok(net)
    } else {
        Err(Error::HostBits { name: name.to_owned(), subnet: text.to_owned(), meant: net.trunc() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> Result<Vec<SubnetLabel>, Error> {
        parse(&values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn names_subnets_of_both_families_and_single_addresses_are_read() {
        let labels = read(&["dc=10.0.0.0/8, fd00::/8", "vip=192.0.2.7", "dc=172.16.0.0/12"]).unwrap();
        assert_eq!(labels.len(), 2);
        assert_eq!(&*labels[0].name, "dc");
        let subnets: Vec<String> = labels[0].subnets.iter().map(ToString::to_string).collect();
        assert_eq!(subnets, ["10.0.0.0/8", "fd00::/8", "172.16.0.0/12"]);
        assert_eq!(labels[1].subnets, ["192.0.2.7/32".parse().unwrap()]);
    }

    #[test]
    fn every_mistake_is_named() {
        for (value, part) in [
            ("dc", "NAME=CIDR"),
            ("dc=", "NAME=CIDR"),
            ("=10.0.0.0/8", "no name"),
            ("dc=10.0.0.0/33", "`10.0.0.0/33` of subnet label `dc`"),
            ("dc=somewhere", "`somewhere`"),
            ("dc=10.1.2.3/8", "write 10.0.0.0/8"),
        ] {
            let error = read(&[value]).unwrap_err().to_string();
            assert!(error.contains(part), "{value}: {error}");
        }
    }

    #[test]
    fn one_subnet_cannot_have_two_labels_but_may_be_said_twice() {
        let error = read(&["a=10.0.0.0/8", "b=10.0.0.0/8"]).unwrap_err().to_string();
        assert!(error.contains("`a` and `b`"), "{error}");
        assert!(read(&["a=10.0.0.0/8", "a=10.0.0.0/8"]).is_ok());
    }
}
