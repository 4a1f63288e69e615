//! The segments there are, oldest first. The journal thread adds and advances, `disk` takes away, readers look.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::SystemTime;

use super::mutex::locked;
use super::segment::{Link, Segment};
use crate::event::Sequence;

/// A segment, as far as others than its writer need to know it.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    /// Where its safe content ends, and in which sequence.
    pub(super) link: Link,
    /// Bytes of its file.
    pub(super) bytes: u64,
    /// Bytes of its index page, if there is one.
    pub(super) index_bytes: u64,
    /// When it was begun.
    pub(super) opened: SystemTime,
    /// A write or sync in it failed: it is read, and never written again.
    pub(super) broken: bool,
}

impl Kept {
    fn bytes_from(&self, from: Sequence) -> u64 {
        let Link { first, sealed_at, end, .. } = self.link;
        if from <= first { sealed_at } else { share(sealed_at, end.0.saturating_sub(from.0), end.0 - first.0) }
    }
}

/// `part / whole` of `of`, rounded down.
fn share(of: u64, part: u64, whole: u64) -> u64 {
    (u128::from(of) * u128::from(part)).checked_div(u128::from(whole)).unwrap_or_default() as u64
}

/// All segments. Only the last may still grow.
#[derive(Debug, Default)]
pub(super) struct Catalog(Mutex<VecDeque<Kept>>);

impl Catalog {
    /// The segments of a journal that was there.
    pub(super) fn new(kept: impl IntoIterator<Item = Kept>) -> Self {
        Self(Mutex::new(kept.into_iter().collect()))
    }

    /// A segment joins, or the last one has grown.
    pub(super) fn note(&self, segment: &Segment) {
        let link = segment.link();
        let mut all = locked(&self.0);
        match all.back_mut().filter(|last| last.link.first == link.first) {
            Some(last) => {
                last.link = link;
                last.bytes = segment.bytes();
            }
            None => all.push_back(Kept {
                link,
                bytes: segment.bytes(),
                index_bytes: 0,
                opened: segment.opened(),
                broken: false,
            }),
        }
    }

    /// The page of a segment is there.
    pub(super) fn note_index(&self, first: Sequence, bytes: u64) {
        if let Some(kept) = locked(&self.0).iter_mut().find(|kept| kept.link.first == first) {
            kept.index_bytes = bytes;
        }
    }

    /// The last segment must not be written any more.
    pub(super) fn note_broken(&self) {
        if let Some(last) = locked(&self.0).back_mut() {
            last.broken = true;
        }
    }

    /// The segment that holds `from`, or the first event after it.
    pub(super) fn find(&self, from: Sequence) -> Option<Kept> {
        locked(&self.0).iter().find(|kept| from < kept.link.end).cloned()
    }

    /// Whether this segment is still there.
    pub(super) fn holds(&self, first: Sequence) -> bool {
        locked(&self.0).iter().any(|kept| kept.link.first == first)
    }

    /// The first sequence that is kept.
    pub(super) fn oldest(&self) -> Sequence {
        locked(&self.0).front().map_or(Sequence(1), |kept| kept.link.first)
    }

    /// Bytes from `from` to the end, where within a segment one event counts as much as another.
    pub(super) fn bytes_from(&self, from: Sequence) -> u64 {
        locked(&self.0).iter().rev().take_while(|kept| from < kept.link.end).map(|kept| kept.bytes_from(from)).sum()
    }

    /// The first sequence from which on there are no more than so many bytes.
    pub(super) fn last_bytes(&self, mut bytes: u64) -> Sequence {
        let all = locked(&self.0);
        for kept in all.iter().rev() {
            let Link { first, sealed_at, end, .. } = kept.link;
            if bytes < sealed_at {
                let fitting = share(end.0.saturating_sub(first.0), bytes, sealed_at);
                return Sequence(end.0.saturating_sub(fitting));
            }
            bytes -= sealed_at;
        }
        all.front().map_or(Sequence(1), |kept| kept.link.first)
    }

    /// The beginning of a segment before which no event was received at `time` or later.
    pub(super) fn begins_before(&self, time: SystemTime) -> Sequence {
        let all = locked(&self.0);
        // What a segment holds was received before the next one was begun.
        let later = all.iter().zip(all.iter().skip(1)).find(|(_, next)| next.opened > time);
        later.map(|(kept, _)| kept).or(all.back()).map_or(Sequence(1), |kept| kept.link.first)
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<Kept> {
        locked(&self.0).iter().cloned().collect()
    }

    /// How many there are, and the bytes of their files, with the pages.
    pub(super) fn size(&self) -> (usize, u64) {
        let all = locked(&self.0);
        (all.len(), all.iter().map(|kept| kept.bytes + kept.index_bytes).sum())
    }

    /// Takes the oldest away, before its file is touched: readers then know that it is gone.
    pub(super) fn take_oldest(&self) -> Option<Kept> {
        locked(&self.0).pop_front()
    }

    /// Its file could not be touched.
    pub(super) fn put_back(&self, oldest: Kept) {
        locked(&self.0).push_front(oldest);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    /// Segments of 10 events and 1000 bytes each, begun an hour apart; the last has 5 events and 100 bytes so far.
    fn catalog() -> Catalog {
        Catalog::new((0..3).map(|at| {
            let first = Sequence(1 + 10 * at);
            let (events, sealed_at) = if at == 2 { (5, 100) } else { (10, 1000) };
            let link = Link { first, id: [0; 16], sealed_at, end: first.plus(events) };
            Kept { link, bytes: 1000, index_bytes: 0, opened: UNIX_EPOCH + HOUR * at as u32, broken: false }
        }))
    }

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn what_is_behind_counts_to_the_end_and_not_to_the_end_of_the_file() {
        let catalog = catalog();
        for (from, bytes) in [(26, 0), (25, 20), (21, 100), (16, 600), (11, 1100), (1, 2100), (0, 2100)] {
            assert_eq!(catalog.bytes_from(Sequence(from)), bytes, "from {from}");
        }
    }

    #[test]
    fn the_last_bytes_begin_where_no_more_than_those_are_behind() {
        let catalog = catalog();
        for bytes in 0..2100 {
            let from = catalog.last_bytes(bytes);
            assert!(catalog.bytes_from(from) <= bytes, "{bytes} from {from}");
            assert!(catalog.bytes_from(Sequence(from.0 - 1)) > bytes, "{bytes}: {from} is not the first");
        }
        assert_eq!(catalog.last_bytes(5000), Sequence(1));
    }

    #[test]
    fn an_event_of_a_time_is_not_before_the_segment_that_was_open_then() {
        let catalog = catalog();
        for (hours, first) in [(0, 1), (1, 11), (2, 21), (9, 21)] {
            assert_eq!(catalog.begins_before(UNIX_EPOCH + HOUR * hours), Sequence(first), "hour {hours}");
        }
    }
}
