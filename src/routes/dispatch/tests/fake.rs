//! A journal in memory. Its events are made when they are read: a million of them cost nothing until then.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime};

use crate::event::{Budget, Event, EventMeta, Found, IdSource, Piece, RecordPool, Sequence};
use crate::routes::{Log, LogError, Progress};

/// What is in the journal; it outlives the processes of a test.
#[derive(Debug)]
pub(super) struct Disk {
    /// The type of the event with this sequence; `None` if there is none.
    kind: fn(u64) -> Option<&'static str>,
    pub(super) end: AtomicU64,
    released: AtomicU64,
    /// Synced, and saved since: the next batch takes it along.
    progress: Mutex<(Saved, Saved)>,
    pub(super) reads: AtomicU64,
    pub(super) is_broken: AtomicBool,
    /// Reading ends its thread.
    pub(super) panics: AtomicBool,
    /// A byte for each event in memory.
    pub(super) events: Arc<Budget>,
}

type Saved = BTreeMap<Arc<str>, Progress>;

impl Disk {
    pub(super) fn new(kind: fn(u64) -> Option<&'static str>) -> Arc<Self> {
        Arc::new(Self {
            kind,
            end: AtomicU64::new(0),
            released: AtomicU64::new(0),
            progress: Mutex::default(),
            reads: AtomicU64::new(0),
            is_broken: AtomicBool::new(false),
            panics: AtomicBool::new(false),
            events: Arc::new(Budget::new(usize::MAX / 2)),
        })
    }

    /// Writes and syncs a batch of so many sequences, and the progress that goes with it.
    pub(super) fn append(&self, sequences: u64) {
        let mut progress = self.progress.lock().unwrap();
        let (synced, unsynced) = &mut *progress;
        synced.append(unsynced);
        self.end.fetch_add(sequences, SeqCst);
    }

    /// What was not synced is gone.
    pub(super) fn crash(&self) {
        self.progress.lock().unwrap().1.clear();
    }

    /// What survives a crash.
    pub(super) fn synced(&self) -> Vec<(Arc<str>, Progress)> {
        self.progress.lock().unwrap().0.iter().map(|(name, progress)| (Arc::clone(name), progress.clone())).collect()
    }

    pub(super) fn end(&self) -> u64 {
        self.end.load(SeqCst)
    }

    pub(super) fn released(&self) -> u64 {
        self.released.load(SeqCst)
    }

    pub(super) fn kind(&self, sequence: u64) -> Option<&'static str> {
        (self.kind)(sequence)
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
        let (first, end) = (from.0.max(self.disk.released()), self.disk.end());
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

    fn forget(&mut self, route: &Arc<str>) {
        let mut progress = self.disk.progress.lock().unwrap();
        progress.0.remove(route);
        progress.1.remove(route);
    }

    fn save(&mut self, progress: Vec<(Arc<str>, Progress)>) {
        let through_bytes = |progress: Progress| {
            let mut bytes = Vec::new();
            progress.encode(&mut bytes);
            Progress::decode(&bytes).unwrap()
        };
        let progress = progress.into_iter().map(|(name, progress)| (name, through_bytes(progress)));
        self.disk.progress.lock().unwrap().1.extend(progress);
    }

    fn release_before(&mut self, lowest: Sequence) {
        assert!(lowest.0 >= self.disk.released() && lowest.0 <= self.disk.end());
        self.disk.released.store(lowest.0, SeqCst);
    }
}
