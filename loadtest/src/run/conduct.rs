//! A run from its arguments to its report. On the main thread.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, ensure};
use tokio::sync::watch;

use super::args::{Rate, RunArgs};
use super::client::{Lane, Phase, Yield};
use super::id::run_number;
use super::machine::Cpu;
use super::payloads::{self, Sizes};
use super::prepare::Press;
use super::progress::Progress;
use super::report::{Client, Report, Setting};
use super::schedule::Schedule;
use super::supply::Supply;
use super::tally::{Live, Tally};
use super::target::Target;
use crate::sign::Signing;
use crate::stop;

/// Runs, and reports.
pub(crate) fn run(args: &RunArgs) -> anyhow::Result<Report> {
    let target = Target::resolve(&args.url)?;
    let payloads = payloads::read(&args.payloads)?;
    let sizes = Sizes::of(&payloads);
    let signing = Signing::new(&args.preset, args.secret()?)?;
    probe(target.address)?;
    if let Some(pid) = args.server_pid {
        ensure!(Cpu::now(Some(pid)).server.is_some(), "there is no process {pid} whose CPU time can be read");
    }
    let address = target.address;
    let press = Arc::new(Press::new(signing, target, payloads));
    if press.without_id() > 0 {
        eprintln!(
            "note: {} of {} payloads have no id that could be changed from one request to the next: the gateway may take \
             them for duplicates",
            press.without_id(),
            press.payloads().len()
        );
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(conduct(args, address, &press))?;

    let measured = outcome.end.saturating_duration_since(outcome.start + args.warmup);
    Ok(Report::new(
        Setting {
            url: args.url.clone(),
            preset: args.preset.clone(),
            rate: match args.rate {
                Rate::PerSecond(rate) => Some(rate.get()),
                Rate::Max => None,
            },
            connections: args.connections,
            threads: outcome.threads,
            warmup: args.warmup,
            measured,
            partial: outcome.partial,
            payloads: sizes,
            server_pid: args.server_pid,
        },
        &outcome.tally,
        outcome.client,
        &outcome.cpu,
    ))
}

struct Outcome {
    start: Instant,
    end: Instant,
    partial: bool,
    threads: u16,
    tally: Tally,
    client: Client,
    /// At the end of the warm-up, and at the end.
    cpu: [Cpu; 2],
}

async fn conduct(args: &RunArgs, address: SocketAddr, press: &Arc<Press>) -> anyhow::Result<Outcome> {
    let (phase, watcher) = watch::channel(Phase::Connecting);
    let crew = muster(args, address, press, &watcher)?;
    let progress = Progress::new(args.warmup + args.duration, crew.lives);

    // A little ahead, so that every thread is up when its first request is due.
    let start = Instant::now() + Duration::from_millis(20);
    let (warm, end) = (start + args.warmup, start + args.warmup + args.duration);
    phase.send_replace(Phase::Running(start));
    let mut before = Cpu::now(args.server_pid);
    let whole = async {
        progress.show("warm-up", start, warm).await;
        before = Cpu::now(args.server_pid);
        progress.show("measuring", start, end).await;
    };
    let partial = tokio::select! {
        () = whole => false,
        stopped = stop::requested() => stopped.map(|()| true)?,
    };
    let end = end.min(Instant::now());
    let after = Cpu::now(args.server_pid);
    if partial {
        phase.send_replace(Phase::Stopped);
    }
    progress.clear();

    let mut tally = Tally::new();
    let mut client = Client { spin: args.spin, ..Client::default() };
    let threads = crew.threads.len() as u16;
    for thread in crew.threads {
        let yielded = thread.join().map_err(|_| anyhow!("a client thread has panicked"))??;
        if let Some(yielded) = yielded {
            tally.add(yielded.tally);
            client.running = client.running.max(yielded.running);
            client.runnable = client.runnable.max(yielded.runnable);
        }
    }
    Ok(Outcome { start, end, partial, threads, tally, client, cpu: [before, after] })
}

struct Crew {
    threads: Vec<JoinHandle<anyhow::Result<Option<Yield>>>>,
    lives: Vec<Arc<Live>>,
}

/// Starts the client threads and waits until all are connected.
fn muster(
    args: &RunArgs,
    address: SocketAddr,
    press: &Arc<Press>,
    phase: &watch::Receiver<Phase>,
) -> anyhow::Result<Crew> {
    // A thread without a connection could not send its share.
    let threads = u32::from(args.threads).min(args.connections);
    let run = run_number();
    let (ready, connected) = channel();
    let mut crew = Crew { threads: Vec::new(), lives: Vec::new() };
    for at in 0..threads {
        let schedule = match args.rate {
            Rate::PerSecond(rate) => Some(Schedule { rate: rate.get(), threads: threads.into(), first: at.into() }),
            Rate::Max => None,
        };
        let live = Arc::new(Live::default());
        let lane = Lane {
            address,
            connections: (args.connections / threads + u32::from(at < args.connections % threads)) as usize,
            schedule,
            warmup: args.warmup,
            duration: args.duration,
            timeout: args.timeout,
            spin: args.spin,
            live: Arc::clone(&live),
        };
        let supply = Supply::new(press, run, at as u16, schedule.map(|schedule| schedule.rate / schedule.threads))?;
        let (ready, phase) = (ready.clone(), phase.clone());
        let thread = std::thread::Builder::new()
            .name(format!("client-{at}"))
            .spawn(move || lane.drive(supply, &ready, phase))
            .context("cannot start a client thread")?;
        crew.threads.push(thread);
        crew.lives.push(live);
    }
    drop(ready);
    for _ in 0..threads {
        connected.recv().context("a client thread has ended before it was connected")??;
    }
    Ok(crew)
}

/// One connection, so that a server that is not there is found before anything else is done.
fn probe(address: SocketAddr) -> anyhow::Result<()> {
    TcpStream::connect_timeout(&address, Duration::from_secs(5))
        .map(drop)
        .with_context(|| format!("cannot connect to {address}: is the gateway running there?"))
}
