//! Log lines about refused requests, at most one a second for each source and reason on a thread: a flood of forged
//! requests must not become a flood of writes.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::refusal::Refusal;

/// What a thread has said about refusals.
pub(super) struct RefusalLog {
    /// One row per source, and one for requests that no source was found for.
    said: Vec<[Said; Refusal::ALL.len()]>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Said {
    last: Option<Instant>,
    /// Refusals since then that were not written.
    withheld: u64,
}

/// Between two lines about the same thing.
const QUIET: Duration = Duration::from_secs(1);

impl RefusalLog {
    /// A log for so many sources.
    pub(super) fn new(sources: usize) -> Self {
        Self { said: vec![[Said::default(); Refusal::ALL.len()]; sources + 1] }
    }

    /// Writes a line about a refusal, or remembers it for the next.
    pub(super) fn note(&mut self, source: Option<(usize, &str)>, refusal: Refusal, client: IpAddr, now: Instant) {
        let row = source.map_or(self.said.len() - 1, |(at, _)| at);
        let Some(said) = self.said.get_mut(row).and_then(|row| row.get_mut(refusal.index())) else { return };
        let Some(withheld) = said.speak(now) else { return };
        let (source, reason) = (source.map_or("-", |(_, name)| name), refusal.label());
        if withheld == 0 {
            tracing::warn!(source, reason, %client, "refused a request");
        } else {
            tracing::warn!(source, reason, %client, withheld, "refused a request, and others before it");
        }
    }
}

impl Said {
    /// How many refusals to report besides this one, or `None` to keep quiet.
    fn speak(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now.saturating_duration_since(last) < QUIET) {
            self.withheld += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.withheld))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_one_line_a_second_that_counts_the_rest() {
        let start = Instant::now();
        let mut said = Said::default();
        assert_eq!(said.speak(start), Some(0));
        for ms in 1..1000 {
            assert_eq!(said.speak(start + Duration::from_millis(ms)), None);
        }
        assert_eq!(said.speak(start + QUIET), Some(999));
        assert_eq!(said.speak(start + QUIET * 2), Some(0));
    }
}
