//! Who had which address when, on a Kubernetes cluster: watches and look-ups.
