//! The proxy that the environment names, as Go programs read it: HTTPS_PROXY, HTTP_PROXY and NO_PROXY.

use std::{env, net::IpAddr};

use http::Uri;
use ipnet::IpNet;

use crate::error::Error;

/// The proxy for requests to `server`, unless NO_PROXY exempts it.
pub(super) fn from_environment(server: &Uri) -> Result<Option<Uri>, Error> {
    let name = if server.scheme_str() == Some("http") { "HTTP_PROXY" } else { "HTTPS_PROXY" };
    let host = server.host().unwrap_or_default().trim_matches(['[', ']']);
    let Some(proxy) = variable(name) else { return Ok(None) };
    if is_here(host) || variable("NO_PROXY").is_some_and(|list| exempts(&list, host, server.port_u16())) {
        return Ok(None);
    }
    let full = if proxy.contains("://") { proxy.clone() } else { format!("http://{proxy}") };
    match full.parse() {
        Ok(uri) => Ok(Some(uri)),
        Err(error) => Err(Error::failed(format!("{name}={proxy}: not a URL: {error}"))),
    }
}

/// In upper case, else in lower case.
fn variable(name: &str) -> Option<String> {
    let get = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    get(name).or_else(|| get(&name.to_lowercase()))
}

/// This machine never goes through a proxy.
fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether the list names the host: `*`, addresses, networks, domains (with all below them), each perhaps with a port.
fn exempts(list: &str, host: &str, port: Option<u16>) -> bool {
    list.split(',').map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| matches(entry, host, port))
}

fn matches(entry: &str, host: &str, port: Option<u16>) -> bool {
    if entry == "*" {
        return true;
    }
    if let Ok(address) = host.parse::<IpAddr>() {
        let in_network = entry.parse::<IpNet>().is_ok_and(|network| network.contains(&address));
        if in_network || entry.trim_matches(['[', ']']).parse() == Ok(address) {
            return true;
        }
    }
    let (name, wanted) = match entry.rsplit_once(':') {
        Some((name, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => (name, number.parse().ok()),
        _ => (entry, None),
    };
    if wanted.is_some() && wanted != port {
        return false;
    }
    let below = name.strip_prefix("*.").or_else(|| name.strip_prefix('.'));
    let (host, name) = (host.to_lowercase(), below.unwrap_or(name).to_lowercase());
    let is_below = host.strip_suffix(&name).is_some_and(|rest| rest.ends_with('.'));
    is_below || (below.is_none() && host == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proxy_names_hosts_domains_and_networks() {
        for (list, host, expected) in [
            ("*", "api.example.org", true),
            ("example.org", "api.example.org", true),
            ("example.org", "example.org", true),
            (".example.org", "api.example.org", true),
            (".example.org", "example.org", false),
            ("*.example.org", "api.example.org", true),
            ("ample.org", "example.org", false),
            ("10.0.0.0/8, 192.168.0.1", "10.1.2.3", true),
            ("10.0.0.0/8,192.168.0.1", "192.168.0.1", true),
            ("10.0.0.0/8", "192.168.0.1", false),
            ("fd00::/8", "fd00::1", true),
            ("api.example.org:6443", "api.example.org", true),
            ("api.example.org:443", "api.example.org", false),
            ("", "api.example.org", false),
        ] {
            assert_eq!(exempts(list, host, Some(6443)), expected, "{list} {host}");
        }
    }

    #[test]
    fn this_machine_needs_no_proxy() {
        assert!(is_here("127.0.0.1") && is_here("::1") && is_here("localhost") && !is_here("10.0.0.1"));
    }
}
