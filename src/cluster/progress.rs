//! What is told while a capture is deployed and cleaned up: on a terminal one line per node that changes in place, else
//! a line for each thing worth a line. All on standard error.

use std::{collections::BTreeMap, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Nodes with a line of their own; of more there is one line for all that are well.
const LINES: usize = 10;

/// Time between two frames of a spinner.
const FRAME: Duration = Duration::from_millis(100);

/// How it goes.
pub(crate) struct Progress {
    lines: MultiProgress,
    step: ProgressBar,
    nodes: BTreeMap<String, Node>,
    total: usize,
    is_terminal: bool,
    colour: bool,
}

struct Node {
    bar: Option<ProgressBar>,
    words: String,
    done: bool,
}

impl Progress {
    /// Nothing yet; `total` nodes are expected.
    pub(crate) fn new(total: usize, colour: bool) -> Self {
        let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
        let lines = MultiProgress::new();
        let step = if is_terminal { spin(&lines, colour) } else { ProgressBar::hidden() };
        Self { lines, step, nodes: BTreeMap::new(), total, is_terminal, colour }
    }

    /// What is being done.
    pub(crate) fn step(&self, words: &str) {
        self.step.set_message(words.to_owned());
    }

    /// What is known of a node.
    pub(crate) fn node(&mut self, name: &str, words: &str, done: bool) {
        if self.nodes.get(name).is_some_and(|node| node.words == words && node.done == done) {
            return;
        }
        let bar = self.bar_of(name);
        if let Some(bar) = &bar {
            bar.set_message(format!("{name}  {words}"));
            if done {
                bar.disable_steady_tick();
            }
        }
        self.nodes.insert(name.to_owned(), Node { bar, words: words.to_owned(), done });
        if self.total > LINES {
            let done = self.nodes.values().filter(|node| node.done).count();
            self.step(&format!("{done} of {} nodes capture", self.total));
        }
    }

    fn bar_of(&self, name: &str) -> Option<ProgressBar> {
        if let Some(node) = self.nodes.get(name) {
            return node.bar.clone();
        }
        (self.is_terminal && self.total <= LINES).then(|| spin(&self.lines, self.colour))
    }

    /// Takes everything that changes off the screen.
    pub(crate) fn clear(&self) {
        let bars = self.nodes.values().filter_map(|node| node.bar.as_ref());
        bars.chain([&self.step]).for_each(ProgressBar::finish_and_clear);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

/// One more line, with a spinner.
fn spin(lines: &MultiProgress, colour: bool) -> ProgressBar {
    let template = if colour { "{spinner:.cyan} {wide_msg}" } else { "{spinner} {wide_msg}" };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner());
    let bar = lines.add(ProgressBar::new_spinner().with_style(style));
    // Only now: a bar that ticks before it has its place draws a line that nobody takes away.
    bar.enable_steady_tick(FRAME);
    bar
}
