//! What the admin listener looks at.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::archive::Archive;
use crate::counters::{IoCounters, ListenCounters, SourceCounters};
use crate::event::Budget;
use crate::journal::Journal;
use crate::listen::SharedStage;
use crate::poll::ObservedPoll;
use crate::quarantine::Quarantine;
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
    /// One per poll.
    pub(crate) polls: Vec<Arc<ObservedPoll>>,
    /// `None` where no source is durable.
    pub(crate) journal: Option<Arc<Journal>>,
    pub(crate) budget: Arc<Budget>,
    /// `None` where nothing that is refused is kept.
    pub(crate) quarantine: Option<Arc<Quarantine>>,
    /// When the gateway began, from which the silence of a source counts that has accepted nothing yet.
    pub(crate) since: SystemTime,
    /// For the stories of events.
    pub(crate) archive: Arc<Archive>,
}

/// What labels the metrics of a source.
#[derive(Debug, Clone)]
pub(crate) struct ObservedSource {
    pub(crate) name: String,
    /// What its acknowledgement means.
    pub(crate) ack: String,
    /// It is silent if it accepts nothing for so long.
    pub(crate) expect_every: Option<Duration>,
}

impl Observed {
    /// A thread of the routes or the journal that has ended by a fault.
    pub(super) fn fallen_thread(&self) -> Option<String> {
        self.routes.fallen_thread().or_else(|| self.journal.as_ref()?.fallen_thread())
    }

    /// The poll of this name.
    pub(super) fn poll(&self, name: &str) -> Option<&ObservedPoll> {
        self.polls.iter().find(|poll| poll.name == name).map(AsRef::as_ref)
    }

    /// A count of one source, summed over the io threads.
    pub(super) fn source_total(&self, at: usize, count: impl Fn(&SourceCounters) -> u64) -> u64 {
        self.io.iter().map(|thread| count(thread.source(at))).sum()
    }

    /// When a source accepted its last event, in seconds of the Unix epoch.
    pub(super) fn last_accepted(&self, at: usize) -> Option<u64> {
        self.io.iter().map(|thread| thread.source(at).last_accepted.get()).max().filter(|seconds| *seconds > 0)
    }

    /// For how long a source has been silent, if that is longer than is expected of it.
    pub(crate) fn silence(&self, at: usize, now: SystemTime) -> Option<Duration> {
        let expected = self.sources.get(at)?.expect_every?;
        let last = self.last_accepted(at).map_or(self.since, |seconds| UNIX_EPOCH + Duration::from_secs(seconds));
        now.duration_since(last).ok().filter(|silence| *silence > expected)
    }

    /// A count of the listener, summed likewise.
    pub(super) fn listen_total(&self, count: impl Fn(&ListenCounters) -> u64) -> u64 {
        self.io.iter().map(|thread| count(&thread.listen)).sum()
    }
}
