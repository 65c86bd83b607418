//! The manifest for krew: filled with checksums, and held against krew's rules.
//!
//! The rules are those of krew's `validate-krew-manifest`: `ValidatePlugin`, every platform used, none twice. What krew
//! also allows but this manifest has no use for (`matchExpressions`, `files`) is refused here.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;

use super::Archive;
use crate::binaries::PLATFORMS;

/// From the root of the workspace; the file's name is the plugin's.
pub(super) const PATH: &str = "krew/netobserv.yaml";
const NAME: &str = "netobserv";
const API_VERSION: &str = "krew.googlecontainertools.github.com/v1alpha2";
/// What a platform begins with in the file.
const PLATFORM: &str = "  - selector:\n";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Manifest {
    api_version: String,
    kind: String,
    metadata: Metadata,
    spec: Spec,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spec {
    version: String,
    homepage: String,
    short_description: String,
    description: String,
    caveats: String,
    platforms: Vec<Platform>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Platform {
    selector: Selector,
    uri: String,
    sha256: String,
    bin: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Selector {
    match_labels: BTreeMap<String, String>,
}

/// Fails, naming the rule, unless krew would take it for `version` (`v1.2.3`).
pub(super) fn check(text: &str, version: &str) -> Result<()> {
    let Manifest { api_version, kind, metadata, spec } = serde_saphyr::from_str(text)?;
    ensure!(api_version == API_VERSION, "apiVersion is {api_version}, krew knows {API_VERSION}");
    ensure!(kind == "Plugin", "kind is {kind}, not Plugin");
    ensure!(metadata.name == NAME, "the plugin is called {}, the file {NAME}", metadata.name);
    ensure!(spec.version == version, "version is {}, this is {version}", spec.version);
    is_semantic(&spec.version)?;
    ensure!(spec.homepage.starts_with("https://"), "homepage is no https address");
    is_short(&spec.short_description)?;
    ensure!(!spec.description.trim().is_empty(), "description is empty");
    ensure!(!spec.caveats.trim().is_empty(), "caveats are empty");
    ensure!(!spec.platforms.is_empty(), "it has no platform");
    let mut seen = BTreeSet::new();
    for (index, platform) in spec.platforms.iter().enumerate() {
        let name = check_platform(platform, version).with_context(|| format!("platforms[{index}]"))?;
        ensure!(seen.insert(name.clone()), "platforms[{index}]: {name} is there twice");
    }
    Ok(())
}

/// `v` and a semantic version (semver.org) without build metadata.
fn is_semantic(version: &str) -> Result<()> {
    let Some(numbers) = version.strip_prefix('v') else { bail!("version {version} does not begin with v") };
    let (core, pre) = numbers.split_once('-').map_or((numbers, None), |(core, pre)| (core, Some(pre)));
    let is_number = |part: &str| part.parse::<u32>().is_ok_and(|number| number.to_string() == part);
    ensure!(
        core.split('.').count() == 3 && core.split('.').all(is_number) && pre != Some(""),
        "version {version} is not semantic (v1.2.3)"
    );
    Ok(())
}

/// krew refuses line breaks and asks for a few words; 50 letters and no full stop are what its index has.
fn is_short(text: &str) -> Result<()> {
    ensure!(!text.is_empty(), "shortDescription is empty");
    ensure!(!text.contains(['\r', '\n']), "shortDescription has a line break");
    ensure!(text.len() <= 50, "shortDescription has {} letters; at most 50 are wanted", text.len());
    ensure!(!text.ends_with('.'), "shortDescription ends with a full stop");
    Ok(())
}

/// Returns the platform's name.
fn check_platform(platform: &Platform, version: &str) -> Result<String> {
    let labels = &platform.selector.match_labels;
    let keys: Vec<&str> = labels.keys().map(String::as_str).collect();
    ensure!(keys == ["arch", "os"], "matchLabels are {keys:?}; they must be os and arch");
    let name = format!("{}/{}", labels["os"], labels["arch"]);
    let Some(known) = PLATFORMS.iter().find(|known| known.name() == name) else { bail!("{name} is not released for") };
    ensure!(platform.bin == known.file(), "bin is {}, in the archive it is {}", platform.bin, known.file());
    let hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    ensure!(
        platform.sha256.len() == 64 && platform.sha256.bytes().all(hexadecimal),
        "sha256 is not 64 lowercase hexadecimal digits"
    );
    let extension = if known.os == "windows" { "zip" } else { "tar.gz" };
    let end = format!("/releases/download/{version}/oc-netobserv-{version}-{}-{}.{extension}", known.os, known.arch);
    let is_whole = platform.uri.starts_with("https://") && platform.uri.ends_with(&end);
    ensure!(is_whole, "uri {} does not end with {end}", platform.uri);
    Ok(name)
}

/// The manifest with the checksums of these archives, without the platforms that have none.
pub(super) fn fill(template: &str, archives: &[Archive]) -> Result<String> {
    let mut parts = template.split(PLATFORM);
    let head = parts.next().context("the manifest is empty")?;
    let mut text: String =
        head.lines().filter(|line| !line.starts_with('#')).fold(String::new(), |text, line| text + line + "\n");
    for part in parts {
        let Some(archive) = archives.iter().find(|archive| part.contains(&format!("/{}\n", archive.name))) else {
            continue;
        };
        text.push_str(PLATFORM);
        for line in part.lines() {
            let is_sum = line.trim_start().starts_with("sha256:");
            let _ = if is_sum { writeln!(text, "    sha256: {}", archive.sha256) } else { writeln!(text, "{line}") };
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::{super::VERSION, *};

    fn committed() -> String {
        std::fs::read_to_string(crate::source::root().unwrap().join(PATH)).unwrap()
    }

    #[test]
    fn krew_would_take_the_committed_manifest_for_all_platforms() {
        check(&committed(), VERSION).unwrap();
        let manifest: Manifest = serde_saphyr::from_str(&committed()).unwrap();
        assert_eq!(manifest.spec.platforms.len(), PLATFORMS.len());
    }

    #[test]
    fn what_krew_refuses_is_refused() {
        let version = format!("version: {VERSION}");
        for (from, to, problem) in [
            ("v1alpha2", "v1alpha3", "apiVersion is"),
            ("kind: Plugin", "kind: Plug", "kind is Plug"),
            ("name: netobserv", "name: netobs", "the plugin is called netobs"),
            (&*version, "version: 0.1.0", "version is 0.1.0"),
            ("shortDescription: Live", "shortDescription: |\n    Live", "shortDescription has a line break"),
            ("of a cluster\n", "of a cluster.\n", "full stop"),
            ("os: linux\n        arch: arm64", "os: linux\n        arch: amd64", "platforms[1]"),
            ("os: darwin\n        arch: arm64", "os: solaris\n        arch: arm64", "platforms[3]"),
            ("        arch: amd64\n", "", "platforms[0]"),
            ("sha256: \"0", "sha256: \"", "platforms[0]"),
            ("sha256: \"0", "sha256: \"A", "platforms[0]"),
            ("bin: oc-netobserv.exe", "bin: oc-netobserv", "platforms[4]"),
            ("    bin: oc-netobserv\n", "", "missing field"),
            ("linux-arm64.tar.gz", "linux-arm64.tgz", "platforms[1]"),
        ] {
            let changed = committed().replacen(from, to, 1);
            assert_ne!(changed, committed(), "{from}");
            let error = format!("{:#}", check(&changed, VERSION).unwrap_err());
            assert!(error.contains(problem), "{from} -> {to}: {error}");
        }
    }

    #[test]
    fn versions_are_semantic() {
        for good in ["v0.1.0", "v1.22.333", "v1.0.0-rc.1"] {
            is_semantic(good).unwrap();
        }
        for bad in ["1.0.0", "v1.0", "v1.0.0.0", "v01.0.0", "v1.0.x", "v1.0.0-", "v"] {
            assert!(is_semantic(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_filled_manifest_names_the_archives_there_are() {
        let archive = |kind: &str, digit: &str| Archive {
            name: format!("oc-netobserv-{VERSION}-{kind}"),
            sha256: digit.repeat(64),
        };
        let text =
            fill(&committed(), &[archive("linux-amd64.tar.gz", "a"), archive("windows-amd64.zip", "b")]).unwrap();
        check(&text, VERSION).unwrap();
        let manifest: Manifest = serde_saphyr::from_str(&text).unwrap();
        let sums: Vec<&str> = manifest.spec.platforms.iter().map(|platform| &platform.sha256[..1]).collect();
        assert_eq!(sums, ["a", "b"]);
        assert_eq!(manifest.spec.platforms[1].bin, "oc-netobserv.exe");
    }
}
