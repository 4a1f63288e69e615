//! From the arguments to what was seen. On the main thread.

use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;

use super::args::MemoryArgs;
use super::told::{Looks, Told, growth};
use crate::bar::Bar;
use crate::figures::Bytes;
use crate::load::{Dial, Plan, Press, Target, measure};
use crate::machine::Machine;
use crate::server::{ConfigText, Layout, Memory, Process, find, free_port, memory, version};
use crate::sign::Signing;
use crate::stop::Stop;
use crate::{INTERRUPTED, secret};

/// Looks for as long as asked, and prints what was seen.
pub(crate) fn run(args: &MemoryArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let told = runtime.block_on(conduct(args))?;
    if args.json {
        println!("{}", serde_json::to_string(&told)?);
    } else {
        told.print();
    }
    ensure!(told.accepted > 0, "nothing was accepted");
    Ok(if told.partial { ExitCode::from(INTERRUPTED) } else { ExitCode::SUCCESS })
}

async fn conduct(args: &MemoryArgs) -> anyhow::Result<Told> {
    let mut stop = Stop::listen()?;
    let layout = Layout::one_for_server(None, None)?;
    let directory = tempfile::Builder::new().prefix(".loadtest-").tempdir_in(&args.data)?;
    let (listen, secret, hookgate) = (free_port()?, secret(), find(args.hookgate.as_deref())?);
    let config = ConfigText { io_threads: layout.server.count(), ack: &args.ack, ..ConfigText::plain(listen, &secret) };
    let mut command = Command::new(&hookgate);
    command.arg("run").arg("--config").arg(config.write(directory.path())?);
    let mut gateway = Process::start(command, Some(&layout), directory.path())?;
    gateway.wait_for(listen)?;
    let target = Target::resolve(&format!("http://{listen}/hooks/github"))?;
    let press = Arc::new(Press::new(Signing::new("github", secret.into_bytes())?, target, args.corpus.payloads()));
    let plan = Plan {
        address: listen,
        rate: None,
        connections: args.connections,
        threads: layout.client.count() as u16,
        warmup: Duration::ZERO,
        duration: args.lasting,
        timeout: TIMEOUT,
        spin: false,
        dial: Dial::default(),
        keeps_ids: false,
        returns: None,
        server: gateway.pids(),
    };
    let (mut looks, bar, pids) = (Looks::new(args.every), Bar::new(args.lasting), gateway.pids());
    let outcome = measure(&plan, &press, &mut stop, |elapsed, lives| {
        let accepted = lives.iter().map(|live| live.get()[0]).sum();
        looks.look(elapsed, accepted, || [Memory::Resident, Memory::Anonymous].map(|what| memory(&pids, what)));
        if let Some(last) = looks.rows.last() {
            bar.begin(format!("{} resident", Bytes(last.resident_bytes as f64)));
        }
        bar.at(elapsed);
    })
    .await?;
    bar.clear();
    let (accepted, refused) = outcome.tally.answers();
    let failed: u64 = outcome.tally.failures.values().map(|(count, _)| count).sum();
    Ok(Told {
        partial: outcome.partial,
        machine: Machine::describe(),
        hookgate: version(&hookgate),
        ack: args.ack.clone(),
        corpus: args.corpus.label(),
        connections: args.connections,
        accepted,
        missed: refused + failed + outcome.tally.unanswered,
        peak_bytes: memory(&pids, Memory::Peak),
        growth_bytes: growth(&looks.rows),
        rows: looks.rows,
    })
}

const TIMEOUT: Duration = Duration::from_secs(30);
