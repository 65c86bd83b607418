//! The objects of a capture as YAML, in the order in which they are created, and how to go on with them.

use std::fmt::Write as _;

use kube::core::DynamicObject;

use super::objects::ClusterPlan;
use crate::error::Error;

/// The documents, after a comment that says what to do with them.
pub fn print(plan: &ClusterPlan, by_hand: &str) -> Result<String, Error> {
    let mut text = String::new();
    for line in by_hand.lines() {
        let _ = writeln!(text, "# {line}");
    }
    for object in plan.objects() {
        text.push_str("---\n");
        text.push_str(&document(object)?);
    }
    Ok(text)
}

fn document(object: &DynamicObject) -> Result<String, Error> {
    serde_saphyr::to_string(object).map_err(|error| Error::failed(format!("cannot write YAML: {error}")))
}
