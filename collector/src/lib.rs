//! collector

pub mod decode;
pub mod tui;
pub mod view;
