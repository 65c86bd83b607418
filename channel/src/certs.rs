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
    let mut params = validity(now)?;
    params.distinguished_name.push(DnType::CommonName, format!("oc-netobserv capture {capture_id}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName(DOMAIN.to_owned())],
        excluded_subtrees: Vec::new(),
    });
    let key = KeyPair::generate()?;
    let ca_pem = params.self_signed(&key)?.pem();
    let ca = Issuer::new(params, key);
    Ok(Issued {
        ca_pem,
        collector: signed(&ca, now, COLLECTOR, ExtendedKeyUsagePurpose::ServerAuth)?,
        agent: signed(&ca, now, AGENT, ExtendedKeyUsagePurpose::ClientAuth)?,
    })
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
