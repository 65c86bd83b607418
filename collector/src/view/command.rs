//! What keys ask for, and what the view asks of its surroundings in return.

/// Something a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// End the capture, or leave the file.
    Quit,
    /// Go to the background.
    Suspend,
    /// Paint everything anew.
    Redraw,
    /// Open or close the help page.
    Help,
    /// Hold the picture, or let it go on.
    Pause,
    /// A character for the filter line.
    Type(char),
    /// Remove the last character; on the empty line the last filter.
    Rub,
    /// Remove the last word.
    RubWord,
    /// Empty the line.
    ClearLine,
    /// Make the line a filter; on the empty line go to the table.
    KeepFilter,
    /// Offer what may stand next in the filter line; where nothing may, letters become commands.
    Complete,
    /// Letters become text.
    FocusFilter,
    /// Letters become commands.
    FocusTable,
    /// Let go of the selected row.
    Release,
    /// Columns of the next display.
    NextDisplay,
    /// Columns of the display before.
    PreviousDisplay,
    /// Columns of the next enrichment.
    NextEnrichment,
    /// Columns of the enrichment before.
    PreviousEnrichment,
    /// One row up.
    Up,
    /// One row down.
    Down,
    /// One page up.
    PageUp,
    /// One page down.
    PageDown,
    /// To the first row, and stay there.
    Top,
    /// To the last row, and stay there.
    Bottom,
    /// Open all fields of the row.
    Details,
    /// Choose the column to sort by.
    SortMenu,
    /// Sort the other way round.
    Reverse,
    /// Both directions of a connection in one row, or in two again.
    Conversations,
    /// Choose columns.
    ColumnMenu,
    /// Record the packets of the selected flow, or record them no longer.
    Record,
    /// Save the flight recorder, or save no more of it.
    Save,
    /// Write packets into a file: the conversation of the selected one, else all that are shown.
    Export,
    /// The same, and open it in Wireshark.
    OpenExport,
    /// Take the entry of the menu.
    Choose,
    /// Tick the entry of the menu, or untick it.
    Toggle,
    /// Back to the columns of the display and enrichment.
    Preset,
    /// Close what is open.
    Close,
}

/// What the surroundings have to do after a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing more.
    None,
    /// End.
    Quit,
    /// Stop the process until it is continued.
    Suspend,
    /// Paint everything anew.
    Redraw,
    /// Begin or end a recording of the selected flow.
    Record,
    /// Save the flight recorder.
    Save,
    /// Write packets ([`super::View::export`]) into a file, and open it.
    Export {
        /// In Wireshark.
        open: bool,
    },
}
