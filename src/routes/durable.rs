//! One route as the `dispatch` thread sees it: what it is done with, whether it has room, where it stands.
//!
//! ```text
//! dispatch   no room: want(bytes), look once more ──┐      take_done, take_failed ◀── now and then, or when told
//! workers    take, settle: is there room wanted? ◀──┘ ring  done, failed ──▶ lists
//! ```
//!
//! Both pairs look after they have written (see `sleeper.rs`), so that no room and no event that is done goes unseen.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::dispatch::Bell;
use super::lock::lock;
use super::queue::Queue;
use super::waiting::Waiting;
use crate::event::Sequence;

/// What a route and the `dispatch` thread tell each other.
#[derive(Debug)]
pub(super) struct Durable {
    bell: Arc<Bell>,
    /// Events of the journal that hold a place in the queue.
    held: AtomicUsize,
    /// Those that are done, since dispatch last looked.
    done: Mutex<Vec<Sequence>>,
    /// Those that have failed and are to be parked in the journal until then, likewise.
    failed: Mutex<Vec<(Waiting, Instant)>>,
    /// Those that are parked there and not due.
    parked: AtomicUsize,
    /// One more than the bytes that dispatch wants room for; 0 for none.
    wanted: AtomicUsize,
    /// Where the route stands: the lowest sequence it is not done with.
    position: AtomicU64,
    /// When the event there was received, in milliseconds since 1970; 0 if that is not known.
    since_ms: AtomicU64,
    /// Before this it needs nothing of the journal.
    holds_from: AtomicU64,
    /// Bytes of the journal from there to the end.
    backlog: AtomicU64,
}

/// Where a route stands in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stand {
    /// The lowest sequence that it is not done with and has not parked.
    pub(super) position: Sequence,
    /// It needs nothing before this: its position, or the oldest event that it has parked.
    pub(super) holds_from: Sequence,
    /// Events that it has parked and that are not due.
    pub(super) parked: usize,
}

impl Durable {
    pub(super) fn new(bell: Arc<Bell>) -> Self {
        Self {
            bell,
            held: AtomicUsize::new(0),
            done: Mutex::default(),
            failed: Mutex::default(),
            parked: AtomicUsize::new(0),
            wanted: AtomicUsize::new(0),
            position: AtomicU64::new(0),
            since_ms: AtomicU64::new(0),
            holds_from: AtomicU64::new(0),
            backlog: AtomicU64::new(0),
        }
    }

    // Workers and `disk`.

    /// The route is done with an event, and is about to give back its place.
    pub(super) fn done(&self, sequence: Sequence) {
        lock(&self.done).push(sequence);
        self.let_go();
        self.bell.tell_done();
    }

    /// An event has failed and is to be tried again when it is due. It keeps its place until it is parked in the journal.
    pub(super) fn failed(&self, waiting: Waiting, due: Instant) {
        lock(&self.failed).push((waiting, due));
        self.bell.tell_done();
    }

    /// The place of an event is about to be given back, though it is not done: it stays in the journal.
    pub(super) fn let_go(&self) {
        self.held.fetch_sub(1, Ordering::SeqCst);
    }

    /// Wakes dispatch if it waits for room in this queue and there is some. The rest of what waits in the queue keeps the
    /// workers busy meanwhile, so it is not woken for each place but when half of them are left.
    pub(super) fn offer_room(&self, queue: &Queue) {
        let wanted = self.wanted.load(Ordering::SeqCst);
        if wanted > 0
            && queue.is_half_empty()
            && queue.has_room(wanted - 1)
            && self.wanted.swap(0, Ordering::SeqCst) > 0
        {
            self.bell.ring();
        }
    }

    // Dispatch.

    /// An event of the journal has been given a place.
    pub(super) fn hold(&self) {
        self.held.fetch_add(1, Ordering::SeqCst);
    }

    /// Asks to be woken when there is room for so many bytes. What there is already has to be looked for after this.
    pub(super) fn want(&self, bytes: usize) {
        self.wanted.store(bytes.saturating_add(1), Ordering::SeqCst);
        // Pairs with the giving back of a place, which comes before the look at `wanted`.
        fence(Ordering::SeqCst);
    }

    /// Takes that back.
    pub(super) fn want_nothing(&self) {
        self.wanted.store(0, Ordering::Relaxed);
    }

    /// Swaps the list of what is done for an empty one.
    pub(super) fn take_done(&self, empty: &mut Vec<Sequence>) {
        debug_assert!(empty.is_empty());
        std::mem::swap(&mut *lock(&self.done), empty);
    }

    pub(super) fn take_failed(&self) -> Vec<(Waiting, Instant)> {
        std::mem::take(&mut *lock(&self.failed))
    }

    /// Whether dispatch has something to take.
    pub(super) fn has_news(&self) -> bool {
        !lock(&self.done).is_empty() || !lock(&self.failed).is_empty()
    }

    /// Shows where the route stands, and since when the event there waits, in milliseconds since 1970.
    pub(super) fn stands_at(&self, stand: Stand, since_ms: Option<u64>) {
        self.position.store(stand.position.0, Ordering::Relaxed);
        self.holds_from.store(stand.holds_from.0, Ordering::Relaxed);
        self.parked.store(stand.parked, Ordering::Relaxed);
        self.since_ms.store(since_ms.unwrap_or_default(), Ordering::Relaxed);
    }

    pub(super) fn show_backlog(&self, bytes: u64) {
        self.backlog.store(bytes, Ordering::Relaxed);
    }

    // Control.

    /// Events of the journal that hold a place.
    pub(super) fn held(&self) -> usize {
        self.held.load(Ordering::SeqCst)
    }

    /// Events that are parked in the journal and not due.
    pub(super) fn parked(&self) -> usize {
        self.parked.load(Ordering::Relaxed)
    }

    /// Where the route stands.
    pub(super) fn position(&self) -> Sequence {
        Sequence(self.position.load(Ordering::Relaxed))
    }

    /// Before this it needs nothing of the journal.
    pub(super) fn holds_from(&self) -> Sequence {
        Sequence(self.holds_from.load(Ordering::Relaxed))
    }

    /// How many sequences the route is behind the journal's end.
    pub(super) fn lag(&self) -> u64 {
        self.bell.end().0.saturating_sub(self.position().0)
    }

    /// How old the oldest event is that the route has come to, is not done with and has not parked.
    pub(super) fn lag_age(&self, now: SystemTime) -> Option<Duration> {
        let since = Some(self.since_ms.load(Ordering::Relaxed)).filter(|since| *since > 0)?;
        Some(now.duration_since(UNIX_EPOCH + Duration::from_millis(since)).unwrap_or_default())
    }

    /// Bytes of the journal from the first that it needs to the end.
    pub(super) fn backlog(&self) -> u64 {
        self.backlog.load(Ordering::Relaxed)
    }
}
