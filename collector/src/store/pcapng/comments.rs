//! The comments of packets, made once for all packets with the same ends.

use std::{borrow::Cow, sync::Arc};

use flow::{FlowRecord, config::Comments as Wanted};
use hashbrown::HashMap;

use super::names::Names;
use crate::annotation::Comment;

/// Ends that are remembered; each holds its record, about 2 KiB. Past them all are forgotten.
const MOST: usize = 4096;

/// Comments by the ends that they were made from.
#[derive(Debug)]
pub(super) struct Comments {
    wanted: Wanted,
    known: HashMap<usize, Known>,
    /// Number of the file at hand.
    file: u32,
    /// Of packets of which nothing is known.
    nothing: Comment,
}

#[derive(Debug)]
struct Known {
    /// Kept, so that nothing else comes to lie where it lies.
    _ends: Arc<FlowRecord>,
    comment: Comment,
    /// The file that has the names of its addresses.
    named_in: u32,
}

impl Comments {
    pub(super) fn new(wanted: Wanted) -> Self {
        Self { wanted, known: HashMap::new(), file: 1, nothing: Comment::default() }
    }

    /// A new file begins: names have to be told again.
    pub(super) fn next_file(&mut self) {
        self.file += 1;
    }

    /// The comment of a packet, empty for none. The names of its ends go into `names`.
    pub(super) fn of(
        &mut self,
        ends: Option<&Arc<FlowRecord>>,
        cause: Option<&str>,
        time_ns: u64,
        names: &mut Names,
    ) -> Cow<'_, str> {
        let (wanted, file) = (self.wanted, self.file);
        let comment = match ends {
            None => &self.nothing,
            Some(ends) => {
                let known = self.known(ends);
                if known.named_in != file {
                    known.named_in = file;
                    Comment::host_names(ends).for_each(|(address, name)| names.note(address, &name, time_ns));
                }
                &known.comment
            }
        };
        match (wanted, cause) {
            (Wanted::None, _) | (Wanted::Drops, None) => Cow::Borrowed(""),
            (Wanted::Drops, Some(cause)) => Cow::Owned(Comment::default().dropped(cause)),
            (Wanted::Full, Some(cause)) => Cow::Owned(comment.dropped(cause)),
            (Wanted::Full, None) => Cow::Borrowed(comment.text().unwrap_or_default()),
        }
    }

    fn known(&mut self, ends: &Arc<FlowRecord>) -> &mut Known {
        if self.known.len() >= MOST {
            self.known.clear();
        }
        let new = || Known { _ends: Arc::clone(ends), comment: Comment::of(ends), named_in: 0 };
        self.known.entry(Arc::as_ptr(ends).addr()).or_insert_with(new)
    }
}
