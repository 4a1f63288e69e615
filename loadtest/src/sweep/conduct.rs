//! A sweep from its arguments to its report. On the main thread.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::ensure;

use super::args::SweepArgs;
use super::html;
use super::results::Sweep;
use super::settings::{Axes, CURVE, Setting, doublings, rounds};
use super::stand_in::StandIn;
use super::trial::{Bench, Held, Trial, per_hold};
use super::trial_config::Original;
use crate::INTERRUPTED;
use crate::bar::Bar;
use crate::load::{Sizes, read};
use crate::machine::{Machine, is_in_memory};
use crate::server::{Layout, find, version};
use crate::stop::Stop;

/// Sweeps, and prints what came of it.
pub(crate) fn run(args: &SweepArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let sweep = runtime.block_on(sweep(args))?;
    html::page(&sweep).write(&args.html)?;
    if args.json {
        println!("{}", serde_json::to_string(&sweep)?);
    } else {
        print!("{}", sweep.text());
        println!("report: {}", args.html.display());
    }
    ensure!(
        !sweep.trials.is_empty() || sweep.partial,
        "no sample could be kept: on a machine that others use, give --tolerate a larger share of a core"
    );
    Ok(if sweep.partial { ExitCode::from(INTERRUPTED) } else { ExitCode::SUCCESS })
}

async fn sweep(args: &SweepArgs) -> anyhow::Result<Sweep> {
    let original = Original::read(&args.config, args.source.as_deref())?;
    let layout = Layout::one_for_client(args.server_cores.as_ref(), args.client_cores.as_ref())?;
    if is_in_memory(&args.data) {
        eprintln!(
            "note: {} is in memory: syncing costs nothing there. Give --data a directory on a disk.",
            args.data.display()
        );
    }
    let payloads = args.payloads.as_deref().map_or_else(|| Ok(args.corpus.payloads()), read)?;
    let bodies = Sizes::of(&payloads);
    let cores = layout.server.count() as u32;
    let given = |values: &Vec<u32>, most: u32| if values.is_empty() { doublings(most) } else { values.clone() };
    let axes = Axes {
        io_threads: given(&args.io_threads, cores),
        workers: given(&args.workers, cores + 1),
        in_flight: args.in_flight.clone(),
        batch: if original.has_batches { args.batch.clone() } else { Vec::new() },
    };
    let settings = axes.settings(args.candidates as usize);
    let stand_in = StandIn::start(args.processor_latency)?;
    let mut bench = Bench {
        args,
        original: &original,
        layout: &layout,
        hookgate: find(args.hookgate.as_deref())?,
        payloads,
        processor: stand_in.address,
        stop: Stop::listen()?,
        bar: Bar::new(planned(args, settings.len())),
        thrown_away: 0,
    };
    let trials = narrow(&mut bench, settings).await?;
    let curve = match trials.first() {
        Some(Trial { setting, best: Some(best), held_for_s, .. }) => {
            curve(&mut bench, *setting, best.rate, Duration::from_secs_f64(*held_for_s)).await?
        }
        _ => Vec::new(),
    };
    bench.bar.clear();
    let target_p99_us = args.p99.as_secs_f64() * 1e6;
    let toml = trials.first().filter(|trial| trial.best.is_some()).map(|trial| original.to_paste(&trial.setting));
    Ok(Sweep {
        partial: bench.stop.is_requested().await,
        machine: Machine::describe(),
        hookgate: version(&bench.hookgate),
        thrown_away: bench.thrown_away,
        cores: layout.clone(),
        source: original.source.name.clone(),
        bodies,
        connections: args.connections,
        target_p99_us,
        trials,
        curve,
        toml,
    })
}

/// Successive halving: every setting's last look, the best first.
async fn narrow(bench: &mut Bench<'_>, settings: Vec<Setting>) -> anyhow::Result<Vec<Trial>> {
    let mut out: Vec<Trial> = Vec::new();
    let mut field = settings;
    let best_first = |a: &Trial, b: &Trial| b.rank().partial_cmp(&a.rank()).unwrap_or(std::cmp::Ordering::Equal);
    for round in rounds(field.len(), bench.args.duration) {
        let mut looked: Vec<Trial> = Vec::new();
        for setting in field.drain(..).take(round.settings) {
            if bench.stop.is_requested().await {
                break;
            }
            looked.extend(bench.look(setting, round).await?);
        }
        looked.sort_by(best_first);
        field = looked.iter().map(|trial| trial.setting).collect();
        out.retain(|trial| !field.contains(&trial.setting));
        // Those that came further stand before those that did not.
        out.splice(0..0, looked);
        if field.is_empty() || bench.stop.is_requested().await {
            break;
        }
    }
    Ok(out)
}

/// The setting at rates below and above what it keeps up with.
async fn curve(bench: &mut Bench<'_>, setting: Setting, best: u64, duration: Duration) -> anyhow::Result<Vec<Held>> {
    let mut curve = Vec::new();
    for part in CURVE {
        if bench.stop.is_requested().await {
            break;
        }
        let rate = (best as f64 * part).max(1.0) as u64;
        curve.extend(bench.hold(setting, Some(rate), duration).await?.map(|(_, held)| held));
    }
    Ok(curve)
}

fn planned(args: &SweepArgs, settings: usize) -> Duration {
    let rounds = rounds(settings, args.duration);
    let looks: Duration =
        rounds.iter().map(|round| per_hold(args, round.duration) * (round.steps + 1) * round.settings as u32).sum();
    let last = rounds.last().map_or(args.duration, |round| round.duration);
    looks + per_hold(args, last) * CURVE.len() as u32
}
