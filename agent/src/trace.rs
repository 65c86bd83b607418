//! Programs at tracepoints of the kernel: loading those that features want, attaching them, letting go of them.
//!
//! Owns the second object of `agent-ebpf`. Each feature gets an instance of it to itself, with its own maps and settings, so
//! that what the kernel refuses to one takes nothing from another; maps of other features in it have their smallest size. Must
//! not know what the programs find out.

mod members;

use std::{
    collections::HashMap,
    os::fd::{AsFd as _, OwnedFd},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use aya::{
    Ebpf, EbpfLoader, include_bytes_aligned,
    maps::Map,
    programs::{
        Program,
        raw_trace_point::RawTracePointLink,
        tp_btf::BtfTracePointLink,
        uprobe::{UProbeLink, UProbeScope},
    },
};

use crate::btf::Btf;

static OBJECT: &[u8] = include_bytes_aligned!("../ebpf/oc-netobserv-trace.o");

/// What a feature wants of the kernel.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wanted<'a> {
    /// Names of programs in the object, each with its tracepoint. Whether a program is one of `tp_btf` or `raw_tp` is said where
    /// it is written. All of them, or none.
    pub(crate) programs: &'a [(&'static str, &'static str)],
    /// Entries of maps, or bytes of rings: those that are not named stay as small as they can be.
    pub(crate) sizes: &'a [(&'static str, u32)],
    /// Constants. Offsets of members, and which namespaces are looked at, are set without being named here.
    pub(crate) globals: &'a [(&'static str, u32)],
}

/// What a feature gets: its maps, and its programs to ask the kernel about. They run as long as [`Links`] are held.
pub(crate) struct Traced {
    maps: HashMap<String, Map>,
    /// In the order in which they were wanted.
    pub(crate) programs: Vec<OwnedFd>,
}

impl Traced {
    /// A map by name, as the kind that it is; once.
    ///
    /// # Errors
    /// A sentence: there is no such map, or it is of another kind.
    pub(crate) fn take<T: TryFrom<Map, Error: std::error::Error>>(&mut self, name: &str) -> Result<T, String> {
        let map = self.maps.remove(name).ok_or_else(|| format!("the object has no map {name}"))?;
        T::try_from(map).map_err(describe)
    }
}

impl Traced {
    /// The descriptor of a hash map by name; once.
    ///
    /// # Errors
    /// A sentence: there is no such map, or it is of another kind.
    pub(crate) fn take_fd(&mut self, name: &str) -> Result<OwnedFd, String> {
        match self.maps.remove(name) {
            Some(Map::HashMap(data)) => {
                data.fd().as_fd().try_clone_to_owned().map_err(|error| format!("cannot keep a map: {error}"))
            }
            _ => Err(format!("the object has no hash map {name}")),
        }
    }
}

/// Everything that is attached to tracepoints, for everybody who may end it.
#[derive(Clone, Default)]
pub(crate) struct Links(Arc<Mutex<Held>>);

#[derive(Default)]
struct Held {
    links: Vec<Link>,
    closed: bool,
}

/// A link detaches when it is dropped.
#[expect(dead_code, reason = "held, not read")]
enum Link {
    Btf(BtfTracePointLink),
    Raw(RawTracePointLink),
    User(UProbeLink),
}

/// Programs for functions of user space: attached as files are found that have them, and until [`Links::close`].
pub(crate) struct Probes {
    ebpf: Ebpf,
    links: Links,
}

impl Probes {
    /// Attaches a program to what lies at `offset` bytes in a file, for every process that runs it, now and later.
    ///
    /// # Errors
    /// Why not, in words.
    pub(crate) fn attach(&mut self, program: &str, file: &Path, offset: u64) -> Result<(), String> {
        let Some(Program::UProbe(program)) = self.ebpf.program_mut(program) else {
            return Err(format!("the object has no program {program} for functions of user space"));
        };
        let id = program.attach(offset, file, UProbeScope::AllProcesses).map_err(describe)?;
        self.links.hold(vec![Link::User(program.take_link(id).map_err(describe)?)]);
        Ok(())
    }
}

impl Links {
    /// Detaches everything; what is attached later is detached at once.
    pub(crate) fn close(&self) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.closed = true;
        held.links.clear();
    }

    fn hold(&self, links: Vec<Link>) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !held.closed {
            held.links.extend(links);
        }
    }
}

/// Which namespaces are looked at, by their keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Places {
    /// All, as they are.
    All,
    /// One, which programs tell as 0.
    One(u32),
    /// All, of which one is told as 0: what becomes of its packets elsewhere is of interest too.
    Home(u32),
}

impl Places {
    const fn globals(self) -> [(&'static str, u32); 2] {
        let (kind, key) = match self {
            Self::All => (0, 0),
            Self::One(key) => (1, key),
            Self::Home(key) => (2, key),
        };
        [("ONE_NETNS", kind), ("HOME_NETNS", key)]
    }
}

/// Loads and attaches for the features of one capture.
pub(crate) struct Tracer {
    links: Links,
    places: Places,
    kernel: Option<Kernel>,
}

/// The running kernel's types, read once there is somebody who needs them.
struct Kernel {
    types: aya::Btf,
    offsets: Vec<(&'static str, u32)>,
}

impl Tracer {
    pub(crate) const fn new(links: Links, places: Places) -> Self {
        Self { links, places, kernel: None }
    }

    /// Whether programs tell of all namespaces.
    pub(crate) const fn looks_everywhere(&self) -> bool {
        !matches!(self.places, Places::One(_))
    }

    /// Loads programs and attaches them.
    ///
    /// # Errors
    /// Why not, as the end of a sentence ("this kernel ..."); nothing of it is attached then.
    pub(crate) fn begin(&mut self, wanted: &Wanted<'_>) -> Result<Traced, String> {
        let (mut ebpf, traced) = self.load(wanted)?;
        let links = wanted.programs.iter().map(|(name, point)| attach(&mut ebpf, name, point));
        let links = links.collect::<Result<Vec<_>, _>>()?;
        self.links.hold(links);
        Ok(traced)
    }

    /// Loads programs for functions of user space, which are attached to nothing yet.
    ///
    /// # Errors
    /// Why not, as the end of a sentence ("this kernel ...").
    pub(crate) fn probes(&mut self, wanted: &Wanted<'_>) -> Result<(Traced, Probes), String> {
        let (ebpf, traced) = self.load(wanted)?;
        Ok((traced, Probes { ebpf, links: self.links.clone() }))
    }

    fn load(&mut self, wanted: &Wanted<'_>) -> Result<(Ebpf, Traced), String> {
        let globals = self.places.globals();
        let kernel = self.kernel()?;
        let mut loader = EbpfLoader::new();
        loader.btf(None);
        for (name, value) in kernel.offsets.iter().chain(&globals).chain(wanted.globals) {
            loader.override_global(name, value, false);
        }
        for (name, entries) in wanted.sizes {
            loader.map_max_entries(name, *entries);
        }
        let mut ebpf = loader.load(OBJECT).map_err(describe)?;
        let programs = wanted.programs.iter().map(|(name, point)| load(&mut ebpf, name, point, &kernel.types));
        let programs = programs.collect::<Result<Vec<_>, _>>()?;
        let names: Vec<String> = ebpf.maps().map(|(name, _)| name.to_owned()).collect();
        let maps = names.into_iter().filter_map(|name| ebpf.take_map(&name).map(|map| (name, map))).collect();
        Ok((ebpf, Traced { maps, programs }))
    }

    fn kernel(&mut self) -> Result<&Kernel, String> {
        if self.kernel.is_none() {
            let missing = "this kernel does not describe its types (/sys/kernel/btf/vmlinux, CONFIG_DEBUG_INFO_BTF)";
            let btf = Btf::of_kernel().ok_or(missing)?;
            let types = aya::Btf::from_sys_fs().map_err(|error| format!("{missing}: {error}"))?;
            self.kernel = Some(Kernel { types, offsets: members::offsets(&btf) });
        }
        self.kernel.as_ref().ok_or_else(String::new)
    }
}

fn load(ebpf: &mut Ebpf, name: &str, tracepoint: &str, types: &aya::Btf) -> Result<OwnedFd, String> {
    let program = ebpf.program_mut(name).ok_or_else(|| format!("the object has no program {name}"))?;
    let loaded = match program {
        Program::BtfTracePoint(program) => program.load(tracepoint, types),
        Program::RawTracePoint(program) => program.load(),
        Program::UProbe(program) => program.load(),
        _ => return Err(format!("{name} is no program for a tracepoint")),
    };
    loaded.map_err(|error| format!("this kernel refuses to watch {tracepoint}: {}", describe(error)))?;
    let fd = program.fd().map_err(describe)?;
    fd.as_fd().try_clone_to_owned().map_err(|error| format!("cannot keep a program: {error}"))
}

fn attach(ebpf: &mut Ebpf, name: &str, tracepoint: &str) -> Result<Link, String> {
    let refused = |error| format!("this kernel does not let us watch {tracepoint}: {}", describe(error));
    match ebpf.program_mut(name) {
        Some(Program::BtfTracePoint(program)) => {
            let link = program.attach().and_then(|id| program.take_link(id));
            link.map(Link::Btf).map_err(refused)
        }
        Some(Program::RawTracePoint(program)) => {
            let link = program.attach(tracepoint).and_then(|id| program.take_link(id));
            link.map(Link::Raw).map_err(refused)
        }
        _ => Err(format!("{name} is no program for a tracepoint")),
    }
}

/// The whole chain of causes in one line: the verifier's last words are at its end.
fn describe(error: impl std::error::Error) -> String {
    let text = crate::loader::chain(&error);
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with("processed "));
    let lines: Vec<&str> = lines.collect();
    match lines.as_slice() {
        [] => text.clone(),
        [one] => (*one).to_owned(),
        [first, .., last] => format!("{first} ... {last}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_the_programs_that_watch_drops_load() {
        if crate::bpf::grace::can_create_maps().is_err() {
            eprintln!("SKIP kernel_the_programs_that_watch_drops_load: needs root");
            return;
        }
        let Some(arguments) = Btf::of_kernel().and_then(|btf| btf.arguments("kfree_skb")) else {
            eprintln!("SKIP kernel_the_programs_that_watch_drops_load: no /sys/kernel/btf/vmlinux");
            return;
        };
        for places in [Places::All, Places::One(1), Places::Home(1)] {
            let mut tracer = Tracer::new(Links::default(), places);
            for program in ["drop_count", "drop_copy"] {
                let globals = [("DROP_ARGUMENTS", arguments)];
                let wanted = Wanted { programs: &[(program, "kfree_skb")], globals: &globals, ..Wanted::default() };
                let begun = tracer.begin(&wanted);
                assert!(begun.is_ok(), "{program} {places:?}: {:?}", begun.err());
            }
        }
    }
}
