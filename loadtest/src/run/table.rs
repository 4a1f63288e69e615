//! The report for people.

use std::fmt::{self, Display};
use std::io::Write as _;

use super::report::{Mode, Report};
use crate::figures::{Bytes, Grouped, Time};
use crate::load::Quantiles;

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.conditions(f)?;
        self.counts(f)?;
        self.latencies(f)?;
        self.machine(f)?;
        for reason in &self.saturated_because {
            writeln!(f, "\nCLIENT SATURATED: {reason}.")?;
        }
        if self.saturated {
            writeln!(f, "The figures above are the client's. Lower --rate, add --threads, or give the client cores.")?;
        }
        Ok(())
    }
}

impl Report {
    /// Prints the table, or the JSON object, on standard output.
    pub(crate) fn print(&self, json: bool) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        if json {
            serde_json::to_writer(&mut out, self)?;
            writeln!(out)?;
        } else {
            write!(out, "{self}")?;
        }
        Ok(())
    }

    fn conditions(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.partial {
            writeln!(f, "PARTIAL: ended early.")?;
        }
        writeln!(f, "{} as {}", self.url, self.preset)?;
        match (self.mode, self.rate_scheduled) {
            (Mode::OpenLoop, Some(rate)) => write!(f, "open loop, {}/s", Grouped(rate))?,
            _ => write!(f, "CLOSED LOOP, each connection waiting for its answer: latency hides stalls")?,
        }
        writeln!(
            f,
            "; {} connections, {} client {}; {:.1} s after {:.1} s of warm-up",
            Grouped(self.connections.into()),
            self.threads,
            if self.threads == 1 { "thread" } else { "threads" },
            self.measured_s,
            self.warmup_s
        )?;
        let sizes = self.payloads;
        writeln!(
            f,
            "{} distinct payloads of {} B to {} B, median {} B\n",
            sizes.distinct,
            Grouped(sizes.min as u64),
            Grouped(sizes.max as u64),
            Grouped(sizes.median as u64)
        )
    }

    fn counts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |name: &str, count: u64, rest: &dyn Display| {
            let row = format!("{name:<22}{:>14}  {rest}", Grouped(count).to_string());
            writeln!(f, "{}", row.trim_end())
        };
        let rate = |rate: f64| format!("{:>12}/s", Grouped(rate.round() as u64).to_string());
        match self.rate_scheduled {
            Some(scheduled) => row("scheduled", self.scheduled, &rate(scheduled as f64))?,
            None => row("sent", self.sent, &rate(self.rate_sent))?,
        }
        row("answered", self.accepted + self.refused, &rate(self.rate_answered))?;
        row("accepted (2xx)", self.accepted, &rate(self.rate_accepted))?;
        row("refused", self.refused, &"")?;
        for (status, &count) in self.statuses.iter().filter(|(status, _)| !(200..300).contains(*status)) {
            row(&format!("  {status}"), count, &"")?;
        }
        row("errors", self.failed, &"")?;
        for (kind, failure) in &self.failures {
            row(&format!("  {}", kind.label()), failure.count, &failure.first)?;
        }
        if self.unsent > 0 {
            row("never left", self.unsent, &"all connections were busy until the end")?;
        }
        if self.unanswered > 0 {
            row("unanswered at the end", self.unanswered, &"")?;
        }
        writeln!(
            f,
            "{:<22}{:>14}/s sent, {}/s received\n",
            "bytes",
            Bytes(self.bytes_sent_per_s).to_string(),
            Bytes(self.bytes_received_per_s)
        )
    }

    fn latencies(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<22}{:>10}{:>10}{:>10}{:>10}{:>10}", "latency", "p50", "p90", "p99", "p99.9", "max")?;
        let since = if self.mode == Mode::OpenLoop { "connection free after" } else { "between requests" };
        for (name, quantiles) in [
            ("accepted", self.latency_accepted_us),
            ("refused", self.latency_refused_us),
            (since, self.waited_us.filter(|_| self.mode == Mode::OpenLoop)),
            ("client's own delay", self.slip_us),
        ] {
            let Some(Quantiles { p50, p90, p99, p999, max }) = quantiles else { continue };
            write!(f, "  {name:<20}")?;
            for us in [p50, p90, p99, p999, max] {
                write!(f, "{:>10}", Time(us).to_string())?;
            }
            writeln!(f)?;
        }
        writeln!(f)
    }

    fn machine(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "client's busiest thread: {:.0} % on a core{}, {:.0} % waiting for one",
            self.client_running * 100.0,
            if self.client_spins {
                format!(" ({:.0} % idle, spinning)", self.client_idle * 100.0)
            } else {
                String::new()
            },
            (self.client_runnable - self.client_running).max(0.0) * 100.0
        )?;
        if let Some(server) = self.server {
            writeln!(
                f,
                "server {}: {:.2} s of CPU, {:.1} µs per answer",
                server.pid, server.seconds, server.us_per_answer
            )?;
        }
        if let Some(others) = self.others {
            writeln!(
                f,
                "other processes: {:.2} of {} cores busy, {:.2} stolen by the host",
                others.cores_busy, others.cores, others.cores_stolen
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::report::tests::report;
    use crate::load::Client;

    #[test]
    fn the_table_names_conditions_counts_and_errors() {
        let text = report(Client::default(), Duration::ZERO, Some(100)).to_string();
        for part in
            ["open loop, 100/s; 8 connections", "19 distinct payloads", "990", "503", "connection reset", "p99.9"]
        {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
        assert!(!text.contains("SATURATED"), "{text}");
    }

    #[test]
    fn a_closed_loop_and_a_saturated_client_are_not_to_be_overlooked() {
        let text = report(Client { running: 0.99, ..Client::default() }, Duration::ZERO, None).to_string();
        assert!(text.contains("CLOSED LOOP") && text.contains("CLIENT SATURATED"), "{text}");
    }
}
