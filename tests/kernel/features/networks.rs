//! Interfaces in namespaces like those of pods.
