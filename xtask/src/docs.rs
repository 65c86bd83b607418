//! Docs that are made from the source: `docs/fields.md` from the schema, so that the two cannot differ.

use std::{fmt::Write as _, fs, path::PathBuf};

use anyhow::{Context as _, bail};
use flow::{Feature, Field, Kind};

/// Arguments of `cargo xtask docs`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Write nothing; fail if a file differs from what would be written.
    #[arg(long)]
    check: bool,
}

/// Writes or checks the generated docs.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/fields.md");
    let text = fields();
    if args.check {
        let found = fs::read_to_string(&path).context("docs/fields.md cannot be read: run `cargo xtask docs`")?;
        if found != text {
            bail!("docs/fields.md is not what the schema says: run `cargo xtask docs`");
        }
        return Ok(());
    }
    fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))
}

fn fields() -> String {
    let mut text = String::from(
        "# Fields of a record\n\nMade from `flow/src/schema.rs` by `cargo xtask docs`. The names are those of JSON, SQLite (table `flow`) and filters; \
         NetObserv's where NetObserv has the field. A field that does not apply is absent in JSON and NULL in SQLite.\n",
    );
    let mut features: Vec<Feature> = Vec::new();
    for field in Field::ALL {
        if !features.contains(&field.feature()) {
            features.push(field.feature());
        }
    }
    for feature in features {
        let _ = write!(text, "\n## {}\n\n| field | type | column | meaning |\n|---|---|---|---|\n", heading(feature));
        for field in Field::ALL.iter().filter(|field| field.feature() == feature) {
            let doc = field.doc().trim();
            let _ = writeln!(text, "| `{}` | {} | {} | {doc} |", field.name(), kind(field.kind()), field.label());
        }
    }
    text
}

fn heading(feature: Feature) -> &'static str {
    match feature {
        Feature::Core => "Always",
        Feature::Kubernetes => "On a cluster",
        Feature::PktDrop => "Packet drops: `--enable-pkt-drop`",
        Feature::Dns => "DNS: `--enable-dns`",
        Feature::Rtt => "Round trip time and health of TCP connections: `--enable-rtt`",
        Feature::PktTranslation => "Translation: `--enable-pkt-translation`",
        Feature::NetworkEvents => "Network events: `--enable-network-events`",
        Feature::UdnMapping => "User-defined networks: `--enable-udn-mapping`",
        Feature::Ipsec => "IPsec: `--enable-ipsec`",
        Feature::Tls => "TLS and QUIC: `--enable-tls`",
        Feature::Process => "Processes and containers: `--enable-process`",
        Feature::Conversations => "Conversations: `--conversations`",
        Feature::Subnets => "Subnet labels: `--get-subnets`",
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::UInt => "number",
        Kind::Ip | Kind::Mac | Kind::Text => "text",
        Kind::TextList => "list of texts",
        Kind::UIntList => "list of numbers",
        Kind::Events => "list of objects",
    }
}
