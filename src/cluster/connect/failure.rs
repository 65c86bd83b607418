//! What a client's error means, in one sentence, and what helps.

use std::{error::Error as StdError, io, time::Duration};

use kube::client::AuthError;

use crate::error::Error;

/// The innermost cause: what lies around it are layers of the client.
pub(super) fn root(error: &dyn StdError) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// What a later request was refused for; `what` begins the sentence.
pub(crate) fn failed(what: &str, error: &kube::Error) -> Error {
    match error {
        kube::Error::Api(status) => Error::failed(format!("{what}: {}", status.message.trim())),
        error => Error::failed(format!("{what}: {}", root(error))),
    }
}

/// Whom we wanted to talk to.
pub(super) struct Peer {
    /// URL of the server.
    pub(super) server: String,
    /// Name of the context.
    pub(super) context: Option<String>,
    /// What stands between us.
    pub(super) proxy: Option<String>,
    /// Longest wait for it.
    pub(super) patience: Duration,
}

impl Peer {
    /// No answer in time.
    pub(super) fn is_silent(&self) -> Error {
        Error::failed(format!("{} does not answer within {} s", self.met(), self.patience.as_secs())).hint(AWAY)
    }

    /// Why the first request did not work.
    pub(super) fn failed(&self, error: &kube::Error) -> Error {
        let server = &self.server;
        match error {
            kube::Error::Api(status) if status.code == 401 => self.refuses(),
            kube::Error::Api(status) if status.message.contains("HTTP request to an HTTPS server") => {
                let secure = server.replacen("http://", "https://", 1);
                Error::failed(format!("{server} speaks TLS only")).hint(format!("--server {secure}"))
            }
            kube::Error::Api(status) if status.code == 403 => {
                Error::failed(format!("{server}: {}", status.message.trim()))
            }
            kube::Error::Api(status) => {
                Error::failed(format!("{server} answers with an error: {} ({})", status.message.trim(), status.code))
            }
            kube::Error::Auth(error) => self.no_credentials(error),
            kube::Error::SerdeError(_) => {
                Error::failed(format!("{server} answers, but is no Kubernetes API server")).hint(WHERE)
            }
            // What the layer of credentials says comes boxed.
            kube::Error::Service(inner) => match (inner.downcast_ref(), inner.downcast_ref()) {
                (Some(error), _) => self.failed(error),
                (_, Some(error)) => self.no_credentials(error),
                (None, None) => self.is_unreachable(error),
            },
            error => self.is_unreachable(error),
        }
    }

    /// Who it was that did not let us through.
    fn met(&self) -> String {
        self.proxy.as_ref().map_or_else(|| self.server.clone(), |proxy| format!("the proxy {proxy}"))
    }

    fn of_context(&self) -> String {
        self.context.as_ref().map(|context| format!(" of context {context}")).unwrap_or_default()
    }

    fn refuses(&self) -> Error {
        let text = format!(
            "{} does not accept the credentials{}: the token or certificate is invalid or has expired",
            self.server,
            self.of_context()
        );
        Error::failed(text)
            .hint("log in again (oc login, or your provider's command), or check with: kubectl auth whoami")
    }

    fn no_credentials(&self, error: &AuthError) -> Error {
        let text = match error {
            AuthError::AuthExecRun { cmd, out, .. } => {
                let said = String::from_utf8_lossy(&out.stderr);
                let said = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned();
                format!("{cmd} ended with {}: {said}", out.status)
            }
            error => error.to_string(),
        };
        Error::failed(format!("the credentials{} cannot be had: {text}", self.of_context())).hint(WHERE)
    }

    /// Names, addresses, refusals, certificates.
    fn is_unreachable(&self, error: &kube::Error) -> Error {
        let (cause, met) = (root(error), self.met());
        match io_kind(error) {
            _ if chain(error).contains("dns error") => {
                Error::failed(format!("the name of {met} cannot be resolved: {cause}"))
                    .hint("is the name right, is a VPN or --proxy-url needed?")
            }
            _ if cause.contains("certificate") => self.has_wrong_certificate(&cause),
            _ if cause.contains("InvalidContentType") || cause.contains("corrupt message") => {
                Error::failed(format!("{met} does not speak TLS")).hint(WHERE)
            }
            Some(io::ErrorKind::ConnectionRefused) => {
                Error::failed(format!("{met} refuses the connection: nothing listens there"))
                    .hint("is the cluster running? kubectl config view --minify shows where it should be")
            }
            Some(io::ErrorKind::TimedOut) => self.is_silent(),
            _ => Error::failed(format!("{} cannot be reached: {cause}", self.server)).hint(WHERE),
        }
    }

    fn has_wrong_certificate(&self, cause: &str) -> Error {
        let why = match cause {
            _ if cause.contains("UnknownIssuer") => "it is signed by an authority that the kubeconfig does not know",
            _ if cause.contains("not valid for") || cause.contains("NotValidForName") => "it is for other names",
            _ if cause.contains("xpired") => "it has expired",
            other => other,
        };
        Error::failed(format!("the certificate of {} cannot be trusted: {why}", self.server))
            .hint("--certificate-authority FILE or --tls-server-name NAME; --insecure-skip-tls-verify checks nothing")
    }
}

const AWAY: &str = "is the cluster running, is a VPN or --proxy-url needed? --request-timeout waits longer";
const WHERE: &str = "kubectl config view --minify";

fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

/// What the innermost failure of the operating system was.
fn io_kind(error: &(dyn StdError + 'static)) -> Option<io::ErrorKind> {
    let mut found = None;
    let mut cause = Some(error);
    while let Some(inner) = cause {
        found = inner.downcast_ref::<io::Error>().map(io::Error::kind).or(found);
        cause = inner.source();
    }
    found
}
