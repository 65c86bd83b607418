//! TLS 1.3 with the certificates of one capture, both ends verified.

use std::{io, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig, crypto::CryptoProvider, server::WebPkiClientVerifier, version::TLS13,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

use crate::certs::Pem;

/// What one end shows and trusts.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The CA of this capture, PEM.
    pub ca_pem: String,
    /// Certificate and key of this end.
    pub own: Pem,
}

/// Certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Not PEM, or not what it should hold.
    #[error("cannot read the {what} of the capture: {error}")]
    Pem {
        /// Certificate or key.
        what: &'static str,
        /// Why.
        error: rustls_pki_types::pem::Error,
    },
    /// It does not fit.
    #[error("cannot use the certificates of the capture: {0}")]
    Rustls(#[from] rustls::Error),
    /// The CA does not fit.
    #[error("cannot use the CA of the capture: {0}")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

impl Identity {
    fn roots(&self) -> Result<Arc<RootCertStore>, TlsError> {
        let mut roots = RootCertStore::empty();
        for cert in certificates("CA", &self.ca_pem)? {
            roots.add(cert)?;
        }
        Ok(Arc::new(roots))
    }

    fn chain(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
        let key = PrivateKeyDer::from_pem_slice(self.own.key.as_bytes());
        let key = key.map_err(|error| TlsError::Pem { what: "private key", error })?;
        Ok((certificates("certificate", &self.own.cert)?, key))
    }

    pub(crate) fn server(&self) -> Result<ServerConfig, TlsError> {
        let verifier = WebPkiClientVerifier::builder_with_provider(self.roots()?, provider()).build()?;
        let (chain, key) = self.chain()?;
        let config = ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[&TLS13])?;
        let mut config = config.with_client_cert_verifier(verifier).with_single_cert(chain, key)?;
        // Every connection shows its certificate anew.
        config.send_tls13_tickets = 0;
        Ok(config)
    }

    pub(crate) fn client(&self) -> Result<ClientConfig, TlsError> {
        let (chain, key) = self.chain()?;
        let config = ClientConfig::builder_with_provider(provider()).with_protocol_versions(&[&TLS13])?;
        Ok(config.with_root_certificates(self.roots()?).with_client_auth_cert(chain, key)?)
    }
}

fn certificates(what: &'static str, pem: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match all {
        Ok(certs) if certs.is_empty() => Err(TlsError::Pem { what, error: rustls_pki_types::pem::Error::NoItemsFound }),
        other => other.map_err(|error| TlsError::Pem { what, error }),
    }
}

/// Why a handshake failed, in words about the other end.
pub(crate) fn reason(error: &io::Error) -> String {
    use rustls::Error;
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(Error::NoCertificatesPresented) => "it showed no certificate".to_owned(),
        Some(Error::InvalidCertificate(why)) => format!("its certificate is not one of this capture ({why:?})"),
        Some(Error::InvalidMessage(_)) => "what it sent is not TLS".to_owned(),
        Some(Error::PeerIncompatible(why)) => format!("it does not speak TLS 1.3 as we do ({why:?})"),
        Some(Error::AlertReceived(why)) => format!("it does not trust our certificate ({why:?})"),
        Some(other) => format!("the TLS handshake failed: {other}"),
        None if error.kind() == io::ErrorKind::UnexpectedEof => "it hung up within the TLS handshake".to_owned(),
        None => error.to_string(),
    }
}
