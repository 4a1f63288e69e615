//! The result: one JSON object, or a table.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::load::{Client, Cpu, FailureKind, Others, Quantiles, Sizes, Tally, saturation, slipped};

/// Under what conditions was measured: without them a figure says nothing.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) url: String,
    pub(crate) preset: String,
    /// `None` for a closed loop.
    pub(crate) rate: Option<u64>,
    pub(crate) connections: u32,
    pub(crate) threads: u16,
    pub(crate) warmup: Duration,
    /// How long was measured, after the warm-up.
    pub(crate) measured: Duration,
    pub(crate) partial: bool,
    pub(crate) payloads: Sizes,
    pub(crate) server_pid: Option<u32>,
}

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    /// Ended early by a signal.
    pub(crate) partial: bool,
    /// The client was the bottleneck.
    pub(crate) saturated: bool,
    /// In which way.
    pub(crate) saturated_because: Vec<String>,
    pub(crate) mode: Mode,
    pub(crate) url: String,
    pub(crate) preset: String,
    pub(crate) connections: u32,
    pub(crate) threads: u16,
    pub(crate) warmup_s: f64,
    pub(crate) measured_s: f64,
    pub(crate) scheduled: u64,
    pub(crate) sent: u64,
    /// Due, but all connections were busy until the end.
    pub(crate) unsent: u64,
    /// Sent, but without answer at the end.
    pub(crate) unanswered: u64,
    pub(crate) accepted: u64,
    pub(crate) refused: u64,
    /// Every answer by its status, 2xx included.
    pub(crate) statuses: BTreeMap<u16, u64>,
    pub(crate) failed: u64,
    pub(crate) failures: BTreeMap<FailureKind, FailureCount>,
    pub(crate) rate_scheduled: Option<u64>,
    pub(crate) rate_sent: f64,
    pub(crate) rate_answered: f64,
    pub(crate) rate_accepted: f64,
    pub(crate) latency_accepted_us: Option<Quantiles>,
    pub(crate) latency_refused_us: Option<Quantiles>,
    /// Part of the latency: until a connection was free.
    pub(crate) waited_us: Option<Quantiles>,
    /// Part of the latency: from then until the request left, the client's own delay.
    pub(crate) slip_us: Option<Quantiles>,
    /// Share of the requests that left more than a millisecond late by the client's own delay.
    pub(crate) slipped: f64,
    /// Its threads never slept.
    pub(crate) client_spins: bool,
    pub(crate) client_running: f64,
    pub(crate) client_runnable: f64,
    /// Share of the time in which its busiest thread had nothing to do.
    pub(crate) client_idle: f64,
    pub(crate) bytes_sent_per_s: f64,
    pub(crate) bytes_received_per_s: f64,
    pub(crate) payloads: Sizes,
    pub(crate) server: Option<ServerCpu>,
    pub(crate) others: Option<Others>,
}

/// How requests were timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    /// On schedule; latency counts from the scheduled time.
    OpenLoop,
    /// Each when its connection's last was answered; latency counts from then.
    ClosedLoop,
}

/// Failures of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct FailureCount {
    pub(crate) count: u64,
    /// What was said the first time.
    pub(crate) first: String,
}

/// CPU time of the server.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct ServerCpu {
    pub(crate) pid: u32,
    pub(crate) seconds: f64,
    pub(crate) us_per_answer: f64,
}

impl Report {
    /// Sums up. `cpu` is from the beginning and the end of what was measured.
    pub(crate) fn new(setting: Setting, tally: &Tally, client: Client, cpu: &[Cpu; 2]) -> Self {
        let (accepted, refused) = tally.answers();
        let answered = accepted + refused;
        let per_second = |count: u64| {
            let seconds = setting.measured.as_secs_f64();
            if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
        };
        let mode = if setting.rate.is_some() { Mode::OpenLoop } else { Mode::ClosedLoop };
        let saturated_because = saturation(mode == Mode::OpenLoop, tally, client);
        let [before, after] = cpu;
        let server = setting.server_pid.zip(before.server.zip(after.server)).map(|(pid, (before, after))| {
            let seconds = after.saturating_sub(before).as_secs_f64();
            ServerCpu { pid, seconds, us_per_answer: seconds * 1e6 / (answered.max(1) as f64) }
        });
        Self {
            partial: setting.partial,
            saturated: !saturated_because.is_empty(),
            saturated_because,
            mode,
            url: setting.url,
            preset: setting.preset,
            connections: setting.connections,
            threads: setting.threads,
            warmup_s: setting.warmup.as_secs_f64(),
            measured_s: setting.measured.as_secs_f64(),
            scheduled: tally.scheduled,
            sent: tally.sent,
            unsent: tally.unsent,
            unanswered: tally.unanswered,
            accepted,
            refused,
            statuses: tally.statuses.clone(),
            failed: tally.failures.values().map(|(count, _)| count).sum(),
            failures: tally
                .failures
                .iter()
                .map(|(&kind, (count, first))| (kind, FailureCount { count: *count, first: first.clone() }))
                .collect(),
            rate_scheduled: setting.rate,
            rate_sent: per_second(tally.sent),
            rate_answered: per_second(answered),
            rate_accepted: per_second(accepted),
            latency_accepted_us: Quantiles::of(&tally.accepted),
            latency_refused_us: Quantiles::of(&tally.refused),
            waited_us: Quantiles::of(&tally.waited),
            slip_us: Quantiles::of(&tally.slip),
            slipped: slipped(tally),
            client_spins: client.spin,
            client_running: client.running,
            client_runnable: client.runnable,
            client_idle: client.idle,
            bytes_sent_per_s: per_second(tally.bytes_sent),
            bytes_received_per_s: per_second(tally.bytes_received),
            payloads: setting.payloads,
            server,
            others: before.others_until(after, setting.measured),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::load::{Answer, Exchange, Failure, Times};

    /// 990 answers of 202 and 10 of 503 in 10 s, and a reset.
    pub(in super::super) fn report(client: Client, slip: Duration, rate: Option<u64>) -> Report {
        let mut tally = Tally::new();
        for nth in 1..=1_000 {
            let status = if nth <= 990 { 202 } else { 503 };
            let times = Times { waited: Duration::ZERO, slip, answered: Duration::from_micros(nth) };
            let outcome = Ok(Answer { status, keep_alive: true });
            tally.count(2_000, times, Exchange { outcome, received: 100 });
        }
        let outcome = Err(Failure { kind: FailureKind::Reset, detail: "connection reset".into() });
        let times = Times { waited: Duration::ZERO, slip, answered: Duration::from_secs(9) };
        tally.count(2_000, times, Exchange { outcome, received: 0 });
        tally.scheduled = 1_001;
        let setting = Setting {
            url: "http://gateway/hooks/github".into(),
            preset: "github".into(),
            rate,
            connections: 8,
            threads: 1,
            warmup: Duration::from_secs(2),
            measured: Duration::from_secs(10),
            partial: false,
            payloads: Sizes { distinct: 19, min: 1_000, median: 9_000, max: 30_000 },
            server_pid: None,
        };
        Report::new(setting, &tally, client, &[Cpu::default(), Cpu::default()])
    }

    #[test]
    fn answers_are_counted_by_status_and_rates_are_per_second() {
        let report = report(Client::default(), Duration::ZERO, Some(100));
        assert_eq!((report.accepted, report.refused, report.failed), (990, 10, 1));
        assert_eq!(report.statuses, BTreeMap::from([(202, 990), (503, 10)]));
        assert_eq!(report.failures[&FailureKind::Reset], FailureCount { count: 1, first: "connection reset".into() });
        assert!((report.rate_accepted - 99.0).abs() < 1e-9, "{}", report.rate_accepted);
        assert!((report.bytes_sent_per_s - 200_200.0).abs() < 1e-9, "{}", report.bytes_sent_per_s);
    }

    #[test]
    fn latencies_have_three_digits_and_refusals_are_apart() {
        let report = report(Client::default(), Duration::ZERO, Some(100));
        let accepted = report.latency_accepted_us.unwrap();
        assert!((accepted.p50 - 495.0).abs() < 0.5, "{accepted:?}");
        assert!((accepted.max - 990.0).abs() < 1.0, "{accepted:?}");
        let refused = report.latency_refused_us.unwrap();
        assert!((refused.p50 - 995.0).abs() < 1.0, "{refused:?}");
    }

    #[test]
    fn a_client_that_sends_late_says_so() {
        assert!(!report(Client::default(), Duration::from_micros(900), Some(100)).saturated);
        let late = report(Client::default(), Duration::from_millis(2), Some(100));
        assert!(late.saturated && late.saturated_because[0].contains("100.0 %"), "{:?}", late.saturated_because);
        assert!(!report(Client::default(), Duration::from_millis(2), None).saturated, "a closed loop has no schedule");
    }

    #[test]
    fn a_client_without_a_core_says_so() {
        let starved = Client { running: 0.5, runnable: 0.97, ..Client::default() };
        assert!(report(starved, Duration::ZERO, Some(100)).saturated);
        assert!(!report(starved, Duration::ZERO, None).saturated, "the server may have had the core");
        let busy = Client { running: 0.97, runnable: 0.97, ..Client::default() };
        assert!(report(busy, Duration::ZERO, None).saturated);
    }

    #[test]
    fn a_client_that_spins_is_saturated_once_it_always_finds_something_to_do() {
        for rate in [Some(100), None] {
            let spinning = |idle| Client { running: 1.0, runnable: 1.0, spin: true, idle };
            assert!(!report(spinning(0.3), Duration::ZERO, rate).saturated, "it spins on purpose");
            let busy = report(spinning(0.02), Duration::ZERO, rate);
            assert!(busy.saturated && busy.saturated_because[0].contains("98 %"), "{:?}", busy.saturated_because);
        }
        let starved = Client { running: 0.5, runnable: 1.0, spin: true, idle: 0.4 };
        assert!(report(starved, Duration::ZERO, Some(100)).saturated, "it looked in vain, and late");
    }

    #[test]
    fn the_json_says_under_what_conditions() {
        let json = serde_json::to_value(report(Client::default(), Duration::ZERO, Some(100))).unwrap();
        assert_eq!(json["mode"], "open_loop");
        assert_eq!(json["statuses"]["202"], 990);
        assert_eq!(json["failures"]["reset"]["count"], 1);
        assert_eq!(json["payloads"]["distinct"], 19);
        assert!(json["latency_accepted_us"]["p99.9"].is_number());
    }
}
