//! The window of duplicates. The journal thread owns it, and it alone decides.
//!
//! ```text
//! unknown ── first copy is gathered ──▶ pending ── its batch is synced ──▶ safe ── window ends ──▶ unknown
//!    ▲                                     │
//!    └────────── its batch failed ─────────┘
//! ```
//!
//! An id is kept as a hash, and so are those that index pages bring back.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::id_hash::{ByIdHash, IdHash, IdKey};

/// How long the ids of a source are remembered: until the first of both bounds.
#[derive(Debug, Clone)]
pub(crate) struct IdWindow {
    /// The source's name.
    pub(crate) source: Arc<str>,
    /// Ids remembered at most; 0 for none.
    pub(crate) ids: usize,
    /// For how long.
    pub(crate) age: Duration,
}

/// A source's window as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WindowStatus {
    /// The source.
    pub(crate) source: Arc<str>,
    /// Ids in it.
    pub(crate) ids: u64,
    /// Duplicates it has found.
    pub(crate) duplicates: u64,
    /// How far back it really reaches: less than its `age` where it is full before, or has just begun.
    pub(crate) reach: Duration,
}

/// What is known of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing: it is new, and now pending.
    New,
    /// Its first copy is in the batch that is being gathered.
    Pending,
    /// Its first copy is safe.
    Safe,
}

/// The windows of all sources.
#[derive(Debug)]
pub(super) struct Ids {
    key: IdKey,
    windows: Vec<Window>,
}

#[derive(Debug)]
struct Window {
    bounds: IdWindow,
    /// `true` once safe.
    known: ByIdHash<bool>,
    /// Safe ids, oldest first, with the time they became so.
    order: VecDeque<(IdHash, Duration)>,
    seen: Arc<Seen>,
}

/// What others see of a window.
#[derive(Debug, Default)]
pub(super) struct Seen {
    ids: AtomicU64,
    duplicates: AtomicU64,
    oldest_ms: AtomicU64,
}

impl Ids {
    /// Empty windows. Times are durations since a moment that the caller chooses, for all of them the same.
    pub(super) fn new(windows: &[IdWindow]) -> Self {
        let windows = windows
            .iter()
            .map(|bounds| Window {
                bounds: bounds.clone(),
                known: ByIdHash::default(),
                order: VecDeque::new(),
                seen: Arc::default(),
            })
            .collect();
        Self { key: IdKey::draw(), windows }
    }

    /// From now on ids are hashed with this key. To be called before there are any.
    pub(super) fn adopt(&mut self, key: IdKey) {
        self.key = key;
    }

    /// What ids are hashed with.
    pub(super) fn key(&self) -> &IdKey {
        &self.key
    }

    /// What [`Seen::status`] reads, one for each source.
    pub(super) fn seen(&self) -> Vec<(IdWindow, Arc<Seen>)> {
        self.windows.iter().map(|window| (window.bounds.clone(), Arc::clone(&window.seen))).collect()
    }

    /// The index of a source.
    pub(super) fn source(&self, name: &str) -> Option<usize> {
        self.windows.iter().position(|window| *window.bounds.source == *name)
    }

    /// Looks an id up, and takes note of it if it is new. `None` where the source has no window.
    pub(super) fn look_up(&mut self, source: usize, id: IdHash, now: Duration) -> Option<Known> {
        let window = self.windows.get_mut(source).filter(|window| window.bounds.ids > 0)?;
        window.forget_old(now);
        Some(match window.known.get(&id) {
            None => {
                window.known.insert(id, false);
                Known::New
            }
            Some(false) => Known::Pending,
            Some(true) => {
                window.seen.duplicates.fetch_add(1, Ordering::Relaxed);
                Known::Safe
            }
        })
    }

    /// The first copy of a pending id is safe.
    pub(super) fn settle(&mut self, source: usize, id: IdHash, now: Duration) {
        let Some(window) = self.windows.get_mut(source) else { return };
        if let Some(safe) = window.known.get_mut(&id)
            && !std::mem::replace(safe, true)
        {
            window.order.push_back((id, now));
            window.forget_old(now);
        }
    }

    /// The first copy of a pending id was refused: it may come again.
    pub(super) fn forget(&mut self, source: usize, id: IdHash) {
        let Some(window) = self.windows.get_mut(source) else { return };
        if window.known.get(&id) == Some(&false) {
            window.known.remove(&id);
        }
    }

    /// A copy that waited for a pending one turned out to be a duplicate.
    pub(super) fn note_duplicate(&self, source: usize) {
        if let Some(window) = self.windows.get(source) {
            window.seen.duplicates.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes up an id that was made safe by an earlier process, before there are any of this one.
    pub(super) fn restore(&mut self, source: usize, id: IdHash, at: Duration) {
        let Some(window) = self.windows.get_mut(source).filter(|window| window.bounds.ids > 0) else { return };
        if window.known.insert(id, true).is_none() {
            window.order.push_back((id, at));
            if window.order.len() > window.bounds.ids
                && let Some((oldest, _)) = window.order.pop_front()
            {
                window.known.remove(&oldest);
            }
        }
    }

    /// All are taken up, and this is the time.
    pub(super) fn restored(&mut self, now: Duration) {
        self.windows.iter_mut().for_each(|window| window.forget_old(now));
    }
}

impl Window {
    fn forget_old(&mut self, now: Duration) {
        while let Some(&(id, at)) = self.order.front() {
            if self.order.len() <= self.bounds.ids && now.saturating_sub(at) < self.bounds.age {
                break;
            }
            self.order.pop_front();
            self.known.remove(&id);
        }
        let oldest = self.order.front().map_or(now, |&(_, at)| at);
        self.seen.ids.store(self.order.len() as u64, Ordering::Relaxed);
        self.seen.oldest_ms.store(oldest.as_millis() as u64, Ordering::Relaxed);
    }
}

impl Seen {
    /// The window, seen at `now`.
    pub(super) fn status(&self, bounds: &IdWindow, now: Duration) -> WindowStatus {
        let ids = self.ids.load(Ordering::Relaxed);
        let oldest = Duration::from_millis(self.oldest_ms.load(Ordering::Relaxed));
        WindowStatus {
            source: Arc::clone(&bounds.source),
            ids,
            duplicates: self.duplicates.load(Ordering::Relaxed),
            reach: if ids == 0 { Duration::ZERO } else { now.saturating_sub(oldest).min(bounds.age) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn ids(bound: usize) -> Ids {
        let window = |source: &str| IdWindow { source: source.into(), ids: bound, age: HOUR };
        Ids::new(&[window("a"), window("b")])
    }

    fn look_up(ids: &mut Ids, source: usize, id: &str, at: Duration) -> Option<Known> {
        ids.look_up(source, ids.key().hash(id), at)
    }

    fn new(ids: &mut Ids, id: &str) -> IdHash {
        assert_eq!(look_up(ids, 0, id, Duration::ZERO), Some(Known::New), "{id}");
        ids.key().hash(id)
    }

    #[test]
    fn an_id_is_unknown_then_pending_then_safe() {
        let mut ids = ids(10);
        let key = new(&mut ids, "x");
        assert_eq!(look_up(&mut ids, 0, "x", Duration::ZERO), Some(Known::Pending));
        ids.settle(0, key, Duration::ZERO);
        assert_eq!(look_up(&mut ids, 0, "x", Duration::ZERO), Some(Known::Safe));
    }

    #[test]
    fn a_refused_id_may_come_again() {
        let mut ids = ids(10);
        let key = new(&mut ids, "x");
        ids.forget(0, key);
        new(&mut ids, "x");
    }

    #[test]
    fn the_same_id_of_another_source_is_another() {
        let mut ids = ids(10);
        let key = new(&mut ids, "x");
        ids.settle(0, key, Duration::ZERO);
        assert!(matches!(look_up(&mut ids, 1, "x", Duration::ZERO), Some(Known::New)));
    }

    #[test]
    fn a_window_ends_by_count() {
        let mut ids = ids(2);
        for id in ["x", "y", "z"] {
            let key = new(&mut ids, id);
            ids.settle(0, key, Duration::ZERO);
        }
        new(&mut ids, "x");
        assert_eq!(look_up(&mut ids, 0, "z", Duration::ZERO), Some(Known::Safe));
    }

    #[test]
    fn a_window_ends_by_age_and_says_how_far_it_reaches() {
        let mut ids = ids(10);
        let key = new(&mut ids, "x");
        ids.settle(0, key, Duration::ZERO);
        let (bounds, seen) = ids.seen().remove(0);
        assert_eq!(seen.status(&bounds, HOUR / 2).reach, HOUR / 2);
        assert_eq!(look_up(&mut ids, 0, "x", Duration::from_secs(3599)), Some(Known::Safe));
        assert!(matches!(look_up(&mut ids, 0, "x", HOUR), Some(Known::New)));
    }

    #[test]
    fn a_window_of_no_ids_knows_none() {
        assert_eq!(look_up(&mut ids(0), 0, "x", Duration::ZERO), None);
    }
}
