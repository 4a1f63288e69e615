//! What was seen, as a table or JSON, and what it says.

use std::time::Duration;

use serde::Serialize;

use crate::figures::{Bytes, Grouped, columns};
use crate::machine::Machine;

/// Everything that was seen.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    /// Ended early by a signal.
    pub(super) partial: bool,
    pub(super) machine: Machine,
    pub(super) hookgate: String,
    pub(super) ack: String,
    pub(super) corpus: &'static str,
    pub(super) connections: u32,
    pub(super) accepted: u64,
    pub(super) missed: u64,
    pub(super) rows: Vec<Row>,
    /// The most that was resident at any moment, as the system has noted it.
    pub(super) peak_bytes: u64,
    /// By how much what was resident grew from the first half of the looks to the second; negative if it shrank.
    pub(super) growth_bytes: f64,
}

/// One look.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Row {
    pub(super) at_s: f64,
    /// Accepted per second since the last look.
    pub(super) rate: f64,
    pub(super) resident_bytes: u64,
    pub(super) anonymous_bytes: u64,
}

/// Looks at the time when each is due.
#[derive(Debug)]
pub(super) struct Looks {
    every: Duration,
    next: Duration,
    accepted: u64,
    at: Duration,
    pub(super) rows: Vec<Row>,
}

impl Looks {
    pub(super) fn new(every: Duration) -> Self {
        Self { every, next: every, accepted: 0, at: Duration::ZERO, rows: Vec::new() }
    }

    /// Notes a row if it is time to. `memory` gives what is resident, and what of it is anonymous.
    pub(super) fn look(&mut self, elapsed: Duration, accepted: u64, memory: impl FnOnce() -> [u64; 2]) {
        if elapsed < self.next {
            return;
        }
        let seconds = elapsed.saturating_sub(self.at).as_secs_f64().max(f64::EPSILON);
        let [resident_bytes, anonymous_bytes] = memory();
        let rate = accepted.saturating_sub(self.accepted) as f64 / seconds;
        self.rows.push(Row { at_s: elapsed.as_secs_f64(), rate, resident_bytes, anonymous_bytes });
        (self.accepted, self.at) = (accepted, elapsed);
        while self.next <= elapsed {
            self.next += self.every;
        }
    }
}

/// Mean of the second half over mean of the first; of an odd number the middle is in neither.
pub(super) fn growth(rows: &[Row]) -> f64 {
    let half = rows.len() / 2;
    let mean =
        |rows: &[Row]| rows.iter().map(|row| row.resident_bytes as f64).sum::<f64>() / (rows.len() as f64).max(1.0);
    mean(&rows[rows.len() - half..]) - mean(&rows[..half])
}

impl Told {
    pub(super) fn print(&self) {
        let Self { machine, hookgate, ack, corpus, connections, accepted, missed, peak_bytes, growth_bytes, .. } = self;
        if self.partial {
            println!("PARTIAL: ended early.");
        }
        println!("{} · {} cores · Linux {} · {}", machine.cpu, machine.cores, machine.kernel, machine.date);
        println!("{hookgate}, ack = \"{ack}\" · {corpus} bodies · {connections} connections, closed loop\n");
        let head = ["seconds", "events/s", "resident", "anonymous"].map(str::to_owned).to_vec();
        let rows = self.rows.iter().map(|row| {
            vec![
                format!("{:.0}", row.at_s),
                Grouped(row.rate.round() as u64).to_string(),
                Bytes(row.resident_bytes as f64).to_string(),
                Bytes(row.anonymous_bytes as f64).to_string(),
            ]
        });
        print!("{}", columns(&std::iter::once(head).chain(rows).collect::<Vec<_>>()));
        let sign = if *growth_bytes < 0.0 { "−" } else { "+" };
        println!(
            "\n{} accepted, {} not; at most {} resident; from the first half to the second {sign}{}",
            Grouped(*accepted),
            Grouped(*missed),
            Bytes(*peak_bytes as f64),
            Bytes(growth_bytes.abs())
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn it_is_looked_when_it_is_time_and_rates_are_since_the_last_look() {
        let mut looks = Looks::new(seconds(30));
        for (at, accepted) in [(10, 100), (31, 310), (45, 500), (60, 1_180), (61, 1_200)] {
            looks.look(seconds(at), accepted, || [accepted, 0]);
        }
        let seen: Vec<_> = looks.rows.iter().map(|row| (row.at_s, row.rate, row.resident_bytes)).collect();
        assert_eq!(seen, [(31.0, 10.0, 310), (60.0, 30.0, 1_180)]);
    }

    #[test]
    fn growth_is_what_the_second_half_has_more() {
        let rows = |bytes: &[u64]| -> Vec<Row> {
            let row = |&resident_bytes| Row { at_s: 0.0, rate: 0.0, resident_bytes, anonymous_bytes: 0 };
            bytes.iter().map(row).collect()
        };
        assert!((growth(&rows(&[10, 20, 999, 30, 50])) - 25.0).abs() < f64::EPSILON);
        assert!(growth(&rows(&[10])).abs() < f64::EPSILON);
        assert!(growth(&[]).abs() < f64::EPSILON);
    }
}
