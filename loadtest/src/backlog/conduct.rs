//! A backlog from its arguments to its result. On the main thread.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::args::BacklogArgs;
use super::table::{Phase, Row, Start, Told};
use crate::INTERRUPTED;
use crate::bar::Bar;
use crate::figures::Grouped;
use crate::load::{Acknowledged, Dial, Plan, Press, Target, measure};
use crate::secret;
use crate::server::{ConfigText, Memory, Process, find, free_port, memory};
use crate::sign::Signing;
use crate::stop::Stop;
use crate::verify::{Receiver, Verdict, settle};

/// Lets a backlog grow and shrink, and prints what was seen.
pub(crate) fn run(args: &BacklogArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let told = runtime.block_on(conduct(args))?;
    if args.json {
        println!("{}", serde_json::to_string(&told)?);
    } else {
        told.print();
    }
    ensure!(told.acknowledged > 0, "nothing was acknowledged, so nothing could be checked");
    Ok(match told {
        // What is still to be delivered is not lost.
        Told { partial: true, .. } => ExitCode::from(INTERRUPTED),
        Told { ref present, ref away, .. } if present.lost + away.lost > 0 => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    })
}

async fn conduct(args: &BacklogArgs) -> anyhow::Result<Told> {
    let mut stop = Stop::listen()?;
    let present = Receiver::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let away_address = free_port()?;
    let directory = tempfile::Builder::new().prefix(".loadtest-").tempdir_in(&args.data)?;
    let (listen, secret) = (free_port()?, secret());
    let config = ConfigText {
        processors: &[away_address, present.address],
        ids: Some(args.ids),
        ..ConfigText::plain(listen, &secret)
    }
    .write(directory.path())?;
    let hookgate = find(args.hookgate.as_deref())?;
    let target = Target::resolve(&format!("http://{listen}/hooks/github"))?;
    let press = Press::new(Signing::new("github", secret.into_bytes())?, target, crate::corpus::kilobyte());
    let start = || {
        let mut command = Command::new(&hookgate);
        command.arg("run").arg("--config").arg(&config);
        let began = Instant::now();
        let mut gateway = Process::start(command, None, directory.path())?;
        gateway.wait_for(listen)?;
        anyhow::Ok((gateway, began.elapsed()))
    };

    let (gateway, _) = start()?;
    let plan = Plan {
        address: listen,
        rate: None,
        connections: args.connections,
        threads: 1,
        warmup: Duration::ZERO,
        duration: PIECE,
        timeout: Duration::from_secs(30),
        spin: false,
        dial: Dial::default(),
        keeps_ids: true,
        returns: None,
        server: Vec::new(),
    };
    let mut run = Run {
        began: Instant::now(),
        press: Arc::new(press),
        plan,
        acknowledged: Vec::new(),
        rows: Vec::new(),
        anonymous_bytes_max: 0,
        bar: Bar::new(EXPECTED),
        partial: false,
    };
    while (run.acknowledged.len() as u64) < args.events && !run.partial {
        run.piece(Phase::Away, &gateway, [&present, &present], &mut stop).await?;
    }

    let segments = directory.path().join("data/journal");
    let mut caches_dropped = true;
    let mut starts = Vec::new();
    let mut restart = |after, gateway: Process| {
        let journal_bytes = size(&segments);
        drop(gateway);
        caches_dropped &= drop_caches();
        let (gateway, took) = start()?;
        starts.push(Start { after, journal_bytes, milliseconds: took.as_secs_f64() * 1e3 });
        anyhow::Ok(gateway)
    };
    let gateway = run.kill_under_load(gateway, &mut stop).await?;
    let gateway = restart("SIGKILL under load", gateway)?;
    let mut gateway = gateway;
    gateway.stop()?;
    let gateway = restart("a clean stop", gateway)?;

    let away = Receiver::start(away_address)?;
    run.plan.rate = Some(args.rate);
    let mut idle = Instant::now();
    while away.count() < run.acknowledged.len() && !run.partial && idle.elapsed() < args.settle {
        let before = away.count();
        run.piece(Phase::Back, &gateway, [&present, &away], &mut stop).await?;
        if away.count() > before {
            idle = Instant::now();
        }
    }
    let receivers = [present, away];
    if !run.partial {
        settle(args.settle, &run.acknowledged, &receivers, &run.bar).await;
    }
    run.bar.clear();
    drop(gateway);

    let [present, away] = receivers.map(|receiver| Verdict::of(&run.acknowledged, &receiver.arrivals()));
    // The last piece ends with nothing to read back.
    let back: Vec<&Row> = run.rows.iter().filter(|row| row.phase == Phase::Back && row.backlog > 0).collect();
    let sum = |of: fn(&Row) -> f64| back.iter().map(|row| of(row)).sum::<f64>();
    Ok(Told {
        partial: run.partial,
        acknowledged: run.acknowledged.len(),
        ids: args.ids,
        caches_dropped,
        starts,
        back_over_intake: (!back.is_empty()).then(|| sum(|row| row.away) / sum(|row| row.intake)),
        rows: run.rows,
        anonymous_bytes_max: run.anonymous_bytes_max,
        present,
        away,
    })
}

struct Run {
    began: Instant,
    press: Arc<Press>,
    plan: Plan,
    acknowledged: Vec<Acknowledged>,
    rows: Vec<Row>,
    anonymous_bytes_max: u64,
    bar: Bar,
    partial: bool,
}

impl Run {
    /// Sends for a while and notes a row. `receivers` are the processor that was always there, and the one that was away.
    async fn piece(
        &mut self,
        phase: Phase,
        gateway: &Process,
        receivers: [&Receiver; 2],
        stop: &mut Stop,
    ) -> anyhow::Result<()> {
        let before = receivers.map(Receiver::count);
        let (piece, mut most) = (Instant::now(), 0);
        let (bar, began, sent) = (&self.bar, self.began, self.acknowledged.len() as u64);
        let outcome = measure(&self.plan, &self.press, stop, |_, lives| {
            most = memory(&gateway.pids(), Memory::Anonymous).max(most);
            let accepted: u64 = lives.iter().map(|live| live.get()[0]).sum();
            bar.begin(format!("acknowledged {}", Grouped(sent + accepted)));
            bar.at(began.elapsed());
        })
        .await?;
        let seconds = piece.elapsed().as_secs_f64();
        let delivered = |at: usize| (receivers[at].count() - before[at]) as f64 / seconds;
        let intake = outcome.acknowledged.len() as f64 / seconds;
        self.acknowledged.extend(outcome.acknowledged);
        self.partial |= outcome.partial;
        self.anonymous_bytes_max = self.anonymous_bytes_max.max(most);
        let arrived = if phase == Phase::Back { receivers[1].count() } else { 0 };
        self.rows.push(Row {
            phase,
            at_s: self.began.elapsed().as_secs_f64(),
            intake,
            present: delivered(0),
            away: if phase == Phase::Back { delivered(1) } else { 0.0 },
            backlog: (self.acknowledged.len() as u64).saturating_sub(arrived as u64),
            anonymous_bytes: most,
        });
        Ok(())
    }

    /// Sends for a while, in the middle of which the gateway is killed.
    async fn kill_under_load(&mut self, mut gateway: Process, stop: &mut Stop) -> anyhow::Result<Process> {
        let load = measure(&self.plan, &self.press, stop, |_, _| {});
        let kill = async {
            tokio::time::sleep(PIECE / 2).await;
            gateway.kill();
        };
        let (outcome, ()) = tokio::join!(load, kill);
        let outcome = outcome?;
        self.acknowledged.extend(outcome.acknowledged);
        self.partial |= outcome.partial;
        Ok(gateway)
    }
}

/// Bytes of the segments below a directory.
fn size(directory: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(directory) else { return 0 };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths
        .map(|path: PathBuf| match path.extension() {
            _ if path.is_dir() => size(&path),
            Some(extension) if extension == "segment" => path.metadata().map_or(0, |metadata| metadata.len()),
            _ => 0,
        })
        .sum()
}

/// Makes the system forget what it holds of files. Only root may.
fn drop_caches() -> bool {
    rustix::fs::sync();
    std::fs::write("/proc/sys/vm/drop_caches", "3").context("cannot drop the page cache").is_ok()
}

const PIECE: Duration = Duration::from_secs(5);

/// What the bar takes for the whole.
const EXPECTED: Duration = Duration::from_secs(240);
