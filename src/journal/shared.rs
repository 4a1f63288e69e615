//! What the journal's threads, io threads and readers see of each other. No lock here is held across a system call.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, TrySendError};
use tokio::sync::mpsc::UnboundedSender;

use super::catalog::Catalog;
use super::id_hash::{IdHash, IdKey};
use super::ids::{IdWindow, Seen};
use super::mutex::locked;
use super::parked::{Open, ParkOutcome, Parked};
use super::queue::Queue;
use super::receipt::{Completions, Submission};
use super::record::RouteProgress;
use super::ring::{Item, Ring};
use crate::counters::{Counter, Latencies};
use crate::event::{Event, Sequence};
use crate::refusal::Refusal;

/// What comes to the journal thread.
#[derive(Debug)]
pub(super) enum Order {
    /// An event.
    Submit(Submission),
    /// Look at [`Shared::control`].
    Look,
}

/// What is asked of the journal thread besides events. Whoever leaves something here sends [`Order::Look`].
#[derive(Debug, Default)]
pub(super) struct Control {
    pub(super) progress: Vec<(Arc<str>, RouteProgress)>,
    /// Routes whose progress is not to be kept.
    pub(super) forget: Vec<Arc<str>>,
    /// Parked events that routes are done with. They go into one batch with the progress beside them.
    pub(super) settled: Vec<Sequence>,
    pub(super) parking: Vec<Parked>,
    pub(super) release: Option<Sequence>,
    pub(super) close: bool,
}

/// Called after a batch is published.
pub(crate) type Wake = Arc<dyn Fn() + Send + Sync>;

/// The shared state of a journal.
pub(super) struct Shared {
    orders: Sender<Order>,
    queue: Queue,
    /// The shortest deadline of all sources: nobody's queue may be longer than others can wait for.
    shortest_deadline: Duration,
    /// Full, failed or neither, as [`Shared::set_gate`] encodes it.
    gate: AtomicU8,
    pub(super) control: Mutex<Control>,
    /// The io threads, and how many receipts each has open.
    entrances: Mutex<Vec<(UnboundedSender<Completions>, Arc<AtomicUsize>)>>,
    pub(super) catalog: Catalog,
    pub(super) ring: Mutex<Ring>,
    /// Parked events that no route is done with. The journal thread alone changes it.
    pub(super) open: Mutex<Open>,
    /// What became of events that were to be parked, until dispatch takes note of it.
    pub(super) park_outcomes: Mutex<Vec<ParkOutcome>>,
    /// The next sequence that is not safe.
    synced_end: AtomicU64,
    wakes: Mutex<Vec<Wake>>,
    pub(super) pace: Pace,
    pub(super) counts: Counts,
    pub(super) trouble: Mutex<Option<Trouble>>,
    pub(super) windows: Vec<(IdWindow, Arc<Seen>)>,
    id_key: IdKey,
    /// When the journal was opened.
    epoch: Instant,
}

/// What the journal thread counts. It alone writes them.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) sync: Latencies,
    pub(super) batches: Counter,
    pub(super) events: Counter,
    pub(super) bytes: Counter,
    pub(super) failures: Counter,
}

impl Counts {
    /// Takes note of a batch that is safe, and of how long its write and its sync took.
    pub(super) fn note_batch(&self, took: Duration, events: u64, bytes: u64) {
        self.sync.record(took);
        self.batches.increment();
        self.events.add(events);
        self.bytes.add(bytes);
    }
}

/// Why nothing is taken.
#[derive(Debug, Clone)]
pub(crate) struct Trouble {
    /// `journal_full` or `journal_failed`.
    pub(crate) refusal: Refusal,
    /// What the system said.
    pub(crate) why: String,
    /// Since when.
    pub(crate) since: Instant,
}

/// The id windows' time at the epoch: there are ids from before it.
pub(super) const ID_TIME_AT_EPOCH: Duration = Duration::from_secs(1000 * 24 * 3600);

/// What [`Shared::new`] needs to know.
pub(super) struct Parts {
    pub(super) orders: Sender<Order>,
    pub(super) queue: Queue,
    pub(super) shortest_deadline: Duration,
    pub(super) catalog: Catalog,
    pub(super) ring: Ring,
    pub(super) open: Open,
    pub(super) synced_end: Sequence,
    pub(super) windows: Vec<(IdWindow, Arc<Seen>)>,
    pub(super) id_key: IdKey,
    pub(super) epoch: Instant,
    pub(super) batch_bytes_max: usize,
}

impl Shared {
    pub(super) fn new(parts: Parts) -> Self {
        Self {
            orders: parts.orders,
            queue: parts.queue,
            shortest_deadline: parts.shortest_deadline,
            gate: AtomicU8::new(0),
            control: Mutex::default(),
            entrances: Mutex::default(),
            catalog: parts.catalog,
            ring: Mutex::new(parts.ring),
            open: Mutex::new(parts.open),
            park_outcomes: Mutex::default(),
            synced_end: AtomicU64::new(parts.synced_end.0),
            wakes: Mutex::default(),
            pace: Pace::new(parts.epoch, parts.batch_bytes_max),
            counts: Counts::default(),
            trouble: Mutex::default(),
            windows: parts.windows,
            id_key: parts.id_key,
            epoch: parts.epoch,
        }
    }

    /// Io thread: whether an event of so many bytes may be handed over now, to be safe by `deadline`.
    pub(super) fn admit(&self, source: usize, bytes: usize, now: Instant, deadline: Instant) -> Result<(), Refusal> {
        if let Some(refusal) = self.gate() {
            return Err(refusal);
        }
        let of_all = |queued| self.pace.is_in_time(queued, now, deadline);
        let soonest = now.checked_add(self.shortest_deadline).map_or(deadline, |soonest| soonest.min(deadline));
        let of_its_own = |queued| self.pace.is_in_time(queued, now, soonest);
        let has_room = self.queue.has_room(source, bytes, of_all, of_its_own);
        if has_room { Ok(()) } else { Err(Refusal::JournalBehind) }
    }

    /// Io thread: hands an event over.
    pub(super) fn send(&self, submission: Submission) -> Result<(), Refusal> {
        let (source, bytes) = (submission.source, submission.bytes);
        self.queue.enter(source, bytes);
        self.orders.try_send(Order::Submit(submission)).map_err(|error| {
            self.queue.leave(source, bytes);
            match error {
                TrySendError::Full(_) => Refusal::JournalBehind,
                TrySendError::Disconnected(_) => Refusal::JournalFailed,
            }
        })
    }

    /// An event's id, as the windows of duplicates and the index pages know it.
    pub(super) fn hash_id(&self, event: &Event) -> IdHash {
        self.id_key.hash(event.id_bytes())
    }

    /// Journal thread: a submission has left the queue.
    pub(super) fn left_queue(&self, source: usize, bytes: usize) {
        self.queue.leave(source, bytes);
    }

    /// Events and bytes that wait.
    pub(super) fn queue(&self) -> (usize, usize) {
        (self.orders.len(), self.queue.bytes())
    }

    /// Whether a whole batch waits: events come faster than the disk takes them.
    pub(super) fn is_saturated(&self) -> bool {
        // The bytes alone may be those of an event that is on its way into the channel, or does not get in.
        self.queue.bytes() >= self.pace.batch_bytes_max && !self.orders.is_empty()
    }

    /// Leaves something for the journal thread.
    pub(super) fn control(&self, leave: impl FnOnce(&mut Control)) {
        leave(&mut locked(&self.control));
        // A full queue keeps it awake, and it looks after every batch.
        let _ = self.orders.try_send(Order::Look);
    }

    /// Opens or closes the journal to new events.
    pub(super) fn set_gate(&self, closed: Option<Refusal>) {
        let gate = match closed {
            None => 0,
            Some(Refusal::JournalFull) => 1,
            Some(_) => 2,
        };
        self.gate.store(gate, Ordering::Relaxed);
    }

    fn gate(&self) -> Option<Refusal> {
        match self.gate.load(Ordering::Relaxed) {
            0 => None,
            1 => Some(Refusal::JournalFull),
            _ => Some(Refusal::JournalFailed),
        }
    }

    /// Registers an io thread and returns its index.
    pub(super) fn add_entrance(&self, sender: UnboundedSender<Completions>, receipts: Arc<AtomicUsize>) -> usize {
        let mut entrances = locked(&self.entrances);
        entrances.push((sender, receipts));
        entrances.len() - 1
    }

    pub(super) fn entrances(&self) -> Vec<UnboundedSender<Completions>> {
        locked(&self.entrances).iter().map(|(sender, _)| sender.clone()).collect()
    }

    /// Events handed over of which an io thread has not heard yet, or has not yet told its client.
    pub(super) fn open_receipts(&self) -> usize {
        locked(&self.entrances).iter().map(|(_, receipts)| receipts.load(Ordering::Relaxed)).sum()
    }

    /// Journal thread: makes a synced batch visible to readers, and wakes them.
    pub(super) fn publish(&self, first: Sequence, events: Vec<Item>) {
        let end = first.plus(events.len() as u64);
        for item in &events {
            if let Item::Event(event) = item {
                event.leave_budget();
            }
        }
        let evicted = locked(&self.ring).push(first, events);
        // After the ring: whoever sees the new end finds the events there.
        self.synced_end.store(end.0, Ordering::Release);
        self.wake_readers();
        drop(evicted);
    }

    /// Journal thread: there is something that readers want to know.
    pub(super) fn wake_readers(&self) {
        let wakes = locked(&self.wakes).clone();
        for wake in wakes {
            wake();
        }
    }

    /// `now` as the id windows count it.
    pub(super) fn id_time(&self, now: Instant) -> Duration {
        ID_TIME_AT_EPOCH + now.saturating_duration_since(self.epoch)
    }

    pub(super) fn synced_end(&self) -> Sequence {
        Sequence(self.synced_end.load(Ordering::Acquire))
    }

    pub(super) fn add_wake(&self, wake: Wake) {
        locked(&self.wakes).push(wake);
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("synced_end", &self.synced_end()).finish_non_exhaustive()
    }
}

/// How long a batch takes at present, to tell early whether one more event can be in time.
#[derive(Debug)]
pub(super) struct Pace {
    epoch: Instant,
    batch_bytes_max: usize,
    typical_us: AtomicU64,
    /// When the batch in flight was begun, in microseconds since `epoch` and never 0; 0 when there is none.
    begun_us: AtomicU64,
}

impl Pace {
    fn new(epoch: Instant, batch_bytes_max: usize) -> Self {
        Self { epoch, batch_bytes_max, typical_us: AtomicU64::new(0), begun_us: AtomicU64::new(0) }
    }

    /// Journal thread: a batch is being written.
    pub(super) fn begin(&self, now: Instant) {
        self.begun_us.store(self.since_epoch(now).max(1), Ordering::Relaxed);
    }

    /// Journal thread: it is done, after so long.
    pub(super) fn end(&self, took: Duration) {
        self.begun_us.store(0, Ordering::Relaxed);
        let typical = self.typical_us.load(Ordering::Relaxed);
        self.typical_us.store((typical * 3 + took.as_micros() as u64) / 4, Ordering::Relaxed);
    }

    /// Whether what is queued, and one batch more, can be written by `deadline`. An idle journal is always tried.
    fn is_in_time(&self, queued: usize, now: Instant, deadline: Instant) -> bool {
        let begun = self.begun_us.load(Ordering::Relaxed);
        if begun == 0 && queued == 0 {
            return true;
        }
        let running = if begun == 0 { 0 } else { self.since_epoch(now).saturating_sub(begun) };
        let per_batch = self.typical_us.load(Ordering::Relaxed);
        let batches = (queued / self.batch_bytes_max) as u64 + 1;
        // The batch in flight has the rest of its time to go, or, if it is late already, nobody knows how much.
        let wait = per_batch * batches + per_batch.saturating_sub(running);
        now + Duration::from_micros(wait) <= deadline
    }

    fn since_epoch(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.epoch).as_micros() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_in_time_is_told_at_once() {
        let epoch = Instant::now();
        let pace = Pace::new(epoch, 1000);
        for _ in 0..40 {
            pace.end(Duration::from_millis(10));
        }
        pace.begin(epoch);
        let deadline = epoch + Duration::from_millis(100);
        assert!(pace.is_in_time(5_000, epoch, deadline));
        assert!(!pace.is_in_time(50_000, epoch, deadline));
    }

    #[test]
    fn a_slow_batch_long_ago_does_not_keep_an_idle_journal_closed() {
        let epoch = Instant::now();
        let pace = Pace::new(epoch, 1000);
        pace.end(Duration::from_secs(100));
        assert!(pace.is_in_time(0, epoch, epoch + Duration::from_millis(1)));
    }
}
