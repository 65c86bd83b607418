//! How far the copying is, on standard error: bars in a terminal, a line for each file elsewhere.

use std::{
    io::{IsTerminal as _, stderr},
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Copied, place::Place};
use crate::report;

const FILE: &str = "{prefix:32!} {wide_bar} {bytes:>10} / {total_bytes:<10} {binary_bytes_per_sec:>12} {msg}";
const TOTAL: &str = "{prefix:32!} {wide_bar} {bytes:>10} / {total_bytes:<10} {eta:>12} {msg}";

/// A bar per file, one for all of them if there are more.
#[derive(Debug)]
pub(super) struct Bars {
    all: MultiProgress,
    total: Option<ProgressBar>,
}

impl Bars {
    pub(super) fn new(places: &[Place]) -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let bytes = places.iter().map(|place| place.listed.size).sum();
        let total = (places.len() > 1).then(|| all.add(bar(TOTAL, bytes, "all files".into())));
        Self { all, total }
    }

    /// The bar of a file, above that of all.
    pub(super) fn file(&self, place: &Place) -> FileBar {
        let bar = bar(FILE, place.listed.size, place.listed.path.clone());
        let bar = if self.total.is_some() { self.all.insert_from_back(1, bar) } else { self.all.add(bar) };
        FileBar { bar, total: self.total.clone(), before: self.total.as_ref().map_or(0, ProgressBar::position) }
    }

    /// Takes the bars away; what was copied stays to be read.
    pub(super) fn done(&self, copied: &Copied) {
        let _ = self.all.clear();
        if stderr().is_terminal() {
            return;
        }
        for file in copied.files.iter().filter(|file| !file.was_here) {
            report::plain(&format!("copied {} ({} bytes)", file.path.display(), file.size));
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        let _ = self.all.clear();
    }
}

/// The bar of a file, which moves that of all.
#[derive(Debug)]
pub(super) struct FileBar {
    bar: ProgressBar,
    total: Option<ProgressBar>,
    before: u64,
}

impl FileBar {
    /// Bytes of the file that are here.
    pub(super) fn at(&self, here: u64) {
        self.bar.set_position(here);
        if let Some(total) = &self.total {
            total.set_position(self.before + here);
        }
    }

    /// Something to know beside the bar.
    pub(super) fn say(&self, text: &str) {
        self.bar.set_message(text.to_owned());
    }

    /// The file is here.
    pub(super) fn finish(&self, size: u64) {
        self.at(size);
        self.bar.finish();
    }
}

fn bar(template: &str, bytes: u64, name: String) -> ProgressBar {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::hidden()).with_style(style);
    bar.enable_steady_tick(Duration::from_millis(250));
    bar.with_prefix(name)
}
