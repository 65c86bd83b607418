//! On which nodes a workload runs, in the scheduler's terms.

use k8s_openapi::api::core::v1::{Affinity, NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm};

use crate::plan::images::Group;

/// Labels of nodes that are not machines: pods there run elsewhere, without a kernel to look at.
const VIRTUAL: [(&str, &str); 2] = [("type", "virtual-kubelet"), ("eks.amazonaws.com/compute-type", "fargate")];

/// The nodes of the group, and those that come later and match, as far as the group stands for all of its architecture.
pub(super) fn affinity(group: &Group, selected: Vec<NodeSelectorRequirement>) -> Affinity {
    let mut expressions = vec![requirement("kubernetes.io/os", "In", "linux")];
    expressions.extend(group.arch.as_ref().map(|arch| requirement("kubernetes.io/arch", "In", arch)));
    expressions.extend(VIRTUAL.map(|(key, value)| requirement(key, "NotIn", value)));
    expressions.extend(selected);
    let terms = if group.is_all { vec![term(&expressions, None)] } else { one_by_one(group, &expressions) };
    let required = NodeSelector { node_selector_terms: terms };
    let node =
        NodeAffinity { required_during_scheduling_ignored_during_execution: Some(required), ..NodeAffinity::default() };
    Affinity { node_affinity: Some(node), ..Affinity::default() }
}

/// A term per node, because a field takes one value and terms are alternatives.
fn one_by_one(group: &Group, expressions: &[NodeSelectorRequirement]) -> Vec<NodeSelectorTerm> {
    group.nodes.iter().map(|node| term(expressions, Some(requirement("metadata.name", "In", node)))).collect()
}

fn term(expressions: &[NodeSelectorRequirement], field: Option<NodeSelectorRequirement>) -> NodeSelectorTerm {
    NodeSelectorTerm { match_expressions: Some(expressions.to_vec()), match_fields: field.map(|field| vec![field]) }
}

fn requirement(key: &str, operator: &str, value: &str) -> NodeSelectorRequirement {
    NodeSelectorRequirement { key: key.to_owned(), operator: operator.to_owned(), values: Some(vec![value.to_owned()]) }
}
