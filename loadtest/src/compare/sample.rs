//! One server, measured once.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use hdrhistogram::Histogram;

use super::args::CompareArgs;
use super::certificate::Certificate;
use super::contender::{Contender, Setup, Visit};
use super::device::{Beside, Journal};
use super::started::Launcher;
use crate::disk::{Device, Synced};
use crate::load::{Cpu, Dial, Outcome, Payload, Plan, Press, Returns, Target, Tls, measure, saturation};
use crate::quiet::Quiet;
use crate::server::{Memory, memory};
use crate::sign::Signing;
use crate::stop::Stop;

/// What was measured.
pub(super) struct Sample {
    /// Accepted events per second; of a gateway that delivers them, those that have arrived.
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
    /// Of a gateway with a journal, and the disk right after.
    pub(super) beside: Option<Beside>,
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
    /// Prepared when it is first needed.
    pub(super) device: RefCell<Option<Device>>,
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
        let returns =
            if contender.delivers() { Some(Arc::new(Returns::listen(self.window(contender))?)) } else { None };
        let server = self.launcher.start(contender, returns.as_ref().map(|returns| returns.address))?;
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
            spin: self.spins(contender),
            dial: self.dial(contender)?,
            keeps_ids: false,
            returns: returns.clone(),
            server: server.pids(),
        };
        let (mut watch, mut journal) = (watch, None);
        let look = || server.admin.map(|admin| Journal::of(admin, &server)).transpose();
        let outcome = measure(&plan, &press, stop, |elapsed, _| {
            if journal.is_none() && elapsed >= self.args.warmup {
                journal = Some(look());
            }
            watch(elapsed);
        })
        .await?;
        let journal = journal.transpose()?.flatten().zip(look()?);
        if let Some(reason) = quiet.disturbance(&outcome) {
            return Ok(Taken::Disturbed(reason));
        }
        let saturated = saturation(rate.is_some(), &outcome.tally, outcome.client);
        // At a closed loop's rate the client may be the slower one, and the server's CPU time counts nonetheless. An open loop that is
        // not on schedule measures nothing.
        if let (Some(_), Some(reason)) = (rate, saturated.first()) {
            return Ok(Taken::Disturbed(format!("the client was saturated: {reason}")));
        }
        let mut sample = sample(outcome, &server.pids(), returns.as_deref(), !saturated.is_empty())?;
        drop(server);
        if let Some((before, after)) = journal
            && let Some(bytes) = before.batch_bytes(&after)
        {
            let (cpu, begun) = (Cpu::now(&[]), Instant::now());
            let synced = self.synced(bytes)?;
            if let Some(reason) = quiet.disturbance_between(&cpu, &Cpu::now(&[]), begun.elapsed()) {
                return Ok(Taken::Disturbed(format!("while the disk was measured, {reason}")));
            }
            sample.beside = Some(before.beside(&after, synced));
        }
        Ok(Taken::Sample(Box::new(sample)))
    }

    /// Whether the client never sleeps: not beside a thread of the server that needs its core.
    fn spins(&self, contender: &Contender) -> bool {
        let Launcher { layout, journal, .. } = self.launcher;
        self.args.spin && !(contender.is(Setup::JournalApart) && journal.has_any_of(&layout.client))
    }

    /// How the client comes to it.
    fn dial(&self, contender: &Contender) -> anyhow::Result<Dial> {
        let Some(visit) = contender.visit() else { return Ok(Dial::default()) };
        let certificate = self.launcher.certificate.as_ref().filter(|_| visit.has_tls());
        let tls = certificate.map(|certificate| Tls::trusting(certificate.cert.as_bytes(), Certificate::HOST));
        let tls = tls.transpose()?.map(|tls| if visit == Visit::TlsAnew { tls.without_tickets() } else { tls });
        Ok(Dial { tls, fresh: visit != Visit::Tls })
    }

    /// Events on their way to the processor at most: enough that neither side waits for the other.
    fn window(&self, contender: &Contender) -> usize {
        let batch = contender.gateway().and_then(|gateway| self.launcher.batch_of(gateway.setup));
        self.args.connections as usize + IN_FLIGHT * batch.unwrap_or(1).max(8) as usize
    }

    /// The disk at batches of this size.
    fn synced(&self, bytes: usize) -> anyhow::Result<Synced> {
        let mut device = self.device.borrow_mut();
        let device = match &mut *device {
            Some(device) => device,
            none => none.insert(Device::new(&self.launcher.data)?),
        };
        let lasting = self.args.duration.min(DISK_MAX);
        self.launcher.layout.on_server(|| device.measure(bytes, lasting)).context("cannot measure the disk")
    }
}

fn sample(outcome: Outcome, pids: &[u32], returns: Option<&Returns>, client_bound: bool) -> anyhow::Result<Sample> {
    let Outcome { tally, measured, partial, client, cpu: [before, after], returned, .. } = outcome;
    let (accepted, refused) = tally.answers();
    let failed: u64 = tally.failures.values().map(|(count, _)| count).sum();
    if accepted == 0 && !partial {
        let answers: Vec<_> = tally.statuses.keys().map(ToString::to_string).collect();
        let first = tally.failures.values().next().map_or("", |(_, detail)| detail);
        bail!("it accepted nothing; answers: {}; errors: {first}", answers.join(", "));
    }
    let events = match returns {
        Some(returns) => {
            let (delivered, accepted) = (returns.delivered(), returns.accepted());
            ensure!(delivered >= accepted, "of {accepted} acknowledged events {delivered} have arrived");
            returned
        }
        None => accepted,
    };
    let cpu = after.server.unwrap_or_default().saturating_sub(before.server.unwrap_or_default());
    Ok(Sample {
        rate: events as f64 / measured.as_secs_f64().max(f64::EPSILON),
        cpu_us: cpu.as_secs_f64() * 1e6 / events.max(1) as f64,
        memory: memory(pids, Memory::Peak),
        missed: refused + failed + tally.unsent + tally.unanswered,
        latency: tally.accepted,
        client_bound,
        client_idle: client.idle,
        beside: None,
        partial,
    })
}

/// Deliveries at once of a route that says nothing else.
const IN_FLIGHT: usize = 64;

/// How long the disk is measured beside a sample.
const DISK_MAX: Duration = Duration::from_secs(1);

const TIMEOUT: Duration = Duration::from_secs(10);
