//! What "safe" means: an event is in a segment on this disk, and synced, before anybody is told so.
//!
//! ```text
//! io-N      Entrance::submit ──▶ queue ──▶ journal: batch, write, sync ──▶ Receipt: safe, duplicate or refused
//!                                             │
//!                                             ├──▶ ring of recent batches ──▶ Reader (dispatch)
//!                                             └──▶ segments ──────────────────▶ Reader, when it is behind
//! disk      prepares the next segments, recycles those that nobody needs
//! ```
//!
//! It knows nothing of routes but how far each says it has come, which it keeps for them. `docs/journal-format.md` describes
//! the bytes on the disk.

mod batch;

mod catalog;

mod disk;

mod error;

mod gathered;

mod id_hash;

mod ids;

mod index;

mod inspect;

mod layout;

mod lock;

mod mutex;

mod parked;

mod parking;

mod queue;

mod reader;

mod receipt;

mod record;

mod recovery;

mod repair;

mod restore;

mod retain;

mod ring;

mod search;

mod segment;

mod shared;

mod start;

mod status;

mod stock;

mod threads;

mod writer;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;

#[cfg(feature = "benches")]
pub(crate) mod bench;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::Sender;

use self::disk::Disk;
pub(crate) use self::error::JournalError;
pub(crate) use self::ids::IdWindow;
pub(crate) use self::inspect::{Inspection, inspect};
pub(crate) use self::lock::DirLock;
use self::mutex::locked;
pub(crate) use self::parked::{OpenParked, ParkOutcome, Parked, ReadParked};
pub(crate) use self::reader::Reader;
pub(crate) use self::receipt::{Entrance, Outcome, Receipt};
pub(crate) use self::record::RouteProgress;
pub(crate) use self::recovery::Recovered;
pub(crate) use self::repair::{Loss, Repair, repair};
pub(crate) use self::search::{Found, Search};
use self::shared::Shared;
pub(crate) use self::status::JournalStatus;
use self::threads::Errand;
use crate::event::Sequence;

/// How a journal is kept.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Its directory, for itself alone.
    pub(crate) dir: PathBuf,
    /// Bytes of all its files together.
    pub(crate) max_size: u64,
    /// How long events stay that every route is done with; `None`: until the room is needed.
    pub(crate) retain_age: Option<Duration>,
    /// Bytes of all segments from which on such events go; `None`: until the room is needed.
    pub(crate) retain_size: Option<u64>,
    /// Bytes of a segment's file.
    pub(crate) segment_size: u64,
    /// Memory for recent events.
    pub(crate) ring_bytes: usize,
    /// Events that may wait to be written.
    pub(crate) queue_events: usize,
    /// Bytes of them.
    pub(crate) queue_bytes: usize,
    /// One for each source, in the order of the configuration.
    pub(crate) id_windows: Vec<IdWindow>,
    /// The shortest time in which one of them must be answered.
    pub(crate) shortest_deadline: Duration,
}

impl Settings {
    /// What holds unless somebody says otherwise.
    pub(crate) fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            max_size: 100 << 30,
            retain_age: Some(Duration::from_secs(3 * 24 * 3600)),
            retain_size: Some(20 << 30),
            segment_size: 64 << 20,
            ring_bytes: 16 << 20,
            queue_events: 65_536,
            queue_bytes: 256 << 20,
            id_windows: Vec::new(),
            shortest_deadline: Duration::MAX,
        }
    }
}

/// An open journal.
#[derive(Debug)]
pub(crate) struct Journal {
    shared: Arc<Shared>,
    disk: Arc<dyn Disk>,
    max_size: u64,
    errands: Sender<Errand>,
    /// `None` once closed.
    running: Mutex<Option<Running>>,
}

/// What ends when a journal is closed.
#[derive(Debug)]
struct Running {
    journal: JoinHandle<()>,
    disk: JoinHandle<()>,
    _lock: Option<DirLock>,
}

impl Journal {
    /// Locks the directory, finds out what is safe in it, and starts the threads `journal` and `disk`.
    pub(crate) fn open(settings: &Settings) -> Result<(Self, Recovered), JournalError> {
        start::open(settings)
    }

    /// Where an io thread hands events over. To be called on that thread, inside its `LocalSet`.
    pub(crate) fn entrance(&self) -> Entrance {
        Entrance::new(Arc::clone(&self.shared))
    }

    /// Keeps how far routes have come, and with which parked events they are done. It goes with the next batch, or in one of
    /// its own when there is none.
    pub(crate) fn save_progress(&self, progress: Vec<(Arc<str>, RouteProgress)>, settled: Vec<Sequence>) {
        self.shared.control(|control| {
            control.progress.extend(progress);
            control.settled.extend(settled);
        });
    }

    /// Keeps events for an attempt at a route when they are due. What became of each says [`Journal::take_park_outcomes`] to
    /// dispatch, which delivers those that are safe; the caller keeps the event until then. Never blocks: who hands over many
    /// waits for the outcome of some before the next.
    pub(crate) fn park(&self, parked: Vec<Parked>) {
        self.shared.control(|control| control.parking.extend(parked));
    }

    /// What became of events that were to be parked since this was called last. Readers are woken when there is something.
    pub(crate) fn take_park_outcomes(&self) -> Vec<ParkOutcome> {
        std::mem::take(&mut *locked(&self.shared.park_outcomes))
    }

    /// Keeps nothing more of how far a route has come, nor its parked events: one that is no more. The same holds as for progress.
    pub(crate) fn forget(&self, route: &Arc<str>) {
        self.shared.control(|control| control.forget.push(Arc::clone(route)));
    }

    /// The thread that has ended though nobody has closed the journal: by a fault in hookgate.
    pub(crate) fn fallen_thread(&self) -> Option<String> {
        let running = locked(&self.running);
        let Running { journal, disk, .. } = running.as_ref()?;
        let fallen = [journal, disk].into_iter().find(|thread| thread.is_finished())?;
        fallen.thread().name().map(str::to_owned)
    }

    /// For reading back.
    pub(crate) fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.shared), Arc::clone(&self.disk))
    }

    /// For finding an event by its id.
    pub(crate) fn search(&self) -> Search {
        Search::of_open(Arc::clone(&self.shared), Arc::clone(&self.disk))
    }

    /// Whether its disk takes what is written.
    pub(crate) fn is_well(&self) -> bool {
        locked(&self.shared.trouble).is_none()
    }

    /// As it is now.
    pub(crate) fn status(&self) -> JournalStatus {
        JournalStatus::of(&self.shared, self.max_size)
    }

    /// Writes what was handed over and a checkpoint, and ends the threads. Blocks meanwhile. To be called when nothing is
    /// submitted any more: what comes later is refused.
    pub(crate) fn close(&self) {
        let Some(running) = locked(&self.running).take() else { return };
        self.shared.control(|control| control.close = true);
        if running.journal.join().is_err() {
            tracing::error!("the journal's thread panicked; what was acknowledged is safe");
        }
        // Fails only if the thread has ended.
        let _ = self.errands.send(Errand::Stop);
        if running.disk.join().is_err() {
            tracing::error!("the disk thread panicked");
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.close();
    }
}
