//! The client's sign of life: a Lease in the capture's namespace, renewed while somebody looks after the capture.
//!
//! Owns the name of the object and the renewal. What follows when it is not renewed is the guardian's to judge.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flow::show::date_time;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use log::debug;
use serde_json::json;
use tokio::{task::JoinHandle, time};

/// Name of the Lease.
pub(crate) const NAME: &str = "client";

/// Time between two renewals: several fit into the shortest lease that is allowed.
const RENEWAL: Duration = Duration::from_secs(20);

/// Time between two attempts when one has failed.
const RETRY: Duration = Duration::from_secs(2);

/// Renews the lease until it is dropped.
#[derive(Debug)]
pub(crate) struct Renewal(JoinHandle<()>);

impl Drop for Renewal {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Begins to renew the lease of the capture in `namespace`, at once and at least three times per `lease`.
pub(crate) fn keep_alive(client: Client, namespace: &str, lease: Duration) -> Renewal {
    let api = Api::<Lease>::namespaced(client, namespace);
    let pause = RENEWAL.min(lease / 4);
    Renewal(tokio::spawn(async move {
        loop {
            let renewed = renew(&api).await;
            let failed = renewed.inspect_err(|error| debug!("cannot renew the lease: {error}")).is_err();
            time::sleep(if failed { RETRY.min(pause) } else { pause }).await;
        }
    }))
}

async fn renew(api: &Api<Lease>) -> kube::Result<()> {
    let patch = Patch::Merge(json!({ "spec": { "renewTime": micro_time(SystemTime::now()) } }));
    api.patch(NAME, &PatchParams::default(), &patch).await.map(drop)
}

/// RFC 3339 with microseconds, as the API's MicroTime wants it.
pub(crate) fn micro_time(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let text = date_time(since.as_millis() as u64).replace(' ', "T");
    format!("{text}{:03}Z", since.as_micros() % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_micro_time_has_six_digits() {
        let time = UNIX_EPOCH + Duration::from_micros(1_782_123_072_900_042);
        assert_eq!(micro_time(time), "2026-06-22T10:11:12.900042Z");
    }
}
