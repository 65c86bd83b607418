//! A terminal's screen as an SVG picture for the README: `tmux capture-pane -p -e -N | cargo xtask picture docs/table.svg`.
//!
//! Reads text with SGR sequences (ECMA-48 8.3.117; 256 and 24-bit colours as in ITU-T T.416) and nothing else.

mod sgr;

use std::{
    fmt::Write as _,
    fs,
    io::{self, Read as _},
    path::PathBuf,
};

use anyhow::Context as _;
use sgr::{Pen, Run, runs};

/// Size of a cell at a font size of 14 pixels.
const CELL: (f64, f64) = (8.4, 18.0);
const MARGIN: f64 = 12.0;
const BACKGROUND: &str = "#10141a";

/// What to read and write.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where the picture goes.
    svg: PathBuf,
    /// The captured screen; standard input if it is left out.
    #[arg(long)]
    from: Option<PathBuf>,
    /// What the picture shows, for those who cannot see it.
    #[arg(long, default_value = "The live table of oc-netobserv in a terminal")]
    title: String,
}

/// Runs it.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let mut text = String::new();
    match &args.from {
        Some(path) => text = fs::read_to_string(path).with_context(|| path.display().to_string())?,
        None => io::stdin().read_to_string(&mut text).map(drop).context("standard input")?,
    }
    fs::write(&args.svg, svg(&text, &args.title)).with_context(|| args.svg.display().to_string())
}

fn svg(text: &str, title: &str) -> String {
    let mut pen = Pen::default();
    let lines: Vec<Vec<Run>> = text.trim_end().lines().map(|line| runs(line, &mut pen)).collect();
    let columns = lines.iter().map(|line| line.iter().map(Run::cells).sum::<usize>()).max().unwrap_or_default();
    let (width, height) = (columns as f64 * CELL.0 + 2.0 * MARGIN, lines.len() as f64 * CELL.1 + 2.0 * MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" role=\"img\">\n<title>{}</title>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{BACKGROUND}\"/>\n\
         <g font-family=\"ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace\" font-size=\"14\">\n",
        escape(title)
    );
    for (row, line) in lines.iter().enumerate() {
        draw(&mut svg, line, MARGIN + row as f64 * CELL.1);
    }
    svg + "</g>\n</svg>\n"
}

fn draw(svg: &mut String, line: &[Run], y: f64) {
    let mut x = MARGIN;
    for run in line {
        let width = run.cells() as f64 * CELL.0;
        let (ink, paper) = run.pen.colours();
        if let Some(paper) = paper {
            let _ = writeln!(
                svg,
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{}\" fill=\"{paper}\"/>",
                CELL.1
            );
        }
        if !run.text.trim().is_empty() {
            let weight = if run.pen.bold { " font-weight=\"bold\"" } else { "" };
            let line = if run.pen.underline { " text-decoration=\"underline\"" } else { "" };
            // The length is fixed, so that columns stand below each other whatever font there is.
            let _ = writeln!(
                svg,
                "<text x=\"{x:.1}\" y=\"{:.1}\" textLength=\"{width:.1}\" fill=\"{ink}\"{weight}{line}>{}</text>",
                y + CELL.1 * 0.75,
                // Other spaces are taken together by some renderers, whatever they are told.
                escape(&run.text).replace(' ', "\u{a0}")
            );
        }
        x += width;
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_weight_and_text_are_in_the_picture() {
        let picture = svg("a \x1b[1;38;5;208mb<c\x1b[0m\n\x1b[7mend\x1b[m", "t");
        assert!(picture.contains("fill=\"#ff8700\" font-weight=\"bold\">b&lt;c</text>"), "{picture}");
        assert!(picture.contains("<rect x=\"12.0\" y=\"30.0\" width=\"25.2\""), "reverse has paper: {picture}");
        assert_eq!(picture.matches("<text").count(), 3);
    }

    #[test]
    fn unknown_sequences_leave_the_text() {
        let mut pen = Pen::default();
        let runs = runs("\x1b[99;58;5mx\x1b[2Ky\x1b", &mut pen);
        assert_eq!(runs.iter().map(|run| run.text.as_str()).collect::<String>(), "xy");
    }
}
