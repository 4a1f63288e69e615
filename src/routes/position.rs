//! How far one route has come in the journal. Pure.
//!
//! ```text
//!            lowest        window: handed out, not yet all done           next
//!  ────────────┼───────────────────────────────────────────────────────────┼──────────▶ sequences
//!   all done   │ undone   done   done   undone   done   undone   undone    │ not looked at
//! ```
//!
//! What the route's rule does not match is passed over and takes up no room here. The window is bounded: an event that is not
//! done for long lets as many others go by, [`WINDOW`], and then the route waits for it.

use std::collections::VecDeque;

use super::progress::Progress;
use crate::event::Sequence;

/// The place of one route in the journal.
#[derive(Debug)]
pub(super) struct Position {
    next: Sequence,
    /// Events handed out, by sequence. The first is not done; behind it are the others that are not, and those done before
    /// their turn.
    window: VecDeque<Slot>,
    window_max: usize,
    /// What an earlier process left behind, as far as `next` has not come to it.
    left: Left,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    sequence: Sequence,
    is_done: bool,
}

/// Everything from `next` on and below `end` was done, but for `undone`.
#[derive(Debug, Default)]
struct Left {
    undone: VecDeque<Sequence>,
    end: Sequence,
}

impl Position {
    /// Goes on where `progress` was recorded, with a window of so many events.
    pub(super) fn resume(progress: &Progress, window_max: usize) -> Self {
        Self {
            next: progress.position(),
            window: VecDeque::new(),
            window_max,
            left: Left { undone: progress.undone().iter().copied().collect(), end: progress.next() },
        }
    }

    /// The first event that the route has to look at next: all before it are handed out, done or none of its own.
    pub(super) fn next(&self) -> Sequence {
        self.next
    }

    /// The lowest event that is not done, or where there is none the next.
    pub(super) fn lowest(&self) -> Sequence {
        self.window.front().map_or(self.next, |slot| slot.sequence)
    }

    /// Whether the route has to wait for its lowest event.
    pub(super) fn is_full(&self) -> bool {
        self.window.len() >= self.window_max
    }

    /// Whether an event at or after [`Position::next`] was done before this process began.
    pub(super) fn was_done(&self, sequence: Sequence) -> bool {
        sequence < self.left.end && self.left.undone.binary_search(&sequence).is_err()
    }

    /// Events up to and without `to` are none that the route has to do.
    pub(super) fn pass(&mut self, to: Sequence) {
        if to <= self.next {
            return;
        }
        self.next = to;
        while self.left.undone.front().is_some_and(|&undone| undone < to) {
            self.left.undone.pop_front();
        }
        // Nothing between here and the next that was left has to be looked at.
        if self.next < self.left.end {
            self.next = self.left.undone.front().copied().unwrap_or(self.left.end);
        }
    }

    /// The route has taken this event, which is at or after [`Position::next`].
    pub(super) fn hand_out(&mut self, sequence: Sequence) {
        debug_assert!(sequence >= self.next && !self.is_full());
        self.window.push_back(Slot { sequence, is_done: false });
        self.pass(sequence.next());
    }

    /// The route is done with this event.
    pub(super) fn done(&mut self, sequence: Sequence) {
        let Ok(at) = self.window.binary_search_by_key(&sequence, |slot| slot.sequence) else {
            debug_assert!(false, "an event that was not handed out");
            return;
        };
        if let Some(slot) = self.window.get_mut(at) {
            slot.is_done = true;
        }
        while self.window.front().is_some_and(|slot| slot.is_done) {
            self.window.pop_front();
        }
    }

    /// What has to be recorded to go on from here. Events that are handed out with none done after them are as good as not
    /// handed out, so a route that works in order costs a few bytes however much waits in its queue.
    pub(super) fn progress(&self) -> Progress {
        let undone = |slot: &&Slot| !slot.is_done;
        let left = &self.left;
        if self.next < left.end {
            let window = self.window.iter().filter(undone).map(|slot| slot.sequence);
            return Progress::new(window.chain(left.undone.iter().copied()).collect(), left.end);
        }
        let is_open = |slot: &&Slot| !slot.is_done && slot.sequence >= left.end;
        let open = self.window.iter().rev().take_while(is_open).count();
        let closed = self.window.len() - open;
        let next = self.window.get(closed).map_or(self.next, |slot| slot.sequence);
        Progress::new(self.window.iter().take(closed).filter(undone).map(|slot| slot.sequence).collect(), next)
    }
}

/// Events that may be handed out from the lowest undone one on.
pub(super) const WINDOW: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    fn sequences(numbers: impl IntoIterator<Item = u64>) -> Vec<Sequence> {
        numbers.into_iter().map(Sequence).collect()
    }

    fn at(next: u64) -> Position {
        Position::resume(&Progress::at(Sequence(next)), WINDOW)
    }

    #[test]
    fn the_position_stands_at_the_lowest_event_that_is_not_done() {
        let mut position = at(10);
        for sequence in [11, 12, 15] {
            position.hand_out(Sequence(sequence));
        }
        assert_eq!((position.lowest(), position.next()), (Sequence(11), Sequence(16)));
        position.done(Sequence(12));
        assert_eq!(position.lowest(), Sequence(11));
        position.done(Sequence(11));
        assert_eq!(position.lowest(), Sequence(15));
        position.done(Sequence(15));
        assert_eq!(position.lowest(), Sequence(16));
    }

    #[test]
    fn what_is_not_its_own_moves_it_at_once() {
        let mut position = at(0);
        position.pass(Sequence(1_000_000));
        assert_eq!(position.progress(), Progress::at(Sequence(1_000_000)));
        position.pass(Sequence(5));
        assert_eq!(position.next(), Sequence(1_000_000));
    }

    #[test]
    fn events_in_order_are_recorded_as_one_number() {
        let mut position = at(0);
        (0..1_000).for_each(|sequence| position.hand_out(Sequence(sequence)));
        (0..10).for_each(|sequence| position.done(Sequence(sequence)));
        assert_eq!(position.progress(), Progress::at(Sequence(10)));
        position.done(Sequence(12));
        assert_eq!(position.progress(), Progress::new(sequences([10, 11]), Sequence(13)));
    }

    #[test]
    fn the_window_fills_up_behind_an_event_that_is_not_done() {
        let mut position = at(0);
        for sequence in 0..WINDOW as u64 {
            assert!(!position.is_full());
            position.hand_out(Sequence(sequence * 3));
        }
        (1..WINDOW as u64).for_each(|sequence| position.done(Sequence(sequence * 3)));
        assert!(position.is_full());
        assert_eq!(position.progress(), Progress::new(sequences([0]), position.next()));
        position.done(Sequence(0));
        assert!(!position.is_full());
        assert_eq!(position.lowest(), position.next());
    }

    #[test]
    fn only_what_was_left_undone_is_looked_at_again() {
        let progress = Progress::new(sequences([3, 7, 8]), Sequence(20));
        let mut position = Position::resume(&progress, WINDOW);
        assert_eq!((position.next(), position.lowest()), (Sequence(3), Sequence(3)));
        assert!(position.was_done(Sequence(4)) && !position.was_done(Sequence(7)) && !position.was_done(Sequence(20)));
        position.hand_out(Sequence(3));
        assert_eq!((position.next(), position.progress()), (Sequence(7), progress));
        position.done(Sequence(3));
        position.hand_out(Sequence(7));
        assert_eq!(position.progress(), Progress::new(sequences([7, 8]), Sequence(20)));
        // No event has the number 8 any more.
        position.pass(Sequence(9));
        assert_eq!((position.next(), position.progress()), (Sequence(20), Progress::new(sequences([7]), Sequence(20))));
        position.hand_out(Sequence(21));
        position.done(Sequence(21));
        assert_eq!(position.progress(), Progress::new(sequences([7]), Sequence(22)));
    }
}
