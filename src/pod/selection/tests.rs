use std::{cell::RefCell, collections::BTreeMap, rc::Rc, thread};

use flow::filter::ObjectKind;

use super::*;

/// Addresses of objects by name.
type Listed = BTreeMap<String, BTreeSet<IpAddr>>;

/// A made-up cluster: its version, and its objects; `None` as long as they have not been listed.
#[derive(Clone, Debug, Default)]
struct Cluster(Rc<RefCell<(u64, Option<Listed>)>>);

impl Cluster {
    fn set(&self, objects: &[(&str, &[&str])]) {
        let addresses = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        let mut known = self.0.borrow_mut();
        known.0 += 1;
        known.1 = Some(objects.iter().map(|(name, texts)| ((*name).to_owned(), addresses(texts))).collect());
    }
}

impl Directory for Cluster {
    fn is_ready(&self) -> bool {
        self.0.borrow().1.is_some()
    }

    fn version(&self) -> u64 {
        self.0.borrow().0
    }

    fn resolve(&self, object: &Object, default_namespace: &str) -> Result<Resolved, String> {
        let known = self.0.borrow();
        let name = format!("{}/{}", object.namespace.as_deref().unwrap_or(default_namespace), object.name);
        let Some(addresses) = known.1.as_ref().and_then(|objects| objects.get(&name)) else {
            return Ok(Resolved { remarks: vec![format!("no pod {name}")], ..Resolved::default() });
        };
        Ok(Resolved { addresses: addresses.clone(), objects: 1, remarks: Vec::new() })
    }
}

fn pod(name: &str) -> SetSource {
    SetSource::Object(Object { kind: ObjectKind::Pod, namespace: None, name: name.to_owned() })
}

fn of_set(set: u8) -> Rules {
    vec![Rule { net_set: Some(set), ..Rule::default() }]
}

fn selected(cluster: &Cluster) -> Selected<Cluster> {
    let fixed = SetSource::Addresses(vec!["192.0.2.1".parse().unwrap()]);
    Selected::new(of_set(0), vec![pod("web"), fixed], "shop", cluster.clone())
}

/// After the rest between two looks.
fn look(selected: &mut Selected<Cluster>) -> bool {
    thread::sleep(REST);
    selected.look()
}

fn first_set(selected: &Selected<Cluster>) -> Vec<String> {
    selected.selection(Vec::new()).sets[0].iter().map(ToString::to_string).collect()
}

#[test]
fn nothing_is_taken_as_long_as_objects_are_not_known() {
    let cluster = Cluster::default();
    let mut selected = selected(&cluster);
    let own = vec![Own::Address("10.0.0.9".parse().unwrap())];
    let before = selected.selection(own.clone());
    assert_eq!((before.rules.len(), before.sets.len(), &before.own), (1, 0, &own));
    assert!(before.rules[0].is_unconditional() && !before.rules[0].accepts());
    assert!(!look(&mut selected));
    cluster.set(&[]);
    assert!(look(&mut selected), "known now, and there is none");
    assert_eq!(selected.selection(Vec::new()).rules, of_set(0));
    assert_eq!(first_set(&selected), [""; 0]);
    assert_eq!(selected.news(), ["no pod shop/web"]);
}

#[test]
fn pods_come_and_go_and_each_change_is_told_once() {
    let cluster = Cluster::default();
    cluster.set(&[("shop/web", &["10.0.0.1"])]);
    let mut selected = selected(&cluster);
    assert_eq!(first_set(&selected), ["10.0.0.1"]);
    assert!(!look(&mut selected), "nothing has changed");
    cluster.set(&[("shop/web", &["10.0.0.1", "fd00::1"])]);
    assert!(look(&mut selected));
    assert_eq!(first_set(&selected), ["10.0.0.1", "fd00::1"]);
    cluster.set(&[("shop/web", &["10.0.0.1", "fd00::1"]), ("shop/other", &["10.0.0.7"])]);
    assert!(!look(&mut selected), "something else has changed");
    assert!(selected.news().is_empty());
    for _ in 0..2 {
        cluster.set(&[]);
        look(&mut selected);
    }
    assert_eq!(first_set(&selected), [""; 0]);
    assert_eq!(selected.news(), ["no pod shop/web"], "said once, as long as it holds");
    assert_eq!(selected.selection(Vec::new()).sets[1].len(), 1, "addresses of the expression stay");
}

#[test]
fn rules_may_be_replaced_over_the_same_sets() {
    let cluster = Cluster::default();
    cluster.set(&[("shop/web", &["10.0.0.1"])]);
    let mut selected = selected(&cluster);
    selected.set_rules(of_set(1));
    let Selection { rules, sets, .. } = selected.selection(Vec::new());
    assert_eq!((rules, sets.len()), (of_set(1), 2));
    assert!(check(&of_set(1), 2).is_ok());
    assert!(check(&of_set(2), 2).unwrap_err().contains("set 2"));
    assert!(check(&vec![Rule::default(); 65], 2).unwrap_err().contains("65"));
}

#[test]
fn more_addresses_than_fit_are_left_out_and_that_is_said() {
    let many: Vec<String> = (0..70_000_u32).map(|n| IpAddr::from((n + (10 << 24)).to_be_bytes()).to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let cluster = Cluster::default();
    cluster.set(&[("shop/web", &many)]);
    let mut selected = Selected::new(of_set(0), vec![pod("web"), pod("web")], "shop", cluster.clone());
    let sets = selected.selection(Vec::new()).sets;
    assert_eq!([sets[0].len(), sets[1].len()], [MAX_ADDRESSES, 0]);
    assert!(selected.news()[0].starts_with("more than 65536 addresses"));
}

#[test]
fn without_objects_rules_are_in_force_at_once() {
    let selected = Selected::new(Vec::new(), Vec::new(), "shop", Cluster::default());
    assert_eq!(selected.selection(Vec::new()), Selection::default());
}
