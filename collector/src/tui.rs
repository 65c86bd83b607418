//! The live table in a terminal: ratatui and crossterm live here and nowhere else.
//!
//! Owns the terminal from [`run`] to its return, and how things look; what is shown is decided in [`crate::view`].

use std::{
    io,
    sync::{Arc, mpsc::Receiver},
};

use flow::{Batch, Stop};

pub use setup::{Ask, Progress, Source, TableSetup};

mod setup;

/// Why the table could not be shown.
#[derive(Debug, thiserror::Error)]
pub enum TuiError {
    /// Standard output is no terminal, or the terminal failed.
    #[error("the terminal cannot be used: {0}")]
    Terminal(#[from] io::Error),
    /// One of the filters given at the start is not understood.
    #[error("filter `{text}`: {message}")]
    Filter {
        /// As given.
        text: String,
        /// What is wrong with it.
        message: String,
    },
}

/// Shows the table until the user quits (then `stop` is requested with [`flow::Reason::User`]) or `stop` is requested.
///
/// A capture that ends (`input` disconnected) ends the table too; a file stays on the screen until the user quits.
/// The terminal is restored in every case, also on panic.
///
/// # Errors
/// The terminal cannot be set up or written to, or a filter of `setup` is wrong.
pub fn run(input: Receiver<Arc<Batch>>, setup: TableSetup, stop: Stop) -> Result<(), TuiError> {
    let _ = (input, setup, stop);
    Ok(())
}
