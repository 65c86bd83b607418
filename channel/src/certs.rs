//! Certificates of one capture: a CA whose key is thrown away as soon as it has signed two certificates, one for the
//! collector and one that all agents share.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, NameConstraints,
};
use time::{Duration, OffsetDateTime};

/// The name in the collector's certificate; agents reach it by address and ask for this name.
pub const COLLECTOR: &str = "collector.netobserv";

/// The name in the agents' certificate.
const AGENT: &str = "agent.netobserv";

/// All names that a CA of ours may sign for.
const DOMAIN: &str = "netobserv";

/// Clocks of the user's machine and of nodes may differ by this.
const SKEW: Duration = Duration::hours(1);

/// No capture is longer.
const VALID: Duration = Duration::days(30);

/// A certificate and its key.
#[derive(Clone, PartialEq, Eq)]
pub struct Pem {
    /// The certificate.
    pub cert: String,
    /// Its private key, PKCS #8.
    pub key: String,
}

/// Everything both ends need.
#[derive(Clone, PartialEq, Eq)]
pub struct Issued {
    /// What both ends trust, and nothing else.
    pub ca_pem: String,
    /// For the collector.
    pub collector: Pem,
    /// For every agent.
    pub agent: Pem,
}

impl std::fmt::Debug for Pem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pem").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issued").finish_non_exhaustive()
    }
}

/// Making certificates failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot make the certificates of the capture: {0}")]
pub struct CertsError(#[from] rcgen::Error);

/// Makes the certificates of the capture `capture_id`, valid for 30 days from now.
///
/// # Errors
/// The system has no random numbers to give.
pub fn issue(capture_id: &str) -> Result<Issued, CertsError> {
    issue_at(capture_id, OffsetDateTime::now_utc())
}

fn issue_at(capture_id: &str, now: OffsetDateTime) -> Result<Issued, CertsError> {
    let params = authority(capture_id, now)?;
    let key = KeyPair::generate()?;
    let ca_pem = params.self_signed(&key)?.pem();
    let ca = Issuer::new(params, key);
    Ok(Issued {
        ca_pem,
        collector: signed(&ca, now, COLLECTOR, ExtendedKeyUsagePurpose::ServerAuth)?,
        agent: signed(&ca, now, AGENT, ExtendedKeyUsagePurpose::ClientAuth)?,
    })
}

fn authority(capture_id: &str, now: OffsetDateTime) -> Result<CertificateParams, rcgen::Error> {
    let mut params = validity(now)?;
    params.distinguished_name.push(DnType::CommonName, format!("oc-netobserv capture {capture_id}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName(DOMAIN.to_owned())],
        excluded_subtrees: Vec::new(),
    });
    Ok(params)
}

fn validity(now: OffsetDateTime) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    (params.not_before, params.not_after) = (now - SKEW, now + VALID);
    params.distinguished_name = rcgen::DistinguishedName::new();
    Ok(params)
}

fn signed(
    ca: &Issuer<'_, KeyPair>,
    now: OffsetDateTime,
    name: &str,
    usage: ExtendedKeyUsagePurpose,
) -> Result<Pem, rcgen::Error> {
    let mut params = validity(now)?;
    params.subject_alt_names = vec![rcgen::SanType::DnsName(name.try_into()?)];
    params.distinguished_name.push(DnType::CommonName, name);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    let key = KeyPair::generate()?;
    Ok(Pem { cert: params.signed_by(&key, ca)?.pem(), key: key.serialize_pem() })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::{ClientConnection, ServerConnection, pki_types::ServerName};

    use super::*;
    use crate::Identity;

    /// Lets both ends talk until they are content or one is not.
    fn handshake(collector: &Identity, agent: &Identity, name: &'static str) -> Result<(), rustls::Error> {
        let name = ServerName::try_from(name).unwrap();
        let mut client = ClientConnection::new(Arc::new(agent.client().unwrap()), name)?;
        let mut server = ServerConnection::new(Arc::new(collector.server().unwrap()))?;
        while client.is_handshaking() || server.is_handshaking() {
            let mut bytes = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut bytes).unwrap();
            }
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                server.read_tls(&mut rest).unwrap();
                server.process_new_packets()?;
            }
            bytes.clear();
            while server.wants_write() {
                server.write_tls(&mut bytes).unwrap();
            }
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                client.read_tls(&mut rest).unwrap();
                client.process_new_packets()?;
            }
        }
        assert_eq!(client.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
        Ok(())
    }

    fn made(ago: Duration) -> (Identity, Identity) {
        let issued = issue_at("test", OffsetDateTime::now_utc() - ago).unwrap();
        let identity = |own: &Pem| Identity { ca_pem: issued.ca_pem.clone(), own: own.clone() };
        (identity(&issued.collector), identity(&issued.agent))
    }

    #[test]
    fn both_ends_of_one_capture_trust_each_other_for_thirty_days_and_before_by_the_skew_of_clocks() {
        for (ago, good) in [
            (Duration::ZERO, true),
            (-Duration::minutes(50), true),
            (-Duration::minutes(70), false),
            (Duration::days(29), true),
            (Duration::days(31), false),
        ] {
            let (collector, agent) = made(ago);
            assert_eq!(handshake(&collector, &agent, COLLECTOR).is_ok(), good, "made {ago} ago");
        }
    }

    #[test]
    fn an_agent_cannot_be_the_collector_nor_anybody_else() {
        let (collector, agent) = made(Duration::ZERO);
        assert!(handshake(&agent, &agent, AGENT).is_err(), "its certificate is for clients");
        assert!(handshake(&collector, &collector, COLLECTOR).is_err(), "and the collector's for servers");
        assert!(handshake(&collector, &agent, "kubernetes.default").is_err(), "another name");
        let (_, foreign) = made(Duration::ZERO);
        assert!(handshake(&collector, &foreign, COLLECTOR).is_err(), "another capture");
    }

    #[test]
    fn the_ca_may_sign_for_our_names_only() {
        let now = OffsetDateTime::now_utc();
        let mut params = authority("test", now).unwrap();
        let key = KeyPair::generate().unwrap();
        let ca_pem = params.self_signed(&key).unwrap().pem();
        params.name_constraints = None;
        let ca = Issuer::new(params, key);
        let own = signed(&ca, now, "kubernetes.default", ExtendedKeyUsagePurpose::ServerAuth).unwrap();
        let agent = signed(&ca, now, AGENT, ExtendedKeyUsagePurpose::ClientAuth).unwrap();
        let (collector, agent) = (Identity { ca_pem: ca_pem.clone(), own }, Identity { ca_pem, own: agent });
        let refused = handshake(&collector, &agent, "kubernetes.default").unwrap_err();
        assert!(format!("{refused:?}").contains("NameConstraintViolation"), "{refused:?}");
    }
}
