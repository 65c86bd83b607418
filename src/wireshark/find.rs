//! Where Wireshark's programs are.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
};

/// Names the program that `--wireshark` starts.
pub(crate) const VARIABLE: &str = "NETOBSERV_WIRESHARK";

/// Where packages put it that the search path does not name: macOS, Windows.
const PLACES: &[&str] = &[
    "/Applications/Wireshark.app/Contents/MacOS",
    "C:\\Program Files\\Wireshark",
    "/usr/local/bin",
    "/opt/homebrew/bin",
    "/snap/bin",
];

/// Wireshark itself: the one that `$NETOBSERV_WIRESHARK` names, else the one of the search path, else of the usual places.
///
/// # Errors
/// Why there is none.
pub(crate) fn wireshark() -> Result<PathBuf, String> {
    if let Some(named) = env::var_os(VARIABLE).filter(|named| !named.is_empty()) {
        let found =
            if Path::new(&named).components().count() > 1 { program(Path::new(&named)) } else { on_path(&named) };
        return found.ok_or_else(|| format!("there is no program {}, which ${VARIABLE} names", named.display()));
    }
    ["wireshark", "Wireshark"]
        .iter()
        .find_map(|name| on_path(OsStr::new(name)).or_else(|| in_places(name)))
        .ok_or_else(|| format!("there is no Wireshark here; ${VARIABLE} can name one"))
}

/// A program that answers `-G folders`: tshark, which needs no screen, else Wireshark.
pub(super) fn teller() -> Option<PathBuf> {
    let named = env::var_os(VARIABLE).filter(|named| !named.is_empty()).map(PathBuf::from);
    let beside = named.as_deref().and_then(Path::parent).and_then(|dir| program(&dir.join("tshark")));
    beside
        .or_else(|| ["tshark", "wireshark"].iter().find_map(|name| on_path(OsStr::new(name))))
        .or_else(|| ["tshark", "Wireshark"].iter().find_map(|name| in_places(name)))
}

fn on_path(name: &OsStr) -> Option<PathBuf> {
    let list = env::var_os("PATH")?;
    env::split_paths(&list).find_map(|dir| program(&dir.join(name)))
}

fn in_places(name: &str) -> Option<PathBuf> {
    PLACES.iter().find_map(|place| program(&Path::new(place).join(name)))
}

fn program(path: &Path) -> Option<PathBuf> {
    [path.to_owned(), path.with_extension("exe")].into_iter().find(|path| is_program(path))
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}
