//! Debian's kernels: found with apt, fetched once, unpacked, never installed.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

/// Debian 11, for a kernel older than this machine's Debian has.
const OLDER: &str = "bullseye";

/// An unpacked kernel package.
pub(super) struct Kernel {
    /// `uname -r`.
    pub(super) release: String,
    /// The bootable image.
    pub(super) image: PathBuf,
    /// `lib/modules/RELEASE`.
    pub(super) modules: PathBuf,
}

/// The newest cloud kernel of a series, for example `6.1`: of this machine's own sources, else of Debian 11.
pub(super) fn get(cache: &Path, series: &str) -> Result<Kernel> {
    let unpacked = cache.join("kernels").join(series);
    if !unpacked.join("boot").exists() {
        let own = newest(series, &[])?;
        let (package, options) = match own {
            Some(package) => (package, Vec::new()),
            None => older(cache, series)?,
        };
        fetch(cache, &package, &options, &unpacked)?;
    }
    open(&unpacked).with_context(|| format!("kernel {series} in {}", unpacked.display()))
}

/// Name of the newest package of a series that apt knows, by version order.
fn newest(series: &str, options: &[String]) -> Result<Option<String>> {
    let output =
        Command::new("apt-cache").args(options).args(["pkgnames", &format!("linux-image-{series}.")]).output()?;
    let names = String::from_utf8(output.stdout)?;
    let mut candidates: Vec<&str> = names.lines().filter(|name| name.ends_with("-cloud-amd64")).collect();
    candidates.sort_by_key(|name| numbers(name));
    Ok(candidates.pop().map(Into::into))
}

/// The numbers in a name, in order.
fn numbers(name: &str) -> Vec<u32> {
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

/// Asks Debian 11, with lists of its own, so that this machine's apt stays as it is.
fn older(cache: &Path, series: &str) -> Result<(String, Vec<String>)> {
    let directory = cache.join("apt");
    for part in ["lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(directory.join(part))?;
    }
    let sources = directory.join("sources.list");
    fs::write(&sources, older_sources()?)?;
    let settings = [("Dir::Etc::sourcelist", sources), ("Dir::Etc::sourceparts", "-".into())];
    let settings = settings
        .into_iter()
        .chain([("Dir::State::lists", directory.join("lists")), ("Dir::Cache", directory.join("cache"))]);
    let options: Vec<String> =
        settings.flat_map(|(key, value)| ["-o".into(), format!("{key}={}", value.display())]).collect();
    println!("apt: lists of Debian 11, for kernel {series}");
    let status = Command::new("apt-get").args(&options).args(["update", "-qq"]).status()?;
    ensure!(status.success(), "apt-get update failed");
    let package =
        newest(series, &options)?.with_context(|| format!("apt has no linux-image-{series}.*-cloud-amd64"))?;
    Ok((package, options))
}

/// Debian 11 from wherever this machine gets its own packages.
fn older_sources() -> Result<String> {
    let output = Command::new("apt-get")
        .args(["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"])
        .output()
        .context("cannot run apt-get")?;
    let text = String::from_utf8(output.stdout)?;
    let places: BTreeSet<&str> = text.lines().collect();
    ensure!(!places.is_empty(), "apt knows no package source: run apt-get update");
    let line = |place: &&str| {
        let suite = if place.contains("security") { "-security" } else { "" };
        format!("deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {place} {OLDER}{suite} main\n")
    };
    Ok(places.iter().map(line).collect())
}

fn fetch(cache: &Path, package: &str, options: &[String], unpacked: &Path) -> Result<()> {
    println!("apt: {package}");
    let status =
        Command::new("apt-get").args(options).args(["download", "-qq", package]).current_dir(cache).status()?;
    ensure!(status.success(), "apt-get download {package} failed");
    let archive = file_in(cache, |name| name.starts_with(&format!("{package}_")))?;
    let partial = unpacked.with_extension("partial");
    fs::create_dir_all(&partial)?;
    let status = Command::new("dpkg-deb").arg("-x").arg(&archive).arg(&partial).status()?;
    ensure!(status.success(), "dpkg-deb -x {} failed", archive.display());
    fs::remove_file(archive)?;
    Ok(fs::rename(partial, unpacked)?)
}

fn open(unpacked: &Path) -> Result<Kernel> {
    let image = file_in(&unpacked.join("boot"), |name| name.starts_with("vmlinuz-"))?;
    // Debian 12 still has /lib, newer ones ship /usr/lib.
    let modules = ["lib/modules", "usr/lib/modules"].map(|path| unpacked.join(path));
    let modules = modules.iter().find(|path| path.exists()).context("no modules")?;
    let modules = file_in(modules, |_| true)?;
    let release = modules.file_name().context("no release")?.to_string_lossy().into_owned();
    Ok(Kernel { release, image, modules })
}

/// The entry of a directory whose name fits.
fn file_in(directory: &Path, fits: impl Fn(&str) -> bool) -> Result<PathBuf> {
    let entries = fs::read_dir(directory)?.collect::<Result<Vec<_>, _>>()?;
    let mut paths =
        entries.into_iter().filter(|entry| fits(&entry.file_name().to_string_lossy())).map(|entry| entry.path());
    paths.next().with_context(|| format!("nothing fits in {}", directory.display()))
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn versions_are_ordered_by_number() {
        assert!(numbers("linux-image-6.12.101+deb12-cloud-amd64") > numbers("linux-image-6.12.99+deb12-cloud-amd64"));
    }
}
