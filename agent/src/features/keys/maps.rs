//! Executable files of a process: `/proc/PID/maps` (proc_pid_maps(5)).

use std::path::{Path, PathBuf};

/// Paths of what is mapped to be executed, as the process sees them, each once.
pub(super) fn executables(maps: &str) -> Vec<&Path> {
    let mut paths: Vec<&Path> = maps.lines().filter_map(executable).map(Path::new).collect();
    paths.dedup();
    paths
}

/// `7f1e1c000000-7f1e1c021000 r-xp 00028000 08:01 2883 /usr/lib/libc.so.6`
fn executable(line: &str) -> Option<&str> {
    let (fields, path) = line.split_at_checked(line.find('/')?)?;
    let mut fields = fields.split_ascii_whitespace();
    let (_, permissions) = (fields.next()?, fields.next()?);
    // What was deleted can be reached by no path; what is a device or memory is no library.
    let is_file = !path.ends_with(" (deleted)") && !path.starts_with("/dev/") && !path.starts_with("/memfd:");
    (permissions.as_bytes().get(2) == Some(&b'x') && is_file).then_some(path)
}

/// The same file, seen from here.
pub(super) fn through(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "\
55a3-55a4 r--p 00000000 08:01 1 /usr/bin/curl
55a4-55a5 r-xp 00001000 08:01 1 /usr/bin/curl
7f00-7f01 r-xp 00000000 00:00 0 
7f01-7f02 r-xp 00000000 08:01 7 /opt/with space/libcrypto.so.3
7f03-7f04 r-xp 00000000 08:01 8 /usr/lib/old.so (deleted)
7f05-7f06 r-xp 00000000 00:05 9 /memfd:code (deleted)
7ffd-7ffe r-xp 00000000 00:00 0 [vdso]
garbage
";

    #[test]
    fn executable_files_are_found_by_their_paths() {
        let expected = [Path::new("/usr/bin/curl"), Path::new("/opt/with space/libcrypto.so.3")];
        assert_eq!(executables(MAPS), expected);
        assert_eq!(through(Path::new("/proc/7/root"), expected[0]), Path::new("/proc/7/root/usr/bin/curl"));
    }
}
