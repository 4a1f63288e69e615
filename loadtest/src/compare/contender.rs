//! What is compared, and what each promises when it answers.

use clap::builder::PossibleValuesParser;
use serde::Serialize;

use crate::server::installed;

/// A server to be measured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Contender {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) kind: Kind,
    pub(super) durability: Durability,
}

/// How it is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Hookgate(Gateway),
    /// A program of this binary.
    Alternative(Store),
    Nginx,
    Webhook,
}

/// A way to run hookgate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gateway {
    pub(super) ack: &'static str,
    pub(super) setup: Setup,
}

/// What is different about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Setup {
    /// Nothing: the route discards.
    Plain,
    /// The route delivers by HTTP to a processor on the client's thread, and what counts is what arrives there.
    Delivers,
    /// The same by a route that puts several events into one request.
    DeliversBatches,
    /// The journal's thread sits on other cores.
    JournalApart,
    /// Clients come otherwise than by connections in the clear that they keep.
    Comes(Visit),
}

/// How a client comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Visit {
    /// By TLS, on a connection that is kept.
    Tls,
    /// By a new connection for each request, in the clear.
    Anew,
    /// By a new one with a whole handshake.
    TlsAnew,
    /// By a new one that resumes a session with a ticket.
    TlsResumed,
}

impl Visit {
    pub(super) fn has_tls(self) -> bool {
        self != Visit::Anew
    }
}

/// What an alternative stores events in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Store {
    Nothing,
    Redis,
    Sqlite,
    Nats,
}

/// Where an event is when its sender is told that it was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Durability {
    /// Nowhere: it is thrown away.
    Nothing,
    /// In memory, lost with the process.
    Memory,
    /// In the page cache, lost with the machine.
    PageCache,
    /// On disk.
    Synced,
}

impl Durability {
    pub(super) fn label(self) -> &'static str {
        match self {
            Durability::Nothing => "nothing kept",
            Durability::Memory => "memory",
            Durability::PageCache => "page cache",
            Durability::Synced => "synced",
        }
    }

    /// The hookgate that promises as much.
    pub(super) fn peer(self) -> &'static str {
        if self >= Durability::PageCache { DURABLE } else { MEMORY }
    }
}

impl Contender {
    /// How hookgate is run, if this is hookgate.
    pub(super) fn gateway(&self) -> Option<Gateway> {
        match self.kind {
            Kind::Hookgate(gateway) => Some(gateway),
            _ => None,
        }
    }

    pub(super) fn is(&self, setup: Setup) -> bool {
        self.gateway().is_some_and(|gateway| gateway.setup == setup)
    }

    /// Whether what counts is what arrives at a processor.
    pub(super) fn delivers(&self) -> bool {
        self.is(Setup::Delivers) || self.is(Setup::DeliversBatches)
    }

    /// The hookgate from which this one differs in one thing.
    pub(super) fn plain(&self) -> Option<&'static str> {
        match self.gateway()? {
            Gateway { setup: Setup::Plain, .. } => (self.name == DURABLE).then_some(MEMORY),
            Gateway { setup: Setup::Comes(Visit::TlsAnew | Visit::TlsResumed), .. } => Some(ANEW),
            _ => Some(self.durability.peer()),
        }
    }

    /// How its clients come, if not as usual.
    pub(super) fn visit(&self) -> Option<Visit> {
        match self.gateway()?.setup {
            Setup::Comes(visit) => Some(visit),
            _ => None,
        }
    }

    /// Why it cannot be measured here, and how to change that.
    pub(super) fn missing(&self) -> Option<String> {
        let needs = |program: &str, package: &str| {
            let advice = format!("{program} is not installed: apt install {package}");
            installed(program).is_none().then_some(advice)
        };
        let is_framework = self.name.starts_with("axum");
        if is_framework && !cfg!(feature = "alternatives") {
            return Some(
                "this loadtest was built without it: cargo build --release -p loadtest --features alternatives".into(),
            );
        }
        match self.kind {
            Kind::Hookgate(_) | Kind::Alternative(Store::Nothing | Store::Sqlite) => None,
            Kind::Alternative(Store::Redis) => needs("redis-server", "redis-server"),
            Kind::Alternative(Store::Nats) => needs("nats-server", "nats-server"),
            Kind::Nginx => needs("nginx", "nginx-light"),
            Kind::Webhook => needs("webhook", "webhook"),
        }
    }
}

/// The names, for the command line.
pub(super) fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(CONTENDERS.map(|contender| contender.name))
}

pub(super) const MEMORY: &str = "hookgate-memory";

/// What handshakes are compared to.
const ANEW: &str = "hookgate-memory-anew";

pub(super) const DURABLE: &str = "hookgate-durable";

/// In the order in which they are measured and shown. Those to which clients come otherwise are measured only if they are named.
pub(super) const CONTENDERS: [Contender; 19] = [
    contender(MEMORY, "hookgate, ack = \"memory\"", hookgate("memory", Setup::Plain), Durability::Memory),
    contender(DURABLE, "hookgate, ack = \"durable\"", hookgate("durable", Setup::Plain), Durability::Synced),
    contender(
        "hookgate-memory-http",
        "hookgate, ack = \"memory\", delivers by HTTP",
        hookgate("memory", Setup::Delivers),
        Durability::Memory,
    ),
    contender(
        "hookgate-durable-http",
        "hookgate, ack = \"durable\", delivers by HTTP",
        hookgate("durable", Setup::Delivers),
        Durability::Synced,
    ),
    contender(
        "hookgate-memory-http-batch",
        "hookgate, ack = \"memory\", delivers batches by HTTP",
        hookgate("memory", Setup::DeliversBatches),
        Durability::Memory,
    ),
    contender(
        "hookgate-durable-http-batch",
        "hookgate, ack = \"durable\", delivers batches by HTTP",
        hookgate("durable", Setup::DeliversBatches),
        Durability::Synced,
    ),
    contender(
        "hookgate-durable-apart",
        "hookgate, ack = \"durable\", its journal's thread on another core",
        hookgate("durable", Setup::JournalApart),
        Durability::Synced,
    ),
    comes("hookgate-memory-tls", "hookgate, connections kept, TLS", Visit::Tls),
    comes(ANEW, "hookgate, a new connection for each request", Visit::Anew),
    comes("hookgate-memory-tls-anew", "hookgate, a new connection with a whole TLS handshake", Visit::TlsAnew),
    comes("hookgate-memory-tls-resumed", "hookgate, a new connection that resumes a TLS session", Visit::TlsResumed),
    contender("hyper-read", "bare hyper, reads the body", Kind::Alternative(Store::Nothing), Durability::Nothing),
    contender("hyper-hmac", "bare hyper, verifies", Kind::Alternative(Store::Nothing), Durability::Nothing),
    contender(
        "axum-memory",
        "axum, hmac, serde_json, tokio channel",
        Kind::Alternative(Store::Nothing),
        Durability::Memory,
    ),
    contender(
        "axum-redis",
        "axum, Redis stream, appendfsync always",
        Kind::Alternative(Store::Redis),
        Durability::Synced,
    ),
    contender(
        "axum-sqlite",
        "axum, SQLite WAL, synchronous=FULL",
        Kind::Alternative(Store::Sqlite),
        Durability::Synced,
    ),
    contender(
        "axum-jetstream",
        "axum, JetStream, file store as it comes",
        Kind::Alternative(Store::Nats),
        Durability::PageCache,
    ),
    contender("nginx", "nginx, return 202, verifies nothing", Kind::Nginx, Durability::Nothing),
    contender("webhook", "Debian's webhook, starts a process", Kind::Webhook, Durability::Nothing),
];

const fn comes(name: &'static str, about: &'static str, visit: Visit) -> Contender {
    contender(name, about, hookgate("memory", Setup::Comes(visit)), Durability::Memory)
}

const fn hookgate(ack: &'static str, setup: Setup) -> Kind {
    Kind::Hookgate(Gateway { ack, setup })
}

const fn contender(name: &'static str, about: &'static str, kind: Kind, durability: Durability) -> Contender {
    Contender { name, about, kind, durability }
}
