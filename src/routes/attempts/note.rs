//! Where workers note attempts: a bounded channel that never makes them wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::format::{Attempt, Entry, key_of};
use crate::counters::SharedCounter;
use crate::routes::delivery::Outcome;
use crate::routes::waiting::Waiting;

/// The worker's side of the log. Cloning shares it.
#[derive(Debug, Clone)]
pub(in crate::routes) struct Notes {
    /// `None` where no log is kept.
    shared: Option<Arc<Shared>>,
}

#[derive(Debug)]
struct Shared {
    entries: Sender<Entry>,
    /// `disk` knows that there is something, and comes for it by itself.
    is_known: AtomicBool,
    dropped: SharedCounter,
}

/// Entries that may wait for `disk`: a third of a second at 50,000 a second, of which it takes them every tenth.
const WAITING_MAX: usize = 16_384;

impl Notes {
    /// A log, and where its entries come out.
    pub(super) fn new() -> (Self, Receiver<Entry>) {
        let (entries, received) = bounded(WAITING_MAX);
        let shared = Shared { entries, is_known: AtomicBool::new(false), dropped: SharedCounter::default() };
        (Self { shared: Some(Arc::new(shared)) }, received)
    }

    /// No log.
    pub(in crate::routes) fn off() -> Self {
        Self { shared: None }
    }

    /// Whether a log is kept.
    pub(in crate::routes) fn is_on(&self) -> bool {
        self.shared.is_some()
    }

    /// Notes an attempt that has just ended. `true` if `disk` has to be told that there is something to write: once for all
    /// that comes until it writes.
    pub(in crate::routes) fn note(
        &self,
        route: &Arc<str>,
        waiting: &Waiting,
        outcome: &Outcome,
        (started, took): (SystemTime, Duration),
    ) -> bool {
        let Some(shared) = &self.shared else { return false };
        let attempt = Attempt {
            route: Arc::clone(route),
            number: waiting.failed_attempts() + 1,
            sequence: waiting.original().or(waiting.sequence()),
            key: key_of(waiting.event()),
            started,
            took,
            failure: match outcome {
                Outcome::Delivered => None,
                Outcome::Failed(failure) => Some((failure.kind, failure.detail.as_str().into())),
            },
        };
        if shared.entries.try_send(Entry::Attempt(attempt)).is_err() {
            shared.dropped.increment();
        }
        // A read first: the line is shared by all workers, and this is nearly always true under load.
        !shared.is_known.load(Ordering::Relaxed) && !shared.is_known.swap(true, Ordering::AcqRel)
    }

    /// `disk`: what is noted from here on has to be told again. To be called before what is there is taken.
    pub(super) fn forget_known(&self) {
        if let Some(shared) = &self.shared {
            shared.is_known.swap(false, Ordering::AcqRel);
        }
    }

    /// `disk`: entries that could not be written.
    pub(super) fn count_dropped(&self, entries: usize) {
        if let Some(shared) = &self.shared {
            shared.dropped.add(entries as u64);
        }
    }

    /// Attempts that are not in the log, since `disk` was too slow or the file could not be written.
    pub(in crate::routes) fn dropped(&self) -> u64 {
        self.shared.as_ref().map_or(0, |shared| shared.dropped.get())
    }
}
