//! When the oldest event was received that a route has come to and is not done with. Pure.

use std::collections::VecDeque;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::event::{Event, Sequence};

/// One route's memory of when its events were received, as coarse as [`STEP_MS`]: a thousand events of one moment are one
/// entry.
#[derive(Debug, Default)]
pub(super) struct Ages {
    /// From this sequence on they were received at about this time, in milliseconds since 1970. In their order.
    marks: VecDeque<(Sequence, u64)>,
    newest: Option<Sequence>,
}

/// What is this near to another is of the same age.
const STEP_MS: u64 = 100;

impl Ages {
    /// The route has come to an event.
    pub(super) fn note(&mut self, sequence: Sequence, event: &Event) {
        self.note_at(sequence, milliseconds(event.received()));
    }

    fn note_at(&mut self, sequence: Sequence, received: u64) {
        if Some(sequence) <= self.newest {
            return;
        }
        self.newest = Some(sequence);
        if self.marks.back().is_none_or(|(_, last)| last.abs_diff(received) >= STEP_MS) {
            self.marks.push_back((sequence, received));
        }
    }

    /// The time of the lowest event that is not done, in milliseconds since 1970; `None` if it is none that was noted.
    pub(super) fn since(&mut self, lowest: Sequence) -> Option<u64> {
        while self.marks.get(1).is_some_and(|(next, _)| *next <= lowest) {
            self.marks.pop_front();
        }
        self.marks
            .front()
            .filter(|(from, _)| *from <= lowest && Some(lowest) <= self.newest)
            .map(|(_, received)| *received)
    }
}

fn milliseconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_event_says_how_old_it_is_to_within_a_step() {
        let mut ages = Ages::default();
        for (sequence, received) in [(1, 1_000), (2, 1_050), (5, 1_120), (9, 60_000)] {
            ages.note_at(Sequence(sequence), received);
        }
        // Looked at again after it found no room.
        ages.note_at(Sequence(9), 60_000);
        let since: Vec<_> = [1, 2, 5, 6, 9].map(|lowest| ages.since(Sequence(lowest))).into();
        assert_eq!(since, [1_000, 1_000, 1_120, 1_120, 60_000].map(Some));
        assert_eq!(ages.since(Sequence(10)), None, "it has passed all");
        ages.note_at(Sequence(20), 60_020);
        assert_eq!(ages.since(Sequence(20)), Some(60_000));
    }

    #[test]
    fn events_of_one_moment_take_up_one_place() {
        let mut ages = Ages::default();
        (1..10_000).for_each(|sequence| ages.note_at(Sequence(sequence), 1_000 + sequence / 200));
        assert_eq!(ages.marks.len(), 1);
    }
}
