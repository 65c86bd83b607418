//! `cargo xtask image`: an OCI image archive with nothing in it but the static executable, from what was built for Linux,
//! without a daemon. Several architectures become one image index.
//!
//! Formats: OCI image layout, index, manifest and configuration 1.0 (opencontainers/image-spec).
#![expect(clippy::print_stdout, reason = "a command that talks to people on a terminal")]

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::{
    archive::{Entry, gzip, sha256, tar},
    binaries::{Binary, PLATFORMS},
    source::{root, target_dir},
};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// As good as any that is not root; pods that need root ask for it.
const USER: &str = "65532:65532";

/// Arguments of `cargo xtask image`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What the image is called, tag included
    #[arg(long, default_value = concat!("localhost/oc-netobserv:v", env!("CARGO_PKG_VERSION")))]
    tag: String,
    /// Where the archive goes; target/oc-netobserv-image.tar if it is left out
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Writes the archive.
pub(crate) fn run(args: &Args) -> Result<()> {
    let root = root()?;
    let mut binaries = Vec::new();
    for platform in PLATFORMS.iter().filter(|platform| platform.os == "linux") {
        match platform.find(&root)? {
            Some(binary) => {
                println!("{}: {}", platform.name(), binary.path.display());
                binaries.push(binary);
            }
            None => println!("{}: not in the image, because it is not built: {}", platform.name(), platform.build()),
        }
    }
    ensure!(!binaries.is_empty(), "no executable for Linux was built\nhint: cargo build --release");
    let archive = image(&binaries, &args.tag)?;
    let path = args.out.clone().unwrap_or_else(|| target_dir(&root).join("oc-netobserv-image.tar"));
    fs::write(&path, &archive).with_context(|| format!("cannot write {}", path.display()))?;
    let names: Vec<String> = binaries.iter().map(|binary| binary.platform.name()).collect();
    println!("{}: {} for {}, {} bytes", path.display(), args.tag, names.join(" and "), archive.len());
    Ok(())
}

/// The bytes of the archive.
fn image(binaries: &[Binary], tag: &str) -> Result<Vec<u8>> {
    let mut blobs = Blobs::default();
    let manifests = binaries.iter().map(|binary| manifest(binary, &mut blobs)).collect::<Result<Vec<_>>>()?;
    let mut image = match &manifests[..] {
        [one] => one.clone(),
        several => blobs.add_json(INDEX, &json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": several}))?,
    };
    // The first is what containerd calls it, the second what the specification has room for.
    let version = tag.rsplit_once(':').map_or("latest", |(_, version)| version);
    image["annotations"] = json!({"io.containerd.image.name": tag, "org.opencontainers.image.ref.name": version});
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [image]});
    blobs.archive(&index)
}

/// Adds the manifest of one architecture and what it names; returns its descriptor.
fn manifest(binary: &Binary, blobs: &mut Blobs) -> Result<Value> {
    let layer = tar(&[Entry::executable("oc-netobserv", &binary.bytes)])?;
    let platform = json!({"os": binary.platform.os, "architecture": binary.platform.arch});
    let labels = labels();
    let config = json!({
        "os": binary.platform.os,
        "architecture": binary.platform.arch,
        "config": {"User": USER, "Entrypoint": ["/oc-netobserv"], "WorkingDir": "/", "Labels": labels},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", sha256(&layer))]},
        "history": [{"created_by": "cargo xtask image"}],
    });
    let layer = blobs.add(LAYER, gzip(&layer)?);
    let config = blobs.add_json(CONFIG, &config)?;
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer], "annotations": labels,
    });
    let mut descriptor = blobs.add_json(MANIFEST, &manifest)?;
    descriptor["platform"] = platform;
    Ok(descriptor)
}

fn labels() -> Value {
    json!({
        "org.opencontainers.image.title": "oc-netobserv",
        "org.opencontainers.image.version": env!("CARGO_PKG_VERSION"),
        "org.opencontainers.image.source": env!("CARGO_PKG_REPOSITORY"),
        "org.opencontainers.image.licenses": env!("CARGO_PKG_LICENSE"),
    })
}

/// Content by its checksum.
#[derive(Default)]
struct Blobs(Vec<(String, Vec<u8>)>);

impl Blobs {
    /// Adds one; returns its descriptor.
    fn add(&mut self, media_type: &str, bytes: Vec<u8>) -> Value {
        let (digest, size) = (sha256(&bytes), bytes.len());
        let descriptor = json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": size});
        self.0.push((format!("blobs/sha256/{digest}"), bytes));
        descriptor
    }

    fn add_json(&mut self, media_type: &str, value: &Value) -> Result<Value> {
        Ok(self.add(media_type, serde_json::to_vec(value)?))
    }

    fn archive(&self, index: &Value) -> Result<Vec<u8>> {
        let (layout, index) = (br#"{"imageLayoutVersion":"1.0.0"}"#, serde_json::to_vec(index)?);
        let mut entries = vec![Entry::text("oci-layout", layout), Entry::text("index.json", &index)];
        entries.extend(self.0.iter().map(|(name, bytes)| Entry::text(name, bytes)));
        tar(&entries)
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, io::Read as _};

    use super::*;

    fn built(index: usize, bytes: &[u8]) -> Binary {
        Binary { platform: PLATFORMS[index], path: PathBuf::new(), bytes: bytes.to_vec() }
    }

    fn files(archive: &[u8]) -> HashMap<String, Vec<u8>> {
        let mut files = HashMap::new();
        for entry in tar::Archive::new(archive).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            files.insert(entry.path().unwrap().display().to_string(), bytes);
        }
        files
    }

    fn blob<'a>(files: &'a HashMap<String, Vec<u8>>, descriptor: &Value) -> &'a [u8] {
        let digest = descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
        let bytes = &files[&format!("blobs/sha256/{digest}")];
        assert_eq!((sha256(bytes).as_str(), descriptor["size"].as_u64().unwrap()), (digest, bytes.len() as u64));
        bytes
    }

    fn json(bytes: &[u8]) -> Value {
        serde_json::from_slice(bytes).unwrap()
    }

    #[test]
    fn each_architecture_has_a_manifest_whose_layer_holds_its_executable() {
        let archive = image(&[built(0, b"amd"), built(1, b"arm")], "localhost/x:v1").unwrap();
        let files = files(&archive);
        let top = &json(&files["index.json"])["manifests"][0];
        assert_eq!(top["annotations"]["io.containerd.image.name"], "localhost/x:v1");
        let index = json(blob(&files, top));
        for (number, (arch, executable)) in [("amd64", "amd"), ("arm64", "arm")].into_iter().enumerate() {
            let descriptor = &index["manifests"][number];
            assert_eq!(descriptor["platform"], json!({"os": "linux", "architecture": arch}));
            let manifest = json(blob(&files, descriptor));
            let config = json(blob(&files, &manifest["config"]));
            assert_eq!(config["config"]["Entrypoint"], json!(["/oc-netobserv"]));
            let mut layer = Vec::new();
            flate2::read::GzDecoder::new(blob(&files, &manifest["layers"][0])).read_to_end(&mut layer).unwrap();
            assert_eq!(config["rootfs"]["diff_ids"][0], format!("sha256:{}", sha256(&layer)));
            assert_eq!(self::files(&layer)["oc-netobserv"], executable.as_bytes());
        }
    }

    #[test]
    fn the_same_executables_give_the_same_bytes() {
        let make = || image(&[built(0, b"amd")], "localhost/x:v1").unwrap();
        assert_eq!(make(), make());
        let files = files(&make());
        assert_eq!(json(&files["index.json"])["manifests"][0]["mediaType"], MANIFEST, "one needs no index");
    }
}
