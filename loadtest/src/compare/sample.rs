//! One server, measured once.

use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use hdrhistogram::Histogram;

use super::args::CompareArgs;
use super::contender::Contender;
use super::started::Launcher;
use crate::load::{Outcome, Payload, Plan, Press, Target, measure, saturation};
use crate::quiet::Quiet;
use crate::server::{Memory, memory};
use crate::sign::Signing;
use crate::stop::Stop;

/// What was measured.
pub(super) struct Sample {
    /// Accepted events per second.
    pub(super) rate: f64,
    /// CPU time of the server's processes per accepted event, in microseconds.
    pub(super) cpu_us: f64,
    /// Resident memory of the server's processes at their largest, in bytes.
    pub(super) memory: u64,
    /// From the scheduled time to the answer, in nanoseconds.
    pub(super) latency: Histogram<u64>,
    /// Answered with other than success, not answered, or never sent.
    pub(super) missed: u64,
    /// The client could not have sent more: the rate is a lower bound of the server's.
    pub(super) client_bound: bool,
    /// Share of the time in which the client's busiest thread had nothing to do.
    pub(super) client_idle: f64,
    pub(super) partial: bool,
}

/// What came of it.
pub(super) enum Taken {
    Sample(Box<Sample>),
    /// Thrown away, and why.
    Disturbed(String),
}

/// Takes samples of bodies of one size.
pub(super) struct Sampler<'a> {
    pub(super) args: &'a CompareArgs,
    pub(super) launcher: &'a Launcher,
    pub(super) payloads: &'a [Payload],
}

impl Sampler<'_> {
    /// Starts the server, measures it at this rate (`None`: as much as it takes) and ends it.
    pub(super) async fn take(
        &self,
        contender: &Contender,
        rate: Option<u64>,
        stop: &mut Stop,
        watch: impl FnMut(Duration),
    ) -> anyhow::Result<Taken> {
        let quiet = Quiet { cores: self.args.tolerate };
        if let Some(reason) = quiet.settle().await {
            return Ok(Taken::Disturbed(reason));
        }
        let server = self.launcher.start(contender)?;
        let target = Target::resolve(&format!("http://{}/hooks/github", server.address))?;
        let signing = Signing::new("github", self.launcher.secret.clone().into_bytes())?;
        let press = Arc::new(Press::new(signing, target, self.payloads.to_vec()));
        let plan = Plan {
            address: server.address,
            rate,
            connections: self.args.connections,
            threads: self.launcher.layout.client.count() as u16,
            warmup: self.args.warmup,
            duration: self.args.duration,
            timeout: TIMEOUT,
            spin: self.args.spin,
            keeps_ids: false,
            server: server.pids(),
        };
        let mut watch = watch;
        let outcome = measure(&plan, &press, stop, |elapsed, _| watch(elapsed)).await?;
        if let Some(reason) = quiet.disturbance(&outcome) {
            return Ok(Taken::Disturbed(reason));
        }
        let saturated = saturation(rate.is_some(), &outcome.tally, outcome.client);
        // At a closed loop's rate the client may be the slower one, and the server's CPU time counts nonetheless. An open loop that is
        // not on schedule measures nothing.
        if let (Some(_), Some(reason)) = (rate, saturated.first()) {
            return Ok(Taken::Disturbed(format!("the client was saturated: {reason}")));
        }
        sample(outcome, &server.pids(), !saturated.is_empty()).map(Box::new).map(Taken::Sample)
    }
}

fn sample(outcome: Outcome, pids: &[u32], client_bound: bool) -> anyhow::Result<Sample> {
    let Outcome { tally, measured, partial, client, cpu: [before, after], .. } = outcome;
    let (accepted, refused) = tally.answers();
    let failed: u64 = tally.failures.values().map(|(count, _)| count).sum();
    if accepted == 0 && !partial {
        let answers: Vec<_> = tally.statuses.keys().map(ToString::to_string).collect();
        let first = tally.failures.values().next().map_or("", |(_, detail)| detail);
        bail!("it accepted nothing; answers: {}; errors: {first}", answers.join(", "));
    }
    let cpu = after.server.unwrap_or_default().saturating_sub(before.server.unwrap_or_default());
    Ok(Sample {
        rate: accepted as f64 / measured.as_secs_f64().max(f64::EPSILON),
        cpu_us: cpu.as_secs_f64() * 1e6 / accepted.max(1) as f64,
        memory: memory(pids, Memory::Peak),
        missed: refused + failed + tally.unsent + tally.unanswered,
        latency: tally.accepted,
        client_bound,
        client_idle: client.idle,
        partial,
    })
}

const TIMEOUT: Duration = Duration::from_secs(10);
