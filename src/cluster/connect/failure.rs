//! What a client's error means, in one sentence, and what helps.

use std::{error::Error as StdError, io, time::Duration};

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

/// No answer in time.
pub(super) fn silent(server: &str, patience: Duration) -> Error {
    Error::failed(format!("{server} does not answer within {} s", patience.as_secs()))
        .hint("is the cluster running, is a VPN or --proxy-url needed? --request-timeout waits longer")
}

/// Why the first request did not work.
pub(super) fn explain(error: &kube::Error, server: &str, context: Option<&str>) -> Error {
    match error {
        kube::Error::Api(status) if status.code == 401 => refused(server, context),
        kube::Error::Api(status) if status.code == 403 => Error::failed(format!("{server}: {}", status.message.trim())),
        kube::Error::Api(status) => {
            Error::failed(format!("{server} answers with an error: {} ({})", status.message.trim(), status.code))
        }
        kube::Error::Auth(error) => credentials(error, context),
        kube::Error::SerdeError(_) => Error::failed(format!("{server} answers, but is no Kubernetes API server"))
            .hint("kubectl config view --minify"),
        // What the layer of credentials says comes boxed.
        kube::Error::Service(inner) => match inner.downcast_ref::<kube::Error>() {
            Some(error) => explain(error, server, context),
            None => match inner.downcast_ref::<kube::client::AuthError>() {
                Some(error) => credentials(error, context),
                None => unreachable(error, server),
            },
        },
        error => unreachable(error, server),
    }
}

fn refused(server: &str, context: Option<&str>) -> Error {
    let of = context.map(|context| format!(" of context {context}")).unwrap_or_default();
    Error::failed(format!("{server} does not accept the credentials{of}: the token or certificate is invalid or has expired"))
        .hint("log in again (oc login, or your provider's command), or check with: kubectl auth whoami")
}

fn credentials(error: &kube::client::AuthError, context: Option<&str>) -> Error {
    let of = context.map(|context| format!(" of context {context}")).unwrap_or_default();
    let text = match error {
        kube::client::AuthError::AuthExecRun { cmd, out, .. } => {
            let said = String::from_utf8_lossy(&out.stderr);
            let said = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned();
            format!("{cmd} ended with {}: {said}", out.status)
        }
        error => error.to_string(),
    };
    Error::failed(format!("the credentials{of} cannot be had: {text}")).hint("kubectl config view --minify")
}

/// Names, addresses, refusals, certificates.
fn unreachable(error: &kube::Error, server: &str) -> Error {
    let cause = root(error);
    let whole = chain(error);
    let host = server.split("://").nth(1).unwrap_or(server);
    match io_kind(error) {
        _ if whole.contains("dns error") => Error::failed(format!("the name of {server} cannot be resolved: {cause}"))
            .hint("is the name right, is a VPN or --proxy-url needed?"),
        _ if whole.contains("certificate") || whole.contains("UnknownIssuer") => certificate(server, &cause),
        _ if cause.contains("InvalidContentType") || cause.contains("corrupt message") => {
            Error::failed(format!("{server} does not speak TLS")).hint(format!("--server http://{host}, if that is meant"))
        }
        Some(io::ErrorKind::ConnectionRefused) => {
            Error::failed(format!("{server} refuses the connection: nothing listens there"))
                .hint("is the cluster running? kubectl config view --minify shows where it should be")
        }
        Some(io::ErrorKind::TimedOut) => Error::failed(format!("{server} does not answer"))
            .hint("is the cluster running, is a VPN or --proxy-url needed?"),
        _ => Error::failed(format!("{server} cannot be reached: {cause}")).hint("kubectl config view --minify"),
    }
}

fn certificate(server: &str, cause: &str) -> Error {
    let why = match cause {
        _ if cause.contains("UnknownIssuer") => "it is signed by an authority that the kubeconfig does not know",
        _ if cause.contains("NotValidForName") => "it is for another name",
        _ if cause.contains("Expired") => "it has expired",
        other => other,
    };
    Error::failed(format!("the certificate of {server} cannot be trusted: {why}"))
        .hint("--certificate-authority FILE or --tls-server-name NAME; --insecure-skip-tls-verify checks nothing")
}

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
