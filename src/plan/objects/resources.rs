//! What pods may use. Memory limits count the maps and rings of eBPF programs, which the kernel charges to the pod.

use std::collections::BTreeMap;

use flow::CaptureConfig;
use k8s_openapi::{api::core::v1::ResourceRequirements, apimachinery::pkg::api::resource::Quantity};

use super::Executable;

const MIB: u64 = 1 << 20;

/// What waits for the collector at most (`pod agent`).
const CHANNEL: u64 = 32 * MIB;

/// An agent's resources.
pub(super) fn agent(config: &CaptureConfig, executable: Option<&Executable>) -> ResourceRequirements {
    let memory = config.agent_memory() + CHANNEL + executable.map_or(0, |executable| executable.size);
    // No CPU limit: an agent that is throttled loses packets.
    requirements(
        &[("cpu", "20m".to_owned()), ("memory", mib(64 * MIB)), ("ephemeral-storage", mib(work(executable)))],
        &[("memory", mib(memory)), ("ephemeral-storage", mib(work(executable) + SPARE))],
    )
}

/// Logs and what the runtime writes for a container.
const SPARE: u64 = 64 * MIB;

/// Room that unpacking the executable needs: packed and unpacked, and a little.
pub(super) fn work(executable: Option<&Executable>) -> u64 {
    16 * MIB + 2 * executable.map_or(0, |executable| executable.size)
}

/// What the collector takes for names of a large cluster, batches on their way and pages of SQLite.
const COLLECTOR_MEMORY: u64 = 1024 * MIB;

/// Room for the collector's files: `--max-bytes` counts what they hold at the end; WAL, indexes and their making take as much
/// again twice. `None` without such a limit.
pub(super) fn files(config: &CaptureConfig) -> Option<u64> {
    config.limits.bytes.map(|bytes| bytes.saturating_mul(3).saturating_add(128 * MIB))
}

/// Size of the collector's directory, bytes; `None` is without limit.
pub(super) fn collector_work(config: &CaptureConfig, executables: u64) -> Option<u64> {
    files(config).map(|files| files.saturating_add(work(None)).saturating_add(executables.saturating_mul(2)))
}

/// The collector's resources.
pub(super) fn collector(config: &CaptureConfig, executables: u64) -> ResourceRequirements {
    let work = collector_work(config, executables);
    let mut limits = vec![("memory", mib(COLLECTOR_MEMORY))];
    limits.extend(work.map(|work| ("ephemeral-storage", mib(work + SPARE))));
    // What is asked for is kept free by the scheduler, so it is what a usual capture needs, not the most.
    let storage = work.unwrap_or(1024 * MIB).min(1024 * MIB);
    let requests = [("cpu", "100m".to_owned()), ("memory", mib(128 * MIB)), ("ephemeral-storage", mib(storage))];
    requirements(&requests, &limits)
}

/// Whole mebibytes, rounded up.
pub(super) fn mib(bytes: u64) -> String {
    format!("{}Mi", bytes.div_ceil(MIB))
}

fn requirements(requests: &[(&str, String)], limits: &[(&str, String)]) -> ResourceRequirements {
    let quantities = |list: &[(&str, String)]| -> BTreeMap<String, Quantity> {
        list.iter().map(|(name, amount)| ((*name).to_owned(), Quantity(amount.clone()))).collect()
    };
    ResourceRequirements {
        requests: Some(quantities(requests)),
        limits: Some(quantities(limits)),
        ..ResourceRequirements::default()
    }
}
