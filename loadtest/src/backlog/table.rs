//! What is told of a backlog.

use serde::Serialize;

use crate::figures::{Bytes, Grouped, columns};
use crate::verify::Verdict;

/// A few seconds of it.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) phase: Phase,
    /// Since the beginning, at the end of this row.
    pub(super) at_s: f64,
    /// Acknowledged, a second.
    pub(super) intake: f64,
    /// Deliveries a second to the processor that was always there.
    pub(super) present: f64,
    /// Deliveries a second to the one that was away.
    pub(super) away: f64,
    /// Acknowledged, and not delivered to the one that was away.
    pub(super) backlog: u64,
    /// The most anonymous memory of the gateway.
    pub(super) anonymous_bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Phase {
    Away,
    Back,
}

/// From the start of the process until it takes connections.
#[derive(Debug, Serialize)]
pub(super) struct Start {
    pub(super) after: &'static str,
    pub(super) journal_bytes: u64,
    pub(super) milliseconds: f64,
}

#[derive(Debug, Serialize)]
pub(super) struct Told {
    /// Ended early by a signal.
    pub(super) partial: bool,
    pub(super) acknowledged: usize,
    pub(super) ids: u64,
    pub(super) caches_dropped: bool,
    pub(super) starts: Vec<Start>,
    pub(super) rows: Vec<Row>,
    /// Over all of the time in which the processor was back and behind: deliveries to it for each event taken.
    pub(super) back_over_intake: Option<f64>,
    pub(super) anonymous_bytes_max: u64,
    pub(super) present: Verdict,
    pub(super) away: Verdict,
}

impl Told {
    pub(super) fn print(&self) {
        if self.partial {
            println!("PARTIAL: ended early.");
        }
        let head = ["processor", "at", "taken/s", "to the other/s", "to it/s", "backlog", "RssAnon"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        for row in &self.rows {
            let phase = match row.phase {
                Phase::Away => "away",
                Phase::Back => "back",
            };
            let number = |value: f64| Grouped(value.round() as u64).to_string();
            rows.push(vec![
                phase.to_owned(),
                format!("{:.0} s", row.at_s),
                number(row.intake),
                number(row.present),
                number(row.away),
                Grouped(row.backlog).to_string(),
                Bytes(row.anonymous_bytes as f64).to_string(),
            ]);
        }
        print!("{}", columns(&rows));
        println!();
        let caches = if self.caches_dropped { "page cache dropped" } else { "page cache kept: only root may drop it" };
        for Start { after, journal_bytes, milliseconds } in &self.starts {
            println!(
                "start after {after}: {milliseconds:.0} ms ({} of segments, {} ids remembered, {caches})",
                Bytes(*journal_bytes as f64),
                Grouped(self.ids)
            );
        }
        if let Some(times) = self.back_over_intake {
            println!("read back {times:.1} times as fast as the intake beside it");
        }
        println!("most anonymous memory: {}", Bytes(self.anonymous_bytes_max as f64));
        println!("acknowledged {}", Grouped(self.acknowledged as u64));
        for (name, verdict) in [("that was there", &self.present), ("that was away", &self.away)] {
            let Verdict { arrived, lost, duplicated, unacknowledged, .. } = verdict;
            println!(
                "processor {name}: arrived {}, LOST {lost}, duplicated {duplicated}, not acknowledged {unacknowledged}",
                Grouped(*arrived as u64)
            );
        }
    }
}
