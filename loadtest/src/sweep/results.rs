//! What was found, as a table and as JSON.

use std::fmt::Write as _;

use serde::Serialize;

use super::trial::{Held, Trial};
use crate::figures::{Grouped, Time, columns};
use crate::machine::Machine;
use crate::server::Layout;

/// Everything that was found, and how.
#[derive(Serialize)]
pub(super) struct Sweep {
    /// Ended early by a signal.
    pub(super) partial: bool,
    pub(super) machine: Machine,
    pub(super) hookgate: String,
    pub(super) cores: Layout,
    pub(super) source: String,
    pub(super) bodies: crate::load::Sizes,
    pub(super) connections: u32,
    pub(super) target_p99_us: f64,
    /// The best first; each as it was last looked at.
    pub(super) trials: Vec<Trial>,
    /// The best setting, at rates from low to high.
    pub(super) curve: Vec<Held>,
    pub(super) thrown_away: u32,
    /// What to write into the configuration.
    pub(super) toml: Option<String>,
}

impl Sweep {
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        if self.partial {
            out.push_str("PARTIAL: ended early.\n");
        }
        let _ = writeln!(out, "{}\n", self.conditions());
        out += &columns(&self.table());
        let _ = writeln!(out, "\n{}", self.knee());
        if let Some(toml) = &self.toml {
            let _ = writeln!(out, "\n{toml}");
        }
        out
    }

    /// Machine, date, cores, bodies, target.
    pub(super) fn conditions(&self) -> String {
        let Self { machine, hookgate, cores, source, bodies, connections, target_p99_us, thrown_away, .. } = self;
        format!(
            "{} · {} cores · Linux {} · {}\n{hookgate} on core {}, client on core {} · source {source} · {} distinct bodies of \
             {} to {} B · {connections} connections · target: p99 ≤ {} · {thrown_away} disturbed samples thrown away",
            machine.cpu,
            machine.cores,
            machine.kernel,
            machine.date,
            cores.server,
            cores.client,
            Grouped(bodies.distinct as u64),
            Grouped(bodies.min as u64),
            Grouped(bodies.max as u64),
            Time(*target_p99_us),
        )
    }

    pub(super) fn table(&self) -> Vec<Vec<String>> {
        let head = [
            "io threads",
            "workers",
            "in flight",
            "batch",
            "within target",
            "p50",
            "p99",
            "CPU µs",
            "takes",
            "held for",
            "in its way above that",
        ];
        let rows = self.trials.iter().map(|trial| {
            let setting = trial.setting;
            let of_best = |text: &dyn Fn(&Held) -> String| trial.best.as_ref().map_or("–".to_owned(), text);
            let time = |held: &Held, of: fn(&crate::load::Quantiles) -> f64| {
                held.latency_us.as_ref().map_or("–".to_owned(), |at| Time(of(at)).to_string())
            };
            vec![
                setting.io_threads.to_string(),
                setting.workers.to_string(),
                setting.in_flight.to_string(),
                setting.batch.map_or("–".to_owned(), |batch| batch.to_string()),
                of_best(&|held| format!("{}/s", Grouped(held.rate))),
                of_best(&|held| time(held, |at| at.p50)),
                of_best(&|held| time(held, |at| at.p99)),
                of_best(&|held| format!("{:.1}", held.cpu_us_per_event)),
                format!("{}/s", Grouped(trial.takes.round() as u64)),
                format!("{:.1} s", trial.held_for_s),
                trial.failed.as_ref().map_or("–".to_owned(), reasons),
            ]
        });
        std::iter::once(head.map(ToOwned::to_owned).to_vec()).chain(rows).collect()
    }

    /// Where it bends, in words.
    pub(super) fn knee(&self) -> String {
        let Some(trial) = self.trials.first() else { return "Nothing could be measured.".to_owned() };
        let Some(best) = &trial.best else {
            let why = trial.failed.as_ref().map_or("no sample was undisturbed".to_owned(), reasons);
            return format!("No setting met the target at a rate that was tried: {why}.");
        };
        let above = self.curve.iter().find(|held| held.rate >= best.rate && held.fault.is_some());
        let mut text = format!("Best: {}: {}/s within the target", trial.setting, Grouped(best.rate));
        if let Some(failed) = above.or(trial.failed.as_ref()) {
            let _ = write!(text, "; at {}/s: {}", Grouped(failed.rate), reasons(failed));
        }
        text.push('.');
        text
    }
}

/// Why a rate was not kept, and what was used up.
pub(super) fn reasons(held: &Held) -> String {
    let fault = held.fault.iter().cloned();
    let used_up = (!held.used_up.is_empty()).then(|| format!("used up: {}", held.used_up.join(", ")));
    fault.chain(used_up).collect::<Vec<_>>().join("; ")
}
