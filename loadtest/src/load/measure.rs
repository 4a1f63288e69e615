//! One measurement, from started threads to their summed counts. On the calling thread.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use tokio::sync::watch;

use super::client::{Acknowledged, Lane, Phase, Yield};
use super::id::run_number;
use super::machine::Cpu;
use super::prepare::Press;
use super::returns::Returns;
use super::schedule::Schedule;
use super::stream::Dial;
use super::supply::Supply;
use super::tally::{Live, Tally};
use super::verdict::Client;
use crate::stop::Stop;

/// What is to be sent, how fast and for how long.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    /// Requests per second; `None` for a closed loop.
    pub(crate) rate: Option<u64>,
    pub(crate) connections: u32,
    pub(crate) threads: u16,
    pub(crate) warmup: Duration,
    /// After the warm-up.
    pub(crate) duration: Duration,
    pub(crate) timeout: Duration,
    pub(crate) dial: Dial,
    pub(crate) spin: bool,
    /// Note every event that was accepted, the warm-up included.
    pub(crate) keeps_ids: bool,
    /// What comes back to the client, of which it sends no more than there is room for. In a closed loop only.
    pub(crate) returns: Option<Arc<Returns>>,
    /// The processes of the server, whose CPU time is told.
    pub(crate) server: Vec<u32>,
}

/// What became of it.
pub(crate) struct Outcome {
    /// How long was measured, after the warm-up.
    pub(crate) measured: Duration,
    /// Ended early by a signal.
    pub(crate) partial: bool,
    pub(crate) threads: u16,
    pub(crate) tally: Tally,
    pub(crate) client: Client,
    /// At the end of the warm-up, and at the end.
    pub(crate) cpu: [Cpu; 2],
    /// Events that came back meanwhile.
    pub(crate) returned: u64,
    /// What was accepted, if that was asked for.
    pub(crate) acknowledged: Vec<Acknowledged>,
}

/// Measures. `watch` is called now and then with the time since the start and the counts of each thread; a signal ends it
/// early.
pub(crate) async fn measure(
    plan: &Plan,
    press: &Arc<Press>,
    stop: &mut Stop,
    mut watch: impl FnMut(Duration, &[Arc<Live>]),
) -> anyhow::Result<Outcome> {
    let (phase, watcher) = watch::channel(Phase::Connecting);
    let crew = muster(plan, press, &watcher)?;

    // A little ahead, so that every thread is up when its first request is due.
    let start = Instant::now() + Duration::from_millis(20);
    let (warm, end) = (start + plan.warmup, start + plan.warmup + plan.duration);
    phase.send_replace(Phase::Running(start));
    let returned = || plan.returns.as_ref().map_or(0, |returns| returns.delivered());
    let mut before = (Cpu::now(&plan.server), returned());
    let mut until = async |moment: Instant| {
        loop {
            let now = Instant::now();
            watch(now.saturating_duration_since(start), &crew.lives);
            if now >= moment {
                return;
            }
            tokio::time::sleep_until((now + WATCH_INTERVAL).min(moment).into()).await;
        }
    };
    let whole = async {
        until(warm).await;
        before = (Cpu::now(&plan.server), returned());
        until(end).await;
    };
    let partial = tokio::select! {
        () = whole => false,
        () = stop.requested() => true,
    };
    let end = end.min(Instant::now());
    let after = Cpu::now(&plan.server);
    let (before, returned) = (before.0, returned().saturating_sub(before.1));
    if partial {
        phase.send_replace(Phase::Stopped);
    }

    let mut tally = Tally::new();
    let mut client = Client { spin: plan.spin, idle: 1.0, ..Client::default() };
    let mut acknowledged = Vec::new();
    let threads = crew.threads.len() as u16;
    for thread in crew.threads {
        let yielded = thread.join().map_err(|_| anyhow!("a client thread has panicked"))??;
        if let Some(Yield { tally: counts, running, runnable, idle, acknowledged: accepted }) = yielded {
            tally.add(counts);
            client.running = client.running.max(running);
            client.runnable = client.runnable.max(runnable);
            client.idle = client.idle.min(idle);
            acknowledged.extend(accepted);
        }
    }
    let measured = end.saturating_duration_since(warm);
    Ok(Outcome { measured, partial, threads, tally, client, cpu: [before, after], returned, acknowledged })
}

/// One connection, so that a server that is not there is found before anything else is done.
pub(crate) fn probe(address: SocketAddr) -> anyhow::Result<()> {
    TcpStream::connect_timeout(&address, Duration::from_secs(5))
        .map(drop)
        .with_context(|| format!("cannot connect to {address}: is the gateway running there?"))
}

struct Crew {
    threads: Vec<JoinHandle<anyhow::Result<Option<Yield>>>>,
    lives: Vec<Arc<Live>>,
}

/// Starts the client threads and waits until all are connected.
fn muster(plan: &Plan, press: &Arc<Press>, phase: &watch::Receiver<Phase>) -> anyhow::Result<Crew> {
    // A thread without a connection could not send its share.
    let threads = u32::from(plan.threads).min(plan.connections);
    let run = run_number();
    let (ready, connected) = channel();
    let mut crew = Crew { threads: Vec::new(), lives: Vec::new() };
    for at in 0..threads {
        let schedule = plan.rate.map(|rate| Schedule { rate, threads: threads.into(), first: at.into() });
        let live = Arc::new(Live::default());
        let lane = Lane {
            address: plan.address,
            connections: (plan.connections / threads + u32::from(at < plan.connections % threads)) as usize,
            schedule,
            warmup: plan.warmup,
            duration: plan.duration,
            timeout: plan.timeout,
            dial: plan.dial.clone(),
            spin: plan.spin,
            keeps_ids: plan.keeps_ids,
            returns: plan.returns.clone(),
            receives: at == 0,
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

const WATCH_INTERVAL: Duration = Duration::from_millis(200);
