//! All there is to know of one row, a line each.

use flow::{FlowRecord, Group, show};

use super::{
    column::Column,
    row::{PacketRow, Row},
};

/// A line of the details.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// Heading of the lines after it.
    Heading(&'static str),
    /// A field by name, its value and what it means.
    Field {
        /// Name in JSON, SQLite and filters; else a label.
        name: &'static str,
        /// Safe for a terminal.
        value: String,
        /// One sentence.
        doc: &'static str,
    },
    /// Bytes of a packet: offset, hexadecimal, ASCII.
    Hex(String),
}

/// The lines of `row`.
pub fn lines(row: &Row) -> Vec<Line> {
    match row {
        Row::Flow(_) => flow_lines(row),
        Row::Packet(packet) => packet_lines(row, packet),
    }
}

fn flow_lines(row: &Row) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut heading = None;
    for column in Column::of_flows() {
        let Some(value) = row.cell(column) else { continue };
        let group = group(column);
        if heading.replace(group) != Some(group) {
            lines.push(Line::Heading(group));
        }
        lines.push(Line::Field { name: name(column), value: exact(row, column, &value), doc: column.doc() });
    }
    lines
}

fn name(column: Column) -> &'static str {
    match column {
        Column::Field(field) => field.name(),
        other => other.label(),
    }
}

fn group(column: Column) -> &'static str {
    let Column::Field(field) = column else { return "Now" };
    match field.group() {
        Group::Time => "Time",
        Group::Observer => "Where it was seen",
        Group::Link => "Link",
        Group::Endpoint => "Ends",
        Group::Volume => "Volume",
        Group::Detail => "Found out",
        Group::Source => "Source",
        Group::Destination => "Destination",
    }
}

/// Numbers that the table shortens are given in full too.
fn exact(row: &Row, column: Column, shown: &str) -> String {
    let (Row::Flow(flow), Column::Field(field)) = (row, column) else { return shown.to_owned() };
    match flow.record.get(field) {
        Some(flow::Value::UInt(ms)) if field.unit() == flow::Unit::EpochMs => show::date_time(ms),
        Some(flow::Value::Text(text)) => show::escape(text).into_owned(),
        Some(flow::Value::UInt(number)) if number.to_string() != shown => format!("{shown} ({number})"),
        _ => shown.to_owned(),
    }
}

fn packet_lines(row: &Row, packet: &PacketRow) -> Vec<Line> {
    let decoded = packet.decoded();
    let record = decoded.record();
    let mut lines = vec![Line::Heading("Packet")];
    for column in [Column::Time, Column::Interface, Column::Direction, Column::Length, Column::Info] {
        let value = row.cell(column).unwrap_or_default().into_owned();
        lines.push(Line::Field { name: column.label(), value, doc: column.doc() });
    }
    let value = packet.bytes.len().to_string();
    lines.push(Line::Field { name: "Kept", value, doc: "Bytes kept of the frame." });
    lines.extend(more(packet));
    lines.push(Line::Heading("Headers"));
    let fields = flow::Field::ALL.iter().filter_map(|field| Some((*field, show::cell(&record, *field)?)));
    lines.extend(fields.map(|(field, value)| Line::Field {
        name: field.name(),
        value: value.into_owned(),
        doc: field.doc().trim(),
    }));
    lines.push(Line::Heading("Bytes"));
    lines.extend(hex(&packet.bytes).map(Line::Hex));
    lines
}

/// What is known of a packet that its headers do not say.
fn more(packet: &PacketRow) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut line = |name, value: String, doc| {
        let value = show::escape(&value).into_owned();
        lines.push(Line::Field { name, value, doc });
    };
    if packet.packet_id != 0 {
        line("Packet Id", packet.packet_id.to_string(), "Equal for the same packet wherever it is seen.");
    }
    if let Some(cause) = &packet.cause {
        line("Dropped", cause.to_string(), "Why the kernel dropped it.");
    }
    if let Some(place) = packet.interface.as_ref().and_then(|interface| interface.place.as_deref()) {
        let value = format!("{}/{}:{}", place.namespace, place.pod, place.interface);
        line("Place", value, "Pod and interface in it where the packet was seen.");
    }
    if let Some(service) = packet.ends.as_deref().and_then(FlowRecord::service) {
        let value = format!("{}/{}", service.namespace, service.name);
        line("Service", value, "The Service that both ends speak through.");
    }
    let Some(ends) = packet.ends.as_deref() else { return lines };
    lines.push(Line::Heading("Ends"));
    let is_of_ends = |field: &&flow::Field| matches!(field.group(), Group::Source | Group::Destination | Group::Detail);
    let fields =
        flow::Field::ALL.iter().filter(is_of_ends).filter_map(|field| Some((*field, show::cell(ends, *field)?)));
    let fields = fields.map(|(field, value)| (field.name(), value.into_owned(), field.doc().trim()));
    lines.extend(fields.map(|(name, value, doc)| Line::Field { name, value, doc }));
    lines
}

/// Sixteen bytes a line: offset, hexadecimal, ASCII.
pub fn hex(bytes: &[u8]) -> impl Iterator<Item = String> + '_ {
    bytes.chunks(16).enumerate().map(|(line, chunk)| {
        let mut digits = String::with_capacity(50);
        for at in 0..16 {
            let byte = chunk.get(at).map_or_else(|| "   ".to_owned(), |byte| format!("{byte:02x} "));
            digits.push_str(&byte);
            if at == 7 {
                digits.push(' ');
            }
        }
        let printable = |byte: &u8| if (0x20..0x7f).contains(byte) { char::from(*byte) } else { '.' };
        format!("{:04x}  {digits} {}", line * 16, chunk.iter().map(printable).collect::<String>())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hex_line_has_offset_bytes_and_no_control_characters() {
        let bytes: Vec<_> = (0x18..0x2a).collect();
        let lines: Vec<_> = hex(&bytes).collect();
        assert_eq!(lines[0], "0000  18 19 1a 1b 1c 1d 1e 1f  20 21 22 23 24 25 26 27  ........ !\"#$%&'");
        assert_eq!(lines[1], "0010  28 29                                             ()");
    }
}
