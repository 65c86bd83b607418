//! Names on a real cluster. Ignored unless asked for: `NETOBSERV_CLUSTER_TESTS=1 KUBECONFIG=... cargo test -p names -- --ignored --test-threads 1`.
//! Wants two nodes that have the image `localhost/busybox:test`.

#![expect(clippy::unwrap_used, reason = "tests: what fails ends the test and says where")]
#![expect(clippy::print_stdout, reason = "measurements are shown")]

mod many;
mod objects;
mod outage;
mod select;
mod setup;
