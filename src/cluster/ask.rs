//! Questions to the API server: asked again while it is away for a moment, and failures in one sentence.

use std::time::{Duration, Instant};

use log::debug;
use tokio::time;

use crate::error::Error;

/// Longest time without an answer.
const OUTAGE: Duration = Duration::from_secs(45);

/// Longest wait for one answer.
const ANSWER: Duration = Duration::from_secs(15);

/// Time between two attempts.
const PAUSE: Duration = Duration::from_millis(500);

/// Asks until there is an answer, a refusal, or too long a silence. `what` begins the sentence of a failure.
pub(crate) async fn ask<T>(what: &str, mut question: impl AsyncFnMut() -> kube::Result<T>) -> Result<T, Error> {
    let start = Instant::now();
    loop {
        let error = match time::timeout(ANSWER, question()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) if is_final(&error) => return Err(failed(what, &error)),
            Ok(Err(error)) => failed(what, &error),
            Err(_) => Error::failed(format!("{what}: the API server does not answer")),
        };
        if start.elapsed() > OUTAGE {
            return Err(error);
        }
        debug!("asking again: {}", error.message);
        time::sleep(PAUSE).await;
    }
}

/// The same where something that is not there, or is going already, is just as well.
pub(crate) async fn ask_gone<T>(what: &str, mut question: impl AsyncFnMut() -> kube::Result<T>) -> Result<(), Error> {
    let tolerant = async || match question().await {
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        other => other.map(drop),
    };
    ask(what, tolerant).await
}

/// The server has understood and says no.
fn is_final(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => status.code != 429 && status.code < 500,
        kube::Error::Auth(_) | kube::Error::SerdeError(_) => true,
        _ => false,
    }
}

/// One sentence.
pub(crate) fn failed(what: &str, error: &kube::Error) -> Error {
    match error {
        kube::Error::Api(status) => Error::failed(format!("{what}: {}", status.message.trim())),
        error => Error::failed(format!("{what}: {}", root(error))),
    }
}

/// The innermost cause, which is what tells people something: the outer ones are layers of the client.
pub(crate) fn root(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
