//! Commands of the project: build, docs, bench, e2e.
fn main() {}
