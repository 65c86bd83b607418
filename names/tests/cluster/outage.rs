//! The API server away for a while, seen from behind a relay that can be shut.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use kube::{Client, api::DeleteParams};
use names::{Kind, Names, Options};
use tokio::net::{TcpListener, TcpStream};

use crate::setup::{Room, config, until};

/// Passes connections on to `server` while it is open; shutting it cuts those there are and refuses new ones.
struct Relay {
    address: SocketAddr,
    open: Arc<AtomicBool>,
}

impl Relay {
    async fn new(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let open = Arc::new(AtomicBool::new(true));
        let door = Arc::clone(&open);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(pass(connection, server.clone(), Arc::clone(&door)));
            }
        });
        Self { address, open }
    }
}

async fn pass(mut connection: TcpStream, server: String, open: Arc<AtomicBool>) {
    if !open.load(Ordering::Relaxed) {
        return;
    }
    let mut there = TcpStream::connect(server).await.unwrap();
    let shut = async {
        while open.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut connection, &mut there) => {}
        () = shut => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn names_survive_twenty_seconds_without_the_api_server() {
    let room = Room::new("outage").await;
    let mut config = config().await;
    let host = config.cluster_url.host().unwrap().to_owned();
    let relay = Relay::new(format!("{host}:{}", config.cluster_url.port_u16().unwrap_or(443))).await;
    config.cluster_url = format!("https://{}", relay.address).parse().unwrap();
    config.tls_server_name = Some(host);
    let names = Names::new();
    let _watches = names.watch(&Client::try_from(config).unwrap(), &Options::default());
    room.unscheduled("stays", "10.251.0.1").await;
    room.unscheduled("goes", "10.251.0.2").await;
    names.ready().await;
    let there =
        |name: &'static str| names.addresses(Kind::Pod, &room.name, name).filter(|addresses| !addresses.is_empty());
    until("both pods", async || there("stays").and(there("goes"))).await;

    relay.open.store(false, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(10)).await;
    let errors = names.summary().errors;
    println!("while it was away: {errors:#?}");
    assert_eq!(errors.len(), 5, "{errors:?}");
    assert!(errors[0].starts_with("pods are as they were"), "{errors:?}");
    assert!(there("stays").is_some(), "names stay");
    room.pods().delete("goes", &DeleteParams::default().grace_period(0)).await.unwrap();
    room.unscheduled("comes", "10.251.0.3").await;
    tokio::time::sleep(Duration::from_secs(10)).await;

    relay.open.store(true, Ordering::Relaxed);
    let began = Instant::now();
    until("what changed meanwhile", async || there("comes").filter(|_| there("goes").is_none())).await;
    println!("caught up {:.1?} after it was back", began.elapsed());
    until("no errors", async || names.summary().errors.is_empty().then_some(())).await;
    println!("no errors {:.1?} after it was back", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}
