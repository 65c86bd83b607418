//! Text with SGR sequences as runs of one look.

const INK: &str = "#d7dde5";
const PAPER: &str = "#10141a";
const DIM: &str = "#7d8794";

/// The sixteen colours, as most terminals have them now.
const SIXTEEN: [u32; 16] = [
    0x1c_2128, 0xe0_6c75, 0x98_c379, 0xe5_c07b, 0x61_afef, 0xc6_78dd, 0x56_b6c2, 0xd7_dde5, 0x5c_6370, 0xff_7b86,
    0xb5_e890, 0xff_d68a, 0x82_c4ff, 0xe0_9bf5, 0x7a_dbe7, 0xff_ffff,
];

/// How text looks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "SGR attributes are switched one by one")]
pub(super) struct Pen {
    ink: Option<u32>,
    paper: Option<u32>,
    pub(super) bold: bool,
    dim: bool,
    pub(super) underline: bool,
    reverse: bool,
}

impl Pen {
    /// Colours of the text and of what is behind it, if that is not the background.
    pub(super) fn colours(&self) -> (String, Option<String>) {
        let colour = |rgb: u32| format!("#{rgb:06x}");
        let default = if self.dim { DIM } else { INK };
        let ink = self.ink.map_or_else(|| default.to_owned(), colour);
        let paper = self.paper.map(colour);
        if self.reverse { (paper.unwrap_or_else(|| PAPER.to_owned()), Some(ink)) } else { (ink, paper) }
    }

    fn apply(&mut self, parameters: &str) {
        let mut numbers = parameters.split([';', ':']).map(|number| number.parse::<u32>().unwrap_or_default());
        while let Some(number) = numbers.next() {
            match number {
                0 => *self = Self::default(),
                1 => self.bold = true,
                2 => self.dim = true,
                4 => self.underline = true,
                7 => self.reverse = true,
                22 => (self.bold, self.dim) = (false, false),
                24 => self.underline = false,
                27 => self.reverse = false,
                30..=37 => self.ink = Some(SIXTEEN[number as usize - 30]),
                38 => self.ink = extended(&mut numbers),
                39 => self.ink = None,
                40..=47 => self.paper = Some(SIXTEEN[number as usize - 40]),
                48 => self.paper = extended(&mut numbers),
                49 => self.paper = None,
                90..=97 => self.ink = Some(SIXTEEN[number as usize - 82]),
                100..=107 => self.paper = Some(SIXTEEN[number as usize - 92]),
                _ => {}
            }
        }
    }
}

/// `5;n` from the table of 256 colours, `2;r;g;b`.
fn extended(numbers: &mut impl Iterator<Item = u32>) -> Option<u32> {
    match numbers.next()? {
        5 => numbers.next().map(indexed),
        2 => Some((numbers.next()? & 0xff) << 16 | (numbers.next()? & 0xff) << 8 | (numbers.next()? & 0xff)),
        _ => None,
    }
}

/// The table of 256 colours: sixteen, a cube of six steps, 24 greys.
fn indexed(number: u32) -> u32 {
    let step = |at: u32| if at == 0 { 0 } else { 55 + 40 * at };
    match number {
        0..16 => SIXTEEN[number as usize],
        16..232 => step((number - 16) / 36) << 16 | step((number - 16) / 6 % 6) << 8 | step((number - 16) % 6),
        _ => (8 + 10 * (number.min(255) - 232)) * 0x01_0101,
    }
}

/// Text of one look.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) text: String,
    pub(super) pen: Pen,
}

impl Run {
    /// Cells it takes; the table draws nothing that is wider than a cell.
    pub(super) fn cells(&self) -> usize {
        self.text.chars().count()
    }
}

/// The runs of a line; `pen` goes on from line to line.
pub(super) fn runs(line: &str, pen: &mut Pen) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut rest = line;
    while let Some(at) = rest.find('\x1b') {
        push(&mut runs, &rest[..at], pen);
        rest = &rest[at + 1..];
        let Some(body) = rest.strip_prefix('[') else { continue };
        let end = body.find(|c: char| ('@'..='~').contains(&c)).unwrap_or(body.len());
        if body[end..].starts_with('m') {
            pen.apply(&body[..end]);
        }
        rest = body.get(end + 1..).unwrap_or_default();
    }
    push(&mut runs, rest, pen);
    runs
}

fn push(runs: &mut Vec<Run>, text: &str, pen: &Pen) {
    if !text.is_empty() {
        runs.push(Run { text: text.to_owned(), pen: pen.clone() });
    }
}
