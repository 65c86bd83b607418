//! Samples of packets for features that read them: what the programs take, and the rings through which it comes.

use std::fmt;

use agent_common::sample::{PORT_WORDS, TAKE_DNS, TAKE_HELLOS};
use aya::{
    Ebpf, EbpfLoader,
    maps::{MapData, PerCpuArray, RingBuf},
};
use flow::{CaptureConfig, Feature, config::Mode};

use super::take;
use crate::error::AgentError;

/// Room for 20,000 small messages until the next look, 50 ms later.
const RING: u32 = 4 << 20;
/// Rings take all their memory when they are made, also those that nobody writes to.
const UNUSED_RING: u32 = 1 << 16;

/// A ring of samples, and how many found it full.
pub(crate) struct SampleMaps {
    pub(crate) ring: RingBuf<MapData>,
    pub(crate) lost: PerCpuArray<MapData, u64>,
}

/// The rings of a capture, each for the feature that takes it.
#[derive(Default)]
pub(crate) struct Samples {
    pub(crate) dns: Option<SampleMaps>,
    pub(crate) hellos: Option<SampleMaps>,
}

impl fmt::Debug for Samples {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dns, hellos } = self;
        formatter.debug_struct("Samples").field("dns", &dns.is_some()).field("hellos", &hellos.is_some()).finish()
    }
}

/// Bits `TAKE_*` of what was asked for.
fn wanted(config: &CaptureConfig) -> u32 {
    let bit = |feature, bit| if config.features.contains(&feature) { bit } else { 0 };
    if config.mode == Mode::Packets { 0 } else { bit(Feature::Dns, TAKE_DNS) | bit(Feature::Tls, TAKE_HELLOS) }
}

/// Constants and sizes of the maps of samples. They stay where they are until the programs are loaded.
pub(super) struct Taken {
    samples: u32,
    ports: Box<[u64; PORT_WORDS]>,
    cpus: u32,
}

impl Taken {
    pub(super) fn new(config: &CaptureConfig, cpus: u32) -> Self {
        let mut ports = Box::new([0; PORT_WORDS]);
        for port in &config.dns_ports {
            ports[usize::from(port / 64)] |= 1 << (port % 64);
        }
        Self { samples: wanted(config), ports, cpus }
    }

    pub(super) fn set<'a>(&'a self, loader: &mut EbpfLoader<'a>) {
        loader.override_global("SAMPLES", &self.samples, true);
        loader.override_global("DNS_PORTS", self.ports.as_slice(), true);
        let ring = |bit| if self.samples & bit == 0 { UNUSED_RING } else { RING };
        loader.map_max_entries("SAMPLES_DNS", ring(TAKE_DNS));
        loader.map_max_entries("SAMPLES_HELLOS", ring(TAKE_HELLOS));
        loader.map_max_entries("HELLOS", if self.samples & TAKE_HELLOS == 0 { 1 } else { 8192 });
        loader.map_max_entries("SAMPLE_SCRATCH", if self.samples == 0 { 1 } else { self.cpus.max(1) });
    }

    pub(super) fn take(&self, ebpf: &mut Ebpf) -> Result<Samples, AgentError> {
        let mut samples = Samples::default();
        if self.samples & TAKE_DNS != 0 {
            samples.dns = Some(SampleMaps { ring: take(ebpf, "SAMPLES_DNS")?, lost: take(ebpf, "LOST_DNS")? });
        }
        if self.samples & TAKE_HELLOS != 0 {
            samples.hellos = Some(SampleMaps { ring: take(ebpf, "SAMPLES_HELLOS")?, lost: take(ebpf, "LOST_HELLOS")? });
        }
        Ok(samples)
    }
}

impl SampleMaps {
    /// How many samples found the ring full.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.get(&0, 0).map_or(0, |values| values.iter().sum())
    }
}
