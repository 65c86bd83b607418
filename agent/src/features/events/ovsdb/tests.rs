//! Against a server that answers as ovsdb-server does (RFC 7047, section 4.1.3 and 5.2.2).

use std::{io::Read as _, os::unix::net::UnixListener, thread::JoinHandle};

use super::*;

const SAMPLE_ID: &str = "6d3fd4ac-4b1e-4d9e-bd2c-8b0a1d1d8a11";

/// Serves as many clients; how many selections it answered.
pub(in super::super) fn fake(socket: &Path, clients: usize) -> JoinHandle<usize> {
    let _ = std::fs::remove_file(socket);
    let listener = UnixListener::bind(socket).unwrap();
    let socket = socket.to_owned();
    std::thread::spawn(move || {
        let served = (0..clients).map(|_| serve(listener.accept().unwrap().0)).sum();
        let _ = std::fs::remove_file(socket);
        served
    })
}

fn serve(mut stream: UnixStream) -> usize {
    let (mut selections, mut received, mut buffer) = (0, Vec::new(), [0; 4096]);
    // Before it answers anything it wants to know whether the client lives.
    stream.write_all(br#"{"id":"echo","method":"echo","params":[]}"#).unwrap();
    loop {
        let read = stream.read(&mut buffer).unwrap_or(0);
        if read == 0 {
            return selections;
        }
        received.extend_from_slice(&buffer[..read]);
        let mut values = serde_json::Deserializer::from_slice(&received).into_iter::<Value>();
        let requests: Vec<Value> = values.by_ref().map_while(Result::ok).collect();
        let offset = values.byte_offset();
        received.drain(..offset);
        for request in requests {
            if request["id"] == "echo" {
                assert_eq!(request["result"], json!([]));
                continue;
            }
            selections += 1;
            let answer = json!({"id": request["id"], "result": [rows(&request)], "error": null}).to_string();
            // In two pieces, as a stream may come.
            let (first, second) = answer.as_bytes().split_at(answer.len() / 2);
            stream.write_all(first).unwrap();
            stream.write_all(second).unwrap();
        }
    }
}

fn rows(request: &Value) -> Value {
    assert_eq!((&request["method"], &request["params"][0]), (&json!("transact"), &json!("OVN_Northbound")));
    let operation = &request["params"][1];
    assert_eq!(operation["op"], "select");
    let condition = &operation["where"][0];
    let acl = |owner: &str, name: &str| {
        json!({"action": "allow-related", "external_ids": ["map", [
            ["direction", "Ingress"], ["k8s.ovn.org/name", name], ["k8s.ovn.org/owner-type", owner],
            ["k8s.ovn.org/owner-controller", "default-network-controller"],
        ]]})
    };
    match (operation["table"].as_str().unwrap(), condition[0].as_str().unwrap()) {
        ("Sample", "metadata") if condition[2] == 1234 => json!({"rows": [{"_uuid": ["uuid", SAMPLE_ID]}]}),
        ("Sample", "metadata") if condition[2] == 666 => json!({"error": "resources exhausted", "details": "made up"}),
        ("Sample", "metadata") => json!({"rows": []}),
        ("ACL", "sample_new") if condition[2] == json!(["uuid", SAMPLE_ID]) => {
            json!({"rows": [acl("NetworkPolicy", "shop:allow-web")]})
        }
        ("ACL", "sample_est") => json!({"rows": [acl("EgressFirewall", "shop"), acl("EgressFirewall", "shop")]}),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_cookie_leads_to_the_policy_that_its_sample_belongs_to() {
    let socket = std::env::temp_dir().join(format!("oc-netobserv-ovsdb-{}.sock", std::process::id()));
    let server = fake(&socket, 1);
    let mut client = Client::connect(&socket).unwrap();
    let cookie = |bytes: [u8; 8]| Cookie::parse(&bytes).unwrap();
    let policy = client.event(cookie([2, 0, 0, 5, 0, 0, 4, 210])).unwrap().unwrap();
    let expected = NetworkEvent {
        feature: "acl".into(),
        r#type: "NetworkPolicy".into(),
        namespace: "shop".into(),
        name: "allow-web".into(),
        action: "allow-related".into(),
        direction: "Ingress".into(),
    };
    assert_eq!(policy, expected);
    // Unknown number, unknown application, two that share it.
    assert_eq!(client.event(cookie([2, 0, 0, 5, 0, 0, 4, 211])).unwrap(), None);
    assert_eq!(client.event(cookie([9, 0, 0, 5, 0, 0, 4, 210])).unwrap(), None);
    assert_eq!(client.event(cookie([3, 0, 0, 5, 0, 0, 4, 210])).unwrap(), None);
    assert!(client.event(Cookie { domain: 2 << 24, point: 666 }).is_err());
    drop(client);
    assert_eq!(server.join().unwrap(), 6);
}

#[test]
fn who_owns_a_list_decides_what_its_name_means() {
    let of = |owner: &str, name: &str| {
        let row = json!({"action": "drop", "external_ids": ["map", [["k8s.ovn.org/owner-type", owner], ["k8s.ovn.org/name", name]]]});
        let event = event(&row);
        [event.namespace, event.name, event.direction].map(|text| text.to_string())
    };
    assert_eq!(of("EgressFirewall", "shop"), ["shop", "", "Egress"]);
    assert_eq!(of("NetpolNamespace", "shop"), ["shop", "", ""]);
    assert_eq!(of("NetpolNode", ""), ["", "", "Ingress"]);
    assert_eq!(of("AdminNetworkPolicy", "strict"), ["", "strict", ""]);
    assert_eq!(of("NetworkPolicy", "odd"), ["", "odd", ""]);
}

#[test]
fn only_eight_bytes_are_a_cookie_of_open_vswitch() {
    assert_eq!(Cookie::parse(&[2, 0, 0, 5, 0, 0, 4, 210]), Some(Cookie { domain: 0x0200_0005, point: 1234 }));
    assert_eq!(Cookie::parse(&[1, 2, 3]), None);
}
