//! What expressions mean, and what is said of those that mean nothing.

use super::*;
use crate::FlowRecord;

mod completion;
mod docs;
mod errors;
mod explained;
mod kernel;
mod meaning;
mod random;
mod round;
mod speed;
