//! A run from its arguments to its report. On the main thread.

use std::sync::Arc;

use anyhow::ensure;

use super::args::RunArgs;
use super::progress::Progress;
use super::report::{Report, Setting};
use crate::load::{Cpu, Dial, Plan, Press, Sizes, Target, Tls, measure, probe, read};
use crate::sign::Signing;
use crate::stop::Stop;

/// Runs, and reports.
pub(crate) fn run(args: &RunArgs) -> anyhow::Result<Report> {
    let target = Target::resolve(&args.url)?;
    let payloads = match (&args.payloads, args.corpus) {
        (Some(directory), _) => read(directory)?,
        (None, Some(size)) => size.payloads(),
        (None, None) => unreachable!("clap requires one of them"),
    };
    let sizes = Sizes::of(&payloads);
    let signing = Signing::new(&args.preset, args.secret()?)?;
    probe(target.address)?;
    if let Some(pid) = args.server_pid {
        ensure!(Cpu::now(&[pid]).server.is_some(), "there is no process {pid} whose CPU time can be read");
    }
    let plan = Plan {
        address: target.address,
        rate: args.rate.per_second(),
        connections: args.connections,
        threads: args.threads,
        warmup: args.warmup,
        duration: args.duration,
        timeout: args.timeout,
        spin: args.spin,
        dial: Dial { tls: Tls::asked_for(&target, args.ca.as_deref())?, fresh: args.fresh },
        keeps_ids: false,
        returns: None,
        server: args.server_pid.into_iter().collect(),
    };
    let press = Arc::new(Press::new(signing, target, payloads));
    if press.without_id() > 0 {
        eprintln!(
            "note: {} of {} payloads have no id that could be changed from one request to the next: the gateway may take \
             them for duplicates",
            press.without_id(),
            press.payloads().len()
        );
    }
    let progress = Progress::new(args.warmup, args.duration);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        let mut stop = Stop::listen()?;
        measure(&plan, &press, &mut stop, |elapsed, lives| progress.draw(elapsed, lives)).await
    })?;
    progress.clear();

    let setting = Setting {
        url: args.url.clone(),
        preset: args.preset.clone(),
        rate: plan.rate,
        connections: args.connections,
        threads: outcome.threads,
        warmup: args.warmup,
        measured: outcome.measured,
        partial: outcome.partial,
        payloads: sizes,
        server_pid: args.server_pid,
    };
    Ok(Report::new(setting, &outcome.tally, outcome.client, &outcome.cpu))
}
