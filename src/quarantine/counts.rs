//! What the quarantine has, and what it went without.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::counters::SharedCounter;

/// Why something is not kept, or no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Its source or its address had as much on the way to the disk as it may.
    Busy,
    /// It is larger than half of its source's share.
    TooLarge,
    /// Another took its room.
    Displaced,
    /// It was older than `max_age`.
    Expired,
    /// The disk is full, or nearly, or could not be written.
    Disk,
}

impl Loss {
    const ALL: [Loss; 5] = [Loss::Busy, Loss::TooLarge, Loss::Displaced, Loss::Expired, Loss::Disk];

    fn label(self) -> &'static str {
        match self {
            Loss::Busy => "busy",
            Loss::TooLarge => "too_large",
            Loss::Displaced => "displaced",
            Loss::Expired => "expired",
            Loss::Disk => "disk",
        }
    }
}

/// By source, for metrics.
#[derive(Debug)]
pub(crate) struct Counts {
    sources: Vec<(String, OfSource)>,
    at: BTreeMap<String, usize>,
}

#[derive(Debug, Default)]
struct OfSource {
    events: AtomicU64,
    bytes: AtomicU64,
    lost: [SharedCounter; Loss::ALL.len()],
}

impl Counts {
    pub(super) fn new(sources: &[String]) -> Self {
        let at = sources.iter().enumerate().map(|(at, name)| (name.clone(), at)).collect();
        Self { sources: sources.iter().map(|name| (name.clone(), OfSource::default())).collect(), at }
    }

    /// One of a source went without.
    pub(super) fn lost(&self, source: usize, loss: Loss) {
        if let Some((_, of)) = self.sources.get(source)
            && let Some(count) = of.lost.get(loss as usize)
        {
            count.increment();
        }
    }

    /// The same of a source by its name; nothing is counted of one that is no more configured.
    pub(super) fn lost_of(&self, source: &str, loss: Loss) {
        if let Some(&at) = self.at.get(source) {
            self.lost(at, loss);
        }
    }

    /// What is kept of a source now.
    pub(super) fn holds(&self, source: &str, events: usize, bytes: u64) {
        if let Some((_, of)) = self.at.get(source).and_then(|&at| self.sources.get(at)) {
            of.events.store(events as u64, Ordering::Relaxed);
            of.bytes.store(bytes, Ordering::Relaxed);
        }
    }

    /// Each source with what is kept of it: requests, and bytes on the disk.
    pub(crate) fn kept(&self) -> impl Iterator<Item = (&str, u64, u64)> {
        self.sources
            .iter()
            .map(|(name, of)| (name.as_str(), of.events.load(Ordering::Relaxed), of.bytes.load(Ordering::Relaxed)))
    }

    /// What sources went without, by reason.
    pub(crate) fn losses(&self) -> impl Iterator<Item = (&str, &'static str, u64)> {
        self.sources.iter().flat_map(|(name, of)| {
            let each = Loss::ALL.into_iter().zip(&of.lost);
            each.map(|(loss, count)| (name.as_str(), loss.label(), count.get()))
        })
    }
}
