//! A journal in memory. Its events are made when they are read: a million of them cost nothing until then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime};

use crate::event::{Budget, Event, EventMeta, Found, IdSource, Piece, RecordPool, Sequence};
use crate::journal::{OpenParked, ParkOutcome, Parked, ReadParked};
use crate::routes::{Log, LogError, Progress};

/// What is in the journal; it outlives the processes of a test.
#[derive(Debug)]
pub(super) struct Disk {
    /// The type of the event with this sequence; `None` if there is none.
    kind: fn(u64) -> Option<&'static str>,
    pub(super) end: AtomicU64,
    /// What was asked for, and what the last batch made safe to let go.
    released: AtomicU64,
    gone: AtomicU64,
    state: Mutex<State>,
    pub(super) reads: AtomicU64,
    pub(super) is_broken: AtomicBool,
    /// Reading ends its thread.
    pub(super) panics: AtomicBool,
    /// Nothing can be parked.
    pub(super) is_full: AtomicBool,
    /// A byte for each event in memory.
    pub(super) events: Arc<Budget>,
}

#[derive(Debug, Default)]
struct State {
    synced: Saved,
    /// Saved since: the next batch takes it along.
    unsynced: Saved,
    settled: Vec<Sequence>,
    parking: Vec<Parked>,
    outcomes: Vec<ParkOutcome>,
    /// By sequence: parked events there have ever been.
    parked: BTreeMap<u64, Parked>,
    open: BTreeSet<u64>,
}

type Saved = BTreeMap<Arc<str>, Progress>;

impl Disk {
    pub(super) fn new(kind: fn(u64) -> Option<&'static str>) -> Arc<Self> {
        Arc::new(Self {
            kind,
            end: AtomicU64::new(0),
            released: AtomicU64::new(0),
            gone: AtomicU64::new(0),
            state: Mutex::default(),
            reads: AtomicU64::new(0),
            is_broken: AtomicBool::new(false),
            panics: AtomicBool::new(false),
            is_full: AtomicBool::new(false),
            events: Arc::new(Budget::new(usize::MAX / 2)),
        })
    }

    /// Writes and syncs a batch of so many sequences, and what is to go with it.
    pub(super) fn append(&self, sequences: u64) {
        let mut state = self.state.lock().unwrap();
        let State { synced, unsynced, settled, parking, outcomes, parked, open } = &mut *state;
        synced.append(unsynced);
        for sequence in settled.drain(..) {
            assert!(open.remove(&sequence.0), "{sequence} is settled and was not open");
        }
        let mut end = self.end() + sequences;
        for event in parking.drain(..) {
            let place = (!self.is_full.load(SeqCst)).then_some(Sequence(end));
            let (route, due_ms, replaces) = (Arc::clone(&event.route), event.due_ms, event.replaces);
            outcomes.push(ParkOutcome { route, due_ms, replaces, place });
            if place.is_some() {
                if let Some(replaced) = event.replaces {
                    open.remove(&replaced.0);
                }
                open.insert(end);
                parked.insert(end, event);
                end += 1;
            }
        }
        self.end.store(end, SeqCst);
        self.gone.store(self.released(), SeqCst);
    }

    /// What was not synced is gone.
    pub(super) fn crash(&self) {
        let mut state = self.state.lock().unwrap();
        let State { unsynced, settled, parking, outcomes, .. } = &mut *state;
        unsynced.clear();
        settled.clear();
        parking.clear();
        outcomes.clear();
        self.released.store(self.gone(), SeqCst);
    }

    /// What survives a crash.
    pub(super) fn synced(&self) -> Vec<(Arc<str>, Progress)> {
        let state = self.state.lock().unwrap();
        state.synced.iter().map(|(name, progress)| (Arc::clone(name), progress.clone())).collect()
    }

    /// Likewise: the parked events that are open.
    pub(super) fn open(&self) -> Vec<OpenParked> {
        let state = self.state.lock().unwrap();
        let open = |&place: &u64| {
            let Parked { route, due_ms, original, .. } = &state.parked[&place];
            OpenParked { route: Arc::clone(route), sequence: Sequence(place), due_ms: *due_ms, original: *original }
        };
        state.open.iter().map(open).collect()
    }

    /// The event that is parked here, by the place where it was received.
    pub(super) fn original(&self, place: u64) -> Option<u64> {
        self.state.lock().unwrap().parked.get(&place).map(|parked| parked.original.unwrap().0)
    }

    pub(super) fn end(&self) -> u64 {
        self.end.load(SeqCst)
    }

    pub(super) fn released(&self) -> u64 {
        self.released.load(SeqCst)
    }

    pub(super) fn gone(&self) -> u64 {
        self.gone.load(SeqCst)
    }

    pub(super) fn kind(&self, sequence: u64) -> Option<&'static str> {
        let is_parked = self.state.lock().unwrap().parked.contains_key(&sequence);
        if is_parked { None } else { (self.kind)(sequence) }
    }

    pub(super) fn log(self: &Arc<Self>) -> FakeLog {
        FakeLog { disk: Arc::clone(self), pool: RecordPool::new(Arc::clone(&self.events)), ids: IdSource::new() }
    }
}

/// One process's way to the journal.
pub(super) struct FakeLog {
    disk: Arc<Disk>,
    pool: RecordPool,
    ids: IdSource,
}

impl FakeLog {
    fn event(&mut self, sequence: u64, kind: &str) -> Event {
        let mut draft = self.pool.draft();
        assert!(draft.reserve(1));
        draft.head("billing", "POST", "/hooks/billing");
        draft.push_body(b"body");
        let id = sequence.to_string();
        let text = |text| Some(Found { piece: Piece::Head(text), appended: None });
        let meta = EventMeta { event_type: text(kind), id: text(&id) };
        draft.seal(meta, true, (Instant::now(), SystemTime::now()), &mut self.ids)
    }
}

impl Log for FakeLog {
    /// An event takes up a kilobyte.
    fn read(&mut self, from: Sequence, max_bytes: usize) -> Result<Vec<(Sequence, Event)>, LogError> {
        self.disk.reads.fetch_add(1, SeqCst);
        assert!(!self.disk.panics.load(SeqCst), "as the test wants it");
        if self.disk.is_broken.load(SeqCst) {
            return Err(LogError::new("segment 7 is damaged at offset 4096"));
        }
        let most = (max_bytes >> 10).max(1);
        let (first, end) = (from.0.max(self.disk.gone()), self.disk.end());
        let mut events = Vec::new();
        for sequence in first..end {
            if events.len() == most {
                break;
            }
            if let Some(kind) = self.disk.kind(sequence) {
                events.push((Sequence(sequence), self.event(sequence, kind)));
            }
        }
        Ok(events)
    }

    fn end(&self) -> Sequence {
        Sequence(self.disk.end())
    }

    fn bytes_from(&self, from: Sequence) -> u64 {
        self.disk.end().saturating_sub(from.0) << 10
    }

    fn last_bytes(&self, bytes: u64) -> Sequence {
        Sequence(self.disk.end().saturating_sub(bytes >> 10))
    }

    fn begins_before(&self, _: SystemTime) -> Sequence {
        Sequence(self.disk.released())
    }

    /// At once, as if a batch had taken it along.
    fn forget(&mut self, route: &Arc<str>) {
        let mut state = self.disk.state.lock().unwrap();
        let State { synced, unsynced, parked, open, .. } = &mut *state;
        synced.remove(route);
        unsynced.remove(route);
        open.retain(|place| parked[place].route != *route);
    }

    fn save(&mut self, progress: Vec<(Arc<str>, Progress)>, settled: Vec<Sequence>) {
        let through_bytes = |progress: Progress| {
            let mut bytes = Vec::new();
            progress.encode(&mut bytes);
            Progress::decode(&bytes).unwrap()
        };
        let progress = progress.into_iter().map(|(name, progress)| (name, through_bytes(progress)));
        let mut state = self.disk.state.lock().unwrap();
        state.unsynced.extend(progress);
        state.settled.extend(settled);
    }

    fn park(&mut self, parking: Vec<Parked>) {
        self.disk.state.lock().unwrap().parking.extend(parking);
    }

    fn take_park_outcomes(&mut self) -> Vec<ParkOutcome> {
        std::mem::take(&mut self.disk.state.lock().unwrap().outcomes)
    }

    fn read_parked(&mut self, place: Sequence) -> Result<ReadParked, LogError> {
        let state = self.disk.state.lock().unwrap();
        assert!(state.open.contains(&place.0) && place.0 >= self.disk.gone());
        let Parked { event, attempts, original, state, .. } = &state.parked[&place.0];
        Ok(ReadParked { event: event.clone(), attempts: *attempts, original: *original, state: state.clone() })
    }

    fn release_before(&mut self, lowest: Sequence) {
        assert!(lowest.0 >= self.disk.released() && lowest.0 <= self.disk.end());
        self.disk.released.store(lowest.0, SeqCst);
    }
}
