//! The flight recorder of a cluster: one save of the rings of all nodes.

use std::{collections::BTreeSet, fs, thread, time::Duration};

use lab::cluster;

use super::packets::{capinfos, tshark};
use crate::{packets, shop};

#[test]
fn a_signal_saves_the_rings_of_both_nodes_in_one_file() {
    needs_cluster!();
    let shop = shop();
    let before = cluster::leftovers().unwrap();
    let mut capture = packets().args("--port 8080 --ring 10s").start().unwrap();
    shop.requests(5).unwrap();
    thread::sleep(Duration::from_secs(1));
    capture.signal(libc::SIGUSR1);
    capture.wait_for("saving", Duration::from_secs(30)).unwrap();
    // Both deliver what they hold.
    thread::sleep(Duration::from_secs(4));
    let finished = capture.stop().unwrap();
    let file = finished.files.pcapng().unwrap();
    assert!(file.to_string_lossy().contains("signal"), "{}", file.display());
    assert!(String::from_utf8_lossy(&fs::read(file).unwrap()).contains("SIGUSR1"), "why it was saved");
    assert_eq!(capinfos(file)["Strict time order"], "True");
    let seen = tshark(file, "tcp.flags.syn == 1 && tcp.flags.ack == 0", &["frame.interface_name", "tcp.srcport"]);
    let nodes: BTreeSet<&str> =
        seen.iter().filter_map(|packet| packet[0].rsplit_once('@')).map(|(_, node)| node).collect();
    assert_eq!(nodes, cluster::nodes().unwrap().iter().map(String::as_str).collect(), "{seen:?}");
    let connections: BTreeSet<&str> = seen.iter().map(|packet| packet[1].as_str()).collect();
    assert!(connections.len() >= 5, "what came before the signal is there: {seen:?}");
    assert_eq!(cluster::leftovers_since(&before).unwrap(), [] as [&str; 0]);
}
