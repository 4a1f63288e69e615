//! A verification from its arguments to its result. On the main thread.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde::Serialize;

use super::args::VerifyArgs;
use super::judge::Verdict;
use super::receiver::Receiver;
use crate::bar::Bar;
use crate::figures::Grouped;
use crate::load::{Acknowledged, Dial, Outcome, Plan, Press, Target, Tls, measure, probe};
use crate::server::{ConfigText, Process, find, free_port};
use crate::sign::Signing;
use crate::stop::Stop;
use crate::{INTERRUPTED, secret};

#[derive(Serialize)]
struct Verified {
    /// Ended early by a signal.
    partial: bool,
    sent: u64,
    acknowledged: usize,
    refused: u64,
    failed: u64,
    seconds: f64,
    /// From the end of the load until everything had arrived, or was given up.
    settled_s: f64,
    processors: Vec<Verdict>,
}

/// Verifies, and prints what came of it.
pub(crate) fn run(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let verified = runtime.block_on(verify(args))?;
    if args.json {
        println!("{}", serde_json::to_string(&verified)?);
    } else {
        print(&verified);
    }
    ensure!(verified.acknowledged > 0, "nothing was acknowledged, so nothing could be checked");
    Ok(match verified {
        Verified { ref processors, .. } if processors.iter().any(|verdict| verdict.lost > 0) => ExitCode::FAILURE,
        Verified { partial: true, .. } => ExitCode::from(INTERRUPTED),
        _ => ExitCode::SUCCESS,
    })
}

async fn verify(args: &VerifyArgs) -> anyhow::Result<Verified> {
    let mut stop = Stop::listen()?;
    let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listen = if args.url.is_some() { args.processor.clone() } else { vec![free; args.routes.into()] };
    let receivers = listen.into_iter().map(Receiver::start).collect::<anyhow::Result<Vec<_>>>()?;

    let directory = tempfile::Builder::new().prefix(".loadtest-").tempdir_in(&args.data)?;
    let (url, secret, gateway) = match &args.url {
        Some(url) => (url.clone(), given_secret(args)?, None),
        None => {
            let (listen, secret) = (free_port()?, secret());
            let processors: Vec<_> = receivers.iter().map(|receiver| receiver.address).collect();
            // Few requests at once leave something to wait for the next, so that batches have several events.
            let route_keys = args.batch.map(|events| format!("batch = {events}\nin_flight = 2\n")).unwrap_or_default();
            let config = ConfigText {
                ack: &args.ack,
                processors: &processors,
                route_keys: &route_keys,
                ..ConfigText::plain(listen, &secret)
            };
            let mut command = Command::new(find(args.hookgate.as_deref())?);
            command.arg("run").arg("--config").arg(config.write(directory.path())?);
            let mut gateway = Process::start(command, None, directory.path())?;
            gateway.wait_for(listen)?;
            (format!("http://{listen}/hooks/github"), secret.into_bytes(), Some(gateway))
        }
    };
    let target = Target::resolve(&url)?;
    probe(target.address)?;
    let plan = Plan {
        address: target.address,
        rate: args.rate.per_second(),
        connections: args.connections,
        threads: 1,
        warmup: Duration::ZERO,
        duration: args.duration,
        timeout: TIMEOUT,
        spin: false,
        dial: Dial { tls: Tls::asked_for(&target, args.ca.as_deref())?, fresh: false },
        keeps_ids: true,
        returns: None,
        server: Vec::new(),
    };
    let press = Arc::new(Press::new(Signing::new("github", secret)?, target, args.corpus.payloads()));
    let bar = Bar::new(args.duration);
    let outcome = measure(&plan, &press, &mut stop, |elapsed, lives| {
        let accepted: u64 = lives.iter().map(|live| live.get()[0]).sum();
        bar.begin(format!("acknowledged {accepted}"));
        bar.at(elapsed);
    })
    .await?;
    let since = Instant::now();
    settle(args.settle, &outcome.acknowledged, &receivers, &bar).await;
    bar.clear();
    let settled_s = since.elapsed().as_secs_f64();
    drop(gateway);

    let processors =
        receivers.iter().map(|receiver| Verdict::of(&outcome.acknowledged, &receiver.arrivals())).collect();
    let Outcome { tally, partial, measured, acknowledged, .. } = outcome;
    Ok(Verified {
        partial,
        sent: tally.sent,
        acknowledged: acknowledged.len(),
        refused: tally.answers().1,
        failed: tally.failures.values().map(|(count, _)| count).sum(),
        seconds: measured.as_secs_f64(),
        settled_s,
        processors,
    })
}

/// Waits until everything has arrived everywhere, or nothing arrives any more.
pub(crate) async fn settle(patience: Duration, acknowledged: &[Acknowledged], receivers: &[Receiver], bar: &Bar) {
    let (mut before, mut since) = (0, Instant::now());
    loop {
        let counts: Vec<usize> = receivers.iter().map(Receiver::count).collect();
        let total = counts.iter().sum();
        if total != before {
            (before, since) = (total, Instant::now());
        }
        let are_enough = counts.iter().all(|count| *count >= acknowledged.len());
        if (are_enough && receivers.iter().all(|receiver| has_all(acknowledged, receiver)))
            || since.elapsed() > patience
        {
            return;
        }
        bar.begin(format!("acknowledged {}, arrived {counts:?}", acknowledged.len()));
        tokio::time::sleep(LOOK).await;
    }
}

fn has_all(acknowledged: &[Acknowledged], receiver: &Receiver) -> bool {
    let arrived: HashSet<_> = receiver.arrivals().into_iter().map(|arrival| arrival.id).collect();
    acknowledged.iter().all(|event| arrived.contains(&event.id))
}

fn given_secret(args: &VerifyArgs) -> anyhow::Result<Vec<u8>> {
    let file = args.secret_file.as_deref().context("there is no secret: give --secret-file")?;
    crate::run::read_secret(file)
}

fn print(verified: &Verified) {
    let Verified { partial, sent, acknowledged, refused, failed, seconds, settled_s, processors } = verified;
    if *partial {
        println!("PARTIAL: ended early.");
    }
    println!(
        "sent {} in {seconds:.1} s: acknowledged {}, refused {}, errors {}; all settled {settled_s:.1} s later",
        Grouped(*sent),
        Grouped(*acknowledged as u64),
        Grouped(*refused),
        Grouped(*failed)
    );
    for (at, verdict) in (1..).zip(processors) {
        let Verdict { arrived, requests, lost, lost_ids, duplicated, out_of_order, unacknowledged } = verdict;
        println!(
            "processor {at}: arrived {} in {} requests, LOST {lost}, duplicated {duplicated}, out of order {out_of_order}, \
             not acknowledged {unacknowledged}",
            Grouped(*arrived as u64),
            Grouped(*requests as u64)
        );
        if *lost > 0 {
            println!("  lost: {}{}", lost_ids.join(" "), if *lost > lost_ids.len() { " …" } else { "" });
        }
    }
}

const TIMEOUT: Duration = Duration::from_secs(30);

const LOOK: Duration = Duration::from_millis(100);
