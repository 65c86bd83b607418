//! The help page, made from the key table so that it cannot say what is not so.

use flow::{control::AgentState, show};

use super::header::Header;
use crate::NodeStatus;
use crate::view::{Command, Mode, View, details::Line, keys, mark::Mark};

/// Heading, mode, commands with what they do.
type Section = (&'static str, Mode, &'static [(Command, &'static str)]);

const KEYS: &[Section] = &[
    (
        "Everywhere",
        Mode::Filter,
        &[
            (Command::Quit, "End: files are closed, then the command returns."),
            (Command::Help, "This page."),
            (Command::Pause, "Hold the picture; counting and writing go on. Again: go on with what is now."),
            (Command::NextDisplay, "Next display: other facts about the traffic."),
            (Command::PreviousDisplay, "Display before."),
            (Command::NextEnrichment, "Next way to name the ends."),
            (Command::PreviousEnrichment, "The way before."),
            (Command::Up, "Row up; the table follows the selected row."),
            (Command::Down, "Row down."),
            (Command::PageDown, "Page down."),
            (Command::PageUp, "Page up."),
            (Command::Top, "To the first row, and stay with the first."),
            (Command::Bottom, "To the last row, and stay with the last."),
            (Command::Suspend, "To the background; `fg` brings it back."),
            (Command::Redraw, "Paint the screen anew."),
        ],
    ),
    (
        "While the filter line has the keyboard",
        Mode::Filter,
        &[
            (
                Command::Complete,
                "Offer what may stand next, from the fields and from what the rows hold; if nothing may, or the line is empty: give the keyboard to the table.",
            ),
            (Command::KeepFilter, "Keep what is typed as a filter; the next one narrows further."),
            (Command::Rub, "Remove a letter; on the empty line the last filter."),
            (Command::RubWord, "Remove a word."),
            (Command::ClearLine, "Empty the line."),
            (Command::FocusTable, "Give the keyboard to the table."),
        ],
    ),
    (
        "While the table has the keyboard",
        Mode::Table,
        &[
            (Command::FocusFilter, "Give the keyboard to the filter line."),
            (Command::Details, "All fields of the selected row."),
            (Command::SortMenu, "Choose the column to sort by; the same column again turns the order round."),
            (Command::Reverse, "Turn the order round."),
            (Command::Conversations, "Both directions of a connection in one row, the client first; again: in two."),
            (Command::ColumnMenu, "Choose columns."),
            (
                Command::Record,
                "In flows: packets of the selected flow or conversation, both ways, into a file of their own; again on it: no more.",
            ),
            (Command::Save, "With --ring: save the last seconds of packets, and those to come; again: that is enough."),
            (
                Command::Export,
                "In packets: write the conversation of the packet you went to into a file; without one, all packets shown.",
            ),
            (Command::OpenExport, "The same, and open it in Wireshark (where the capture is on this machine)."),
            (Command::Release, "Let go of the selected row."),
            (Command::Rub, "Remove a letter of the filter line, or the last filter."),
        ],
    ),
];

const FILTERS: &[(&str, &str)] = &[
    ("tcp 443", "All of it: a protocol, a word found anywhere in a row."),
    ("10.0.0.1:443", "One end."),
    ("dst.port = 443", "A field; without src. or dst. either end. Also != < <= > >= =~ !~ in (80, 443)."),
    ("bytes > 1MB or rtt > 5ms", "Numbers with units; and or not ( )."),
    ("src.namespace = shop", "Pods, workloads, services, nodes, names of the cluster."),
    ("dns.rcode = NXDomain", "What features find out: dns. drop. tcp. tls. xlat. process..."),
    ("with(drop.cause)", "The field is there; without() is the opposite."),
    ("host 10.0.0.1 and port 53", "As tcpdump has it."),
    ("-udp, \"a b\"", "Not in the row; words with the space between them."),
];

/// What [`Command::Quit`] does to a capture that goes on without the table.
const LEAVE: &str = "Leave the table; the capture goes on.";

/// The nodes of the capture with what each of them says.
fn nodes(nodes: &[NodeStatus]) -> Vec<Line> {
    let mut lines = Vec::new();
    if !nodes.is_empty() {
        lines.push(Line::Heading("Nodes"));
    }
    for node in nodes {
        let losses = node.counters.losses().map(|entry| format!(", {} {}", show::count(entry.value), entry.label));
        let text = format!("{}: {}{}", node.node, node.words(), losses.collect::<String>());
        let mut texts = vec![text];
        if let Some(AgentState::Attached { limits, .. }) = &node.state {
            texts.extend(limits.iter().map(|limit| format!("  {limit}")));
        }
        let line = |text: String| Line::Field { name: "", value: show::escape(&text).into_owned(), doc: "" };
        lines.extend(texts.into_iter().map(line));
    }
    lines
}

/// The lines of the page.
pub(super) fn lines(view: &View, header: &Header<'_>) -> Vec<Line> {
    let mut lines = nodes(&header.progress.nodes);
    for (heading, mode, keys) in KEYS {
        lines.push(Line::Heading(heading));
        lines.extend(keys.iter().map(|(command, doc)| Line::Field {
            name: "",
            value: keys::names(*mode, *command).join(", "),
            doc: if *command == Command::Quit && !header.setup.stops { LEAVE } else { doc },
        }));
    }
    lines.push(Line::Heading("Filters (they narrow the table, never the files)"));
    lines.extend(FILTERS.iter().map(|(text, doc)| Line::Field { name: "", value: (*text).to_owned(), doc }));
    lines.push(Line::Heading("Marks before a row"));
    lines.extend(
        [
            (Mark::Bad, "Packets dropped, IPsec failed."),
            (Mark::Warning, "Refused, reset, timed out, ICMP error, DNS failure, slow answer."),
            (Mark::Notable, "Faster than 100 Mbit/s."),
            (Mark::Quiet, "Silent for more than two intervals."),
        ]
        .map(|(mark, doc)| Line::Field { name: "", value: mark.symbol().to_string(), doc }),
    );
    if !view.notices().is_empty() {
        lines.push(Line::Heading("Said so far"));
    }
    let said = view.notices().iter().rev();
    lines.extend(said.map(|(when, text)| Line::Field {
        name: "",
        value: format!("{}  {}", show::time_of_day(when / 1_000_000), show::escape(text)),
        doc: "",
    }));
    lines
}
