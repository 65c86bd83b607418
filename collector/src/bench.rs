//! For benchmarks and tests of other crates: made-up data, and the stores without threads around them. No part of the
//! program uses it.

use std::{
    io,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use flow::{Batch, CaptureConfig, Stop};

use crate::{Options, Status, about::About, files::Files, store::Stores};

pub mod data;

/// What a run of [`stores`] took.
#[derive(Clone, Copy, Debug)]
pub struct Took {
    /// From the first batch until all is in the files, indexes not included.
    pub write: Duration,
    /// Processor time of it until the files are closed, the kernel's part included.
    pub cpu: Duration,
    /// Building the indexes.
    pub index: Duration,
    /// Size of all files.
    pub bytes: u64,
}

/// Writes `batches` to new files below `dir` on this thread, as the store thread of a capture does.
///
/// # Errors
/// Anything that a store could not do.
pub fn stores<'a>(dir: &Path, config: CaptureConfig, batches: impl IntoIterator<Item = &'a Batch>) -> io::Result<Took> {
    let error = |text: String| io::Error::other(text);
    let options = options(config, dir);
    let (about, status, stop) = (Arc::new(About::new(&options)), Status::new(Stop::default()), Stop::default());
    let config = &options.config;
    let files = Files::create(dir, config.mode, &config.files, &about.stamp()).map_err(|e| error(e.to_string()))?;
    let mut stores = Stores::new(about, status, stop.clone());
    for (path, file) in files.data {
        stores.add_file(path, file).map_err(|e| error(e.to_string()))?;
    }
    if let Some(place) = files.series {
        stores.add_series(place).map_err(|e| error(e.to_string()))?;
    }
    let (started, cpu) = (Instant::now(), cpu_time()?);
    for batch in batches {
        stores.take(batch);
    }
    let cpu = cpu_time()?.saturating_sub(cpu);
    let closing = stores.close();
    let write = started.elapsed().saturating_sub(closing.index);
    match stop.reason() {
        Some(reason) => Err(error(format!("{reason:?}"))),
        None => Ok(Took { write, cpu, index: closing.index, bytes: closing.files.iter().map(|file| file.bytes).sum() }),
    }
}

/// Processor time of this process.
fn cpu_time() -> io::Result<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a timespec that lives through the call.
    match unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) } {
        0 => Ok(Duration::new(time.tv_sec as u64, time.tv_nsec as u32)),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Options of a capture into files below `dir`.
pub fn options(config: CaptureConfig, dir: &Path) -> Options {
    Options {
        output_dir: Some(dir.into()),
        ..Options::local(Arc::new(config), vec!["bench".into()], env!("CARGO_PKG_VERSION").into())
    }
}
