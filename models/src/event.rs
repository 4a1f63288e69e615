//! Events that are but a number.

use std::time::Instant;

#[path = "../../src/event/sequence.rs"]
mod sequence;

pub(crate) use sequence::Sequence;

#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) number: u64,
    pub(crate) received_at: Instant,
}

impl Event {
    pub(crate) fn received_at(&self) -> Instant {
        self.received_at
    }
}
