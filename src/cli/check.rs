//! `hookgate check`: what a configuration says, or everything that is wrong with it.

use std::fmt::Write;
use std::process::ExitCode;

use super::presets::describe;
use super::table::Table;
use super::{ConfigFile, output};
use crate::config::units::{WrittenDuration, WrittenSize};
use crate::config::{
    BacklogFull, Config, HttpAuth, HttpSink, JournalConfig, ListenConfig, QuarantineConfig, RouteConfig, SinkConfig,
    SourceConfig, TypePattern, WhenFull,
};
use crate::gateway::{Cores, Placement};

/// Options of `hookgate check`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exits 0 if the configuration is right, and 2 with every error if not. Secrets are read and not shown.

Examples:
  hookgate check
  hookgate check --config /etc/hookgate/hookgate.toml")]
pub(super) struct Check {
    #[command(flatten)]
    file: ConfigFile,
}

impl Check {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let config = self.file.load()?;
        let placement = Placement::plan(&config, &Cores::detect());
        output::print(picture(&config, &placement))?;
        for warning in &config.warnings {
            output::say(format_args!("warning: {warning}"));
        }
        for pool in &placement.spinning_without_core {
            output::say(format_args!(
                "warning: pool {pool} spins without a core of its own, which takes time from the other threads"
            ));
        }
        for route in config.routes.iter().filter(|route| matches!(route.to, SinkConfig::Handler)) {
            output::say(format_args!(
                "warning: route {} is for a program that embeds hookgate and registers its handler: `hookgate run` has none",
                route.name
            ));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn picture(config: &Config, placement: &Placement) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    let gateway = &config.gateway;
    let listen: Vec<_> = gateway.listen.iter().map(listener).collect();
    let admin = gateway.admin.as_ref().map_or("off".to_owned(), ToString::to_string);
    let _ = writeln!(page, "listen {}, admin {admin}", listen.join(" and "));
    let _ = writeln!(page, "{}", journal(&config.journal));
    let _ = writeln!(page, "{}", quarantine(config.quarantine.as_ref()));
    let _ = writeln!(
        page,
        "bodies up to {} each and {} together, {} connections\n",
        WrittenSize(gateway.max_body as u64),
        WrittenSize(gateway.memory_budget as u64),
        gateway.max_connections
    );
    let _ = writeln!(page, "{}", sources(config));
    if config.sources.iter().any(|source| !source.senders.lists.is_empty()) {
        let _ = writeln!(page, "{}", addresses(config));
    }
    if !config.polls.is_empty() {
        let _ = writeln!(page, "{}", polls(config));
    }
    let _ = writeln!(page, "{}", routes(config));
    let _ = write!(page, "{}", threads(config, placement));
    page
}

fn listener(listener: &ListenConfig) -> String {
    let tls = if listener.tls.is_some() { " with TLS" } else { "" };
    let proxy = if listener.proxy_protocol { " behind the PROXY protocol" } else { "" };
    format!("{}{tls}{proxy}", listener.address)
}

/// What is acknowledged as durable, and for how long it is there.
fn journal(journal: &JournalConfig) -> String {
    format!(
        "journal in {}, up to {} in segments of {}; what was delivered stays for {}, up to {}",
        journal.dir.display(),
        WrittenSize(journal.max_size),
        WrittenSize(journal.segment_size),
        WrittenDuration(journal.retain.age),
        WrittenSize(journal.retain.size)
    )
}

fn quarantine(quarantine: Option<&QuarantineConfig>) -> String {
    let Some(quarantine) = quarantine else { return "quarantine off: what is refused is not kept".to_owned() };
    format!(
        "quarantine in {}, up to {} or {} requests, for {}",
        quarantine.dir.display(),
        WrittenSize(quarantine.max_size),
        quarantine.max_events,
        WrittenDuration(quarantine.max_age)
    )
}

fn sources(config: &Config) -> Table {
    let mut table = Table::new(["source", "path", "proof", "type from", "signed", "ack", "answer", "deadline"]);
    for source in &config.sources {
        table.row([
            source.name.clone(),
            source.path.clone(),
            source.auth.to_string(),
            type_from(source),
            if source.type_signed { "yes" } else { "no" }.to_owned(),
            source.ack.to_string(),
            source.reply.status.as_u16().to_string(),
            WrittenDuration(source.deadline).to_string(),
        ]);
    }
    table
}

/// The lists of addresses that sources name.
fn addresses(config: &Config) -> Table {
    let mut table = Table::new(["addresses", "source", "for", "ranges", "as of"]);
    for source in &config.sources {
        for list in &source.senders.lists {
            table.row([
                list.name.clone(),
                source.name.clone(),
                list.key.to_owned(),
                list.ranges.to_string(),
                list.as_of.map_or("[ranges] says".to_owned(), |day| day.to_string()),
            ]);
        }
    }
    table
}

fn polls(config: &Config) -> Table {
    let mut table = Table::new(["poll", "asks", "as", "every", "fills"]);
    for poll in &config.polls {
        let url = &poll.server.url;
        let filled = poll.fills.and_then(|at| config.sources.get(at)).map_or("-", |source| source.name.as_str());
        table.row([
            poll.name.clone(),
            // Without its query, in which somebody may have written a key.
            format!("{}{}", url.host().unwrap_or_default(), url.path()),
            match (&poll.oauth2, &poll.server.auth) {
                (Some(oauth2), _) => format!("{} with a token", oauth2.client_id),
                (None, Some(HttpAuth::Basic { user, .. })) => user.clone(),
                (None, Some(HttpAuth::Bearer(_))) => "bearer token".to_owned(),
                (None, None) => "-".to_owned(),
            },
            WrittenDuration(poll.every).to_string(),
            filled.to_owned(),
        ]);
    }
    table
}

fn type_from(source: &SourceConfig) -> String {
    if source.event_type.is_empty() {
        return "-".to_owned();
    }
    source.event_type.iter().map(describe).collect::<Vec<_>>().join(" or ")
}

fn routes(config: &Config) -> Table {
    let mut table =
        Table::new(["route", "takes", "pool", "in flight", "batch", "queue", "when full", "backlog", "attempts", "to"]);
    for route in &config.routes {
        table.row([
            route.name.clone(),
            takes(route, config),
            config.pools.get(route.pool).map(|pool| pool.name.clone()).unwrap_or_default(),
            route.in_flight.to_string(),
            route.batch.map_or("-".to_owned(), |events| events.to_string()),
            format!("{} events, {}", route.queue.events, WrittenSize(route.queue.bytes as u64)),
            match route.when_full {
                WhenFull::Refuse => "refuse",
                WhenFull::Drop => "drop",
            }
            .to_owned(),
            backlog(route),
            route.retry.attempts.to_string(),
            destination(&route.to),
        ]);
    }
    table
}

fn backlog(route: &RouteConfig) -> String {
    let then = match route.backlog.when_full {
        BacklogFull::RefuseSource => "refuse source",
        BacklogFull::DropOldest => "drop oldest",
    };
    format!("{}, {then}", WrittenSize(route.backlog.size))
}

fn takes(route: &RouteConfig, config: &Config) -> String {
    let mut parts: Vec<_> = route
        .from
        .iter()
        .map(|from| {
            let source = config.origins().nth(from.source).unwrap_or("?");
            let types: Vec<_> = from.types.iter().map(TypePattern::to_string).collect();
            format!("{source}: {}", types.join(" "))
        })
        .collect();
    if route.signed_type {
        parts.push("only signed types".to_owned());
    }
    for condition in &route.conditions {
        parts.push(format!("where {}", condition.member));
    }
    parts.join(", ")
}

fn destination(to: &SinkConfig) -> String {
    match to {
        SinkConfig::Http(http) => url_without_credentials(http),
        SinkConfig::File(file) => format!("file {}", file.path.display()),
        SinkConfig::Stdout => "stdout".to_owned(),
        SinkConfig::Discard => "discard".to_owned(),
        SinkConfig::Handler => "handler of the embedding program".to_owned(),
    }
}

/// A destination's query may hold a key.
fn url_without_credentials(http: &HttpSink) -> String {
    let url = &http.url;
    let port = url.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
    let scheme = url.scheme_str().unwrap_or_default();
    format!("{scheme}://{}{port}{}", url.host().unwrap_or_default(), url.path())
}

fn threads(config: &Config, placement: &Placement) -> String {
    let mut table = Table::new(["threads", "number", "core", "spin"]);
    let cores = |cores: &[Option<usize>]| {
        let cores: Vec<_> = cores.iter().map(|core| core.map_or("any".to_owned(), |core| core.to_string())).collect();
        cores.join(" ")
    };
    table.row(["io".to_owned(), placement.io.len().to_string(), cores(&placement.io), "-".to_owned()]);
    for (pool, at) in config.pools.iter().zip(&placement.pools) {
        table.row([
            format!("pool {}", pool.name),
            at.len().to_string(),
            cores(at),
            WrittenDuration(pool.spin).to_string(),
        ]);
    }
    format!("{table}{placement}\n")
}
