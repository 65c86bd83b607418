//! Flow records as aligned columns, and after them what features found out as `Name=value`.

use flow::{Feature, Field, FlowRecord, show};

/// What every record has.
const COLUMNS: [Field; 13] = [
    Field::TimeFlowEndMs,
    Field::NetNs,
    Field::Interfaces,
    Field::IfDirections,
    Field::Proto,
    Field::SrcAddr,
    Field::SrcPort,
    Field::DstAddr,
    Field::DstPort,
    Field::IcmpType,
    Field::Flags,
    Field::Packets,
    Field::Bytes,
];

/// The columns with the widths they have grown to: text that was too wide once moves later lines, not only its own.
#[derive(Debug)]
pub(super) struct Columns {
    widths: [usize; COLUMNS.len()],
    headed: bool,
}

impl Default for Columns {
    fn default() -> Self {
        let width = |field: Field| usize::from(field.width()).max(field.label().len());
        Self { widths: COLUMNS.map(width), headed: false }
    }
}

impl Columns {
    /// Appends the line of a record, before the first one that of the headings.
    pub(super) fn line(&mut self, out: &mut Vec<u8>, record: &FlowRecord) {
        if !self.headed {
            self.headed = true;
            for (n, field) in COLUMNS.into_iter().enumerate() {
                self.cell(out, n, field.label());
            }
            end_line(out);
        }
        for (n, field) in COLUMNS.into_iter().enumerate() {
            self.cell(out, n, show::cell(record, field).as_deref().unwrap_or("-"));
        }
        for field in Field::ALL.iter().filter(|field| field.feature() != Feature::Core) {
            if let Some(value) = show::cell(record, *field) {
                out.extend_from_slice(field.name().as_bytes());
                out.push(b'=');
                out.extend_from_slice(value.as_bytes());
                out.push(b' ');
            }
        }
        end_line(out);
    }

    fn cell(&mut self, out: &mut Vec<u8>, column: usize, text: &str) {
        let cells = text.chars().count();
        self.widths[column] = self.widths[column].max(cells);
        out.extend_from_slice(text.as_bytes());
        out.resize(out.len() + self.widths[column] - cells + 1, b' ');
    }
}

/// No blanks at the end of a line.
fn end_line(out: &mut Vec<u8>) {
    let used = out.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last + 1);
    out.truncate(used);
    out.push(b'\n');
}
