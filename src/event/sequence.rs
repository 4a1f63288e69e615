//! The number of an event in the journal.

use std::fmt;

/// The number of an event in the journal, 1 for the first: later events have higher numbers, and the numbers of a write that
/// failed are never given to an event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Sequence(pub(crate) u64);

impl Sequence {
    /// The number after this one.
    pub(crate) fn next(self) -> Self {
        self.plus(1)
    }

    /// The number `events` later.
    pub(crate) fn plus(self, events: u64) -> Self {
        Self(self.0.saturating_add(events))
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
