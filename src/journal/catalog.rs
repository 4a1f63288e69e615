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
    /// When it was begun.
    pub(super) opened: SystemTime,
    /// A write or sync in it failed: it is read, and never written again.
    pub(super) broken: bool,
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
            None => all.push_back(Kept { link, bytes: segment.bytes(), opened: segment.opened(), broken: false }),
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

    /// All of them.
    pub(super) fn all(&self) -> Vec<Kept> {
        locked(&self.0).iter().cloned().collect()
    }

    /// How many there are, and the bytes of their files.
    pub(super) fn size(&self) -> (usize, u64) {
        let all = locked(&self.0);
        (all.len(), all.iter().map(|kept| kept.bytes).sum())
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
