//! Whether figures are the server's or the client's own.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::tally::Tally;

/// How busy the client itself was: of its threads, the busiest.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Client {
    pub(crate) spin: bool,
    /// Share of the time on a core.
    pub(crate) running: f64,
    /// Share of the time on a core or waiting for one.
    pub(crate) runnable: f64,
    /// Share of the time with nothing to do: a thread that spins is on a core even then.
    pub(crate) idle: f64,
}

/// Quantiles in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Quantiles {
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    #[serde(rename = "p99.9")]
    pub(crate) p999: f64,
    pub(crate) max: f64,
}

impl Quantiles {
    /// Of nanoseconds; `None` if there are none.
    pub(crate) fn of(histogram: &Histogram<u64>) -> Option<Self> {
        let us = |nanos: u64| nanos as f64 / 1e3;
        let at = |quantile| us(histogram.value_at_quantile(quantile));
        (!histogram.is_empty()).then(|| Self {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: us(histogram.max()),
        })
    }
}

/// Share of the requests that left more than a millisecond late by the client's own delay.
pub(crate) fn slipped(tally: &Tally) -> f64 {
    share_above(&tally.slip, SLIP_TOLERATED)
}

/// Why the figures are the client's and not the server's; empty if they are not.
///
/// In an open loop a thread that waits for a core is late whoever keeps it waiting. In a closed loop it may well share its
/// core with the server: only its own work counts there. Of a thread that spins, what it spent looking in vain is no work.
pub(crate) fn saturation(is_open_loop: bool, tally: &Tally, client: Client) -> Vec<String> {
    let mut because = Vec::new();
    let slipped = slipped(tally);
    if is_open_loop && slipped > SLIPPED_MAX {
        because.push(format!(
            "{:.1} % of the requests left more than {} late although they were due and had a connection",
            slipped * 100.0,
            humantime::format_duration(SLIP_TOLERATED),
        ));
    }
    let work = if client.spin { 1.0 - client.idle } else { client.running };
    let waiting = (client.runnable - client.running).max(0.0);
    let (busy, what) = if is_open_loop { (work + waiting, "busy or waiting for a core") } else { (work, "busy") };
    if busy > BUSY_MAX {
        because.push(format!("a client thread was {what} for {:.0} % of the time", busy * 100.0));
    }
    because
}

fn share_above(histogram: &Histogram<u64>, limit: Duration) -> f64 {
    if histogram.is_empty() {
        return 0.0;
    }
    let below = histogram.count_between(0, limit.as_nanos() as u64);
    histogram.len().saturating_sub(below) as f64 / histogram.len() as f64
}

/// A delay of the client's own that is still taken for noise.
const SLIP_TOLERATED: Duration = Duration::from_millis(1);

/// Share of requests that may be later than that.
const SLIPPED_MAX: f64 = 0.01;

/// Share of the time a client thread may be busy.
const BUSY_MAX: f64 = 0.95;
