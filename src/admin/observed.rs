//! What the admin listener looks at.

use std::sync::Arc;

use crate::counters::{IoCounters, ListenCounters, SourceCounters};
use crate::event::Budget;
use crate::journal::Journal;
use crate::listen::SharedStage;
use crate::routes::Routes;

/// The parts of a running gateway that can be looked at from outside.
#[derive(Clone)]
pub(crate) struct Observed {
    pub(crate) stage: SharedStage,
    /// In the order of their counters.
    pub(crate) sources: Vec<ObservedSource>,
    /// One per io thread.
    pub(crate) io: Vec<Arc<IoCounters>>,
    pub(crate) routes: Arc<Routes>,
    /// `None` where no source is durable.
    pub(crate) journal: Option<Arc<Journal>>,
    pub(crate) budget: Arc<Budget>,
}

/// What labels the metrics of a source.
#[derive(Debug, Clone)]
pub(crate) struct ObservedSource {
    pub(crate) name: String,
    /// What its acknowledgement means.
    pub(crate) ack: String,
}

impl Observed {
    /// A thread of the routes or the journal that has ended by a fault.
    pub(super) fn fallen_thread(&self) -> Option<String> {
        self.routes.fallen_thread().or_else(|| self.journal.as_ref()?.fallen_thread())
    }

    /// A count of one source, summed over the io threads.
    pub(super) fn source_total(&self, at: usize, count: impl Fn(&SourceCounters) -> u64) -> u64 {
        self.io.iter().map(|thread| count(thread.source(at))).sum()
    }

    /// A count of the listener, summed likewise.
    pub(super) fn listen_total(&self, count: impl Fn(&ListenCounters) -> u64) -> u64 {
        self.io.iter().map(|thread| count(&thread.listen)).sum()
    }
}
