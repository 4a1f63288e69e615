//! One setting, looked at: how much it takes, and how much of that within the target.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use hdrhistogram::Histogram;
use serde::Serialize;

use super::args::SweepArgs;
use super::busy::{Busy, Look};
use super::settings::{Round, Setting};
use super::trial_config::{Original, Place};
use crate::bar::Bar;
use crate::load::{Dial, Outcome, Payload, Plan, Press, Quantiles, Target, measure, saturation};
use crate::quiet::Quiet;
use crate::server::{Layout, Process, free_port};
use crate::sign::Signing;
use crate::stop::Stop;

/// What was found of a setting.
#[derive(Serialize)]
pub(super) struct Trial {
    pub(super) setting: Setting,
    /// How much it takes in closed loop, events per second.
    pub(super) takes: f64,
    /// The highest rate on schedule that it kept up with within the target; `None` if with none of those tried.
    pub(super) best: Option<Held>,
    /// The lowest rate that it did not, and why.
    pub(super) failed: Option<Held>,
    pub(super) held_for_s: f64,
}

/// A rate that was held for a while.
#[derive(Clone, Serialize)]
pub(super) struct Held {
    pub(super) rate: u64,
    /// Why this does not count as kept up within the target; `None` if it does.
    pub(super) fault: Option<String>,
    pub(super) latency_us: Option<Quantiles>,
    pub(super) cpu_us_per_event: f64,
    pub(super) busy: Busy,
    /// What was used up.
    pub(super) used_up: Vec<String>,
    #[serde(skip)]
    pub(super) latency: Histogram<u64>,
}

impl Trial {
    /// What settings are ordered by: the rate within the target, and what it takes where that is the same.
    pub(super) fn rank(&self) -> (u64, f64) {
        (self.best.as_ref().map_or(0, |held| held.rate), self.takes)
    }
}

/// Looks at settings.
pub(super) struct Bench<'a> {
    pub(super) args: &'a SweepArgs,
    pub(super) original: &'a Original,
    pub(super) layout: &'a Layout,
    pub(super) hookgate: PathBuf,
    pub(super) payloads: Vec<Payload>,
    /// The stand-in.
    pub(super) processor: SocketAddr,
    pub(super) stop: Stop,
    pub(super) bar: Bar,
    /// Samples that were thrown away.
    pub(super) thrown_away: u32,
}

impl Bench<'_> {
    /// Searches; `None` if a signal came before anything was found.
    pub(super) async fn look(&mut self, setting: Setting, round: Round) -> anyhow::Result<Option<Trial>> {
        let Some((takes, _)) = self.hold(setting, None, round.duration).await? else {
            self.skip(round.steps, round.duration);
            return Ok(None);
        };
        let mut trial = Trial { setting, takes, best: None, failed: None, held_for_s: round.duration.as_secs_f64() };
        let (mut low, mut high) = (0.0, takes);
        for step in 0..round.steps {
            let rate = if step == 0 { takes * FIRST_GUESS } else { f64::midpoint(low, high) };
            if rate < 1.0 {
                self.skip(1, round.duration);
                continue;
            }
            let Some((_, held)) = self.hold(setting, Some(rate as u64), round.duration).await? else { continue };
            if held.fault.is_none() {
                low = rate;
                trial.best = Some(held);
            } else {
                high = rate;
                trial.failed = Some(held);
            }
        }
        Ok(Some(trial))
    }

    /// Sends at a rate, or as much as it takes, to a gateway that was just started: what it accepted per second, and how that went. `None` if every
    /// sample was disturbed, or a signal came.
    pub(super) async fn hold(
        &mut self,
        setting: Setting,
        rate: Option<u64>,
        duration: Duration,
    ) -> anyhow::Result<Option<(f64, Held)>> {
        let quiet = Quiet { cores: self.args.tolerate };
        let at = rate.map_or("as much as it takes".to_owned(), |rate| format!("{rate}/s"));
        self.bar.begin(format!("{setting}: {at}"));
        let mut held = None;
        for _ in 0..ATTEMPTS {
            if self.stop.is_requested().await {
                break;
            }
            let mut disturbed = quiet.settle().await;
            if disturbed.is_none() {
                let (outcome, busy) = self.measure(setting, rate, duration).await?;
                if outcome.partial {
                    break;
                }
                disturbed = quiet.disturbance(&outcome);
                if disturbed.is_none() {
                    held = Some(self.judge(rate, &outcome, busy));
                    break;
                }
            }
            self.thrown_away += 1;
            self.bar.note(&format!("thrown away: {setting}, {at}: {}", disturbed.unwrap_or_default()));
        }
        self.bar.end(per_hold(self.args, duration));
        Ok(held)
    }

    async fn measure(
        &mut self,
        setting: Setting,
        rate: Option<u64>,
        duration: Duration,
    ) -> anyhow::Result<(Outcome, Busy)> {
        let directory = directory(&self.args.data)?;
        let place =
            Place { listen: free_port()?, admin: free_port()?, processor: self.processor, dir: directory.path() };
        let mut command = Command::new(&self.hookgate);
        command.arg("run").arg("--config").arg(self.original.write(&setting, &place)?);
        let mut gateway = Process::start(command, Some(self.layout), directory.path())?;
        gateway.wait_for(place.listen)?;
        let source = &self.original.source;
        let target = Target::resolve(&format!("http://{}{}", place.listen, source.path))?;
        let press = Press::new(Signing::new(&source.preset, source.secret.clone())?, target, self.payloads.clone());
        let plan = Plan {
            address: place.listen,
            rate,
            connections: self.args.connections,
            threads: self.layout.client.count() as u16,
            warmup: self.args.warmup,
            duration,
            timeout: TIMEOUT,
            spin: false,
            dial: Dial::default(),
            keeps_ids: false,
            returns: None,
            server: gateway.pids(),
        };
        let pid = gateway.pids().first().copied().context("a process has an id")?;
        let look = || Look::at(pid, place.admin, directory.path());
        let (mut before, warmup, bar) = (None, self.args.warmup, &self.bar);
        let outcome = measure(&plan, &Arc::new(press), &mut self.stop, |elapsed, _| {
            bar.at(elapsed);
            if elapsed >= warmup && before.is_none() {
                before = Some(look());
            }
        })
        .await?;
        let after = look();
        let busy = before.as_ref().unwrap_or(&after).until(&after);
        Ok((outcome, busy))
    }

    fn judge(&self, rate: Option<u64>, outcome: &Outcome, busy: Busy) -> (f64, Held) {
        let Outcome { tally, client, measured, cpu: [before, after], .. } = outcome;
        let (accepted, refused) = tally.answers();
        let per_second = accepted as f64 / measured.as_secs_f64().max(f64::EPSILON);
        let failed: u64 = tally.failures.values().map(|(count, _)| count).sum();
        let missed = refused + failed + tally.unsent + tally.unanswered;
        let latency_us = Quantiles::of(&tally.accepted);
        let mut used_up = busy.used_up(self.layout.server.count());
        let saturated = saturation(rate.is_some(), tally, *client);
        if !saturated.is_empty() {
            used_up.insert(0, "the client".to_owned());
        }
        let p99 = latency_us.map_or(f64::INFINITY, |at| at.p99);
        let target = self.args.p99.as_secs_f64() * 1e6;
        let fault = if !saturated.is_empty() {
            Some("the schedule was not kept".to_owned())
        } else if missed as f64 > MISSED_MAX * tally.scheduled as f64 {
            Some(format!("{missed} of {} were refused, failed or never left", tally.scheduled))
        } else if p99 > target {
            Some(format!("p99 was {:.2} ms", p99 / 1e3))
        } else if busy.behind_per_s > BEHIND_MAX * per_second {
            used_up.push("a route: deliveries fell behind".to_owned());
            Some(format!("a route fell behind by {:.0} events a second", busy.behind_per_s))
        } else {
            None
        };
        let cpu = after.server.unwrap_or_default().saturating_sub(before.server.unwrap_or_default());
        let held = Held {
            rate: rate.unwrap_or(per_second as u64),
            fault,
            latency_us,
            cpu_us_per_event: cpu.as_secs_f64() * 1e6 / accepted.max(1) as f64,
            busy,
            used_up,
            latency: tally.accepted.clone(),
        };
        (per_second, held)
    }

    fn skip(&mut self, holds: u32, duration: Duration) {
        self.bar.end(per_hold(self.args, duration) * holds);
    }
}

/// About what holding a rate takes, with looking around and starting.
pub(super) fn per_hold(args: &SweepArgs, duration: Duration) -> Duration {
    args.warmup + duration + Duration::from_millis(700)
}

fn directory(data: &Path) -> anyhow::Result<tempfile::TempDir> {
    tempfile::Builder::new()
        .prefix(".loadtest-")
        .tempdir_in(data)
        .with_context(|| format!("cannot make a directory in {}", data.display()))
}

/// The first rate that is tried, as a part of what a setting takes.
const FIRST_GUESS: f64 = 0.75;

/// Share of events that may be missed.
const MISSED_MAX: f64 = 0.001;

/// Share of the rate by which routes may fall behind: a backlog that begins has to be told from one that comes and goes.
const BEHIND_MAX: f64 = 0.05;

const ATTEMPTS: u32 = 3;

const TIMEOUT: Duration = Duration::from_secs(10);
