//! Whoever comes to the collector without a certificate of this capture.

use std::time::Duration;

use lab::{
    capture::says,
    cluster::{self, Trace, get, kubectl, on_node},
};
use serde_json::Value;

use super::{assert_refused, ours, trace};
use crate::{flows, shop};

/// How a capture stands, from its collector.
pub(crate) fn state(trace: &Trace) -> anyhow::Result<Value> {
    let program = "/work/oc-netobserv";
    let text = kubectl(["-n", trace.namespace(), "exec", "collector", "--", program, "pod", "status"])?;
    Ok(serde_json::from_str(&text)?)
}

/// How many times somebody was turned away, as far as it was told.
fn turned_away(trace: &Trace) -> usize {
    state(trace).unwrap()["snapshot"]["notices"].to_string().matches("was turned away").count()
}

#[test]
fn strangers_are_turned_away_and_counted() {
    needs_cluster!();
    let shop = shop();
    let trace = trace("strangers");
    let name = trace.namespace();
    let mut running = flows().args("--max-time 3m -o json --capture-namespace").arg(name).spawn().unwrap();
    running.wait_for("attached", Duration::from_mins(1)).unwrap();
    let address =
        get(&format!("-n {name} service collector")).unwrap()["spec"]["clusterIP"].as_str().unwrap().to_owned();
    assert_eq!(turned_away(&trace), 0);

    // Garbage from a pod.
    shop.in_client(&format!("echo garbage | nc -w 2 {address} 9999; true")).unwrap();
    cluster::wait("the first", Duration::from_secs(10), || Ok(turned_away(&trace) == 1)).unwrap();
    // TLS without a certificate, from a node: the server shows its own and ends the handshake.
    let node = &cluster::nodes().unwrap()[0];
    let tls = format!("(sleep 1; echo hello) | openssl s_client -connect {address}:9999 2>&1; true");
    let said = on_node(node, &["sh", "-c", &tls]).unwrap();
    assert!(said.contains("alert certificate required") || said.contains("alert"), "{said}");
    cluster::wait("the second", Duration::from_secs(10), || Ok(turned_away(&trace) == 2)).unwrap();
    // A certificate of another capture is not ours either.
    let other = foreign_certificate(node, &address);
    assert!(other.contains("alert"), "{other}");
    cluster::wait("the third", Duration::from_secs(10), || Ok(turned_away(&trace) == 3)).unwrap();
    eprintln!("{}", state(&trace).unwrap()["snapshot"]["notices"]);

    // What is served in the clear is our executable, by architecture, and nothing else.
    let ask =
        |line: &str| shop.in_client(&format!("echo '{line}' | nc -w 3 {address} 9998 | head -c 40 | head -n 1; true"));
    for wrong in ["GET ../tls/tls.key", "GET /tls/tls.key", "GET collector.sock", "GET ", "GET / HTTP/1.1", "hello"] {
        assert!(["", "0"].contains(&ask(wrong).unwrap().trim()), "{wrong}: {:?}", ask(wrong));
    }
    let length: u64 =
        ask("GET amd64").unwrap().trim().parse::<u64>().or_else(|_| ask("GET x86_64").unwrap().trim().parse()).unwrap();
    assert!(length > 1_000_000, "{length}");

    let policy = get(&format!("-n {name} networkpolicy collector")).unwrap();
    assert_eq!(policy["spec"]["ingress"][0]["ports"][0]["port"], 9999);
    let selected = &policy["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"];
    assert_eq!(selected, "collector");

    // The agents' channel is as it was.
    shop.requests(3).unwrap();
    let finished = running.stop().unwrap();
    assert!(!says(&finished.stderr, "was lost"), "{:?}", finished.stderr);
    assert_eq!(trace.left().unwrap(), [""; 0]);
}

/// What openssl says of a connection with a certificate that another authority has signed.
fn foreign_certificate(node: &str, address: &str) -> String {
    let script = format!(
        "d=$(mktemp -d); openssl req -x509 -newkey rsa:2048 -nodes -keyout $d/key -out $d/crt -subj /CN=agent -days 1 2>/dev/null; \
         (sleep 1; echo hello) | openssl s_client -connect {address}:9999 -cert $d/crt -key $d/key 2>&1; rm -r $d"
    );
    on_node(node, &["sh", "-c", &script]).unwrap_or_else(|error| error.to_string())
}

#[test]
fn printed_objects_are_accepted_by_a_server() {
    needs_cluster!();
    for (number, options) in
        ["", "--image localhost/none:1 --get-subnets", "--netns all", "--privileged"].iter().enumerate()
    {
        let trace = trace(&format!("printed-{number}"));
        let name = trace.namespace();
        let told =
            ours(&format!("flows --yaml --capture-namespace {name} --node-selector no-such-label!=here {options}"));
        assert_eq!(told.code, Some(0), "{told:?}");
        assert!(!trace.is_there().unwrap(), "printing touches nothing");
        // For real: a server tries pods only where their accounts are.
        let tried = cluster::kubectl_with(["apply", "--validate=false", "-f", "-"], &told.out).unwrap();
        for object in ["daemonset.apps/", "pod/collector created", "networkpolicy", "clusterrolebinding", "lease"] {
            assert!(tried.contains(object), "{object}: {tried}");
        }
        // Kubelets take long over a pod that is deleted while its sandbox is being made.
        cluster::wait("the kubelets", Duration::from_mins(1), || {
            let pods = cluster::items(&format!("-n {name} pods"))?;
            Ok(pods.len() == 3 && pods.iter().all(|pod| pod["status"]["containerStatuses"].is_array()))
        })
        .unwrap();
        let cleanup = ours(&format!("cleanup --yes {name}"));
        assert_eq!(cleanup.code, Some(0), "{cleanup:?}");
        assert_eq!(trace.left().unwrap(), [""; 0]);
    }
    let told = ours("flows --yaml --server https://127.0.0.1:1");
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(told.err.contains("printed without a look at a cluster"), "{}", told.err);
    assert_refused(&ours("flows --dry-run=server"), 2, &["--dry-run=server"]);
}
