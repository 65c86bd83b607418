//! The door: who may come in, and why others may not.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use flow::control::Hello;
use rustls::ServerConfig;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::Semaphore,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{connection, registry::Registry};
use crate::{frame, message, tls::reason};

/// Longest time from the connection to the greeting.
const GREETING: Duration = Duration::from_secs(10);

/// Greetings at a time; others wait for their turn unaccepted.
const GREETINGS: usize = 128;

/// Connections that wait to be accepted: every node of a large cluster at once.
const BACKLOG: u32 = 4096;

/// Within a runtime.
pub(super) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A collector that was restarted takes its port back. On Windows this would share it with anybody.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

pub(super) async fn run(listener: TcpListener, tls: Arc<ServerConfig>, registry: Arc<Registry>) {
    let acceptor = TlsAcceptor::from(tls);
    let greetings = Arc::new(Semaphore::new(GREETINGS));
    while let Ok(permit) = Arc::clone(&greetings).acquire_owned().await {
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, say: nothing that trying at once would change.
                log::warn!("cannot accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // An IPv4 address is one also where we listen for both kinds.
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        let (acceptor, registry) = (acceptor.clone(), Arc::clone(&registry));
        tokio::spawn(async move {
            let greeted = timeout(GREETING, greet(stream, &acceptor, &registry)).await;
            drop(permit);
            match greeted.unwrap_or_else(|_| Err(format!("it said nothing of sense within {} s", GREETING.as_secs()))) {
                Ok((stream, hello)) => connection::run(stream, hello, address, registry).await,
                Err(why) => registry.refuse(address, why),
            }
        });
    }
}

/// TLS, then the agent's greeting.
async fn greet(
    stream: TcpStream,
    acceptor: &TlsAcceptor,
    registry: &Registry,
) -> Result<(TlsStream<TcpStream>, Hello), String> {
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let mut stream = acceptor.accept(stream).await.map_err(|error| reason(&error))?;
    let frame = frame::read_async(&mut stream).await.map_err(|error| reason(&error))?;
    let Some(frame) = frame.filter(|frame| frame.kind == message::HELLO) else {
        return Err("its first message is no greeting".to_owned());
    };
    let greeting = message::read_hello(&frame.body, registry.version());
    match greeting.and_then(|hello| registry.may_enter(&hello).map(|()| hello)) {
        Ok(hello) => Ok((stream, hello)),
        Err(why) => {
            connection::turn_away(&mut stream, &why).await;
            Err(why)
        }
    }
}
