use super::*;
use crate::cluster::rights::needed::every;

/// What docs/rbac.md grants is what the code asks for: between the two lines that fence the YAML.
#[test]
fn the_documented_role_is_the_one_that_is_checked() {
    let document = include_str!("../../../../docs/rbac.md");
    let expected = role("netobserv-capture", &every());
    assert!(document.contains(&format!("```yaml\n{expected}```")), "docs/rbac.md must have:\n{expected}");
}

fn right(group: &'static str, resource: &'static str, verb: &'static str) -> Right {
    Right { group, resource, verb, name: None, granted_on: false }
}

#[test]
fn all_that_is_missing_is_in_one_sentence_and_one_role() {
    let missing = [
        right("", "pods", "create"),
        right("", "pods", "get"),
        right("", "secrets", "create"),
        right("apps", "daemonsets", "create"),
        right("", "pods", "get"),
    ];
    let error = refusal("system:serviceaccount:team:jane", &missing);
    assert_eq!(
        error.message,
        "system:serviceaccount:team:jane may not: create, get pods; create secrets; create daemonsets.apps"
    );
    let hint = error.hint.unwrap();
    let role = hint.find("apiVersion").unwrap();
    let documents: Vec<serde_json::Value> = serde_saphyr::from_multiple(&hint[role..]).unwrap();
    assert_eq!(documents[0]["rules"].as_array().unwrap().len(), 3);
    assert_eq!(
        documents[1]["subjects"][0],
        serde_json::json!({"kind": "ServiceAccount", "namespace": "team", "name": "jane"})
    );
    assert_eq!(documents[1]["roleRef"]["name"], documents[0]["metadata"]["name"]);
}

#[test]
fn rights_for_single_objects_keep_their_names() {
    let named = |name| Right { name: Some(name), ..right("", "configmaps", "get") };
    let text = role("x", &[right("", "configmaps", "get"), named("a"), named("b")]);
    assert!(
        text.ends_with("- apiGroups: [\"\"]\n  resources: [configmaps]\n  resourceNames: [a, b]\n  verbs: [get]\n"),
        "{text}"
    );
}
