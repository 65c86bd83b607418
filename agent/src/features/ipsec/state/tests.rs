use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn tuple(source: &str, destination: &str, proto: u8, selector: [u16; 2]) -> Tuple {
    let bytes = |text: &str| {
        let IpAddr::V4(address) = ip(text) else { panic!() };
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&address.octets());
        bytes
    };
    Tuple { src: bytes(source), dst: bytes(destination), selector, proto, family: 4 }
}

fn association(source: &str, destination: &str, spi: u32) -> Association {
    Association {
        source: ip(source),
        destination: ip(destination),
        spi,
        protocol: ESP,
        reqid: 7,
        is_transport: false,
        ports: None,
        failures: Failures::default(),
    }
}

fn policy(direction: Direction, source: &str, destination: &str) -> Policy {
    let template = Template {
        source: ip("192.0.2.1"),
        destination: ip("192.0.2.2"),
        protocol: ESP,
        reqid: 7,
        is_transport: false,
        is_optional: false,
    };
    let (source, destination) = (source.parse().unwrap(), destination.parse().unwrap());
    let mut selector = Selector::default();
    (selector.source, selector.destination) = (source, destination);
    Policy { selector, direction, priority: 10, blocks: false, templates: vec![template], is_bound: false }
}

fn state(objects: impl IntoIterator<Item = Object>) -> State {
    let mut state = State::default();
    list(&mut state, objects);
    state
}

fn list(state: &mut State, objects: impl IntoIterator<Item = Object>) {
    objects.into_iter().for_each(|object| state.add(object));
    state.end_list();
}

fn tunnel() -> Vec<Object> {
    vec![
        Object::Association(association("192.0.2.1", "192.0.2.2", 0x100)),
        Object::Policy(policy(Direction::Out, "10.0.0.0/16", "10.1.0.0/16")),
    ]
}

const TCP: u8 = 6;

#[test]
fn the_outer_flow_of_an_association_and_the_inner_flows_of_its_policy_are_known() {
    let state = state(tunnel());
    assert_eq!(state.code(&tuple("192.0.2.1", "192.0.2.2", ESP, [0; 2])), Some(SUCCESS));
    assert_eq!(state.code(&tuple("10.0.0.5", "10.1.0.9", TCP, [4000, 80])), Some(SUCCESS));
    // Another direction, another protocol, another network.
    assert_eq!(state.code(&tuple("192.0.2.2", "192.0.2.1", ESP, [0; 2])), None);
    assert_eq!(state.code(&tuple("192.0.2.1", "192.0.2.2", TCP, [4000, 80])), None);
    assert_eq!(state.code(&tuple("10.0.0.5", "10.2.0.9", TCP, [4000, 80])), None);
}

#[test]
fn a_policy_without_its_association_and_one_that_blocks_are_errors() {
    let blocks =
        Policy { blocks: true, templates: Vec::new(), ..policy(Direction::Forward, "10.9.0.0/16", "10.1.0.0/16") };
    let other = Association { reqid: 8, ..association("192.0.2.1", "192.0.2.2", 0x100) };
    let [_, out] = <[Object; 2]>::try_from(tunnel()).unwrap();
    let state = state([Object::Association(other), out, Object::Policy(blocks)]);
    assert_eq!(state.code(&tuple("10.0.0.5", "10.1.0.9", TCP, [4000, 80])), Some(NO_ASSOCIATION));
    assert_eq!(state.code(&tuple("10.9.0.5", "10.1.0.9", TCP, [4000, 80])), Some(BLOCKED));
}

#[test]
fn esp_that_a_policy_demands_but_no_association_has_is_an_error() {
    let state = state([Object::Policy(policy(Direction::Out, "10.0.0.0/16", "10.1.0.0/16"))]);
    assert_eq!(state.code(&tuple("192.0.2.1", "192.0.2.2", ESP, [0; 2])), Some(NO_ASSOCIATION));
    assert_eq!(state.code(&tuple("192.0.2.1", "192.0.2.9", ESP, [0; 2])), None);
}

#[test]
fn the_policy_of_the_smallest_priority_decides_whether_wide_or_exact() {
    let bypass =
        |priority| Policy { priority, templates: Vec::new(), ..policy(Direction::Out, "10.0.0.5/32", "10.1.0.9/32") };
    let flow = tuple("10.0.0.5", "10.1.0.9", TCP, [4000, 80]);
    assert_eq!(state(tunnel().into_iter().chain([Object::Policy(bypass(1))])).code(&flow), None);
    assert_eq!(state(tunnel().into_iter().chain([Object::Policy(bypass(99))])).code(&flow), Some(SUCCESS));
}

#[test]
fn ports_and_protocol_of_a_selector_count() {
    let mut policy = policy(Direction::Out, "10.0.0.0/16", "10.1.0.0/16");
    policy.selector.protocol = TCP;
    policy.selector.destination_port = (80, 0xffff);
    let state = state([Object::Policy(policy)]);
    assert_eq!(state.code(&tuple("10.0.0.5", "10.1.0.9", TCP, [4000, 80])), Some(NO_ASSOCIATION));
    assert_eq!(state.code(&tuple("10.0.0.5", "10.1.0.9", TCP, [4000, 81])), None);
    assert_eq!(state.code(&tuple("10.0.0.5", "10.1.0.9", UDP, [4000, 80])), None);
}

#[test]
fn transport_mode_takes_the_ends_of_the_packet() {
    let mut policy = policy(Direction::Out, "192.0.2.1/32", "192.0.2.2/32");
    let any = ip("0.0.0.0");
    policy.templates[0] = Template { is_transport: true, source: any, destination: any, ..policy.templates[0] };
    let transport = Association { is_transport: true, ..association("192.0.2.1", "192.0.2.2", 0x100) };
    let state = state([Object::Policy(policy), Object::Association(transport)]);
    assert_eq!(state.code(&tuple("192.0.2.1", "192.0.2.2", UDP, [6081, 6081])), Some(SUCCESS));
}

#[test]
fn esp_in_udp_is_known_by_its_ports() {
    let through = Association { ports: Some([4500, 4501]), ..association("192.0.2.1", "192.0.2.2", 0x100) };
    let state = state([Object::Association(through)]);
    assert_eq!(state.code(&tuple("192.0.2.1", "192.0.2.2", UDP, [4500, 4501])), Some(SUCCESS));
    assert_eq!(state.code(&tuple("192.0.2.1", "192.0.2.2", UDP, [4500, 53])), None);
}

#[test]
fn what_goes_wrong_in_an_association_is_told_in_the_interval_in_which_it_grows() {
    let failing = |failures| {
        let mut objects = tunnel();
        objects[0] = Object::Association(Association { failures, ..association("192.0.2.1", "192.0.2.2", 0x100) });
        objects
    };
    let inner = tuple("10.0.0.5", "10.1.0.9", TCP, [4000, 80]);
    // What was there at the beginning is old.
    let mut state = state(failing(Failures { replayed: 3, forged: 0 }));
    assert_eq!(state.code(&inner), Some(SUCCESS));
    list(&mut state, failing(Failures { replayed: 4, forged: 0 }));
    assert_eq!(state.code(&inner), Some(REPLAYED));
    list(&mut state, failing(Failures { replayed: 4, forged: 0 }));
    assert_eq!(state.code(&inner), Some(REPLAYED), "the interval is not over");
    state.end_interval();
    assert_eq!(state.code(&inner), Some(SUCCESS));
    list(&mut state, failing(Failures { replayed: 4, forged: 1 }));
    assert_eq!(state.code(&inner), Some(FORGED));
}

#[test]
fn policies_for_packets_with_a_mark_are_left_out() {
    let bound = Policy { is_bound: true, ..policy(Direction::Out, "0.0.0.0/0", "0.0.0.0/0") };
    assert_eq!(state([Object::Policy(bound)]).code(&tuple("10.0.0.5", "10.1.0.9", TCP, [1, 2])), None);
}
