//! All samples, in turn. On the main thread.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

use super::args::CompareArgs;
use super::certificate::Certificate;
use super::contender::{CONTENDERS, Contender, DURABLE, Kind, MEMORY, Setup, Visit};
use super::results::{Comparison, OfSize, OnSchedule, Summary};
use super::rustls_alone::RustlsAlone;
use super::sample::{Sample, Sampler, Taken};
use super::started::Launcher;
use super::{html, table};
use crate::bar::Bar;
use crate::corpus::Size;
use crate::load::Sizes;
use crate::machine::{Machine, is_in_memory};
use crate::server::{Layout, find, version};
use crate::stop::Stop;
use crate::{INTERRUPTED, secret};

/// Compares, and prints what came of it.
pub(crate) fn run(args: &CompareArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let comparison = runtime.block_on(compare(args))?;
    if let Some(path) = &args.html {
        html::page(&comparison).write(path)?;
    }
    if args.json {
        println!("{}", serde_json::to_string(&comparison)?);
    } else {
        print!("{}", table::text(&comparison));
    }
    ensure!(
        comparison.sizes.iter().any(|size| size.rows.iter().any(|row| row.saturated.is_some())),
        "no sample could be kept: on a machine that others use, give --tolerate a larger share of a core"
    );
    Ok(if comparison.partial { ExitCode::from(INTERRUPTED) } else { ExitCode::SUCCESS })
}

async fn compare(args: &CompareArgs) -> anyhow::Result<Comparison> {
    let layout = Layout::one_for_server(args.server_cores.as_ref(), args.client_cores.as_ref())?;
    if is_in_memory(&args.data) {
        eprintln!(
            "note: {} is in memory: syncing costs nothing there. Give --data a directory on a disk.",
            args.data.display()
        );
    }
    let mut skipped = BTreeMap::new();
    let mut contenders = Vec::new();
    for contender in CONTENDERS {
        let is_named = args.only.iter().any(|name| name == contender.name);
        if !is_named && (!args.only.is_empty() || contender.visit().is_some()) {
            continue;
        }
        match contender.missing() {
            Some(reason) => {
                eprintln!("left out: {}: {reason}", contender.name);
                skipped.insert(contender.name.to_owned(), reason);
            }
            None => contenders.push(contender),
        }
    }
    if contenders.is_empty() {
        bail!("there is nothing to measure");
    }
    let hookgate = if contenders.iter().any(|contender| matches!(contender.kind, Kind::Hookgate(_))) {
        find(args.hookgate.as_deref())?
    } else {
        PathBuf::new()
    };
    let mut launcher = Launcher::new(layout.clone(), hookgate, args.data.clone(), secret());
    launcher.batch = args.batch;
    if contenders.iter().any(|contender| contender.visit().is_some_and(Visit::has_tls)) {
        launcher.certificate = Some(Certificate::new()?);
    }
    if let Some(cores) = &args.journal_cores {
        launcher.journal = cores.clone();
    }
    let mut course = Course::new(args, &launcher, contenders.len())?;
    course.skipped = skipped;

    let mut sizes = Vec::new();
    for &size in &args.sizes {
        if course.stop.is_requested().await {
            break;
        }
        sizes.push(course.size(size, &contenders).await?);
    }
    let partial = course.stop.is_requested().await;
    course.bar.clear();
    Ok(Comparison {
        partial,
        machine: Machine::describe(),
        hookgate: version(&launcher.hookgate),
        cores: layout,
        connections: args.connections,
        client_spins: args.spin,
        journal_cores: launcher.journal.clone(),
        batch: args.batch,
        rounds: args.rounds,
        sample_s: args.duration.as_secs_f64(),
        warmup_s: args.warmup.as_secs_f64(),
        skipped: course.skipped,
        thrown_away: course.thrown_away,
        sizes,
    })
}

/// The way through all samples.
struct Course<'a> {
    args: &'a CompareArgs,
    launcher: &'a Launcher,
    stop: Stop,
    bar: Bar,
    skipped: BTreeMap<String, String>,
    thrown_away: BTreeMap<String, u32>,
    /// Names that will not be tried again.
    broken: BTreeSet<&'static str>,
}

impl<'a> Course<'a> {
    fn new(args: &'a CompareArgs, launcher: &'a Launcher, contenders: usize) -> anyhow::Result<Self> {
        let parts = if args.no_latency { 1 } else { 2 };
        let samples = args.sizes.len() * contenders * args.rounds as usize * parts;
        Ok(Self {
            args,
            launcher,
            stop: Stop::listen()?,
            bar: Bar::new(per_sample(args) * samples as u32),
            skipped: BTreeMap::new(),
            thrown_away: BTreeMap::new(),
            broken: BTreeSet::new(),
        })
    }

    async fn size(&mut self, size: Size, contenders: &[Contender]) -> anyhow::Result<OfSize> {
        let payloads = size.payloads();
        let (args, launcher) = (self.args, self.launcher);
        let sampler = Sampler { args, launcher, payloads: &payloads, device: RefCell::default() };
        self.broken.clear();

        let tasks: Vec<_> = contenders.iter().map(|contender| (contender, None)).collect();
        let saturated = self.rounds(size, &sampler, &tasks).await?;
        let mut on_schedule = BTreeMap::new();
        if !args.no_latency && !self.stop.is_requested().await {
            let tasks: Vec<_> = contenders
                .iter()
                // How much is on its way is no matter of a schedule.
                .filter(|contender| !contender.delivers())
                .filter_map(|contender| Some((contender, Some(self.latency_rate(contender, &saturated)?))))
                .collect();
            for (name, summary) in self.rounds(size, &sampler, &tasks).await? {
                let rate = tasks.iter().find(|(contender, _)| contender.name == name).and_then(|(_, rate)| *rate);
                on_schedule.insert(name, OnSchedule::at(rate.unwrap_or_default(), summary));
            }
        }
        let mut of_size = OfSize::new(size, Sizes::of(&payloads), contenders, saturated, on_schedule);
        if let Some(certificate) = &launcher.certificate {
            let request = of_size.bodies.median + HEAD;
            let alone = launcher.layout.on_server(|| RustlsAlone::measure(certificate, request));
            of_size.rustls_alone = Some(alone.context("cannot measure rustls")?);
        }
        Ok(of_size)
    }

    /// Half of what hookgate takes that promises as much; `None` for one that cannot keep up with that.
    fn latency_rate(&self, contender: &Contender, saturated: &BTreeMap<&'static str, Summary>) -> Option<u64> {
        let rate_of = |name| saturated.get(name).map(|summary| summary.rate.median);
        let own = rate_of(contender.name)?;
        let peer = rate_of(contender.durability.peer()).or_else(|| rate_of(MEMORY)).or_else(|| rate_of(DURABLE));
        let rate = self.args.latency_rate.map_or(peer.unwrap_or(own) / 2.0, |rate| rate as f64);
        (own > rate && rate >= 1.0).then_some(rate as u64)
    }

    /// A B C … A B C …
    async fn rounds(
        &mut self,
        size: Size,
        sampler: &Sampler<'_>,
        tasks: &[(&Contender, Option<u64>)],
    ) -> anyhow::Result<BTreeMap<&'static str, Summary>> {
        let mut taken: BTreeMap<&'static str, Vec<Sample>> = BTreeMap::new();
        'all: for round in 1..=self.args.rounds {
            for (contender, rate) in tasks {
                if self.stop.is_requested().await {
                    break 'all;
                }
                let at = rate.map_or("as much as it takes".to_owned(), |rate| format!("{rate}/s"));
                self.bar.begin(format!("{} {} {at}, {round} of {}", size.label(), contender.name, self.args.rounds));
                if let Some(sample) = self.sample(sampler, contender, *rate).await {
                    taken.entry(contender.name).or_default().push(sample);
                }
                self.bar.end(per_sample(self.args));
            }
        }
        let server_cores = self.launcher.layout.server.count();
        let summary = |(contender, _): &(&Contender, _)| {
            let all = taken.get(contender.name)?;
            Some((contender.name, Summary::of(all, server_cores, contender.is(Setup::JournalApart))?))
        };
        Ok(tasks.iter().filter_map(summary).collect())
    }

    /// A sample that nobody has disturbed, if there is one.
    async fn sample(&mut self, sampler: &Sampler<'_>, contender: &Contender, rate: Option<u64>) -> Option<Sample> {
        if self.broken.contains(contender.name) {
            return None;
        }
        for _ in 0..ATTEMPTS {
            let bar = &self.bar;
            match sampler.take(contender, rate, &mut self.stop, |elapsed| bar.at(elapsed)).await {
                Ok(Taken::Sample(sample)) if sample.partial => return None,
                Ok(Taken::Sample(sample)) => return Some(*sample),
                Ok(Taken::Disturbed(reason)) => {
                    let kind = reason
                        .split_once(char::is_numeric)
                        .map_or(reason.as_str(), |(kind, _)| kind.trim_end_matches([' ', ':']));
                    *self.thrown_away.entry(kind.to_owned()).or_default() += 1;
                    if self.stop.is_requested().await {
                        return None;
                    }
                    self.bar.note(&format!("thrown away: {}: {reason}", contender.name));
                }
                Err(error) => {
                    self.bar.note(&format!("left out: {}: {error:#}", contender.name));
                    self.skipped.insert(contender.name.to_owned(), format!("{error:#}"));
                    self.broken.insert(contender.name);
                    return None;
                }
            }
        }
        None
    }
}

/// About what a sample takes, with looking around and starting.
fn per_sample(args: &CompareArgs) -> Duration {
    args.warmup + args.duration + Duration::from_millis(700)
}

/// About what a request has before its body.
const HEAD: usize = 300;

/// How often a sample is taken again.
const ATTEMPTS: u32 = 5;
