//! A contender, started with all it needs: on free ports, in a directory of its own that goes with it.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use serde_json::json;

use super::certificate::Certificate;
use super::contender::{Contender, Gateway, Kind, Setup, Store};
use crate::server::{ConfigText, Cores, Layout, Process, free_port, installed, move_thread};

/// Events in a batch, if nothing else is said.
pub(super) const BATCH: u32 = 64;

const BATCHES_IN_FLIGHT: u32 = 8;

/// What contenders are started with.
pub(super) struct Launcher {
    pub(super) layout: Layout,
    pub(super) hookgate: PathBuf,
    /// Directories are made in here.
    pub(super) data: PathBuf,
    pub(super) secret: String,
    /// Where the journal's thread of a gateway sits that has it apart.
    pub(super) journal: Cores,
    /// Of gateways that speak TLS.
    pub(super) certificate: Option<Certificate>,
    /// Events in a delivery, where a route delivers.
    pub(super) batch: Option<u32>,
}

/// A running contender, killed when dropped.
pub(super) struct Started {
    pub(super) address: SocketAddr,
    /// Where a gateway with a journal tells its metrics.
    pub(super) admin: Option<SocketAddr>,
    /// Its own process, and its store's if it has one. Dropped, that is killed, before the directory goes.
    processes: Vec<Process>,
    _directory: tempfile::TempDir,
}

impl Started {
    /// The process that listens.
    pub(super) fn pid(&self) -> Option<u32> {
        self.processes.last().map(Process::pid)
    }

    pub(super) fn pids(&self) -> Vec<u32> {
        self.processes.iter().flat_map(Process::pids).collect()
    }
}

impl Launcher {
    pub(super) fn new(layout: Layout, hookgate: PathBuf, data: PathBuf, secret: String) -> Self {
        let journal = layout.client.clone();
        Self { layout, hookgate, data, secret, journal, certificate: None, batch: None }
    }

    /// Events in a delivery at most; `None` if each is one of its own.
    pub(super) fn batch_of(&self, setup: Setup) -> Option<u32> {
        match setup {
            Setup::DeliversBatches => Some(self.batch.unwrap_or(BATCH)),
            _ => self.batch,
        }
    }

    /// Starts it and waits until it listens. `processor` is where a gateway delivers to that does.
    pub(super) fn start(&self, contender: &Contender, processor: Option<SocketAddr>) -> anyhow::Result<Started> {
        let directory = tempfile::Builder::new()
            .prefix(".loadtest-")
            .tempdir_in(&self.data)
            .with_context(|| format!("cannot make a directory in {}", self.data.display()))?;
        let address = free_port()?;
        let mut processes = Vec::new();
        let has_journal = contender.gateway().is_some_and(|gateway| gateway.ack == "durable");
        let admin = if has_journal { Some(free_port()?) } else { None };
        let command = self.command(contender, address, admin, processor, directory.path(), &mut processes)?;
        let mut process = Process::start(command, Some(&self.layout), directory.path())?;
        process.wait_for(address)?;
        if contender.is(Setup::JournalApart) {
            move_thread(process.pid(), JOURNAL, &self.journal)?;
        }
        processes.push(process);
        Ok(Started { address, admin, processes, _directory: directory })
    }

    fn gateway(
        &self,
        gateway: Gateway,
        listen: SocketAddr,
        admin: Option<SocketAddr>,
        processor: Option<SocketAddr>,
        dir: &Path,
    ) -> anyhow::Result<Command> {
        let gateway_keys = match (&self.certificate, gateway.setup) {
            (Some(certificate), Setup::Comes(visit)) if visit.has_tls() => certificate.write(dir)?,
            _ => "",
        };
        let mut route_keys = String::new();
        let in_batches = gateway.setup == Setup::DeliversBatches;
        if in_batches || gateway.setup == Setup::Delivers {
            // Room for all that may be on its way, whatever its size; should there be none, nothing is dropped.
            route_keys.push_str("queue = { events = 100000, bytes = \"1GiB\" }\n");
            if gateway.ack == "memory" {
                route_keys.push_str("when_full = \"refuse\"\n");
            }
            if let Some(batch) = self.batch_of(gateway.setup) {
                writeln!(route_keys, "batch = {batch}")?;
            }
            if in_batches {
                // The fewer are on their way at once, the more wait for the next.
                writeln!(route_keys, "in_flight = {BATCHES_IN_FLIGHT}")?;
            }
        }
        let config = ConfigText {
            io_threads: self.layout.server.count(),
            ack: gateway.ack,
            processors: processor.as_slice(),
            admin,
            gateway_keys,
            route_keys: &route_keys,
            ..ConfigText::plain(listen, &self.secret)
        };
        Ok(command(&self.hookgate, &["run", "--config", text(&config.write(dir)?)?]))
    }

    fn command(
        &self,
        contender: &Contender,
        listen: SocketAddr,
        admin: Option<SocketAddr>,
        processor: Option<SocketAddr>,
        dir: &Path,
        processes: &mut Vec<Process>,
    ) -> anyhow::Result<Command> {
        match contender.kind {
            Kind::Hookgate(gateway) => self.gateway(gateway, listen, admin, processor, dir),
            Kind::Alternative(store) => {
                let store = match store {
                    Store::Nothing => String::new(),
                    Store::Sqlite => text(&dir.join("events.db"))?.to_owned(),
                    Store::Redis => self.store("redis-server", "redis", dir, processes, |port, dir| {
                        let settings = "--bind 127.0.0.1 --appendonly yes --appendfsync always --save  --auto-aof-rewrite-percentage 0";
                        let mut args: Vec<String> = settings.split(' ').map(ToOwned::to_owned).collect();
                        args.extend(["--port".into(), port, "--dir".into(), dir]);
                        args
                    })?,
                    Store::Nats => self.store("nats-server", "nats", dir, processes, |port, dir| {
                        ["-a", "127.0.0.1", "-p", &port, "-js", "-sd", &dir].map(ToOwned::to_owned).to_vec()
                    })?,
                };
                let own = std::env::current_exe().context("cannot see where this binary is")?;
                let mut command = command(&own, &["alternative", contender.name, "--listen", &listen.to_string()]);
                if !store.is_empty() {
                    command.args(["--store", &store]);
                }
                command.env("GITHUB_SECRET", &self.secret);
                Ok(command)
            }
            Kind::Nginx => {
                let config = dir.join("nginx.conf");
                std::fs::write(&config, nginx(listen, dir, self.layout.server.count()))?;
                Ok(command(&program("nginx")?, &["-c", text(&config)?, "-p", text(dir)?]))
            }
            Kind::Webhook => {
                let hooks = dir.join("hooks.json");
                std::fs::write(&hooks, webhook(&self.secret).to_string())?;
                let (ip, port) = (listen.ip().to_string(), listen.port().to_string());
                Ok(command(&program("webhook")?, &["-hooks", text(&hooks)?, "-ip", &ip, "-port", &port]))
            }
        }
    }

    /// Starts a store and gives its URL.
    fn store(
        &self,
        name: &str,
        scheme: &str,
        dir: &Path,
        processes: &mut Vec<Process>,
        args: impl FnOnce(String, String) -> Vec<String>,
    ) -> anyhow::Result<String> {
        let address = free_port()?;
        let mut command = Command::new(program(name)?);
        command.args(args(address.port().to_string(), text(dir)?.to_owned())).current_dir(dir);
        let mut store = Process::start(command, Some(&self.layout), dir)?;
        store.wait_for(address)?;
        processes.push(store);
        Ok(format!("{scheme}://{address}"))
    }
}

/// As the gateway names it.
pub(super) const JOURNAL: &str = "journal";

fn command(program: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args);
    command
}

fn program(name: &str) -> anyhow::Result<PathBuf> {
    installed(name).with_context(|| format!("{name} is not installed"))
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}

fn nginx(listen: SocketAddr, dir: &Path, workers: usize) -> String {
    let dir = dir.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|what| format!("  {what}_temp_path {dir}/{what};\n"))
        .concat();
    format!(
        "daemon off;\nworker_processes {workers};\npid {dir}/nginx.pid;\nerror_log {dir}/error.log;\n\
         events {{ worker_connections 65536; }}\n\
         http {{\n  access_log off;\n  keepalive_requests 1000000000;\n  client_max_body_size 4m;\n{temporary}\
         \x20 server {{ listen {listen}; location / {{ return 202; }} }}\n}}\n"
    )
}

fn webhook(secret: &str) -> serde_json::Value {
    let signature = json!({ "source": "header", "name": "X-Hub-Signature-256" });
    json!([{
        "id": "github",
        "execute-command": "/bin/true",
        "success-http-response-code": 202,
        "trigger-rule-mismatch-http-response-code": 401,
        "trigger-rule": { "match": { "type": "payload-hmac-sha256", "secret": secret, "parameter": signature } },
    }])
}
