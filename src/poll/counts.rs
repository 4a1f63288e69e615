//! What is counted of a poll. Its thread writes, anybody reads.

use std::sync::Arc;

use super::trouble::REASONS;
use crate::config::Config;
use crate::counters::Counter;

/// The counts of one poll.
#[derive(Debug, Default)]
pub(crate) struct PollCounts {
    /// Its name.
    pub(crate) name: String,
    /// When a run was last complete, in seconds of the Unix epoch; 0 before the first.
    pub(crate) last_success: Counter,
    /// Pages that were answered.
    pub(crate) pages: Counter,
    /// Records that became events.
    pub(crate) records: Counter,
    /// Records whose id was known: not delivered again.
    pub(crate) duplicates: Counter,
    /// 1 from a failure to the next run that is complete.
    pub(crate) failing: Counter,
    errors: [Counter; REASONS.len()],
}

impl PollCounts {
    /// One for each poll of a configuration.
    pub(crate) fn of(config: &Config) -> Vec<Arc<Self>> {
        config.polls.iter().map(|poll| Arc::new(Self { name: poll.name.clone(), ..Self::default() })).collect()
    }

    /// Failures by reason.
    pub(crate) fn errors(&self) -> impl Iterator<Item = (&'static str, u64)> {
        REASONS.into_iter().zip(self.errors.iter().map(Counter::get))
    }

    pub(super) fn note_error(&self, reason: &str) {
        let of_reason = REASONS.iter().zip(&self.errors).find(|(known, _)| **known == reason);
        if let Some((_, count)) = of_reason {
            count.increment();
        }
        self.failing.set(1);
    }
}
