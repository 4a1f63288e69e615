//! `[[route]]`.

use std::path::PathBuf;
use std::time::Duration;

use super::backlog::{backlog, from_start};
use super::condition::conditions;
use super::gateway::LARGEST_SIZE;
use super::names::Names;
use super::sink::sink;
use super::{Pools, Sources};
use crate::config::document::Spot;
use crate::config::nearest::nearest;
use crate::config::node::Node;
use crate::config::table::Table;
use crate::config::{
    Ack, BreakerConfig, From, FromStart, ITEMS_MAX, JournalConfig, QueueConfig, RetryConfig, RouteConfig, SinkConfig,
    TypePattern, WhenFull,
};

/// What routes are built on.
pub(in crate::config) struct Surroundings<'s, 'd> {
    pub(in crate::config) sources: &'s Sources<'d>,
    pub(in crate::config) pools: &'s Pools<'d>,
    pub(in crate::config) journal: &'s JournalConfig,
    /// What `[gateway]` says of it.
    pub(in crate::config) deny_private: bool,
}

/// Reads the routes of all files and checks them against each other.
pub(in crate::config) fn routes<'d>(roots: &mut [Table<'d>], around: &Surroundings<'_, 'd>) -> Vec<RouteConfig> {
    let mut names = Names::default();
    let tables = roots.iter_mut().flat_map(|root| root.sections("route"));
    let routes: Vec<RouteConfig> = tables.map(|table| route(table, &mut names, around)).collect();
    check_pools(&routes, &names, around.pools);
    check_files(&routes, &names);
    routes
}

fn route<'d>(mut table: Table<'d>, names: &mut Names<'d>, around: &Surroundings<'_, 'd>) -> RouteConfig {
    let name = names.read(&mut table);
    let from = table.require("from", "from = { source = \"…\", types = [\"…\"] }");
    let from = from.map(|node| from_sources(node, around.sources)).unwrap_or_default();
    let signed_type = signed_type(&mut table, &from, around.sources);
    let conditions = table.get("where").map(conditions).unwrap_or_default();
    let pool = table.get("pool").and_then(|node| known_pool(&node, around.pools)).unwrap_or(0);
    let in_flight = table.get("in_flight").and_then(|node| node.number(1..=65_536)).unwrap_or(64) as usize;
    let batch = table.get("batch");
    let max_rate = table.get("max_rate").and_then(|node| node.number(1..=1_000_000_000)).map(|rate| rate as u32);
    let queue = queue(table.get("queue"));
    let when_full = table.get("when_full");
    let when_full = when_full.and_then(|node| node.choice(&[("drop", WhenFull::Drop), ("refuse", WhenFull::Refuse)]));
    if let Some(node) = table.get("when_full") {
        warn_if_all_waits(&node, &from, around.sources);
    }
    if let Some(node) = table.get("backlog") {
        warn_if_none_waits(&node, &from, around.sources);
    }
    if let Some(node) = table.get("queue") {
        warn_if_batches_are_larger(&node, queue, when_full, &from, around.sources);
    }
    let backlog = backlog(table.get("backlog"), around.journal);
    let from_start = table.get("from_start").and_then(|node| from_start(&node));
    let retry = retry(table.get("retry"));
    let max_parked = table.get("max_parked").and_then(|node| node.number(1..=10_000_000)).unwrap_or(100_000) as usize;
    let breaker = breaker(table.get("breaker"));
    let to =
        table.require("to", "to = { http = \"http://…\" }, { file = \"…\" }, \"stdout\", \"discard\" or \"handler\"");
    let to = to.and_then(|node| sink(&node, around.deny_private));
    let batch = batch.and_then(|node| batch_size(&node, to.as_ref()));
    table.finish();
    RouteConfig {
        name,
        from,
        signed_type,
        conditions,
        pool,
        in_flight,
        batch,
        max_rate,
        queue,
        when_full: when_full.unwrap_or(WhenFull::Drop),
        backlog,
        from_start: from_start.unwrap_or(FromStart::Now),
        retry,
        max_parked,
        breaker,
        to: to.unwrap_or(SinkConfig::Discard),
    }
}

/// Where `to` has a mistake of its own, that is mistake enough.
fn batch_size(node: &Node<'_>, to: Option<&SinkConfig>) -> Option<usize> {
    if to.is_some_and(|to| !matches!(to, SinkConfig::Http(_))) {
        let help = "leave it out: it is for to = { http = \"…\" }, and all others take what waits by themselves";
        return node.refuse("only a request can carry a batch", help);
    }
    node.number(1..=1_000).map(|events| events as usize)
}

fn from_sources(node: Node<'_>, sources: &Sources<'_>) -> Vec<From> {
    node.items().iter().flat_map(|item| from_one(item, sources)).collect()
}

fn from_one(node: &Node<'_>, sources: &Sources<'_>) -> Vec<From> {
    let Some(mut table) = node.table() else {
        return Vec::new();
    };
    let source = table.require("source", "source = \"…\", or \"*\" for all");
    let indices = source.map(|node| source_indices(&node, sources)).unwrap_or_default();
    let types = match table.get("types") {
        Some(node) => types(node),
        None => vec![TypePattern::Any],
    };
    table.finish();
    indices.into_iter().map(|source| From { source, types: types.clone() }).collect()
}

fn source_indices(node: &Node<'_>, sources: &Sources<'_>) -> Vec<usize> {
    let Some(written) = node.text() else {
        return Vec::new();
    };
    if written == "*" {
        return (0..sources.names.iter().count()).collect();
    }
    let found = sources.names.position(written);
    if found.is_none() {
        let help = match (nearest(written, sources.names.iter()), sources.names.iter().next().is_none()) {
            (Some(near), _) => format!("did you mean \"{near}\"?"),
            (None, true) => "write a [[source]] with this name in the main file".to_owned(),
            (None, false) => format!("known: {}", sources.names.iter().collect::<Vec<_>>().join(", ")),
        };
        node.spot.problem(format!("there is no source \"{}\"", written.escape_debug()), help);
    }
    if let Some(filled) = found.and_then(|at| sources.filled_by(at)) {
        let help = format!("write source = \"{}\"", filled.name);
        node.spot.problem(format!("the events of this poll are those of the source \"{}\"", filled.name), help);
    }
    found.into_iter().collect()
}

fn types(node: Node<'_>) -> Vec<TypePattern> {
    let texts = node.items();
    texts.iter().filter_map(Node::filled_text).map(TypePattern::parse).collect()
}

fn signed_type(table: &mut Table<'_>, from: &[From], sources: &Sources<'_>) -> bool {
    let Some(node) = table.get("signed_type") else {
        return false;
    };
    let signed = node.flag().unwrap_or_default();
    for from in from.iter().filter(|_| signed) {
        if let Some(source) = sources.configs.get(from.source).filter(|source| !source.type_signed) {
            node.spot.warn(
                format!("no signature covers the type of \"{}\": the route takes nothing from it", source.name),
                "leave signed_type out, or read event_type from where the provider signs it",
            );
        }
    }
    signed
}

/// What is in the journal waits there for room in the queue: nothing of it is dropped and no sender refused for that.
fn warn_if_all_waits(node: &Node<'_>, from: &[From], sources: &Sources<'_>) {
    let is_durable = |from: &From| sources.configs.get(from.source).is_none_or(|it| it.ack == Ack::Durable);
    if !from.is_empty() && from.iter().all(is_durable) {
        node.spot.warn(
            "this concerns only sources with ack = \"memory\", and the route takes from none: its events wait in the journal",
            "leave it out",
        );
    }
}

/// What is only in memory never waits in the journal.
fn warn_if_none_waits(node: &Node<'_>, from: &[From], sources: &Sources<'_>) {
    let is_memory = |from: &From| sources.configs.get(from.source).is_some_and(|it| it.ack == Ack::Memory);
    if !from.is_empty() && from.iter().all(is_memory) {
        node.spot.warn(
            "this concerns only sources with ack = \"durable\", and the route takes from none: nothing waits in the journal",
            "leave it out; `queue` bounds what waits in memory",
        );
    }
}

/// A request is taken with all its events or not at all.
fn warn_if_batches_are_larger(
    node: &Node<'_>,
    queue: QueueConfig,
    when_full: Option<WhenFull>,
    from: &[From],
    sources: &Sources<'_>,
) {
    let is_split = |from: &&From| {
        let source = sources.configs.get(from.source);
        source.is_some_and(|source| source.ack == Ack::Memory && source.split.is_some())
    };
    let Some(source) = from.iter().find(is_split).and_then(|from| sources.configs.get(from.source)) else { return };
    if queue.events < ITEMS_MAX {
        let then = match when_full {
            Some(WhenFull::Refuse) => "is refused each time it comes",
            Some(WhenFull::Drop) | None => "always loses those beyond",
        };
        node.spot.warn(
            format!("a request of \"{}\" with more than {} events {then}", source.name, queue.events),
            format!("write queue = {{ events = {ITEMS_MAX} }}, as many as one request may have, or ack = \"durable\""),
        );
    }
}

fn known_pool(node: &Node<'_>, pools: &Pools<'_>) -> Option<usize> {
    let written = node.text()?;
    let found = pools.position(written);
    if found.is_none() {
        let help = match nearest(written, pools.iter()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => "write a [[pool]] with this name, or leave `pool` out for the default pool".to_owned(),
        };
        node.spot.problem(format!("there is no pool \"{}\"", written.escape_debug()), help);
    }
    found
}

fn queue(node: Option<Node<'_>>) -> QueueConfig {
    let mut queue = QueueConfig { events: 10_000, bytes: 64 << 20 };
    if let Some(mut table) = node.and_then(|node| node.table()) {
        if let Some(events) = table.get("events").and_then(|node| node.number(1..=100_000_000)) {
            queue.events = events as usize;
        }
        if let Some(bytes) = table.get("bytes").and_then(|node| node.size(LARGEST_SIZE)) {
            queue.bytes = bytes as usize;
        }
        table.finish();
    }
    queue
}

fn retry(node: Option<Node<'_>>) -> RetryConfig {
    let finals = [400, 410, 413, 422].into_iter().filter_map(|status| http::StatusCode::from_u16(status).ok());
    let mut retry = RetryConfig {
        attempts: 12,
        first: Duration::from_secs(1),
        max: Duration::from_mins(15),
        age: Duration::from_hours(24),
        final_statuses: finals.collect(),
    };
    let Some(mut table) = node.and_then(|node| node.table()) else {
        return retry;
    };
    if let Some(attempts) = table.get("attempts").and_then(|node| node.number(1..=1_000_000)) {
        retry.attempts = attempts as u32;
    }
    let mut time = |key, value: &mut Duration| {
        if let Some(duration) = table.get(key).and_then(|node: Node<'_>| node.positive_duration()) {
            *value = duration;
        }
    };
    time("first", &mut retry.first);
    time("max", &mut retry.max);
    time("age", &mut retry.age);
    if retry.first > retry.max
        && let Some(node) = table.get("first").or_else(|| table.get("max"))
    {
        node.spot.problem("`first` is longer than `max`", "write a `first` that can still grow, as in \"1s\"");
    }
    if let Some(node) = table.get("final") {
        retry.final_statuses = final_statuses(node);
    }
    table.finish();
    retry
}

/// An empty list is fine here: every failure is tried again.
fn final_statuses(node: Node<'_>) -> Vec<http::StatusCode> {
    if node.is_empty_list() {
        return Vec::new();
    }
    node.items().iter().filter_map(|item| item.status(300..=599)).collect()
}

fn breaker(node: Option<Node<'_>>) -> BreakerConfig {
    let mut breaker = BreakerConfig { failures: 10, probe_every: Duration::from_secs(5), pause_after_dead: 100 };
    if let Some(mut table) = node.and_then(|node| node.table()) {
        if let Some(failures) = table.get("failures").and_then(|node| node.number(1..=1_000_000)) {
            breaker.failures = failures as u32;
        }
        if let Some(every) = table.get("probe_every").and_then(|node| node.positive_duration()) {
            breaker.probe_every = every;
        }
        if let Some(dead) = table.get("pause_after_dead").and_then(|node| node.number(1..=1_000_000_000)) {
            breaker.pause_after_dead = dead as u32;
        }
        table.finish();
    }
    breaker
}

/// A handler may block its worker, so that the other kinds of route would stand still with it.
fn check_pools(routes: &[RouteConfig], names: &Names<'_>, pools: &Pools<'_>) {
    let is_handler = |route: &RouteConfig| matches!(route.to, SinkConfig::Handler);
    for (at, route) in routes.iter().enumerate().filter(|(_, route)| is_handler(route)) {
        let neighbour = routes.iter().position(|other| other.pool == route.pool && !is_handler(other));
        let spots: Option<(&Spot<'_>, &Spot<'_>)> = neighbour.and_then(|it| names.spot(it)).zip(names.spot(at));
        if let Some((neighbour, spot)) = spots {
            let pool = pools.configs.get(route.pool).map_or("", |pool| pool.name.as_str());
            spot.problem(
                format!("a handler may block, and would stop the route on {} with it", neighbour.line_seen_from(spot)),
                format!("give one of them a [[pool]] of its own: both are in \"{pool}\""),
            );
        }
    }
}

/// Two routes that rotate one file would lose each other's lines.
fn check_files(routes: &[RouteConfig], names: &Names<'_>) {
    let mut taken: Vec<(&PathBuf, usize)> = Vec::new();
    for (at, route) in routes.iter().enumerate() {
        let SinkConfig::File(file) = &route.to else {
            continue;
        };
        let first = taken.iter().find(|(path, _)| **path == file.path).and_then(|(_, first)| names.spot(*first));
        if let Some((first, spot)) = first.zip(names.spot(at)) {
            let line = first.line_seen_from(spot);
            spot.problem(format!("the route on {line} writes to the same file"), "give each route its own file");
        }
        taken.push((&file.path, at));
    }
}
