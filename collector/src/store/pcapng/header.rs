//! What the section header says: on what machine, with what program, what was asked for.

use std::sync::LazyLock;

use super::block::{self, Section};
use crate::about::{About, operating_system, time_text};

/// Longest list of nodes in a header, bytes.
const NODES: usize = 8192;

/// Writes the header.
pub(super) fn section(about: &About, nodes: &[String], out: &mut Vec<u8>) {
    static HARDWARE: LazyLock<String> = LazyLock::new(hardware);
    let (application, comment) = (about.application(), comment(about, nodes));
    let section =
        Section { hardware: &HARDWARE, system: &operating_system(), application: &application, comment: &comment };
    block::shb(out, &section);
}

/// What was asked, with what version, since when, where: a line each.
fn comment(about: &About, nodes: &[String]) -> String {
    let mut lines = vec![format!("command: {}", one_line(&about.command.join(" ")))];
    let mut line = |key: &str, value: &str| {
        if !value.is_empty() {
            lines.push(format!("{key}: {}", one_line(value)));
        }
    };
    line("saved because of", about.why.as_deref().unwrap_or_default());
    line("filter", &about.filter());
    line("version", &about.version);
    line("start", &time_text(about.started_ns));
    let nodes = nodes.join(", ");
    line("nodes", &nodes[..nodes.floor_char_boundary(NODES)]);
    lines.join("\n")
}

fn one_line(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect()
}

/// The processor's name and architecture, `AMD EPYC 7B13 (x86_64)`; the architecture where nothing tells the name.
fn hardware() -> String {
    let architecture = std::env::consts::ARCH;
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let value = |key: &str| info.lines().filter_map(|line| line.split_once(':')).find(|pair| pair.0.trim() == key);
    match value("model name") {
        Some((_, model)) => format!("{} ({architecture})", model.trim()),
        None => architecture.to_owned(),
    }
}
