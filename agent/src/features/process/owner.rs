//! Processes: their names and containers, read from `/proc` once for each.

use std::{
    collections::HashMap,
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use super::container;

/// Longest name that a record bears, bytes.
const LONGEST: usize = 64;
/// The kernel cuts names of tasks to so many bytes.
const CUT: usize = 15;
/// A process that was not asked for so long is forgotten.
const REMEMBER: Duration = Duration::from_mins(3);

/// A process that has a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Process {
    /// Its number, 0 where it is not known.
    pub(super) pid: u32,
    /// Its name, bounded.
    pub(super) name: Arc<str>,
    /// See [`container::of`].
    pub(super) container: Option<Arc<str>>,
}

struct Known {
    process: Arc<Process>,
    /// When it was started: numbers are used again.
    started: u64,
    asked: Instant,
}

/// Those that are known.
pub(super) struct Owners {
    known: HashMap<u32, Known>,
    /// Whether `/proc` tells of the processes that the kernel numbers.
    with_proc: bool,
}

impl Owners {
    pub(super) fn new(with_proc: bool) -> Self {
        Self { known: HashMap::new(), with_proc }
    }

    /// The process of that number; `task` is the name that the kernel told, which is all there is of one that has ended.
    pub(super) fn of(&mut self, pid: u32, task: &[u8], now: Instant) -> Arc<Process> {
        let started = self.with_proc.then(|| fs::read_to_string(format!("/proc/{pid}/stat")).ok()).flatten();
        let started = started.as_deref().and_then(started_at);
        if let Some(known) = self.known.get_mut(&pid).filter(|known| started.is_none_or(|at| at == known.started)) {
            known.asked = now;
            return Arc::clone(&known.process);
        }
        let process = Arc::new(match started {
            Some(_) => Process { pid, name: name(pid, task), container: container_of(pid) },
            None => Process { pid, name: bounded(&text(task)), container: None },
        });
        if let Some(started) = started {
            self.known.insert(pid, Known { process: Arc::clone(&process), started, asked: now });
        }
        process
    }

    /// Forgets those that nobody asked for in a while.
    pub(super) fn forget(&mut self, now: Instant) {
        self.known.retain(|_, known| now.saturating_duration_since(known.asked) < REMEMBER);
    }
}

fn container_of(pid: u32) -> Option<Arc<str>> {
    let cgroup = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    container::of(&cgroup).map(Arc::from)
}

/// When the process was started, in ticks (field 22 of proc_pid_stat(5)). Its name, before that, may hold anything.
fn started_at(stat: &str) -> Option<u64> {
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// The name of the process's first task: what the one that was seen calls itself is a thread's. One that the kernel has cut is
/// completed from the path of its executable.
fn name(pid: u32, task: &[u8]) -> Arc<str> {
    let first = fs::read(format!("/proc/{pid}/comm")).unwrap_or_else(|_| task.to_vec());
    let first = text(&first);
    if first.len() < CUT {
        return bounded(&first);
    }
    let path = fs::read_link(format!("/proc/{pid}/exe")).ok();
    let whole = path.as_ref().and_then(|path| path.file_name()?.to_str()).filter(|whole| whole.starts_with(&*first));
    bounded(whole.unwrap_or(&first))
}

/// Up to the first zero or the end of the line.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| matches!(byte, 0 | b'\n')).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

fn bounded(name: &str) -> Arc<str> {
    Arc::from(&name[..name.floor_char_boundary(LONGEST)])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn our_own_process_is_named_once_and_one_that_has_ended_by_what_the_kernel_told() {
        let mut owners = Owners::new(true);
        let now = Instant::now();
        let own = owners.of(std::process::id(), b"some-thread\0", now);
        let exe = std::env::current_exe().unwrap();
        let exe = exe.file_name().unwrap().to_string_lossy().into_owned();
        assert!(exe.starts_with(&*own.name) && own.pid == std::process::id(), "{own:?} {exe}");
        assert!(Arc::ptr_eq(&own, &owners.of(std::process::id(), b"", now)));
        let gone = owners.of(u32::MAX, b"curl\0garbage", now);
        assert_eq!((&*gone.name, &gone.container), ("curl", &None));
        owners.forget(now + REMEMBER);
        assert!(owners.known.is_empty());
    }

    #[test]
    fn another_process_with_the_same_number_is_another_one() {
        let mut owners = Owners::new(true);
        let now = Instant::now();
        let pid = std::process::id();
        let own = owners.of(pid, b"", now);
        owners.known.get_mut(&pid).unwrap().started += 1;
        assert!(!Arc::ptr_eq(&own, &owners.of(pid, b"", now)));
    }

    #[test]
    fn the_start_is_read_behind_whatever_the_name_holds() {
        let rest: Vec<String> = (3..=30).map(|field| field.to_string()).collect();
        assert_eq!(started_at(&format!("7 (a) b) S {}", rest[1..].join(" "))), Some(22));
        assert_eq!(started_at("7 (a"), None);
    }

    proptest! {
        #[test]
        fn names_are_bounded(name in "\\PC{0,80}") {
            prop_assert!(bounded(&name).len() <= LONGEST);
        }
    }
}
