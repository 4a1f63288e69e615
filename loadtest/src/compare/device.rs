//! The disk under a durable answer: what it does with batches of the size that the journal wrote, measured right after each
//! sample, on the server's cores.

use std::net::SocketAddr;

use serde::Serialize;

use super::results::{MedianQuantiles, Spread};
use super::started::{JOURNAL, Started};
use crate::disk::Synced;
use crate::server::{Metrics, thread_times};

/// What a gateway and its journal have done up to a moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Journal {
    batches: f64,
    events: f64,
    bytes: f64,
    /// CPU time of its thread, in microseconds.
    cpu_us: f64,
}

/// The journal during a sample, and the disk after it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beside {
    pub(super) batch_events: f64,
    pub(super) batch_bytes: f64,
    /// CPU time of the journal's thread for an event.
    pub(super) journal_cpu_us: f64,
    pub(super) synced: Synced,
}

/// All of them.
#[derive(Debug, Serialize)]
pub(super) struct BesideAll {
    pub(super) batch_events: Spread,
    pub(super) batch_bytes: Spread,
    /// Write and sync of so many bytes, one after the other.
    pub(super) p50_us: Spread,
    pub(super) p99_us: Spread,
    /// What an event waits that comes at any time, for the sync under way and the next.
    pub(super) arrival_p99_us: Spread,
    pub(super) megabytes_per_second: Spread,
    /// Medians of the answers over those of the disk.
    pub(super) answer_p50_over: f64,
    pub(super) answer_p99_over: f64,
    pub(super) answer_p99_over_arrival: f64,
    /// Events a second for which the disk would have the time, and the server's cores.
    pub(super) disk_limit: f64,
    pub(super) cpu_limit: f64,
    /// The rate over the lesser one.
    pub(super) rate_over_limit: f64,
}

/// What was measured of the answers meanwhile.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answers {
    pub(super) rate: f64,
    pub(super) latency_us: MedianQuantiles,
    /// CPU time of the whole server for an event.
    pub(super) cpu_us: f64,
    pub(super) server_cores: usize,
    /// Whether the journal's thread is on cores of its own.
    pub(super) journal_apart: bool,
}

impl Journal {
    /// Of a gateway that has one.
    pub(super) fn of(admin: SocketAddr, server: &Started) -> anyhow::Result<Self> {
        let metrics = Metrics::of(admin)?;
        let cpu = server.pid().and_then(|pid| thread_times(pid).get(JOURNAL).copied()).unwrap_or_default();
        Ok(Self {
            batches: metrics.value("hookgate_journal_batches_total"),
            events: metrics.value("hookgate_journal_events_total"),
            bytes: metrics.value("hookgate_journal_batch_bytes_total"),
            cpu_us: cpu.as_secs_f64() * 1e6,
        })
    }

    /// Bytes of a batch between two moments; `None` if there was none.
    pub(super) fn batch_bytes(&self, later: &Self) -> Option<usize> {
        let batches = later.batches - self.batches;
        (batches > 0.0).then(|| ((later.bytes - self.bytes) / batches).ceil() as usize)
    }

    /// What happened between two moments, and the disk after them.
    pub(super) fn beside(&self, later: &Self, synced: Synced) -> Beside {
        let (batches, events) = ((later.batches - self.batches).max(1.0), (later.events - self.events).max(1.0));
        Beside {
            batch_events: events / batches,
            batch_bytes: (later.bytes - self.bytes) / batches,
            journal_cpu_us: (later.cpu_us - self.cpu_us) / events,
            synced,
        }
    }
}

impl BesideAll {
    /// `None` if there are none.
    pub(super) fn of(samples: &[Beside], answers: Answers) -> Option<Self> {
        samples.first()?;
        let spread = |value: fn(&Beside) -> f64| Spread::of(samples.iter().map(value));
        let (p50_us, p99_us) = (spread(|at| at.synced.p50_us), spread(|at| at.synced.p99_us));
        let arrival_p99_us = spread(|at| at.synced.arrival_p99_us);
        let megabytes_per_second = spread(|at| at.synced.megabytes_per_second);
        let (batch_events, batch_bytes) = (spread(|at| at.batch_events), spread(|at| at.batch_bytes));
        let disk_limit = megabytes_per_second.median * 1e6 / (batch_bytes.median / batch_events.median);
        let elsewhere = if answers.journal_apart { spread(|at| at.journal_cpu_us).median } else { 0.0 };
        let cpu_limit = answers.server_cores as f64 * 1e6 / (answers.cpu_us - elsewhere).max(f64::EPSILON);
        Some(Self {
            answer_p50_over: answers.latency_us.p50 / p50_us.median,
            answer_p99_over: answers.latency_us.p99 / p99_us.median,
            answer_p99_over_arrival: answers.latency_us.p99 / arrival_p99_us.median,
            rate_over_limit: answers.rate / disk_limit.min(cpu_limit),
            batch_events,
            batch_bytes,
            p50_us,
            p99_us,
            arrival_p99_us,
            megabytes_per_second,
            disk_limit,
            cpu_limit,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATENCY: MedianQuantiles = MedianQuantiles { p50: 300.0, p90: 0.0, p99: 800.0, p999: 0.0, max: 0.0 };

    fn beside() -> Beside {
        let before = Journal { batches: 10.0, events: 10.0, bytes: 40_960.0, cpu_us: 1_000.0 };
        let after = Journal { batches: 110.0, events: 1_010.0, bytes: 8_232_960.0, cpu_us: 6_000.0 };
        assert_eq!(before.batch_bytes(&after), Some(81_920));
        assert_eq!(before.batch_bytes(&before), None);
        let synced = Synced { p50_us: 200.0, p99_us: 400.0, arrival_p99_us: 640.0, megabytes_per_second: 409.6 };
        before.beside(&after, synced)
    }

    fn close(value: f64, wanted: f64) -> bool {
        (value - wanted).abs() < wanted / 1e6
    }

    #[test]
    fn answers_are_held_against_the_disk_at_the_size_of_their_batches() {
        let answers =
            Answers { rate: 25_000.0, latency_us: LATENCY, cpu_us: 25.0, server_cores: 1, journal_apart: false };
        let all = BesideAll::of(&[beside()], answers).expect("a sample");
        assert!(close(all.batch_events.median, 10.0) && close(all.batch_bytes.median, 81_920.0), "{all:?}");
        assert!(close(all.answer_p50_over, 1.5) && close(all.answer_p99_over, 2.0), "{all:?}");
        assert!(close(all.answer_p99_over_arrival, 1.25), "{all:?}");
        assert!(close(all.disk_limit, 50_000.0) && close(all.cpu_limit, 40_000.0), "{all:?}");
        assert!(close(all.rate_over_limit, 0.625), "{all:?}");
        assert!(BesideAll::of(&[], answers).is_none());
    }

    #[test]
    fn the_journal_on_another_core_does_not_use_up_the_servers() {
        let answers =
            Answers { rate: 25_000.0, latency_us: LATENCY, cpu_us: 25.0, server_cores: 1, journal_apart: true };
        let all = BesideAll::of(&[beside()], answers).expect("a sample");
        assert!(close(all.cpu_limit, 50_000.0), "five of the microseconds are the journal's: {all:?}");
    }
}
