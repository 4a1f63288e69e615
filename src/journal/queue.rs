//! What waits to be written: bounded in all, and for each source, so that one that sends all it can leaves room and time to the
//! others.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Counted in when an event is handed over, and out when the journal thread takes it.
#[derive(Debug)]
pub(super) struct Queue {
    bytes: AtomicUsize,
    bytes_max: usize,
    events_max: usize,
    /// As submissions count them.
    sources: Box<[OfSource]>,
}

/// What waits of one source.
#[derive(Debug, Default)]
struct OfSource {
    events: AtomicUsize,
    bytes: AtomicUsize,
}

/// One of several sources, polls among them, may have one of so many parts of the queue, and of the time in which it is to be written.
const SHARE: usize = 2;

impl Queue {
    /// An empty one, for the events of so many sources.
    pub(super) fn new(bytes_max: usize, events_max: usize, sources: usize) -> Self {
        let sources = (0..sources).map(|_| OfSource::default()).collect();
        Self { bytes: AtomicUsize::new(0), bytes_max, events_max, sources }
    }

    /// Whether an event of so many bytes may enter. `all_in_time` and `own_in_time` say whether it is soon enough behind so
    /// many bytes: of all sources, and if all were its own source's.
    pub(super) fn has_room(
        &self,
        source: usize,
        bytes: usize,
        all_in_time: impl Fn(usize) -> bool,
        own_in_time: impl Fn(usize) -> bool,
    ) -> bool {
        let queued = self.bytes();
        // One event is always taken, however large: the memory budget has let it in.
        let fits = queued == 0 || queued + bytes <= self.bytes_max;
        if !fits || !all_in_time(queued) {
            return false;
        }
        let Some(own) = self.sources.get(source).filter(|_| self.sources.len() > 1) else { return true };
        let (events, queued) = (own.events.load(Ordering::Relaxed), own.bytes.load(Ordering::Relaxed));
        let fits = events < self.events_max / SHARE && queued + bytes <= self.bytes_max / SHARE;
        events == 0 || fits && own_in_time(queued * SHARE)
    }

    pub(super) fn enter(&self, source: usize, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if let Some(own) = self.sources.get(source) {
            own.events.fetch_add(1, Ordering::Relaxed);
            own.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    pub(super) fn leave(&self, source: usize, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        if let Some(own) = self.sources.get(source) {
            own.events.fetch_sub(1, Ordering::Relaxed);
            own.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    /// Bytes of all sources.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn always(_: usize) -> bool {
        true
    }

    #[test]
    fn one_of_several_sources_has_half_and_leaves_the_rest() {
        let queue = Queue::new(1000, 100, 2);
        queue.enter(0, 400);
        assert!(queue.has_room(0, 100, always, always));
        assert!(!queue.has_room(0, 101, always, always), "its half is full");
        assert!(queue.has_room(1, 600, always, always), "the other's is not");
        queue.leave(0, 400);
        assert!(queue.has_room(0, 5000, always, always), "the first is always taken");
        for _ in 0..50 {
            queue.enter(0, 1);
        }
        assert!(!queue.has_room(0, 1, always, always), "nor has it more than half of the places");
        assert!(queue.has_room(1, 1, always, always));
    }

    #[test]
    fn one_of_several_sources_has_half_of_the_time() {
        let queue = Queue::new(1000, 100, 2);
        queue.enter(0, 300);
        let in_time = |queued: usize| queued <= 500;
        assert!(!queue.has_room(0, 1, in_time, in_time), "twice as much would be too late");
        assert!(queue.has_room(1, 1, in_time, in_time));
        queue.enter(1, 300);
        assert!(!queue.has_room(1, 1, in_time, in_time));
    }

    #[test]
    fn an_only_source_has_all() {
        let queue = Queue::new(1000, 2, 1);
        queue.enter(0, 300);
        queue.enter(0, 300);
        assert!(queue.has_room(0, 400, always, |_| false));
        assert!(!queue.has_room(0, 401, always, always));
    }
}
