//! `hookgate run`: the gateway, until a signal.

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use super::ConfigFile;
use super::log::Log;
use super::privileges::{NoDumps, Privileges};
use crate::config::{AdminAddress, Config, ListenConfig};
use crate::gateway::{Cores, Gateway, Placement, Stopped};
use crate::routes::Lost;

/// Options of `hookgate run`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Stops on SIGTERM or SIGINT: finishes what is in flight and exits 0, or 3 if events that were only in memory were lost.
Stops by itself, and exits 1, if one of its threads breaks down.
It gives up core dumps and new privileges, and does not start as root unless told to ([process] allow_root, core_dumps).
A second signal ends it at once. SIGHUP reads certificates again, as happens within a second of a change to them anyway.

Examples:
  hookgate run
  hookgate run --config /etc/hookgate/hookgate.toml --log-format json")]
pub(super) struct Run {
    #[command(flatten)]
    file: ConfigFile,
    #[command(flatten)]
    log: Log,
    #[command(flatten)]
    privileges: Privileges,
}

/// Events were lost.
const EXIT_LOST: u8 = 3;

impl Run {
    pub(super) fn execute(self, dumps: NoDumps) -> anyhow::Result<ExitCode> {
        let config = self.file.load()?;
        self.privileges.give_up(config.process, dumps)?;
        self.log.start()?;
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        // The handlers are there before the sockets: a signal during the start is not lost.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut signals = {
            let _guard = runtime.enter();
            survive_file_size_limits().and_then(|()| Signals::new()).context("cannot handle signals")?
        };
        let introduction = introduction(&config);
        let schemes: Vec<_> = config.gateway.listen.iter().map(scheme).collect();
        let admin_has_tls = config.gateway.admin.as_ref().is_some_and(|admin| admin.tls.is_some());
        let gateway = Gateway::builder().config(config).start()?;
        for (address, scheme) in gateway.addresses().iter().zip(schemes) {
            tracing::info!("listening on {scheme}://{address}");
        }
        if let Some(address) = gateway.admin_address() {
            let scheme = match address {
                AdminAddress::Unix(_) => "",
                AdminAddress::Tcp(_) if admin_has_tls => "https://",
                AdminAddress::Tcp(_) => "http://",
            };
            tracing::info!("admin on {scheme}{address}: /healthz /readyz /metrics /routes");
        }
        for line in introduction {
            tracing::info!("{line}");
        }

        runtime.block_on(async {
            let is_broken = loop {
                tokio::select! {
                    told = signals.next() => match told {
                        Told::Reload => reload(&gateway),
                        Told::Stop => break false,
                    },
                    thread = fallen_thread(&gateway) => {
                        tracing::error!(thread, "a thread has ended; this is a fault in hookgate. It stops, to be started again");
                        break true;
                    }
                }
            };
            tracing::info!("stopping: finishing what is in flight; a second signal ends at once");
            let (done, stopped) = tokio::sync::oneshot::channel();
            thread::Builder::new().name("stop".to_owned()).spawn(move || done.send(gateway.stop()))?;
            tokio::select! {
                stopped = stopped => {
                    let code = report(&stopped.context("the gateway broke down while it stopped")?);
                    Ok(if is_broken { ExitCode::FAILURE } else { code })
                },
                () = signals.next_stop() => {
                    tracing::warn!("ended by a second signal; what was only in memory may be lost");
                    Ok(ExitCode::from(EXIT_LOST))
                }
            }
        })
    }
}

/// The thread that has ended by a fault, once there is one.
async fn fallen_thread(gateway: &Gateway) -> String {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if let Some(thread) = gateway.fallen_thread() {
            return thread;
        }
    }
}

/// How often threads are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What a running gateway promises, a line per source, and where its threads sit.
fn introduction(config: &Config) -> Vec<String> {
    let placement = Placement::plan(config, &Cores::detect());
    let mut lines: Vec<_> = config
        .sources
        .iter()
        .map(|source| format!("source {}: POST {}, ack = {}", source.name, source.path, source.ack))
        .collect();
    lines.push(format!(
        "io threads: {}, workers: {}; {placement}",
        placement.io.len(),
        placement.pools.iter().map(Vec::len).sum::<usize>()
    ));
    lines
}

fn scheme(listener: &ListenConfig) -> &'static str {
    if listener.tls.is_some() { "https" } else { "http" }
}

fn reload(gateway: &Gateway) {
    match gateway.reload_certificates() {
        Ok(()) => tracing::info!("certificates were read again; the rest of the configuration needs a restart"),
        Err(error) => tracing::error!(%error, "certificates cannot be used; those before stay in use"),
    }
}

fn report(stopped: &Stopped) -> ExitCode {
    for Lost { route, events } in &stopped.lost {
        tracing::error!(route, events, "events were accepted into memory and not delivered; they are lost");
    }
    if stopped.lost.is_empty() {
        tracing::info!("stopped; nothing was lost");
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_LOST)
    }
}

/// A write beyond the limit on file sizes (`ulimit -f`) raises a signal that ends the process. With a handler, which stays
/// when nobody listens to it any more, the write fails instead, and the journal is full.
fn survive_file_size_limits() -> std::io::Result<()> {
    signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw())).map(drop)
}

struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

/// What a signal wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Stop,
    Reload,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::Stop,
            _ = self.interrupt.recv() => Told::Stop,
            _ = self.hangup.recv() => Told::Reload,
        }
    }

    /// The next that ends it.
    async fn next_stop(&mut self) {
        while self.next().await != Told::Stop {}
    }
}
