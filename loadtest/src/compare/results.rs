//! What all samples say together: medians, spreads, and ratios of medians.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::contender::{Contender, DURABLE, Durability};
use super::device::{Answers, Beside, BesideAll};
use super::rustls_alone::RustlsAlone;
use super::sample::Sample;
use crate::corpus::Size;
use crate::load::{Quantiles, Sizes};
use crate::machine::Machine;
use crate::server::{Cores, Layout};

/// Everything that was measured, and how.
#[derive(Serialize)]
pub(super) struct Comparison {
    /// Ended early by a signal.
    pub(super) partial: bool,
    pub(super) machine: Machine,
    pub(super) hookgate: String,
    pub(super) cores: Layout,
    pub(super) connections: u32,
    /// The client never slept.
    pub(super) client_spins: bool,
    /// Of the journal's thread where it is apart.
    pub(super) journal_cores: Cores,
    /// Events in a delivery, where routes deliver.
    pub(super) batch: Option<u32>,
    pub(super) rounds: u32,
    pub(super) sample_s: f64,
    pub(super) warmup_s: f64,
    /// What was left out, and why.
    pub(super) skipped: BTreeMap<String, String>,
    /// Samples that were thrown away, by the reason.
    pub(super) thrown_away: BTreeMap<String, u32>,
    pub(super) sizes: Vec<OfSize>,
}

/// Of bodies of one size.
#[derive(Serialize)]
pub(super) struct OfSize {
    pub(super) size: Size,
    pub(super) bodies: Sizes,
    pub(super) rows: Vec<Row>,
    /// What rustls takes by itself, if a server was measured that speaks TLS.
    pub(super) rustls_alone: Option<RustlsAlone>,
}

/// Of one server.
#[derive(Serialize)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) durability: Durability,
    /// In closed loop: as much as it takes.
    pub(super) saturated: Option<Summary>,
    /// In open loop.
    pub(super) on_schedule: Option<OnSchedule>,
    /// hookgate's medians, with the acknowledgement that promises as much, over this one's.
    pub(super) hookgate_over_this: Option<Ratio>,
    /// For durable hookgate: its own medians over those of hookgate in memory.
    pub(super) this_over_memory: Option<Ratio>,
    /// For a hookgate that delivers, or has its journal apart: its own over those of the hookgate with the same acknowledgement
    /// that does not.
    pub(super) this_over_plain: Option<Ratio>,
}

/// Samples of one kind.
#[derive(Serialize)]
pub(super) struct Summary {
    pub(super) samples: usize,
    pub(super) rate: Spread,
    pub(super) cpu_us_per_event: Spread,
    pub(super) memory_bytes: Spread,
    pub(super) latency_us: Option<MedianQuantiles>,
    pub(super) missed: u64,
    /// The client could not have sent more.
    pub(super) client_bound: bool,
    /// Share of the time in which its busiest thread had nothing to do.
    pub(super) client_idle: Spread,
    /// For hookgate with a journal: what it wrote, and the disk.
    pub(super) disk: Option<BesideAll>,
    #[serde(skip)]
    pub(super) latency: Histogram<u64>,
}

/// A latency run, and at what rate.
#[derive(Serialize)]
pub(super) struct OnSchedule {
    pub(super) scheduled_rate: u64,
    /// The p99 of hookgate, with the acknowledgement that promises as much, over this one's, if it had the same schedule. For a
    /// hookgate its own over that of the one it is compared to.
    pub(super) p99_ratio: Option<f64>,
    #[serde(flatten)]
    pub(super) summary: Summary,
}

/// A median and its range.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

/// Medians over the rounds of each round's quantile.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct MedianQuantiles {
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
    #[serde(rename = "p99.9")]
    pub(super) p999: f64,
    pub(super) max: f64,
}

/// One server's medians over another's.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Ratio {
    pub(super) rate: f64,
    /// In which direction the client's own limit makes the ratio of rates wrong.
    pub(super) bound: Bound,
    pub(super) cpu: f64,
}

/// What is known of a ratio of rates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Bound {
    Exact,
    AtLeast,
    AtMost,
    /// The client was the slower one with both.
    Unknown,
}

impl Summary {
    /// `None` if there are no samples.
    pub(super) fn of(samples: &[Sample], server_cores: usize, journal_apart: bool) -> Option<Self> {
        let first = samples.first()?;
        let mut latency = first.latency.clone();
        for sample in samples.get(1..).unwrap_or_default() {
            // Cannot fail: the histograms resize.
            let _ = latency.add(&sample.latency);
        }
        let spread = |value: &dyn Fn(&Sample) -> f64| Spread::of(samples.iter().map(value));
        let quantiles: Vec<Quantiles> = samples.iter().filter_map(|sample| Quantiles::of(&sample.latency)).collect();
        let median = |value: &dyn Fn(&Quantiles) -> f64| Spread::of(quantiles.iter().map(value)).median;
        let latency_us = (!quantiles.is_empty()).then(|| MedianQuantiles {
            p50: median(&|at| at.p50),
            p90: median(&|at| at.p90),
            p99: median(&|at| at.p99),
            p999: median(&|at| at.p999),
            max: median(&|at| at.max),
        });
        let (rate, cpu_us_per_event) = (spread(&|sample| sample.rate), spread(&|sample| sample.cpu_us));
        let beside: Vec<Beside> = samples.iter().filter_map(|sample| sample.beside).collect();
        let disk = latency_us.and_then(|latency_us| {
            let (rate, cpu_us) = (rate.median, cpu_us_per_event.median);
            BesideAll::of(&beside, Answers { rate, latency_us, cpu_us, server_cores, journal_apart })
        });
        Some(Self {
            samples: samples.len(),
            rate,
            cpu_us_per_event,
            disk,
            memory_bytes: spread(&|sample| sample.memory as f64),
            latency_us,
            missed: samples.iter().map(|sample| sample.missed).sum(),
            // Of the median sample, that is: of most.
            client_bound: samples.iter().filter(|sample| sample.client_bound).count() * 2 > samples.len(),
            client_idle: spread(&|sample| sample.client_idle),
            latency,
        })
    }

    fn over(&self, other: &Self) -> Ratio {
        Ratio {
            rate: self.rate.median / other.rate.median,
            bound: match (self.client_bound, other.client_bound) {
                (false, false) => Bound::Exact,
                (true, false) => Bound::AtLeast,
                (false, true) => Bound::AtMost,
                (true, true) => Bound::Unknown,
            },
            cpu: self.cpu_us_per_event.median / other.cpu_us_per_event.median,
        }
    }
}

impl Row {
    /// Of both parts, as far as they were measured.
    pub(super) fn summaries(&self) -> impl Iterator<Item = &Summary> {
        self.saturated.iter().chain(self.on_schedule.iter().map(|run| &run.summary))
    }
}

impl OnSchedule {
    pub(super) fn at(scheduled_rate: u64, summary: Summary) -> Self {
        Self { scheduled_rate, p99_ratio: None, summary }
    }

    /// This p99 over another's at the same rate.
    fn p99_over(&self, other: &Self) -> Option<f64> {
        let (own, others) = (self.summary.latency_us?.p99, other.summary.latency_us?.p99);
        (self.scheduled_rate == other.scheduled_rate).then(|| own / others)
    }
}

impl Spread {
    /// Zero if there are no values.
    pub(super) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let at = |nth: usize| values.get(nth).copied().unwrap_or_default();
        let last = values.len().saturating_sub(1);
        Self { median: f64::midpoint(at(last / 2), at(values.len() / 2)), min: at(0), max: at(last) }
    }
}

impl OfSize {
    /// Puts the parts together, in the order of the contenders.
    pub(super) fn new(
        size: Size,
        bodies: Sizes,
        contenders: &[Contender],
        mut saturated: BTreeMap<&'static str, Summary>,
        mut on_schedule: BTreeMap<&'static str, OnSchedule>,
    ) -> Self {
        let ratios: Vec<_> = contenders
            .iter()
            .map(|contender| {
                let own = saturated.get(contender.name);
                let ratio = |over: Option<&Summary>, under: Option<&Summary>| Some(over?.over(under?));
                let peer = contender.durability.peer();
                let over_this = if contender.gateway().is_some() { None } else { ratio(saturated.get(peer), own) };
                let over_plain = contender.plain().and_then(|plain| ratio(own, saturated.get(plain)));
                let is_durable = contender.name == DURABLE;
                (over_this, over_plain.filter(|_| is_durable), over_plain.filter(|_| !is_durable))
            })
            .collect();
        let p99_over = |contender: &Contender| {
            let (own, peer) = (on_schedule.get(contender.name)?, on_schedule.get(contender.durability.peer())?);
            match contender.gateway() {
                Some(_) => own.p99_over(on_schedule.get(contender.plain()?)?),
                None => peer.p99_over(own),
            }
        };
        let p99s: Vec<_> = contenders.iter().map(p99_over).collect();
        for (contender, p99) in contenders.iter().zip(p99s) {
            if let Some(run) = on_schedule.get_mut(contender.name) {
                run.p99_ratio = p99;
            }
        }
        let rows = contenders
            .iter()
            .zip(ratios)
            .map(|(contender, (hookgate_over_this, this_over_memory, this_over_plain))| Row {
                name: contender.name,
                about: contender.about,
                durability: contender.durability,
                saturated: saturated.remove(contender.name),
                on_schedule: on_schedule.remove(contender.name),
                hookgate_over_this,
                this_over_memory,
                this_over_plain,
            })
            .collect();
        Self { size, bodies, rows, rustls_alone: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_or_between_the_two() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Spread { median: 2.0, min: 1.0, max: 3.0 });
        assert_eq!(Spread::of([4.0, 1.0]), Spread { median: 2.5, min: 1.0, max: 4.0 });
        assert_eq!(Spread::of([]), Spread { median: 0.0, min: 0.0, max: 0.0 });
    }

    fn summary(rate: f64, client_bound: bool, latencies_us: &[u64]) -> Summary {
        let mut latency = Histogram::new(3).expect("three digits");
        for us in latencies_us {
            latency.record(us * 1_000).expect("it grows");
        }
        let client_idle = if client_bound { 0.0 } else { 0.5 };
        let sample = Sample {
            rate,
            cpu_us: 10.0,
            memory: 0,
            latency,
            missed: 0,
            client_bound,
            client_idle,
            beside: None,
            partial: false,
        };
        Summary::of(&[sample], 1, false).expect("a sample")
    }

    #[test]
    fn latencies_are_compared_at_one_rate_only() {
        let row = |rate, us| OnSchedule::at(rate, summary(1.0, false, &[us]));
        assert!(row(100, 300).p99_over(&row(100, 100)).is_some_and(|ratio| (ratio - 3.0).abs() < 0.01));
        assert_eq!(row(100, 300).p99_over(&row(200, 100)), None);
    }

    #[test]
    fn a_rate_that_the_client_limits_bounds_the_ratio() {
        let bound = |over: bool, under: bool| summary(2.0, over, &[]).over(&summary(1.0, under, &[])).bound;
        assert_eq!(bound(false, false), Bound::Exact);
        assert_eq!(bound(true, false), Bound::AtLeast);
        assert_eq!(bound(false, true), Bound::AtMost);
        assert_eq!(bound(true, true), Bound::Unknown);
    }
}
