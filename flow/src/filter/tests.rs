//! What expressions mean, and what is said of those that mean nothing.

use super::*;
use crate::FlowRecord;

mod meaning;
