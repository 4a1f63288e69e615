//! Blocks of the journal that have been read and are not yet passed by every route in them. Pure, but for the reading.

use super::log::{Log, LogError};
use crate::event::{Event, Sequence};

/// Safe events that were read at once.
#[derive(Debug)]
pub(super) struct Block {
    /// Nothing between here and the first event is missing.
    from: Sequence,
    events: Vec<(Sequence, Event)>,
}

/// The blocks at hand: at most one for each place where a route stands.
#[derive(Debug, Default)]
pub(super) struct Blocks(Vec<Block>);

impl Block {
    pub(super) fn events(&self) -> &[(Sequence, Event)] {
        &self.events
    }

    /// The first sequence behind it.
    pub(super) fn end(&self) -> Sequence {
        self.events.last().map_or(self.from, |(last, _)| last.next())
    }

    /// Whether it says what there is at this sequence.
    pub(super) fn holds(&self, sequence: Sequence) -> bool {
        self.from <= sequence && sequence < self.end()
    }
}

impl Blocks {
    /// The block in which `from` lies; it is read if it is not there. `None` if there are no safe events from there on.
    pub(super) fn at(&mut self, from: Sequence, log: &mut dyn Log) -> Result<Option<&Block>, LogError> {
        let at = if let Some(at) = self.0.iter().position(|block| block.holds(from)) {
            at
        } else {
            let events = log.read(from, BLOCK_BYTES)?;
            if events.is_empty() {
                return Ok(None);
            }
            debug_assert!(events.is_sorted_by(|(a, _), (b, _)| a < b));
            debug_assert!(events.first().is_some_and(|(first, _)| *first >= from));
            self.0.push(Block { from, events });
            self.0.len() - 1
        };
        Ok(self.0.get(at))
    }

    /// Lets go of the blocks that are no more needed.
    pub(super) fn retain(&mut self, is_needed: impl Fn(&Block) -> bool) {
        self.0.retain(is_needed);
    }

    #[cfg(test)]
    pub(super) fn events_held(&self) -> usize {
        self.0.iter().map(|block| block.events.len()).sum()
    }
}

/// What is read at once. As much as a few hundred small events, so that the cost of a read is shared by them and a route
/// that stands still holds little.
const BLOCK_BYTES: usize = 256 << 10;
