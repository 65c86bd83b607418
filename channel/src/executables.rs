//! Where agents fetch their executable: plain TCP, because what fetches it is the bootstrap stage, which knows no TLS and
//! trusts what it gets by its SHA-256 alone.
//!
//! The client sends one line, `GET <arch>\n` (`x86_64`, `aarch64`). The server answers `<length>\n`, decimal, the length
//! in bytes of the compressed file, then that file as it is stored, and closes; or `0\n` if there is none (yet) for that
//! architecture, or none of that name: the client tries again later.

use std::{
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    sync::Semaphore,
    time::timeout,
};

/// Clients at a time; others wait unaccepted.
const CLIENTS: usize = 32;

/// Longest time until a client has said what it wants.
const REQUEST: Duration = Duration::from_secs(5);

/// Longest time until it has got it.
const ANSWER: Duration = Duration::from_mins(2);

/// Longest request line, bytes.
const LINE: u64 = 64;

/// Tells where the compressed executable for an architecture lies, if it is there and whole.
pub type Lookup = dyn Fn(&str) -> Option<PathBuf> + Send + Sync;

/// A running server; it ends when this goes.
#[derive(Debug)]
pub struct Executables {
    address: SocketAddr,
    served: Arc<AtomicU64>,
    runtime: Mutex<Option<Runtime>>,
}

impl Executables {
    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Executables that went out whole.
    pub fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }
}

impl Drop for Executables {
    fn drop(&mut self) {
        let runtime = self.runtime.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        runtime.into_iter().for_each(Runtime::shutdown_background);
    }
}

/// Serves executables on a thread of its own.
///
/// # Errors
/// The address cannot be listened at.
pub fn serve(listen: SocketAddr, lookup: Box<Lookup>) -> io::Result<Executables> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("executables")
        .enable_all()
        .build()?;
    let listener = runtime.block_on(TcpListener::bind(listen))?;
    let address = listener.local_addr()?;
    let served = Arc::new(AtomicU64::new(0));
    runtime.spawn(accept(listener, lookup.into(), Arc::clone(&served)));
    Ok(Executables { address, served, runtime: Mutex::new(Some(runtime)) })
}

async fn accept(listener: TcpListener, lookup: Arc<Lookup>, served: Arc<AtomicU64>) {
    let clients = Arc::new(Semaphore::new(CLIENTS));
    while let Ok(permit) = Arc::clone(&clients).acquire_owned().await {
        let Ok((stream, address)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (lookup, served) = (Arc::clone(&lookup), Arc::clone(&served));
        tokio::spawn(async move {
            match answer(stream, &*lookup).await {
                Ok(sent) => drop(served.fetch_add(u64::from(sent), Ordering::Relaxed)),
                Err(error) => log::info!("an executable did not go out to {address}: {error}"),
            }
            drop(permit);
        });
    }
}

/// Whether an executable went out.
async fn answer(stream: TcpStream, lookup: &Lookup) -> io::Result<bool> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    timeout(REQUEST, (&mut stream).take(LINE).read_line(&mut line)).await??;
    let Some(arch) = architecture(&line) else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "what it asks for is no executable"));
    };
    timeout(ANSWER, send(stream.into_inner(), lookup(arch))).await?
}

async fn send(mut stream: TcpStream, path: Option<PathBuf>) -> io::Result<bool> {
    let Some(path) = path else {
        stream.write_all(b"0\n").await?;
        stream.shutdown().await?;
        return Ok(false);
    };
    let file = tokio::fs::File::open(path).await?;
    let length = file.metadata().await?.len();
    stream.write_all(format!("{length}\n").as_bytes()).await?;
    // What is appended meanwhile was not announced.
    let sent = tokio::io::copy_buf(&mut BufReader::with_capacity(1 << 18, file.take(length)), &mut stream).await?;
    stream.shutdown().await?;
    Ok(sent == length)
}

/// The architecture that a request line names.
fn architecture(line: &str) -> Option<&str> {
    let arch = line.strip_prefix("GET ")?.strip_suffix('\n')?;
    let usual = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (!arch.is_empty() && arch.bytes().all(usual)).then_some(arch)
}
